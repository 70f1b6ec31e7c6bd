/* book.h - what the desk knows and must not lose: registrations, messages for the reader until they
 * have a receipt, messages and reports of the reader, what the images say about whose they are.
 *
 * 1. What the technician did is durable with the message that tells the reader of it, in one
 *    transaction, before the page is answered: the line may be down for days.
 * 2. A message of the reader is taken once, with the cursor, in one transaction; its receipt is due
 *    when all that it stands for is durable here (of a report: the PDF, its SHA-256 checked).
 * 3. Of the versions of a report at most one is valid; what it replaces, or what was withdrawn,
 *    says so, whatever order messages of different reads come in.
 * 4. A study is of one registration at most.
 * On disk: docs/formats/desk.md. Patient data: never logged. Threads: any. */
#ifndef RADPOST_DESK_BOOK_H
#define RADPOST_DESK_BOOK_H

#include "proto/link/clinic.h"

struct book;
struct spool_study;

/* dir is made (0700): desk.db, reports/. clinic_phone is told with each registration; may be "".
 * errors  those of db_open() and durable.h */
int book_open(const char *dir, const char *clinic_phone, struct book **out_book,
              struct err *err) MUST_CHECK;
/* The same file, perhaps beside a desk that runs: nothing is set aside, a damaged one is refused.
 */
int book_open_beside(const char *dir, struct book **out_book, struct err *err) MUST_CHECK;
void book_close(struct book **book);
/* When the wall clock was set, also by a restart of the machine: times of registrations, orders and
 * arrivals that were noted under the wrong one are put right, so that worklists show and images
 * find them. Cheap while nothing happened.
 * centre_ms   what the centre's clock said when the machine came up; 0: not known (yet) */
int book_clock_look(struct book *book, int64_t centre_ms, struct err *err) MUST_CHECK;
/* Grows with each change that a page may show. */
uint64_t book_change(struct book *book);
/* Wait until it is past seen, at most wait_ms. */
uint64_t book_wait(struct book *book, uint64_t seen, int64_t wait_ms);

/* ---- registrations ---- */
struct book_registration {
    char registration[CLINIC_REGISTRATION_SIZE];
    int64_t at_us, changed_at_us;
    uint32_t revision;
    char name[CLINIC_NAME_SIZE], citizen_id[19], sex[2], birth[9], phone[CLINIC_PHONE_SIZE];
    char modality[17], complaint[CLINIC_TEXT_SIZE], history[CLINIC_TEXT_SIZE];
    bool is_urgent, is_phone_verified;
    char reason[CLINIC_REASON_SIZE];
    char urgent_by[CLINIC_NAME_SIZE]; /* login, or source of the order; on the way in only */
    char study[CLINIC_UID_SIZE], attached_by[17];
    int64_t slip_at_us;
    char read_state[CLINIC_WORD_SIZE]; /* of the attached study; "" */
    uint32_t waiting;                  /* messages about it without a receipt */
    char refused[64];                  /* "attach conflict": the last that was refused; "" */
    char phone_word[CLINIC_WORD_SIZE]; /* "" "unsent" "sent" "verified" "wrong" ... */
};

/* Register: number and times are given by the book. out_registration is also the accession number.
 * errors  ERR_REJECT, ERR_FULL, ERR_RETRY */
int book_register(struct book *book, const struct book_registration *r,
                  char out_registration[CLINIC_REGISTRATION_SIZE], struct err *err) MUST_CHECK;
/* Correct what was mistyped. r->revision: as it was seen; two people at once lose no word. One that
 * was no emergency, or was taken back, and is one now, is said to be one as by book_urgent().
 * by: a login; which fields they changed is in the audit log (NULL: none, tests) before it is done.
 * errors  ERR_NOT_FOUND; ERR_CONFLICT it was changed meanwhile; those of the audit log */
struct audit;
int book_correct(struct book *book, const struct book_registration *r, struct audit *audit,
                 const char *by, struct err *err) MUST_CHECK;
int book_find(struct book *book, const char *registration, struct book_registration *out,
              struct err *err) MUST_CHECK;
/* The newest limit, and those whose studies are the newest limit; the newest first; free(*out).
 * *out_total: how many there are in all. */
int book_registrations(struct book *book, size_t limit, struct book_registration **out,
                       size_t *out_n, size_t *out_total, struct err *err) MUST_CHECK;
/* For people: the newest first, without the first skip, at most limit. text: "" all; else what is
 * in the name, its pinyin, the phone or a number (registration, citizen, patient, accession, the
 * source's own), letters in either case; or the code of the last slip, alone or as its picture
 * says it, typed or scanned. *out_total: with those left out; 0 where none is listed. free(*out).
 */
struct book_search {
    const char *text;
    size_t skip, limit;
};
int book_search(struct book *book, const struct book_search *search, struct book_registration **out,
                size_t *out_n, size_t *out_total, struct err *err) MUST_CHECK;
/* Its studies become STAT, or none of them is any more, also of those that come later (urgency.h);
 * what a source of orders says again raises it no more. by: a login, and in the audit log (NULL:
 * none, tests) before it is done. */
int book_urgent(struct book *book, const char *registration, bool is_urgent, const char *reason,
                struct audit *audit, const char *by, struct err *err) MUST_CHECK;
/* by: "number", "citizen_id", "hand". By hand, whoever had the study loses it.
 * errors  ERR_CONFLICT the registration has another study (not by hand) */
int book_attach(struct book *book, const char *registration, const char *study, const char *by,
                struct err *err) MUST_CHECK;
int book_slip(struct book *book, const char *registration,
              const uint8_t code_sha256[CLINIC_HASH_BYTES], struct err *err) MUST_CHECK;
/* Ask for a code to the registration's phone (otp NULL), or whether this is it. */
int book_phone(struct book *book, const char *registration, const char *otp,
               char out_id[CLINIC_ID_SIZE], struct err *err) MUST_CHECK;

/* ---- what waits for the reader ---- */
/* In order, at most CLINIC_MESSAGES; one waits while an earlier one of its registration does. */
int book_due(struct book *book, struct clinic_ups *out, struct err *err) MUST_CHECK;
/* Receipts of the reader. is_told_lost: all that was done in the last 30 days waits again. */
int book_settle(struct book *book, const struct clinic_receipts *receipts,
                struct err *err) MUST_CHECK;
/* The reader cannot even read it: done with. */
int book_refuse(struct book *book, const char *id, struct err *err) MUST_CHECK;
/* The message that the reader gave the last receipt of; "": none, or all of them wait again. Asked
 * before book_due(): else what is new could be told before what waits again. */
int book_told(struct book *book, char out[CLINIC_ID_SIZE], struct err *err) MUST_CHECK;
/* It was told and has no receipt: later again, later each time. */
int book_postpone(struct book *book, const char *id, struct err *err) MUST_CHECK;
/* *out_word: what came of it; false: no receipt yet. is_dropped_if_not: then it is forgotten. */
int book_outcome(struct book *book, const char *id, bool is_dropped_if_not, bool *out_is_settled,
                 char out_word[CLINIC_WORD_SIZE], struct err *err) MUST_CHECK;
struct book_counts {
    uint64_t waiting, refused;
};
int book_counts(struct book *book, struct book_counts *out, struct err *err) MUST_CHECK;

/* ---- what came from the reader ---- */
int book_take(struct book *book, const struct clinic_downs *downs, struct err *err) MUST_CHECK;
/* out_at: id of the message that it stands at; "" not known. */
int book_cursor(struct book *book, uint64_t *out, char out_at[CLINIC_ID_SIZE],
                struct err *err) MUST_CHECK;
int book_receipts_due(struct book *book, struct clinic_ids *out, struct err *err) MUST_CHECK;
int book_receipted(struct book *book, const struct clinic_ids *ids, struct err *err) MUST_CHECK;
/* Address of the patient page, as the reader told; "" not yet. */
int book_patient_url(struct book *book, char out[CLINIC_URL_SIZE], struct err *err) MUST_CHECK;

struct book_report {
    int64_t read; /* as this desk names it: book_read_source() */
    uint32_t version, superseded_by, replaces, covers, present;
    bool is_preliminary, is_here; /* the PDF is */
    int64_t signed_at_us, received_at_us, confirmed_at_us;
    char author[CLINIC_NAME_SIZE], reviewer[CLINIC_NAME_SIZE], hospital[CLINIC_NAME_SIZE];
    char verify_url[CLINIC_URL_SIZE], standing[17], reason[CLINIC_REASON_SIZE];
    char study[CLINIC_UID_SIZE], registration[CLINIC_REGISTRATION_SIZE], patient[CLINIC_NAME_SIZE];
    char modality[17], state[CLINIC_WORD_SIZE];
    int64_t looked_at_us; /* a doctor looked at all that came late, and it stands; 0: nobody */
    char looked_by[CLINIC_NAME_SIZE], looked_reason[CLINIC_REASON_SIZE];
    int64_t printed_at_us; /* last; 0: on no printer yet, or put back */
};
/* Of reads with anything unconfirmed or unprinted first, then the newest; free(*out). */
int book_reports_page(struct book *book, size_t skip, size_t limit, struct book_report **out,
                      size_t *out_n, struct err *err) MUST_CHECK;
/* Versions: all, those that nobody confirmed, valid ones here that were on no printer. */
struct book_report_counts {
    uint64_t all, unconfirmed, unprinted;
};
int book_report_counts(struct book *book, struct book_report_counts *out,
                       struct err *err) MUST_CHECK;
int book_reports(struct book *book, size_t limit, struct book_report **out, size_t *out_n,
                 struct err *err) MUST_CHECK;
/* What the centre said in words to the technician, the newest first; free(*out). */
struct book_notice {
    char id[CLINIC_ID_SIZE], registration[CLINIC_REGISTRATION_SIZE];
    char words[CLINIC_REASON_SIZE];
    int64_t at_us;
};
int book_notices(struct book *book, size_t limit, struct book_notice **out, size_t *out_n,
                 struct err *err) MUST_CHECK;
/* What the reader knows a read by, and whose images it is about: numbers of a reader whose database
 * was put back from a backup come again for other studies, a read's name here does not.
 * errors  ERR_NOT_FOUND */
struct book_source {
    int64_t number; /* 0: the reader knows it no more */
    char study[CLINIC_UID_SIZE];
};
int book_read_source(struct book *book, int64_t read, struct book_source *out,
                     struct err *err) MUST_CHECK;
int book_confirm(struct book *book, int64_t read, uint32_t version, struct err *err) MUST_CHECK;
/* A PDF that is to be fetched (again: it says now that it was replaced). *out_is_due false: none.
 * What comes for the report from now on makes it due again, whatever book_pdf_put() brings. */
int book_pdf_due(struct book *book, bool *out_is_due, int64_t *out_read, uint32_t *out_version,
                 struct err *err) MUST_CHECK;
/* errors  ERR_REJECT the bytes are not those of sha256 */
int book_pdf_put(struct book *book, int64_t read, uint32_t version, const void *bytes, size_t n,
                 const uint8_t sha256[CLINIC_HASH_BYTES], struct err *err) MUST_CHECK;
int book_pdf_failed(struct book *book, int64_t read, uint32_t version, struct err *err) MUST_CHECK;
/* The bytes, checked; fresh memory. A file that does not fit its digest is fetched anew.
 * errors  ERR_NOT_FOUND no such report; ERR_RETRY its file is not here yet */
int book_pdf_get(struct book *book, int64_t read, uint32_t version, uint8_t **out_bytes,
                 size_t *out_n, struct err *err) MUST_CHECK;

/* ---- whose images ---- */
/* What images say of their patient that is not as it was registered; a name in Latin letters is one
 * with the name that is read so; what is not known is no difference. */
struct book_differs {
    bool name, sex, birth;
};
struct book_study {
    char study[CLINIC_UID_SIZE];
    char patient_id[65], accession[65], modality[17];
    char name[CLINIC_NAME_SIZE], sex[17], birth[17];
    int64_t arrived_at_us;
    char registration[CLINIC_REGISTRATION_SIZE]; /* of book_studies(): it is attached to; "" */
    /* of book_studies(): why to none, a word of unmatched.def, and whose registration that is
     * about; "" */
    char unmatched[17], near[CLINIC_REGISTRATION_SIZE];
    struct book_differs differs; /* of book_studies(): from whom it is attached to */
    /* of book_studies(): of the read of that registration or of this study, one with a report
     * before one without; "" */
    char read_state[CLINIC_WORD_SIZE];
};
/* pinyin: of the owner's name as its order has it; "" */
struct who;
void book_compare(const struct who *said, const struct who *owner, const char *pinyin,
                  struct book_differs *out);
int book_study_is_known(struct book *book, const char *study, bool *out,
                        struct err *err) MUST_CHECK;
int book_study_put(struct book *book, const struct book_study *study, struct err *err) MUST_CHECK;
/* Those that arrived since then, as the book dates it: it follows the clock, the spool does not. By
 * study; free(*out). */
int book_studies(struct book *book, int64_t since_us, struct book_study **out, size_t *out_n,
                 struct err *err) MUST_CHECK;
/* The same of these, however long ago they arrived. */
int book_studies_named(struct book *book, const char *const *studies, size_t n,
                       struct book_study **out, size_t *out_n, struct err *err) MUST_CHECK;
/* Studies of the spool, which dates them by the clock of then for ever, as the book dates them.
 * known   as book_studies() gives them */
void book_date_studies(const struct book_study *known, size_t known_n, struct spool_study *studies,
                       size_t n, int64_t now_us);
/* Attach what arrived since then and is unambiguously a registration's: its Patient ID or Accession
 * Number is a registration's number and its Patient ID is nobody else's citizen number; or it bears
 * no such number, and its Patient ID is the citizen number of exactly one open registration of the
 * last two days that asks for this modality (or none). Of what is not, why is noted. */
int book_match(struct book *book, int64_t since_us, unsigned *out_attached,
               struct err *err) MUST_CHECK;

/* Forget receipts and done messages older than this. */
int book_clean(struct book *book, int64_t before_us, struct err *err) MUST_CHECK;

#endif
