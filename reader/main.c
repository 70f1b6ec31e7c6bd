/* radpost-reader - assigns studies to readers, takes their signed reports, brings them to clinics
 * and patients. Crash-only: a start is a recovery; SIGTERM lets what is under way finish.
 *
 * Stages are begun in the order of stages[] and ended in the reverse; the routes of the three
 * listeners are in staff_tables[], patient_tables[] and link_tables[]. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/http/server.h"
#include "proto/link/enrol.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"
#include "reader/assign/assign.h"
#include "reader/door/door.h"
#include "reader/people/people.h"
#include "reader/reader_config.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/reader_events.def"
#undef LOG_EVENT

enum { PG_RETRY_MS = 500, TABLES_MAX = 16, LOAD_BYTES = 64 << 20 };
enum { STAFF_CONNECTIONS = 256, PATIENT_CONNECTIONS = 256, LINK_CONNECTIONS = 384 };

static const struct config_option options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct reader_config
#include "reader/reader_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct log_ctx ctx = {.stage = "reader"};

static const char usage[] =
    "radpost-reader [--config FILE]                  run\n"
    "radpost-reader [--config FILE] enrol URL CODE   get this reader's certificate from the "
    "centre\n"
    "radpost-reader [--config FILE] load FILE.json   take in organisations, accounts, doctors,\n"
    "                                                agreements\n"
    "radpost-reader [--config FILE] first-admin [ORGANISATION]\n"
    "                                                print a one-time code for the first\n"
    "                                                administrator\n"
    "radpost-reader [--config FILE] --print-config   the options in force\n"
    "radpost-reader --help | --version\n"
    "\n"
    "Options of the configuration file (name = value, a line each):\n";

struct reader {
    struct reader_config config;
    char identity_dir[PATH_MAX];
    char storage_url[512], patient_url[512];
    struct enrol_identity identity;
    bool is_enrolled;
    struct audit *audit;
    struct pg *pg;
    struct codec_pool *pool;
    struct people *people;
    struct assign *assign;
    struct door *door;
    struct http_server *staff, *patient, *link;
};

/* ---- what lasts: folders, identity, audit, database ---- */

static void
place(const struct reader *r, const char *own, const char *name, char out[PATH_MAX])
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

static int
make_folders(struct reader *r, struct err *err)
{
    if (check_config(r, err) < 0 || durable_mkdir(r->config.data_dir, err) < 0)
        return -1;
    place(r, NULL, "link", r->identity_dir);
    return 0;
}

static int
start_identity(struct reader *r, struct err *err)
{
    char dir[PATH_MAX];

    if (make_folders(r, err) < 0)
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
    place(r, NULL, "audit", dir);
    return audit_open(dir, "reader", &r->audit, err);
}

static void
stop_identity(struct reader *r)
{
    audit_close(&r->audit);
    if (r->is_enrolled)
        enrol_identity_fini(&r->identity);
    r->is_enrolled = false;
}

/* PostgreSQL may come up after us. */
static int
start_database(struct reader *r, struct err *err)
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

static void
stop_database(struct reader *r)
{
    pg_close(&r->pg);
}

/* ---- the stages, lowest first: each starts and stops in functions of its own ---- */

static int
start_people(struct reader *r, struct err *err)
{
    struct people_options o = {.pg = r->pg,
                               .audit = r->audit,
                               .is_demo = r->config.demo,
                               .session_idle_ms = r->config.session_idle,
                               .session_end_ms = r->config.session_end};

    (void)err;
    r->people = people_new(&o);
    return 0;
}

static void
stop_people(struct reader *r)
{
    people_free(&r->people);
}

static int
start_assign(struct reader *r, struct err *err)
{
    struct assign_options o = {.pg = r->pg,
                               .audit = r->audit,
                               .lease_short_ms = r->config.lease_short,
                               .lease_long_ms = r->config.lease_long};

    return assign_start(&o, &r->assign, err);
}

static void
hush_assign(struct reader *r)
{
    if (r->assign != NULL)
        assign_stop(r->assign);
}

static void
stop_assign(struct reader *r)
{
    assign_free(&r->assign);
}

static int
start_door(struct reader *r, struct err *err)
{
    struct door_options o = {
        .pg = r->pg, .audit = r->audit, .people = r->people, .pages = embedded_pages};

    (void)err;
    r->door = door_new(&o);
    return 0;
}

static void
stop_door(struct reader *r)
{
    door_free(&r->door);
}

/* ---- listeners ---- */

typedef struct http_table (*table_fn)(struct reader *r);

static struct http_table
door_staff(struct reader *r)
{
    return door_staff_table(r->door);
}

static struct http_table
assign_staff(struct reader *r)
{
    return assign_table(r->assign);
}

static struct http_table
door_assets(struct reader *r)
{
    return door_assets_table(r->door);
}

static const table_fn staff_tables[] = {door_staff, assign_staff, door_assets};
static const table_fn patient_tables[] = {door_assets};
static const table_fn link_tables[] = {NULL}; /* NULL: none yet */

static int
listen_with(struct reader *r, const table_fn *tables, size_t count, struct http_options *o,
            struct http_server **out, struct err *err)
{
    struct http_table all[TABLES_MAX];
    size_t n = 0;

    CHECK(count <= TABLES_MAX);
    for (size_t i = 0; i < count; i++)
        if (tables[i] != NULL)
            all[n++] = tables[i](r);
    o->tables = all;
    o->table_count = n;
    return http_server_start(o, out, err);
}

static void
use_web_tls(const struct reader *r, struct http_options *o)
{
    const struct reader_config *c = &r->config;

    if (!c->web_tls)
        return;
    o->certificate = c->web_certificate[0] != '\0' ? c->web_certificate : r->identity.certificate;
    o->key = c->web_key[0] != '\0' ? c->web_key : r->identity.key;
}

static int
start_staff(struct reader *r, struct err *err)
{
    struct http_options o = {.address = r->config.staff_address,
                             .port = (uint16_t)r->config.staff_port,
                             .connections = STAFF_CONNECTIONS,
                             .name = "reader/staff",
                             .hosts = r->config.staff_names,
                             .authorise = people_authorise,
                             .authorise_user = r->people};

    use_web_tls(r, &o);
    return listen_with(r, staff_tables, ARRAY_LEN(staff_tables), &o, &r->staff, err);
}

static int
start_patient(struct reader *r, struct err *err)
{
    struct http_options o = {.address = r->config.patient_address,
                             .port = (uint16_t)r->config.patient_port,
                             .connections = PATIENT_CONNECTIONS,
                             .name = "reader/patient",
                             .hosts = r->config.patient_names};

    use_web_tls(r, &o);
    return listen_with(r, patient_tables, ARRAY_LEN(patient_tables), &o, &r->patient, err);
}

static int
start_link(struct reader *r, struct err *err)
{
    struct http_options o = {.address = r->config.link_address,
                             .port = (uint16_t)r->config.link_port,
                             .certificate = r->identity.certificate,
                             .key = r->identity.key,
                             .client_ca = r->identity.ca,
                             .connections = LINK_CONNECTIONS,
                             .name = "reader/link"};

    return listen_with(r, link_tables, ARRAY_LEN(link_tables), &o, &r->link, err);
}

static void
stop_listeners(struct reader *r)
{
    http_server_stop(&r->link);
    http_server_stop(&r->patient);
    http_server_stop(&r->staff);
}

/* Begun from the first on. At the end first all hush, from the last back: what waits (streams, long
 * polls, calls of the archive) returns, so that listeners can end; then all stop, from the last
 * back. Both may be NULL, and must bear that their start did not run. */
static const struct stage {
    const char *name;
    int (*start)(struct reader *r, struct err *err);
    void (*hush)(struct reader *r);
    void (*stop)(struct reader *r);
} stages[] = {
    {"identity", start_identity, NULL, stop_identity},
    {"database", start_database, NULL, stop_database},
    {"people", start_people, NULL, stop_people},
    {"assign", start_assign, hush_assign, stop_assign},
    {"door", start_door, NULL, stop_door},
    {"staff", start_staff, NULL, NULL},
    {"patient", start_patient, NULL, NULL},
    {"link", start_link, NULL, stop_listeners},
};

static int
start(struct reader *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(stages); i++)
        if (stages[i].start(r, err) < 0)
            return err_context(err, "start %s", stages[i].name);
    LOG(&ctx, READER_READY, F_NUMBER("staff_port", http_server_port(r->staff)),
        F_NUMBER("patient_port", http_server_port(r->patient)),
        F_NUMBER("link_port", http_server_port(r->link)));
    return 0;
}

static void
stop(struct reader *r)
{
    for (size_t i = ARRAY_LEN(stages); i > 0; i--)
        if (stages[i - 1].hush != NULL)
            stages[i - 1].hush(r);
    for (size_t i = ARRAY_LEN(stages); i > 0; i--)
        if (stages[i - 1].stop != NULL)
            stages[i - 1].stop(r);
}

/* Signals are for the main thread alone: it waits for one that ends the service. */
static int
run(struct reader *r, struct err *err)
{
    sigset_t ends;
    int got = 0, rc;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    rc = start(r, err);
    if (rc == 0) {
        while (sigwait(&ends, &got) != 0)
            ;
        LOG(&ctx, READER_STOPPING, F_NUMBER("signal", got));
    }
    stop(r);
    if (rc == 0)
        LOG(&ctx, READER_STOPPED);
    return rc;
}

/* ---- sub-commands ---- */

static int
run_enrol(struct reader *r, char **args, struct err *err)
{
    struct enrol_identity identity;

    if (make_folders(r, err) < 0)
        return -1;
    if (enrol_new(r->identity_dir, args[0], args[1], &identity, err) < 0) {
        if (err->kind == ERR_DENIED)
            err_context(err, "the code is not accepted (used already, out of time, or made by "
                             "another centre): ask for a new one");
        return err_context(err, "enrol");
    }
    printf("enrolled: tenant %s, device %s\n", identity.tenant, identity.device);
    enrol_identity_fini(&identity);
    return 0;
}

static int
read_file(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;

    if (fd < 0)
        return err_sys(err, ERR_REJECT, "open");
    for (;;) {
        uint8_t *room = buf_reserve(out, 65536);
        ssize_t n = room != NULL ? read(fd, room, 65536) : -1;

        if (room == NULL)
            err_set(err, ERR_REJECT, "longer than %d bytes", LOAD_BYTES);
        else if (n < 0)
            err_sys(err, ERR_RETRY, "read");
        if (n <= 0) {
            rc = n == 0 ? 0 : -1;
            break;
        }
        out->n += (size_t)n;
    }
    close(fd);
    return rc;
}

static int
run_load(struct reader *r, char **args, struct err *err)
{
    struct assign_loaded loaded;
    struct buf json;
    int rc = -1;

    buf_init(&json, LOAD_BYTES);
    if (make_folders(r, err) == 0 && read_file(args[0], &json, err) == 0 &&
        start_database(r, err) == 0 &&
        assign_load(r->pg, buf_text(&json), json.n, r->config.demo, &loaded, err) == 0) {
        printf("loaded: %u organisations, %u accounts, %u doctors, %u agreements\n",
               loaded.organisations, loaded.accounts, loaded.doctors, loaded.agreements);
        rc = 0;
    }
    if (rc < 0)
        err_context(err, "load %s", args[0]);
    stop_database(r);
    buf_fini(&json);
    return rc;
}

/* For the organisation named, or the one this reader is enrolled for. Nothing is audited: the
 * service may be running, and holds the log; the code's use is. */
static int
run_first_admin(struct reader *r, char **args, struct err *err)
{
    char code[PEOPLE_CODE_TEXT];
    const char *org = args[0];
    int rc = -1;

    if (make_folders(r, err) < 0)
        return -1;
    if (org == NULL && enrol_load(r->identity_dir, &r->identity, err) == 0) {
        r->is_enrolled = true;
        org = r->identity.tenant;
    }
    if (org == NULL)
        return err_context(err, "not enrolled yet: name the organisation");
    if (start_database(r, err) == 0 && start_people(r, err) == 0 &&
        people_first_code(r->people, org, code, err) == 0) {
        printf("organisation %s, good once within the hour:\n%s\n", org, code);
        rc = 0;
    }
    stop_people(r);
    stop_database(r);
    stop_identity(r);
    return rc;
}

static int
run_print_config(struct reader *r, char **args, struct err *err)
{
    (void)args;
    (void)err;
    config_print(options, ARRAY_LEN(options), &r->config);
    return 0;
}

static const struct command {
    const char *word;
    int least, most; /* arguments */
    int (*run)(struct reader *r, char **args, struct err *err);
} commands[] = {
    {"enrol", 2, 2, run_enrol},
    {"load", 1, 1, run_load},
    {"first-admin", 0, 1, run_first_admin},
    {"--print-config", 0, 0, run_print_config},
};

static const struct command *
command_find(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[0], commands[i].word) == 0 && argc - 1 >= commands[i].least &&
            argc - 1 <= commands[i].most)
            return &commands[i];
    return NULL;
}

static int
help(int code)
{
    fputs(usage, code == 0 ? stdout : stderr);
    if (code == 0)
        config_print_help(options, ARRAY_LEN(options));
    return code;
}

int
main(int argc, char **argv)
{
    const char *file = NULL;
    const struct command *command = NULL;
    struct reader r = {0};
    struct err err = {0};
    int status, at = 1, rc;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help(0);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("radpost-reader " RADPOST_VERSION);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        file = argv[2];
        at = 3;
    }
    if (argc > at && (command = command_find(argc - at, argv + at)) == NULL)
        return help(64);
    rc = config_read(options, ARRAY_LEN(options), file, &r.config, &err);
    if (rc == 0)
        rc = command != NULL ? command->run(&r, argv + at + 1, &err) : run(&r, &err);
    config_fini(options, ARRAY_LEN(options), &r.config);
    if (rc == 0)
        return 0;
    fprintf(stderr, "radpost-reader: %s\n", err.text);
    return err_kind_exit(err.kind);
}
