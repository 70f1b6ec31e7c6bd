/* arena.c - blocks of memory that go all at once. */
#include "proto/base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024, ALIGN_BYTES = 16 };

struct block {
    struct block *next;
    size_t room;
    size_t used;
    _Alignas(ALIGN_BYTES) uint8_t bytes[];
};

struct arena {
    struct block *blocks;
    size_t used;
    size_t limit;
};

struct arena *
arena_new(size_t limit_bytes)
{
    struct arena *arena = mem_new(sizeof *arena);

    arena->limit = limit_bytes;
    return arena;
}

void
arena_free(struct arena **arena)
{
    if (*arena == NULL)
        return;
    while ((*arena)->blocks != NULL) {
        struct block *block = (*arena)->blocks;

        (*arena)->blocks = block->next;
        free(block);
    }
    free(*arena);
    *arena = NULL;
}

void *
arena_get(struct arena *arena, size_t size_bytes)
{
    struct block *block = arena->blocks;
    size_t n, sum;
    void *at;

    if (!size_add(size_bytes, ALIGN_BYTES - 1, &n))
        return NULL;
    n &= ~(size_t)(ALIGN_BYTES - 1);
    if (!size_add(arena->used, n, &sum) || sum > arena->limit)
        return NULL;
    if (block == NULL || block->room - block->used < n) {
        size_t room = n > BLOCK_BYTES ? n : BLOCK_BYTES;

        block = mem_new(sizeof *block + room);
        block->room = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    at = block->bytes + block->used;
    block->used += n;
    arena->used = sum;
    return at;
}

char *
arena_text(struct arena *arena, const char *text, size_t n)
{
    size_t size;
    char *copy = size_add(n, 1, &size) ? arena_get(arena, size) : NULL;

    if (copy != NULL && n > 0)
        memcpy(copy, text, n);
    return copy;
}

size_t
arena_used(const struct arena *arena)
{
    return arena->used;
}
