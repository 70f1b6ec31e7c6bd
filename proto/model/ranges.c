/* ranges.c - a sorted array; each change rebuilds the few ranges it touches. */
#include "proto/model/ranges.h"

#include <stdlib.h>
#include <string.h>

static void replace(struct ranges *r, size_t first, size_t count, const struct range *with,
                    size_t with_n);

void
ranges_fini(struct ranges *r)
{
    free(r->at);
    memset(r, 0, sizeof *r);
}

void
ranges_clear(struct ranges *r)
{
    r->n = 0;
}

/* The first range that ends at or behind a byte. */
static size_t
first_ending_at(const struct ranges *r, uint64_t at)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->at[middle].to < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
ranges_add(struct ranges *r, uint64_t from, uint64_t to)
{
    size_t first = first_ending_at(r, from), end = first;
    struct range whole = {from, to};

    if (from >= to)
        return;
    while (end < r->n && r->at[end].from <= to) {
        if (r->at[end].from < whole.from)
            whole.from = r->at[end].from;
        if (r->at[end].to > whole.to)
            whole.to = r->at[end].to;
        end++;
    }
    replace(r, first, end - first, &whole, 1);
}

void
ranges_remove(struct ranges *r, uint64_t from, uint64_t to)
{
    size_t first = first_ending_at(r, from), end = first, left_n = 0;
    struct range left[2];

    if (from >= to)
        return;
    while (end < r->n && r->at[end].from < to)
        end++;
    if (end == first)
        return;
    if (r->at[first].from < from)
        left[left_n++] = (struct range){r->at[first].from, from};
    if (r->at[end - 1].to > to)
        left[left_n++] = (struct range){to, r->at[end - 1].to};
    replace(r, first, end - first, left, left_n);
}

void
ranges_add_all(struct ranges *r, const struct ranges *other)
{
    for (size_t i = 0; i < other->n; i++)
        ranges_add(r, other->at[i].from, other->at[i].to);
}

void
ranges_remove_all(struct ranges *r, const struct ranges *other)
{
    for (size_t i = 0; i < other->n; i++)
        ranges_remove(r, other->at[i].from, other->at[i].to);
}

uint64_t
ranges_total(const struct ranges *r)
{
    uint64_t total = 0;

    for (size_t i = 0; i < r->n; i++)
        total += r->at[i].to - r->at[i].from;
    return total;
}

bool
ranges_cover(const struct ranges *r, uint64_t from, uint64_t to)
{
    size_t i;

    if (from >= to)
        return true;
    i = first_ending_at(r, from + 1);
    return i < r->n && r->at[i].from <= from && r->at[i].to >= to;
}

bool
ranges_first(const struct ranges *r, uint64_t limit, struct range *out)
{
    return ranges_first_within(r, 0, UINT64_MAX, limit, out);
}

bool
ranges_first_within(const struct ranges *r, uint64_t from, uint64_t to, uint64_t limit,
                    struct range *out)
{
    size_t i = first_ending_at(r, from + 1);

    if (i == r->n || r->at[i].from >= to || limit == 0)
        return false;
    out->from = r->at[i].from > from ? r->at[i].from : from;
    out->to = r->at[i].to < to ? r->at[i].to : to;
    if (out->to - out->from > limit)
        out->to = out->from + limit;
    return true;
}

static void
replace(struct ranges *r, size_t first, size_t count, const struct range *with, size_t with_n)
{
    size_t n = r->n - count + with_n;

    if (n > r->room) {
        r->room = n < 4 ? 4 : 2 * n;
        r->at = mem_grow(r->at, r->room * sizeof *r->at);
    }
    memmove(r->at + first + with_n, r->at + first + count, (r->n - first - count) * sizeof *r->at);
    if (with_n > 0)
        memcpy(r->at + first, with, with_n * sizeof *with);
    r->n = n;
}
