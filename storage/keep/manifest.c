/* manifest.c - a study's closed lists, and what happens when all of a list is held. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lists are the same when they name the same files, in whatever order they come. */
static int
by_object(const void *a, const void *b)
{
    const struct link_manifest_instance *x = a, *y = b;

    return memcmp(x->object, y->object, sizeof x->object);
}

static void
digest_list(const struct link_manifest *m, uint8_t out[32])
{
    struct link_manifest_instance *sorted = mem_new((m->count + 1) * sizeof *sorted);
    struct digest *d = digest_new();

    if (m->count > 0)
        memcpy(sorted, m->instances, m->count * sizeof *sorted);
    qsort(sorted, m->count, sizeof *sorted, by_object);
    for (size_t i = 0; i < m->count; i++) {
        digest_add(d, sorted[i].object, 32);
        digest_add(d, sorted[i].sop_instance, strlen(sorted[i].sop_instance) + 1);
    }
    digest_take(d, out);
    digest_free(&d);
    free(sorted);
}

static int
put_row(struct pg_conn *conn, const char *tenant, const char *source, const struct link_manifest *m,
        bool *out_is_new, struct err *err)
{
    uint8_t *hashes = mem_new(m->count * 32 + 1), content[32];
    const char **uids = mem_new((m->count + 1) * sizeof *uids);
    char *objects, *sops;
    struct pg_rows *rows = NULL;
    int rc;

    for (size_t i = 0; i < m->count; i++) {
        memcpy(hashes + i * 32, m->instances[i].object, 32);
        uids[i] = m->instances[i].sop_instance;
    }
    objects = pg_array_bytes(hashes, 32, m->count);
    sops = pg_array_text(uids, m->count);
    digest_list(m, content);
    rc = pg_run(conn, "manifest_add",
                PG_ARGS(PG_TEXT(tenant), PG_TEXT(m->study), PG_TEXT(source), PG_INT(m->revision),
                        PG_INT(m->closed_at_us), PG_BYTES(content, 32), PG_TEXT(objects),
                        PG_TEXT(sops), PG_INT(clock_wall_us())),
                &rows, err);
    if (rc == 0)
        *out_is_new = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    if (rc == 0 && !*out_is_new) {
        rc = pg_run(conn, "manifest_same",
                    PG_ARGS(PG_TEXT(tenant), PG_TEXT(m->study), PG_TEXT(source),
                            PG_INT(m->revision), PG_BYTES(content, 32)),
                    &rows, err);
        if (rc == 0 && pg_rows_count(rows) == 0)
            rc = err_set(err, ERR_CONFLICT, "this revision was closed with another list");
        pg_rows_free(&rows);
    }
    free(hashes);
    free(uids);
    free(objects);
    free(sops);
    return rc;
}

static void
note_closed(const struct link_manifest *m, struct event_list *events)
{
    char detail[96];

    snprintf(detail, sizeof detail, "{\"revision\":%u,\"instances\":%zu}", m->revision, m->count);
    events_note(events, "study.closed", detail);
    if (m->revision > 1)
        events_note(events, "study.late", detail);
}

static int
close_list(struct keep *k, const char *tenant, const char *source, const struct link_manifest *m,
           struct err *err)
{
    struct pg_conn *conn = NULL;
    struct log_ctx ctx = keep_log;
    struct event_list events = {.n = 0};
    bool is_new = false;
    int rc = -1;

    if (pg_get(k->pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) < 0 || put_row(conn, tenant, source, m, &is_new, err) < 0)
        goto out;
    if (is_new)
        note_closed(m, &events);
    if (manifest_settle(conn, tenant, m->study, &events, err) < 0 ||
        events_write(conn, tenant, m->study, &events, err) < 0 || pg_commit(conn, err) < 0)
        goto out;
    ctx.tenant = tenant;
    if (is_new)
        LOG(&ctx, KEEP_STUDY_CLOSED, F_UID("study", m->study), F_NUMBER("revision", m->revision),
            F_NUMBER("instances", m->count));
    rc = 0;
out:
    pg_put(&conn);
    if (rc == 0)
        keep_wake(k, true);
    return rc;
}

int
keep_manifest(struct keep *k, const struct keep_sender *sender,
              const struct link_manifest *manifest, struct err *err)
{
    if (sender->device[0] == '\0')
        return err_set(err, ERR_DENIED, "a manifest without a device");
    if (close_list(k, sender->tenant, sender->device, manifest, err) < 0)
        return err_context(err, "manifest");
    return 0;
}

int
manifest_settle(struct pg_conn *conn, const char *tenant, const char *study,
                struct event_list *events, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t now_us = clock_wall_us();
    int rc = -1;

    if (pg_run(conn, "manifest_due", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int64_t revision = pg_int(rows, i, 1);
        char detail[64];

        snprintf(detail, sizeof detail, "{\"revision\":%lld}", (long long)revision);
        if (pg_run(conn, "manifest_complete",
                   PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(pg_text(rows, i, 0)),
                           PG_INT(now_us)),
                   NULL, err) < 0 ||
            pg_run(conn, "jobs_make",
                   PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(revision),
                           PG_INT(pg_int(rows, i, 2))),
                   NULL, err) < 0)
            goto out;
        if (i < 2) /* one for gateways, one for direct senders is news enough */
            events_note(events, "study.complete", detail);
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* Everything that direct senders stored into a study is the next revision's list. */
static int
close_direct(struct keep *k, const char *tenant, const char *study, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct link_manifest m = {.closed_at_us = clock_wall_us()};
    int rc = -1;

    if (keep_run(k, "direct_objects", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    m.count = pg_rows_count(rows);
    m.instances = mem_new((m.count + 1) * sizeof *m.instances);
    snprintf(m.study, sizeof m.study, "%s", study);
    for (size_t i = 0; i < m.count; i++) {
        pg_copy_bytes(rows, i, 0, m.instances[i].object, 32);
        snprintf(m.instances[i].sop_instance, LINK_UID_SIZE, "%s", pg_text(rows, i, 1));
        m.revision = (uint32_t)pg_int(rows, i, 2) + 1;
    }
    rc = m.count == 0 ? 0 : close_list(k, tenant, "", &m, err);
    pg_rows_free(&rows);
    free(m.instances);
    return rc;
}

int
manifest_close_quiet(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t since_us = clock_wall_us() - k->quiet_ms * 1000;
    int rc = 0;

    if (keep_run(k, "quiet_studies", PG_ARGS(PG_INT(since_us)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++)
        if (!direct_is_busy(k, pg_text(rows, i, 0), pg_text(rows, i, 1)))
            rc = close_direct(k, pg_text(rows, i, 0), pg_text(rows, i, 1), err);
    pg_rows_free(&rows);
    return rc;
}
