/* packs_found.c - packs that lie in the stores and that the catalog does not know: it was set back
 * to a backup. Gateways may have forgotten what is in them, and devices, too: nobody sends it
 * again, so the catalog takes it from where it lies.
 *
 * 1. Only a pack of which a copy is whole, to the last digest. Where another is not, the scrubber
 *    makes it anew, and nobody is told before that it is sealed.
 * 2. Each instance is looked into as if it came now, and is placed by the same rules: what is kept
 *    already stays, what contradicts it is put aside. No byte is copied. Whose study it is the pack
 *    knows: it is not the patient of what is looked into first, which may have been put aside.
 * 3. A pack that is being made is left alone: a file that is young, a job that somebody works on.
 * 4. Done again it makes nothing twice, wherever it ended; what is still to be done the catalog
 *    tells, not this program's memory.
 * 5. A walk goes on over many turns; the end of the program waits for one pack. */
#include "storage/keep/keep_own.h"

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/folder.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "storage/keep/landing_file.h"
#include "storage/keep/pack.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEX = 64, FOLDERS = 256, TURN_MS = 2000, EVERY_MS = 86400000, AGAIN_MS = 60000 };
enum { UNOWNED_MS = 3600000 }; /* somebody adds the organisation */
enum { YOUNG_S = 300 };

/* Through both stores once: store > tenant > folder of two digits > its unknown packs. */
struct packs_walk {
    int store;
    DIR *tenants;
    char tenant[KEEP_CODE_SIZE]; /* "": the next one */
    unsigned folder;
    uint8_t (*unknown)[32];
    size_t n, at;
    int64_t pause_ms; /* before the next walk */
    uint64_t unowned;
    char unowned_tenant[KEEP_CODE_SIZE]; /* the last one's */
};

/* ---- one pack ---- */

static void
path_of(const struct keep *k, int store, const char *tenant, const uint8_t sha256[32],
        char out[PATH_MAX])
{
    char hex[HEX + 1];

    hex_encode(sha256, 32, hex);
    snprintf(out, PATH_MAX, "%s/packs/%s/%.2s/%s.zip", k->stores[store], tenant, hex, hex);
}

/* Made just now: it is on its way into the catalog. A clock that was set back hides none for
 * longer. */
static bool
is_young(const char *path)
{
    struct stat st;
    int64_t age_s;

    if (stat(path, &st) < 0)
        return false;
    age_s = clock_wall_us() / 1000000 - (int64_t)st.st_mtim.tv_sec;
    return age_s > -YOUNG_S && age_s < YOUNG_S;
}

/* What the pack itself says of an instance that cannot be read. */
static void
facts_from_pack(const struct pack_again *p, const struct pack_member *m, struct dcm_facts *f,
                struct dcm_digests *digests)
{
    memset(f, 0, sizeof *f);
    text_copy(f->sop_class, sizeof f->sop_class, m->sop_class);
    text_copy(f->sop_instance, sizeof f->sop_instance, m->sop_instance);
    text_copy(f->study_uid, sizeof f->study_uid, p->study);
    text_copy(f->series_uid, sizeof f->series_uid, p->series);
    f->instance_number = -1;
    memcpy(digests->file, m->object, 32);
    memcpy(digests->pixels, m->pixels, 32);
    memcpy(digests->dataset, m->dataset, 32);
}

/* Into the catalog, as if its file were on the landing: until the pack is in it, too, it is not
 * found there, and a reader is told to try again. */
static int
place_member(struct keep *k, const struct pack_again *p, const struct pack_member *m,
             enum arrival_end *out_end, struct err *err)
{
    struct codec_source source = {.fd = p->fd,
                                  .offset = m->at,
                                  .size = m->size,
                                  .recipe = m->recipe,
                                  .recipe_n = m->recipe_n};
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct dcm_digests digests;
    char path[LANDING_NAME_SIZE];
    struct arrival a = {.tenant = p->tenant,
                        .way = m->way,
                        .device = m->device,
                        .size = m->size,
                        .facts = facts,
                        .digests = &digests,
                        .recipe = m->recipe,
                        .recipe_n = m->recipe_n,
                        .layout = m->layout,
                        .layout_n = m->layout_n,
                        .path = path,
                        .why = m->why,
                        .of_study = p->study_facts,
                        .of_series = p->series_facts};
    int rc;

    memcpy(a.object, m->object, 32);
    memcpy(a.received, m->received, 32);
    text_copy(a.received_syntax, sizeof a.received_syntax, m->received_syntax);
    landing_whole_name(p->tenant, m->object, path);
    rc = keep_inspect(k->pool, &source, facts, &digests, err);
    if (rc < 0 && (err->kind == ERR_REJECT || err->kind == ERR_CONFLICT)) {
        facts_from_pack(p, m, facts, &digests);
        a.why = a.why != NULL ? a.why : "cannot be read";
        rc = 0;
    }
    text_copy(facts->transfer_syntax, sizeof facts->transfer_syntax, m->transfer_syntax);
    text_copy(facts->study_uid, sizeof facts->study_uid, p->study); /* where it stood */
    text_copy(facts->series_uid, sizeof facts->series_uid, p->series);
    if (rc == 0)
        rc = arrival_put(k, &a, out_end, err);
    free(facts);
    return rc;
}

/* Nobody packs them meanwhile. In a transaction. */
static int
lock_jobs(struct pg_conn *conn, const char *tenant, const char *objects, struct err *err)
{
    struct pg_rows *jobs = NULL, *locked = NULL;
    int rc =
        pg_run(conn, "jobs_of_objects", PG_ARGS(PG_TEXT(tenant), PG_TEXT(objects)), &jobs, err);

    for (size_t i = 0; rc == 0 && i < pg_rows_count(jobs); i++) {
        rc = pg_run(conn, "job_lock", PG_ARGS(PG_INT(pg_int(jobs, i, 0))), &locked, err);
        if (rc == 0 && pg_rows_count(locked) == 0)
            rc = err_set(err, ERR_RETRY, "its instances are being packed");
        pg_rows_free(&locked);
    }
    pg_rows_free(&jobs);
    return rc;
}

static char *
numbers_text(const struct pg_rows *rows, const struct pack_again *p)
{
    size_t n = rows != NULL ? pg_rows_count(rows) : p->count;
    struct buf b;
    char *text;

    buf_init(&b, LIMIT_MANIFEST_INSTANCES * 24);
    buf_add_text(&b, "{");
    for (size_t i = 0; i < n; i++)
        buf_add_printf(&b, "%s%lld", i > 0 ? "," : "",
                       (long long)(rows != NULL ? pg_int(rows, i, 0) : (int64_t)p->members[i].at));
    buf_add_text(&b, "}");
    text = mem_text(buf_text(&b));
    buf_fini(&b);
    return text;
}

/* The stores whose copies were read back whole. */
static const char *
stores_text(const bool is_whole[KEEP_COPIES], bool *out_all, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "{");

    *out_all = true;
    for (int store = 0; store < KEEP_COPIES; store++) {
        if (is_whole[store])
            n += (size_t)snprintf(out + n, size - n, "%s%d", n > 1 ? "," : "", store);
        *out_all = *out_all && is_whole[store];
    }
    snprintf(out + n, size - n, "}");
    return out;
}

/* The pack's row, its copies', its instances' places: at once; and the receipts, if every copy was
 * read back whole. Else the scrubber gives them. */
static int
put_pack(struct keep *k, const struct pack_again *p, const uint8_t sha256[32],
         const bool is_whole[KEEP_COPIES], size_t *out_n, struct err *err)
{
    char stores[8 * KEEP_COPIES];
    bool is_all;
    uint8_t *hashes = mem_new(p->count * 32 + 1);
    char *objects, *places = numbers_text(NULL, p), *ids = NULL, path[PATH_MAX];
    int64_t now_us = clock_wall_us();
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    for (size_t i = 0; i < p->count; i++)
        memcpy(hashes + i * 32, p->members[i].object, 32);
    objects = pg_array_bytes(hashes, 32, p->count);
    path_of(k, 0, p->tenant, sha256, path);
    if (pg_get(k->pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        lock_jobs(conn, p->tenant, objects, err) < 0 ||
        pg_run(conn, "pack_again",
               PG_ARGS(PG_TEXT(p->tenant), PG_BYTES(sha256, 32), PG_TEXT(objects), PG_TEXT(places),
                       PG_INT(p->size), PG_INT(p->revision), PG_BOOL(p->is_quarantine),
                       PG_INT(now_us), PG_TEXT(path + strlen(k->stores[0]) + 1),
                       PG_TEXT(stores_text(is_whole, &is_all, stores, sizeof stores)),
                       PG_INT(KEEP_COPIES)),
               &rows, err) < 0)
        goto out;
    ids = numbers_text(rows, NULL);
    if (!is_all || (pg_run(conn, "receipts_lock", PG_NO_ARGS, NULL, err) == 0 &&
                    pg_run(conn, "receipts_for_packed", PG_ARGS(PG_TEXT(ids), PG_INT(now_us)), NULL,
                           err) == 0))
        rc = pg_commit(conn, err);
    *out_n = pg_rows_count(rows);
out:
    pg_put(&conn);
    pg_rows_free(&rows);
    free(objects);
    free(places);
    free(hashes);
    free(ids);
    return rc;
}

static int
take_members(struct keep *k, const struct pack_again *p, struct err *err)
{
    for (size_t i = 0; i < p->count; i++) {
        enum arrival_end end;

        if (place_member(k, p, &p->members[i], &end, err) < 0)
            return -1;
    }
    return 0;
}

/* From the first copy that is whole; the others are read back, too. In a store whose disk is away
 * there is none. */
static int
read_pack(struct keep *k, const char *tenant, const uint8_t sha256[32],
          bool out_is_whole[KEEP_COPIES], struct pack_again *out, struct err *err)
{
    bool is_read = false;

    for (int store = 0; store < KEEP_COPIES; store++) {
        char path[PATH_MAX];
        struct stat st;
        struct err why; /* the scrubber says it when it makes that copy anew */

        path_of(k, store, tenant, sha256, path);
        if (stat(path, &st) < 0 || disk_check(k, KEEP_STORE_A + store, &why) < 0)
            out_is_whole[store] = false;
        else if (is_read)
            out_is_whole[store] = pack_verify(path, sha256, out->count, &why) == 0;
        else
            is_read = out_is_whole[store] = pack_read_again(path, sha256, out, err) == 0;
    }
    if (is_read)
        return 0;
    return err->kind != ERR_NONE ? -1 : err_set(err, ERR_NOT_FOUND, "it is not there any more");
}

static int
take_pack(struct packs_walk *w, struct keep *k, const uint8_t sha256[32], struct err *err)
{
    struct log_ctx ctx = keep_log;
    struct pack_again p;
    bool is_whole[KEEP_COPIES];
    char path[PATH_MAX];
    size_t n = 0;
    int rc = -1;

    err_clear(err);
    for (int store = 0; store < KEEP_COPIES; store++) {
        path_of(k, store, w->tenant, sha256, path);
        if (is_young(path)) {
            w->pause_ms = w->pause_ms < YOUNG_S * 1000 ? w->pause_ms : YOUNG_S * 1000;
            return 0;
        }
    }
    if (read_pack(k, w->tenant, sha256, is_whole, &p, err) < 0)
        return -1;
    if (strcmp(p.tenant, w->tenant) != 0)
        err_set(err, ERR_CONFLICT, "a pack of another organisation");
    else if (take_members(k, &p, err) == 0)
        rc = put_pack(k, &p, sha256, is_whole, &n, err);
    ctx.tenant = w->tenant;
    if (rc == 0 && n > 0) { /* else all of it is kept elsewhere, too */
        LOG(&ctx, KEEP_PACK_FOUND, F_UID("study", p.study), F_HEX("pack", sha256, 32),
            F_NUMBER("instances", n));
        keep_wake(k, true);
        receipts_ring(k, p.tenant);
    }
    pack_again_fini(&p);
    return rc;
}

/* ---- the walk ---- */

/* Into the next organisation's folder; w->tenant "": there is none in this store. */
static int
next_tenant(struct packs_walk *w, struct err *err)
{
    const struct dirent *e;
    int rc;

    while ((rc = folder_next(w->tenants, &e, err)) == 0 && e != NULL)
        if (e->d_name[0] != '.' && text_copy(w->tenant, sizeof w->tenant, e->d_name)) {
            w->folder = 0;
            return 0;
        }
    w->tenant[0] = '\0';
    return rc;
}

static int
ask_unknown(struct packs_walk *w, struct keep *k, const uint8_t *hashes, size_t n, struct err *err)
{
    char *list = pg_array_bytes(hashes, 32, n);
    struct pg_rows *rows = NULL;
    int rc = keep_run(k, "packs_unknown", PG_ARGS(PG_TEXT(w->tenant), PG_TEXT(list)), &rows, err);

    if (rc == 0) {
        w->unknown = mem_new((pg_rows_count(rows) + 1) * sizeof *w->unknown);
        for (w->n = 0, w->at = 0; w->n < pg_rows_count(rows); w->n++)
            pg_copy_bytes(rows, w->n, 0, w->unknown[w->n], 32);
    }
    pg_rows_free(&rows);
    free(list);
    return rc;
}

/* The unknown ones of the next folder of this organisation. */
static int
read_folder(struct packs_walk *w, struct keep *k, struct err *err)
{
    char path[PATH_MAX], hex[HEX + 1];
    uint8_t *hashes = NULL;
    const struct dirent *e;
    size_t n = 0;
    DIR *folder;
    int rc;

    snprintf(path, sizeof path, "%s/packs/%s/%02x", k->stores[w->store], w->tenant, w->folder++);
    folder = opendir(path);
    if (folder == NULL) /* most of a small archive are not there; of a sick disk the others are */
        return errno == ENOENT ? 0 : err_sys(err, ERR_CONFLICT, "open folder %s", path);
    while ((rc = folder_next(folder, &e, err)) == 0 && e != NULL) {
        if (strlen(e->d_name) != HEX + 4 || strcmp(e->d_name + HEX, ".zip") != 0)
            continue;
        memcpy(hex, e->d_name, HEX);
        hex[HEX] = '\0';
        hashes = mem_grow(hashes, (n + 1) * 32);
        n += hex_decode(hex, hashes + n * 32, 32) == 0;
    }
    closedir(folder);
    if (rc < 0) {
        err->kind = ERR_CONFLICT; /* as one that does not open */
        err_context(err, "folder %s", path);
    } else if (n > 0) {
        rc = ask_unknown(w, k, hashes, n, err);
    }
    free(hashes);
    return rc;
}

static int
look_at_tenant(struct packs_walk *w, struct keep *k, struct err *err)
{
    if (keep_tenant_find(k, w->tenant, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    w->unowned++;
    w->pause_ms = w->pause_ms < UNOWNED_MS ? w->pause_ms : UNOWNED_MS;
    text_copy(w->unowned_tenant, sizeof w->unowned_tenant, w->tenant);
    w->tenant[0] = '\0';
    return 0;
}

/* One whose disk is away is passed over. */
static int
open_store(struct packs_walk *w, struct keep *k, bool *out_is_end, struct err *err)
{
    char path[PATH_MAX];
    struct err why; /* said already (disks.c) */

    if (disk_check(k, KEEP_STORE_A + w->store, &why) < 0) {
        w->pause_ms = AGAIN_MS;
        *out_is_end = ++w->store == KEEP_COPIES;
        return 0;
    }
    snprintf(path, sizeof path, "%s/packs", k->stores[w->store]);
    w->tenants = opendir(path);
    return w->tenants == NULL ? err_sys(err, ERR_RETRY, "open folder %s", path) : 0;
}

/* One step further. */
static int
step_on(struct packs_walk *w, struct keep *k, bool *out_is_end, struct err *err)
{
    int rc;

    if (w->at < w->n)
        return take_pack(w, k, w->unknown[w->at++], err);
    free(TAKE(w->unknown));
    w->n = w->at = 0;
    if (w->tenant[0] != '\0' && w->folder < FOLDERS)
        return read_folder(w, k, err);
    if (w->tenants == NULL)
        return open_store(w, k, out_is_end, err);
    rc = next_tenant(w, err);
    if (rc == 0 && w->tenant[0] != '\0')
        return look_at_tenant(w, k, err);
    if (rc < 0)
        err->kind = ERR_CONFLICT; /* the other store is looked at */
    closedir(TAKE(w->tenants));
    *out_is_end = ++w->store == KEEP_COPIES;
    return rc;
}

/* What came directly is on a list again, after all of it that was found; also what a walk found
 * that was not ended. */
static int
end_walk(struct keep *k, struct err *err)
{
    struct packs_walk *w = k->packs;
    struct log_ctx ctx = keep_log;
    int rc = manifest_close_found(k, err);

    if (rc < 0)
        w->pause_ms = w->pause_ms < AGAIN_MS ? w->pause_ms : AGAIN_MS;
    ctx.tenant = w->unowned_tenant;
    if (w->unowned > 0)
        LOG(&ctx, KEEP_FOUND_UNOWNED, F_NUMBER("folders", w->unowned));
    k->packs_at_ms = clock_mono_ms() + w->pause_ms;
    packs_stop(k);
    return rc;
}

void
packs_stop(struct keep *k)
{
    if (k->packs == NULL)
        return;
    if (k->packs->tenants != NULL)
        closedir(k->packs->tenants);
    free(k->packs->unknown);
    free(TAKE(k->packs));
}

int
packs_take_in(struct keep *k, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + TURN_MS;
    bool is_end = false;
    struct err later;
    int rc = 0;

    if (k->packs == NULL && k->packs_at_ms > clock_mono_ms())
        return 0;
    if (k->packs == NULL) {
        k->packs = mem_new(sizeof *k->packs);
        k->packs->pause_ms = EVERY_MS;
    }
    while (!is_end && clock_mono_ms() < until_ms && !keep_is_closing(k)) {
        struct err *why = rc == 0 ? err : &later;

        if (step_on(k->packs, k, &is_end, why) == 0)
            continue;
        rc = -1;
        if (why->kind != ERR_RETRY && why->kind != ERR_FULL)
            continue; /* that one is bad: the others are taken in */
        k->packs->pause_ms = AGAIN_MS;
        is_end = true;
    }
    if (is_end && end_walk(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    else if (!is_end)
        keep_wake(k, true); /* at once */
    return rc < 0 ? err_context(err, "look for packs that the catalog lost") : 0;
}
