/* keep.h - the archive: catalog in PostgreSQL, landing files, packs in two stores, receipts,
 * events.
 *
 * 1. What was answered "held" or "stored" is on disk under its verified SHA-256 and in the
 *    catalog: neither a crash of ours nor of PostgreSQL takes it back.
 * 2. "Sealed" means: in a pack, in every store, read back whole from each and verified. What was
 *    found to be in no copy any more is sealed no more: it is missing until it comes again.
 * 3. A landing file goes only after its instance is sealed.
 * 4. Nothing is overwritten. The same instance again is a duplicate; another under the same UID is
 *    quarantined: both are kept, the first stays the one that is served.
 * 5. Every function that reads or writes what belongs to a clinic takes its tenant, and sees
 *    nothing of any other.
 * PostgreSQL away: ERR_RETRY, bytes already on disk stay and are picked up later.
 * On disk: docs/formats/pack.md, docs/formats/index.md, docs/formats/landing.md.
 * Threads: every function may be called by any thread; callbacks run in the caller's thread, with
 * no lock and no database connection held. */
#ifndef RADPOST_STORAGE_KEEP_KEEP_H
#define RADPOST_STORAGE_KEEP_KEEP_H

#include "proto/link/link.h"
#include "proto/trust/ca.h"
#include "proto/trust/token.h"

struct audit;
struct codec_pool;
struct dcm_facts;
struct keep;
struct pg_sole;

enum { KEEP_CODE_SIZE = 65, KEEP_NAME_SIZE = 129, KEEP_PATH_SIZE = 256, KEEP_COPIES = 2 };

struct keep_options {
    const char *conninfo;
    struct pg_sole *sole; /* who alone uses the catalog; outlives the archive; NULL: tests */
    int connections;
    const char *landing;      /* folder: objects until they are sealed */
    const char *landing_copy; /* folder on another disk: second copy of what came without gateway */
    const char *stores[KEEP_COPIES]; /* folders on different disks: packs */
    int64_t quiet_ms;                /* a direct sender's study is closed after this silence */
    int64_t clean_after_ms;          /* landing files stay this long after sealing: for readers that
                                        looked them up before */
    int64_t scrub_ms;                /* each copy is read back this often; 0 = every 30 days */
    int64_t forget_after_ms;         /* an object on its way that no gateway has touched for so long
                                        is forgotten; 0 = 30 days */
    uint64_t warn_free; /* less free below landing or landing_copy is said in the log; 0 = never */
    uint64_t refuse_free; /* and below this nothing new is let in: ERR_FULL; 0 = never */
};

/* Opens, migrates and recovers; starts the packing thread. pool and audit (may be NULL: tests) stay
 * the caller's and must outlive it.
 * errors  ERR_RETRY PostgreSQL is not there (yet), ERR_FATAL anything that needs an operator */
int keep_open(const struct keep_options *options, struct codec_pool *pool, struct audit *audit,
              struct keep **out_keep, struct err *err) MUST_CHECK;
/* The catalog alone, for the operator's command and the doctor: no folders are made or cleared, no
 * thread, and only an empty database is migrated, so it is safe while the service runs. Functions
 * that touch files may not be called.
 * errors  ERR_FATAL the database is of another version than this program */
int keep_open_catalog(const char *conninfo, struct keep **out_keep, struct err *err) MUST_CHECK;
void keep_close(struct keep **keep);
/* Is the catalog answering? (doctor, /healthz) */
int keep_check(struct keep *k, struct err *err) MUST_CHECK;

struct keep_health {
    /* Instances: in no pack yet, and here; in packs; put aside and not settled, packed or not. What
     * is missing is in none of them (keep_each_lost). */
    uint64_t unsealed, sealed, quarantined;
    uint64_t packs;          /* that hold something still */
    int64_t oldest_check_us; /* the longest ago that a pack's copy was read back whole; 0 = none */
    uint64_t doubted;        /* copies of packs that are damaged or gone, and not mended yet */
};
int keep_health_get(struct keep *k, struct keep_health *out, struct err *err) MUST_CHECK;

/* Folders that bear a mark, store.id, by which a disk that is not mounted is known
 * (docs/formats/pack.md, "Mark"); KEEP_STORE_A + n is stores[n]. */
enum keep_disk { KEEP_STORE_A, KEEP_STORE_B, KEEP_LANDING_COPY, KEEP_DATA_DIR, KEEP_DISKS };
/* Before anything is made below data_dir, and before keep_open(): is it on the disk that it was? A
 * new archive's is marked. The catalog is migrated on the way.
 * blocks  as pg_open()
 * errors  ERR_RETRY it is not, and what to do about it; or PostgreSQL is not there (yet) */
int keep_check_home(const char *conninfo, const char *data_dir, struct err *err) MUST_CHECK;
/* name: "store-a", "store-b", "landing-copy" or "data-dir". errors  ERR_REJECT */
int keep_disk_find(const char *name, enum keep_disk *out, struct err *err) MUST_CHECK;
/* Is it on the disk that it was (or will the service mark it as that)? errors  ERR_RETRY it is not
 */
int keep_disk_look(struct keep *k, enum keep_disk disk, const char *path,
                   struct err *err) MUST_CHECK;
/* A person says that what is there now is its disk from now on: it gets another mark, and all
 * copies of a store are read back, and made anew, as soon as can be.
 * errors  ERR_NOT_FOUND no such folder; ERR_DENIED it is another user's */
int keep_disk_accept(struct keep *k, enum keep_disk disk, const char *path,
                     struct err *err) MUST_CHECK;

/* ---- Tenants, application entities, tokens, devices ---- */

/* code: 1..32 of A-Z a-z 0-9 - _; adding it again only changes the name. */
int keep_tenant_add(struct keep *k, const char *code, const char *name, struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND */
int keep_tenant_find(struct keep *k, const char *code, struct err *err) MUST_CHECK;

struct keep_ae {
    char tenant[KEEP_CODE_SIZE];
    char ae[17];
    char host[KEEP_NAME_SIZE]; /* address; "" = any (then it is no destination) */
    uint16_t port;             /* 0 = no destination */
    unsigned rights;           /* trust/token.h */
};

int keep_ae_add(struct keep *k, const struct keep_ae *ae, struct err *err) MUST_CHECK;
/* Who calls? The row for this AE title and address, else for this title and any address.
 * host  the peer's numeric address
 * errors  ERR_NOT_FOUND */
int keep_ae_find(struct keep *k, const char *ae, const char *host, struct keep_ae *out,
                 struct err *err) MUST_CHECK;
/* A C-MOVE destination of this tenant. errors  ERR_NOT_FOUND */
int keep_destination_find(struct keep *k, const char *tenant, const char *ae, struct keep_ae *out,
                          struct err *err) MUST_CHECK;

struct keep_token {
    char tenant[KEEP_CODE_SIZE];
    char name[KEEP_NAME_SIZE];
    unsigned rights;
};

/* Makes a bearer token; only its SHA-256 is kept. out_text is told once, here. */
int keep_token_add(struct keep *k, const struct keep_token *token, char out_text[TOKEN_TEXT_BYTES],
                   struct err *err) MUST_CHECK;
/* errors  ERR_DENIED unknown or withdrawn */
int keep_token_find(struct keep *k, const char *text, struct keep_token *out,
                    struct err *err) MUST_CHECK;
int keep_token_revoke(struct keep *k, const char *tenant, const char *name,
                      struct err *err) MUST_CHECK;

/* One-time codes and certificates, as proto/link/enrol.h asks for them. */
int keep_code_add(struct keep *k, const uint8_t code_sha256[32], const struct ca_subject *subject,
                  int64_t expires_at_us, struct err *err) MUST_CHECK;
int keep_code_burn(struct keep *k, const uint8_t code_sha256[32], const uint8_t key_sha256[32],
                   struct ca_subject *out, struct err *err) MUST_CHECK;
int keep_certificate_add(struct keep *k, const struct ca_certificate *certificate,
                         struct err *err) MUST_CHECK;
/* Is it one of ours, of this subject, and not revoked? errors  ERR_DENIED */
int keep_certificate_check(struct keep *k, const char *serial_hex, const char *tenant,
                           const char *device, struct err *err) MUST_CHECK;
/* The names it carries as a server; "" when it has none or is not known. */
int keep_certificate_names(struct keep *k, const char *serial_hex, char out[CA_NAMES_SIZE],
                           struct err *err) MUST_CHECK;
/* What machines may do, by the kind of their certificate. */
enum {
    KEEP_GATEWAY_RIGHTS = RIGHT_STORE | RIGHT_PREVIEW,
    KEEP_READER_RIGHTS =
        RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_PREVIEW | RIGHT_STORE | RIGHT_ALL_TENANTS
};
/* All certificates of a device. errors  ERR_NOT_FOUND */
int keep_device_revoke(struct keep *k, const char *tenant, const char *device,
                       struct err *err) MUST_CHECK;

/* ---- Queries ---- */

enum keep_level { KEEP_STUDY, KEEP_SERIES, KEEP_INSTANCE };

/* Texts are NULL when not asked for; * and ? are wildcards in them. Dates are YYYYMMDD, inclusive;
 * times are HHMMSS... compared as text. Lists match any of their UIDs. */
struct keep_query {
    const char *tenant;
    enum keep_level level;
    const char *patient_id, *issuer, *patient_name, *sex, *birth_from, *birth_to;
    const char *date_from, *date_to, *time_from, *time_to;
    const char *accession, *study_id, *study_description, *referring;
    const char *modality; /* of a series; of any series in the study */
    const char *series_number, *series_description, *body_part, *station, *institution;
    const char *sop_class, *instance_number;
    const char *const *studies;
    size_t studies_n;
    const char *const *series;
    size_t series_n;
    const char *const *instances;
    size_t instances_n;
    uint64_t limit, offset; /* limit 0 = LIMIT_QUERY_RESULTS */
};

/* A match. facts holds what belongs to its level and those above; the rest is empty. Only whole,
 * not quarantined instances count and match. */
struct keep_row {
    const struct dcm_facts *facts;
    const char *modalities;  /* of the study, joined by '\' */
    const char *sop_classes; /* of the study, joined by '\' */
    uint64_t study_series, study_instances, series_instances;
    uint64_t size_bytes; /* instance level */
    int64_t arrived_at_us;
};

/* on_row  0 to go on, anything else ends the query without an error
 * order   newest study first; series and instances by their number */
typedef int (*keep_on_row)(void *user, const struct keep_row *row);
int keep_find(struct keep *k, const struct keep_query *query, keep_on_row on_row, void *user,
              struct err *err) MUST_CHECK;

/* ---- Reading ---- */

/* Where a whole instance is, and how it is written. */
struct keep_place {
    char tenant[KEEP_CODE_SIZE];
    char study[LINK_UID_SIZE], series[LINK_UID_SIZE];
    char sop_class[LINK_UID_SIZE], sop_instance[LINK_UID_SIZE];
    char transfer_syntax[LINK_UID_SIZE], received_syntax[LINK_UID_SIZE];
    uint8_t object[32];                            /* SHA-256 of the bytes below */
    uint8_t pixels[32], dataset[32], received[32]; /* DESIGN "Digests" */
    uint64_t offset, size;                         /* the Part 10 file inside what is opened */
    const uint8_t *recipe;                         /* NULL: stored as received */
    size_t recipe_n;
    const uint8_t *layout; /* NULL: not coded by us */
    size_t layout_n;
    uint32_t frames, rows, columns; /* frames is 1 for a plain image, 0 without pixels */
    bool has_pixels, is_sealed;
    int64_t pack;                                /* keep's own, as the next; 0: in none */
    char paths[KEEP_COPIES][2 * KEEP_PATH_SIZE]; /* "": not there */
};

typedef int (*keep_on_place)(void *user, const struct keep_place *place, struct err *err);
/* Every whole instance of a study, series (or NULL) or instance (or NULL), in the order of series
 * and instance number. A callback's -1 ends it and is returned.
 * errors  ERR_NOT_FOUND there is none (nothing of that name in this tenant);
 *         ERR_RETRY some are still on their way and none is whole yet;
 *         ERR_FATAL with EIO: they were here, and are in no file any more (keep_lost) */
int keep_instances(struct keep *k, const char *tenant, const char *study, const char *series,
                   const char *sop_instance, keep_on_place on_place, void *user,
                   struct err *err) MUST_CHECK;
/* A copy that outlives the callback. */
struct keep_place *keep_place_copy(const struct keep_place *place);
void keep_place_free(struct keep_place **place);

/* Open a good copy: all its bytes are read first, and their SHA-256 is place->object (of what is
 * larger than 4 MiB that holds for ten minutes, while the file is the same). A copy that is not
 * good is logged and read back next by the scrubber, and the other one is opened. out_fd  the
 * caller's; read at place->offset errors  ERR_FATAL of EIO no copy is good; ERR_RETRY none is
 * there: look the place up again blocks  for as long as the bytes take to be read */
int keep_open_place(struct keep *k, const struct keep_place *place, int *out_fd,
                    struct err *err) MUST_CHECK;

/* The same for who sends all of it as it is, from its first byte to its last. What is larger than
 * 64 MiB is not read twice for it: *out_proof, if not NULL, sees the bytes go and withholds the
 * last ones if they are not those of place->object. It is the caller's and goes before the archive.
 */
struct keep_proof;
int keep_open_stream(struct keep *k, const struct keep_place *place, int *out_fd,
                     struct keep_proof **out_proof, struct err *err) MUST_CHECK;
/* The next bytes; n 0: they cannot be read, and *err says why. -1: do not send these, break off;
 * the other copy is taken next time. errors  ERR_CONFLICT; *err as it was */
int keep_proof_see(struct keep_proof *proof, const uint8_t *bytes, size_t n,
                   struct err *err) MUST_CHECK;
void keep_proof_free(struct keep_proof **proof);

enum { KEEP_GONE_REASON = 801, KEEP_GONE_BY = 257 };

/* Lost for good, as a person said last, of what the study's lists name; it is expected no more. */
struct keep_gone {
    uint64_t images; /* 0: none; the rest is empty */
    char reason[KEEP_GONE_REASON], by[KEEP_GONE_BY];
    int64_t at_us;
};

/* How a study stands: for words like "12 of 30". */
struct keep_standing {
    uint64_t offered, looked, whole, sealed, quarantined; /* instances */
    uint32_t revision;                                    /* latest closed manifest, 0 = none */
    uint64_t expected;                                    /* instances in it */
    uint64_t missing;   /* of those, here in no file, aside neither: what may be called lost */
    uint64_t announced; /* how many the devices say there are; 0: they did not */
    struct keep_gone gone;
    /* bytes of all that was offered and of what came otherwise; how many of them are durable here;
     * how many a second come just now, 0: none; and by that the rest of the list takes so long,
     * -1: nobody knows, 0: all is here */
    uint64_t bytes_all, bytes_there, bytes_per_s;
    int64_t seconds_left;
    int64_t last_at_us;
}; /* without what the reader made */
/* errors  ERR_NOT_FOUND */
int keep_standing_get(struct keep *k, const char *tenant, const char *study,
                      struct keep_standing *out, struct err *err) MUST_CHECK;

/* A person says that what the study's list names and is not here is lost for good: it is off the
 * list, in a revision of its own, until it comes after all (one more revision). Nobody waits for it
 * meanwhile; the clinic's gateways are asked to compare what they have. Not audited here.
 * said    images: how many the person was told are missing; at_us is not read
 * errors  ERR_NOT_FOUND nothing of it is closed; ERR_CONFLICT another number is missing, or
 *         something of it came in the last ten minutes */
int keep_gone_put(struct keep *k, const char *tenant, const char *study,
                  const struct keep_gone *said, struct err *err) MUST_CHECK;

/* One line of a study's closed list. */
struct keep_listed {
    char sop_instance[LINK_UID_SIZE];
    char sop_class[LINK_UID_SIZE], series[LINK_UID_SIZE]; /* "" when it was not even offered yet */
    uint8_t object[32];
    uint8_t pixels[32], dataset[32];
    bool has_digests;    /* whole, or told by the gateway's offer */
    bool is_whole;       /* here, proved and served */
    bool is_quarantined; /* here, but kept aside */
};

struct keep_list {
    uint32_t revision;
    int64_t closed_at_us;
    struct keep_listed *instances; /* by sop_instance, bytewise */
    size_t count;
};

/* The study's list as it stood at a revision (0: the latest). A study's revisions are numbered 1,
 * 2, 3... in the order they came, whoever closed them (gateways, storage for direct senders); the
 * list is the newest of each of these together. Needs keep_list_fini(). errors  ERR_NOT_FOUND there
 * is no such study or revision */
int keep_list_get(struct keep *k, const char *tenant, const char *study, uint32_t revision,
                  struct keep_list *out, struct err *err) MUST_CHECK;
void keep_list_fini(struct keep_list *list);

/* An instance that is still on its way. */
struct keep_preview {
    char study[LINK_UID_SIZE], series[LINK_UID_SIZE];
    char sop_class[LINK_UID_SIZE], sop_instance[LINK_UID_SIZE];
    char transfer_syntax[LINK_UID_SIZE];
    uint8_t object[32];
    uint64_t size;
    const uint8_t *layout;
    size_t layout_n;
    bool is_looked; /* the whole first look is durable */
    const struct range *have;
    size_t have_n;
    char path[2 * KEEP_PATH_SIZE]; /* keep's own */
};

typedef int (*keep_on_preview)(void *user, const struct keep_preview *preview, struct err *err);
/* Offered and not yet whole, with what of their bytes is durable. None is no error. */
int keep_previews(struct keep *k, const char *tenant, const char *study, const char *sop_instance,
                  keep_on_preview on_preview, void *user, struct err *err) MUST_CHECK;
/* A sparse file: bytes outside have are zero. errors  ERR_RETRY it has become whole meanwhile */
int keep_open_preview(struct keep *k, const struct keep_preview *preview, int *out_fd,
                      struct err *err) MUST_CHECK;

/* What is on its way into a study, as far as the beginnings of its files say it that are durable.
 */
struct keep_coming {
    struct dcm_facts *facts; /* one file's, of each series of which nothing is whole */
    size_t count;
};

/* Only what cannot be otherwise once it is whole: a file is believed that names the numbers it was
 * offered under and the patient whom the catalog, or else every other one here, names; what the
 * catalog has under its number already is left out, for it may be put aside. None: nothing is, or
 * not yet, for a series has its first look still to come. Needs keep_coming_fini(). */
int keep_coming_get(struct keep *k, const char *tenant, const char *study, struct keep_coming *out,
                    struct err *err) MUST_CHECK;
void keep_coming_fini(struct keep_coming *coming);

/* ---- Taking in: from gateways ---- */

struct keep_sender {
    const char *tenant;
    const char *device;
    const char *peer;
};

/* What there is no room for is left out of the answer.
 * errors  ERR_FULL that is all of it */
int keep_offer(struct keep *k, const struct keep_sender *sender, const struct link_offer *offer,
               struct link_answer *out, struct err *err) MUST_CHECK;

/* One bundle of ranges: pieces are made durable as they come, in groups; what became whole is
 * verified, inspected and catalogued meanwhile. keep_bundle_end() does the rest of that and says
 * how each touched object stands.
 * errors  ERR_REJECT piece of an object that was not offered, or outside it; ERR_FULL
 * blocks  on disk syncs, decoding and the catalog */
struct keep_bundle;
int keep_bundle_begin(struct keep *k, const struct keep_sender *sender, struct keep_bundle **out,
                      struct err *err) MUST_CHECK;
int keep_bundle_piece(struct keep_bundle *b, const struct link_piece *piece,
                      struct err *err) MUST_CHECK;
int keep_bundle_end(struct keep_bundle *b, struct link_answer *out, struct err *err) MUST_CHECK;
/* Without keep_bundle_end() the pieces that came count nevertheless. */
void keep_bundle_free(struct keep_bundle **b);

/* The gateway says which of its studies are emergencies (LINK_HEADER_STAT; what is no UID is passed
 * over): they are finished before others. Threads: any. */
void keep_hurry(struct keep *k, const struct keep_sender *sender, const char *studies);

/* A gateway's list, on the study's with what its lists before named and this one says nothing of.
 * errors  ERR_CONFLICT another manifest has this revision, or a later one that lacks some of it */
int keep_manifest(struct keep *k, const struct keep_sender *sender,
                  const struct link_manifest *manifest, struct err *err) MUST_CHECK;
/* How long to wait: is_over (may be NULL) is asked about every second. */
struct keep_wait {
    int64_t ms;
    bool (*is_over)(void *user);
    void *user;
};
/* Receipts after a cursor; waits for the first of them. */
int keep_receipts(struct keep *k, const struct keep_sender *sender, uint64_t after,
                  const struct keep_wait *wait, struct link_receipts *out,
                  struct err *err) MUST_CHECK;

/* ---- Comparing with gateways (proto/link/reconcile.h) ---- */

struct link_days;
struct link_studies;
struct link_objects;
struct link_reconciled;

/* Of what was asked, that which the catalog has otherwise, as the catalog has it. */
int keep_reconcile_days(struct keep *k, const struct keep_sender *sender,
                        const struct link_days *asked, struct link_days *out,
                        struct err *err) MUST_CHECK;
int keep_reconcile_studies(struct keep *k, const struct keep_sender *sender,
                           const struct link_studies *asked, struct link_studies *out,
                           struct err *err) MUST_CHECK;
/* All of them, in their order. One that is not sealed and whose file is gone is "wanted". */
int keep_reconcile_objects(struct keep *k, const struct keep_sender *sender,
                           const struct link_objects *asked, struct link_answer *out,
                           struct err *err) MUST_CHECK;
/* A gateway tells how its comparison ended. What it named as lost stays so until it is in a pack
 * here, also when it does not name it any more. */
int keep_reconciled(struct keep *k, const struct keep_sender *sender,
                    const struct link_reconciled *done, struct err *err) MUST_CHECK;

/* How the last comparison of each gateway ended; at_us 0: there was none. */
struct keep_reconciled {
    const char *tenant, *device;
    int64_t at_us;
    uint64_t days, studies, objects, different, repaired, lost;
};
typedef int (*keep_on_reconciled)(void *user, const struct keep_reconciled *row);
/* tenant NULL = all. Gateways with a certificate in force. */
int keep_each_reconciled(struct keep *k, const char *tenant, keep_on_reconciled on_row, void *user,
                         struct err *err) MUST_CHECK;
/* Sealed once, missing here now, and forgotten at its gateway. */
struct keep_lost {
    const char *tenant, *device, *sop_instance, *study;
    uint8_t object[32];
    int64_t since_us;
    bool is_aside; /* it came back, and only into quarantine: it is not lost, a person settles it */
    bool is_missing; /* nobody told: it was here, and its bytes are in no file any more */
};
typedef int (*keep_on_lost)(void *user, const struct keep_lost *row);
int keep_each_lost(struct keep *k, const char *tenant, keep_on_lost on_row, void *user,
                   struct err *err) MUST_CHECK;

/* Put aside: it contradicts what is kept, or is not what was offered, or cannot be read. It is
 * packed and copied like all else, and served to nobody. */
struct keep_aside {
    const char *tenant, *study, *sop_instance, *why, *way, *device;
    uint8_t object[32];
    int64_t arrived_at_us;
    const char *pack;    /* below each store; "": not packed yet */
    const char *landing; /* below landing; "": there no more */
    const char *rejected_by, *reason;
    int64_t rejected_at_us; /* 0: nobody has settled it */
};
typedef int (*keep_on_aside)(void *user, const struct keep_aside *row);
/* tenant NULL = all; as they came. */
int keep_each_aside(struct keep *k, const char *tenant, keep_on_aside on_row, void *user,
                    struct err *err) MUST_CHECK;

/* A person says that what was put aside is settled: it stays where it is, and is not to be looked
 * at any more. In force once the service has it in the audit, within a second or two of its run.
 * by      a login, for the audit; the reason stays in the catalog
 * errors  ERR_NOT_FOUND it is not aside, or was settled; ERR_REJECT reason or login unfit */
int keep_aside_reject(struct keep *k, const char *tenant, const uint8_t object[32],
                      const char *reason, const char *by, struct err *err) MUST_CHECK;

/* Does the catalog know the receipt that a gateway's cursor stands at, by the first bytes of its
 * object? If not it was set back to an older state. out_last: the newest receipt of this device. */
int keep_receipt_is_known(struct keep *k, const struct keep_sender *sender, uint64_t seq,
                          const uint8_t at[8], bool *out_is_known, uint64_t *out_last,
                          struct err *err) MUST_CHECK;
/* Another number after PostgreSQL was started anew, restored, or changed for another one. */
int keep_catalog_id(struct keep *k, uint64_t *out, struct err *err) MUST_CHECK;

/* ---- What gateways are told (docs/link-protocol.md, "Policy") ---- */

/* JSON as link_policy_write() makes it. errors  ERR_REJECT with the member that is wrong */
int keep_policy_read(const char *text, struct link_policy *out, struct err *err) MUST_CHECK;
/* code: the clinic's; "": of all that have none of their own.
 * errors  ERR_REJECT as above, nothing is changed; ERR_NOT_FOUND no such clinic, or policy */
int keep_policy_set(struct keep *k, const char *code, const char *text, struct err *err) MUST_CHECK;
int keep_policy_clear(struct keep *k, const char *code, struct err *err) MUST_CHECK;
struct keep_policy {
    const char *code, *text;
    int64_t set_at_us;
};
typedef int (*keep_on_policy)(void *user, const struct keep_policy *row);
int keep_each_policy(struct keep *k, keep_on_policy on_row, void *user, struct err *err) MUST_CHECK;
/* A clinic's gateways ("": all) are to compare what they handed over now. */
int keep_reconcile_wish(struct keep *k, const char *code, struct err *err) MUST_CHECK;
typedef int (*keep_on_wish)(void *user, const char *code, int64_t at_us);
int keep_each_wish(struct keep *k, keep_on_wish on_row, void *user, struct err *err) MUST_CHECK;

/* ---- Taking in: from everybody else (C-STORE, STOW-RS) ---- */

struct keep_incoming {
    const char *tenant;
    int fd; /* a Part 10 file at offset; stays the caller's */
    uint64_t offset, size;
    const char *way;                            /* "C-STORE", "STOW-RS" or KEEP_WAY_READER */
    const char *peer, *ae;                      /* for the audit; NULL = unknown */
    const char *expect_class, *expect_instance; /* what the command said; NULL = nothing */
    const char *expect_study;                   /* STOW-RS to a study; NULL = any */
    uint64_t association;                       /* 0 = none; see keep_association_end */
    struct keep_claim *claim;                   /* under which it came; NULL = none */
};

/* What the deployment's reader made of a study (reports, key objects, presentation states) belongs
 * to it without being of it: it is packed and served like the rest, but opens no manifest, counts
 * in none, and tells neither study.arrived nor .closed nor .late. Other classes are refused. */
#define KEEP_WAY_READER "reader"

enum keep_outcome { KEEP_STORED, KEEP_DUPLICATE, KEEP_QUARANTINED };

struct keep_stored {
    enum keep_outcome outcome;
    char study[LINK_UID_SIZE], series[LINK_UID_SIZE];
    char sop_class[LINK_UID_SIZE], sop_instance[LINK_UID_SIZE];
};

/* Room for an object of a direct sender while it comes and until it is kept: for its own bytes and
 * for the copies that are made of them, beside what comes at the same time. Needs
 * keep_claim_end(). */
struct keep_claim {
    const char *tenant, *way; /* they outlive it */
    const char *sop_instance; /* NULL: the file says it */
    int fd;                   /* the file that it comes to, on the landing's disk */

    uint64_t bytes, ahead; /* keep's own: to be copied, to be written */
    bool is_named, may_end;
};
/* Before so many bytes of it have come, 0 at first. What has no room above the mark is refused as
 * soon as that is known, and then the caller frees its bytes. What is kept already may be sent
 * again, and the reader may store, down to half of the mark.
 * errors  ERR_FULL, ERR_RETRY */
int keep_claim(struct keep *k, struct keep_claim *claim, uint64_t size, struct err *err) MUST_CHECK;
/* Twice does no harm. */
void keep_claim_end(struct keep *k, struct keep_claim *claim);
/* Returns 0 only when the bytes are durable in two places and in the catalog. All three outcomes
 * are success for the sender: its bytes are kept (or were already).
 * errors  ERR_REJECT no readable DICOM, or not what the command said; ERR_RETRY; ERR_FULL */
int keep_store_direct(struct keep *k, const struct keep_incoming *in, struct keep_stored *out,
                      struct err *err) MUST_CHECK;
/* The association is over: its studies' quiet time may run. */
void keep_association_end(struct keep *k, uint64_t association);

/* ---- Events ---- */

/* kind: study.arrived study.looked study.closed study.complete study.late study.sealed
 * instance.quarantined documents.missing. detail is a JSON object (docs/conformance.md): of closed,
 * late and complete the study's revision, its instances, and whether something was closed before.
 */
struct keep_event {
    uint64_t seq;
    char tenant[KEEP_CODE_SIZE];
    char kind[32];
    char study[LINK_UID_SIZE];
    int64_t at_us;
    const char *detail;
};

typedef int (*keep_on_event)(void *user, const struct keep_event *event);
/* Events after a cursor, in order; a cursor never skips one that commits late.
 * tenant  NULL = of all tenants (readers of the deployment only) */
int keep_events(struct keep *k, const char *tenant, uint64_t after, uint64_t limit,
                keep_on_event on_event, void *user, struct err *err) MUST_CHECK;
/* Does the event that a cursor stands at exist, of that number and that time? Else the catalog was
 * set back to a backup, and numbers begin anew below the cursor.
 * out_next  set then: to go on from, an hour before that time; what comes after may come again */
int keep_event_is_known(struct keep *k, const char *tenant, uint64_t seq, int64_t at_us,
                        bool *out_is_known, uint64_t *out_next, struct err *err) MUST_CHECK;
/* Wait, at most wait_ms, until an event of this tenant (NULL: any) past the cursor may be there. */
void keep_events_wait(struct keep *k, const char *tenant, uint64_t after, int64_t wait_ms);

/* ---- How much comes ---- */

/* What a clinic sent over the link since a time, and in its busiest hour since. */
struct keep_share {
    const char *tenant;
    uint64_t bytes, objects;
    uint64_t all_bytes; /* of all clinics */
    uint64_t busiest_bytes;
    int64_t busiest_us; /* when that hour began; 0 when nothing came */
};
typedef int (*keep_on_share)(void *user, const struct keep_share *share);
/* Every clinic, or one (tenant not NULL), who sent most first; the last ten seconds may be missing.
 */
int keep_shares(struct keep *k, const char *tenant, int64_t since_us, keep_on_share on_share,
                void *user, struct err *err) MUST_CHECK;

/* ---- For tests and the doctor ---- */

/* keep_open() without the working thread: the test calls keep_work() itself. */
int keep_open_idle(const struct keep_options *options, struct codec_pool *pool, struct audit *audit,
                   struct keep **out_keep, struct err *err) MUST_CHECK;
/* Do what is due now (close quiet studies, pack for two seconds at most, clean), in the caller's
 * thread; tells how many packs were sealed. */
int keep_work(struct keep *k, int *out_sealed, struct err *err) MUST_CHECK;

#endif
