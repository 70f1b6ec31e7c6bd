/* renewal.c - the reader's certificate is renewed in time, and shown from then on.
 * Listeners that use it begin anew on the same port: what is under way there ends first. */
#include "reader/reader.h"

#include "proto/base/thread.h"
#include "proto/http/server.h"
#include "reader/archive/archive.h"

#include <stdlib.h>

enum { LOOK_MS = 3600 * 1000 };

static const struct log_ctx ctx = {.stage = "reader"};

struct renewal {
    struct reader *reader;
    struct gate gate;
    bool is_ending;
    pthread_t thread;
};

typedef int (*start_fn)(struct reader *r, struct err *err);

static void
restart(struct reader *r, struct http_server **server, int64_t *port, start_fn begin)
{
    struct err err = {0};

    if (*server != NULL)
        *port = http_server_port(*server); /* also when any free one was asked for */
    http_server_stop(server);
    if (begin(r, &err) < 0)
        LOG(&ctx, READER_RENEWAL_FAILED, F_ERR(&err));
}

static void
look(struct reader *r)
{
    struct enrol_identity fresh;
    struct err err = {0};
    bool is_renewed = false;

    if (enrol_renew(r->identity_dir, r->storage_url, false, &is_renewed, &err) < 0) {
        LOG(&ctx, READER_RENEWAL_FAILED, F_ERR(&err));
        return;
    }
    if (!is_renewed)
        return;
    if (enrol_load(r->identity_dir, &fresh, &err) < 0) {
        LOG(&ctx, READER_RENEWAL_FAILED, F_ERR(&err));
        return;
    }
    enrol_identity_fini(&r->identity);
    r->identity = fresh;
    archive_renewed(r->archive);
    restart(r, &r->link, &r->config.link_port, reader_start_link);
    if (r->config.web_tls && r->config.web_certificate[0] == '\0') {
        restart(r, &r->staff, &r->config.staff_port, reader_start_staff);
        restart(r, &r->patient, &r->config.patient_port, reader_start_patient);
    }
    LOG(&ctx, READER_RENEWED);
}

static void *
keep_looking(void *arg)
{
    struct renewal *n = arg;

    gate_lock(&n->gate);
    while (!n->is_ending) {
        gate_unlock(&n->gate);
        look(n->reader);
        gate_lock(&n->gate);
        if (!n->is_ending)
            gate_wait_ms(&n->gate, LOOK_MS);
    }
    gate_unlock(&n->gate);
    return NULL;
}

int
reader_start_renewal(struct reader *r, struct err *err)
{
    struct renewal *n = mem_new(sizeof *n);

    (void)err;
    gate_init(&n->gate);
    n->reader = r;
    n->thread = thread_start("renewal", keep_looking, n);
    r->renewal = n;
    return 0;
}

void
reader_stop_renewal(struct reader *r)
{
    struct renewal *n = TAKE(r->renewal);

    if (n == NULL)
        return;
    gate_lock(&n->gate);
    n->is_ending = true;
    gate_wake(&n->gate);
    gate_unlock(&n->gate);
    thread_join(n->thread);
    gate_fini(&n->gate);
    free(n);
}
