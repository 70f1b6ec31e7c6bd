/* throttle.c - guessing is slow: by account, and by address.
 * Kept in the database, so that neither a restart nor a second reader begins anew. */
#include "reader/people/people_own.h"

#include "proto/base/clock.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <string.h>

#define S 1000000LL

/* tries before the first wait; the wait doubles with each further try; then all is forgotten. An
 * address may be a whole hospital's. */
static const struct {
    const char *word;
    int free;
    int64_t first_us, longest_us, forgotten_us;
} ways[] = {
    [PEOPLE_BY_ACCOUNT] = {"account", 5, 15 * S, 900 * S, 86400 * S},
    [PEOPLE_BY_ADDRESS] = {"address", 50, 5 * S, 300 * S, 3600 * S},
};

static void
key_of(enum people_way way, const char *what, uint8_t out[DIGEST_BYTES])
{
    char text[400];

    snprintf(text, sizeof text, "%s:%s", ways[way].word, what);
    digest_bytes(text, strlen(text), out);
}

static int
ask_wait(struct pg_conn *conn, enum people_way way, const struct pg_arg *args, int64_t *out_wait_s,
         struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t wait_us = 0;

    if (pg_run(conn, "throttle_wait", args, 5, &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0)
        wait_us = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    *out_wait_s = wait_us > S ? (wait_us + S - 1) / S : 1;
    return err_set(err, ERR_RETRY, "too many wrong tries by %s", ways[way].word);
}

int
people_throttle_take(struct pg_conn *conn, enum people_way way, const char *what,
                     int64_t *out_wait_s, struct err *err)
{
    struct pg_rows *rows = NULL;
    uint8_t key[DIGEST_BYTES];
    const struct pg_arg args[] = {
        PG_BYTES(key, sizeof key),  PG_INT(clock_wall_us()),      PG_INT(ways[way].free),
        PG_INT(ways[way].first_us), PG_INT(ways[way].longest_us), PG_INT(ways[way].forgotten_us),
    };
    bool is_taken;

    key_of(way, what, key);
    if (pg_run(conn, "throttle_take", args, ARRAY_LEN(args), &rows, err) < 0)
        return -1;
    is_taken = pg_rows_count(rows) == 1;
    pg_rows_free(&rows);
    return is_taken ? 0 : ask_wait(conn, way, args, out_wait_s, err);
}

int
people_throttle_give(struct pg_conn *conn, enum people_way way, const char *what, bool is_proved,
                     struct err *err)
{
    uint8_t key[DIGEST_BYTES];

    key_of(way, what, key);
    return pg_run(conn, is_proved ? "throttle_forget" : "throttle_give",
                  PG_ARGS(PG_BYTES(key, sizeof key)), NULL, err);
}
