/* accounts_try.c - guessing is slow: by account, and by address. */
#include "gateway/desk/accounts_own.h"

#include "proto/base/clock.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000)

/* Tries before the first wait; the wait doubles with each further try; then all is forgotten.
 * The address may be the clinic's one computer: what others try there is no reason to keep a person
 * out, so its own wait is short, and bounds what this machine works on; an account is guarded by
 * the other two. Docs: desk.md states the rates. */
static const struct {
    const char *word;
    int64_t free, first_us, longest_us, forgotten_us;
} ways[] = {
    {"pair", 5, 15 * S, 900 * S, 86400 * S}, /* this account from this address */
    {"account", 20, 5 * S, 300 * S, 3600 * S},
    {"address", 20, S, 4 * S, 3600 * S},
};
/* Who signed in from this address lately is judged by the pair alone (mark_known()). */
enum { BY_PAIR, BY_ACCOUNT, BY_ADDRESS, WAYS };

static const int64_t known_us = INT64_C(30) * 86400 * S;

struct tried {
    char key[ACCOUNT_HASH_SIZE];
    int64_t count, last_us, wait_us;
};

/* What was tried is no secret of the file: of a login that does not exist it may be a password. */
static void
key_of(const char *word, const char *login, const char *address, char out[ACCOUNT_HASH_SIZE])
{
    char text[400];
    uint8_t sha256[DIGEST_BYTES];

    snprintf(text, sizeof text, "%s:%s%s%s", word, address, address[0] != '\0' ? " " : "", login);
    digest_bytes(text, strlen(text), sha256);
    digest_text(sha256, out);
}

static void
key_way(int way, const char *login, const char *address, char out[ACCOUNT_HASH_SIZE])
{
    key_of(ways[way].word, way == BY_ADDRESS ? "" : login, way == BY_ACCOUNT ? "" : address, out);
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
look(struct book *book, int way, const char *login, const char *address, struct tried *out,
     struct err *err)
{
    struct db_rows *rows = NULL;
    int64_t now_us = clock_wall_us();

    *out = (struct tried){.last_us = now_us};
    key_way(way, login, address, out->key);
    if (db_run(book->db, "try_get", DB_ARGS(DB_TEXT(out->key)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) > 0) {
        out->count = db_int(rows, 0, 0);
        out->last_us = db_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    if (out->last_us > now_us)
        out->last_us = now_us;
    if (now_us - out->last_us > ways[way].forgotten_us)
        out->count = 0;
    out->wait_us = out->last_us + wait_of(way, out->count) - now_us;
    if (out->count == 0 || out->wait_us < 0)
        out->wait_us = 0;
    return 0;
}

static int
put(struct book *book, const struct tried *t, struct err *err)
{
    return db_run(book->db, "try_set",
                  DB_ARGS(DB_TEXT(t->key), DB_INT(t->count), DB_INT(t->last_us)), NULL, err);
}

/* Its count is below zero: no wrong try, and kept longer. */
static int
mark_known(struct book *book, const char *login, const char *address, struct err *err)
{
    struct tried t = {.count = -1, .last_us = clock_wall_us()};

    key_of("known", login, address, t.key);
    return put(book, &t, err);
}

static int
is_known(struct book *book, const char *login, const char *address, bool *out, struct err *err)
{
    struct db_rows *rows = NULL;
    char key[ACCOUNT_HASH_SIZE];

    key_of("known", login, address, key);
    if (db_run(book->db, "try_get", DB_ARGS(DB_TEXT(key)), &rows, err) < 0)
        return -1;
    *out = db_rows_count(rows) > 0 && llabs(clock_wall_us() - db_int(rows, 0, 1)) <= known_us;
    db_rows_free(&rows);
    return 0;
}

/* What one has to wait for counts for none of the others. */
int
account_try_take(struct book *book, const char *login, const char *address, int64_t *out_wait_s,
                 struct err *err)
{
    struct tried tried[WAYS];
    int64_t wait_us = 0, now_us = clock_wall_us();
    bool is_pair_alone;
    int n;

    *out_wait_s = 0;
    if (is_known(book, login, address, &is_pair_alone, err) < 0)
        return -1;
    n = is_pair_alone ? BY_PAIR + 1 : WAYS;
    for (int way = 0; way < n; way++) {
        if (look(book, way, login, address, &tried[way], err) < 0)
            return -1;
        if (tried[way].wait_us > wait_us)
            wait_us = tried[way].wait_us;
    }
    for (int way = 0; way < n; way++) {
        if (wait_us == 0) {
            tried[way].count++;
            tried[way].last_us = now_us;
        }
        if (tried[way].count > 0 && put(book, &tried[way], err) < 0)
            return -1;
    }
    if (wait_us == 0)
        return 0;
    *out_wait_s = (wait_us + S - 1) / S;
    return err_set(err, ERR_RETRY, "too many wrong tries");
}

/* A right one leaves no wait behind it for the next person at this address. */
int
account_try_give(struct book *book, const char *login, const char *address, struct err *err)
{
    char key[ACCOUNT_HASH_SIZE];
    bool is_pair_alone;

    key_way(BY_PAIR, login, address, key);
    if (db_run(book->db, "try_forget", DB_ARGS(DB_TEXT(key)), NULL, err) < 0 ||
        db_run(book->db, "try_clear", DB_ARGS(DB_INT(clock_wall_us())), NULL, err) < 0)
        return -1;
    if (is_known(book, login, address, &is_pair_alone, err) < 0)
        return -1;
    for (int way = BY_ACCOUNT; !is_pair_alone && way < WAYS; way++) {
        struct tried t;

        if (look(book, way, login, address, &t, err) < 0)
            return -1;
        if (t.count == 0)
            continue;
        t.count--;
        t.last_us -= wait_of(way, t.count);
        if (put(book, &t, err) < 0)
            return -1;
    }
    return mark_known(book, login, address, err);
}
