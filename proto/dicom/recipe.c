/* recipe.c - the recipe's encoding: numbers, operations, head, checksum. */
#include "proto/dicom/recipe.h"

#include "proto/base/limits.h"
#include "proto/base/zip.h"

#include <string.h>

enum { MAGIC_BYTES = 4, CRC_BYTES = 4 };

static void
add_number(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_add_u8(out, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_add_u8(out, (uint8_t)v);
}

int
recipe_read_number(const uint8_t *p, size_t n, size_t *io_at, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b;

        if (*io_at >= n)
            return -1;
        b = p[(*io_at)++];
        if (shift == 63 && b > 1)
            return -1;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) {
            *out = v;
            return 0;
        }
    }
    return -1;
}

void
recipe_writer_init(struct recipe_writer *w, size_t limit_bytes)
{
    memset(w, 0, sizeof *w);
    buf_init(&w->ops, limit_bytes);
}

void
recipe_writer_fini(struct recipe_writer *w)
{
    buf_fini(&w->ops);
}

static void
flush(struct recipe_writer *w)
{
    if (w->pending_n == 0)
        return;
    buf_add_u8(&w->ops, (uint8_t)w->pending);
    add_number(&w->ops, w->pending_n);
    if (w->pending == RECIPE_LITERAL)
        buf_add(&w->ops, w->literal, (size_t)w->pending_n);
    w->pending_n = 0;
}

void
recipe_add(struct recipe_writer *w, enum recipe_op op, uint64_t n, const uint8_t *literal)
{
    bool joins;

    if (w == NULL || n == 0)
        return;
    joins = w->pending_n > 0 && w->pending == op && op != RECIPE_PIXELS &&
            (op != RECIPE_LITERAL || w->literal + w->pending_n == literal);
    if (!joins) {
        flush(w);
        w->pending = op;
        w->literal = literal;
    }
    w->pending_n += n;
}

void
recipe_finish(struct recipe_writer *w, const struct recipe_head *head, struct buf *out)
{
    size_t begin = out->n;

    flush(w);
    buf_add_u8(&w->ops, RECIPE_END);
    buf_add(out, RECIPE_MAGIC, MAGIC_BYTES);
    add_number(out, head->head_n);
    add_number(out, head->tail_n);
    add_number(out, head->received_n);
    add_number(out, head->pixels.n);
    add_number(out, head->pixels.word);
    add_number(out, head->pixels.samples);
    add_number(out, head->pixels.sample_bytes);
    add_number(out, head->pixels.plane_samples);
    if (buf_is_over(&w->ops))
        out->is_over = true;
    buf_add(out, w->ops.bytes, w->ops.n);
    if (!buf_is_over(out))
        buf_add_le32(out, zip_crc32(0, out->bytes + begin, out->n - begin));
}

/* The received pixels' form makes sense and multiplies without overflow. */
static bool
is_sensible(const struct recipe_pixels *p)
{
    size_t plane, frame;

    if (p->n > LIMIT_OBJECT_BYTES || (p->word != 1 && p->word != 2 && p->word != 4 && p->word != 8))
        return false;
    if (p->samples <= 1)
        return p->samples == 1;
    if (p->sample_bytes == 0 || p->sample_bytes > 8 || p->plane_samples == 0 ||
        p->samples > 0xFFFF || p->plane_samples > LIMIT_OBJECT_BYTES)
        return false;
    return size_mul((size_t)p->plane_samples, p->sample_bytes, &plane) &&
           size_mul(plane, p->samples, &frame) && p->n % frame == 0;
}

int
recipe_read_head(const uint8_t *recipe, size_t n, struct recipe_head *out, size_t *out_at,
                 size_t *out_end, struct err *err)
{
    uint64_t numbers[8];
    size_t at = MAGIC_BYTES, end;

    if (n < MAGIC_BYTES + CRC_BYTES || memcmp(recipe, RECIPE_MAGIC, MAGIC_BYTES - 1) != 0)
        return err_set(err, ERR_REJECT, "recipe: not one");
    if (recipe[MAGIC_BYTES - 1] != RECIPE_MAGIC[MAGIC_BYTES - 1])
        return err_set(err, ERR_REJECT, "recipe: of a newer version");
    end = n - CRC_BYTES;
    if (zip_crc32(0, recipe, end) != le32_read(recipe + end))
        return err_set(err, ERR_REJECT, "recipe: damaged");
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (recipe_read_number(recipe, end, &at, &numbers[i]) < 0)
            return err_set(err, ERR_REJECT, "recipe: broken head");
    *out = (struct recipe_head){.head_n = numbers[0],
                                .tail_n = numbers[1],
                                .received_n = numbers[2],
                                .pixels = {numbers[3], (uint32_t)numbers[4], (uint32_t)numbers[5],
                                           (uint32_t)numbers[6], numbers[7]}};
    if (numbers[4] > 8 || numbers[5] > 0xFFFF || numbers[6] > 8 || !is_sensible(&out->pixels) ||
        out->head_n > LIMIT_OBJECT_BYTES || out->tail_n > LIMIT_OBJECT_BYTES ||
        out->received_n > LIMIT_OBJECT_BYTES)
        return err_set(err, ERR_REJECT, "recipe: sizes without sense");
    *out_at = at;
    *out_end = end;
    return 0;
}

int
dcm_recipe_read_sizes(const uint8_t *recipe, size_t recipe_n, struct dcm_recipe_sizes *out,
                      struct err *err)
{
    struct recipe_head head;
    size_t at, end;

    if (recipe_read_head(recipe, recipe_n, &head, &at, &end, err) < 0)
        return -1;
    *out = (struct dcm_recipe_sizes){head.head_n, head.tail_n, head.pixels.n, head.received_n};
    return 0;
}
