/* silent_patient.h - the patient's half of deliver, which has nothing to say; included by the one
 * file of a test program, whose linker then passes the real one over. */
#ifndef RADPOST_TESTS_SILENT_PATIENT_H
#define RADPOST_TESTS_SILENT_PATIENT_H

#include "reader/deliver/patient.h"

#include <string.h>

int
patient_slip_put(struct pg_conn *conn, const struct patient_slip *slip, struct err *err)
{
    (void)conn, (void)slip, (void)err;
    return 0;
}

int
patient_slip_attach(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *study, struct err *err)
{
    (void)conn, (void)tenant, (void)registration, (void)study, (void)err;
    return 0;
}

int
patient_phone_code(struct pg_conn *conn, const char *tenant, const char *registration,
                   const char *phone, bool *out_is_sent, struct err *err)
{
    (void)conn, (void)tenant, (void)registration, (void)phone, (void)err;
    *out_is_sent = true;
    return 0;
}

int
patient_phone_check(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *phone, const char *code, bool *out_is_right, struct err *err)
{
    (void)conn, (void)tenant, (void)registration, (void)phone, (void)err;
    *out_is_right = strcmp(code, "123456") == 0;
    return 0;
}

int
patient_notify(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
               enum patient_news news, bool *out_is_due, struct err *err)
{
    (void)conn, (void)tenant, (void)study, (void)version, (void)news, (void)err;
    *out_is_due = false;
    return 0;
}

int
patient_is_told(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                bool *out_is_told, struct err *err)
{
    (void)conn, (void)tenant, (void)study, (void)version, (void)err;
    *out_is_told = false;
    return 0;
}

void
patient_wake(struct patient *patient)
{
    (void)patient;
}

#endif
