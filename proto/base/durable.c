/* durable.c - the only way lasting bytes reach a disk. */
#include "proto/base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

int
durable_write(int fd, const void *bytes, size_t n, struct err *err)
{
    const uint8_t *p = bytes;

    while (n > 0) {
        ssize_t k = write(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(err, ERR_RETRY, "write");
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

int
durable_write_at(int fd, const void *bytes, size_t n, uint64_t offset, struct err *err)
{
    const uint8_t *p = bytes;

    while (n > 0) {
        ssize_t k = pwrite(fd, p, n, (off_t)offset);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(err, ERR_RETRY, "write");
        p += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return 0;
}

/* Whatever the first call leaves is written piece by piece. */
int
durable_write_parts_at(int fd, const struct durable_part *parts, size_t count, uint64_t offset,
                       struct err *err)
{
    struct iovec pieces[DURABLE_PARTS];
    ssize_t done;

    CHECK(count <= DURABLE_PARTS);
    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i].bytes, parts[i].n};
    do
        done = pwritev(fd, pieces, (int)count, (off_t)offset);
    while (done < 0 && errno == EINTR);
    if (done < 0)
        return err_sys(err, ERR_RETRY, "write");
    for (size_t i = 0; i < count; i++) {
        size_t skip = (size_t)done < parts[i].n ? (size_t)done : parts[i].n;
        const uint8_t *rest = (const uint8_t *)parts[i].bytes + skip;

        if (durable_write_at(fd, rest, parts[i].n - skip, offset + skip, err) < 0)
            return -1;
        done -= (ssize_t)skip;
        offset += parts[i].n;
    }
    return 0;
}

int
durable_read_at(int fd, void *bytes, size_t n, uint64_t offset, struct err *err)
{
    uint8_t *p = bytes;

    while (n > 0) {
        ssize_t k = pread(fd, p, n, (off_t)offset);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(err, ERR_RETRY, "read");
        if (k == 0)
            return err_set(err, ERR_REJECT, "read: the file ends early");
        p += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return 0;
}

int
durable_sync(int fd, struct err *err)
{
#ifdef RADPOST_MUTANT_SYNC_RETRIED /* tests/crash/mutants.test proves that this lie is seen */
    if (fdatasync(fd) == 0)
        return 0;
#endif
    return fdatasync(fd) < 0 ? err_sys(err, ERR_RETRY, "sync") : 0;
}

void
durable_hint(int fd, uint64_t offset, uint64_t n)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

int
durable_sync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return err_sys(err, ERR_RETRY, "open folder %s", path);
    if (fsync(fd) < 0)
        rc = err_sys(err, ERR_RETRY, "sync folder %s", path);
    close(fd);
    return rc;
}

int
durable_preallocate(int fd, uint64_t size_bytes, struct err *err)
{
    int e;

    do
        e = posix_fallocate(fd, 0, (off_t)size_bytes);
    while (e == EINTR);
    errno = e;
    return e != 0 ? err_sys(err, ERR_RETRY, "reserve room") : 0;
}

/* The folder part of a path, "." if there is none. */
static void
parent_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    snprintf(out, PATH_MAX, "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash == NULL ? "." : path);
}

int
durable_mkdir(const char *path, struct err *err)
{
    char parent[PATH_MAX];

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_sys(err, ERR_RETRY, "make folder %s", path);
    parent_of(path, parent);
    return durable_sync_folder(parent, err);
}

int
durable_create(const char *dir, const char *name, int *out_fd, struct err *err)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof path, "%s/tmp/%s", dir, name);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, ERR_RETRY, "create %s", path);
    *out_fd = fd;
    return 0;
}

static int
sync_and_close(int *fd, struct err *err)
{
    int rc = durable_sync(*fd, err);

    if (close(*fd) < 0 && rc == 0)
        rc = err_sys(err, ERR_RETRY, "close");
    *fd = -1;
    return rc;
}

int
durable_publish(int *fd, const char *dir, const char *name, const char *to, struct err *err)
{
    char from_path[PATH_MAX], to_path[PATH_MAX], folder[PATH_MAX];
    int rc = -1;

    snprintf(from_path, sizeof from_path, "%s/tmp/%s", dir, name);
    snprintf(to_path, sizeof to_path, "%s/%s", dir, to);
    parent_of(to_path, folder);
    if (sync_and_close(fd, err) < 0)
        goto out;
    if (rename(from_path, to_path) < 0) {
        rc = err_sys(err, ERR_RETRY, "rename to %s", to_path);
        goto out;
    }
#ifdef RADPOST_MUTANT_NO_FOLDER_SYNC /* tests/crash/mutants.test proves that this lie is seen */
    rc = 0;
#else
    rc = durable_sync_folder(folder, err);
#endif
out:
    if (rc < 0)
        unlink(from_path);
    return rc;
}

/* ---- several at once ---- */

/* The folders on the way to TO, outermost first; false: there is no further one. */
static bool
folder_on_way(const char *dir, const char *to, size_t number, char out[PATH_MAX])
{
    const char *at = to;

    for (size_t i = 0; i <= number; i++) {
        at = strchr(i == 0 ? at : at + 1, '/');
        if (at == NULL)
            return false;
    }
    snprintf(out, PATH_MAX, "%s/%.*s", dir, (int)(at - to), to);
    return true;
}

static int
make_way(const char *dir, const char *to, struct err *err)
{
    char path[PATH_MAX];

    for (size_t i = 1; folder_on_way(dir, to, i, path); i++)
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return err_sys(err, ERR_RETRY, "make folder %s", path);
    return 0;
}

static int
rename_into(const char *dir, const struct durable_new *f, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];

    snprintf(from, sizeof from, "%s/tmp/%s", dir, f->name);
    snprintf(to, sizeof to, "%s/%s", dir, f->to);
    return rename(from, to) < 0 ? err_sys(err, ERR_RETRY, "rename to %s", to) : 0;
}

static bool
leads_through(const char *dir, const struct durable_new *f, const char *folder)
{
    char path[PATH_MAX];

    for (size_t i = 0; folder_on_way(dir, f->to, i, path); i++)
        if (strcmp(path, folder) == 0)
            return true;
    return false;
}

/* Once, for all that lead through it: a sync that failed is not tried again for another of them. */
static void
sync_for_all(const char *dir, struct durable_new *all, size_t n, const char *folder)
{
    struct err err;

#ifdef RADPOST_MUTANT_NO_FOLDER_SYNC /* tests/crash/mutants.test proves that this lie is seen */
    return;
#endif
    if (durable_sync_folder(folder, &err) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (all[i].err.kind == ERR_NONE && leads_through(dir, &all[i], folder))
            all[i].err = err;
}

static void
sync_ways(const char *dir, struct durable_new *all, size_t n)
{
    bool *is_moved = mem_new((n + 1) * sizeof *is_moved);
    char path[PATH_MAX];

    for (size_t i = 0; i < n; i++)
        is_moved[i] = all[i].err.kind == ERR_NONE;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; is_moved[i] && folder_on_way(dir, all[i].to, k, path); k++) {
            size_t before = 0;

            while (before < i && !(is_moved[before] && leads_through(dir, &all[before], path)))
                before++;
            if (before == i)
                sync_for_all(dir, all, n, path);
        }
    free(is_moved);
}

static int
sync_new(const char *dir, struct durable_new *f)
{
    if (make_way(dir, f->to, &f->err) == 0)
        return sync_and_close(&f->fd, &f->err);
    close(f->fd);
    f->fd = -1;
    return -1;
}

void
durable_publish_all(const char *dir, struct durable_new *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        all[i].err = (struct err){.kind = ERR_NONE};
        if (sync_new(dir, &all[i]) < 0)
            err_context(&all[i].err, "publish");
    }
    for (size_t i = 0; i < n; i++)
        if (all[i].err.kind == ERR_NONE && rename_into(dir, &all[i], &all[i].err) < 0)
            err_context(&all[i].err, "publish");
    sync_ways(dir, all, n);
    for (size_t i = 0; i < n; i++)
        if (all[i].err.kind != ERR_NONE) {
            char path[PATH_MAX];

            snprintf(path, sizeof path, "%s/tmp/%s", dir, all[i].name);
            unlink(path);
        }
}

int
durable_put_file(const char *dir, const char *to, const void *bytes, size_t n, struct err *err)
{
    char name[64];
    static _Atomic unsigned serial;
    int fd = -1;

    snprintf(name, sizeof name, "put-%d-%u", (int)getpid(), serial++);
    if (durable_create(dir, name, &fd, err) < 0)
        return -1;
    if (durable_write(fd, bytes, n, err) < 0) {
        char path[PATH_MAX];

        close(fd);
        snprintf(path, sizeof path, "%s/tmp/%s", dir, name);
        unlink(path);
        return -1;
    }
    return durable_publish(&fd, dir, name, to, err);
}

int
durable_remove(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX], folder[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (unlink(path) < 0)
        return errno == ENOENT ? 0 : err_sys(err, ERR_RETRY, "remove %s", path);
    parent_of(path, folder);
    return durable_sync_folder(folder, err);
}

int
durable_get_file(const char *path, size_t limit_bytes, uint8_t **out_bytes, size_t *out_n,
                 struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *bytes = NULL;
    int rc = -1;

    if (fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_RETRY, "open %s", path);
    if (fstat(fd, &st) < 0) {
        err_sys(err, ERR_RETRY, "stat %s", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit_bytes) {
        err_set(err, ERR_REJECT, "%s is no file of at most %zu bytes", path, limit_bytes);
        goto out;
    }
    bytes = mem_new((size_t)st.st_size + 1);
    if (durable_read_at(fd, bytes, (size_t)st.st_size, 0, err) < 0)
        goto out;
    *out_n = (size_t)st.st_size;
    *out_bytes = TAKE(bytes);
    rc = 0;
out:
    free(bytes);
    close(fd);
    return rc;
}

int
durable_room(const char *path, uint64_t *out_free_bytes, int *out_used_percent, struct err *err)
{
    struct statvfs v;

    if (statvfs(path, &v) < 0)
        return err_sys(err, ERR_RETRY, "look at the disk of %s", path);
    *out_free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *out_used_percent = v.f_blocks == 0 ? 0 : (int)(100 - 100 * v.f_bavail / v.f_blocks);
    return 0;
}
