/* doubts_look.c - from the spool's inspections to the book's doubts and questions. */
#include "gateway/desk/doubts_look.h"

#include "gateway/desk/book_own.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/doubts.h"
#include "gateway/spool/spool.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/model/doubts.h"
#include "proto/model/quarantine.h"
#include "proto/render/report_pdf.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 1 << 20, CACHED = 256, PER_IMAGE_STUDIES = 3 };
/* Parts of one exam come so close together. */
static const int64_t exam_us = INT64_C(30) * 60 * 1000000;

struct cached {
    char study[65];
    uint32_t bits;
    uint8_t identity[DIGEST_BYTES]; /* whose the last one was that said another person */
};

struct doubts_look {
    struct spool *spool;
    struct accept *accept;
    struct book *book;
    uint64_t after;    /* entries up to this were listed */
    uint64_t *pending; /* of those, not inspected yet */
    size_t n, room;
    struct cached cache[CACHED]; /* what the book knows */
    size_t cache_at;
};

struct doubts_look *
doubts_look_new(struct spool *spool, struct accept *accept, struct book *book)
{
    struct doubts_look *look = mem_new(sizeof *look);

    *look = (struct doubts_look){.spool = spool, .accept = accept, .book = book};
    return look;
}

void
doubts_look_free(struct doubts_look **look)
{
    struct doubts_look *old = TAKE(*look);

    if (old == NULL)
        return;
    free(old->pending);
    free(old);
}

void
doubts_look_again(struct doubts_look *look)
{
    look->after = 0;
    look->n = 0;
}

/* ---- what one instance says of itself ---- */

static void
profile_of(struct spool *spool, struct accept *accept, uint64_t id, char out[20])
{
    struct spool_entry *entry = NULL;
    struct accept_device device;
    struct err ignored;

    out[0] = '\0';
    if (accept == NULL || spool_load(spool, id, &entry, &ignored) < 0)
        return;
    if (accept_find_device(accept, entry->meta.calling_ae, entry->meta.peer, &device))
        text_copy(out, 20, dcm_charset_of_device(device.charset));
    spool_entry_free(&entry);
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

int
look_all_facts(struct spool *spool, struct accept *accept, uint64_t entry, struct dcm_facts *out,
               struct err *err)
{
    uint8_t *bytes = NULL;
    char profile[20];
    bool is_all;
    size_t n;
    int rc;

    if (spool_read_received(spool, entry, HEAD_BYTES, &bytes, &n, &is_all, err) < 0)
        return -1;
    profile_of(spool, accept, entry, profile);
    rc = dcm_facts_read_as(bytes, n, !is_all, profile, out, err);
    free(bytes);
    return rc;
}

int
look_facts(struct spool *spool, struct accept *accept, uint64_t entry, struct book_study *out,
           struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    int rc = look_all_facts(spool, accept, entry, facts, err);

    if (rc == 0)
        take_facts(facts, out);
    free(facts);
    return rc;
}

/* ---- A or B ---- */

/* Who has the UID that the entry was put aside for; 0: nobody any more. */
static uint64_t
find_first(struct spool *spool, const struct spool_entry *aside, char out_study[65],
           int64_t *out_at_us)
{
    struct spool_filter filter = {.sop_instance = aside->meta.sop_instance};
    uint64_t *ids = NULL, found = 0;
    size_t n = 0;

    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && found == 0; i++) {
        struct spool_entry *other = NULL;
        struct err ignored;

        if (ids[i] == aside->id || spool_load(spool, ids[i], &other, &ignored) < 0)
            continue;
        if (other->is_inspected && (INSTANCE_BIT(other->state) & INSTANCE_UNLISTED) == 0) {
            found = other->id;
            text_copy(out_study, 65, other->facts.study_uid);
            *out_at_us = other->meta.received_at_us;
        }
        spool_entry_free(&other);
    }
    free(ids);
    return found;
}

/* Inspected, and not yet told from the image that it repeats (uplink, whose.c). */
static bool
is_about_to_be_aside(struct spool *spool, const struct spool_entry *entry)
{
    char study[65] = "";
    int64_t ignored;

    return entry->state == INSTANCE_INSPECTED && find_first(spool, entry, study, &ignored) != 0 &&
           strcmp(study, entry->facts.study_uid) != 0;
}

bool
look_is_anothers(struct spool *spool, const struct spool_study *study)
{
    bool is_all_aside = study->counts[INSTANCE_QUARANTINED] >= study->total;
    struct spool_filter filter = {.study_uid = study->study_uid, .limit = 1};
    struct spool_entry *entry = NULL;
    uint64_t *ids = NULL;
    struct err gone;
    size_t n = 0;
    bool is = false;

    filter.states = is_all_aside
                        ? INSTANCE_BIT(INSTANCE_QUARANTINED)
                        : ~(INSTANCE_BIT(INSTANCE_QUARANTINED) | INSTANCE_BIT(INSTANCE_DISCARDED));
    spool_list(spool, &filter, &ids, &n);
    if (n > 0 && spool_load(spool, ids[0], &entry, &gone) == 0)
        is = is_all_aside ? quarantine_of(entry->last_error) == QUARANTINE_OTHER_PATIENT
                          : is_about_to_be_aside(spool, entry);
    spool_entry_free(&entry);
    free(ids);
    return is;
}

/* What is gone here stands in the book, if the study was looked at. */
static int
facts_or_nothing(struct doubts_look *look, uint64_t id, struct book_study *out,
                 struct book_exam *out_exam, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct err why = {0};
    int rc = look_all_facts(look->spool, look->accept, id, facts, &why);

    if (rc == 0) {
        take_facts(facts, out);
        text_copy(out_exam->date, sizeof out_exam->date, facts->study_date);
        text_copy(out_exam->time, sizeof out_exam->time, facts->study_time);
        text_copy(out_exam->number, sizeof out_exam->number, facts->study_id);
        text_copy(out_exam->description, sizeof out_exam->description, facts->study_description);
    } else if (why.kind == ERR_NOT_FOUND || why.kind == ERR_REJECT) {
        rc = 0;
    } else {
        *err = why;
    }
    free(facts);
    return rc;
}

/* While it is put aside; what was thrown away meanwhile is asked no more. */
static int
ask(struct doubts_look *look, const struct book_correction *c, struct err *err)
{
    struct spool_entry *now = NULL;
    struct err gone;
    int rc = 0;

    pthread_mutex_lock(&look->book->aside);
    if (spool_look(look->spool, c->entry, &now, &gone) == 0 && now->state == INSTANCE_QUARANTINED)
        rc = book_correction_put(look->book, c, err);
    pthread_mutex_unlock(&look->book->aside);
    spool_entry_free(&now);
    return rc;
}

static int
note_question(struct doubts_look *look, const struct spool_entry *entry, struct err *err)
{
    struct book_correction *c;
    char study[65] = "", identity[65];
    int64_t first_at_us = 0;
    uint64_t first = find_first(look->spool, entry, study, &first_at_us);
    int rc = -1;

    if (first == 0)
        return 0;
    c = mem_new(sizeof *c);
    hex_encode(entry->facts.identity_sha256, 32, identity);
    *c = (struct book_correction){.study = study,
                                  .other_study = entry->facts.study_uid,
                                  .identity = identity,
                                  .entry = entry->id};
    c->first.arrived_at_us = first_at_us;
    c->second.arrived_at_us = entry->meta.received_at_us;
    if (facts_or_nothing(look, first, &c->first, &c->first_exam, err) == 0 &&
        facts_or_nothing(look, entry->id, &c->second, &c->second_exam, err) == 0)
        rc = ask(look, c, err);
    free(c);
    return rc;
}

/* ---- entry by entry ---- */

static struct cached *
cached_of(struct doubts_look *look, const char *study)
{
    struct cached *c;

    for (size_t i = 0; i < CACHED; i++)
        if (strcmp(look->cache[i].study, study) == 0)
            return &look->cache[i];
    c = &look->cache[look->cache_at++ % CACHED];
    memset(c, 0, sizeof *c);
    text_copy(c->study, sizeof c->study, study);
    return c;
}

static int
note_doubts(struct doubts_look *look, const struct spool_inspection *facts, struct err *err)
{
    bool is_reused = (facts->doubts & DOUBT_UID_REUSED) != 0;
    char identity[DIGEST_HEX_BYTES];
    struct cached *c;

    if (facts->doubts == 0 || facts->study_uid[0] == '\0')
        return 0;
    c = cached_of(look, facts->study_uid);
    if ((facts->doubts & ~c->bits) == 0 &&
        (!is_reused || memcmp(c->identity, facts->identity_sha256, DIGEST_BYTES) == 0))
        return 0;
    digest_text(facts->identity_sha256, identity);
    if ((is_reused ? book_doubt_reused(look->book, facts->study_uid, facts->doubts, identity, err)
                   : book_doubt_put(look->book, facts->study_uid, facts->doubts, err)) < 0)
        return -1;
    c->bits |= facts->doubts;
    if (is_reused)
        memcpy(c->identity, facts->identity_sha256, DIGEST_BYTES);
    return 0;
}

/* Kept aside by an older version, which could not number its study. */
static bool
is_unnumbered(const struct spool_entry *entry)
{
    return quarantine_of(entry->last_error) == QUARANTINE_REFUSED &&
           !uid_is_valid(entry->facts.study_uid, true);
}

/* *out_is_done false: it is looked into later (a stranger's, or an unnumbered one's: when it is
 * released). */
static int
look_at(struct doubts_look *look, uint64_t id, bool *out_is_done, struct err *err)
{
    struct spool_entry *entry = NULL;
    enum quarantine why;
    struct err gone;
    int rc = 0;

    *out_is_done = true;
    if (spool_load(look->spool, id, &entry, &gone) < 0)
        return 0;
    why = quarantine_of(entry->last_error);
    if (entry->state == INSTANCE_RECEIVED || entry->state == INSTANCE_INSPECTED ||
        (entry->state == INSTANCE_QUARANTINED &&
         (why == QUARANTINE_STRANGER || is_unnumbered(entry))))
        *out_is_done = false;
    else if (entry->state == INSTANCE_QUARANTINED && why == QUARANTINE_OTHER_PATIENT)
        rc = note_question(look, entry, err);
    else if (entry->is_inspected && (entry->state != INSTANCE_QUARANTINED ||
                                     why == QUARANTINE_REFUSED || why == QUARANTINE_UID_REUSED))
        rc = note_doubts(look, &entry->facts, err);
    spool_entry_free(&entry);
    return rc;
}

static void
list_new(struct doubts_look *look)
{
    struct spool_filter filter = {.after_id = look->after};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(look->spool, &filter, &ids, &n);
    if (look->n + n > look->room) {
        look->room = 2 * (look->n + n);
        look->pending = mem_grow(look->pending, look->room * sizeof *look->pending);
    }
    if (n > 0) {
        memcpy(look->pending + look->n, ids, n * sizeof *ids);
        look->after = ids[n - 1];
    }
    look->n += n;
    free(ids);
}

int
doubts_look_step(struct doubts_look *look, struct err *err)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_RECEIVED) |
                                            INSTANCE_BIT(INSTANCE_INSPECTED)};
    uint64_t *waiting = NULL;
    size_t kept = 0, i, at = 0, waiting_n = 0;
    int rc = 0;

    list_new(look);
    spool_list(look->spool, &filter, &waiting, &waiting_n);
    for (i = 0; i < look->n && rc == 0; i++) {
        bool is_done = false;

        while (at < waiting_n && waiting[at] < look->pending[i])
            at++;
        if (at < waiting_n && waiting[at] == look->pending[i]) { /* ten thousand may wait */
            look->pending[kept++] = look->pending[i];
            continue;
        }
        rc = look_at(look, look->pending[i], &is_done, err);
        if (rc < 0 || !is_done)
            look->pending[kept++] = look->pending[i];
    }
    for (; i < look->n; i++)
        look->pending[kept++] = look->pending[i];
    look->n = kept;
    free(waiting);
    return rc;
}

/* ---- studies that are one exam ---- */

static bool
is_close(const struct doubts_arrived *a, const struct doubts_arrived *b)
{
    int64_t apart = a->arrived_at_us - b->arrived_at_us;

    return llabs(apart) <= exam_us && strcmp(a->ae, b->ae) == 0 &&
           strcmp(a->modality, b->modality) == 0;
}

/* One person, as far as the images say; nobody is not one person. */
static bool
is_one_person(const struct doubts_arrived *a, const struct doubts_arrived *b)
{
    if (!doubts_is_placeholder(a->patient_id) || !doubts_is_placeholder(b->patient_id))
        return strcmp(a->patient_id, b->patient_id) == 0;
    return a->name[0] != '\0' && strcmp(a->name, b->name) == 0;
}

static bool
is_nobody(const struct doubts_arrived *a)
{
    return doubts_is_placeholder(a->patient_id) && a->name[0] == '\0';
}

void
doubts_of_arrivals(const struct doubts_arrived *studies, size_t n, uint32_t *out_bits)
{
    for (size_t i = 0; i < n; i++) {
        const struct doubts_arrived *a = &studies[i];
        size_t same = 1, single = a->images == 1;

        for (size_t k = 0; k < n; k++) {
            const struct doubts_arrived *b = &studies[k];
            bool is_one;

            if (k == i || !is_close(a, b))
                continue;
            is_one = is_one_person(a, b);
            same += is_one;
            single += b->images == 1 && (is_one || (is_nobody(a) && is_nobody(b)));
        }
        out_bits[i] = 0;
        if (strcmp(a->modality, "US") == 0 && a->images == 1 && single >= PER_IMAGE_STUDIES)
            out_bits[i] = DOUBT_STUDY_PER_IMAGE;
        else if (same > 1)
            out_bits[i] = DOUBT_SEVERAL_STUDIES;
    }
}
