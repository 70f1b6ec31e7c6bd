/* renewal.c - the look at the archive's own certificate. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/stop.h"
#include "storage/ingest/ingest_own.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* A clock that was set back is believed when it has run evenly for some minutes: till then nobody
 * comes in with a certificate that has not begun. Whoever pins an authority that ends needs a code
 * of another, and clinics are many. */
enum { LOOK_MS = 60 * 1000, EVEN_MS = 2 * 60 * 1000, AUTHORITY_DAYS = 730 };
static const int64_t day_us = INT64_C(86400000000);

struct ingest_renewal {
    struct ingest_renewal_options options;
    int64_t told_trouble_us, told_authority_us;
    struct stop stop;
    pthread_t thread;
};

static int64_t
days_left(const struct ca_certificate *c)
{
    int64_t left_us = c->not_after_us - clock_wall_us();

    return left_us > 0 ? left_us / day_us : 0;
}

/* Once a day, by a clock that may be set. */
static bool
is_time_to_tell(int64_t *told_us)
{
    int64_t now_us = clock_wall_us();

    if (now_us >= *told_us && now_us - *told_us < day_us)
        return false;
    *told_us = now_us;
    return true;
}

static void
tell_trouble(struct ingest_renewal *n, const struct err *why)
{
    struct ca_certificate c;
    char path[PATH_MAX];
    struct err err;

    if (!is_time_to_tell(&n->told_trouble_us))
        return;
    snprintf(path, sizeof path, "%s/server.pem", n->options.dir);
    if (ca_read_file(path, &c, &err) == 0)
        LOG(&ingest_log, INGEST_CERTIFICATE_STAYS, F_NUMBER("days_left", days_left(&c)),
            F_ERR(why));
    else
        LOG(&ingest_log, INGEST_CERTIFICATE_STAYS, F_ERR(why));
}

static void
look_at_authority(struct ingest_renewal *n)
{
    struct ca_certificate c;
    struct err err;

    if (ca_read(ca_pem(n->options.ca), &c, &err) == 0 && days_left(&c) <= AUTHORITY_DAYS &&
        is_time_to_tell(&n->told_authority_us))
        LOG(&ingest_log, INGEST_AUTHORITY_ENDS, F_NUMBER("days_left", days_left(&c)));
}

/* One that was made while the clock was ahead, perhaps by years, is good for nobody. Where the
 * clock is behind, as from a start until it is set, it is the present one that is good. */
static int
replace_unbegun(const struct ingest_renewal_options *o, struct err *err)
{
    int64_t even_ms = clock_even_ms();
    struct ca_certificate c;
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/server.pem", o->dir);
    if (ca_read_file(path, &c, err) < 0)
        return -1;
    if (c.not_before_us <= clock_wall_us() || even_ms < EVEN_MS)
        return 0;
    return ca_renew_server(o->ca, o->dir, o->names, o->days, err);
}

static void
look(struct ingest_renewal *n)
{
    const struct ingest_renewal_options *o = &n->options;
    struct err err;
    bool is_new;

    if (ca_make_server(o->ca, o->dir, o->names, o->days, &err) < 0 || replace_unbegun(o, &err) < 0)
        tell_trouble(n, &err);
    for (size_t i = 0; i < ARRAY_LEN(o->servers); i++)
        if (o->servers[i] != NULL && http_server_renew(o->servers[i], &is_new, &err) < 0)
            tell_trouble(n, &err);
    look_at_authority(n);
}

static void *
keep_looking(void *arg)
{
    struct ingest_renewal *n = arg;

    while (!stop_is_asked(&n->stop)) {
        look(n);
        stop_rest_ms(&n->stop, LOOK_MS);
    }
    return NULL;
}

int
ingest_certificate_make(const struct ingest_renewal_options *o, struct err *err)
{
    char pem_path[PATH_MAX], key_path[PATH_MAX];
    uint8_t *pem = NULL;
    struct err none;
    size_t n;
    int rc = ca_make_server(o->ca, o->dir, o->names, o->days, err);

    if (rc == 0)
        return 0;
    snprintf(pem_path, sizeof pem_path, "%s/server.pem", o->dir);
    snprintf(key_path, sizeof key_path, "%s/server.key", o->dir);
    if (durable_get_file(pem_path, CA_PEM_LIMIT, &pem, &n, &none) == 0 &&
        ca_verify((const char *)pem, ca_pem(o->ca), key_path, &none) == 0) {
        LOG(&ingest_log, INGEST_CERTIFICATE_STAYS, F_ERR(err));
        rc = 0;
    }
    free(pem);
    return rc;
}

struct ingest_renewal *
ingest_renewal_start(const struct ingest_renewal_options *options)
{
    struct ingest_renewal *n = mem_new(sizeof *n);

    n->options = *options;
    stop_init(&n->stop);
    n->thread = thread_start("renewal", keep_looking, n);
    return n;
}

void
ingest_renewal_stop(struct ingest_renewal **renewal)
{
    struct ingest_renewal *n = TAKE(*renewal);

    if (n == NULL)
        return;
    stop_ask(&n->stop);
    thread_join(n->thread);
    stop_fini(&n->stop);
    free(n);
}
