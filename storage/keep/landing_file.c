/* landing_file.c - the bytes of an object that is on its way, and which of them are durable. */
#include "storage/keep/landing_file.h"

#include "proto/base/buf.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 52, RECORD_BYTES = 20, MAJOR = 1, MINOR = 0 };

static const char map_magic[4] = {'R', 'P', 'L', 'M'};

static void
path_of(const struct landing_file *f, const char *folder, const char *ending, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s/%s.%s", f->dir, folder, f->name, ending);
}

void
landing_whole_name(const char *tenant, const uint8_t object[32], char out[LANDING_NAME_SIZE])
{
    char hex[65];

    hex_encode(object, 32, hex);
    snprintf(out, LANDING_NAME_SIZE, "whole/%s-%s.dcm", tenant, hex);
}

static void
head_make(const struct landing_file *f, struct buf *out)
{
    buf_add(out, map_magic, sizeof map_magic);
    buf_add_u8(out, MAJOR);
    buf_add_u8(out, MINOR);
    buf_add_le16(out, 0);
    buf_add_le64(out, f->size);
    buf_add(out, f->object, sizeof f->object);
    buf_add_le32(out, zip_crc32(0, out->bytes, out->n));
}

static void
record_make(const struct range *r, struct buf *out)
{
    size_t at = out->n;

    buf_add_le64(out, r->from);
    buf_add_le64(out, r->to);
    buf_add_le32(out, zip_crc32(0, out->bytes + at, 16));
}

void
landing_map_read(const uint8_t *bytes, size_t n, const uint8_t object[32], uint64_t size,
                 struct ranges *out, size_t *out_good)
{
    size_t at = HEAD_BYTES;

    *out_good = 0;
    if (n < HEAD_BYTES || memcmp(bytes, map_magic, 4) != 0 || bytes[4] != MAJOR ||
        le32_read(bytes + 48) != zip_crc32(0, bytes, 48) || le64_read(bytes + 8) != size ||
        memcmp(bytes + 16, object, 32) != 0)
        return;
    for (; n - at >= RECORD_BYTES; at += RECORD_BYTES) {
        uint64_t from = le64_read(bytes + at), to = le64_read(bytes + at + 8);

        if (le32_read(bytes + at + 16) != zip_crc32(0, bytes + at, 16) || from >= to || to > size)
            break;
        ranges_add(out, from, to);
    }
    *out_good = at;
}

/* Open a file if it is there: *out_fd stays -1 when not. */
static int
open_there(const char *path, int *out_fd, struct err *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 && errno != ENOENT)
        return err_sys(err, ERR_RETRY, "open %s", path);
    *out_fd = fd;
    return 0;
}

static int
read_map(struct landing_file *f, const char *path, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t n, good;

    if (durable_get_file(path, LANDING_MAP_MAX_BYTES, &bytes, &n, err) < 0)
        return -1;
    landing_map_read(bytes, n, f->object, f->size, &f->have, &good);
    free(bytes);
    f->map_at = good;
    f->is_made = good > 0;
    return 0;
}

static int
open_partial(struct landing_file *f, struct err *err)
{
    char path[PATH_MAX], map_path[PATH_MAX];
    struct stat st;

    path_of(f, "partial", "part", path);
    path_of(f, "partial", "map", map_path);
    if (open_there(path, &f->fd, err) < 0 || open_there(map_path, &f->map_fd, err) < 0)
        return -1;
    if (f->fd < 0 || f->map_fd < 0)
        return 0; /* made anew by landing_file_make */
    if (fstat(f->fd, &st) < 0)
        return err_sys(err, ERR_RETRY, "stat %s", path);
    if ((uint64_t)st.st_size != f->size)
        return 0;
    return read_map(f, map_path, err);
}

int
landing_file_open(const char *dir, const char *tenant, const uint8_t object[32], uint64_t size,
                  struct landing_file *out, struct err *err)
{
    struct landing_file f = {.dir = dir, .size = size, .fd = -1, .map_fd = -1};
    char path[PATH_MAX], hex[65];
    struct stat st;

    memcpy(f.object, object, sizeof f.object);
    hex_encode(object, 32, hex);
    snprintf(f.name, sizeof f.name, "%s-%s", tenant, hex);
    path_of(&f, "whole", "dcm", path);
    if (open_there(path, &f.fd, err) < 0)
        return -1;
    if (f.fd >= 0 && fstat(f.fd, &st) == 0 && (uint64_t)st.st_size == size) {
        f.is_whole = true;
        ranges_add(&f.have, 0, size);
    } else {
        if (f.fd >= 0)
            close(f.fd);
        f.fd = -1;
        if (open_partial(&f, err) < 0) {
            landing_file_close(&f);
            return -1;
        }
    }
    *out = f;
    return 0;
}

void
landing_file_close(struct landing_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->map_fd >= 0)
        close(f->map_fd);
    f->fd = -1;
    f->map_fd = -1;
    f->is_made = false;
    f->is_new = false;
    ranges_fini(&f->have);
    ranges_fini(&f->written);
    ranges_fini(&f->synced);
    ranges_fini(&f->noted);
}

int
landing_file_make(struct landing_file *f, struct err *err)
{
    char path[PATH_MAX];

    if (f->is_whole || f->is_made)
        return 0;
    path_of(f, "partial", "part", path);
    if (f->map_fd >= 0 && ftruncate(f->map_fd, 0) < 0) /* of bytes that are no more */
        return err_sys(err, ERR_RETRY, "make %s", path);
    f->map_at = 0;
    if (f->fd < 0)
        f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    else if (ftruncate(f->fd, 0) < 0)
        return err_sys(err, ERR_RETRY, "make %s", path);
    if (f->fd < 0 || ftruncate(f->fd, (off_t)f->size) < 0)
        return err_sys(err, ERR_RETRY, "make %s", path);
    f->is_made = true;
    return 0;
}

static int
make_map(struct landing_file *f, struct err *err)
{
    char path[PATH_MAX];
    struct buf head;
    int rc = -1;

    buf_init(&head, HEAD_BYTES);
    path_of(f, "partial", "map", path);
    if (f->map_fd < 0)
        f->map_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->map_fd < 0) {
        err_sys(err, ERR_RETRY, "make %s", path);
        goto out;
    }
    head_make(f, &head);
    if (durable_write_at(f->map_fd, head.bytes, head.n, 0, err) < 0)
        goto out;
    f->map_at = head.n;
    f->is_new = true;
    rc = 0;
out:
    buf_fini(&head);
    return rc;
}

static int
sync_folder(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return durable_sync_folder(path, err);
}

int
landing_sync_partial(const char *dir, struct err *err)
{
    return sync_folder(dir, "partial", err);
}

int
landing_sync_whole(const char *dir, struct err *err)
{
    return sync_folder(dir, "whole", err);
}

int
landing_file_write(struct landing_file *f, uint64_t offset, const uint8_t *bytes, size_t n,
                   struct err *err)
{
    CHECK(f->fd >= 0 && !f->is_whole && offset <= f->size && n <= f->size - offset);
    if (n == 0)
        return 0;
    if (durable_write_at(f->fd, bytes, n, offset, err) < 0)
        return -1;
    durable_hint(f->fd, offset, n);
    ranges_add(&f->written, offset, offset + n);
    return 0;
}

bool
landing_file_is_complete(const struct landing_file *f)
{
    return ranges_cover(&f->have, 0, f->size);
}

uint64_t
landing_file_bytes(const struct landing_file *f)
{
    return ranges_total(&f->have);
}

static void
move_ranges(struct ranges *from, struct ranges *to)
{
    ranges_add_all(to, from);
    ranges_fini(from);
}

/* Would it be complete with what is synced? */
static bool
completes(const struct landing_file *f)
{
    struct ranges all = {0};
    bool is;

    ranges_add_all(&all, &f->have);
    ranges_add_all(&all, &f->noted);
    ranges_add_all(&all, &f->synced);
    is = ranges_cover(&all, 0, f->size);
    ranges_fini(&all);
    return is;
}

int
landing_file_flush(struct landing_file *f, struct err *err)
{
    if (f->is_whole || f->written.n == 0)
        return 0;
    if (durable_sync(f->fd, err) < 0)
        return -1;
    move_ranges(&f->written, &f->synced);
    return f->map_at > 0 || completes(f) ? 0 : make_map(f, err);
}

int
landing_file_record(struct landing_file *f, struct err *err)
{
    struct buf records;
    int rc = -1;

    if (f->is_whole || f->synced.n == 0)
        return 0;
    if (completes(f)) {
        move_ranges(&f->noted, &f->have);
        move_ranges(&f->synced, &f->have);
        return 0;
    }
    CHECK(f->map_fd >= 0);
    buf_init(&records, LANDING_MAP_MAX_BYTES);
    for (size_t i = 0; i < f->synced.n; i++)
        record_make(&f->synced.at[i], &records);
    if (f->map_at + records.n > LANDING_MAP_MAX_BYTES || buf_is_over(&records)) {
        err_set(err, ERR_REJECT, "an object in too many pieces");
        goto out;
    }
    if (durable_write_at(f->map_fd, records.bytes, records.n, f->map_at, err) < 0)
        goto out;
    f->map_at += records.n;
    move_ranges(&f->synced, &f->noted);
    rc = 0;
out:
    buf_fini(&records);
    return rc;
}

int
landing_file_commit(struct landing_file *f, struct err *err)
{
    if (f->is_whole || f->noted.n == 0)
        return 0;
    if (durable_sync(f->map_fd, err) < 0)
        return -1;
    move_ranges(&f->noted, &f->have);
    return 0;
}

int
landing_file_move(struct landing_file *f, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];

    if (f->is_whole)
        return 0;
    path_of(f, "partial", "part", from);
    path_of(f, "whole", "dcm", to);
    if (rename(from, to) < 0)
        return err_sys(err, ERR_RETRY, "rename to %s", to);
    f->is_whole = true;
    return 0;
}

int
landing_file_forget_map(struct landing_file *f, struct err *err)
{
    char path[PATH_MAX];

    if (f->is_made && f->map_fd < 0)
        return 0; /* it came at one go */
    path_of(f, "partial", "map", path);
    if (unlink(path) < 0 && errno != ENOENT) /* a map without its file means nothing */
        return err_sys(err, ERR_RETRY, "remove %s", path);
    return 0;
}

static int
drop(struct landing_file *f, bool is_whole_too, struct err *err)
{
    static const char *const rows[][2] = {
        {"partial", "map"}, {"partial", "part"}, {"whole", "dcm"}};
    size_t n = ARRAY_LEN(rows) - !is_whole_too;
    int rc = 0;

    for (size_t i = 0; i < n; i++) { /* all: what is left would be found again */
        char name[LANDING_NAME_SIZE + 16];
        struct err later;

        snprintf(name, sizeof name, "%s/%s.%s", rows[i][0], f->name, rows[i][1]);
        if (durable_remove(f->dir, name, rc == 0 ? err : &later) < 0)
            rc = -1;
    }
    landing_file_close(f);
    f->map_at = 0;
    f->is_whole = false;
    f->drops++;
    return rc;
}

int
landing_file_drop(struct landing_file *f, struct err *err)
{
    return drop(f, true, err);
}

int
landing_file_drop_partial(struct landing_file *f, struct err *err)
{
    return drop(f, false, err);
}

int
landing_clear_tmp(const char *dir, struct err *err)
{
    const struct dirent *e;
    char path[PATH_MAX];
    DIR *folder;
    int rc = 0;

    snprintf(path, sizeof path, "%s/tmp", dir);
    folder = opendir(path);
    if (folder == NULL)
        return err_sys(err, ERR_RETRY, "open folder %s", path);
    while (rc == 0 && (rc = folder_next(folder, &e, err)) == 0 && e != NULL)
        if (unlinkat(dirfd(folder), e->d_name, 0) < 0)
            rc = err_sys(err, ERR_RETRY, "clear %s", path);
    closedir(folder);
    return rc;
}
