/* multipart_reader.c - read a multipart/related body as it comes.
 * The delimiter is CR LF "--" boundary. A boundary holds no CR, so after a false start only the
 * byte that broke it can begin another: matching needs one counter and nothing to go back to. */
#include "proto/http/multipart_reader.h"

#include "proto/http/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BOUNDARY_MAX 70

enum place {
    PLACE_PREAMBLE,
    PLACE_DELIMITER, /* behind a delimiter: CR LF, or "--" */
    PLACE_HEADERS,
    PLACE_BODY,
    PLACE_EPILOGUE,
    PLACE_BROKEN,
};

struct multipart_reader {
    struct multipart_events events;
    void *user;
    enum place place;
    char delimiter[BOUNDARY_MAX + 8];
    size_t delimiter_n;
    size_t matched;
    char tail[2]; /* behind a delimiter */
    size_t tail_n;
    char headers[MULTIPART_HEADER_BYTES + 1];
    size_t headers_n;
    unsigned parts;
};

static bool
boundary_is_valid(const char *boundary)
{
    size_t n = strlen(boundary);

    for (const char *p = boundary; *p != '\0'; p++)
        if (!isalnum((uint8_t)*p) && strchr("'()+_,-./:=? ", *p) == NULL)
            return false;
    return n > 0 && n <= BOUNDARY_MAX && boundary[n - 1] != ' ';
}

int
multipart_reader_new(const char *content_type, const struct multipart_events *events, void *user,
                     char out_type[64], struct multipart_reader **out_reader, struct err *err)
{
    struct multipart_reader *r;
    char value[64], boundary[128];

    if (!url_header_value(content_type, value, sizeof value) ||
        strcmp(value, "multipart/related") != 0)
        return err_set(err, ERR_REJECT, "the body is not multipart/related");
    if (!url_header_param(content_type, "boundary", boundary, sizeof boundary) ||
        !boundary_is_valid(boundary))
        return err_set(err, ERR_REJECT, "multipart/related without a usable boundary");
    if (!url_header_param(content_type, "type", out_type, 64))
        out_type[0] = '\0';
    for (char *p = out_type; *p != '\0'; p++)
        *p = (char)tolower((uint8_t)*p);
    r = mem_new(sizeof *r);
    r->events = *events;
    r->user = user;
    r->delimiter_n = (size_t)snprintf(r->delimiter, sizeof r->delimiter, "\r\n--%s", boundary);
    r->matched = 2; /* the first delimiter may stand at the very begin */
    *out_reader = r;
    return 0;
}

void
multipart_reader_free(struct multipart_reader **reader)
{
    free(TAKE(*reader));
}

static int
give(struct multipart_reader *r, const void *bytes, size_t n, struct err *err)
{
    if (n == 0 || r->place != PLACE_BODY)
        return 0;
    return r->events.bytes(r->user, bytes, n, err);
}

/* Up to the end of the next delimiter; *at moves past what was used. */
static int
search(struct multipart_reader *r, const uint8_t *bytes, size_t n, size_t *at, struct err *err)
{
    size_t from = *at, i = *at;

    while (i < n) {
        if (r->matched == 0) {
            const uint8_t *cr = memchr(bytes + i, '\r', n - i);

            if (cr == NULL) {
                i = n;
                break;
            }
            i = (size_t)(cr - bytes) + 1;
            r->matched = 1;
            if (give(r, bytes + from, i - 1 - from, err) < 0)
                return -1;
            from = i;
        } else if (bytes[i] == (uint8_t)r->delimiter[r->matched]) {
            i++;
            from = i;
            if (++r->matched == r->delimiter_n)
                break;
        } else { /* a false start was body after all */
            size_t false_n = r->matched;

            r->matched = 0;
            if (give(r, r->delimiter, false_n, err) < 0)
                return -1;
            from = i;
        }
    }
    *at = i;
    if (r->matched == 0)
        return give(r, bytes + from, i - from, err);
    if (r->matched < r->delimiter_n)
        return 0;
    if (r->place == PLACE_BODY && r->events.end(r->user, err) < 0)
        return -1;
    r->matched = 0;
    r->tail_n = 0;
    r->place = PLACE_DELIMITER;
    return 0;
}

/* Behind a delimiter: blanks, then CR LF (a part) or "--" at once (the end). */
static int
take_tail(struct multipart_reader *r, uint8_t c, struct err *err)
{
    if (r->tail_n == 0 && (c == ' ' || c == '\t'))
        return 0;
    r->tail[r->tail_n++] = (char)c;
    if (r->tail_n < 2)
        return 0;
    if (memcmp(r->tail, "--", 2) == 0) {
        r->place = PLACE_EPILOGUE;
        return 0;
    }
    if (memcmp(r->tail, "\r\n", 2) != 0)
        return err_set(err, ERR_REJECT, "a delimiter of the body is broken");
    if (++r->parts > MULTIPART_PARTS)
        return err_set(err, ERR_REJECT, "more than %d parts", MULTIPART_PARTS);
    r->place = PLACE_HEADERS;
    r->headers_n = 0;
    return 0;
}

/* The value of a line "Name: value" if it has that name, its end cut; NULL otherwise. */
static const char *
value_of(char *line, const char *name)
{
    size_t n = strlen(name);
    char *value, *end;

    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return NULL;
    value = line + n + 1 + strspn(line + n + 1, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    return value;
}

static void
take_line(struct multipart_part *part, char *line)
{
    const char *value;

    if ((value = value_of(line, "Content-Type")) != NULL)
        part->type = value;
    else if ((value = value_of(line, "Content-Location")) != NULL)
        part->location = value;
    else if ((value = value_of(line, "Content-ID")) != NULL)
        part->id = value;
    else if ((value = value_of(line, "Content-Transfer-Encoding")) != NULL)
        part->encoding = value;
}

static int
begin_part(struct multipart_reader *r, struct err *err)
{
    struct multipart_part part = {"", "", "", ""};
    char *p = r->headers, *end = r->headers + r->headers_n;

    while (p < end) {
        char *line_end = strstr(p, "\r\n");

        CHECK(line_end != NULL); /* the headers end with two */
        *line_end = '\0';
        if (strchr(p, '\n') != NULL || strchr(p, '\r') != NULL)
            return err_set(err, ERR_REJECT, "a part's header line is broken");
        take_line(&part, p);
        p = line_end + 2;
    }
    r->place = PLACE_BODY;
    return r->events.begin(r->user, &part, err);
}

static int
take_header(struct multipart_reader *r, uint8_t c, struct err *err)
{
    if (c == '\0' || r->headers_n == MULTIPART_HEADER_BYTES)
        return err_set(err, ERR_REJECT, "a part's headers are broken or too long");
    r->headers[r->headers_n++] = (char)c;
    r->headers[r->headers_n] = '\0';
    if (r->headers_n == 2 && memcmp(r->headers, "\r\n", 2) == 0) {
        r->headers_n = 0;
        return begin_part(r, err);
    }
    if (r->headers_n < 4 || memcmp(r->headers + r->headers_n - 4, "\r\n\r\n", 4) != 0)
        return 0;
    r->headers_n -= 2;
    r->headers[r->headers_n] = '\0';
    return begin_part(r, err);
}

static int
step(struct multipart_reader *r, const uint8_t *bytes, size_t n, size_t *at, struct err *err)
{
    switch (r->place) {
    case PLACE_PREAMBLE:
    case PLACE_BODY:
        return search(r, bytes, n, at, err);
    case PLACE_DELIMITER:
        return take_tail(r, bytes[(*at)++], err);
    case PLACE_HEADERS:
        return take_header(r, bytes[(*at)++], err);
    case PLACE_EPILOGUE:
        *at = n;
        return 0;
    case PLACE_BROKEN:
        break;
    }
    return err_set(err, ERR_REJECT, "the body was broken before");
}

int
multipart_reader_feed(struct multipart_reader *r, const uint8_t *bytes, size_t n, struct err *err)
{
    for (size_t at = 0; at < n;)
        if (step(r, bytes, n, &at, err) < 0) {
            r->place = PLACE_BROKEN;
            return -1;
        }
    return 0;
}

int
multipart_reader_finish(struct multipart_reader *r, struct err *err)
{
    if (r->place != PLACE_EPILOGUE)
        return err_set(err, ERR_REJECT, "the body ends before its closing delimiter");
    return 0;
}
