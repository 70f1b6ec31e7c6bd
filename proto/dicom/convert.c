/* convert.c - a received native file as head and tail in explicit little endian, with its recipe.
 */
#include "proto/dicom/convert.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/emit.h"
#include "proto/dicom/recipe.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t TAG_PHOTOMETRIC = 0x00280004, TAG_PLANAR = 0x00280006,
                      TAG_PIXELS = 0x7FE00010;

struct convert {
    const uint8_t *bytes; /* of the received file */
    const uint8_t *dataset;
    const struct dcm_change *change;
    const struct dcm_pixels *pixels;
    struct dcm_converted *out;
    struct buf *to; /* head, then tail */
    struct recipe_writer recipe;
    struct emitter emitter;
};

void
dcm_converted_init(struct dcm_converted *c)
{
    memset(c, 0, sizeof *c);
    buf_init(&c->head, LIMIT_OBJECT_BYTES);
    buf_init(&c->tail, LIMIT_OBJECT_BYTES);
    buf_init(&c->recipe, LIMIT_RECIPE_BYTES);
}

void
dcm_converted_fini(struct dcm_converted *c)
{
    buf_fini(&c->head);
    buf_fini(&c->tail);
    buf_fini(&c->recipe);
}

/* A UID value with its pad. */
static void
add_uid(struct buf *out, uint32_t tag, const char *uid)
{
    size_t n = strlen(uid);

    emit_header(out, DCM_EXPLICIT_LE, tag, "UI", (uint32_t)(n + n % 2));
    buf_add(out, uid, n);
    if (n % 2 != 0)
        buf_add_u8(out, 0);
}

/* Received bytes that the coded file has as they are. */
static void
keep(struct convert *c, const uint8_t *from, size_t n)
{
    buf_add(c->to, from, n);
    recipe_add(&c->recipe, RECIPE_COPY, n, NULL);
}

int
dcm_meta_rewrite(const uint8_t *bytes, const struct dcm_part10 *p10, const char *transfer_syntax,
                 struct buf *out, struct recipe_writer *recipe, struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;
    size_t length_at = 0, begin, end_of_length = 0;

    if (!uid_is_valid(transfer_syntax, true))
        return err_set(err, ERR_REJECT, "convert: transfer syntax is no UID");
    dcm_walk_init(&walk, bytes, p10->meta_end, DCM_EXPLICIT_LE, DCM_WALK_WHOLE);
    walk.at = 132;
    buf_add(out, bytes, 132);
    recipe_add(recipe, RECIPE_COPY, 132, NULL);
    for (;;) {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_END)
            break;
        begin = out->n;
        if (e.tag == 0x00020010) {
            add_uid(out, e.tag, transfer_syntax);
            recipe_add(recipe, RECIPE_LITERAL, walk.at - e.header_at, bytes + e.header_at);
            recipe_add(recipe, RECIPE_SKIP, out->n - begin, NULL);
            continue;
        }
        buf_add(out, bytes + e.header_at, walk.at - e.header_at);
        if (e.tag == 0x00020000 && e.value_n == 4) {
            length_at = begin + e.header_n;
            end_of_length = out->n;
            recipe_add(recipe, RECIPE_COPY, e.header_n, NULL);
            recipe_add(recipe, RECIPE_LITERAL, 4, bytes + e.value_at);
            recipe_add(recipe, RECIPE_SKIP, 4, NULL);
        } else {
            recipe_add(recipe, RECIPE_COPY, walk.at - e.header_at, NULL);
        }
    }
    recipe_add(recipe, RECIPE_LITERAL, p10->dataset_at - p10->meta_end, bytes + p10->meta_end);
    if (length_at != 0 && !buf_is_over(out))
        le32_write(out->bytes + length_at, (uint32_t)(out->n - end_of_length));
    return 0;
}

bool
dcm_change_element(const struct dcm_change *change, const struct dcm_element *e,
                   const uint8_t *value, enum dcm_coding coding, struct buf *out)
{
    if (e->depth != 0 || e->event != DCM_ELEMENT)
        return false;
    if (e->tag == TAG_PHOTOMETRIC && change->photometric != NULL) {
        size_t n = strlen(change->photometric);

        emit_header(out, coding, e->tag, "CS", (uint32_t)(n + n % 2));
        buf_add(out, change->photometric, n);
        if (n % 2 != 0)
            buf_add_u8(out, ' ');
        return true;
    }
    if (e->tag == TAG_PLANAR && change->is_by_pixel && e->value_n == 2 &&
        (value[0] != 0 || value[1] != 0)) {
        emit_header(out, coding, e->tag, "US", 2);
        buf_add_le16(out, 0);
        return true;
    }
    return false;
}

/* The pixel data element: its header and what is behind the frames are literal. */
static void
leave_pixels(struct convert *c, const struct dcm_element *e)
{
    unsigned word = e->coding == DCM_EXPLICIT_BE ? dcm_vr_word(e->vr) : 1;
    size_t n = (size_t)(c->pixels->frames_bytes - c->pixels->frames_bytes % word);

    recipe_add(&c->recipe, RECIPE_LITERAL, e->header_n, c->dataset + e->header_at);
    recipe_add(&c->recipe, RECIPE_PIXELS, n, NULL);
    recipe_add(&c->recipe, RECIPE_LITERAL, e->value_n - n, c->dataset + e->value_at + n);
    c->to = &c->out->tail;
    c->emitter.out = c->to;
}

/* Odd value: the header is kept literally, the value copied, the pad skipped. */
static int
keep_odd(struct convert *c, const struct dcm_element *e, struct err *err)
{
    size_t begin = c->to->n, n;

    if (emit_event(&c->emitter, e, c->dataset, err) < 0)
        return -1;
    n = c->to->n - begin;
    recipe_add(&c->recipe, RECIPE_LITERAL, e->header_n, c->dataset + e->header_at);
    if (e->coding == DCM_EXPLICIT_BE && dcm_vr_word(e->vr) > 1) {
        recipe_add(&c->recipe, RECIPE_LITERAL, e->value_n, c->dataset + e->value_at);
        recipe_add(&c->recipe, RECIPE_SKIP, n, NULL);
        return 0;
    }
    recipe_add(&c->recipe, RECIPE_SKIP, n - e->value_n - 1, NULL);
    recipe_add(&c->recipe, RECIPE_COPY, e->value_n, NULL);
    recipe_add(&c->recipe, RECIPE_SKIP, 1, NULL);
    return 0;
}

/* One event of the received data set; at_n its bytes there. */
static int
convert_event(struct convert *c, const struct dcm_element *e, size_t at_n, struct err *err)
{
    enum dcm_coding from = c->pixels->coding;
    const uint8_t *at = c->dataset + e->header_at;
    size_t begin = c->to->n;

    if (e->event == DCM_ELEMENT && e->depth == 0 && e->tag == TAG_PIXELS) {
        leave_pixels(c, e);
        return 0;
    }
    if (e->event == DCM_ELEMENT && (e->tag & 0xFFFF) == 0 &&
        (e->depth == 0 || from == DCM_IMPLICIT_LE)) {
        recipe_add(&c->recipe, RECIPE_LITERAL, at_n, at);
        return 0;
    }
    if (dcm_change_element(c->change, e, c->dataset + e->value_at, DCM_EXPLICIT_LE, c->to)) {
        recipe_add(&c->recipe, RECIPE_LITERAL, at_n, at);
        recipe_add(&c->recipe, RECIPE_SKIP, c->to->n - begin, NULL);
        return 0;
    }
    if (from == DCM_EXPLICIT_LE) {
        keep(c, at, at_n);
        return 0;
    }
    if (e->event == DCM_FRAGMENTS || e->coding != from)
        return err_set(err, ERR_REJECT, "convert: (%04X,%04X) is foreign to its syntax",
                       e->tag >> 16, e->tag & 0xFFFF);
    if (e->event == DCM_ELEMENT && e->value_n % 2 != 0)
        return keep_odd(c, e, err);
    if (emit_event(&c->emitter, e, c->dataset, err) < 0)
        return -1;
    recipe_add(&c->recipe, from == DCM_IMPLICIT_LE ? RECIPE_IMPLICIT : RECIPE_BIG, c->to->n - begin,
               NULL);
    return 0;
}

static int
convert_dataset(struct convert *c, size_t n, struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, c->dataset, n, c->pixels->coding, DCM_WALK_WHOLE);
    emit_init(&c->emitter, c->to, DCM_EXPLICIT_LE);
    for (;;) {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_END) {
            recipe_add(&c->recipe, RECIPE_LITERAL, n - walk.at, c->dataset + walk.at);
            return 0;
        }
        if (convert_event(c, &e, walk.at - e.header_at, err) < 0)
            return -1;
        if (buf_is_over(c->to) || buf_is_over(&c->recipe.ops))
            return err_set(err, ERR_REJECT, "convert: the recipe would be too long");
    }
}

/* Compares what a restore gives with what was received. */
struct comparison {
    const uint8_t *bytes;
    size_t n, at;
};

static int
compare(void *user, const void *bytes, size_t n, struct err *err)
{
    struct comparison *c = user;

    if (n > c->n - c->at || memcmp(c->bytes + c->at, bytes, n) != 0)
        return err_set(err, ERR_REJECT, "convert: irregular bytes after byte %zu", c->at);
    c->at += n;
    return 0;
}

/* Invariant: no recipe leaves here that does not restore this very file. */
static int
try_backwards(const struct convert *c, size_t n, struct err *err)
{
    const struct dcm_converted *out = c->out;
    struct comparison comparison = {c->bytes, n, 0};
    size_t coded_n = out->head.n + out->tail.n;
    uint8_t *coded = mem_new(coded_n + 1), *pixels = mem_new((size_t)out->pixels_n + 1);
    int rc;

    memcpy(coded, out->head.bytes, out->head.n);
    if (out->tail.n > 0)
        memcpy(coded + out->head.n, out->tail.bytes, out->tail.n);
    if (out->pixels_n > 0)
        dcm_pixels_to_canonical(c->pixels, c->dataset, pixels);
    rc = dcm_restore(coded, coded_n, out->recipe.bytes, out->recipe.n, pixels,
                     (size_t)out->pixels_n, compare, &comparison, err);
    if (rc == 0 && comparison.at != n)
        rc = err_set(err, ERR_REJECT, "convert: the recipe gives too little");
    free(pixels);
    free(coded);
    return rc;
}

static void
describe(const struct convert *c, size_t n, struct recipe_head *head)
{
    const struct dcm_pixels *p = c->pixels;
    bool has_pixels = p->tag != 0;

    *head = (struct recipe_head){
        .head_n = c->out->head.n,
        .tail_n = c->out->tail.n,
        .received_n = n,
        .pixels = {.n = has_pixels ? p->frames_bytes : 0, .word = 1, .samples = 1}};
    if (has_pixels && p->coding == DCM_EXPLICIT_BE)
        head->pixels.word = dcm_vr_word(p->vr);
    if (has_pixels && dcm_pixels_is_planar(p)) {
        head->pixels.samples = p->form.samples;
        head->pixels.sample_bytes = p->form.bits_allocated / 8;
        head->pixels.plane_samples = (uint64_t)p->form.rows * p->form.cols;
    }
}

static int
vet(const struct dcm_part10 *p10, const struct dcm_pixels *p, struct err *err)
{
    if (p10->syntax->is_encapsulated || p->is_encapsulated ||
        p10->syntax->codec != DCM_CODEC_NATIVE)
        return err_set(err, ERR_REJECT, "convert: pixels are not native");
    if (p->tag != 0 && (p->tag != TAG_PIXELS || !p->is_whole))
        return err_set(err, ERR_REJECT, "convert: pixel data is not whole or not of integers");
    return 0;
}

int
dcm_convert(const uint8_t *part10, size_t n, const struct dcm_change *change,
            struct dcm_converted *out, struct err *err)
{
    struct convert *c = mem_new(sizeof *c);
    struct dcm_pixels pixels = {0};
    struct recipe_head head;
    struct dcm_part10 p10;
    int rc = -1;

    *c = (struct convert){
        .bytes = part10, .change = change, .pixels = &pixels, .out = out, .to = &out->head};
    recipe_writer_init(&c->recipe, LIMIT_RECIPE_BYTES);
    if (dcm_part10_parse(part10, n, &p10, err) < 0)
        goto out;
    if (p10.syntax->is_deflated) {
        (void)err_set(err, ERR_REJECT, "convert: a deflated data set stays as it is");
        goto out;
    }
    c->dataset = part10 + p10.dataset_at;
    if (dcm_pixels_find(c->dataset, n - p10.dataset_at, &p10, &pixels, err) < 0 ||
        vet(&p10, &pixels, err) < 0 ||
        dcm_meta_rewrite(part10, &p10, change->transfer_syntax, c->to, &c->recipe, err) < 0 ||
        convert_dataset(c, n - p10.dataset_at, err) < 0)
        goto out;
    describe(c, n, &head);
    recipe_finish(&c->recipe, &head, &out->recipe);
    out->pixels_n = head.pixels.n;
    if (buf_is_over(&out->head) || buf_is_over(&out->tail) || buf_is_over(&out->recipe)) {
        (void)err_set(err, ERR_REJECT, "convert: the recipe would be too long");
        goto out;
    }
    rc = try_backwards(c, n, err);
out:
    dcm_pixels_fini(&pixels);
    recipe_writer_fini(&c->recipe);
    free(c);
    return rc;
}
