/* dimse_places.c - see dimse_places.h. There are a hundred places at most: each looks at all. */
#include "proto/dicom/dimse_places.h"

#include <stdbool.h>
#include <string.h>

static bool
is_same_peer(const struct place *a, const struct place *b)
{
    return strcmp(a->address, b->address) == 0 &&
           memcmp(a->calling, b->calling, PLACE_CALLING_BYTES) == 0;
}

static size_t
held_by(const struct place *held, size_t n, const struct place *peer)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += is_same_peer(&held[i], peer);
    return count;
}

int
place_to_end(const struct place *held, size_t n, const struct place *newcomer, size_t most)
{
    size_t own = held_by(held, n, newcomer), peers = own == 0, least, best = 0;
    int chosen = -1;

    for (size_t i = 0; i < n; i++)
        peers += held_by(held, i, &held[i]) == 0; /* the first of its peer's */
    least = most / peers > own + 1 ? most / peers : own + 1;
    for (size_t i = 0; i < n; i++) {
        size_t count = held_by(held, n, &held[i]);

        if (count <= least || held[i].silent_ms < 0 || count < best ||
            (count == best && held[i].silent_ms <= held[chosen].silent_ms))
            continue;
        best = count;
        chosen = (int)i;
    }
    return chosen;
}
