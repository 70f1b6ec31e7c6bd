/* reserve.c - a file whose length is what counts. */
#include "proto/base/reserve.h"

#include "proto/base/durable.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* -1: there is none, or it cannot be told. */
static int
open_reserve(const char *dir, int flags, uint64_t *out_size)
{
    char path[PATH_MAX];
    struct stat st;
    int fd;

    snprintf(path, sizeof path, "%s/reserve", dir);
    fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd >= 0 && fstat(fd, &st) < 0) {
        close(fd);
        return -1;
    }
    *out_size = fd >= 0 ? (uint64_t)st.st_size : 0;
    return fd;
}

void
reserve_make(const char *dir, uint64_t bytes)
{
    struct err none; /* a disk without room: what there is stays */
    uint64_t size;
    int fd = open_reserve(dir, O_CREAT, &size);

    if (fd < 0)
        return;
    if (size < bytes && durable_preallocate(fd, bytes, &none) < 0 && ftruncate(fd, (off_t)size) < 0)
        size = 0; /* it is longer than what it has: given up all the same */
    close(fd);
}

bool
reserve_give(const char *dir, uint64_t bytes)
{
    uint64_t size;
    int fd = open_reserve(dir, 0, &size);
    bool did;

    if (fd < 0)
        return false;
    did = size > 0 && ftruncate(fd, (off_t)(size > bytes ? size - bytes : 0)) == 0;
    close(fd);
    return did;
}
