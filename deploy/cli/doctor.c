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

enum whose { WHOSE_UNSAID, WHOSE_GATEWAY, WHOSE_ARCHIVE };

static bool
has_folder(const char *data_dir, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    return access(path, F_OK) == 0;
}

/* A short file fits both: then the folders tell. */
static int
tell_by_folders(const char *data_dir, enum whose *out, struct err *err)
{
    bool is_gateway = has_folder(data_dir, "spool"), is_archive = has_folder(data_dir, "ca");

    if (is_gateway == is_archive)
        return err_set(
            err, ERR_REJECT,
            "this file fits a gateway and an archive, and %s does not tell which has run "
            "there: say --as gateway or --as archive",
            data_dir);
    *out = is_gateway ? WHOSE_GATEWAY : WHOSE_ARCHIVE;
    return 0;
}

/* Each knows options that the other does not. */
static int
examine(const char *file, enum whose whose, struct findings *f, struct err *err)
{
    struct gateway_config gateway = {0};
    struct storage_config storage = {0};
    struct err wrong[2] = {{0}, {0}}; /* as a gateway's, as an archive's */
    bool is_gateway =
        config_read(gateway_options, ARRAY_LEN(gateway_options), file, &gateway, &wrong[0]) == 0;
    bool is_archive =
        config_read(storage_options, ARRAY_LEN(storage_options), file, &storage, &wrong[1]) == 0;
    int rc = 0;

    if (whose == WHOSE_UNSAID && is_gateway && is_archive)
        rc = tell_by_folders(gateway.data_dir, &whose, err);
    else if (whose == WHOSE_UNSAID)
        whose = is_archive ? WHOSE_ARCHIVE : WHOSE_GATEWAY;
    if (rc == 0 && (whose == WHOSE_GATEWAY ? is_gateway : is_archive)) {
        if (whose == WHOSE_GATEWAY)
            doctor_examine_gateway(f, &gateway);
        else
            doctor_examine_archive(f, &storage);
    } else if (rc == 0) {
        *err = wrong[whose == WHOSE_ARCHIVE];
        rc = err->kind == ERR_NOT_FOUND
                 ? -1
                 : err_context(err, "the doctor reads gateway.conf and storage.conf");
    }
    if (is_gateway)
        config_fini(gateway_options, ARRAY_LEN(gateway_options), &gateway);
    if (is_archive)
        config_fini(storage_options, ARRAY_LEN(storage_options), &storage);
    return rc;
}

static int
usage(void)
{
    fputs("radpost doctor --config FILE [--as gateway|archive]\n"
          "FILE is gateway.conf or storage.conf; --as where it could be either's.\n"
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
    enum whose whose = WHOSE_UNSAID;
    const char *file = NULL;
    struct err err;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (c == 'c')
            file = optarg;
        else if (c == 'a' && strcmp(optarg, "gateway") == 0)
            whose = WHOSE_GATEWAY;
        else if (c == 'a' && strcmp(optarg, "archive") == 0)
            whose = WHOSE_ARCHIVE;
        else
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
