/* compose.c - the stage as a whole: the signer, the thread that makes documents, the routes. */
#include "reader/compose/compose_own.h"

#include <stdlib.h>
#include <string.h>

const struct log_ctx compose_log = {.stage = "reader/compose"};

int
compose_open(const struct compose_options *o, struct compose **out_compose, struct err *err)
{
    struct compose *c = mem_new(sizeof *c);
    struct pg_conn *conn = NULL;
    struct err unable;
    int rc = -1;

    c->pg = o->pg;
    c->archive = o->archive;
    c->assign = o->assign;
    c->audit = o->audit;
    c->patient_url = mem_text(o->patient_url != NULL ? o->patient_url : "");
    c->signer_dir = authority_dir(o->data_dir);
    gate_init(&c->signing);
    gate_init(&c->gate);
    if (pg_get(c->pg, &conn, err) < 0)
        goto out;
    (void)authority_signer(c, conn, &unable); /* it told; care goes on */
    if (o->archive != NULL) {
        c->worker = thread_start("documents", documents_run, c);
        c->has_worker = true;
    }
    *out_compose = TAKE(c);
    rc = 0;
out:
    pg_put(&conn);
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
    gate_fini(&c->signing);
    free(c->signer_dir);
    free(c->patient_url);
    free(c);
}

struct http_table
compose_table(struct compose *compose)
{
    return (struct http_table){compose_routes, compose_route_count, compose};
}
