/* syntax.h - every transfer syntax of PS3.6 annex A, what its bytes are and what may be done to
 * them. The table is syntax.def. Threads: a constant table. */
#ifndef RADPOST_DICOM_SYNTAX_H
#define RADPOST_DICOM_SYNTAX_H

#include "proto/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum dcm_coding { DCM_IMPLICIT_LE, DCM_EXPLICIT_LE, DCM_EXPLICIT_BE };

enum dcm_codec {
    DCM_CODEC_NATIVE,
    DCM_CODEC_RLE,
    DCM_CODEC_JPEG, /* baseline, extended, progressive, lossless */
    DCM_CODEC_JPEGLS,
    DCM_CODEC_J2K,
    DCM_CODEC_HTJ2K,
    DCM_CODEC_DEFLATED_FRAME,
    DCM_CODEC_JPEGXL,
    DCM_CODEC_VIDEO,
    DCM_CODEC_REFERENCED, /* JPIP, SMPTE: the pixels are not in the object */
    DCM_CODEC_UNKNOWN
};

struct dcm_syntax {
    const char *uid;
    const char *name; /* as PS3.6 writes it, shortened */
    enum dcm_coding coding;
    enum dcm_codec codec;
    bool is_deflated;     /* the whole data set is a raw deflate stream */
    bool is_encapsulated; /* pixel data is a sequence of fragments (PS3.5 A.4) */
    /* Native, or a coding whose decoded frames are exactly the pixels: digests are of those. */
    bool is_lossless_proven;
};

#define DCM_UID_IMPLICIT_LE "1.2.840.10008.1.2"
#define DCM_UID_EXPLICIT_LE "1.2.840.10008.1.2.1"
#define DCM_UID_DEFLATED_LE "1.2.840.10008.1.2.1.99"
#define DCM_UID_EXPLICIT_BE "1.2.840.10008.1.2.2"
#define DCM_UID_RLE "1.2.840.10008.1.2.5"
#define DCM_UID_JPEG_BASELINE "1.2.840.10008.1.2.4.50"
#define DCM_UID_JPEG_LOSSLESS_SV1 "1.2.840.10008.1.2.4.70"
#define DCM_UID_JPEGLS_LOSSLESS "1.2.840.10008.1.2.4.80"
#define DCM_UID_J2K_LOSSLESS "1.2.840.10008.1.2.4.90"
#define DCM_UID_J2K "1.2.840.10008.1.2.4.91"
#define DCM_UID_HTJ2K_LOSSLESS "1.2.840.10008.1.2.4.201"
#define DCM_UID_HTJ2K_LOSSLESS_RPCL "1.2.840.10008.1.2.4.202"

/* NULL when the table does not know it; then treat it as dcm_syntax_unknown() says. */
const struct dcm_syntax *dcm_syntax_find(const char *uid);
/* What an unknown syntax must be taken for: explicit little endian (PS3.5 10: every syntax since
 * 1993 is), encapsulated, opaque. Its uid and name are "". */
const struct dcm_syntax *dcm_syntax_unknown(void);
/* The rows in order, for presentation contexts: i = 0.. until NULL. */
const struct dcm_syntax *dcm_syntax_at(size_t i);

#ifdef __cplusplus
}
#endif
#endif
