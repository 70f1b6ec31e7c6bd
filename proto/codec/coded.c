/* coded.c - the file we make of an instance, and the way back.
 *
 *   head | (7FE0,0010) OB undefined length | offset table | frame 1 | ... | frame n | delimiter |
 * tail
 *
 * Frames are one fragment each, a JPEG 2000 codestream with a tile-part a layer or a JPEG-LS
 * stream, padded with a zero to an even length (PS3.5 A.4). Head and tail are proto/dicom's, which
 * also writes the recipe. */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/codec/codestream.h"
#include "proto/codec/j2k.h"
#include "proto/codec/jls.h"
#include "proto/dicom/convert.h"

#include <string.h>

#define ITEM_BYTES 8
#define ELEMENT_BYTES 12
#define HEAD_MOST 512 /* of a stream */

static const uint8_t element_head[ELEMENT_BYTES] = {0xE0, 0x7F, 0x10, 0x00, 'O',  'B',
                                                    0,    0,    0xFF, 0xFF, 0xFF, 0xFF};
static const uint8_t item_tag[4] = {0xFE, 0xFF, 0x00, 0xE0};
static const uint8_t delimiter[ITEM_BYTES] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};

/* A coded file, read frame by frame. */
struct frames {
    const uint8_t *coded;
    size_t n, at, end; /* its length; the next frame's item; the delimiter */
    const struct dcm_pixel_form *form;
    enum codec_coding coding;
    struct layout *layout; /* of layers; NULL before the first frame */
};

static int read_frame(struct frames *all, uint32_t f, struct err *err);
static int read_layers(struct frames *all, size_t stream_n, uint32_t f, size_t *out_used,
                       struct err *err);
static int read_fast(const uint8_t *stream, size_t n, const struct dcm_pixel_form *form,
                     size_t *out_used, struct err *err);
static bool is_head(const struct buf *head, const uint8_t *stream, size_t n);
static int sink_to_buf(void *user, const void *bytes, size_t n, struct err *err);

int
coded_layout(const uint8_t *coded, size_t n, size_t head_n, size_t tail_n,
             const struct dcm_pixel_form *form, enum codec_coding coding, struct layout **out,
             struct err *err)
{
    uint32_t frames = form->frames;
    size_t table_n = (size_t)frames * 4, first, at, end;
    struct frames all;
    int rc = -1;

    if (frames == 0 || frames > LIMIT_FRAMES || head_n > n || tail_n > n - head_n ||
        n - head_n - tail_n < ELEMENT_BYTES + ITEM_BYTES + table_n + ITEM_BYTES)
        return err_set(err, ERR_REJECT, "coded file: too short");
    end = n - tail_n - ITEM_BYTES;
    at = head_n + ELEMENT_BYTES;
    if (memcmp(coded + head_n, element_head, ELEMENT_BYTES) != 0 ||
        memcmp(coded + at, item_tag, 4) != 0 || le32_read(coded + at + 4) != table_n ||
        memcmp(coded + end, delimiter, ITEM_BYTES) != 0)
        return err_set(err, ERR_REJECT, "coded file: not our pixel data element");
    first = at + ITEM_BYTES + table_n;
    all = (struct frames){
        .coded = coded, .n = n, .at = first, .end = end, .form = form, .coding = coding};
    for (uint32_t f = 0; f < frames; f++) {
        if (le32_read(coded + first - table_n + (size_t)f * 4) != all.at - first) {
            (void)err_set(err, ERR_REJECT, "coded file: offset table, frame %u", f + 1);
            goto out;
        }
        if (read_frame(&all, f, err) < 0)
            goto out;
    }
    if (all.at != end) {
        (void)err_set(err, ERR_REJECT, "coded file: bytes behind the last frame");
        goto out;
    }
    if (coding == CODEC_FAST)
        all.layout = layout_new_uncoded(n);
    else
        all.layout->header_end = all.layout->frame_start[0];
    if (layout_check(all.layout, err) < 0)
        goto out;
    *out = TAKE(all.layout);
    rc = 0;
out:
    layout_free(&all.layout);
    return rc;
}

int
coded_restore(const uint8_t *coded, size_t n, const uint8_t *recipe, size_t recipe_n,
              struct buf *out_received, struct buf *out_pixels, struct err *err)
{
    struct dcm_recipe_sizes sizes;
    struct instance in = {0};
    char photometric[17];
    int rc = -1;

    if (dcm_recipe_read_sizes(recipe, recipe_n, &sizes, err) < 0)
        return -1;
    if (sizes.pixels_n > LIMIT_CODED_PIXELS_BYTES)
        return err_set(err, ERR_REJECT, "recipe: too many pixels");
    if (instance_open(&in, coded, n, err) < 0)
        goto out;
    for (uint32_t f = 1; f <= in.pixels.form.frames && in.pixels.tag != 0; f++)
        if (out_pixels->n > sizes.pixels_n ||
            instance_frame(&in, f, out_pixels, photometric, err) < 0)
            goto out;
    if (out_pixels->n != sizes.pixels_n) {
        (void)err_set(err, ERR_REJECT, "the frames are not as long as the recipe says");
        goto out;
    }
    rc = dcm_restore(coded, n, recipe, recipe_n, out_pixels->bytes, out_pixels->n, sink_to_buf,
                     out_received, err);
out:
    instance_close(&in);
    return rc;
}

static int
read_frame(struct frames *all, uint32_t f, struct err *err)
{
    const uint8_t *item = all->coded + all->at;
    size_t item_n, used;
    int rc;

    if (all->end - all->at < ITEM_BYTES || memcmp(item, item_tag, 4) != 0)
        return err_set(err, ERR_REJECT, "coded file: no item for frame %u", f + 1);
    item_n = le32_read(item + 4);
    item += ITEM_BYTES;
    all->at += ITEM_BYTES;
    if (item_n > all->end - all->at)
        return err_set(err, ERR_REJECT, "coded file: frame %u reaches past the end", f + 1);
    rc = all->coding == CODEC_FAST ? read_fast(item, item_n, all->form, &used, err)
                                   : read_layers(all, item_n, f, &used, err);
    if (rc < 0)
        return -1;
    if (item_n % 2 != 0 || item_n - used > 1 || (item_n > used && item[used] != 0))
        return err_set(err, ERR_REJECT, "coded file: frame %u is not padded with zero", f + 1);
    all->at += item_n;
    return 0;
}

static bool
is_head(const struct buf *head, const uint8_t *stream, size_t n)
{
    return n > head->n && memcmp(stream, head->bytes, head->n) == 0;
}

static int
read_fast(const uint8_t *stream, size_t n, const struct dcm_pixel_form *form, size_t *out_used,
          struct err *err)
{
    struct buf head;
    bool is_ours;

    buf_init(&head, HEAD_MOST);
    jls_write_head(form, &head);
    is_ours = is_head(&head, stream, n);
    buf_fini(&head);
    if (!is_ours)
        return err_set(err, ERR_REJECT, "coded file: the head of a stream is not ours");
    return jls_find_end(stream, n, out_used, err);
}

static int
read_layers(struct frames *all, size_t stream_n, uint32_t f, size_t *out_used, struct err *err)
{
    const uint8_t *stream = all->coded + all->at;
    size_t ends[CODESTREAM_MAX_PARTS];
    struct codestream s;
    struct buf head;
    bool is_ours;

    if (codestream_read_layers(stream, stream_n, CODESTREAM_MAX_PARTS, &s, ends, err) < 0)
        return -1;
    buf_init(&head, HEAD_MOST);
    j2k_write_head(all->form, s.layers, &head);
    is_ours = is_head(&head, stream, stream_n) && s.first_part_at == head.n;
    buf_fini(&head);
    if (!is_ours)
        return err_set(err, ERR_REJECT, "coded file: the head of frame %u is not ours", f + 1);
    if (all->layout == NULL && s.layers <= LAYOUT_MAX_LAYERS)
        all->layout = layout_new(all->n, all->form->frames, (uint8_t)s.layers);
    if (all->layout == NULL || s.layers != all->layout->layers)
        return err_set(err, ERR_REJECT, "coded file: frame %u has %u layers", f + 1, s.layers);
    all->layout->frame_start[f] = all->at;
    for (unsigned k = 0; k < s.layers; k++)
        all->layout->layer_end[(size_t)f * s.layers + k] = all->at + ends[k];
    *out_used = ends[s.layers - 1];
    return 0;
}

static int
sink_to_buf(void *user, const void *bytes, size_t n, struct err *err)
{
    struct buf *out = user;

    buf_add(out, bytes, n);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "the received object is over the limit") : 0;
}
