/* lost.c - packs of which no copy is good: both stores were lost, are older than the catalog, or
 * rotted. What nobody has here any more must not be called sealed: those who still have it would be
 * told that they may delete it.
 *
 * 1. Each image is looked at for itself. One that no copy has is missing from then on, as one whose
 *    landing file is gone (missing.c): its lists are not whole, its gateway is asked for it, the
 *    same file from whomever takes its place and is packed anew, with a new receipt; the old one is
 *    told to nobody more. What a copy still has is in one place only, and that is sick: it is
 *    copied to the landing and packed anew, in every store; until then it is not called sealed.
 * 2. Only what is known is believed: a store that is not the disk that it was (disks.c), or one
 * that does not give its bytes back, has lost nothing.
 * 3. The pack's row stays, and where each image was: a copy that comes back is found here within
 * ten minutes, and what is missing still is in it again; sealed, when each copy was read back. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "storage/keep/landing_file.h"
#include "storage/keep/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_BYTES = 1024 * 1024 };
enum { LOOK_AGAIN_MS = 600000, WALK_AGAIN_MS = 86400000, TURN_MS = 200, PAGE = 1000 };

enum sight { SIGHT_GOOD, SIGHT_GONE, SIGHT_UNKNOWN };

struct lost {
    struct keep *k;
    int64_t pack;
    struct pg_rows *info, *members; /* the texts live in it */
    const char *tenant, *study, *path;
    uint8_t sha256[32];
    int fds[KEEP_COPIES];           /* -1: not there */
    enum sight copies[KEEP_COPIES]; /* SIGHT_GOOD: it can be looked into */
    enum sight *sights;             /* of each member, at the one look that all goes by */
    struct buf out, back, saved;    /* ids, as PostgreSQL writes a list */
    uint64_t out_n, back_n, saved_n, good, unknown;
};

/* ---- what is there ---- */

static enum sight
see_copy(struct keep *k, int store, const char *path, int *out_fd)
{
    char at[PATH_MAX];
    struct err why; /* said already (disks.c) */

    snprintf(at, sizeof at, "%s/%s", k->stores[store], path);
    *out_fd = open(at, O_RDONLY | O_CLOEXEC);
    if (*out_fd < 0 && errno != ENOENT)
        return SIGHT_UNKNOWN;
    if (disk_check(k, KEEP_STORE_A + store, &why) < 0) /* after: it may go just then */
        return SIGHT_UNKNOWN;
    return *out_fd >= 0 ? SIGHT_GOOD : SIGHT_GONE;
}

/* Of one image, in any copy. */
static enum sight
see_member(const struct lost *l, size_t i)
{
    uint64_t size = (uint64_t)pg_int(l->members, i, 2), at = (uint64_t)pg_int(l->members, i, 3);
    uint8_t object[DIGEST_BYTES], found[DIGEST_BYTES];
    enum sight sight = SIGHT_GONE;

    pg_copy_bytes(l->members, i, 1, object, sizeof object);
    for (int store = 0; store < KEEP_COPIES; store++) {
        struct err why;

        if (l->copies[store] == SIGHT_UNKNOWN)
            sight = SIGHT_UNKNOWN;
        if (l->copies[store] != SIGHT_GOOD)
            continue;
        if (digest_file(l->fds[store], at, size, found, &why) < 0)
            sight = why.kind == ERR_REJECT ? sight : SIGHT_UNKNOWN; /* too short; else the disk */
        else if (memcmp(found, object, sizeof found) == 0)
            return SIGHT_GOOD;
    }
    return sight;
}

static void
list_add(struct buf *ids, uint64_t *n, int64_t id)
{
    buf_add_printf(ids, "%s%lld", (*n)++ > 0 ? "," : "", (long long)id);
}

static void
see_members(struct lost *l)
{
    l->sights = mem_new((pg_rows_count(l->members) + 1) * sizeof *l->sights);
    buf_add_text(&l->out, "{");
    buf_add_text(&l->back, "{");
    for (size_t i = 0; i < pg_rows_count(l->members); i++) {
        bool is_in = pg_truth(l->members, i, 4);
        enum sight sight = see_member(l, i);

        l->sights[i] = sight;
        l->good += sight == SIGHT_GOOD;
        l->unknown += sight == SIGHT_UNKNOWN;
        if (is_in && sight == SIGHT_GONE)
            list_add(&l->out, &l->out_n, pg_int(l->members, i, 0));
        if (!is_in && sight == SIGHT_GOOD && pg_text(l->members, i, 5)[0] == '\0')
            list_add(&l->back, &l->back_n, pg_int(l->members, i, 0));
    }
    buf_add_text(&l->out, "}");
    buf_add_text(&l->back, "}");
    CHECK(!buf_is_over(&l->out) && !buf_is_over(&l->back)); /* as many as an index holds */
}

/* ---- what is saved ---- */

/* errors  ERR_CONFLICT this copy does not have it as it was */
static int
copy_member(const struct lost *l, size_t i, int store, int to, struct err *err)
{
    uint64_t size = (uint64_t)pg_int(l->members, i, 2), at = (uint64_t)pg_int(l->members, i, 3);
    uint8_t *step = mem_new(STEP_BYTES), object[DIGEST_BYTES], found[DIGEST_BYTES];
    struct digest *d = digest_new();
    int rc = 0;

    for (uint64_t done = 0; done < size && rc == 0;) {
        size_t n = size - done < STEP_BYTES ? (size_t)(size - done) : STEP_BYTES;

        rc = durable_read_at(l->fds[store], step, n, at + done, err);
        if (rc == 0)
            rc = durable_write(to, step, n, err);
        if (rc == 0)
            digest_add(d, step, n);
        done += n;
    }
    digest_take(d, found);
    digest_free(&d);
    free(step);
    pg_copy_bytes(l->members, i, 1, object, sizeof object);
    if (rc == 0 && memcmp(found, object, sizeof found) != 0)
        rc = err_set(err, ERR_CONFLICT, "its SHA-256 is not its name");
    return rc;
}

/* Into the landing, under its name. */
static int
save_from(const struct lost *l, size_t i, int store, struct err *err)
{
    char tmp[64], name[LANDING_NAME_SIZE], path[PATH_MAX];
    const char *landing = l->k->landing;
    uint8_t object[DIGEST_BYTES];
    int fd = -1;

    pg_copy_bytes(l->members, i, 1, object, sizeof object);
    landing_whole_name(l->tenant, object, name);
    snprintf(tmp, sizeof tmp, "saved-%lld-%zu", (long long)l->pack, i);
    if (room_to_end(l->k, false, err) < 0 || durable_create(landing, tmp, &fd, err) < 0)
        return -1;
    if (copy_member(l, i, store, fd, err) == 0)
        return durable_publish(&fd, landing, tmp, name, err);
    close(fd);
    snprintf(path, sizeof path, "%s/tmp/%s", landing, tmp);
    unlink(path);
    return -1;
}

/* One that no copy has by now, or that cannot be read just now, is looked at again in an hour. */
static int
save_member(const struct lost *l, size_t i, struct err *err)
{
    err_set(err, ERR_CONFLICT, "no copy has it");
    for (int store = 0; store < KEEP_COPIES; store++) {
        struct err why;

        if (l->copies[store] != SIGHT_GOOD)
            continue;
        if (save_from(l, i, store, &why) == 0)
            return 0;
        if (err->kind == ERR_CONFLICT || err->kind == ERR_REJECT)
            *err = why;
    }
    return -1;
}

/* Nothing is concluded while a disk is away or does not give its bytes back. */
static int
save_members(struct lost *l, struct err *err)
{
    int rc = 0;

    buf_add_text(&l->saved, "{");
    for (size_t i = 0; i < pg_rows_count(l->members) && l->unknown == 0 && rc == 0; i++) {
        if (!pg_truth(l->members, i, 4) || l->sights[i] != SIGHT_GOOD)
            continue; /* it is taken out */
        rc = save_member(l, i, err);
        if (rc == 0)
            list_add(&l->saved, &l->saved_n, pg_int(l->members, i, 0));
    }
    buf_add_text(&l->saved, "}");
    CHECK(!buf_is_over(&l->saved)); /* as many as an index holds */
    return rc;
}

/* ---- the catalog ---- */

static int
tell_audit(const struct lost *l, enum audit_event event, uint64_t n, struct err *err)
{
    return l->k->audit == NULL
               ? 0
               : audit_append(l->k->audit, err, event, A_WORD("tenant", l->tenant),
                              A_UID("study", l->study), A_HEX("pack", l->sha256, 32),
                              A_NUMBER("instances", n));
}

static int
take_out(struct lost *l, struct pg_conn *conn, struct event_list *events, struct err *err)
{
    int64_t now_us = clock_wall_us();
    const char *ids = buf_text(&l->out);

    return pg_run(conn, "lost_take_out",
                  PG_ARGS(PG_INT(l->pack), PG_TEXT(ids), PG_INT(now_us), PG_BOOL(true)), NULL,
                  err) < 0 ||
                   pg_run(conn, "missing_reopen",
                          PG_ARGS(PG_TEXT(l->tenant), PG_TEXT(l->study), PG_TEXT(ids)), NULL,
                          err) < 0 ||
                   pg_run(conn, "reconcile_wish", PG_ARGS(PG_TEXT(l->tenant), PG_INT(now_us)), NULL,
                          err) < 0 ||
                   missing_tell_reader(conn, ids, events, err) < 0
               ? -1
               : tell_audit(l, AUDIT_PACK_LOST, l->out_n, err);
}

static int
pack_anew(struct lost *l, struct pg_conn *conn, struct err *err)
{
    int64_t now_us = clock_wall_us();
    const char *ids = buf_text(&l->saved);

    return pg_run(conn, "lost_take_out",
                  PG_ARGS(PG_INT(l->pack), PG_TEXT(ids), PG_INT(now_us), PG_BOOL(false)), NULL,
                  err) < 0
               ? -1
               : pg_run(conn, "lost_pack_anew",
                        PG_ARGS(PG_INT(l->pack), PG_TEXT(ids), PG_INT(now_us)), NULL, err);
}

/* The scrubber reads each copy back now, makes anew what is not there, and gives the receipts. */
static int
put_back(const struct lost *l, struct pg_conn *conn, const char *ids, struct err *err)
{
    int64_t now_us = clock_wall_us();

    return pg_run(conn, "lost_put_back", PG_ARGS(PG_INT(l->pack), PG_TEXT(ids), PG_INT(now_us)),
                  NULL, err) < 0
               ? -1
               : pg_run(conn, "lost_doubt", PG_ARGS(PG_INT(l->pack), PG_INT(now_us)), NULL, err);
}

/* Ends the transaction: how the pack and the study's lists stand now. */
static int
settle(const struct lost *l, struct pg_conn *conn, struct event_list *events, struct err *err)
{
    return manifest_settle(conn, l->tenant, l->study, events, err) < 0 ||
                   pg_run(conn, "lost_stand", PG_ARGS(PG_INT(l->pack), PG_INT(clock_wall_us())),
                          NULL, err) < 0 ||
                   events_write(conn, l->tenant, l->study, events, err) < 0
               ? -1
               : pg_commit(conn, err);
}

static int
put(struct lost *l, struct err *err)
{
    struct event_list events = {.n = 0};
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (manifest_begin(l->k, l->tenant, l->study, &conn, err) == 0 &&
        (l->out_n == 0 || take_out(l, conn, &events, err) == 0) &&
        (l->saved_n == 0 || pack_anew(l, conn, err) == 0) &&
        (l->back_n == 0 || (put_back(l, conn, buf_text(&l->back), err) == 0 &&
                            tell_audit(l, AUDIT_PACK_BACK, l->back_n, err) == 0)))
        rc = settle(l, conn, &events, err);
    pg_put(&conn);
    return rc;
}

/* Nothing of them is needed any more. What was packed anew may have their name (the same bytes
 * have): nobody makes or does a job of this study here, and of a pack that has images again, or
 * still, nothing is moved. */
static int
set_copies_aside(const struct lost *l, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (manifest_begin(l->k, l->tenant, l->study, &conn, err) == 0 &&
        pg_run(conn, "lost_jobs_lock", PG_ARGS(PG_INT(l->pack)), NULL, err) == 0 &&
        pg_run(conn, "lost_is_empty", PG_ARGS(PG_INT(l->pack)), &rows, err) == 0)
        rc = 0;
    for (int store = 0; store < KEEP_COPIES && rc == 0 && pg_rows_count(rows) > 0; store++)
        if (l->copies[store] == SIGHT_GOOD)
            pack_set_aside(l->k->stores[store], l->path);
    pg_rows_free(&rows);
    pg_put(&conn); /* and lets go */
    return rc;
}

/* Images are asked for, and those of its copies that are there have none of them. */
static bool
is_spoilt(const struct lost *l)
{
    return l->good + l->unknown == 0 && pg_rows_count(l->members) > 0;
}

/* What was said to be lost for good is on the study's list again, each by itself. */
static int
put_gone(struct lost *l, struct err *err)
{
    for (size_t i = 0; i < pg_rows_count(l->members); i++) {
        const char *sop_instance = pg_text(l->members, i, 5);
        struct event_list events = {.n = 0};
        struct pg_conn *conn = NULL;
        char id[32];
        int rc = -1;

        if (sop_instance[0] == '\0' || see_member(l, i) != SIGHT_GOOD)
            continue;
        snprintf(id, sizeof id, "{%lld}", (long long)pg_int(l->members, i, 0));
        if (manifest_begin(l->k, l->tenant, l->study, &conn, err) == 0 &&
            put_back(l, conn, id, err) == 0 &&
            gone_came(conn, l->tenant, l->study, sop_instance, &events, err) == 0 &&
            tell_audit(l, AUDIT_PACK_BACK, 1, err) == 0)
            rc = settle(l, conn, &events, err);
        pg_put(&conn);
        if (rc < 0)
            return -1;
        l->back_n++;
    }
    return 0;
}

/* ---- one pack ---- */

static int
begin(struct lost *l, struct err *err)
{
    if (keep_run(l->k, "lost_pack", PG_ARGS(PG_INT(l->pack)), &l->info, err) < 0 ||
        keep_run(l->k, "lost_members", PG_ARGS(PG_INT(l->pack)), &l->members, err) < 0)
        return -1;
    if (pg_rows_count(l->info) == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no such pack");
    l->tenant = pg_text(l->info, 0, 0);
    l->study = pg_text(l->info, 0, 1);
    pg_copy_bytes(l->info, 0, 2, l->sha256, sizeof l->sha256);
    l->path = pg_text(l->info, 0, 3);
    for (int store = 0; store < KEEP_COPIES; store++)
        l->copies[store] = see_copy(l->k, store, l->path, &l->fds[store]);
    return 0;
}

static void
tell(const struct lost *l)
{
    struct log_ctx ctx = keep_log;

    ctx.tenant = l->tenant;
    if (l->out_n > 0)
        LOG(&ctx, KEEP_PACK_LOST, F_UID("study", l->study), F_HEX("pack", l->sha256, 32),
            F_NUMBER("images", l->out_n), F_NUMBER("kept", l->good));
    if (l->saved_n > 0)
        LOG(&ctx, KEEP_PACK_SAVED, F_UID("study", l->study), F_HEX("pack", l->sha256, 32),
            F_NUMBER("images", l->saved_n));
    if (l->back_n > 0)
        LOG(&ctx, KEEP_PACK_BACK, F_UID("study", l->study), F_HEX("pack", l->sha256, 32),
            F_NUMBER("images", l->back_n));
    if (l->out_n + l->saved_n + l->back_n > 0)
        keep_wake(l->k, true);
}

int
lost_look(struct keep *k, int64_t pack, bool is_hopeless, bool *out_is_lost, struct err *err)
{
    struct lost l = {.k = k, .pack = pack, .fds = {-1, -1}};
    bool are_saved = true;
    struct err later;
    int rc = -1;

    buf_init(&l.out, LIMIT_INDEX_BYTES);
    buf_init(&l.back, LIMIT_INDEX_BYTES);
    buf_init(&l.saved, LIMIT_INDEX_BYTES);
    if (begin(&l, err) < 0)
        goto out;
    see_members(&l);
    *out_is_lost = l.good + l.unknown == 0;
    are_saved = !is_hopeless || save_members(&l, err) == 0; /* the others do not wait for it */
    rc = 0;
    if (l.out_n + l.saved_n + l.back_n > 0 || *out_is_lost)
        rc = put(&l, are_saved ? err : &later);
    if (rc < 0)
        l.out_n = l.saved_n = l.back_n = 0;
    else
        rc = put_gone(&l, are_saved ? err : &later);
    tell(&l); /* what was committed */
    if (rc == 0 && are_saved && l.back_n == 0 && (l.saved_n > 0 || is_spoilt(&l)))
        rc = set_copies_aside(&l, err);
    rc = are_saved ? rc : -1;
out:
    for (int store = 0; store < KEEP_COPIES; store++)
        if (l.fds[store] >= 0)
            close(l.fds[store]);
    free(l.sights);
    buf_fini(&l.out);
    buf_fini(&l.back);
    buf_fini(&l.saved);
    pg_rows_free(&l.members);
    pg_rows_free(&l.info);
    return rc < 0 ? err_context(err, "images of a pack that is lost") : 0;
}

/* ---- all packs ---- */

static bool
is_in_no_store(struct keep *k, const char *path)
{
    for (int store = 0; store < KEEP_COPIES; store++) {
        char at[PATH_MAX];
        struct err why;

        snprintf(at, sizeof at, "%s/%s", k->stores[store], path);
        if (access(at, F_OK) == 0 || errno != ENOENT ||
            disk_check(k, KEEP_STORE_A + store, &why) < 0)
            return false;
    }
    return true;
}

int
lost_notice(struct keep *k, const char *tenant, const uint8_t object[32], const char *sop_instance,
            bool *out_is_lost, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    *out_is_lost = false;
    if (keep_run(k, "lost_pack_of",
                 PG_ARGS(PG_TEXT(tenant), PG_BYTES(object, 32), PG_TEXT(sop_instance)), &rows,
                 err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0 && is_in_no_store(k, pg_text(rows, 0, 1)))
        rc = lost_look(k, pg_int(rows, 0, 0), false, out_is_lost, err);
    pg_rows_free(&rows);
    return rc;
}

/* The next page of those that are in the catalog: is there a file of each? */
static int
walk_on(struct keep *k, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + TURN_MS;
    struct pg_rows *rows = NULL;
    size_t i = 0;
    bool is_lost;
    int rc = 0;

    if (keep_run(k, "lost_walk", PG_ARGS(PG_INT(k->lost_past), PG_INT(PAGE)), &rows, err) < 0)
        return -1;
    for (; i < pg_rows_count(rows) && rc == 0 && clock_mono_ms() < until_ms && !keep_is_closing(k);
         i++) {
        if (is_in_no_store(k, pg_text(rows, i, 1)))
            rc = lost_look(k, pg_int(rows, i, 0), false, &is_lost, err);
        k->lost_past = pg_int(rows, i, 0);
    }
    if (pg_rows_count(rows) < PAGE && i == pg_rows_count(rows)) {
        k->lost_past = 0;
        k->lost_walk_ms = clock_mono_ms() + WALK_AGAIN_MS;
    }
    pg_rows_free(&rows);
    return rc;
}

/* A copy of a lost one that is there is read back next. */
static int
look_for_copies(struct keep *k, struct err *err)
{
    int64_t past = 0, past_store = -1;
    bool is_more = true;
    int rc = 0;

    while (is_more && rc == 0 && !keep_is_closing(k)) {
        struct pg_rows *rows = NULL;

        rc = keep_run(k, "lost_copies", PG_ARGS(PG_INT(past), PG_INT(past_store), PG_INT(PAGE)),
                      &rows, err);
        is_more = rc == 0 && pg_rows_count(rows) == PAGE;
        for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++) {
            char at[PATH_MAX];

            past = pg_int(rows, i, 0);
            past_store = pg_int(rows, i, 1);
            snprintf(at, sizeof at, "%s/%s", k->stores[past_store], pg_text(rows, i, 2));
            if (access(at, F_OK) == 0)
                rc = keep_run(k, "copy_doubt",
                              PG_ARGS(PG_INT(past), PG_INT(past_store), PG_INT(clock_wall_us())),
                              NULL, err);
        }
        pg_rows_free(&rows);
    }
    k->lost_at_ms = clock_mono_ms() + LOOK_AGAIN_MS;
    return rc;
}

int
lost_watch(struct keep *k, struct err *err)
{
    struct err later;
    int rc = 0;

    if (k->lost_at_ms <= clock_mono_ms())
        rc = look_for_copies(k, err);
    if (k->lost_walk_ms <= clock_mono_ms() && walk_on(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    return rc < 0 ? err_context(err, "look for packs that are lost") : 0;
}
