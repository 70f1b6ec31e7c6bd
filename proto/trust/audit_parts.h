/* audit_parts.h - what the files of the audit log share: audit.c (append), audit_chain.c (lines,
 * hashes, signatures), audit_open.c, audit_walk.c (reads it back), audit_verify.c, audit_cli.c. */
#ifndef RADPOST_TRUST_AUDIT_PARTS_H
#define RADPOST_TRUST_AUDIT_PARTS_H

#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/trust/audit.h"

#include <openssl/evp.h>

#define AUDIT_LINE_BYTES 4096 /* no line is longer */
#define AUDIT_SIGNATURE_TEXT 128
#define AUDIT_HEAD_SLOT_BYTES 4096
#define AUDIT_HEAD_BYTES (2 * AUDIT_HEAD_SLOT_BYTES)
#define AUDIT_DATE_BYTES 11 /* "2026-11-21" */
#define AUDIT_PATH_BYTES 600

/* Where a chain stands: its last entry. n = 0 and zeros: none yet. */
struct audit_place {
    uint64_t n;
    uint8_t hash[DIGEST_BYTES];
};

/* What a walk over the files meets. */
struct audit_walk {
    EVP_PKEY *key;             /* public half is enough */
    struct audit_place at;     /* the last good entry */
    struct audit_place sealed; /* the last entry that is a good seal */
    struct audit_place wanted; /* HEAD: looked out for */
    bool has_met_wanted;
    uint64_t sealed_end; /* bytes of the last file up to and with the last seal */
    char first[32], last[32];
    char place[64];                  /* file:line of what is bad */
    const struct audit_place *marks; /* signed heads to meet, by rising n */
    size_t mark_count, marks_met;
    int (*on_entry)(void *user, const char *json, size_t n);
    void *user;
};

#define LOG_EVENT LOG_EVENT_DECLARE
#include "proto/trust/trust_events.def"
#undef LOG_EVENT

/* Of the folder (reserve.h), and what is given up at a time: some thousand entries. */
enum { AUDIT_RESERVE_BYTES = 4 << 20, AUDIT_PIECE_BYTES = 64 << 10 };

#define AUDIT_BATCH_BYTES ((size_t)4 << 20)

struct audit_waiter {
    struct audit_waiter *next;
    bool is_done;
    int rc;
    struct err err;
};

struct audit {
    char *dir;
    char *service;
    EVP_PKEY *key;
    uint8_t patient_key[DIGEST_BYTES];
    int lock_fd, log_fd, head_fd;
    char date[AUDIT_DATE_BYTES]; /* of the present file */
    uint64_t end;                /* of the present file, durable */
    unsigned head_slot;          /* written next */
    struct audit_place durable;
    /* the gate covers what follows */
    struct gate gate;
    struct audit_place place; /* the last entry in memory */
    struct buf batch;
    struct audit_waiter *first_waiter, **last_waiter;
    bool is_ending, is_dead, is_running;
    struct err dead;
    int64_t turn_at_ms; /* the writer's: the day could not turn, and is tried again then */
    pthread_t thread;
};

/* audit.c: the writer's thread. */
void *audit_run(void *audit);

/* audit_open.c */
/* A small file of the folder; on a full disk in the place of a piece of the reserve. */
int audit_put_file(const struct audit *a, const char *name, const char *text,
                   struct err *err) MUST_CHECK;
void audit_path(const struct audit *a, const char *name, char out[AUDIT_PATH_BYTES]);
void audit_today(char out[AUDIT_DATE_BYTES]);
/* Open the file of a day, with its header if it is new. */
int audit_open_day(struct audit *a, const char *date, struct err *err) MUST_CHECK;

/* audit_chain.c */
void audit_hash(const uint8_t before[DIGEST_BYTES], const char *json, size_t n,
                uint8_t out[DIGEST_BYTES]);
/* "{...}" of one entry; all of it is shorter than AUDIT_LINE_BYTES. */
void audit_write_entry(struct buf *out, uint64_t n, int64_t at_us, enum audit_event event,
                       const struct audit_field *fields, const uint8_t *patient_key);
/* One line "hash json\n" added to out; place moves on. */
void audit_add_line(struct buf *out, struct audit_place *place, const char *json, size_t n);
/* Sign or check "radpost-audit-WHAT 1 [DATE ]N HASH". */
void audit_sign(EVP_PKEY *key, const char *what, const char *date, const struct audit_place *place,
                char out[AUDIT_SIGNATURE_TEXT]);
bool audit_is_signed(EVP_PKEY *key, const char *what, const char *date,
                     const struct audit_place *place, const char *signature);
void audit_file_header(const struct audit_place *before, char out[160]);
void audit_head_slot(EVP_PKEY *key, const struct audit_place *place,
                     char out[AUDIT_HEAD_SLOT_BYTES]);
/* The newer good slot of HEAD, 0 or 1 (out_slot may be NULL).
 * errors  ERR_NOT_FOUND no file, ERR_CONFLICT none is good */
int audit_head_read(const char *dir, EVP_PKEY *key, struct audit_place *out, unsigned *out_slot,
                    struct err *err) MUST_CHECK;
/* heads/DATE.head as text, and back. */
void audit_day_text(EVP_PKEY *key, const char *date, const struct audit_place *place,
                    char out[512]);
int audit_day_read(const char *path, EVP_PKEY *key, struct audit_place *out,
                   struct err *err) MUST_CHECK;
int audit_key_public(const char *dir, EVP_PKEY **out_key, struct err *err) MUST_CHECK;

/* audit_walk.c */
/* Names of the log's files in order (free each and the list). */
int audit_files(const char *dir, char ***out_names, size_t *out_count, struct err *err) MUST_CHECK;
void audit_files_free(char ***names, size_t count);
/* Read one file on from w->at. errors: ERR_CONFLICT, w->place set: w->at is the last good entry. */
int audit_walk_file(struct audit_walk *w, const char *dir, const char *name,
                    struct err *err) MUST_CHECK;

#endif
