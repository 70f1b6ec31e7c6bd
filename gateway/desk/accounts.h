/* accounts.h - the desk's own accounts: who somebody is, how they prove it, sessions. All of it is
 * in the desk's file, so it works with the line down.
 *
 * 1. A password is kept as argon2id only, a session or one-time code as its SHA-256 only.
 * 2. There is no account that nobody made: the first comes of a code that only who is on this
 * machine can print (`radpost-gateway desk-account`).
 * 3. Whether a login exists shows neither in an answer nor in its time.
 * 4. A session ends after SESSION_IDLE without a page, at its absolute end, and at once when its
 *    account is disabled, or its password or roles change. A clock that jumps costs a sign-in,
 * nothing else.
 * 5. Wrong tries wait, longer each time, by account and address; a restart forgets none of them. No
 *    wrong try of others keeps out who signed in from this address lately, nor who has a code.
 * On disk: docs/formats/desk.md. Threads: any. */
#ifndef RADPOST_DESK_ACCOUNTS_H
#define RADPOST_DESK_ACCOUNTS_H

#include "gateway/desk/rights.h"
#include "proto/http/server.h"
#include "proto/model/slip.h"

struct book;

#define ACCOUNT_LOGIN_SIZE 65
#define ACCOUNT_NAME_SIZE 129
#define ACCOUNT_ROLES_SIZE 65

struct account {
    char login[ACCOUNT_LOGIN_SIZE]; /* a-z 0-9 . _ - @, lower case */
    char name[ACCOUNT_NAME_SIZE];
    unsigned roles; /* enum desk_role mask */
    bool has_password, is_disabled;
    int64_t made_at_us, signed_in_at_us;
};

/* What somebody gives to sign in. */
struct account_proof {
    const char *login, *password;
    const char *address; /* theirs, see http_address() */
};
/* What is shown once. */
struct account_session {
    char cookie[48];
    char csrf[65];
    struct account account;
};

/* For http_options.authorise with HTTP_STAFF: device is the login. session_ms: its absolute end. */
int accounts_authorise(struct book *book, int64_t session_ms, const char *cookie,
                       struct http_caller *caller, struct err *err) MUST_CHECK;
/* out_wait_s: how long the next try has to wait, 0 for none.
 * errors  ERR_DENIED; ERR_RETRY with out_wait_s > 0: too many tries, it was not looked at */
int accounts_sign_in(struct book *book, const struct account_proof *proof,
                     struct account_session *out, int64_t *out_wait_s, struct err *err) MUST_CHECK;
int accounts_sign_out(struct book *book, const char *cookie, struct err *err) MUST_CHECK;
/* All sessions of the account end. errors  as accounts_sign_in(); ERR_REJECT the new one cannot be
 * one */
int accounts_change_password(struct book *book, const struct account_proof *old,
                             const char *password, int64_t *out_wait_s, struct err *err) MUST_CHECK;

/* A one-time code, good for an hour, that makes (or makes good again) an administrator's account:
 * for whoever holds this machine. A code made before is void. */
int accounts_first_code(struct book *book, char out_code[SLIP_TEXT_BYTES],
                        struct err *err) MUST_CHECK;
/* Use a one-time code and sign in. login and name are for the first code only; an invitation knows
 * whose it is.
 * errors  ERR_DENIED it is no code, or not any more; ERR_REJECT login, name, password; ERR_RETRY */
struct account_start {
    const char *code, *login, *name, *password, *address;
};
int accounts_redeem(struct book *book, const struct account_start *start,
                    struct account_session *out, int64_t *out_wait_s, struct err *err) MUST_CHECK;

/* ---- what administrators do; by: whose session it is, and nobody's own account ---- */
/* The code is for three days. errors  ERR_CONFLICT the login is taken; ERR_REJECT */
int accounts_invite(struct book *book, const char *by, const struct account *account,
                    char out_code[SLIP_TEXT_BYTES], struct err *err) MUST_CHECK;
/* Password void, sessions end, a new code. errors  ERR_NOT_FOUND, ERR_DENIED one's own */
int accounts_reset(struct book *book, const char *by, const char *login,
                   char out_code[SLIP_TEXT_BYTES], struct err *err) MUST_CHECK;
int accounts_disable(struct book *book, const char *by, const char *login, bool is_disabled,
                     struct err *err) MUST_CHECK;
int accounts_set_roles(struct book *book, const char *by, const char *login, unsigned roles,
                       struct err *err) MUST_CHECK;
/* By login; free(*out). */
int accounts_list(struct book *book, struct account **out, size_t *out_n,
                  struct err *err) MUST_CHECK;
int accounts_find(struct book *book, const char *login, struct account *out,
                  struct err *err) MUST_CHECK;
/* Is there any that can sign in? */
int accounts_any(struct book *book, bool *out, struct err *err) MUST_CHECK;

#endif
