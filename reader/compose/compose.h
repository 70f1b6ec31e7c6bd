/* compose.h - reports: drafted, written, reviewed, signed; amended, withdrawn; every version kept.
 *
 * 1. A draft that was answered is durable; it is kept by a counter ("base"), so that two pages that
 *    save at once are told so and nothing of either is overwritten unseen.
 * 2. Nobody reviews or signs what they wrote. A lone reader, where the agreement allows it, signs a
 *    preliminary report (急诊报告，以正式报告为准); the second read is then due.
 * 3. A signed version never changes. What follows (a later version, a withdrawal) is a row of its
 *    own that names it by its digest.
 *    What came after somebody looked is shown to them, with its proved pixels, before they write or
 *    sign: a version covers no image that came unseen.
 * 4. Of any number of people who sign at once exactly one succeeds.
 * 5. What is signed: the canonical report, which carries the digests of the image manifest and of
 *    the agreement; both are kept beside it, with the signature and its certificates. It verifies
 *    without us: docs/formats/report.md.
 * 6. Keys of doctors are in a process of their own, never in this one: docs/decisions/signing.md.
 * 7. A signed version is stored back into the archive as SR and Encapsulated PDF, once, also when
 *    the process is killed at any moment: a row written in the signing transaction asks for it.
 *
 * The state of a read is reader/assign's (proto/model/read_states.def); every change here goes
 * through assign_advance() in the same transaction. Tables: migrations/0003_compose.sql.
 * Threads: all functions from any thread; those with a conn run in the caller's transaction. */
#ifndef RADPOST_READER_COMPOSE_COMPOSE_H
#define RADPOST_READER_COMPOSE_COMPOSE_H

#include "proto/base/buf.h"
#include "proto/http/server.h"
#include "proto/trust/digest.h"

struct archive;
struct assign;
struct audit;
struct compose;
struct pg;
struct pg_conn;

struct compose_options {
    struct pg *pg;
    struct archive *archive;
    struct assign *assign;   /* woken after each change; may be NULL (tests) */
    struct audit *audit;     /* may be NULL (tests) */
    const char *data_dir;    /* keys live in data_dir/signer */
    const char *patient_url; /* public base of verification pages: URL/v/TOKEN */
};

/* First thing in main(): this process was started to hold the keys. True: leave with *out_status.
 */
bool compose_signer_main_if_asked(int argc, char **argv, int *out_status);

/* Query files for main's pg_open(). */
#define COMPOSE_QUERIES "reader/compose/compose.sql"

/* Start the signer and the thread that makes and stores documents. Where the keys cannot be used,
 * or are not those that signed before, the log says so and all but signing goes on; each signature
 * asks for them again.
 * errors  ERR_RETRY the database */
int compose_open(const struct compose_options *options, struct compose **out_compose,
                 struct err *err) MUST_CHECK;
void compose_close(struct compose **compose);
/* Staff routes: /api/v1/reads/{read}/report and its kin. Lives as long as compose. */
struct http_table compose_table(struct compose *compose);

/* Only a look: is the authority in data_dir/signer one that this database knows, or may become?
 * errors  ERR_CONFLICT it is not: what to do */
int compose_authority_look(struct pg *pg, const char *data_dir, struct err *err) MUST_CHECK;
/* The login by says that the one that signed before is lost for good: reports are signed from now
 * on under the one that is in data_dir/signer, made if there is none. The service may be running.
 * errors  ERR_CONFLICT there is nothing to accept; ERR_REJECT no login */
int compose_authority_accept(struct pg *pg, const char *data_dir, const char *by,
                             struct err *err) MUST_CHECK;

/* The archive has lost documents of this read: those of all its versions are stored again, soon
 * after the commit. In the caller's transaction. */
int compose_documents_missing(struct pg_conn *conn, int64_t read_id, struct err *err) MUST_CHECK;

/* ---- a signed version, for other stages ---- */
enum report_kind { REPORT_FINAL, REPORT_PRELIMINARY };
enum report_standing { REPORT_VALID, REPORT_AMENDED, REPORT_WITHDRAWN };
const char *report_kind_word(enum report_kind kind);             /* "final", "preliminary" */
const char *report_standing_word(enum report_standing standing); /* "valid", "amended", ... */

#define REPORT_TOKEN_BYTES 27 /* 128 random bits in base 32, and the zero */

struct report_person {
    char login[65]; /* "" = nobody */
    char name[129];
    char licence[65];
    char organisation[65];
    char organisation_name[385];
};

/* All of it as it was when it was signed, but for standing, superseded_by, withdrawal, looked,
 * present.
 */
/* Images of the study that the report could not cover, and who says so: they will not come, and
 * why; or they have not come (REPORT_AWAITED), and the signer knew. */
struct report_absent {
    uint32_t images; /* 0: nobody said so */
    char reason[33]; /* a word of proto/model/absent_reasons.def, or a newer one; REPORT_AWAITED */
    char words[801], by[385];
};
/* By the clinic's desk; by a doctor, or whoever told the archive; by the signer. */
enum { REPORT_ABSENT = 3 };
#define REPORT_AWAITED "awaited"

struct report {
    int64_t read;
    unsigned version; /* from 1 */
    enum report_kind kind;
    enum report_standing standing;
    unsigned superseded_by; /* version, 0 = none */

    char tenant[65]; /* the clinic */
    char clinic_name[385];
    char hospital[65]; /* where it was read: the signer's organisation */
    char hospital_name[385];
    char study[65];
    char accession[65];
    char modality[17];
    char description[385];
    char study_date[17], study_time[33]; /* as DICOM has them */

    char patient_id[385], issuer[385];
    char patient_name[385]; /* PN, UTF-8 */
    char patient_sex[17], patient_birth[17], patient_age[17];
    char *complaint, *history; /* what the clinic wrote; never NULL in a report that was got */

    char *exam, *findings, *impression;
    struct report_person author;
    struct report_person reviewer; /* login "": none (preliminary) */
    int64_t written_at_us, signed_at_us;
    char *reason; /* why this version, "" for a first one */

    uint32_t manifest_revision;
    uint32_t covers;                            /* images this version covers */
    uint32_t present;                           /* images the study has now: more came late */
    struct report_absent absent[REPORT_ABSENT]; /* as it stood when it was signed */
    char agreement[65];
    char agreement_version[65];
    unsigned predecessor; /* version, 0 = none */
    uint8_t predecessor_sha256[DIGEST_BYTES];

    /* 0 = nobody: looked at what came late, and this version stands; not while more came since */
    int64_t looked_at_us;
    char looked_by[129]; /* the doctor's name */
    char *looked_reason;
    int64_t withdrawn_at_us; /* 0 = it was not */
    char *withdrawn_reason;

    char token[REPORT_TOKEN_BYTES];
    char verify_url[320];
    uint8_t sha256[DIGEST_BYTES]; /* of the canonical report */
    bool is_stored;               /* its documents are in the archive */
    /* the evidence */
    char *canonical, *manifest, *agreement_json; /* zero-ended; lengths below */
    uint8_t *cms;
    size_t canonical_n, manifest_n, agreement_n, cms_n;
};

/* A signed version of a read; 0 = the last that was signed (look at its standing: it may be
 * withdrawn). report_fini() in every case that it returned 0.
 * errors  ERR_NOT_FOUND nothing of that version was signed */
int compose_report_get(struct pg_conn *conn, int64_t read, unsigned version, struct report *out,
                       struct err *err) MUST_CHECK;
/* The same by the token of its verification page. */
int compose_report_by_token(struct pg_conn *conn, const char *token, struct report *out,
                            struct err *err) MUST_CHECK;
/* How many versions of a read were signed. */
int compose_version_count(struct pg_conn *conn, int64_t read, unsigned *out_count,
                          struct err *err) MUST_CHECK;
void report_fini(struct report *report);

/* The PDF of a version as it stands now: one that was replaced or withdrawn says so on every page.
 * errors  ERR_NOT_FOUND */
int compose_pdf(struct compose *compose, int64_t read, unsigned version, struct buf *out,
                struct err *err) MUST_CHECK;

/* A version as it was signed, for other systems: "sr" and "pdf" the DICOM objects that are in the
 * archive, "text" the canonical report (JSON). Always the same bytes.
 * errors  ERR_NOT_FOUND no such version, or its objects are not made yet */
int compose_document(struct compose *compose, int64_t read, unsigned version, const char *kind,
                     struct buf *out, struct err *err) MUST_CHECK;

/* The folder of evidence as a ZIP: report.json manifest.json agreement.json signature.p7s
 * signing-ca.pem report.pdf and, when it was withdrawn, withdrawal.json withdrawal.p7s. */
int compose_evidence(struct compose *compose, int64_t read, unsigned version, struct buf *out,
                     struct err *err) MUST_CHECK;

#endif
