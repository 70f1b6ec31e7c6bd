/* people.h - accounts: who somebody is, which roles they have, how they prove it, and sessions.
 *
 * 1. A password is kept as argon2id only, a session or one-time code as its SHA-256 only.
 * 2. Everybody but a demo account needs a password and a TOTP code of a step not used before.
 * 3. Whether a login exists shows neither in an answer nor in its time.
 * 4. A session ends when idle, at its absolute end, and at once when its account is disabled or its
 *    password or roles change.
 * 5. Demo accounts sign in only where is_demo is set (which keeps every listener on loopback).
 *
 * Roles x rights is one table, rights.def. Tables: migrations/0001_accounts.sql. Threads: any. */
#ifndef RADPOST_READER_PEOPLE_PEOPLE_H
#define RADPOST_READER_PEOPLE_PEOPLE_H

#include "proto/http/server.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"

/* ---- roles and rights ---- */
enum people_role_bit {
#define ROLE(name, word) name##_BIT,
#include "reader/people/roles.def"
#undef ROLE
    ROLE_COUNT
};
enum people_role {
#define ROLE(name, word) name = 1 << name##_BIT,
#include "reader/people/roles.def"
#undef ROLE
    EVERY_ROLE = (1 << ROLE_COUNT) - 1
};
enum people_right_bit {
#define MAY(name, roles, allows) name##_BIT,
#include "reader/people/rights.def"
#undef MAY
    MAY_COUNT
};
/* For http_route.rights. */
enum people_right {
#define MAY(name, roles, allows) name = 1 << name##_BIT,
#include "reader/people/rights.def"
#undef MAY
};

/* All that any of the roles allows. */
unsigned people_rights(unsigned roles);
/* The word of one role, NULL for none. */
const char *people_role_word(enum people_role role);
/* "doctor" > ROLE_DOCTOR; 0: no such word. */
unsigned people_role_of(const char *word);

/* ---- who somebody is: below every stage ---- */
#define PEOPLE_LOGIN 65
#define PEOPLE_NAME 129
#define PEOPLE_ORG 65

struct person {
    int64_t id;
    char login[PEOPLE_LOGIN]; /* a-z 0-9 . _ - @, lower case */
    char name[PEOPLE_NAME];
    char org[PEOPLE_ORG]; /* organisation's code */
    unsigned roles;       /* enum people_role mask */
    bool is_demo, is_disabled;
};

/* errors  ERR_NOT_FOUND; disabled accounts are found */
int people_find(struct pg_conn *conn, const char *login, struct person *out,
                struct err *err) MUST_CHECK;
int people_find_id(struct pg_conn *conn, int64_t id, struct person *out,
                   struct err *err) MUST_CHECK;
/* Who calls a staff route; not disabled.
 * errors  ERR_DENIED */
int people_of_caller(struct pg_conn *conn, const struct http_caller *caller, struct person *out,
                     struct err *err) MUST_CHECK;

/* An account from a file of demo or master data. Idempotent: an account that is there keeps its
 * password (but a demo account's is set) and takes name, organisation and roles.
 * password  demo accounts only (is_demo); NULL: the account needs an invitation to sign in
 * errors    ERR_REJECT login, name or roles cannot be used; ERR_DENIED a demo account where
 *           is_demo of the service is not set is refused by the caller */
struct people_new {
    const char *login, *name, *org;
    unsigned roles;
    bool is_demo;
    const char *password;
};
int people_put(struct pg_conn *conn, const struct people_new *account, int64_t *out_id,
               struct err *err) MUST_CHECK;

/* ---- the service: passwords, second factors, sessions ---- */
struct people;

struct people_options {
    struct pg *pg;
    struct audit *audit;
    bool is_demo;
    int64_t session_idle_ms, session_end_ms;
};

struct people *people_new(const struct people_options *options);
void people_free(struct people **people);

/* For http_options.authorise with HTTP_STAFF: tenant is the organisation, device the login. */
int people_authorise(void *people, const char *bearer, struct http_caller *caller, struct err *err);

#endif
