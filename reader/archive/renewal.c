/* renewal.c - the hourly look at the reader's certificate, and at what its listeners show. */
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/stop.h"
#include "proto/http/server.h"
#include "proto/link/enrol.h"
#include "reader/archive/archive_own.h"

#include <stdlib.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/archive/archive_events.def"
#undef LOG_EVENT

enum { LOOK_MS = 3600 * 1000, SOON_DAYS = 30 };
static const int64_t day_us = INT64_C(86400000000);

static const struct log_ctx ctx = {.stage = "archive"};

struct archive_renewal {
    struct archive_renewal_options options;
    struct stop stop;
    pthread_t thread;
};

static void
renew_own(const struct archive_renewal_options *o)
{
    struct err err = {0};
    bool is_renewed = false;

    if (enrol_renew(o->identity_dir, o->url, false, &is_renewed, &err) < 0) {
        LOG(&ctx, ARCHIVE_RENEWAL_FAILED, F_ERR(&err));
    } else if (is_renewed) {
        archive_renewed(o->archive);
        LOG(&ctx, ARCHIVE_RENEWED);
    }
}

static void
show(struct http_server *server)
{
    struct err err = {0};
    bool is_new;

    if (http_server_renew(server, &is_new, &err) < 0)
        LOG(&ctx, ARCHIVE_RENEWAL_FAILED, F_ERR(&err));
}

/* Nobody but its owner can renew the one that browsers see. */
static void
look_at_web(const char *path)
{
    struct ca_certificate c;
    struct err err = {0};
    int64_t left_us;

    if (path == NULL || ca_read_file(path, &c, &err) < 0) /* show() told why */
        return;
    left_us = c.not_after_us - clock_wall_us();
    if (left_us < SOON_DAYS * day_us)
        LOG(&ctx, ARCHIVE_WEB_CERTIFICATE_ENDS,
            F_NUMBER("days_left", left_us > 0 ? left_us / day_us : 0));
}

static void
look(const struct archive_renewal_options *o)
{
    renew_own(o);
    for (size_t i = 0; i < ARRAY_LEN(o->servers); i++)
        if (o->servers[i] != NULL)
            show(o->servers[i]);
    look_at_web(o->web_certificate);
}

static void *
keep_looking(void *arg)
{
    struct archive_renewal *n = arg;

    while (!stop_is_asked(&n->stop)) {
        look(&n->options);
        stop_rest_ms(&n->stop, LOOK_MS);
    }
    return NULL;
}

struct archive_renewal *
archive_renewal_start(const struct archive_renewal_options *options)
{
    struct archive_renewal *n = mem_new(sizeof *n);

    n->options = *options;
    stop_init(&n->stop);
    n->thread = thread_start("renewal", keep_looking, n);
    return n;
}

void
archive_renewal_stop(struct archive_renewal **renewal)
{
    struct archive_renewal *n = TAKE(*renewal);

    if (n == NULL)
        return;
    stop_ask(&n->stop);
    thread_join(n->thread);
    stop_fini(&n->stop);
    free(n);
}
