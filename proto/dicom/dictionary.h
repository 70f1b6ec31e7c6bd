/* dictionary.h - the value representation of every standard attribute, for implicit little endian.
 * A table of our own and not a library's, because the data set digest depends on it and must give
 * the same result in fifteen years: rows are added, never changed. The table is dictionary.def
 * (PS3.6 and the repeating groups). Threads: a constant table. */
#ifndef RADPOST_DICOM_DICTIONARY_H
#define RADPOST_DICOM_DICTIONARY_H

#include "proto/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DCM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

/* VR of a tag read from implicit little endian, as PS3.5 A.1 has it: OW where the standard says
 * OB or OW, US or SS by pixel representation, UL for a group length, LO for a private creator, UN
 * for other private and for unknown attributes. Two letters. */
const char *dcm_dict_vr(uint32_t tag, bool is_pixel_signed);
/* The length field of this VR in explicit coding has 32 bits (PS3.5 7.1.2); so it is for VRs nobody
 * knows yet. */
bool dcm_vr_is_long(const char *vr);
/* Bytes that change places between little and big endian: 1, 2, 4 or 8. */
unsigned dcm_vr_word(const char *vr);
/* Values are text, padded with a space, UI (padded with zero) excepted. */
bool dcm_vr_is_text(const char *vr);
/* Text to which Specific Character Set applies (PS3.5 6.1.2.2): SH LO ST PN LT UC UT. */
bool dcm_vr_has_charset(const char *vr);

#ifdef __cplusplus
}
#endif
#endif
