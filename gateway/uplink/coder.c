/* coder.c - each received instance, STAT first, then oldest: inspect, notice a twin, code, note;
 * then prove. The decoding is done by the codec's caged workers; these threads only wait for them.
 */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/syntax.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL_S 2.0     /* so much is queued: a line shows all it can */
#define MANY_IMAGES 16 /* wait to be coded */

enum {
    LOOK_AGAIN_MS = 5000,
    STAT_LOOK_MS = 100, /* the spool is listed no oftener for emergencies alone */
    BURST_MOST_MS = 500,
    BURST_FIRST_MS = 100,
    IDLE_MS = 300,        /* a line that had nothing to send so long ago */
    PROOF_MOST_MS = 30000 /* then it takes turns with the coding of others */
};

static void
put_off(struct uplink *up, uint64_t id, const struct err *err)
{
    struct log_ctx ctx = log_of_entry(id);

    (void)later_put_off(up, id);
    LOG(&ctx, UPLINK_WORK_LATER, F_ERR(err));
}

/* Gate held. Another coder is at it, or it has been put off (then when). */
static bool
is_taken(const struct uplink *up, uint64_t id, int64_t now_ms, int64_t *soonest_ms)
{
    for (size_t i = 0; i < CLAIMS_MOST; i++)
        if (up->claimed[i] == id)
            return true;
    for (size_t i = 0; i < up->later_n; i++)
        if (up->later[i].id == id && up->later[i].at_ms > now_ms) {
            if (up->later[i].at_ms - now_ms < *soonest_ms)
                *soonest_ms = up->later[i].at_ms - now_ms;
            return true;
        }
    return false;
}

/* Gate held. */
static bool
note_claim(struct uplink *up, uint64_t id)
{
    for (size_t i = 0; i < CLAIMS_MOST; i++)
        if (up->claimed[i] == 0) {
            up->claimed[i] = id;
            return true;
        }
    return false;
}

/* Below the disk's last mark the room is for the journal and the devices: a coded file is a second
 * copy. It waits, for what is ready leaves and makes room; but where a line is up and nothing else
 * is ready, waiting would never end, and the image goes as it came. */
enum copies { COPIES_FINE, COPIES_WAIT, COPIES_NONE };

static enum copies
copies_now(struct uplink *up)
{
    struct plan_stats stats;
    bool is_up = false;

    if (up->o.coding == UPLINK_CODING_OFF || spool_disk_now(up->spool) != SPOOL_DISK_REFUSE)
        return COPIES_FINE;
    gate_lock(&up->gate);
    plan_stats(up->plan, &stats);
    for (size_t i = 0; i < up->lines_n; i++)
        is_up = is_up || line_is_serving(&up->lines[i]);
    gate_unlock(&up->gate);
    return is_up && stats.objects == 0 ? COPIES_NONE : COPIES_WAIT;
}

/* Claim the first entry that waits for a coder, only_stat: and is an emergency's; 0: none,
 * *out_wait_ms says when to look again. */
static uint64_t
claim(struct uplink *up, bool only_stat, int64_t *out_wait_ms)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_RECEIVED) |
                                            INSTANCE_BIT(INSTANCE_INSPECTED)};
    bool is_ordered = order_is_on(up);
    uint64_t *ids = NULL, id = 0;
    size_t n = 0, stats = 0;

    *out_wait_ms = LOOK_AGAIN_MS;
    if (only_stat && !is_ordered)
        return 0;
    if (!only_stat && copies_now(up) == COPIES_WAIT)
        filter.states = INSTANCE_BIT(INSTANCE_RECEIVED); /* to be looked into */
    gate_lock(&up->gate);
    filter.limit = is_ordered ? 0 : MAX_CODERS + up->later_n + 1;
    gate_unlock(&up->gate);
    spool_list(up->spool, &filter, &ids, &n);
    if (is_ordered)
        order_coding(up, ids, n);
    while (only_stat && stats < n && order_is_stat(up, ids[stats])) /* they come first */
        stats++;
    if (only_stat)
        n = stats;
    gate_lock(&up->gate);
    for (size_t i = 0; i < n && id == 0; i++)
        if (!is_taken(up, ids[i], clock_mono_ms(), out_wait_ms))
            id = ids[i];
    if (id != 0 && note_claim(up, id)) {
        up->coming_ms = clock_mono_ms();
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    free(ids);
    return id;
}

static void
unclaim(struct uplink *up, uint64_t id)
{
    gate_lock(&up->gate);
    for (size_t i = 0; i < CLAIMS_MOST; i++)
        if (up->claimed[i] == id)
            up->claimed[i] = 0;
    gate_unlock(&up->gate);
}

/* out_is_done: it was put aside or is a twin; nothing more to do for it. */
static int
inspect(struct uplink *up, struct spool_entry *entry, const struct codec_source *source,
        bool *out_is_done, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct dcm_digests digests;
    char profile[DEVICE_CHARSET_BYTES];
    int rc = -1;

    *out_is_done = true;
    whose_profile(up, entry, profile);
    if (codec_inspect_as(up->pool, source, profile, facts, &digests, err) < 0) {
        if (err->kind != ERR_REJECT)
            goto out;
        err_context(err, "unreadable");
        settle_quarantine(up, entry->id, err->text);
        rc = 0;
        goto out;
    }
    if (memcmp(digests.file, entry->received_sha256, DIGEST_BYTES) != 0) {
        settle_quarantine(up, entry->id, "damaged: its bytes on this disk have changed");
        rc = 0;
        goto out;
    }
    whose_facts(up, entry, facts, &digests);
    entry->is_inspected = true;
    rc = whose_note(up, entry, out_is_done, err);
out:
    free(facts);
    return rc;
}

/* A coding without layers is JPEG-LS. */
const char *
coder_syntax(const struct spool_entry *entry)
{
    struct layout *layout = NULL;
    struct err err = {0};
    const char *syntax = DCM_UID_J2K_LOSSLESS;

    if (!entry->is_coded)
        return entry->meta.transfer_syntax;
    if (layout_read(entry->layout, entry->layout_n, &layout, &err) == 0 && layout->layers == 0)
        syntax = DCM_UID_JPEGLS_LOSSLESS;
    layout_free(&layout);
    return syntax;
}

static int
go_plain(struct uplink *up, uint64_t id, const char *why, struct err *err)
{
    struct log_ctx ctx = log_of_entry(id);

    if (spool_set_uncoded(up->spool, id, why, err) < 0)
        return -1;
    LOG(&ctx, UPLINK_PLAIN, F_WORD("why", why));
    return 0;
}

static int
keep_coded(struct uplink *up, const struct spool_entry *entry, const struct codec_result *coded,
           struct err *err)
{
    struct log_ctx ctx = log_of_entry(entry->id);
    struct spool_coding coding = {.fd = coded->coded_fd,
                                  .size = coded->coded_size,
                                  .recipe = coded->recipe,
                                  .recipe_n = coded->recipe_n};
    struct buf layout;
    int rc;

    if (digest_file(coded->coded_fd, 0, coded->coded_size, coding.sha256, err) < 0)
        return -1;
    buf_init(&layout, LIMIT_LAYOUT_BYTES);
    layout_write(coded->layout, &layout);
    coding.layout = layout.bytes;
    coding.layout_n = layout.n;
    proof_note_made(up, entry->id, coded->made_by);
    if (buf_is_over(&layout))
        rc = go_plain(up, entry->id, "its layout is too long", err);
    else
        rc = spool_set_coded(up->spool, entry->id, &coding, err);
    buf_fini(&layout);
    if (rc == 0)
        LOG(&ctx, UPLINK_CODED, F_NUMBER("received", entry->size), F_BYTES(coded->coded_size));
    return rc;
}

/* Gate held. What the lines that serve can carry; the token bucket may give less. */
static void
look_at_lines(struct uplink *up, uint64_t queued, struct choice_case *out)
{
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < up->lines_n; i++) {
        struct up_line *line = &up->lines[i];
        double carried = (double)meter_read(&line->meter, now), rate, cap;

        if (!line_is_serving(line))
            continue;
        rate = carried > line->burst ? carried : line->burst;
        if ((double)queued > FULL_S * rate && !ease_is_on(&line->ease, now))
            reach_note(&line->reach, carried, line->burst, true, now);
        cap = (double)line->bucket.rate;
        out->line_rate += cap > 0 && line->reach.rate > cap ? cap : line->reach.rate;
        out->is_line_idle = out->is_line_idle || (now - line->starved_ms < IDLE_MS &&
                                                  (cap <= 0 || line->reach.rate < cap));
    }
}

/* Gate held. Many looks will come, and each is offered first; or an emergency wants the whole line.
 */
static void
ease_lines(struct uplink *up, bool is_wanted)
{
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < up->lines_n; i++)
        if (is_wanted)
            ease_want(&up->lines[i].ease, up->lines[i].reach.rate, now);
        else
            ease_end(&up->lines[i].ease);
}

/* The oldest of its study that is here. */
static bool
is_first_of_study(struct uplink *up, const struct spool_entry *entry)
{
    struct spool_study study;
    struct err ignored = {0};

    return spool_study(up->spool, entry->facts.study_uid, &study, &ignored) == 0 &&
           study.first_id == entry->id;
}

static enum codec_coding
choose(struct uplink *up, const struct spool_entry *entry, const struct codec_source *source)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct choice_case now = {.bytes = source->size,
                              .workers = up->o.coders,
                              .processors = processors > 0 ? (unsigned)processors : 1,
                              .is_first = is_first_of_study(up, entry)};
    uint64_t counts[INSTANCE_STATES];
    struct plan_stats stats;
    enum codec_coding coding;

    if (up->o.coding != UPLINK_CODING_CHOOSE)
        return up->o.coding == UPLINK_CODING_FAST ? CODEC_FAST : CODEC_LAYERS;
    if (source->is_urgent) { /* somebody waits to see it, and it has all processors */
        gate_lock(&up->gate);
        ease_lines(up, false);
        gate_unlock(&up->gate);
        return CODEC_BEST;
    }
    spool_counts(up->spool, counts);
    now.waiting_images = counts[INSTANCE_RECEIVED] + counts[INSTANCE_INSPECTED];
    gate_lock(&up->gate);
    plan_stats(up->plan, &stats);
    now.queued_bytes = stats.waiting_bytes;
    now.waiting_proofs = stats.unproved;
    look_at_lines(up, stats.waiting_bytes, &now);
    coding = choice_make(&up->choice, &now);
    if (coding == CODEC_BEST && now.waiting_images >= MANY_IMAGES)
        ease_lines(up, true);
    gate_unlock(&up->gate);
    return coding;
}

static void
note_coding(struct uplink *up, uint64_t bytes, const struct codec_result *coded, int64_t took_ms,
            int64_t aside_ms)
{
    gate_lock(&up->gate);
    choice_note_aside(&up->choice, (double)aside_ms / 1000);
    choice_note_job(&up->choice, coded->layout->layers > 0 ? CODEC_LAYERS : CODEC_FAST, false,
                    bytes, (double)took_ms / 1000);
    choice_note_size(&up->choice, bytes, coded->coded_size);
    gate_unlock(&up->gate);
}

/* since_ms: when it was begun to be looked into. */
static int
code(struct uplink *up, const struct spool_entry *entry, const struct codec_source *source,
     int64_t since_ms, struct err *err)
{
    struct codec_policy policy = {.is_off = up->o.coding == UPLINK_CODING_OFF,
                                  .coding = choose(up, entry, source)};
    struct codec_result coded = {.coded_fd = -1};
    enum copies copies = source->is_urgent ? COPIES_FINE : copies_now(up);
    int64_t begin_ms = clock_mono_ms(), coded_ms;
    int rc;

    if (is_elsewhere(up, entry))
        return go_plain(up, entry->id, "another archive keeps it", err);
    if (copies == COPIES_NONE)
        return go_plain(up, entry->id, "the disk has no room for a coded copy", err);
    if (copies == COPIES_WAIT)
        return 0; /* it stays inspected */
    if (codec_encode(up->pool, source, &policy, &coded, err) < 0) {
        if (err->kind != ERR_REJECT)
            return -1;
        return go_plain(up, entry->id, "the encoder gave it up", err);
    }
    if (coded.coded_fd < 0) {
        rc = go_plain(up, entry->id, coded.why_not, err);
    } else {
        coded_ms = clock_mono_ms();
        rc = keep_coded(up, entry, &coded, err);
        note_coding(up, entry->size, &coded, coded_ms - begin_ms,
                    begin_ms - since_ms + clock_mono_ms() - coded_ms);
    }
    codec_result_fini(&coded);
    return rc;
}

static int
work(struct uplink *up, uint64_t id, struct err *err)
{
    struct spool_entry *entry = NULL;
    struct spool_bytes bytes = {.fd = -1};
    struct codec_source source;
    int64_t since_ms = clock_mono_ms();
    bool is_done = false;
    int rc = -1;

    if (spool_load(up->spool, id, &entry, err) < 0 ||
        spool_source_received(up->spool, id, &bytes, err) < 0)
        goto out;
    source = (struct codec_source){.fd = bytes.fd,
                                   .offset = bytes.offset,
                                   .size = bytes.size,
                                   .is_urgent = order_is_stat(up, id)};
    rc = 0;
    if (entry->state == INSTANCE_RECEIVED)
        rc = inspect(up, entry, &source, &is_done, err);
    else if (entry->state == INSTANCE_INSPECTED)
        rc = whose_note(up, entry, &is_done, err);
    else
        is_done = true;
    if (rc == 0 && !is_done) {
        gate_lock(&up->gate); /* by now its study is known for sure */
        source.is_urgent = order_of(up, entry->facts.study_uid) == UPLINK_STAT;
        gate_unlock(&up->gate);
        rc = code(up, entry, &source, since_ms, err);
    }
out:
    if (bytes.fd >= 0)
        close(bytes.fd);
    spool_entry_free(&entry);
    return rc;
}

/* A study of 300 images comes within half a second over a clinic's own network; coding it takes
 * many times as long, and begins a moment later all the same. One coder waits for less, so that
 * something is there for the line. */
static void
let_receptions_go_first(struct uplink *up, unsigned number)
{
    int64_t ms, most_ms = number == 0 ? BURST_FIRST_MS : BURST_MOST_MS;

    while ((ms = spool_burst_ms(up->spool, most_ms)) > 0 && !up_is_stopping(up))
        up_rest(up, ms);
}

/* Claim an image whose coding is to be proved: when there is none to be coded, or when one waits
 * for long, or of an emergency; 0: none. */
static uint64_t
claim_proof(struct uplink *up, int64_t least_age_ms, bool is_stat)
{
    int64_t since_ms = 0, now_ms = clock_mono_ms();
    uint64_t id, *not = NULL;
    size_t not_n = CLAIMS_MOST;

    gate_lock(&up->gate);
    not = mem_new((CLAIMS_MOST + up->later_n) * sizeof *not );
    memcpy(not, up->claimed, sizeof up->claimed);
    for (size_t i = 0; i < up->later_n; i++)
        if (up->later[i].at_ms > now_ms)
            not [not_n++] = up->later[i].id;
    id = plan_next_unproved(up->plan, not, not_n, &since_ms);
    if (id != 0 && (now_ms - since_ms < least_age_ms || (is_stat && !plan_is_stat(up->plan, id))))
        id = 0;
    if (id != 0)
        (void)note_claim(up, id); /* there is room: each thread holds two at most */
    gate_unlock(&up->gate);
    free(not );
    return id;
}

/* A proof instead of the coding that was claimed, if there is one. */
static bool
swap_for_proof(struct uplink *up, uint64_t *io_id, int64_t least_age_ms, bool is_stat)
{
    uint64_t proof = claim_proof(up, least_age_ms, is_stat);

    if (proof == 0)
        return false;
    if (*io_id != 0) {
        unclaim(up, *io_id);
        up_news(up); /* another may take it */
    }
    *io_id = proof;
    return true;
}

/* One job, of whichever kind is due: an emergency's coding, its proof, every other turn a proof
 * that waited for long, a coding, a proof. False: none, look again after *out_wait_ms. */
static bool
do_one(struct uplink *up, unsigned turn, bool only_stat, int64_t *out_wait_ms)
{
    uint64_t id = claim(up, only_stat, out_wait_ms);
    bool is_proof = false, is_ordered = order_is_on(up);
    struct err err = {0};
    int rc;

    if (id == 0 || !is_ordered || !order_is_stat(up, id))
        is_proof = (is_ordered && swap_for_proof(up, &id, 0, true)) ||
                   (!only_stat && turn % 2 == 1 && swap_for_proof(up, &id, PROOF_MOST_MS, false)) ||
                   (!only_stat && id == 0 && swap_for_proof(up, &id, 0, false));
    if (id == 0)
        return false;
    rc = is_proof ? proof_make(up, id, &err) : work(up, id, &err);
    if (rc < 0)
        put_off(up, id, &err);
    else
        later_forget(up, id);
    unclaim(up, id);
    up_news(up);
    return true;
}

/* Others may all be at long jobs when an emergency comes: this one does nothing else. */
void *
coder_run_stat(void *arg)
{
    struct uplink *up = arg;

    while (!up_is_stopping(up)) {
        uint64_t seen;
        int64_t wait_ms;

        gate_lock(&up->gate);
        seen = up->news;
        gate_unlock(&up->gate);
        if (do_one(up, 0, true, &wait_ms))
            continue;
        up_rest(up, STAT_LOOK_MS);
        up_wait_news(up, seen, wait_ms);
    }
    return NULL;
}

void *
coder_run(void *arg)
{
    struct uplink *up = arg;
    unsigned number;

    gate_lock(&up->gate);
    number = up->coders_begun++;
    gate_unlock(&up->gate);
    for (unsigned turn = 0; !up_is_stopping(up); turn++) {
        uint64_t seen;
        int64_t wait_ms;

        let_receptions_go_first(up, number);
        gate_lock(&up->gate);
        seen = up->news;
        gate_unlock(&up->gate);
        if (do_one(up, turn, false, &wait_ms))
            continue;
        gate_lock(&up->gate);
        if (!up->is_stopping && up->news == seen)
            gate_wait_ms(&up->gate, wait_ms);
        gate_unlock(&up->gate);
    }
    return NULL;
}
