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

/* A line of the log, copied. */
struct line {
    int64_t seq, read_id, at_us;
    enum read_event event;
    unsigned version; /* the detail's, 0 = it says none */
    char reason[CLINIC_REASON_SIZE];
    char call[CLINIC_ID_SIZE];
};

struct lines {
    struct line line[BATCH];
    size_t count;
};

/* A line being told. */
struct telling {
    struct deliver *d;
    struct pg_conn *conn;
    const struct line *line;
    struct read_row *row;
    struct pg_rows *registration; /* of the study; may hold no row */
    int64_t latest;               /* number of the last message made */
};

/* ---- one message ---- */

/* What a message may hold is proto/link/clinic.c's; what we were given may be anything. */
static void
copy_words(char *out, size_t size, const char *text)
{
    size_t n;

    text_copy(out, size, text != NULL ? text : "");
    n = strlen(out);
    while (n > 0 && !text_is_utf8(out, n))
        out[--n] = '\0';
    for (char *p = out; *p != '\0'; p++)
        if (((uint8_t)*p < 0x20 && *p != '\n') || *p == 0x7F)
            *p = ' ';
}

static void
copy_line(char *out, size_t size, const char *text)
{
    copy_words(out, size, text);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
}

/* A device's own idea of a modality ("C-ARM", Chinese) as a word: a _ for each sign that is none.
 */
static void
copy_word(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (const uint8_t *p = (const uint8_t *)text; *p != 0 && n + 1 < size; p++)
        if (*p < 0x80 && isalnum(*p))
            out[n++] = (char)*p;
        else if ((*p & 0xC0) != 0x80) /* the rest of a sign that has its _ */
            out[n++] = '_';
    out[n] = '\0';
}

static void
begin_down(const struct telling *t, enum clinic_down_kind kind, struct clinic_down *out)
{
    const struct read_row *row = t->row;
    char name[CLINIC_NAME_SIZE];

    *out = (struct clinic_down){.kind = kind, .at_us = t->line->at_us, .read = row->read_id};
    clinic_id_new(out->id);
    text_copy(out->study, sizeof out->study, row->study);
    copy_word(out->modality, sizeof out->modality, row->modality);
    text_copy(out->state, sizeof out->state, read_state_word(row->state));
    report_pdf_person_name(row->patient_name, name, sizeof name);
    copy_line(out->patient, sizeof out->patient, name);
    if (pg_rows_count(t->registration) > 0) {
        text_copy(out->registration, sizeof out->registration, pg_text(t->registration, 0, 0));
        copy_line(out->patient, sizeof out->patient, pg_text(t->registration, 0, 1));
    } else if (clinic_registration_is_valid(row->registration)) {
        text_copy(out->registration, sizeof out->registration, row->registration);
    }
}

static int
put_down(struct telling *t, const struct clinic_down *m, struct err *err)
{
    struct clinic_down as_read;
    struct pg_rows *rows = NULL;
    struct buf json;
    int rc;

    buf_init(&json, CLINIC_BODY_BYTES);
    clinic_down_encode(m, &json);
    /* what no desk could read is not kept: all that comes after it would wait behind it */
    rc = clinic_down_decode((const uint8_t *)buf_text(&json), json.n, &as_read, err);
    if (rc == 0)
        rc = pg_run(t->conn, "clinic_down_put",
                    PG_ARGS(PG_TEXT(t->row->tenant), PG_TEXT(m->id),
                            PG_TEXT(clinic_down_word(m->kind)), PG_INT(t->line->seq),
                            PG_INT(m->read), PG_INT(m->version), PG_TEXT(buf_text(&json)),
                            PG_INT(clock_wall_us())),
                    &rows, err);
    buf_fini(&json);
    if (rc < 0)
        return err_context(err, "%s", clinic_down_word(m->kind));
    t->latest = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    LOG(&deliver_log, CLINIC_DOWN_MADE, F_WORD("tenant", t->row->tenant),
        F_WORD("kind", clinic_down_word(m->kind)), F_NUMBER("seq", t->latest),
        F_UID("study", m->study), F_NUMBER("version", m->version));
    return 0;
}

/* A signed version: which it is, who signed, what it covers and replaces. */
static int
fill_report(const struct telling *t, struct clinic_down *m, bool *out_is_theirs, struct err *err)
{
    struct report report;

    if (compose_report_get(t->conn, t->line->read_id, t->line->version, &report, err) < 0)
        return -1;
    m->version = report.version;
    m->is_preliminary = report.kind == REPORT_PRELIMINARY;
    m->replaces = report.predecessor;
    m->signed_at_us = report.signed_at_us;
    m->covers = report.covers;
    m->present = report.present;
    copy_line(m->author, sizeof m->author, report.author.name);
    copy_line(m->reviewer, sizeof m->reviewer, report.reviewer.name);
    copy_line(m->hospital, sizeof m->hospital, report.hospital_name);
    copy_line(m->verify_url, sizeof m->verify_url, report.verify_url);
    copy_words(m->reason, sizeof m->reason, report.reason);
    *out_is_theirs = patient_is_theirs(&report, t->row);
    report_fini(&report);
    return 0;
}

/* ---- what a line means ---- */

static int
tell_state(struct telling *t, struct err *err)
{
    const struct pg_arg read = PG_INT(t->line->read_id);
    struct pg_rows *told = NULL;
    struct clinic_down m;
    bool is_told;

    begin_down(t, CLINIC_READ_STATE, &m);
    if (pg_run(t->conn, "clinic_told_find", PG_ARGS(read), &told, err) < 0)
        return -1;
    is_told = pg_rows_count(told) > 0 && strcmp(pg_text(told, 0, 0), m.state) == 0 &&
              strcmp(pg_text(told, 0, 1), m.registration) == 0 &&
              pg_truth(told, 0, 2) == t->row->is_emergency;
    pg_rows_free(&told);
    if (is_told)
        return 0;
    if (pg_run(
            t->conn, "clinic_told_put",
            PG_ARGS(read, PG_TEXT(m.state), PG_TEXT(m.registration), PG_BOOL(t->row->is_emergency)),
            NULL, err) < 0)
        return -1;
    return put_down(t, &m, err);
}

static int
tell_report(struct telling *t, struct err *err)
{
    bool is_amended = t->line->event == READ_SAW_SIGN_AMENDED, is_theirs;
    struct clinic_down m;

    begin_down(t, is_amended ? CLINIC_AMENDED : CLINIC_REPORT, &m);
    if (fill_report(t, &m, &is_theirs, err) < 0 || put_down(t, &m, err) < 0)
        return -1;
    /* the clinic acts on a preliminary one; the patient waits for the final one */
    if (m.is_preliminary || !is_theirs)
        return 0;
    return clinic_tell_patient(t->conn, t->row, is_amended ? PATIENT_AMENDED : PATIENT_READY,
                               m.version, err);
}

static int
tell_withdrawal(struct telling *t, struct err *err)
{
    struct clinic_down m;
    struct report report;
    bool was_told;

    if (compose_report_get(t->conn, t->line->read_id, t->line->version, &report, err) < 0)
        return -1;
    was_told = report.kind != REPORT_PRELIMINARY && patient_is_theirs(&report, t->row);
    begin_down(t, CLINIC_WITHDRAWN, &m);
    m.version = report.version;
    copy_words(m.reason, sizeof m.reason,
               t->line->reason[0] != '\0' ? t->line->reason : report.withdrawn_reason);
    report_fini(&report);
    if (put_down(t, &m, err) < 0)
        return -1;
    if (!was_told)
        return 0;
    return clinic_tell_patient(t->conn, t->row, PATIENT_WITHDRAWN, m.version, err);
}

/* A signed report does not cover what came late: the clinic sees it beside the report. */
static int
tell_late(struct telling *t, struct err *err)
{
    struct clinic_down m;

    if (t->row->version == 0)
        return 0;
    begin_down(t, CLINIC_LATE, &m);
    m.version = t->row->version;
    m.covers = t->row->covered;
    m.present = t->row->instances;
    return put_down(t, &m, err);
}

/* The message bears the call's own number: the clinic's answer names it. */
static int
tell_call(struct telling *t, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct clinic_down m;
    int rc = -1;

    if (pg_run(t->conn, "clinic_call_find",
               PG_ARGS(PG_TEXT(t->row->tenant), PG_TEXT(t->line->call)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such call");
        goto out;
    }
    begin_down(t,
               strcmp(pg_text(rows, 0, 0), clinic_down_word(CLINIC_CRITICAL)) == 0 ? CLINIC_CRITICAL
                                                                                   : CLINIC_REPEAT,
               &m);
    text_copy(m.id, sizeof m.id, t->line->call);
    copy_words(m.reason, sizeof m.reason, pg_text(rows, 0, 1));
    m.is_on_preview = pg_truth(rows, 0, 2);
    copy_line(m.author, sizeof m.author, pg_text(rows, 0, 3));
    copy_line(m.hospital, sizeof m.hospital, pg_text(rows, 0, 4));
    rc = put_down(t, &m, err);
out:
    pg_rows_free(&rows);
    return rc;
}

static int
tell_line(struct telling *t, struct err *err)
{
    switch (t->line->event) {
    case READ_SAW_SIGN:
    case READ_SAW_SIGN_AMENDED:
    case READ_SAW_PRELIMINARY:
        return tell_report(t, err);
    case READ_SAW_WITHDRAW:
        return tell_withdrawal(t, err);
    case READ_SAW_LATE:
        return tell_late(t, err);
    case READ_NOTE_CALLED:
        return tell_call(t, err);
    default:
        return 0;
    }
}

/* Notes of our own, and of what the clinic has no use for. */
static bool
is_news(enum read_event event)
{
    return !read_event_is_note(event) || event == READ_NOTE_OPENED || event == READ_NOTE_URGENCY ||
           event == READ_NOTE_ORDER || event == READ_NOTE_CALLED;
}

/* ---- once each ---- */

/* The messages of a line, in the caller's transaction. */
static int
make_messages(struct deliver *d, struct pg_conn *conn, const struct line *line, int64_t *out_latest,
              struct err *err)
{
    struct telling t = {.d = d, .conn = conn, .line = line};
    int rc = -1;

    *out_latest = 0;
    if (!is_news(line->event))
        return 0;
    t.row = mem_new(sizeof *t.row);
    if (assign_read_get(conn, line->read_id, t.row, err) < 0 ||
        pg_run(conn, "clinic_registration_of_study",
               PG_ARGS(PG_TEXT(t.row->tenant), PG_TEXT(t.row->study)), &t.registration, err) < 0 ||
        tell_state(&t, err) < 0 || tell_line(&t, err) < 0)
        goto out;
    *out_latest = t.latest;
    rc = 0;
out:
    pg_rows_free(&t.registration);
    free(t.row);
    return rc;
}

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
lock_line(struct pg_conn *conn, const struct line *line, bool is_first, bool *out_is_due,
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
set_aside(struct deliver *d, const struct line *line, bool is_first, const struct err *why,
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
tell_once(struct deliver *d, const struct line *line, bool is_first, struct err *err)
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
    if (make_messages(d, conn, line, &latest, err) < 0 ||
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

static int
take_line(void *user, const struct read_log *entry, struct err *err)
{
    struct lines *lines = user;
    struct line *line = &lines->line[lines->count];
    struct json_doc *doc = NULL;
    const char *reason;
    int64_t version;

    if (lines->count == BATCH)
        return err_set(err, ERR_FATAL, "more lines than were asked for");
    *line = (struct line){
        .seq = entry->seq, .read_id = entry->read_id, .at_us = entry->at_us, .event = entry->event};
    if (entry->detail != NULL && json_parse(entry->detail, strlen(entry->detail), &doc, err) == 0) {
        version = json_as_int(json_find(json_root(doc), "version"), 0);
        line->version = version > 0 && version <= INT32_MAX ? (unsigned)version : 0;
        reason = json_as_text(json_find(json_root(doc), "reason"));
        copy_words(line->reason, sizeof line->reason, reason);
        text_copy(line->call, sizeof line->call, call_of(doc));
    }
    json_free(&doc);
    lines->count++;
    return 0;
}

static int
read_cursor(struct deliver *d, const char *query, int64_t *out, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 || pg_run(conn, query, PG_NO_ARGS, &rows, err) < 0)
        goto out;
    *out = pg_rows_count(rows) > 0 ? pg_int(rows, 0, 0) : 0;
    rc = 0;
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
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
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 ||
        pg_run(conn, "clinic_aside_due", PG_ARGS(PG_INT(clock_wall_us())), &rows, err) < 0)
        goto out;
    pg_put(&conn);
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
    pg_put(&conn);
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
