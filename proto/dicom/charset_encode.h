/* charset_encode.h - UTF-8 to the character set that a device can show, for what is sent to it.
 *
 *   word of the device's row   (0008,0005)          how a name goes
 *   "ISO_IR 192"               ISO_IR 192           Wang^XiaoDong=王^小东, UTF-8
 *   "GB18030"                  GB18030              the same (PS3.5 J.3)
 *   "ISO_IR 58"                \ISO 2022 IR 58      the same, GB 2312 behind ESC $)A in each
 *                                                   component and line (PS3.5 6.1.2.5.3, K)
 *   "GBK-AS-IR100"             ISO_IR 100           王小东 in GBK: old consoles on Chinese Windows
 * show the bytes as they are "PINYIN"                   none                 Wang^XiaoDong
 *
 * A character that the set lacks becomes its pinyin, or '?'. So do, for GBK-AS-IR100 only, those
 * whose second byte is \ or (in names) ^: such a console works by bytes and would tear them;
 * whoever declares GB18030 reads characters before it splits, and gets every byte. Values are cut
 * at a whole character: by characters (PS3.5 6.2), for GBK-AS-IR100 by bytes, which is what that
 * console counts. \ becomes /, control characters blanks; line ends stay in ST, LT and UT. Threads:
 * any. */
#ifndef RADPOST_DICOM_CHARSET_ENCODE_H
#define RADPOST_DICOM_CHARSET_ENCODE_H

#include "proto/base/buf.h"

enum dcm_shows {
    DCM_SHOWS_PINYIN,
    DCM_SHOWS_UTF8,
    DCM_SHOWS_GB18030,
    DCM_SHOWS_GBK_AS_LATIN1,
    DCM_SHOWS_IR58,
    DCM_SHOWS
};

/* The word of a device's row; false: none of the above ("" too). */
bool dcm_shows_of(const char *word, enum dcm_shows *out);
/* What a request's own (0008,0005) says its sender can read: Chinese sets only; false for others.
 * declared: as it stands there, n bytes. */
bool dcm_shows_declared(const char *declared, size_t n, enum dcm_shows *out);
/* Value of (0008,0005); "" = leave it out. */
const char *dcm_shows_charset(enum dcm_shows shows);
/* How to read what such a device sends: the profile of charset.h. */
const char *dcm_shows_profile(enum dcm_shows shows);

/* A value of SH, LO, ST, LT, UC or UT, one value. Appended, not padded. */
void dcm_encode_text(enum dcm_shows shows, const char *vr, const char *text, struct buf *out);
/* PN. pinyin: "Wang^XiaoDong"; "" or NULL: made from name. */
void dcm_encode_name(enum dcm_shows shows, const char *name, const char *pinyin, struct buf *out);

#endif
