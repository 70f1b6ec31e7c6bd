/* radpost-gateway - the clinic's box: DICOM in, a durable queue, the line to the centre, the desk.
 * Crash-only: a start is a recovery; SIGTERM ends what is being written and leaves. */
#include "gateway/accept/accept.h"
#include "gateway/desk/desk.h"
#include "gateway/gateway_config.h"
#include "gateway/import/import.h"
#include "gateway/plain/plain.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/config_last.h"
#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/log.h"
#include "proto/base/program.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/link/enrol.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CODERS_MOST = 63, AGAIN_MS = 5000 };

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/gateway_events.def"
#undef LOG_EVENT

static const struct config_option options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct gateway_config
#include "gateway/gateway_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct log_ctx ctx = {.stage = "gateway"};

/* In data_dir. */
#define LAST_CONF "gateway.conf.last"

static const char usage[] =
    "radpost-gateway [--config FILE]                  run\n"
    "radpost-gateway [--config FILE] enrol URL CODE   get this gateway's certificate from the "
    "centre\n"
    "radpost-gateway [--config FILE] reconcile        compare now what was handed over with what "
    "the centre has\n"
    "radpost-gateway [--config FILE] desk-account     print a one-time code for an administrator's "
    "account of the desk\n"
    "radpost-gateway [--config FILE] --print-config   the options in force\n"
    "radpost-gateway --help | --version\n";

/* The stages that run, in the order they were begun. */
struct gateway {
    struct gateway_config config;
    struct config_last last;
    char spool_dir[PATH_MAX], link_dir[PATH_MAX], desk_dir[PATH_MAX], serve_dir[PATH_MAX];
    char import_dir[PATH_MAX], lines_path[PATH_MAX], plain_dir[PATH_MAX];
    char targets_file[PATH_MAX];
    char uplink_dir[PATH_MAX];
    struct codec_pool *pool;
    struct spool *spool;
    struct plain *plain;
    struct uplink *uplink;
    struct accept *accept;
    struct serve *serve;
    struct import *import;
    struct desk *desk;
    /* What keeps a part from running, "": nothing. Images are taken all the same. */
    struct err conf_trouble, import_trouble, commit_trouble, desk_trouble;
};

static int
make_folders(struct gateway *g, struct err *err)
{
    const char *data = g->config.data_dir;

    snprintf(g->spool_dir, sizeof g->spool_dir, "%s/spool", data);
    snprintf(g->link_dir, sizeof g->link_dir, "%s/link", data);
    snprintf(g->serve_dir, sizeof g->serve_dir, "%s/serve", data);
    snprintf(g->import_dir, sizeof g->import_dir, "%s/import", data);
    snprintf(g->uplink_dir, sizeof g->uplink_dir, "%s/uplink", data);
    snprintf(g->lines_path, sizeof g->lines_path, "%s",
             g->config.link_lines[0] != '\0' ? g->config.link_lines : "");
    if (g->lines_path[0] == '\0')
        snprintf(g->lines_path, sizeof g->lines_path, "%s/lines.conf", data);
    snprintf(g->desk_dir, sizeof g->desk_dir, "%s/desk", data);
    snprintf(g->plain_dir, sizeof g->plain_dir, "%s/targets", data);
    snprintf(g->targets_file, sizeof g->targets_file, "%s/targets.conf", data);
    return durable_mkdir(data, err);
}

static int
start_spool(struct gateway *g, struct err *err)
{
    struct spool_options o = {.has_queue_door = true,
                              .keep_sealed_ms = g->config.spool_keep_sealed,
                              .keep_discarded_ms = g->config.spool_keep_discarded,
                              .warn_free_bytes = g->config.spool_warn_free,
                              .slow_free_bytes = g->config.spool_slow_free,
                              .refuse_free_bytes = g->config.spool_refuse_free,
                              .warn_days = (uint32_t)g->config.spool_warn_days,
                              .slow_days = (uint32_t)g->config.spool_slow_days,
                              .refuse_days = (uint32_t)g->config.spool_refuse_days};

    return spool_open(g->spool_dir, &o, &g->spool, err);
}

/* As many as there are processors; the pool has one more worker, for none proves what it made. */
static unsigned
coders(const struct gateway_config *c)
{
    long n = c->codec_workers > 0 ? (long)c->codec_workers : sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n < CODERS_MOST ? (unsigned)n : CODERS_MOST;
}

/* Each image waits for the disk several times on its way through the coder: others go on then. */
static unsigned
feeders(const struct gateway_config *c)
{
    unsigned n = 4 * coders(c);

    return n < CODERS_MOST ? n : CODERS_MOST;
}

static int
start_plain(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->config;
    struct plain_options o = {.file = g->targets_file,
                              .dir = g->plain_dir,
                              .ae = c->dicom_ae,
                              .spool = g->spool,
                              .pool = g->pool,
                              .backoff_ms = c->link_backoff,
                              .backoff_max_ms = c->target_backoff_max,
                              .stall_ms = c->link_stall,
                              .verify_ms = c->target_verify,
                              .lost_ms = c->target_lost};

    return plain_start(&o, &g->plain, err);
}

static bool
is_elsewhere(void *user, const struct spool_entry *entry)
{
    return plain_is_archived(user, entry);
}

static int
read_coding(const struct gateway_config *c, enum uplink_coding *out, struct err *err)
{
    static const char *const words[] = {"choose", "layers", "fast"}; /* enum uplink_coding */

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(c->coding_kind, words[i]) == 0) {
            *out = c->coding ? (enum uplink_coding)i : UPLINK_CODING_OFF;
            return 0;
        }
    return err_set(err, ERR_REJECT, "coding_kind is none of choose, layers and fast");
}

static int
start_uplink(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->config;
    struct uplink_options o = {.dir = g->uplink_dir,
                               .link_dir = g->link_dir,
                               .url = c->link_url,
                               .lines_path = g->lines_path,
                               .connections = (unsigned)c->link_connections,
                               .coders = feeders(c),
                               .stat_percent = (unsigned)c->link_stat_share,
                               .rate_bytes = c->link_rate,
                               .bundle_bytes = c->link_bundle,
                               .backoff_ms = c->link_backoff,
                               .backoff_max_ms = c->link_backoff_max,
                               .stall_ms = c->link_stall,
                               .quiet_ms = c->study_quiet,
                               .look_hold_ms = c->link_look_hold,
                               .recheck_ms = c->link_recheck,
                               .reconcile_ms = c->link_reconcile,
                               .line_back_ms = c->link_line_back,
                               .elsewhere = is_elsewhere,
                               .elsewhere_user = g->plain};

    if (read_coding(c, &o.coding, err) < 0)
        return -1;
    codec_pool_set_nice(g->pool, (int)c->codec_nice);
    return uplink_start(&o, g->spool, g->pool, &g->uplink, err);
}

static void
charset_of_device(void *user, const char *ae, const char *address, char out[20])
{
    struct accept_device device;

    if (accept_find_device(user, ae, address, &device))
        text_copy(out, sizeof device.charset, device.charset);
}

/* What is STAT on the line to the centre goes first to the targets, too. */
static unsigned
urgency_of(void *user, const char *study)
{
    struct uplink_urgent said;

    uplink_urgency(user, study, &said);
    return said.urgency;
}

static int
open_accept(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->config;
    struct accept_options o = {.dir = c->data_dir,
                               .address = c->dicom_address[0] != '\0' ? c->dicom_address : NULL,
                               .port = (uint16_t)c->dicom_port,
                               .called = c->dicom_ae[0] != '\0' ? c->dicom_ae : NULL,
                               .max_associations = (size_t)c->dicom_associations,
                               .private_classes = c->dicom_private_classes,
                               .window_quota_bytes = c->dicom_window_quota,
                               .has_tls = c->dicom_tls,
                               .tls_port = (uint16_t)c->dicom_tls_port,
                               .tls_certificate = c->dicom_tls_certificate,
                               .tls_key = c->dicom_tls_key,
                               .tls_ca = c->dicom_tls_ca};

    if (accept_open(&o, g->spool, &g->accept, err) < 0)
        return -1;
    uplink_set_profile(g->uplink, charset_of_device, g->accept);
    plain_ask_urgency(g->plain, urgency_of, g->uplink);
    return 0;
}

static int
start_serve(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->config;
    bool is_durable = strcmp(c->commit_when, "durable") == 0;
    struct serve_options o = {.dir = g->serve_dir,
                              .ae = c->dicom_ae,
                              .spool = g->spool,
                              .accept = g->accept,
                              .pool = g->pool,
                              .has_questions = true, /* the desk's */
                              .is_durable_enough = is_durable,
                              .is_mirrored = c->spool_disks > 1,
                              .grace_ms = c->commit_grace,
                              .retry_ms = c->commit_retry,
                              .retry_max_ms = c->commit_retry_max,
                              .give_up_ms = c->commit_give_up};

    return serve_start(&o, &g->serve, err);
}

static int
start_import(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->config;
    struct import_options o = {.dir = g->import_dir,
                               .drop_dir = c->import_dir,
                               .media_dir = c->import_media_dir,
                               .spool = g->spool,
                               .pool = g->pool,
                               .rescan_ms = c->import_rescan,
                               .settle_ms = c->import_settle,
                               .partial_ms = c->import_partial,
                               .keep_ms = c->import_keep,
                               .max_bytes = c->import_max};

    return import_start(&o, &g->import, err);
}

static struct his_settings
his_settings(const struct gateway_config *c)
{
    return (struct his_settings){.dicom = c->his_dicom,
                                 .dicom_calling = c->dicom_ae,
                                 .hl7 = c->his_hl7,
                                 .hl7_charset = c->his_hl7_charset,
                                 .hl7_application = c->his_hl7_application,
                                 .hl7_facility = c->his_hl7_facility,
                                 .our_facility = c->hl7_facility,
                                 .hl7_has_pdf = c->his_hl7_pdf,
                                 .hl7_tls_ca = c->his_hl7_tls_ca,
                                 .hl7_tls_pin = c->his_hl7_tls_pin,
                                 .hl7_tls_certificate = c->his_hl7_tls_certificate,
                                 .hl7_tls_key = c->his_hl7_tls_key,
                                 .hl7_wait_ms = c->his_hl7_wait,
                                 .folder = c->his_folder,
                                 .folder_format = c->his_folder_format};
}

static int
start_desk(struct gateway *g, struct err *err)
{
    const struct his_settings his = his_settings(&g->config);
    struct desk_options o = {.address = g->config.desk_address,
                             .port = (uint16_t)g->config.desk_port,
                             .is_tls = g->config.desk_tls,
                             .certificate = g->config.desk_certificate,
                             .key = g->config.desk_key,
                             .hosts = g->config.desk_hosts,
                             .keep_discarded_ms = g->config.spool_keep_discarded,
                             .session_ms = g->config.desk_session,
                             .spool = g->spool,
                             .accept = g->accept,
                             .serve = g->serve,
                             .import = g->import,
                             .uplink = g->uplink,
                             .plain = g->plain,
                             .dir = g->desk_dir,
                             .link_dir = g->link_dir,
                             .lines_path = g->lines_path,
                             .reader_url = g->config.reader_url,
                             .clinic_name = g->config.clinic_name,
                             .clinic_phone = g->config.clinic_phone,
                             .orders_folder = g->config.orders_folder,
                             .orders_command = g->config.orders_command,
                             .orders_every_ms = g->config.orders_every,
                             .has_hl7_in = g->config.hl7_in,
                             .hl7_address = g->config.hl7_address,
                             .hl7_peers = g->config.hl7_peers,
                             .hl7_charset = g->config.hl7_charset,
                             .hl7_facility = g->config.hl7_facility,
                             .hl7_port = (uint16_t)g->config.hl7_port,
                             .hl7_idle_ms = g->config.hl7_idle,
                             .hl7_tls_ca = g->config.hl7_tls_ca,
                             .hl7_tls_certificate = g->config.hl7_tls_certificate,
                             .hl7_tls_key = g->config.hl7_tls_key,
                             .his = &his,
                             .his_retry_ms = g->config.his_retry,
                             .his_retry_max_ms = g->config.his_retry_max,
                             .backoff_ms = g->config.link_backoff,
                             .backoff_max_ms = g->config.link_backoff_max,
                             .conf_trouble = g->conf_trouble.text,
                             .import_trouble = g->import_trouble.text,
                             .commit_trouble = g->commit_trouble.text};

    if (desk_start(&o, &g->desk, err) < 0)
        return -1;
    desk_offer_services(g->desk);
    return 0;
}

/* Beside the door and the line: a part that cannot begin costs itself. Said once, and again when it
 * is another trouble. */
static void
begin_part(struct gateway *g, int (*begin)(struct gateway *, struct err *), const char *part,
           struct err *trouble)
{
    struct err err;

    if (begin(g, &err) < 0) {
        if (strcmp(trouble->text, err.text) != 0)
            LOG(&ctx, GATEWAY_PART_AWAY, F_WORD("part", part), F_ERR(&err));
        *trouble = err;
        return;
    }
    if (trouble->text[0] != '\0')
        LOG(&ctx, GATEWAY_PART_BACK, F_WORD("part", part));
    err_clear(trouble);
}

static int
start(struct gateway *g, struct err *err)
{
    if (make_folders(g, err) < 0 || codec_pool_new(coders(&g->config) + 1, &g->pool, err) < 0 ||
        start_spool(g, err) < 0 || start_plain(g, err) < 0 || start_uplink(g, err) < 0 ||
        open_accept(g, err) < 0)
        return err_context(err, "start");
    /* Its folder lies beside the queue's. Before the door, for a device that is offered no
     * commitment on an association that it keeps open could ask for none all day. */
    begin_part(g, start_serve, "commit", &g->commit_trouble);
    if (accept_listen(g->accept, err) < 0)
        return err_context(err, "start");
    /* What these look at may lie on shares that do not answer. */
    begin_part(g, start_import, "import", &g->import_trouble);
    begin_part(g, start_desk, "desk", &g->desk_trouble);
    LOG(&ctx, GATEWAY_READY, F_NUMBER("dicom_port", accept_port(g->accept)),
        F_NUMBER("desk_port", g->desk != NULL ? desk_port(g->desk) : 0),
        F_NUMBER("hl7_port", g->desk != NULL ? desk_hl7_port(g->desk) : 0));
    return 0;
}

/* What was not there yet: true when nothing is missing any more that may come. */
static bool
try_again(struct gateway *g)
{
    bool is_all = accept_try_again(g->accept);

    if (g->desk == NULL)
        begin_part(g, start_desk, "desk", &g->desk_trouble);
    return g->desk != NULL && desk_try_again(g->desk) && is_all;
}

/* Returns the signal that ends the service. */
static int
wait_for_end(struct gateway *g)
{
    bool is_all = try_again(g);
    int got = 0;

    while (!is_all && (got = program_wait_ms(AGAIN_MS)) == 0)
        is_all = try_again(g);
    return got != 0 ? got : program_wait();
}

static void
stop(struct gateway *g)
{
    accept_shut(g->accept);
    desk_stop(&g->desk);
    import_stop(&g->import);
    serve_stop(g->serve);
    if (g->uplink != NULL)
        uplink_set_profile(g->uplink, NULL, NULL);
    accept_stop(&g->accept);
    serve_close(&g->serve);
    if (g->plain != NULL)
        plain_ask_urgency(g->plain, NULL, NULL);
    uplink_stop(&g->uplink);
    plain_stop(&g->plain);
    spool_close(&g->spool);
    codec_pool_free(&g->pool);
}

/* Signals are for the main thread alone: it waits for one that ends the service. */
static int
run(struct gateway *g, struct err *err)
{
    bool is_last = g->conf_trouble.text[0] != '\0';
    struct err none;
    int rc;

    program_raise_descriptors();
    program_hold_signals();
    if (is_last)
        LOG(&ctx, GATEWAY_CONF_WRONG, F_ERR(&g->conf_trouble));
    rc = start(g, err);
    if (rc == 0 && !is_last && g->last.file != NULL &&
        config_last_keep(&g->last, g->config.data_dir, &none) < 0)
        LOG(&ctx, GATEWAY_CONF_NOT_KEPT, F_ERR(&none));
    if (rc == 0) {
        int got = wait_for_end(g);

        LOG(&ctx, GATEWAY_STOPPING, F_NUMBER("signal", got));
    }
    stop(g);
    if (rc == 0)
        LOG(&ctx, GATEWAY_STOPPED);
    return rc;
}

static int
enrol(struct gateway *g, const char *url, const char *code, struct err *err)
{
    struct enrol_identity identity;
    struct uplink_way out;
    struct enrol_way way;

    if (make_folders(g, err) < 0 || folder_vet_owner(g->config.data_dir, err) < 0 ||
        uplink_check_lines(g->lines_path, err) < 0 || uplink_way(g->lines_path, 0, &out, err) < 0)
        return -1;
    way = (struct enrol_way){.proxy = out.proxy[0] != '\0' ? out.proxy : NULL,
                             .proxy_user = out.proxy_user[0] != '\0' ? out.proxy_user : NULL,
                             .source = out.source[0] != '\0' ? out.source : NULL};
    if (enrol_new_by(g->link_dir, url, &way, code, &identity, err) < 0) {
        enrol_explain(err);
        return err_context(err, "enrol");
    }
    printf("enrolled: tenant %s, device %s\n", identity.tenant, identity.device);
    enrol_identity_fini(&identity);
    return 0;
}

/* The running gateway sees the file within a second. */
static int
ask_reconcile(struct gateway *g, struct err *err)
{
    if (make_folders(g, err) < 0 || uplink_ask_reconcile(g->uplink_dir, err) < 0)
        return -1;
    puts("asked: the running gateway compares with the centre; radpost doctor tells how it ended");
    return 0;
}

/* Also while the gateway runs. */
static int
desk_account(struct gateway *g, struct err *err)
{
    char code[SLIP_TEXT_BYTES];

    if (g->conf_trouble.text[0] != '\0')
        fprintf(stderr, "by what the file said before a mistake: %s\n", g->conf_trouble.text);
    if (make_folders(g, err) < 0 || folder_vet_owner(g->config.data_dir, err) < 0 ||
        desk_account_code(g->desk_dir, code, err) < 0)
        return -1;
    printf("%s\n", code);
    return 0;
}

/* What only this program can tell of its options, for whoever types them. */
static int
vet(struct gateway *g, struct err *err)
{
    const struct gateway_config *c = &g->config;
    enum uplink_coding coding;

    if (strcmp(c->commit_when, "sealed") != 0 && strcmp(c->commit_when, "durable") != 0)
        (void)err_set(err, ERR_REJECT, "commit_when is neither \"sealed\" nor \"durable\"");
    else if (read_coding(c, &coding, err) == 0)
        return 0;
    config_fini(options, ARRAY_LEN(options), &g->config);
    return -1;
}

/* A mistake costs what it was to change: a start, and who wants in at the desk of one, goes by the
 * last file without one. */
static int
read_config(struct gateway *g, const char *file, bool may_be_last, struct err *err)
{
    struct err none;

    g->last = (struct config_last){options, ARRAY_LEN(options), file, "data_dir", LAST_CONF};
    if (config_read(options, ARRAY_LEN(options), file, &g->config, err) == 0 && vet(g, err) == 0)
        return 0;
    if (!may_be_last || file == NULL || config_last_read(&g->last, &g->config, &none) < 0 ||
        vet(g, &none) < 0)
        return -1;
    g->conf_trouble = *err;
    return 0;
}

static int
finish(int rc, const struct err *err)
{
    if (rc == 0)
        return 0;
    fprintf(stderr, "radpost-gateway: %s\n", err->text);
    return err_kind_exit(err->kind);
}

static int
misused(const char *word)
{
    fprintf(stderr, "radpost-gateway: '%s' is not understood, or not whole\n%s", word, usage);
    return 2;
}

int
main(int argc, char **argv)
{
    const char *file = NULL;
    struct gateway g = {0};
    struct err err = {0};
    int status, at = 1, rc;
    bool is_account;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        config_print_help(usage, options, ARRAY_LEN(options));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("radpost-gateway " RADPOST_VERSION);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        file = argv[2];
        at = 3;
    }
    is_account = argc == at + 1 && strcmp(argv[at], "desk-account") == 0;
    if (read_config(&g, file, argc == at || is_account, &err) < 0)
        return finish(-1, &err);
    if (argc == at)
        rc = finish(run(&g, &err), &err);
    else if (argc == at + 1 && strcmp(argv[at], "--print-config") == 0) {
        config_print(options, ARRAY_LEN(options), &g.config);
        rc = 0;
    } else if (is_account)
        rc = finish(desk_account(&g, &err), &err);
    else if (argc == at + 1 && strcmp(argv[at], "reconcile") == 0)
        rc = finish(ask_reconcile(&g, &err), &err);
    else if (argc == at + 3 && strcmp(argv[at], "enrol") == 0)
        rc = finish(enrol(&g, argv[at + 1], argv[at + 2], &err), &err);
    else
        rc = misused(argv[at]);
    config_fini(options, ARRAY_LEN(options), &g.config);
    program_end(rc);
}
