/* assign.h - whose read it is: organisations, agreements, doctors, duty; reads and their log.
 *
 *     study.closed > intake > read: unagreed | waiting > assigned > claimed > drafted > written >
 *                                    reviewed > signed > amended | withdrawn   (docs/reads.md)
 *
 * 1. One read for a study of a clinic, made from a closed list, in one transaction with the cursor
 *    of the archive's events: a crash at any point neither loses nor doubles it.
 * 2. What no agreement in force covers is kept and shown to the clinic as "no reader by agreement".
 * 3. Every change of a read's state is listed in proto/model/read_states.def and appended to its
 * log in the same transaction. The log's numbers are drawn under a lock held to the commit: who has
 *    seen number n misses nothing before it.
 * 4. At most one doctor holds a read's lease. A lease ends when it is not renewed, given back, or
 *    its holder loses licence or agreement; the read is then assigned anew.
 * 5. A read is chosen for, claimed, written and reviewed only by a doctor on whom agreement,
 * licence (in force now) and modalities agree. Author and reviewer are two people.
 * 6. A read that somebody may not see is not found: no answer tells that it exists.
 * 7. Images that come late mark the read within the second the event is here: an unsigned report
 *    goes back to its author, a signed one stands and says how many images it covers.
 *
 * Functions that take a conn work in the caller's transaction; call assign_wake() after its commit.
 * Threads: any. */
#ifndef RADPOST_READER_ASSIGN_ASSIGN_H
#define RADPOST_READER_ASSIGN_ASSIGN_H

#include "proto/base/buf.h"
#include "proto/http/server.h"
#include "proto/model/reads.h"
#include "proto/pg/pg.h"

#define ASSIGN_CODE 65
#define ASSIGN_UID 65
#define ASSIGN_TEXT 385
#define ASSIGN_WORDS 4097 /* history, complaint: what a person typed */

struct archive;
struct assign;
struct audit;
struct person;

struct assign_options {
    struct pg *pg;
    struct archive *archive; /* NULL: no intake (tests, tools) */
    struct audit *audit;     /* NULL: none */
    int64_t lease_short_ms;  /* one or two pictures: DX, CR, ECG ...; 0: 20 min */
    int64_t lease_long_ms;   /* CT, MR and the like; 0: 60 min */
    /* The archive has lost what was stored of this read: in the transaction that takes the event.
     * NULL: nobody is told. */
    int (*on_documents_missing)(struct pg_conn *conn, int64_t read_id, struct err *err);
};

/* Starts intake and assignment, each a thread that PostgreSQL or the archive being away only makes
 * wait. errors  ERR_FATAL */
int assign_start(const struct assign_options *options, struct assign **out_assign,
                 struct err *err) MUST_CHECK;
/* Streams end and waiters return; before http_server_stop(). Then assign_free(). */
void assign_stop(struct assign *a);
void assign_free(struct assign **a);
/* After a commit that changed a read, and after a load: assignment, streams and waiters look. */
void assign_wake(struct assign *a);
/* Staff routes below /api/v1: worklist, worklist/stream, reads/..., organisations, doctors. */
struct http_table assign_table(struct assign *a);

/* ---- a read, as the worklist shows it ---- */
/* A doubt that holds, "registered_other.9f86d081884c": is_other_patient, and which two differ. */
#define READ_OTHER_WORD "registered_other"
struct read_row {
    int64_t read_id;
    char tenant[ASSIGN_CODE], clinic[ASSIGN_TEXT]; /* organisation's code and name */
    char study[ASSIGN_UID];
    char modality[17], modalities[65]; /* the first; all that hold images, parted by blanks */
    char body_part[65], description[ASSIGN_TEXT], accession[65];
    /* As registered, where it is sure whose the images are: nothing of it is open, and they name
     * nobody, or the registered one, perhaps in Latin letters. Else as the images say. */
    char patient_name[ASSIGN_TEXT];
    char patient_id[ASSIGN_TEXT], issuer[ASSIGN_TEXT];
    char sex[17], age[17], birth[17], study_date[17], study_time[33]; /* as DICOM writes them */
    char registered_name[ASSIGN_TEXT], registered_sex[17], registered_birth[17]; /* the desk's */
    /* the images' own, or the clinic's correction of it; PN with its groups */
    char device_name[ASSIGN_TEXT], device_birth[17];
    bool is_other_patient; /* images and registration contradict one another: ask the clinic */
    enum read_state state;
    bool is_emergency;
    char urgency_reason[601], urgency_by[ASSIGN_TEXT]; /* "" routine, or nobody said */
    int64_t urgency_at_us;
    uint32_t absent; /* images that a device announced and that will not come: the clinic says so */
    char absent_reason[33], absent_words[601], absent_by[ASSIGN_TEXT];
    int64_t absent_at_us;
    char assigned_to[65], assigned_name[129]; /* "" nobody */
    char reason[513], reason_en[513];         /* why this doctor, or why nobody: zh-CN, en */
    char claimed_by[65], claimed_name[129];   /* "" nobody; the lease is not over */
    int64_t lease_until_us;                   /* 0 nobody */
    char author[65], reviewer[65];            /* of the version at hand; "" not yet */
    int64_t closed_at_us, due_at_us;          /* due 0: no agreement */
    uint32_t revision, instances, whole;      /* of the closed list; whole in the archive */
    uint32_t version;                         /* of the signed report that stands, 0 none */
    uint32_t covered_revision, covered;       /* what it covers */
    bool is_preliminary;                      /* the version that stands is */
    bool is_late;                             /* images came that nobody has accounted for */
    char agreement[ASSIGN_CODE];              /* "" none */
    uint32_t agreement_version;
    bool may_read_alone;                              /* the agreement's word */
    char inviting[ASSIGN_CODE], invited[ASSIGN_CODE]; /* its organisations' codes */
    char inviting_name[ASSIGN_TEXT], invited_name[ASSIGN_TEXT];
    char registration[65]; /* the desk's, "" none */
    char complaint[ASSIGN_WORDS], history[ASSIGN_WORDS], clinic_phone[65];
    /* words of proto/model/doubts.def, and READ_OTHER_WORD: all; confirmed ones */
    char doubts[321], confirmed[641];
    int64_t doubts_revision; /* the clinic's count of what it said of them; 0: it said nothing */
    char confirmed_by[65], confirmed_reason[ASSIGN_TEXT];
    int64_t confirmed_at_us;
    bool is_corrected; /* the clinic says that the images name another person: patient_* is right */
};

/* Signing waits: a doubt that holds is not confirmed. */
bool read_has_open_doubts(const struct read_row *row);

/* {read} of a route's path. errors  ERR_NOT_FOUND */
int assign_read_id(const struct http_request *req, int64_t *out, struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND */
int assign_read_get(struct pg_conn *conn, int64_t read_id, struct read_row *out,
                    struct err *err) MUST_CHECK;
/* Lock the read's row to the end of the transaction: what is looked up after it stays so.
 * errors  ERR_NOT_FOUND */
int assign_lock_read(struct pg_conn *conn, int64_t read_id, struct err *err) MUST_CHECK;
/* The read of a study. errors  ERR_NOT_FOUND */
int assign_read_find(struct pg_conn *conn, const char *tenant, const char *study,
                     struct read_row *out, struct err *err) MUST_CHECK;

/* ---- rights ----
 * technician, administrator: their own organisation's reads. doctor, reviewer: reads whose
 * agreement invites one of the organisations they are affiliated to. supervisor: their organisation
 * and all below it. SEE is reading only; WRITE and REVIEW ask for the role, a licence in force, and
 * the read's modalities. (Which role may use which route is door's business: rights.def.) Neither
 * asks for the lease: see assign_holds(). */
enum assign_level { ASSIGN_SEE, ASSIGN_WRITE, ASSIGN_REVIEW };

/* errors  ERR_NOT_FOUND not theirs to know of; ERR_DENIED theirs to see, but not to do that */
int assign_may(struct pg_conn *conn, const struct person *person, int64_t read_id,
               enum assign_level level, struct err *err) MUST_CHECK;
/* A study they may see: it has a read they may see, or it is a prior of the same patient (same
 * clinic, issuer and patient id, and the same name or birth date and sex) as one of those.
 * out_is_whole: every image of its list is whole in the archive.
 * errors  ERR_NOT_FOUND; ERR_CONFLICT two clinics have a study of that number, both as much theirs
 *         to see: not the one that came first */
int assign_may_see_study(struct pg_conn *conn, const struct person *person, const char *study,
                         char out_tenant[ASSIGN_CODE], bool *out_is_whole,
                         struct err *err) MUST_CHECK;
/* errors  ERR_CONFLICT somebody else, or nobody, has the read under a lease now */
int assign_holds(struct pg_conn *conn, const struct person *person, int64_t read_id,
                 struct err *err) MUST_CHECK;

/* ---- changes ---- */
/* Move a read along the table and append to its log; what the action says happens to assignment and
 * lease. Locks the read's row to the end of the transaction, and the log: call it late in it.
 * Compose calls: DRAFT when the first draft of a version is kept (not at each autosave), WRITE,
 * RETURN, REVIEW, PRELIMINARY, SIGN, SIGN_AMENDED, AMEND, WITHDRAW, STANDS; a report's version at
 * hand is in the state its read is in (late images put a written one back to drafted). actor   a
 * login, or "system" detail  a JSON object or NULL; no patient data beyond what a person typed as a
 * reason errors  ERR_NOT_FOUND; ERR_CONFLICT the table does not list it from the present state, or
 * WITHDRAW where no signed version stands, or REVIEW by the author */
int assign_advance(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
                   const char *detail, struct err *err) MUST_CHECK;
/* A note (READ_NOTE_...) in the read's log; no change of state. */
int assign_note(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event note,
                const char *detail, struct err *err) MUST_CHECK;
/* With SIGN, SIGN_AMENDED, PRELIMINARY, in the same transaction: what the signed version covers. */
struct read_cover {
    uint32_t version, revision, instances;
    bool is_preliminary;
};
int assign_cover_put(struct pg_conn *conn, int64_t read_id, const struct read_cover *cover,
                     struct err *err) MUST_CHECK;

/* The agreement the read is made under, as canonical JSON (sorted keys, no blanks, UTF-8), and its
 * SHA-256: what a signature binds.
 * errors  ERR_NOT_FOUND no such read, or no agreement covers it */
struct read_agreement {
    char code[ASSIGN_CODE];
    uint32_t version;
    bool may_read_alone;
    uint8_t sha256[32];
};
int assign_agreement_get(struct pg_conn *conn, int64_t read_id, struct read_agreement *out,
                         struct buf *out_json, struct err *err) MUST_CHECK;

/* ---- doctors and organisations, for others ---- */
struct assign_doctor {
    char login[65], name[129], licence[65];
    char org[ASSIGN_CODE], org_name[ASSIGN_TEXT]; /* the first affiliation */
    int64_t valid_from_us, valid_until_us;
    bool is_on_duty, is_licensed; /* the licence is in force now */
};
/* errors  ERR_NOT_FOUND no doctor of that login */
int assign_doctor_get(struct pg_conn *conn, const char *login, struct assign_doctor *out,
                      struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND */
int assign_org_name(struct pg_conn *conn, const char *code, char out_name[ASSIGN_TEXT],
                    struct err *err) MUST_CHECK;
/* Is code the organisation above, or below it in the tree? */
int assign_org_is_within(struct pg_conn *conn, const char *code, const char *above, bool *out_is,
                         struct err *err) MUST_CHECK;

/* ---- the log, for couriers and streams ---- */
struct read_log {
    int64_t seq, read_id, at_us;
    const char *tenant, *study;
    const char *actor;
    enum read_event event;
    const char *detail; /* JSON object */
};
/* Everything past the cursor in order, at most limit. -1 of cb ends it.
 * read_id  0: of all reads */
typedef int (*assign_on_log)(void *user, const struct read_log *entry, struct err *err);
int assign_events(struct pg *pg, int64_t read_id, int64_t after, int limit, assign_on_log cb,
                  void *user, struct err *err) MUST_CHECK;
/* Wait until the log is past the cursor, wait_ms passed, or assign_stop(). The number it is at. */
int64_t assign_events_wait(struct assign *a, int64_t after, int64_t wait_ms);

/* ---- what the clinic says about a study ---- */
struct read_order {
    const char *tenant, *registration;
    const char *study;     /* the desk says this very study; "": not known yet */
    const char *accession; /* else those that came with it as Accession Number or Patient ID; "" */
    /* as registered, "" or NULL allowed: they stand in a read where the images say nothing */
    const char *patient_name, *patient_id, *sex, *birth;
    const char *complaint, *history, *clinic_phone; /* "" allowed */
    const char *actor;                              /* "desk:DEVICE" */
    bool is_urgent, is_lowered; /* lowered: the clinic takes it back, urgent_reason says why */
    const char *urgent_reason;
};
/* Keep a registration, idempotent by (tenant, registration); the later call replaces the facts.
 * It is attached to the study's read now, or when that comes. Urgent is taken back by is_lowered
 * alone.
 * A read whose registration changes or goes (assign_order_detach too) returns to its author when it
 * was written and is not signed: docs/reads.md. */
int assign_order_put(struct pg_conn *conn, const struct read_order *order,
                     struct err *err) MUST_CHECK;
/* The clinic says that a study is not this registration's after all: until it is told otherwise no
 * study is. None attached, or no such registration, is fine. */
int assign_order_detach(struct pg_conn *conn, const char *tenant, const char *registration,
                        const char *actor, struct err *err) MUST_CHECK;
/* A further study of a registration: one exam came as several. Then assign_order_put(). */
int assign_order_join(struct pg_conn *conn, const char *tenant, const char *registration,
                      const char *study, struct err *err) MUST_CHECK;
/* This study is nobody's further study any more; none is fine. */
int assign_order_part(struct pg_conn *conn, const char *tenant, const char *study,
                      const char *actor, struct err *err) MUST_CHECK;

/* What is odd about whose images a study is, as the clinic tells it, before or after the read
 * comes; a lower revision than is known changes nothing. is_confirmed: somebody there has looked at
 * all of the words. is_corrected: the images name the wrong person, patient_* is the right one. */
struct read_doubt {
    const char *tenant, *study, *doubts, *reason, *actor;
    uint32_t revision;
    bool is_confirmed, is_corrected;
    const char *patient_name, *patient_id, *sex, *birth;
};
int assign_doubt_put(struct pg_conn *conn, const struct read_doubt *doubt,
                     struct err *err) MUST_CHECK;
/* A doctor confirms the words of the row, with a reason; the read's row is locked.
 * errors  ERR_CONFLICT the clinic said something else since the row was looked up */
int assign_doubt_confirm(struct pg_conn *conn, const struct read_row *row, const char *actor,
                         const char *reason, struct err *err) MUST_CHECK;

/* Is it an emergency, who says so and why. */
struct read_urgency {
    const char *actor; /* a login, or "desk:DEVICE" */
    const char *by;    /* the person's name; "" not known */
    const char *org;   /* the person's organisation; "" */
    const char *reason;
    bool is_emergency;
    bool is_clinics; /* the desk said it: it need not be told */
};
/* Somebody at the reader says so, in a transaction that has locked no read.
 * errors  ERR_REJECT a reason is due; ERR_CONFLICT a signed read */
int assign_urgency_put(struct pg_conn *conn, int64_t read_id, const struct read_urgency *urgency,
                       struct err *err) MUST_CHECK;
/* The clinic's desk says so, before or after the read comes; a lower revision than is known changes
 * nothing, nor does a registration that was urgent from now on. */
int assign_study_urgency(struct pg_conn *conn, const char *tenant, const char *study,
                         uint32_t revision, const struct read_urgency *urgency,
                         struct err *err) MUST_CHECK;

/* ---- images that will not come ---- */
struct read_absence {
    const char *tenant, *study;
    const char *reason;        /* a word: proto/model/absent_reasons.def, or a newer one */
    const char *words, *by;    /* in words; the person's name */
    const char *actor;         /* "desk:DEVICE" */
    uint32_t revision, images; /* images 0: all may come, or have */
    int64_t at_us;
};
/* The clinic's desk says so, before or after the read comes; a lower revision than is known changes
 * nothing. errors  ERR_REJECT */
int assign_study_absent(struct pg_conn *conn, const struct read_absence *absence,
                        struct err *err) MUST_CHECK;

/* ---- master data ---- */
struct assign_loaded {
    unsigned organisations, accounts, doctors, agreements;
};
/* Organisations, accounts, doctors, agreements, duty from a file (docs/formats/load.md), all or
 * nothing, idempotent. An agreement's version that is there already may not change.
 * is_demo  accounts with a password are let in
 * errors   ERR_REJECT with the place in the file; ERR_CONFLICT an agreement's version differs */
int assign_load(struct pg *pg, const void *json, size_t n, bool is_demo, struct assign_loaded *out,
                struct err *err) MUST_CHECK;

#endif
