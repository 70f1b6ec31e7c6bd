/* fuzz_http_request.c - path, query, Accept and Content-Type as a caller writes them: lines of the
 * input. What is decoded holds no control character, and no "..". */
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/http/url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char *const patterns[] = {
    "/studies",
    "/studies/{study}",
    "/studies/{study}/series/{series}/instances/{instance}",
    "/{a}/{b}",
    "/",
};

static void
check_text(const char *text)
{
    CHECK(text_is_utf8(text, strlen(text)));
    for (; *text != '\0'; text++)
        CHECK((uint8_t)*text >= 0x20 && *text != 0x7F);
}

/* What we encode comes back. */
static void
check_again(const char *text, bool is_query)
{
    struct buf b;
    char *back = mem_new(3 * strlen(text) + 1);

    buf_init(&b, 1 << 20);
    url_encode(&b, text);
    CHECK(url_decode(buf_text(&b), b.n, is_query, back) == 0);
    CHECK(strcmp(back, text) == 0);
    buf_fini(&b);
    free(back);
}

static void
try_path(const char *path)
{
    char *store = mem_new(strlen(path) + 1);
    struct url_pair params[URL_MAX_PARAMS];

    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        size_t count = 0;

        if (url_match(patterns[i], path, store, params, &count) != 1)
            continue;
        CHECK(count <= URL_MAX_PARAMS);
        for (size_t k = 0; k < count; k++) {
            check_text(params[k].value);
            CHECK(strcmp(params[k].value, "..") != 0 && strchr(params[k].value, '/') == NULL);
            check_again(params[k].value, false);
        }
    }
    free(store);
}

static void
try_query(const char *query)
{
    char *store = mem_new(strlen(query) + 2);
    static struct url_pair pairs[URL_MAX_QUERY];
    size_t count = 0;

    if (url_query(query, store, pairs, &count) == 0)
        for (size_t i = 0; i < count; i++) {
            check_text(pairs[i].name);
            check_text(pairs[i].value);
            check_again(pairs[i].value, true);
        }
    free(store);
}

static void
try_headers(const char *header)
{
    struct url_accept ranges[URL_MAX_ACCEPT];
    size_t count = url_accept_parse(header, ranges);
    char value[80];

    CHECK(count <= URL_MAX_ACCEPT);
    for (size_t i = 0; i < count; i++) {
        CHECK(ranges[i].quality > 0 && ranges[i].quality <= 1000);
        CHECK(i == 0 || ranges[i].quality <= ranges[i - 1].quality);
        CHECK(strlen(ranges[i].type) < sizeof ranges[i].type);
        url_accept_covers(&ranges[i], "application/dicom+json");
    }
    if (url_header_param(header, "boundary", value, sizeof value))
        CHECK(strlen(value) < sizeof value);
    if (url_header_value(header, value, sizeof value))
        CHECK(value[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text = mem_new(n + 1), *rest;

    log_set_fd(-1);
    memcpy(text, bytes, n);
    rest = strchr(text, '\n');
    if (rest != NULL)
        *rest++ = '\0';
    try_path(text);
    try_query(text);
    try_headers(rest != NULL ? rest : text);
    free(text);
    return 0;
}
