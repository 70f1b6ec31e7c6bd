/* landing_file.h - the bytes of an object that is on its way, and which of them are durable.
 * partial/TENANT-HEX.part is a sparse file of the object's size; partial/TENANT-HEX.map a journal
 * of ranges (docs/formats/landing.md). A range is in the map only after its bytes were synced, so a
 * reboot forgets bytes but never invents them. Whole and verified, the file moves to
 * whole/TENANT-HEX.dcm.
 * Threads: a file belongs to its owner. */
#ifndef RADPOST_STORAGE_KEEP_LANDING_FILE_H
#define RADPOST_STORAGE_KEEP_LANDING_FILE_H

#include "proto/base/err.h"
#include "proto/model/ranges.h"

enum { LANDING_NAME_SIZE = 128, LANDING_MAP_MAX_BYTES = 8 * 1024 * 1024 };

struct landing_file {
    const char *dir;              /* the landing folder; outlives this */
    char name[LANDING_NAME_SIZE]; /* TENANT-HEX */
    uint8_t object[32];
    uint64_t size;
    struct ranges have;    /* durable: bytes and records */
    struct ranges written; /* handed to the system only */
    struct ranges synced;  /* bytes durable, not in the map */
    struct ranges noted;   /* and in the map, which is not synced */
    int fd, map_fd;        /* -1: not made yet */
    uint64_t map_at;       /* end of the map's good records */
    bool is_made;          /* the sparse file is there, and what have and the map say is of it */
    bool is_new;           /* the map was made, their folder not synced yet */
    bool is_whole;         /* it is in whole/ */
    unsigned drops;        /* how often it was forgotten: what came since is another file */
};

/* Find what is there of an object; nothing is made.
 * errors  ERR_RETRY the disk */
int landing_file_open(const char *dir, const char *tenant, const uint8_t object[32], uint64_t size,
                      struct landing_file *out, struct err *err) MUST_CHECK;
void landing_file_close(struct landing_file *f);

/* Make the sparse file if it is not there. It gets a map when it is flushed and not complete: what
 * comes at one go needs none. While is_new their folder must be synced before anybody is told of a
 * range (landing_sync_partial, once for many). */
int landing_file_make(struct landing_file *f, struct err *err) MUST_CHECK;
int landing_sync_partial(const char *dir, struct err *err) MUST_CHECK;
/* Into written. The range lies in the file, which was made and is not whole. */
int landing_file_write(struct landing_file *f, uint64_t offset, const uint8_t *bytes, size_t n,
                       struct err *err) MUST_CHECK;
/* The three steps that make what was written durable. Each takes what the one before left, so that
 * many files can go through one step before the next: the disk then does the work of several syncs
 * at once. None does anything to a file that has nothing for it.
 *     flush   sync the bytes; make the map if it is due   written > synced
 *     record  append to the map; a file that is complete with it has no more use for its map and
 *             leaves it as it is (the caller moves it on, or it is sent again)
 *                                                         synced > noted, or > have
 *     commit  sync the map                                noted > have
 * A sync that fails leaves a file that must be dropped (errors ERR_RETRY). */
int landing_file_flush(struct landing_file *f, struct err *err) MUST_CHECK;
int landing_file_record(struct landing_file *f, struct err *err) MUST_CHECK;
int landing_file_commit(struct landing_file *f, struct err *err) MUST_CHECK;
/* Bytes in have. */
uint64_t landing_file_bytes(const struct landing_file *f);
bool landing_file_is_complete(const struct landing_file *f);
/* Complete and verified: to whole/. Durable when landing_sync_whole() returned 0 after it; the map
 * is forgotten then. One that is there already is fine. */
int landing_file_move(struct landing_file *f, struct err *err) MUST_CHECK;
int landing_sync_whole(const char *dir, struct err *err) MUST_CHECK;
int landing_file_forget_map(struct landing_file *f, struct err *err) MUST_CHECK;
/* Forget everything of it. */
int landing_file_drop(struct landing_file *f, struct err *err) MUST_CHECK;
/* The same, but never what is in whole/: another may have moved it there since it was opened. */
int landing_file_drop_partial(struct landing_file *f, struct err *err) MUST_CHECK;

/* Remove everything in DIR/tmp. */
int landing_clear_tmp(const char *dir, struct err *err) MUST_CHECK;
/* "whole/TENANT-HEX.dcm". */
void landing_whole_name(const char *tenant, const uint8_t object[32], char out[LANDING_NAME_SIZE]);

/* For fuzzing and landing_file_open: read a map. A torn or foreign end is left out.
 * out_good  bytes up to the last good record; 0: not a map of this object */
void landing_map_read(const uint8_t *bytes, size_t n, const uint8_t object[32], uint64_t size,
                      struct ranges *out, size_t *out_good);

#endif
