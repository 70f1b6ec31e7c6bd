/* multipart.c - the bytes of an answer: parts that are made one after the other. */
#include "storage/serve/multipart.h"

#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOUNDARY = 41, PREAMBLE = 128, MAGIC = 0x4D505254 };

/* START > (HEAD > BODY)* > TAIL > END */
enum step { STEP_NEXT, STEP_HEAD, STEP_BODY, STEP_TAIL, STEP_END };

struct multipart {
    uint32_t magic;
    bool is_multipart;
    bool has_begun;
    part_next_fn next;
    void (*free_user)(void *);
    void *user;
    char boundary[BOUNDARY];
    enum step step;
    char words[MULTIPART_TYPE + MULTIPART_LOCATION + 128]; /* boundary and headers, or the tail */
    size_t words_n, words_at;
    struct part part;
    bool has_part;
    uint64_t at;
};

void
part_fini(struct part *part)
{
    free(part->bytes);
    keep_proof_free(&part->proof);
    if (part->bytes == NULL && part->fd >= 0)
        close(part->fd);
    if (part->leaving != NULL)
        dcm_leaving_close(part->leaving);
    free(part->leaving);
    part->bytes = NULL;
    part->leaving = NULL;
    part->fd = -1;
}

struct multipart *
multipart_new(bool is_multipart, part_next_fn next, void (*free_user)(void *), void *user)
{
    struct multipart *m = mem_new(sizeof *m);
    uint8_t noise[16];

    m->magic = MAGIC;
    m->is_multipart = is_multipart;
    m->next = next;
    m->free_user = free_user;
    m->user = user;
    /* 128 random bits: no stored byte can pose as the boundary. */
    random_bytes(noise, sizeof noise);
    memcpy(m->boundary, "radpost-", 8);
    hex_encode(noise, sizeof noise, m->boundary + 8);
    return m;
}

void
multipart_type(const struct multipart *m, const char *part_type, char *out, size_t size)
{
    snprintf(out, size, "multipart/related; type=\"%s\"; boundary=%s", part_type, m->boundary);
}

/* The headers of a part; the first boundary stands without a line break before it. */
static size_t
write_head(const struct multipart *m, const struct part *part, bool is_first, char *out,
           size_t size)
{
    int n = snprintf(out, size, "%s--%s\r\nContent-Type: %s\r\n%s%s%s\r\n", is_first ? "" : "\r\n",
                     m->boundary, part->type, part->location[0] ? "Content-Location: " : "",
                     part->location, part->location[0] ? "\r\n" : "");

    CHECK(n > 0 && (size_t)n < size);
    return (size_t)n;
}

uint64_t
multipart_size(const struct multipart *m, const struct part *parts, size_t n)
{
    char words[sizeof m->words];
    uint64_t size = m->is_multipart ? strlen(m->boundary) + 8 : 0;

    for (size_t i = 0; i < n; i++)
        size += parts[i].size +
                (m->is_multipart ? write_head(m, &parts[i], i == 0, words, sizeof words) : 0);
    return size;
}

/* Get the next part, and the words that stand before it. */
static int
step_next(struct multipart *m, struct err *err)
{
    struct part part = {.fd = -1};
    int got = !m->is_multipart && m->has_begun ? 0 : m->next(m->user, &part, err);

    if (got < 0)
        return -1;
    m->words_n = m->words_at = 0;
    if (got == 0) {
        /* An answer of parts has at least one: without, the caller had answered otherwise. */
        if (!m->has_begun)
            return err_set(err, ERR_RETRY, "what was to be sent is gone");
        if (m->is_multipart)
            m->words_n = (size_t)snprintf(m->words, sizeof m->words, "\r\n--%s--\r\n", m->boundary);
        m->step = STEP_TAIL;
        return 0;
    }
    if (m->is_multipart)
        m->words_n = write_head(m, &part, !m->has_begun, m->words, sizeof m->words);
    m->has_begun = true;
    m->part = part;
    m->has_part = true;
    m->at = 0;
    m->step = STEP_HEAD;
    return 0;
}

/* Some of its bytes, at least one: n > 0 and at + n inside it. */
static int
read_part(const struct part *part, uint64_t at, uint8_t *bytes, size_t n, size_t *out_n,
          struct err *err)
{
    ssize_t got;

    *out_n = n;
    if (part->bytes != NULL) {
        memcpy(bytes, part->bytes + part->offset + at, n);
        return 0;
    }
    if (part->leaving != NULL)
        return dcm_leaving_read(part->leaving, bytes, n, part->offset + at, err);
    do
        got = pread(part->fd, bytes, n, (off_t)(part->offset + at));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_sys(err, ERR_RETRY, "read a part");
    if (got == 0)
        return err_set(err, ERR_RETRY, "a stored file is shorter than it was");
    *out_n = (size_t)got;
    return 0;
}

/* A preamble that is no TIFF header (II*0, MM0*, BigTIFF) becomes zeros. */
static int
clean_preamble(const struct part *part, uint64_t at, uint8_t *bytes, size_t n, struct err *err)
{
    uint8_t first[4];
    size_t got = 4;

    if (!part->is_part10 || at >= PREAMBLE || part->size < PREAMBLE)
        return 0;
    if (at == 0 && n >= 4)
        memcpy(first, bytes, 4);
    else if (read_part(part, 0, first, 4, &got, err) < 0)
        return -1;
    if (got != 4)
        return err_set(err, ERR_RETRY, "a stored file is shorter than it was");
    if (memcmp(first, "II*\0", 4) == 0 || memcmp(first, "MM\0*", 4) == 0 ||
        memcmp(first, "II+\0", 4) == 0 || memcmp(first, "MM\0+", 4) == 0)
        return 0;
    memset(bytes, 0, n < PREAMBLE - at ? n : (size_t)(PREAMBLE - at));
    return 0;
}

static int
step_body(struct multipart *m, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    const struct part *part = &m->part;
    uint64_t left = part->size - m->at;
    size_t take = left < n ? (size_t)left : n;
    int rc;

    if (take == 0) {
        part_fini(&m->part);
        m->has_part = false;
        m->step = STEP_NEXT;
        *out_n = 0;
        return 0;
    }
    rc = read_part(part, m->at, bytes, take, &take, err);
    if (part->proof != NULL)
        rc = keep_proof_see(part->proof, bytes, rc < 0 ? 0 : take, err);
    if (rc < 0)
        return -1;
    if (clean_preamble(part, m->at, bytes, take, err) < 0)
        return -1;
    m->at += take;
    *out_n = take;
    return 0;
}

static size_t
step_words(struct multipart *m, enum step after, uint8_t *bytes, size_t n)
{
    size_t left = m->words_n - m->words_at, take = left < n ? left : n;

    memcpy(bytes, m->words + m->words_at, take);
    m->words_at += take;
    if (m->words_at == m->words_n)
        m->step = after;
    return take;
}

int
multipart_read(void *multipart, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct multipart *m = multipart;
    size_t done = 0, got = 0;

    CHECK(m->magic == MAGIC);
    while (done < n && m->step != STEP_END) {
        got = 0;
        if (m->step == STEP_NEXT) {
            /* What is ready leaves before the next part, which may take long to make. */
            if (done > 0)
                break;
            if (step_next(m, err) < 0)
                return -1;
        } else if (m->step == STEP_HEAD)
            got = step_words(m, STEP_BODY, bytes + done, n - done);
        else if (m->step == STEP_TAIL)
            got = step_words(m, STEP_END, bytes + done, n - done);
        else if (step_body(m, bytes + done, n - done, &got, err) < 0)
            return -1;
        done += got;
    }
    *out_n = done;
    return 0;
}

void
multipart_free(void *multipart)
{
    struct multipart *m = multipart;

    if (m == NULL)
        return;
    CHECK(m->magic == MAGIC);
    if (m->has_part)
        part_fini(&m->part);
    if (m->free_user != NULL)
        m->free_user(m->user);
    m->magic = 0;
    free(m);
}
