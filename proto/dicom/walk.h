/* walk.h - read a data set element by element, never past its bytes.
 * A pull parser over a range of memory: it allocates nothing, keeps offsets, not copies, and holds
 * a stack of at most LIMIT_DATASET_DEPTH sequences. Events come in file order:
 *
 *   ELEMENT                                  a plain element, value at value_at, value_n bytes
 *   SEQUENCE (ITEM ... ITEM_END)* SEQUENCE_END    SQ; also UN of undefined length, whose content is
 *                                            implicit little endian (PS3.5 6.2.2 note 2)
 *   FRAGMENTS FRAGMENT* FRAGMENTS_END        encapsulated pixel data; the first is the offset table
 *   END                                      the bytes are used up, or fewer than 8 are left at
 *                                            the top level and all are zero: a sender's padding,
 *                                            from header_at on; in a prefix that ends within an
 *                                            element, tag, length and header_n are its own
 *
 * ITEM_END and SEQUENCE_END of a defined length have no bytes of their own (value_n 0, header_n 0).
 * Invariants: 1. offsets of an event lie inside the range; 2. every begin has one end, unless the
 * walk is a prefix and stops early; 3. the walk moves forward: n + depth calls reach END or an
 * error. DICOM: PS3.5 chapter 7 and annex A. Threads: a walk belongs to its owner. */
#ifndef RADPOST_DICOM_WALK_H
#define RADPOST_DICOM_WALK_H

#include "proto/base/err.h"
#include "proto/dicom/dictionary.h"
#include "proto/dicom/syntax.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DCM_DEPTH_MAX = 64 }; /* = LIMIT_DATASET_DEPTH */

enum dcm_event {
    DCM_END,
    DCM_ELEMENT,
    DCM_SEQUENCE,
    DCM_SEQUENCE_END,
    DCM_ITEM,
    DCM_ITEM_END,
    DCM_FRAGMENTS,
    DCM_FRAGMENT,
    DCM_FRAGMENTS_END
};

struct dcm_element {
    enum dcm_event event;
    uint32_t tag;
    char vr[3]; /* as written, or by the dictionary; "SQ" for every SEQUENCE; "" for items */
    char written_vr[3]; /* as written; "" in implicit coding and for items */
    uint32_t length;    /* as written; 0xFFFFFFFF = undefined */
    size_t header_at;   /* first byte of the element */
    size_t header_n;    /* bytes before the value */
    size_t value_at;
    size_t value_n; /* ELEMENT, FRAGMENT: bytes of the value; SEQUENCE, ITEM of defined length too,
                       as far as the range goes (length tells what a prefix cuts off) */
    int depth;      /* 0 = the data set itself; inside the first sequence's item 1 */
    enum dcm_coding coding; /* of this element's header and value */
};

/* More flags may be or-ed. */
enum dcm_walk_flag {
    DCM_WALK_WHOLE = 0,
    DCM_WALK_PREFIX = 1, /* the range may end anywhere: END comes quietly there */
    DCM_WALK_STOP_AT_PIXELS =
        2, /* END before the top level's (7FE0,0008..0010); is_at_pixels set */
};

struct dcm_walk {
    bool is_at_pixels; /* stopped there; pixels_at is the header's offset */
    size_t pixels_at;
    /* the rest is the walk's own */
    const uint8_t *bytes;
    size_t n, at;
    unsigned flags;
    uint64_t elements;
    int top;
    struct dcm_walk_level {
        size_t limit; /* nothing of it lies at or behind this */
        uint32_t tag;
        uint8_t kind;
        uint8_t coding;
        bool is_undefined; /* ends by its delimiter, before limit */
        bool is_pixel_signed;
    } levels[2 * DCM_DEPTH_MAX + 1];
};

void dcm_walk_init(struct dcm_walk *w, const uint8_t *bytes, size_t n, enum dcm_coding coding,
                   unsigned flags);
/* The next event.
 * errors  ERR_REJECT: an element reaches past its container, is not an element, is nested too deep,
 *         or there are too many */
int dcm_walk_next(struct dcm_walk *w, struct dcm_element *out, struct err *err) MUST_CHECK;
/* After SEQUENCE or ITEM of defined length: go on behind it; its END event still comes. False (and
 * nothing changes) when the length is undefined. */
bool dcm_walk_skip(struct dcm_walk *w);

#ifdef __cplusplus
}
#endif
#endif
