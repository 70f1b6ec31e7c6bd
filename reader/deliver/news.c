/* news.c - what a line of a read's log means to the clinic: its messages, in the courier's
 * transaction. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/render/report_pdf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A line being told. */
struct telling {
    struct deliver *d;
    struct pg_conn *conn;
    const struct clinic_line *line;
    struct read_row *row;
    struct pg_rows *registration; /* of the study; may hold no row */
    int64_t latest;               /* number of the last message made */
};

/* ---- one message ---- */

/* What a message may hold is proto/link/clinic.c's; what we were given may be anything. */
void
clinic_copy_words(char *out, size_t size, const char *text)
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
    clinic_copy_words(out, size, text);
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
    clinic_copy_words(m->reason, sizeof m->reason, report.reason);
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
    clinic_copy_words(m.reason, sizeof m.reason,
                      t->line->reason[0] != '\0' ? t->line->reason : report.withdrawn_reason);
    report_fini(&report);
    if (put_down(t, &m, err) < 0)
        return -1;
    if (!was_told)
        return 0;
    return clinic_tell_patient(t->conn, t->row, PATIENT_WITHDRAWN, m.version, err);
}

/* A signed report does not cover what came late: the clinic sees it beside the report, and that a
 * doctor looked at all of it and the report stands. As it is now, whatever the line: the last line
 * tells what holds. */
static int
tell_late(struct telling *t, struct err *err)
{
    struct clinic_down m;
    struct report report;

    if (t->row->version == 0)
        return 0;
    if (compose_report_get(t->conn, t->line->read_id, t->row->version, &report, err) < 0)
        return -1;
    begin_down(t, CLINIC_LATE, &m);
    m.version = t->row->version;
    m.covers = t->row->covered;
    m.present = t->row->instances;
    m.looked_at_us = report.looked_at_us;
    copy_line(m.author, sizeof m.author, report.looked_by);
    clinic_copy_words(m.reason, sizeof m.reason, report.looked_reason);
    report_fini(&report);
    return put_down(t, &m, err);
}

void
clinic_copy_answer(struct clinic_down *io, const struct pg_rows *rows, size_t row, int column)
{
    text_copy(io->outcome, sizeof io->outcome, pg_text(rows, row, column));
    clinic_copy_words(io->answer, sizeof io->answer, pg_text(rows, row, column + 1));
    copy_line(io->answered_by, sizeof io->answered_by, pg_text(rows, row, column + 2));
    io->answered_at_us = pg_int(rows, row, column + 3);
}

static int
find_call(const struct telling *t, struct pg_rows **out_rows, struct err *err)
{
    if (pg_run(t->conn, "clinic_call_find",
               PG_ARGS(PG_TEXT(t->row->tenant), PG_TEXT(t->line->call)), out_rows, err) < 0)
        return -1;
    return pg_rows_count(*out_rows) > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "no such call");
}

/* Whoever answered: the clinic's other desks ring until they hear of it. */
static int
tell_answer(struct telling *t, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct clinic_down m;
    int rc = find_call(t, &rows, err);

    if (rc == 0) {
        begin_down(t, CLINIC_ANSWERED, &m);
        text_copy(m.call, sizeof m.call, t->line->call);
        clinic_copy_answer(&m, rows, 0, 5);
        rc = put_down(t, &m, err);
    }
    pg_rows_free(&rows);
    return rc;
}

/* The message bears the call's own number: the clinic's answer names it. */
static int
tell_call(struct telling *t, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct clinic_down m;
    int rc = -1;

    if (find_call(t, &rows, err) < 0)
        goto out;
    begin_down(t,
               strcmp(pg_text(rows, 0, 0), clinic_down_word(CLINIC_CRITICAL)) == 0 ? CLINIC_CRITICAL
                                                                                   : CLINIC_REPEAT,
               &m);
    text_copy(m.id, sizeof m.id, t->line->call);
    clinic_copy_words(m.reason, sizeof m.reason, pg_text(rows, 0, 1));
    m.is_on_preview = pg_truth(rows, 0, 2);
    copy_line(m.author, sizeof m.author, pg_text(rows, 0, 3));
    copy_line(m.hospital, sizeof m.hospital, pg_text(rows, 0, 4));
    rc = put_down(t, &m, err);
out:
    pg_rows_free(&rows);
    return rc;
}

/* The desk knows what it said itself; that it is none any more is the desk's to say. */
static int
tell_urgency(struct telling *t, struct err *err)
{
    char hospital[ASSIGN_TEXT] = "";
    struct clinic_down m;

    if (t->line->is_clinics || !t->line->is_emergency)
        return 0;
    if (t->line->org[0] != '\0' && assign_org_name(t->conn, t->line->org, hospital, err) < 0 &&
        err->kind != ERR_NOT_FOUND)
        return -1;
    begin_down(t, CLINIC_URGENCY, &m);
    text_copy(m.urgency, sizeof m.urgency, "stat");
    clinic_copy_words(m.reason, sizeof m.reason, t->line->reason);
    copy_line(m.author, sizeof m.author, t->line->by);
    copy_line(m.hospital, sizeof m.hospital, hospital);
    return put_down(t, &m, err);
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
    case READ_SAW_STANDS:
        return tell_late(t, err);
    case READ_NOTE_CALLED:
        return tell_call(t, err);
    case READ_NOTE_ANSWERED:
        return tell_answer(t, err);
    case READ_NOTE_URGENCY:
        return tell_urgency(t, err);
    default:
        return 0;
    }
}

/* Notes of our own, and of what the clinic has no use for. */
static bool
is_news(enum read_event event)
{
    return !read_event_is_note(event) || event == READ_NOTE_OPENED || event == READ_NOTE_URGENCY ||
           event == READ_NOTE_ORDER || event == READ_NOTE_CALLED || event == READ_NOTE_ANSWERED;
}

int
clinic_make_messages(struct deliver *d, struct pg_conn *conn, const struct clinic_line *line,
                     int64_t *out_latest, struct err *err)
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
