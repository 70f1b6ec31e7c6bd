/* clinic.h - what deliver's clinic half shares among its own files: deliver.c (start, stop), the
 * routes, what is done with a desk's messages, and the courier. Nobody else includes it. */
#ifndef RADPOST_READER_DELIVER_CLINIC_H
#define RADPOST_READER_DELIVER_CLINIC_H

#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/link/clinic.h"
#include "proto/pg/pg.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/deliver/deliver.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/deliver/clinic_events.def"
#undef LOG_EVENT

struct deliver {
    struct deliver_options o;
    char *patient_url;
    struct gate gate;
    bool is_stopping, is_started; /* gate */
    int64_t latest;               /* gate: a number of clinic_down that is committed */
    pthread_t courier;
};

extern const struct log_ctx deliver_log;

bool deliver_is_stopping(struct deliver *d);
/* Messages up to seq are committed: waiting desks look. */
void deliver_news(struct deliver *d, int64_t seq);
/* After a commit: whoever may have something to do looks. */
void deliver_wake_others(struct deliver *d);

struct clinic_sender {
    const char *tenant, *device;
};

/* Do a message and keep its receipt, in one transaction; told again, give the same receipt.
 * errors  ERR_RETRY, ERR_FULL, ERR_FATAL: nothing happened and there is no receipt */
int clinic_apply(struct deliver *d, const struct clinic_sender *sender, const struct clinic_up *up,
                 struct clinic_receipt *out, struct err *err) MUST_CHECK;
/* The message that a desk had the last receipt of (told; NULL, "": an older desk, or none): did
 * this database give one? Else it was put back from a backup, and the desk tells all of it again.
 */
int clinic_told_check(struct deliver *d, const struct clinic_sender *sender, const char *told,
                      bool *out_is_lost, struct err *err) MUST_CHECK;
/* Tell the patient, in the caller's transaction, if their report stands and was not told yet. */
int clinic_tell_patient(struct pg_conn *conn, const struct read_row *row, enum patient_news news,
                        unsigned version, struct err *err) MUST_CHECK;
/* These messages are durable at the device; the first device's receipt of a report is noted. */
int clinic_take(struct deliver *d, const struct clinic_sender *sender, const struct clinic_ids *ids,
                struct err *err) MUST_CHECK;
/* A clinic's messages after a number, at most CLINIC_MESSAGES; out_downs is the caller's. One that
 * was kept and cannot be read is reported and passed over: next lies past it. */
int clinic_downs_after(struct deliver *d, const char *tenant, uint64_t after,
                       struct clinic_downs *out_downs, struct err *err) MUST_CHECK;

/* A cursor that says which message it stands at ("": it does not know): one that this database does
 * not have there is lost, *io_downs says so, and from where the device goes on. */
int clinic_cursor_check(struct deliver *d, const struct clinic_sender *sender, uint64_t after,
                        const char *at, struct clinic_downs *io_downs, struct err *err) MUST_CHECK;

/* A doctor's call to the clinic. */
struct clinic_call {
    char id[CLINIC_ID_SIZE];
    int64_t read_id;
    bool is_critical; /* else images are to be made again */
    bool is_on_preview;
    char words[CLINIC_REASON_SIZE];
};

/* Durable with its line in the read's log; the courier makes the message.
 * The same id with the same words again is success, and one call.
 * errors  ERR_NOT_FOUND, ERR_DENIED as assign_may(ASSIGN_WRITE); ERR_CONFLICT another call's id */
int clinic_call_make(struct deliver *d, const struct person *who, const struct clinic_call *call,
                     struct err *err) MUST_CHECK;

/* An examination at a clinic, ordered by a doctor one of whose organisations its agreement invites.
 * placer is the caller's number of it; who sends it is filled in here.
 * errors  ERR_NOT_FOUND no agreement in force; ERR_CONFLICT the number is another clinic's order */
int clinic_order_place(struct deliver *d, const struct person *who, const char *tenant,
                       const struct clinic_down *order, struct err *err) MUST_CHECK;
int clinic_get_orders(struct http_request *req, struct http_response *res, struct err *err);
int clinic_post_order(struct http_request *req, struct http_response *res, struct err *err);

/* A desk called. A statistic: nothing fails by it.
 * parts  words of what does not run at its box, a comma between two; NULL: an older desk
 * box    what it drew at its start; NULL: an older desk. Of two that take turns the log tells. */
void clinic_heard(struct deliver *d, const struct clinic_sender *sender, const char *parts,
                  const char *box);
/* As JSON: gateways of this person's organisation and all below it; and whether the database can
 * write. */
int clinic_gateways_write(struct deliver *d, struct pg_conn *conn, const struct person *who,
                          struct buf *out, struct err *err) MUST_CHECK;
int clinic_get_gateways(struct http_request *req, struct http_response *res, struct err *err);

/* A line of the log, copied. */
struct clinic_line {
    int64_t seq, read_id, at_us;
    enum read_event event;
    unsigned version; /* the detail's, 0 = it says none */
    char reason[CLINIC_REASON_SIZE];
    char call[CLINIC_ID_SIZE];
    char by[CLINIC_NAME_SIZE], org[ASSIGN_CODE]; /* of an urgency */
    bool is_emergency, is_clinics;               /* the same */
};

/* The answer to a call, from four columns of clinic_call: outcome, answer, answered_by,
 * answered_at_us. */
void clinic_copy_answer(struct clinic_down *io, const struct pg_rows *rows, size_t row, int column);
/* The messages that a line makes, in the caller's transaction; *out_latest: number of the last, 0
 * none. */
int clinic_make_messages(struct deliver *d, struct pg_conn *conn, const struct clinic_line *line,
                         int64_t *out_latest, struct err *err) MUST_CHECK;
/* What a person typed, cut to whole signs, without control characters but line ends. */
void clinic_copy_words(char *out, size_t size, const char *text);

/* The courier: all that is due now. *out_did says whether there was anything.
 * errors  ERR_RETRY the database: nothing is lost, call again */
int courier_step(struct deliver *d, bool *out_did, struct err *err) MUST_CHECK;
void *courier_run(void *deliver);

#endif
