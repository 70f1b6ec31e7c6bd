/* rewrite.c - a standard file in the coding a peer wants, its pixel data element left to the
 * caller. */
#include "proto/dicom/convert.h"

#include "proto/base/limits.h"
#include "proto/dicom/emit.h"
#include "proto/dicom/recipe.h"

#include <string.h>

/* Elements of the top level that belong to the old coding of the pixels. */
static bool
is_of_old_coding(uint32_t tag)
{
    return tag == 0x7FE00001 || tag == 0x7FE00002 || tag == 0x7FE00003;
}

static bool
is_pixel_data(const struct dcm_element *e)
{
    return e->depth == 0 &&
           (e->tag == 0x7FE00010 || e->tag == 0x7FE00008 || e->tag == 0x7FE00009) &&
           (e->event == DCM_ELEMENT || e->event == DCM_FRAGMENTS);
}

static int
rewrite_dataset(const uint8_t *dataset, size_t n, enum dcm_coding from,
                const struct dcm_change *change, enum dcm_coding to, struct buf *head,
                struct buf *tail, struct err *err)
{
    struct emitter m;
    struct dcm_walk walk;
    struct dcm_element e;
    bool is_passed_over = false; /* inside encapsulated pixels */

    dcm_walk_init(&walk, dataset, n, from, DCM_WALK_WHOLE);
    emit_init(&m, head, to);
    for (;;) {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_END)
            return 0;
        if (is_pixel_data(&e)) {
            is_passed_over = e.event == DCM_FRAGMENTS;
            m.out = tail;
        } else if (is_passed_over) {
            is_passed_over = e.event != DCM_FRAGMENTS_END;
        } else if (e.event == DCM_ELEMENT &&
                   ((e.tag & 0xFFFF) == 0 || (e.depth == 0 && is_of_old_coding(e.tag)))) {
            continue;
        } else if (to == DCM_IMPLICIT_LE && e.event == DCM_FRAGMENTS) {
            emit_header(m.out, to, e.tag, "OW", 0); /* an icon's: it has no implicit form */
            is_passed_over = true;
        } else if (!dcm_change_element(change, &e, dataset + e.value_at, to, m.out) &&
                   emit_event(&m, &e, dataset, err) < 0) {
            return -1;
        }
    }
}

int
dcm_rewrite(const uint8_t *part10, size_t n, const struct dcm_change *change,
            enum dcm_coding coding, struct buf *head, struct buf *tail, struct err *err)
{
    struct dcm_part10 p10;
    const uint8_t *dataset;
    struct buf room;
    size_t dataset_n;
    int rc = -1;

    buf_init(&room, LIMIT_INFLATED_BYTES);
    if (dcm_part10_parse(part10, n, &p10, err) < 0 ||
        dcm_part10_dataset(part10, n, &p10, &room, &dataset, &dataset_n, err) < 0 ||
        dcm_meta_rewrite(part10, &p10, change->transfer_syntax, head, NULL, err) < 0 ||
        rewrite_dataset(dataset, dataset_n, p10.syntax->coding, change, coding, head, tail, err) <
            0)
        goto out;
    if (buf_is_over(head) || buf_is_over(tail))
        (void)err_set(err, ERR_REJECT, "rewrite: larger than its limit");
    else
        rc = 0;
out:
    buf_fini(&room);
    return rc;
}

int
dcm_native_header(struct buf *out, enum dcm_coding coding, uint32_t bits_allocated, uint64_t n,
                  struct err *err)
{
    if (n >= 0xFFFFFFFE || n % 2 != 0)
        return err_set(err, ERR_REJECT, "native pixel data of %llu bytes has no length field",
                       (unsigned long long)n);
    emit_header(out, coding, 0x7FE00010,
                coding == DCM_IMPLICIT_LE || bits_allocated > 8 ? "OW" : "OB", (uint32_t)n);
    return 0;
}
