/* look.c - whose images: Patient ID, Accession Number and name of each study that arrived. */
#include "gateway/desk/look.h"

#include "gateway/desk/book.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/facts.h"
#include "proto/render/report_pdf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { WATCH_MS = 1000, RETRY_MS = 5000, HEAD_BYTES = 1 << 20, UIDS_KEPT = 4096 };
/* Studies that are older wait for nobody. */
static const int64_t since_us = INT64_C(3) * 86400 * 1000000;

struct look {
    struct spool *spool;
    struct book *book;
    struct gate gate;
    bool is_stopping; /* gate */
    char (*known)[CLINIC_UID_SIZE];
    size_t known_n;
    pthread_t thread;
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};

static bool
is_stopping(struct look *look)
{
    bool is;

    gate_lock(&look->gate);
    is = look->is_stopping;
    gate_unlock(&look->gate);
    return is;
}

static void
rest(struct look *look, int64_t wait_ms)
{
    gate_lock(&look->gate);
    if (!look->is_stopping)
        (void)gate_wait_ms(&look->gate, wait_ms);
    gate_unlock(&look->gate);
}

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

/* The beginning of the study's first instance.
 * errors  ERR_NOT_FOUND none is left here */
static int
read_head(struct look *look, const char *study, uint8_t **out_bytes, size_t *out_n,
          bool *out_is_all, struct err *err)
{
    struct spool_filter filter = {.study_uid = study, .limit = 1};
    struct spool_bytes source;
    uint8_t *bytes;
    uint64_t *ids = NULL;
    ssize_t got;
    size_t n = 0;
    int rc;

    spool_list(look->spool, &filter, &ids, &n);
    rc = n == 0 ? err_set(err, ERR_NOT_FOUND, "no instance")
                : spool_source_received(look->spool, ids[0], &source, err);
    free(ids);
    if (rc < 0)
        return -1;
    n = source.size < HEAD_BYTES ? (size_t)source.size : HEAD_BYTES;
    bytes = mem_new(n + 1);
    got = pread(source.fd, bytes, n, (off_t)source.offset);
    close(source.fd);
    if (got != (ssize_t)n) {
        free(bytes);
        return err_set(err, ERR_RETRY, "the instance could not be read");
    }
    *out_bytes = bytes;
    *out_n = n;
    *out_is_all = n == source.size;
    return 0;
}

static void
take_facts(const struct dcm_facts *facts, struct book_study *out)
{
    text_copy(out->patient_id, sizeof out->patient_id, facts->patient_id);
    text_copy(out->accession, sizeof out->accession, facts->accession);
    report_pdf_person_name(facts->patient_name, out->name, sizeof out->name);
    text_copy(out->sex, sizeof out->sex, facts->sex);
    text_copy(out->birth, sizeof out->birth, facts->birth_date);
}

/* What cannot be read is kept as unknown: a person attaches it. */
static int
look_at(struct look *look, const struct spool_study *study, struct err *err)
{
    struct book_study found = {.arrived_at_us = study->first_arrival_us};
    struct dcm_facts *facts = mem_new(sizeof *facts);
    uint8_t *bytes = NULL;
    bool is_all = false;
    size_t n = 0;
    int rc = -1;

    text_copy(found.study, sizeof found.study, study->study_uid);
    text_copy(found.modality, sizeof found.modality, study->modality);
    if (read_head(look, study->study_uid, &bytes, &n, &is_all, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            goto out;
    } else if (dcm_facts_read(bytes, n, !is_all, facts, err) < 0) {
        LOG(&ctx, DESK_STUDY_UNREAD, F_UID("study", study->study_uid), F_ERR(err));
    } else {
        take_facts(facts, &found);
    }
    rc = book_study_put(look->book, &found, err);
out:
    free(bytes);
    free(facts);
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

        if (is_old || (rc = is_known(look, studies[i].study_uid, &is, err)) < 0 || is)
            continue;
        rc = look_at(look, &studies[i], err);
        if (rc == 0) {
            remember(look, studies[i].study_uid);
            (*out_new)++;
        }
    }
    free(studies);
    return rc;
}

static int
step(struct look *look, uint64_t *io_seen, struct err *err)
{
    uint64_t change;
    unsigned n;

    if (look_at_new(look, &n, err) < 0)
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

    while (!is_stopping(look)) {
        spool_seen = spool_wait(look->spool, spool_seen, WATCH_MS);
        if (step(look, &book_seen, &err) < 0) {
            LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
            rest(look, RETRY_MS);
        }
    }
    return NULL;
}

void
look_start(struct spool *spool, struct book *book, struct look **out_look)
{
    struct look *look = mem_new(sizeof *look);

    look->spool = spool;
    look->book = book;
    look->known = mem_new(UIDS_KEPT * sizeof *look->known);
    gate_init(&look->gate);
    look->thread = thread_start("desk-look", look_run, look);
    *out_look = look;
}

void
look_stop(struct look **look)
{
    struct look *old = TAKE(*look);

    if (old == NULL)
        return;
    gate_lock(&old->gate);
    old->is_stopping = true;
    gate_wake(&old->gate);
    gate_unlock(&old->gate);
    thread_join(old->thread);
    gate_fini(&old->gate);
    free(old->known);
    free(old);
}
