/* page_tls.c - the look at the files of the page's certificate. */
#include "gateway/desk/page_tls.h"

#include "gateway/desk/place.h"
#include "proto/base/log.h"
#include "proto/base/stop.h"
#include "proto/base/text.h"

#include <stdlib.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { LOOK_MS = 60 * 1000 };

static const struct log_ctx ctx = {.stage = "gateway/desk"};

struct page_tls {
    struct http_server *server; /* NULL: not begun, or ended */
    char *certificate;
    struct stop stop;
    pthread_t thread;
    struct gate looking; /* one at a time; taken before gate */
    struct gate gate;    /* guards all below */
    char fingerprint[96];
    bool is_stale;
};

void
page_tls_look(struct page_tls *p)
{
    bool is_new = false, was_stale;
    char print[96] = "";
    struct err err;
    int rc;

    gate_lock(&p->looking);
    rc = http_server_renew(p->server, &is_new, &err);
    if (rc == 0 && is_new)
        rc = place_fingerprint(p->certificate, print, &err);
    gate_lock(&p->gate);
    was_stale = p->is_stale;
    p->is_stale = rc < 0;
    if (print[0] != '\0')
        text_copy(p->fingerprint, sizeof p->fingerprint, print);
    gate_unlock(&p->gate);
    gate_unlock(&p->looking);
    if (rc < 0 && !was_stale)
        LOG(&ctx, DESK_CERTIFICATE_STAYS, F_ERR(&err));
}

static void *
keep_looking(void *arg)
{
    struct page_tls *p = arg;

    while (stop_rest_ms(&p->stop, LOOK_MS))
        page_tls_look(p);
    return NULL;
}

struct page_tls *
page_tls_new(const char *certificate, const char fingerprint[96])
{
    struct page_tls *p = mem_new(sizeof *p);

    p->certificate = mem_text(certificate);
    text_copy(p->fingerprint, sizeof p->fingerprint, fingerprint);
    stop_init(&p->stop);
    gate_init(&p->looking);
    gate_init(&p->gate);
    return p;
}

void
page_tls_begin(struct page_tls *p, struct http_server *server)
{
    p->server = server;
    p->thread = thread_start("desk-page-tls", keep_looking, p);
}

void
page_tls_end(struct page_tls *p)
{
    if (p == NULL || p->server == NULL)
        return;
    stop_ask(&p->stop);
    thread_join(p->thread);
    p->server = NULL;
}

void
page_tls_free(struct page_tls **page)
{
    struct page_tls *p = TAKE(*page);

    if (p == NULL)
        return;
    gate_fini(&p->gate);
    gate_fini(&p->looking);
    stop_fini(&p->stop);
    free(p->certificate);
    free(p);
}

void
page_tls_fingerprint(struct page_tls *p, char out[96])
{
    gate_lock(&p->gate);
    text_copy(out, 96, p->fingerprint);
    gate_unlock(&p->gate);
}

bool
page_tls_is_stale(struct page_tls *p)
{
    bool is;

    gate_lock(&p->gate);
    is = p->is_stale;
    gate_unlock(&p->gate);
    return is;
}
