/* deliver.c - start and stop of what leaves the reader. */
#include "reader/deliver/clinic.h"

#include "reader/archive/archive.h"

#include <stdlib.h>
#include <string.h>

const struct log_ctx deliver_log = {.stage = "reader/deliver"};

int
deliver_start(const struct deliver_options *options, struct deliver **out_deliver, struct err *err)
{
    struct deliver *d;

    if (options->patient_url != NULL && strlen(options->patient_url) >= CLINIC_URL_SIZE)
        return err_set(err, ERR_REJECT, "patient_url is longer than %d bytes", CLINIC_URL_SIZE - 1);
    d = mem_new(sizeof *d);
    d->o = *options;
    d->patient_url = mem_text(options->patient_url != NULL ? options->patient_url : "");
    gate_init(&d->gate);
    d->is_started = true;
    d->courier = thread_start("courier", courier_run, d);
    *out_deliver = d;
    return 0;
}

void
deliver_stop(struct deliver *d)
{
    bool is_started;

    if (d == NULL)
        return;
    gate_lock(&d->gate);
    is_started = d->is_started;
    d->is_started = false;
    d->is_stopping = true;
    gate_wake(&d->gate);
    gate_unlock(&d->gate);
    if (is_started)
        thread_join(d->courier);
}

void
deliver_free(struct deliver **d)
{
    struct deliver *old = TAKE(*d);

    if (old == NULL)
        return;
    deliver_stop(old);
    gate_fini(&old->gate);
    free(old->patient_url);
    free(old);
}

bool
deliver_is_stopping(struct deliver *d)
{
    bool is_stopping;

    gate_lock(&d->gate);
    is_stopping = d->is_stopping;
    gate_unlock(&d->gate);
    return is_stopping;
}

void
deliver_news(struct deliver *d, int64_t seq)
{
    gate_lock(&d->gate);
    if (seq > d->latest) {
        d->latest = seq;
        gate_wake(&d->gate);
    }
    gate_unlock(&d->gate);
}

void
deliver_wake_others(struct deliver *d)
{
    if (d->o.assign != NULL)
        assign_wake(d->o.assign);
    if (d->o.patient != NULL)
        patient_wake(d->o.patient);
}

int
deliver_link_authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct deliver *d = user;

    (void)bearer;
    if (caller->kind != HTTP_GATEWAY)
        return err_set(err, ERR_DENIED, "only a clinic's gateway is served here");
    caller->rights = 0;
    if (d->o.archive == NULL)
        return 0;
    return archive_device_check(d->o.archive, caller->serial_hex, caller->tenant, caller->device,
                                err);
}
