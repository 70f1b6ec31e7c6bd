/* clinic_up.c - what is done with a desk's messages: each once, with its receipt in the same
 * transaction. */
#include "reader/deliver/clinic_up.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A registration as it is kept; texts live as long as rows. */
struct kept {
    struct pg_rows *rows;
    const char *device, *name, *phone, *clinic_phone, *complaint, *history, *reason, *study;
    const char *citizen_id, *sex, *birth, *identity;
    int64_t revision;
    bool is_phone_verified, is_urgent, has_code;
    uint8_t code[PATIENT_CODE_BYTES];
};

/* Locks the registration's row.
 * errors  ERR_NOT_FOUND there is none; ERR_CONFLICT another device's, or the message's number was
 *         given twice and this is the other's */
static int
kept_get(const struct doing *w, const char *registration, struct kept *out, struct err *err)
{
    struct kept k = {.rows = NULL};
    int rc = 0;

    if (pg_run(w->conn, "clinic_registration_get",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(registration)), &k.rows, err) < 0)
        return -1;
    if (pg_rows_count(k.rows) == 0) {
        pg_rows_free(&k.rows);
        return err_set(err, ERR_NOT_FOUND, "no such registration");
    }
    k.device = pg_text(k.rows, 0, 0);
    k.name = pg_text(k.rows, 0, 1);
    k.phone = pg_text(k.rows, 0, 2);
    k.is_phone_verified = pg_truth(k.rows, 0, 3);
    k.clinic_phone = pg_text(k.rows, 0, 4);
    k.complaint = pg_text(k.rows, 0, 5);
    k.history = pg_text(k.rows, 0, 6);
    k.is_urgent = pg_truth(k.rows, 0, 7);
    k.reason = pg_text(k.rows, 0, 8);
    k.study = pg_text(k.rows, 0, 9);
    k.citizen_id = pg_text(k.rows, 0, 11);
    k.sex = pg_text(k.rows, 0, 12);
    k.birth = pg_text(k.rows, 0, 13);
    k.has_code = pg_copy_bytes(k.rows, 0, 10, k.code, sizeof k.code);
    k.revision = pg_int(k.rows, 0, 14);
    k.identity = pg_text(k.rows, 0, 15);
    if (strcmp(k.device, w->sender->device) != 0)
        rc = err_set(err, ERR_CONFLICT, "the registration is another device's");
    else if (strcmp(registration, w->up->registration) == 0 && k.identity[0] != '\0' &&
             strcmp(k.identity, w->up->identity) != 0)
        rc = err_set(err, ERR_CONFLICT, "the number was given twice");
    if (rc < 0)
        pg_rows_free(&k.rows);
    else
        *out = k;
    return rc;
}

/* What assign is to know of a registration as it stands. A person without a citizen number is known
 * by the registration's. */
static int
put_order(const struct doing *w, const char *registration, struct err *err)
{
    char actor[ACTOR_BYTES];
    struct kept k;
    int rc;

    if (kept_get(w, registration, &k, err) < 0)
        return -1;
    clinic_actor(w, actor);
    rc = assign_order_put(
        w->conn,
        &(struct read_order){.tenant = w->sender->tenant,
                             .registration = registration,
                             .study = k.study,
                             .accession = registration,
                             .patient_name = k.name,
                             .patient_id = k.citizen_id[0] != '\0' ? k.citizen_id : registration,
                             .sex = k.sex,
                             .birth = k.birth,
                             .complaint = k.complaint,
                             .history = k.history,
                             .clinic_phone = k.clinic_phone,
                             .actor = actor,
                             .is_urgent = k.is_urgent,
                             .is_lowered = w->up->kind == CLINIC_URGENT && !w->up->is_urgent,
                             .urgent_reason = k.reason},
        err);
    pg_rows_free(&k.rows);
    return rc;
}

/* The slip that is valid, with the phone and the study as they stand. No slip yet is fine. */
static int
put_slip(const struct doing *w, struct err *err)
{
    struct patient_slip slip = {.tenant = w->sender->tenant, .registration = w->up->registration};
    struct kept k;
    int rc = 0;

    if (kept_get(w, w->up->registration, &k, err) < 0)
        return -1;
    if (k.has_code) {
        memcpy(slip.code, k.code, sizeof slip.code);
        slip.phone = k.phone;
        slip.phone_is_verified = k.is_phone_verified;
        slip.study = k.study;
        rc = patient_slip_put(w->conn, &slip, err);
    }
    pg_rows_free(&k.rows);
    return rc;
}

int
clinic_tell_patient(struct pg_conn *conn, const struct read_row *row, enum patient_news news,
                    unsigned version, struct err *err)
{
    bool is_due = false;

    if (patient_notify(conn, row->tenant, row->study, version, news, &is_due, err) < 0)
        return -1;
    if (!is_due || news == PATIENT_WITHDRAWN)
        return 0;
    return pg_run(
        conn, "clinic_notice_due_put",
        PG_ARGS(PG_INT(row->read_id), PG_INT(version), PG_TEXT(row->tenant), PG_TEXT(row->study)),
        NULL, err);
}

static int
tell_report_that_stands(const struct doing *w, const struct read_row *row, struct err *err)
{
    struct report report;
    bool is_theirs;

    if (compose_report_get(w->conn, row->read_id, row->version, &report, err) < 0)
        return -1;
    is_theirs = patient_is_theirs(&report, row);
    report_fini(&report);
    if (!is_theirs)
        return 0;
    return clinic_tell_patient(w->conn, row, row->version > 1 ? PATIENT_AMENDED : PATIENT_READY,
                               row->version, err);
}

/* A slip, a phone or a study that came after the report was signed: the patient is told now. */
static int
tell_what_stands(const struct doing *w, struct err *err)
{
    struct read_row *row = NULL;
    struct kept k;
    int rc = -1;

    if (kept_get(w, w->up->registration, &k, err) < 0)
        return -1;
    row = mem_new(sizeof *row);
    if (k.study[0] == '\0')
        rc = 0;
    else if (assign_read_find(w->conn, w->sender->tenant, k.study, row, err) < 0)
        rc = err->kind == ERR_NOT_FOUND ? 0 : -1;
    else if (row->version == 0 || row->is_preliminary || row->state == READ_WITHDRAWN)
        rc = 0;
    else
        rc = tell_report_that_stands(w, row, err);
    pg_rows_free(&k.rows);
    free(row);
    return rc;
}

/* ---- a function a kind ---- */

static int
do_registration(struct doing *w, struct err *err)
{
    const struct clinic_up *up = w->up;
    struct pg_rows *rows = NULL;
    bool is_news;

    if (pg_run(w->conn, "clinic_registration_put",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(up->registration),
                       PG_TEXT(w->sender->device), PG_INT(up->revision), PG_TEXT(up->name),
                       PG_TEXT(up->citizen_id), PG_TEXT(up->sex), PG_TEXT(up->birth),
                       PG_TEXT(up->phone), PG_TEXT(up->clinic_phone), PG_TEXT(up->modality),
                       PG_TEXT(up->complaint), PG_TEXT(up->history), PG_BOOL(up->is_urgent),
                       PG_TEXT(up->reason), PG_INT(up->at_us), PG_INT(w->now_us),
                       PG_TEXT(up->identity)),
               &rows, err) < 0)
        return -1;
    is_news = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    if (!is_news) { /* told late, or another's: kept_get() tells them apart */
        struct kept k;

        if (kept_get(w, up->registration, &k, err) < 0)
            return -1;
        pg_rows_free(&k.rows);
        return k.revision > up->revision ? 0
                                         : err_set(err, ERR_CONFLICT, "another person's number");
    }
    if (put_order(w, up->registration, err) < 0)
        return -1;
    return put_slip(w, err); /* the phone may have changed */
}

/* study "": none any more. */
static int
set_study(const struct doing *w, const char *registration, const char *study, struct err *err)
{
    const char *tenant = w->sender->tenant;
    char actor[ACTOR_BYTES];
    struct kept k;
    bool is_same;

    clinic_actor(w, actor);
    if (kept_get(w, registration, &k, err) < 0)
        return -1;
    is_same = study[0] != '\0' && strcmp(k.study, study) == 0;
    pg_rows_free(&k.rows);
    /* the same study again: what was written about it is not taken back for that */
    if (pg_run(w->conn, "clinic_registration_attach",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration), PG_TEXT(study), PG_INT(w->now_us)),
               NULL, err) < 0 ||
        (!is_same && assign_order_detach(w->conn, tenant, registration, actor, err) < 0) ||
        (study[0] != '\0' && put_order(w, registration, err) < 0))
        return -1;
    return patient_slip_attach(w->conn, w->sender->tenant, registration, study, err);
}

static int
lock_registrations(const struct doing *w, struct err *err)
{
    return pg_run(
        w->conn, "clinic_registration_lock",
        PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->registration), PG_TEXT(w->up->study)),
        NULL, err);
}

/* A study belongs to one registration: whoever had it by mistake loses it first, so that no slip
 * opens another person's images. */
static int
take_study_from_others(const struct doing *w, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(w->conn, "clinic_registration_of_study",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->study)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++)
        if (strcmp(pg_text(rows, i, 0), w->up->registration) != 0)
            rc = set_study(w, pg_text(rows, i, 0), "", err);
    pg_rows_free(&rows);
    return rc;
}

/* One exam came as several studies: this one is the registration's, too. */
static int
do_join(struct doing *w, struct err *err)
{
    char actor[ACTOR_BYTES];
    struct kept k;
    int rc;

    clinic_actor(w, actor);
    if (lock_registrations(w, err) < 0 || kept_get(w, w->up->registration, &k, err) < 0)
        return -1;
    rc = strcmp(k.study, w->up->study) == 0; /* it is its first one already */
    pg_rows_free(&k.rows);
    if (rc != 0)
        return 0;
    if (take_study_from_others(w, err) < 0 ||
        assign_order_part(w->conn, w->sender->tenant, w->up->study, actor, err) < 0 ||
        assign_order_join(w->conn, w->sender->tenant, w->up->registration, w->up->study, err) < 0)
        return -1;
    return put_order(w, w->up->registration, err);
}

static int
do_attach(struct doing *w, struct err *err)
{
    char actor[ACTOR_BYTES];

    clinic_actor(w, actor);
    if (lock_registrations(w, err) < 0 || take_study_from_others(w, err) < 0 ||
        assign_order_part(w->conn, w->sender->tenant, w->up->study, actor, err) < 0 ||
        set_study(w, w->up->registration, w->up->study, err) < 0)
        return -1;
    return tell_what_stands(w, err);
}

static int
do_urgent(struct doing *w, struct err *err)
{
    if (pg_run(w->conn, "clinic_registration_urgent",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->registration),
                       PG_TEXT(w->up->reason), PG_INT(w->now_us), PG_BOOL(w->up->is_urgent)),
               NULL, err) < 0)
        return -1;
    return put_order(w, w->up->registration, err);
}

static int
do_slip(struct doing *w, struct err *err)
{
    if (pg_run(w->conn, "clinic_registration_slip",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->registration),
                       PG_BYTES(w->up->code_sha256, CLINIC_HASH_BYTES), PG_INT(w->now_us)),
               NULL, err) < 0 ||
        put_slip(w, err) < 0)
        return -1;
    return tell_what_stands(w, err);
}

/* A registration that is this desk's own. */
static int
vet_own(const struct doing *w, struct err *err)
{
    struct kept k;

    if (kept_get(w, w->up->registration, &k, err) < 0)
        return -1;
    pg_rows_free(&k.rows);
    return 0;
}

static int
do_phone_code(struct doing *w, struct err *err)
{
    bool is_sent = false;

    if (vet_own(w, err) < 0)
        return -1;
    if (patient_phone_code(w->conn, w->sender->tenant, w->up->registration, w->up->phone, &is_sent,
                           err) < 0)
        return -1;
    w->word = is_sent ? "sent" : "too_many";
    return 0;
}

static int
do_phone_check(struct doing *w, struct err *err)
{
    bool is_right = false;

    if (vet_own(w, err) < 0) /* a wrong code uses up a try of another's, too */
        return -1;
    if (patient_phone_check(w->conn, w->sender->tenant, w->up->registration, w->up->phone,
                            w->up->otp, &is_right, err) < 0)
        return -1;
    w->word = is_right ? "verified" : "wrong";
    if (!is_right)
        return 0;
    if (pg_run(w->conn, "clinic_registration_phone",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->registration),
                       PG_TEXT(w->up->phone), PG_INT(w->now_us)),
               NULL, err) < 0 ||
        put_slip(w, err) < 0)
        return -1;
    return tell_what_stands(w, err);
}

/* Somebody at the clinic has the report in hand: noted once for each version. */
static int
do_confirm(struct doing *w, struct err *err)
{
    struct read_row *row = mem_new(sizeof *row);
    struct pg_rows *rows = NULL;
    char actor[ACTOR_BYTES], detail[160];
    int rc = -1;

    if (assign_read_get(w->conn, w->up->read, row, err) < 0)
        goto out;
    if (strcmp(row->tenant, w->sender->tenant) != 0) {
        err_set(err, ERR_REJECT, "another clinic's read");
        goto out;
    }
    if (w->up->study[0] != '\0' && strcmp(row->study, w->up->study) != 0) {
        err_set(err, ERR_REJECT, "another study's read by now");
        goto out;
    }
    if (pg_run(w->conn, "clinic_confirmed_put",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_INT(w->up->read), PG_INT(w->up->version),
                       PG_TEXT(w->sender->device), PG_INT(w->up->at_us)),
               &rows, err) < 0)
        goto out;
    clinic_actor(w, actor);
    snprintf(detail, sizeof detail, "{\"version\":%u,\"how\":\"confirmed\"}", w->up->version);
    rc = pg_touched(rows) == 0
             ? 0
             : assign_note(w->conn, w->up->read, actor, READ_NOTE_DELIVERED, detail, err);
out:
    pg_rows_free(&rows);
    free(row);
    return rc;
}

/* The clinic's word on a call: noted once; a later one changes nothing. */
static int
do_answer(struct doing *w, struct err *err)
{
    char actor[ACTOR_BYTES], detail[160];
    struct pg_rows *rows = NULL;
    bool is_first;
    int64_t read_id;

    if (pg_run(w->conn, "clinic_call_answer",
               PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->call), PG_TEXT(w->up->outcome),
                       PG_TEXT(w->up->reason), PG_TEXT(w->up->by), PG_INT(w->up->at_us)),
               &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        pg_rows_free(&rows);
        return err_set(err, ERR_REJECT, "no such call of this clinic's");
    }
    read_id = pg_int(rows, 0, 0);
    is_first = pg_truth(rows, 0, 1);
    pg_rows_free(&rows);
    if (!is_first)
        return 0;
    clinic_actor(w, actor);
    snprintf(detail, sizeof detail, "{\"call\":\"%s\",\"how\":\"%s\"}", w->up->call,
             w->up->outcome);
    return assign_note(w->conn, read_id, actor, READ_NOTE_ANSWERED, detail, err);
}

static int (*const doers[CLINIC_UP_KINDS])(struct doing *w, struct err *err) = {
    [CLINIC_REGISTRATION] = do_registration,
    [CLINIC_ATTACH] = do_attach,
    [CLINIC_URGENT] = do_urgent,
    [CLINIC_SLIP] = do_slip,
    [CLINIC_PHONE_CODE] = do_phone_code,
    [CLINIC_PHONE_CHECK] = do_phone_check,
    [CLINIC_CONFIRM] = do_confirm,
    [CLINIC_ANSWER] = do_answer,
    [CLINIC_JOIN] = do_join,
    [CLINIC_DOUBT] = clinic_do_doubt,
    [CLINIC_STUDY_URGENT] = clinic_do_study_urgent,
    [CLINIC_ABSENT] = clinic_do_absent,
};

/* ---- once, with a receipt ---- */

/* Note the message. *out_is_new false: it was told before, and *out is its receipt. A twin that is
 * being done in another connection is waited for. */
static int
begin_message(const struct doing *w, enum clinic_outcome outcome, const char *word,
              bool *out_is_new, struct clinic_receipt *out, struct err *err)
{
    const struct pg_arg tenant = PG_TEXT(w->sender->tenant), device = PG_TEXT(w->sender->device);
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(w->conn, "clinic_up_begin",
               PG_ARGS(tenant, device, PG_TEXT(w->up->id), PG_TEXT(clinic_up_word(w->up->kind)),
                       PG_TEXT(clinic_outcome_word(outcome)), PG_TEXT(word), PG_INT(w->now_us)),
               &rows, err) < 0)
        return -1;
    *out_is_new = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    text_copy(out->id, sizeof out->id, w->up->id);
    out->outcome = outcome;
    text_copy(out->word, sizeof out->word, word);
    if (*out_is_new)
        return 0;
    if (pg_run(w->conn, "clinic_up_find", PG_ARGS(tenant, device, PG_TEXT(w->up->id)), &rows, err) <
        0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_RETRY, "a message's twin went away");
    } else {
        out->outcome = strcmp(pg_text(rows, 0, 0), clinic_outcome_word(CLINIC_DONE)) == 0
                           ? CLINIC_DONE
                           : CLINIC_REFUSED;
        text_copy(out->word, sizeof out->word, pg_text(rows, 0, 1));
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

static int
end_message(const struct doing *w, struct clinic_receipt *out, struct err *err)
{
    if (w->word[0] != '\0' && pg_run(w->conn, "clinic_up_word",
                                     PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->sender->device),
                                             PG_TEXT(w->up->id), PG_TEXT(w->word)),
                                     NULL, err) < 0)
        return -1;
    text_copy(out->word, sizeof out->word, w->word);
    return pg_commit(w->conn, err);
}

static bool
is_for_good(enum err_kind kind)
{
    return kind == ERR_REJECT || kind == ERR_NOT_FOUND || kind == ERR_CONFLICT ||
           kind == ERR_DENIED;
}

/* It will never be done: keep that as its receipt. why is what it failed with. */
static int
refuse(struct doing *w, const struct err *why, struct clinic_receipt *out, struct err *err)
{
    bool is_about_registration = w->up->kind != CLINIC_CONFIRM && w->up->kind != CLINIC_ANSWER &&
                                 w->up->kind != CLINIC_DOUBT &&
                                 w->up->kind != CLINIC_STUDY_URGENT && w->up->kind != CLINIC_ABSENT;
    const char *word = why->kind == ERR_NOT_FOUND && is_about_registration ? "unknown_registration"
                       : why->kind == ERR_CONFLICT                         ? "conflict"
                                                                           : "not_possible";
    bool is_new;

    LOG(&deliver_log, CLINIC_UP_REFUSED, F_WORD("tenant", w->sender->tenant),
        F_WORD("device", w->sender->device), F_WORD("kind", clinic_up_word(w->up->kind)),
        F_WORD("word", word), F_ERR(why));
    if (pg_get(w->d->o.pg, &w->conn, err) < 0 || pg_begin(w->conn, err) < 0 ||
        begin_message(w, CLINIC_REFUSED, word, &is_new, out, err) < 0 ||
        (w->up->kind == CLINIC_REGISTRATION && why->kind == ERR_CONFLICT &&
         pg_run(w->conn, "clinic_registration_doubled",
                PG_ARGS(PG_TEXT(w->sender->tenant), PG_TEXT(w->up->registration),
                        PG_TEXT(w->sender->device), PG_TEXT(w->up->id)),
                NULL, err) < 0))
        return -1;
    return pg_commit(w->conn, err);
}

/* What makes a patient able to be told is done before or after the courier tells a line of the log,
 * never beside it: each would miss what the other has not committed, and nobody be told. Taken
 * first: the courier's lock goes before rows, rows before the log. */
static int
keep_courier_out(const struct doing *w, struct err *err)
{
    switch (w->up->kind) {
    case CLINIC_ATTACH:
    case CLINIC_JOIN:
    case CLINIC_DOUBT:
    case CLINIC_STUDY_URGENT:
    case CLINIC_SLIP:
    case CLINIC_PHONE_CHECK:
        return pg_run(w->conn, "clinic_courier_lock", PG_NO_ARGS, NULL, err);
    default:
        return 0;
    }
}

int
clinic_apply(struct deliver *d, const struct clinic_sender *sender, const struct clinic_up *up,
             struct clinic_receipt *out, struct err *err)
{
    struct doing w = {.d = d, .sender = sender, .up = up, .now_us = clock_wall_us(), .word = ""};
    bool is_new = false;
    int rc = -1;

    if (pg_get(d->o.pg, &w.conn, err) < 0 || pg_begin(w.conn, err) < 0 ||
        keep_courier_out(&w, err) < 0 || begin_message(&w, CLINIC_DONE, "", &is_new, out, err) < 0)
        goto out;
    if (!is_new) {
        rc = 0;
        goto out;
    }
    rc = doers[up->kind](&w, err);
    if (rc == 0) {
        rc = end_message(&w, out, err);
    } else if (is_for_good(err->kind)) {
        struct err why = *err;

        pg_put(&w.conn); /* rolls back */
        rc = refuse(&w, &why, out, err);
    }
out:
    if (rc < 0)
        err_context(err, "a desk's %s", clinic_up_word(up->kind));
    pg_put(&w.conn);
    if (rc == 0 && is_new)
        deliver_wake_others(d);
    return rc;
}
