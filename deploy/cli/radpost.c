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

struct verb {
    const char *name;
    const char *use;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
    {"queue", "list|show|export   what a gateway holds; works without the daemon", queue_cli},
    {"devices", "list|add|enrol|remove  who may send to a gateway; works without the daemon",
     devices_cli},
    {"watch", "--desk URL --token-file F  follow studies through a gateway, in words", cli_watch},
    {"doctor", "--config FILE      ports, certificates, disk, clock, database, last check",
     cli_doctor},
    {"audit", "verify DIR         is the audit trail whole? names the first bad entry", audit_cli},
    {"verify-report", "DIR|ZIP      is a signed report what was signed? names what differs",
     verify_report_cli},
    {"org", "add                a clinic, at the centre", admin_cli},
    {"ae", "add                a DICOM peer of the archive", admin_cli},
    {"token", "new                a bearer token for DICOMweb", admin_cli},
    {"enrol", "new                a one-time code for a gateway or reader", admin_cli},
    {"policy", "set|show|clear     what gateways are told: rates, quiet time, upgrade", admin_cli},
    {"reconcile", "show|now           do gateways and archive have the same? names what is lost",
     admin_cli},
    {"aside", "show               what the archive put aside, why, and where its bytes are",
     admin_cli},
    {"traffic", "show               what each clinic sends, its share, its busiest hour",
     admin_cli},
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
    fputs("radpost VERB ...: the operator's command\n", out);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(out, "  radpost %-13s %s\n", verbs[i].name, verbs[i].use);
    return out == stdout ? 0 : 64;
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    if (strcmp(argv[1], "--version") == 0) {
        puts("radpost " RADPOST_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    fprintf(stderr, "radpost: '%s' is not known\n", argv[1]);
    return usage(stderr);
}
