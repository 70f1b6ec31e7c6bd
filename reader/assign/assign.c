/* assign.c - the stage's life: its two threads, who waits for the log, and its routes. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"

#include <stdlib.h>

enum {
    LEASE_SHORT_MS = 20 * 60 * 1000,
    LEASE_LONG_MS = 60 * 60 * 1000,
    TICK_MS = 1000,   /* leases end, other processes write */
    SWEEP_MS = 15000, /* accounts and agreements */
    EVENTS_WAIT_S = 25,
    FIRST_PAUSE_MS = 250,
    LONGEST_PAUSE_MS = 5000
};

const struct log_ctx assign_log = {.stage = "reader/assign"};

/* ---- waiting ---- */
bool
assign_is_stopping(struct assign *a)
{
    bool is;

    gate_lock(&a->gate);
    is = a->is_stopping;
    gate_unlock(&a->gate);
    return is;
}

bool
assign_pause(struct assign *a, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms;
    bool goes_on;

    gate_lock(&a->gate);
    while (!a->is_stopping && clock_mono_ms() < until)
        gate_wait_ms(&a->gate, until - clock_mono_ms());
    goes_on = !a->is_stopping;
    gate_unlock(&a->gate);
    return goes_on;
}

bool
backoff_wait(struct backoff *b, struct assign *a, const struct err *err)
{
    if (assign_is_stopping(a))
        return false;
    if (!b->is_told)
        LOG(&assign_log, ASSIGN_AWAY, F_ERR(err));
    b->is_told = true;
    b->wait_ms = b->wait_ms == 0 ? FIRST_PAUSE_MS : b->wait_ms * 2;
    if (b->wait_ms > LONGEST_PAUSE_MS)
        b->wait_ms = LONGEST_PAUSE_MS;
    return assign_pause(a, b->wait_ms);
}

void
backoff_end(struct backoff *b)
{
    if (b->is_told)
        LOG(&assign_log, ASSIGN_BACK);
    *b = (struct backoff){0};
}

void
assign_wake(struct assign *a)
{
    gate_lock(&a->gate);
    a->wakes++;
    gate_wake(&a->gate);
    gate_unlock(&a->gate);
}

/* ---- the threads ---- */
static void *
run_intake(void *arg)
{
    struct assign *a = arg;
    struct backoff backoff = {0};
    struct err err = {0};

    while (!assign_is_stopping(a)) {
        if (intake_step(a, EVENTS_WAIT_S, &err) == 0)
            backoff_end(&backoff);
        else if (!backoff_wait(&backoff, a, &err))
            break;
    }
    return NULL;
}

/* The log's number now; who waits for it is woken when it moved. out_loads may be NULL. */
static int
look_at_log(struct assign *a, int64_t *out_loads, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t last;

    if (choose_list(a->options.pg, "assign_log_last", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    last = pg_int(rows, 0, 0);
    if (out_loads != NULL)
        *out_loads = pg_int(rows, 0, 1);
    pg_rows_free(&rows);
    gate_lock(&a->gate);
    if (last > a->change) {
        a->change = last;
        gate_wake(&a->gate);
    }
    gate_unlock(&a->gate);
    return 0;
}

/* When accounts and agreements were last looked at. */
struct sweep {
    int64_t next_ms, loads, at_us;
};

/* Accounts every now and then; agreements too, if they were loaded, or one began or ended. */
static int
what_is_due(struct assign *a, const struct sweep *sweep, int64_t loads, int64_t now_us,
            unsigned *out_what, struct err *err)
{
    struct pg_rows *rows = NULL;

    *out_what = 0;
    if (loads != sweep->loads) {
        *out_what = CHOOSE_EVERYTHING;
        return 0;
    }
    if (clock_mono_ms() < sweep->next_ms)
        return 0;
    if (choose_list(a->options.pg, "choose_boundaries",
                    PG_ARGS(PG_INT(sweep->at_us), PG_INT(now_us)), &rows, err) < 0)
        return -1;
    *out_what = CHOOSE_ACCOUNTS | (pg_truth(rows, 0, 0) ? CHOOSE_AGREEMENTS : 0);
    pg_rows_free(&rows);
    return 0;
}

static int
look_after(struct assign *a, struct sweep *sweep, struct err *err)
{
    int64_t loads, now_us = clock_wall_us();
    bool has_changed = false;
    unsigned what;

    /* first what others wrote, so that streams need not wait for a round of choices */
    if (look_at_log(a, &loads, err) < 0 || what_is_due(a, sweep, loads, now_us, &what, err) < 0 ||
        choose_round(a->options.pg, what, &has_changed, err) < 0)
        return -1;
    if (what != 0)
        *sweep = (struct sweep){clock_mono_ms() + SWEEP_MS, loads, now_us};
    return has_changed ? look_at_log(a, NULL, err) : 0;
}

/* Until the next tick or a wake; false when the stage stops. */
static bool
wait_tick(struct assign *a, uint64_t *seen)
{
    int64_t until = clock_mono_ms() + TICK_MS;
    bool goes_on;

    gate_lock(&a->gate);
    while (!a->is_stopping && a->wakes == *seen && clock_mono_ms() < until)
        gate_wait_ms(&a->gate, until - clock_mono_ms());
    *seen = a->wakes;
    goes_on = !a->is_stopping;
    gate_unlock(&a->gate);
    return goes_on;
}

static void *
run_chooser(void *arg)
{
    struct assign *a = arg;
    struct backoff backoff = {0};
    struct sweep sweep = {0, -1, 0};
    uint64_t seen = 0;
    struct err err = {0};

    do {
        if (look_after(a, &sweep, &err) < 0) {
            if (!backoff_wait(&backoff, a, &err))
                break;
            continue;
        }
        backoff_end(&backoff);
    } while (wait_tick(a, &seen));
    return NULL;
}

int64_t
assign_events_wait(struct assign *a, int64_t after, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms, change;

    gate_lock(&a->gate);
    while (!a->is_stopping && a->change <= after && clock_mono_ms() < until)
        gate_wait_ms(&a->gate, until - clock_mono_ms());
    change = a->change;
    gate_unlock(&a->gate);
    return change;
}

/* ---- life ---- */
static int
put_settings(const struct assign_options *o, struct err *err)
{
    int64_t brief = o->lease_short_ms > 0 ? o->lease_short_ms : LEASE_SHORT_MS;
    int64_t longer = o->lease_long_ms > 0 ? o->lease_long_ms : LEASE_LONG_MS;

    return choose_list(o->pg, "choose_settings",
                       PG_ARGS(PG_INT(brief * 1000), PG_INT(longer * 1000)), NULL, err);
}

int
assign_start(const struct assign_options *options, struct assign **out_assign, struct err *err)
{
    struct assign *a = mem_new(sizeof *a);

    a->options = *options;
    if (put_settings(options, err) < 0) {
        free(a);
        return err_context(err, "assign");
    }
    gate_init(&a->gate);
    a->has_intake = options->archive != NULL;
    a->chooser = thread_start("assign-choose", run_chooser, a);
    if (a->has_intake)
        a->intake = thread_start("assign-intake", run_intake, a);
    *out_assign = a;
    return 0;
}

void
assign_stop(struct assign *a)
{
    gate_lock(&a->gate);
    a->is_stopping = true;
    gate_wake(&a->gate);
    gate_unlock(&a->gate);
}

void
assign_free(struct assign **assign)
{
    struct assign *a = TAKE(*assign);

    if (a == NULL)
        return;
    assign_stop(a);
    thread_join(a->chooser);
    if (a->has_intake)
        thread_join(a->intake);
    gate_fini(&a->gate);
    free(a);
}

/* ---- routes ---- */
#define API "/api/v1"
#define READ API "/reads/{read}"

enum { BODY_BYTES = 8192 };

static const struct http_route routes[] = {
    {.method = "GET",
     .pattern = API "/worklist",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_READS,
     .handle = route_worklist,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = API "/worklist/stream",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_READS,
     .handle = route_stream,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = READ,
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_READS,
     .handle = route_read,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = READ "/claim",
     .callers = HTTP_STAFF,
     .rights = MAY_CLAIM,
     .body_limit = BODY_BYTES,
     .handle = route_claim,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = READ "/renew",
     .callers = HTTP_STAFF,
     .rights = MAY_CLAIM,
     .body_limit = BODY_BYTES,
     .handle = route_renew,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "POST",
     .pattern = READ "/release",
     .callers = HTTP_STAFF,
     .rights = MAY_CLAIM,
     .body_limit = BODY_BYTES,
     .handle = route_release,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = READ "/urgency",
     .callers = HTTP_STAFF,
     .rights = MAY_MARK_URGENT,
     .body_limit = BODY_BYTES,
     .handle = route_urgency,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = API "/duty",
     .callers = HTTP_STAFF,
     .rights = MAY_CLAIM,
     .body_limit = BODY_BYTES,
     .handle = route_duty,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = API "/organisations",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_CENTRE,
     .handle = route_organisations,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = API "/doctors",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_CENTRE,
     .handle = route_doctors,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = API "/agreements",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_CENTRE,
     .handle = route_agreements,
     .flags = HTTP_NO_STORE},
};

struct http_table
assign_table(struct assign *a)
{
    return (struct http_table){.routes = routes, .count = ARRAY_LEN(routes), .user = a};
}
