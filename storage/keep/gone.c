/* gone.c - images that lists name and that are lost for good, as a person says. The lists stay as
 * their gateways told them; the study's list is without those images from a revision of its own on,
 * and with each of them again when it comes after all. */
#include "storage/keep/keep_own.h"
#include "storage/keep/traffic.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t arriving_us = INT64_C(600000000);

/* In a transaction under the lock: the revision's number. */
static int
turn(struct pg_conn *conn, const char *tenant, const char *study, int64_t *out_revision,
     struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "gone_turn", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    *out_revision = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    return 0;
}

int
gone_came(struct pg_conn *conn, const char *tenant, const char *study, const char *sop_instance,
          struct event_list *events, struct err *err)
{
    int64_t revision;

    return turn(conn, tenant, study, &revision, err) < 0 ||
                   pg_run(conn, "gone_came",
                          PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(sop_instance),
                                  PG_INT(revision)),
                          NULL, err) < 0 ||
                   manifest_note_closed(conn, tenant, study, events, err) < 0
               ? -1
               : 0;
}

static int
find_missing(struct pg_conn *conn, const char *tenant, const char *study, uint64_t shown,
             char **out_sops, struct err *err)
{
    struct pg_rows *rows = NULL;
    const char **sops;
    size_t n;

    if (pg_run(conn, "gone_missing", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    n = pg_rows_count(rows);
    sops = mem_new((n + 1) * sizeof *sops);
    for (size_t i = 0; i < n; i++)
        sops[i] = pg_text(rows, i, 0);
    *out_sops = pg_array_text(sops, n);
    free(sops);
    pg_rows_free(&rows);
    return n > 0 && n == shown ? 0 : err_set(err, ERR_CONFLICT, "other images are missing by now");
}

/* Of the study, under the receipts' lock as in seal.c: who packs the rest of it meanwhile waits. */
static int
count_open(struct pg_conn *conn, const char *tenant, const char *study, int64_t *out_packed,
           int64_t *out_open, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "receipts_lock", PG_NO_ARGS, NULL, err) < 0 ||
        pg_run(conn, "gone_sealed", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    *out_packed = pg_int(rows, 0, 0);
    *out_open = pg_int(rows, 0, 1);
    pg_rows_free(&rows);
    return 0;
}

/* What had come and is missing was the last of it that was open: it is sealed with this. */
static int
note_sealed(struct pg_conn *conn, const char *tenant, const char *study, int64_t open_before,
            struct event_list *events, struct err *err)
{
    int64_t packed, open;
    char detail[96];

    if (count_open(conn, tenant, study, &packed, &open, err) < 0)
        return -1;
    if (open_before > 0 && open == 0 && packed > 0) {
        snprintf(detail, sizeof detail, "{\"instances\":%lld}", (long long)packed);
        events_note(events, "study.sealed", detail);
    }
    return 0;
}

/* And commits. */
static int
put(struct pg_conn *conn, const char *tenant, const char *study, const struct keep_gone *said,
    struct err *err)
{
    struct event_list events = {.n = 0};
    char *sops = NULL;
    int64_t revision, packed, open;
    int rc = -1;

    if (find_missing(conn, tenant, study, said->images, &sops, err) < 0 ||
        count_open(conn, tenant, study, &packed, &open, err) < 0 ||
        turn(conn, tenant, study, &revision, err) < 0 ||
        pg_run(conn, "gone_put",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(sops), PG_INT(revision),
                       PG_TEXT(said->reason), PG_TEXT(said->by), PG_INT(clock_wall_us())),
               NULL, err) < 0 ||
        pg_run(conn, "reconcile_wish", PG_ARGS(PG_TEXT(tenant), PG_INT(clock_wall_us())), NULL,
               err) < 0 || /* a gateway that has them says so */
        manifest_note_closed(conn, tenant, study, &events, err) < 0 ||
        manifest_settle(conn, tenant, study, &events, err) < 0 ||
        note_sealed(conn, tenant, study, open, &events, err) < 0 ||
        events_write(conn, tenant, study, &events, err) < 0 || pg_commit(conn, err) < 0)
        goto out;
    rc = 0;
out:
    free(sops);
    return rc;
}

int
keep_gone_put(struct keep *k, const char *tenant, const char *study, const struct keep_gone *said,
              struct err *err)
{
    struct log_ctx ctx = keep_log;
    struct keep_standing standing;
    struct pg_conn *conn = NULL;
    int64_t age_us;
    int rc = -1;

    if (keep_standing_get(k, tenant, study, &standing, err) < 0)
        return -1;
    if (standing.revision == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing of this study is closed");
    age_us = clock_wall_us() - standing.last_at_us; /* below 0: the clock was ahead */
    if (standing.bytes_per_s > 0 || (age_us >= 0 && age_us < arriving_us))
        return err_set(err, ERR_CONFLICT, "something of it came just now");
    if (manifest_begin(k, tenant, study, &conn, err) == 0)
        rc = put(conn, tenant, study, said, err);
    pg_put(&conn);
    if (rc < 0)
        return err_context(err, "lost for good");
    ctx.tenant = tenant;
    LOG(&ctx, KEEP_GONE, F_UID("study", study), F_NUMBER("instances", said->images));
    keep_wake(k, true);
    return 0;
}
