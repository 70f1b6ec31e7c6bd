/* person.h - do two descriptions of a patient speak of two people: what images say of theirs
 * against what was registered, a report against an order. Patient data: never logged.
 * Threads: pure functions. */
#ifndef RADPOST_MODEL_PERSON_H
#define RADPOST_MODEL_PERSON_H

#include "proto/base/base.h"

/* UTF-8, never NULL; "" is not known. */
struct person {
    const char *name;  /* as people write it: report_pdf_person_name() */
    const char *sex;   /* M F; others say nothing */
    const char *birth; /* YYYYMMDD */
};

enum person_names {
    PERSON_NAMES_OPEN, /* one is not known (无名氏 ...), or in another script: 王小东, Wang XiaoDong
                        */
    PERSON_NAMES_ALIKE,
    PERSON_NAMES_DIFFER,
};

/* Blanks, dots, full-width forms and the case of letters do not matter. */
enum person_names person_names(const char *a, const char *b);
/* Another sex, another birth date, or another name; what is not known contradicts nothing. */
bool person_differ(const struct person *a, const struct person *b);
/* A patient's number as typed at a device: without blanks and zeros in front, in upper case; cut at
 * size. */
void person_number(const char *typed, char *out, size_t size);

#endif
