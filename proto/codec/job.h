/* job.h - what runs inside a worker: a source in memory, and the jobs of codec.h on it.
 * Jobs live as long as their request; a job may die at any point and take its process along. */
#ifndef RADPOST_CODEC_JOB_H
#define RADPOST_CODEC_JOB_H

#include "proto/codec/codec.h"
#include "proto/codec/wire.h"
#include "proto/dicom/frames.h"

struct job {
    const struct wire_request *request;
    const uint8_t *bytes; /* the source file, mapped */
    size_t n;
    const uint8_t *recipe; /* NULL: as received */
    size_t recipe_n;
    const uint8_t *layout;
    size_t layout_n;
    int out;      /* WIRE_FD_OUT */
    int out_side; /* WIRE_FD_OUT_SIDE */
    struct wire_reply *reply;
};

/* What a worker does, by enum wire_job. Not constant so that a test's worker can do worse. */
typedef int (*job_fn)(struct job *job, struct err *err);
extern job_fn job_table[];

int job_inspect(struct job *job, struct err *err) MUST_CHECK;
int job_encode(struct job *job, struct err *err) MUST_CHECK;
int job_prove(struct job *job, struct err *err) MUST_CHECK;
int job_restore(struct job *job, struct err *err) MUST_CHECK;
int job_transcode(struct job *job, struct err *err) MUST_CHECK;
int job_frame(struct job *job, struct err *err) MUST_CHECK;
int job_png(struct job *job, struct err *err) MUST_CHECK;

/* Write all of it to a descriptor, counting into *io_n. */
int job_write(int fd, const void *bytes, size_t n, uint64_t *io_n, struct err *err) MUST_CHECK;

/* A Part 10 file opened for its pixels. */
struct instance {
    struct dcm_part10 part10;
    struct buf inflated; /* room for a deflated data set */
    const uint8_t *dataset;
    size_t dataset_n;
    struct dcm_pixels pixels;
};

int instance_open(struct instance *in, const uint8_t *part10, size_t n, struct err *err) MUST_CHECK;
void instance_close(struct instance *in);

/* One coded frame to canonical pixels, a dcm_frame_decoder; out_photometric may be NULL.
 * errors  ERR_NOT_FOUND no decoder for this syntax; ERR_REJECT */
int instance_decode(const struct dcm_pixels *pixels, const uint8_t *coded, size_t coded_n,
                    struct buf *out, char out_photometric[17], struct err *err) MUST_CHECK;
/* Frame 1.. of any instance, native ones too (1 bit: as in the packed row, unpacked to bytes). */
int instance_frame(const struct instance *in, uint32_t frame, struct buf *out,
                   char out_photometric[17], struct err *err) MUST_CHECK;

/* The received bytes of a coded file, appended to out. */
int coded_restore(const uint8_t *coded, size_t n, const uint8_t *recipe, size_t recipe_n,
                  struct buf *out_received, struct buf *out_pixels, struct err *err) MUST_CHECK;
/* Where frames and layers of a coded file lie; head_n and tail_n bytes are around its pixel data
 * element, which is read strictly: offset table, one fragment a frame, zero pads, delimiter, and
 * each stream's head as we write it for this form. Of
 * CODEC_FAST there are no layers: the layout only says how long the file is. */
int coded_layout(const uint8_t *coded, size_t n, size_t head_n, size_t tail_n,
                 const struct dcm_pixel_form *form, enum codec_coding coding, struct layout **out,
                 struct err *err) MUST_CHECK;

/* What codec_image says besides pixels, from the data set, for this frame (1..). */
int look_read(const uint8_t *dataset, size_t n, enum dcm_coding coding, uint32_t frame,
              struct codec_image *image, struct err *err) MUST_CHECK;

#endif
