/* embed.h - files that are part of the program: SQL, built pages, dictionaries.
 * CMakeLists.txt embeds every .sql below a service and the desk's built pages; the path becomes the
 * name, e.g. storage/keep/find.sql > "storage/keep/find.sql". The reader's pages (megabytes
 * of decoders) are a table of their own, in radpost-reader only. */
#ifndef RADPOST_BASE_EMBED_H
#define RADPOST_BASE_EMBED_H

#include "proto/base/base.h"

struct embedded {
    const char *path;
    const uint8_t *begin;
    const uint8_t *end;
};

/* All of them, ended by a row whose path is NULL. */
extern const struct embedded embedded_files[];
/* reader/web/dist, ended alike; linked into radpost-reader and nothing else. */
extern const struct embedded embedded_pages[];
/* NULL when there is none. */
const struct embedded *embed_find(const char *path);

#endif
