/* dimse_places.h - whose association ends when all places are taken and another peer wants one. So
 * one device that leaves its associations open shuts out no other. Pure function. Not for others.
 */
#ifndef RADPOST_DICOM_DIMSE_PLACES_H
#define RADPOST_DICOM_DIMSE_PLACES_H

#include <stddef.h>
#include <stdint.h>

enum { PLACE_CALLING_BYTES = 16 };

/* A peer is an address and the calling title as its request has it. */
struct place {
    const char *address;
    const uint8_t *calling;
    int64_t silent_ms; /* -1: it may not be ended now */
};

/* The longest silent place of the peer that holds the most, if that is more than the newcomer would
 * have with one more, and more than a share of them all: an index, or -1. most is how many places
 * there are; n of them are held, newcomer's is none of those. */
int place_to_end(const struct place *held, size_t n, const struct place *newcomer, size_t most);

#endif
