/* segment.h - the file that holds instances: headers written and read, a whole file walked.
 * The format and its invariants: docs/formats/spool.md. Nothing here keeps state; the walk may be
 * fed hostile bytes. */
#ifndef RADPOST_SPOOL_SEGMENT_H
#define RADPOST_SPOOL_SEGMENT_H

#include "gateway/spool/spool.h"

#define SEGMENT_MAJOR 1 /* what this program writes (versions.c) */
#define SEGMENT_MINOR 1
#define SEGMENT_BLOCK 4096u /* records begin at multiples of it */
#define SEGMENT_RECORD_HEADER 1024u
#define SEGMENT_RECORD_END 24u
#define SEGMENT_NONCE 16u

struct segment_header {
    bool is_own; /* of one object alone */
    uint64_t number;
    int64_t made_at_us;
    uint8_t nonce[SEGMENT_NONCE];
};

enum segment_kind { SEGMENT_RECEIVED = 1, SEGMENT_CODED = 2, SEGMENT_END = 3 };

struct segment_record {
    enum segment_kind kind;
    uint64_t offset;
    uint64_t synced_to;
    uint64_t id;
    int64_t at_us;
    uint64_t payload_size;
    uint64_t object_size;
    uint32_t recipe_n;
    uint32_t layout_n;
    uint8_t sha256[32];
    uint32_t payload_crc;
    struct spool_meta meta; /* SEGMENT_RECEIVED */
};

/* Bytes that a record takes in the file, padding included; payload_size is vetted. */
uint64_t segment_span(enum segment_kind kind, uint64_t payload_size);

void segment_header_write(const struct segment_header *h, uint8_t block[SEGMENT_BLOCK]);
/* errors  ERR_REJECT no segment, or of an unknown major version */
int segment_header_read(const uint8_t block[SEGMENT_BLOCK], struct segment_header *out,
                        struct err *err) MUST_CHECK;
void segment_record_write(const struct segment_record *r, const uint8_t nonce[SEGMENT_NONCE],
                          uint8_t out[SEGMENT_RECORD_HEADER]);
/* False: these bytes are no record of this segment at this offset. */
bool segment_record_read(const uint8_t bytes[SEGMENT_RECORD_HEADER],
                         const uint8_t nonce[SEGMENT_NONCE], uint64_t offset,
                         struct segment_record *out) MUST_CHECK;
void segment_end_write(const struct segment_record *r, const uint8_t nonce[SEGMENT_NONCE],
                       uint8_t out[SEGMENT_RECORD_END]);

struct segment_walk {
    struct segment_header header;
    struct segment_record *records; /* what may be believed, by offset; free */
    size_t n;
    uint64_t end;      /* after the last record that may be believed */
    uint64_t seen_end; /* after the last one of which at least the header is left */
    uint64_t torn;    /* unsynced records or pieces that did not survive: nobody was told of them */
    uint64_t damaged; /* places that had been synced and cannot be read */
    bool is_closed;   /* ends with SEGMENT_END */
};

/* Read a segment as docs/formats/spool.md "Reading a segment" says.
 * errors  ERR_REJECT no segment at all, ERR_RETRY the disk */
int segment_read(int fd, struct segment_walk *out, struct err *err) MUST_CHECK;
void segment_walk_fini(struct segment_walk *walk);

#endif
