/* radpost.c - the operator's command: one table of verbs. */
#include "deploy/cli/cli.h"

#include "gateway/accept/devices_cli.h"
#include "gateway/spool/queue_cli.h"
#include "proto/base/err.h"
#include "proto/trust/audit.h"
#include "reader/compose/verify_cli.h"
#include "storage/keep/admin_cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct verb {
    const char *name;
    const char *use;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
    {"doctor", "is this machine's gateway, archive or reader well, and what to do if not",
     cli_doctor},
    {"queue", "what a gateway holds; the gateway may run or not", queue_cli},
    {"devices", "who may send to a gateway; the gateway may run or not", devices_cli},
    {"watch", "follow studies through a gateway, in words", cli_watch},
    {"audit", "is the audit trail whole? names the first bad entry; shows entries", audit_cli},
    {"verify-report", "is a signed report what was signed? names what differs", verify_report_cli},
    {"org", "at the centre: add a clinic or hospital", admin_cli},
    {"ae", "at the centre: add a DICOM peer of the archive", admin_cli},
    {"token", "at the centre: a bearer token for DICOMweb", admin_cli},
    {"enrol", "at the centre: a one-time code for a gateway or reader, or no more of it",
     admin_cli},
    {"policy", "at the centre: what gateways are told (rates, quiet time, upgrade)", admin_cli},
    {"reconcile", "at the centre: do gateways and archive have the same? names what is lost",
     admin_cli},
    {"aside",
     "at the centre: what was put aside, why, and where its bytes are; reject: it is settled",
     admin_cli},
    {"traffic", "at the centre: what each clinic sends, its share, its busiest hour", admin_cli},
    {"store", "at the centre: another disk is in the place of a broken one", admin_cli},
};

int
cli_fail(const struct err *err)
{
    fprintf(stderr, "radpost: %s\n", err->text);
    return err_kind_exit(err->kind);
}

static int
usage(FILE *out)
{
    fputs("radpost VERB ...: the operator's command; radpost VERB --help tells its words\n", out);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(out, "  radpost %-13s  %s\n", verbs[i].name, verbs[i].use);
    return out == stdout ? 0 : 64;
}

static bool
is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* "radpost org --help", "radpost org add --help". */
static bool
asks_for_help(int argc, char **argv)
{
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return argc > 2 && is_help(argv[2]);
}

/* A verb without words tells which there are; asked for, that is its answer and no complaint. */
static int
verb_help(const struct verb *verb, char **argv)
{
    fflush(stdout);
    if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        return 71;
    argv[1] = NULL;
    (void)verb->run(1, argv);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (is_help(argv[1]))
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        puts("radpost " RADPOST_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return asks_for_help(argc, argv) ? verb_help(&verbs[i], argv + 1)
                                             : verbs[i].run(argc - 1, argv + 1);
    fprintf(stderr, "radpost: '%s' is not known\n", argv[1]);
    return usage(stderr);
}
