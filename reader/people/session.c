/* session.c - signing in and out, and who is signed in. */
#include "reader/people/people_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/password.h"
#include "proto/trust/token.h"
#include "proto/trust/totp.h"

#include <stdlib.h>
#include <string.h>

enum { CSRF_BYTES = 32 };

_Static_assert(TOKEN_TEXT_BYTES <= sizeof((struct people_session *)0)->cookie, "room for a token");

struct people *
people_new(const struct people_options *options)
{
    struct people *p = mem_new(sizeof *p);

    p->options = *options;
    return p;
}

void
people_free(struct people **people)
{
    free(*people);
    *people = NULL;
}

/* ---- who is signed in ---- */

/* Sessions are found by the hash of what the cookie holds, and moved on by being used. */
int
people_authorise(void *people, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct people *p = people;
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    uint8_t sha256[DIGEST_BYTES];
    int64_t now_us = clock_wall_us();
    int rc = -1;

    if (caller->kind != HTTP_STAFF || bearer == NULL)
        return err_set(err, ERR_DENIED, "no session");
    if (token_digest(bearer, sha256, err) < 0 || pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (pg_run(conn, "session_use",
               PG_ARGS(PG_BYTES(sha256, sizeof sha256), PG_INT(now_us),
                       PG_INT(now_us - p->options.session_idle_ms * 1000),
                       PG_BOOL(p->options.is_demo)),
               &rows, err) < 0)
        goto out;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_DENIED, "no such session, or it has ended");
        goto out;
    }
    text_copy(caller->device, sizeof caller->device, pg_text(rows, 0, 0));
    text_copy(caller->tenant, sizeof caller->tenant, pg_text(rows, 0, 1));
    caller->rights = people_rights((unsigned)pg_int(rows, 0, 2));
    text_copy(caller->csrf, sizeof caller->csrf, pg_text(rows, 0, 3));
    rc = 0;
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
}

/* ---- proving it ---- */

/* An account as its proof is judged; password NULL: nobody who can sign in. */
struct account {
    struct person person;
    char *password;
    uint8_t secret[TOTP_SECRET_BYTES];
    bool has_secret;
    int64_t step;
};

static void
account_fini(struct account *a)
{
    free(a->password);
    secret_wipe(a->secret, sizeof a->secret);
}

/* Nobody is as good as somebody who may not: the same work follows. */
static int
account_load(const struct people *p, struct pg_conn *conn, const char *login, struct account *out,
             struct err *err)
{
    struct pg_rows *rows = NULL;

    if (!people_login_is_fit(login))
        login = "";
    if (pg_run(conn, "sign_in_account", PG_ARGS(PG_TEXT(login)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 1) {
        people_read_row(rows, 0, &out->person);
        out->has_secret = pg_copy_bytes(rows, 0, 8, out->secret, sizeof out->secret);
        out->step = pg_int(rows, 0, 9);
        if (!pg_is_null(rows, 0, 7) && !out->person.is_disabled &&
            (out->has_secret || out->person.is_demo) &&
            (!out->person.is_demo || p->options.is_demo))
            out->password = mem_text(pg_text(rows, 0, 7));
    }
    pg_rows_free(&rows);
    return 0;
}

/* The second factor; a step is used up in the database, so that two at once cannot share it. */
static int
check_totp(struct pg_conn *conn, const struct account *a, const char *typed, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t step, touched;

    if (a->person.is_demo)
        return 0;
    if (typed == NULL)
        return err_set(err, ERR_DENIED, "a one-time password is due");
    if (totp_check(a->secret, typed, clock_wall_us(), a->step, &step, err) < 0)
        return -1;
    if (pg_run(conn, "sign_in_step", PG_ARGS(PG_INT(a->person.id), PG_INT(step)), &rows, err) < 0)
        return -1;
    touched = pg_touched(rows);
    pg_rows_free(&rows);
    return touched == 1 ? 0 : err_set(err, ERR_DENIED, "this one-time password was just used");
}

/* Both tries are taken before anything is looked at. */
static int
take_tries(struct pg_conn *conn, const struct people_proof *proof, struct people_refusal *refusal,
           struct err *err)
{
    int64_t wait_s = 0;

    if (people_throttle_take(conn, PEOPLE_BY_ADDRESS, proof->address, &wait_s, err) < 0 ||
        people_throttle_take(conn, PEOPLE_BY_ACCOUNT, proof->login, &wait_s, err) < 0) {
        refusal->wait_s = wait_s;
        return -1;
    }
    return 0;
}

static int
give_tries(struct pg_conn *conn, const struct people_proof *proof, bool is_proved, struct err *err)
{
    if (people_throttle_give(conn, PEOPLE_BY_ADDRESS, proof->address, false, err) < 0)
        return -1;
    return people_throttle_give(conn, PEOPLE_BY_ACCOUNT, proof->login, is_proved, err);
}

/* No connection is held while the password is worked on: memory-hard work takes its time. */
static int
check_password(struct people *p, const struct people_proof *proof, struct account *out,
               struct people_refusal *refusal, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    rc = take_tries(conn, proof, refusal, err);
    if (rc == 0)
        rc = account_load(p, conn, proof->login, out, err);
    pg_put(&conn);
    return rc < 0 ? -1 : password_check(proof->password, out->password, err);
}

/* has_session: who is signed in showed the second factor then. */
static int
prove(struct people *p, const struct people_proof *proof, bool has_session, struct account *out,
      struct people_refusal *refusal, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct err ignored = {0};
    int rc = -1;

    if (check_password(p, proof, out, refusal, err) < 0)
        return -1;
    if (pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    rc = has_session ? 0 : check_totp(conn, out, proof->totp, err);
    if (rc < 0 && err->kind == ERR_DENIED) {
        refusal->needs_totp = true;
        /* the page asks in two steps: the first of them is no wrong try */
        if (proof->totp == NULL && give_tries(conn, proof, false, &ignored) < 0)
            *err = ignored;
    } else if (rc == 0) {
        rc = give_tries(conn, proof, true, err);
    }
    pg_put(&conn);
    return rc;
}

/* An unknown login may be a password typed into the wrong field: it is not written down. */
static void
note_failure(struct people *p, const struct account *a, const struct people_proof *proof,
             const struct people_refusal *refusal, struct err *err)
{
    struct err broken = {0};
    const char *why = refusal->wait_s > 0   ? "too many tries"
                      : refusal->needs_totp ? "second factor"
                                            : "password";

    if (err->kind != ERR_DENIED && refusal->wait_s == 0)
        return; /* something of ours is broken; that is told elsewhere */
    if (refusal->needs_totp && proof->totp == NULL)
        return; /* half way in */
    if (p->options.audit == NULL)
        return;
    if (a->person.id == 0
            ? audit_append(p->options.audit, &broken, AUDIT_SIGN_IN_FAILED,
                           A_WORD("account", "unknown"), A_WORD("why", why),
                           A_WORD("peer", proof->address)) < 0
            : audit_append(p->options.audit, &broken, AUDIT_SIGN_IN_FAILED,
                           A_WORD("account", a->person.login), A_WORD("of", a->person.org),
                           A_WORD("why", why), A_WORD("peer", proof->address)) < 0)
        *err = broken;
}

/* ---- signing in ---- */

static int
session_make(struct people *p, struct pg_conn *conn, struct people_session *out, struct err *err)
{
    uint8_t sha256[DIGEST_BYTES], csrf[CSRF_BYTES];
    int64_t now_us = clock_wall_us();

    token_new(out->cookie, sha256);
    random_bytes(csrf, sizeof csrf);
    hex_encode(csrf, sizeof csrf, out->csrf);
    if (pg_run(conn, "session_put",
               PG_ARGS(PG_BYTES(sha256, sizeof sha256), PG_INT(out->person.id), PG_TEXT(out->csrf),
                       PG_INT(now_us), PG_INT(now_us + p->options.session_end_ms * 1000)),
               NULL, err) < 0 ||
        pg_run(conn, "sign_in_first", PG_ARGS(PG_INT(out->person.id), PG_INT(now_us)), NULL, err) <
            0 ||
        pg_run(conn, "sessions_clear",
               PG_ARGS(PG_INT(now_us), PG_INT(now_us - p->options.session_idle_ms * 1000)), NULL,
               err) < 0)
        return -1;
    return pg_run(conn, "throttle_clear", PG_ARGS(PG_INT(now_us - PEOPLE_FORGET_US)), NULL, err);
}

/* What is not in the audit trail did not happen: the entry comes first. */
static int
session_open(struct people *p, const struct people_proof *proof, struct people_session *out,
             struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (p->options.audit != NULL &&
        audit_append(p->options.audit, err, AUDIT_SIGNED_IN, A_WORD("account", out->person.login),
                     A_WORD("of", out->person.org), A_WORD("peer", proof->address)) < 0)
        return -1;
    if (pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 && session_make(p, conn, out, err) == 0 &&
        pg_commit(conn, err) == 0)
        rc = 0;
    pg_put(&conn);
    return rc;
}

int
people_sign_in(struct people *p, const struct people_proof *proof, struct people_session *out,
               struct people_refusal *out_refusal, struct err *err)
{
    struct account a = {0};
    struct people_session session = {0};
    int rc;

    *out_refusal = (struct people_refusal){0};
    rc = prove(p, proof, false, &a, out_refusal, err);
    if (rc < 0)
        note_failure(p, &a, proof, out_refusal, err);
    session.person = a.person;
    if (rc == 0)
        rc = session_open(p, proof, &session, err);
    if (rc == 0)
        *out = session;
    account_fini(&a);
    secret_wipe(&session, sizeof session);
    return rc < 0 ? err_context(err, "sign in") : 0;
}

int
people_sign_out(struct people *p, const char *cookie, const struct http_caller *caller,
                struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];

    if (token_digest(cookie, sha256, err) < 0 ||
        pg_ask(p->options.pg, "session_end", PG_ARGS(PG_BYTES(sha256, sizeof sha256)), NULL, err) <
            0)
        return -1;
    return p->options.audit == NULL
               ? 0
               : audit_append(p->options.audit, err, AUDIT_SIGNED_OUT,
                              A_WORD("account", caller->device), A_WORD("of", caller->tenant));
}

static int
password_put(struct pg_conn *conn, int64_t account, const char *text, struct err *err)
{
    if (pg_begin(conn, err) < 0 ||
        pg_run(conn, "people_set_password", PG_ARGS(PG_INT(account), PG_TEXT(text)), NULL, err) <
            0 ||
        pg_run(conn, "sessions_end", PG_ARGS(PG_INT(account)), NULL, err) < 0)
        return -1;
    return pg_commit(conn, err);
}

int
people_change_password(struct people *p, const struct people_proof *old, const char *password,
                       struct people_refusal *out_refusal, struct err *err)
{
    struct account a = {0};
    char text[PASSWORD_TEXT_BYTES];
    struct pg_conn *conn = NULL;
    int rc = -1;

    *out_refusal = (struct people_refusal){0};
    if (password_vet(password, err) < 0)
        return -1;
    if (prove(p, old, true, &a, out_refusal, err) < 0) {
        note_failure(p, &a, old, out_refusal, err);
        goto out;
    }
    if (password_hash(password, text, err) < 0 ||
        (p->options.audit != NULL &&
         audit_append(p->options.audit, err, AUDIT_PASSWORD_SET, A_WORD("account", a.person.login),
                      A_WORD("of", a.person.org), A_WORD("peer", old->address)) < 0) ||
        pg_get(p->options.pg, &conn, err) < 0)
        goto out;
    rc = password_put(conn, a.person.id, text, err);
out:
    pg_put(&conn);
    account_fini(&a);
    return rc < 0 ? err_context(err, "change a password") : 0;
}
