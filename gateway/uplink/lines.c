/* lines.c - see lines.h: "name  key=value key="value with blanks"" a line. */
#include "gateway/uplink/lines.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char blanks[] = " \t";

enum { WORD_BYTES = 1024 };

/* What is left of one line of the file. */
struct reading {
    const char *path;
    const char *at;
};

static int
set_text(char *out, size_t size, const char *value, struct err *err)
{
    if (value[0] == '\0' || !text_copy(out, size, value))
        return err_set(err, ERR_REJECT, "1 to %zu bytes", size - 1);
    return 0;
}

static int
set_number(unsigned *out, const char *value, unsigned most, struct err *err)
{
    uint64_t n;

    if (text_to_u64(value, most, &n) < 0 || n == 0)
        return err_set(err, ERR_REJECT, "a number from 1 to %u", most);
    *out = (unsigned)n;
    return 0;
}

static int
set_url(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    (void)path;
    if (strncmp(value, "https://", 8) != 0)
        return err_set(err, ERR_REJECT, "the centre's address begins with https://");
    return set_text(line->url, sizeof line->url, value, err);
}

static int
set_proxy(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    (void)path;
    if (strncmp(value, "http://", 7) != 0 || strchr(value, '@') != NULL)
        return err_set(err, ERR_REJECT,
                       "http://host:port; user and password stand in a file: proxy_user");
    return set_text(line->proxy, sizeof line->proxy, value, err);
}

static int
set_proxy_user(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *whole = value[0] == '/' || slash == NULL
                      ? mem_text(value)
                      : mem_printf("%.*s/%s", (int)(slash - path), path, value);
    int rc = value[0] == '\0' ? err_set(err, ERR_REJECT, "the name of a file")
                              : set_text(line->proxy_user, sizeof line->proxy_user, whole, err);

    free(whole);
    return rc;
}

static int
set_source(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    (void)path;
    if (strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.:_-") !=
        strlen(value))
        return err_set(err, ERR_REJECT, "the name of an interface, or a numeric address");
    return set_text(line->source, sizeof line->source, value, err);
}

static int
set_rank(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    (void)path;
    return set_number(&line->rank, value, LINE_RANK_MAX, err);
}

static int
set_connections(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    (void)path;
    return set_number(&line->connections, value, LINE_CONNECTIONS_MAX, err);
}

static int
set_rate(struct line_settings *line, const char *path, const char *value, struct err *err)
{
    (void)path;
    line->has_rate = true;
    return hours_parse(value, &line->rate, err);
}

static const struct setting {
    const char *name;
    int (*set)(struct line_settings *, const char *path, const char *value, struct err *);
} settings[] = {
    {"rank", set_rank},     {"rate", set_rate},   {"connections", set_connections},
    {"source", set_source}, {"proxy", set_proxy}, {"proxy_user", set_proxy_user},
    {"url", set_url},
};

/* One word up to the first of stops outside quotes. */
static int
read_word(struct reading *r, const char *stops, char out[WORD_BYTES], struct err *err)
{
    bool is_quoted = *r->at == '"';
    size_t n = is_quoted ? strcspn(r->at + 1, "\"") : strcspn(r->at, stops);
    const char *from = r->at + (is_quoted ? 1 : 0);

    if (n >= WORD_BYTES)
        return err_set(err, ERR_REJECT, "too long");
    if (is_quoted && from[n] != '"')
        return err_set(err, ERR_REJECT, "a quote is not closed");
    if (!is_quoted && memchr(from, '"', n) != NULL)
        return err_set(err, ERR_REJECT, "a quote in the middle of a word");
    memcpy(out, from, n);
    out[n] = '\0';
    r->at = from + n + (is_quoted ? 1 : 0);
    if (is_quoted && *r->at != '\0' && strchr(blanks, *r->at) == NULL)
        return err_set(err, ERR_REJECT, "a blank is due behind a quote");
    return 0;
}

static int
read_setting(struct reading *r, struct line_settings *line, unsigned *seen, struct err *err)
{
    char name[WORD_BYTES], value[WORD_BYTES];

    if (*r->at == '"' || read_word(r, " \t=", name, err) < 0 || *r->at != '=')
        return err_set(err, ERR_REJECT, "settings are written name=value");
    r->at++;
    if (read_word(r, blanks, value, err) < 0)
        return err_context(err, "%s", name);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (strcmp(name, settings[i].name) != 0)
            continue;
        if (*seen & 1u << i)
            return err_set(err, ERR_REJECT, "%s: given twice", name);
        *seen |= 1u << i;
        if (settings[i].set(line, r->path, value, err) < 0)
            return err_context(err, "%s", name);
        return 0;
    }
    return err_set(err, ERR_REJECT, "there is no such setting: %.40s", name);
}

static int
read_line(struct reading *r, struct lines *out, struct err *err)
{
    struct line_settings line = {.rank = 1};
    unsigned seen = 0;
    char name[WORD_BYTES];

    r->at += strspn(r->at, blanks);
    if (*r->at == '\0' || *r->at == '#')
        return 0;
    if (read_word(r, blanks, name, err) < 0)
        return -1;
    if (!text_copy(line.name, sizeof line.name, name) || strchr(letters, name[0]) == NULL ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
            strlen(name))
        return err_set(err, ERR_REJECT, "a name is a letter, then letters, digits, _ and -; 32");
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(out->at[i].name, name) == 0)
            return err_set(err, ERR_REJECT, "%s stands here twice", name);
    for (r->at += strspn(r->at, blanks); *r->at != '\0'; r->at += strspn(r->at, blanks))
        if (read_setting(r, &line, &seen, err) < 0)
            return -1;
    if (line.proxy_user[0] != '\0' && line.proxy[0] == '\0')
        return err_set(err, ERR_REJECT, "proxy_user without a proxy");
    if (out->n == LINES_MAX)
        return err_set(err, ERR_REJECT, "at most %d lines", LINES_MAX);
    out->at[out->n++] = line;
    return 0;
}

/* All lines without a mistake; -1: there is one, and the first is told. */
static int
parse_good(const char *path, const uint8_t *bytes, size_t n, struct lines *out, struct err *err)
{
    size_t mark = text_mark(bytes, n);
    char *text = mem_new(n + 1), *next = text;
    int number = 0, rc = 0;

    memset(out, 0, sizeof *out);
    memcpy(text, bytes + mark, n - mark);
    if (memchr(bytes, '\0', n) != NULL || !text_is_utf8(text, n - mark)) {
        rc = err_set(err, ERR_REJECT, "%s: is no text", path);
        next = NULL;
    }
    while (next != NULL) {
        struct reading r = {path, next};
        char *end = strchr(next, '\n');
        struct err wrong = {0};

        number++;
        if (end != NULL) {
            *end = '\0';
            if (end > next && end[-1] == '\r')
                end[-1] = '\0';
        }
        next = end == NULL ? NULL : end + 1;
        if (read_line(&r, out, &wrong) == 0 || rc < 0)
            continue;
        *err = wrong;
        rc = err_context(err, "%s:%d", path, number);
    }
    if (rc == 0 && out->n == 0)
        rc = err_set(err, ERR_REJECT, "%s: names no line", path);
    free(text);
    return rc;
}

int
lines_parse(const char *path, const uint8_t *bytes, size_t n, struct lines *out, struct err *err)
{
    struct lines lines;

    if (parse_good(path, bytes, n, &lines, err) < 0)
        return -1;
    *out = lines;
    return 0;
}

int
lines_read_good(const char *path, struct lines *out, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t n;
    int rc;

    memset(out, 0, sizeof *out);
    if (durable_get_file(path, LINES_FILE_BYTES, &bytes, &n, err) < 0)
        return -1;
    rc = parse_good(path, bytes, n, out, err);
    free(bytes);
    return rc;
}

int
lines_read(const char *path, struct lines *out, struct err *err)
{
    struct lines lines;

    if (lines_read_good(path, &lines, err) < 0)
        return -1;
    *out = lines;
    return 0;
}

int
lines_read_user(const char *path, char out[LINE_TEXT_BYTES], struct err *err)
{
    uint8_t *bytes = NULL;
    size_t n, mark;
    bool is_good;

    if (durable_get_file(path, LINE_TEXT_BYTES - 1, &bytes, &n, err) < 0)
        return err_set(err, ERR_REJECT, "proxy_user %s cannot be read", path);
    mark = text_mark(bytes, n);
    memmove(bytes, bytes + mark, n -= mark);
    while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
        n--;
    is_good = n > 0 && memchr(bytes, ':', n) != NULL && memchr(bytes, '\n', n) == NULL &&
              memchr(bytes, '\0', n) == NULL;
    if (is_good) {
        memcpy(out, bytes, n);
        out[n] = '\0';
    }
    free(bytes);
    return is_good ? 0 : err_set(err, ERR_REJECT, "%s is no line user:password", path);
}
