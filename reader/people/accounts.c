/* accounts.c - making accounts and changing them; one-time codes.
 * Each change: the transaction, and before its commit the entry in the audit trail. */
#include "reader/people/people_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/password.h"
#include "proto/trust/totp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { CODE_LETTERS = 20, CODE_GROUP = 4 }; /* 100 bits */

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's base 32 */

static void
code_digest(const char letters[CODE_LETTERS], uint8_t out[DIGEST_BYTES])
{
    char text[64];

    snprintf(text, sizeof text, "account code %.*s", CODE_LETTERS, letters);
    digest_bytes(text, strlen(text), out);
}

static void
code_make(char out[PEOPLE_CODE_TEXT], uint8_t out_sha256[DIGEST_BYTES])
{
    uint8_t random[CODE_LETTERS];
    char letters[CODE_LETTERS];
    size_t n = 0;

    _Static_assert(CODE_LETTERS + CODE_LETTERS / CODE_GROUP <= PEOPLE_CODE_TEXT, "room");
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < CODE_LETTERS; i++) {
        if (i > 0 && i % CODE_GROUP == 0)
            out[n++] = '-';
        letters[i] = alphabet[random[i] % 32];
        out[n++] = letters[i];
    }
    out[n] = '\0';
    code_digest(letters, out_sha256);
}

/* As people type it: case, hyphens and blanks do not matter, I and L are 1, O is 0. */
static int
code_read_typed(const char *typed, uint8_t out_sha256[DIGEST_BYTES], struct err *err)
{
    char letters[CODE_LETTERS];
    size_t n = 0;

    for (; *typed != '\0'; typed++) {
        char c = (char)toupper((uint8_t)*typed);

        if (c == '-' || c == ' ')
            continue;
        c = c == 'I' || c == 'L' ? '1' : c == 'O' ? '0' : c;
        if (n == CODE_LETTERS || strchr(alphabet, c) == NULL)
            return err_set(err, ERR_DENIED, "no code");
        letters[n++] = c;
    }
    if (n != CODE_LETTERS)
        return err_set(err, ERR_DENIED, "no code");
    code_digest(letters, out_sha256);
    return 0;
}

/* A fresh code; those before it for the same account (0: the first administrator) are void. */
static int
code_put(struct pg_conn *conn, int64_t account, const char *org, int64_t lives_s,
         char out[PEOPLE_CODE_TEXT], struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];
    struct pg_arg id = account != 0 ? PG_INT(account) : PG_NULL;

    code_make(out, sha256);
    if (pg_run(conn, "code_void", &id, 1, NULL, err) < 0)
        return -1;
    return pg_run(conn, "code_put",
                  PG_ARGS(PG_BYTES(sha256, sizeof sha256), id, PG_TEXT(org),
                          PG_INT(clock_wall_us() + lives_s * 1000000)),
                  NULL, err);
}

static int
note(struct people *p, enum audit_event event, const char *actor, const char *login,
     const char *org, const char *what, struct err *err)
{
    if (p->options.audit == NULL)
        return 0;
    return audit_append(p->options.audit, err, event, A_WORD("account", login), A_WORD("of", org),
                        A_WORD("by", actor), A_WORD("what", what));
}

/* ---- the first administrator ---- */

static int
has_admin(struct pg_conn *conn, bool *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "people_has_admin", PG_ARGS(PG_INT(ROLE_ADMINISTRATOR)), &rows, err) < 0)
        return -1;
    *out = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

int
people_first_code(struct people *p, const char *org, char out_code[PEOPLE_CODE_TEXT],
                  struct err *err)
{
    struct pg_conn *conn = NULL;
    bool is_there = false;
    int rc = -1;

    if (people_vet("first", "first", org, ROLE_ADMINISTRATOR, err) < 0 ||
        pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) < 0 || has_admin(conn, &is_there, err) < 0)
        goto out;
    if (is_there) {
        err_set(err, ERR_CONFLICT, "there is an administrator: accounts are theirs to make");
        goto out;
    }
    if (code_put(conn, 0, org, PEOPLE_FIRST_CODE_S, out_code, err) < 0 ||
        note(p, AUDIT_CODE_MADE, "console", "first administrator", org, "code", err) < 0)
        goto out;
    rc = pg_commit(conn, err);
out:
    pg_put(&conn);
    return rc;
}

/* ---- what administrators do ---- */

static int
invite_in(struct people *p, struct pg_conn *conn, const struct person *actor,
          const struct people_new *a, char out_code[PEOPLE_CODE_TEXT], struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t id = 0;

    if (pg_run(conn, "people_invite",
               PG_ARGS(PG_TEXT(a->login), PG_TEXT(a->name), PG_TEXT(a->org), PG_INT(a->roles),
                       PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 1)
        id = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    if (id == 0)
        return err_set(err, ERR_CONFLICT, "login %s is taken", a->login);
    if (code_put(conn, id, a->org, PEOPLE_CODE_S, out_code, err) < 0)
        return -1;
    return note(p, AUDIT_ACCOUNT_MADE, actor->login, a->login, a->org, "invited", err);
}

int
people_invite(struct people *p, const struct person *actor, const struct people_new *account,
              char out_code[PEOPLE_CODE_TEXT], struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (people_vet(account->login, account->name, account->org, account->roles, err) < 0 ||
        pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 && invite_in(p, conn, actor, account, out_code, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    return rc;
}

/* A change of one account: what it is about. */
struct change {
    const char *query; /* with the account and value, if that is set */
    const char *word;
    const struct pg_arg *value;
    char *out_code; /* NULL: none is made */
};

static int
change_in(struct people *p, struct pg_conn *conn, const struct person *actor, const char *login,
          const struct change *c, struct err *err)
{
    struct person person;
    struct pg_arg args[2] = {PG_NULL, c->value != NULL ? *c->value : PG_NULL};

    if (people_find(conn, login, &person, err) < 0)
        return -1;
    if (person.id == actor->id)
        return err_set(err, ERR_DENIED, "one's own account is another administrator's to change");
    args[0] = PG_INT(person.id);
    if (pg_run(conn, c->query, args, c->value != NULL ? 2 : 1, NULL, err) < 0 ||
        pg_run(conn, "sessions_end", args, 1, NULL, err) < 0)
        return -1;
    if (c->out_code != NULL) {
        if (person.is_demo)
            return err_set(err, ERR_REJECT, "a demo account's password is in its file");
        if (code_put(conn, person.id, person.org, PEOPLE_CODE_S, c->out_code, err) < 0)
            return -1;
    }
    return note(p, AUDIT_ACCOUNT_CHANGED, actor->login, login, person.org, c->word, err);
}

static int
change(struct people *p, const struct person *actor, const char *login, const struct change *c,
       struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 && change_in(p, conn, actor, login, c, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    return rc;
}

int
people_reset(struct people *p, const struct person *actor, const char *login,
             char out_code[PEOPLE_CODE_TEXT], struct err *err)
{
    struct change c = {.query = "people_reset", .word = "reset", .out_code = out_code};

    return change(p, actor, login, &c, err);
}

int
people_disable(struct people *p, const struct person *actor, const char *login, bool is_disabled,
               struct err *err)
{
    struct pg_arg value = is_disabled ? PG_INT(clock_wall_us()) : PG_NULL;
    struct change c = {
        .query = "people_disable", .word = is_disabled ? "disabled" : "enabled", .value = &value};

    return change(p, actor, login, &c, err);
}

int
people_set_roles(struct people *p, const struct person *actor, const char *login, unsigned roles,
                 struct err *err)
{
    struct pg_arg value = PG_INT(roles);
    struct change c = {.query = "people_set_roles", .word = "roles", .value = &value};

    if (roles == 0 || (roles & ~(unsigned)EVERY_ROLE) != 0)
        return err_set(err, ERR_REJECT, "an account has a role");
    return change(p, actor, login, &c, err);
}

/* ---- using a code ---- */

/* Whose the code is; it is gone with this transaction. An invitation's account is kept in out_id,
 * the first administrator's is made. */
static int
take_code(struct people *p, struct pg_conn *conn, const uint8_t sha256[DIGEST_BYTES],
          const struct people_proof *proof, const char *name, int64_t *out_id, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct people_new first = {.login = proof->login, .name = name, .roles = ROLE_ADMINISTRATOR};
    char code[PEOPLE_CODE_TEXT];
    char org[PEOPLE_ORG];
    struct person person;

    if (pg_run(conn, "code_take", PG_ARGS(PG_BYTES(sha256, DIGEST_BYTES), PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0 || pg_is_null(rows, 0, 0) != (proof->login != NULL)) {
        pg_rows_free(&rows);
        return err_set(err, ERR_DENIED, "the code is not known, used or out of time");
    }
    *out_id = pg_int(rows, 0, 0);
    text_copy(org, sizeof org, pg_text(rows, 0, 1));
    pg_rows_free(&rows);
    if (proof->login == NULL)
        return 0;
    first.org = org;
    if (people_vet(first.login, first.name, org, first.roles, err) < 0 ||
        invite_in(p, conn, &(struct person){.login = "console"}, &first, code, err) < 0 ||
        people_find(conn, first.login, &person, err) < 0)
        return -1;
    *out_id = person.id;
    return pg_run(conn, "code_void", PG_ARGS(PG_INT(person.id)), NULL, err);
}

static int
enrol_in(struct people *p, struct pg_conn *conn, const uint8_t sha256[DIGEST_BYTES],
         const struct people_proof *proof, const char *name, const char *password_text,
         struct people_secret *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    uint8_t secret[TOTP_SECRET_BYTES];
    int64_t id = 0;
    int rc = -1;

    totp_new(secret);
    if (take_code(p, conn, sha256, proof, name, &id, err) < 0 ||
        pg_run(conn, "people_enrol",
               PG_ARGS(PG_INT(id), PG_TEXT(password_text), PG_BYTES(secret, sizeof secret)), &rows,
               err) < 0)
        goto out;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_DENIED, "the account is disabled");
        goto out;
    }
    text_copy(out->login, sizeof out->login, pg_text(rows, 0, 0));
    totp_text(secret, out->totp);
    totp_uri(secret, out->login, out->otpauth, sizeof out->otpauth);
    if (note(p, AUDIT_PASSWORD_SET, out->login, out->login, pg_text(rows, 0, 1), "by code", err) ==
        0)
        rc = pg_commit(conn, err);
out:
    secret_wipe(secret, sizeof secret);
    pg_rows_free(&rows);
    return rc;
}

int
people_enrol(struct people *p, const char *code, const struct people_proof *proof, const char *name,
             struct people_secret *out, struct people_refusal *out_refusal, struct err *err)
{
    char text[PASSWORD_TEXT_BYTES];
    uint8_t sha256[DIGEST_BYTES];
    struct pg_conn *conn = NULL;
    struct people_secret secret = {0};
    int rc = -1;

    *out_refusal = (struct people_refusal){0};
    if (password_vet(proof->password, err) < 0 ||
        (proof->login != NULL &&
         people_vet(proof->login, name, "later", ROLE_ADMINISTRATOR, err) < 0) ||
        code_read_typed(code, sha256, err) < 0 || pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (people_throttle_take(conn, PEOPLE_BY_ADDRESS, proof->address, &out_refusal->wait_s, err) <
        0)
        goto out;
    pg_put(&conn); /* not held while the password is worked on */
    if (password_hash(proof->password, text, err) < 0 || pg_get(p->options.pg, &conn, err) < 0)
        goto out;
    if (pg_begin(conn, err) < 0 || enrol_in(p, conn, sha256, proof, name, text, &secret, err) < 0)
        goto out;
    *out = secret;
    rc = people_throttle_give(conn, PEOPLE_BY_ADDRESS, proof->address, false, err);
out:
    pg_put(&conn);
    secret_wipe(&secret, sizeof secret);
    return rc;
}
