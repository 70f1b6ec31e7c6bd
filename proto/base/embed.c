/* embed.c - find an embedded file by its path. */
#include "proto/base/embed.h"

#include <string.h>

const struct embedded *
embed_find(const char *path)
{
    for (const struct embedded *e = embedded_files; e->path != NULL; e++)
        if (strcmp(e->path, path) == 0)
            return e;
    return NULL;
}
