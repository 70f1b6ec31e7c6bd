/* manifest.c - a study falls quiet: its list is closed, and told when every listed instance has
 * its final file. Also where a study's story reaches the log: held, sealed. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/client.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_MS = 60000, REFUSED_WAIT_MS = 60000, SOON_MS = 1000 };

static const int64_t announced_for_us = INT64_C(7) * 86400 * 1000000;

struct note {
    char study[65];
    int64_t not_before_ms; /* the centre refused its manifest */
    struct backoff waits;  /* while it says "not now" */
    bool is_renumbered;    /* since it took one */
    uint64_t held_told;    /* of so many instances */
    uint64_t sealed_told;
    uint32_t announced_told; /* with its newest list */
    uint32_t announced_of;   /* that list's revision */
    uint64_t waits_for;      /* an entry that was not ready when its list was last looked at */
};

struct notes {
    struct note *at;
    size_t n, room;
};

struct notes *
notes_new(void)
{
    return mem_new(sizeof(struct notes));
}

void
notes_free(struct notes **notes)
{
    struct notes *n = TAKE(*notes);

    if (n == NULL)
        return;
    free(n->at);
    free(n);
}

/* Studies come in the order of their arrival each time, so the note is mostly at the same place. */
static struct note *
note_of(struct notes *notes, const char *study, size_t guess)
{
    if (guess < notes->n && strcmp(notes->at[guess].study, study) == 0)
        return &notes->at[guess];
    for (size_t i = 0; i < notes->n; i++)
        if (strcmp(notes->at[i].study, study) == 0)
            return &notes->at[i];
    if (notes->n == notes->room) {
        notes->room = notes->room == 0 ? 16 : 2 * notes->room;
        notes->at = mem_grow(notes->at, notes->room * sizeof *notes->at);
    }
    memset(&notes->at[notes->n], 0, sizeof *notes->at);
    notes->at[notes->n].waits = (struct backoff){.least_ms = SOON_MS, .most_ms = REFUSED_WAIT_MS};
    text_copy(notes->at[notes->n].study, sizeof notes->at->study, study);
    return &notes->at[notes->n++];
}

/* May the entry's line be written now? Its file is final, and the centre has said whether its UID
 * is free. */
static bool
is_ready(struct uplink *up, const struct spool_entry *entry)
{
    bool is_open;

    if (entry->state == INSTANCE_RECEIVED || entry->state == INSTANCE_INSPECTED)
        return false;
    if (entry->state == INSTANCE_HELD || entry->state == INSTANCE_SEALED)
        return true;
    gate_lock(&up->gate);
    is_open = !plan_is_offered(up->plan, entry->id);
    for (size_t i = 0; i < up->conflicts_n; i++)
        is_open = is_open || up->conflicts[i] == entry->id;
    gate_unlock(&up->gate);
    return !is_open;
}

static bool
is_listed(const struct spool_entry *entry, uint32_t revision)
{
    return entry->revision >= 1 && entry->revision <= revision;
}

/* On the list, and not fit to be told: the next list is closed without it, or a person decides. */
static bool
is_put_aside(const struct spool_entry *entry)
{
    return (INSTANCE_BIT(entry->state) & INSTANCE_UNLISTED) != 0 || entry->is_gone;
}

/* The entry that its list waited for is not ready yet: the others need not be looked at. */
static bool
still_waits(struct uplink *up, const struct spool_study *study, const struct note *note)
{
    struct spool_entry *entry = NULL;
    struct err gone;
    bool is;

    if (note->waits_for == 0 || spool_load(up->spool, note->waits_for, &entry, &gone) < 0)
        return false;
    is = is_listed(entry, study->revision) && !is_put_aside(entry) && !is_elsewhere(up, entry) &&
         !is_ready(up, entry);
    spool_entry_free(&entry);
    return is;
}

static void
add_line(struct link_manifest *out, const struct spool_entry *entry)
{
    struct link_manifest_instance *line = &out->instances[out->count++];

    text_copy(line->sop_instance, sizeof line->sop_instance, entry->meta.sop_instance);
    memcpy(line->object, entry->object_sha256, sizeof line->object);
    memcpy(line->pixels, entry->facts.pixels_sha256, sizeof line->pixels);
    memcpy(line->dataset, entry->facts.dataset_sha256, sizeof line->dataset);
}

static void
add_left(struct link_manifest *out, const struct spool_entry *entry)
{
    struct link_manifest_left *line = &out->left[out->left_n++];

    text_copy(line->sop_instance, sizeof line->sop_instance, entry->meta.sop_instance);
    memcpy(line->object, entry->object_sha256, sizeof line->object);
}

/* The lines of a manifest; false: some instance is not ready yet (*out_waits_for), or none is
 * listed and none left the list. */
static bool
collect(struct uplink *up, const struct spool_study *study, struct link_manifest *out,
        uint64_t *out_waits_for)
{
    struct spool_filter filter = {.study_uid = study->study_uid};
    uint64_t *ids = NULL;
    size_t n = 0;
    bool is_ready_all = true, has_lines = false;

    spool_list(up->spool, &filter, &ids, &n);
    out->instances = mem_new((n + 1) * sizeof *out->instances);
    out->left = mem_new((n + 1) * sizeof *out->left);
    for (size_t i = 0; i < n && is_ready_all; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_load(up->spool, ids[i], &entry, &err) < 0) {
            is_ready_all = err.kind == ERR_NOT_FOUND;
            continue;
        }
        if (is_listed(entry, study->revision) && !is_elsewhere(up, entry)) {
            is_ready_all = !is_put_aside(entry) && is_ready(up, entry);
            *out_waits_for = is_ready_all ? 0 : ids[i];
            add_line(out, entry);
            has_lines = true;
        }
        if (entry->has_left_list && !is_elsewhere(up, entry)) {
            if (entry->state != INSTANCE_DUPLICATE) /* else what it repeats stays */
                add_left(out, entry);
            has_lines = true;
        }
        spool_entry_free(&entry);
    }
    free(ids);
    return is_ready_all && has_lines;
}

/* Closed anew while its lines were read, they lack what moved to the next list or left: that one is
 * told, by the next pass. */
static bool
is_newest(struct uplink *up, const struct spool_study *study)
{
    struct spool_study now;
    struct err gone;

    return spool_study(up->spool, study->study_uid, &now, &gone) == 0 &&
           now.revision == study->revision;
}

/* How many the devices say there are, of a list of so many; 0: nobody said. */
static uint32_t
announced(struct uplink *up, const char *study, uint64_t listed)
{
    uint32_t missing = 0;
    bool is_said;

    pthread_mutex_lock(&up->missing_lock);
    is_said = up->missing != NULL && up->missing(up->missing_user, study, &missing);
    pthread_mutex_unlock(&up->missing_lock);
    return is_said ? (uint32_t)listed + missing : 0;
}

/* Devices tell how many there are when they have done, often after the list was closed. */
static bool
is_more_announced(struct uplink *up, const struct spool_study *study, const struct note *note)
{
    uint64_t listed = study->total - study->counts[INSTANCE_QUARANTINED] -
                      study->counts[INSTANCE_DUPLICATE] - study->unlisted;

    if (study->revision == 0 || study->revision != study->acked_revision ||
        clock_wall_us() - study->closed_at_us > announced_for_us)
        return false;
    return announced(up, study->study_uid, listed) >
           (note->announced_of == study->revision ? note->announced_told : 0);
}

/* The number of the centre's newest list of ours; 0: it does not say. What it has otherwise it
 * answers with, and no list has this digest. */
static uint32_t
centres_revision(struct talk *t, const struct spool_study *study)
{
    struct link_study ours = {.day = link_day_of(study->closed_at_us), .revision = study->revision};
    struct link_studies ask = {&ours, 1}, differ = {0};
    uint32_t revision = 0;
    struct err err = {0};

    text_copy(ours.study, sizeof ours.study, study->study_uid);
    if (talk_reconcile_studies(t, &ask, &differ, &err) < 0)
        LOG(&uplink_log, UPLINK_CALL_REFUSED, F_UID("study", study->study_uid), F_ERR(&err));
    else if (differ.count == 1 && strcmp(differ.studies[0].study, ours.study) == 0)
        revision = differ.studies[0].revision;
    link_studies_free(&differ);
    return revision < INT32_MAX ? revision : 0;
}

/* Under this number the centre has another list: told, its answer lost when the gateway fell, and
 * an image put aside since; or told by a gateway that forgot it. The number after its newest is
 * free; where it does not say that one, the next may be. */
static void
renumber(struct uplink *up, struct talk *t, const struct spool_study *study, struct note *note)
{
    uint32_t past = centres_revision(t, study), revision;
    struct err err = {0};

    if (spool_manifest_renumber(up->spool, study->study_uid, past, &revision, &err) < 0) {
        LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_UID("study", study->study_uid), F_ERR(&err));
        return;
    }
    if (!note->is_renumbered) /* else the centre refuses every number */
        note->not_before_ms = clock_mono_ms() + SOON_MS;
    note->is_renumbered = true;
}

static void
note_refused(struct uplink *up, struct talk *t, const struct spool_study *study, struct note *note,
             const struct err *why)
{
    LOG(&uplink_log, UPLINK_CALL_REFUSED, F_UID("study", study->study_uid), F_ERR(why));
    note->not_before_ms = clock_mono_ms() + REFUSED_WAIT_MS;
    if (why->kind == ERR_CONFLICT && study->revision > study->acked_revision)
        renumber(up, t, study, note);
}

/* It has no room for it, or a fault with it (or with all: then the line hears so otherwise). */
static void
note_not_now(const struct talk *t, const struct spool_study *study, struct note *note,
             const struct err *why)
{
    int64_t wait_ms = backoff_next(&note->waits, up_chance()), told_ms = 1000 * t->retry_after_s;

    LOG(&uplink_log, UPLINK_CALL_REFUSED, F_UID("study", study->study_uid), F_ERR(why));
    wait_ms = told_ms > wait_ms ? told_ms : wait_ms;
    note->not_before_ms = clock_mono_ms() + (wait_ms < REFUSED_WAIT_MS ? wait_ms : REFUSED_WAIT_MS);
}

static int
post_list(struct talk *t, const struct link_manifest *manifest, struct err *err)
{
    struct http_reply reply = {0};
    struct buf body;
    int rc = -1;

    buf_init(&body, LIMIT_LINK_JSON_BYTES);
    link_manifest_encode(manifest, &body);
    if (buf_is_over(&body)) {
        err_set(err, ERR_FATAL, "the list of %zu instances is too long", manifest->count);
        goto out;
    }
    if (talk_post(t, LINK_PATH_MANIFEST, &body, &reply, err) < 0)
        goto out;
    http_reply_fini(&reply);
    rc = 0;
out:
    buf_fini(&body);
    return rc < 0 ? err_context(err, "manifest") : 0;
}

static void
tell(struct uplink *up, struct talk *t, const struct spool_study *study, struct note *note)
{
    struct link_manifest manifest = {
        .revision = study->revision, .closed_at_us = study->closed_at_us, .names_left = true};
    struct err err = {0};

    if (still_waits(up, study, note))
        return;
    text_copy(manifest.study, sizeof manifest.study, study->study_uid);
    if (!collect(up, study, &manifest, &note->waits_for) || !is_newest(up, study))
        goto out;
    manifest.announced = announced(up, study->study_uid, manifest.count);
    if (post_list(t, &manifest, &err) < 0) {
        if (!err_kind_is_retried(err.kind) && err.kind != ERR_DENIED)
            note_refused(up, t, study, note, &err);
        else if (err.kind != ERR_DENIED && t->word == WORD_OF_CENTRE)
            note_not_now(t, study, note, &err);
        goto out;
    }
    if (spool_manifest_acked(up->spool, study->study_uid, study->revision, &err) < 0) {
        LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
        goto out;
    }
    backoff_reset(&note->waits);
    note->is_renumbered = false;
    note->announced_told = manifest.announced;
    note->announced_of = manifest.revision;
    LOG(&uplink_log, UPLINK_MANIFEST_ACKED, F_UID("study", study->study_uid),
        F_NUMBER("revision", study->revision), F_NUMBER("instances", manifest.count));
out:
    link_manifest_free(&manifest);
}

/* Close what has been quiet; when it will have been, or -1. */
static int64_t
close_if_quiet(struct uplink *up, const struct spool_study *study)
{
    struct err err = {0};
    uint32_t revision;
    int64_t quiet_ms;

    if (study->unlisted + study->leaving == 0)
        return -1;
    if (study->open_associations > 0)
        return -1; /* its end is news */
    gate_lock(&up->gate);
    quiet_ms = policy_quiet_ms(up);
    gate_unlock(&up->gate);
    if (study->quiet_ms < quiet_ms)
        return quiet_ms - study->quiet_ms;
    if (spool_manifest_close(up->spool, study->study_uid, &revision, &err) < 0) {
        LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_UID("study", study->study_uid), F_ERR(&err));
        up_rest_if_sick(up);
        return SOON_MS;
    }
    if (revision == study->revision)
        return LOOK_AGAIN_MS; /* only what is put aside is unlisted */
    LOG(&uplink_log, UPLINK_MANIFEST_CLOSED, F_UID("study", study->study_uid),
        F_NUMBER("revision", revision), F_NUMBER("new", study->unlisted),
        F_NUMBER("left", study->leaving));
    return 0;
}

static void
tell_log(const struct spool_study *study, struct note *note)
{
    uint64_t sealed = study->counts[INSTANCE_SEALED];
    uint64_t held = study->counts[INSTANCE_HELD] + sealed;
    uint64_t all =
        study->total - study->counts[INSTANCE_QUARANTINED] - study->counts[INSTANCE_DUPLICATE];

    if (all == 0 || held < all || study->counts[INSTANCE_QUARANTINED] > 0)
        return;
    if (note->held_told < all)
        LOG(&uplink_log, UPLINK_STUDY_HELD, F_UID("study", study->study_uid),
            F_NUMBER("instances", all));
    note->held_told = all;
    if (sealed < all || study->acked_revision != study->revision ||
        study->unlisted + study->leaving > 0 || study->uninspected > 0 ||
        study->open_associations > 0)
        return;
    if (note->sealed_told < all)
        LOG(&uplink_log, UPLINK_STUDY_SEALED, F_UID("study", study->study_uid),
            F_NUMBER("instances", all));
    note->sealed_told = all;
}

static bool
is_to_tell(struct uplink *up, const struct spool_study *study, const struct note *note)
{
    return serving_is_up(up) &&
           (study->revision > study->acked_revision || is_more_announced(up, study, note));
}

int64_t
manifest_pass(struct uplink *up, struct talk *t, struct notes *notes)
{
    struct spool_study *studies = NULL;
    int64_t wait_ms = LOOK_AGAIN_MS;
    size_t n = 0;

    spool_lists(up->spool, &studies, &n);
    for (size_t i = 0; i < n && !up_is_stopping(up); i++) {
        struct note *note = note_of(notes, studies[i].study_uid, i);
        int64_t wait = close_if_quiet(up, &studies[i]);
        struct err err = {0};

        if (wait == 0 && spool_study(up->spool, studies[i].study_uid, &studies[i], &err) < 0)
            continue;
        if (wait > 0 && wait < wait_ms)
            wait_ms = wait;
        tell_log(&studies[i], note);
        if (is_to_tell(up, &studies[i], note)) {
            if (clock_mono_ms() >= note->not_before_ms)
                tell(up, t, &studies[i], note);
            wait = note->not_before_ms - clock_mono_ms();
            wait_ms = wait > 0 && wait < wait_ms ? wait : wait_ms;
        }
    }
    free(studies);
    return wait_ms < 1 ? 1 : wait_ms;
}
