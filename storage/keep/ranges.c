/* ranges.c - a set of bytes of a file, as sorted, merged ranges. */
#include "storage/keep/ranges.h"

#include <stdlib.h>
#include <string.h>

/* The first range that ends at or behind a place (it may touch it). */
static size_t
first_reaching(const struct ranges *set, uint64_t at)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->r[middle].to < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
ranges_add(struct ranges *set, uint64_t from, uint64_t to)
{
    size_t first = first_reaching(set, from);
    size_t past = first;

    CHECK(from < to);
    for (; past < set->n && set->r[past].from <= to; past++) {
        from = set->r[past].from < from ? set->r[past].from : from;
        to = set->r[past].to > to ? set->r[past].to : to;
    }
    if (past == first && set->n == set->room) {
        set->room = set->room == 0 ? 4 : set->room * 2;
        set->r = mem_grow(set->r, set->room * sizeof *set->r);
    }
    memmove(set->r + first + 1, set->r + past, (set->n - past) * sizeof *set->r);
    set->n = set->n - (past - first) + 1;
    set->r[first] = (struct range){from, to};
}

bool
ranges_cover(const struct ranges *set, uint64_t from, uint64_t to)
{
    size_t i;

    if (from >= to)
        return true;
    i = first_reaching(set, from);
    if (i < set->n && set->r[i].to == from) /* touches, does not hold */
        i++;
    return i < set->n && set->r[i].from <= from && set->r[i].to >= to;
}

void
ranges_fini(struct ranges *set)
{
    free(set->r);
    *set = (struct ranges){0};
}
