/* manifest.c - a study's closed lists, what happens when all of a list is held, and telling them.
 */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
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

/* Files and their instances as two arrays of PostgreSQL's. */
struct pairs {
    uint8_t *hashes;
    const char **uids;
    size_t n;
    char *objects, *sops; /* when all are in */
};

static void
pairs_begin(struct pairs *p, size_t most)
{
    *p = (struct pairs){.hashes = mem_new(most * 32 + 1),
                        .uids = mem_new((most + 1) * sizeof(const char *))};
}

static void
pairs_add(struct pairs *p, const uint8_t object[32], const char *sop_instance)
{
    memcpy(p->hashes + p->n * 32, object, 32);
    p->uids[p->n++] = sop_instance;
}

static void
pairs_end(struct pairs *p)
{
    p->objects = pg_array_bytes(p->hashes, 32, p->n);
    p->sops = pg_array_text(p->uids, p->n);
}

static void
pairs_free(struct pairs *p)
{
    free(p->hashes);
    free(p->uids);
    free(p->objects);
    free(p->sops);
}

static int
add_row(struct pg_conn *conn, const char *tenant, const char *source, const struct link_manifest *m,
        const uint8_t content[32], bool *out_is_new, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct pairs named, left;
    int rc;

    pairs_begin(&named, m->count);
    pairs_begin(&left, m->left_n);
    for (size_t i = 0; i < m->count; i++)
        pairs_add(&named, m->instances[i].object, m->instances[i].sop_instance);
    for (size_t i = 0; i < m->left_n; i++)
        pairs_add(&left, m->left[i].object, m->left[i].sop_instance);
    pairs_end(&named);
    pairs_end(&left);
    rc = pg_run(conn, "manifest_add",
                PG_ARGS(PG_TEXT(tenant), PG_TEXT(m->study), PG_TEXT(source), PG_INT(m->revision),
                        PG_INT(m->closed_at_us), PG_BYTES(content, 32), PG_TEXT(named.objects),
                        PG_TEXT(named.sops), PG_INT(clock_wall_us()), PG_BOOL(m->names_left),
                        PG_TEXT(left.objects), PG_TEXT(left.sops)),
                &rows, err);
    if (rc == 0)
        *out_is_new = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    if (rc == 0 && m->left_n > 0)
        rc = pg_run(
            conn, "lost_left",
            PG_ARGS(PG_TEXT(tenant), PG_TEXT(source), PG_TEXT(m->study), PG_TEXT(left.objects)),
            NULL, err);
    pairs_free(&named);
    pairs_free(&left);
    return rc;
}

static int
put_row(struct pg_conn *conn, const char *tenant, const char *source, const struct link_manifest *m,
        bool *out_is_new, struct err *err)
{
    struct pg_rows *rows = NULL;
    uint8_t content[32];
    int rc;

    digest_list(m, content);
    rc = add_row(conn, tenant, source, m, content, out_is_new, err);
    if (rc == 0 && !*out_is_new) {
        rc = pg_run(conn, "manifest_same",
                    PG_ARGS(PG_TEXT(tenant), PG_TEXT(m->study), PG_TEXT(source),
                            PG_INT(m->revision), PG_BYTES(content, 32)),
                    &rows, err);
        if (rc == 0 && pg_rows_count(rows) == 0)
            rc = err_set(err, ERR_CONFLICT, "another list has this revision, or a later one");
        pg_rows_free(&rows);
    }
    return rc;
}

/* What of a study is closed: all its sources' newest lists together. */
static int
count_closed(struct pg_conn *conn, const char *tenant, const char *study, int64_t *out_revision,
             int64_t *out_instances, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "manifest_count", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    *out_instances = pg_int(rows, 0, 0);
    *out_revision = pg_int(rows, 0, 1);
    pg_rows_free(&rows);
    return 0;
}

static void
note_list(struct event_list *events, const char *kind, int64_t revision, int64_t instances)
{
    char detail[96];

    snprintf(detail, sizeof detail, "{\"revision\":%lld,\"instances\":%lld,\"is_late\":%s}",
             (long long)revision, (long long)instances, revision > 1 ? "true" : "false");
    events_note(events, kind, detail);
}

int
manifest_note_closed(struct pg_conn *conn, const char *tenant, const char *study,
                     struct event_list *events, struct err *err)
{
    int64_t revision, instances;

    if (count_closed(conn, tenant, study, &revision, &instances, err) < 0)
        return -1;
    note_list(events, "study.closed", revision, instances);
    if (revision > 1)
        note_list(events, "study.late", revision, instances);
    return 0;
}

/* The lock numbers a study's revisions one after the other, whoever closes them, and what arrives
 * comes before or after the list. */
int
manifest_begin(struct keep *k, const char *tenant, const char *study, struct pg_conn **out_conn,
               struct err *err)
{
    return pg_get(k->pg, out_conn, err) < 0 || pg_begin(*out_conn, err) < 0 ||
                   pg_run(*out_conn, "manifest_lock", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)),
                          NULL, err) < 0
               ? -1
               : 0;
}

/* And commits. */
static int
put_list(struct pg_conn *conn, const char *tenant, const char *source,
         const struct link_manifest *m, struct err *err)
{
    struct event_list events = {.n = 0};
    struct log_ctx ctx = keep_log;
    bool is_new = false;

    if (put_row(conn, tenant, source, m, &is_new, err) < 0 ||
        (m->announced > 0 && pg_run(conn, "manifest_announce",
                                    PG_ARGS(PG_TEXT(tenant), PG_TEXT(m->study), PG_TEXT(source),
                                            PG_INT(m->revision), PG_INT(m->announced)),
                                    NULL, err) < 0) ||
        (is_new && manifest_note_closed(conn, tenant, m->study, &events, err) < 0))
        return -1;
    if (manifest_settle(conn, tenant, m->study, &events, err) < 0 ||
        events_write(conn, tenant, m->study, &events, err) < 0 || pg_commit(conn, err) < 0)
        return -1;
    ctx.tenant = tenant;
    if (is_new)
        LOG(&ctx, KEEP_STUDY_CLOSED, F_UID("study", m->study), F_NUMBER("revision", m->revision),
            F_NUMBER("instances", m->count));
    return 0;
}

static int
close_list(struct keep *k, const char *tenant, const char *source, const struct link_manifest *m,
           struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (manifest_begin(k, tenant, m->study, &conn, err) == 0)
        rc = put_list(conn, tenant, source, m, err);
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
    int64_t now_us = clock_wall_us(), closed, instances;
    int rc = -1;

    if (pg_run(conn, "manifest_due", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int64_t revision = pg_int(rows, i, 1);

        if (pg_run(conn, "manifest_complete",
                   PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(pg_text(rows, i, 0)),
                           PG_INT(now_us)),
                   NULL, err) < 0 ||
            pg_run(conn, "jobs_make",
                   PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(revision),
                           PG_INT(pg_int(rows, i, 2)), PG_BOOL(pg_text(rows, i, 0)[0] == '\0')),
                   NULL, err) < 0 ||
            count_closed(conn, tenant, study, &closed, &instances, err) < 0)
            goto out;
        if (i < 2 && pg_truth(rows, i, 4)) /* one for gateways and one for direct senders do */
            note_list(events, "study.complete", pg_int(rows, i, 3), instances);
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* Everything that direct senders stored into a study is the next revision's list; none where
 * another process has closed it since it was found. */
static int
collect_direct(struct pg_conn *conn, const char *tenant, const char *study, bool is_found,
               struct link_manifest *out, struct err *err)
{
    struct link_manifest m = {.closed_at_us = clock_wall_us()};
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "direct_objects", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0 && pg_truth(rows, 0, is_found ? 4 : 3))
        m.count = pg_rows_count(rows);
    m.instances = mem_new((m.count + 1) * sizeof *m.instances);
    text_copy(m.study, sizeof m.study, study);
    for (size_t i = 0; i < m.count; i++) {
        pg_copy_bytes(rows, i, 0, m.instances[i].object, 32);
        text_copy(m.instances[i].sop_instance, LINK_UID_SIZE, pg_text(rows, i, 1));
        m.revision = (uint32_t)pg_int(rows, i, 2) + 1;
    }
    pg_rows_free(&rows);
    *out = m;
    return 0;
}

static int
close_direct(struct keep *k, const char *tenant, const char *study, bool is_found, struct err *err)
{
    struct link_manifest m = {0};
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (manifest_begin(k, tenant, study, &conn, err) == 0 &&
        collect_direct(conn, tenant, study, is_found, &m, err) == 0)
        rc = m.count == 0 ? 0 : put_list(conn, tenant, "", &m, err);
    pg_put(&conn);
    if (rc == 0 && m.count > 0)
        keep_wake(k, true);
    free(m.instances);
    return rc;
}

int
manifest_close_found(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (keep_run(k, "found_studies", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && !keep_is_closing(k); i++) {
        struct err later;

        if (close_direct(k, pg_text(rows, i, 0), pg_text(rows, i, 1), true,
                         rc == 0 ? err : &later) < 0)
            rc = -1;
    }
    pg_rows_free(&rows);
    return rc;
}

/* One that cannot be closed does not keep the others; the first trouble is told. */
int
manifest_close_quiet(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t now_us = clock_wall_us(), since_us = now_us - k->quiet_ms * 1000;
    int rc = 0;

    if (keep_run(k, "quiet_studies", PG_ARGS(PG_INT(since_us), PG_INT(now_us)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct err later;

        if (!direct_is_busy(k, pg_text(rows, i, 0), pg_text(rows, i, 1)) &&
            close_direct(k, pg_text(rows, i, 0), pg_text(rows, i, 1), false,
                         rc == 0 ? err : &later) < 0)
            rc = -1;
    }
    pg_rows_free(&rows);
    return rc;
}

/* Under the lock that lists are closed under: each instance gets one job. */
static int
make_unlisted(struct keep *k, const char *tenant, const char *study, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(k->pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 &&
        pg_run(conn, "manifest_lock", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), NULL, err) == 0 &&
        pg_run(conn, "unlisted_jobs_make",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(clock_wall_us())), NULL, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    return rc;
}

/* What the reader made, and what a gateway sent and was put aside, is on no list: its packs are due
 * after the same silence. One study's trouble does not keep the others. */
int
manifest_pack_unlisted(struct keep *k, struct err *err)
{
    static const char *const queries[] = {"reader_studies", "aside_studies"};
    int64_t now_us = clock_wall_us(), since_us = now_us - k->quiet_ms * 1000;
    int rc = 0;

    for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
        struct pg_rows *rows = NULL;
        struct err later;

        if (keep_run(k, queries[q], PG_ARGS(PG_INT(since_us), PG_INT(now_us)), &rows,
                     rc == 0 ? err : &later) < 0) {
            rc = -1;
            continue;
        }
        for (size_t i = 0; i < pg_rows_count(rows); i++)
            if (make_unlisted(k, pg_text(rows, i, 0), pg_text(rows, i, 1), rc == 0 ? err : &later) <
                0)
                rc = -1;
        pg_rows_free(&rows);
    }
    return rc < 0 ? err_context(err, "jobs of what is on no list") : 0;
}

/* ---- the list as it is told ---- */

static void
take_listed(const struct pg_rows *rows, size_t i, struct keep_listed *out)
{
    text_copy(out->sop_instance, sizeof out->sop_instance, pg_text(rows, i, 2));
    pg_copy_bytes(rows, i, 3, out->object, 32);
    text_copy(out->sop_class, sizeof out->sop_class, pg_text(rows, i, 4));
    text_copy(out->series, sizeof out->series, pg_text(rows, i, 5));
    out->has_digests = !pg_is_null(rows, i, 6);
    if (out->has_digests) {
        pg_copy_bytes(rows, i, 6, out->pixels, 32);
        pg_copy_bytes(rows, i, 7, out->dataset, 32);
    }
    out->is_whole = pg_truth(rows, i, 8);
    out->is_quarantined = pg_truth(rows, i, 9);
}

int
keep_list_get(struct keep *k, const char *tenant, const char *study, uint32_t revision,
              struct keep_list *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct keep_list list = {0};

    if (revision > INT32_MAX)
        return err_set(err, ERR_NOT_FOUND, "there is no such revision");
    if (keep_run(k, "manifest_list", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(revision)),
                 &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        pg_rows_free(&rows);
        return err_set(err, ERR_NOT_FOUND, "nothing of this study is closed");
    }
    list.revision = (uint32_t)pg_int(rows, 0, 0);
    list.closed_at_us = pg_int(rows, 0, 1);
    list.instances = mem_new(pg_rows_count(rows) * sizeof *list.instances);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        if (!pg_is_null(rows, i, 2)) /* an empty list has one row without an instance */
            take_listed(rows, i, &list.instances[list.count++]);
    pg_rows_free(&rows);
    *out = list;
    return 0;
}

void
keep_list_fini(struct keep_list *list)
{
    free(list->instances);
    *list = (struct keep_list){0};
}
