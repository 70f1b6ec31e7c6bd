/* patient_door.c - the patient's door. */
#include "reader/deliver/patient.h"

const struct http_route patient_routes[] = {{0}};
const size_t patient_route_count = 0;

int
patient_open(const struct patient_options *options, struct patient **out_patient, struct err *err)
{
    (void)options;
    (void)out_patient;
    return err_set(err, ERR_FATAL, "patient's door: not built yet");
}

void
patient_close(struct patient **patient)
{
    *patient = NULL;
}

void
patient_wake(struct patient *patient)
{
    (void)patient;
}

int
patient_authorise(struct patient *patient, const char *cookie, struct http_caller *caller,
                  struct err *err)
{
    (void)patient;
    (void)cookie;
    (void)caller;
    return err_set(err, ERR_DENIED, "patient's door: not built yet");
}

int
patient_slip_put(struct pg_conn *conn, const struct patient_slip *slip, struct err *err)
{
    (void)conn;
    (void)slip;
    return err_set(err, ERR_FATAL, "slip: not built yet");
}

int
patient_slip_attach(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *study, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)study;
    return err_set(err, ERR_FATAL, "slip: not built yet");
}

int
patient_phone_code(struct pg_conn *conn, const char *tenant, const char *registration,
                   const char *phone, bool *out_is_sent, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)phone;
    (void)out_is_sent;
    return err_set(err, ERR_FATAL, "phone: not built yet");
}

int
patient_phone_check(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *phone, const char *code, bool *out_is_right, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)phone;
    (void)code;
    (void)out_is_right;
    return err_set(err, ERR_FATAL, "phone: not built yet");
}

int
patient_notify(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
               enum patient_news news, bool *out_is_due, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)study;
    (void)version;
    (void)news;
    (void)out_is_due;
    return err_set(err, ERR_FATAL, "notice: not built yet");
}

int
patient_is_told(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                bool *out_is_told, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)study;
    (void)version;
    (void)out_is_told;
    return err_set(err, ERR_FATAL, "notice: not built yet");
}
