/* multipart.h - the bytes of an answer: parts that are made one after the other, as a client takes
 * them, with or without multipart/related around them (RFC 2046 5.1, RFC 2387, PS3.18 8.6.1.2).
 * Never more than one part is held, and of that only what is not in a file. Cornerstone's reader
 * wants the boundary as the very first line, CRLF, and "Content-Type:" in this spelling.
 * Threads: a stream belongs to its reader. */
#ifndef RADPOST_STORAGE_SERVE_MULTIPART_H
#define RADPOST_STORAGE_SERVE_MULTIPART_H

#include "proto/base/buf.h"
#include "proto/dicom/leaving.h"
#include "storage/keep/keep.h"

enum { MULTIPART_TYPE = 160, MULTIPART_LOCATION = 512 };

/* One part: its bytes are memory, a range of a file or an instance as it leaves. */
struct part {
    char type[MULTIPART_TYPE];         /* Content-Type with its parameters */
    char location[MULTIPART_LOCATION]; /* Content-Location, "" = none */
    uint8_t *bytes;                    /* fresh memory, freed by the stream; or NULL */
    struct dcm_leaving *leaving;       /* closed and freed by the stream; or NULL: fd */
    int fd;                            /* closed by the stream */
    uint64_t offset, size;
    struct keep_proof *proof; /* NULL, or sees the bytes go; freed by the stream */
    bool is_part10; /* the preamble leaves as zeros, unless it is a TIFF header: a stored file
                       may pose as a program there (PS3.10 7.1, CVE-2019-11687) */
};
void part_fini(struct part *part);

/* Make the next part: 1 made, 0 there are no more, -1 failed. */
typedef int (*part_next_fn)(void *user, struct part *out, struct err *err);

struct multipart;

/* is_multipart  false: the first part's bytes alone, without boundary or headers
 * free_user     runs once, in multipart_free */
struct multipart *multipart_new(bool is_multipart, part_next_fn next, void (*free_user)(void *),
                                void *user);
/* The Content-Type of the whole: multipart/related; type="..."; boundary=... */
void multipart_type(const struct multipart *m, const char *part_type, char *out, size_t size);
/* How long an answer of parts of these types, locations and sizes is. */
uint64_t multipart_size(const struct multipart *m, const struct part *parts, size_t n);
/* Fill up to n bytes; *out_n = 0 is the end. Fits http_read_fn.
 * errors  ERR_RETRY a file is shorter than it was; ERR_CONFLICT the proof is against it, and its
 *         last bytes were not given; what next() failed with */
int multipart_read(void *multipart, uint8_t *bytes, size_t n, size_t *out_n,
                   struct err *err) MUST_CHECK;
void multipart_free(void *multipart);

#endif
