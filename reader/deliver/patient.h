/* patient.h - the patient's door: slips, codes to the phone, what a patient may see, and the words
 * sent to a phone. Part of the stage's public header (deliver.h). What protects whom, and every
 * limit: docs/patient-door.md.
 *
 * 1. Answers never tell whether a slip, a phone or a person exists: open and enter do the same work
 *    and answer the same bytes whether the code is real, unknown, misspelt, locked or without a
 *    verified phone. What differs (a message) happens after the answer, in a thread of its own.
 * 2. Only a hash of the slip's code is known here; only hashes of challenges, one-time codes and
 *    session tokens are kept.
 * 3. Before a report is signed nothing of it leaves but its status; after a withdrawal nothing but
 *    that and the reason's fact.
 * 4. Texts sent to a phone hold no name, no examination and no finding.
 * 5. A message that is due is a row, written in the transaction of what caused it: it is sent after
 *    a crash too, and one cause makes one message.
 *
 * Threads: all functions from any thread; those with a conn run in the caller's transaction. */
#ifndef RADPOST_DELIVER_PATIENT_H
#define RADPOST_DELIVER_PATIENT_H

#include "proto/base/err.h"
#include "proto/http/server.h"

struct archive;
struct audit;
struct compose;
struct patient;
struct pg;
struct pg_conn;
struct read_row;
struct report;

#define PATIENT_CODE_BYTES 32 /* SHA-256 of a slip's code: proto/model/slip.h */

/* 0 = the default of docs/patient-door.md. */
struct patient_limits {
    unsigned tries_code;    /* wrong one-time codes for a slip before it locks: 5 */
    unsigned tries_phone;   /* for a phone, whatever the slip: 10 */
    unsigned tries_address; /* for an address (IPv6: its /64): 100 */
    unsigned sends_phone;   /* messages to a phone an hour: 6 */
    int64_t lock_s;         /* how long a lock, and the counting, lasts: 900 */
    int64_t code_s;         /* how long a one-time code is good: 300 */
    int64_t session_s;      /* 1800 */
};

struct patient_options {
    struct pg *pg;
    struct archive *archive;  /* rendered images; NULL: none are shown */
    struct audit *audit;      /* may be NULL (tests) */
    struct compose *compose;  /* the PDF; NULL: none is shown (tests) */
    const char *patient_url;  /* public base, "https://report.example"; named in messages */
    const char *send_command; /* "" or NULL: files in outbox_dir */
    const char *outbox_dir;
    struct patient_limits limits;
};

/* Start the door: its thread sends what is due.
 * errors  ERR_REJECT neither command nor folder can be used */
int patient_open(const struct patient_options *options, struct patient **out_patient,
                 struct err *err) MUST_CHECK;
void patient_close(struct patient **patient);
/* Something may be due: call after the commit of a transaction that used patient_notify() or
 * patient_phone_code(). Not calling it costs two seconds. */
void patient_wake(struct patient *patient);

/* Routes of the patient's listener below /api/v1; its pages are door's. */
struct http_table patient_table(struct patient *patient);
/* For http_options.authorise with HTTP_PATIENT (user: struct patient *). Sets tenant, device (the
 * registration's number) and csrf of the caller.
 * errors  ERR_DENIED no such session, or it is over; ERR_RETRY database */
int patient_authorise(void *patient, const char *cookie, struct http_caller *caller,
                      struct err *err) MUST_CHECK;

/* ---- for the clinic's link routes, in their transaction ---- */
struct patient_slip {
    const char *tenant;
    const char *registration;
    uint8_t code[PATIENT_CODE_BYTES];
    const char
        *phone; /* as dialled, "13800138000"; "" = none: the slip opens nothing until there is */
    bool phone_is_verified;
    const char *study; /* Study Instance UID, "" = none attached yet */
};
/* A slip was printed. A registration has one valid slip: a new code ends the old one and its
 * sessions. The same slip again changes nothing (messages come twice).
 * errors  ERR_REJECT a field is not what it should be; ERR_CONFLICT the code is another's */
int patient_slip_put(struct pg_conn *conn, const struct patient_slip *slip,
                     struct err *err) MUST_CHECK;
/* The registration's images are this study (again: another one); no slip yet is fine. */
int patient_slip_attach(struct pg_conn *conn, const char *tenant, const char *registration,
                        const char *study, struct err *err) MUST_CHECK;
/* Send a code to the phone, so that the clinic can prove it is the patient's. Too many: the message
 * is not made, and *out_is_sent is false.
 * errors  ERR_REJECT the phone is no number */
int patient_phone_code(struct pg_conn *conn, const char *tenant, const char *registration,
                       const char *phone, bool *out_is_sent, struct err *err) MUST_CHECK;
/* Is this the code? At most five tries a code, ten minutes. Right: the phone is verified for this
 * registration, and its slip opens with it. */
int patient_phone_check(struct pg_conn *conn, const char *tenant, const char *registration,
                        const char *phone, const char *code, bool *out_is_right,
                        struct err *err) MUST_CHECK;

/* ---- for the courier, in its transaction ---- */
enum patient_news { PATIENT_READY, PATIENT_AMENDED, PATIENT_WITHDRAWN };
/* Tell the patient of this study, once for each version: a slip with a verified phone makes a
 * message; none, or one that was made before, is fine (*out_is_due false; out may be NULL). */
int patient_notify(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                   enum patient_news news, bool *out_is_due, struct err *err) MUST_CHECK;
/* Does a signed report speak of whom the study is attached to now? A wrong attachment that was
 * mended after the signature leaves another person's name, number and history in it: then nobody is
 * told of it, and the examination says that it is held. */
bool patient_is_theirs(const struct report *report, const struct read_row *row);
/* Has a message about this version (ready or amended) been handed over? */
int patient_is_told(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                    bool *out_is_told, struct err *err) MUST_CHECK;

#endif
