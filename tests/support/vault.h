/* vault.h - an archive of a test's own: PostgreSQL, folders, keep; and small DICOM objects. */
#ifndef RADPOST_TESTS_VAULT_H
#define RADPOST_TESTS_VAULT_H

#include "proto/base/buf.h"
#include "storage/keep/keep.h"
#include "tests/support/folder.h"
#include "tests/support/pg_cluster.h"

struct codec_pool;

struct vault {
    struct pg_cluster *cluster;
    char dir[FOLDER_PATH_BYTES];
    char landing[160], landing_copy[160], stores[KEEP_COPIES][160];
    char *conninfo;
    struct keep_options options;
    struct keep *keep; /* without its working thread */
};

/* cmocka's group fixture: a cluster for all tests of a program, and no log. */
extern struct pg_cluster *vault_cluster;
int vault_start(void **state);
int vault_stop(void **state);

/* Tenants "clinic-a" and "clinic-b". database names a fresh database in the cluster. */
void vault_open(struct vault *a, struct pg_cluster *cluster, const char *database);
/* From now on it decodes what comes, as a real one does; else only uncoded samples may come. */
void vault_decode_by(struct vault *a, struct codec_pool *pool);
/* Close and open again, as after a restart. */
void vault_reopen(struct vault *a);
void vault_close(struct vault *a);
/* Change what its database holds, or allows. */
void vault_sql(const struct vault *a, const char *sql);

struct slice {
    const char *study, *series, *instance;
    const char *patient_id, *patient_name;
    unsigned number;
    uint32_t noise; /* seed of the pixels */
    unsigned rows;  /* 0 = 16; rows x rows, 16 bit */
};

/* A CT image of study 1.2.3; its name is good until 64 others were asked for. */
struct slice vault_ct(unsigned number);
/* A CT Part 10 file, explicit little endian. */
void slice_make(const struct slice *s, struct buf *out);
/* A Basic Text SR of the same names, as a reader would make (pixels and number are passed over). */
void report_make(const struct slice *s, struct buf *out);
/* What a gateway would offer of it, as it is; under made numbers where its own cannot be used. */
void slice_offer(const struct slice *s, const struct buf *file, struct link_offer_object *out);
/* A memfd of its own with the bytes; the caller closes. */
int slice_fd(const struct buf *file);

/* A gateway offers it again; what it is answered (link_answer_free). */
void vault_ask(struct vault *a, const struct keep_sender *sender, const struct link_offer_object *o,
               struct link_answer *out);
/* A gateway has this sample and offers it, as what the caller may send then. out_file: the caller's
 * (buf_fini). */
void vault_offer(struct vault *a, const struct keep_sender *sender, const struct slice *s,
                 struct link_offer_object *out, struct buf *out_file);
/* Send all of an object in one bundle. Returns the state answered. */
enum link_state vault_send(struct vault *a, const struct keep_sender *sender,
                           const struct link_offer_object *o, const struct buf *file);
/* Offer and send. */
enum link_state vault_put(struct vault *a, const struct keep_sender *sender, const struct slice *s);
/* Close a study's list of these samples. */
void vault_manifest(struct vault *a, const struct keep_sender *sender, uint32_t revision,
                    const struct slice *samples, size_t n);
/* The same, where devices said how many there are. */
void vault_announce(struct vault *a, const struct keep_sender *sender, uint32_t revision,
                    uint32_t announced, const struct slice *samples, size_t n);
/* The same as a gateway that says what left its lists; what keep_manifest() returns. */
int vault_tell(struct vault *a, const struct keep_sender *sender, uint32_t revision,
               const struct slice *samples, size_t n, const struct slice *left, size_t left_n,
               struct err *err);
/* One turn of the working thread; how many packs it sealed. */
int vault_work(struct vault *a);
/* All events of clinic-a are these, "KINDDETAIL\n" each, but those whose kind holds one of the
 * words of skipped (ends with NULL). */
void vault_assert_events(struct vault *a, const char *const *skipped, const char *wanted);

/* What keep_instances() tells; first: the caller's (free). vault_see() is its callback. */
struct vault_seen {
    size_t n, sealed;
    struct keep_place *first;
};
int vault_see(void *seen, const struct keep_place *place, struct err *err);
/* Its bytes are those of its name. */
void vault_place_reads(const struct vault *a, const struct keep_place *place);
/* How many files there are below a folder, but the marks of disks. */
size_t folder_files(const char *path);

#endif
