/* radpost-storage - the archive: the link and STOW-RS in, packs in two stores, DICOMweb and DICOM
 * out. Crash-only: a start is a recovery; SIGTERM lets what is under way finish and leaves. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/program.h"
#include "proto/codec/codec.h"
#include "proto/http/server.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"
#include "proto/trust/ca.h"
#include "storage/ingest/ingest.h"
#include "storage/keep/keep.h"
#include "storage/serve/dimse_serve.h"
#include "storage/serve/serve.h"
#include "storage/storage_config.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/storage_events.def"
#undef LOG_EVENT

enum { SERVER_DAYS = 398, PG_RETRY_MS = 500, ARRIVING_BYTES = PATH_MAX + 16 };
/* What is left of the descriptors beside the link is for files, PostgreSQL, DICOM and the web. */
/* Thin lines take their time to a first request, and a thousand gateways may be one address. */
enum { LINK_FIRST_MS = 30000 };
enum { WEB_CONNECTIONS = 256, OTHER_DESCRIPTORS = 640 };

static const struct config_option options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct storage_config
#include "storage/storage_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct log_ctx ctx = {.stage = "storage"};

static const char usage[] =
    "radpost-storage [--config FILE]                  run\n"
    "radpost-storage [--config FILE] --print-config   the options in force\n"
    "radpost-storage --help | --version\n";

/* The stages that run, in the order they were begun. */
struct storage {
    struct storage_config config;
    char ca_dir[PATH_MAX], server_dir[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX];
    char client_ca[PATH_MAX];
    char link_url[512];
    const char *addresses[5];
    struct ca *ca;
    struct audit *audit;
    struct codec_pool *pool;   /* for those who look */
    struct codec_pool *finish; /* for what arrives: after all else */
    struct pg_sole *sole;
    struct keep *keep;
    struct ingest *ingest;
    struct serve *serve;
    struct dimse_serve *dicom;
    struct http_server *link, *web;
    struct ingest_renewal *renewal;
};

/* A folder of its own, or one below data_dir. */
static void
place(const struct storage *s, const char *own, const char *name, char out[PATH_MAX])
{
    if (own != NULL && own[0] != '\0')
        snprintf(out, PATH_MAX, "%s", own);
    else
        snprintf(out, PATH_MAX, "%s/%s", s->config.data_dir, name);
}

/* On the landing's disk, whose mark covers it. */
static void
place_arriving(const struct storage *s, char out[ARRIVING_BYTES])
{
    char landing[PATH_MAX];

    place(s, s->config.landing, "landing", landing);
    snprintf(out, ARRIVING_BYTES, "%s/arriving", landing);
}

/* s lives as long as they do. */
static struct ingest_renewal_options
own_certificate(struct storage *s)
{
    return (struct ingest_renewal_options){.ca = s->ca,
                                           .dir = s->server_dir,
                                           .names = s->config.server_names,
                                           .days = SERVER_DAYS,
                                           .servers = {s->link, s->web}};
}

static int
start_trust(struct storage *s, struct err *err)
{
    struct ingest_renewal_options own;
    char dir[PATH_MAX];

    if (durable_mkdir(s->config.data_dir, err) < 0)
        return -1;
    place(s, NULL, "ca", s->ca_dir);
    if (ca_create(s->ca_dir, s->config.ca_name, err) < 0 || ca_open(s->ca_dir, &s->ca, err) < 0)
        return -1;
    place(s, NULL, "server", s->server_dir);
    own = own_certificate(s);
    if (durable_mkdir(s->server_dir, err) < 0 || ingest_certificate_make(&own, err) < 0)
        return -1;
    snprintf(s->certificate, sizeof s->certificate, "%s/server/server.pem", s->config.data_dir);
    snprintf(s->key, sizeof s->key, "%s/server/server.key", s->config.data_dir);
    snprintf(s->client_ca, sizeof s->client_ca, "%s/ca/ca.pem", s->config.data_dir);
    place(s, NULL, "audit", dir);
    return audit_open(dir, "storage", &s->audit, err);
}

/* Before anything is migrated or made. Of one that was killed a moment ago it is free at once. */
static int
try_sole(struct storage *s, struct err *err)
{
    return pg_sole_take(s->config.pg_conninfo, "radpost-storage", &s->sole, err);
}

static int
try_home(struct storage *s, struct err *err)
{
    return keep_check_home(s->config.pg_conninfo, s->config.data_dir, err);
}

static int
try_keep(struct storage *s, struct err *err)
{
    char landing[PATH_MAX], copy[PATH_MAX], a[PATH_MAX], b[PATH_MAX];
    struct keep_options o = {.conninfo = s->config.pg_conninfo,
                             .sole = s->sole,
                             .connections = (int)s->config.pg_connections,
                             .landing = landing,
                             .landing_copy = copy,
                             .stores = {a, b},
                             .quiet_ms = s->config.quiet,
                             .clean_after_ms = s->config.landing_keep,
                             .scrub_ms = s->config.scrub,
                             .warn_free = s->config.landing_warn_free,
                             .refuse_free = s->config.landing_refuse_free,
                             .forget_after_ms = s->config.landing_forget};

    place(s, s->config.landing, "landing", landing);
    place(s, s->config.landing_copy, "landing-copy", copy);
    place(s, s->config.store_a, "store-a", a);
    place(s, s->config.store_b, "store-b", b);
    return keep_open(&o, s->finish, s->audit, &s->keep, err);
}

/* PostgreSQL may come up after us, and so may a disk. */
static int
wait_for(struct storage *s, int (*try)(struct storage *, struct err *), struct err *err)
{
    int64_t until_ms = clock_mono_ms() + s->config.pg_wait;
    const struct timespec pause = {.tv_nsec = PG_RETRY_MS * 1000000L};

    for (;;) {
        if (try(s, err) == 0)
            return 0;
        if (err->kind != ERR_RETRY || clock_mono_ms() >= until_ms)
            return -1;
        LOG(&ctx, STORAGE_WAITING, F_ERR(err));
        nanosleep(&pause, NULL);
    }
}

static int
start_stages(struct storage *s, struct err *err)
{
    char arriving[ARRIVING_BYTES];
    struct ingest_options in = {.keep = s->keep,
                                .audit = s->audit,
                                .ca = s->ca,
                                .addresses = s->addresses,
                                .spool_dir = arriving};
    struct serve_options out = {.keep = s->keep,
                                .pool = s->pool,
                                .audit = s->audit,
                                .public_url = s->config.web_url,
                                .cors_origin = s->config.web_cors_origin};

    place_arriving(s, arriving);
    s->addresses[0] = "link_url";
    s->addresses[1] = s->link_url;
    if (s->config.link_url[0] != '\0')
        snprintf(s->link_url, sizeof s->link_url, "%s", s->config.link_url);
    else /* the first name of our certificate */
        snprintf(s->link_url, sizeof s->link_url, "https://%.*s:%d",
                 (int)strcspn(s->config.server_names, ","), s->config.server_names,
                 (int)s->config.link_port);
    if (s->config.reader_url[0] != '\0') {
        s->addresses[2] = "reader_url";
        s->addresses[3] = s->config.reader_url;
    }
    if (ingest_new(&in, &s->ingest, err) < 0)
        return -1;
    s->serve = serve_new(&out);
    return 0;
}

static unsigned
link_connections(const struct storage *s)
{
    struct rlimit files;
    uint64_t most = (uint64_t)s->config.link_connections;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
        files.rlim_cur < most + OTHER_DESCRIPTORS) {
        most = files.rlim_cur > 2 * OTHER_DESCRIPTORS ? files.rlim_cur - OTHER_DESCRIPTORS
                                                      : files.rlim_cur / 3;
        LOG(&ctx, STORAGE_FEW_DESCRIPTORS, F_NUMBER("connections", most));
    }
    return (unsigned)most;
}

/* One port for all machines with a certificate: gateways, and the reader's DICOMweb and events. */
static int
start_link(struct storage *s, struct err *err)
{
    struct http_table tables[] = {ingest_link_table(s->ingest), ingest_enrol_table(s->ingest),
                                  serve_table(s->serve), ingest_stow_table(s->ingest)};
    struct http_options o = {.address = s->config.link_address,
                             .port = (uint16_t)s->config.link_port,
                             .certificate = s->certificate,
                             .key = s->key,
                             .client_ca = s->client_ca,
                             .connections = link_connections(s),
                             .first_ms = LINK_FIRST_MS,
                             .name = "storage/link",
                             .tables = tables,
                             .table_count = ARRAY_LEN(tables),
                             .authorise = ingest_authorise,
                             .authorise_user = s->ingest};

    return http_server_start(&o, &s->link, err);
}

/* Tokens are secrets and images are patients': in the clear only where nobody can listen. */
static int
start_web(struct storage *s, struct err *err)
{
    struct http_table tables[] = {serve_table(s->serve), ingest_stow_table(s->ingest)};
    struct http_options o = {.address = s->config.web_address,
                             .port = (uint16_t)s->config.web_port,
                             .connections = WEB_CONNECTIONS,
                             .connections_each = WEB_CONNECTIONS / 4,
                             .name = "storage/web",
                             .tables = tables,
                             .table_count = ARRAY_LEN(tables),
                             .authorise = serve_authorise,
                             .authorise_user = s->serve};

    if (s->config.web_tls) {
        o.certificate = s->certificate;
        o.key = s->key;
        o.client_ca = s->client_ca;
    } else if (strncmp(o.address, "127.", 4) != 0 && strcmp(o.address, "::1") != 0) {
        return err_set(err, ERR_REJECT, "web_address %s needs web_tls = yes", o.address);
    }
    return http_server_start(&o, &s->web, err);
}

static int
start_dicom(struct storage *s, struct err *err)
{
    char arriving[ARRIVING_BYTES];
    struct dimse_serve_options o = {
        .keep = s->keep,
        .pool = s->pool,
        .audit = s->audit,
        .address = s->config.dicom_address[0] != '\0' ? s->config.dicom_address : NULL,
        .port = (uint16_t)s->config.dicom_port,
        .ae = s->config.dicom_ae,
        .scratch = arriving,
        .max_associations = (size_t)s->config.dicom_associations};

    place_arriving(s, arriving);
    return dimse_serve_start(&o, &s->dicom, err);
}

static void
start_renewal(struct storage *s)
{
    struct ingest_renewal_options o = own_certificate(s);

    s->renewal = ingest_renewal_start(&o);
}

/* Somebody waits for what is decoded to be looked at; what arrived is safe already when it is
 * looked into, and must not keep the rest from arriving. */
static int
start_codecs(struct storage *s, struct err *err)
{
    unsigned workers = (unsigned)s->config.codec_workers;

    if (codec_pool_new(workers, &s->pool, err) < 0 || codec_pool_new(workers, &s->finish, err) < 0)
        return -1;
    codec_pool_set_nice(s->finish, (int)s->config.codec_nice);
    return 0;
}

static int
start(struct storage *s, struct err *err)
{
    if (wait_for(s, try_sole, err) < 0 || wait_for(s, try_home, err) < 0 ||
        start_trust(s, err) < 0 || start_codecs(s, err) < 0 || wait_for(s, try_keep, err) < 0 ||
        start_stages(s, err) < 0 || start_link(s, err) < 0 || start_web(s, err) < 0 ||
        start_dicom(s, err) < 0)
        return err_context(err, "start");
    start_renewal(s);
    LOG(&ctx, STORAGE_READY, F_NUMBER("link_port", http_server_port(s->link)),
        F_NUMBER("web_port", http_server_port(s->web)));
    return 0;
}

static void
stop(struct storage *s)
{
    ingest_renewal_stop(&s->renewal);
    dimse_serve_stop(&s->dicom);
    http_server_stop(&s->web);
    http_server_stop(&s->link);
    serve_free(&s->serve);
    ingest_free(&s->ingest);
    keep_close(&s->keep);
    pg_sole_drop(&s->sole);
    codec_pool_free(&s->finish);
    codec_pool_free(&s->pool);
    audit_close(&s->audit);
    ca_close(&s->ca);
}

/* Signals are for the main thread alone: it waits for one that ends the service. */
static int
run(struct storage *s, struct err *err)
{
    int rc;

    program_raise_descriptors(); /* a bundle holds two for each object it touches */
    program_hold_signals();
    rc = start(s, err);
    if (rc == 0) {
        int got = program_wait();

        LOG(&ctx, STORAGE_STOPPING, F_NUMBER("signal", got));
    }
    stop(s);
    if (rc == 0)
        LOG(&ctx, STORAGE_STOPPED);
    return rc;
}

static int
misused(const char *word)
{
    fprintf(stderr, "radpost-storage: '%s' is not understood, or not whole\n%s", word, usage);
    return 64;
}

int
main(int argc, char **argv)
{
    const char *file = NULL;
    struct storage s = {0};
    struct err err = {0};
    int status, at = 1, rc = 0;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        config_print_help(usage, options, ARRAY_LEN(options));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("radpost-storage " RADPOST_VERSION);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        file = argv[2];
        at = 3;
    }
    if (argc > at + 1 || (argc == at + 1 && strcmp(argv[at], "--print-config") != 0))
        return misused(argv[at]);
    if (config_read(options, ARRAY_LEN(options), file, &s.config, &err) < 0)
        rc = -1;
    else if (argc == at + 1)
        config_print(options, ARRAY_LEN(options), &s.config);
    else
        rc = run(&s, &err);
    config_fini(options, ARRAY_LEN(options), &s.config);
    if (rc == 0)
        program_end(0);
    fprintf(stderr, "radpost-storage: %s\n", err.text);
    program_end(err_kind_exit(err.kind));
}
