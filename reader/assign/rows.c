/* rows.c - a read as the database has it. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/model/who.h"
#include "proto/render/report_pdf.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <string.h>

/* The columns of the view read_rows, in its order. */
enum column {
    C_ID,
    C_TENANT,
    C_CLINIC,
    C_STUDY,
    C_MODALITY,
    C_MODALITIES,
    C_BODY_PART,
    C_DESCRIPTION,
    C_ACCESSION,
    C_PATIENT_NAME,
    C_PATIENT_ID,
    C_ISSUER,
    C_SEX,
    C_AGE,
    C_BIRTH,
    C_STUDY_DATE,
    C_STUDY_TIME,
    C_STATE,
    C_IS_EMERGENCY,
    C_ASSIGNED_TO,
    C_ASSIGNED_NAME,
    C_REASON,
    C_REASON_EN,
    C_CLAIMED_BY,
    C_CLAIMED_NAME,
    C_LEASE_UNTIL,
    C_AUTHOR,
    C_REVIEWER,
    C_CLOSED_AT,
    C_DUE_AT,
    C_REVISION,
    C_INSTANCES,
    C_WHOLE,
    C_VERSION,
    C_COVERED_REVISION,
    C_COVERED,
    C_IS_PRELIMINARY,
    C_IS_LATE,
    C_AGREEMENT,
    C_AGREEMENT_VERSION,
    C_MAY_READ_ALONE,
    C_INVITING,
    C_INVITED,
    C_INVITING_NAME,
    C_INVITED_NAME,
    C_REGISTRATION,
    C_COMPLAINT,
    C_HISTORY,
    C_CLINIC_PHONE,
    C_REGISTERED_NAME,
    C_REGISTERED_SEX,
    C_REGISTERED_BIRTH,
    C_DEVICE_NAME,
    C_DEVICE_SEX,
    C_DEVICE_BIRTH,
    C_DOUBTS,
    C_CONFIRMED,
    C_CONFIRMED_BY,
    C_CONFIRMED_AT,
    C_CONFIRMED_REASON,
    C_IS_CORRECTED,
    C_URGENCY_REASON,
    C_URGENCY_BY,
    C_URGENCY_AT,
    C_ABSENT,
    C_ABSENT_REASON,
    C_ABSENT_WORDS,
    C_ABSENT_BY,
    C_ABSENT_AT,
    C_DOUBTS_REVISION
};

#define COPY(field, column) text_copy(out->field, sizeof out->field, pg_text(rows, i, column))
#define COUNT(column) ((uint32_t)pg_int(rows, i, column))

static void
fill_study(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    COPY(tenant, C_TENANT);
    COPY(clinic, C_CLINIC);
    COPY(study, C_STUDY);
    COPY(modality, C_MODALITY);
    COPY(modalities, C_MODALITIES);
    COPY(body_part, C_BODY_PART);
    COPY(description, C_DESCRIPTION);
    COPY(accession, C_ACCESSION);
    COPY(patient_name, C_PATIENT_NAME);
    COPY(patient_id, C_PATIENT_ID);
    COPY(issuer, C_ISSUER);
    COPY(sex, C_SEX);
    COPY(age, C_AGE);
    COPY(birth, C_BIRTH);
    COPY(study_date, C_STUDY_DATE);
    COPY(study_time, C_STUDY_TIME);
    out->closed_at_us = pg_int(rows, i, C_CLOSED_AT);
    out->revision = COUNT(C_REVISION);
    out->instances = COUNT(C_INSTANCES);
    out->whole = COUNT(C_WHOLE);
}

/* What the images say against what was registered. */
static bool
contradict(const struct pg_rows *rows, size_t i)
{
    char registered[ASSIGN_TEXT], device[ASSIGN_TEXT];
    const struct who a = {registered, pg_text(rows, i, C_REGISTERED_SEX),
                          pg_text(rows, i, C_REGISTERED_BIRTH)},
                     b = {device, pg_text(rows, i, C_DEVICE_SEX), pg_text(rows, i, C_DEVICE_BIRTH)};

    report_pdf_person_name(pg_text(rows, i, C_REGISTERED_NAME), registered, sizeof registered);
    report_pdf_person_name(pg_text(rows, i, C_DEVICE_NAME), device, sizeof device);
    return who_differ(&a, &b);
}

static void
fill_registered(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    COPY(registered_name, C_REGISTERED_NAME);
    COPY(registered_sex, C_REGISTERED_SEX);
    COPY(registered_birth, C_REGISTERED_BIRTH);
    COPY(device_name, C_DEVICE_NAME);
    COPY(device_birth, C_DEVICE_BIRTH);
    out->is_other_patient = contradict(rows, i);
}

/* A doubt of the reader's own. Its word names the two that differ: who confirmed it looked at these
 * two; when either is mended, or another registration comes, it is a new question. */
static void
doubt_other(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    static const enum column of[] = {C_REGISTRATION,     C_REGISTERED_NAME, C_REGISTERED_SEX,
                                     C_REGISTERED_BIRTH, C_DEVICE_NAME,     C_DEVICE_SEX,
                                     C_DEVICE_BIRTH};
    struct digest *digest = digest_new();
    uint8_t which[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];
    size_t n = strlen(out->doubts);

    for (size_t k = 0; k < ARRAY_LEN(of); k++)
        digest_add(digest, pg_text(rows, i, (int)of[k]), strlen(pg_text(rows, i, (int)of[k])) + 1);
    digest_take(digest, which);
    digest_free(&digest);
    digest_text(which, hex);
    snprintf(out->doubts + n, sizeof out->doubts - n, "%s" READ_OTHER_WORD ".%.12s",
             n > 0 ? " " : "", hex);
}

static void
fill_people(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    COPY(assigned_to, C_ASSIGNED_TO);
    COPY(assigned_name, C_ASSIGNED_NAME);
    COPY(reason, C_REASON);
    COPY(reason_en, C_REASON_EN);
    COPY(author, C_AUTHOR);
    COPY(reviewer, C_REVIEWER);
    out->lease_until_us = pg_int(rows, i, C_LEASE_UNTIL);
    if (out->lease_until_us <= clock_wall_us()) { /* over, though nobody has noted it yet */
        out->lease_until_us = 0;
        return;
    }
    COPY(claimed_by, C_CLAIMED_BY);
    COPY(claimed_name, C_CLAIMED_NAME);
}

static void
fill_agreement(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    COPY(agreement, C_AGREEMENT);
    COPY(inviting, C_INVITING);
    COPY(invited, C_INVITED);
    COPY(inviting_name, C_INVITING_NAME);
    COPY(invited_name, C_INVITED_NAME);
    COPY(registration, C_REGISTRATION);
    COPY(complaint, C_COMPLAINT);
    COPY(history, C_HISTORY);
    COPY(clinic_phone, C_CLINIC_PHONE);
    out->agreement_version = COUNT(C_AGREEMENT_VERSION);
    out->may_read_alone = pg_truth(rows, i, C_MAY_READ_ALONE);
    out->due_at_us = pg_int(rows, i, C_DUE_AT);
}

static void
fill_doubts(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    COPY(doubts, C_DOUBTS);
    if (out->is_other_patient)
        doubt_other(rows, i, out);
    COPY(confirmed, C_CONFIRMED);
    COPY(confirmed_by, C_CONFIRMED_BY);
    COPY(confirmed_reason, C_CONFIRMED_REASON);
    out->confirmed_at_us = pg_int(rows, i, C_CONFIRMED_AT);
    out->is_corrected = pg_truth(rows, i, C_IS_CORRECTED);
    out->doubts_revision = pg_int(rows, i, C_DOUBTS_REVISION);
}

/* Who was registered is who they are: consoles write pinyin, 王小东12床 and 无名氏. */
static void
name_as_registered(struct read_row *out)
{
    char device[ASSIGN_TEXT], registered[ASSIGN_TEXT];

    if (out->registration[0] == '\0' || out->registered_name[0] == '\0' || out->is_other_patient ||
        read_has_open_doubts(out))
        return;
    report_pdf_person_name(out->device_name, device, sizeof device);
    report_pdf_person_name(out->registered_name, registered, sizeof registered);
    if (strcmp(device, registered) != 0 && !who_is_other_name(device, registered))
        text_copy(out->patient_name, sizeof out->patient_name, out->registered_name);
}

static void
fill_absent(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    out->absent = COUNT(C_ABSENT);
    COPY(absent_reason, C_ABSENT_REASON);
    COPY(absent_words, C_ABSENT_WORDS);
    COPY(absent_by, C_ABSENT_BY);
    out->absent_at_us = pg_int(rows, i, C_ABSENT_AT);
}

void
read_row_fill(const struct pg_rows *rows, size_t i, struct read_row *out)
{
    int state = read_state_from_word(pg_text(rows, i, C_STATE));

    CHECK(state >= 0);
    memset(out, 0, sizeof *out);
    out->read_id = pg_int(rows, i, C_ID);
    out->state = (enum read_state)state;
    out->is_emergency = pg_truth(rows, i, C_IS_EMERGENCY);
    COPY(urgency_reason, C_URGENCY_REASON);
    COPY(urgency_by, C_URGENCY_BY);
    out->urgency_at_us = pg_int(rows, i, C_URGENCY_AT);
    out->version = COUNT(C_VERSION);
    out->covered_revision = COUNT(C_COVERED_REVISION);
    out->covered = COUNT(C_COVERED);
    out->is_preliminary = pg_truth(rows, i, C_IS_PRELIMINARY);
    out->is_late = pg_truth(rows, i, C_IS_LATE);
    fill_study(rows, i, out);
    fill_registered(rows, i, out);
    fill_people(rows, i, out);
    fill_agreement(rows, i, out);
    fill_doubts(rows, i, out);
    name_as_registered(out);
    fill_absent(rows, i, out);
}

static int
one_row(struct pg_rows **rows, struct read_row *out, struct err *err)
{
    int rc = -1;

    if (pg_rows_count(*rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such read");
    } else {
        read_row_fill(*rows, 0, out);
        rc = 0;
    }
    pg_rows_free(rows);
    return rc;
}

int
assign_read_get(struct pg_conn *conn, int64_t read_id, struct read_row *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "assign_read", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    return one_row(&rows, out, err);
}

int
assign_read_find(struct pg_conn *conn, const char *tenant, const char *study, struct read_row *out,
                 struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "assign_read_of_study", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) <
        0)
        return -1;
    return one_row(&rows, out, err);
}

int
assign_agreement_get(struct pg_conn *conn, int64_t read_id, struct read_agreement *out,
                     struct buf *out_json, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(conn, "assign_agreement_of_read", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no agreement covers the read");
        goto out;
    }
    memset(out, 0, sizeof *out);
    text_copy(out->code, sizeof out->code, pg_text(rows, 0, 0));
    out->version = (uint32_t)pg_int(rows, 0, 1);
    out->may_read_alone = pg_truth(rows, 0, 2);
    buf_add_text(out_json, pg_text(rows, 0, 3));
    pg_copy_bytes(rows, 0, 4, out->sha256, sizeof out->sha256);
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* ---- doctors and organisations ---- */
static void
fill_doctor(const struct pg_rows *rows, size_t i, struct assign_doctor *out)
{
    int64_t now = clock_wall_us();

    memset(out, 0, sizeof *out);
    COPY(login, 0);
    COPY(name, 1);
    COPY(licence, 2);
    out->valid_from_us = pg_int(rows, i, 3);
    out->valid_until_us = pg_int(rows, i, 4);
    out->is_on_duty = pg_truth(rows, i, 6);
    out->is_licensed = out->valid_from_us <= now && now < out->valid_until_us;
    COPY(org, 9);
    COPY(org_name, 10);
}

int
assign_doctor_get(struct pg_conn *conn, const char *login, struct assign_doctor *out,
                  struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(conn, "assign_doctors", PG_ARGS(PG_TEXT(login)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such doctor");
    } else {
        fill_doctor(rows, 0, out);
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

int
assign_org_name(struct pg_conn *conn, const char *code, char out_name[ASSIGN_TEXT], struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(conn, "assign_org", PG_ARGS(PG_TEXT(code)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such organisation");
    } else {
        text_copy(out_name, ASSIGN_TEXT, pg_text(rows, 0, 0));
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc;
}

int
assign_org_is_within(struct pg_conn *conn, const char *code, const char *above, bool *out_is,
                     struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "assign_org_within", PG_ARGS(PG_TEXT(code), PG_TEXT(above)), &rows, err) < 0)
        return -1;
    *out_is = pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    return 0;
}
