/* job_encode.c - a received file to a coded one, its recipe and its layout. */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/codec/codestream.h"
#include "proto/codec/eligible.h"
#include "proto/codec/j2k.h"
#include "proto/codec/jls.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_LOOK_PERCENT 12
#define COMPARED_BELOW_BYTES 393216 /* of a native frame */
#define LAYERS_MAY_COST_PERCENT 3
#define HEAD_SHARE 2 /* a head of more than half the native pixels */

/* Where the coded file stands while it is written. */
struct coding {
    const struct job *job;
    const struct instance *in;
    enum codec_coding coding;
    struct j2k_layers layers;
    struct buf canonical; /* one frame */
    struct buf stream;    /* its codestream */
    struct buf table;     /* offset table */
    uint64_t n;           /* bytes written */
    uint64_t table_at;
};

static int code(struct job *job, const struct instance *in, struct err *err);
static int write_frames(struct coding *c, struct err *err);
static int write_frame(struct coding *c, uint32_t frame, struct err *err);
static int encode_frame(struct coding *c, struct err *err);
static int finish(struct job *job, struct coding *c, const struct dcm_converted *converted,
                  struct err *err);
static enum codec_coding choose_coding(const struct job *job, const struct instance *in);
static bool are_layers_too_large(const struct job *job, const struct instance *in);
static struct j2k_layers choose_layers(const struct job *job);

int
job_encode(struct job *job, struct err *err)
{
    struct instance in = {0};
    bool is_eligible;
    int rc = -1;

    if (job->recipe != NULL)
        return err_set(err, ERR_REJECT, "encode: coded already");
    if (instance_open(&in, job->bytes, job->n, err) == 0 &&
        eligible_check(&in, &is_eligible, job->reply->why_not, err) == 0)
        rc = is_eligible ? code(job, &in, err) : 0;
    instance_close(&in);
    return rc;
}

/* The reply has the coded file, or says why not. */
static int
code(struct job *job, const struct instance *in, struct err *err)
{
    struct coding c = {
        .job = job, .in = in, .coding = choose_coding(job, in), .layers = choose_layers(job)};
    struct dcm_change change = eligible_change(&in->pixels.form, c.coding);
    struct dcm_converted converted;
    int rc = -1;

    dcm_converted_init(&converted);
    buf_init(&c.canonical, LIMIT_FRAME_BYTES);
    buf_init(&c.stream, LIMIT_FRAME_BYTES);
    buf_init(&c.table, LIMIT_FRAMES * 4);
    if (dcm_convert(job->bytes, job->n, &change, &converted, err) < 0) {
        if (err->kind == ERR_REJECT) {
            (void)snprintf(job->reply->why_not, CODEC_WHY_BYTES, "%s", err->text);
            rc = 0;
        }
        goto out;
    }
    if (job_write(job->out, converted.head.bytes, converted.head.n, &c.n, err) < 0 ||
        write_frames(&c, err) < 0)
        goto out;
    rc = 0;
    if (job->reply->why_not[0] == 0)
        rc = finish(job, &c, &converted, err);
out:
    if (rc == 0 && job->reply->why_not[0] != 0 && ftruncate(job->out, 0) < 0)
        rc = err_sys(err, ERR_FATAL, "take the half of a coded file back");
    buf_fini(&c.table);
    buf_fini(&c.stream);
    buf_fini(&c.canonical);
    dcm_converted_fini(&converted);
    return rc;
}

/* The pixel data element, its offset table still zero. */
static int
write_frames(struct coding *c, struct err *err)
{
    static const uint8_t head[] = {0xE0, 0x7F, 0x10, 0x00, 'O',  'B',  0,    0,
                                   0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0};
    static const uint8_t end[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    uint32_t frames = c->in->pixels.form.frames;
    uint8_t length[4];
    uint64_t first;

    if (job_write(c->job->out, head, sizeof head, &c->n, err) < 0)
        return -1;
    le32_write(length, frames * 4);
    if (job_write(c->job->out, length, sizeof length, &c->n, err) < 0)
        return -1;
    c->table_at = c->n;
    for (uint32_t f = 0; f < frames; f++)
        buf_add_le32(&c->table, 0);
    if (job_write(c->job->out, c->table.bytes, c->table.n, &c->n, err) < 0)
        return -1;
    buf_clear(&c->table);
    first = c->n;
    for (uint32_t f = 1; f <= frames; f++) {
        buf_add_le32(&c->table, (uint32_t)(c->n - first));
        if (write_frame(c, f, err) < 0)
            return -1;
        if (c->job->reply->why_not[0] != 0)
            return 0;
        if (c->n >= c->job->n) {
            (void)snprintf(c->job->reply->why_not, CODEC_WHY_BYTES, "coding makes it larger");
            return 0;
        }
    }
    return job_write(c->job->out, end, sizeof end, &c->n, err);
}

static int
write_frame(struct coding *c, uint32_t frame, struct err *err)
{
    const struct dcm_pixel_form *form = &c->in->pixels.form;
    uint8_t item[8] = {0xFE, 0xFF, 0x00, 0xE0};
    char photometric[17];

    buf_clear(&c->canonical);
    buf_clear(&c->stream);
    if (instance_frame(c->in, frame, &c->canonical, photometric, err) < 0)
        return -1;
    if (!pixels_are_clean(form, c->canonical.bytes, c->canonical.n)) {
        (void)snprintf(c->job->reply->why_not, CODEC_WHY_BYTES, "unused bits are in use");
        return 0;
    }
    if (encode_frame(c, err) < 0)
        return -1;
    if (c->stream.n % 2 != 0)
        buf_add_u8(&c->stream, 0);
    le32_write(item + 4, (uint32_t)c->stream.n);
    if (buf_is_over(&c->stream))
        return err_set(err, ERR_REJECT, "a coded frame is over the limit");
    if (job_write(c->job->out, item, sizeof item, &c->n, err) < 0)
        return -1;
    return job_write(c->job->out, c->stream.bytes, c->stream.n, &c->n, err);
}

static int
encode_frame(struct coding *c, struct err *err)
{
    const struct dcm_pixel_form *form = &c->in->pixels.form;

    return c->coding == CODEC_FAST
               ? jls_encode(form, c->canonical.bytes, c->canonical.n, &c->stream, err)
               : j2k_encode(form, c->canonical.bytes, c->canonical.n, &c->layers, &c->stream, err);
}

static int
finish(struct job *job, struct coding *c, const struct dcm_converted *converted, struct err *err)
{
    struct wire_reply *reply = job->reply;
    struct layout *layout = NULL;
    struct buf coded, side;
    int rc = -1;

    buf_init(&coded, LIMIT_OBJECT_BYTES);
    buf_init(&side, LIMIT_OBJECT_BYTES);
    if (job_write(job->out, converted->tail.bytes, converted->tail.n, &c->n, err) < 0)
        goto out;
    if (pwrite(job->out, c->table.bytes, c->table.n, (off_t)c->table_at) != (ssize_t)c->table.n) {
        (void)err_sys(err, ERR_RETRY, "write the offset table");
        goto out;
    }
    if (c->n >= job->n) {
        (void)snprintf(reply->why_not, CODEC_WHY_BYTES, "coding makes it larger");
        rc = 0;
        goto out;
    }
    if (buf_reserve(&coded, c->n) == NULL ||
        pread(job->out, coded.bytes, c->n, 0) != (ssize_t)c->n) {
        (void)err_sys(err, ERR_RETRY, "read the coded file back");
        goto out;
    }
    if (coded_layout(coded.bytes, c->n, converted->head.n, converted->tail.n, &c->in->pixels.form,
                     c->coding, &layout, err) < 0)
        goto out;
    buf_add(&side, converted->recipe.bytes, converted->recipe.n);
    layout_write(layout, &side);
    reply->out_n = c->n;
    reply->recipe_n = converted->recipe.n;
    rc = job_write(job->out_side, side.bytes, side.n, &reply->out_side_n, err);
out:
    layout_free(&layout);
    buf_fini(&side);
    buf_fini(&coded);
    return rc;
}

/* docs/decisions/coding.md. Layers of a palette's numbers are no picture, and larger by half; where
 * the head outweighs the pixels there is no first look to speak of. */
static enum codec_coding
choose_coding(const struct job *job, const struct instance *in)
{
    const struct dcm_pixels *p = &in->pixels;
    bool is_mostly_head = (uint64_t)p->header_at * HEAD_SHARE > p->frames_bytes;

    if (job->request->coding == CODEC_LAYERS || !jls_may_encode(&p->form))
        return CODEC_LAYERS;
    return job->request->coding == CODEC_FAST || is_mostly_head ||
                   strcmp(p->form.photometric, "PALETTE COLOR") == 0 ||
                   are_layers_too_large(job, in)
               ? CODEC_FAST
               : CODEC_LAYERS;
}

/* The layers of small frames cost what they bring: the middle one is coded both ways. */
static bool
are_layers_too_large(const struct job *job, const struct instance *in)
{
    const struct dcm_pixel_form *form = &in->pixels.form;
    struct j2k_layers layers = choose_layers(job);
    struct buf canonical, layered, fast;
    struct err ignored = {0};
    char photometric[17];
    bool is_so = false;

    if (in->pixels.frame_bytes >= COMPARED_BELOW_BYTES)
        return false;
    buf_init(&canonical, LIMIT_FRAME_BYTES);
    buf_init(&layered, LIMIT_FRAME_BYTES);
    buf_init(&fast, LIMIT_FRAME_BYTES);
    if (instance_frame(in, form->frames / 2 + 1, &canonical, photometric, &ignored) == 0 &&
        pixels_are_clean(form, canonical.bytes, canonical.n) &&
        jls_encode(form, canonical.bytes, canonical.n, &fast, &ignored) == 0 &&
        j2k_encode(form, canonical.bytes, canonical.n, &layers, &layered, &ignored) == 0)
        is_so = layered.n > fast.n + fast.n * LAYERS_MAY_COST_PERCENT / 100;
    buf_fini(&fast);
    buf_fini(&layered);
    buf_fini(&canonical);
    return is_so;
}

/* docs/decisions/layers.md: a look, and the rest. */
static struct j2k_layers
choose_layers(const struct job *job)
{
    unsigned percent = job->request->first_look_percent;

    return (struct j2k_layers){.n = 2,
                               .permille = {10 * (percent > 0 ? percent : FIRST_LOOK_PERCENT)}};
}
