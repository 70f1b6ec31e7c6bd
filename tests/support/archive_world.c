/* archive_world.c - a whole storage in the test's process, and a reader enrolled at it. */
#include "tests/support/archive_world.h"

#include "proto/base/clock.h"
#include "proto/link/enrol.h"
#include "storage/ingest/ingest.h"
#include "storage/serve/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
check(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

void
archive_world_heal(struct archive_world *w)
{
    char certificate[256], key[256], root[256];
    struct http_table tables[] = {ingest_link_table(w->ingest), ingest_enrol_table(w->ingest),
                                  serve_table(w->serve), ingest_stow_table(w->ingest)};
    struct http_options o = {.address = "127.0.0.1",
                             .port = w->port,
                             .certificate = certificate,
                             .key = key,
                             .client_ca = root,
                             .name = "storage/link",
                             .tables = tables,
                             .table_count = ARRAY_LEN(tables),
                             .authorise = ingest_authorise,
                             .authorise_user = w->ingest};
    struct err err;

    snprintf(certificate, sizeof certificate, "%s/server.pem", w->tls_dir);
    snprintf(key, sizeof key, "%s/server.key", w->tls_dir);
    snprintf(root, sizeof root, "%s/ca.pem", w->ca_dir);
    check(http_server_start(&o, &w->server, &err), &err);
    w->port = http_server_port(w->server);
}

void
archive_world_cut(struct archive_world *w)
{
    http_server_stop(&w->server);
}

void
archive_world_enrol(struct archive_world *w, const char *kind, const char *tenant,
                    const char *device, const char *names, const char *dir)
{
    uint8_t fingerprint[DIGEST_BYTES], code_sha256[DIGEST_BYTES];
    struct ca_subject subject = {0};
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err;

    snprintf(subject.tenant, sizeof subject.tenant, "%s", tenant);
    snprintf(subject.device, sizeof subject.device, "%s", device);
    snprintf(subject.kind, sizeof subject.kind, "%s", kind);
    snprintf(subject.names, sizeof subject.names, "%s", names);
    ca_fingerprint(w->ca, fingerprint);
    code_new(fingerprint, code, code_sha256);
    check(keep_code_add(w->vault.keep, code_sha256, &subject, clock_wall_us() + 60000000, &err),
          &err);
    check(enrol_new(dir, w->url, code, &id, &err), &err);
    enrol_identity_fini(&id);
}

/* Its stages and its server, over the vault as it is. */
static void
begin(struct archive_world *w)
{
    char spool[200];
    struct ingest_options in = {
        .spool_dir = spool, .keep = w->vault.keep, .ca = w->ca, .addresses = w->addresses};
    struct serve_options out = {.pool = w->pool, .keep = w->vault.keep};
    struct err err;

    snprintf(spool, sizeof spool, "%s/stow", w->vault.dir);
    check(ingest_new(&in, &w->ingest, &err), &err);
    w->serve = serve_new(&out);
    archive_world_heal(w);
}

void
archive_world_stop(struct archive_world *w)
{
    http_server_stop(&w->server);
    serve_free(&w->serve);
    ingest_free(&w->ingest);
    keep_close(&w->vault.keep);
}

void
archive_world_start(struct archive_world *w)
{
    struct err err;

    check(keep_open_idle(&w->vault.options, NULL, NULL, &w->vault.keep, &err), &err);
    begin(w);
}

void
archive_world_open(struct archive_world *w, struct pg_cluster *cluster, const char *database,
                   struct codec_pool *pool)
{
    struct err err;

    *w = (struct archive_world){.pool = pool};
    vault_open(&w->vault, cluster, database);
    if (pool != NULL)
        vault_decode_by(&w->vault, pool);
    snprintf(w->ca_dir, sizeof w->ca_dir, "%s/ca", w->vault.dir);
    snprintf(w->tls_dir, sizeof w->tls_dir, "%s/tls", w->vault.dir);
    snprintf(w->identity, sizeof w->identity, "%s/identity", w->vault.dir);
    check(ca_create(w->ca_dir, "test", &err), &err);
    check(ca_open(w->ca_dir, &w->ca, &err), &err);
    check(ca_make_server(w->ca, w->tls_dir, "127.0.0.1", 30, &err), &err);
    w->addresses[0] = "link_url";
    w->addresses[1] = w->url;
    begin(w);
    snprintf(w->url, sizeof w->url, "https://127.0.0.1:%u", w->port);
    archive_world_enrol(w, "reader", "clinic-a", "reader-1", "127.0.0.1", w->identity);
}

void
archive_world_close(struct archive_world *w)
{
    http_server_stop(&w->server);
    serve_free(&w->serve);
    ingest_free(&w->ingest);
    ca_close(&w->ca);
    vault_close(&w->vault);
}
