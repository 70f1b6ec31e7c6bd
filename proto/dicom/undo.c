/* undo.c - the item that coerce.c wrote, read back. */
#include "proto/dicom/undo.h"

#include <string.h>

enum { RAW_MOST = 1024 }; /* of what stood there no more is told */

static const uint32_t TAG_STUDY = 0x0020000D, TAG_SERIES = 0x0020000E, TAG_ORIGINALS = 0x04000561,
                      TAG_MODIFIED = 0x04000550, TAG_NONCONFORMING = 0x04000551,
                      TAG_RAW = 0x04000552, TAG_SYSTEM = 0x04000563, TAG_REASON = 0x04000565,
                      TAG_SELECTOR = 0x00720026;

/* One item of (0400,0561). */
struct item {
    struct dcm_undo undo;
    uint32_t within; /* the sequence of it that is open */
    const uint8_t *raw;
    size_t raw_n;
    bool is_ours, is_coerced, is_told;
};

static void
begin(struct item *it, unsigned items)
{
    *it = (struct item){
        .undo = {.items = items, .numbers = {{.tag = TAG_STUDY}, {.tag = TAG_SERIES}}},
        .is_told = true};
}

static struct dcm_undo_number *
number_of(struct item *it, uint32_t tag)
{
    for (size_t i = 0; i < ARRAY_LEN(it->undo.numbers); i++)
        if (it->undo.numbers[i].tag == tag)
            return &it->undo.numbers[i];
    return NULL;
}

static uint32_t
tag_of(const struct dcm_element *e, const uint8_t *v)
{
    if (e->value_n != 4)
        return 0;
    return e->coding == DCM_EXPLICIT_BE
               ? (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3]
               : (uint32_t)v[1] << 24 | (uint32_t)v[0] << 16 | (uint32_t)v[3] << 8 | v[2];
}

static bool
begins(const uint8_t *value, size_t n, const char *with)
{
    return n >= strlen(with) && memcmp(value, with, strlen(with)) == 0;
}

/* An element of the item, or of an item of one of its sequences. */
static void
note(struct item *it, const struct dcm_element *e, const uint8_t *value)
{
    struct dcm_undo_number *number;

    if (e->depth == 1 && e->tag == TAG_SYSTEM)
        it->is_ours = begins(value, e->value_n, "RADPOST_");
    if (e->depth == 1 && e->tag == TAG_REASON)
        it->is_coerced = begins(value, e->value_n, "COERCE");
    if (e->depth != 2)
        return;
    if (it->within == TAG_MODIFIED) {
        number = number_of(it, e->tag);
        if (number == NULL || number->is_changed)
            it->is_told = false; /* more than we ever change */
        else
            *number = (struct dcm_undo_number){e->tag, true, e->value_n > 0, value, e->value_n};
    } else if (it->within == TAG_NONCONFORMING && e->tag == TAG_RAW) {
        it->raw = value;
        it->raw_n = e->value_n;
    } else if (it->within == TAG_NONCONFORMING && e->tag == TAG_SELECTOR) {
        number = number_of(it, tag_of(e, value));
        if (number == NULL || !number->is_changed || number->n > 0 || it->raw_n == 0 ||
            it->raw_n >= RAW_MOST)
            it->is_told = false;
        else
            *number = (struct dcm_undo_number){number->tag, true, true, it->raw, it->raw_n};
        it->raw_n = 0;
    }
}

bool
dcm_undo_read(const uint8_t *dataset, size_t n, enum dcm_coding coding, struct dcm_undo *out)
{
    struct err ignored = {0};
    struct dcm_walk walk;
    struct dcm_element e;
    bool is_inside = false;
    struct item it;

    begin(&it, 0);
    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_STOP_AT_PIXELS);
    do {
        if (dcm_walk_next(&walk, &e, &ignored) < 0)
            return false;
        if (e.depth == 0 && (e.event == DCM_SEQUENCE || e.event == DCM_SEQUENCE_END))
            is_inside = e.event == DCM_SEQUENCE && e.tag == TAG_ORIGINALS;
        if (!is_inside)
            continue;
        if (e.depth == 0 && e.event == DCM_ITEM)
            begin(&it, it.undo.items + 1);
        if (e.depth == 1 && e.event == DCM_SEQUENCE)
            it.within = e.tag;
        if (e.event == DCM_ELEMENT)
            note(&it, &e, dataset + e.value_at);
    } while (e.event != DCM_END);
    *out = it.undo;
    return it.is_ours && it.is_coerced && it.is_told;
}
