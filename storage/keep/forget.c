/* forget.c - rows that nobody needs any more go, a page a turn, so that the catalog grows with what
 * is kept and not with what was said about it (docs/decisions/centre.md, "What grows").
 *
 * 1. Of each device the newest receipt stays, of each clinic the newest event: cursors are compared
 *    with them. A cursor that stands at an older one that went is lost, and its owner compares.
 * 2. Nothing goes by a clock that was set within a day. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"

enum { PAGE_EVERY_MS = 60 * 60 * 1000, EVEN_MS = 24 * 60 * 60 * 1000 };
#define DAY_US INT64_C(86400000000)

/* Receipts: as long as a gateway knows what it handed over. Events: longer than any reader is away,
 * or set back to a backup. Jobs: for people who look why something was late. */
static const struct {
    const char *query;
    int64_t days;
} kinds[FORGET_KINDS] = {{"receipts_forget", 90}, {"events_forget", 400}, {"jobs_forget", 30}};

/* The next page of one kind; after the last one from the start again, in an hour. */
static int
forget_page(struct keep *k, size_t kind, struct err *err)
{
    int64_t before_us = clock_wall_us() - kinds[kind].days * DAY_US;
    struct pg_rows *rows = NULL;
    bool is_more;

    if (keep_run(k, kinds[kind].query,
                 PG_ARGS(PG_INT(k->forget[kind].past), PG_INT(before_us), PG_INT(k->forget_page)),
                 &rows, err) < 0)
        return -1;
    is_more = pg_truth(rows, 0, 0);
    k->forget[kind].past = is_more ? pg_int(rows, 0, 1) : 0;
    k->forget[kind].at_ms = is_more ? 0 : clock_mono_ms() + PAGE_EVERY_MS;
    pg_rows_free(&rows);
    return 0;
}

int
forget_old(struct keep *k, struct err *err)
{
    bool is_even = clock_even_ms() >= EVEN_MS;

    for (size_t i = 0; i < FORGET_KINDS && is_even; i++)
        if (k->forget[i].at_ms <= clock_mono_ms() && forget_page(k, i, err) < 0)
            return err_context(err, "forget old rows");
    return 0;
}
