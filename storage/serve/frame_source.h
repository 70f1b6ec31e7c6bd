/* frame_source.h - the pixels of one stored instance, frame by frame, as coded or native.
 * Threads: a source belongs to its reader. */
#ifndef RADPOST_STORAGE_SERVE_FRAME_SOURCE_H
#define RADPOST_STORAGE_SERVE_FRAME_SOURCE_H

#include "proto/dicom/frames.h"
#include "storage/serve/multipart.h"
#include "storage/serve/serve_core.h"

struct frame_source {
    struct serve *s;
    struct keep_place *place; /* owned */
    int fd;                   /* of the stored file, or of a native copy of it */
    uint64_t offset;          /* the Part 10 file in fd */
    struct serve_map map;
    struct dcm_part10 part10;
    const uint8_t *dataset; /* never deflated, never big endian native */
    size_t dataset_n;
    struct dcm_pixels pixels; /* tag 0: none */
    struct layout *layout;    /* of a file coded by us, else NULL */
};

/* What a coding's frames are called on the wire (PS3.18 table 8.7.3-5 and later). */
const char *frame_media_type(const struct dcm_syntax *syntax);
/* Can frames of this coding be given as native pixels? */
bool frame_is_decodable(const struct dcm_syntax *syntax);

/* place is consumed, in every case. errors  ERR_REJECT broken; ERR_RETRY */
int frame_source_open(struct serve *s, struct keep_place **place, struct frame_source **out,
                      struct err *err) MUST_CHECK;
void frame_source_free(struct frame_source **source);
uint32_t frame_source_count(const struct frame_source *f); /* 0: no pixels */

/* Frame 1..count; the part has no type yet.
 * errors  ERR_NOT_FOUND no such frame, cannot be told apart, or no decoder */
int frame_source_coded(struct frame_source *f, uint32_t frame, struct part *out,
                       struct err *err) MUST_CHECK;
int frame_source_native(struct frame_source *f, uint32_t frame, struct part *out,
                        struct err *err) MUST_CHECK;

/* Any range of the file, counted from its first byte. */
int frame_source_range(struct frame_source *f, uint64_t offset, uint64_t size, struct part *out,
                       struct err *err) MUST_CHECK;

#endif
