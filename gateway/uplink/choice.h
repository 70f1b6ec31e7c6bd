/* choice.h - which coding, so that neither the line waits for the coder nor the coder wastes the
 * line: docs/decisions/coding.md. Pure functions of what they are given. Threads: the owner's lock.
 */
#ifndef RADPOST_UPLINK_CHOICE_H
#define RADPOST_UPLINK_CHOICE_H

#include "proto/codec/codec.h"

/* What the last jobs have shown. All zero at first. */
struct choice {
    double slowness; /* of this machine now: how much longer jobs take than choice.c's figures */
    double share;    /* coded bytes to received ones */
    double aside_s;  /* a coder is at an image so long beside its coding: looks into it, notes it */
    bool is_fast;    /* what it made last of a queue that is not done yet */
};

/* A job has taken this long; is_proof: proving, else encoding. */
void choice_note_job(struct choice *c, enum codec_coding coding, bool is_proof, uint64_t bytes,
                     double seconds);
/* An image has taken a coder so long beside that job. */
void choice_note_aside(struct choice *c, double seconds);
void choice_note_size(struct choice *c, uint64_t received_bytes, uint64_t coded_bytes);

struct choice_case {
    uint64_t bytes;          /* of the image to be coded now, as received */
    uint64_t waiting_images; /* that wait to be coded, this one included */
    uint64_t queued_bytes;   /* coded already, not at the centre */
    uint64_t waiting_proofs; /* of these; the end of each goes when it is proved */
    unsigned workers;        /* jobs under way at once, as those whose time was noted */
    double line_rate;    /* what the line can carry, bytes a second (pace.h, reach); 0: not known */
    bool is_line_idle;   /* of late it had nothing to send: it may carry more than it has shown */
    unsigned processors; /* 0: one */
    bool is_first;       /* of its study: the picture by which somebody sees what is coming */
};

enum codec_coding choice_make(struct choice *c, const struct choice_case *now);

#endif
