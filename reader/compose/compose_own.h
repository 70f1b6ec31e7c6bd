/* compose_own.h - what the files of reader/compose share: compose.c (the stage), act.c (one
 * person's step), write.c, sign.c, authority.c, shown.c, canonical.c, report.c, documents.c,
 * evidence.c, page.c, routes.c. */
#ifndef RADPOST_READER_COMPOSE_COMPOSE_OWN_H
#define RADPOST_READER_COMPOSE_COMPOSE_OWN_H

#include "proto/base/jsonw.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/http/json.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"
#include "reader/archive/archive.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/compose/signer.h"
#include "reader/people/people.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/compose/compose_events.def"
#undef LOG_EVENT

#define REPORT_TEXT_BYTES 65536 /* each of exam, findings, impression */
#define REASON_BYTES 2000
#define REPORT_BYTES ((size_t)1 << 20)

struct compose {
    struct pg *pg;
    struct archive *archive;
    struct audit *audit;
    char *patient_url, *signer_dir;
    struct gate signing;   /* for the next line */
    struct signer *signer; /* NULL: none yet, see authority.c; then the same to the end */
    bool is_unable;        /* to sign, and the log says so */
    struct assign *assign; /* NULL: nobody is woken */
    struct gate gate;      /* for what follows */
    bool is_ending, has_work, has_worker;
    pthread_t worker;
};

extern const struct log_ctx compose_log;

/* The archive; tests put their own here. */
extern int (*compose_fetch_manifest)(struct archive *archive, const char *tenant, const char *study,
                                     uint32_t revision, struct buf *out_json, struct err *err);
extern int (*compose_fetch_standing)(struct archive *archive, const char *tenant, const char *study,
                                     struct archive_standing *out, struct err *err);
extern int (*compose_fetch_facts)(struct archive *archive, const char *tenant, const char *study,
                                  struct archive_study *out, struct err *err);
extern int (*compose_tell_gone)(struct archive *archive, const char *tenant, const char *study,
                                const struct archive_gone *said, struct err *err);
extern int (*compose_stow)(struct archive *archive, const char *tenant, const char *study,
                           const struct archive_file *files, size_t count, struct err *err);

/* ---- words for people, when something may not be ---- */
enum refusal {
    REFUSE_NOTHING,
#define REFUSAL(name, status, code, en, zh) name,
#include "reader/compose/refusals.def"
#undef REFUSAL
    REFUSALS
};
struct refusal_words {
    int status;
    const char *code, *en, *zh;
};
const struct refusal_words *refusal_words(enum refusal why);

/* ---- the image manifest of a report: canonical.c ---- */
struct manifest_image {
    const char *sop_instance, *sop_class, *series; /* in the document */
    bool is_proved;                                /* whole, with both digests */
};
struct manifest {
    struct json_doc *doc;
    uint32_t revision;
    size_t count;
    struct manifest_image *images; /* sorted by sop_instance */
    struct buf canonical;          /* manifest.json, docs/formats/report.md */
    uint8_t sha256[DIGEST_BYTES];
};
/* From what the archive (or manifest.json) says. errors: ERR_REJECT it says it wrongly */
int manifest_read(const void *json, size_t n, struct manifest *out, struct err *err) MUST_CHECK;
void manifest_fini(struct manifest *m);
/* NULL: not in it. */
const struct manifest_image *manifest_find(const struct manifest *m, const char *sop_instance);

/* The canonical report of a struct report (fields of evidence not looked at). manifest_sha256,
 * agreement_sha256: what it binds. */
struct report_binds {
    uint8_t manifest_sha256[DIGEST_BYTES], agreement_sha256[DIGEST_BYTES];
    int64_t shown_first_us, shown_last_us;
    uint32_t shown;
    char signed_at[40]; /* reading only: as it is written */
};
void canonical_report(const struct report *r, const struct report_binds *binds, struct buf *out);
/* And back. errors: ERR_FATAL it is not one */
int canonical_read(const void *json, size_t n, struct report *out, struct report_binds *out_binds,
                   struct err *err) MUST_CHECK;
/* The notice of a withdrawal. */
void canonical_withdrawal(const struct report *r, const struct report_person *by,
                          const char *reason, int64_t at_us, struct buf *out);

/* ---- the version in work ---- */
struct work {
    int64_t base;
    char *exam, *findings, *impression;
    char saved_by[65], author[65], reviewer[65];
    int64_t saved_at_us, written_at_us, reviewed_at_us;
    char *returned_reason, *amend_reason;
    char *writers;             /* logins, a line each */
    unsigned versions, finals; /* signed: all, final ones */
};
/* errors  ERR_NOT_FOUND nobody wrote about that read */
int work_get(struct pg_conn *conn, int64_t read, bool is_locked, struct work *out,
             struct err *err) MUST_CHECK;
void work_fini(struct work *w);

/* ---- one step of one person on one read: a transaction, act.c ---- */
struct act {
    struct compose *c;
    struct pg_conn *conn;
    struct person person;
    struct read_row *row;
    struct work work;
    enum refusal why; /* set where -1 has words for people */
    uint32_t lacks;   /* of REFUSE_LACKS */
};
/* Begin; the person may do that, the report's row is there and locked, then the read's: lease and
 * state stay as they are judged. act_end() in every case.
 * errors  ERR_NOT_FOUND, ERR_DENIED (why is set when the licence is the reason) */
int act_begin(struct compose *c, const struct http_caller *caller, int64_t read,
              enum assign_level level, struct act *out, struct err *err) MUST_CHECK;
/* The same to look only: nothing is made or locked. */
int act_look(struct compose *c, const struct http_caller *caller, int64_t read,
             enum assign_level level, struct act *out, struct err *err) MUST_CHECK;
/* Keep that the person looks at it now ("report", "pdf", "zip"), before anything is shown: its
 * patient may ask who did. The caller commits. */
int act_seen(struct act *a, const char *what, struct err *err) MUST_CHECK;
/* Commit and tell. */
int act_commit(struct act *a, struct err *err) MUST_CHECK;
void act_end(struct act *a);
/* -1 with words. */
int act_refuse(struct act *a, enum refusal why, struct err *err);
/* base is the one the caller saw; nobody else has the lease. */
int act_vet(struct act *a, int64_t base, struct err *err) MUST_CHECK;
/* Keep the text that is passed on, with who and why. */
int act_note(struct act *a, const char *action, const char *reason, struct err *err) MUST_CHECK;

/* Are this person's words in the version in work? */
bool act_wrote(const struct act *a);

/* What somebody typed; NULL: as it is. */
struct texts {
    const char *exam, *findings, *impression;
};
bool texts_are_fit(const struct texts *t);
/* Something is said, and not too much. */
bool reason_is_fit(const char *reason);

/* ---- write.c ---- each: a whole step, act filled for the answer; act_end() is the caller's */
int step_draft(struct act *a, int64_t base, const struct texts *t, struct err *err) MUST_CHECK;
int step_review(struct act *a, int64_t base, bool is_accepted, const char *reason,
                const struct texts *t, struct err *err) MUST_CHECK;
int step_amend(struct act *a, int64_t base, const char *reason, struct err *err) MUST_CHECK;
/* Begins its own act: the archive may be asked first, outside any transaction. */
int step_write(struct compose *c, const struct http_caller *caller, int64_t read, int64_t base,
               const struct texts *t, struct act *out, struct err *err) MUST_CHECK;

/* ---- doubts.c ---- */
/* Whose images these are is confirmed by a doctor, with a reason: the desk was asked in vain, or an
 * emergency does not wait. doubts, seen: the words that their page showed, and of which revision
 * of what the clinic said. Emergencies too: reading was never held back, and this takes one
 * sentence. */
int step_confirm_doubts(struct act *a, const char *doubts, int64_t seen, const char *reason,
                        struct err *err) MUST_CHECK;

/* ---- gone.c ---- */
/* Images that the list names and that are not here are lost for good, says who may write the read,
 * with a reason: the archive closes the list without them, and report and page tell it. Begins its
 * own act. images: how many their page showed as missing. */
int step_gone(struct compose *c, const struct http_caller *caller, int64_t read, uint32_t images,
              const char *reason, struct act *out, struct err *err) MUST_CHECK;
/* What of the study is missing for good, and who says so, for the report's readers: appended, a
 * line each; nothing where nothing is. */
void report_missing(const struct report *r, struct buf *out);

/* ---- stands.c ---- */
/* Images came after the signature; who may review has looked at all of them, and the report stands.
 * reason may be NULL. Begins its own act. */
int step_stands(struct compose *c, const struct http_caller *caller, int64_t read, int64_t base,
                const char *reason, struct act *out, struct err *err) MUST_CHECK;

/* ---- authority.c ---- */
/* Who signs; started now where it could not be before. Lives as long as compose. NULL: nothing can
 * be signed now, err says why (ERR_CONFLICT: a person has to see to it), and the log did. */
struct signer *authority_signer(struct compose *c, struct pg_conn *conn, struct err *err);
/* Fresh text. */
char *authority_dir(const char *data_dir);

/* ---- sign.c ---- */
/* Begins its own act, since the archive is asked first, outside any transaction. lacks: so many
 * images have not come, as the signer's page showed them and they know; the report names them.
 * Where others are awaited: REFUSE_LACKS, and act.lacks says how many. */
int step_sign(struct compose *c, const struct http_caller *caller, int64_t read, int64_t base,
              enum report_kind kind, uint32_t lacks, struct act *out, struct err *err) MUST_CHECK;
/* Also while another has the read open. */
int step_withdraw(struct act *a, int64_t base, const char *reason, struct err *err) MUST_CHECK;

/* ---- shown.c ---- */
struct shown {
    uint32_t proved;     /* images of the manifest whose proved pixels this person saw */
    uint32_t not_proved; /* opened, and only a preview was shown */
    int64_t first_us, last_us;
};
int shown_put(struct act *a, const struct json *opened, const struct json *proved,
              struct err *err) MUST_CHECK;
int shown_get(struct pg_conn *conn, int64_t read, const char *login, const struct manifest *m,
              struct shown *out, struct err *err) MUST_CHECK;

/* What came after a person's first look at a read, or after its signature: nothing of it is
 * reported on, or said to change nothing, unseen. */
struct late {
    uint32_t first, revision;    /* of the list then, 0: they never looked; of the list now */
    struct manifest before, now; /* those lists, where they differ */
};
/* For a: a look, whose connection goes back before the archive is asked.
 * errors  ERR_CONFLICT the list is open (why is set); those of the archive */
int late_ask(struct act *a, struct late *out, struct err *err) MUST_CHECK;
/* The same of what the signed version that stands does not cover, whoever looked before. */
int late_ask_signed(struct act *a, struct late *out, struct err *err) MUST_CHECK;
/* Under the lock: all that came later was shown to them, with proved pixels. Else REFUSE_LATE. */
int late_vet(struct act *a, const struct late *late, struct err *err) MUST_CHECK;
void late_fini(struct late *late);

/* ---- documents.c ---- */
void *documents_run(void *compose); /* the thread */
void documents_wake(struct compose *c);
/* Make and store what is due now, once; tests. *out_left: how many could not be stored. */
int documents_settle(struct compose *c, unsigned *out_left, struct err *err) MUST_CHECK;
/* The PDF of a report; as it stands now, or as it was when it was signed. */
int documents_pdf(const struct report *r, bool is_now, struct buf *out, struct err *err) MUST_CHECK;

/* ---- page.c ---- */
/* The report of an act that looks, for a caller of these rights. */
int page_write_report(struct act *a, unsigned rights, struct buf *out, struct err *err) MUST_CHECK;

/* ---- routes.c ---- */
extern const struct http_route compose_routes[];
extern const size_t compose_route_count;

#endif
