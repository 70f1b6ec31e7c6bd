/* eligible.c - coding must be undone to the last bit, so only what is surely understood is coded.
 */
#include "proto/codec/eligible.h"

#include "proto/base/limits.h"
#include "proto/dicom/walk.h"

#include <stdio.h>
#include <string.h>

#define TAG_PIXEL_DATA 0x7FE00010U
#define TAG_MAC_PARAMETERS 0x4FFE0001U
#define TAG_SIGNATURES 0xFFFAFFFAU
#define OVERLAY_BITS_ALLOCATED 0x0100U
#define OVERLAY_BIT_POSITION 0x0102U

static const struct {
    const char *name;
    unsigned samples;
} photometrics[] = {
    {"MONOCHROME1", 1}, {"MONOCHROME2", 1}, {"PALETTE COLOR", 1}, {"RGB", 3}, {"YBR_FULL", 3},
};

static bool check_form(const struct dcm_pixel_form *f, char why_not[CODEC_WHY_BYTES]);
static int look_for_trouble(const struct instance *in, char why_not[CODEC_WHY_BYTES],
                            struct err *err);
static bool is_overlay_inside(const struct instance *in, const struct dcm_element *e);

#define WHY(...) (void)snprintf(why_not, CODEC_WHY_BYTES, __VA_ARGS__)

int
eligible_check(const struct instance *in, bool *out_is_eligible, char why_not[CODEC_WHY_BYTES],
               struct err *err)
{
    const struct dcm_pixels *p = &in->pixels;

    why_not[0] = 0;
    *out_is_eligible = false;
    if (p->tag == 0)
        WHY("no pixel data");
    else if (p->tag != TAG_PIXEL_DATA)
        WHY("float pixels");
    else if (p->is_encapsulated)
        WHY("compressed already");
    else if (in->part10.syntax->is_deflated)
        WHY("deflated data set");
    else if (!check_form(&p->form, why_not))
        ;
    else if (!p->is_whole)
        WHY("pixel data not whole");
    else if (p->coding == DCM_EXPLICIT_BE && p->frame_bytes % 2 != 0 && p->form.frames > 1)
        WHY("big endian frames of odd length");
    else if (p->frames_bytes > LIMIT_CODED_PIXELS_BYTES)
        WHY("more than %llu MiB of pixels", (unsigned long long)(LIMIT_CODED_PIXELS_BYTES >> 20));
    else if (look_for_trouble(in, why_not, err) < 0)
        return -1;
    *out_is_eligible = why_not[0] == 0;
    return 0;
}

struct dcm_change
eligible_change(const struct dcm_pixel_form *form, enum codec_coding coding)
{
    struct dcm_change change = {.transfer_syntax = DCM_UID_J2K_LOSSLESS, .is_by_pixel = true};

    if (coding == CODEC_FAST)
        change.transfer_syntax = DCM_UID_JPEGLS_LOSSLESS;
    else if (form->samples == 3 && strcmp(form->photometric, "RGB") == 0)
        change.photometric = "YBR_RCT"; /* PS3.5 8.2.4 */
    return change;
}

static bool
check_form(const struct dcm_pixel_form *f, char why_not[CODEC_WHY_BYTES])
{
    bool is_known = false;

    for (size_t i = 0; i < ARRAY_LEN(photometrics); i++)
        if (strcmp(photometrics[i].name, f->photometric) == 0 &&
            photometrics[i].samples == f->samples)
            is_known = true;
    if (!is_known)
        WHY("photometric interpretation %s, %u samples",
            f->photometric[0] != 0 ? f->photometric : "absent", f->samples);
    else if (f->bits_allocated != 8 && f->bits_allocated != 16)
        WHY("%u bits allocated", f->bits_allocated);
    else if (f->bits_stored == 0 || f->bits_stored > f->bits_allocated ||
             f->high_bit != f->bits_stored - 1)
        WHY("bits stored %u, high bit %u", f->bits_stored, f->high_bit);
    else if (f->rows == 0 || f->cols == 0 || f->frames == 0)
        WHY("no rows, columns or frames");
    return why_not[0] == 0;
}

/* Anywhere in the data set, inside sequences too. */
static int
look_for_trouble(const struct instance *in, char why_not[CODEC_WHY_BYTES], struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, in->dataset, in->dataset_n, in->part10.syntax->coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event != DCM_ELEMENT && e.event != DCM_SEQUENCE)
            continue;
        if (e.tag == TAG_SIGNATURES || e.tag == TAG_MAC_PARAMETERS)
            WHY("digital signature");
        else if (e.depth == 0 && is_overlay_inside(in, &e))
            WHY("overlay inside the pixels");
    } while (e.event != DCM_END && why_not[0] == 0);
    return 0;
}

/* PS3.3 C.9.2, retired: a plane in the pixels' unused bits says where it is. */
static bool
is_overlay_inside(const struct instance *in, const struct dcm_element *e)
{
    uint32_t group = e->tag >> 16, element = e->tag & 0xFFFF;
    const uint8_t *v = in->dataset + e->value_at;
    unsigned value;

    if (group < 0x6000 || group > 0x601E || e->value_n < 2)
        return false;
    value = e->coding == DCM_EXPLICIT_BE ? (unsigned)(v[0] << 8 | v[1]) : le16_read(v);
    return (element == OVERLAY_BIT_POSITION && value != 0) ||
           (element == OVERLAY_BITS_ALLOCATED && value != 1);
}
