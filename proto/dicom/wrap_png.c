/* wrap_png.c - a PNG as Secondary Capture with native pixels, lossless (PS3.3 A.8.1). */
#include "proto/dicom/wrap_parts.h"

#include "proto/dicom/syntax.h"

#include <string.h>

static void
put_form(struct wrap_set *s, const struct png *p)
{
    wrap_u16(s, 0x00280002, p->samples);
    wrap_text(s, 0x00280004, "CS", p->samples == 1 ? "MONOCHROME2" : "RGB");
    if (p->samples > 1)
        wrap_u16(s, 0x00280006, 0);
    wrap_u16(s, 0x00280010, (uint16_t)p->rows);
    wrap_u16(s, 0x00280011, (uint16_t)p->cols);
    wrap_u16(s, 0x00280100, p->bits);
    wrap_u16(s, 0x00280101, p->bits);
    wrap_u16(s, 0x00280102, (uint16_t)(p->bits - 1));
    wrap_u16(s, 0x00280103, 0);
    wrap_text(s, 0x00280301, "CS", "YES"); /* it may name the patient */
}

int
wrap_png_plan(const struct wrap_identity *identity, const struct wrap_source *source,
              struct wrap_plan *plan, struct wrap_set *s, struct err *err)
{
    static const uint8_t element[] = {0xE0, 0x7F, 0x10, 0x00, 'O', 'W', 0, 0};
    struct wrap_series series = {.sop_class = WRAP_CLASS_SC,
                                 .transfer_syntax = DCM_UID_EXPLICIT_LE,
                                 .modality = identity->modality[0] ? identity->modality : "OT",
                                 .description = "导入的图片",
                                 .key = "png",
                                 .number = 9505,
                                 .at = "",
                                 .maker = "",
                                 .model = ""};
    struct png p;

    if (png_read(source->bytes, source->n, &p, err) < 0 ||
        wrap_common(identity, source, &series, plan, s, err) < 0)
        return -1;
    wrap_text(s, 0x00080008, "CS", "DERIVED\\SECONDARY");
    wrap_text(s, 0x00080064, "CS", "DI");
    wrap_text(s, 0x00200020, "CS", "");
    if (strcmp(series.modality, "ECG") != 0 && strcmp(series.modality, "EPS") != 0)
        wrap_text(s, 0x00200060, "CS", ""); /* not known; of a heart there is none */
    put_form(s, &p);
    wrap_set_take(s, 0, 0x7FE00010, &plan->head);
    buf_add(&plan->head, element, sizeof element);
    buf_add_le32(&plan->head, (uint32_t)(p.pixels_n + p.pixels_n % 2));
    if (p.pixels_n % 2 != 0)
        buf_add_u8(&plan->tail, 0);
    plan->needs = WRAP_NEEDS_PIXELS;
    plan->pixels_n = p.pixels_n;
    return 0;
}
