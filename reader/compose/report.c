/* report.c - signed versions and the version in work, as the database has them. */
#include "reader/compose/compose_own.h"

#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
report_kind_word(enum report_kind kind)
{
    return kind == REPORT_PRELIMINARY ? "preliminary" : "final";
}

const char *
report_standing_word(enum report_standing standing)
{
    static const char *const words[] = {"valid", "amended", "withdrawn"};

    return words[standing];
}

void
report_fini(struct report *r)
{
    free(r->complaint);
    free(r->history);
    free(r->exam);
    free(r->findings);
    free(r->impression);
    free(r->reason);
    free(r->withdrawn_reason);
    free(r->looked_reason);
    free(r->canonical);
    free(r->manifest);
    free(r->agreement_json);
    free(r->cms);
    memset(r, 0, sizeof *r);
}

static void *
copy_of(const struct pg_rows *rows, int column, size_t *out_n)
{
    const uint8_t *bytes = pg_bytes(rows, 0, column, out_n);
    uint8_t *copy = mem_new(*out_n + 1);

    memcpy(copy, bytes, *out_n);
    return copy;
}

/* Columns: see report_find in compose.sql. */
static int
from_row(struct pg_conn *conn, const struct pg_rows *rows, struct report *out, struct err *err)
{
    struct read_row *read = mem_new(sizeof *read);
    struct report_binds binds;
    const uint8_t *canonical;
    struct report r = {0};
    size_t n;
    int rc = -1;

    canonical = pg_bytes(rows, 0, 2, &n);
    if (canonical_read(canonical, n, &r, &binds, err) < 0 ||
        assign_read_get(conn, pg_int(rows, 0, 0), read, err) < 0)
        goto out;
    r.canonical = copy_of(rows, 2, &r.canonical_n);
    r.manifest = copy_of(rows, 3, &r.manifest_n);
    r.agreement_json = copy_of(rows, 4, &r.agreement_n);
    r.cms = copy_of(rows, 5, &r.cms_n);
    r.signed_at_us = pg_int(rows, 0, 6);
    r.written_at_us = pg_int(rows, 0, 7);
    r.withdrawn_at_us = pg_int(rows, 0, 8);
    r.withdrawn_reason = mem_text(pg_text(rows, 0, 9));
    r.is_stored = pg_int(rows, 0, 10) != 0;
    r.superseded_by = (unsigned)pg_int(rows, 0, 11);
    r.standing = r.withdrawn_at_us != 0 ? REPORT_WITHDRAWN
                 : r.superseded_by != 0 ? REPORT_AMENDED
                                        : REPORT_VALID;
    snprintf(r.verify_url, sizeof r.verify_url, "%s/v/%s", pg_text(rows, 0, 12), r.token);
    if (!read->is_late && r.superseded_by == 0) {
        r.looked_at_us = pg_int(rows, 0, 13);
        text_copy(r.looked_by, sizeof r.looked_by, pg_text(rows, 0, 14));
        r.looked_reason = mem_text(pg_text(rows, 0, 15));
    }
    r.present = read->instances > r.covers ? read->instances : r.covers;
    *out = r;
    r = (struct report){0};
    rc = 0;
out:
    report_fini(&r);
    free(read);
    return rc;
}

static int
find(struct pg_conn *conn, const char *query, const struct pg_arg *args, size_t count,
     struct report *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(conn, query, args, count, &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0)
        err_set(err, ERR_NOT_FOUND, "no such signed report");
    else
        rc = from_row(conn, rows, out, err);
    pg_rows_free(&rows);
    return rc;
}

int
compose_report_get(struct pg_conn *conn, int64_t read, unsigned version, struct report *out,
                   struct err *err)
{
    return find(conn, "report_find", PG_ARGS(PG_INT(read), PG_INT(version)), out, err);
}

int
compose_report_by_token(struct pg_conn *conn, const char *token, struct report *out,
                        struct err *err)
{
    if (strlen(token) != REPORT_TOKEN_BYTES - 1)
        return err_set(err, ERR_NOT_FOUND, "no such token");
    return find(conn, "report_by_token", PG_ARGS(PG_TEXT(token)), out, err);
}

int
compose_version_count(struct pg_conn *conn, int64_t read, unsigned *out_count, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "report_version_count", PG_ARGS(PG_INT(read)), &rows, err) < 0)
        return -1;
    *out_count = pg_rows_count(rows) > 0 ? (unsigned)pg_int(rows, 0, 0) : 0;
    pg_rows_free(&rows);
    return 0;
}

/* ---- the version in work ---- */

int
work_get(struct pg_conn *conn, int64_t read, bool is_locked, struct work *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct work w = {0};

    if (pg_run(conn, is_locked ? "work_lock" : "work_find", PG_ARGS(PG_INT(read)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        pg_rows_free(&rows);
        return err_set(err, ERR_NOT_FOUND, "nobody wrote about this read");
    }
    w.base = pg_int(rows, 0, 0);
    w.exam = mem_text(pg_text(rows, 0, 1));
    w.findings = mem_text(pg_text(rows, 0, 2));
    w.impression = mem_text(pg_text(rows, 0, 3));
    text_copy(w.saved_by, sizeof w.saved_by, pg_text(rows, 0, 4));
    w.saved_at_us = pg_int(rows, 0, 5);
    text_copy(w.author, sizeof w.author, pg_text(rows, 0, 6));
    w.written_at_us = pg_int(rows, 0, 7);
    text_copy(w.reviewer, sizeof w.reviewer, pg_text(rows, 0, 8));
    w.reviewed_at_us = pg_int(rows, 0, 9);
    w.returned_reason = mem_text(pg_text(rows, 0, 10));
    w.amend_reason = mem_text(pg_text(rows, 0, 11));
    w.versions = (unsigned)pg_int(rows, 0, 12);
    w.writers = mem_text(pg_text(rows, 0, 13));
    w.finals = (unsigned)pg_int(rows, 0, 14);
    pg_rows_free(&rows);
    *out = w;
    return 0;
}

void
work_fini(struct work *w)
{
    free(w->exam);
    free(w->findings);
    free(w->impression);
    free(w->returned_reason);
    free(w->amend_reason);
    free(w->writers);
    *w = (struct work){0};
}
