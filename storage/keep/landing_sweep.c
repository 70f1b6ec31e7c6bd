/* landing_sweep.c - what was begun and given up: rows and bytes of objects that no gateway has
 * offered or sent to for very long.
 *
 * 1. Only what is in partial/ is removed: nothing that was ever answered "held" lies there.
 * 2. What a closed list still waits for stays, and so does what a catalogued instance waits for.
 * 3. A whole file is never removed; one that has a row is catalogued, as its next offer would.
 * 4. Who offers it while it goes finds it whole, or not at all: its gate is held, and a row that
 * was offered since it was listed stays. A gateway that comes back later sends from the start. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWEEP_EVERY_MS = 3600000, SWEEP_AGAIN_MS = 60000, SWEEP_MOST = 100, HEX = 64 };

static const char *const endings[] = {"map", "part"}; /* in this order: bytes need their map */

struct sweep {
    struct keep *k;
    int64_t before_us; /* what nobody touched since */
    const char *tenant;
    const uint8_t *object;
    char name[LANDING_NAME_SIZE]; /* TENANT-HEX */
    uint64_t removed;
};

static void
name_object(struct sweep *s, const char *tenant, const uint8_t object[32])
{
    char hex[HEX + 1];

    hex_encode(object, 32, hex);
    s->tenant = tenant;
    s->object = object;
    snprintf(s->name, sizeof s->name, "%s-%s", tenant, hex);
}

/* Has anything been written to it since? A disk that does not answer: so it seems. */
static bool
is_touched(const struct sweep *s)
{
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        char path[PATH_MAX];
        struct stat st;

        snprintf(path, sizeof path, "%s/partial/%s.%s", s->k->landing, s->name, endings[i]);
        if (stat(path, &st) < 0 ? errno != ENOENT : st.st_mtim.tv_sec >= s->before_us / 1000000)
            return true;
    }
    return false;
}

static int
remove_files(const struct sweep *s, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        char name[LANDING_NAME_SIZE + 16];

        snprintf(name, sizeof name, "partial/%s.%s", s->name, endings[i]);
        if (durable_remove(s->k->landing, name, err) < 0)
            return -1;
    }
    return 0;
}

static int
tell(struct sweep *s, const char *device, const char *study, struct err *err)
{
    struct log_ctx ctx = keep_log;

    s->removed++;
    ctx.tenant = s->tenant;
    LOG(&ctx, KEEP_OBJECT_FORGOTTEN, F_HEX("object", s->object, 32), F_UID("study", study),
        F_WORD("device", device));
    if (s->k->audit == NULL)
        return 0;
    return audit_append(s->k->audit, err, AUDIT_LANDING_FORGOTTEN, A_WORD("tenant", s->tenant),
                        A_WORD("by", device), A_UID("study", study), A_HEX("file", s->object, 32));
}

/* ---- rows ---- */

/* Under the object's gate, which nobody has loaded. Row first: bytes without one are found below.
 */
static int
remove_row(struct sweep *s, int64_t offered_at_us, bool *out_is_gone, struct err *err)
{
    struct pg_rows *rows = NULL;

    *out_is_gone = false;
    if (is_touched(s))
        return 0;
    if (keep_run(s->k, "landing_forget",
                 PG_ARGS(PG_TEXT(s->tenant), PG_BYTES(s->object, 32), PG_INT(offered_at_us)), &rows,
                 err) < 0)
        return -1;
    *out_is_gone = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return *out_is_gone ? remove_files(s, err) : 0;
}

/* Whole, and never catalogued: a crash came between the two. */
static int
finish_whole(struct sweep *s, struct err *err)
{
    struct landing_object *o = NULL;
    int rc = -1;

    if (landing_take(s->k, s->tenant, s->object, &o, err) < 0)
        return err->kind == ERR_NOT_FOUND ? 0 : -1; /* it moved on meanwhile */
    if (landing_settle(s->k, &o, 1, err) == 0)
        rc = landing_finish(s->k, o, err);
    landing_release(s->k, &o);
    return rc;
}

static bool
is_whole(const struct sweep *s)
{
    char name[LANDING_NAME_SIZE];

    landing_whole_name(s->tenant, s->object, name);
    return landing_is_there(s->k, name);
}

static int
sweep_row(struct sweep *s, const struct pg_rows *rows, size_t i, struct err *err)
{
    struct landing_object *o;
    uint8_t object[32];
    bool is_gone = false;
    int rc = 0;

    pg_copy_bytes(rows, i, 1, object, sizeof object);
    name_object(s, pg_text(rows, i, 0), object);
    if (is_whole(s))
        return finish_whole(s, err);
    o = landing_find(s->k, s->tenant, object);
    gate_lock(&o->gate);
    if (!o->is_loaded) /* else somebody is about it just now */
        rc = remove_row(s, pg_int(rows, i, 4), &is_gone, err);
    gate_unlock(&o->gate);
    landing_release(s->k, &o);
    return rc == 0 && is_gone ? tell(s, pg_text(rows, i, 2), pg_text(rows, i, 3), err) : rc;
}

/* The first trouble is told; one that cannot go does not keep the others. */
static int
sweep_rows(struct sweep *s, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (keep_run(s->k, "landing_forgotten", PG_ARGS(PG_INT(s->before_us), PG_INT(SWEEP_MOST)),
                 &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct err later;

        if (sweep_row(s, rows, i, rc == 0 ? err : &later) < 0)
            rc = -1;
    }
    pg_rows_free(&rows);
    return rc;
}

/* ---- files without a row ---- */

/* TENANT-HEX.part or .map; other names are nobody's that we know, and stay. */
static bool
read_name(const char *file, char tenant[KEEP_CODE_SIZE], uint8_t object[32])
{
    const char *dot = strrchr(file, '.');
    char hex[HEX + 1];
    size_t n = dot != NULL ? (size_t)(dot - file) : 0;

    if (n < HEX + 2 || n - HEX - 1 >= KEEP_CODE_SIZE || file[n - HEX - 1] != '-' ||
        (strcmp(dot + 1, endings[0]) != 0 && strcmp(dot + 1, endings[1]) != 0))
        return false;
    memcpy(hex, file + n - HEX, HEX);
    hex[HEX] = '\0';
    memcpy(tenant, file, n - HEX - 1);
    tenant[n - HEX - 1] = '\0';
    return hex_decode(hex, object, 32) == 0;
}

static int
remove_orphan(struct sweep *s, bool *out_is_gone, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_offered;

    *out_is_gone = false;
    if (keep_run(s->k, "landing_get", PG_ARGS(PG_TEXT(s->tenant), PG_BYTES(s->object, 32)), &rows,
                 err) < 0)
        return -1;
    is_offered = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    if (is_offered || is_touched(s))
        return 0;
    *out_is_gone = true;
    return remove_files(s, err);
}

/* An offer puts its row before it loads the object, and loads it under the gate that is held here.
 */
static int
sweep_file(struct sweep *s, const char *file, struct err *err)
{
    char tenant[KEEP_CODE_SIZE];
    struct landing_object *o;
    uint8_t object[32];
    bool is_gone = false;
    int rc = 0;

    if (!read_name(file, tenant, object))
        return 0;
    name_object(s, tenant, object);
    if (is_touched(s))
        return 0;
    o = landing_find(s->k, tenant, object);
    gate_lock(&o->gate);
    if (!o->is_loaded)
        rc = remove_orphan(s, &is_gone, err);
    gate_unlock(&o->gate);
    landing_release(s->k, &o);
    return rc == 0 && is_gone ? tell(s, "", "", err) : rc;
}

static int
sweep_files(struct sweep *s, struct err *err)
{
    char path[PATH_MAX];
    DIR *folder;
    int rc = 0;

    snprintf(path, sizeof path, "%s/partial", s->k->landing);
    folder = opendir(path);
    if (folder == NULL)
        return err_sys(err, ERR_RETRY, "open folder %s", path);
    while (rc == 0 && s->removed < SWEEP_MOST) {
        const struct dirent *e;

        rc = folder_next(folder, &e, err);
        if (rc < 0 || e == NULL)
            break;
        rc = sweep_file(s, e->d_name, err);
    }
    closedir(folder);
    return rc;
}

int
landing_sweep(struct keep *k, struct err *err)
{
    struct sweep s = {.k = k, .before_us = clock_wall_us() - k->forget_after_ms * 1000};
    int64_t now_ms = clock_mono_ms();
    int rc;

    if (k->sweep_at_ms > now_ms)
        return 0;
    rc = sweep_rows(&s, err);
    if (rc == 0)
        rc = sweep_files(&s, err);
    if (rc < 0 && err->kind == ERR_RETRY)
        k->sweep_at_ms = now_ms + SWEEP_AGAIN_MS;
    else if (rc < 0 || s.removed < SWEEP_MOST) /* else there may be more */
        k->sweep_at_ms = now_ms + SWEEP_EVERY_MS;
    return rc < 0 ? err_context(err, "sweep the landing") : 0;
}
