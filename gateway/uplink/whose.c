/* whose.c - whose an inspected instance says it is, and what is here already under its UID.
 *
 *     same pixels, same data set       a duplicate: success was told, no copy goes; so is one that
 *                                      left here under other numbers and came back (leaving.h)
 *     same pixels, same rest           the same image for another patient or study: kept aside,
 *                                      other_patient, until the desk says whose it is
 *     anything else under the UID      kept aside, uid_conflict
 *     what a person threw away         kept aside, discarded, unless a person wants it now
 *     the same, lost at the centre     it goes, in the place of that one
 *     another person under its study   it goes, after one of the study's first person is at the
 *                                      centre: there, too, the study is whose it is here
 *
 * Nothing is overwritten and no byte changes. Of two that come at once the later inspected gives
 * way. Digests: docs/formats/digests.md. */
#include "gateway/uplink/parts.h"

#include "proto/base/text.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/facts.h"
#include "proto/model/digests.h"
#include "proto/model/doubts.h"
#include "proto/model/quarantine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ON_THE_WAY                                                                                 \
    (INSTANCE_BIT(INSTANCE_INSPECTED) | INSTANCE_BIT(INSTANCE_CODED) |                             \
     INSTANCE_BIT(INSTANCE_PLAIN) | INSTANCE_BIT(INSTANCE_LOOKED))
#define AT_THE_CENTRE (INSTANCE_BIT(INSTANCE_HELD) | INSTANCE_BIT(INSTANCE_SEALED))

static const char import_ae[] = "IMPORT"; /* who brings old exams in */

void
whose_profile(struct uplink *up, const struct spool_entry *entry, char out[DEVICE_CHARSET_BYTES])
{
    char said[DEVICE_CHARSET_BYTES] = "";

    pthread_mutex_lock(&up->asking);
    if (up->profile != NULL)
        up->profile(up->profile_user, entry->meta.calling_ae, entry->meta.peer, said);
    pthread_mutex_unlock(&up->asking);
    text_copy(out, DEVICE_CHARSET_BYTES, dcm_charset_of_device(said));
}

/* Signs that count: no blanks, no ^ and =, no difference of case. */
static void
digest_signs(struct digest *d, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        char c = (char)toupper((uint8_t)*p);

        if (!isspace((uint8_t)c) && c != '^' && c != '=')
            digest_add(d, &c, 1);
    }
    digest_add(d, "\n", 1);
}

/* Who the patient is said to be: number and name. Zeros when neither is said. */
static void
digest_identity(const struct dcm_facts *facts, uint8_t out[DIGEST_BYTES])
{
    struct digest *d;

    memset(out, 0, DIGEST_BYTES);
    if (facts->patient_id[0] == '\0' && facts->patient_name[0] == '\0')
        return;
    d = digest_new();
    digest_signs(d, facts->patient_id);
    digest_signs(d, facts->patient_name);
    digest_take(d, out);
    digest_free(&d);
}

/* When it arrived by the centre's clock; without the centre's word no clock is believed. */
static int64_t
believed_us(struct uplink *up, const struct spool_entry *entry)
{
    int64_t us = 0;

    gate_lock(&up->gate);
    if (up->has_clock_offset)
        us = entry->meta.received_at_us + up->clock_offset_ms * 1000;
    gate_unlock(&up->gate);
    return us;
}

static uint32_t
doubts_of(struct uplink *up, const struct spool_entry *entry, const struct dcm_facts *facts)
{
    struct doubts_seen seen = {.patient_id = facts->patient_id,
                               .sex = facts->sex,
                               .birth = facts->birth_date,
                               .study_date = facts->study_date,
                               .study_uid = facts->study_uid,
                               .series_uid = facts->series_uid,
                               .is_uid_made = facts->is_study_made || facts->is_series_made,
                               .is_text_broken = facts->text_method == DCM_TEXT_BROKEN,
                               .is_old_welcome = strcmp(entry->meta.calling_ae, import_ae) == 0,
                               .now_us = believed_us(up, entry)};

    return doubts_of_instance(&seen);
}

void
whose_facts(struct uplink *up, struct spool_entry *entry, const struct dcm_facts *facts,
            const struct dcm_digests *digests)
{
    struct spool_inspection *out = &entry->facts;

    memset(out, 0, sizeof *out);
    text_copy(out->study_uid, sizeof out->study_uid, facts->study_uid);
    text_copy(out->series_uid, sizeof out->series_uid, facts->series_uid);
    text_copy(out->modality, sizeof out->modality, facts->modality);
    text_copy(out->study_date, sizeof out->study_date, facts->study_date);
    text_copy(out->study_time, sizeof out->study_time, facts->study_time);
    text_copy(out->body_part, sizeof out->body_part, facts->body_part);
    text_copy(out->station, sizeof out->station, facts->station);
    out->frames = facts->frames > 0 && facts->frames < UINT32_MAX ? (uint32_t)facts->frames : 1;
    memcpy(out->pixels_sha256, digests->pixels, DIGEST_BYTES);
    memcpy(out->dataset_sha256, digests->dataset, DIGEST_BYTES);
    memcpy(out->rest_sha256, digests->rest, DIGEST_BYTES);
    digest_identity(facts, out->identity_sha256);
    out->doubts = doubts_of(up, entry, facts);
}

static bool
is_same(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES])
{
    return memcmp(a, b, DIGEST_BYTES) == 0;
}

static bool
is_said(const uint8_t digest[DIGEST_BYTES])
{
    static const uint8_t zeros[DIGEST_BYTES];

    return !is_same(digest, zeros);
}

/* ---- one study, two people ---- */

bool
uplink_is_firsts(const struct spool_entry *entry)
{
    return entry->is_inspected && (entry->facts.doubts & DOUBT_UID_REUSED) == 0 &&
           entry->state != INSTANCE_QUARANTINED && entry->state != INSTANCE_DISCARDED;
}

bool
whose_waits(struct uplink *up, const char *study)
{
    struct spool_filter filter = {.study_uid = study, .states = ON_THE_WAY | AT_THE_CENTRE};
    bool is_there = false, is_coming = false;
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && !is_there; i++) {
        struct spool_entry *other = NULL;
        struct err gone;

        if (spool_look(up->spool, ids[i], &other, &gone) < 0)
            continue;
        if (uplink_is_firsts(other) && !is_elsewhere(up, other)) {
            is_there = (INSTANCE_BIT(other->state) & AT_THE_CENTRE) != 0;
            is_coming = is_coming || !other->is_paused;
        }
        spool_entry_free(&other);
    }
    free(ids);
    return is_coming && !is_there;
}

/* Whose the study was said to be by what came first; zeros when nobody said. Twins held. */
static const uint8_t *
first_identity(struct uplink *up, const char *study)
{
    struct spool_filter filter = {.study_uid = study};
    struct seen_study *seen;
    uint64_t *ids = NULL;
    size_t n = 0;

    for (size_t i = 0; i < SEEN_STUDIES; i++)
        if (strcmp(up->seen[i].uid, study) == 0)
            return up->seen[i].identity;
    seen = &up->seen[up->seen_at++ % SEEN_STUDIES];
    memset(seen, 0, sizeof *seen);
    text_copy(seen->uid, sizeof seen->uid, study);
    spool_list(up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && !is_said(seen->identity); i++) {
        struct spool_entry *other = NULL;
        struct err err = {0};

        if (spool_load(up->spool, ids[i], &other, &err) < 0)
            continue;
        if (uplink_is_firsts(other))
            memcpy(seen->identity, other->facts.identity_sha256, DIGEST_BYTES);
        spool_entry_free(&other);
    }
    free(ids);
    return seen->identity;
}

static void
doubt_reuse(struct uplink *up, struct spool_inspection *facts)
{
    const uint8_t *first;

    if (!is_said(facts->identity_sha256))
        return;
    first = first_identity(up, facts->study_uid);
    if (is_said(first) && !is_same(first, facts->identity_sha256))
        facts->doubts |= DOUBT_UID_REUSED;
    else if (!is_said(first))
        for (size_t i = 0; i < SEEN_STUDIES; i++)
            if (strcmp(up->seen[i].uid, facts->study_uid) == 0)
                memcpy(up->seen[i].identity, facts->identity_sha256, DIGEST_BYTES);
}

/* ---- one UID, twice ---- */

enum likeness { UNLIKE_ANY, TWIN, DISCARDED, OTHER_PATIENT, CONFLICT };

struct likeness_of {
    enum likeness is;
    uint64_t id;   /* of the entry it is like */
    uint64_t lost; /* the same image, which the centre has lost; 0: none */
};

/* Was it put aside for what it is, with its bytes whole? Then what equals it is no news; but what a
 * person wants now rests on nothing that waits as thrown away. */
static bool
is_kept_aside(const struct spool_entry *other, const struct spool_entry *entry)
{
    enum quarantine why = quarantine_of(other->last_error);

    return other->state == INSTANCE_QUARANTINED && other->has_bytes &&
           (why == QUARANTINE_OTHER_PATIENT || why == QUARANTINE_UID_CONFLICT ||
            (why == QUARANTINE_DISCARDED && !entry->is_wanted));
}

static bool
is_equal(const struct spool_entry *other, const struct spool_entry *entry)
{
    return is_same(other->facts.pixels_sha256, entry->facts.pixels_sha256) &&
           is_same(other->facts.dataset_sha256, entry->facts.dataset_sha256);
}

/* The file itself, or the same image by its digests; a discarded one may never have been looked
 * into. What has its UID and is another image is judged as if that had never come. */
static bool
is_discarded_like(const struct spool_entry *other, const struct spool_entry *entry)
{
    if (entry->is_wanted || other->id == entry->id)
        return false;
    if (other->is_inspected && is_equal(other, entry))
        return true;
    return is_same(other->received_sha256, entry->received_sha256);
}

/* Sealed, and gone at both ends since: nothing is known of it by what it was. */
static bool
is_lost_twin(const struct spool_entry *other, const struct spool_entry *entry)
{
    return other->is_lost && is_equal(other, entry);
}

/* The received file as memory, *out_all its pages; munmap. */
static int
map_received(struct uplink *up, uint64_t id, struct spool_bytes *out, void **out_all,
             size_t *out_before, struct err *err)
{
    if (spool_source_received(up->spool, id, out, err) < 0)
        return -1;
    *out_before = (size_t)(out->offset % (uint64_t)sysconf(_SC_PAGESIZE));
    *out_all = mmap(NULL, *out_before + (size_t)out->size, PROT_READ, MAP_PRIVATE, out->fd,
                    (off_t)(out->offset - *out_before));
    close(out->fd);
    if (*out_all == MAP_FAILED)
        return err_sys(err, ERR_RETRY, "map a received file");
    return 0;
}

/* Did it leave here, or at the centre, as what is kept, under study and series numbers that came in
 * the place of its own? It tells which these were. */
static int
is_returned(struct uplink *up, const struct spool_entry *other, const struct spool_entry *entry,
            bool *out, struct err *err)
{
    struct spool_bytes bytes;
    struct err ignored; /* what cannot be read tells nothing */
    size_t before;
    void *all;

    *out = false;
    if (other->is_lost)
        return 0;
    if (map_received(up, entry->id, &bytes, &all, &before, err) < 0)
        return -1;
    if (dcm_was_dataset((const uint8_t *)all + before, (size_t)bytes.size,
                        other->facts.dataset_sha256, out, &ignored) < 0)
        *out = false;
    munmap(all, before + (size_t)bytes.size);
    return 0;
}

/* Of two that are inspected at once the later sees the earlier; after a restart in between, the
 * younger one gives way. */
static enum likeness
compare(const struct spool_entry *other, const struct spool_entry *entry, bool is_fresh)
{
    const struct spool_inspection *a = &other->facts, *b = &entry->facts;

    if (other->state == INSTANCE_DISCARDED)
        return is_discarded_like(other, entry) ? DISCARDED : UNLIKE_ANY;
    if (other->id == entry->id || !other->is_inspected || other->state == INSTANCE_DUPLICATE ||
        is_lost_twin(other, entry) ||
        (!is_fresh && other->state == INSTANCE_INSPECTED && other->id > entry->id))
        return UNLIKE_ANY;
    if (other->state == INSTANCE_QUARANTINED)
        return is_kept_aside(other, entry) && is_equal(other, entry) ? TWIN : UNLIKE_ANY;
    if (is_equal(other, entry))
        return TWIN;
    return is_same(a->pixels_sha256, b->pixels_sha256) && is_said(b->rest_sha256) &&
                   is_same(a->rest_sha256, b->rest_sha256)
               ? OTHER_PATIENT
               : CONFLICT;
}

/* The likest of what is here under its UID: a twin before what was discarded before a correction
 * before a conflict. */
static int
find_like(struct uplink *up, const struct spool_entry *entry, bool is_fresh,
          struct likeness_of *out, struct err *err)
{
    struct spool_filter filter = {.sop_instance = entry->meta.sop_instance};
    struct likeness_of found = {UNLIKE_ANY, 0, 0};
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = 0;

    spool_list(up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && rc == 0 && found.is != TWIN; i++) {
        struct spool_entry *other = NULL;
        struct err gone = {0};
        bool is_back = false;
        enum likeness is;

        if (spool_load(up->spool, ids[i], &other, &gone) < 0)
            continue;
        is = compare(other, entry, is_fresh);
        if ((is == OTHER_PATIENT || is == CONFLICT) &&
            is_same(other->facts.pixels_sha256, entry->facts.pixels_sha256))
            rc = is_returned(up, other, entry, &is_back, err);
        if (is_back)
            is = TWIN;
        if (is != UNLIKE_ANY && (found.is == UNLIKE_ANY || is < found.is)) {
            found.is = is;
            found.id = other->id;
        }
        if (is_lost_twin(other, entry))
            found.lost = other->id;
        spool_entry_free(&other);
    }
    free(ids);
    *out = found;
    return rc;
}

static int
put_aside(struct uplink *up, const struct spool_entry *entry, enum quarantine why,
          const char *words, struct err *err)
{
    struct log_ctx ctx = log_of_entry(entry->id);
    char text[160];

    snprintf(text, sizeof text, "%s: %s", quarantine_word(why), words);
    if (spool_set_quarantined(up->spool, entry->id, text, err) < 0)
        return -1;
    LOG(&ctx, UPLINK_QUARANTINED, F_WORD("why", text));
    return 0;
}

static int
act_on(struct uplink *up, const struct spool_entry *entry, const struct likeness_of *like,
       struct err *err)
{
    struct log_ctx ctx = log_of_entry(entry->id);
    char words[96];

    switch (like->is) {
    case TWIN:
        if (spool_set_duplicate(up->spool, entry->id, like->id, err) < 0)
            return -1;
        LOG(&ctx, UPLINK_TWIN, F_NUMBER("of", like->id));
        return 0;
    case DISCARDED:
        snprintf(words, sizeof words, "a person threw the same image away, entry %llu",
                 (unsigned long long)like->id);
        return put_aside(up, entry, QUARANTINE_DISCARDED, words, err);
    case OTHER_PATIENT:
        snprintf(words, sizeof words, "the same image as entry %llu, for another patient or study",
                 (unsigned long long)like->id);
        return put_aside(up, entry, QUARANTINE_OTHER_PATIENT, words, err);
    case CONFLICT:
        snprintf(words, sizeof words, "entry %llu has this UID with other content",
                 (unsigned long long)like->id);
        return put_aside(up, entry, QUARANTINE_UID_CONFLICT, words, err);
    case UNLIKE_ANY:
    default:
        return 0;
    }
}

/* What was lost is a duplicate of it, before it is coded and listed in that one's place. */
static int
come_again(struct uplink *up, const struct spool_entry *entry, uint64_t lost, struct err *err)
{
    struct log_ctx ctx = log_of_entry(entry->id);

    if (lost == 0)
        return 0;
    if (spool_set_again(up->spool, lost, entry->id, err) < 0)
        return -1;
    LOG(&ctx, UPLINK_CAME_AGAIN, F_NUMBER("of", lost));
    return 0;
}

static int
settle_like(struct uplink *up, const struct spool_entry *entry, const struct likeness_of *like,
            bool *out_is_done, struct err *err)
{
    *out_is_done = like->is != UNLIKE_ANY;
    return *out_is_done ? act_on(up, entry, like, err) : come_again(up, entry, like->lost, err);
}

int
whose_note(struct uplink *up, struct spool_entry *entry, bool *out_is_done, struct err *err)
{
    bool is_fresh = entry->state == INSTANCE_RECEIVED, is_done = false;
    struct likeness_of like, was;
    int rc = 0;

    pthread_mutex_lock(&up->twins);
    rc = find_like(up, entry, is_fresh, &like, err);
    if (rc == 0 && is_fresh) {
        if (like.is == UNLIKE_ANY)
            doubt_reuse(up, &entry->facts);
        rc = spool_set_inspected(up->spool, entry->id, &entry->facts, err);
    }
    if (rc == 0)
        rc = settle_like(up, entry, &like, &is_done, err);
    if (rc < 0 && err->kind == ERR_CONFLICT && (like.is == TWIN || like.lost != 0)) {
        was = like; /* what it is like was thrown away, lost or found just now */
        if (find_like(up, entry, false, &like, err) == 0 &&
            (like.is != was.is || like.id != was.id || like.lost != was.lost))
            rc = settle_like(up, entry, &like, &is_done, err);
    }
    pthread_mutex_unlock(&up->twins);
    if (rc == 0)
        *out_is_done = is_done;
    return rc;
}

void
whose_take_up(struct uplink *up)
{
    static const char unnumbered[] = "refused: its study or series number cannot be used";
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_QUARANTINED)};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && !up_is_stopping(up); i++) {
        struct log_ctx ctx = log_of_entry(ids[i]);
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_load(up->spool, ids[i], &entry, &err) < 0)
            continue; /* gone meanwhile, or a person will see it */
        if (strcmp(entry->last_error, unnumbered) == 0 &&
            spool_release(up->spool, ids[i], &err) < 0 && err.kind != ERR_CONFLICT)
            LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
        spool_entry_free(&entry);
    }
    free(ids);
}
