/* advance.c - a read moves along its table, and its log tells so.
 * 1. State, what the action changes and the line of the log are one transaction.
 * 2. The read's row is locked first, the log last: two that wait for one another's read cannot be.
 */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <string.h>

/* What a move must know of the row as it is. */
struct before {
    enum read_state state;
    char author[65];
    int64_t version;
};

static int
lock_row(struct pg_conn *conn, int64_t read_id, struct before *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    int state, rc = -1;

    if (pg_run(conn, "assign_lock", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such read");
        goto out;
    }
    state = read_state_from_word(pg_text(rows, 0, 0));
    CHECK(state >= 0);
    out->state = (enum read_state)state;
    text_copy(out->author, sizeof out->author, pg_text(rows, 0, 1));
    out->version = pg_int(rows, 0, 4);
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* What the table cannot say. */
static int
check_guards(const struct before *before, enum read_event event, const char *actor, struct err *err)
{
    if (event == READ_SAW_WITHDRAW && before->version == 0)
        return err_set(err, ERR_CONFLICT, "no signed report stands");
    if (event == READ_SAW_REVIEW && strcmp(before->author, actor) == 0)
        return err_set(err, ERR_CONFLICT, "the author cannot review");
    return 0;
}

static int
run_words(struct pg_conn *conn, const char *query, int64_t read_id, const struct change *c,
          struct err *err)
{
    return pg_run(conn, query,
                  PG_ARGS(PG_INT(read_id), PG_TEXT(c->reason != NULL ? c->reason : ""),
                          PG_TEXT(c->reason_en != NULL ? c->reason_en : "")),
                  NULL, err);
}

static int
run_actor(struct pg_conn *conn, const char *query, int64_t read_id, const char *actor,
          struct err *err)
{
    return pg_run(conn, query, PG_ARGS(PG_INT(read_id), PG_TEXT(actor), PG_INT(clock_wall_us())),
                  NULL, err);
}

static int
take_agreement_of(struct pg_conn *conn, int64_t read_id, const struct change *c, struct err *err)
{
    return pg_run(conn, "assign_take_agreement",
                  PG_ARGS(PG_INT(read_id), PG_TEXT(c->agreement), PG_INT(c->agreement_version)),
                  NULL, err);
}

static int
take_reader_of(struct pg_conn *conn, int64_t read_id, const struct change *c, struct err *err)
{
    return pg_run(conn, "assign_take_reader",
                  PG_ARGS(PG_INT(read_id), PG_TEXT(c->login), PG_TEXT(c->reason),
                          PG_TEXT(c->reason_en), PG_INT(clock_wall_us())),
                  NULL, err);
}

static int
take_lease_of(struct pg_conn *conn, int64_t read_id, const char *actor, struct err *err)
{
    return pg_run(conn, "assign_take_lease",
                  PG_ARGS(PG_INT(read_id), PG_TEXT(actor), PG_INT(clock_wall_us()),
                          PG_TEXT("医生自行领取"), PG_TEXT("taken by the doctor")),
                  NULL, err);
}

static int
pass_on_from(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
             struct err *err)
{
    return pg_run(conn, "assign_pass_on",
                  PG_ARGS(PG_INT(read_id), PG_TEXT(actor), PG_INT(clock_wall_us()),
                          PG_BOOL(event == READ_SAW_PRELIMINARY)),
                  NULL, err);
}

static int
give_back_to_author(struct pg_conn *conn, int64_t read_id, bool is_late, struct err *err)
{
    static const struct change returned = {.reason = "退回书写医师",
                                           .reason_en = "given back to its author"};
    static const struct change late = {.reason = "有补传图像，退回书写医师复核",
                                       .reason_en = "images came late: back to its author"};

    return run_words(conn, "assign_give_back", read_id, is_late ? &late : &returned, err);
}

static int
mark_late(struct pg_conn *conn, int64_t read_id, enum read_state state, struct err *err)
{
    if (state == READ_UNAGREED || state == READ_WAITING || state == READ_ASSIGNED)
        return 0; /* nobody has looked yet: the list is longer, that is all */
    return pg_run(conn, "assign_mark_late", PG_ARGS(PG_INT(read_id)), NULL, err);
}

static int
let_go_of(struct pg_conn *conn, int64_t read_id, enum read_event event, struct err *err)
{
    if (pg_run(conn, "assign_let_go", PG_ARGS(PG_INT(read_id)), NULL, err) < 0)
        return -1;
    if (event != READ_SAW_WITHDRAW)
        return 0;
    return pg_run(conn, "assign_nothing_stands", PG_ARGS(PG_INT(read_id)), NULL, err);
}

static int
act(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
    enum read_action action, const struct before *before, const struct change *c, struct err *err)
{
    switch (action) {
    case take_agreement:
        return take_agreement_of(conn, read_id, c, err);
    case drop_agreement:
        return run_words(conn, "assign_drop_agreement", read_id, c, err);
    case take_reader:
        return take_reader_of(conn, read_id, c, err);
    case drop_reader:
        return run_words(conn, "assign_drop_reader", read_id, c, err);
    case take_lease:
        return take_lease_of(conn, read_id, actor, err);
    case drop_lease:
        return run_words(conn, "assign_drop_lease", read_id, c, err);
    case take_author:
        return run_actor(conn, "assign_take_author", read_id, actor, err);
    case pass_on:
        return pass_on_from(conn, read_id, actor, event, err);
    case take_reviewer:
        return run_actor(conn, "assign_take_reviewer", read_id, actor, err);
    case give_back:
        return c->reason != NULL ? run_words(conn, "assign_give_back", read_id, c, err)
                                 : give_back_to_author(conn, read_id, false, err);
    case take_late:
        return mark_late(conn, read_id, before->state, err);
    case drop_late:
        return pg_run(conn, "assign_drop_late", PG_ARGS(PG_INT(read_id)), NULL, err);
    case give_back_late:
        return give_back_to_author(conn, read_id, true, err) < 0
                   ? -1
                   : mark_late(conn, read_id, before->state, err);
    case let_go:
        return let_go_of(conn, read_id, event, err);
    }
    CHECK(false && "an action without its deed");
}

static int
log_add(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
        const char *detail, struct err *err)
{
    return pg_run(conn, "assign_log_add",
                  PG_ARGS(PG_INT(read_id), PG_INT(clock_wall_us()), PG_TEXT(actor),
                          PG_TEXT(read_event_word(event)), PG_TEXT(detail != NULL ? detail : "{}")),
                  NULL, err);
}

int
advance(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
        const struct change *change, struct err *err)
{
    struct before before;
    enum read_action action;
    enum read_state to;

    if (lock_row(conn, read_id, &before, err) < 0)
        return -1;
    if (!read_next(before.state, event, &to, &action))
        return err_set(err, ERR_CONFLICT, "read %lld is %s: no %s", (long long)read_id,
                       read_state_word(before.state), read_event_word(event));
    if (check_guards(&before, event, actor, err) < 0 ||
        act(conn, read_id, actor, event, action, &before, change, err) < 0 ||
        pg_run(conn, "assign_state_set",
               PG_ARGS(PG_INT(read_id), PG_TEXT(read_state_word(to)), PG_INT(clock_wall_us())),
               NULL, err) < 0 ||
        log_add(conn, read_id, actor, event, change->detail, err) < 0)
        return err_context(err, "read %lld: %s", (long long)read_id, read_event_word(event));
    return 0;
}

int
assign_lock_read(struct pg_conn *conn, int64_t read_id, struct err *err)
{
    struct before before;

    return lock_row(conn, read_id, &before, err);
}

int
assign_advance(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event event,
               const char *detail, struct err *err)
{
    struct change change = {.detail = detail};

    CHECK(event != READ_SAW_AGREE && event != READ_SAW_ASSIGN && !read_event_is_note(event));
    return advance(conn, read_id, actor, event, &change, err);
}

int
assign_note(struct pg_conn *conn, int64_t read_id, const char *actor, enum read_event note,
            const char *detail, struct err *err)
{
    CHECK(read_event_is_note(note));
    return log_add(conn, read_id, actor, note, detail, err);
}

int
assign_cover_put(struct pg_conn *conn, int64_t read_id, const struct read_cover *cover,
                 struct err *err)
{
    struct before before;

    if (lock_row(conn, read_id, &before, err) < 0)
        return -1;
    return pg_run(conn, "assign_cover",
                  PG_ARGS(PG_INT(read_id), PG_INT(cover->version), PG_INT(cover->revision),
                          PG_INT(cover->instances), PG_BOOL(cover->is_preliminary)),
                  NULL, err);
}

/* ---- the log ---- */
static int
tell(const struct pg_rows *rows, assign_on_log cb, void *user, struct err *err)
{
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int event = read_event_from_word(pg_text(rows, i, 6));
        struct read_log entry = {.seq = pg_int(rows, i, 0),
                                 .read_id = pg_int(rows, i, 1),
                                 .at_us = pg_int(rows, i, 2),
                                 .tenant = pg_text(rows, i, 3),
                                 .study = pg_text(rows, i, 4),
                                 .actor = pg_text(rows, i, 5),
                                 .event = (enum read_event)event,
                                 .detail = pg_text(rows, i, 7)};

        CHECK(event >= 0);
        if (cb(user, &entry, err) < 0)
            return -1;
    }
    return 0;
}

int
log_read(struct pg_conn *conn, int64_t read_id, int64_t after, int limit, assign_on_log cb,
         void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc;

    if (pg_run(conn, "assign_log_after", PG_ARGS(PG_INT(read_id), PG_INT(after), PG_INT(limit)),
               &rows, err) < 0)
        return -1;
    rc = tell(rows, cb, user, err);
    pg_rows_free(&rows);
    return rc;
}

int
assign_events(struct pg *pg, int64_t read_id, int64_t after, int limit, assign_on_log cb,
              void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc;

    /* the connection goes back first: the callback may want one */
    if (choose_list(pg, "assign_log_after", PG_ARGS(PG_INT(read_id), PG_INT(after), PG_INT(limit)),
                    &rows, err) < 0)
        return -1;
    rc = tell(rows, cb, user, err);
    pg_rows_free(&rows);
    return rc;
}
