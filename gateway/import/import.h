/* import.h - files of devices that cannot send DICOM, until a person says whose they are.
 *
 *     drop folder (inotify, rescan; FTP writes there)  --whole?-->  inbox  --bind-->  spool
 *     stick or disc, a folder of media_dir             --copy---->  inbox
 *
 * 1. A file is taken when nobody has it open for writing any more (where the kernel may tell us,
 *    else when it keeps still) and it is whole by its own format's rules: a broken-off upload stays
 *    where it is until it is whole or a person throws it away, and is shown as unusable only after
 *    partial_ms. What would bring the disk below its refuse mark stays, too: the modalities' images
 *    go first.
 * 2. What was taken is a copy of ours, named by its SHA-256; the original leaves the drop folder
 *    only after copy and sidecar are durable. The same bytes again are the same item.
 * 3. Binding is decided once: the sidecar holds every value of it, and is durable, before the spool
 *    is asked. The instance follows from sidecar and file alone, so that a crash at any step ends,
 *    after a restart, with the instance in the spool exactly once.
 * 4. A source stays until its instance is sealed at the centre, and keep_ms longer by the spool's
 *    age, which no clock jump makes. From the disk mark "slow" on, sealed ones go at once, the
 *    oldest first, until the mark is left; what was thrown away keeps 30 days of its time.
 * 5. DICOM files keep their bytes and UIDs. Those with a usable identity go straight to the spool,
 *    as AE title IMPORT; others wait, in groups of a study.
 *
 * On disk: docs/formats/import.md. Patient data: never logged; items hold it. Threads: any. */
#ifndef RADPOST_IMPORT_IMPORT_H
#define RADPOST_IMPORT_IMPORT_H

#include "proto/dicom/wrap.h"

#define IMPORT_AE "IMPORT"

struct codec_pool;
struct import;
struct spool;

enum import_state {
#define STATE(name, word, sentence) name,
#include "gateway/import/import_states.def"
#undef STATE
    IMPORT_STATES
};

struct import_options {
    const char *dir;       /* of its own state; made */
    const char *drop_dir;  /* watched; made as soon as it can be. NULL: DIR/drop */
    const char *media_dir; /* where sticks and discs appear as folders; NULL: none */
    struct spool *spool;   /* outlives it */
    struct codec_pool
        *pool;          /* decodes PNG, and JPEG that is progressive or turned; NULL: those wait */
    int64_t rescan_ms;  /* 0: 30 s; for folders where inotify is silent (network shares) */
    int64_t settle_ms;  /* 0: 5 s without growth, when no close was seen */
    int64_t partial_ms; /* 0: 10 min; then what is not whole is listed as unusable */
    int64_t keep_ms;    /* 0: 365 days */
    uint64_t max_bytes; /* 0: 2 GiB; a larger file is not taken */
};

/* Ends what a crash left half done, then watches. A drop folder that is not there (its share comes
 * later) is looked for with each rescan: import_drop_trouble(). One of the options' is looked at by
 * a thread of its own alone: its share may not answer at all.
 * errors  ERR_FULL, ERR_RETRY the folders; a sidecar that cannot be read goes to corrupt/ */
int import_start(const struct import_options *options, struct import **out_import,
                 struct err *err) MUST_CHECK;
void import_stop(struct import **import);
/* Look at the drop folder now, in the caller's thread (tests, "look again"). */
void import_rescan(struct import *import);
/* Grows with each change a page may show; wait as spool_wait(). */
uint64_t import_wait(struct import *import, uint64_t seen, int64_t wait_ms);

enum { IMPORT_ID_SIZE = 33, IMPORT_NAME_SIZE = 193, IMPORT_WHY_SIZE = 161, IMPORT_BY_SIZE = 65 };

struct import_item {
    char id[IMPORT_ID_SIZE];    /* from the bytes: 32 hexadecimal digits */
    char group[IMPORT_ID_SIZE]; /* DICOM: one for a study; others: the id */
    enum import_state state;
    struct wrap_facts facts;
    char name[IMPORT_NAME_SIZE]; /* the file's, with folders, UTF-8; may name a patient */
    uint64_t size;
    uint8_t sha256[32];
    int64_t file_at_us, taken_at_us, changed_at_us;
    uint32_t again;            /* the same bytes came so many times more */
    char why[IMPORT_WHY_SIZE]; /* unusable, or why binding failed last */
    bool has_source;           /* the file is still kept */
    /* bound, or discarded: by whom, why */
    char by[IMPORT_BY_SIZE], reason[IMPORT_WHY_SIZE];
    struct wrap_identity identity;
    unsigned number;
    char made_at[15];
    char sop_instance[65];
    uint64_t entry; /* of the spool, 0 not yet */
    int64_t sealed_at_us;
    uint64_t since_age_ms; /* the spool's age when it was seen to be sealed or thrown away, later
                              when its source went; 0 not yet */
};

/* Copies: those that wait first, then those being bound, unusable ones, and what is decided; of
 * each the newest first. free(*out_items). states: bits 1 << state, 0 = any. */
void import_list(struct import *import, unsigned states, struct import_item **out_items,
                 size_t *out_n);
int import_find(struct import *import, const char *id, struct import_item *out,
                struct err *err) MUST_CHECK;
const char *import_state_word(enum import_state state);

/* Say whose: an item, or each waiting one of a group. Bound when it returns 0; what was bound to
 * the same study before stays so.
 * identity  study_uid is due; DICOM files ignore all but what is noted
 * is_sure   bind although the file names another sex or birth date
 * errors    ERR_NOT_FOUND; ERR_CONFLICT not waiting, or another person by its own words
 *           (out_is_other, may be NULL); ERR_REJECT it cannot be wrapped; ERR_FULL no room for
 *           all of it: what is not in the spool waits again; ERR_RETRY still decided, and tried
 *           again by itself */
int import_bind(struct import *import, const char *id, const struct wrap_identity *identity,
                const char *by, bool is_sure, bool *out_is_other, struct err *err) MUST_CHECK;
/* An item, or what waits of a group.
 * errors  ERR_REJECT no reason; ERR_NOT_FOUND; ERR_CONFLICT it is bound */
int import_discard(struct import *import, const char *id, const char *reason, const char *by,
                   struct err *err) MUST_CHECK;
/* Back to waiting, while the source is kept. errors  ERR_CONFLICT, ERR_NOT_FOUND its source went */
int import_reopen(struct import *import, const char *id, const char *by,
                  struct err *err) MUST_CHECK;
/* The source's bytes; the caller closes. */
int import_source(struct import *import, const char *id, int *out_fd, uint64_t *out_size,
                  struct err *err) MUST_CHECK;

/* Files that stay in the drop folder as the last look found it. */
struct import_left {
    uint32_t too_large; /* for max_bytes; for good */
    uint32_t no_room;   /* on the disk; they are taken when there is */
};

void import_left_now(struct import *import, struct import_left *out);

#define IMPORT_TROUBLE_BYTES 320
/* Why the drop folder cannot be used now; "": it can. */
void import_drop_trouble(struct import *import, char out[IMPORT_TROUBLE_BYTES]);

/* A stick or disc: a folder of media_dir. */
struct import_media {
    char name[97];
    bool has_dicomdir;
    uint32_t files;
};

void import_list_media(struct import *import, struct import_media **out, size_t *out_n);

struct import_taken {
    uint32_t taken;    /* into the inbox */
    uint32_t sent;     /* DICOM with a usable identity: in the spool */
    uint32_t known;    /* here already */
    uint32_t unusable; /* below no DICOMDIR also what cannot be read */
    uint32_t missing;  /* named by the DICOMDIR, and not there, not DICOM or not to be read */
    bool is_unchecked; /* there is a DICOMDIR, and it cannot be read: something may be missing */
    /* Of the missing, as far as it is known, the images of studies of which others were sent, study
     * by study. */
    struct import_absent *absent;
    size_t absent_n;
};

struct import_absent {
    char study[65], instance[65];
};

void import_taken_fini(struct import_taken *taken);

/* Copy everything of it in; the stick is not changed. What cannot be read is counted, and the rest
 * goes on. *out: import_taken_fini().
 * errors  ERR_NOT_FOUND no such folder; ERR_FULL, ERR_RETRY: begin again, nothing doubles */
int import_media(struct import *import, const char *name, struct import_taken *out,
                 struct err *err) MUST_CHECK;

#endif
