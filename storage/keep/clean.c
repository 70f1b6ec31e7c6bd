/* clean.c - landing files go when their instances are sealed: from each disk what can go, whether
 * the other answers or not. The catalog forgets a file only when its entry is durably gone.
 *
 * A page of them at a time, in the order they were sealed in. What could not go is passed over
 * until all others had their turn: a disk that is away keeps only its own files listed. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
remove_landing(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(err, ERR_RETRY, "remove %s", path);
    return 0;
}

static int
sync_whole(const char *dir, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/whole", dir);
    return durable_sync_folder(path, err);
}

/* All that have a file there; false: none has. */
static bool
keep_listed(const struct pg_rows *rows, bool is_copy, bool *is_left)
{
    bool is_any = false;

    for (size_t i = 0; i < pg_rows_count(rows); i++)
        if (!is_copy || pg_truth(rows, i, 2))
            is_any = is_left[i] = true;
    return is_any;
}

/* In one of the folders: what cannot be removed there now stays listed. */
static int
clean_folder(const char *dir, const struct pg_rows *rows, bool is_copy, bool *is_left,
             struct err *err)
{
    bool is_any = false;
    struct err later;
    int rc = 0;

    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        if (is_copy && !pg_truth(rows, i, 2))
            continue;
        is_any = true;
        if (remove_landing(dir, pg_text(rows, i, 1), rc == 0 ? err : &later) == 0)
            continue;
        is_left[i] = true;
        rc = -1;
    }
    if (is_any && sync_whole(dir, rc == 0 ? err : &later) < 0) {
        (void)keep_listed(rows, is_copy, is_left);
        rc = -1;
    }
    return rc;
}

static int
note_clean(struct keep *k, const struct pg_rows *rows, const bool *is_left, struct err *err)
{
    struct buf ids;
    int rc = 0;

    buf_init(&ids, LIMIT_INDEX_BYTES);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        if (!is_left[i])
            buf_add_printf(&ids, "%s%lld", ids.n == 0 ? "{" : ",", (long long)pg_int(rows, i, 0));
    if (ids.n > 0) {
        buf_add_text(&ids, "}");
        rc = keep_run(k, "clean_done", PG_ARGS(PG_TEXT(buf_text(&ids))), NULL, err);
    }
    buf_fini(&ids);
    return rc;
}

/* After the last page from the start again. */
static void
turn_page(struct keep *k, const struct pg_rows *rows)
{
    size_t n = pg_rows_count(rows);
    bool is_last = (int64_t)n < k->clean_page;

    k->clean_past_us = is_last ? INT64_MIN : pg_int(rows, n - 1, 3);
    k->clean_past_id = is_last ? 0 : pg_int(rows, n - 1, 0);
}

int
clean_landing(struct keep *k, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    struct err later;
    bool *is_left;
    int rc;

    if (keep_run(k, "clean_list",
                 PG_ARGS(PG_INT(now_us - k->clean_after_ms * 1000), PG_INT(k->clean_past_us),
                         PG_INT(k->clean_past_id), PG_INT(k->clean_page), PG_INT(now_us)),
                 &rows, err) < 0)
        return -1;
    turn_page(k, rows);
    is_left = mem_new((pg_rows_count(rows) + 1) * sizeof *is_left);
    rc = clean_folder(k->landing, rows, false, is_left, err);
    if (disk_check(k, KEEP_LANDING_COPY, rc == 0 ? err : &later) < 0)
        rc = keep_listed(rows, true, is_left) ? -1 : rc;
    else if (clean_folder(k->landing_copy, rows, true, is_left, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (note_clean(k, rows, is_left, rc == 0 ? err : &later) < 0)
        rc = -1;
    free(is_left);
    pg_rows_free(&rows);
    return rc;
}
