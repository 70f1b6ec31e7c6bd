/* digests.h - the three digests that name an instance (docs/ARCHITECTURE.md "Digests").
 * file     SHA-256 of the Part 10 file as it is archived: sha256sum verifies it in fifteen years
 * pixels   SHA-256 of the native frames: little endian, all allocated bits, colour by pixel, as
 *          the received photometric interpretation has them, without the pad byte; where
 * pixels_from is PIXELS_FRAMES, of all fragments' bytes as received, one after the other dataset
 * SHA-256 of the canonical received data set without its pixels (proto/dicom)
 * rest     as dataset, without what names patient and study: inside the gateway only
 * Two instances are the same when pixels and dataset agree. */
#ifndef RADPOST_MODEL_DIGESTS_H
#define RADPOST_MODEL_DIGESTS_H

#include "proto/trust/digest.h"

enum pixels_from {
    PIXELS_NONE,    /* no pixel data: the digest of no bytes */
    PIXELS_NATIVE,  /* as they lay in the file */
    PIXELS_DECODED, /* of a compressed lossless syntax */
    PIXELS_FRAMES   /* lossy, video or undecodable: the compressed bytes */
};

struct dcm_digests {
    uint8_t file[DIGEST_BYTES];
    uint8_t pixels[DIGEST_BYTES];
    uint8_t dataset[DIGEST_BYTES];
    uint8_t rest[DIGEST_BYTES];
    enum pixels_from pixels_from;
};

#endif
