/* keep.c - open and close the archive; its working thread. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "storage/keep/landing.h"

#include <stdlib.h>

/* Groups of pieces that are made durable at once, and how long one waits for its turn at most. */
enum { SHARE_TURNS = 8, SHARE_TURNS_BEHIND = 1, SHARE_LIMIT_MS = 2000, BEHIND_LOOK_MS = 1000 };
enum { WORK_LEAST_MS = 50, WORK_MOST_MS = 1000, WORK_REST_MS = 200, SEAL_TURN_MS = 2000 };
enum { CLEAN_PAGE = 500, FORGET_PAGE = 2000 };
#define DAYS_30_MS INT64_C(2592000000)

static const char *const query_files[] = {
    "storage/keep/tenants.sql",   "storage/keep/arrive.sql",  "storage/keep/find.sql",
    "storage/keep/reconcile.sql", "storage/keep/policy.sql",  "storage/keep/seal.sql",
    "storage/keep/gone.sql",      "storage/keep/missing.sql", "storage/keep/forget.sql",
    "storage/keep/disks.sql",     "storage/keep/lost.sql",    NULL,
};

const struct log_ctx keep_log = {.stage = "storage/keep"};

static int
make_folders(const char *base, const char *const *names, struct err *err)
{
    if (durable_mkdir(base, err) < 0)
        return -1;
    for (; *names != NULL; names++) {
        char *path = mem_printf("%s/%s", base, *names);
        int rc = durable_mkdir(path, err);

        free(path);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* The landing's own; the others are looked at first (disks.c). What a crash left in tmp/ was never
 * promised to anybody. */
static int
make_landing(struct keep *k, struct err *err)
{
    static const char *const folders[] = {"tmp", "partial", "whole", "corrupt", NULL};

    return make_folders(k->landing, folders, err) < 0 ? -1 : landing_clear_tmp(k->landing, err);
}

/* ---- the threads ---- */

/* One that works when there is work, and looks now and then. */
struct turn {
    struct keep *k;
    uint64_t seen;
    int64_t passed_ms;
    bool is_away; /* the catalog, or a disk: said once */
};

/* Gate held. Each arrival says that there is work: a pass looks for that of all of them. */
static void
rest(const struct turn *t)
{
    int64_t left;

    while (!t->k->is_closing && (left = t->passed_ms + WORK_REST_MS - clock_mono_ms()) > 0)
        gate_wait_ms(&t->k->gate, left);
}

static int64_t
look_again_ms(const struct keep *k)
{
    int64_t ms = k->quiet_ms / 4;

    return ms < WORK_LEAST_MS ? WORK_LEAST_MS : ms > WORK_MOST_MS ? WORK_MOST_MS : ms;
}

/* False: it is over. */
static bool
next_turn(struct turn *t)
{
    struct keep *k = t->k;
    bool is_closing;

    gate_lock(&k->gate);
    rest(t);
    if (k->works == t->seen && !k->is_closing)
        gate_wait_ms(&k->gate, look_again_ms(k));
    t->seen = k->works;
    is_closing = k->is_closing;
    gate_unlock(&k->gate);
    return !is_closing;
}

static void
end_turn(struct turn *t, int rc, const struct err *err)
{
    t->passed_ms = clock_mono_ms();
    if (rc < 0 && !t->is_away)
        LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(err));
    t->is_away = rc < 0;
}

/* What is held and not packed stays bounded: a long backlog leaves landing one turn at a time. The
 * turns are as fair as ever, and nobody waits for a pack. */
static int
give_way(struct keep *k, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    bool was_behind = k->is_behind;

    if (k->behind_looked_ms != 0 && now_ms - k->behind_looked_ms < BEHIND_LOOK_MS)
        return 0;
    if (seal_is_behind(k, &k->is_behind, err) < 0)
        return -1;
    k->behind_looked_ms = now_ms;
    share_set_turns(k->share, k->is_behind ? SHARE_TURNS_BEHIND : SHARE_TURNS);
    if (k->is_behind && !was_behind)
        LOG(&keep_log, KEEP_PACKING_BEHIND);
    else if (was_behind && !k->is_behind)
        LOG(&keep_log, KEEP_PACKING_CAUGHT_UP);
    return 0;
}

/* Each whether the others can or not; the first trouble is told. */
static int
look_for_work(struct keep *k, struct err *err)
{
    struct err later;
    int rc;

    room_watch(k);
    rc = give_way(k, err);
    if (disks_watch(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (traffic_write(k, false, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (receipts_look(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (manifest_close_quiet(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (manifest_pack_unlisted(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    return rc;
}

/* What is sealed, or forgotten, leaves the landing; and one copy of a pack is read back a turn.
 * Each whether the others can or not; the first trouble is told. */
static int
look_after_packs(struct keep *k, struct err *err)
{
    struct err later;
    bool did;
    int rc = clean_landing(k, err);

    if (landing_sweep(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (packs_take_in(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    /* Behind the first walk through the packs: they know whose a study is; what lies on the landing
     * may have been put aside. */
    if (k->packs_at_ms != 0 && found_take_in(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (missing_look(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (lost_watch(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (aside_note(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (forget_old(k, rc == 0 ? err : &later) < 0)
        rc = -1;
    if (scrub_next(k, &did, rc == 0 ? err : &later) < 0)
        rc = -1;
    return rc;
}

static void *
work_run(void *arg)
{
    struct turn t = {.k = arg, .passed_ms = clock_mono_ms() - WORK_REST_MS};

    while (next_turn(&t)) {
        struct err err;
        struct err later;
        int rc = look_for_work(t.k, &err);

        if (look_after_packs(t.k, rc == 0 ? &err : &later) < 0)
            rc = -1;

        end_turn(&t, rc, &err);
    }
    return NULL;
}

/* All that is due until the time is over: whoever stops this program waits for a few packs, not for
 * a backlog. */
static int
pack_pass(struct keep *k, int64_t until_ms, int *out_sealed, struct err *err)
{
    bool did = true;

    *out_sealed = 0;
    while (did && !keep_is_closing(k) && clock_mono_ms() < until_ms) {
        int sealed;

        if (seal_next(k, &sealed, &did, err) < 0)
            return -1;
        *out_sealed += sealed;
    }
    return 0;
}

static void *
pack_run(void *arg)
{
    struct turn t = {.k = arg, .passed_ms = clock_mono_ms() - WORK_REST_MS};

    while (next_turn(&t)) {
        struct err err;
        int sealed, rc = pack_pass(t.k, INT64_MAX, &sealed, &err);

        end_turn(&t, rc, &err);
    }
    return NULL;
}

/* A packer holds a connection for as long as its packs take: most stay for those who arrive. */
static void
start_threads(struct keep *k, int connections)
{
    unsigned packers = connections / 2 < PACKERS ? (unsigned)connections / 2 : PACKERS;

    k->works = 1;
    k->has_worker = true;
    k->worker = thread_start("keep-work", work_run, k);
    while (k->packers_n < packers || k->packers_n == 0)
        k->packers[k->packers_n++] = thread_start("keep-pack", pack_run, k);
    finish_start(k);
}

static void
init_gates(struct keep *k)
{
    gate_init(&k->gate);
    bell_init(&k->unbusy);
    finish_init(&k->finish);
    gate_init(&k->receipts_gate);
    gate_init(&k->disks_gate);
}

static void
fini_gates(struct keep *k)
{
    gate_fini(&k->disks_gate);
    gate_fini(&k->receipts_gate);
    finish_fini(&k->finish);
    bell_fini(&k->unbusy);
    gate_fini(&k->gate);
}

int
keep_open_idle(const struct keep_options *options, struct codec_pool *pool, struct audit *audit,
               struct keep **out_keep, struct err *err)
{
    struct keep *k = mem_new(sizeof *k);
    struct pg_options pg = {.conninfo = options->conninfo,
                            .query_files = query_files,
                            .migrations = "storage/keep/migrations/",
                            .connections = options->connections,
                            .sole = options->sole};
    int rc = -1;

    init_gates(k);
    k->share = share_new(SHARE_TURNS, SHARE_LIMIT_MS);
    k->traffic = traffic_new();
    k->proofs = proofs_new();
    k->pool = pool;
    k->audit = audit;
    k->landing = mem_text(options->landing);
    k->landing_copy = mem_text(options->landing_copy);
    for (int i = 0; i < KEEP_COPIES; i++)
        k->stores[i] = mem_text(options->stores[i]);
    k->quiet_ms = options->quiet_ms;
    k->clean_after_ms = options->clean_after_ms;
    k->clean_page = CLEAN_PAGE;
    k->clean_past_us = INT64_MIN;
    k->forget_page = FORGET_PAGE;
    k->scrub_ms = options->scrub_ms > 0 ? options->scrub_ms : DAYS_30_MS;
    k->warn_free = options->warn_free;
    k->refuse_free = options->refuse_free;
    k->forget_after_ms = options->forget_after_ms > 0 ? options->forget_after_ms : DAYS_30_MS;
    if (make_landing(k, err) < 0 || pg_open(&pg, &k->pg, err) < 0 || disks_watch(k, err) < 0)
        goto out;
    LOG(&keep_log, KEEP_OPENED);
    *out_keep = TAKE(k);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "open the archive");
    keep_close(&k);
    return rc;
}

/* Without folders and threads. */
static int
open_catalog(const char *conninfo, bool is_guest, struct keep **out_keep, struct err *err)
{
    struct keep *k = mem_new(sizeof *k);
    struct pg_options pg = {.conninfo = conninfo,
                            .query_files = query_files,
                            .migrations = "storage/keep/migrations/",
                            .is_guest = is_guest,
                            .connections = 1};

    init_gates(k);
    k->share = share_new(SHARE_TURNS, SHARE_LIMIT_MS);
    k->traffic = traffic_new();
    if (pg_open(&pg, &k->pg, err) < 0) {
        keep_close(&k);
        return -1;
    }
    *out_keep = k;
    return 0;
}

int
keep_open_catalog(const char *conninfo, struct keep **out_keep, struct err *err)
{
    return open_catalog(conninfo, true, out_keep, err);
}

int
keep_check_home(const char *conninfo, const char *data_dir, struct err *err)
{
    struct keep *k = NULL;
    int rc = -1;

    if (open_catalog(conninfo, false, &k, err) == 0)
        rc = disk_check_home(k, data_dir, err);
    keep_close(&k);
    return rc;
}

int
keep_health_get(struct keep *k, struct keep_health *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "health", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    *out = (struct keep_health){.unsealed = (uint64_t)pg_int(rows, 0, 0),
                                .sealed = (uint64_t)pg_int(rows, 0, 1),
                                .quarantined = (uint64_t)pg_int(rows, 0, 2),
                                .packs = (uint64_t)pg_int(rows, 0, 3),
                                .oldest_check_us = pg_int(rows, 0, 4),
                                .doubted = (uint64_t)pg_int(rows, 0, 5)};
    pg_rows_free(&rows);
    return 0;
}

int
keep_open(const struct keep_options *options, struct codec_pool *pool, struct audit *audit,
          struct keep **out_keep, struct err *err)
{
    struct keep *k = NULL;

    if (keep_open_idle(options, pool, audit, &k, err) < 0)
        return -1;
    start_threads(k, options->connections);
    *out_keep = k;
    return 0;
}

void
keep_close(struct keep **keep)
{
    struct keep *k = TAKE(*keep);
    struct err err = {0};

    if (k == NULL)
        return;
    gate_lock(&k->gate);
    k->is_closing = true;
    gate_wake(&k->gate);
    gate_unlock(&k->gate);
    if (k->has_worker)
        thread_join(k->worker);
    while (k->packers_n > 0)
        thread_join(k->packers[--k->packers_n]);
    finish_stop(k);
    CHECK(k->open_objects == NULL);
    direct_forget_all(k);
    found_stop(k);
    packs_stop(k);
    if (k->pg != NULL && traffic_write(k, true, &err) < 0)
        LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(&err));
    traffic_free(&k->traffic);
    proofs_free(&k->proofs);
    share_free(&k->share);
    pg_close(&k->pg);
    free(k->landing);
    free(k->landing_copy);
    for (int i = 0; i < KEEP_COPIES; i++)
        free(k->stores[i]);
    fini_gates(k);
    free(k);
}

void
keep_wake(struct keep *k, bool has_work)
{
    gate_lock(&k->gate);
    k->changes++;
    k->works += has_work;
    gate_wake(&k->gate);
    gate_unlock(&k->gate);
}

bool
keep_is_closing(struct keep *k)
{
    bool is;

    gate_lock(&k->gate);
    is = k->is_closing;
    gate_unlock(&k->gate);
    return is;
}

int
keep_run(struct keep *k, const char *name, const struct pg_arg *args, size_t count,
         struct pg_rows **out_rows, struct err *err)
{
    return pg_ask(k->pg, name, args, count, out_rows, err);
}

int
keep_check(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = keep_run(k, "tenant_find", PG_ARGS(PG_TEXT("")), &rows, err);

    pg_rows_free(&rows);
    return rc;
}

int
keep_work(struct keep *k, int *out_sealed, struct err *err)
{
    int sealed;

    if (look_for_work(k, err) < 0 ||
        pack_pass(k, clock_mono_ms() + SEAL_TURN_MS, &sealed, err) < 0 ||
        look_after_packs(k, err) < 0)
        return -1;
    *out_sealed = sealed;
    return 0;
}
