/* jsonw.c - write JSON into a buf, in order, without a tree. */
#include "proto/base/jsonw.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){.out = out};
}

static void
quote(struct jsonw *w, const char *text, size_t n)
{
    buf_add_u8(w->out, '"');
    for (size_t i = 0; i < n;) {
        uint8_t c = (uint8_t)text[i];
        size_t k = 1;

        if (c == '"' || c == '\\')
            buf_add_printf(w->out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F || c == '<') /* '<': JSON inside a page stays data */
            buf_add_printf(w->out, "\\u%04x", c);
        else if (c < 0x80)
            buf_add_u8(w->out, c);
        else {
            for (k = 2; k <= 4 && k <= n - i && !text_is_utf8(text + i, k); k++)
                continue;
            if (k <= 4 && k <= n - i)
                buf_add(w->out, text + i, k);
            else {
                buf_add_text(w->out, "\\ufffd");
                k = 1;
            }
        }
        i += k;
    }
    buf_add_u8(w->out, '"');
}

static void
begin(struct jsonw *w, const char *key)
{
    uint64_t bit = (uint64_t)1 << w->depth;

    if (w->has_member & bit)
        buf_add_u8(w->out, ',');
    w->has_member |= bit;
    if (key != NULL) {
        quote(w, key, strlen(key));
        buf_add_u8(w->out, ':');
    }
}

static void
open_level(struct jsonw *w, const char *key, bool is_array)
{
    uint64_t bit;

    begin(w, key);
    CHECK(w->depth < 63);
    w->depth++;
    bit = (uint64_t)1 << w->depth;
    w->has_member &= ~bit;
    w->is_array = is_array ? w->is_array | bit : w->is_array & ~bit;
    buf_add_u8(w->out, is_array ? '[' : '{');
}

void
jsonw_object(struct jsonw *w, const char *key)
{
    open_level(w, key, false);
}

void
jsonw_array(struct jsonw *w, const char *key)
{
    open_level(w, key, true);
}

void
jsonw_end(struct jsonw *w)
{
    CHECK(w->depth > 0);
    buf_add_u8(w->out, w->is_array >> w->depth & 1 ? ']' : '}');
    w->depth--;
}

void
jsonw_text(struct jsonw *w, const char *key, const char *text)
{
    if (text == NULL)
        jsonw_null(w, key);
    else
        jsonw_text_n(w, key, text, strlen(text));
}

void
jsonw_text_n(struct jsonw *w, const char *key, const char *text, size_t n)
{
    begin(w, key);
    quote(w, text, n);
}

void
jsonw_int(struct jsonw *w, const char *key, int64_t v)
{
    begin(w, key);
    buf_add_printf(w->out, "%" PRId64, v);
}

void
jsonw_uint(struct jsonw *w, const char *key, uint64_t v)
{
    begin(w, key);
    buf_add_printf(w->out, "%" PRIu64, v);
}

void
jsonw_double(struct jsonw *w, const char *key, double v)
{
    char text[40];

    if (!isfinite(v)) {
        jsonw_null(w, key);
        return;
    }
    begin(w, key);
    snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v)
        snprintf(text, sizeof text, "%.17g", v);
    buf_add_text(w->out, text);
}

void
jsonw_bool(struct jsonw *w, const char *key, bool v)
{
    begin(w, key);
    buf_add_text(w->out, v ? "true" : "false");
}

void
jsonw_null(struct jsonw *w, const char *key)
{
    begin(w, key);
    buf_add_text(w->out, "null");
}

void
jsonw_time(struct jsonw *w, const char *key, int64_t wall_us)
{
    char text[40];

    if (wall_us == 0) {
        jsonw_null(w, key);
        return;
    }
    clock_text(wall_us, text);
    jsonw_text(w, key, text);
}

void
jsonw_hex(struct jsonw *w, const char *key, const void *bytes, size_t n)
{
    char *hex = mem_new(2 * n + 1);

    hex_encode(bytes, n, hex);
    jsonw_text_n(w, key, hex, 2 * n);
    free(hex);
}

void
jsonw_raw(struct jsonw *w, const char *key, const char *json, size_t n)
{
    begin(w, key);
    buf_add(w->out, json, n);
}
