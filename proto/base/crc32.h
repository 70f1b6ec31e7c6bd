/* crc32.h - CRC-32 (ISO-HDLC) by carry-less multiplication, where the processor has it.
 * Not for others: zip_crc32() is the door, and works everywhere. */
#ifndef RADPOST_BASE_CRC32_H
#define RADPOST_BASE_CRC32_H

#include "proto/base/base.h"

#define CRC32_FOLD_BYTES 64 /* fewer are not folded */

bool crc32_can_fold(void);
/* Fold n bytes (a multiple of 16, at least CRC32_FOLD_BYTES) that follow data of this crc into 16:
 * the CRC-32 register, begun at zero, ends the same over those 16 as over crc and the n. */
void crc32_fold(uint32_t crc, const uint8_t *bytes, size_t n, uint8_t out[16]);

#endif
