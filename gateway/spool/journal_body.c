/* journal_body.c - what a record of the journal says: written field by field, read with doubt. */
#include "gateway/spool/journal_body.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_FLAG_INSPECTED 1u
#define RECORD_FLAG_PAUSED 2u
#define RECORD_FLAG_WANTED 4u
#define RECORD_FLAG_LOST 8u
#define RECORD_FLAG_GONE 16u

/* ---- bodies, written ---- */

static void
put_text(struct buf *b, const char *text)
{
    size_t n = strlen(text);

    n = n > 255 ? 255 : n;
    buf_add_u8(b, (uint8_t)n);
    buf_add(b, text, n);
}

static void
put_place(struct buf *b, const struct place *p)
{
    buf_add_le64(b, p->segment);
    buf_add_le64(b, p->offset);
    buf_add_le64(b, p->object_size);
    buf_add_le32(b, p->recipe_n);
    buf_add_le32(b, p->layout_n);
    buf_add(b, p->sha256, 32);
}

void
journal_body_entry(struct buf *b, const struct record *r)
{
    const char *const texts[] = {r->sop_class, r->sop_instance,  r->transfer_syntax, r->calling_ae,
                                 r->called_ae, r->peer,          r->study_uid,       r->series_uid,
                                 r->modality,  r->study_date,    r->study_time,      r->body_part,
                                 r->station,   r->why_not_coded, r->last_error};

    buf_add_u8(b, JOURNAL_ENTRY);
    buf_add_le64(b, r->id);
    buf_add_u8(b, (uint8_t)r->state);
    buf_add_u8(b, (uint8_t)((r->is_inspected ? RECORD_FLAG_INSPECTED : 0) |
                            (r->is_paused ? RECORD_FLAG_PAUSED : 0) |
                            (r->is_wanted ? RECORD_FLAG_WANTED : 0) |
                            (r->is_lost ? RECORD_FLAG_LOST : 0) |
                            (r->is_gone ? RECORD_FLAG_GONE : 0)));
    put_place(b, &r->received);
    put_place(b, &r->coded);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        put_text(b, texts[i]);
    buf_add_le32(b, r->frames);
    buf_add(b, r->pixels_sha256, 32);
    buf_add(b, r->dataset_sha256, 32);
    buf_add_le32(b, r->revision);
    buf_add_le64(b, r->twin_of);
    buf_add_le64(b, r->receipt_seq);
    buf_add_u8(b, INSTANCE_STATES);
    for (int i = 0; i < INSTANCE_STATES; i++)
        buf_add_le64(b, (uint64_t)r->at_us[i]);
    buf_add_le32(b, r->doubts);
    buf_add(b, r->identity_sha256, 32);
    buf_add(b, r->rest_sha256, 32);
    put_text(b, r->quarantine);
    buf_add_le64(b, r->done_age_ms);
    put_text(b, r->discard_reason);
    put_text(b, r->discarded_by);
    buf_add_le32(b, r->left);
    buf_add_le32(b, r->stale);
}

void
journal_body_cut(struct buf *b, uint64_t segment, uint64_t offset)
{
    buf_add_u8(b, JOURNAL_CUT);
    buf_add_le64(b, segment);
    buf_add_le64(b, offset);
}

void
journal_body_manifest(struct buf *b, const char *study, uint32_t revision, int64_t closed_at_us,
                      const struct journal_list *list)
{
    buf_add_u8(b, JOURNAL_MANIFEST);
    put_text(b, study);
    buf_add_le32(b, revision);
    buf_add_le64(b, (uint64_t)closed_at_us);
    buf_add_le32(b, (uint32_t)list->news_n);
    for (size_t i = 0; i < list->news_n; i++)
        buf_add_le64(b, list->news[i]);
    buf_add_le32(b, (uint32_t)list->leaving_n);
    for (size_t i = 0; i < list->leaving_n; i++)
        buf_add_le64(b, list->leaving[i]);
}

void
journal_body_acked(struct buf *b, const char *study, uint32_t revision)
{
    buf_add_u8(b, JOURNAL_ACKED);
    put_text(b, study);
    buf_add_le32(b, revision);
}

void
journal_body_number(struct buf *b, const char *name, uint64_t value)
{
    buf_add_u8(b, JOURNAL_NUMBER);
    put_text(b, name);
    buf_add_le64(b, value);
}

void
journal_body_study(struct buf *b, const struct study *s)
{
    buf_add_u8(b, JOURNAL_STUDY);
    put_text(b, s->uid);
    buf_add_le32(b, s->revision);
    buf_add_le64(b, (uint64_t)s->closed_at_us);
    buf_add_le32(b, s->acked_revision);
}

void
journal_body_snapshot_end(struct buf *b, uint64_t next_id, uint64_t next_segment)
{
    buf_add_u8(b, JOURNAL_SNAPSHOT_END);
    buf_add_le64(b, next_id);
    buf_add_le64(b, next_segment);
}

/* ---- bodies, read ---- */

struct reader {
    const uint8_t *p;
    size_t left;
    bool is_bad;
};

static const uint8_t *
get(struct reader *r, size_t n)
{
    static const uint8_t zeros[64];
    const uint8_t *at = r->p;

    if (r->is_bad || r->left < n) {
        r->is_bad = true;
        return n <= sizeof zeros ? zeros : NULL;
    }
    r->p += n;
    r->left -= n;
    return at;
}

static uint8_t
get_u8(struct reader *r)
{
    return *get(r, 1);
}

static uint32_t
get_le32(struct reader *r)
{
    return le32_read(get(r, 4));
}

static uint64_t
get_le64(struct reader *r)
{
    return le64_read(get(r, 8));
}

static void
get_text(struct reader *r, char out[256])
{
    size_t n = get_u8(r);
    const uint8_t *p = get(r, n);

    out[0] = '\0';
    if (r->is_bad || p == NULL)
        return;
    memcpy(out, p, n);
    out[n] = '\0';
    r->is_bad = memchr(p, 0, n) != NULL;
}

static void
get_place(struct reader *r, struct place *out)
{
    out->segment = get_le64(r);
    out->offset = get_le64(r);
    out->object_size = get_le64(r);
    out->recipe_n = get_le32(r);
    out->layout_n = get_le32(r);
    memcpy(out->sha256, get(r, 32), 32);
}

/* What minor version 1 added; an entry of minor 0 ends before it. */
static void
get_minor_1(struct ledger *l, struct reader *in, struct record *r)
{
    char word[256];

    if (in->left == 0)
        return;
    r->doubts = get_le32(in);
    memcpy(r->identity_sha256, get(in, 32), 32);
    memcpy(r->rest_sha256, get(in, 32), 32);
    get_text(in, word);
    r->quarantine = in->is_bad ? "" : ledger_word(l, word);
    r->done_age_ms = get_le64(in);
}

/* What minor version 2 added. */
static void
get_minor_2(struct ledger *l, struct reader *in, struct record *r)
{
    char reason[256], by[256];

    if (in->left == 0)
        return;
    get_text(in, reason);
    get_text(in, by);
    r->discard_reason = in->is_bad ? "" : ledger_word(l, reason);
    r->discarded_by = in->is_bad ? "" : ledger_word(l, by);
}

/* What minor version 3 added. */
static void
get_minor_3(struct reader *in, struct record *r)
{
    if (in->left == 0)
        return;
    r->left = get_le32(in);
    r->stale = get_le32(in);
}

static bool
apply_entry(struct ledger *l, struct reader *in)
{
    struct record r;
    const char **const texts[] = {&r.sop_class, &r.sop_instance,  &r.transfer_syntax, &r.calling_ae,
                                  &r.called_ae, &r.peer,          &r.study_uid,       &r.series_uid,
                                  &r.modality,  &r.study_date,    &r.study_time,      &r.body_part,
                                  &r.station,   &r.why_not_coded, &r.last_error};
    char words[ARRAY_LEN(texts)][256];
    unsigned states, flags;

    ledger_record_init(&r);
    r.id = get_le64(in);
    r.state = (enum instance_state)get_u8(in);
    flags = get_u8(in);
    r.is_inspected = (flags & RECORD_FLAG_INSPECTED) != 0;
    r.is_paused = (flags & RECORD_FLAG_PAUSED) != 0;
    r.is_wanted = (flags & RECORD_FLAG_WANTED) != 0;
    r.is_lost = (flags & RECORD_FLAG_LOST) != 0;
    r.is_gone = (flags & RECORD_FLAG_GONE) != 0;
    get_place(in, &r.received);
    get_place(in, &r.coded);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        get_text(in, words[i]);
    r.frames = get_le32(in);
    memcpy(r.pixels_sha256, get(in, 32), 32);
    memcpy(r.dataset_sha256, get(in, 32), 32);
    r.revision = get_le32(in);
    r.twin_of = get_le64(in);
    r.receipt_seq = get_le64(in);
    states = get_u8(in);
    for (unsigned i = 0; i < states; i++) {
        int64_t at = (int64_t)get_le64(in);

        if (i < INSTANCE_STATES)
            r.at_us[i] = at;
    }
    get_minor_1(l, in, &r);
    get_minor_2(l, in, &r);
    get_minor_3(in, &r);
    if (in->is_bad || r.id == 0 || r.id == UINT64_MAX || (unsigned)r.state >= INSTANCE_STATES)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = ledger_word(l, words[i]);
    ledger_put(l, &r);
    return true;
}

static bool
apply_cut(struct reader *in, struct journal_facts *facts)
{
    struct journal_cut cut = {get_le64(in), get_le64(in)};

    if (in->is_bad)
        return false;
    if (facts != NULL) {
        facts->cuts = mem_grow(facts->cuts, (facts->cuts_n + 1) * sizeof cut);
        facts->cuts[facts->cuts_n++] = cut;
    }
    return true;
}

/* These ids (u64 each) are listed from this revision on, or are no more. */
static void
apply_ids(struct ledger *l, const uint8_t *ids, uint32_t n, uint32_t revision, bool is_leaving)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = ledger_find(l, le64_read(ids + 8 * (size_t)i));
        struct record r;

        if (e == NULL)
            continue;
        r = e->r;
        *(is_leaving ? &r.left : &r.revision) = revision;
        ledger_put(l, &r);
    }
}

static const uint8_t *
get_ids(struct reader *in, uint32_t *out_n)
{
    *out_n = get_le32(in);
    if (in->left / 8 < *out_n)
        in->is_bad = true;
    return get(in, in->is_bad ? 0 : 8 * (size_t)*out_n);
}

static bool
apply_manifest(struct ledger *l, struct reader *in)
{
    const uint8_t *news, *leaving = NULL;
    uint32_t revision, news_n, leaving_n = 0;
    int64_t closed_at;
    struct study *s;
    char uid[256];

    get_text(in, uid);
    revision = get_le32(in);
    closed_at = (int64_t)get_le64(in);
    news = get_ids(in, &news_n);
    if (in->left > 0) /* since minor version 3 */
        leaving = get_ids(in, &leaving_n);
    if (in->is_bad || uid[0] == '\0')
        return false;
    s = ledger_study_make(l, uid);
    s->revision = revision;
    s->closed_at_us = closed_at;
    apply_ids(l, news, news_n, revision, false);
    apply_ids(l, leaving, leaving_n, revision, true);
    return true;
}

static bool
apply_acked(struct ledger *l, struct reader *in)
{
    char uid[256];
    uint32_t revision;

    get_text(in, uid);
    revision = get_le32(in);
    if (in->is_bad || uid[0] == '\0')
        return false;
    ledger_study_make(l, uid)->acked_revision = revision;
    return true;
}

static bool
apply_number(struct ledger *l, struct reader *in)
{
    char name[256];
    uint64_t value;

    get_text(in, name);
    value = get_le64(in);
    if (in->is_bad || name[0] == '\0')
        return false;
    *ledger_number(l, name, true) = value;
    return true;
}

static bool
apply_study(struct ledger *l, struct reader *in)
{
    char uid[256];
    uint32_t revision, acked;
    int64_t closed_at;
    struct study *s;

    get_text(in, uid);
    revision = get_le32(in);
    closed_at = (int64_t)get_le64(in);
    acked = get_le32(in);
    if (in->is_bad || uid[0] == '\0')
        return false;
    s = ledger_study_make(l, uid);
    s->revision = revision;
    s->closed_at_us = closed_at;
    s->acked_revision = acked;
    return true;
}

static bool
apply_snapshot_end(struct ledger *l, struct reader *in, struct journal_facts *facts)
{
    uint64_t next_id = get_le64(in), next_segment = get_le64(in);

    if (in->is_bad)
        return false;
    if (next_id > l->next_id)
        l->next_id = next_id;
    if (facts != NULL) {
        facts->has_snapshot = true;
        if (next_segment > facts->next_segment)
            facts->next_segment = next_segment;
    }
    return true;
}

bool
journal_apply(struct ledger *l, const uint8_t *body, size_t n, struct journal_facts *facts)
{
    struct reader in = {body, n, false};

    switch ((enum journal_kind)get_u8(&in)) {
    case JOURNAL_ENTRY:
        return apply_entry(l, &in);
    case JOURNAL_CUT:
        return apply_cut(&in, facts);
    case JOURNAL_MANIFEST:
        return apply_manifest(l, &in);
    case JOURNAL_ACKED:
        return apply_acked(l, &in);
    case JOURNAL_NUMBER:
        return apply_number(l, &in);
    case JOURNAL_STUDY:
        return apply_study(l, &in);
    case JOURNAL_SNAPSHOT_END:
        return apply_snapshot_end(l, &in, facts);
    }
    return false;
}

void
journal_facts_fini(struct journal_facts *facts)
{
    free(facts->cuts);
    *facts = (struct journal_facts){0};
}
