/* recipe.h - the recipe's parts: docs/formats/recipe.md. Private to proto/dicom; convert.h is the
 * door. */
#ifndef RADPOST_DICOM_RECIPE_H
#define RADPOST_DICOM_RECIPE_H

#include "proto/base/buf.h"
#include "proto/dicom/convert.h"
#include "proto/dicom/walk.h"

#define RECIPE_MAGIC "RPR1"

enum recipe_op {
    RECIPE_END = 0,
    RECIPE_COPY = 1,     /* n: coded bytes as they are */
    RECIPE_SKIP = 2,     /* n: coded bytes that the received file does not have */
    RECIPE_LITERAL = 3,  /* n, bytes: received bytes that the coded file does not have */
    RECIPE_IMPLICIT = 4, /* n: coded elements again in implicit little endian */
    RECIPE_BIG = 5,      /* n: coded elements again in explicit big endian */
    RECIPE_PIXELS = 6,   /* n: pixels in the received order */
    RECIPE_OPS
};

/* How the received pixels differ from the canonical ones. */
struct recipe_pixels {
    uint64_t n;       /* canonical bytes */
    uint32_t word;    /* 1, or the bytes of a word that are swapped */
    uint32_t samples; /* 1 = not in planes */
    uint32_t sample_bytes;
    uint64_t plane_samples; /* rows * columns */
};

struct recipe_head {
    uint64_t head_n, tail_n, received_n;
    struct recipe_pixels pixels;
};

/* Writing: operations of one kind that follow one another are joined. */
struct recipe_writer {
    struct buf ops;
    const uint8_t *literal; /* where the pending literal begins */
    uint64_t pending_n;
    enum recipe_op pending;
};

void recipe_writer_init(struct recipe_writer *w, size_t limit_bytes);
void recipe_writer_fini(struct recipe_writer *w);
/* A NULL writer adds nothing. literal: only for RECIPE_LITERAL, the received bytes (they must
 * stay). */
void recipe_add(struct recipe_writer *w, enum recipe_op op, uint64_t n, const uint8_t *literal);
/* The whole recipe appended to out. */
void recipe_finish(struct recipe_writer *w, const struct recipe_head *head, struct buf *out);

/* Preamble and meta group with another transfer syntax and a true group length. */
int dcm_meta_rewrite(const uint8_t *bytes, const struct dcm_part10 *p10,
                     const char *transfer_syntax, struct buf *out, struct recipe_writer *recipe,
                     struct err *err) MUST_CHECK;
/* Append the changed form of e; false and nothing when change leaves e alone. */
bool dcm_change_element(const struct dcm_change *change, const struct dcm_element *e,
                        const uint8_t *value, enum dcm_coding coding, struct buf *out);

/* Vet magic and checksum, read the head; *out_at is the first operation, *out_end the byte behind
 * the last. */
int recipe_read_head(const uint8_t *recipe, size_t n, struct recipe_head *out, size_t *out_at,
                     size_t *out_end, struct err *err) MUST_CHECK;
/* A little-endian base-128 number; -1 past the end or 64 bits. */
int recipe_read_number(const uint8_t *p, size_t n, size_t *io_at, uint64_t *out) MUST_CHECK;

#endif
