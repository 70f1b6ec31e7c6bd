/* disks.c - is a store still on the disk that it was? A disk that is not mounted leaves an empty
 * folder behind, which is on another one: copies made there are hidden as soon as it is back.
 *
 * 1. Each store, and the landing's second folder, bears a mark that the catalog knows. Where it is
 *    not, nothing is written, moved or called verified; packs wait on the landing.
 * 2. A mark is made for what is new (the catalog has no packs), for what an older program left (it
 *    has the catalog's oldest packs, or its authority for certificates), and when an operator says
 *    so. Never otherwise, and never over one that is there and cannot be read.
 * 3. The file comes before the row: after a crash between them it is taken as it is.
 * 4. data_dir is looked at once, before anything is made below it: a second authority would be
 *    another archive to every gateway. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "storage/keep/landing_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MARK_FILE_BYTES = 256, HEX = 2 * KEEP_MARK_BYTES };

static const char file_name[] = "store.id";
static const char file_head[] = "radpost-store 1."; /* major; then the minor version, a new line */

static const char *const names[] = {"store-a", "store-b", "landing-copy", "data-dir"};

static const char *const store_folders[] = {"tmp", "packs", "corrupt", NULL};
static const char *const copy_folders[] = {"tmp", "whole", "corrupt", NULL};
static const char *const data_folders[] = {"tmp", NULL};

/* One of them, where it is. */
struct place {
    struct keep *k;
    enum keep_disk disk;
    const char *path;
};

static struct place
place_of(struct keep *k, enum keep_disk disk)
{
    return (struct place){
        k, disk, disk == KEEP_LANDING_COPY ? k->landing_copy : k->stores[disk - KEEP_STORE_A]};
}

/* ---- the folder ---- */

static int
make_folders(const struct place *p, struct err *err)
{
    const char *const *folder = p->disk == KEEP_DATA_DIR       ? data_folders
                                : p->disk == KEEP_LANDING_COPY ? copy_folders
                                                               : store_folders;

    if (durable_mkdir(p->path, err) < 0)
        return -1;
    for (; *folder != NULL; folder++) {
        char *path = mem_printf("%s/%s", p->path, *folder);
        int rc = durable_mkdir(path, err);

        free(path);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* What a crash left in tmp/ was never promised to anybody. */
static int
make_ready(const struct place *p, struct err *err)
{
    return make_folders(p, err) < 0 ? -1 : landing_clear_tmp(p->path, err);
}

/* False: it bears none, and *why says so (ERR_NOT_FOUND), or why it cannot be read. */
static bool
read_mark(const struct place *p, uint8_t out[KEEP_MARK_BYTES], struct err *why)
{
    char path[PATH_MAX], *line;
    uint8_t *bytes = NULL;
    bool is = false;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", p->path, file_name);
    if (durable_get_file(path, MARK_FILE_BYTES, &bytes, &n, why) < 0)
        return false;
    line = strchr((char *)bytes, '\n');
    if (strncmp((char *)bytes, file_head, sizeof file_head - 1) == 0 && line != NULL &&
        strlen(++line) > HEX && line[HEX] == '\n') {
        line[HEX] = '\0';
        is = hex_decode(line, out, KEEP_MARK_BYTES) == 0;
    }
    if (!is)
        err_set(why, ERR_CONFLICT, "%s is no mark", path);
    free(bytes);
    return is;
}

static int
write_mark(const struct place *p, uint8_t out[KEEP_MARK_BYTES], struct err *err)
{
    char hex[HEX + 1], text[MARK_FILE_BYTES];

    random_bytes(out, KEEP_MARK_BYTES);
    hex_encode(out, KEEP_MARK_BYTES, hex);
    snprintf(text, sizeof text, "%s0\n%s\n", file_head, hex);
    return durable_put_file(p->path, file_name, text, strlen(text), err);
}

/* ---- the catalog ---- */

static int
known_mark(const struct place *p, bool *out_is, uint8_t out[KEEP_MARK_BYTES], struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(p->k, "disk_mark", PG_ARGS(PG_TEXT(names[p->disk])), &rows, err) < 0)
        return -1;
    *out_is = pg_rows_count(rows) > 0 && pg_copy_bytes(rows, 0, 0, out, KEEP_MARK_BYTES);
    pg_rows_free(&rows);
    return 0;
}

/* A catalog that has certificates or images had an authority; an older program left it here. */
static int
has_its_authority(const struct place *p, bool *out_has, struct err *err)
{
    struct pg_rows *rows = NULL;
    char path[PATH_MAX];

    if (keep_run(p->k, "disk_has_history", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/ca/ca.pem", p->path);
    *out_has = !pg_truth(rows, 0, 0) || access(path, F_OK) == 0;
    pg_rows_free(&rows);
    return 0;
}

/* Nothing speaks against it: of the oldest packs that should be there most are, if there are any.
 */
static int
is_plausible(const struct place *p, bool *out_has, struct err *err)
{
    struct pg_rows *rows = NULL;
    size_t seen = 0;

    *out_has = true;
    if (p->disk == KEEP_DATA_DIR)
        return has_its_authority(p, out_has, err);
    if (p->disk == KEEP_LANDING_COPY)
        return 0;
    if (keep_run(p->k, "disk_copies", PG_ARGS(PG_INT(p->disk - KEEP_STORE_A)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/%s", p->path, pg_text(rows, i, 0));
        seen += access(path, F_OK) == 0;
    }
    *out_has = 2 * seen >= pg_rows_count(rows);
    pg_rows_free(&rows);
    return 0;
}

/* Of two programs that do so at once one's row stands, and the other finds that it is not its own.
 */
static int
mark_first(const struct place *p, uint8_t out[KEEP_MARK_BYTES], struct err *err)
{
    struct err why;

    if (make_folders(p, err) < 0)
        return -1;
    if (!read_mark(p, out, &why)) {
        if (why.kind != ERR_NOT_FOUND) {
            *err = why;
            err->kind = ERR_RETRY;
            return err_context(err, "%s cannot be recognised", names[p->disk]);
        }
        if (write_mark(p, out, err) < 0)
            return -1;
    }
    return keep_run(
        p->k, "disk_mark_first",
        PG_ARGS(PG_TEXT(names[p->disk]), PG_BYTES(out, KEEP_MARK_BYTES), PG_INT(clock_wall_us())),
        NULL, err);
}

/* What a person reads: where it is, and what to do. */
static void
say_other(const struct place *p, struct err *why)
{
    if (p->disk == KEEP_DATA_DIR)
        err_set(why, ERR_RETRY,
                "data_dir %s is not the disk that it was: mount it. If it is lost: put its ca/ "
                "back from a backup, else each gateway must be enrolled anew; then say radpost "
                "store accept --name data-dir",
                p->path);
    else
        err_set(why, ERR_RETRY,
                "%s is not the disk that it was: mount it, or say radpost store accept --name %s "
                "if it is a new one",
                names[p->disk], names[p->disk]);
}

/* -1: nobody knows; 1: it bears none, and the catalog has none of it. Not it: *why says what is the
 * matter. */
static int
look(const struct place *p, uint8_t mark[KEEP_MARK_BYTES], bool *out_is_it, struct err *why,
     struct err *err)
{
    uint8_t found[KEEP_MARK_BYTES];
    bool is_known, has_mark = read_mark(p, found, why);

    *out_is_it = has_mark && memcmp(found, mark, sizeof found) == 0;
    if (*out_is_it)
        return 0;
    if (known_mark(p, &is_known, mark, err) < 0)
        return -1;
    *out_is_it = is_known && has_mark && memcmp(found, mark, sizeof found) == 0;
    if (!has_mark && why->kind != ERR_NOT_FOUND) {
        err_context(why, "%s cannot be recognised", names[p->disk]);
        why->kind = ERR_RETRY;
        return 0;
    }
    say_other(p, why);
    return is_known ? 0 : 1;
}

/* ---- the service ---- */

/* As look(); a mark is made where that is due. */
static int
look_or_mark(const struct place *p, uint8_t mark[KEEP_MARK_BYTES], bool *out_is_it, struct err *why,
             struct err *err)
{
    int rc = look(p, mark, out_is_it, why, err);
    bool is_its;

    if (rc <= 0)
        return rc;
    if (is_plausible(p, &is_its, err) < 0)
        return -1;
    if (!is_its)
        return 0;
    if (mark_first(p, mark, err) < 0)
        return -1;
    return look(p, mark, out_is_it, why, err) < 0 ? -1 : 0;
}

static void
tell(struct disk_state *d, bool is_it, const struct err *why)
{
    if (!is_it && !d->is_away)
        LOG(&keep_log, KEEP_DISK_AWAY, F_ERR(why));
    else if (is_it && d->is_away)
        LOG(&keep_log, KEEP_DISK_BACK, F_WORD("disk", d->name));
    d->is_away = !is_it;
}

/* Whoever writes there looks first, so nobody does when it becomes ready. */
static int
check(struct keep *k, enum keep_disk disk, bool *out_is_it, struct err *why, struct err *err)
{
    const struct place p = place_of(k, disk);
    struct disk_state *d = &k->disks[disk];
    int rc;

    gate_lock(&k->disks_gate);
    d->name = names[disk];
    rc = look_or_mark(&p, d->mark, out_is_it, why, err);
    if (rc == 0 && *out_is_it && !d->is_ready)
        rc = make_ready(&p, err);
    if (rc == 0) {
        d->is_ready = *out_is_it;
        tell(d, *out_is_it, why);
    }
    gate_unlock(&k->disks_gate);
    return rc;
}

int
disk_check(struct keep *k, enum keep_disk disk, struct err *err)
{
    struct err why;
    bool is_it;

    if (check(k, disk, &is_it, &why, err) < 0)
        return err_context(err, "%s", names[disk]);
    if (!is_it)
        *err = why;
    return is_it ? 0 : -1;
}

int
disks_watch(struct keep *k, struct err *err)
{
    struct err why, later;
    bool is_it;
    int rc = 0;

    for (enum keep_disk disk = 0; disk < KEEP_DATA_DIR; disk++)
        if (check(k, disk, &is_it, &why, rc == 0 ? err : &later) < 0)
            rc = err_context(rc == 0 ? err : &later, "%s", names[disk]);
    return rc;
}

int
disks_check_stores(struct keep *k, struct err *err)
{
    for (int store = 0; store < KEEP_COPIES; store++)
        if (disk_check(k, KEEP_STORE_A + store, err) < 0)
            return -1;
    return 0;
}

int
disk_check_home(struct keep *k, const char *data_dir, struct err *err)
{
    const struct place p = {k, KEEP_DATA_DIR, data_dir};
    uint8_t mark[KEEP_MARK_BYTES] = {0};
    struct err why;
    bool is_it;

    if (look_or_mark(&p, mark, &is_it, &why, err) < 0)
        return err_context(err, "data_dir %s", data_dir);
    if (!is_it)
        *err = why;
    return is_it ? 0 : -1;
}

/* ---- the operator's command, the doctor ---- */

int
keep_disk_find(const char *name, enum keep_disk *out, struct err *err)
{
    for (enum keep_disk disk = 0; disk < KEEP_DISKS; disk++)
        if (strcmp(names[disk], name) == 0) {
            *out = disk;
            return 0;
        }
    return err_set(err, ERR_REJECT, "--name is store-a, store-b, landing-copy or data-dir");
}

int
keep_disk_look(struct keep *k, enum keep_disk disk, const char *path, struct err *err)
{
    const struct place p = {k, disk, path};
    uint8_t mark[KEEP_MARK_BYTES] = {0};
    struct err why;
    bool is_it, is_its = false;
    int rc = look(&p, mark, &is_it, &why, err);

    if (rc < 0 || (rc == 1 && is_plausible(&p, &is_its, err) < 0))
        return -1;
    if (!is_it && !is_its)
        *err = why;
    return is_it || is_its ? 0 : -1;
}

/* A folder that went with the one above it is made where that one is the service's; below a disk
 * that is not mounted it is root's. */
static int
vet_owner(const char *path, struct err *err)
{
    char above[PATH_MAX], *slash;

    if (access(path, F_OK) == 0 || errno != ENOENT)
        return folder_vet_owner(path, err);
    text_copy(above, sizeof above, path);
    slash = strrchr(above, '/');
    if (slash == NULL || slash == above)
        return folder_vet_owner(path, err);
    *slash = '\0';
    return folder_vet_owner(above, err);
}

int
keep_disk_accept(struct keep *k, enum keep_disk disk, const char *path, struct err *err)
{
    const struct place p = {k, disk, path};
    int64_t now_us = clock_wall_us();
    struct pg_conn *conn = NULL;
    uint8_t mark[KEEP_MARK_BYTES];
    int rc = -1;

    if (vet_owner(path, err) < 0 || make_folders(&p, err) < 0 || write_mark(&p, mark, err) < 0)
        goto out;
    if (pg_get(k->pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        pg_run(conn, "disk_mark_set",
               PG_ARGS(PG_TEXT(names[disk]), PG_BYTES(mark, sizeof mark), PG_INT(now_us)), NULL,
               err) == 0 &&
        (disk >= KEEP_LANDING_COPY ||
         pg_run(conn, "disk_doubt", PG_ARGS(PG_INT(disk - KEEP_STORE_A), PG_INT(now_us)), NULL,
                err) == 0))
        rc = pg_commit(conn, err);
    pg_put(&conn);
out:
    return rc < 0 ? err_context(err, "accept %s", names[disk]) : 0;
}
