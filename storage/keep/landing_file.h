/* landing_file.h - the bytes of an object that is on its way, and which of them are durable.
 * partial/TENANT-HEX.part is a sparse file of the object's size; partial/TENANT-HEX.map a journal
 * of ranges (docs/formats/landing.md). A range is in the map only after its bytes were synced, so a
 * reboot forgets bytes but never invents them. Whole and verified, the file moves to
 * whole/TENANT-HEX.dcm.
 * Threads: a file belongs to its owner. */
#ifndef RADPOST_STORAGE_KEEP_LANDING_FILE_H
#define RADPOST_STORAGE_KEEP_LANDING_FILE_H

#include "proto/base/err.h"
#include "storage/keep/ranges.h"

enum { LANDING_NAME_SIZE = 128, LANDING_MAP_MAX_BYTES = 8 * 1024 * 1024 };

struct landing_file {
    const char *dir;              /* the landing folder; outlives this */
    char name[LANDING_NAME_SIZE]; /* TENANT-HEX */
    uint8_t object[32];
    uint64_t size;
    struct ranges have; /* durable */
    int fd, map_fd;     /* -1: not made yet */
    uint64_t map_at;    /* end of the map's good records */
    bool is_whole;      /* it is in whole/ */
};

/* Find what is there of an object; nothing is made.
 * errors  ERR_RETRY the disk */
int landing_file_open(const char *dir, const char *tenant, const uint8_t object[32], uint64_t size,
                      struct landing_file *out, struct err *err) MUST_CHECK;
void landing_file_close(struct landing_file *f);

/* Make the two files if they are not there. out_made: their folder must be synced before anybody is
 * answered (landing_sync_partial, once for many). */
int landing_file_make(struct landing_file *f, bool *out_made, struct err *err) MUST_CHECK;
int landing_sync_partial(const char *dir, struct err *err) MUST_CHECK;
/* Not durable yet. The range lies in the file. */
int landing_file_write(struct landing_file *f, uint64_t offset, const uint8_t *bytes, size_t n,
                       struct err *err) MUST_CHECK;
/* Make ranges that were written durable. When that completes the object the map is left as it is:
 * the caller moves the file on, or it is sent again. */
int landing_file_note(struct landing_file *f, const struct ranges *written,
                      struct err *err) MUST_CHECK;
bool landing_file_is_complete(const struct landing_file *f);
/* Complete and verified: to whole/. Durable when it returns 0. */
int landing_file_promote(struct landing_file *f, struct err *err) MUST_CHECK;
/* Forget everything of it. */
int landing_file_drop(struct landing_file *f, struct err *err) MUST_CHECK;

/* Remove everything in DIR/tmp. */
int landing_clear_tmp(const char *dir, struct err *err) MUST_CHECK;
/* "whole/TENANT-HEX.dcm". */
void landing_whole_name(const char *tenant, const uint8_t object[32], char out[LANDING_NAME_SIZE]);

/* For fuzzing and landing_file_open: read a map. A torn or foreign end is left out.
 * out_good  bytes up to the last good record; 0: not a map of this object */
void landing_map_read(const uint8_t *bytes, size_t n, const uint8_t object[32], uint64_t size,
                      struct ranges *out, size_t *out_good);

#endif
