/* codec.h - pixels in and out of their codings, in children that may die.
 * Whatever decodes hostile bytes (JPEG, JPEG-LS, JPEG 2000, RLE, deflate) runs in worker processes:
 * this program started again as `--codec-worker`, which may then neither open a file, nor make a
 * socket or a process (seccomp: the kernel ends it), within limits of memory and time. A worker
 * that is the only one at work, or does what is urgent, spreads a JPEG 2000 frame over all
 * processors by threads. A worker that dies costs its job, ERR_REJECT "codec worker died ...", and
 * is replaced; one that is killed at its deadline having had next to no processor time is no word
 * about the content: ERR_RETRY.
 *
 * A source is a Part 10 file inside a descriptor. With a recipe it is a file coded by us (JPEG 2000
 * in layers, docs/formats/layout.md, or JPEG-LS; the recipe restores the received bytes); without,
 * one as it was received, in any syntax.
 *
 * Urgent jobs go before all others of their pool: what is under way is stopped for them (at most
 * ten seconds a job), what is asked for meanwhile begins later (at most two).
 *
 * Threads: a pool may be used by any number of threads; each call blocks its thread until a worker
 * is free and has done the job, at most LIMIT_MS_CODEC_JOB once it has begun, the time it was
 * stopped not counted. */
#ifndef RADPOST_CODEC_CODEC_H
#define RADPOST_CODEC_CODEC_H

#include "proto/base/buf.h"
#include "proto/model/digests.h"
#include "proto/model/layout.h"

struct codec_pool;
struct dcm_facts;

/* Say this first in main() of every program that makes a pool (tests too). In a worker it serves
 * jobs and never returns to the caller's code: return what it gives.
 *     int status;
 *     if (codec_worker_main_if_asked(argc, argv, &status))
 *         return status; */
bool codec_worker_main_if_asked(int argc, char **argv, int *out_status);

/* Start `count` workers (1..64).
 * errors  ERR_FATAL when they cannot be started or cannot lock themselves in */
int codec_pool_new(unsigned count, struct codec_pool **out, struct err *err) MUST_CHECK;
/* From now on the workers, those that are started later too, leave the processor to others: nice
 * as nice(2) has it, only ever more. Before the first job. */
void codec_pool_set_nice(struct codec_pool *pool, int nice);
/* How long a job on a small object may take before its worker is ended; 0 = LIMIT_MS_CODEC_JOB's
 * share for it (larger ones get more). For tests of what hangs. */
void codec_pool_set_patience(struct codec_pool *pool, int64_t base_ms);
/* No job may be under way. */
void codec_pool_free(struct codec_pool **pool);

struct codec_source {
    int fd; /* a regular file or memfd; stays the caller's, its offset is not moved */
    uint64_t offset;
    uint64_t size;
    const uint8_t *recipe; /* NULL or of no bytes: as received */
    size_t recipe_n;
    bool is_urgent;
};

/* Facts and the three digests of an instance, received or coded.
 * digests->file is of the source's own bytes; facts, pixels and dataset are of what was received,
 * so they are the same before and after coding (facts->transfer_syntax too). What cannot be
 * decoded, or kills its decoder, is still digested (PIXELS_FRAMES). facts    may be NULL errors
 * ERR_REJECT: not Part 10, broken beyond its data set, over a limit */
int codec_inspect(struct codec_pool *pool, const struct codec_source *source,
                  struct dcm_facts *out_facts, struct dcm_digests *out_digests,
                  struct err *err) MUST_CHECK;

/* The same with a profile of the sending device's texts (proto/dicom/charset.h); NULL none. */
int codec_inspect_as(struct codec_pool *pool, const struct codec_source *source,
                     const char *profile, struct dcm_facts *out_facts,
                     struct dcm_digests *out_digests, struct err *err) MUST_CHECK;

/* Of what may be coded (docs/decisions/coding.md). */
enum codec_coding {
    CODEC_LAYERS, /* JPEG 2000 with a first look */
    CODEC_BEST,   /* the same where a first look is worth its bytes, else JPEG-LS */
    CODEC_FAST    /* JPEG-LS where the form allows it, else layers */
};

struct codec_policy {
    bool is_off; /* leave everything as it is */
    enum codec_coding coding;
    unsigned first_look_percent; /* aimed share of the first layer; 0 = the default, 12 */
};

#define CODEC_WHY_BYTES 64

struct codec_result {
    int coded_fd; /* sealed memfd of the coded file, caller closes; -1: leave it as it is */
    uint64_t coded_size;
    uint8_t *recipe; /* caller frees */
    size_t recipe_n;
    struct layout *layout;         /* layers 0: not coded, or coded without; caller frees */
    char why_not[CODEC_WHY_BYTES]; /* in words, when coded_fd is -1; else empty */
    int made_by;                   /* names the worker, for codec_prove */
};

/* Code a received file, if it may be and becomes smaller; else 0 with coded_fd -1 and why_not.
 * policy  NULL = defaults
 * errors  ERR_REJECT as of codec_inspect; what merely cannot be coded is not an error */
int codec_encode(struct codec_pool *pool, const struct codec_source *source,
                 const struct codec_policy *policy, struct codec_result *out,
                 struct err *err) MUST_CHECK;
void codec_result_fini(struct codec_result *result);

/* What a coded file is said to be. */
struct codec_claim {
    const struct dcm_digests *digests; /* of the received file; ->file is not looked at */
    const uint8_t *received_sha256;    /* of all its bytes */
    const struct layout *layout;       /* codec_result's; NULL: is not compared */
    int made_by;                       /* codec_result's; 0 = by none of this pool */
};

/* In another worker than the one that made it (whose memory may be at fault): decode the coded
 * file, restore the received one, and compare: the decoded pixels' and the restored data set's
 * digests, the SHA-256 of the restored file, and what of the coded file does not come from there:
 * its own data set, offset table, pads, streams' heads and layout must be what we make of the
 * received file. errors  ERR_CONFLICT when anything differs or cannot be decoded: do not use it */
int codec_prove(struct codec_pool *pool, const struct codec_source *coded,
                const struct codec_claim *claim, struct err *err) MUST_CHECK;

/* The received bytes of a coded file, in a sealed memfd (caller closes). */
int codec_restore(struct codec_pool *pool, const struct codec_source *coded, int *out_fd,
                  uint64_t *out_size, struct err *err) MUST_CHECK;

/* A Part 10 file with native pixels, for a peer that does not take the stored syntax. The data set
 * is the received one but for transfer syntax, pixels, planar configuration (0), photometric
 * interpretation where decoding changed it; lossy sources stay marked as they are.
 * to       1.2.840.10008.1.2 or 1.2.840.10008.1.2.1
 * out_fd   a sealed memfd, caller closes
 * errors   ERR_NOT_FOUND "no decoder": video and the like; ERR_REJECT */
int codec_transcode(struct codec_pool *pool, const struct codec_source *source, const char *to,
                    int *out_fd, uint64_t *out_size, struct err *err) MUST_CHECK;

/* The pixels of a PNG file (proto/dicom/png.h says which), in a sealed memfd (caller closes).
 * errors  ERR_REJECT */
int codec_png(struct codec_pool *pool, const struct codec_source *png, int *out_fd,
              uint64_t *out_size, struct err *err) MUST_CHECK;

struct codec_lut { /* PS3.3 C.11.1.1, C.7.6.3.1.5 */
    uint16_t *values;
    uint32_t n;
    int32_t first; /* stored value mapped to values[0] */
    uint8_t bits;
};

enum codec_voi { CODEC_VOI_LINEAR, CODEC_VOI_LINEAR_EXACT, CODEC_VOI_SIGMOID };

/* One frame, decoded, with what is needed to draw it. */
struct codec_image {
    uint32_t cols;
    uint32_t rows;
    uint8_t samples;        /* 1 or 3, colour by pixel */
    uint8_t bits_allocated; /* 8, 16 or 32 (1 becomes 8) */
    uint8_t bits_stored;
    uint8_t high_bit;
    bool is_signed;
    char photometric[20]; /* of these pixels */
    uint8_t layers;       /* that were decoded; 0: not layered */
    uint8_t *pixels;      /* native little endian; codec_image_fini frees */
    size_t pixels_n;

    bool has_window;
    double window_center;
    double window_width;
    enum codec_voi voi;
    double rescale_slope; /* 1 when absent */
    double rescale_intercept;
    bool is_inverse; /* Presentation LUT Shape INVERSE */
    struct codec_lut modality_lut;
    struct codec_lut voi_lut;
    struct codec_lut palette[3]; /* of PALETTE COLOR */
};

/* Decode one frame (1..) for a viewer or for drawing.
 * max_layers  0 = all, and the source must be whole
 *             k = a preview: only the first k layers are looked at, so the source may be a sparse
 *             file; layout says where they are
 * layout      only read for previews
 * errors      ERR_NOT_FOUND no such frame, no pixels, no decoder; ERR_REJECT */
int codec_frame(struct codec_pool *pool, const struct codec_source *source, uint32_t frame,
                uint8_t max_layers, const struct layout *layout, struct codec_image *out,
                struct err *err) MUST_CHECK;
void codec_image_fini(struct codec_image *image);

/* The codestream of one of our frames up to layer k as a stream of its own: COD's layers and the
 * tile-parts' TNsot set to k, EOC appended. What is sent for a preview's frame. No worker: only
 * markers are read.
 * bytes    from the frame's start, at least to the end of layer k
 * errors   ERR_REJECT: not a codestream as we make them, or shorter */
int codec_cut_codestream(const uint8_t *bytes, size_t n, uint8_t layers, struct buf *out,
                         struct err *err) MUST_CHECK;

#endif
