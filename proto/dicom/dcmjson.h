/* dcmjson.h - a data set as DICOM JSON (PS3.18 annex F), for WADO-RS metadata.
 * Text is UTF-8 by charset.h and (0008,0005) says so. Group 2, group lengths and padding are left
 * out. Bulk values are not inlined: "BulkDataURI" is the prefix, '/' and the element's path, e.g.
 * ".../bulkdata/7FE00010" or ".../bulkdata/00540220.1.00091010" (tag, item from 1, tag).
 * Threads: pure functions. */
#ifndef RADPOST_DICOM_DCMJSON_H
#define RADPOST_DICOM_DCMJSON_H

#include "proto/base/jsonw.h"

struct dcm_json_options {
    const char *bulk_prefix; /* NULL: bulk values are left out, their vr stays */
    size_t inline_bytes;     /* binary values up to this are InlineBinary; pixel data never is */
    const char *profile;     /* of the sending device (charset.h), or NULL */
    bool is_prefix;          /* part10 may end anywhere, e.g. before the pixel data */
    /* Written instead of what the file says (a coded file serves as what it was), or NULL. */
    const char
        *transfer_syntax; /* value of (0008,3002) AvailableTransferSyntaxUID, or NULL: left out */
    /* Under which it stands, where the file's own cannot be used (made_uid.h); or NULL: its own. */
    const char *study, *series;
};

/* Append one JSON object.
 * errors  ERR_REJECT not a DICOM file, a broken data set, or out is full */
int dcm_json_write(const uint8_t *part10, size_t n, const struct dcm_json_options *options,
                   struct jsonw *out, struct err *err) MUST_CHECK;

/* The value at a path as written in a BulkDataURI: offset and length in the data set's bytes, in
 * place (part10 not deflated).
 * errors  ERR_NOT_FOUND no such element, ERR_REJECT broken */
int dcm_json_bulk(const uint8_t *part10, size_t n, const char *path, const uint8_t **out_bytes,
                  size_t *out_n, struct err *err) MUST_CHECK;

#endif
