/* intake.c - the archive's events become reads.
 *
 *     events past the cursor > what the archive says of the study > one transaction: the read, its
 *     log, the cursor
 *
 * 1. The cursor moves in the transaction that did what its events ask, under the cursor's row lock,
 *    and only from where it was read: a crash, or a second process, neither loses nor doubles.
 * 2. The archive is asked before the transaction begins; nothing waits for the line with a lock
 * held.
 * 3. An archive that was set back to a backup numbers its events, and the lists of a study, anew:
 *    the cursor goes back with it, and events may be told again. They make nothing twice.
 * 4. A study of which the archive cannot say yet what it is (nothing whole has arrived), or that
 *    cannot be taken in, is set aside durably and asked for again, sooner when another event tells
 *    of it. So is one whose completeness cannot be noted. Others go on. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, DETAIL = 160 };
enum { ASIDE_FIRST_S = 1, ASIDE_MOST_S = 300, ASIDE_DOUBLINGS = 8 };

struct assign_feed assign_feed = {archive_events, archive_study_coming, archive_standing_get};

struct news {
    uint64_t seq;
    char tenant[65], kind[32], study[65];
    int64_t at_us;
    uint32_t revision;
    uint64_t instances;
};

struct batch {
    struct news news[BATCH];
    size_t n;
};

/* What one closed list is about. */
struct closed {
    const char *tenant, *study;
    uint32_t revision;
    uint64_t instances, whole;
    int64_t at_us;
    const struct archive_study *facts;
    uint32_t newest; /* the archive's newest list of the study; UINT32_MAX: it was not asked now */
};

static int
on_event(void *user, const struct archive_event *e)
{
    struct batch *b = user;
    struct news *n;

    if (b->n == BATCH)
        return 1;
    n = &b->news[b->n++];
    *n = (struct news){
        .seq = e->seq, .at_us = e->at_us, .revision = e->revision, .instances = e->instances};
    text_copy(n->tenant, sizeof n->tenant, e->tenant);
    text_copy(n->kind, sizeof n->kind, e->kind);
    text_copy(n->study, sizeof n->study, e->study);
    return 0;
}

/* ---- inside the transaction ---- */
static int
put_facts(struct pg_conn *conn, int64_t read_id, const struct archive_study *f, uint64_t whole,
          struct err *err)
{
    return pg_run(conn, "intake_facts",
                  PG_ARGS(PG_INT(read_id), PG_TEXT(f->modalities), PG_TEXT(f->body_part),
                          PG_TEXT(f->description), PG_TEXT(f->accession), PG_TEXT(f->study_date),
                          PG_TEXT(f->study_time), PG_TEXT(f->issuer), PG_TEXT(f->patient_id),
                          PG_TEXT(f->patient_name), PG_TEXT(f->sex), PG_TEXT(f->age),
                          PG_TEXT(f->birth_date), PG_INT(whole)),
                  NULL, err);
}

static int
make_read(struct pg_conn *conn, const struct closed *c, struct err *err)
{
    int64_t now_us = clock_wall_us();
    /* closed later than now: the centre's clock was ahead, and the read would never be due */
    int64_t closed_at_us = c->at_us < now_us ? c->at_us : now_us;
    struct pg_rows *rows = NULL;
    char detail[DETAIL];
    int64_t read_id;

    if (pg_run(conn, "intake_new",
               PG_ARGS(PG_TEXT(c->tenant), PG_TEXT(c->study), PG_INT(c->revision),
                       PG_INT(c->instances), PG_INT(c->whole), PG_INT(closed_at_us), PG_INT(now_us),
                       PG_TEXT("无有效协议覆盖：无阅片方"),
                       PG_TEXT("no agreement in force covers it: no reader by agreement")),
               &rows, err) < 0)
        return -1;
    read_id = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    snprintf(detail, sizeof detail, "{\"revision\":%u,\"instances\":%llu}", c->revision,
             (unsigned long long)c->instances);
    if (put_facts(conn, read_id, c->facts, c->whole, err) < 0 ||
        assign_note(conn, read_id, "system", READ_NOTE_OPENED, detail, err) < 0 ||
        choose_agree(conn, read_id, err) < 0 || order_find_for(conn, read_id, err) < 0 ||
        urgency_find_for(conn, read_id, err) < 0)
        return -1;
    LOG(&assign_log, ASSIGN_READ_MADE, F_NUMBER("read", read_id), F_WORD("tenant", c->tenant),
        F_UID("study", c->study), F_NUMBER("instances", c->instances));
    return 0;
}

static int
mark_read_late(struct pg_conn *conn, int64_t read_id, int64_t before, const struct closed *c,
               struct err *err)
{
    char detail[DETAIL];

    snprintf(detail, sizeof detail, "{\"revision\":%u,\"instances\":%llu,\"before\":%lld}",
             c->revision, (unsigned long long)c->instances, (long long)before);
    if (pg_run(conn, "intake_late",
               PG_ARGS(PG_INT(read_id), PG_INT(c->revision), PG_INT(c->instances),
                       PG_INT(clock_wall_us())),
               NULL, err) < 0 ||
        put_facts(conn, read_id, c->facts, c->whole, err) < 0 ||
        assign_advance(conn, read_id, "system", READ_SAW_LATE, detail, err) < 0)
        return -1;
    LOG(&assign_log, ASSIGN_READ_LATE, F_NUMBER("read", read_id), F_WORD("tenant", c->tenant),
        F_UID("study", c->study), F_NUMBER("instances", c->instances));
    return 0;
}

/* The read knows of a later list than the archive has: the archive was set back, and numbers its
 * lists anew. This one is its newest. */
static int
renumber(struct pg_conn *conn, int64_t read_id, int64_t before, const struct closed *c,
         struct err *err)
{
    if (before != (int64_t)c->instances)
        return mark_read_late(conn, read_id, before, c, err);
    return pg_run(conn, "intake_renumber", PG_ARGS(PG_INT(read_id), PG_INT(c->revision)), NULL,
                  err);
}

static int
take_closed(struct pg_conn *conn, const struct closed *c, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (order_lock_tenant(conn, c->tenant, err) < 0 ||
        pg_run(conn, "intake_find", PG_ARGS(PG_TEXT(c->tenant), PG_TEXT(c->study)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0)
        rc = make_read(conn, c, err);
    else if (pg_int(rows, 0, 1) < c->revision)
        rc = mark_read_late(conn, pg_int(rows, 0, 0), pg_int(rows, 0, 2), c, err);
    else if (pg_int(rows, 0, 1) > c->newest && c->revision == c->newest)
        rc = renumber(conn, pg_int(rows, 0, 0), pg_int(rows, 0, 2), c, err);
    pg_rows_free(&rows); /* else it was taken before: events may be told again */
    if (rc < 0)
        return -1;
    return pg_run(conn, "aside_done", PG_ARGS(PG_TEXT(c->tenant), PG_TEXT(c->study)), NULL, err);
}

static int
take_complete(struct pg_conn *conn, const struct closed *c, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t read_id;
    int rc = -1;

    if (pg_run(conn, "intake_find", PG_ARGS(PG_TEXT(c->tenant), PG_TEXT(c->study)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0 || pg_int(rows, 0, 1) != c->revision || pg_truth(rows, 0, 4)) {
        rc = 0; /* of a list before, or the read is not made yet, or it was told before */
        goto out;
    }
    read_id = pg_int(rows, 0, 0);
    if (put_facts(conn, read_id, c->facts, c->instances, err) < 0 ||
        assign_note(conn, read_id, "system", READ_NOTE_WHOLE, NULL, err) < 0)
        goto out;
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* The cursor must be where this round began: else another process has done these events. */
static int
move_cursor(struct pg_conn *conn, uint64_t from, const struct archive_cursor *to, struct err *err)
{
    struct pg_rows *rows = NULL;
    uint64_t at;

    if (pg_run(conn, "intake_cursor_lock", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    at = (uint64_t)pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    if (at != from)
        return err_set(err, ERR_RETRY, "another process has taken these events");
    return pg_run(conn, "intake_cursor_set", PG_ARGS(PG_INT(to->seq), PG_INT(to->at_us)), NULL,
                  err);
}

enum deed { DEED_NONE, DEED_CLOSED, DEED_COMPLETE, DEED_SOON, DEED_DOCUMENTS };

static enum deed
deed_of(const struct news *n)
{
    if (strcmp(n->kind, "study.closed") == 0)
        return DEED_CLOSED;
    if (strcmp(n->kind, "study.complete") == 0)
        return DEED_COMPLETE;
    if (strcmp(n->kind, "study.looked") == 0 || strcmp(n->kind, "study.sealed") == 0)
        return DEED_SOON;
    if (strcmp(n->kind, "documents.missing") == 0)
        return DEED_DOCUMENTS;
    return DEED_NONE;
}

/* The list that an event tells to be whole; 0: it tells another thing. */
static uint32_t
completed(const struct news *n)
{
    return deed_of(n) == DEED_COMPLETE ? n->revision : 0;
}

static int
put_aside(struct pg_conn *conn, const struct news *n, struct err *err)
{
    return pg_run(conn, "aside_put",
                  PG_ARGS(PG_TEXT(n->tenant), PG_TEXT(n->study), PG_INT(n->seq),
                          PG_INT(clock_wall_us() + ASIDE_FIRST_S * 1000000LL),
                          PG_INT(completed(n))),
                  NULL, err);
}

static int
ask_soon(struct pg_conn *conn, const struct news *n, struct err *err)
{
    return pg_run(conn, "aside_soon",
                  PG_ARGS(PG_TEXT(n->tenant), PG_TEXT(n->study), PG_INT(completed(n))), NULL, err);
}

static int
tell_of_documents(struct assign *a, struct pg_conn *conn, const struct news *n, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (a->options.on_documents_missing == NULL)
        return 0;
    if (pg_run(conn, "intake_find", PG_ARGS(PG_TEXT(n->tenant), PG_TEXT(n->study)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0)
        rc = a->options.on_documents_missing(conn, pg_int(rows, 0, 0), err);
    pg_rows_free(&rows);
    return rc;
}

/* What an event asks for. facts NULL: aside. */
static int
do_deed(struct assign *a, struct pg_conn *conn, const struct news *n, const struct closed *c,
        struct err *err)
{
    switch (deed_of(n)) {
    case DEED_CLOSED:
        return c->facts != NULL ? take_closed(conn, c, err) : put_aside(conn, n, err);
    case DEED_COMPLETE:
        if (c->facts == NULL)
            return put_aside(conn, n, err);
        return take_complete(conn, c, err) < 0 ? -1 : ask_soon(conn, n, err);
    case DEED_SOON:
        return ask_soon(conn, n, err);
    case DEED_DOCUMENTS:
        return tell_of_documents(a, conn, n, err);
    case DEED_NONE:
        break;
    }
    return 0;
}

/* One event and the cursor up to it, in one transaction. facts NULL: aside. */
static int
settle(struct assign *a, uint64_t from, const struct news *n, const struct archive_study *facts,
       const struct archive_standing *s, struct err *err)
{
    struct closed c = {n->tenant, n->study, n->revision, n->instances,
                       s->whole,  n->at_us, facts,       s->revision};
    const struct archive_cursor to = {n->seq, n->at_us};
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(a->options.pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        move_cursor(conn, from, &to, err) == 0 && do_deed(a, conn, n, &c, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    return rc;
}

/* ---- before it: what the archive says ---- */

/* 1: it says what the study is; 0: it cannot yet; -1: it is away. */
static int
ask(struct assign *a, const char *tenant, const char *study, struct archive_study *out,
    struct archive_standing *out_standing, struct err *err)
{
    if (assign_feed.facts(a->options.archive, tenant, study, out, err) == 0 &&
        assign_feed.standing(a->options.archive, tenant, study, out_standing, err) == 0)
        return 1;
    return err->kind == ERR_NOT_FOUND || err->kind == ERR_REJECT ? 0 : -1;
}

/* Will it be refused as often as it is tried? Then others do not wait for it. */
static bool
is_of_this_study(const struct err *err)
{
    return !err_kind_is_retried(err->kind);
}

static void
tell_aside(const char *tenant, const char *study, const struct err *why)
{
    LOG(&assign_log, ASSIGN_ASIDE, F_WORD("tenant", tenant), F_UID("study", study), F_ERR(why));
}

static int
take_one(struct assign *a, uint64_t from, const struct news *n, struct err *err)
{
    struct archive_study *facts = mem_new(sizeof *facts);
    struct archive_standing standing = {0};
    enum deed deed = deed_of(n);
    int said = 0, rc = -1;

    if (deed == DEED_CLOSED || deed == DEED_COMPLETE) {
        said = ask(a, n->tenant, n->study, facts, &standing, err);
        if (said < 0)
            goto out;
        if (said == 0)
            tell_aside(n->tenant, n->study, err);
    }
    rc = settle(a, from, n, said == 1 ? facts : NULL, &standing, err);
    if (rc < 0 && said == 1 && is_of_this_study(err)) {
        tell_aside(n->tenant, n->study, err);
        rc = settle(a, from, n, NULL, &standing, err);
    }
    if (rc == 0 && deed != DEED_NONE)
        assign_wake(a);
out:
    free(facts);
    return rc;
}

/* ---- what was set aside ---- */
struct aside {
    const char *tenant, *study;
    int64_t tries;
    uint32_t complete; /* the list to be noted as whole; 0: none */
};

/* The list, and that it is whole where that was told. */
static int
take_again(struct pg_conn *conn, const struct closed *c, uint32_t complete, struct err *err)
{
    struct closed whole = *c;

    whole.revision = complete;
    if (take_closed(conn, c, err) < 0)
        return -1;
    return complete > 0 ? take_complete(conn, &whole, err) : 0;
}

static int
settle_aside(struct assign *a, const struct aside *one, const struct archive_study *facts,
             const struct archive_standing *s, struct err *err)
{
    struct closed c = {one->tenant, one->study,    s->revision, s->expected,
                       s->whole,    s->last_at_us, facts,       UINT32_MAX};
    int64_t pause_s = ASIDE_FIRST_S
                      << (one->tries < ASIDE_DOUBLINGS ? one->tries : ASIDE_DOUBLINGS);
    struct pg_conn *conn = NULL;
    int rc = -1;

    pause_s = pause_s < ASIDE_MOST_S ? pause_s : ASIDE_MOST_S;
    if (c.at_us == 0)
        c.at_us = clock_wall_us();
    if (pg_get(a->options.pg, &conn, err) < 0 || pg_begin(conn, err) < 0)
        goto out;
    if ((facts != NULL ? take_again(conn, &c, one->complete, err)
                       : pg_run(conn, "aside_later",
                                PG_ARGS(PG_TEXT(one->tenant), PG_TEXT(one->study),
                                        PG_INT(clock_wall_us() + pause_s * 1000000)),
                                NULL, err)) < 0)
        goto out;
    rc = pg_commit(conn, err);
out:
    pg_put(&conn);
    return rc;
}

static int
retry_one(struct assign *a, const struct aside *one, struct err *err)
{
    struct archive_study *facts = mem_new(sizeof *facts);
    struct archive_standing standing = {0};
    int said = ask(a, one->tenant, one->study, facts, &standing, err), rc = -1;

    if (said >= 0) {
        bool is_known = said == 1 && standing.revision > 0;

        rc = settle_aside(a, one, is_known ? facts : NULL, &standing, err);
        if (rc < 0 && is_known && is_of_this_study(err)) {
            tell_aside(one->tenant, one->study, err);
            is_known = false;
            rc = settle_aside(a, one, NULL, &standing, err);
        }
        if (rc == 0 && is_known)
            assign_wake(a);
    }
    free(facts);
    return rc;
}

/* out_wait_s: how long events may be waited for before the next one is due. */
static int
retry_asides(struct assign *a, unsigned *out_wait_s, struct err *err)
{
    struct pg_rows *rows = NULL, *next = NULL;
    int64_t now = clock_wall_us(), at;
    int rc = 0;

    if (choose_list(a->options.pg, "aside_due",
                    PG_ARGS(PG_INT(now), PG_INT(now + ASIDE_MOST_S * 1000000LL)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && rc == 0; i++) {
        const struct aside one = {pg_text(rows, i, 0), pg_text(rows, i, 1), pg_int(rows, i, 2),
                                  (uint32_t)pg_int(rows, i, 3)};

        rc = retry_one(a, &one, err);
    }
    pg_rows_free(&rows);
    if (rc < 0 || choose_list(a->options.pg, "aside_next", PG_NO_ARGS, &next, err) < 0)
        return -1;
    at = pg_is_null(next, 0, 0) ? 0 : pg_int(next, 0, 0);
    if (!pg_is_null(next, 0, 0))
        *out_wait_s = at - now < (int64_t)*out_wait_s * 1000000 ? 1 : *out_wait_s;
    pg_rows_free(&next);
    return 0;
}

/* In a transaction of its own: another process may have done it. */
static int
set_back(struct assign *a, uint64_t from, const struct archive_cursor *to, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(a->options.pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        move_cursor(conn, from, to, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    if (rc == 0)
        LOG(&assign_log, ASSIGN_ARCHIVE_SET_BACK, F_NUMBER("cursor", from),
            F_NUMBER("archive", to->seq));
    return rc;
}

static int
take_batch(struct assign *a, uint64_t at, const struct batch *b, struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        /* those that ask for nothing move the cursor with the next that does, or at the end */
        if (deed_of(&b->news[i]) == DEED_NONE && i + 1 < b->n)
            continue;
        if (take_one(a, at, &b->news[i], err) < 0)
            return -1;
        at = b->news[i].seq;
    }
    return 0;
}

int
intake_step(struct assign *a, unsigned wait_s, struct err *err)
{
    struct batch *b = mem_new(sizeof *b);
    struct pg_rows *rows = NULL;
    struct archive_cursor cursor;
    uint64_t at;
    bool is_lost;
    int rc = -1;

    if (retry_asides(a, &wait_s, err) < 0 ||
        choose_list(a->options.pg, "intake_cursor", PG_NO_ARGS, &rows, err) < 0)
        goto out;
    at = (uint64_t)pg_int(rows, 0, 0);
    cursor = (struct archive_cursor){at, pg_int(rows, 0, 1)};
    if (assign_feed.events(a->options.archive, &cursor, wait_s, on_event, b, &is_lost, err) < 0)
        goto out;
    rc = is_lost ? set_back(a, at, &cursor, err) : take_batch(a, at, b, err);
out:
    pg_rows_free(&rows);
    free(b);
    return rc;
}
