/* log.c - write one event as one line with one write(2). */
#include "proto/base/log.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct line {
    char text[2048];
    size_t n;
};

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
static _Atomic int least_level = LOG_INFO;
static _Atomic int out_fd = 2;

__attribute__((format(printf, 2, 3))) static void
add(struct line *line, const char *format, ...)
{
    va_list args;
    int k;

    va_start(args, format);
    k = vsnprintf(line->text + line->n, sizeof line->text - 1 - line->n, format, args);
    va_end(args);
    if (k > 0)
        line->n += (size_t)k < sizeof line->text - 1 - line->n ? (size_t)k
                                                               : sizeof line->text - 2 - line->n;
}

/* Whatever a peer put into a word stays on one line and inside its quotes. */
static void
add_word(struct line *line, const char *key, const char *word)
{
    add(line, " %s=", key);
    for (size_t i = 0; word[i] != '\0' && i < 256; i++)
        add(line, "%c", isgraph((unsigned char)word[i]) && word[i] != '=' ? word[i] : '_');
}

static void
add_context(struct line *line, const struct log_ctx *ctx)
{
    if (ctx->tenant != NULL)
        add_word(line, "tenant", ctx->tenant);
    if (ctx->peer != NULL)
        add_word(line, "peer", ctx->peer);
    if (ctx->peer_ae != NULL)
        add_word(line, "ae", ctx->peer_ae);
    if (ctx->association != 0)
        add(line, " assoc=%" PRIu64, ctx->association);
    if (ctx->entry != 0)
        add(line, " entry=%" PRIu64, ctx->entry);
}

static void
add_error(struct line *line, const struct err *err)
{
    add(line, " kind=%s error=\"", err_kind_name(err->kind));
    for (size_t i = 0; err->text[i] != '\0'; i++)
        add(line, "%c",
            err->text[i] == '"' || (unsigned char)err->text[i] < 32 ? '\'' : err->text[i]);
    add(line, "\"");
}

static void
add_field(struct line *line, const struct log_field *field)
{
    char hex[65];
    size_t n = field->number < 32 ? field->number : 32;

    switch (field->type) {
    case LOG_F_NUMBER:
    case LOG_F_BYTES:
        add(line, " %s=%" PRIu64, field->key, field->number);
        break;
    case LOG_F_MS:
        add(line, " %s=%" PRIu64 "ms", field->key, field->number);
        break;
    case LOG_F_WORD:
    case LOG_F_UID:
        add_word(line, field->key, field->text != NULL ? field->text : "-");
        break;
    case LOG_F_HEX:
        hex_encode(field->bytes, n, hex);
        add(line, " %s=%s", field->key, hex);
        break;
    case LOG_F_ERR:
        add_error(line, field->bytes);
        break;
    case LOG_F_END:
        break;
    }
}

void
log_write(const struct log_ctx *ctx, const struct log_event *event, const struct log_field *fields)
{
    struct line line = {.n = 0};
    char when[40];
    int level = (int)event->level;
    int fd = out_fd;

    for (const struct log_field *f = fields; f->type != LOG_F_END; f++)
        if (f->type == LOG_F_ERR && err_kind_level(((const struct err *)f->bytes)->kind) > level)
            level = err_kind_level(((const struct err *)f->bytes)->kind);
    if (level < least_level || fd < 0)
        return;
    clock_text(clock_wall_us(), when);
    add(&line, "%s %s %s %s", when, level_names[level], ctx->stage != NULL ? ctx->stage : "-",
        event->name);
    add_context(&line, ctx);
    for (const struct log_field *f = fields; f->type != LOG_F_END; f++)
        add_field(&line, f);
    line.text[line.n++] = '\n';
    if (write(fd, line.text, line.n) < 0)
        return; /* standard error is gone: there is nobody left to tell */
}

void
log_set_level(enum log_level least)
{
    least_level = (int)least;
}

void
log_set_fd(int fd)
{
    out_fd = fd;
}
