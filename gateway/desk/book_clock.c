/* book_clock.c - times in the book when the wall clock is set right.
 *
 * A machine without a clock of its own begins days off and is set right when the line is there.
 * What was registered until then bears times that never were: devices ask for today's, and images
 * are looked for among the last days' registrations. So times of our own follow the clock:
 *
 *     it was set while the machine runs    what this boot wrote moves by as much
 *     after a boot it is earlier than      open registrations, of the last days before the newest,
 *     what waits here                      move so that the newest was made now
 *     after a boot it is later             nothing: the machine was switched off
 *
 * Times that others gave (an order of the HIS for tomorrow) stay. */
#include "gateway/desk/book_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

#define KEY "clock" /* "BOOT OFFSET_MS FIRST": docs/formats/desk.md */

static const struct log_ctx ctx = {.stage = "gateway/desk"};
static const int64_t slack_ms = INT64_C(10) * 60000;
static const int64_t open_us = INT64_C(2) * 86400 * 1000000; /* a registration waits for images */

void
clock_name_boot(struct book *book)
{
    uint8_t *bytes = NULL;
    struct err ignored;
    size_t n = 0;

    /* unknown: each start of the program is one */
    snprintf(book->boot, sizeof book->boot, "at-%" PRId64, clock_wall_us());
    if (durable_get_file("/proc/sys/kernel/random/boot_id", 4096, &bytes, &n, &ignored) == 0 &&
        n > 1 && n < sizeof book->boot)
        snprintf(book->boot, sizeof book->boot, "%.*s", (int)strcspn((char *)bytes, "\n"),
                 (const char *)bytes);
    free(bytes);
}

/* What the wall clock says when the machine came up. */
static int64_t
offset_now(void)
{
    return clock_wall_us() / 1000 - clock_boot_ms();
}

struct kept {
    char boot[64];
    int64_t offset_ms;
    int64_t first; /* orders with a higher number were written under this clock */
};

static int
kept_read(struct book *book, struct kept *out, struct err *err)
{
    char text[160];

    if (setting_get(book, KEY, text, sizeof text, err) < 0)
        return -1;
    if (sscanf(text, "%63s %" SCNd64 " %" SCNd64, out->boot, &out->offset_ms, &out->first) != 3)
        *out = (struct kept){.boot = ""};
    return 0;
}

static int
kept_write(struct book *book, int64_t offset_ms, int64_t first, struct err *err)
{
    char text[160];

    snprintf(text, sizeof text, "%s %" PRId64 " %" PRId64, book->boot, offset_ms, first);
    return setting_set(book, KEY, text, err);
}

/* Registrations first: whose they are is asked of the orders' times. */
static int
shift(struct book *book, int64_t first, int64_t made_after_us, bool is_open, int64_t by_ms,
      struct err *err)
{
    static const char *const queries[] = {"clock_shift_registrations", "clock_shift_orders"};

    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        if (db_run(book->db, queries[i],
                   DB_ARGS(DB_INT(first), DB_INT(made_after_us), DB_INT(is_open),
                           DB_INT(by_ms * 1000)),
                   NULL, err) < 0)
            return -1;
    LOG(&ctx, DESK_CLOCK_FOLLOWED, F_NUMBER("seconds", by_ms / 1000));
    return 0;
}

/* What waits here was made before now. */
static int
begin_boot(struct book *book, int64_t offset_ms, struct err *err)
{
    int64_t now_us = clock_wall_us(), newest_us, first;
    struct db_rows *rows = NULL;
    int rc = 0;

    if (db_run(book->db, "clock_newest", DB_ARGS(DB_INT(open_us)), &rows, err) < 0)
        return -1;
    newest_us = db_int(rows, 0, 0);
    first = db_int(rows, 0, newest_us > now_us + slack_ms * 1000 ? 1 : 2);
    db_rows_free(&rows);
    if (newest_us > now_us + slack_ms * 1000)
        rc = shift(book, 0, newest_us - open_us, true, (now_us - newest_us) / 1000, err);
    return rc < 0 ? -1 : kept_write(book, offset_ms, first, err);
}

int
clock_follow(struct book *book, struct err *err)
{
    int64_t offset_ms = offset_now(), jump_ms;
    struct kept kept;

    if (kept_read(book, &kept, err) < 0)
        return -1;
    if (strcmp(kept.boot, book->boot) != 0)
        return begin_boot(book, offset_ms, err);
    jump_ms = offset_ms - kept.offset_ms;
    if (jump_ms >= -slack_ms && jump_ms <= slack_ms)
        return 0;
    return shift(book, kept.first, INT64_MIN, false, jump_ms, err) < 0
               ? -1
               : kept_write(book, offset_ms, kept.first, err);
}

int
book_clock_look(struct book *book, struct err *err)
{
    int64_t offset_ms = offset_now();
    bool is_as_seen;
    int rc;

    gate_lock(&book->gate);
    is_as_seen = book->is_clock_seen && llabs(offset_ms - book->clock_offset_ms) <= slack_ms;
    gate_unlock(&book->gate);
    if (is_as_seen)
        return 0;
    rc = db_begin(book->db, err);
    if (rc == 0)
        rc = db_end(book->db, clock_follow(book, err), err);
    if (rc < 0)
        return err_context(err, "times that follow the clock");
    gate_lock(&book->gate);
    book->is_clock_seen = true;
    book->clock_offset_ms = offset_ms;
    gate_unlock(&book->gate);
    book_changed(book);
    return 0;
}
