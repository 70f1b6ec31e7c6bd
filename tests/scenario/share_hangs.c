/* share_hangs.c - a library to preload: a share whose server is away. Who asks for anything below a
 * folder waits until a file is there, as on a hard mount.
 *     LD_PRELOAD=share_hangs.so SHARE=FOLDER SHARE_IS_BACK=FILE PROGRAM */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
wait_for(const char *path)
{
    const char *share = getenv("SHARE"), *back = getenv("SHARE_IS_BACK");

    if (share == NULL || back == NULL || path == NULL || strncmp(path, share, strlen(share)) != 0)
        return;
    while (syscall(SYS_access, back, F_OK) != 0)
        (void)poll(NULL, 0, 50);
}

#define SAME(type, name, parameters, arguments)                                                    \
    type name parameters                                                                           \
    {                                                                                              \
        type(*really) parameters;                                                                  \
        *(void **)&really = dlsym(RTLD_NEXT, #name);                                               \
        wait_for(path);                                                                            \
        return really arguments;                                                                   \
    }

SAME(int, stat, (const char *path, struct stat *out), (path, out))
SAME(int, stat64, (const char *path, struct stat64 *out), (path, out))
SAME(int, access, (const char *path, int mode), (path, mode))
SAME(int, mkdir, (const char *path, mode_t mode), (path, mode))
SAME(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))
SAME(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode))
SAME(void *, fopen, (const char *path, const char *mode), (path, mode))
SAME(void *, fopen64, (const char *path, const char *mode), (path, mode))
SAME(void *, opendir, (const char *path), (path))
