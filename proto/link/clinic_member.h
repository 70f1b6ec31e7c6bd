/* clinic_member.h - one member of a clinic's message: how it looks in the struct and in JSON.
 * proto/link/clinic.c's own. */
#ifndef RADPOST_LINK_CLINIC_MEMBER_H
#define RADPOST_LINK_CLINIC_MEMBER_H

#include "proto/base/err.h"

struct json;
struct jsonw;

/* How a member looks, in the struct and in JSON. */
enum clinic_shape {
    ID,
    REGISTRATION,
    UID,
    LINE,  /* UTF-8 without control characters */
    WORDS, /* the same with line breaks */
    WORD,  /* letters, digits and _ */
    DAY,
    PHONE,
    DIGITS,
    CITIZEN,
    SEX,
    HASH,
    TRUTH,
    COUNT,  /* uint32_t */
    NUMBER, /* int64_t, not negative */
    TIME,   /* int64_t */
};

enum clinic_due { MAY_BE_EMPTY, IS_DUE };

struct clinic_member {
    const char *key;
    enum clinic_shape shape;
    enum clinic_due due;
    unsigned kinds; /* a bit a kind */
    size_t offset, size;
};

/* errors  ERR_REJECT with the member's name, never its content */
int clinic_member_read(const struct json *o, const struct clinic_member *m, void *out,
                       struct err *err) MUST_CHECK;
void clinic_member_write(struct jsonw *w, const struct clinic_member *m, const void *from);
/* Letters, digits and _ only. */
bool clinic_is_word(const char *text);

#endif
