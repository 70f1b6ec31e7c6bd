/* urgency.c - STAT: said, kept, told to the reader and to the uplink. */
#include "gateway/desk/urgency.h"

#include "gateway/desk/book_own.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

static const struct log_ctx ctx = {.stage = "gateway/desk"};
/* A registration waits so long for its images; after that a person says. */
static const int64_t since_us = INT64_C(30) * 86400 * 1000000;

#define SIDE_DESK "desk"
#define SIDE_REGISTRATION "registration"
#define SIDE_READER "reader"

/* ---- in a turn ---- */

static int
tell_reader(struct book *book, const struct book_urgency *u, uint32_t revision, struct err *err)
{
    struct clinic_up *up = mem_new(sizeof *up);
    struct db_rows *rows = NULL;
    int rc = -1;

    *up = (struct clinic_up){
        .kind = CLINIC_STUDY_URGENT, .is_urgent = u->is_stat, .revision = revision};
    text_copy(up->study, sizeof up->study, u->study);
    text_copy(up->reason, sizeof up->reason, u->reason);
    text_copy(up->by, sizeof up->by, u->by);
    if (db_run(book->db, "urgency_owner", DB_ARGS(DB_TEXT(u->study)), &rows, err) < 0)
        goto out;
    if (db_rows_count(rows) > 0) /* messages of one registration go in their order */
        text_copy(up->registration, sizeof up->registration, db_text(rows, 0, 0));
    rc = outbox_add(book, up, err);
out:
    db_rows_free(&rows);
    free(up);
    return rc;
}

struct known {
    bool is_there, is_stat;
    uint32_t revision;
};

static int
get(struct book *book, const char *study, struct known *out, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "urgency_get", DB_ARGS(DB_TEXT(study)), &rows, err) < 0)
        return -1;
    *out = (struct known){.is_there = false};
    if (db_rows_count(rows) > 0)
        *out = (struct known){true, db_int(rows, 0, 0) != 0, (uint32_t)db_int(rows, 0, 1)};
    db_rows_free(&rows);
    return 0;
}

static int
put(struct book *book, const struct book_urgency *u, const struct known *known, struct err *err)
{
    uint32_t revision = book_revision_after(known->revision);

    if (db_run(book->db, "urgency_put",
               DB_ARGS(DB_TEXT(u->study), DB_INT(u->is_stat), DB_TEXT(u->reason), DB_TEXT(u->by),
                       DB_TEXT(u->side), DB_INT(revision), DB_INT(clock_wall_us())),
               NULL, err) < 0)
        return -1;
    return strcmp(u->side, SIDE_READER) == 0 ? 0 : tell_reader(book, u, revision, err);
}

static void
say(struct book_urgency *u, const char *study, bool is_stat, const char *reason, const char *side)
{
    *u = (struct book_urgency){.is_stat = is_stat};
    text_copy(u->study, sizeof u->study, study);
    text_copy(u->reason, sizeof u->reason, reason);
    text_copy(u->side, sizeof u->side, side);
}

int
urgency_of_registration(struct book *book, const char *registration, bool is_stat,
                        const char *reason, const char *login, struct err *err)
{
    struct db_rows *rows = NULL;
    struct book_urgency u;
    int rc = -1;

    if (db_run(book->db, "urgency_studies_of", DB_ARGS(DB_TEXT(registration)), &rows, err) < 0)
        goto out;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct known known;

        say(&u, db_text(rows, i, 0), is_stat, reason, SIDE_DESK);
        if (book_name_of(book, login, u.by, err) < 0 || get(book, u.study, &known, err) < 0 ||
            (known.is_stat != is_stat && put(book, &u, &known, err) < 0))
            goto out;
    }
    rc = 0;
out:
    db_rows_free(&rows);
    return rc;
}

int
urgency_note_by(struct book *book, const char *registration, const char *login, bool is_anew,
                struct err *err)
{
    char name[CLINIC_NAME_SIZE];

    if (book_name_of(book, login, name, err) < 0)
        return -1;
    return db_run(book->db, "urgency_registration_by",
                  DB_ARGS(DB_TEXT(registration), DB_TEXT(name), DB_INT(is_anew)), NULL, err);
}

int
urgency_take(struct book *book, const struct clinic_down *m, struct err *err)
{
    struct book_urgency u;
    struct known known;

    if (strcmp(m->urgency, "stat") != 0)
        return 0; /* between the two there is nothing at this desk */
    say(&u, m->study, true, m->reason, SIDE_READER);
    text_copy(u.by, sizeof u.by, m->author);
    if (m->hospital[0] != '\0' && strlen(u.by) + strlen(m->hospital) + 2 < sizeof u.by) {
        text_copy(u.by + strlen(u.by), sizeof u.by - strlen(u.by), " ");
        text_copy(u.by + strlen(u.by), sizeof u.by - strlen(u.by), m->hospital);
    }
    if (get(book, u.study, &known, err) < 0)
        return -1;
    return known.is_stat ? 0 : put(book, &u, &known, err);
}

/* ---- each in a turn of its own ---- */

struct act {
    struct book_urgency said;
    const char *login;
    size_t count;
};

static int
in_turn(struct book *book, int (*run)(struct book *, struct act *, struct err *), struct act *act,
        struct err *err)
{
    int rc = db_begin(book->db, err);

    return rc < 0 ? -1 : db_end(book->db, run(book, act, err), err);
}

static int
turn_say(struct book *book, struct act *act, struct err *err)
{
    struct known known;

    if (book_name_of(book, act->login, act->said.by, err) < 0 ||
        get(book, act->said.study, &known, err) < 0)
        return -1;
    if (!known.is_there && !act->said.is_stat)
        return 0; /* nobody ever said that it is one */
    return put(book, &act->said, &known, err);
}

int
book_study_urgency(struct book *book, const char *study, bool is_stat, const char *reason,
                   const char *login, struct err *err)
{
    struct act act = {.login = login};

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_REJECT, "study: no UID");
    if (reason[0] == '\0')
        return err_set(err, ERR_REJECT, "reason: say why");
    say(&act.said, study, is_stat, reason, SIDE_DESK);
    if (in_turn(book, turn_say, &act, err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

static int
turn_follow(struct book *book, struct act *act, struct err *err)
{
    int64_t since = clock_wall_us() - since_us;
    struct db_rows *rows = NULL;
    int rc = -1;

    if (db_run(book->db, "urgency_unsaid", DB_ARGS(DB_INT(since)), &rows, err) < 0)
        goto out;
    act->count = db_rows_count(rows);
    for (size_t i = 0; i < act->count; i++) {
        struct known known;

        say(&act->said, db_text(rows, i, 0), db_int(rows, i, 3) != 0, db_text(rows, i, 1),
            SIDE_REGISTRATION);
        text_copy(act->said.by, sizeof act->said.by, db_text(rows, i, 2));
        if (get(book, act->said.study, &known, err) < 0 ||
            (!known.is_there && put(book, &act->said, &known, err) < 0))
            goto out;
    }
    rc = 0;
out:
    db_rows_free(&rows);
    return rc;
}

struct due {
    struct book_urgency said;
    int64_t revision;
};

static int
list_due(struct book *book, struct due **out, size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "urgency_due", DB_NO_ARGS, &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++) {
            struct due *d = &(*out)[i];

            say(&d->said, db_text(rows, i, 0), db_int(rows, i, 1) != 0, db_text(rows, i, 2),
                db_text(rows, i, 5));
            text_copy(d->said.by, sizeof d->said.by, db_text(rows, i, 3));
            d->revision = db_int(rows, i, 4);
        }
    }
    db_rows_free(&rows);
    return rc;
}

/* One line, cut to whole signs; "-" where there is nothing. */
static void
line_of(const char *text, char *out, size_t size)
{
    size_t n;

    text_copy(out, size, text[0] != '\0' ? text : "-");
    n = strlen(out);
    while (n > 0 && !text_is_utf8(out, n))
        out[--n] = '\0';
    for (char *p = out; *p != '\0'; p++)
        if ((uint8_t)*p < 0x20 || *p == 0x7F)
            *p = ' ';
}

static int
hand_over(struct uplink *uplink, const struct book_urgency *u, struct err *err)
{
    enum uplink_urgency urgency = u->is_stat ? UPLINK_STAT : UPLINK_ROUTINE;
    struct uplink_urgent words;

    line_of(u->reason, words.reason, sizeof words.reason);
    line_of(u->by, words.who, sizeof words.who);
    return strcmp(u->side, SIDE_READER) == 0
               ? uplink_raise_urgency(uplink, u->study, urgency, words.reason, words.who, err)
               : uplink_set_urgency(uplink, u->study, urgency, words.reason, words.who, err);
}

/* What the uplink will never take is said in the log and not told again. */
static int
apply(struct book *book, struct uplink *uplink, const struct due *due, struct err *err)
{
    const struct book_urgency *u = &due->said;

    if (hand_over(uplink, u, err) == 0)
        LOG(&ctx, DESK_URGENCY, F_UID("study", u->study),
            F_WORD("urgency", u->is_stat ? "stat" : "routine"));
    else if (err->kind == ERR_RETRY || err->kind == ERR_FULL)
        return -1;
    else
        LOG(&ctx, DESK_URGENCY_REFUSED, F_UID("study", u->study), F_ERR(err));
    return db_ask(book->db, "urgency_done", DB_ARGS(DB_TEXT(u->study), DB_INT(due->revision)), NULL,
                  err);
}

static int
step(struct book *book, struct uplink *uplink, struct err *err)
{
    struct act act = {.login = ""};
    struct due *due = NULL;
    size_t n = 0;
    int rc = 0;

    if (in_turn(book, turn_follow, &act, err) < 0)
        return -1;
    if (act.count > 0)
        book_changed(book);
    if (uplink == NULL)
        return 0;
    if (list_due(book, &due, &n, err) < 0)
        return -1;
    while (rc == 0 && n > 0) {
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = apply(book, uplink, &due[i], err);
        free(due);
        due = NULL;
        n = 0;
        if (rc == 0) /* not more than some at a time, and each that was told is not due any more */
            rc = list_due(book, &due, &n, err);
    }
    free(due);
    return rc;
}

/* One at a time: a list that another step's newer word has overtaken would be told after it, and
 * the uplink would keep the older one for ever. */
int
urgency_step(struct book *book, struct uplink *uplink, struct err *err)
{
    int rc;

    pthread_mutex_lock(&book->urgency);
    rc = step(book, uplink, err);
    pthread_mutex_unlock(&book->urgency);
    return rc;
}

int
book_urgencies(struct book *book, int64_t since, struct book_urgency **out, size_t *out_n,
               struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "urgency_list", DB_ARGS(DB_INT(since)), &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++) {
            struct book_urgency *u = &(*out)[i];

            say(u, db_text(rows, i, 0), db_int(rows, i, 1) != 0, db_text(rows, i, 2),
                db_text(rows, i, 4));
            text_copy(u->by, sizeof u->by, db_text(rows, i, 3));
            u->at_us = db_int(rows, i, 5);
        }
    }
    db_rows_free(&rows);
    return rc;
}
