/* stores.c - what lasts: folders, identity, audit trail, database. */
#include "reader/reader.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"

#include <stdio.h>
#include <string.h>

enum { PG_RETRY_MS = 500 };

static const struct log_ctx ctx = {.stage = "reader"};

void
reader_place(const struct reader *r, const char *own, const char *name, char out[PATH_MAX])
{
    if (own != NULL && own[0] != '\0')
        snprintf(out, PATH_MAX, "%s", own);
    else
        snprintf(out, PATH_MAX, "%s/%s", r->config.data_dir, name);
}

static bool
is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* The patients' page as phones reach it. */
static int
settle_patient_url(struct reader *r, struct err *err)
{
    const struct reader_config *c = &r->config;

    if (c->patient_url[0] != '\0')
        text_copy(r->patient_url, sizeof r->patient_url, c->patient_url);
    else if (c->patient_port == 0)
        return err_set(err, ERR_REJECT, "patient_port 0 needs a patient_url");
    else
        snprintf(r->patient_url, sizeof r->patient_url, "%s://%s:%d", c->web_tls ? "https" : "http",
                 c->patient_address, (int)c->patient_port);
    return 0;
}

/* Known passwords belong to this machine only; passwords and images go in the clear nowhere else.
 */
static int
check_config(const struct reader *r, struct err *err)
{
    const struct reader_config *c = &r->config;
    const struct {
        const char *name, *address;
        bool is_tls;
    } listeners[] = {
        {"staff_address", c->staff_address, c->web_tls},
        {"patient_address", c->patient_address, c->web_tls},
        {"link_address", c->link_address, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
        if (is_loopback(listeners[i].address))
            continue;
        if (c->demo)
            return err_set(err, ERR_REJECT, "demo = yes keeps every listener on loopback: %s is %s",
                           listeners[i].name, listeners[i].address);
        if (!listeners[i].is_tls)
            return err_set(err, ERR_REJECT, "%s %s needs web_tls = yes", listeners[i].name,
                           listeners[i].address);
    }
    if ((c->web_certificate[0] == '\0') != (c->web_key[0] == '\0'))
        return err_set(err, ERR_REJECT, "web_certificate and web_key belong together");
    return 0;
}

int
reader_make_folders(struct reader *r, struct err *err)
{
    if (check_config(r, err) < 0 || durable_mkdir(r->config.data_dir, err) < 0)
        return -1;
    reader_place(r, NULL, "link", r->identity_dir);
    return 0;
}

int
reader_start_identity(struct reader *r, struct err *err)
{
    char dir[PATH_MAX];

    if (reader_make_folders(r, err) < 0)
        return -1;
    if (enrol_load(r->identity_dir, &r->identity, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            err_context(err, "not enrolled yet: radpost-reader enrol URL CODE");
        return -1;
    }
    r->is_enrolled = true;
    if (r->config.storage_url[0] != '\0')
        text_copy(r->storage_url, sizeof r->storage_url, r->config.storage_url);
    else if (!enrol_address(&r->identity, "link_url", r->storage_url, sizeof r->storage_url))
        return err_set(err, ERR_REJECT, "the centre told no link_url: set storage_url");
    if (settle_patient_url(r, err) < 0)
        return -1;
    reader_place(r, NULL, "audit", dir);
    return audit_open(dir, "reader", &r->audit, err);
}

void
reader_stop_identity(struct reader *r)
{
    audit_close(&r->audit);
    if (r->is_enrolled)
        enrol_identity_fini(&r->identity);
    r->is_enrolled = false;
}

/* PostgreSQL may come up after us. */
int
reader_start_database(struct reader *r, struct err *err)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options o = {.conninfo = r->config.pg_conninfo,
                           .query_files = queries,
                           .migrations = "reader/migrations/",
                           .connections = (int)r->config.pg_connections};
    int64_t until_ms = clock_mono_ms() + r->config.pg_wait;
    const struct timespec pause = {.tv_nsec = PG_RETRY_MS * 1000000L};

    for (;;) {
        if (pg_open(&o, &r->pg, err) == 0)
            return 0;
        if (err->kind != ERR_RETRY || clock_mono_ms() >= until_ms)
            return -1;
        LOG(&ctx, READER_WAITING, F_ERR(err));
        nanosleep(&pause, NULL);
    }
}

void
reader_stop_database(struct reader *r)
{
    pg_close(&r->pg);
}
