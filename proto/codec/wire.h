/* wire.h - what goes between the pool and its workers: one request, one reply, the same program on
 * both ends. Bulk goes through descriptors that the pool makes and passes along: a worker cannot
 * make any, and the pool seals what came back before it reads it. */
#ifndef RADPOST_CODEC_WIRE_H
#define RADPOST_CODEC_WIRE_H

#include "proto/base/err.h"
#include "proto/base/program.h"
#include "proto/model/digests.h"

#define WIRE_MAGIC 0x52504357U
#define WIRE_SOCKET PROGRAM_SOCKET /* the worker's end */

enum wire_job {
    JOB_HELLO, /* reply only: the worker is locked in and ready */
    JOB_INSPECT,
    JOB_ENCODE,
    JOB_PROVE,
    JOB_RESTORE,
    JOB_TRANSCODE,
    JOB_FRAME,
    JOB_PNG
};

enum wire_fd { WIRE_FD_SOURCE, WIRE_FD_SIDE, WIRE_FD_OUT, WIRE_FD_OUT_SIDE, WIRE_FDS };

struct wire_request {
    uint32_t magic;
    enum wire_job job;
    uint64_t offset; /* of the source in its descriptor */
    uint64_t size;
    uint64_t recipe_n; /* side: the recipe, then the layout */
    uint64_t layout_n;
    bool has_recipe;
    bool is_not_decoded; /* inspect: digest the coded bytes, decoding killed a worker before */
    uint32_t frame;
    uint8_t max_layers;
    uint32_t first_look_percent;
    uint32_t coding; /* encode: enum codec_coding */
    char to[65];
    char profile[20]; /* inspect: how the sender writes texts; "" as they say themselves */
    struct dcm_digests expected;
    uint8_t received[DIGEST_BYTES];
    int32_t not_by;      /* for the pool: another worker than this one does it; 0 = any */
    bool is_urgent;      /* for the pool */
    uint32_t processors; /* the pool's word: so many may be used at once; at least 1 */
};

struct wire_reply {
    uint32_t magic;
    int32_t rc;
    struct err err;
    uint64_t out_n;      /* written to WIRE_FD_OUT */
    uint64_t out_side_n; /* written to WIRE_FD_OUT_SIDE */
    uint64_t recipe_n;   /* encode: the first part of the side */
    struct dcm_digests digests;
    char why_not[64];
    int32_t done_by; /* the pool's word: which worker it was */
};

#endif
