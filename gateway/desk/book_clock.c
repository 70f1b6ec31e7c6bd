/* book_clock.c - times in the book when the wall clock is set right.
 *
 * A machine without a clock of its own begins days off and is set right when the line is there.
 * What was registered until then bears times that never were: devices ask for today's, and images
 * are looked for among the last days' registrations. So times of our own follow the clock:
 *
 *     it was set while the machine runs    what this boot wrote moves by as much
 *     the machine was switched off with    what the last boot wrote moves to when it was: as the
 *     a wrong clock                        centre's clock told it then; if it told nothing and the
 *                                          clock was of years before this program, to now
 *     after a boot it is earlier than      open registrations, of the last days before the newest,
 *     what waits here                      move so that the newest was made now
 *     after a boot it is later             nothing: the machine was switched off
 *
 * What moves: registrations, orders, and when studies came. Times that others gave (an order of the
 * HIS for tomorrow) stay. */
#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"

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

#define KEY "clock" /* "BOOT OFFSET_MS FIRST FIRST_STUDY CENTRE_MS": docs/formats/desk.md */

static const struct log_ctx ctx = {.stage = "gateway/desk"};
static const int64_t slack_ms = INT64_C(10) * 60000;
static const int64_t open_us = INT64_C(2) * 86400 * 1000000; /* a registration waits for images */
static const int64_t possible_ms = INT64_C(1767225600000);   /* 2026-01-01: none was made before */

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
    int64_t first;       /* orders with a higher number were written under this clock, */
    int64_t first_study; /* and studies behind this row */
    int64_t centre_ms;   /* what the centre's clock said when the machine came up; 0: not known */
};

static int
kept_read(struct book *book, struct kept *out, struct err *err)
{
    char text[200];
    int n;

    if (setting_get(book, KEY, text, sizeof text, err) < 0)
        return -1;
    *out = (struct kept){.first_study = INT64_MAX}; /* an older program does not say */
    n = sscanf(text, "%63s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, out->boot,
               &out->offset_ms, &out->first, &out->first_study, &out->centre_ms);
    if (n != 3 && n != 5)
        *out = (struct kept){.boot = ""};
    return 0;
}

static int
kept_write(struct book *book, const struct kept *kept, struct err *err)
{
    char text[200];

    snprintf(text, sizeof text, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, kept->boot,
             kept->offset_ms, kept->first, kept->first_study, kept->centre_ms);
    return setting_set(book, KEY, text, err);
}

static bool
is_far(int64_t ms)
{
    return ms < -slack_ms || ms > slack_ms;
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
    LOG(&ctx, DESK_CLOCK_FOLLOWED, F_NUMBER("seconds", llabs(by_ms) / 1000),
        F_WORD("moved", by_ms < 0 ? "back" : "forward"));
    return 0;
}

/* All that a boot wrote. */
static int
shift_all(struct book *book, const struct kept *boot, int64_t by_ms, struct err *err)
{
    if (shift(book, boot->first, INT64_MIN, false, by_ms, err) < 0)
        return -1;
    return db_run(book->db, "clock_shift_studies",
                  DB_ARGS(DB_INT(boot->first_study), DB_INT(by_ms * 1000)), NULL, err);
}

/* By how much the last boot's times were wrong. */
static int
wrong_by(struct book *book, const struct kept *last, int64_t *out_ms, struct err *err)
{
    int64_t now_ms = clock_wall_us() / 1000, newest_ms;
    struct db_rows *rows = NULL;

    *out_ms = last->centre_ms != 0 ? last->centre_ms - last->offset_ms : 0;
    if (last->centre_ms != 0 || last->offset_ms >= possible_ms || now_ms < possible_ms)
        return 0;
    if (db_run(book->db, "clock_newest_above",
               DB_ARGS(DB_INT(last->first), DB_INT(last->first_study)), &rows, err) < 0)
        return -1;
    newest_ms = db_int(rows, 0, 0) / 1000;
    db_rows_free(&rows);
    *out_ms = newest_ms > 0 && newest_ms < possible_ms ? now_ms - newest_ms : 0;
    return 0;
}

/* What waits here was made before now. What the last boot wrote and nobody can date yet is dated
 * with what this one writes. */
static int
begin_boot(struct book *book, const struct kept *last, int64_t offset_ms, struct err *err)
{
    struct kept now = {.offset_ms = offset_ms};
    int64_t now_us = clock_wall_us(), newest_us, wrong_ms = 0;
    bool is_ahead, is_undated = last->boot[0] != '\0' && last->centre_ms == 0 &&
                                last->offset_ms < possible_ms && now_us / 1000 < possible_ms;
    struct db_rows *rows = NULL;

    text_copy(now.boot, sizeof now.boot, book->boot);
    if (last->boot[0] != '\0' && wrong_by(book, last, &wrong_ms, err) < 0)
        return -1;
    if (is_far(wrong_ms) && shift_all(book, last, wrong_ms, err) < 0)
        return -1;
    if (db_run(book->db, "clock_newest", DB_ARGS(DB_INT(open_us)), &rows, err) < 0)
        return -1;
    newest_us = db_int(rows, 0, 0);
    is_ahead = newest_us > now_us + slack_ms * 1000;
    now.first = db_int(rows, 0, is_ahead ? 1 : 2);
    now.first_study = db_int(rows, 0, 3);
    db_rows_free(&rows);
    if (is_undated && last->first < now.first)
        now.first = last->first;
    if (is_undated && last->first_study < now.first_study)
        now.first_study = last->first_study;
    if (is_ahead && shift(book, 0, newest_us - open_us, true, (now_us - newest_us) / 1000, err) < 0)
        return -1;
    return kept_write(book, &now, err);
}

int
clock_follow(struct book *book, struct err *err)
{
    int64_t offset_ms = offset_now(), jump_ms;
    struct kept kept;

    if (kept_read(book, &kept, err) < 0)
        return -1;
    if (strcmp(kept.boot, book->boot) != 0)
        return begin_boot(book, &kept, offset_ms, err);
    jump_ms = offset_ms - kept.offset_ms;
    if (!is_far(jump_ms))
        return 0;
    kept.offset_ms = offset_ms;
    return shift_all(book, &kept, jump_ms, err) < 0 ? -1 : kept_write(book, &kept, err);
}

/* For the next boot: this one goes on as it dates now, for its clock may be set any moment. */
static int
keep_centre(struct book *book, int64_t centre_ms, struct err *err)
{
    struct kept kept;

    if (centre_ms == 0)
        return 0;
    if (kept_read(book, &kept, err) < 0)
        return -1;
    if (kept.centre_ms != 0 && !is_far(centre_ms - kept.centre_ms))
        return 0;
    kept.centre_ms = centre_ms;
    return kept_write(book, &kept, err);
}

int
book_clock_look(struct book *book, int64_t centre_ms, struct err *err)
{
    int64_t offset_ms = offset_now();
    bool is_as_seen;
    int rc;

    gate_lock(&book->gate);
    is_as_seen = book->is_clock_seen && !is_far(offset_ms - book->clock_offset_ms) &&
                 (centre_ms == 0 || !is_far(centre_ms - book->clock_centre_ms));
    gate_unlock(&book->gate);
    if (is_as_seen)
        return 0;
    rc = db_begin(book->db, err);
    if (rc == 0) {
        rc = clock_follow(book, err);
        if (rc == 0)
            rc = keep_centre(book, centre_ms, err);
        rc = db_end(book->db, rc, err);
    }
    if (rc < 0)
        return err_context(err, "times that follow the clock");
    gate_lock(&book->gate);
    book->is_clock_seen = true;
    book->clock_offset_ms = offset_ms;
    book->clock_centre_ms = centre_ms;
    gate_unlock(&book->gate);
    book_changed(book);
    return 0;
}

static int
by_study(const void *a, const void *b)
{
    const struct book_study *x = a, *y = b;

    return strcmp(x->study, y->study);
}

void
book_date_studies(const struct book_study *known, size_t known_n, struct spool_study *studies,
                  size_t n, int64_t now_us)
{
    for (size_t i = 0; i < n && known_n > 0; i++) {
        struct book_study key;
        const struct book_study *as_known;
        int64_t by_us;

        text_copy(key.study, sizeof key.study, studies[i].study_uid);
        as_known = bsearch(&key, known, known_n, sizeof *known, by_study);
        by_us = as_known == NULL ? 0 : as_known->arrived_at_us - studies[i].first_arrival_us;
        if (!is_far(by_us / 1000))
            continue;
        studies[i].first_arrival_us += by_us;
        studies[i].last_arrival_us += by_us;
        if (studies[i].last_arrival_us > now_us) /* some came under a right clock */
            studies[i].last_arrival_us = now_us;
    }
}
