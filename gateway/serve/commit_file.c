/* commit_file.c - a commitment transaction as bytes: docs/formats/serve.md. */
#include "gateway/serve/commit_file.h"

#include "proto/base/text.h"
#include "proto/base/zip.h"

#include <stdlib.h>
#include <string.h>

enum { MAJOR = 1, MINOR = 0, HEAD_BYTES = 52, TAIL_BYTES = 8 };
static const char magic[4] = "RPCT", end_mark[4] = "TCPR";

void
commit_free(struct commit **commit)
{
    struct commit *c = TAKE(*commit);

    if (c == NULL)
        return;
    free(c->refs);
    free(c);
}

static void
add_text(struct buf *out, const char *text)
{
    size_t n = strlen(text);

    buf_add_u8(out, (uint8_t)n);
    buf_add(out, text, n);
}

void
commit_write(const struct commit *c, struct buf *out)
{
    size_t start = out->n;

    buf_add(out, magic, sizeof magic);
    buf_add_u8(out, MAJOR);
    buf_add_u8(out, MINOR);
    buf_add_le16(out, (uint16_t)c->state);
    buf_add_le64(out, c->number);
    buf_add_le64(out, (uint64_t)c->asked_at_us);
    buf_add_le64(out, c->grace_used_ms);
    buf_add_le64(out, c->tried_ms);
    buf_add_le32(out, c->attempts);
    buf_add_le32(out, (uint32_t)c->n);
    buf_add_le32(out, 0);
    add_text(out, c->transaction);
    add_text(out, c->ae);
    add_text(out, c->address);
    add_text(out, c->called);
    add_text(out, c->trouble);
    for (size_t i = 0; i < c->n; i++) {
        add_text(out, c->refs[i].sop_class);
        add_text(out, c->refs[i].sop_instance);
        buf_add_le16(out, c->refs[i].verdict);
    }
    buf_add(out, end_mark, sizeof end_mark);
    if (!buf_is_over(out))
        buf_add_le32(out, zip_crc32(0, out->bytes + start, out->n - start));
}

struct reader {
    const uint8_t *at, *end;
};

static bool
take_text(struct reader *r, char *out, size_t out_size)
{
    size_t n;

    if (r->at == r->end)
        return false;
    n = *r->at++;
    if (n >= out_size || n > (size_t)(r->end - r->at) || memchr(r->at, 0, n) != NULL)
        return false;
    memcpy(out, r->at, n);
    out[n] = 0;
    r->at += n;
    return true;
}

static bool
take_refs(struct reader *r, struct commit *c, size_t n)
{
    c->refs = mem_new((n + 1) * sizeof c->refs[0]);
    for (c->n = 0; c->n < n; c->n++) {
        struct commit_ref *ref = &c->refs[c->n];

        if (!take_text(r, ref->sop_class, sizeof ref->sop_class) ||
            !take_text(r, ref->sop_instance, sizeof ref->sop_instance) || r->end - r->at < 2)
            return false;
        ref->verdict = le16_read(r->at);
        r->at += 2;
        if (!uid_is_valid(ref->sop_class, true) || !uid_is_valid(ref->sop_instance, true))
            return false;
    }
    return n > 0;
}

static bool
read_body(const uint8_t *bytes, size_t n, struct commit *c)
{
    struct reader r = {bytes + HEAD_BYTES, bytes + n - TAIL_BYTES};
    uint32_t refs = le32_read(bytes + 44);

    c->state = (enum commit_state)le16_read(bytes + 6);
    c->number = le64_read(bytes + 8);
    c->asked_at_us = (int64_t)le64_read(bytes + 16);
    c->grace_used_ms = le64_read(bytes + 24);
    c->tried_ms = le64_read(bytes + 32);
    c->attempts = le32_read(bytes + 40);
    return c->state >= COMMIT_OPEN && c->state <= COMMIT_GIVEN_UP && refs <= COMMIT_REFS_MOST &&
           take_text(&r, c->transaction, sizeof c->transaction) &&
           take_text(&r, c->ae, sizeof c->ae) && take_text(&r, c->address, sizeof c->address) &&
           take_text(&r, c->called, sizeof c->called) &&
           take_text(&r, c->trouble, sizeof c->trouble) && uid_is_valid(c->transaction, true) &&
           take_refs(&r, c, refs);
}

int
commit_read(const uint8_t *bytes, size_t n, struct commit **out, struct err *err)
{
    struct commit *c;

    if (n < HEAD_BYTES + TAIL_BYTES || memcmp(bytes, magic, sizeof magic) != 0)
        return err_set(err, ERR_REJECT, "not a commitment transaction");
    if (bytes[4] != MAJOR)
        return err_set(err, ERR_CONFLICT, "a commitment transaction of version %u", bytes[4]);
    if (memcmp(bytes + n - TAIL_BYTES, end_mark, sizeof end_mark) != 0 ||
        zip_crc32(0, bytes, n - 4) != le32_read(bytes + n - 4))
        return err_set(err, ERR_REJECT, "commitment transaction is torn or rotten");
    c = mem_new(sizeof *c);
    if (!read_body(bytes, n, c)) {
        commit_free(&c);
        return err_set(err, ERR_REJECT, "commitment transaction makes no sense");
    }
    *out = c;
    return 0;
}
