/* leaving_image.h - small files under any study and series number, and how they leave. cmocka
 * tests. */
#ifndef RADPOST_TESTS_SUPPORT_LEAVING_IMAGE_H
#define RADPOST_TESTS_SUPPORT_LEAVING_IMAGE_H

#include "proto/dicom/leaving.h"

#define LEAVING_CLASS "1.2.840.10008.5.1.4.1.1.2"
#define LEAVING_STUDY "2.25.123"
#define LEAVING_SERIES "2.25.4567"
#define LEAVING_LETTERS_65 "1.2.3.45678901234567890123456789012345678901234567890123456789012"
#define LEAVING_NOW_US 1767323045000000 /* 2026-01-02 03:04:05 */

enum {
    LEAVING_BEFORE = 4097,
    /* what lies before the file in what holds it */ LEAVING_SYNTAXES = 3
};

struct leaving_image {
    const char *study, *series; /* NULL: not there */
    bool is_behind_group_length, has_originals, has_large, has_pixels;
};

extern const struct dcm_known leaving_known; /* study and series above, instance 1.2.3.9 */
extern const char *const leaving_syntaxes[LEAVING_SYNTAXES];

void leaving_dataset(const struct leaving_image *m, enum dcm_coding coding, struct buf *out);
/* As it is stored; the caller drops it. */
void leaving_file(const struct leaving_image *m, const char *syntax, struct buf *out);
/* It holds the file LEAVING_BEFORE bytes from its beginning. */
int leaving_fd(const struct buf *file);
/* All that leaves, read in odd steps; false: it does not. */
bool leaving_as(const struct buf *stored, const struct dcm_known *as, struct buf *out,
                bool *out_is_coerced, struct err *err);
/* The same under leaving_known; it must. */
void leaving_of(const struct buf *stored, struct buf *out, bool *out_is_coerced);

#endif
