/* walk_files.c - every regular file below a folder, without following a link. */
#include "gateway/import/import_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 12, FILES_MAX = 100000 };

struct walker {
    visit_fn visit;
    void *user;
    unsigned files;
    bool is_stopped;
};

static void walk(struct walker *w, int dir_fd, const char *relative, int depth);

static void
meet(struct walker *w, int dir_fd, const char *relative, const char *name, int depth)
{
    char below[PATH_MAX];
    struct stat st;
    int fd;

    if (snprintf(below, sizeof below, "%s%s%s", relative, relative[0] != '\0' ? "/" : "", name) >=
        (int)sizeof below)
        return;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        w->is_stopped = !w->visit(w->user, -1, below);
        return;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return;
    /* O_NONBLOCK: a pipe put in its place meanwhile must not stop us */
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        w->is_stopped = !w->visit(w->user, -1, below);
        return;
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
        walk(w, fd, below, depth + 1); /* consumes fd */
        return;
    }
    if (S_ISREG(st.st_mode)) {
        w->files++;
        w->is_stopped = w->files > FILES_MAX || !w->visit(w->user, fd, below);
    }
    close(fd);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names first, then what they stand for: what is removed meanwhile does not upset the reading. */
static void
walk(struct walker *w, int dir_fd, const char *relative, int depth)
{
    DIR *d = fdopendir(dir_fd);
    char **names = NULL;
    size_t n = 0, room = 0;
    struct dirent *e;

    if (d == NULL) {
        close(dir_fd);
        return;
    }
    while ((e = readdir(d)) != NULL && n < FILES_MAX) {
        if (e->d_name[0] == '.')
            continue;
        if (n == room) {
            room = room == 0 ? 64 : 2 * room;
            names = mem_grow(names, room * sizeof *names);
        }
        names[n++] = mem_text(e->d_name);
    }
    if (n > 0)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        if (!w->is_stopped)
            meet(w, dirfd(d), relative, names[i], depth);
        free(names[i]);
    }
    free(names);
    closedir(d);
}

void
walk_files(const char *root, visit_fn visit, void *user)
{
    struct walker w = {.visit = visit, .user = user};
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        walk(&w, fd, "", 0);
}
