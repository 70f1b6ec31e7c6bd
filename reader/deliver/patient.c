/* patient.c - the patient's door as a whole: start, stop, routes, sessions. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "reader/deliver/send.h"

#include <stdlib.h>
#include <string.h>

const struct log_ctx patient_log = {.stage = "reader/deliver"};

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = "/api/v1/open",
     .callers = HTTP_ANYONE,
     .body_limit = 1024,
     .handle = patient_handle_open,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/api/v1/enter",
     .callers = HTTP_ANYONE,
     .body_limit = 1024,
     .handle = patient_handle_enter,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/api/v1/leave",
     .callers = HTTP_PATIENT,
     .body_limit = 1024,
     .handle = patient_handle_leave,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/api/v1/exam",
     .callers = HTTP_PATIENT,
     .handle = patient_handle_exam,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/api/v1/report.pdf",
     .callers = HTTP_PATIENT,
     .handle = patient_handle_pdf,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/api/v1/images",
     .callers = HTTP_PATIENT,
     .handle = patient_handle_images,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/api/v1/images/{name}",
     .callers = HTTP_PATIENT,
     .handle = patient_handle_image,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/api/v1/looks",
     .callers = HTTP_PATIENT,
     .handle = patient_handle_looks,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/api/v1/verify/{token}",
     .callers = HTTP_ANYONE,
     .handle = patient_handle_verify,
     .flags = HTTP_NO_STORE},
};

int
patient_open(const struct patient_options *options, struct patient **out_patient, struct err *err)
{
    struct patient *p;

    if (send_check(options->send_command, options->outbox_dir, err) < 0)
        return err_context(err, "patient's door");
    p = mem_new(sizeof *p);
    p->o = *options;
    p->o.limits = limits_of(&options->limits);
    p->url = mem_text(options->patient_url != NULL ? options->patient_url : "");
    p->command = mem_text(options->send_command != NULL ? options->send_command : "");
    p->outbox = mem_text(options->outbox_dir != NULL ? options->outbox_dir : "");
    p->images = images_new();
    gate_init(&p->gate);
    p->post = thread_start("post", post_run, p);
    *out_patient = p;
    return 0;
}

void
patient_close(struct patient **patient)
{
    struct patient *p = TAKE(*patient);

    if (p == NULL)
        return;
    gate_lock(&p->gate);
    p->is_stopping = true;
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    thread_join(p->post);
    gate_fini(&p->gate);
    images_free(&p->images);
    free(p->url);
    free(p->command);
    free(p->outbox);
    free(p);
}

void
patient_wake(struct patient *patient)
{
    gate_lock(&patient->gate);
    patient->is_woken = true;
    gate_wake(&patient->gate);
    gate_unlock(&patient->gate);
}

struct http_table
patient_table(struct patient *patient)
{
    return (struct http_table){routes, ARRAY_LEN(routes), patient};
}

int
patient_authorise(void *patient, const char *cookie, struct http_caller *caller, struct err *err)
{
    struct patient *p = patient;
    struct patient_session session;
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (caller->kind != HTTP_PATIENT)
        return err_set(err, ERR_DENIED, "only a patient's session is served here");
    if (pg_get(p->o.pg, &conn, err) == 0)
        rc = patient_session_find(conn, cookie, &session, caller, err);
    pg_put(&conn);
    return rc;
}

int
patient_session_find(struct pg_conn *conn, const char *cookie, struct patient_session *out,
                     struct http_caller *caller, struct err *err)
{
    struct pg_rows *rows = NULL;
    uint8_t hash[DIGEST_BYTES];
    int rc = -1;

    digest_bytes(cookie, strlen(cookie), hash);
    if (pg_run(conn, "patient_session_get",
               PG_ARGS(PG_BYTES(hash, sizeof hash), PG_INT(clock_wall_us())), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 1) {
        (void)text_copy(out->tenant, sizeof out->tenant, pg_text(rows, 0, 0));
        (void)text_copy(out->registration, sizeof out->registration, pg_text(rows, 0, 1));
        (void)text_copy(out->study, sizeof out->study, pg_text(rows, 0, 2));
        if (caller != NULL) {
            (void)text_copy(caller->tenant, sizeof caller->tenant, out->tenant);
            (void)text_copy(caller->device, sizeof caller->device, out->registration);
            (void)text_copy(caller->csrf, sizeof caller->csrf, pg_text(rows, 0, 3));
            caller->rights = 0;
            caller->not_after_us = pg_int(rows, 0, 4);
        }
        rc = 0;
    }
    pg_rows_free(&rows);
    return rc == 0 ? 0 : err_set(err, ERR_DENIED, "no such session, or it is over");
}
