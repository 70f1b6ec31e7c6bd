/* job_png.c - a PNG picture's pixels. */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/dicom/png.h"

int
job_png(struct job *job, struct err *err)
{
    struct buf pixels;
    struct png png;
    int rc = -1;

    buf_init(&pixels, LIMIT_FRAME_BYTES);
    if (png_read(job->bytes, job->n, &png, err) == 0 &&
        png_decode(&png, job->bytes, &pixels, err) == 0)
        rc = job_write(job->out, pixels.bytes, pixels.n, &job->reply->out_n, err);
    buf_fini(&pixels);
    return rc;
}
