/* uplink.c - start, stop, and what the desk may know. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/client.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { WATCH_MS = 1000, WATCH_LINES_MS = 250, DAY_MS = 86400000 };

static const char *const line_words[] = {"not enrolled", "trying", "up", "down", "refused"};

const char *
uplink_line_word(enum uplink_line line)
{
    return line_words[line];
}

/* What happens in the spool is news to the others. Lines change with time, too. */
static void *
watcher_run(void *arg)
{
    struct uplink *up = arg;
    int64_t every_ms = WATCH_MS, looked_ms = clock_mono_ms(), now_ms;
    uint64_t seen = 0, now;

    while (!up_is_stopping(up)) {
        now = spool_wait(up->spool, seen, every_ms);
        if (now != seen)
            up_news(up);
        seen = now;
        now_ms = clock_mono_ms();
        if (now_ms - looked_ms < every_ms)
            continue;
        looked_ms = now_ms;
        serving_look(up);
        reconcile_look(up);
        every_ms = up->lines_n > 1 ? WATCH_LINES_MS : WATCH_MS; /* they grow by this thread alone */
    }
    return NULL;
}

static int
check_options(const struct uplink_options *o, struct err *err)
{
    if (o->connections < 1 || o->connections > MAX_CONNECTIONS)
        return err_set(err, ERR_REJECT, "connections: 1 to %d", MAX_CONNECTIONS);
    if (o->coders < 1 || o->coders > MAX_CODERS)
        return err_set(err, ERR_REJECT, "coders: 1 to %d", MAX_CODERS);
    if (o->stat_percent > 100)
        return err_set(err, ERR_REJECT, "the share of STAT: 1 to 100");
    if (o->backoff_ms < 1 || o->backoff_max_ms < o->backoff_ms)
        return err_set(err, ERR_REJECT, "link_backoff_max is shorter than link_backoff");
    return 0;
}

static void
uplink_free(struct uplink **uplink)
{
    struct uplink *up = TAKE(*uplink);

    plan_free(&up->plan);
    pthread_mutex_destroy(&up->asking);
    pthread_mutex_destroy(&up->twins);
    pthread_mutex_destroy(&up->missing_lock);
    pthread_mutex_destroy(&up->urging);
    pthread_mutex_destroy(&up->coding);
    gate_fini(&up->gate);
    free(up->later);
    free(up->conflicts);
    urgency_fini(&up->urgency);
    reconcile_end(up);
    free(up->peeks);
    free(up->dir);
    free(up->lines_path);
    free(up->url);
    free(up->link_dir);
    free(up);
}

int
uplink_start(const struct uplink_options *options, struct spool *spool, struct codec_pool *pool,
             struct uplink **out_uplink, struct err *err)
{
    struct uplink *up;

    if (check_options(options, err) < 0)
        return err_context(err, "uplink");
    up = mem_new(sizeof *up);
    up->o = *options;
    up->dir = mem_text(options->dir);
    up->link_dir = mem_text(options->link_dir);
    up->url = mem_text(options->url == NULL ? "" : options->url);
    up->lines_path = mem_text(options->lines_path);
    up->spool = spool;
    up->pool = pool;
    if (up->o.reconcile_ms <= 0)
        up->o.reconcile_ms = DAY_MS;
    gate_init(&up->gate);
    pthread_mutex_init(&up->twins, NULL);
    pthread_mutex_init(&up->asking, NULL);
    pthread_mutex_init(&up->missing_lock, NULL);
    pthread_mutex_init(&up->urging, NULL);
    pthread_mutex_init(&up->coding, NULL);
    up->plan = plan_new(options->look_hold_ms);
    up->since_us = clock_wall_us();
    if (options->stat_percent > 0)
        plan_set_share(up->plan, options->stat_percent);
    room_init(up);
    policy_begin(up); /* its cap counts from the first byte */
    serving_begin(up);
    order_begin(up);
    reconcile_begin(up);
    for (unsigned i = 0; i < up->o.coders; i++)
        up->coders[i] = thread_start("up-code", coder_run, up);
    up->stat_coder = thread_start("up-stat", coder_run_stat, up);
    serving_start_threads(up);
    up->feeder = thread_start("up-feed", feeder_run, up);
    up->stat_feeder = thread_start("up-feed-stat", feeder_run_stat, up);
    up->offerer = thread_start("up-offer", offerer_run, up);
    for (unsigned i = 0; i < SPARE_OFFERERS; i++)
        up->spares[i] = thread_start("up-offer", offerer_run_spare, up);
    up->teller = thread_start("up-tell", teller_run, up);
    up->receiver = thread_start("up-receipts", receiver_run, up);
    up->reconcile = thread_start("up-reconcile", reconcile_run, up);
    up->watcher = thread_start("up-watch", watcher_run, up);
    LOG(&uplink_log, UPLINK_STARTED);
    *out_uplink = up;
    return 0;
}

void
uplink_stop(struct uplink **uplink)
{
    struct uplink *up = TAKE(*uplink);

    if (up == NULL)
        return;
    gate_lock(&up->gate);
    up->is_stopping = true;
    for (size_t i = 0; i < up->talks_n; i++)
        if (up->talks[i]->client != NULL)
            http_client_abort(up->talks[i]->client);
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    spool_wake(up->spool);
    thread_join(up->watcher); /* it alone begins threads */
    serving_stop_threads(up);
    thread_join(up->receiver);
    thread_join(up->teller);
    thread_join(up->reconcile);
    thread_join(up->feeder);
    thread_join(up->stat_feeder);
    thread_join(up->offerer);
    for (unsigned i = 0; i < SPARE_OFFERERS; i++)
        thread_join(up->spares[i]);
    for (unsigned i = 0; i < up->o.coders; i++)
        thread_join(up->coders[i]);
    thread_join(up->stat_coder);
    uplink_free(&up);
}

int
uplink_close_study(struct uplink *up, const char *study_uid, struct err *err)
{
    struct spool_study study;
    uint32_t revision;

    if (spool_study(up->spool, study_uid, &study, err) < 0)
        return -1;
    if (study.open_associations > 0)
        return err_set(err, ERR_RETRY, "the device is still sending this study");
    if (spool_manifest_close(up->spool, study_uid, &revision, err) < 0)
        return err_context(err, "close study %s", study_uid);
    LOG(&uplink_log, UPLINK_MANIFEST_CLOSED, F_UID("study", study_uid),
        F_NUMBER("revision", revision), F_NUMBER("new", study.unlisted),
        F_NUMBER("left", study.leaving));
    up_news(up);
    return 0;
}

void
uplink_ask_missing(struct uplink *up, uplink_missing_fn ask, void *user)
{
    pthread_mutex_lock(&up->missing_lock);
    up->missing = ask;
    up->missing_user = user;
    pthread_mutex_unlock(&up->missing_lock);
}

void
uplink_missing_changed(struct uplink *up)
{
    up_news(up);
}

/* Gate held. */
static void
line_status(struct up_line *line, struct uplink_line_status *out)
{
    text_copy(out->name, sizeof out->name, line->set.name);
    out->rank = line->rank;
    out->is_serving = line_is_serving(line);
    out->line = line->state;
    out->is_choked = line->is_choked;
    out->since_us = line->since_us;
    out->last_contact_us = line->last_contact_us;
    out->bytes_per_s = meter_read(&line->meter, clock_mono_ms());
    out->sent_bytes = line->sent_bytes;
    out->rate_bytes = line->bucket.rate;
    text_copy(out->trouble, sizeof out->trouble, line->trouble);
}

/* Gate held: what is said of the line where several are. */
static void
lines_status(struct uplink *up, struct uplink_status *out)
{
    const struct up_line *best = serving_best(up), *denied = NULL;
    const struct room *full = room_now_full(up);

    out->is_table_wrong = up->is_table_wrong;
    out->line = up->state;
    out->line_since_us = up->since_us;
    for (size_t i = 0; i < up->lines_n; i++) {
        struct up_line *line = &up->lines[i];

        out->sent_bytes += line->sent_bytes;
        if (line->is_gone)
            continue;
        line_status(line, &out->lines[out->lines_n]);
        out->is_clock_past_all |= line->is_past_all && up->state != UPLINK_UP;
        if (line->is_proxy_denied && up->state == UPLINK_DOWN)
            denied = line; /* what a person can mend, whatever else is wrong with the others */
        out->bytes_per_s += out->lines[out->lines_n++].bytes_per_s;
        if (line->last_contact_us > out->last_contact_us)
            out->last_contact_us = line->last_contact_us;
        if (best == NULL && (line->state == up->state || up->lines_n == 1))
            best = line;
    }
    if (best == NULL)
        return;
    text_copy(out->centre, sizeof out->centre,
              best->set.url[0] != '\0' ? best->set.url : up->who.link_url);
    out->is_centre_full = full != NULL && best->state == UPLINK_UP;
    out->full_since_us = out->is_centre_full ? full->since_us : 0;
    out->is_proxy_denied = denied != NULL;
    text_copy(out->trouble, sizeof out->trouble,
              out->is_centre_full ? full->trouble
              : denied != NULL    ? denied->trouble
                                  : best->trouble);
}

/* Gate held: words for the people at the clinic, while this version is older. */
static void
policy_status(const struct uplink *up, struct uplink_status *out)
{
    const struct link_policy *p = &up->policy;

    out->is_version_too_old = link_version_is_older(RADPOST_VERSION, p->least_version);
    if (!link_version_is_older(RADPOST_VERSION, p->upgrade_version))
        return;
    text_copy(out->upgrade_version, sizeof out->upgrade_version, p->upgrade_version);
    text_copy(out->upgrade_text, sizeof out->upgrade_text, p->upgrade_text);
    text_copy(out->upgrade_url, sizeof out->upgrade_url, p->upgrade_url);
}

void
uplink_status(struct uplink *up, struct uplink_status *out)
{
    uint64_t counts[INSTANCE_STATES];
    struct plan_stats stats;

    memset(out, 0, sizeof *out);
    spool_counts(up->spool, counts);
    out->proofs_failed = proof_unseen(up);
    out->uncoded = counts[INSTANCE_RECEIVED] + counts[INSTANCE_INSPECTED];
    gate_lock(&up->gate);
    plan_stats(up->plan, &stats);
    lines_status(up, out);
    text_copy(out->tenant, sizeof out->tenant, up->who.tenant);
    text_copy(out->device, sizeof out->device, up->who.device);
    out->certificate_days = INT_MIN;
    if (up->who.enrolment > 0) {
        out->certificate_from_us = up->who.issued_us;
        out->certificate_days =
            (int)((up->who.not_after_us - clock_wall_us()) / (86400 * INT64_C(1000000)));
    }
    out->has_clock_offset = up->has_clock_offset;
    out->clock_offset_ms = up->clock_offset_ms;
    out->centre_boot_ms = up->centre_boot_ms;
    out->conflicts = up->conflicts_seen;
    policy_status(up, out);
    out->reconciled = (struct uplink_reconciled){.at_us = up->reconciler.last.at_us,
                                                 .is_running = up->reconciler.is_running,
                                                 .objects = up->reconciler.last.objects,
                                                 .different = up->reconciler.last.different,
                                                 .repaired = up->reconciler.last.repaired,
                                                 .lost = up->reconciler.last.lost};
    gate_unlock(&up->gate);
    out->waiting_objects = stats.objects;
    out->waiting_looks = stats.unlooked;
    out->waiting_bytes = stats.missing_bytes;
}

void
uplink_set_profile(struct uplink *up, uplink_profile_fn fn, void *user)
{
    pthread_mutex_lock(&up->asking);
    up->profile = fn;
    up->profile_user = user;
    pthread_mutex_unlock(&up->asking);
}
