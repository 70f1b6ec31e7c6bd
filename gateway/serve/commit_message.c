/* commit_message.c - the data sets of Storage Commitment. */
#include "gateway/serve/commit_message.h"

#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAG_REF_CLASS = 0x00081150,
    TAG_REF_INSTANCE = 0x00081155,
    TAG_TRANSACTION = 0x00081195,
    TAG_REASON = 0x00081197,
    TAG_FAILED = 0x00081198,
    TAG_REFS = 0x00081199
};

/* "" where the value is no UID. */
static void
copy_uid(char out[65], const uint8_t *value, size_t n)
{
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == 0))
        n--;
    memset(out, 0, 65);
    if (n < 65)
        memcpy(out, value, n);
    if (!uid_is_valid(out, true))
        out[0] = 0;
}

static int
by_instance(const void *a, const void *b)
{
    const struct commit_ref *x = a, *y = b;
    int order = strcmp(x->sop_instance, y->sop_instance);

    return order != 0 ? order : strcmp(x->sop_class, y->sop_class);
}

/* Each instance once; the same twice is one. */
static int
tidy(struct commit_ask *ask, struct err *err)
{
    size_t n = 0;

    if (ask->n > 1)
        qsort(ask->refs, ask->n, sizeof ask->refs[0], by_instance);
    for (size_t i = 0; i < ask->n; i++) {
        if (n > 0 && strcmp(ask->refs[n - 1].sop_instance, ask->refs[i].sop_instance) == 0) {
            if (strcmp(ask->refs[n - 1].sop_class, ask->refs[i].sop_class) != 0)
                return err_set(err, ERR_REJECT, "an instance is asked for with two SOP classes");
            continue;
        }
        ask->refs[n++] = ask->refs[i];
    }
    ask->n = n;
    return 0;
}

struct reading {
    struct commit_ask *ask;
    struct commit_ref ref; /* of the item at hand */
    size_t room;
    bool is_in_refs; /* inside Referenced SOP Sequence of the top level */
};

static int
end_item(struct reading *r, struct err *err)
{
    if (r->ref.sop_class[0] == 0 || r->ref.sop_instance[0] == 0)
        return err_set(err, ERR_REJECT, "an item without the UIDs of class and instance");
    if (r->ask->n == COMMIT_REFS_MOST)
        return err_set(err, ERR_FULL, "more than %d instances in one transaction",
                       COMMIT_REFS_MOST);
    if (r->ask->n == r->room) {
        r->room = r->room == 0 ? 64 : 2 * r->room;
        r->ask->refs = mem_grow(r->ask->refs, r->room * sizeof r->ref);
    }
    r->ref.verdict = COMMIT_UNDECIDED;
    r->ask->refs[r->ask->n++] = r->ref;
    return 0;
}

static int
take(struct reading *r, const uint8_t *bytes, const struct dcm_element *e, struct err *err)
{
    const uint8_t *value = bytes + e->value_at;

    if (e->depth == 0 && e->event == DCM_SEQUENCE)
        r->is_in_refs = e->tag == TAG_REFS;
    else if (e->depth == 0 && e->event == DCM_ELEMENT && e->tag == TAG_TRANSACTION)
        copy_uid(r->ask->transaction, value, e->value_n);
    else if (!r->is_in_refs || e->depth > 1)
        return 0;
    else if (e->event == DCM_ITEM)
        r->ref = (struct commit_ref){.verdict = COMMIT_UNDECIDED};
    else if (e->event == DCM_ITEM_END)
        return end_item(r, err);
    else if (e->event == DCM_ELEMENT && e->tag == TAG_REF_CLASS)
        copy_uid(r->ref.sop_class, value, e->value_n);
    else if (e->event == DCM_ELEMENT && e->tag == TAG_REF_INSTANCE)
        copy_uid(r->ref.sop_instance, value, e->value_n);
    return 0;
}

static int
read_all(struct reading *r, const uint8_t *bytes, size_t n, enum dcm_coding coding, struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, bytes, n, coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0 || take(r, bytes, &e, err) < 0)
            return -1;
    } while (e.event != DCM_END);
    return 0;
}

int
commit_ask_read(const uint8_t *bytes, size_t n, enum dcm_coding coding, struct commit_ask *out,
                uint16_t *out_status, struct err *err)
{
    struct commit_ask ask = {.n = 0};
    struct reading r = {.ask = &ask};

    *out_status = DIMSE_INVALID_ARGUMENT;
    if (read_all(&r, bytes, n, coding, err) < 0) {
        if (err->kind == ERR_FULL)
            *out_status = DIMSE_RESOURCE_LIMITATION;
        goto refused;
    }
    if (ask.transaction[0] == 0 || ask.n == 0) {
        *out_status = DIMSE_MISSING_ATTRIBUTE;
        err_set(err, ERR_REJECT,
                ask.n == 0 ? "no instance is referenced" : "no usable Transaction UID");
        goto refused;
    }
    if (tidy(&ask, err) < 0)
        goto refused;
    *out = ask;
    *out_status = DIMSE_SUCCESS;
    return 0;
refused:
    commit_ask_fini(&ask);
    return -1;
}

void
commit_ask_fini(struct commit_ask *ask)
{
    free(ask->refs);
    *ask = (struct commit_ask){.n = 0};
}

static void
write_refs(struct dcm_writer *w, uint32_t sequence, const struct commit_ref *refs, size_t n,
           bool is_failed)
{
    bool is_begun = false;

    for (size_t i = 0; i < n; i++) {
        if ((refs[i].verdict != DIMSE_SUCCESS) != is_failed)
            continue;
        if (!is_begun)
            dcm_write_sequence_begin(w, sequence);
        is_begun = true;
        dcm_write_item_begin(w);
        dcm_write_text(w, TAG_REF_CLASS, "UI", refs[i].sop_class);
        dcm_write_text(w, TAG_REF_INSTANCE, "UI", refs[i].sop_instance);
        if (is_failed)
            dcm_write_u16(w, TAG_REASON, refs[i].verdict);
        dcm_write_item_end(w);
    }
    if (is_begun)
        dcm_write_sequence_end(w);
}

uint16_t
commit_event_write(struct buf *out, enum dcm_coding coding, const char *transaction,
                   const struct commit_ref *refs, size_t n)
{
    struct dcm_writer w;
    size_t failed = 0;

    for (size_t i = 0; i < n; i++)
        failed += refs[i].verdict != DIMSE_SUCCESS;
    dcm_write_init(&w, out, coding);
    dcm_write_text(&w, TAG_TRANSACTION, "UI", transaction);
    write_refs(&w, TAG_FAILED, refs, n, true);
    write_refs(&w, TAG_REFS, refs, n, false);
    return failed > 0 ? COMMIT_EVENT_FAILURES : COMMIT_EVENT_SUCCESS;
}
