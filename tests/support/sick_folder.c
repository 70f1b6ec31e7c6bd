/* sick_folder.c - see sick_folder.h. */
#include "tests/support/sick_folder.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for all below */
static const char *sick_end;
static unsigned left;

void
sick_folder(const char *path_end, unsigned after)
{
    pthread_mutex_lock(&lock);
    sick_end = path_end;
    left = after;
    pthread_mutex_unlock(&lock);
}

static bool
is_sick(DIR *folder)
{
    char link[64], path[PATH_MAX] = "";
    size_t n = strlen(sick_end);
    ssize_t size;

    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd(folder));
    size = readlink(link, path, sizeof path - 1);
    return size >= (ssize_t)n && strcmp(path + size - n, sick_end) == 0;
}

struct dirent *
readdir(DIR *folder)
{
    static struct dirent *(*really)(DIR *); /* of 64-bit offsets, as all of us call it */
    struct dirent *e = NULL;

    pthread_mutex_lock(&lock);
    if (really == NULL)
        *(void **)&really = dlsym(RTLD_NEXT, "readdir64");
    if (sick_end != NULL && is_sick(folder) && left == 0) {
        errno = EIO;
    } else {
        if (sick_end != NULL && is_sick(folder))
            left--;
        e = really(folder);
    }
    pthread_mutex_unlock(&lock);
    return e;
}
