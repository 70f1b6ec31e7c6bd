/* buf.c - a growing row of bytes with a stated limit. */
#include "proto/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){.limit = limit_bytes};
}

void
buf_fini(struct buf *b)
{
    free(b->bytes);
    *b = (struct buf){.limit = b->limit};
}

void
buf_clear(struct buf *b)
{
    b->n = 0;
    b->is_over = false;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
    size_t want;

    if (!size_add(b->n, n, &want) || want > b->limit) {
        b->is_over = true;
        return NULL;
    }
    if (want + 1 > b->room) {
        size_t room = b->room < 256 ? 256 : b->room;

        while (room < want + 1)
            room *= 2;
        b->bytes = mem_grow(b->bytes, room);
        b->room = room;
    }
    return b->bytes + b->n;
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
    uint8_t *at = buf_reserve(b, n);

    if (at == NULL)
        return;
    if (n > 0)
        memcpy(at, bytes, n);
    b->n += n;
}

void
buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void
buf_add_printf(struct buf *b, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        mem_stop();
    buf_add(b, text, (size_t)n);
    free(text);
}

void
buf_add_u8(struct buf *b, uint8_t v)
{
    buf_add(b, &v, 1);
}

void
buf_add_le16(struct buf *b, uint16_t v)
{
    uint8_t p[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

    buf_add(b, p, 2);
}

void
buf_add_le32(struct buf *b, uint32_t v)
{
    uint8_t p[4];

    le32_write(p, v);
    buf_add(b, p, 4);
}

void
buf_add_le64(struct buf *b, uint64_t v)
{
    uint8_t p[8];

    le64_write(p, v);
    buf_add(b, p, 8);
}

bool
buf_is_over(const struct buf *b)
{
    return b->is_over;
}

const char *
buf_text(struct buf *b)
{
    if (b->bytes == NULL)
        return "";
    b->bytes[b->n] = '\0';
    return (const char *)b->bytes;
}

uint8_t *
buf_take(struct buf *b, size_t *out_n)
{
    uint8_t *bytes = TAKE(b->bytes);

    *out_n = b->n;
    buf_init(b, b->limit);
    return bytes;
}
