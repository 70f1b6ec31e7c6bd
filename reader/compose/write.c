/* write.c - drafting, writing, reviewing, beginning an amendment. */
#include "reader/compose/compose_own.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"

#include <string.h>

static int
put_texts(struct act *a, const struct texts *t, struct err *err)
{
    if (!texts_are_fit(t))
        return act_refuse(a, REFUSE_TEXT, err);
    return pg_run(a->conn, "work_texts",
                  PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(t->exam), PG_TEXT(t->findings),
                          PG_TEXT(t->impression)),
                  NULL, err);
}

/* As the row is now. */
static int
reload(struct act *a, struct err *err)
{
    work_fini(&a->work);
    return work_get(a->conn, a->row->read_id, false, &a->work, err);
}

static int
mark(struct act *a, const char *query, const char *text, struct err *err)
{
    return pg_run(a->conn, query,
                  PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(text), PG_INT(clock_wall_us())), NULL,
                  err);
}

static bool
is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* A draft is its claimer's; when the lease ran out and nobody took it, whose words it has may
 * still save. */
static int
vet_draft(struct act *a, int64_t base, struct err *err)
{
    bool is_mine = strcmp(a->row->claimed_by, a->person.login) == 0;

    if (act_vet(a, base, err) < 0)
        return -1;
    if (a->row->state != READ_CLAIMED && a->row->state != READ_DRAFTED)
        return act_refuse(a, a->row->state < READ_CLAIMED ? REFUSE_NOT_CLAIMED : REFUSE_STATE, err);
    if (!is_mine && !(a->row->state == READ_DRAFTED && act_wrote(a)))
        return act_refuse(a, REFUSE_NOT_CLAIMED, err);
    return 0;
}

int
step_draft(struct act *a, int64_t base, const struct texts *t, struct err *err)
{
    if (vet_draft(a, base, err) < 0 || put_texts(a, t, err) < 0 ||
        mark(a, "work_saved", a->person.login, err) < 0 || reload(a, err) < 0)
        return -1;
    if (a->row->state == READ_CLAIMED &&
        assign_advance(a->conn, a->row->read_id, a->person.login, READ_SAW_DRAFT, NULL, err) < 0)
        return -1;
    return act_commit(a, err);
}

/* What was only shown as a preview may not be reported on. */
static int
vet_shown(struct act *a, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_open;

    if (pg_run(a->conn, "shown_count", PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(a->person.login)),
               &rows, err) < 0)
        return -1;
    is_open = pg_rows_count(rows) > 0 && pg_int(rows, 0, 1) > 0;
    pg_rows_free(&rows);
    return is_open ? act_refuse(a, REFUSE_NOT_SHOWN, err) : 0;
}

static int
write_locked(struct act *a, const struct late *late, int64_t base, const struct texts *t,
             struct err *err)
{
    if (vet_draft(a, base, err) < 0)
        return -1;
    if (a->row->state != READ_DRAFTED)
        return act_refuse(a, REFUSE_EMPTY, err); /* not a word was kept yet */
    if (vet_shown(a, err) < 0 || late_vet(a, late, err) < 0 || put_texts(a, t, err) < 0 ||
        mark(a, "work_written", a->person.login, err) < 0 || reload(a, err) < 0)
        return -1;
    if (is_blank(a->work.findings) || is_blank(a->work.impression))
        return act_refuse(a, REFUSE_EMPTY, err);
    if (act_note(a, "write", a->work.amend_reason, err) < 0 ||
        assign_advance(a->conn, a->row->read_id, a->person.login, READ_SAW_WRITE, NULL, err) < 0)
        return -1;
    return act_commit(a, err);
}

int
step_write(struct compose *c, const struct http_caller *caller, int64_t read, int64_t base,
           const struct texts *t, struct act *out, struct err *err)
{
    struct late late = {0};
    int rc = -1;

    if (act_look(c, caller, read, ASSIGN_WRITE, out, err) < 0 || late_ask(out, &late, err) < 0)
        goto out;
    act_end(out);
    if (act_begin(c, caller, read, ASSIGN_WRITE, out, err) < 0)
        goto out;
    rc = write_locked(out, &late, base, t, err);
out:
    late_fini(&late);
    return rc;
}

/* The log tells the reason too: the author reads it there. */
static int
advance_because(struct act *a, enum read_event event, const char *reason, struct err *err)
{
    struct buf detail;
    struct jsonw w;
    int rc;

    buf_init(&detail, REPORT_TEXT_BYTES);
    jsonw_init(&w, &detail);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "reason", reason);
    jsonw_end(&w);
    rc = assign_advance(a->conn, a->row->read_id, a->person.login, event, buf_text(&detail), err);
    buf_fini(&detail);
    return rc;
}

static int
return_it(struct act *a, const char *reason, struct err *err)
{
    if (!reason_is_fit(reason))
        return act_refuse(a, REFUSE_REASON, err);
    if (pg_run(a->conn, "work_returned", PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(reason)), NULL,
               err) < 0 ||
        reload(a, err) < 0 || act_note(a, "return", reason, err) < 0)
        return -1;
    return advance_because(a, READ_SAW_RETURN, reason, err);
}

static int
accept_it(struct act *a, const struct texts *t, struct err *err)
{
    if (put_texts(a, t, err) < 0 || mark(a, "work_reviewed", a->person.login, err) < 0 ||
        reload(a, err) < 0)
        return -1;
    if (is_blank(a->work.findings) || is_blank(a->work.impression))
        return act_refuse(a, REFUSE_EMPTY, err);
    if (act_note(a, "review", "", err) < 0)
        return -1;
    return assign_advance(a->conn, a->row->read_id, a->person.login, READ_SAW_REVIEW, NULL, err);
}

int
step_review(struct act *a, int64_t base, bool is_accepted, const char *reason,
            const struct texts *t, struct err *err)
{
    bool is_due = a->row->state == READ_WRITTEN || a->row->state == READ_PRELIMINARY ||
                  (a->row->state == READ_REVIEWED && !is_accepted);

    if (act_vet(a, base, err) < 0)
        return -1;
    if (!is_due)
        return act_refuse(a, REFUSE_STATE, err);
    if (act_wrote(a))
        return act_refuse(a, REFUSE_SAME_PERSON, err);
    if ((is_accepted ? accept_it(a, t, err) : return_it(a, reason, err)) < 0)
        return -1;
    return act_commit(a, err);
}

int
step_amend(struct act *a, int64_t base, const char *reason, struct err *err)
{
    const enum read_state s = a->row->state;

    if (act_vet(a, base, err) < 0)
        return -1;
    if (a->work.versions == 0)
        return act_refuse(a, REFUSE_NO_REPORT, err);
    if (s != READ_SIGNED && s != READ_AMENDED && s != READ_WITHDRAWN && s != READ_PRELIMINARY)
        return act_refuse(a, REFUSE_STATE, err);
    if (!reason_is_fit(reason))
        return act_refuse(a, REFUSE_REASON, err);
    if (pg_run(a->conn, "work_amending", PG_ARGS(PG_INT(a->row->read_id), PG_TEXT(reason)), NULL,
               err) < 0 ||
        reload(a, err) < 0 || act_note(a, "amend", reason, err) < 0 ||
        advance_because(a, READ_SAW_AMEND, reason, err) < 0)
        return -1;
    return act_commit(a, err);
}
