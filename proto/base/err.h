/* err.h - what went wrong, as a value on the caller's stack.
 * Filling it never fails and never allocates. The text reads from the outside in:
 * "send entry 7f3a: open segments/0012: Permission denied". Threads: a value belongs to its frame.
 */
#ifndef RADPOST_BASE_ERR_H
#define RADPOST_BASE_ERR_H

#include "proto/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum err_kind {
#define KIND(name, dimse, http, exit_code, level, retry, sentence) name,
#include "proto/base/err_kinds.def"
#undef KIND
};

struct err {
    enum err_kind kind;
    int sys;        /* errno, 0 if none */
    char text[320]; /* one line for operators, no patient data */
};

/* Begin an error; always -1, so that "return err_set(...)" reads well. */
#define err_set(err, kind, ...) ERR_MINUS_1(err_set_text(err, kind, __VA_ARGS__))
/* The same with errno's words appended; ENOSPC, EDQUOT turn the kind into ERR_FULL. */
#define err_sys(err, kind, ...) ERR_MINUS_1(err_sys_text(err, kind, __VA_ARGS__))
/* Put the noun this layer knows in front; -1. */
#define err_context(err, ...) ERR_MINUS_1(err_context_text(err, __VA_ARGS__))

/* Behind them; a compiler that sees the -1 knows that out_ parameters are not looked at. */
#define ERR_MINUS_1(call)                                                                          \
    __extension__({                                                                                \
        call;                                                                                      \
        -1;                                                                                        \
    })
void err_set_text(struct err *err, enum err_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
void err_sys_text(struct err *err, enum err_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
void err_context_text(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *err);

const char *err_kind_name(enum err_kind kind);
const char *err_kind_sentence(enum err_kind kind); /* what peers and browsers may read */
uint16_t err_kind_dimse(enum err_kind kind);
int err_kind_http(enum err_kind kind);
int err_kind_exit(enum err_kind kind);
int err_kind_level(enum err_kind kind); /* enum log_level */
bool err_kind_is_retried(enum err_kind kind);

#ifdef __cplusplus
}
#endif
#endif
