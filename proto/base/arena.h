/* arena.h - memory of one request, association or job; goes at the end, all at once.
 * Past its limit arena_get returns NULL and the request ends with ERR_REJECT.
 * Threads: an arena belongs to its owner. */
#ifndef RADPOST_BASE_ARENA_H
#define RADPOST_BASE_ARENA_H

#include "proto/base/base.h"

struct arena;

struct arena *arena_new(size_t limit_bytes);
void arena_free(struct arena **arena);
void *arena_get(struct arena *arena, size_t size_bytes);           /* zeroed, aligned to 16 */
char *arena_text(struct arena *arena, const char *text, size_t n); /* zero-ended copy */
size_t arena_used(const struct arena *arena);

#endif
