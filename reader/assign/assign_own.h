/* assign_own.h - what the files of reader/assign share. */
#ifndef RADPOST_READER_ASSIGN_ASSIGN_OWN_H
#define RADPOST_READER_ASSIGN_ASSIGN_OWN_H

#include "proto/base/jsonw.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "reader/archive/archive.h"
#include "reader/assign/assign.h"
#include "reader/people/people.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/assign/assign_events.def"
#undef LOG_EVENT

/* What intake asks of the archive; tests put a feed of their own here. */
struct assign_feed {
    int (*events)(struct archive *archive, struct archive_cursor *cursor, unsigned wait_s,
                  archive_on_event on_event, void *user, bool *out_is_lost, struct err *err);
    int (*facts)(struct archive *archive, const char *tenant, const char *study,
                 struct archive_study *out, struct err *err);
    int (*standing)(struct archive *archive, const char *tenant, const char *study,
                    struct archive_standing *out, struct err *err);
};
extern struct assign_feed assign_feed;

struct assign {
    struct assign_options options;
    struct gate gate; /* for all below */
    int64_t change;   /* the log's last number, as last seen */
    uint64_t wakes;   /* counts calls of assign_wake() */
    bool is_stopping;
    bool has_intake;
    pthread_t intake, chooser;
};

extern const struct log_ctx assign_log;

bool assign_is_stopping(struct assign *a);
/* Wait for wait_ms, or until the stage stops (false). */
bool assign_pause(struct assign *a, int64_t wait_ms);

/* A service that is away: told once, waited for with growing pauses. */
struct backoff {
    int64_t wait_ms;
    bool is_told;
};
/* After a failure: log once, wait. False when the stage stops. */
bool backoff_wait(struct backoff *b, struct assign *a, const struct err *err);
/* After a success. */
void backoff_end(struct backoff *b);

/* ---- rows.c ---- */
/* A row of read_rows. */
void read_row_fill(const struct pg_rows *rows, size_t i, struct read_row *out);

/* ---- advance.c ---- */
/* What an event brings along, beside its actor. */
struct change {
    const char *detail;             /* JSON object; NULL: {} */
    const char *login;              /* take_reader: who */
    const char *reason, *reason_en; /* words; NULL: "" */
    const char *agreement;          /* take_agreement */
    int64_t agreement_version;
};
int advance(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
            const struct change *change, struct err *err) MUST_CHECK;

/* assign_events() on a connection at hand: who has one does not wait for a second. */
int log_read(struct pg_conn *conn, int64_t read_id, int64_t after, int limit, assign_on_log cb,
             void *user, struct err *err) MUST_CHECK;

/* ---- choose.c ---- */
/* One round of assignment: leases that ended, doctors who may not any more, agreements, choices.
 * Each read in a transaction of its own. out_changed: something was done.
 * what: also look at accounts, at agreements. */
enum { CHOOSE_ACCOUNTS = 1, CHOOSE_AGREEMENTS = 2, CHOOSE_EVERYTHING = 3 };
int choose_round(struct pg *pg, unsigned what, bool *out_changed, struct err *err) MUST_CHECK;
/* The rights a login has now; none when there is no such account, or it is disabled. */
int choose_rights(struct pg_conn *conn, const char *login, unsigned *out,
                  struct err *err) MUST_CHECK;
/* What a read in this state is waiting for: MAY_WRITE or MAY_REVIEW. */
unsigned choose_right_due(enum read_state state);
/* The rows of a query that needs no transaction. */
int choose_list(struct pg *pg, const char *query, const struct pg_arg *args, size_t count,
                struct pg_rows **out, struct err *err) MUST_CHECK;

/* ---- upkeep.c ---- */
/* Leases that ended or whose holder may not read any more; chosen ones off duty. */
int upkeep_now(struct pg *pg, bool *out_changed, struct err *err) MUST_CHECK;
/* Accounts that were closed or lost their role. */
int upkeep_accounts(struct pg *pg, bool *out_changed, struct err *err) MUST_CHECK;
/* Agreements that came, changed or ended. */
int upkeep_agreements(struct pg *pg, bool *out_changed, struct err *err) MUST_CHECK;
/* Find an agreement for a read that has none; in a transaction. */
int choose_agree(struct pg_conn *conn, int64_t read_id, struct err *err) MUST_CHECK;

/* ---- intake.c ---- */
/* Take events past the cursor, waiting up to wait_s for one; each ends in a transaction that moves
 * the cursor too. */
int intake_step(struct assign *a, unsigned wait_s, struct err *err) MUST_CHECK;

/* ---- order.c ---- */
/* Until the transaction ends nobody else makes a read or keeps a registration of this clinic: else
 * two made at the same moment do not see, and never find, one another. Before any row's lock but
 * the cursor's. */
/* What nobody has signed goes back to its author: it is about another person than they saw. */
int order_judge_again(struct pg_conn *conn, int64_t read_id, const char *actor,
                      struct err *err) MUST_CHECK;
int order_lock_tenant(struct pg_conn *conn, const char *tenant, struct err *err) MUST_CHECK;
/* Attach the registration that is about a fresh read, if there is one; in a transaction. */
int order_find_for(struct pg_conn *conn, int64_t read_id, struct err *err) MUST_CHECK;

/* ---- urgency.c ---- */
/* In a transaction: what the desk said of a fresh read's study. */
int urgency_find_for(struct pg_conn *conn, int64_t read_id, struct err *err) MUST_CHECK;
/* In a transaction: its registration is urgent, or is no more; a read that is done, or of whose
 * study the desk said something, stays as it is, and what a doctor raised is not taken back by it.
 */
int urgency_of_order(struct pg_conn *conn, int64_t read_id, bool is_emergency, const char *actor,
                     const char *reason, struct err *err) MUST_CHECK;

/* ---- lease.c ---- */
struct lease {
    int64_t until_us;
    bool is_new; /* false: it was the caller's already, and lasts longer now */
    char by[65]; /* who has it, with ERR_CONFLICT; "" nobody */
};
/* errors  ERR_NOT_FOUND, ERR_DENIED (assign_may); ERR_CONFLICT somebody else has it, or there is
 *         nothing to claim in its state; out->by is set then */
int lease_claim(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
                struct err *err) MUST_CHECK;
int lease_renew(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
                struct err *err) MUST_CHECK;
int lease_release(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
                  struct err *err) MUST_CHECK;

/* ---- rights.c ---- */
/* The three arguments of read_is_seen(); NULL where a role is not held. */
struct seer {
    const char *own, *login, *above;
};
void seer_of(const struct person *person, struct seer *out);

/* ---- routes ---- */
int route_worklist(struct http_request *req, struct http_response *res, struct err *err);
int route_stream(struct http_request *req, struct http_response *res, struct err *err);
int route_read(struct http_request *req, struct http_response *res, struct err *err);
int route_claim(struct http_request *req, struct http_response *res, struct err *err);
int route_renew(struct http_request *req, struct http_response *res, struct err *err);
int route_release(struct http_request *req, struct http_response *res, struct err *err);
int route_urgency(struct http_request *req, struct http_response *res, struct err *err);
int route_duty(struct http_request *req, struct http_response *res, struct err *err);
int route_organisations(struct http_request *req, struct http_response *res, struct err *err);
int route_doctors(struct http_request *req, struct http_response *res, struct err *err);
int route_agreements(struct http_request *req, struct http_response *res, struct err *err);
/* Who calls. */
int route_caller(struct http_request *req, struct pg_conn *conn, struct person *out,
                 struct err *err) MUST_CHECK;
/* An item of the worklist, its members only. */
void row_json(struct jsonw *w, const struct read_row *row);

#endif
