/* scp_parts.c - bounded reads, CRC and Huffman code of SCP-ECG (EN 1064 5.2, 5.5, annex C). */
#include "proto/dicom/ecg/scp_parts.h"

#include <string.h>

enum { DEFAULT_TABLE = 19999 };

uint32_t
scp_read(struct scp_reader *r, unsigned bytes)
{
    const uint8_t *p = scp_skip(r, bytes);
    uint32_t v = 0;

    for (unsigned i = 0; p != NULL && i < bytes; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

const uint8_t *
scp_skip(struct scp_reader *r, size_t n)
{
    const uint8_t *p = r->bytes + r->at;

    if (r->is_over || n > r->n - r->at) {
        r->is_over = true;
        return NULL;
    }
    r->at += n;
    return p;
}

uint16_t
scp_crc(const uint8_t *bytes, size_t n)
{
    uint16_t crc = 0xFFFF;

    for (size_t i = 0; i < n; i++) {
        crc ^= (uint16_t)(bytes[i] << 8);
        for (int k = 0; k < 8; k++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

/* The file writes a prefix with its first bit lowest. */
static uint32_t
reversed(uint32_t code, unsigned bits)
{
    uint32_t out = 0;

    for (unsigned i = 0; i < bits; i++)
        out |= (code >> i & 1) << (bits - 1 - i);
    return out;
}

/* 0 is "0"; n is n ones and "00", -n is n ones and "01"; the two prefixes that are left are
 * followed by the number itself in 8 or 16 bits (EN 1064 annex C). */
void
scp_huffman_default(struct scp_huffman *h)
{
    struct scp_code *c = h->tables[0].codes;

    memset(h, 0, sizeof *h);
    h->table_count = 1;
    *c++ = (struct scp_code){.prefix_bits = 1, .bits = 1, .is_value = true};
    for (int v = 1; v <= 8; v++) {
        uint8_t bits = (uint8_t)(v + 2);
        uint32_t ones = (1u << v) - 1;

        *c++ = (struct scp_code){bits, bits, true, (int16_t)v, ones << 2};
        *c++ = (struct scp_code){bits, bits, true, (int16_t)-v, ones << 2 | 1};
    }
    *c++ = (struct scp_code){10, 18, true, 0, 0x3FE};
    *c++ = (struct scp_code){10, 26, true, 0, 0x3FF};
    h->tables[0].count = (unsigned)(c - h->tables[0].codes);
}

int
scp_huffman_read(struct scp_reader *r, struct scp_huffman *out, struct err *err)
{
    uint32_t tables = scp_read(r, 2);

    if (tables == DEFAULT_TABLE) {
        scp_huffman_default(out);
        return 0;
    }
    if (tables == 0 || tables > SCP_TABLES)
        return err_set(err, ERR_REJECT, "SCP-ECG: %u Huffman tables", tables);
    memset(out, 0, sizeof *out);
    out->table_count = tables;
    for (uint32_t t = 0; t < tables; t++) {
        uint32_t count = scp_read(r, 2);

        if (count == 0 || count > SCP_CODES)
            return err_set(err, ERR_REJECT, "SCP-ECG: %u Huffman codes", count);
        out->tables[t].count = count;
        for (uint32_t i = 0; i < count; i++) {
            struct scp_code *c = &out->tables[t].codes[i];

            c->prefix_bits = (uint8_t)scp_read(r, 1);
            c->bits = (uint8_t)scp_read(r, 1);
            c->is_value = scp_read(r, 1) != 0;
            c->base = (int16_t)scp_read(r, 2);
            if (c->prefix_bits == 0 || c->prefix_bits > 32 || c->bits < c->prefix_bits ||
                c->bits - c->prefix_bits > 32)
                return err_set(err, ERR_REJECT, "SCP-ECG: a Huffman code of %u bits", c->bits);
            if (!c->is_value && (c->base < 1 || (unsigned)c->base > tables))
                return err_set(err, ERR_REJECT, "SCP-ECG: no Huffman table %d", c->base);
            c->prefix = reversed(scp_read(r, 4), c->prefix_bits);
        }
    }
    return r->is_over ? err_set(err, ERR_REJECT, "SCP-ECG: Huffman tables end early") : 0;
}

struct bits {
    const uint8_t *bytes;
    size_t n;  /* bits */
    size_t at; /* bits */
};

/* The next 32 bits, the first one highest; zeros behind the end. */
static uint32_t
window(const struct bits *b)
{
    uint64_t v = 0;

    for (size_t i = b->at / 8, k = 0; k < 5; i++, k++)
        v = v << 8 | (i < b->n / 8 ? b->bytes[i] : 0u);
    return (uint32_t)(v >> (8 - b->at % 8));
}

static const struct scp_code *
next_code(const struct scp_huffman *h, unsigned table, const struct bits *b)
{
    uint32_t ahead = window(b);

    for (unsigned i = 0; i < h->tables[table].count; i++) {
        const struct scp_code *c = &h->tables[table].codes[i];

        if (c->bits <= b->n - b->at && ahead >> (32 - c->prefix_bits) == c->prefix)
            return c;
    }
    return NULL;
}

int
scp_huffman_decode(const struct scp_huffman *h, const uint8_t *bytes, size_t n, int32_t *out,
                   uint32_t count, struct err *err)
{
    struct bits b = {.bytes = bytes, .n = n * 8};
    unsigned table = 0;

    for (uint32_t i = 0; i < count;) {
        const struct scp_code *c = next_code(h, table, &b);
        unsigned extra;
        uint32_t v;

        if (c == NULL)
            return err_set(err, ERR_REJECT, "SCP-ECG: a lead's code ends at sample %u of %u", i,
                           count);
        b.at += c->prefix_bits;
        extra = (unsigned)(c->bits - c->prefix_bits);
        v = extra != 0 ? window(&b) >> (32 - extra) : 0;
        b.at += extra;
        if (!c->is_value) {
            table = (unsigned)c->base - 1;
            continue;
        }
        if (extra != 0 && extra < 32 && v >> (extra - 1) != 0)
            v |= ~0u << extra; /* two's complement */
        out[i++] = (int32_t)((uint32_t)c->base + v);
    }
    return 0;
}

/* What no longer fits 16 bits was not coded by the standard's rules. */
int
scp_undo_difference(int32_t *v, uint32_t count, unsigned order, struct err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t x = v[i];

        if (order == 1 && i >= 1)
            x += v[i - 1];
        else if (order == 2 && i >= 2)
            x += 2 * (int64_t)v[i - 1] - v[i - 2];
        if (x < INT16_MIN || x > INT16_MAX)
            return err_set(err, ERR_REJECT, "SCP-ECG: sample %u does not fit 16 bits", i);
        v[i] = (int32_t)x;
    }
    return 0;
}
