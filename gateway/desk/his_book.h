/* his_book.h - what the desk owes to the clinic's own systems: which report, to which target, with
 * which receipt.
 *
 * 1. Deliveries follow from the reports in the book: his_book_owe() adds what is missing, so none
 *    is lost between a report and its delivery, whatever happens in between. No clock decides which
 *    reports a target is told of: at its first start all that are there are marked as before it.
 * 2. A delivery changes by his_states.def only. It is delivered when the target's receipt is
 *    durable here, not before: a crash in between sends it once more.
 * 3. Of a study, a target is told in the order things came; of different ones, none waits for
 *    another. What the clock makes wait impossibly long is due now.
 * On disk: docs/formats/desk.md. Patient data: never logged. Threads: any. */
#ifndef RADPOST_DESK_HIS_BOOK_H
#define RADPOST_DESK_HIS_BOOK_H

#include "gateway/desk/book.h"

enum his_state {
#define STATE(name, word, meaning) name,
#include "gateway/desk/his_states.def"
    HIS_STATES
};
enum his_event {
#define EVENT(name) name,
#include "gateway/desk/his_states.def"
    HIS_EVENTS
};
enum his_target { HIS_DICOM, HIS_HL7, HIS_FOLDER, HIS_TARGETS };

const char *his_state_word(enum his_state state);    /* "waiting" ... */
const char *his_target_word(enum his_target target); /* "dicom" "hl7" "folder" */
bool his_next(enum his_state from, enum his_event event, enum his_state *out_to);

/* The trouble of a report that is refused before it is sent: what was signed names another patient
 * than its order. The pages find their words by it. */
#define HIS_ANOTHER_PATIENT "another_patient"
/* The reader's database was set back before all of the report was here. */
#define HIS_SET_BACK "set_back"
/* What a HIS answers names another message than ours, or stands in no frame: nobody can tell
 * whether it has the report. */
#define HIS_ANSWERED_ANOTHER "answered_another"
#define HIS_ANSWERED_UNFRAMED "answered_unframed"
enum { HIS_TROUBLE_SIZE = 256, HIS_RECEIPT_SIZE = 160, HIS_KIND_SIZE = 8 };
static const int64_t his_wait_max_us = INT64_C(3600) * 1000000; /* between two tries */

struct his_delivery {
    int64_t n;
    enum his_target target;
    int64_t read;
    uint32_t version;
    bool is_withdrawal;
    enum his_state state;
    uint32_t tries, round;
    int64_t next_at_us, made_at_us, done_at_us;
    char trouble[HIS_TROUBLE_SIZE];
    char receipt[HIS_RECEIPT_SIZE]; /* beside a trouble: the target's own words, if it gave any */
    char again_by[65];
    bool is_confirmed; /* a person saw HIS_ANOTHER_PATIENT, and had it sent all the same */
    /* of the report: */
    bool is_withdrawn; /* by now */
    bool is_overtaken; /* in a list: by a later version or a withdrawal; not sent once more */
    /* the target was, of any version of this read or of another of its study (of a database that is
     * gone), or a try may have reached it: one that it refused, or that nothing was heard of, is
     * one too; HIS_ANOTHER_PATIENT and HIS_SET_BACK are none */
    bool was_told;
    char patient[CLINIC_NAME_SIZE], registration[CLINIC_REGISTRATION_SIZE], modality[17];
};

/* targets: a bit a target. Adds what is owed and not in the book yet; true in *out_is_new if any.
 */
int his_book_owe(struct book *book, unsigned targets, bool *out_is_new, struct err *err) MUST_CHECK;
/* The number of the newest delivery to a target; 0: there is none. */
int his_book_newest(struct book *book, enum his_target target, int64_t *out_n,
                    struct err *err) MUST_CHECK;
/* The next delivery to a target whose time has come and for which all is here. *out_is_due false:
 * none. */
int his_book_due(struct book *book, enum his_target target, bool *out_is_due,
                 struct his_delivery *out, struct err *err) MUST_CHECK;
/* What a target is refused for HIS_ANOTHER_PATIENT, and no later version or withdrawal overtook:
 * the newest hundred; free(*out). */
int his_book_held(struct book *book, enum his_target target, struct his_delivery **out,
                  size_t *out_n, struct err *err) MUST_CHECK;
/* What is refused, and was overtaken since by a later version or a withdrawal, is obsolete: a
 * hundred at most. What may have reached the target still counts as told. */
int his_book_overtake(struct book *book, enum his_target target, struct err *err) MUST_CHECK;
/* A try, counted before its first byte leaves: a target that may have been told stays one, though
 * the power fails before it answers. */
int his_book_trying(struct book *book, int64_t n, struct err *err) MUST_CHECK;
/* An event of a delivery; words: the receipt, the trouble or the reason, or who asked. wait_ms: of
 * HIS_SAW_TROUBLE.
 * errors  ERR_NOT_FOUND; ERR_CONFLICT no such arrow; to be sent once more, though a later version
 * or a withdrawal counts */
int his_book_step(struct book *book, int64_t n, enum his_event event, const char *words,
                  int64_t wait_ms, struct err *err) MUST_CHECK;
/* HIS_SAW_TROUBLE or HIS_SAW_REFUSAL, with what the target said itself: it may name a patient. */
int his_book_failed(struct book *book, int64_t n, enum his_event event, const char *trouble,
                    const char *said, int64_t wait_ms, struct err *err) MUST_CHECK;
/* The newest first, what is refused or waits before all others; free(*out). */
int his_book_list(struct book *book, size_t limit, struct his_delivery **out, size_t *out_n,
                  struct err *err) MUST_CHECK;
/* Of each target that was ever set up: how many wait and are refused, and the last trouble of those
 * that wait. */
struct his_count {
    bool is_there;
    uint64_t waiting, refused;
    char trouble[HIS_TROUBLE_SIZE];
};
int his_book_counts(struct book *book, struct his_count out[HIS_TARGETS],
                    struct err *err) MUST_CHECK;

/* ---- what is fetched for them, as book_pdf_*: kinds "sr" "pdf" "text" ---- */
int his_document_due(struct book *book, bool *out_is_due, int64_t *out_read, uint32_t *out_version,
                     char out_kind[HIS_KIND_SIZE], struct err *err) MUST_CHECK;
int his_document_put(struct book *book, int64_t read, uint32_t version, const char *kind,
                     const void *bytes, size_t n, const uint8_t sha256[CLINIC_HASH_BYTES],
                     struct err *err) MUST_CHECK;
int his_document_failed(struct book *book, int64_t read, uint32_t version, const char *kind,
                        struct err *err) MUST_CHECK;
/* Fresh memory, zero-ended. A file that does not fit its digest is fetched anew.
 * errors  ERR_RETRY it is not here */
int his_document_get(struct book *book, int64_t read, uint32_t version, const char *kind,
                     uint8_t **out_bytes, size_t *out_n, struct err *err) MUST_CHECK;

#endif
