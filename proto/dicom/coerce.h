/* coerce.h - what of a data set has to be said otherwise when it leaves, as edits. Private to
 * proto/dicom; leaving.h is the door. */
#ifndef RADPOST_DICOM_COERCE_H
#define RADPOST_DICOM_COERCE_H

#include "proto/dicom/leaving.h"

enum { COERCE_WORDS_MOST = 65536 };

/* Of what is stored. */
int leaving_read_stored(const struct dcm_leaving *l, void *bytes, size_t n, uint64_t at,
                        struct err *err) MUST_CHECK;
/* The words added to l->words since words_at stand at `at`, in the place of skip bytes.
 * errors  ERR_REJECT more edits or words than there is room for */
int leaving_edit(struct dcm_leaving *l, uint64_t at, uint64_t skip, size_t words_at,
                 struct err *err) MUST_CHECK;

/* Add the edits of the data set that begins at dataset_at of what is stored. */
int coerce_dataset(struct dcm_leaving *l, uint64_t dataset_at, enum dcm_coding coding,
                   const struct dcm_known *known, int64_t now_us, struct err *err) MUST_CHECK;
/* Where a stored data set ends before its last few bytes, which are zero and no part of it; else,
 * and where that cannot be told, the end of what is stored. */
uint64_t coerce_find_end(const struct dcm_leaving *l, uint64_t dataset_at, enum dcm_coding coding);
/* An element with its value, padded; any coding. */
void coerce_put_value(struct buf *out, enum dcm_coding coding, uint32_t tag, const char *vr,
                      const void *value, size_t n);

#endif
