/* accounts.c - making accounts and changing them; one-time codes. */
#include "gateway/desk/accounts_own.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "proto/trust/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

#define FIRST_CODE "first_code"    /* setting: "SHA256 END" */
#define CODE_TRIES "one-time code" /* no login */
static const int64_t hour_us = INT64_C(3600) * 1000000;
static const int64_t invitation_us = INT64_C(3) * 86400 * 1000000;

static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* ---- one account ---- */

int
account_vet(const char *login, const char *name, unsigned roles, struct err *err)
{
    size_t n = strlen(login);

    if (n < 2 || n >= ACCOUNT_LOGIN_SIZE ||
        login[strspn(login, "abcdefghijklmnopqrstuvwxyz0123456789._-@")] != '\0')
        return err_set(err, ERR_REJECT, "login: 2 to 64 of a-z 0-9 . _ - @");
    if (name[0] == '\0' || strlen(name) >= ACCOUNT_NAME_SIZE)
        return err_set(err, ERR_REJECT, "name: a name is due");
    if (roles == 0 || (roles & ~(unsigned)DESK_EVERY_ROLE) != 0)
        return err_set(err, ERR_REJECT, "roles: technician, engineer, administrator");
    return 0;
}

void
account_roles_text(unsigned roles, char out[ACCOUNT_ROLES_SIZE])
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < DESK_ROLE_COUNT; i++)
        if (roles & 1u << i)
            n += (size_t)snprintf(out + n, ACCOUNT_ROLES_SIZE - n, "%s%s", n > 0 ? " " : "",
                                  desk_role_word(1u << i));
}

unsigned
account_roles_read(const char *text)
{
    unsigned roles = 0;

    while (*text != '\0') {
        char word[32];
        size_t n = strcspn(text, " ");

        snprintf(word, sizeof word, "%.*s", (int)n, text);
        roles |= desk_role_of(word);
        text += n + strspn(text + n, " ");
    }
    return roles;
}

static void
row_read(const struct db_rows *rows, size_t i, struct account *out)
{
    *out = (struct account){.roles = account_roles_read(db_text(rows, i, 2)),
                            .has_password = db_text(rows, i, 3)[0] != '\0',
                            .is_disabled = db_int(rows, i, 4) != 0,
                            .made_at_us = db_int(rows, i, 5),
                            .signed_in_at_us = db_int(rows, i, 6)};
    text_copy(out->login, sizeof out->login, db_text(rows, i, 0));
    text_copy(out->name, sizeof out->name, db_text(rows, i, 1));
}

int
account_get(struct book *book, const char *login, struct account *out, char *out_password,
            size_t password_size, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = 0;

    if (db_run(book->db, "account_get", DB_ARGS(DB_TEXT(login)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) == 0) {
        rc = err_set(err, ERR_NOT_FOUND, "no such account");
    } else {
        row_read(rows, 0, out);
        if (out_password != NULL)
            text_copy(out_password, password_size, db_text(rows, 0, 3));
    }
    db_rows_free(&rows);
    return rc;
}

int
account_end_sessions(struct book *book, const char *login, struct err *err)
{
    return db_run(book->db, "session_end_all", DB_ARGS(DB_TEXT(login)), NULL, err);
}

void
account_code_digest(const char code[SLIP_TEXT_BYTES], char out[ACCOUNT_HASH_SIZE])
{
    char text[SLIP_TEXT_BYTES + 32];
    uint8_t sha256[DIGEST_BYTES];

    snprintf(text, sizeof text, "radpost.desk.code/1:%s", code);
    digest_bytes(text, strlen(text), sha256);
    digest_text(sha256, out);
    secret_wipe(text, sizeof text);
}

/* ---- lists ---- */

int
accounts_find(struct book *book, const char *login, struct account *out, struct err *err)
{
    if (db_begin(book->db, err) < 0)
        return -1;
    return db_end(book->db, account_get(book, login, out, NULL, 0, err), err);
}

static int
list_in(struct book *book, struct account **out, size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "account_list", DB_NO_ARGS, &rows, err) < 0)
        return -1;
    *out_n = db_rows_count(rows);
    *out = mem_new((*out_n + 1) * sizeof **out);
    for (size_t i = 0; i < *out_n; i++)
        row_read(rows, i, &(*out)[i]);
    db_rows_free(&rows);
    return 0;
}

int
accounts_list(struct book *book, struct account **out, size_t *out_n, struct err *err)
{
    if (db_begin(book->db, err) < 0)
        return -1;
    return db_end(book->db, list_in(book, out, out_n, err), err);
}

int
accounts_any(struct book *book, bool *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc;

    if (db_begin(book->db, err) < 0)
        return -1;
    rc = db_run(book->db, "account_any", DB_NO_ARGS, &rows, err);
    if (rc == 0)
        *out = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return db_end(book->db, rc, err);
}

/* ---- codes ---- */

int
accounts_first_code(struct book *book, char out_code[SLIP_TEXT_BYTES], struct err *err)
{
    char hash[ACCOUNT_HASH_SIZE], value[ACCOUNT_HASH_SIZE + 24];

    slip_new(out_code);
    account_code_digest(out_code, hash);
    snprintf(value, sizeof value, "%s %lld", hash, (long long)(clock_wall_us() + hour_us));
    if (db_begin(book->db, err) < 0)
        return -1;
    if (db_end(book->db, setting_set(book, FIRST_CODE, value, err), err) < 0)
        return err_context(err, "a code for the first account");
    LOG(&ctx, DESK_CODE_MADE);
    return 0;
}

/* Within its time, whatever the clock did meanwhile. */
static bool
is_in_time(int64_t ends_us, int64_t lasts_us)
{
    int64_t left_us = ends_us - clock_wall_us();

    return left_us > 0 && left_us <= lasts_us;
}

static int
is_first_code(struct book *book, const char *hash, bool *out, struct err *err)
{
    char value[ACCOUNT_HASH_SIZE + 24];
    uint64_t ends_us = 0;

    if (setting_get(book, FIRST_CODE, value, sizeof value, err) < 0)
        return -1;
    *out = strlen(value) > ACCOUNT_HASH_SIZE && secret_equal(value, hash, ACCOUNT_HASH_SIZE - 1) &&
           text_to_u64(value + ACCOUNT_HASH_SIZE, INT64_MAX, &ends_us) == 0 &&
           is_in_time((int64_t)ends_us, hour_us);
    return 0;
}

/* The account of an invitation's code. errors  ERR_DENIED */
static int
invited(struct book *book, const char *hash, char out_login[ACCOUNT_LOGIN_SIZE], struct err *err)
{
    struct db_rows *rows = NULL;
    int rc;

    if (db_run(book->db, "account_of_code", DB_ARGS(DB_TEXT(hash)), &rows, err) < 0)
        return -1;
    rc = db_rows_count(rows) == 1 && is_in_time(db_int(rows, 0, 1), invitation_us)
             ? 0
             : err_set(err, ERR_DENIED, "no code, or its time is over");
    if (rc == 0)
        text_copy(out_login, ACCOUNT_LOGIN_SIZE, db_text(rows, 0, 0));
    db_rows_free(&rows);
    return rc;
}

static int
own(struct book *book, const struct account_start *start, const char *password, struct err *err)
{
    char roles[ACCOUNT_ROLES_SIZE];

    if (start->login == NULL || start->name == NULL)
        return err_set(err, ERR_REJECT,
                       "login: this code makes an account: login and name are due");
    account_roles_text(DESK_ADMINISTRATOR, roles);
    if (account_vet(start->login, start->name, DESK_ADMINISTRATOR, err) < 0 ||
        db_run(book->db, "account_own",
               DB_ARGS(DB_TEXT(start->login), DB_TEXT(start->name), DB_TEXT(roles),
                       DB_TEXT(password), DB_INT(clock_wall_us())),
               NULL, err) < 0)
        return -1;
    return setting_set(book, FIRST_CODE, "", err);
}

static int
redeem_in(struct book *book, const struct account_start *start, const char *hash,
          const char *password, struct account_session *out, struct err *err)
{
    char login[ACCOUNT_LOGIN_SIZE];
    bool is_first = false;

    if (is_first_code(book, hash, &is_first, err) < 0)
        return -1;
    if (is_first) {
        if (own(book, start, password, err) < 0)
            return -1;
        text_copy(login, sizeof login, start->login);
    } else if (invited(book, hash, login, err) < 0 ||
               db_run(book->db, "account_set_password", DB_ARGS(DB_TEXT(login), DB_TEXT(password)),
                      NULL, err) < 0) {
        return -1;
    }
    if (account_end_sessions(book, login, err) < 0 ||
        account_try_give(book, login, start->address, err) < 0)
        return -1;
    return account_session_make(book, login, out, err);
}

/* Before anything is worked on. A good code has 75 bits and needs no guard: it waits for nothing,
 * whatever else is tried here. A wrong one is a wrong try. */
static int
vet_code(struct book *book, const struct account_start *start, const char *hash,
         int64_t *out_wait_s, struct err *err)
{
    char login[ACCOUNT_LOGIN_SIZE];
    bool is_first = false, is_tried = false;
    struct err ignored;
    int rc, kept;

    *out_wait_s = 0;
    if (db_begin(book->db, err) < 0)
        return -1;
    rc = is_first_code(book, hash, &is_first, err);
    if (rc == 0 && !is_first)
        rc = invited(book, hash, login, err);
    if (rc < 0 && err->kind == ERR_DENIED) {
        rc = account_try_take(book, CODE_TRIES, start->address, out_wait_s, err);
        is_tried = rc == 0 || *out_wait_s > 0;
        if (rc == 0)
            rc = err_set(err, ERR_DENIED, "no code, or its time is over");
    }
    kept = db_end(book->db, is_tried ? 0 : rc, rc < 0 ? &ignored : err);
    return rc < 0 ? -1 : kept;
}

int
accounts_redeem(struct book *book, const struct account_start *start, struct account_session *out,
                int64_t *out_wait_s, struct err *err)
{
    char code[SLIP_TEXT_BYTES], hash[ACCOUNT_HASH_SIZE] = "", password[128];
    struct account_session session = {0};
    struct err unread;
    int rc;

    if (password_vet(start->password, err) < 0)
        return -1;
    if (slip_read(start->code, code, &unread) == 0)
        account_code_digest(code, hash);
    if (vet_code(book, start, hash, out_wait_s, err) < 0 ||
        password_hash(start->password, password, err) < 0 || db_begin(book->db, err) < 0)
        return -1;
    rc = db_end(book->db, redeem_in(book, start, hash, password, &session, err), err);
    if (rc == 0) {
        *out = session;
        LOG(&ctx, DESK_CODE_USED, F_WORD("account", session.account.login));
    }
    secret_wipe(&session, sizeof session);
    return rc;
}

/* ---- what administrators do ---- */

static int
invite_in(struct book *book, const char *by, const struct account *a, const char *hash,
          struct err *err)
{
    char roles[ACCOUNT_ROLES_SIZE];
    int64_t now_us = clock_wall_us();

    account_roles_text(a->roles, roles);
    if (db_run(book->db, "account_add",
               DB_ARGS(DB_TEXT(a->login), DB_TEXT(a->name), DB_TEXT(roles), DB_TEXT(hash),
                       DB_INT(now_us + invitation_us), DB_INT(now_us), DB_TEXT(by)),
               NULL, err) == 0)
        return 0;
    return err->kind == ERR_CONFLICT ? err_set(err, ERR_CONFLICT, "the login is taken") : -1;
}

int
accounts_invite(struct book *book, const char *by, const struct account *account,
                char out_code[SLIP_TEXT_BYTES], struct err *err)
{
    char hash[ACCOUNT_HASH_SIZE];

    if (account_vet(account->login, account->name, account->roles, err) < 0)
        return -1;
    slip_new(out_code);
    account_code_digest(out_code, hash);
    if (db_begin(book->db, err) < 0 ||
        db_end(book->db, invite_in(book, by, account, hash, err), err) < 0)
        return -1;
    LOG(&ctx, DESK_ACCOUNT_CHANGED, F_WORD("account", account->login), F_WORD("by", by),
        F_WORD("what", "invited"));
    return 0;
}

/* query has the login first; its sessions end. */
static int
change_in(struct book *book, const char *by, const char *login, const char *query,
          const struct db_arg *args, size_t count, struct err *err)
{
    struct account account;

    if (account_get(book, login, &account, NULL, 0, err) < 0)
        return -1;
    if (strcmp(by, login) == 0)
        return err_set(err, ERR_DENIED, "one's own account is another administrator's to change");
    if (db_run(book->db, query, args, count, NULL, err) < 0)
        return -1;
    return account_end_sessions(book, login, err);
}

static int
change(struct book *book, const char *by, const char *login, const char *query,
       const struct db_arg *args, size_t count, const char *what, struct err *err)
{
    if (db_begin(book->db, err) < 0 ||
        db_end(book->db, change_in(book, by, login, query, args, count, err), err) < 0)
        return -1;
    LOG(&ctx, DESK_ACCOUNT_CHANGED, F_WORD("account", login), F_WORD("by", by),
        F_WORD("what", what));
    return 0;
}

int
accounts_reset(struct book *book, const char *by, const char *login, char out_code[SLIP_TEXT_BYTES],
               struct err *err)
{
    char hash[ACCOUNT_HASH_SIZE];

    slip_new(out_code);
    account_code_digest(out_code, hash);
    return change(book, by, login, "account_reset",
                  DB_ARGS(DB_TEXT(login), DB_TEXT(hash), DB_INT(clock_wall_us() + invitation_us)),
                  "reset", err);
}

int
accounts_disable(struct book *book, const char *by, const char *login, bool is_disabled,
                 struct err *err)
{
    return change(book, by, login, "account_disable",
                  DB_ARGS(DB_TEXT(login), DB_INT(is_disabled ? clock_wall_us() : 0)),
                  is_disabled ? "disabled" : "enabled", err);
}

int
accounts_set_roles(struct book *book, const char *by, const char *login, unsigned roles,
                   struct err *err)
{
    char text[ACCOUNT_ROLES_SIZE];

    if (account_vet(login, "-", roles, err) < 0)
        return -1;
    account_roles_text(roles, text);
    return change(book, by, login, "account_roles", DB_ARGS(DB_TEXT(login), DB_TEXT(text)), "roles",
                  err);
}
