/* embed.h - files that are part of the program: SQL, built pages, dictionaries.
 * CMakeLists.txt embeds every .sql below a service and everything below a built web folder; the
 * path becomes the name, e.g. storage/keep/catalog.sql > "storage/keep/catalog.sql". */
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
/* NULL when there is none. */
const struct embedded *embed_find(const char *path);

#endif
