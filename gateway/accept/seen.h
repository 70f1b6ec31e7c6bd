/* seen.h - what each device did last, over restarts: DIR/seen.tsv (docs/formats/devices.md).
 * For people to look at: a crash loses the last minute of it. Pure functions over a table. */
#ifndef RADPOST_ACCEPT_SEEN_H
#define RADPOST_ACCEPT_SEEN_H

#include "gateway/accept/devices.h"

#define SEEN_FILE "seen.tsv"

/* Fill the rows from the file; no file: nothing is known. Lines that cannot be read or belong to no
 * row are left out. */
int seen_read(const char *dir, struct devices *devices, struct err *err) MUST_CHECK;
void seen_format(const struct devices *devices, struct buf *out);
/* The file, from what seen_format() wrote. */
int seen_write(const char *dir, const struct buf *text, struct err *err) MUST_CHECK;
#define SEEN_BYTES ((size_t)DEVICES_MAX * 256)

#endif
