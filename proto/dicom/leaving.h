/* leaving.h - a stored Part 10 file as it leaves: under the study and series by which it was asked
 * for. What is stored stays as it was sent. Where that says no study or series UID that can be used
 * (made_uid.h), the UID of the catalog stands in what leaves, and Original Attributes Sequence
 * (0400,0561) says what was there (PS3.3 C.12.1.1.9, PS3.4 B.4.1.3). The meta group's SOP Instance
 * UID is that of the data set. Elements of group 0002 that the sender put before the data set, and
 * the fewer than 8 zeros behind it, stay behind, but for a deflated one. All else leaves byte for
 * byte: docs/formats/made-uid.md.
 *
 *   stored    preamble, meta | ... (0020,000D) (0020,000E) ... (0400,0561) ... pixel data
 *   leaves    the same, with edits at those places; the rest is read from the file when its turn
 *             comes
 *
 * Of large elements only the header is looked at: what is held in memory does not grow with the
 * file, but for a sequence of undefined length before (0400,0561) and for a deflated file that is
 * changed, both up to a limit. Threads: a leaving belongs to its owner. */
#ifndef RADPOST_DICOM_LEAVING_H
#define RADPOST_DICOM_LEAVING_H

#include "proto/base/buf.h"
#include "proto/dicom/part10.h"

/* By what an instance is known; "": not looked at. */
struct dcm_known {
    const char *study, *series, *sop_instance;
};

enum { DCM_EDITS = 16 };

struct dcm_leaving {
    int fd;                              /* the leaving's, -1: none */
    uint64_t size;                       /* of what leaves */
    uint64_t dataset_at;                 /* in what leaves */
    char transfer_syntax[DCM_UID_BYTES]; /* as the meta group says */
    bool is_coerced;                     /* it is not all as it is stored */
    /* the rest is its own */
    uint64_t from, stored_n;
    const uint8_t *stored; /* NULL: fd */
    struct dcm_edit {
        uint64_t at, skip; /* of what is stored; the words stand there instead */
        size_t words_at, words_n;
    } edits[DCM_EDITS];
    size_t edits_n;
    struct buf words;
};

/* fd      the file is its size bytes at from; out's on success, else it stays the caller's
 * now_us  when it is said to have been changed
 * errors  ERR_REJECT not Part 10; to be changed, and broken before its pixel data, or deflated and
 *         larger than LIMIT_COERCED_DEFLATED_BYTES; of reading */
int dcm_leaving_open(struct dcm_leaving *out, int fd, uint64_t from, uint64_t size,
                     const struct dcm_known *known, int64_t now_us, struct err *err) MUST_CHECK;
/* n bytes of what leaves, the first at `at`; they must lie inside its size. */
int dcm_leaving_read(const struct dcm_leaving *l, void *bytes, size_t n, uint64_t at,
                     struct err *err) MUST_CHECK;
/* Never opened: all zero but fd -1. Leaves it so. */
void dcm_leaving_close(struct dcm_leaving *l);

#endif
