/* accounts_try.c - guessing is slow: by account, and by address. */
#include "gateway/desk/accounts_own.h"

#include "proto/base/clock.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <string.h>

#define S INT64_C(1000000)

/* Tries before the first wait; the wait doubles with each further try; then all is forgotten. The
 * address may be the clinic's one computer. */
static const struct {
    const char *word;
    int64_t free, first_us, longest_us, forgotten_us;
} ways[] = {
    {"account", 5, 15 * S, 900 * S, 86400 * S},
    {"address", 20, 5 * S, 300 * S, 3600 * S},
};
enum { BY_ACCOUNT, BY_ADDRESS, WAYS };

/* What was tried is no secret of the file: of a login that does not exist it may be a password. */
static void
key_of(int way, const char *what, char out[ACCOUNT_HASH_SIZE])
{
    char text[400];
    uint8_t sha256[DIGEST_BYTES];

    snprintf(text, sizeof text, "%s:%s", ways[way].word, what);
    digest_bytes(text, strlen(text), sha256);
    digest_text(sha256, out);
}

static int64_t
wait_of(int way, int64_t count)
{
    int64_t wait_us = ways[way].first_us;

    if (count < ways[way].free)
        return 0;
    for (int64_t n = ways[way].free; n < count && wait_us < ways[way].longest_us; n++)
        wait_us *= 2;
    return wait_us < ways[way].longest_us ? wait_us : ways[way].longest_us;
}

/* A clock that went back makes nobody wait longer than the longest wait. */
static int
take(struct book *book, int way, const char *what, int64_t *out_wait_us, struct err *err)
{
    struct db_rows *rows = NULL;
    int64_t now_us = clock_wall_us(), count = 0, last_us = now_us;
    char key[ACCOUNT_HASH_SIZE];

    key_of(way, what, key);
    if (db_run(book->db, "try_get", DB_ARGS(DB_TEXT(key)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) > 0) {
        count = db_int(rows, 0, 0);
        last_us = db_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    if (last_us > now_us)
        last_us = now_us;
    if (now_us - last_us > ways[way].forgotten_us)
        count = 0;
    *out_wait_us = last_us + wait_of(way, count) - now_us;
    if (count > 0 && *out_wait_us > 0)
        return db_run(book->db, "try_set", DB_ARGS(DB_TEXT(key), DB_INT(count), DB_INT(last_us)),
                      NULL, err);
    *out_wait_us = 0;
    return db_run(book->db, "try_set", DB_ARGS(DB_TEXT(key), DB_INT(count + 1), DB_INT(now_us)),
                  NULL, err);
}

int
account_try_take(struct book *book, const char *login, const char *address, int64_t *out_wait_s,
                 struct err *err)
{
    int64_t by_address_us = 0, by_account_us = 0, wait_us;

    *out_wait_s = 0;
    if (take(book, BY_ADDRESS, address, &by_address_us, err) < 0 ||
        (by_address_us == 0 && take(book, BY_ACCOUNT, login, &by_account_us, err) < 0))
        return -1;
    wait_us = by_address_us > by_account_us ? by_address_us : by_account_us;
    if (wait_us == 0)
        return 0;
    *out_wait_s = (wait_us + S - 1) / S;
    return err_set(err, ERR_RETRY, "too many wrong tries");
}

int
account_try_give(struct book *book, const char *login, const char *address, struct err *err)
{
    struct db_rows *rows = NULL;
    char key[ACCOUNT_HASH_SIZE];
    int rc = 0;

    key_of(BY_ACCOUNT, login, key);
    if (db_run(book->db, "try_forget", DB_ARGS(DB_TEXT(key)), NULL, err) < 0 ||
        db_run(book->db, "try_clear", DB_ARGS(DB_INT(clock_wall_us())), NULL, err) < 0)
        return -1;
    key_of(BY_ADDRESS, address, key);
    if (db_run(book->db, "try_get", DB_ARGS(DB_TEXT(key)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) > 0 && db_int(rows, 0, 0) > 0)
        rc = db_run(
            book->db, "try_set",
            DB_ARGS(DB_TEXT(key), DB_INT(db_int(rows, 0, 0) - 1), DB_INT(db_int(rows, 0, 1))), NULL,
            err);
    db_rows_free(&rows);
    return rc;
}
