/* fuzz_json.c - JSON from peers: what parses is walked whole, and is never deeper than the limit.
 */
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/http/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
walk(const struct json *v, uint64_t depth)
{
    struct err err;
    const char *text;
    uint8_t hash[32], *decoded;
    uint64_t number;
    size_t decoded_n;

    CHECK(depth <= LIMIT_JSON_DEPTH);
    CHECK(json_as_text(v) == NULL || json_is_text(v));
    for (size_t i = 0; i < json_length(v); i++)
        walk(json_at(v, i), depth + 1);
    for (const void *m = json_member_first(v); m != NULL; m = json_member_next(v, m)) {
        const char *key = json_member_key(m);

        CHECK(json_find(v, key) == json_member_value(m)); /* no key twice */
        if (json_text(v, key, 10, &text, &err) == 0)
            CHECK(strlen(text) <= 10);
        if (json_u64(v, key, 1000, &number, &err) == 0)
            CHECK(number <= 1000);
        if (json_hex(v, key, hash, sizeof hash, &err) == 0)
            CHECK(strlen(json_as_text(json_find(v, key))) == 2 * sizeof hash);
        if (json_base64(v, key, 100, &decoded, &decoded_n, &err) == 0) {
            CHECK(decoded_n <= 100);
            free(decoded);
        }
        walk(json_member_value(m), depth + 1);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct json_doc *doc = NULL;
    struct err err;

    log_set_fd(-1);
    if (json_parse(bytes, n, &doc, &err) < 0)
        return 0;
    walk(json_root(doc), 0);
    json_free(&doc);
    return 0;
}
