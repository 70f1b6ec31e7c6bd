/* spool.h - the clinic's durable queue of received instances.
 * Once spool_commit() returns 0 the modality may forget the instance; before that, a crash leaves
 * no trace of it. Every arrow of instance_states.def is durable before its call returns. What is on
 * disk, and the numbered invariants: docs/formats/spool.md.
 *
 *     spool_association_begin > (draft_begin > draft_write... > commit)... > spool_association_end
 *     entry: received > set_inspected > set_coded > set_looked > set_held > set_sealed
 *                                     > set_uncoded           > set_held > set_sealed
 *            quarantined > release > received
 *            quarantined > discard (> release > received, while its bytes are here)
 *            duplicate   > discard, with the one it repeats
 *            sealed      > set_lost (> set_found), while the centre has lost it and its bytes are
 * gone > set_again: a duplicate of the entry that came in its place
 *
 * Threads: every function but open and close may be called from any thread; a draft belongs to one
 * thread. No lock is held while a disk is waited for, but the lead (internal.h). */
#ifndef RADPOST_SPOOL_SPOOL_H
#define RADPOST_SPOOL_SPOOL_H

#include "proto/base/err.h"
#include "proto/model/quarantine.h"
#include "proto/model/states.h"

struct spool;
struct spool_draft;

struct spool_options {
    bool is_read_only;         /* look at a folder, also while the daemon runs; changes nothing */
    bool has_queue_door;       /* radpost queue may ask this process: DIR/queue.sock */
    uint64_t segment_bytes;    /* 0 = 64 MiB */
    uint64_t journal_bytes;    /* a new journal begins when this one grew by so much; 0 = 16 MiB */
    int64_t keep_sealed_ms;    /* bytes stay this long after sealing; 0 = go at once; < 0 = never */
    int64_t keep_discarded_ms; /* bytes stay this long after a discard, however full the disk; 0 =
                                  30 days. That it was discarded is known for good */
    int64_t keep_summary_ms;   /* an entry without bytes stays listed this long; 0 = 90 days */
                               /* both count the time that the spool was open, or closed for up to
                                  three days at a time, whatever the wall clock says */
    uint64_t warn_free_bytes;  /* marks of the disk; 0 = no such mark */
    uint64_t slow_free_bytes;  /* below: each commit waits slow_ms before it is answered */
    uint64_t refuse_free_bytes; /* below: drafts and commits are ERR_FULL (A700H) */
    int64_t slow_ms;            /* 0 = 250 */
    uint32_t
        warn_days; /* the same marks by days until the disk is full, as spool_health.days_left */
    uint32_t slow_days; /* counts them; 0 = no such mark */
    uint32_t refuse_days;
};

/* Open (and make) the folder; replays what the disk says. A second opener is ERR_CONFLICT; a folder
 * of a newer program is ERR_REJECT and stays untouched, but for looking at a later minor version.
 * What cannot be read goes to corrupt/ and is logged; it never stops the start.
 * blocks  reads every record header: seconds for 100,000 instances */
int spool_open(const char *dir, const struct spool_options *options, struct spool **out_spool,
               struct err *err) MUST_CHECK;
/* Ends the committer after what is queued; every draft is freed before. */
void spool_close(struct spool **sp);

/* What the modality said when it sent the instance. Texts are as received, made printable. */
struct spool_meta {
    char sop_class[65];
    char sop_instance[65];
    char transfer_syntax[65];
    char calling_ae[17];
    char called_ae[17];
    char peer[64];          /* address, no port */
    int64_t received_at_us; /* 0 = now */
    uint64_t association;   /* of spool_association_begin; 0 = none. Not kept on disk */
    char quarantine[QUARANTINE_WORD_BYTES]; /* "", or why it is kept aside from its first moment (a
                                               word of quarantine.def): nobody looks into it before
                                               spool_release */
};

/* An association is open: studies it delivers to are not quiet until it ends. */
uint64_t spool_association_begin(struct spool *sp);
void spool_association_end(struct spool *sp, uint64_t association);

/* Receive a Part 10 file piece by piece: a MiB in memory, the rest in a file in tmp/.
 * errors  ERR_FULL the disk is below its refuse mark, ERR_RETRY no file */
int spool_draft_begin(struct spool *sp, const struct spool_meta *meta,
                      struct spool_draft **out_draft, struct err *err) MUST_CHECK;
/* errors  ERR_FULL no room, or what comes would reach the refuse mark (looked at each 8 MiB);
 *         ERR_RETRY; ERR_REJECT past LIMIT_OBJECT_BYTES; the draft can only be freed then, and a
 *         large one should be at once: its bytes are others' room */
int spool_draft_write(struct spool_draft *draft, const void *bytes, size_t n,
                      struct err *err) MUST_CHECK;
uint64_t spool_draft_size(const struct spool_draft *draft);
void spool_draft_free(struct spool_draft **draft); /* not committed: no trace stays */

/* Make a draft durable: append its checksummed record to a segment (over 16 MiB: a segment of its
 * own) and sync. Several commits at once share a sync.
 * draft   consumed and NULL on success; still the caller's on failure (commit may not be repeated)
 * out_id  set on success; ids grow
 * errors  ERR_FULL disk (answer A700H), ERR_RETRY write or sync failed (answer C000H): the segment
 *         is given up and its unsynced end cut off, so a refused instance does not come back
 * blocks  on the disk, perhaps for seconds
 * DICOM   PS3.4 B.2.3 (C-STORE statuses) */
int spool_commit(struct spool *sp, struct spool_draft **draft, uint64_t *out_id,
                 struct err *err) MUST_CHECK;

/* What looking into the instance found; no patient data. */
struct spool_inspection {
    char study_uid[65];
    char series_uid[65];
    char modality[17];
    char study_date[9]; /* YYYYMMDD or "" */
    char study_time[7]; /* HHMMSS or "" */
    char body_part[17];
    char station[17];
    uint32_t frames;
    uint8_t pixels_sha256[32]; /* DESIGN "Digests" */
    uint8_t dataset_sha256[32];
    uint32_t doubts; /* bits of doubts.def: what is odd about the identity */
    uint8_t
        identity_sha256[32]; /* of the attributes that name patient and study; zeros: not taken */
    uint8_t rest_sha256[32]; /* of the data set without those; zeros: not taken */
};

/* One entry, copied for the caller (spool_entry_free). */
struct spool_entry {
    uint64_t id;
    enum instance_state state;
    struct spool_meta meta;
    bool is_inspected; /* the inspection below is filled */
    struct spool_inspection facts;
    uint64_t size;               /* of the received Part 10 file */
    uint8_t received_sha256[32]; /* of the received Part 10 file */
    bool is_coded;               /* a coded file is kept and goes instead */
    bool has_bytes;              /* false: sealed long ago, bytes removed */
    bool is_paused;              /* kept back by a person: not sent */
    uint64_t object_size;        /* of the file that goes: coded, else as received */
    uint8_t object_sha256[32];   /* its digest, the object's name on the link */
    uint8_t *recipe;             /* restores the received file from the coded one */
    size_t recipe_n;
    uint8_t *layout; /* as layout_write() wrote it */
    size_t layout_n;
    uint32_t revision;    /* of the manifest that lists it since; 0 = none does */
    bool has_left_list;   /* thrown away or a duplicate, a manifest was closed without it */
    uint64_t twin_of;     /* duplicate: the entry it repeats, 0 = known at the centre */
    uint64_t receipt_seq; /* of the newest receipt, 0 = none */
    int64_t state_at_us[INSTANCE_STATES]; /* when each state was reached, 0 = not */
    char why_not_coded[64];
    char discard_reason[17]; /* a word of reject_reasons.def */
    char discarded_by[65];
    bool is_wanted;       /* let go on by a person although the same was discarded before */
    bool is_lost;         /* sealed, no longer at the centre, and its bytes are gone here */
    bool is_gone;         /* lost, and for good, as a person says */
    char last_error[160]; /* why it is quarantined: begins with a word of quarantine.def */
};

int spool_load(struct spool *sp, uint64_t id, struct spool_entry **out_entry,
               struct err *err) MUST_CHECK;
/* The same without recipe and layout, and without a disk. */
int spool_look(struct spool *sp, uint64_t id, struct spool_entry **out_entry,
               struct err *err) MUST_CHECK;
void spool_entry_free(struct spool_entry **entry);

struct spool_filter {
    uint32_t states;          /* of INSTANCE_BIT(); 0 = any */
    const char *study_uid;    /* NULL = any */
    const char *sop_instance; /* NULL = any: finds twins */
    bool only_paused;
    const char *quarantine; /* NULL = any; else quarantined for this word of quarantine.def */
    uint64_t after_id;      /* entries with a greater id */
    size_t limit;           /* 0 = no limit */
};

/* Ids in the order of arrival; free(*out_ids). */
void spool_list(struct spool *sp, const struct spool_filter *filter, uint64_t **out_ids,
                size_t *out_n);
/* How many entries are in each state. */
void spool_counts(struct spool *sp, uint64_t out_counts[INSTANCE_STATES]);
/* Of the entry that arrived last; 0: none did. */
uint64_t spool_last_id(struct spool *sp);

struct spool_bytes {
    int fd; /* the caller closes it; read by pread or mmap at offset (a multiple of 16, no more) */
    uint64_t offset;
    uint64_t size;
};

/* The Part 10 file as received, or the file that goes (coded, else the same).
 * errors  ERR_NOT_FOUND no such entry, or its bytes are gone (sealed long ago) */
int spool_source_received(struct spool *sp, uint64_t id, struct spool_bytes *out,
                          struct err *err) MUST_CHECK;
int spool_source_object(struct spool *sp, uint64_t id, struct spool_bytes *out,
                        struct err *err) MUST_CHECK;

/* The beginning of the file as received, at most `most` bytes; fresh memory, with a zero behind it.
 * out_is_all  the file ends there; may be NULL
 * errors  those of spool_source_received(); ERR_RETRY it could not be read */
int spool_read_received(struct spool *sp, uint64_t id, size_t most, uint8_t **out_bytes,
                        size_t *out_n, bool *out_is_all, struct err *err) MUST_CHECK;

/* The arrows. Durable before they return; a pair that instance_states.def does not list is
 * ERR_CONFLICT and changes nothing.
 * errors  ERR_NOT_FOUND, ERR_CONFLICT, ERR_RETRY and ERR_FULL (disk; nothing changed, call again)
 */
int spool_set_inspected(struct spool *sp, uint64_t id, const struct spool_inspection *facts,
                        struct err *err) MUST_CHECK;

struct spool_coding {
    int fd; /* stays the caller's; read at 0 */
    uint64_t size;
    uint8_t sha256[32]; /* of the coded file; checked while it is written */
    const uint8_t *recipe;
    size_t recipe_n;
    const uint8_t *layout;
    size_t layout_n;
};

/* errors also ERR_REJECT: the bytes of fd disagree with sha256 */
int spool_set_coded(struct spool *sp, uint64_t id, const struct spool_coding *coding,
                    struct err *err) MUST_CHECK;
/* Not eligible, or its proof failed: it goes as received. why is a word list of ours. */
int spool_set_uncoded(struct spool *sp, uint64_t id, const char *why, struct err *err) MUST_CHECK;
/* Receipts. receipt_seq: the centre's number of it, 0 when told in an answer. */
int spool_set_looked(struct spool *sp, uint64_t id, uint64_t receipt_seq,
                     struct err *err) MUST_CHECK;
int spool_set_held(struct spool *sp, uint64_t id, uint64_t receipt_seq, struct err *err) MUST_CHECK;
int spool_set_sealed(struct spool *sp, uint64_t id, uint64_t receipt_seq,
                     struct err *err) MUST_CHECK;
/* The centre no longer has what it looked at or held: back to coded or plain. */
int spool_set_wanted(struct spool *sp, uint64_t id, struct err *err) MUST_CHECK;
/* why: "WORD: more" with a word of quarantine.def; no patient data. */
int spool_set_quarantined(struct spool *sp, uint64_t id, const char *why,
                          struct err *err) MUST_CHECK;
/* Throw away what is quarantined: it counts no more, its bytes go after keep_discarded_ms, and an
 * equal one that comes later is kept aside (whose.c). Its duplicates are the same image: they go
 * first, each by an arrow of its own; on a failure some of them may have.
 * reason  a word of reject_reasons.def; by  who, at most 64 signs; no patient data
 * errors  ERR_CONFLICT it is not quarantined, ERR_REJECT no such reason */
#define SPOOL_BY_QUEUE "radpost queue" /* by, for who is at this machine and not at the desk */
int spool_discard(struct spool *sp, uint64_t id, const char *reason, const char *by,
                  struct err *err) MUST_CHECK;
/* Let a quarantined entry go on, or a discarded one: it is received again, and looked into anew.
 * errors  ERR_CONFLICT it is neither, ERR_NOT_FOUND (also: its bytes are gone) */
int spool_release(struct spool *sp, uint64_t id, struct err *err) MUST_CHECK;
/* A discard that `radpost queue` took back. The entry forgets it when it is released, so it is kept
 * (before the release, queue_door.c) until it is forgotten: however short it stood, the desk's
 * audit learns of it. A file of DIR/undone/; one that cannot be read goes to corrupt/. */
struct spool_undone {
    uint64_t id;
    int64_t at_us; /* when it was thrown away */
    char instance[65], reason[17], by[65];
};
int spool_undone_put(struct spool *sp, const struct spool_entry *entry, struct err *err) MUST_CHECK;
/* By time of the discard. free(*out) */
int spool_undone_list(struct spool *sp, struct spool_undone **out, size_t *out_n,
                      struct err *err) MUST_CHECK;
int spool_undone_forget(struct spool *sp, uint64_t id, int64_t at_us, struct err *err) MUST_CHECK;
/* Kept back by a person, whatever its state: not sent while it lasts, and its study is not safe to
 * delete. What is set already is success. */
int spool_set_paused(struct spool *sp, uint64_t id, bool is_paused, struct err *err) MUST_CHECK;
/* Offer it to the centre again, sealed ones too while their bytes are here; one that waits to be
 * sent anyway is left as it is (success).
 * errors  ERR_CONFLICT quarantined (release it) or a duplicate, ERR_NOT_FOUND (also: bytes gone) */
int spool_requeue(struct spool *sp, uint64_t id, struct err *err) MUST_CHECK;
/* of: the entry here that it repeats; 0: the centre has it under another file digest.
 * errors also ERR_CONFLICT: that one was thrown away */
int spool_set_duplicate(struct spool *sp, uint64_t id, uint64_t of, struct err *err) MUST_CHECK;

/* The centre has lost what it sealed, and the bytes are gone here. Stays so, also when its
 * summary's time is over, until it is found or comes again. Duplicates that rest on it are the same
 * image: where their bytes are here they are received again, and looked into anew; so they are by
 * every call. Where only coded bytes of one are here, that one goes coded, and this is its
 * duplicate. out_released  how many of those; 0: nothing of the image is here errors  ERR_CONFLICT
 * it is not sealed, or its bytes are here (spool_requeue()) */
int spool_set_lost(struct spool *sp, uint64_t id, size_t *out_released, struct err *err) MUST_CHECK;
/* The centre has it after all. Not marked as lost: success. */
int spool_set_found(struct spool *sp, uint64_t id, struct err *err) MUST_CHECK;
/* A person says that what is lost is so for good, or takes it back: nobody is alarmed by it any
 * more, and its study's next list is closed without it (spool_study.leaving). Found, or come again,
 * it is no longer so. errors  ERR_CONFLICT it is not lost */
int spool_set_gone(struct spool *sp, uint64_t id, bool is_gone, struct err *err) MUST_CHECK;
/* What was lost came again: it is a duplicate of the entry by from now on, and so is what rested on
 * it, each by an arrow of its own and it last; on a failure some of them may be.
 * errors  ERR_CONFLICT the centre has it, or by was thrown away */
int spool_set_again(struct spool *sp, uint64_t id, uint64_t by, struct err *err) MUST_CHECK;

/* Wait until something changed (arrival, state, association, manifest) since the number seen
 * last (0 at first), at most wait_ms; returns the number now. */
uint64_t spool_wait(struct spool *sp, uint64_t since, int64_t wait_ms);
/* As a change for all who wait, though there is none: one of them has to end. */
void spool_wake(struct spool *sp);
/* Instances come one right after the other: for how long whoever has other work for the processor
 * lets them go first before it asks again; 0: it need not, or they have come for most_ms. */
int64_t spool_burst_ms(struct spool *sp, int64_t most_ms);

struct spool_study {
    char study_uid[65];
    char calling_ae[17]; /* of the first instance */
    char modality[17];   /* of the first instance */
    char study_date[9];
    char study_time[7];
    char body_part[17];
    uint64_t counts[INSTANCE_STATES];
    uint64_t total;     /* all of them */
    uint64_t paused;    /* kept back by a person: the study is not safe to delete */
    uint64_t lost;      /* at the centre, and gone here: the device has to send them again */
    uint64_t lost_mark; /* another one when others are lost, be they as many */
    uint64_t gone;      /* the same, for good, as a person says: not among the lost */
    uint64_t bytes;     /* received */
    /* Without what is quarantined or a duplicate: */
    uint64_t bytes_ready;   /* of files that go (coded or plain), sealed ones too */
    uint64_t bytes_before;  /* what those were as received */
    uint64_t bytes_unready; /* received, and not yet known how they will go */
    uint64_t bytes_held;    /* of bytes_ready, held or sealed at the centre */
    int64_t first_arrival_us;
    int64_t last_arrival_us;
    uint64_t first_id;    /* of its oldest entry: the order of studies, whatever the clock did */
    uint64_t uninspected; /* received, from any device, and not looked into yet: may belong here */
    unsigned open_associations; /* that delivered to it */
    int64_t quiet_ms;           /* since the last arrival, 0 while one is open or while any entry is
                                   still uninspected (it may belong here); starts anew at open */
    uint32_t revision;          /* of its newest manifest, 0 = none */
    int64_t closed_at_us;
    uint32_t acked_revision; /* newest the centre has acknowledged */
    /* Of these any makes a revision due: */
    uint64_t unlisted; /* entries that no manifest lists yet, or with another file */
    uint64_t leaving;  /* on the newest list, and not to be on the next: thrown away, a duplicate,
                          or kept aside while the centre may not have that list */
    uint64_t aside;    /* on the newest list, and kept aside: it is not told so */
};

/* All studies, by first_id; free(*out_studies). */
void spool_studies(struct spool *sp, struct spool_study **out_studies, size_t *out_n);
int spool_study(struct spool *sp, const char *study_uid, struct spool_study *out,
                struct err *err) MUST_CHECK;
/* Studies that stand at the centre whole, their newest list acknowledged, and of which something is
 * not sealed: only the centre can do more for them. */
struct spool_unsealed {
    uint64_t studies;
    int64_t since_us; /* of the oldest: held, and on a closed list; 0 = none */
};
void spool_unsealed(struct spool *sp, struct spool_unsealed *out);
/* The same as spool_studies(), and studies of which nothing is left here but a list that is to be
 * closed or told without it. */
void spool_lists(struct spool *sp, struct spool_study **out_studies, size_t *out_n);
/* Close revision n+1 over everything of the study inspected by now (not the quarantined, the
 * duplicates, nor what was thrown away); nothing new, nothing leaving: the revision stays. A
 * manifest of revision n lists the entries with 1 <= entry.revision <= n. Durable before it
 * returns. */
int spool_manifest_close(struct spool *sp, const char *study_uid, uint32_t *out_revision,
                         struct err *err) MUST_CHECK;
/* The same, in every case under another number, above `past` too: the centre has another list under
 * this one, or its newest is past. */
int spool_manifest_renumber(struct spool *sp, const char *study_uid, uint32_t past,
                            uint32_t *out_revision, struct err *err) MUST_CHECK;
int spool_manifest_acked(struct spool *sp, const char *study_uid, uint32_t revision,
                         struct err *err) MUST_CHECK;

/* A small durable number of the uplink's by name (receipt cursor); 0 when never set. */
uint64_t spool_number_get(struct spool *sp, const char *name);
int spool_number_set(struct spool *sp, const char *name, uint64_t value,
                     struct err *err) MUST_CHECK;

enum spool_disk { SPOOL_DISK_FINE, SPOOL_DISK_WARN, SPOOL_DISK_SLOW, SPOOL_DISK_REFUSE };

struct spool_health {
    enum spool_disk disk;
    uint64_t free_bytes;
    int used_percent;
    bool is_journal_sick; /* states cannot be written just now; arrivals still are */
    uint64_t entries;
    uint64_t waiting; /* not sealed, not duplicate, not quarantined */
    uint64_t waiting_bytes;
    uint64_t quarantined;
    uint64_t paused;
    uint64_t lost;        /* at the centre, and gone here; not what is so for good */
    uint64_t bytes_today; /* received in the last 24 hours */
    int32_t
        days_left; /* until the refuse mark, when everything stays that is not sealed and as much
                      comes a day as today or on average this week, the more; -1: nothing came */
    uint64_t corrupt_files; /* in corrupt/ */
    uint64_t syncs;         /* of segments since the start */
    uint64_t commits;
};

void spool_health(struct spool *sp, struct spool_health *out);
/* The disk's state by its marks, now; logs when it changes. */
enum spool_disk spool_disk_now(struct spool *sp);
/* What it would be with so many bytes more. */
enum spool_disk spool_disk_with(struct spool *sp, uint64_t bytes);
/* For how many milliseconds the spool has been open in all its life, and closed for up to three
 * days at a time: an age for what lies beside it, which no jump of the wall clock makes. Never 0.
 */
uint64_t spool_lived_ms(struct spool *sp);

/* Who still needs the bytes of what is done: asked before they go, also when the disk is full, and
 * before its summary goes. fn may not call the spool, nor wait: its lock is held. NULL: nobody. */
typedef bool (*spool_needs_fn)(void *user, uint64_t id);
void spool_keep_for(struct spool *sp, spool_needs_fn fn, void *user);

/* Remove segments all of whose entries are sealed or duplicate long enough. The committer does it
 * by itself every minute; here for tests and for a full disk. Returns how many went. */
size_t spool_collect_garbage(struct spool *sp);

#endif
