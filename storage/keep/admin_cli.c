/* admin_cli.c - the operator's commands on the archive's catalog. */
#include "storage/keep/admin_cli.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/audit.h"
#include "proto/trust/ca.h"
#include "proto/trust/token.h"
#include "storage/keep/admin_own.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const int64_t code_life_us = INT64_C(7) * 86400 * 1000000;

static const struct config_option options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct storage_config
#include "storage/storage_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

struct command {
    const char *noun, *verb;
    int (*run)(struct admin *a, struct err *err);
    const char *use;
};

static int
need(const char *value, const char *option, struct err *err)
{
    return value != NULL ? 0 : err_set(err, ERR_REJECT, "%s is missing", option);
}

static int
run_org_add(struct admin *a, struct err *err)
{
    const char *name = a->words.name != NULL ? a->words.name : a->words.org;

    return need(a->words.org, "--code", err) < 0
               ? -1
               : keep_tenant_add(a->keep, a->words.org, name, err);
}

static int
run_ae_add(struct admin *a, struct err *err)
{
    const struct words *w = &a->words;
    struct keep_ae ae = {0};
    uint64_t port = 0;

    if (need(w->org, "--org", err) < 0 || need(w->ae, "--ae", err) < 0 ||
        rights_parse(w->rights != NULL ? w->rights : "store,query,retrieve", &ae.rights, err) < 0)
        return -1;
    if (w->port != NULL && text_to_u64(w->port, 65535, &port) < 0)
        return err_set(err, ERR_REJECT, "--port: a number up to 65535 is due");
    if (!text_copy(ae.tenant, sizeof ae.tenant, w->org) || !text_copy(ae.ae, sizeof ae.ae, w->ae) ||
        !text_copy(ae.host, sizeof ae.host, w->host != NULL ? w->host : ""))
        return err_set(err, ERR_REJECT, "an AE title has 16 characters at most");
    ae.port = (uint16_t)port;
    return keep_ae_add(a->keep, &ae, err);
}

static int
run_token_new(struct admin *a, struct err *err)
{
    const struct words *w = &a->words;
    struct keep_token token = {0};
    char text[TOKEN_TEXT_BYTES];

    if (need(w->org, "--org", err) < 0 ||
        rights_parse(w->rights != NULL ? w->rights : "query,retrieve", &token.rights, err) < 0)
        return -1;
    if (!text_copy(token.tenant, sizeof token.tenant, w->org) ||
        !text_copy(token.name, sizeof token.name, w->name != NULL ? w->name : "token"))
        return err_set(err, ERR_REJECT, "--org or --name is too long");
    if (keep_token_add(a->keep, &token, text, err) < 0)
        return -1;
    puts(text);
    return 0;
}

/* Gateways reach a reader by these names, and verify that its certificate carries them. */
static int
check_names(const struct words *w, struct err *err)
{
    bool is_reader = strcmp(w->kind, "reader") == 0;

    if (is_reader && w->names == NULL)
        return err_set(err, ERR_REJECT,
                       "--names is missing: the names and addresses gateways reach the reader by");
    if (!is_reader && w->names != NULL)
        return err_set(err, ERR_REJECT, "--names is a reader's");
    return is_reader ? ca_check_names(w->names, err) : 0;
}

/* The code holds the CA's fingerprint, so that the new device trusts this CA and no other. */
static int
run_enrol_new(struct admin *a, struct err *err)
{
    const struct words *w = &a->words;
    struct ca_subject subject = {0};
    struct ca *ca = NULL;
    uint8_t fingerprint[DIGEST_BYTES], code_sha256[DIGEST_BYTES];
    char code[CODE_TEXT_BYTES], dir[PATH_MAX];
    int rc;

    if (need(w->org, "--org", err) < 0 || need(w->kind, "--kind", err) < 0 ||
        need(w->name, "--name", err) < 0)
        return -1;
    if (strcmp(w->kind, "gateway") != 0 && strcmp(w->kind, "reader") != 0)
        return err_set(err, ERR_REJECT, "--kind is gateway or reader");
    if (check_names(w, err) < 0)
        return -1;
    if (!text_copy(subject.tenant, sizeof subject.tenant, w->org) ||
        !text_copy(subject.device, sizeof subject.device, w->name) ||
        !text_copy(subject.kind, sizeof subject.kind, w->kind) ||
        !text_copy(subject.names, sizeof subject.names, w->names != NULL ? w->names : ""))
        return err_set(err, ERR_REJECT, "--org or --name is too long");
    snprintf(dir, sizeof dir, "%s/ca", a->config.data_dir);
    if (ca_open(dir, &ca, err) < 0)
        return err_context(err, "the archive makes its CA at its first start");
    ca_fingerprint(ca, fingerprint);
    ca_close(&ca);
    code_new(fingerprint, code, code_sha256);
    rc = keep_code_add(a->keep, code_sha256, &subject, clock_wall_us() + code_life_us, err);
    if (rc == 0)
        puts(code);
    return rc;
}

static int
run_enrol_revoke(struct admin *a, struct err *err)
{
    if (need(a->words.org, "--org", err) < 0 || need(a->words.name, "--name", err) < 0)
        return -1;
    return keep_device_revoke(a->keep, a->words.org, a->words.name, err);
}

/* Where the archive looks for it. */
static void
place_disk(const struct storage_config *c, enum keep_disk disk, const char *name,
           char out[PATH_MAX])
{
    const char *own = disk == KEEP_STORE_A   ? c->store_a
                      : disk == KEEP_STORE_B ? c->store_b
                                             : c->landing_copy;

    if (disk == KEEP_DATA_DIR)
        own = c->data_dir;
    if (own[0] != '\0')
        snprintf(out, PATH_MAX, "%s", own);
    else
        snprintf(out, PATH_MAX, "%s/%s", c->data_dir, name);
}

static int
run_store_accept(struct admin *a, struct err *err)
{
    char path[PATH_MAX];
    enum keep_disk disk;

    if (need(a->words.name, "--name", err) < 0 || keep_disk_find(a->words.name, &disk, err) < 0)
        return -1;
    place_disk(&a->config, disk, a->words.name, path);
    if (keep_disk_accept(a->keep, disk, path, err) < 0)
        return -1;
    printf("%s is %s from now on\n", a->words.name, path);
    return 0;
}

static const struct command commands[] = {
    {"org", "add", run_org_add, "--code CODE [--name NAME]"},
    {"ae", "add", run_ae_add, "--org CODE --ae AET [--host ADDRESS --port N] [--rights WORDS]"},
    {"token", "new", run_token_new, "--org CODE [--rights WORDS] [--note NAME]"},
    {"enrol", "new", run_enrol_new,
     "--org CODE --kind gateway|reader --name NAME [--names NAME,...]"},
    {"enrol", "revoke", run_enrol_revoke, "--org CODE --name NAME"},
    {"policy", "set", run_policy_set, "[--org CODE] --file POLICY.json"},
    {"policy", "show", run_policy_show, "[--org CODE]"},
    {"policy", "clear", run_policy_clear, "[--org CODE]"},
    {"reconcile", "show", run_reconcile_show, "[--org CODE]"},
    {"reconcile", "now", run_reconcile_now, "[--org CODE]"},
    {"aside", "show", run_aside_show, "[--org CODE] [--all]"},
    {"aside", "reject", run_aside_reject, "--org CODE --object HEX --reason TEXT --by LOGIN"},
    {"traffic", "show", run_traffic_show, "[--org CODE] [--days N]"},
    {"store", "accept", run_store_accept, "--name store-a|store-b|landing-copy|data-dir"},
};

/* Of one noun, what may be done with it. */
static int
usage(const char *noun)
{
    fputs("usage, each with --config FILE, the archive's storage.conf:\n", stderr);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].noun, noun) == 0)
            fprintf(stderr, "  radpost %s %s %s\n", noun, commands[i].verb, commands[i].use);
    if (strcmp(noun, "ae") == 0 || strcmp(noun, "token") == 0)
        fputs("WORDS: query retrieve store preview all-tenants, parted by commas\n", stderr);
    return 64;
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'}, {"org", required_argument, NULL, 'o'},
    {"code", required_argument, NULL, 'o'},   {"name", required_argument, NULL, 'n'},
    {"note", required_argument, NULL, 'n'},   {"ae", required_argument, NULL, 'a'},
    {"host", required_argument, NULL, 'h'},   {"port", required_argument, NULL, 'p'},
    {"rights", required_argument, NULL, 'r'}, {"kind", required_argument, NULL, 'k'},
    {"names", required_argument, NULL, 'N'},  {"file", required_argument, NULL, 'f'},
    {"days", required_argument, NULL, 'd'},   {"object", required_argument, NULL, 'O'},
    {"reason", required_argument, NULL, 'R'}, {"by", required_argument, NULL, 'b'},
    {"all", no_argument, NULL, 'A'},          {NULL, 0, NULL, 0},
};

static int
read_words(int argc, char **argv, struct words *w)
{
    int c;

    optind = 1;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        switch (c) {
        case 'c':
            w->config = optarg;
            break;
        case 'o':
            w->org = optarg;
            break;
        case 'n':
            w->name = optarg;
            break;
        case 'a':
            w->ae = optarg;
            break;
        case 'h':
            w->host = optarg;
            break;
        case 'p':
            w->port = optarg;
            break;
        case 'r':
            w->rights = optarg;
            break;
        case 'k':
            w->kind = optarg;
            break;
        case 'N':
            w->names = optarg;
            break;
        case 'f':
            w->file = optarg;
            break;
        case 'd':
            w->days = optarg;
            break;
        case 'O':
            w->object = optarg;
            break;
        case 'R':
            w->reason = optarg;
            break;
        case 'b':
            w->by = optarg;
            break;
        case 'A':
            w->is_all = true;
            break;
        default:
            return -1;
        }
    return 0;
}

static int
run(const struct command *command, struct admin *a, struct err *err)
{
    int rc = -1;

    if (config_read(options, ARRAY_LEN(options), a->words.config, &a->config, err) < 0)
        return -1;
    if (keep_open_catalog(a->config.pg_conninfo, &a->keep, err) == 0)
        rc = command->run(a, err);
    keep_close(&a->keep);
    config_fini(options, ARRAY_LEN(options), &a->config);
    return rc;
}

int
admin_cli(int argc, char **argv)
{
    struct admin a = {0};
    struct err err = {0};

    if (read_words(argc, argv, &a.words) < 0 || optind != argc - 1)
        return usage(argv[0]);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].noun, argv[0]) != 0 || strcmp(commands[i].verb, argv[optind]) != 0)
            continue;
        if (a.words.config == NULL) {
            fprintf(stderr, "radpost %s: --config FILE is missing\n", argv[0]);
            return usage(argv[0]);
        }
        if (run(&commands[i], &a, &err) == 0)
            return 0;
        fprintf(stderr, "radpost: %s\n", err.text);
        return err_kind_exit(err.kind);
    }
    fprintf(stderr, "radpost %s: '%s' is not known\n", argv[0], argv[optind]);
    return usage(argv[0]);
}
