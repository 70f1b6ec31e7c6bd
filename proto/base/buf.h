/* buf.h - a growing row of bytes with a stated limit; also a place for little numbers and text.
 * Past its limit a buf drops what is added and remembers it: check buf_is_over() once at the end.
 * Threads: a buf belongs to its owner. */
#ifndef RADPOST_BASE_BUF_H
#define RADPOST_BASE_BUF_H

#include "proto/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct buf {
    uint8_t *bytes;
    size_t n;
    size_t room;
    size_t limit;
    bool is_over;
};

void buf_init(struct buf *b, size_t limit_bytes);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_text(struct buf *b, const char *text);
void buf_add_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_le16(struct buf *b, uint16_t v);
void buf_add_le32(struct buf *b, uint32_t v);
void buf_add_le64(struct buf *b, uint64_t v);
/* Room for n more bytes at the end, NULL past the limit; commit with b->n += used. */
uint8_t *buf_reserve(struct buf *b, size_t n);
bool buf_is_over(const struct buf *b);
/* The bytes as zero-ended text (the zero is not counted). */
const char *buf_text(struct buf *b);
/* Hand the memory over (free) and empty the buf. */
uint8_t *buf_take(struct buf *b, size_t *out_n);

static inline uint16_t
le16_read(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
le32_read(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t
le64_read(const uint8_t *p)
{
    return (uint64_t)le32_read(p) | (uint64_t)le32_read(p + 4) << 32;
}

static inline void
le32_write(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void
le64_write(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

#ifdef __cplusplus
}
#endif
#endif
