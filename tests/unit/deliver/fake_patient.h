/* fake_patient.h - the patient's half of deliver as a fake that counts; included by the one file of
 * a test program, whose linker then passes the real one over. */
#ifndef RADPOST_TESTS_FAKE_PATIENT_H
#define RADPOST_TESTS_FAKE_PATIENT_H

#include "proto/base/text.h"
#include "reader/deliver/patient.h"
#include "tests/support/deliver_world.h"

#include <stdio.h>
#include <string.h>

static struct {
    _Atomic unsigned slips, attaches, codes, checks, notices, withdrawals;
    char attached[8][160]; /* "registration study" */
    char last_phone[24];
    bool last_is_verified;
    bool is_told; /* what patient_is_told() says */
} patients;

int
patient_slip_put(struct pg_conn *conn, const struct patient_slip *slip, struct err *err)
{
    (void)conn;
    (void)err;
    patients.slips++;
    text_copy(patients.last_phone, sizeof patients.last_phone, slip->phone);
    patients.last_is_verified = slip->phone_is_verified;
    return 0;
}

int
patient_slip_attach(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *study, struct err *err)
{
    unsigned at = patients.attaches++;

    (void)conn;
    (void)tenant;
    (void)err;
    if (at < ARRAY_LEN(patients.attached))
        snprintf(patients.attached[at], sizeof patients.attached[at], "%s %s", registration, study);
    return 0;
}

int
patient_phone_code(struct pg_conn *conn, const char *tenant, const char *registration,
                   const char *phone, bool *out_is_sent, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)phone;
    (void)err;
    *out_is_sent = patients.codes++ == 0;
    return 0;
}

int
patient_phone_check(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *phone, const char *code, bool *out_is_right, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)phone;
    (void)err;
    patients.checks++;
    *out_is_right = strcmp(code, "123456") == 0;
    return 0;
}

int
patient_notify(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
               enum patient_news news, bool *out_is_due, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)study;
    (void)version;
    (void)err;
    if (news == PATIENT_WITHDRAWN)
        patients.withdrawals++;
    else
        patients.notices++;
    *out_is_due = true;
    return 0;
}

int
patient_is_told(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                bool *out_is_told, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)study;
    (void)version;
    (void)err;
    *out_is_told = patients.is_told;
    return 0;
}

void
patient_wake(struct patient *patient)
{
    (void)patient;
}

static int
begin(void **state)
{
    memset(&patients, 0, sizeof patients);
    return deliver_world_open(state);
}

#endif
