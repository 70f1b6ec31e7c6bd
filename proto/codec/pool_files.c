/* pool_files.c - what is handed to a worker and taken from it. */
#include "proto/codec/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int
pool_memfd(const char *name, struct err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    return fd >= 0 ? fd : err_sys(err, ERR_RETRY, "memory file %s", name);
}

int
pool_reopen(int fd, struct err *err)
{
    char path[40];
    int opened;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    opened = open(path, O_RDONLY | O_CLOEXEC);
    return opened >= 0 ? opened : err_sys(err, ERR_RETRY, "open the source again");
}

int
pool_seal(int fd, uint64_t expected, struct err *err)
{
    struct stat st;

    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ||
        fstat(fd, &st) < 0)
        return err_sys(err, ERR_REJECT, "seal what a codec worker wrote");
    if ((uint64_t)st.st_size != expected)
        return err_set(err, ERR_REJECT, "a codec worker wrote another length than it says");
    return 0;
}
