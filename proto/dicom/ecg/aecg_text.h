/* aecg_text.h - which characters an aECG is written in. Carts in China write GBK, declared as
 * GB2312, GBK or GB18030, or as nothing, UTF-8 or Latin-1; the choice is charset.h's. Pure. */
#ifndef RADPOST_ECG_AECG_TEXT_H
#define RADPOST_ECG_AECG_TEXT_H

#include "proto/dicom/charset.h"

/* Is the file to be brought to UTF-8 by *cs (dcm_charset_decode)? False: expat reads it as it is,
 * *cs is of no use. */
bool aecg_text_choose(const uint8_t *bytes, size_t n, struct dcm_charset *cs);
/* So much of it, up to n, that no character is parted: in the sets that are chosen none has a byte
 * under 0x30 but as its only one. n where there is no such place. */
size_t aecg_text_whole(const uint8_t *bytes, size_t n);

#endif
