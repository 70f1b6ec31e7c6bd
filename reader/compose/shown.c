/* shown.c - which images a page drew for whom, and whether their proved pixels were on the screen;
 * which came after somebody looked. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>

#define SHOWN_MOST 20000 /* images a page tells of at once */

static int
put(struct act *a, const char *query, const struct json *list, struct err *err)
{
    size_t n = json_length(list);
    const char **uids = mem_new((n + 1) * sizeof *uids);
    char *array = NULL;
    int rc = -1;

    for (size_t i = 0; i < n; i++) {
        uids[i] = json_as_text(json_at(list, i));
        if (uids[i] == NULL || !uid_is_valid(uids[i], true)) {
            err_set(err, ERR_REJECT, "an image is named by its SOP Instance UID");
            goto out;
        }
    }
    array = pg_array_text(uids, n);
    if (query[6] == 'o') /* shown_opened */
        rc = pg_run(a->conn, query,
                    PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(a->person.login), PG_TEXT(array),
                            PG_INT(clock_wall_us())),
                    NULL, err);
    else
        rc = pg_run(a->conn, query,
                    PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(a->person.login), PG_TEXT(array),
                            PG_INT(clock_wall_us()), PG_INT(a->row->revision)),
                    NULL, err);
out:
    free(array);
    free(uids);
    return rc;
}

int
shown_put(struct act *a, const struct json *opened, const struct json *proved, struct err *err)
{
    if (json_length(opened) > SHOWN_MOST || json_length(proved) > SHOWN_MOST)
        return err_set(err, ERR_REJECT, "more than %d images at once", SHOWN_MOST);
    if (json_length(opened) > 0 && put(a, "shown_opened", opened, err) < 0)
        return -1;
    if (json_length(proved) > 0 && put(a, "shown_proved", proved, err) < 0)
        return -1;
    return pg_commit(a->conn, err);
}

int
shown_get(struct pg_conn *conn, int64_t read, const char *login, const struct manifest *m,
          struct shown *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct shown s = {0};

    if (pg_run(conn, "shown_all", PG_ARGS(PG_INT(read), PG_TEXT(login)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int64_t opened_us = pg_int(rows, i, 1), proved_us = pg_int(rows, i, 2);

        if (manifest_find(m, pg_text(rows, i, 0)) == NULL)
            continue; /* not of what is signed */
        if (proved_us == 0) {
            s.not_proved++;
            continue;
        }
        s.proved++;
        if (s.first_us == 0 || opened_us < s.first_us)
            s.first_us = opened_us;
        if (proved_us > s.last_us)
            s.last_us = proved_us;
    }
    pg_rows_free(&rows);
    *out = s;
    return 0;
}

/* ---- what came later ---- */

static int
fetch(struct act *a, uint32_t revision, struct manifest *out, struct err *err)
{
    struct buf json;
    int rc = -1;

    buf_init(&json, ARCHIVE_MANIFEST_BYTES);
    if (compose_fetch_manifest(a->c->archive, a->row->tenant, a->row->study, revision, &json,
                               err) == 0)
        rc = manifest_read(json.bytes, json.n, out, err);
    buf_fini(&json);
    return rc;
}

static int
first_look(struct act *a, uint32_t *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(a->conn, "shown_first", PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(a->person.login)),
               &rows, err) < 0)
        return -1;
    *out = (uint32_t)pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    return 0;
}

int
late_ask(struct act *a, struct late *out, struct err *err)
{
    *out = (struct late){.revision = a->row->revision};
    if (first_look(a, &out->first, err) < 0)
        return -1;
    if (out->first == 0 || out->first == out->revision)
        return 0;
    pg_put(&a->conn); /* nothing is held while the archive is asked */
    if (fetch(a, out->revision, &out->now, err) < 0)
        return err->kind == ERR_NOT_FOUND ? act_refuse(a, REFUSE_MANIFEST_OPEN, err) : -1;
    if (fetch(a, out->first, &out->before, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    err_clear(err); /* nobody knows what was in it: everything may be new */
    return 0;
}

int
late_ask_signed(struct act *a, struct late *out, struct err *err)
{
    struct report report;
    int rc;

    *out = (struct late){.revision = a->row->revision};
    if (compose_report_get(a->conn, a->row->read_id, a->row->version, &report, err) < 0)
        return -1;
    rc = manifest_read(report.manifest, report.manifest_n, &out->before, err);
    out->first = report.manifest_revision;
    report_fini(&report);
    pg_put(&a->conn); /* nothing is held while the archive is asked */
    if (rc < 0 || fetch(a, out->revision, &out->now, err) == 0)
        return rc;
    return err->kind == ERR_NOT_FOUND ? act_refuse(a, REFUSE_MANIFEST_OPEN, err) : -1;
}

int
late_vet(struct act *a, const struct late *late, struct err *err)
{
    struct pg_rows *rows = NULL;
    const char **uids;
    char *array;
    size_t n = 0;
    bool lacks;
    int rc;

    if (late->first == 0)
        return 0;
    if (a->row->revision != late->revision)
        return act_refuse(a, REFUSE_LATE, err); /* they came this very moment */
    uids = mem_new((late->now.count + 1) * sizeof *uids);
    for (size_t i = 0; i < late->now.count; i++)
        if (manifest_find(&late->before, late->now.images[i].sop_instance) == NULL)
            uids[n++] = late->now.images[i].sop_instance;
    array = pg_array_text(uids, n);
    rc = pg_run(a->conn, "shown_lacks",
                PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(a->person.login), PG_TEXT(array)), &rows,
                err);
    lacks = rc == 0 && pg_int(rows, 0, 0) > 0;
    pg_rows_free(&rows);
    free(array);
    free(uids);
    return lacks ? act_refuse(a, REFUSE_LATE, err) : rc;
}

void
late_fini(struct late *late)
{
    manifest_fini(&late->before);
    manifest_fini(&late->now);
}
