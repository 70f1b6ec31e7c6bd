/* scrub.c - every copy of every pack is read back again and again; a bad one is made anew from a
 * good one: first those that a reader found wrong (proof.c). A copy that is damaged moves to
 * corrupt/, it is never overwritten; a copy is called verified only after it was read back whole.
 * Of a store whose disk is away none is looked at: they stay in doubt until it is back. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "storage/keep/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_BYTES = 1024 * 1024, EVEN_MS = 24 * 60 * 60 * 1000 };
#define HOUR_US INT64_C(3600000000)

struct checked {
    struct keep *k;
    int64_t pack;
    int store;
    const char *path;
    uint8_t sha256[32];
    size_t instances;
    bool is_lost; /* it has no images any more: lost.c */
};

static int
verify_in(const struct checked *c, int store, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", c->k->stores[store], c->path);
    return pack_verify(path, c->sha256, c->instances, err);
}

static int
copy_bytes(int from, int to, uint64_t size, struct err *err)
{
    uint8_t *step = mem_new(STEP_BYTES);
    int rc = 0;

    for (uint64_t at = 0; at < size && rc == 0;) {
        size_t n = size - at < STEP_BYTES ? (size_t)(size - at) : STEP_BYTES;

        rc = durable_read_at(from, step, n, at, err);
        if (rc == 0)
            rc = durable_write(to, step, n, err);
        at += n;
    }
    free(step);
    return rc;
}

/* With the folders on the way, which a new disk lacks. to  closed */
static int
publish(int to, const char *store, const char *tmp, const char *path, struct err *err)
{
    struct durable_new copy = {.fd = to, .name = tmp, .to = path};

    durable_publish_all(store, &copy, 1);
    if (copy.err.kind == ERR_NONE)
        return 0;
    *err = copy.err;
    return -1;
}

/* A fresh copy in the bad one's store, of bytes that were just verified. */
static int
copy_from(const struct checked *c, int good, struct err *err)
{
    const char *store = c->k->stores[c->store];
    char path[PATH_MAX], tmp[64];
    struct stat st;
    int from = -1, to = -1, rc = -1;

    snprintf(path, sizeof path, "%s/%s", c->k->stores[good], c->path);
    snprintf(tmp, sizeof tmp, "scrub-%lld-%d", (long long)c->pack, c->store);
    from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) < 0) {
        err_sys(err, ERR_RETRY, "open %s", path);
        goto out;
    }
    if (durable_create(store, tmp, &to, err) < 0)
        goto out;
    if (copy_bytes(from, to, (uint64_t)st.st_size, err) < 0)
        goto out;
    rc = publish(to, store, tmp, c->path, err);
    to = -1;
out:
    if (from >= 0)
        close(from);
    if (to >= 0) {
        close(to);
        snprintf(path, sizeof path, "%s/tmp/%s", store, tmp);
        unlink(path);
    }
    return rc;
}

static int
repair(const struct checked *c, struct err *err)
{
    for (int other = 0; other < KEEP_COPIES; other++) {
        if (other == c->store || verify_in(c, other, err) < 0)
            continue;
        pack_set_aside(c->k->stores[c->store], c->path);
        if (copy_from(c, other, err) < 0 || verify_in(c, c->store, err) < 0)
            return err_context(err, "repair");
        return 0;
    }
    return err_set(err, ERR_CONFLICT, "no copy of it is good");
}

/* Its instances are sealed now, if that was the last copy of it to be read back. */
static int
give_receipts(struct pg_conn *conn, const struct checked *c, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = pg_run(conn, "pack_proven", PG_ARGS(PG_INT(c->pack)), &rows, err);

    if (rc == 0)
        rc = pg_run(conn, "receipts_for_packed",
                    PG_ARGS(PG_TEXT(pg_text(rows, 0, 0)), PG_INT(clock_wall_us())), NULL, err);
    pg_rows_free(&rows);
    return rc;
}

/* Under the receipts' lock: of two who read back the last copies at once, the second sees both. */
static int
note_good(const struct checked *c, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct pg_conn *conn = NULL;
    bool is_first = false; /* the pack was found (packs_found.c), this copy not read back before */
    int rc = -1;

    if (pg_get(c->k->pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        pg_run(conn, "receipts_lock", PG_NO_ARGS, NULL, err) < 0 ||
        pg_run(conn, "copy_verified",
               PG_ARGS(PG_INT(c->pack), PG_INT(c->store), PG_INT(clock_wall_us())), &rows, err) < 0)
        goto out;
    is_first = pg_rows_count(rows) > 0 && pg_truth(rows, 0, 0);
    if (!is_first || give_receipts(conn, c, err) == 0)
        rc = pg_commit(conn, err);
out:
    pg_put(&conn);
    pg_rows_free(&rows);
    if (rc == 0 && is_first)
        receipts_ring(c->k, NULL);
    return rc;
}

static int
doubt(const struct checked *c, struct err *err)
{
    return keep_run(c->k, "copy_doubt",
                    PG_ARGS(PG_INT(c->pack), PG_INT(c->store), PG_INT(clock_wall_us())), NULL, err);
}

/* What no copy has is missing; what is of use to nobody is not read again. */
static int
look_whether_lost(const struct checked *c, bool is_hopeless, struct err *err)
{
    bool is_lost;

    return lost_look(c->k, c->pack, is_hopeless, &is_lost, err);
}

/* The copy is bad or gone: say so, make it anew. What cannot be repaired now stays in doubt, which
 * the doctor shows, and is tried again in an hour. */
static int
mend(const struct checked *c, const struct err *why, struct err *err)
{
    struct err trouble;

    LOG(&keep_log, KEEP_COPY_DAMAGED, F_HEX("pack", c->sha256, 32), F_NUMBER("store", c->store + 1),
        F_ERR(why));
    if (repair(c, &trouble) < 0) {
        LOG(&keep_log, KEEP_COPY_UNREPAIRED, F_HEX("pack", c->sha256, 32),
            F_NUMBER("store", c->store + 1), F_ERR(&trouble));
        return doubt(c, err) < 0              ? -1
               : trouble.kind == ERR_CONFLICT ? look_whether_lost(c, true, err)
                                              : 0;
    }
    LOG(&keep_log, KEEP_COPY_REPAIRED, F_HEX("pack", c->sha256, 32),
        F_NUMBER("store", c->store + 1));
    keep_wake(c->k, true); /* the next one soon: a new disk lacks them all */
    return note_good(c, err);
}

/* Of a pack that was lost: a copy that came back brings its images back. */
static int
look_again(const struct checked *c, struct err *err)
{
    struct err why;

    if (verify_in(c, c->store, &why) == 0 && note_good(c, err) < 0)
        return -1;
    return look_whether_lost(c, false, err);
}

/* First what is in doubt. */
static int
claim(struct keep *k, struct pg_rows **out, struct err *err)
{
    int64_t now_us = clock_wall_us();

    if ((clock_even_ms() >= EVEN_MS && /* else the clock may be behind, until it is set */
         keep_run(k, "copies_unahead", PG_ARGS(PG_INT(now_us)), NULL, err) < 0) ||
        keep_run(k, "copy_claim_doubted", PG_ARGS(PG_INT(now_us - HOUR_US), PG_INT(now_us)), out,
                 err) < 0)
        return -1;
    if (pg_rows_count(*out) > 0)
        return 0;
    pg_rows_free(out);
    return keep_run(k, "copy_claim", PG_ARGS(PG_INT(now_us - k->scrub_ms * 1000), PG_INT(now_us)),
                    out, err);
}

int
scrub_next(struct keep *k, bool *out_did, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct checked c = {.k = k};
    struct err why;
    int rc = -1;

    *out_did = false;
    if (claim(k, &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        rc = 0;
        goto out;
    }
    c.pack = pg_int(rows, 0, 0);
    c.store = (int)pg_int(rows, 0, 1);
    c.path = pg_text(rows, 0, 2);
    pg_copy_bytes(rows, 0, 3, c.sha256, 32);
    c.instances = (size_t)pg_int(rows, 0, 4);
    if (c.store < 0 || c.store >= KEEP_COPIES) {
        rc = err_set(err, ERR_FATAL, "the catalog names a store that is not configured");
        goto out;
    }
    if (disk_check(k, KEEP_STORE_A + c.store, &why) < 0) { /* said already (disks.c) */
        rc = doubt(&c, err);
        goto out;
    }
    c.is_lost = pg_truth(rows, 0, 5);
    if (c.is_lost)
        rc = look_again(&c, err);
    else
        rc = verify_in(&c, c.store, &why) == 0 ? note_good(&c, err) : mend(&c, &why, err);
    *out_did = rc == 0;
out:
    pg_rows_free(&rows);
    return rc;
}
