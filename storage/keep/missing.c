/* missing.c - catalogued images whose landing file is gone before they were packed: a disk was
 * lost, or somebody removed it; or it rotted, and moves to corrupt/. Their row stays, so that the
 * same file, from whomever, is known again; until then they count as if they had never come: lists
 * that name them are not whole, the rest of their job is packed, gateways are asked for them, a
 * person may say that they are lost for good (gone.c). */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/trust/digest.h"
#include "storage/keep/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 600000, PAGE = 1000 };

/* A job's images; or, of job 0, one that has no job yet. */
struct suspects {
    const char *tenant, *study;
    int64_t job;
    const uint8_t *object;
};

static int
find_members(struct pg_conn *conn, const struct suspects *s, struct pg_rows **out, struct err *err)
{
    if (s->job != 0)
        return pg_run(conn, "missing_of_job", PG_ARGS(PG_INT(s->job)), out, err);
    return pg_run(conn, "missing_of_none", PG_ARGS(PG_TEXT(s->tenant), PG_BYTES(s->object, 32)),
                  out, err);
}

/* A disk that is not mounted has lost nothing. */
static bool
are_mounted(struct keep *k)
{
    char path[PATH_MAX];
    struct err why; /* said already (disks.c) */

    snprintf(path, sizeof path, "%s/whole", k->landing);
    return access(path, F_OK) == 0 && disk_check(k, KEEP_LANDING_COPY, &why) == 0;
}

/* It is there, and its bytes are not those of its name, or the disk does not give them back. */
static bool
is_rotten(const char *path, const uint8_t object[32], uint64_t size, struct err *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    uint8_t found[DIGEST_BYTES];

    if (fd < 0)
        return false;
    rc = digest_file(fd, 0, size, found, why);
    close(fd);
    if (rc < 0)
        return why->kind == ERR_REJECT || why->sys == EIO;
    if (memcmp(found, object, DIGEST_BYTES) == 0)
        return false;
    err_set(why, ERR_CONFLICT, "its SHA-256 is not its name");
    return true;
}

static void
set_aside(const struct keep *k, const struct pg_rows *members, size_t i)
{
    const char *const folders[] = {k->landing, k->landing_copy};
    uint8_t object[32];

    pg_copy_bytes(members, i, 1, object, sizeof object);
    for (size_t f = 0; f < ARRAY_LEN(folders); f++) {
        char path[PATH_MAX];
        struct err why;

        snprintf(path, sizeof path, "%s/%s", folders[f], pg_text(members, i, 3));
        if (!is_rotten(path, object, (uint64_t)pg_int(members, i, 2), &why))
            continue;
        LOG(&keep_log, KEEP_FILE_ROTTEN, F_HEX("object", object, 32), F_ERR(&why));
        pack_set_aside(folders[f], pg_text(members, i, 3));
    }
}

/* Before anything is locked: it may take as long as their bytes take to be read. A good file that
 * comes in the place of a rotten one at this very moment is only asked for once more. */
static int
set_rotten_aside(struct keep *k, const struct suspects *s, struct err *err)
{
    struct pg_rows *members = NULL;
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(k->pg, &conn, err) < 0)
        return -1;
    rc = find_members(conn, s, &members, err);
    pg_put(&conn);
    for (size_t i = 0; i < pg_rows_count(members); i++)
        set_aside(k, members, i);
    pg_rows_free(&members);
    return rc;
}

/* Those whose files are gone, as PostgreSQL writes a list. */
static uint64_t
gather(struct keep *k, const struct pg_rows *members, struct buf *out_ids)
{
    bool are_there = are_mounted(k);
    uint64_t n = 0;

    buf_add_text(out_ids, "{");
    for (size_t i = 0; i < pg_rows_count(members) && are_there; i++)
        if (!landing_is_there(k, pg_text(members, i, 3)))
            buf_add_printf(out_ids, "%s%lld", n++ > 0 ? "," : "", (long long)pg_int(members, i, 0));
    buf_add_text(out_ids, "}");
    CHECK(!buf_is_over(out_ids)); /* as many as an index holds, in less room each */
    return n;
}

/* Nobody packs the job meanwhile, or somebody does. */
static int
hold_job(struct pg_conn *conn, int64_t job, bool *out_is_held, struct err *err)
{
    struct pg_rows *rows = NULL;

    *out_is_held = job == 0;
    if (job == 0)
        return 0;
    if (pg_run(conn, "job_lock", PG_ARGS(PG_INT(job)), &rows, err) < 0)
        return -1;
    *out_is_held = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

int
missing_tell_reader(struct pg_conn *conn, const char *ids, struct event_list *events,
                    struct err *err)
{
    struct pg_rows *rows = NULL;
    char detail[96];

    if (pg_run(conn, "missing_of_reader", PG_ARGS(PG_TEXT(ids)), &rows, err) < 0)
        return -1;
    snprintf(detail, sizeof detail, "{\"instances\":%lld}", (long long)pg_int(rows, 0, 0));
    if (pg_int(rows, 0, 0) > 0)
        events_note(events, "documents.missing", detail);
    pg_rows_free(&rows);
    return 0;
}

/* And commits. What is held is in no pack, and nobody cleans it away. */
static int
put(struct keep *k, struct pg_conn *conn, const struct suspects *s, uint64_t *out_n,
    struct err *err)
{
    struct event_list events = {.n = 0};
    struct pg_rows *members = NULL;
    int64_t now_us = clock_wall_us();
    struct buf ids;
    bool is_held;
    uint64_t n;
    int rc = -1;

    buf_init(&ids, LIMIT_INDEX_BYTES);
    if (hold_job(conn, s->job, &is_held, err) < 0 ||
        (is_held && find_members(conn, s, &members, err) < 0))
        goto out;
    n = gather(k, members, &ids);
    if (n == 0) {
        rc = 0;
        goto out;
    }
    if (pg_run(conn, "missing_mark",
               PG_ARGS(PG_INT(s->job), PG_TEXT(buf_text(&ids)), PG_INT(now_us)), NULL, err) < 0 ||
        pg_run(conn, "missing_reopen",
               PG_ARGS(PG_TEXT(s->tenant), PG_TEXT(s->study), PG_TEXT(buf_text(&ids))), NULL,
               err) < 0 ||
        pg_run(conn, "reconcile_wish", PG_ARGS(PG_TEXT(s->tenant), PG_INT(now_us)), NULL, err) <
            0 ||
        missing_tell_reader(conn, buf_text(&ids), &events, err) < 0 ||
        events_write(conn, s->tenant, s->study, &events, err) < 0 || pg_commit(conn, err) < 0)
        goto out;
    *out_n = n;
    rc = 0;
out:
    pg_rows_free(&members);
    buf_fini(&ids);
    return rc;
}

static int
note(struct keep *k, const struct suspects *s, uint64_t *out_n, struct err *err)
{
    struct log_ctx ctx = keep_log;
    struct pg_conn *conn = NULL;
    int rc = -1;

    *out_n = 0;
    if (set_rotten_aside(k, s, err) == 0 && manifest_begin(k, s->tenant, s->study, &conn, err) == 0)
        rc = put(k, conn, s, out_n, err);
    pg_put(&conn); /* rolls back what found nothing */
    if (rc < 0)
        return err_context(err, "images that are missing");
    ctx.tenant = s->tenant;
    if (*out_n > 0)
        LOG(&ctx, KEEP_IMAGES_MISSING, F_UID("study", s->study), F_NUMBER("images", *out_n));
    return 0;
}

int
missing_note(struct keep *k, const char *tenant, const char *study, int64_t job, uint64_t *out_n,
             struct err *err)
{
    const struct suspects s = {.tenant = tenant, .study = study, .job = job};

    return note(k, &s, out_n, err);
}

int
missing_doubt(struct keep *k, const struct keep_place *place, struct err *err)
{
    const struct suspects s = {
        .tenant = place->tenant, .study = place->study, .object = place->object};
    uint64_t n;

    return note(k, &s, &n, err);
}

int
missing_came(struct pg_conn *conn, const char *tenant, const uint8_t object[32],
             bool *out_was_missing, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "missing_came", PG_ARGS(PG_TEXT(tenant), PG_BYTES(object, 32)), &rows, err) <
        0)
        return -1;
    if (out_was_missing != NULL)
        *out_was_missing = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

/* What was said to be lost for good meanwhile is on the study's list again. */
static int
bring_to_list(struct pg_conn *conn, const char *tenant, const char *study, const uint8_t object[32],
              struct event_list *events, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(conn, "missing_gone", PG_ARGS(PG_TEXT(tenant), PG_BYTES(object, 32)), &rows, err) <
        0)
        return -1;
    if (pg_rows_count(rows) > 0)
        rc = gone_came(conn, tenant, study, pg_text(rows, 0, 0), events, err);
    pg_rows_free(&rows);
    return rc;
}

/* As when it came: its lists may be whole with it. */
static int
put_back(struct keep *k, const char *tenant, const char *study, const uint8_t object[32],
         struct err *err)
{
    struct event_list events = {.n = 0};
    struct log_ctx ctx = keep_log;
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (manifest_begin(k, tenant, study, &conn, err) == 0 &&
        missing_came(conn, tenant, object, NULL, err) == 0 &&
        bring_to_list(conn, tenant, study, object, &events, err) == 0 &&
        manifest_settle(conn, tenant, study, &events, err) == 0 &&
        events_write(conn, tenant, study, &events, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    if (rc < 0)
        return -1;
    ctx.tenant = tenant;
    LOG(&ctx, KEEP_IMAGE_BACK, F_UID("study", study), F_HEX("object", object, 32));
    keep_wake(k, true);
    return 0;
}

static int
look_at_page(struct keep *k, const struct pg_rows *rows, int64_t *out_last, struct err *err)
{
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        uint8_t object[32];

        *out_last = pg_int(rows, i, 0);
        pg_copy_bytes(rows, i, 3, object, sizeof object);
        if (landing_is_there(k, pg_text(rows, i, 4)) &&
            put_back(k, pg_text(rows, i, 1), pg_text(rows, i, 2), object, err) < 0)
            return -1;
    }
    return 0;
}

int
missing_look(struct keep *k, struct err *err)
{
    int64_t last = 0;
    bool is_more = true;
    int rc = 0;

    if (k->missing_at_ms > clock_mono_ms())
        return 0;
    while (is_more && rc == 0 && !keep_is_closing(k)) {
        struct pg_rows *rows = NULL;

        rc = keep_run(k, "missing_list", PG_ARGS(PG_INT(last), PG_INT(PAGE)), &rows, err);
        is_more = rc == 0 && pg_rows_count(rows) == PAGE;
        if (rc == 0)
            rc = look_at_page(k, rows, &last, err);
        pg_rows_free(&rows);
    }
    k->missing_at_ms = clock_mono_ms() + LOOK_AGAIN_MS;
    return rc < 0 ? err_context(err, "look for missing files") : 0;
}
