/* compose.c - the stage as a whole: the signer, the thread that makes documents, the routes. */
#include "reader/compose/compose_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct log_ctx compose_log = {.stage = "reader/compose"};

int
compose_open(const struct compose_options *o, struct compose **out_compose, struct err *err)
{
    struct compose *c = mem_new(sizeof *c);
    char dir[600];
    int rc = -1;

    c->pg = o->pg;
    c->archive = o->archive;
    c->assign = o->assign;
    c->audit = o->audit;
    c->patient_url = mem_text(o->patient_url != NULL ? o->patient_url : "");
    gate_init(&c->gate);
    snprintf(dir, sizeof dir, "%s/signer", o->data_dir);
    if (signer_open(dir, o->ca_name != NULL ? o->ca_name : "Radpost signing CA", &c->signer, err) <
        0)
        goto out;
    if (o->archive != NULL) {
        c->worker = thread_start("documents", documents_run, c);
        c->has_worker = true;
    }
    *out_compose = TAKE(c);
    rc = 0;
out:
    compose_close(&c);
    return rc;
}

void
compose_close(struct compose **compose)
{
    struct compose *c = TAKE(*compose);

    if (c == NULL)
        return;
    gate_lock(&c->gate);
    c->is_ending = true;
    gate_wake(&c->gate);
    gate_unlock(&c->gate);
    if (c->has_worker)
        thread_join(c->worker);
    signer_close(&c->signer);
    gate_fini(&c->gate);
    free(c->patient_url);
    free(c);
}

struct http_table
compose_table(struct compose *compose)
{
    return (struct http_table){compose_routes, compose_route_count, compose};
}
