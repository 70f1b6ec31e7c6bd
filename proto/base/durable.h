/* durable.h - the only way lasting bytes reach a disk.
 * A new file is written in tmp/, synced, renamed into place, and its folder is synced; or a record
 * is appended to a preallocated segment and synced. A failed sync is never tried again on the same
 * file: the caller abandons the file (the kernel may have dropped the pages). Every step is one
 * libc call of its own, so that fault tests can stop at the n-th. Threads: functions are free of
 * state; one descriptor belongs to one thread at a time. */
#ifndef RADPOST_BASE_DURABLE_H
#define RADPOST_BASE_DURABLE_H

#include "proto/base/err.h"

/* Whole writes; EINTR is repeated. errors: ERR_FULL no room, ERR_RETRY anything else. */
int durable_write(int fd, const void *bytes, size_t n, struct err *err) MUST_CHECK;
int durable_write_at(int fd, const void *bytes, size_t n, uint64_t offset,
                     struct err *err) MUST_CHECK;
/* Several pieces one after the other, in one call where the kernel takes them so. */
enum { DURABLE_PARTS = 4 };
struct durable_part {
    const void *bytes;
    size_t n;
};
int durable_write_parts_at(int fd, const struct durable_part *parts, size_t count, uint64_t offset,
                           struct err *err) MUST_CHECK;
/* Whole reads; a short file is ERR_REJECT. */
int durable_read_at(int fd, void *bytes, size_t n, uint64_t offset, struct err *err) MUST_CHECK;
int durable_sync(int fd, struct err *err) MUST_CHECK; /* fdatasync */
/* Let the disk begin with bytes that were written, so that the sync to come is short. Promises
 * nothing and reports nothing: the sync does both. */
void durable_hint(int fd, uint64_t offset, uint64_t n);
int durable_sync_folder(const char *path, struct err *err) MUST_CHECK;
/* Reserve real blocks, so that a later write cannot meet a full disk. */
int durable_preallocate(int fd, uint64_t size_bytes, struct err *err) MUST_CHECK;

/* Make a folder (0700) and sync its parent; there already is fine. */
int durable_mkdir(const char *path, struct err *err) MUST_CHECK;
/* Create DIR/tmp/NAME exclusively, 0600. out_fd is the caller's. */
int durable_create(const char *dir, const char *name, int *out_fd, struct err *err) MUST_CHECK;
/* fdatasync, close, rename DIR/tmp/NAME to DIR/TO, sync that folder. *fd is closed and -1 in every
 * case; on failure the tmp file is removed. TO may name a subfolder ("coded/00ab.dcm"). */
int durable_publish(int *fd, const char *dir, const char *name, const char *to,
                    struct err *err) MUST_CHECK;
/* Several of them into one DIR, side by side: all files are synced, then all renamed, then every
 * folder that took an entry is synced once, so that many cost the disk little more than one.
 * Folders that are missing on the way to TO are made; the first of them must be there. A failure
 * costs only those that it concerns. */
struct durable_new {
    int fd; /* closed, and -1 afterwards */
    const char *name, *to;
    struct err err; /* out; ERR_NONE: it is durable */
};
void durable_publish_all(const char *dir, struct durable_new *all, size_t n);
/* All at once: small files (keys, codes, states). */
int durable_put_file(const char *dir, const char *to, const void *bytes, size_t n,
                     struct err *err) MUST_CHECK;
/* Remove and sync the folder; not there is fine. */
int durable_remove(const char *dir, const char *name, struct err *err) MUST_CHECK;
/* Read a whole file of at most limit bytes into fresh memory (zero-ended; free). */
int durable_get_file(const char *path, size_t limit_bytes, uint8_t **out_bytes, size_t *out_n,
                     struct err *err) MUST_CHECK;
/* Free bytes and the share of blocks in use (0..100) of the file system that holds path. */
int durable_room(const char *path, uint64_t *out_free_bytes, int *out_used_percent,
                 struct err *err) MUST_CHECK;

#endif
