/* url.h - paths, queries and Accept headers: pure parsers of what callers write.
 * Splitting comes before percent-decoding, so an encoded slash or ampersand never separates.
 * Refused (-1): broken or overlong encodings, control characters, what is not UTF-8, a slash in a
 * segment, "." and ".." as segments. Threads: no state. */
#ifndef RADPOST_HTTP_URL_H
#define RADPOST_HTTP_URL_H

#include "proto/base/buf.h"

#define URL_MAX_PARAMS 8  /* {names} in a pattern */
#define URL_MAX_QUERY 256 /* values in a query */
#define URL_MAX_ACCEPT 32 /* media ranges in an Accept header */

struct url_pair {
    const char *name;
    const char *value;
};

/* Percent-decode n bytes into out (n + 1 bytes, zero-ended). '+' is a blank in queries only. */
int url_decode(const char *text, size_t n, bool is_query, char *out) MUST_CHECK;
/* Percent-encode for a path segment or query value: all but letters, digits and -._~ */
void url_encode(struct buf *out, const char *text);

/* 1: matches, and the pairs (names point into the pattern, values into store) are set; 0: does not;
 * -1: it would, but a segment cannot be decoded. store has strlen(path) + 1 bytes. */
int url_match(const char *pattern, const char *path, char *store, struct url_pair *out_params,
              size_t *out_count) MUST_CHECK;
/* Split and decode "a=1&b=2". store has strlen(query) + 2 bytes; pairs URL_MAX_QUERY. */
int url_query(const char *query, char *store, struct url_pair *out_pairs,
              size_t *out_count) MUST_CHECK;

/* One media range of an Accept header (RFC 9110 12.5.1; parameters of PS3.18 8.7). */
struct url_accept {
    char type[64];            /* "multipart/related", lower case; may hold wildcards */
    char inner_type[64];      /* its type="application/dicom" parameter, lower case, or "" */
    char transfer_syntax[65]; /* its transfer-syntax parameter, "*" allowed, or "" */
    int quality;              /* 0..1000 */
};

/* All ranges, best quality first (equal: as written). An empty or missing header is one range of
 * any type. Ranges that cannot be read are left out; more than URL_MAX_ACCEPT: the rest is. Returns
 * the count. */
size_t url_accept_parse(const char *header, struct url_accept out[URL_MAX_ACCEPT]);
/* Does the range cover this type ("application/dicom+json")? */
bool url_accept_covers(const struct url_accept *range, const char *type);
/* A parameter of a header such as Content-Type: value of "boundary" in
 * multipart/related; type="application/dicom"; boundary=x. Quoted strings are undone.
 * False: not there, broken, or longer than size. */
bool url_header_param(const char *header, const char *name, char *out, size_t size);
/* The part before the first ';', lower case, blanks gone. */
bool url_header_value(const char *header, char *out, size_t size);

#endif
