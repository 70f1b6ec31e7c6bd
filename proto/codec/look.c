/* look.c - how a frame is to be drawn: PS3.3 C.11.1 (modality), C.11.2 (VOI), C.7.6.3.1.5
 * (palette), from the top level and, for enhanced objects, from the functional groups of C.7.6.16.
 * What is absent or makes no sense is left out: a picture with the default window beats none. */
#include "proto/codec/job.h"

#include "proto/dicom/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_CENTER = 0x00281050,
    WINDOW_WIDTH = 0x00281051,
    RESCALE_INTERCEPT = 0x00281052,
    RESCALE_SLOPE = 0x00281053,
    VOI_FUNCTION = 0x00281056,
    PALETTE_DESCRIPTOR = 0x00281101, /* red, green, blue */
    PALETTE_DATA = 0x00281201,
    MODALITY_LUTS = 0x00283000,
    LUT_DESCRIPTOR = 0x00283002,
    LUT_DATA = 0x00283006,
    VOI_LUTS = 0x00283010,
    PRESENTATION_SHAPE = 0x20500020,
    SHARED_GROUPS = 0x52009229,
    FRAME_GROUPS = 0x52009230
};

#define LUT_MOST 65536
#define PATH_MOST 64

/* Where the walk is: the sequences it is in and the item of each. */
struct looker {
    const uint8_t *bytes;
    struct codec_image *image;
    uint32_t frame;
    int depth;
    uint32_t tags[PATH_MOST];
    uint32_t items[PATH_MOST];
};

static void look_at(struct looker *l, const struct dcm_element *e);
static void look_at_plain(struct looker *l, const struct dcm_element *e);
static bool is_about_frame(const struct looker *l);
static bool number_of(const struct looker *l, const struct dcm_element *e, double *out);
static bool is_word(const struct looker *l, const struct dcm_element *e, const char *word);
static void read_descriptor(const struct looker *l, const struct dcm_element *e,
                            struct codec_lut *lut);
static void read_values(const struct looker *l, const struct dcm_element *e, struct codec_lut *lut);
static void drop_unsound(struct codec_lut *lut);

int
look_read(const uint8_t *dataset, size_t n, enum dcm_coding coding, uint32_t frame,
          struct codec_image *image, struct err *err)
{
    struct looker l = {.bytes = dataset, .image = image, .frame = frame};
    struct dcm_walk walk;
    struct dcm_element e;

    image->rescale_slope = 1;
    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_STOP_AT_PIXELS);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_SEQUENCE && l.depth < PATH_MOST) {
            l.tags[l.depth] = e.tag;
            l.items[l.depth++] = 0;
        } else if (e.event == DCM_SEQUENCE_END && l.depth > 0) {
            l.depth--;
        } else if (e.event == DCM_ITEM && l.depth > 0) {
            l.items[l.depth - 1]++;
        } else if (e.event == DCM_ELEMENT) {
            look_at(&l, &e);
        }
    } while (e.event != DCM_END);
    image->has_window = image->has_window && image->window_width >= 1 &&
                        isfinite(image->window_center) && isfinite(image->window_width);
    if (!isfinite(image->rescale_slope) || image->rescale_slope == 0 ||
        !isfinite(image->rescale_intercept)) {
        image->rescale_slope = 1;
        image->rescale_intercept = 0;
    }
    drop_unsound(&image->modality_lut);
    drop_unsound(&image->voi_lut);
    for (int i = 0; i < 3; i++)
        drop_unsound(&image->palette[i]);
    return 0;
}

static void
look_at(struct looker *l, const struct dcm_element *e)
{
    struct codec_image *image = l->image;

    if (l->depth == 1 && l->items[0] == 1 &&
        (l->tags[0] == MODALITY_LUTS || l->tags[0] == VOI_LUTS)) {
        struct codec_lut *lut =
            l->tags[0] == MODALITY_LUTS ? &image->modality_lut : &image->voi_lut;

        if (e->tag == LUT_DESCRIPTOR)
            read_descriptor(l, e, lut);
        else if (e->tag == LUT_DATA)
            read_values(l, e, lut);
        return;
    }
    if (l->depth == 0 || is_about_frame(l))
        look_at_plain(l, e);
    if (l->depth != 0)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        if (e->tag == PALETTE_DESCRIPTOR + i)
            read_descriptor(l, e, &image->palette[i]);
        else if (e->tag == PALETTE_DATA + i)
            read_values(l, e, &image->palette[i]);
    }
}

static void
look_at_plain(struct looker *l, const struct dcm_element *e)
{
    struct codec_image *image = l->image;

    switch (e->tag) {
    case WINDOW_CENTER:
        (void)number_of(l, e, &image->window_center);
        break;
    case WINDOW_WIDTH:
        if (number_of(l, e, &image->window_width))
            image->has_window = true;
        break;
    case RESCALE_INTERCEPT:
        (void)number_of(l, e, &image->rescale_intercept);
        break;
    case RESCALE_SLOPE:
        (void)number_of(l, e, &image->rescale_slope);
        break;
    case VOI_FUNCTION:
        image->voi = is_word(l, e, "SIGMOID")        ? CODEC_VOI_SIGMOID
                     : is_word(l, e, "LINEAR_EXACT") ? CODEC_VOI_LINEAR_EXACT
                                                     : CODEC_VOI_LINEAR;
        break;
    case PRESENTATION_SHAPE:
        image->is_inverse = is_word(l, e, "INVERSE");
        break;
    default:
        break;
    }
}

/* Two levels down in the shared groups, or in this frame's item of the others. */
static bool
is_about_frame(const struct looker *l)
{
    return l->depth == 2 && l->items[1] == 1 &&
           ((l->tags[0] == SHARED_GROUPS && l->items[0] == 1) ||
            (l->tags[0] == FRAME_GROUPS && l->items[0] == l->frame));
}

/* The first value of a DS. */
static bool
number_of(const struct looker *l, const struct dcm_element *e, double *out)
{
    char text[32];
    char *end;
    size_t n = e->value_n < sizeof text - 1 ? e->value_n : sizeof text - 1;
    double v;

    memcpy(text, l->bytes + e->value_at, n);
    text[n] = 0;
    text[strcspn(text, "\\")] = 0;
    v = strtod(text, &end);
    if (end == text || !isfinite(v))
        return false;
    *out = v;
    return true;
}

static bool
is_word(const struct looker *l, const struct dcm_element *e, const char *word)
{
    size_t n = strlen(word);

    if (e->value_n < n || memcmp(l->bytes + e->value_at, word, n) != 0)
        return false;
    for (size_t i = n; i < e->value_n; i++)
        if (l->bytes[e->value_at + i] != ' ' && l->bytes[e->value_at + i] != 0)
            return false;
    return true;
}

static uint16_t
word_at(const struct looker *l, const struct dcm_element *e, size_t i)
{
    const uint8_t *at = l->bytes + e->value_at + i * 2;

    return e->coding == DCM_EXPLICIT_BE ? (uint16_t)(at[0] << 8 | at[1]) : le16_read(at);
}

/* Entries (0 = 65536), first stored value, bits of an entry. */
static void
read_descriptor(const struct looker *l, const struct dcm_element *e, struct codec_lut *lut)
{
    if (e->value_n < 6)
        return;
    lut->n = word_at(l, e, 0) == 0 ? LUT_MOST : word_at(l, e, 0);
    lut->first = word_at(l, e, 1);
    /* US or SS by the pixels; a value of US past 32767 is only meant where pixels are unsigned */
    if (l->image->is_signed && lut->first > INT16_MAX)
        lut->first -= 65536;
    lut->bits = (uint8_t)(word_at(l, e, 2) <= 16 ? word_at(l, e, 2) : 16);
}

/* Words, or bytes where that is how many there are. */
static void
read_values(const struct looker *l, const struct dcm_element *e, struct codec_lut *lut)
{
    bool is_bytes = e->value_n < (size_t)lut->n * 2 && e->value_n >= lut->n && lut->bits <= 8;

    if (lut->n == 0 || lut->values != NULL || (!is_bytes && e->value_n < (size_t)lut->n * 2))
        return;
    lut->values = mem_new(lut->n * sizeof *lut->values);
    for (uint32_t i = 0; i < lut->n; i++)
        lut->values[i] = is_bytes ? l->bytes[e->value_at + i] : word_at(l, e, i);
}

static void
drop_unsound(struct codec_lut *lut)
{
    if (lut->values != NULL && lut->bits >= 8)
        return;
    free(lut->values);
    *lut = (struct codec_lut){0};
}
