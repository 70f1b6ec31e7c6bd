/* arrivals.c - new entries of the spool, once each, a batch at a time. */
#include "gateway/desk/arrivals.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/settle_lost.h"
#include "gateway/desk/urgency.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/stop.h"
#include "proto/dicom/part10.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

#define CURSOR "arrivals"
#define STATES_ASIDE (INSTANCE_BIT(INSTANCE_QUARANTINED) | INSTANCE_BIT(INSTANCE_DISCARDED))
enum {
    BATCH = 256,
    WATCH_MS = 1000,
    RETRY_MS = 5000,
    IMAGE_BYTES = 256 << 10, /* dose attributes stand before the pixels */
    REPORT_BYTES = 16 << 20
};

/* What is here of what was announced: new arrivals say so themselves, what is announced is looked
 * for once; at a start all that is missing, for what was let go on while nobody looked. */
struct settling {
    struct mpps_walk walk;
    uint64_t *aside; /* by id, as of the last look: one that is gone was let go on */
    size_t aside_n;
    uint64_t finished; /* the book's change that study_images_finish() has seen */
};

struct arrivals {
    struct settling settling; /* the thread's */
    struct spool *spool;
    struct book *book;
    struct uplink *uplink;
    struct serve *serve;
    struct stop stop;
    struct gate gate;
    struct mpps_study *studies; /* gate: as of the last look; what the uplink asks for */
    size_t studies_n;
    pthread_t thread;
};

static const int64_t studies_us = INT64_C(14) * 86400 * 1000000;
static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* What the centre has lost is not, nor is what rests on it. */
static bool
is_entry_here(struct spool *spool, uint64_t id, bool may_rest)
{
    struct spool_entry *entry = NULL;
    struct err gone;
    bool is = true;

    if (spool_look(spool, id, &entry, &gone) < 0)
        return may_rest;
    is = !entry->is_lost && (entry->state != INSTANCE_DUPLICATE || !may_rest ||
                             entry->twin_of == 0 || is_entry_here(spool, entry->twin_of, false));
    spool_entry_free(&entry);
    return is;
}

static bool
is_here(void *user, const char *instance)
{
    struct spool_filter filter = {.sop_instance = instance, .states = ~STATES_ASIDE};
    uint64_t *ids = NULL;
    bool is = false;
    size_t n = 0;

    spool_list(user, &filter, &ids, &n);
    for (size_t i = 0; i < n && !is; i++)
        is = is_entry_here(user, ids[i], true);
    free(ids);
    return is;
}

static bool
find_place(void *user, const char *instance, char out_study[CLINIC_UID_SIZE])
{
    struct spool_filter filter = {.sop_instance = instance, .states = ~STATES_ASIDE};
    uint64_t *ids = NULL;
    bool is_here = false;
    size_t n = 0;

    out_study[0] = '\0';
    spool_list(user, &filter, &ids, &n);
    for (size_t i = 0; i < n && out_study[0] == '\0'; i++) {
        struct spool_entry *entry = NULL;
        struct err gone;

        if (spool_look(user, ids[i], &entry, &gone) < 0)
            continue;
        is_here = true;
        if (entry->is_inspected)
            (void)text_copy(out_study, CLINIC_UID_SIZE, entry->facts.study_uid);
        spool_entry_free(&entry);
    }
    free(ids);
    return is_here;
}

/* Study Instance UID, wherever the data set is cut. */
static void
find_study(const uint8_t *dataset, size_t n, enum dcm_coding coding, char out[CLINIC_UID_SIZE])
{
    struct dcm_walk walk;
    struct dcm_element e;
    struct err ignored;

    out[0] = '\0';
    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_PREFIX | DCM_WALK_STOP_AT_PIXELS);
    while (dcm_walk_next(&walk, &e, &ignored) == 0 && e.event != DCM_END && e.tag <= 0x0020000D)
        if (e.event == DCM_ELEMENT && e.depth == 0 && e.tag == 0x0020000D &&
            e.value_n < CLINIC_UID_SIZE) {
            memcpy(out, dataset + e.value_at, e.value_n);
            out[e.value_n] = '\0';
        }
    if (!uid_is_valid(out, true))
        out[0] = '\0';
}

static int
read_dose(const uint8_t *bytes, size_t n, enum dose_class is, char study[CLINIC_UID_SIZE],
          struct dose_report *out, struct err *err)
{
    struct dcm_part10 head;
    const uint8_t *dataset;
    size_t dataset_n;
    struct buf room;
    int rc = -1;

    buf_init(&room, REPORT_BYTES);
    if (dcm_part10_parse(bytes, n, &head, err) < 0 ||
        dcm_part10_dataset(bytes, n, &head, &room, &dataset, &dataset_n, err) < 0)
        goto out;
    find_study(dataset, dataset_n, head.syntax->coding, study);
    rc = is == DOSE_CLASS_REPORT
             ? dose_read_report(dataset, dataset_n, head.syntax->coding, out, err)
             : dose_read_attributes(dataset, dataset_n, head.syntax->coding, &out->dose, err);
out:
    buf_fini(&room);
    return rc;
}

static bool
has_any(const struct dose *dose)
{
    for (int k = 0; k < DOSE_KINDS; k++)
        if (dose->has[k])
            return true;
    return false;
}

/* What cannot be read is named in the log and left out; only the disk's trouble is tried again. */
static int
look_for_dose(struct spool *spool, struct book *book, const struct spool_entry *entry,
              struct err *err)
{
    enum dose_class is = dose_class_of(entry->meta.sop_class);
    struct dose_report dose = {.parts = NULL};
    char study[CLINIC_UID_SIZE] = "";
    uint8_t *bytes = NULL;
    struct err why = {0};
    size_t n = 0;
    int rc;

    if (is == DOSE_CLASS_NONE)
        return 0;
    if (spool_read_received(spool, entry->id, is == DOSE_CLASS_REPORT ? REPORT_BYTES : IMAGE_BYTES,
                            &bytes, &n, NULL, err) < 0)
        return err->kind == ERR_NOT_FOUND ? 0 : -1;
    rc = read_dose(bytes, n, is, study, &dose, &why);
    free(bytes);
    if (rc < 0) {
        LOG(&ctx, DESK_DOSE_UNREAD, F_UID("instance", entry->meta.sop_instance), F_ERR(&why));
        return 0;
    }
    if (study[0] != '\0' && has_any(&dose.dose)) {
        rc = is == DOSE_CLASS_REPORT
                 ? dose_put_report(book, study, entry->meta.sop_instance, &dose, err)
                 : dose_put(book, study, "image", entry->meta.sop_instance, &dose.dose, err);
        if (rc == 0)
            LOG(&ctx, DESK_DOSE, F_UID("study", study),
                F_UID("instance", entry->meta.sop_instance));
    }
    dose_report_fini(&dose);
    return rc;
}

static int
cursor_get(struct book *book, uint64_t *out, struct err *err)
{
    char text[32];
    int rc = db_begin(book->db, err);

    *out = 0;
    if (rc == 0)
        rc = db_end(book->db, setting_get(book, CURSOR, text, sizeof text, err), err);
    if (rc == 0 && text[0] != '\0' && text_to_u64(text, UINT64_MAX, out) < 0)
        *out = 0; /* from the beginning: each is noted once all the same */
    return rc;
}

static int
cursor_set(struct book *book, uint64_t at, struct err *err)
{
    char text[32];
    int rc = db_begin(book->db, err);

    snprintf(text, sizeof text, "%" PRIu64, at);
    return rc < 0 ? -1 : db_end(book->db, setting_set(book, CURSOR, text, err), err);
}

/* Images that are put aside may be other ones under the same number. */
static bool
counts_as_here(const struct spool_entry *entry)
{
    return (INSTANCE_BIT(entry->state) & STATES_ASIDE) == 0;
}

/* *out_n: how many were new. */
static int
look_at_batch(struct spool *spool, struct book *book, size_t *out_n, struct err *err)
{
    struct spool_filter filter = {.limit = BATCH};
    char here[BATCH][65];
    uint64_t *ids = NULL;
    size_t here_n = 0;
    unsigned arrived;
    int rc = 0;

    if (cursor_get(book, &filter.after_id, err) < 0)
        return -1;
    spool_list(spool, &filter, &ids, out_n);
    for (size_t i = 0; rc == 0 && i < *out_n; i++) {
        struct spool_entry *entry = NULL;

        if (spool_load(spool, ids[i], &entry, err) < 0) {
            rc = err->kind == ERR_NOT_FOUND ? 0 : -1;
            continue;
        }
        if (counts_as_here(entry))
            (void)text_copy(here[here_n++], sizeof *here, entry->meta.sop_instance);
        rc = look_for_dose(spool, book, entry, err);
        spool_entry_free(&entry);
    }
    if (rc == 0)
        rc = mpps_arrived(book, (const char(*)[65])here, here_n, &arrived, err);
    if (rc == 0 && *out_n > 0)
        rc = cursor_set(book, ids[*out_n - 1], err);
    free(ids);
    return rc;
}

/* ---- what was announced ---- */

/* true also while an image is here that nobody looked into: it may be of any study. */
static bool
is_known(void *user, const char *study)
{
    uint64_t counts[INSTANCE_STATES];
    struct spool_study found;
    struct err ignored;

    spool_counts(user, counts);
    return counts[INSTANCE_RECEIVED] > 0 || spool_study(user, study, &found, &ignored) == 0;
}

/* Let go on: it is here now. What is gone altogether is not. */
static int
settle_released(struct spool *spool, struct book *book, uint64_t id, struct err *err)
{
    struct spool_entry *entry = NULL;
    unsigned arrived;
    struct err gone;
    int rc = 0;

    if (spool_look(spool, id, &entry, &gone) == 0 && counts_as_here(entry))
        rc = mpps_arrived(book, (const char(*)[65])entry->meta.sop_instance, 1, &arrived, err);
    spool_entry_free(&entry);
    return rc;
}

static int
look_at_aside(struct settling *s, struct spool *spool, struct book *book, struct err *err)
{
    struct spool_filter filter = {.states = STATES_ASIDE};
    uint64_t *ids = NULL;
    size_t n = 0, k = 0;
    int rc = 0;

    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; rc == 0 && i < s->aside_n; i++) {
        while (k < n && ids[k] < s->aside[i])
            k++;
        if (k == n || ids[k] != s->aside[i])
            rc = settle_released(spool, book, s->aside[i], err);
    }
    if (rc == 0) {
        free(s->aside);
        s->aside = TAKE(ids);
        s->aside_n = n;
    }
    free(ids);
    return rc;
}

static int
look(struct settling *s, struct spool *spool, struct book *book, struct err *err)
{
    uint64_t book_now = book_change(book);
    unsigned arrived;
    size_t n;

    do {
        if (look_at_batch(spool, book, &n, err) < 0)
            return -1;
    } while (n == BATCH);
    if (look_at_aside(s, spool, book, err) < 0 ||
        mpps_settle(book, is_here, spool, &arrived, err) < 0 ||
        ((!s->walk.is_done || s->finished != book_now) &&
         study_images_finish(spool, book, err) < 0))
        return -1;
    s->finished = book_now;
    while (!s->walk.is_done)
        if (mpps_settle_again(book, &s->walk, is_here, spool, &arrived, err) < 0)
            return -1;
    if (mpps_place(book, find_place, spool, err) < 0)
        return -1;
    return mpps_forget(book, is_known, spool, (int64_t)spool_lived_ms(spool), err);
}

int
arrivals_look(struct spool *spool, struct book *book, struct err *err)
{
    struct settling s = {.aside_n = 0};
    int rc = look(&s, spool, book, err);

    free(s.aside);
    return rc;
}

/* ---- what the uplink asks for ---- */

static bool
missing_of(void *user, const char *study, uint32_t *out_missing)
{
    struct arrivals *a = user;
    bool is_said = false;

    gate_lock(&a->gate);
    for (size_t i = 0; i < a->studies_n && !is_said; i++)
        if (a->studies[i].expected > 0 && strcmp(a->studies[i].study, study) == 0) {
            *out_missing = a->studies[i].missing;
            is_said = true;
        }
    gate_unlock(&a->gate);
    return is_said;
}

static int
refresh(struct arrivals *a, struct err *err)
{
    struct mpps_study *studies = NULL, *old;
    bool is_new;
    size_t n = 0;

    if (mpps_studies(a->book, clock_wall_us() - studies_us, &studies, &n, err) < 0)
        return -1;
    gate_lock(&a->gate);
    is_new = n != a->studies_n || (n > 0 && memcmp(studies, a->studies, n * sizeof *studies) != 0);
    old = a->studies;
    a->studies = studies;
    a->studies_n = n;
    gate_unlock(&a->gate);
    free(old);
    if (is_new && a->uplink != NULL)
        uplink_missing_changed(a->uplink);
    return 0;
}

/* A device that asks for images to be kept says that there are so many. */
static int
take_announced(struct arrivals *a, struct err *err)
{
    struct serve_announced said;
    int rc = 0;

    while (rc == 0 && a->serve != NULL && serve_announced_next(a->serve, &said)) {
        rc = mpps_expect(a->book, said.study, said.transaction, (const char(*)[65])said.instances,
                         said.n, err);
        if (rc == 0)
            serve_announced_noted(a->serve, said.number);
        free(said.instances);
    }
    return rc;
}

static void *
arrivals_run(void *arg)
{
    struct arrivals *a = arg;
    uint64_t seen = 0, book_seen = 0;

    while (!stop_is_asked(&a->stop)) {
        uint64_t spool_now = spool_wait(a->spool, seen, WATCH_MS), book_now = book_change(a->book);
        struct err err = {0};
        int rc = take_announced(a, &err);

        if (rc == 0 && spool_now == seen && book_now == book_seen)
            continue;
        if (rc == 0 && look(&a->settling, a->spool, a->book, &err) == 0 && refresh(a, &err) == 0 &&
            urgency_step(a->book, a->uplink, &err) == 0) {
            seen = spool_now;
            book_seen = book_now;
        } else {
            LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
            stop_rest_ms(&a->stop, RETRY_MS);
        }
        stop_rest_ms(&a->stop, WATCH_MS); /* at most once a second, however fast images come */
    }
    return NULL;
}

void
arrivals_start(struct spool *spool, struct book *book, struct uplink *uplink, struct serve *serve,
               struct arrivals **out_arrivals)
{
    struct arrivals *a = mem_new(sizeof *a);

    a->spool = spool;
    a->book = book;
    a->uplink = uplink;
    a->serve = serve;
    stop_init(&a->stop);
    gate_init(&a->gate);
    if (uplink != NULL)
        uplink_ask_missing(uplink, missing_of, a);
    a->thread = thread_start("desk-arrivals", arrivals_run, a);
    *out_arrivals = a;
}

void
arrivals_stop(struct arrivals **arrivals)
{
    struct arrivals *a = TAKE(*arrivals);

    if (a == NULL)
        return;
    stop_ask(&a->stop);
    spool_wake(a->spool);
    thread_join(a->thread);
    if (a->uplink != NULL)
        uplink_ask_missing(a->uplink, NULL, NULL);
    gate_fini(&a->gate);
    stop_fini(&a->stop);
    free(a->settling.aside);
    free(a->studies);
    free(a);
}
