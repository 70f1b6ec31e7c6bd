/* zip.h - checksum and deflate, bounded. Pure functions. */
#ifndef RADPOST_BASE_ZIP_H
#define RADPOST_BASE_ZIP_H

#include "proto/base/buf.h"

/* CRC-32 (ISO-HDLC, the one of ZIP); start with 0, feed on. */
uint32_t zip_crc32(uint32_t crc, const void *bytes, size_t n);
/* Raw deflate (no header) appended to out. level 1..9. */
int zip_deflate(const void *bytes, size_t n, int level, struct buf *out,
                struct err *err) MUST_CHECK;
/* Raw inflate appended to out; out's limit is the bomb's end: ERR_REJECT past it, or when the
 * stream is broken, or when bytes follow its end. */
int zip_inflate(const void *bytes, size_t n, struct buf *out, struct err *err) MUST_CHECK;
/* The same, but what follows the end of the stream is let through and its offset told (DICOM pads).
 */
int zip_inflate_prefix(const void *bytes, size_t n, struct buf *out, size_t *out_used,
                       struct err *err) MUST_CHECK;

#endif
