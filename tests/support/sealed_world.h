/* sealed_world.h - three images of a gateway, sealed in one pack in both stores, and harm to its
 * copies. cmocka tests, in vault_start()'s cluster. */
#ifndef RADPOST_TESTS_SUPPORT_SEALED_WORLD_H
#define RADPOST_TESTS_SUPPORT_SEALED_WORLD_H

#include "storage/keep/keep.h"
#include "tests/support/vault.h"

#include <sys/types.h>

struct sealed {
    struct vault a;
    struct slice s[3];
    struct keep_place *place; /* of the first */
    char packs[KEEP_COPIES][512];
};

extern const struct keep_sender sealed_gate;

void sealed_open(struct sealed *l, const char *database);
/* The first image has so many rows (struct slice). */
void sealed_open_large(struct sealed *l, const char *database, unsigned rows);
void sealed_close(struct sealed *l);
void sealed_packs_away(const struct sealed *l);
void sealed_flip_at(const char *path, off_t at);
/* One bit of the first image's bytes. */
void sealed_flip(const struct sealed *l, int copy);
/* Somebody looks at the first image, where it was at first; is it shown? */
bool sealed_is_shown(const struct sealed *l);
/* Some turns of the working thread. */
void sealed_work(struct sealed *l);

/* What is missing is listed, too, and its gateway asked. */
void sealed_assert_stands(const struct sealed *l, uint64_t whole, uint64_t sealed,
                          uint64_t missing);
struct keep_health sealed_health(const struct sealed *l);
uint64_t sealed_doubted(const struct sealed *l);
/* So many are told to the gateway from this cursor on. */
size_t sealed_receipts(const struct sealed *l, uint64_t after, uint64_t *out_next);
size_t sealed_corrupt_files(const struct sealed *l);

#endif
