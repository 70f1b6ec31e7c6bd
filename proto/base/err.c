/* err.c - fill and read a struct err; one table maps a kind to what each caller answers. */
#include "proto/base/err.h"

#include "proto/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct kind_row {
    const char *name;
    const char *sentence;
    uint16_t dimse;
    int http;
    int exit_code;
    int level;
    bool is_retried;
};

static const struct kind_row kinds[] = {
#define KIND(name, dimse, http, exit_code, level, retry, sentence)                                 \
    {#name, sentence, dimse, http, exit_code, level, retry},
#include "proto/base/err_kinds.def"
#undef KIND
};

static const struct kind_row *
row(enum err_kind kind)
{
    CHECK((size_t)kind < ARRAY_LEN(kinds));
    return &kinds[kind];
}

void
err_set_text(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list args;

    err->kind = kind;
    err->sys = 0;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
}

void
err_sys_text(struct err *err, enum err_kind kind, const char *format, ...)
{
    int sys = errno;
    char words[96];
    va_list args;
    size_t n;

    err->kind = sys == ENOSPC || sys == EDQUOT ? ERR_FULL : kind;
    err->sys = sys;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(sys, words, sizeof words));
}

void
err_context_text(struct err *err, const char *format, ...)
{
    char inner[sizeof err->text];
    va_list args;
    size_t n;

    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", inner);
}

void
err_clear(struct err *err)
{
    *err = (struct err){.kind = ERR_NONE};
}

const char *
err_kind_name(enum err_kind kind)
{
    return row(kind)->name;
}

const char *
err_kind_sentence(enum err_kind kind)
{
    return row(kind)->sentence;
}

uint16_t
err_kind_dimse(enum err_kind kind)
{
    return row(kind)->dimse;
}

int
err_kind_http(enum err_kind kind)
{
    return row(kind)->http;
}

int
err_kind_exit(enum err_kind kind)
{
    return row(kind)->exit_code;
}

int
err_kind_level(enum err_kind kind)
{
    return row(kind)->level;
}

bool
err_kind_is_retried(enum err_kind kind)
{
    return row(kind)->is_retried;
}
