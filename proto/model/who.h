/* who.h - do two descriptions of a patient speak of two people: what images say of theirs
 * against what was registered, a report against an order. Patient data: never logged.
 * Threads: any; two names in Han that differ wait for pinyin.h. */
#ifndef RADPOST_MODEL_WHO_H
#define RADPOST_MODEL_WHO_H

#include "proto/base/base.h"

/* UTF-8, never NULL; "" is not known. */
struct who {
    const char *name;  /* as people write it: report_pdf_person_name() */
    const char *sex;   /* M F; others say nothing */
    const char *birth; /* YYYYMMDD */
};

enum who_names {
    /* one is not known (无名氏 ...), or in another script: 王小东, Wang XiaoDong, 王小東 */
    WHO_NAMES_OPEN,
    WHO_NAMES_ALIKE,
    WHO_NAMES_DIFFER,
};

/* Blanks, dots, signs that show nothing, full-width forms and the case of letters do not matter,
 * nor what begins with no Han behind a whole name in Han: 王小东12床. A name as a device is told it
 * whose character set lacks a sign is open: ?野家 for 𠮷野家, M?ller for Müller, 王Jie for 王㛃; a
 * "?" for a sign that has a reading is none of ours. */
enum who_names who_names(const char *a, const char *b);
/* Another name, also in another script: Li Si is not how 王小东 is read, Wang XiaoDong and XiaoDong
 * Wang are. What is not known, or has no reading, is no other. */
bool who_is_other_name(const char *a, const char *b);
/* Another sex, another birth date, or another name; what is not known contradicts nothing, nor does
 * the first of January (made from an age) a day of its own year, the one before or the next. */
bool who_differ(const struct who *a, const struct who *b);
/* A patient's number as typed at a device: without blanks and zeros in front, in upper case; cut at
 * size. */
void who_number(const char *typed, char *out, size_t size);

#endif
