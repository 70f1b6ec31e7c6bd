/* lease.c - who has a read open: claimed by one, renewed while they work, given back or over.
 * The read's row lock decides between any number of claims at once. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <string.h>

/* What a claim must know, with the row locked. */
struct held {
    enum read_state state;
    int64_t until_us;
    char by[65];
};

static int
lock_held(struct pg_conn *conn, int64_t read_id, struct held *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    int state;

    if (pg_run(conn, "assign_lock", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        pg_rows_free(&rows);
        return err_set(err, ERR_NOT_FOUND, "no such read");
    }
    state = read_state_from_word(pg_text(rows, 0, 0));
    CHECK(state >= 0);
    out->state = (enum read_state)state;
    text_copy(out->by, sizeof out->by, pg_text(rows, 0, 2));
    out->until_us = pg_int(rows, 0, 3);
    pg_rows_free(&rows);
    return 0;
}

static bool
is_for_review(enum read_state state)
{
    return state == READ_WRITTEN || state == READ_REVIEWED || state == READ_PRELIMINARY;
}

static int
refuse(struct lease *out, const struct held *held, struct err *err)
{
    text_copy(out->by, sizeof out->by, held->by);
    return err_set(err, ERR_CONFLICT, "somebody else has the read");
}

/* Under the row's lock: the caller's already, free, over, or somebody else's. */
static int
claim_locked(struct pg_conn *conn, const struct person *who, int64_t read_id,
             const struct held *held, struct lease *out, struct err *err)
{
    static const struct change lapse = {.detail = "{\"cause\":\"time\"}",
                                        .reason = "上一位医生的租约已到期",
                                        .reason_en = "the lease before ended"};
    static const struct change claim = {.detail = NULL};
    bool is_mine = strcmp(held->by, who->login) == 0;

    if (held->by[0] != '\0' && held->until_us > clock_wall_us()) {
        if (!is_mine)
            return refuse(out, held, err);
        out->is_new = false;
        return 0;
    }
    if (held->by[0] != '\0' && advance(conn, read_id, "system", READ_SAW_LAPSE, &lapse, err) < 0)
        return -1;
    out->is_new = true;
    return advance(conn, read_id, who->login, READ_SAW_CLAIM, &claim, err);
}

static int
renew_in(struct pg_conn *conn, const struct person *who, int64_t read_id, struct lease *out,
         struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(conn, "assign_renew",
               PG_ARGS(PG_INT(read_id), PG_TEXT(who->login), PG_INT(clock_wall_us())), &rows,
               err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0)
        rc = err_set(err, ERR_CONFLICT, "the lease is over or somebody else's");
    else
        out->until_us = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    return rc;
}

static int
claim_in(struct pg_conn *conn, const struct person *who, int64_t read_id, struct lease *out,
         struct err *err)
{
    struct held held;

    if (lock_held(conn, read_id, &held, err) < 0 ||
        assign_may(conn, who, read_id, is_for_review(held.state) ? ASSIGN_REVIEW : ASSIGN_WRITE,
                   err) < 0 ||
        claim_locked(conn, who, read_id, &held, out, err) < 0)
        return -1;
    return renew_in(conn, who, read_id, out, err);
}

static int
renew_checked(struct pg_conn *conn, const struct person *who, int64_t read_id, struct lease *out,
              struct err *err)
{
    struct held held;

    if (assign_may(conn, who, read_id, ASSIGN_WRITE, err) < 0 ||
        lock_held(conn, read_id, &held, err) < 0)
        return -1;
    text_copy(out->by, sizeof out->by, held.until_us > clock_wall_us() ? held.by : "");
    return renew_in(conn, who, read_id, out, err);
}

static int
release_in(struct pg_conn *conn, const struct person *who, int64_t read_id, struct lease *out,
           struct err *err)
{
    static const struct change back = {.reason = "医生已交还",
                                       .reason_en = "given back by the doctor"};
    struct held held;

    if (assign_may(conn, who, read_id, ASSIGN_SEE, err) < 0 ||
        lock_held(conn, read_id, &held, err) < 0)
        return -1;
    if (strcmp(held.by, who->login) != 0)
        return refuse(out, &held, err);
    return advance(conn, read_id, who->login, READ_SAW_RELEASE, &back, err);
}

/* In a transaction of its own. */
static int
transact(struct pg *pg,
         int (*work)(struct pg_conn *, const struct person *, int64_t, struct lease *,
                     struct err *),
         const struct person *who, int64_t read_id, struct lease *out, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    memset(out, 0, sizeof *out);
    if (pg_get(pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        work(conn, who, read_id, out, err) == 0 && pg_commit(conn, err) == 0)
        rc = 0;
    pg_put(&conn);
    return rc;
}

int
lease_claim(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
            struct err *err)
{
    return transact(pg, claim_in, who, read_id, out, err);
}

int
lease_renew(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
            struct err *err)
{
    return transact(pg, renew_checked, who, read_id, out, err);
}

int
lease_release(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
              struct err *err)
{
    return transact(pg, release_in, who, read_id, out, err);
}
