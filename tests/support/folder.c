/* folder.c - a test's own folder, and its end. */
#include "tests/support/folder.h"

#include "proto/base/base.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define OPEN_FOLDERS 16

void
folder_make(const char *name, char out[FOLDER_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");

    snprintf(out, FOLDER_PATH_BYTES, "%s/radpost-%s-XXXXXX", base != NULL ? base : "/tmp", name);
    CHECK(mkdtemp(out) != NULL);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void
folder_remove(const char *path)
{
    CHECK(nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0);
}
