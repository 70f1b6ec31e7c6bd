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

/* What somebody gives to sign in. */
struct people_proof {
    const char *login, *password;
    const char *totp;    /* NULL: not given */
    const char *address; /* theirs, see http_address() */
};
/* What is shown once. */
struct people_session {
    char cookie[48]; /* value of "rp_session" */
    char csrf[65];
    struct person person;
};
/* Why not. */
struct people_refusal {
    bool needs_totp; /* the password is right; a code is due, or another one */
    int64_t wait_s;  /* too many tries: how long the next one has to wait; 0 none */
};
/* errors  ERR_DENIED (out_refusal: needs_totp or not); ERR_RETRY (out_refusal->wait_s > 0: too many
 *         tries; it was not even looked at) */
int people_sign_in(struct people *p, const struct people_proof *proof, struct people_session *out,
                   struct people_refusal *out_refusal, struct err *err) MUST_CHECK;
int people_sign_out(struct people *p, const char *cookie, const struct http_caller *caller,
                    struct err *err) MUST_CHECK;
/* Their own; all their sessions end. errors  ERR_DENIED the old one is wrong, ERR_RETRY as above,
 * ERR_REJECT the new one cannot be one */
int people_change_password(struct people *p, const struct people_proof *old, const char *password,
                           struct people_refusal *out_refusal, struct err *err) MUST_CHECK;

/* ---- administration. actor: who does it, for the audit trail ---- */
#define PEOPLE_CODE_TEXT 32 /* "7K3M-90XP-4QZT-B2ND-8RWE" */
enum { PEOPLE_CODE_S = 3 * 86400, PEOPLE_FIRST_CODE_S = 3600 };

/* A one-time code for the first administrator of an organisation; a code made before is void.
 * errors  ERR_CONFLICT there is an administrator who has signed in */
int people_first_code(struct people *p, const char *org, char out_code[PEOPLE_CODE_TEXT],
                      struct err *err) MUST_CHECK;

/* A real account: whoever has out_code sets its password.
 * errors  ERR_REJECT, ERR_CONFLICT the login is taken */
int people_invite(struct people *p, const struct person *actor, const struct people_new *account,
                  char out_code[PEOPLE_CODE_TEXT], struct err *err) MUST_CHECK;
/* Password and second factor are void, sessions end; a new code. errors  ERR_NOT_FOUND */
int people_reset(struct people *p, const struct person *actor, const char *login,
                 char out_code[PEOPLE_CODE_TEXT], struct err *err) MUST_CHECK;
/* Sessions end. errors  ERR_NOT_FOUND; ERR_DENIED one's own account: another administrator's to do
 */
int people_disable(struct people *p, const struct person *actor, const char *login,
                   bool is_disabled, struct err *err) MUST_CHECK;
int people_set_roles(struct people *p, const struct person *actor, const char *login,
                     unsigned roles, struct err *err) MUST_CHECK;

/* What a code is good for: setting a password, and a second factor with it.
 * login, name  of the first administrator; NULL: an invitation says whose it is
 * errors       ERR_DENIED the code is not known, used or out of time; ERR_REJECT password, login or
 *              name cannot be used (the code stays good); ERR_CONFLICT the login is taken */
struct people_secret {
    char login[PEOPLE_LOGIN];
    char totp[33];     /* base 32 */
    char otpauth[192]; /* for a QR code */
};
int people_enrol(struct people *p, const char *code, const struct people_proof *proof,
                 const char *name, struct people_secret *out, struct people_refusal *out_refusal,
                 struct err *err) MUST_CHECK;

struct people_row {
    struct person person;
    bool can_sign_in;     /* has a password */
    int64_t signed_in_us; /* the first time, 0 never */
};
typedef int (*people_on_row)(void *user, const struct people_row *row, struct err *err);
/* By organisation and login. org: one organisation's, NULL: all */
int people_list(struct pg_conn *conn, const char *org, people_on_row cb, void *user,
                struct err *err) MUST_CHECK;

/* ---- who looked at a study: what its patient may ask ---- */
struct people_look {
    int64_t at_us;
    char login[PEOPLE_LOGIN], name[PEOPLE_NAME], org[PEOPLE_ORG];
    char what[17]; /* "images", "preview", "report" */
};
/* Kept once for five minutes of looking: out_is_new tells that it was. */
int people_look_put(struct pg_conn *conn, const struct person *person, const char *tenant,
                    const char *study, const char *what, bool *out_is_new,
                    struct err *err) MUST_CHECK;
typedef int (*people_on_look)(void *user, const struct people_look *look, struct err *err);
/* The latest first, at most 200. */
int people_looks(struct pg_conn *conn, const char *tenant, const char *study, people_on_look cb,
                 void *user, struct err *err) MUST_CHECK;

#endif
