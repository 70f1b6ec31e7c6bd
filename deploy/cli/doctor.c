/* doctor.c - `radpost doctor`: is this machine's Radpost well? A line for each thing a person can
 * do something about. It reads the service's own configuration file and looks from outside; it
 * changes nothing. */
#include "deploy/cli/cli.h"
#include "deploy/cli/doctor.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct config_option gateway_options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct gateway_config
#include "gateway/gateway_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct config_option storage_options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct storage_config
#include "storage/storage_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

static const struct config_option reader_options[] = {
#define OPT CONFIG_ROW
#define CONFIG_STRUCT struct reader_config
#include "reader/reader_options.def"
#undef CONFIG_STRUCT
#undef OPT
};

/* One of them, and how it is looked at; a union for its options. */
union options {
    struct gateway_config gateway;
    struct storage_config storage;
    struct reader_config reader;
};

static void
examine_gateway(struct findings *f, const union options *o)
{
    doctor_examine_gateway(f, &o->gateway);
}

static void
examine_archive(struct findings *f, const union options *o)
{
    doctor_examine_archive(f, &o->storage);
}

static void
examine_reader(struct findings *f, const union options *o)
{
    doctor_examine_reader(f, &o->reader);
}

static const struct service {
    const char *word;   /* of --as */
    const char *folder; /* of data_dir, that it makes; a gateway has a reader's, too */
    const struct config_option *options;
    size_t count;
    void (*examine)(struct findings *f, const union options *o);
} services[] = {
    {"gateway", "spool", gateway_options, ARRAY_LEN(gateway_options), examine_gateway},
    {"archive", "ca", storage_options, ARRAY_LEN(storage_options), examine_archive},
    {"reader", "link", reader_options, ARRAY_LEN(reader_options), examine_reader},
};

static bool
has_folder(const char *data_dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    return access(path, F_OK) == 0;
}

static const char *
data_dir_of(size_t service, const union options *o)
{
    switch (service) {
    case 0:
        return o->gateway.data_dir;
    case 1:
        return o->storage.data_dir;
    default:
        return o->reader.data_dir;
    }
}

/* A short file fits several: then the folders tell. -1: they do not. */
static int
told_by_folders(const char *const data_dirs[ARRAY_LEN(services)], struct err *err)
{
    bool is_gateway = data_dirs[0] != NULL && has_folder(data_dirs[0], services[0].folder);
    bool is_archive = data_dirs[1] != NULL && has_folder(data_dirs[1], services[1].folder);
    bool is_reader = !is_gateway && !is_archive && data_dirs[2] != NULL &&
                     has_folder(data_dirs[2], services[2].folder);

    if (is_gateway + is_archive + is_reader == 1)
        return is_gateway ? 0 : is_archive ? 1 : 2;
    return err_set(err, ERR_REJECT,
                   "this file fits several services, and its data_dir does not tell which has run "
                   "there: say --as gateway, --as archive or --as reader");
}

/* Each knows options that the others do not. whose: of services, -1 unsaid. */
static int
examine(const char *file, int whose, struct findings *f, struct err *err)
{
    union options read[ARRAY_LEN(services)];
    const char *data_dirs[ARRAY_LEN(services)] = {NULL};
    struct err wrong[ARRAY_LEN(services)];
    bool fits[ARRAY_LEN(services)];
    int fitting = 0, last = 0, rc = 0;

    memset(read, 0, sizeof read);
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        fits[i] =
            config_read(services[i].options, services[i].count, file, &read[i], &wrong[i]) == 0;
        if (!fits[i])
            continue;
        data_dirs[i] = data_dir_of(i, &read[i]);
        fitting++;
        last = (int)i;
    }
    if (whose < 0 && fitting > 1)
        rc = whose = told_by_folders(data_dirs, err);
    else if (whose < 0)
        whose = last;
    if (rc >= 0 && fits[whose]) {
        services[whose].examine(f, &read[whose]);
        rc = 0;
    } else if (rc >= 0) {
        *err = wrong[whose];
        rc = err->kind == ERR_NOT_FOUND
                 ? -1
                 : err_context(err, "the doctor reads gateway.conf, storage.conf and reader.conf");
    }
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (fits[i])
            config_fini(services[i].options, services[i].count, &read[i]);
    return rc;
}

static int
service_of(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (strcmp(services[i].word, word) == 0)
            return (int)i;
    return -1;
}

static int
usage(void)
{
    fputs("radpost doctor --config FILE [--as gateway|archive|reader]\n"
          "FILE is gateway.conf, storage.conf or reader.conf; --as where it could be another's.\n"
          "Run it as the user of the service. Exit: 0 well, 1 something is bad.\n",
          stderr);
    return 64;
}

int
cli_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"as", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    struct findings findings = {0};
    int whose = -1;
    const char *file = NULL;
    struct err err;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (c == 'c')
            file = optarg;
        else if (c != 'a' || (whose = service_of(optarg)) < 0)
            return usage();
    if (file == NULL || optind != argc)
        return usage();
    if (examine(file, whose, &findings, &err) < 0)
        return cli_fail(&err);
    if (findings.bads > 0)
        printf("%zu bad, %zu worth a look  %zu 处有故障，%zu 处要看一看\n", findings.bads,
               findings.looks, findings.bads, findings.looks);
    else
        puts(findings.looks > 0 ? "well, with something worth a look  正常，有要看一看的"
                                : "all is well  一切正常");
    return findings.bads > 0 ? 1 : 0;
}
