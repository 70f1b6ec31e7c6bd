/* pool_files.c - what is handed to a worker and taken from it, and what the kernel says of it. */
#include "proto/codec/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
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

int64_t
pool_used_ms(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        return 0;
    return used.tv_sec * INT64_C(1000) + used.tv_nsec / 1000000;
}

/* proc(5): "TID (NAME) STATE ...", and NAME may hold anything. */
static bool
is_waiting(int folder, const char *thread)
{
    char path[300], line[512];
    const char *end = NULL;
    ssize_t n = -1;
    int fd;

    (void)snprintf(path, sizeof path, "%s/stat", thread);
    fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, line, sizeof line - 1);
        close(fd);
    }
    if (n > 0) {
        line[n] = '\0';
        end = strrchr(line, ')');
    }
    return end != NULL && end[1] == ' ' && (end[2] == 'R' || end[2] == 'D');
}

bool
pool_wants_processor(pid_t pid)
{
    bool is_any = false;
    struct dirent *e;
    char path[40];
    DIR *folder;

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    folder = opendir(path);
    while (folder != NULL && !is_any && (e = readdir(folder)) != NULL)
        is_any = e->d_name[0] != '.' && is_waiting(dirfd(folder), e->d_name);
    if (folder != NULL)
        closedir(folder);
    return is_any;
}
