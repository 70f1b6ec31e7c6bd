/* accounts_own.h - what the files of the accounts share. All in a turn (db_begin()). */
#ifndef RADPOST_DESK_ACCOUNTS_OWN_H
#define RADPOST_DESK_ACCOUNTS_OWN_H

#include "gateway/desk/accounts.h"
#include "gateway/desk/book_own.h"

#define ACCOUNT_HASH_SIZE 65

/* accounts_try.c: a try is counted before it is judged, so that many at once are no way around.
 * errors  ERR_RETRY with out_wait_s */
int account_try_take(struct book *book, const char *login, const char *address, int64_t *out_wait_s,
                     struct err *err) MUST_CHECK;
/* It was right: those of this account from this address are forgotten, nobody waits because of it,
 * and for 30 days only wrong tries of this account from this address make it wait there. */
int account_try_give(struct book *book, const char *login, const char *address,
                     struct err *err) MUST_CHECK;

/* accounts.c */
int account_vet(const char *login, const char *name, unsigned roles, struct err *err) MUST_CHECK;
void account_roles_text(unsigned roles, char out[ACCOUNT_ROLES_SIZE]);
unsigned account_roles_read(const char *text);
/* errors  ERR_NOT_FOUND */
int account_get(struct book *book, const char *login, struct account *out, char *out_password,
                size_t password_size, struct err *err) MUST_CHECK;
void account_code_digest(const char code[SLIP_TEXT_BYTES], char out[ACCOUNT_HASH_SIZE]);
/* The account's sessions end. */
int account_end_sessions(struct book *book, const char *login, struct err *err) MUST_CHECK;
/* sign_in.c: a session, in a turn. */
int account_session_make(struct book *book, const char *login, struct account_session *out,
                         struct err *err) MUST_CHECK;

#endif
