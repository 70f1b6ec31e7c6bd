/* accounts_session.c - signing in and out; who a session belongs to. */
#include "gateway/desk/accounts_own.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "proto/trust/password.h"
#include "proto/trust/token.h"

#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { CSRF_BYTES = 32 };
static const int64_t idle_us = INT64_C(2) * 3600 * 1000000;
static const int64_t minute_us = INT64_C(60) * 1000000;

static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* ---- sessions ---- */

int
account_session_make(struct book *book, const char *login, struct account_session *out,
                     struct err *err)
{
    uint8_t sha256[DIGEST_BYTES], csrf[CSRF_BYTES];
    char hash[ACCOUNT_HASH_SIZE];
    int64_t now_us = clock_wall_us();

    token_new(out->cookie, sha256);
    digest_text(sha256, hash);
    random_bytes(csrf, sizeof csrf);
    digest_text(csrf, out->csrf);
    if (account_get(book, login, &out->account, NULL, 0, err) < 0 ||
        db_run(book->db, "session_put",
               DB_ARGS(DB_TEXT(hash), DB_TEXT(login), DB_TEXT(out->csrf), DB_INT(now_us)), NULL,
               err) < 0 ||
        db_run(book->db, "account_signed_in", DB_ARGS(DB_TEXT(login), DB_INT(now_us)), NULL, err) <
            0)
        return -1;
    return db_run(book->db, "session_clear", DB_ARGS(DB_INT(now_us)), NULL, err);
}

static bool
is_within(int64_t at_us, int64_t now_us, int64_t span_us)
{
    int64_t past_us = now_us - at_us;

    return past_us < span_us && past_us > -span_us;
}

static int
session_look(struct book *book, int64_t session_ms, const char *hash, struct http_caller *caller,
             struct err *err)
{
    struct db_rows *rows = NULL;
    int64_t now_us = clock_wall_us(), made_us, seen_us;
    int rc;

    if (db_run(book->db, "session_get", DB_ARGS(DB_TEXT(hash)), &rows, err) < 0)
        return -1;
    made_us = db_rows_count(rows) > 0 ? db_int(rows, 0, 2) : 0;
    seen_us = db_rows_count(rows) > 0 ? db_int(rows, 0, 3) : 0;
    rc = is_within(made_us, now_us, session_ms * 1000) && is_within(seen_us, now_us, idle_us)
             ? 0
             : err_set(err, ERR_DENIED, "no session, or it is over");
    if (rc == 0) {
        text_copy(caller->device, sizeof caller->device, db_text(rows, 0, 0));
        text_copy(caller->csrf, sizeof caller->csrf, db_text(rows, 0, 1));
        caller->rights = desk_rights_of(account_roles_read(db_text(rows, 0, 4)));
    }
    db_rows_free(&rows);
    if (rc == 0 && !is_within(seen_us, now_us, minute_us))
        rc = db_run(book->db, "session_seen", DB_ARGS(DB_TEXT(hash), DB_INT(now_us)), NULL, err);
    return rc;
}

static int
cookie_hash(const char *cookie, char out[ACCOUNT_HASH_SIZE], struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];

    if (token_digest(cookie, sha256, err) < 0)
        return -1;
    digest_text(sha256, out);
    return 0;
}

int
accounts_authorise(struct book *book, int64_t session_ms, const char *cookie,
                   struct http_caller *caller, struct err *err)
{
    char hash[ACCOUNT_HASH_SIZE];

    if (cookie_hash(cookie, hash, err) < 0 || db_begin(book->db, err) < 0)
        return -1;
    return db_end(book->db, session_look(book, session_ms, hash, caller, err), err);
}

int
accounts_sign_out(struct book *book, const char *cookie, struct err *err)
{
    char hash[ACCOUNT_HASH_SIZE];

    if (cookie_hash(cookie, hash, err) < 0)
        return -1;
    return db_ask(book->db, "session_end", DB_ARGS(DB_TEXT(hash)), NULL, err);
}

/* ---- passwords ---- */

/* A refused try is kept as well. */
static int
begin_try(struct book *book, const struct account_proof *proof, struct account *out,
          char password[PASSWORD_TEXT_BYTES], int64_t *out_wait_s, struct err *err)
{
    struct err ignored;
    int rc;

    *out_wait_s = 0;
    password[0] = '\0';
    if (db_begin(book->db, err) < 0)
        return -1;
    rc = account_try_take(book, proof->login, proof->address, out_wait_s, err);
    if (rc < 0 && *out_wait_s > 0)
        return db_end(book->db, 0, &ignored) < 0 ? -1 : rc;
    if (rc == 0 && account_get(book, proof->login, out, password, PASSWORD_TEXT_BYTES, err) < 0) {
        rc = err->kind == ERR_NOT_FOUND ? 0 : -1;
        err_clear(err);
    }
    return db_end(book->db, rc, err);
}

/* No turn is held while the password is worked on: memory-hard work takes its time. */
static int
prove(struct book *book, const struct account_proof *proof, struct account *out,
      char password[PASSWORD_TEXT_BYTES], int64_t *out_wait_s, struct err *err)
{
    bool may;
    int rc;

    *out = (struct account){0};
    if (begin_try(book, proof, out, password, out_wait_s, err) < 0)
        return -1;
    may = password[0] != '\0' && !out->is_disabled;
    rc = password_check(proof->password, may ? password : NULL, err);
    if (rc < 0 && err->kind == ERR_DENIED)
        LOG(&ctx, DESK_SIGN_IN_FAILED, F_WORD("account", may ? out->login : "unknown"),
            F_WORD("peer", proof->address));
    return rc;
}

/* In a turn: what was proved is still the password; it may have been reset meanwhile. */
static int
check_still(struct book *book, const char *login, const char *proved, struct err *err)
{
    char now[PASSWORD_TEXT_BYTES] = "";
    struct account a;

    if (account_get(book, login, &a, now, sizeof now, err) < 0)
        return -1;
    return !a.is_disabled && strcmp(now, proved) == 0
               ? 0
               : err_set(err, ERR_DENIED, "the account changed meanwhile");
}

static int
open_session(struct book *book, const struct account_proof *proof, const char *proved,
             struct account_session *out, struct err *err)
{
    if (check_still(book, proof->login, proved, err) < 0 ||
        account_try_give(book, proof->login, proof->address, err) < 0)
        return -1;
    return account_session_make(book, proof->login, out, err);
}

int
accounts_sign_in(struct book *book, const struct account_proof *proof, struct account_session *out,
                 int64_t *out_wait_s, struct err *err)
{
    struct account_session session = {0};
    char proved[PASSWORD_TEXT_BYTES];
    struct account account;
    int rc;

    if (prove(book, proof, &account, proved, out_wait_s, err) < 0 || db_begin(book->db, err) < 0)
        return -1;
    rc = db_end(book->db, open_session(book, proof, proved, &session, err), err);
    if (rc == 0) {
        *out = session;
        LOG(&ctx, DESK_SIGNED_IN, F_WORD("account", account.login), F_WORD("peer", proof->address));
    }
    secret_wipe(&session, sizeof session);
    return rc;
}

static int
set_password(struct book *book, const struct account_proof *old, const char *proved,
             const char *text, struct err *err)
{
    if (check_still(book, old->login, proved, err) < 0 ||
        account_try_give(book, old->login, old->address, err) < 0 ||
        db_run(book->db, "account_set_password", DB_ARGS(DB_TEXT(old->login), DB_TEXT(text)), NULL,
               err) < 0)
        return -1;
    return account_end_sessions(book, old->login, err);
}

int
accounts_change_password(struct book *book, const struct account_proof *old, const char *password,
                         int64_t *out_wait_s, struct err *err)
{
    struct account account;
    char text[PASSWORD_TEXT_BYTES], proved[PASSWORD_TEXT_BYTES];

    *out_wait_s = 0;
    if (password_vet(password, err) < 0 ||
        prove(book, old, &account, proved, out_wait_s, err) < 0 ||
        password_hash(password, text, err) < 0 || db_begin(book->db, err) < 0)
        return -1;
    if (db_end(book->db, set_password(book, old, proved, text, err), err) < 0)
        return -1;
    LOG(&ctx, DESK_ACCOUNT_CHANGED, F_WORD("account", old->login), F_WORD("by", old->login),
        F_WORD("what", "password"));
    return 0;
}
