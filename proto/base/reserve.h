/* reserve.h - room that a folder keeps for itself on its disk: the file DIR/reserve. Where others
 * filled the disk, it is given up piece by piece for what must still be written there: who took an
 * image out, or what became of one, so that room can be made. Threads: one at a time a folder. */
#ifndef RADPOST_BASE_RESERVE_H
#define RADPOST_BASE_RESERVE_H

#include "proto/base/base.h"

/* Keep so many bytes, as far as the disk has them; nobody is told where it has not. Never less than
 * before. */
void reserve_make(const char *dir, uint64_t bytes);
/* The disk has at least so many bytes more than before, or as many as were left. false: none were.
 */
bool reserve_give(const char *dir, uint64_t bytes) MUST_CHECK;

#endif
