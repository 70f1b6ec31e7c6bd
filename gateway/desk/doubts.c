/* doubts.c - what is odd about whose images a study is, and what people say about it. */
#include "gateway/desk/doubts.h"

#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/model/citizen_id.h"
#include "proto/model/doubts.h"

#include <stdlib.h>
#include <string.h>

/* Each begins and ends its turn; a change is told to who waits. */
typedef int (*turn_fn)(struct book *book, void *user, struct err *err);

static int
in_turn(struct book *book, turn_fn run, void *user, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, run(book, user, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

struct row {
    uint32_t bits, resolved, confirmed, revision;
    bool is_there;
};

static int
get(struct book *book, const char *study, struct row *out, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "doubt_get", DB_ARGS(DB_TEXT(study)), &rows, err) < 0)
        return -1;
    *out = (struct row){0};
    if (db_rows_count(rows) > 0)
        *out = (struct row){.bits = (uint32_t)db_int(rows, 0, 0),
                            .resolved = (uint32_t)db_int(rows, 0, 1),
                            .confirmed = (uint32_t)db_int(rows, 0, 2),
                            .revision = (uint32_t)db_int(rows, 0, 10),
                            .is_there = true};
    db_rows_free(&rows);
    return 0;
}

static int
owner_of(struct book *book, const char *study, char out[CLINIC_REGISTRATION_SIZE], struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "doubt_owner", DB_ARGS(DB_TEXT(study)), &rows, err) < 0)
        return -1;
    text_copy(out, CLINIC_REGISTRATION_SIZE, db_rows_count(rows) > 0 ? db_text(rows, 0, 0) : "");
    db_rows_free(&rows);
    return 0;
}

/* Words that no line of JSON may hold are left out rather than the message. */
static void
put_line(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p != '\0' && n + 1 < size; p++)
        if ((uint8_t)*p >= 0x20 && *p != 0x7F)
            out[n++] = *p;
    out[n] = '\0';
    while (n > 0 && !text_is_utf8(out, n))
        out[--n] = '\0';
}

/* The reader learns how the study stands now, but for what is left out. A number that is no UID (of
 * an older version) has no read to tell. */
static int
tell_without(struct book *book, const char *study, uint32_t left_out, struct err *err)
{
    struct clinic_up *up = mem_new(sizeof *up);
    struct db_rows *rows = NULL;
    uint32_t bits, confirmed;
    struct row row;
    int rc = -1;

    *up = (struct clinic_up){.kind = CLINIC_DOUBT};
    if (!uid_is_valid(study, true)) {
        rc = 0;
        goto out;
    }
    if (get(book, study, &row, err) < 0 ||
        db_run(book->db, "doubt_told",
               DB_ARGS(DB_TEXT(study), DB_INT(book_revision_after(row.revision))), NULL, err) < 0 ||
        db_run(book->db, "doubt_get", DB_ARGS(DB_TEXT(study)), &rows, err) < 0 ||
        owner_of(book, study, up->registration, err) < 0)
        goto out;
    bits = (uint32_t)db_int(rows, 0, 0) & ~(uint32_t)db_int(rows, 0, 1) & ~left_out;
    confirmed = (uint32_t)db_int(rows, 0, 2);
    text_copy(up->study, sizeof up->study, study);
    doubts_write(bits, up->doubts);
    up->is_confirmed = bits != 0 && (bits & ~confirmed) == 0;
    put_line(up->reason, sizeof up->reason, db_text(rows, 0, 4));
    up->is_corrected = db_int(rows, 0, 5) != 0;
    put_line(up->patient_id, sizeof up->patient_id, db_text(rows, 0, 6));
    put_line(up->name, sizeof up->name, db_text(rows, 0, 7));
    if (strlen(db_text(rows, 0, 8)) == 1 && strchr("MFO", db_text(rows, 0, 8)[0]) != NULL)
        text_copy(up->sex, sizeof up->sex, db_text(rows, 0, 8));
    if (citizen_id_is_day(db_text(rows, 0, 9)))
        text_copy(up->birth, sizeof up->birth, db_text(rows, 0, 9));
    up->revision = (uint32_t)db_int(rows, 0, 10);
    rc = outbox_add(book, up, err);
out:
    db_rows_free(&rows);
    free(up);
    return rc;
}

static int
tell(struct book *book, const char *study, struct err *err)
{
    return tell_without(book, study, 0, err);
}

/* What an attached registration answers by itself. */
static const uint32_t answered_by_hand = DOUBT_NO_PATIENT | DOUBT_OTHERS_NUMBER;

struct put {
    const char *study, *identity; /* "": not asked for */
    uint32_t bits;
};

static int
put(struct book *book, const char *study, uint32_t bits, struct err *err)
{
    char owner[CLINIC_REGISTRATION_SIZE];
    struct row row;

    if (get(book, study, &row, err) < 0)
        return -1;
    if ((bits & ~row.bits) == 0)
        return 0;
    if (db_run(book->db, "doubt_add",
               DB_ARGS(DB_TEXT(study), DB_INT(bits), DB_INT(clock_wall_us())), NULL, err) < 0 ||
        owner_of(book, study, owner, err) < 0)
        return -1;
    if (owner[0] != '\0' &&
        db_run(book->db, "doubt_resolve", DB_ARGS(DB_TEXT(study), DB_INT(answered_by_hand)), NULL,
               err) < 0)
        return -1;
    return tell(book, study, err);
}

static int
count_others(struct book *book, const char *study, const char *identity, uint64_t *out_others,
             bool *out_is_known, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "doubt_others", DB_ARGS(DB_TEXT(study), DB_TEXT(identity)), &rows, err) <
        0)
        return -1;
    *out_others = (uint64_t)db_int(rows, 0, 0);
    *out_is_known = db_int(rows, 0, 1) > 0;
    db_rows_free(&rows);
    return 0;
}

/* One more person under the study. What a person confirmed, here or at the reader, was about the
 * others; at the reader a word is a new question when it went and comes again (docs/reads.md). */
static int
put_other(struct book *book, const char *study, const char *identity, struct err *err)
{
    bool is_known;
    uint64_t others;

    if (count_others(book, study, identity, &others, &is_known, err) < 0)
        return -1;
    if (is_known)
        return 0;
    if (db_run(book->db, "doubt_other_add", DB_ARGS(DB_TEXT(study), DB_TEXT(identity)), NULL, err) <
        0)
        return -1;
    if (others == 0) /* the one that the doubt is about */
        return 0;
    if (db_run(book->db, "doubt_unconfirm", DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_UID_REUSED)), NULL,
               err) < 0 ||
        tell_without(book, study, DOUBT_UID_REUSED, err) < 0)
        return -1;
    return tell(book, study, err);
}

static int
turn_put(struct book *book, void *user, struct err *err)
{
    const struct put *p = user;

    if (put(book, p->study, p->bits, err) < 0)
        return -1;
    return p->identity[0] != '\0' ? put_other(book, p->study, p->identity, err) : 0;
}

int
book_doubt_put(struct book *book, const char *study, uint32_t bits, struct err *err)
{
    struct put p = {study, "", bits};

    return in_turn(book, turn_put, &p, err);
}

int
book_doubt_reused(struct book *book, const char *study, uint32_t bits, const char *identity,
                  struct err *err)
{
    struct put p = {study, identity, bits | DOUBT_UID_REUSED};

    return in_turn(book, turn_put, &p, err);
}

int
doubts_attached(struct book *book, const char *study, struct err *err)
{
    struct row row;

    if (get(book, study, &row, err) < 0)
        return -1;
    if ((row.bits & ~row.resolved & answered_by_hand) == 0)
        return 0;
    if (db_run(book->db, "doubt_resolve", DB_ARGS(DB_TEXT(study), DB_INT(answered_by_hand)), NULL,
               err) < 0)
        return -1;
    return tell(book, study, err);
}

int
doubts_detached(struct book *book, const char *study, struct err *err)
{
    struct row row;

    if (db_run(book->db, "doubt_nobodys",
               DB_ARGS(DB_TEXT(study), DB_TEXT(""), DB_TEXT(""), DB_INT(0)), NULL, err) < 0 ||
        get(book, study, &row, err) < 0)
        return -1;
    if ((row.bits & row.resolved & answered_by_hand) == 0)
        return 0;
    if (db_run(book->db, "doubt_unresolve", DB_ARGS(DB_TEXT(study), DB_INT(answered_by_hand)), NULL,
               err) < 0)
        return -1;
    return tell(book, study, err);
}

/* As of one more person (put_other): a word that went and comes again is a new question. */
static int
ask_anothers(struct book *book, const char *study, bool is_asked, struct err *err)
{
    if (db_run(book->db, "doubt_add",
               DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_OTHERS_NUMBER), DB_INT(clock_wall_us())), NULL,
               err) < 0 ||
        db_run(book->db, "doubt_unresolve", DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_OTHERS_NUMBER)),
               NULL, err) < 0 ||
        db_run(book->db, "doubt_unconfirm", DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_OTHERS_NUMBER)),
               NULL, err) < 0 ||
        (is_asked && tell_without(book, study, DOUBT_OTHERS_NUMBER, err) < 0))
        return -1;
    return tell(book, study, err);
}

int
doubts_anothers(struct book *book, const char *study, bool is, bool *io_is_news, struct err *err)
{
    struct row row;
    bool is_asked;

    if (get(book, study, &row, err) < 0)
        return -1;
    is_asked = (row.bits & ~row.resolved & DOUBT_OTHERS_NUMBER) != 0;
    if (is == is_asked && !(is && *io_is_news))
        return 0;
    *io_is_news = true;
    if (is)
        return ask_anothers(book, study, is_asked, err);
    if (db_run(book->db, "doubt_resolve", DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_OTHERS_NUMBER)),
               NULL, err) < 0)
        return -1;
    return tell(book, study, err);
}

struct confirm {
    const char *study, *by, *reason;
    uint64_t others;
    uint32_t shown;
};

/* An image of the phantom, a trial: what the reader knows of it does not change. */
static int
confirm_nobodys(struct book *book, const struct confirm *c, const char *by, struct err *err)
{
    struct db_rows *rows = NULL;
    bool is_nobodys;

    if (db_run(book->db, "study_is_nobodys", DB_ARGS(DB_TEXT(c->study)), &rows, err) < 0)
        return -1;
    is_nobodys = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    if (!is_nobodys)
        return err_set(err, ERR_NOT_FOUND, "nothing is odd about this study");
    if (db_run(book->db, "doubt_add",
               DB_ARGS(DB_TEXT(c->study), DB_INT(0), DB_INT(clock_wall_us())), NULL, err) < 0)
        return -1;
    return db_run(
        book->db, "doubt_nobodys",
        DB_ARGS(DB_TEXT(c->study), DB_TEXT(by), DB_TEXT(c->reason), DB_INT(clock_wall_us())), NULL,
        err);
}

static int
turn_confirm(struct book *book, void *user, struct err *err)
{
    const struct confirm *c = user;
    char by[CLINIC_NAME_SIZE];
    struct row row;
    uint64_t others;
    uint32_t open;
    bool ignored;

    if (book_name_of(book, c->by, by, err) < 0 || get(book, c->study, &row, err) < 0 ||
        count_others(book, c->study, "", &others, &ignored, err) < 0)
        return -1;
    open = row.bits & ~row.resolved;
    if (c->shown == 0 && doubts_that_hold(open & ~row.confirmed) == 0)
        return confirm_nobodys(book, c, by, err);
    if (open == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing is odd about this study any more");
    if ((open & ~c->shown) != 0 || others > c->others)
        return err_set(err, ERR_CONFLICT, "something else is odd by now: look again");
    if (open & DOUBT_A_OR_B)
        return err_set(err, ERR_CONFLICT, "first say whose the images are");
    if (db_run(book->db, "doubt_confirm",
               DB_ARGS(DB_TEXT(c->study), DB_INT(open), DB_TEXT(by), DB_TEXT(c->reason),
                       DB_INT(clock_wall_us())),
               NULL, err) < 0)
        return -1;
    return tell(book, c->study, err);
}

int
book_doubt_confirm(struct book *book, const char *study, uint32_t shown, uint64_t others,
                   const char *by, const char *reason, struct err *err)
{
    struct confirm c = {study, by, reason, others, shown};

    if (reason[0] == '\0')
        return err_set(err, ERR_REJECT, "reason: say what was looked at");
    return in_turn(book, turn_confirm, &c, err);
}

/* ---- A or B ---- */

/* An open question holds the study, also when an earlier one was answered. */
static int
hold(struct book *book, const char *study, struct err *err)
{
    struct row row;

    if (get(book, study, &row, err) < 0)
        return -1;
    if ((row.bits & DOUBT_A_OR_B) == 0)
        return put(book, study, DOUBT_A_OR_B, err);
    if ((row.resolved & DOUBT_A_OR_B) == 0)
        return 0;
    if (db_run(book->db, "doubt_unresolve", DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_A_OR_B)), NULL,
               err) < 0)
        return -1;
    return tell(book, study, err);
}

static int
turn_correction(struct book *book, void *user, struct err *err)
{
    const struct book_correction *c = user;
    const struct book_study *a = &c->first, *b = &c->second;
    const struct book_exam *x = &c->first_exam, *y = &c->second_exam;
    struct db_rows *rows = NULL;
    bool is_open;
    int64_t n;

    if (db_run(book->db, "correction_add",
               DB_ARGS(DB_TEXT(c->study), DB_TEXT(c->other_study), DB_TEXT(c->identity),
                       DB_TEXT(a->patient_id), DB_TEXT(a->name), DB_TEXT(a->sex), DB_TEXT(a->birth),
                       DB_TEXT(b->patient_id), DB_TEXT(b->name), DB_TEXT(b->sex), DB_TEXT(b->birth),
                       DB_INT(clock_wall_us()), DB_INT(a->arrived_at_us), DB_INT(b->arrived_at_us),
                       DB_TEXT(a->accession), DB_TEXT(x->date), DB_TEXT(x->time),
                       DB_TEXT(x->number), DB_TEXT(x->description), DB_TEXT(b->accession),
                       DB_TEXT(y->date), DB_TEXT(y->time), DB_TEXT(y->number),
                       DB_TEXT(y->description)),
               NULL, err) < 0 ||
        db_run(book->db, "correction_find",
               DB_ARGS(DB_TEXT(c->study), DB_TEXT(c->other_study), DB_TEXT(c->identity)), &rows,
               err) < 0)
        return -1;
    n = db_int(rows, 0, 0);
    is_open = db_text(rows, 0, 1)[0] == '\0';
    db_rows_free(&rows);
    if (db_run(book->db, "correction_instance_add", DB_ARGS(DB_INT(c->entry), DB_INT(n)), NULL,
               err) < 0)
        return -1;
    return is_open ? hold(book, c->study, err) : 0;
}

int
book_correction_put(struct book *book, const struct book_correction *c, struct err *err)
{
    struct book_correction own = *c;

    return in_turn(book, turn_correction, &own, err);
}

struct answer {
    int64_t n;
    bool is_second;
    const char *registration, *seen, *by;
};

static int
no_question(struct book *book, const char *study, bool *out, struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "correction_open", DB_ARGS(DB_TEXT(study)), &rows, err) < 0)
        return -1;
    *out = db_rows_count(rows) == 0;
    db_rows_free(&rows);
    return 0;
}

static int
attach_to(struct book *book, const char *registration, const char *study, struct err *err)
{
    struct book_registration *r = mem_new(sizeof *r);
    int rc = registration_get(book, registration, r, err);

    if (rc == 0)
        rc = registration_attach(book, r, study, "hand", err);
    free(r);
    return rc;
}

static int
keep_answer(struct book *book, const struct answer *a, const struct db_rows *q, struct err *err)
{
    const char *study = db_text(q, 0, 0);
    char by[CLINIC_NAME_SIZE];
    bool is_settled;

    if (book_name_of(book, a->by, by, err) < 0 ||
        db_run(book->db, "correction_answer",
               DB_ARGS(DB_INT(a->n), DB_TEXT(a->is_second ? "second" : "first"), DB_TEXT(by),
                       DB_INT(clock_wall_us())),
               NULL, err) < 0 ||
        /* "first" takes back no more than this question's own "second" */
        ((a->is_second || strcmp(db_text(q, 0, 6), "second") == 0) &&
         db_run(book->db, "doubt_correct",
                DB_ARGS(DB_TEXT(study), DB_INT(a->is_second),
                        DB_TEXT(a->is_second ? db_text(q, 0, 2) : ""),
                        DB_TEXT(a->is_second ? db_text(q, 0, 3) : ""),
                        DB_TEXT(a->is_second ? db_text(q, 0, 4) : ""),
                        DB_TEXT(a->is_second ? db_text(q, 0, 5) : "")),
                NULL, err) < 0) ||
        no_question(book, study, &is_settled, err) < 0)
        return -1;
    if (is_settled && db_run(book->db, "doubt_resolve",
                             DB_ARGS(DB_TEXT(study), DB_INT(DOUBT_A_OR_B)), NULL, err) < 0)
        return -1;
    if (a->registration[0] != '\0' && attach_to(book, a->registration, study, err) < 0)
        return -1;
    return tell(book, study, err);
}

static int
turn_answer(struct book *book, void *user, struct err *err)
{
    const struct answer *a = user;
    struct db_rows *q = NULL;
    int rc;

    if (db_run(book->db, "correction_get", DB_ARGS(DB_INT(a->n)), &q, err) < 0)
        return -1;
    if (db_rows_count(q) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such question");
    else if (a->seen != NULL && strcmp(a->seen, db_text(q, 0, 6)) != 0)
        rc = err_set(err, ERR_CONFLICT, "%s has answered meanwhile", db_text(q, 0, 7));
    else
        rc = keep_answer(book, a, q, err);
    db_rows_free(&q);
    return rc;
}

int
book_correction_answer(struct book *book, int64_t n, bool is_second, const char *registration,
                       const char *seen, const char *by, struct err *err)
{
    struct answer a = {n, is_second, registration, seen, by};

    return in_turn(book, turn_answer, &a, err);
}

/* ---- several studies of one exam ---- */

struct join {
    const char *registration, *study;
};

static int
join(struct book *book, const struct book_registration *r, const char *study, struct err *err)
{
    struct clinic_up up = {.kind = CLINIC_JOIN};
    int64_t now_us = clock_wall_us();

    char owner[CLINIC_REGISTRATION_SIZE];

    if (r->study[0] == '\0' || strcmp(r->study, study) == 0)
        return registration_attach(book, r, study, "hand", err);
    if (owner_of(book, study, owner, err) < 0)
        return -1;
    if (strcmp(owner, r->registration) == 0)
        return 0; /* it is one already */
    text_copy(up.registration, sizeof up.registration, r->registration);
    text_copy(up.study, sizeof up.study, study);
    if (db_run(book->db, "registration_detach_study",
               DB_ARGS(DB_TEXT(study), DB_TEXT(r->registration), DB_INT(now_us)), NULL, err) < 0 ||
        db_run(book->db, "registration_join",
               DB_ARGS(DB_TEXT(study), DB_TEXT(r->registration), DB_INT(now_us)), NULL, err) < 0 ||
        outbox_add(book, &up, err) < 0)
        return -1;
    return doubts_attached(book, study, err);
}

static int
turn_join(struct book *book, void *user, struct err *err)
{
    const struct join *j = user;
    struct book_registration *r = mem_new(sizeof *r);
    int rc = registration_get(book, j->registration, r, err);

    if (rc == 0)
        rc = join(book, r, j->study, err);
    free(r);
    return rc;
}

int
book_join(struct book *book, const char *registration, const char *study, struct err *err)
{
    struct join j = {registration, study};

    return in_turn(book, turn_join, &j, err);
}
