/* ranges.h - sets of bytes of one file: what is durable, what is on the way, what is missing.
 * Always sorted, merged, without empty ranges; an empty range changes nothing. {0} is the empty
 * set. Threads: a set belongs to its owner. */
#ifndef RADPOST_MODEL_RANGES_H
#define RADPOST_MODEL_RANGES_H

#include "proto/model/layout.h"

struct ranges {
    struct range *at;
    size_t n;
    size_t room;
};

void ranges_fini(struct ranges *r);
void ranges_clear(struct ranges *r);
void ranges_add(struct ranges *r, uint64_t from, uint64_t to);
void ranges_remove(struct ranges *r, uint64_t from, uint64_t to);
void ranges_add_all(struct ranges *r, const struct ranges *other);
void ranges_remove_all(struct ranges *r, const struct ranges *other);
uint64_t ranges_total(const struct ranges *r);
bool ranges_cover(const struct ranges *r, uint64_t from, uint64_t to);
/* The first bytes of the set, at most limit of them, as one range; false when it is empty. */
bool ranges_first(const struct ranges *r, uint64_t limit, struct range *out);
/* The same of what lies in [from, to). */
bool ranges_first_within(const struct ranges *r, uint64_t from, uint64_t to, uint64_t limit,
                         struct range *out);

#endif
