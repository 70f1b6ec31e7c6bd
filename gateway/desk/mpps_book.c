/* mpps_book.c - performed procedure steps in the desk's book, and the instances they announce. */
#include "gateway/desk/mpps.h"

#include "gateway/desk/absences.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/orders.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"
#include "proto/render/report_pdf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_ID_FINAL = 0xA710 };
#define WRONG_ENTRY "110514" /* CID 9300: Incorrect worklist entry selected */
/* A device that broke down says nothing more of its step: it runs no longer. */
static const int64_t step_lasts_us = INT64_C(86400) * 1000000;

/* ---- in a turn ---- */

static int
add_expected(struct book *book, const char *study, const char *by, const char (*instances)[65],
             size_t n, struct err *err)
{
    int64_t now_us = clock_wall_us();

    for (size_t i = 0; i < n; i++)
        if (db_run(book->db, "expected_add",
                   DB_ARGS(DB_TEXT(study), DB_TEXT(instances[i]), DB_TEXT(by), DB_INT(now_us)),
                   NULL, err) < 0)
            return -1;
    return absences_tell(book, err);
}

static int
step_orders(struct book *book, const char *uid, enum order_event event, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_run(book->db, "mpps_orders", DB_ARGS(DB_TEXT(uid)), &rows, err);

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++)
        rc = order_try_step(book, db_int(rows, i, 0), event, err);
    db_rows_free(&rows);
    return rc;
}

/* What a step that is broken off makes of its order: nothing while another one runs. */
static int
break_order(struct book *book, const char *uid, int64_t number, enum order_event event,
            struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_run(book->db, "mpps_others",
                    DB_ARGS(DB_TEXT(uid), DB_INT(number), DB_INT(clock_wall_us() - step_lasts_us)),
                    &rows, err);

    if (rc == 0 && db_int(rows, 0, 0) == 0)
        rc = order_try_step(book, number, db_int(rows, 0, 1) > 0 ? ORDER_SAW_COMPLETE : event, err);
    db_rows_free(&rows);
    return rc;
}

static int
break_orders(struct book *book, const char *uid, const struct mpps_said *said, struct err *err)
{
    bool is_mistake = strcmp(said->reason_code, WRONG_ENTRY) == 0;
    struct db_rows *rows = NULL;
    int rc = db_run(book->db, "mpps_orders", DB_ARGS(DB_TEXT(uid)), &rows, err);

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++)
        rc = break_order(book, uid, db_int(rows, i, 0),
                         is_mistake ? ORDER_SAW_MISTAKE : ORDER_SAW_DISCONTINUE, err);
    db_rows_free(&rows);
    return rc;
}

/* The console still held another's entry: the same rule as for images (book_match.c). */
static int
is_anothers(struct book *book, const struct mpps_said *said, size_t step, int64_t number, bool *out,
            struct err *err)
{
    char name[CLINIC_NAME_SIZE];
    const struct book_said patient = {.patient_id = said->patient_id,
                                      .accession = said->steps[step].accession,
                                      .who = {name, said->sex, said->birth}};
    struct db_rows *rows = NULL;
    int rc = db_run(book->db, "mpps_owner", DB_ARGS(DB_INT(number)), &rows, err);

    *out = false;
    report_pdf_person_name(said->name, name, sizeof name);
    if (rc == 0 && db_rows_count(rows) > 0) {
        const struct book_owner owner = {
            .registration = db_text(rows, 0, 0),
            .citizen_id = db_text(rows, 0, 1),
            .patient_id = db_text(rows, 0, 2),
            .pinyin = db_text(rows, 0, 3),
            .who = {db_text(rows, 0, 4), db_text(rows, 0, 5), db_text(rows, 0, 6)}};

        rc = book_contradicts(book, &patient, &owner, out, err);
    }
    db_rows_free(&rows);
    return rc;
}

/* An order that is another patient's stands as it was: the step is kept as of none. */
static int
link_orders(struct book *book, const char *uid, const struct mpps_said *said, struct err *err)
{
    for (size_t i = 0; i < said->step_n; i++) {
        bool is_other = false;
        int64_t number;

        if (order_of_step(book, said->steps[i].study, said->steps[i].accession,
                          said->steps[i].step_id, &number, err) < 0 ||
            (number != 0 && is_anothers(book, said, i, number, &is_other, err) < 0))
            return -1;
        if (number != 0 && !is_other &&
            db_run(book->db, "mpps_order_add", DB_ARGS(DB_TEXT(uid), DB_INT(number)), NULL, err) <
                0)
            return -1;
    }
    return 0;
}

/* What both messages may say. */
static int
take_rest(struct book *book, const char *uid, const char *study, const struct mpps_said *said,
          const char *body, struct err *err)
{
    if (db_run(book->db, "mpps_said_add",
               DB_ARGS(DB_TEXT(uid), DB_INT(clock_wall_us()), DB_TEXT(body)), NULL, err) < 0 ||
        mpps_images_note(book, uid, said, err) < 0 ||
        add_expected(book, study, uid, (const char(*)[65])said->instances, said->instance_n, err) <
            0 ||
        mpps_images_spread(book, uid, err) < 0)
        return -1;
    return dose_add_rows(book, study, "mpps", uid, &said->dose, err);
}

/* *out_state MPPS_NONE: there is none. */
static int
get_step(struct book *book, const char *uid, enum mpps_state *out_state,
         char study[CLINIC_UID_SIZE], struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "mpps_get", DB_ARGS(DB_TEXT(uid)), &rows, err) < 0)
        return -1;
    *out_state = MPPS_NONE;
    study[0] = '\0';
    if (db_rows_count(rows) > 0) {
        *out_state = mpps_state_of(db_text(rows, 0, 0));
        (void)text_copy(study, CLINIC_UID_SIZE, db_text(rows, 0, 1));
    }
    db_rows_free(&rows);
    return 0;
}

static int
create(struct book *book, const char *uid, const char *device, const struct mpps_said *said,
       const char *body, struct err *err)
{
    char study[CLINIC_UID_SIZE];
    enum mpps_state state;

    if (get_step(book, uid, &state, study, err) < 0)
        return -1;
    if (state != MPPS_NONE)
        return err_set(err, ERR_CONFLICT, "the step was created before");
    if (db_run(book->db, "mpps_add",
               DB_ARGS(DB_TEXT(uid), DB_TEXT(device), DB_TEXT(said->steps[0].study),
                       DB_TEXT(said->steps[0].accession), DB_TEXT(said->modality),
                       DB_INT(clock_wall_us())),
               NULL, err) < 0 ||
        link_orders(book, uid, said, err) < 0 || step_orders(book, uid, ORDER_SAW_START, err) < 0)
        return -1;
    return take_rest(book, uid, said->steps[0].study, said, body, err);
}

static int
set(struct book *book, const char *uid, const struct mpps_said *said, const char *body,
    struct err *err)
{
    char study[CLINIC_UID_SIZE];
    enum mpps_state state;

    if (get_step(book, uid, &state, study, err) < 0)
        return -1;
    if (state == MPPS_NONE)
        return err_set(err, ERR_NOT_FOUND, "no step of this UID");
    if (state != MPPS_IN_PROGRESS)
        return err_set(err, ERR_DENIED, "the step is %s", mpps_state_word(state));
    if (said->has_state && db_run(book->db, "mpps_change",
                                  DB_ARGS(DB_TEXT(uid), DB_TEXT(mpps_state_word(said->state)),
                                          DB_TEXT(said->reason), DB_INT(clock_wall_us())),
                                  NULL, err) < 0)
        return -1;
    if (said->state == MPPS_COMPLETED && step_orders(book, uid, ORDER_SAW_COMPLETE, err) < 0)
        return -1;
    if (said->state == MPPS_DISCONTINUED && break_orders(book, uid, said, err) < 0)
        return -1;
    return take_rest(book, uid, study, said, body, err);
}

/* ---- messages ---- */

uint16_t
mpps_create(struct book *book, const char *uid, const char *device, const struct mpps_said *said,
            const char *body, struct err *why)
{
    int rc;

    if (!uid_is_valid(uid, true)) {
        err_set(why, ERR_REJECT, "the step's UID is none");
        return DIMSE_INVALID_INSTANCE;
    }
    if (!said->has_state || !said->has_steps) {
        err_set(why, ERR_REJECT, "without status or scheduled step");
        return DIMSE_MISSING_ATTRIBUTE;
    }
    if (said->state != MPPS_IN_PROGRESS) {
        err_set(why, ERR_REJECT, "a step begins as IN PROGRESS");
        return DIMSE_INVALID_VALUE;
    }
    if (!uid_is_valid(said->steps[0].study, true)) {
        err_set(why, ERR_REJECT, "without a Study Instance UID");
        return DIMSE_MISSING_VALUE;
    }
    rc = db_begin(book->db, why);
    if (rc == 0)
        rc = db_end(book->db, create(book, uid, device, said, body, why), why);
    if (rc < 0)
        return why->kind == ERR_CONFLICT ? DIMSE_DUPLICATE_INSTANCE : DIMSE_PROCESSING_FAILURE;
    book_changed(book);
    return DIMSE_SUCCESS;
}

uint16_t
mpps_set(struct book *book, const char *uid, const struct mpps_said *said, const char *body,
         uint16_t *out_error_id, struct err *why)
{
    int rc;

    *out_error_id = 0;
    if (said->has_state && said->state == MPPS_NONE) {
        err_set(why, ERR_REJECT, "a status that the standard does not know");
        return DIMSE_INVALID_VALUE;
    }
    rc = db_begin(book->db, why);
    if (rc == 0)
        rc = db_end(book->db, set(book, uid, said, body, why), why);
    if (rc == 0) {
        book_changed(book);
        return DIMSE_SUCCESS;
    }
    if (why->kind == ERR_NOT_FOUND)
        return DIMSE_NO_SUCH_INSTANCE;
    if (why->kind == ERR_DENIED)
        *out_error_id = ERROR_ID_FINAL; /* "may no longer be updated" */
    return DIMSE_PROCESSING_FAILURE;
}

/* ---- what is expected ---- */

static int
list_studies(struct book *book, const char *query, const struct db_arg *args, size_t args_n,
             struct mpps_study **out, size_t *out_n, struct err *err)
{
    static const enum mpps_state ranks[] = {MPPS_NONE, MPPS_DISCONTINUED, MPPS_COMPLETED,
                                            MPPS_IN_PROGRESS};
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, query, args, args_n, &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++) {
            struct mpps_study *s = &(*out)[i];

            (void)text_copy(s->study, sizeof s->study, db_text(rows, i, 0));
            s->state = ranks[db_int(rows, i, 1) & 3];
            s->expected = (uint32_t)db_int(rows, i, 2);
            s->missing = (uint32_t)db_int(rows, i, 3);
            s->turn = db_int(rows, i, 4);
        }
    }
    db_rows_free(&rows);
    return rc;
}

int
mpps_studies(struct book *book, int64_t since_us, struct mpps_study **out, size_t *out_n,
             struct err *err)
{
    return list_studies(book, "mpps_study_list", DB_ARGS(DB_INT(since_us)), out, out_n, err);
}

int
mpps_missing(struct book *book, struct mpps_study **out, size_t *out_n, struct err *err)
{
    return list_studies(book, "mpps_missing_list", DB_NO_ARGS, out, out_n, err);
}

int
mpps_expected(struct book *book, const char *study, uint32_t *out_expected, uint32_t *out_missing,
              struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "expected_of", DB_ARGS(DB_TEXT(study)), &rows, err);

    if (rc == 0) {
        *out_expected = (uint32_t)db_int(rows, 0, 0);
        *out_missing = (uint32_t)db_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return rc;
}

int
mpps_expect(struct book *book, const char *study, const char *by, const char (*instances)[65],
            size_t n, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, add_expected(book, study, by, instances, n, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}
