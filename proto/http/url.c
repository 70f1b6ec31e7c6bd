/* url.c - paths, queries and Accept headers: pure parsers of what callers write. */
#include "proto/http/url.h"

#include "proto/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
url_decode(const char *text, size_t n, bool is_query, char *out)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        int c = (uint8_t)text[i];

        if (c == '%') {
            int high = n - i < 3 ? -1 : hex_digit(text[i + 1]);
            int low = n - i < 3 ? -1 : hex_digit(text[i + 2]);

            if (high < 0 || low < 0)
                return -1;
            c = high << 4 | low;
            i += 2;
        } else if (c == '+' && is_query)
            c = ' ';
        if (c < 0x20 || c == 0x7F)
            return -1;
        out[k++] = (char)c;
    }
    out[k] = '\0';
    return text_is_utf8(out, k) ? 0 : -1;
}

void
url_encode(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (isalnum((uint8_t)*p) || strchr("-._~", *p) != NULL)
            buf_add_u8(out, (uint8_t)*p);
        else
            buf_add_printf(out, "%%%02X", (uint8_t)*p);
}

/* One segment against one of the pattern; the same results as url_match(). */
static int
match_segment(const char *pattern, size_t pattern_n, const char *path, size_t path_n, char **store,
              struct url_pair *params, size_t *count)
{
    struct url_pair *p = &params[*count];

    if (pattern_n == 0 || pattern[0] != '{')
        return pattern_n == path_n && memcmp(pattern, path, path_n) == 0;
    if (path_n == 0)
        return 0;
    CHECK(*count < URL_MAX_PARAMS);
    if (url_decode(path, path_n, false, *store) < 0 || strcmp(*store, ".") == 0 ||
        strcmp(*store, "..") == 0 || strchr(*store, '/') != NULL)
        return -1;
    p->name = pattern + 1;
    p->value = *store;
    *store += strlen(*store) + 1;
    ++*count;
    return 1;
}

int
url_match(const char *pattern, const char *path, char *store, struct url_pair *out_params,
          size_t *out_count)
{
    size_t count = 0;
    bool is_bad = false;

    for (;;) {
        size_t pattern_n = strcspn(pattern, "/"), path_n = strcspn(path, "/");
        int rc = match_segment(pattern, pattern_n, path, path_n, &store, out_params, &count);

        if (rc == 0)
            return 0;
        is_bad = is_bad || rc < 0;
        pattern += pattern_n;
        path += path_n;
        if (*pattern != *path)
            return 0;
        if (*pattern == '\0')
            break;
        pattern++;
        path++;
    }
    *out_count = count;
    return is_bad ? -1 : 1;
}

int
url_query(const char *query, char *store, struct url_pair *out_pairs, size_t *out_count)
{
    size_t count = 0;

    while (*query != '\0') {
        size_t n = strcspn(query, "&"), name_n = strcspn(query, "=");

        if (name_n > n)
            name_n = n;
        if (n > 0) {
            if (count == URL_MAX_QUERY)
                return -1;
            out_pairs[count].name = store;
            if (url_decode(query, name_n, true, store) < 0)
                return -1;
            store += strlen(store) + 1;
            out_pairs[count].value = name_n == n ? store - 1 : store;
            if (name_n < n) {
                if (url_decode(query + name_n + 1, n - name_n - 1, true, store) < 0)
                    return -1;
                store += strlen(store) + 1;
            }
            count++;
        }
        query += n;
        if (*query == '&')
            query++;
    }
    *out_count = count;
    return 0;
}

static const char *
skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* A token or quoted string into out; the place after it, NULL when broken. Too long is cut and
 * told. */
static const char *
read_word(const char *p, const char *ends, char *out, size_t size, bool *out_fits)
{
    bool is_quoted = *p == '"';
    size_t k = 0;

    *out_fits = true;
    if (is_quoted)
        p++;
    while (*p != '\0' && (is_quoted ? *p != '"' : strchr(ends, *p) == NULL)) {
        if (is_quoted && *p == '\\' && *++p == '\0')
            return NULL;
        if (k + 1 < size)
            out[k++] = *p;
        else
            *out_fits = false;
        p++;
    }
    out[k] = '\0';
    if (is_quoted && *p++ != '"')
        return NULL;
    return p;
}

static void
lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((uint8_t)*text);
}

/* "0.5" > 500, -1 broken. */
static int
read_quality(const char *text)
{
    int v = 0, digits = 0;

    if (text[0] != '0' && text[0] != '1')
        return -1;
    v = (text[0] - '0') * 1000;
    if (text[1] == '\0')
        return v;
    if (text[1] != '.')
        return -1;
    for (int scale = 100; scale > 0 && isdigit((uint8_t)text[2 + digits]); scale /= 10)
        v += (text[2 + digits++] - '0') * scale;
    return text[2 + digits] == '\0' && v <= 1000 ? v : -1;
}

/* "; name=value" of a header; the place after it, or NULL when there is none or it is broken. */
static const char *
next_param(const char *p, const char *ends, char name[32], char *value, size_t value_size,
           bool *out_fits)
{
    size_t n;

    p = skip_blanks(p);
    if (*p != ';')
        return NULL;
    p = skip_blanks(p + 1);
    n = strcspn(p, "=;, \t\"");
    snprintf(name, 32, "%.*s", n < 31 ? (int)n : 0, p);
    lower(name);
    p = skip_blanks(p + n);
    value[0] = '\0';
    *out_fits = true;
    if (*p != '=')
        return p; /* a bare word */
    return read_word(skip_blanks(p + 1), ends, value, value_size, out_fits);
}

static void
take_accept_param(struct url_accept *range, const char *name, const char *value, bool fits,
                  bool *is_good)
{
    if (strcmp(name, "q") == 0) {
        range->quality = read_quality(value);
        *is_good = *is_good && range->quality >= 0;
    } else if (strcmp(name, "type") == 0) {
        *is_good =
            *is_good && fits && text_copy(range->inner_type, sizeof range->inner_type, value);
        lower(range->inner_type);
    } else if (strcmp(name, "transfer-syntax") == 0)
        *is_good = *is_good && fits &&
                   text_copy(range->transfer_syntax, sizeof range->transfer_syntax, value);
}

/* One media range; the place of the comma or end behind it, NULL when quoting is broken. */
static const char *
read_range(const char *p, struct url_accept *range, bool *is_good)
{
    size_t n = strcspn(p, ";, \t");
    char name[32], value[128];
    const char *q;
    bool fits;

    *range = (struct url_accept){.quality = 1000};
    *is_good = n > 0 && n < sizeof range->type && memchr(p, '/', n) != NULL;
    snprintf(range->type, sizeof range->type, "%.*s", *is_good ? (int)n : 0, p);
    lower(range->type);
    p += n;
    while ((q = next_param(p, ";, \t", name, value, sizeof value, &fits)) != NULL) {
        take_accept_param(range, name, value, fits, is_good);
        p = q;
    }
    p = skip_blanks(p);
    if (*p != ',' && *p != '\0') { /* broken: on to the next comma */
        *is_good = false;
        p += strcspn(p, ",");
    }
    return p;
}

size_t
url_accept_parse(const char *header, struct url_accept out[URL_MAX_ACCEPT])
{
    size_t count = 0;

    if (header == NULL || *skip_blanks(header) == '\0') {
        out[0] = (struct url_accept){.type = "*/*", .quality = 1000};
        return 1;
    }
    for (const char *p = header; *p != '\0' && count < URL_MAX_ACCEPT;) {
        struct url_accept range;
        bool is_good;
        size_t at;

        p = read_range(skip_blanks(p), &range, &is_good);
        if (*p == ',')
            p++;
        if (!is_good || range.quality == 0)
            continue;
        for (at = count; at > 0 && out[at - 1].quality < range.quality; at--)
            out[at] = out[at - 1];
        out[at] = range;
        count++;
    }
    return count;
}

bool
url_accept_covers(const struct url_accept *range, const char *type)
{
    size_t major = strcspn(type, "/");

    if (strcmp(range->type, "*/*") == 0 || strcasecmp(range->type, type) == 0)
        return true;
    return strlen(range->type) == major + 2 && strncasecmp(range->type, type, major + 1) == 0 &&
           range->type[major + 1] == '*';
}

bool
url_header_param(const char *header, const char *name, char *out, size_t size)
{
    char seen[32], *value;
    const char *p, *q;
    bool fits, is_found = false;

    if (header == NULL)
        return false;
    value = mem_new(strlen(header) + 1);
    for (p = header + strcspn(header, ";");
         (q = next_param(p, "; \t", seen, value, strlen(header) + 1, &fits)) != NULL; p = q)
        if (strcasecmp(seen, name) == 0) {
            is_found = strlen(value) < size;
            text_copy(out, size, is_found ? value : "");
            break;
        }
    free(value);
    return is_found;
}

bool
url_header_value(const char *header, char *out, size_t size)
{
    size_t n;

    if (header == NULL)
        return false;
    header = skip_blanks(header);
    n = strcspn(header, "; \t");
    if (n == 0 || n >= size)
        return false;
    snprintf(out, size, "%.*s", (int)n, header);
    lower(out);
    return true;
}
