/* shown.c - which images a page drew for whom, and whether their proved pixels were on the screen.
 */
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
