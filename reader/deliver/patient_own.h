/* patient_own.h - what the patient's door shares among its own files. Nobody else includes it.
 *     patient.c         start, stop, sessions        patient_slip.c    what the clinic's link tells
 *     patient_tries.c   limits                       patient_door.c    open, enter, leave
 *     patient_post.c    one-time codes and texts     patient_exam.c    report, looks, verification
 *     patient_theirs.c  whose a report is
 *     patient_images.c  the list of images, and one  send.c            hands a text over */
#ifndef RADPOST_DELIVER_PATIENT_OWN_H
#define RADPOST_DELIVER_PATIENT_OWN_H

#include "proto/base/jsonw.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/pg/pg.h"
#include "proto/trust/digest.h"
#include "reader/assign/assign.h"
#include "reader/compose/compose.h"
#include "reader/deliver/patient.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/deliver/patient_events.def"
#undef LOG_EVENT

enum { PATIENT_ADDRESS = 64, PATIENT_PHONE = 24, PATIENT_JSON_BYTES = 4 << 20 };
enum { PATIENT_OTP_TRIES = 5, PATIENT_OTP_BYTES = 7 };

struct patient_images; /* lists of images, remembered for a minute */

struct patient {
    struct patient_options o;
    char *url, *command, *outbox;
    struct gate gate;
    bool is_stopping, is_woken; /* gate */
    pthread_t post;
    struct patient_images *images;
};

extern const struct log_ctx patient_log;

/* ---- patient_tries.c ---- */
enum patient_way { WAY_CODE, WAY_PHONE, WAY_ADDRESS, WAY_SEND };
/* Count one more and tell whether it is within the limit. */
int tries_take(struct pg_conn *conn, const struct patient_limits *limits, enum patient_way way,
               const void *what, size_t n, bool *out_is_within, struct err *err) MUST_CHECK;
/* Would one more be within it? Nothing is counted. */
int tries_look(struct pg_conn *conn, const struct patient_limits *limits, enum patient_way way,
               const void *what, size_t n, bool *out_is_within, struct err *err) MUST_CHECK;
/* The try was right: forget all of them, or only this one. */
int tries_forget(struct pg_conn *conn, enum patient_way way, const void *what, size_t n,
                 struct err *err) MUST_CHECK;
int tries_give(struct pg_conn *conn, enum patient_way way, const void *what, size_t n,
               struct err *err) MUST_CHECK;
/* Zeros become the defaults. */
struct patient_limits limits_of(const struct patient_limits *asked);

/* ---- patient_post.c ---- */
void *post_run(void *patient);
/* All that is due now; tests call it instead of the thread.
 * errors  ERR_RETRY */
int post_step(struct patient *p, bool *out_did, struct err *err) MUST_CHECK;
/* Six digits. */
void otp_new(char out[PATIENT_OTP_BYTES]);
/* What is kept of one: for a challenge (its SHA-256) or a registration. */
void otp_digest(const void *bound_to, size_t n, const char *otp, uint8_t out[DIGEST_BYTES]);
/* A message in the caller's transaction, once a cause. */
struct patient_message {
    const char *cause, *kind, *phone, *code;
    int64_t until_us;
};
int post_put(struct pg_conn *conn, const struct patient_message *m, struct err *err) MUST_CHECK;

/* ---- patient.c ---- */
/* Whose session this is, as it stands now. */
struct patient_session {
    char tenant[65], registration[65], study[65];
};
int patient_session_find(struct pg_conn *conn, const char *cookie, struct patient_session *out,
                         struct http_caller *caller, struct err *err) MUST_CHECK;

/* ---- handlers ---- */
int patient_handle_open(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_enter(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_leave(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_exam(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_pdf(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_looks(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_verify(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_images(struct http_request *req, struct http_response *res, struct err *err);
int patient_handle_image(struct http_request *req, struct http_response *res, struct err *err);

/* ---- patient_exam.c ---- */
/* A session's examination: its read and the signed report that stands.
 * has_report   a signed version is valid (a draft after it changes nothing)
 * is_held      one is valid, but speaks of somebody else (patient_is_theirs())
 * is_withdrawn the last signed version was withdrawn */
struct patient_exam {
    struct patient_session session;
    struct read_row *row; /* NULL: no read yet */
    struct report report; /* has_report, is_held or is_withdrawn */
    bool has_report, is_held, is_withdrawn;
};
int patient_exam_get(struct pg_conn *conn, struct http_request *req, struct patient_exam *out,
                     struct err *err) MUST_CHECK;
void patient_exam_fini(struct patient_exam *e);
/* Note a look of the patient's own: once for five minutes of looking; in the audit trail too. */
int patient_look(struct patient *p, struct pg_conn *conn, const struct patient_exam *e,
                 const char *what, struct err *err) MUST_CHECK;

/* ---- patient_images.c ---- */
struct patient_images *images_new(void);
void images_free(struct patient_images **images);

#endif
