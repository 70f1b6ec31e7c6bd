/* look.c - whose images: Patient ID, Accession Number and name of each study that arrived. */
#include "gateway/desk/look.h"

#include "gateway/desk/aside.h"
#include "gateway/desk/book.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/doubts_look.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/stop.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { WATCH_MS = 1000, RETRY_MS = 5000, UIDS_KEPT = 4096 };
/* Studies that are older wait for nobody. */
static const int64_t since_us = INT64_C(3) * 86400 * 1000000;
/* Parts of one exam are looked for among those of so late. */
static const int64_t parts_us = INT64_C(2) * 3600 * 1000000;

struct look {
    struct spool *spool;
    struct accept *accept;
    struct book *book;
    struct uplink *uplink;
    struct doubts_look *doubts; /* the thread's */
    struct aside_watch *aside;  /* the thread's */
    struct stop stop;
    char (*known)[CLINIC_UID_SIZE];
    size_t known_n;
    pthread_t thread;
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* Forgetting some costs a question to the book, no more. */
static void
remember(struct look *look, const char *study)
{
    if (look->known_n == UIDS_KEPT)
        look->known_n = 0;
    text_copy(look->known[look->known_n++], CLINIC_UID_SIZE, study);
}

static int
is_known(struct look *look, const char *study, bool *out, struct err *err)
{
    *out = true;
    for (size_t i = 0; i < look->known_n; i++)
        if (strcmp(look->known[i], study) == 0)
            return 0;
    if (book_study_is_known(look->book, study, out, err) < 0)
        return -1;
    if (*out)
        remember(look, study);
    return 0;
}

/* Whose the centre says it is, too, when a number was used for several: the first in uplink's eyes;
 * where none is, what came first. 0: nothing is here. */
static uint64_t
find_first(struct spool *spool, const char *study)
{
    struct spool_filter filter = {.study_uid = study};
    uint64_t *ids = NULL, found = 0;
    size_t n = 0;

    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && found == 0; i++) {
        struct spool_entry *entry = NULL;
        struct err gone;

        if (spool_look(spool, ids[i], &entry, &gone) == 0 && uplink_is_firsts(entry))
            found = ids[i];
        spool_entry_free(&entry);
    }
    if (found == 0 && n > 0)
        found = ids[0];
    free(ids);
    return found;
}

/* What cannot be read is kept as unknown: a person attaches it. */
static int
look_at(struct look *look, const struct spool_study *study, struct err *err)
{
    struct book_study found = {.arrived_at_us = study->first_arrival_us};
    uint64_t first = find_first(look->spool, study->study_uid);

    text_copy(found.study, sizeof found.study, study->study_uid);
    text_copy(found.modality, sizeof found.modality, study->modality);
    if (first != 0 && look_facts(look->spool, look->accept, first, &found, err) < 0) {
        if (err->kind != ERR_NOT_FOUND && err->kind != ERR_REJECT)
            return -1;
        if (err->kind == ERR_REJECT)
            LOG(&ctx, DESK_STUDY_UNREAD, F_UID("study", study->study_uid), F_ERR(err));
    }
    return book_study_put(look->book, &found, err);
}

static const struct book_study *
owner_of(const struct book_study *owners, size_t n, const char *study)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(owners[i].study, study) == 0)
            return &owners[i];
    return NULL;
}

/* Which studies of late are parts of one exam: told to the book, which knows what is news. */
static int
look_for_parts(struct look *look, const struct spool_study *studies, size_t n, struct err *err)
{
    int64_t since = clock_wall_us() - parts_us;
    struct doubts_arrived *arrived = mem_new((n + 1) * sizeof *arrived);
    const char **uids = mem_new((n + 1) * sizeof *uids);
    uint32_t *bits = mem_new((n + 1) * sizeof *bits);
    struct book_study *owners = NULL;
    size_t owners_n = 0, k = 0;
    int rc = book_studies(look->book, since, &owners, &owners_n, err);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct book_study *o = owner_of(owners, owners_n, studies[i].study_uid);

        if (o == NULL || studies[i].first_arrival_us < since)
            continue;
        uids[k] = studies[i].study_uid;
        arrived[k++] = (struct doubts_arrived){.ae = studies[i].calling_ae,
                                               .modality = studies[i].modality,
                                               .patient_id = o->patient_id,
                                               .name = o->name,
                                               .arrived_at_us = studies[i].first_arrival_us,
                                               .images = studies[i].total};
    }
    doubts_of_arrivals(arrived, k, bits);
    for (size_t i = 0; rc == 0 && i < k; i++)
        if (bits[i] != 0)
            rc = book_doubt_put(look->book, uids[i], bits[i], err);
    free(owners);
    free(bits);
    free(uids);
    free(arrived);
    return rc;
}

static int
look_at_new(struct look *look, unsigned *out_new, struct err *err)
{
    int64_t since = clock_wall_us() - since_us;
    struct spool_study *studies = NULL;
    size_t n = 0;
    int rc = 0;

    *out_new = 0;
    spool_studies(look->spool, &studies, &n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool is_old = studies[i].last_arrival_us < since, is = false;

        if (is_old || (rc = is_known(look, studies[i].study_uid, &is, err)) < 0 || is ||
            look_is_anothers(look->spool, &studies[i]))
            continue;
        rc = look_at(look, &studies[i], err);
        if (rc == 0) {
            remember(look, studies[i].study_uid);
            (*out_new)++;
        }
    }
    if (rc == 0 && *out_new > 0)
        rc = look_for_parts(look, studies, n, err);
    free(studies);
    return rc;
}

static int64_t
centre_ms(struct look *look)
{
    struct uplink_status status = {.centre_boot_ms = 0};

    if (look->uplink != NULL)
        uplink_status(look->uplink, &status);
    return status.centre_boot_ms;
}

static int
step(struct look *look, uint64_t *io_seen, struct err *err)
{
    bool is_restored = false;
    struct err later;
    uint64_t change;
    unsigned n;
    int rc;

    if (book_clock_look(look->book, centre_ms(look), err) < 0 || look_at_new(look, &n, err) < 0)
        return -1;
    /* a discard that cannot be noted now keeps no question from being asked */
    rc = aside_watch_step(look->aside, &is_restored, err);
    if (is_restored)
        doubts_look_again(look->doubts);
    if (doubts_look_step(look->doubts, rc < 0 ? &later : err) < 0 || rc < 0)
        return -1;
    change = book_change(look->book);
    if (change == *io_seen)
        return 0;
    if (book_match(look->book, clock_wall_us() - since_us, &n, err) < 0)
        return -1;
    *io_seen = change;
    if (n > 0)
        LOG(&ctx, DESK_MATCHED, F_NUMBER("studies", n));
    return 0;
}

static void *
look_run(void *arg)
{
    struct look *look = arg;
    uint64_t spool_seen = 0, book_seen = 0;
    struct err err;

    while (!stop_is_asked(&look->stop)) {
        spool_seen = spool_wait(look->spool, spool_seen, WATCH_MS);
        if (step(look, &book_seen, &err) < 0) {
            LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
            stop_rest_ms(&look->stop, RETRY_MS);
        }
    }
    return NULL;
}

void
look_start(struct spool *spool, struct accept *accept, struct book *book, struct audit *audit,
           struct uplink *uplink, struct look **out_look)
{
    struct look *look = mem_new(sizeof *look);

    look->spool = spool;
    look->accept = accept;
    look->book = book;
    look->uplink = uplink;
    look->doubts = doubts_look_new(spool, accept, book);
    look->aside = aside_watch_new(spool, book, audit);
    look->known = mem_new(UIDS_KEPT * sizeof *look->known);
    stop_init(&look->stop);
    look->thread = thread_start("desk-look", look_run, look);
    *out_look = look;
}

void
look_stop(struct look **look)
{
    struct look *old = TAKE(*look);

    if (old == NULL)
        return;
    stop_ask(&old->stop);
    spool_wake(old->spool);
    thread_join(old->thread);
    stop_fini(&old->stop);
    aside_watch_free(&old->aside);
    doubts_look_free(&old->doubts);
    free(old->known);
    free(old);
}
