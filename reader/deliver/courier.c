/* courier.c - follows the log of all reads and makes what clinics and patients are told.
 *
 * A line of the log, its messages and the cursor are one transaction under the cursor's row lock,
 * so that each is told once, by whichever reader process came first, and numbers are committed in
 * order. A line that cannot be told is kept aside in the same way. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/render/report_pdf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, WAIT_MS = 1000, PAUSE_MS = 100, BACKOFF_MS = 500, BACKOFF_MAX_MS = 15000 };
static const int64_t aside_us = INT64_C(15000000);

struct lines {
    struct clinic_line line[BATCH];
    size_t count;
};

/* ---- once each ---- */

/* Lock the cursor; *out_is_new: the line lies past it. */
static int
lock_cursor(struct pg_conn *conn, int64_t seq, bool *out_is_new, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "clinic_courier_lock", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    *out_is_new = pg_rows_count(rows) > 0 && pg_int(rows, 0, 0) < seq;
    pg_rows_free(&rows);
    return 0;
}

/* Lock the cursor; *out_is_due false: another process told the line, or put it aside. */
static int
lock_line(struct pg_conn *conn, const struct clinic_line *line, bool is_first, bool *out_is_due,
          struct err *err)
{
    struct pg_rows *rows = NULL;

    if (lock_cursor(conn, line->seq, out_is_due, err) < 0)
        return -1;
    if (is_first)
        return 0;
    if (pg_run(conn, "clinic_aside_find", PG_ARGS(PG_INT(line->seq)), &rows, err) < 0)
        return -1;
    *out_is_due = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    return 0;
}

static bool
is_worth_waiting(enum err_kind kind)
{
    return kind == ERR_RETRY || kind == ERR_FULL;
}

static int
set_aside(struct deliver *d, const struct clinic_line *line, bool is_first, const struct err *why,
          struct err *err)
{
    struct pg_conn *conn = NULL;
    bool is_due = false;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        lock_line(conn, line, is_first, &is_due, err) < 0)
        goto out;
    if (!is_due) {
        rc = 0;
        goto out;
    }
    if (pg_run(conn, "clinic_aside_put",
               PG_ARGS(PG_INT(line->seq), PG_INT(clock_wall_us() + aside_us)), NULL, err) < 0 ||
        (is_first && pg_run(conn, "clinic_courier_set", PG_ARGS(PG_INT(line->seq)), NULL, err) < 0))
        goto out;
    rc = pg_commit(conn, err);
    if (rc == 0)
        LOG(&deliver_log, COURIER_ASIDE, F_NUMBER("line", line->seq),
            F_WORD("event", read_event_word(line->event)), F_ERR(why));
out:
    pg_put(&conn);
    return rc;
}

/* One line: its messages and the cursor, or (is_first false) its end in the list of those aside. */
static int
tell_once(struct deliver *d, const struct clinic_line *line, bool is_first, struct err *err)
{
    struct pg_conn *conn = NULL;
    int64_t latest = 0;
    bool is_due = false;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        lock_line(conn, line, is_first, &is_due, err) < 0)
        goto out;
    if (!is_due) {
        rc = 0;
        goto out;
    }
    if (clinic_make_messages(d, conn, line, &latest, err) < 0 ||
        pg_run(conn, is_first ? "clinic_courier_set" : "clinic_aside_remove",
               PG_ARGS(PG_INT(line->seq)), NULL, err) < 0)
        goto out;
    rc = pg_commit(conn, err);
out:
    pg_put(&conn);
    if (rc == 0 && latest > 0) {
        deliver_news(d, latest);
        deliver_wake_others(d);
    }
    if (rc < 0 && !is_worth_waiting(err->kind)) {
        struct err why = *err;

        return set_aside(d, line, is_first, &why, err);
    }
    return rc;
}

static const char *
call_of(const struct json_doc *doc)
{
    const char *call = json_as_text(json_find(json_root(doc), "call"));

    return call != NULL ? call : "";
}

/* Who changed the urgency, and to what. */
static void
take_urgency(const struct json *o, struct clinic_line *line)
{
    const char *by = json_as_text(json_find(o, "by")), *org = json_as_text(json_find(o, "org"));
    const char *urgency = json_as_text(json_find(o, "urgency"));
    struct err ignored;

    clinic_copy_words(line->by, sizeof line->by, by);
    text_copy(line->org, sizeof line->org, org != NULL ? org : "");
    line->is_emergency = urgency != NULL && strcmp(urgency, "emergency") == 0;
    if (json_truth(o, "is_clinics", &line->is_clinics, &ignored) < 0)
        line->is_clinics = false;
}

static int
take_line(void *user, const struct read_log *entry, struct err *err)
{
    struct lines *lines = user;
    struct clinic_line *line = &lines->line[lines->count];
    struct json_doc *doc = NULL;
    const char *reason;
    int64_t version;

    if (lines->count == BATCH)
        return err_set(err, ERR_FATAL, "more lines than were asked for");
    *line = (struct clinic_line){
        .seq = entry->seq, .read_id = entry->read_id, .at_us = entry->at_us, .event = entry->event};
    if (entry->detail != NULL && json_parse(entry->detail, strlen(entry->detail), &doc, err) == 0) {
        version = json_as_int(json_find(json_root(doc), "version"), 0);
        line->version = version > 0 && version <= INT32_MAX ? (unsigned)version : 0;
        reason = json_as_text(json_find(json_root(doc), "reason"));
        clinic_copy_words(line->reason, sizeof line->reason, reason);
        text_copy(line->call, sizeof line->call, call_of(doc));
        if (line->event == READ_NOTE_URGENCY)
            take_urgency(json_root(doc), line);
    }
    json_free(&doc);
    lines->count++;
    return 0;
}

static int
read_cursor(struct deliver *d, const char *query, int64_t *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_ask(d->o.pg, query, PG_NO_ARGS, &rows, err) < 0)
        return -1;
    *out = pg_rows_count(rows) > 0 ? pg_int(rows, 0, 0) : 0;
    pg_rows_free(&rows);
    return 0;
}

/* The next lines past the cursor. */
static int
follow(struct deliver *d, int64_t *io_cursor, bool *out_did, struct err *err)
{
    struct lines *lines = mem_new(sizeof *lines);
    int rc = -1;

    if (read_cursor(d, "clinic_courier_read", io_cursor, err) < 0 ||
        assign_events(d->o.pg, 0, *io_cursor, BATCH, take_line, lines, err) < 0)
        goto out;
    for (size_t i = 0; i < lines->count && !deliver_is_stopping(d); i++) {
        if (tell_once(d, &lines->line[i], true, err) < 0)
            goto out;
        *io_cursor = lines->line[i].seq;
        *out_did = true;
    }
    rc = 0;
out:
    free(lines);
    return rc;
}

/* Those kept aside whose time has come. */
static int
tell_aside(struct deliver *d, struct err *err)
{
    struct lines *lines = mem_new(sizeof *lines);
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_ask(d->o.pg, "clinic_aside_due", PG_ARGS(PG_INT(now_us), PG_INT(now_us + aside_us)),
               &rows, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        lines->count = 0;
        if (assign_events(d->o.pg, 0, pg_int(rows, i, 0) - 1, 1, take_line, lines, err) < 0)
            goto out;
        if (lines->count == 1 && lines->line[0].seq == pg_int(rows, i, 0) &&
            tell_once(d, &lines->line[0], false, err) < 0)
            goto out;
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    free(lines);
    return rc;
}

/* ---- patients whose message has left ---- */

static int
note_told(struct pg_conn *conn, const struct pg_rows *due, size_t i, struct err *err)
{
    unsigned version = (unsigned)pg_int(due, i, 1);
    bool is_told = false;
    char detail[64];

    if (patient_is_told(conn, pg_text(due, i, 2), pg_text(due, i, 3), version, &is_told, err) < 0)
        return -1;
    if (!is_told)
        return 0;
    snprintf(detail, sizeof detail, "{\"version\":%u}", version);
    if (pg_run(conn, "clinic_notice_due_remove",
               PG_ARGS(PG_INT(pg_int(due, i, 0)), PG_INT(version)), NULL, err) < 0)
        return -1;
    return assign_note(conn, pg_int(due, i, 0), "system", READ_NOTE_NOTIFIED, detail, err);
}

static int
note_all_told(struct deliver *d, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct pg_rows *due = NULL;
    bool is_new;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 ||
        pg_run(conn, "clinic_notice_due_list", PG_NO_ARGS, &due, err) < 0)
        goto out;
    if (pg_rows_count(due) == 0) {
        rc = 0;
        goto out;
    }
    pg_rows_free(&due); /* once more, under the lock: another process may be at it */
    if (pg_begin(conn, err) < 0 || lock_cursor(conn, 0, &is_new, err) < 0 ||
        pg_run(conn, "clinic_notice_due_list", PG_NO_ARGS, &due, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(due); i++)
        if (note_told(conn, due, i, err) < 0)
            goto out;
    rc = pg_commit(conn, err);
    if (rc == 0)
        deliver_wake_others(d);
out:
    pg_rows_free(&due);
    pg_put(&conn);
    return rc;
}

static int
step(struct deliver *d, int64_t *io_cursor, bool *out_did, struct err *err)
{
    int64_t latest;

    *out_did = false;
    if (follow(d, io_cursor, out_did, err) < 0 || tell_aside(d, err) < 0 ||
        note_all_told(d, err) < 0 || read_cursor(d, "clinic_down_latest", &latest, err) < 0)
        return err_context(err, "courier");
    deliver_news(d, latest); /* what another process made */
    return 0;
}

int
courier_step(struct deliver *d, bool *out_did, struct err *err)
{
    int64_t cursor;

    return step(d, &cursor, out_did, err);
}

static void
rest(struct deliver *d, int64_t wait_ms)
{
    gate_lock(&d->gate);
    if (!d->is_stopping)
        (void)gate_wait_ms(&d->gate, wait_ms);
    gate_unlock(&d->gate);
}

void *
courier_run(void *deliver)
{
    struct deliver *d = deliver;
    int64_t cursor = 0, backoff_ms = BACKOFF_MS;
    struct err err;
    bool did;

    while (!deliver_is_stopping(d)) {
        if (step(d, &cursor, &did, &err) < 0) {
            LOG(&deliver_log, COURIER_WAITS, F_ERR(&err));
            rest(d, backoff_ms);
            backoff_ms = backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff_ms * 2;
            continue;
        }
        backoff_ms = BACKOFF_MS;
        if (did)
            continue;
        if (d->o.assign == NULL)
            rest(d, WAIT_MS);
        else if (assign_events_wait(d->o.assign, cursor, WAIT_MS) <= cursor)
            rest(d, PAUSE_MS); /* an assign that has stopped does not wait */
    }
    return NULL;
}
