/* citizen_id.h - the citizen identity number of GB 11643-1999: 17 digits and a check sign.
 *
 *     11010519491231002X       region 110105, born 1949-12-31, order 002 (even: female), check X
 * The 15-digit form of before 1999 has no check sign; it is read and completed, and said to be so.
 * Nothing here keeps or logs a number; errors and faults never hold it. Threads: pure functions. */
#ifndef RADPOST_MODEL_CITIZEN_ID_H
#define RADPOST_MODEL_CITIZEN_ID_H

#include "proto/base/err.h"

enum { CITIZEN_ID_BYTES = 19 };

struct citizen_id {
    char text[CITIZEN_ID_BYTES]; /* 18 signs, X in upper case */
    char region[7];              /* GB/T 2260 code of the place that issued it */
    char birth[9];               /* YYYYMMDD */
    char sex;                    /* 'M' or 'F' (DICOM's letters) */
    bool is_old;                 /* typed in the 15-digit form: nothing was checked but the date */
};

enum citizen_id_fault {
    CITIZEN_ID_FINE,
    CITIZEN_ID_LENGTH, /* not 18 (or 15) signs */
    CITIZEN_ID_SIGN,   /* a sign that is no digit (or X at the end) */
    CITIZEN_ID_REGION, /* no such province */
    CITIZEN_ID_BIRTH,  /* no such day, or one to come */
    CITIZEN_ID_CHECK,  /* the check sign does not fit: something is mistyped */
};

/* Read what was typed; blanks, hyphens, lower case and full-width forms do not matter. today is
 * YYYYMMDD, "" not to ask. *out is set when the answer is CITIZEN_ID_FINE. */
enum citizen_id_fault citizen_id_read(const char *typed, const char *today, struct citizen_id *out);
/* "length" "sign" "region" "birth" "check": the pages find their words by it. */
const char *citizen_id_fault_word(enum citizen_id_fault fault);
/* A day of the calendar as YYYYMMDD, 1800 to 2199. */
bool citizen_id_is_day(const char *text);

#endif
