/* people.c - accounts, and the table of roles x rights. */
#include "reader/people/people.h"

#include "reader/people/people_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/password.h"

#include <string.h>

static const char *const role_words[] = {
#define ROLE(name, word) word,
#include "reader/people/roles.def"
#undef ROLE
};

static const unsigned right_roles[] = {
#define MAY(name, roles, allows) roles,
#include "reader/people/rights.def"
#undef MAY
};

unsigned
people_rights(unsigned roles)
{
    unsigned rights = 0;

    for (unsigned i = 0; i < MAY_COUNT; i++)
        if (right_roles[i] & roles)
            rights |= 1u << i;
    return rights;
}

const char *
people_role_word(enum people_role role)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if ((unsigned)role == 1u << i)
            return role_words[i];
    return NULL;
}

unsigned
people_role_of(const char *word)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (strcmp(word, role_words[i]) == 0)
            return 1u << i;
    return 0;
}

bool
people_login_is_fit(const char *login)
{
    size_t n = strlen(login);

    return n > 0 && n < PEOPLE_LOGIN &&
           strspn(login, "abcdefghijklmnopqrstuvwxyz0123456789._-@") == n;
}

int
people_vet(const char *login, const char *name, const char *org, unsigned roles, struct err *err)
{
    size_t n = strlen(name);

    if (!people_login_is_fit(login))
        return err_set(err, ERR_REJECT, "a login is made of a-z 0-9 . _ - @, at most 64");
    if (n == 0 || n >= PEOPLE_NAME || !text_is_utf8(name, n))
        return err_set(err, ERR_REJECT, "account %s: a name of at most 128 bytes is due", login);
    if (org[0] == '\0' || strlen(org) >= PEOPLE_ORG)
        return err_set(err, ERR_REJECT, "account %s: an organisation is due", login);
    if (roles == 0 || (roles & ~(unsigned)EVERY_ROLE) != 0)
        return err_set(err, ERR_REJECT, "account %s: a role is due", login);
    return 0;
}

void
people_read_row(const struct pg_rows *rows, size_t row, struct person *out)
{
    *out = (struct person){.id = pg_int(rows, row, 0),
                           .roles = (unsigned)pg_int(rows, row, 4),
                           .is_demo = pg_truth(rows, row, 5),
                           .is_disabled = pg_truth(rows, row, 6)};
    text_copy(out->login, sizeof out->login, pg_text(rows, row, 1));
    text_copy(out->name, sizeof out->name, pg_text(rows, row, 2));
    text_copy(out->org, sizeof out->org, pg_text(rows, row, 3));
}

static int
find(struct pg_conn *conn, const char *query, struct pg_arg key, struct person *out,
     struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(conn, query, &key, 1, &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 1)
        people_read_row(rows, 0, out);
    else
        rc = err_set(err, ERR_NOT_FOUND, "no such account");
    pg_rows_free(&rows);
    return rc;
}

int
people_find(struct pg_conn *conn, const char *login, struct person *out, struct err *err)
{
    return find(conn, "people_find", PG_TEXT(login), out, err);
}

int
people_find_id(struct pg_conn *conn, int64_t id, struct person *out, struct err *err)
{
    return find(conn, "people_find_id", PG_INT(id), out, err);
}

int
people_of_caller(struct pg_conn *conn, const struct http_caller *caller, struct person *out,
                 struct err *err)
{
    struct person person;

    if (caller->kind != HTTP_STAFF)
        return err_set(err, ERR_DENIED, "not a member of staff");
    if (people_find(conn, caller->device, &person, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_DENIED;
        return err_context(err, "the caller");
    }
    if (person.is_disabled)
        return err_set(err, ERR_DENIED, "the caller's account is disabled");
    *out = person;
    return 0;
}

int
people_put(struct pg_conn *conn, const struct people_new *account, int64_t *out_id, struct err *err)
{
    char text[PASSWORD_TEXT_BYTES] = "";
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (people_vet(account->login, account->name, account->org, account->roles, err) < 0)
        return -1;
    if (account->password != NULL) {
        if (!account->is_demo)
            return err_set(err, ERR_REJECT, "account %s: only demo accounts come with a password",
                           account->login);
        if (password_vet(account->password, err) < 0 ||
            password_hash(account->password, text, err) < 0)
            goto out;
    }
    if (pg_run(conn, "people_put",
               PG_ARGS(PG_TEXT(account->login), PG_TEXT(account->name), PG_TEXT(account->org),
                       PG_INT(account->roles), PG_BOOL(account->is_demo),
                       PG_TEXT(account->password != NULL ? text : NULL), PG_INT(clock_wall_us())),
               &rows, err) < 0)
        goto out;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_CONFLICT, "a demo account and a real one cannot share a login");
        goto out;
    }
    *out_id = pg_int(rows, 0, 0);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "account %s", account->login);
    pg_rows_free(&rows);
    return rc;
}
