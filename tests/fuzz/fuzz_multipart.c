/* fuzz_multipart.c - a multipart body gives the same parts whole and cut into pieces. The first
 * byte is the size of a piece, then comes the boundary's line, then the body. */
#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proto/http/multipart_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int
on_begin(void *user, const struct multipart_part *part, struct err *err)
{
    (void)err;
    buf_add_printf(user, "<%s|%s|%s|%s>", part->type, part->location, part->id, part->encoding);
    return 0;
}

static int
on_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)err;
    CHECK(n > 0);
    buf_add(user, bytes, n);
    return 0;
}

static int
on_end(void *user, struct err *err)
{
    (void)err;
    buf_add_text(user, "</>");
    return 0;
}

static int
read_body(const char *type, const uint8_t *bytes, size_t n, size_t piece, struct buf *out)
{
    static const struct multipart_events events = {on_begin, on_bytes, on_end};
    struct multipart_reader *r = NULL;
    char inner[64];
    struct err err;
    int rc = multipart_reader_new(type, &events, out, inner, &r, &err);

    for (size_t at = 0; rc == 0 && at < n; at += piece)
        rc = multipart_reader_feed(r, bytes + at, n - at < piece ? n - at : piece, &err);
    if (rc == 0)
        rc = multipart_reader_finish(r, &err);
    multipart_reader_free(&r);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *end = n > 1 ? memchr(bytes + 1, '\n', n - 1) : NULL;
    struct buf whole, cut;
    char type[200];
    int rc;

    log_set_fd(-1);
    if (end == NULL)
        return 0;
    snprintf(type, sizeof type, "multipart/related; boundary=%.*s", (int)(end - bytes - 1),
             (const char *)bytes + 1);
    n -= (size_t)(end + 1 - bytes);
    buf_init(&whole, 1 << 24);
    buf_init(&cut, 1 << 24);
    rc = read_body(type, end + 1, n, n + 1, &whole);
    CHECK(read_body(type, end + 1, n, (size_t)bytes[0] + 1, &cut) == rc);
    CHECK(whole.n == cut.n && (whole.n == 0 || memcmp(whole.bytes, cut.bytes, whole.n) == 0));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
