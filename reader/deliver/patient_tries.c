/* patient_tries.c - limits: counted in the database, so that all processes count together, and by
 * hashes, so that the table names nobody. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"

#include <string.h>

#define S_US INT64_C(1000000)

static const char *const words[] = {"code", "phone", "address", "send"};

static void key_of(enum patient_way way, const void *what, size_t n, uint8_t out[DIGEST_BYTES]);
static unsigned most(const struct patient_limits *limits, enum patient_way way);

struct patient_limits
limits_of(const struct patient_limits *asked)
{
    struct patient_limits l = *asked;

    l.tries_code = l.tries_code != 0 ? l.tries_code : 5;
    l.tries_phone = l.tries_phone != 0 ? l.tries_phone : 10;
    l.tries_address = l.tries_address != 0 ? l.tries_address : 100;
    l.sends_phone = l.sends_phone != 0 ? l.sends_phone : 6;
    l.lock_s = l.lock_s != 0 ? l.lock_s : 900;
    l.code_s = l.code_s != 0 ? l.code_s : 300;
    l.session_s = l.session_s != 0 ? l.session_s : 1800;
    return l;
}

static int64_t
window_us(const struct patient_limits *limits, enum patient_way way)
{
    return (way == WAY_SEND ? 3600 : limits->lock_s) * S_US;
}

int
tries_take(struct pg_conn *conn, const struct patient_limits *limits, enum patient_way way,
           const void *what, size_t n, bool *out_is_within, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    uint8_t key[DIGEST_BYTES];
    int64_t count;

    key_of(way, what, n, key);
    if (pg_run(conn, "patient_tries_take",
               PG_ARGS(PG_BYTES(key, sizeof key), PG_INT(now_us),
                       PG_INT(now_us + window_us(limits, way))),
               &rows, err) < 0)
        return -1;
    count = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    *out_is_within = count <= most(limits, way);
    if (count == (int64_t)most(limits, way) + 1)
        LOG(&patient_log, PATIENT_LOCKED, F_WORD("by", words[way]));
    return 0;
}

int
tries_look(struct pg_conn *conn, const struct patient_limits *limits, enum patient_way way,
           const void *what, size_t n, bool *out_is_within, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    uint8_t key[DIGEST_BYTES];

    key_of(way, what, n, key);
    if (pg_run(conn, "patient_tries_count",
               PG_ARGS(PG_BYTES(key, sizeof key), PG_INT(now_us),
                       PG_INT(now_us + window_us(limits, way))),
               &rows, err) < 0)
        return -1;
    *out_is_within = pg_rows_count(rows) == 0 || pg_int(rows, 0, 0) < most(limits, way);
    pg_rows_free(&rows);
    return 0;
}

int
tries_forget(struct pg_conn *conn, enum patient_way way, const void *what, size_t n,
             struct err *err)
{
    uint8_t key[DIGEST_BYTES];

    key_of(way, what, n, key);
    return pg_run(conn, "patient_tries_forget", PG_ARGS(PG_BYTES(key, sizeof key)), NULL, err);
}

int
tries_give(struct pg_conn *conn, enum patient_way way, const void *what, size_t n, struct err *err)
{
    uint8_t key[DIGEST_BYTES];

    key_of(way, what, n, key);
    return pg_run(conn, "patient_tries_give", PG_ARGS(PG_BYTES(key, sizeof key)), NULL, err);
}

static void
key_of(enum patient_way way, const void *what, size_t n, uint8_t out[DIGEST_BYTES])
{
    struct digest *d = digest_new();

    digest_add(d, "radpost.tries/1:", 16);
    digest_add(d, words[way], strlen(words[way]) + 1);
    digest_add(d, what, n);
    digest_take(d, out);
    digest_free(&d);
}

static unsigned
most(const struct patient_limits *limits, enum patient_way way)
{
    switch (way) {
    case WAY_CODE:
        return limits->tries_code;
    case WAY_PHONE:
        return limits->tries_phone;
    case WAY_ADDRESS:
        return limits->tries_address;
    case WAY_SEND:
        return limits->sends_phone;
    }
    return 0;
}
