/* ranges.h - a set of bytes of a file, as sorted, merged ranges.
 * Threads: a set belongs to its owner. */
#ifndef RADPOST_STORAGE_KEEP_RANGES_H
#define RADPOST_STORAGE_KEEP_RANGES_H

#include "proto/model/layout.h"

struct ranges {
    struct range *r;
    size_t n, room;
};

/* from < to. */
void ranges_add(struct ranges *set, uint64_t from, uint64_t to);
bool ranges_cover(const struct ranges *set, uint64_t from, uint64_t to);
void ranges_fini(struct ranges *set);

#endif
