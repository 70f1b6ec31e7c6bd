/* keep_own.h - what the files of storage/keep share. */
#ifndef RADPOST_STORAGE_KEEP_KEEP_OWN_H
#define RADPOST_STORAGE_KEEP_KEEP_OWN_H

#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"
#include "storage/keep/finish.h"
#include "storage/keep/keep.h"
#include "storage/keep/share.h"
#include "storage/keep/traffic.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/keep/keep_events.def"
#undef LOG_EVENT

struct landing_object;
struct busy_study;
struct receipt_waiter;
struct found_walk;
struct packs_walk;
struct proofs;

/* They overlap: one waits for the disk or the catalog while another reads and hashes. */
enum { PACKERS = 2 };

enum { FORGET_KINDS = 3, KEEP_MARK_BYTES = 32 };

/* What disks.c knows of one. */
struct disk_state {
    const char *name;
    uint8_t mark[KEEP_MARK_BYTES];
    bool is_ready; /* it is the one that it was, and has its folders */
    bool is_away;  /* as told */
};

enum room_mark { ROOM_ENOUGH, ROOM_LOW, ROOM_NONE, ROOM_STOPPED };

struct keep {
    struct pg *pg;
    struct codec_pool *pool;
    struct audit *audit; /* NULL: none */
    char *landing, *landing_copy, *stores[KEEP_COPIES];
    int64_t quiet_ms, clean_after_ms, scrub_ms, forget_after_ms;
    uint64_t warn_free, refuse_free;
    int64_t clean_page, clean_past_us, clean_past_id; /* the next page begins behind these */
    int64_t sweep_at_ms;                              /* the working thread's */
    enum room_mark room, rooms[2]; /* likewise: as told; of landing, of landing_copy */
    int64_t found_at_ms;           /* likewise */
    struct found_walk *found;      /* likewise; NULL: none goes on */
    int64_t packs_at_ms;           /* likewise */
    int64_t missing_at_ms;         /* likewise */
    int64_t aside_at_ms;           /* likewise */
    int64_t lost_at_ms, lost_walk_ms, lost_past; /* likewise; the walk's next page is behind */
    struct packs_walk *packs;                    /* likewise */
    struct {
        int64_t past, at_ms; /* the next page begins behind this, then */
    } forget[FORGET_KINDS];  /* likewise */
    int64_t forget_page;
    struct finish_line finish;
    struct share *share;
    struct traffic *traffic;
    struct proofs *proofs;

    struct gate gate;   /* for all below */
    struct bell unbusy; /* nobody looks into some object any more */
    struct landing_object *open_objects;
    struct busy_study *busy;
    unsigned bundles;      /* on their way in */
    uint64_t direct_bytes; /* that objects of direct senders will take on each disk */
    uint64_t changes;      /* counts receipts, events and work that became due */
    uint64_t works;        /* counts work that became due */
    bool is_closing;
    bool has_worker;
    pthread_t worker;
    unsigned packers_n;
    pthread_t packers[PACKERS];

    struct gate receipts_gate; /* for the next */
    struct receipt_waiter *receipt_waiters;
    int64_t receipts_seen, receipts_looked_ms; /* the working thread's */
    int64_t behind_looked_ms;                  /* likewise */
    bool is_behind;

    struct gate disks_gate; /* for the next */
    struct disk_state disks[KEEP_DISKS];
};

extern const struct log_ctx keep_log;

/* Something became due (work) or may be waited for (receipts, events). */
void keep_wake(struct keep *k, bool has_work);
bool keep_is_closing(struct keep *k);

/* How instances are looked into: codec_inspect. Tests of the catalog put one of their own here,
 * that needs no worker processes. */
extern int (*keep_inspect)(struct codec_pool *pool, const struct codec_source *source,
                           struct dcm_facts *out_facts, struct dcm_digests *out_digests,
                           struct err *err);

/* Queries that need no transaction: get a connection, run, put it back. */
int keep_run(struct keep *k, const char *name, const struct pg_arg *args, size_t count,
             struct pg_rows **out_rows, struct err *err) MUST_CHECK;

/* ---- hold.c: from whole, verified bytes to a row in the catalog ---- */
struct arrival {
    const char *tenant, *way, *device;
    uint8_t object[32], received[32];
    uint64_t size;
    const struct dcm_facts *facts;
    const struct dcm_digests *digests;
    char received_syntax[LINK_UID_SIZE];
    const uint8_t *recipe, *layout;
    size_t recipe_n, layout_n;
    const char *path; /* below landing */
    bool has_copy;
    const char *why; /* set: straight to quarantine */
    /* What rows of the study and the series say that this one makes; NULL: its facts. */
    const struct dcm_facts *of_study, *of_series;
};

enum arrival_end {
    ARRIVAL_KEPT,
    ARRIVAL_ALREADY,
    ARRIVAL_BACK, /* this file was missing */
    ARRIVAL_DUPLICATE,
    ARRIVAL_QUARANTINED
};

/* One transaction: the instance's row, its study, counters, events, manifest, pack jobs.
 * Idempotent. out_end tells what it became; ALREADY and DUPLICATE keep another file, so the
 * caller's is not needed. */
int arrival_put(struct keep *k, const struct arrival *a, enum arrival_end *out_end,
                struct err *err) MUST_CHECK;

/* ---- tenants.c ---- */
/* A clinic's number; 0: there is none. Queries that may find much of one clinic take it for the
 * code: they are planned for that clinic, of ten studies or of a million. */
int tenant_number(struct keep *k, const char *code, int64_t *out, struct err *err) MUST_CHECK;

/* ---- events.c ---- */
/* Events of one transaction, all of one study. Their numbers are drawn under a lock that lasts to
 * the commit, so they are written last: events_write() just before pg_commit(). */
struct event_list {
    struct {
        const char *kind;
        char detail[96];
    } e[8];
    size_t n;
};

void events_note(struct event_list *list, const char *kind, const char *detail);
int events_write(struct pg_conn *conn, const char *tenant, const char *study,
                 const struct event_list *list, struct err *err) MUST_CHECK;

/* ---- receipts.c ---- */
/* A device waits for a receipt of an instance that is kept under another file, or came from another
 * device. In a transaction; takes the receipts' lock, so that a seal at the same time is not
 * missed. */
int receipt_promise(struct pg_conn *conn, int64_t instance, const uint8_t object[32],
                    const char *device, struct err *err) MUST_CHECK;
/* The same in a transaction of its own; who waits is told. */
int receipt_promise_now(struct keep *k, const struct keep_sender *sender, int64_t instance,
                        const uint8_t object[32], struct err *err) MUST_CHECK;
/* Before a device is told that a file which another brought is kept: its receipt, too, is promised,
 * if it was not before. */
int receipt_owe(struct keep *k, const struct keep_sender *sender, const uint8_t object[32],
                struct err *err) MUST_CHECK;

/* ---- hold.c ---- */
/* Of an instance as instance_by_sop found it: it is in no pack, and its file is gone. The catalog
 * is older than the disk beside it (it was restored), or the disk was lost. */
bool arrival_is_lost(const struct keep *k, const struct pg_rows *by_sop);

/* ---- reconcile.c ---- */
/* Has an instance that is not sealed yet its file? path: below landing, as its row has it. */
bool landing_is_there(const struct keep *k, const char *path);

/* ---- room.c ---- */
/* Is there room on the landing disk for something new; to end what was begun? is_direct: on that of
 * the second copy, too. errors  ERR_FULL, ERR_RETRY the disk */
int room_to_begin(struct keep *k, bool is_direct, struct err *err) MUST_CHECK;
int room_to_end(struct keep *k, bool is_direct, struct err *err) MUST_CHECK;
/* For packs of so many bytes, in the stores that share a disk with a landing folder? */
int room_to_pack(struct keep *k, uint64_t bytes, struct err *err) MUST_CHECK;
/* What direct senders' objects will take on each disk was so much, and is so much now. */
void room_expect(struct keep *k, uint64_t was, uint64_t is);
/* Say it when a mark is passed; by the working thread. */
void room_watch(struct keep *k);

/* ---- disks.c ---- */
/* Before something is written there, moved away, or called verified: is it on the disk that it was?
 * errors  ERR_RETRY it is not, and what to do about it; the catalog; it is, and does not take its
 *         folders */
int disk_check(struct keep *k, enum keep_disk disk, struct err *err) MUST_CHECK;
int disks_check_stores(struct keep *k, struct err *err) MUST_CHECK;
/* keep_check_home(), of an open catalog. */
int disk_check_home(struct keep *k, const char *data_dir, struct err *err) MUST_CHECK;
/* At the start, and in each turn of the working thread: say so when one has gone or is back.
 * errors  as disk_check(), without the first */
int disks_watch(struct keep *k, struct err *err) MUST_CHECK;

/* ---- landing_sweep.c ---- */
/* At the start and once an hour: forget what was offered and not touched for so long that nobody
 * will send it. */
int landing_sweep(struct keep *k, struct err *err) MUST_CHECK;

/* ---- found.c ---- */
/* Take in again what was stored without a gateway and the catalog does not know: at the start and
 * once an hour a walk through landing-copy/whole, by one thread at a time. One turn of it: at most
 * 100 files, or 2 s.
 * errors  of the first that could not be taken in; the others were */
int found_take_in(struct keep *k, struct err *err) MUST_CHECK;
/* Give the walk up. */
void found_stop(struct keep *k);

/* ---- packs_found.c ---- */
/* Put packs of the stores into the catalog again that it does not know: at the start and once a day
 * a walk through both stores, by one thread at a time. One turn of it: 2 s, or one pack.
 * errors  of the first that could not be put in; the others were */
int packs_take_in(struct keep *k, struct err *err) MUST_CHECK;
/* Give the walk up. */
void packs_stop(struct keep *k);

/* ---- receipts.c ---- */
/* Receipts of this clinic (NULL: of any) were committed. */
void receipts_ring(struct keep *k, const char *tenant);
/* Ring for those that others committed; once a second, by the working thread. */
int receipts_look(struct keep *k, struct err *err) MUST_CHECK;

/* ---- manifest.c ---- */
/* In a transaction: manifests of the study that became complete make pack jobs. */
int manifest_settle(struct pg_conn *conn, const char *tenant, const char *study,
                    struct event_list *events, struct err *err) MUST_CHECK;
/* In a transaction under the lock that lists are closed under: tell of the study's newest list. */
int manifest_note_closed(struct pg_conn *conn, const char *tenant, const char *study,
                         struct event_list *events, struct err *err) MUST_CHECK;
/* Begin that transaction; *out_conn is the caller's, also on failure. */
int manifest_begin(struct keep *k, const char *tenant, const char *study, struct pg_conn **out_conn,
                   struct err *err) MUST_CHECK;
/* Close the manifests of direct senders' studies that fell quiet. */
int manifest_close_quiet(struct keep *k, struct err *err) MUST_CHECK;
/* Close lists of all that came directly into a study, packed or not, where something of it was
 * found in packs and is on no list.
 * errors  of the first that could not be closed; the others were */
int manifest_close_found(struct keep *k, struct err *err) MUST_CHECK;
/* Make pack jobs of what is on no list: what the reader stored, what gateways sent and was put
 * aside.
 */
int manifest_pack_unlisted(struct keep *k, struct err *err) MUST_CHECK;

/* ---- gone.c ---- */
/* In the transaction that catalogued it: what was said to be lost for good has come. */
int gone_came(struct pg_conn *conn, const char *tenant, const char *study, const char *sop_instance,
              struct event_list *events, struct err *err) MUST_CHECK;

/* ---- missing.c ---- */
/* A job cannot be packed. Landing files of it that are not what they are named by, or cannot be
 * read, move to corrupt/; images without a file leave it and are missing from now on; *out_n of
 * them. 0 where another packs it just now.
 * blocks  for as long as their bytes take to be read */
int missing_note(struct keep *k, const char *tenant, const char *study, int64_t job,
                 uint64_t *out_n, struct err *err) MUST_CHECK;
/* The same of one that a reader found so before it had a job; else whoever packs it finds it. */
int missing_doubt(struct keep *k, const struct keep_place *place, struct err *err) MUST_CHECK;
/* In the transaction that finds these instances missing (ids as PostgreSQL writes a list): the
 * reader is told of what it made. It has it still. */
int missing_tell_reader(struct pg_conn *conn, const char *ids, struct event_list *events,
                        struct err *err) MUST_CHECK;
/* In the transaction that catalogues this file: it has come, and is packed.
 * out_was_missing  NULL: not asked for */
int missing_came(struct pg_conn *conn, const char *tenant, const uint8_t object[32],
                 bool *out_was_missing, struct err *err) MUST_CHECK;
/* At the start and every ten minutes: has a disk with some of their files come back? */
int missing_look(struct keep *k, struct err *err) MUST_CHECK;

/* ---- lost.c ---- */
/* No copy of this pack is good, or one is there again: its images are missing, or in it again, one
 * by one. Copies that have nothing of what is wanted go to corrupt/.
 * is_hopeless  no copy is good as a whole, and none can be made anew: images that some copy still
 *              has go to the landing, and into a pack of their own; the copies to corrupt/
 * out_is_lost  nothing that anybody needs is in any copy
 * errors  ERR_FULL the landing
 * blocks  for as long as its bytes take to be read */
int lost_look(struct keep *k, int64_t pack, bool is_hopeless, bool *out_is_lost,
              struct err *err) MUST_CHECK;
/* What is called kept already is looked for: lost, if it is in a pack that is in no store. */
int lost_notice(struct keep *k, const char *tenant, const uint8_t object[32],
                const char *sop_instance, bool *out_is_lost, struct err *err) MUST_CHECK;
/* At the start and once a day a walk through the catalog, a page a turn: is each pack in a store?
 * At the start and every ten minutes: is a copy there of one that is lost? By the working thread.
 */
int lost_watch(struct keep *k, struct err *err) MUST_CHECK;

/* ---- seal.c ---- */
/* Take the packs that are due longest, some at a time, make, verify and seal them; any number of
 * threads and processes may. What fails is noted and tried again later.
 * out_did  false: nothing was due */
int seal_next(struct keep *k, int *out_sealed, bool *out_did, struct err *err) MUST_CHECK;
/* Are so many packs due that landing should give way? */
int seal_is_behind(struct keep *k, bool *out_is_behind, struct err *err) MUST_CHECK;

/* ---- aside.c ---- */
/* Once a second: what was rejected gets into the audit, and is in force with it. */
int aside_note(struct keep *k, struct err *err) MUST_CHECK;

/* ---- clean.c ---- */
/* Remove landing files of sealed instances. What cannot go now is tried again. */
int clean_landing(struct keep *k, struct err *err) MUST_CHECK;

/* ---- forget.c ---- */
/* A page of rows that nobody needs any more goes of each kind; when all are through, again in an
 * hour. */
int forget_old(struct keep *k, struct err *err) MUST_CHECK;

/* ---- proof.c ---- */
struct proofs *proofs_new(void);
void proofs_free(struct proofs **proofs);

/* ---- scrub.c ---- */
/* Read back a copy that is in doubt, else the one that was not looked at for longest, if that is
 * longer ago than scrub_ms. */
int scrub_next(struct keep *k, bool *out_did, struct err *err) MUST_CHECK;

/* Crash tests stop here; NULL in production. */
extern void (*seal_on_step)(const char *step);

/* ---- claim.c ---- */
/* It is here, of this size and name: is there room to keep it? errors  as keep_claim() */
int claim_whole(struct keep *k, struct keep_claim *claim, uint64_t size, const char *sop_instance,
                struct err *err) MUST_CHECK;

/* ---- direct.c ---- */
/* Is an association open that stored into this study? */
bool direct_is_busy(struct keep *k, const char *tenant, const char *study);
void direct_forget_all(struct keep *k);

#endif
