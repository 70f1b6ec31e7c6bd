/* multipart_reader.h - read a multipart/related body (RFC 2046, RFC 2387; STOW-RS, PS3.18 10.5) as
 * it comes, piece by piece, without keeping more than one part's headers.
 *
 *     preamble > ( headers > begin() > bytes()* > end() )* > closing delimiter > epilogue
 *
 * A body that ends before its closing delimiter is no body: what its last part held was not whole.
 * Threads: a reader belongs to its owner. */
#ifndef RADPOST_HTTP_MULTIPART_READER_H
#define RADPOST_HTTP_MULTIPART_READER_H

#include "proto/base/err.h"

#define MULTIPART_HEADER_BYTES 8192 /* of one part */
#define MULTIPART_PARTS 100000

struct multipart_reader;

struct multipart_part {
    const char *type;     /* Content-Type with its parameters, "" if not said */
    const char *location; /* Content-Location, "" */
    const char *id;       /* Content-ID, "" */
    const char *encoding; /* Content-Transfer-Encoding, "" */
};

struct multipart_events {
    int (*begin)(void *user, const struct multipart_part *part, struct err *err);
    int (*bytes)(void *user, const uint8_t *bytes, size_t n, struct err *err);
    int (*end)(void *user, struct err *err); /* the part came whole */
};

/* content_type: the request's header. out_type: its type parameter, lower case, "" if not said.
 * errors  ERR_REJECT not multipart/related, or without a boundary of 1..70 characters */
int multipart_reader_new(const char *content_type, const struct multipart_events *events,
                         void *user, char out_type[64], struct multipart_reader **out_reader,
                         struct err *err) MUST_CHECK;
void multipart_reader_free(struct multipart_reader **reader);
/* errors  ERR_REJECT headers too long or broken, too many parts; those of the events. After an
 * error the reader takes no more. */
int multipart_reader_feed(struct multipart_reader *reader, const uint8_t *bytes, size_t n,
                          struct err *err) MUST_CHECK;
/* The body ended. errors: ERR_REJECT the closing delimiter is missing. */
int multipart_reader_finish(struct multipart_reader *reader, struct err *err) MUST_CHECK;

#endif
