/* pinyin.h - Chinese text in Latin letters, for devices that show nothing else: the one door to
 * ICU. Names: surname and given name parted by ^, each syllable with a capital (PS3.5 J.3): 王小东
 * > Wang^XiaoDong; surnames as they are read as surnames (单 Shan, 仇 Qiu, 尉迟 YuChi); ü is
 * written yu after l and n (GB/T 28039: 吕 > Lyu), as in passports. Names of several parts
 * (买买提·艾力) part at the dot. The tables cost some 4 MiB from the first call on. Threads:
 * any; one at a time works. */
#ifndef RADPOST_DICOM_PINYIN_H
#define RADPOST_DICOM_PINYIN_H

#include "proto/base/buf.h"

/* A person's name, UTF-8, as written (perhaps with ^ already). ASCII comes back as it is. What has
 * no reading becomes '?', and then the answer is false. out is ASCII, cut at a syllable if need be.
 */
bool pinyin_name(const char *name, char *out, size_t size);
/* Surname and given name of a Chinese name parted by ^: 王小东 > 王^小东. Others come back as they
 * are, blanks behind Han, however many and wide, as one ^. */
void pinyin_part(const char *name, char *out, size_t size);
/* Any text: ASCII stays, Han become syllables, full-width signs their narrow forms, line ends stay;
 * blanks of any kind are blanks, signs that show nothing nothing; the rest is '?'. Appended to out.
 */
bool pinyin_text(const char *text, size_t n, struct buf *out);
/* Two ways to write the same (Zhang^San, ZHANG SAN, zhang san): letters in lower case, nothing
 * else, no blanks of any width; lyu, lv, lu alike. * and ? stay. */
void pinyin_fold(const char *name, char *out, size_t size);
/* Traditional signs as simplified ones (王小東 > 王小东); all else stays. false: too long, or no
 * data.
 */
bool pinyin_simplify(const char *text, char *out, size_t size);
/* Is latin how han is read, its surname first or last? false: what has no reading; two in one
 * script. */
bool pinyin_is_reading(const char *latin, const char *han);

#endif
