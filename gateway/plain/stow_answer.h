/* stow_answer.h - the answer to a STOW-RS request (PS3.18 10.5.3, I.2): what became of each
 * instance, from application/dicom+json or application/dicom+xml.
 * Pure functions. */
#ifndef RADPOST_PLAIN_STOW_ANSWER_H
#define RADPOST_PLAIN_STOW_ANSWER_H

#include "proto/base/err.h"

enum { STOW_ROWS_MOST = 4096 };

struct stow_row {
    char sop_instance[65];
    bool is_taken;
    uint16_t reason; /* of the failure, or of the warning; 0 none */
};

struct stow_answer {
    struct stow_row *rows;
    size_t n;
};

/* content_type: the answer's header.
 * errors  ERR_REJECT neither of the two, or broken */
int stow_answer_read(const char *content_type, const void *bytes, size_t n, struct stow_answer *out,
                     struct err *err) MUST_CHECK;
void stow_answer_fini(struct stow_answer *answer);
/* NULL: it says nothing about this one. A failure goes before a success. */
const struct stow_row *stow_answer_find(const struct stow_answer *answer, const char *sop_instance);

/* The SOP Instance UIDs of a QIDO-RS answer (application/dicom+json), each given once.
 * errors  ERR_REJECT; out_n how many objects it holds */
int stow_read_matches(const void *bytes, size_t n, void (*give)(void *user, const char *uid),
                      void *user, size_t *out_n, struct err *err) MUST_CHECK;

#endif
