/* job_transcode.c - any instance as a file with native pixels. */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/dicom/convert.h"

#include <string.h>

static int transcode(struct job *job, const uint8_t *bytes, size_t n, const char *to,
                     struct err *err);
static int write_pixels(struct job *job, const struct instance *in, enum dcm_coding coding,
                        struct buf *first, const char *photometric, struct err *err);
static int write_native_header(struct job *job, const struct instance *in, enum dcm_coding coding,
                               uint64_t n, struct err *err);
static int write_rest(struct job *job, const struct instance *in, struct buf *frame,
                      const char *photometric, struct err *err);
static bool is_opaque(const struct instance *in);

int
job_transcode(struct job *job, struct err *err)
{
    struct buf received, pixels;
    const char *to = job->request->to;
    int rc = -1;

    buf_init(&received, LIMIT_OBJECT_BYTES);
    buf_init(&pixels, LIMIT_CODED_PIXELS_BYTES);
    if (memchr(to, 0, sizeof job->request->to) == NULL ||
        (strcmp(to, DCM_UID_IMPLICIT_LE) != 0 && strcmp(to, DCM_UID_EXPLICIT_LE) != 0)) {
        (void)err_set(err, ERR_REJECT, "transcode: only to little endian");
        goto out;
    }
    if (job->recipe == NULL) {
        rc = transcode(job, job->bytes, job->n, to, err);
        goto out;
    }
    if (coded_restore(job->bytes, job->n, job->recipe, job->recipe_n, &received, &pixels, err) < 0)
        goto out;
    buf_fini(&pixels);
    rc = transcode(job, received.bytes, received.n, to, err);
out:
    buf_fini(&pixels);
    buf_fini(&received);
    return rc;
}

static int
transcode(struct job *job, const uint8_t *bytes, size_t n, const char *to, struct err *err)
{
    bool is_implicit = strcmp(to, DCM_UID_IMPLICIT_LE) == 0;
    struct dcm_change change = {.transfer_syntax =
                                    is_implicit ? DCM_UID_IMPLICIT_LE : DCM_UID_EXPLICIT_LE};
    enum dcm_coding coding = is_implicit ? DCM_IMPLICIT_LE : DCM_EXPLICIT_LE;
    struct instance in = {0};
    struct buf head, tail, frame;
    char photometric[17] = "";
    int rc = -1;

    buf_init(&head, LIMIT_INFLATED_BYTES);
    buf_init(&tail, LIMIT_INFLATED_BYTES);
    buf_init(&frame, LIMIT_FRAME_BYTES);
    if (instance_open(&in, bytes, n, err) < 0)
        goto out;
    if (strcmp(in.part10.transfer_syntax, to) == 0) {
        rc = job_write(job->out, bytes, n, &job->reply->out_n, err);
        goto out;
    }
    if (in.pixels.tag != 0 && !is_opaque(&in)) {
        if (instance_frame(&in, 1, &frame, photometric, err) < 0)
            goto out;
        change.is_by_pixel = true;
        if (strcmp(photometric, in.pixels.form.photometric) != 0)
            change.photometric = photometric;
    }
    if (dcm_rewrite(bytes, n, &change, coding, &head, &tail, err) < 0 ||
        job_write(job->out, head.bytes, head.n, &job->reply->out_n, err) < 0)
        goto out;
    if (in.pixels.tag != 0 && write_pixels(job, &in, coding, &frame, photometric, err) < 0)
        goto out;
    rc = job_write(job->out, tail.bytes, tail.n, &job->reply->out_n, err);
out:
    instance_close(&in);
    buf_fini(&frame);
    buf_fini(&tail);
    buf_fini(&head);
    return rc;
}

/* `first` holds frame 1 already, unless the pixels are only copied. */
static int
write_pixels(struct job *job, const struct instance *in, enum dcm_coding coding, struct buf *first,
             const char *photometric, struct err *err)
{
    const struct dcm_pixels *p = &in->pixels;
    bool is_copied = is_opaque(in);
    uint64_t n = is_copied ? p->value_n : p->frames_bytes;

    if (write_native_header(job, in, coding, n + n % 2, err) < 0)
        return -1;
    if (is_copied) {
        if (job_write(job->out, in->dataset + p->value_at, p->value_n, &job->reply->out_n, err) < 0)
            return -1;
    } else if (write_rest(job, in, first, photometric, err) < 0) {
        return -1;
    }
    return n % 2 == 0 ? 0 : job_write(job->out, "", 1, &job->reply->out_n, err);
}

static int
write_native_header(struct job *job, const struct instance *in, enum dcm_coding coding, uint64_t n,
                    struct err *err)
{
    struct buf header;
    int rc;

    buf_init(&header, 16);
    rc = dcm_native_header(&header, coding, in->pixels.form.bits_allocated, n, err);
    if (rc == 0 &&
        in->pixels.tag != 0x7FE00010) { /* float and double float have VRs of their own */
        header.bytes[2] = (uint8_t)in->pixels.tag;
        if (coding == DCM_EXPLICIT_LE)
            memcpy(header.bytes + 4, in->pixels.tag == 0x7FE00008 ? "OF" : "OD", 2);
    }
    if (rc == 0)
        rc = job_write(job->out, header.bytes, header.n, &job->reply->out_n, err);
    buf_fini(&header);
    return rc;
}

static int
write_rest(struct job *job, const struct instance *in, struct buf *frame, const char *photometric,
           struct err *err)
{
    const struct dcm_pixels *p = &in->pixels;
    char now[17];

    for (uint32_t f = 1; f <= p->form.frames; f++) {
        if (f > 1) {
            buf_clear(frame);
            if (instance_frame(in, f, frame, now, err) < 0)
                return -1;
            if (strcmp(now, photometric) != 0)
                return err_set(err, ERR_REJECT, "frames of %s and of %s", photometric, now);
        }
        if (frame->n != p->frame_bytes)
            return err_set(err, ERR_REJECT, "a frame is %zu bytes long", frame->n);
        if (job_write(job->out, frame->bytes, frame->n, &job->reply->out_n, err) < 0)
            return -1;
    }
    return 0;
}

/* Native and little endian, of a form that has no canonical order or is not whole: the bytes go on
 * as they are. */
static bool
is_opaque(const struct instance *in)
{
    const struct dcm_pixels *p = &in->pixels;

    return !p->is_encapsulated && p->coding != DCM_EXPLICIT_BE &&
           (!p->is_whole || (p->form.bits_allocated != 8 && p->form.bits_allocated != 16));
}
