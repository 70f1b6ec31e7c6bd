/* audit_cli.c - radpost audit verify|show DIR. */
#include "proto/trust/audit_parts.h"

#include "proto/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE_EXIT 64

static int
usage(void)
{
    fprintf(
        stderr,
        "usage: radpost audit verify DIR [--signer HEX] [--head FILE]\n"
        "       radpost audit show DIR [--study UID]\n"
        "verify checks every entry of an audit log; --signer is the fingerprint of its key and\n"
        "--head a day's signed end, as noted by a supervisor before.\n");
    return USAGE_EXIT;
}

/* The value behind an option; NULL if it is not there. */
static const char *
option(int argc, char **argv, const char *name)
{
    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return NULL;
}

static int
verify(const char *dir, int argc, char **argv)
{
    const char *signer_hex = option(argc, argv, "--signer");
    const char *head = option(argc, argv, "--head");
    struct audit_verdict v;
    uint8_t signer[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];
    struct err err = {0};

    if (signer_hex != NULL && hex_decode(signer_hex, signer, DIGEST_BYTES) < 0)
        return usage();
    if (audit_verify(dir, signer_hex != NULL ? signer : NULL, head, &v, &err) < 0) {
        printf("BAD  %s\n", err.text);
        if (v.bad_entry > 0)
            printf("     the first %" PRIu64 " entries are good, %" PRIu64
                   " is the first bad one\n",
                   v.entries, v.bad_entry);
        return err_kind_exit(err.kind);
    }
    digest_text(v.signer, hex);
    printf("GOOD  %" PRIu64 " entries, %s to %s\n", v.entries, v.first, v.last);
    printf("      signed by %s\n", hex);
    digest_text(v.head, hex);
    printf("      ends with %s\n", hex);
    return 0;
}

static int
print_entry(void *user, const char *json, size_t n)
{
    const char *needle = user;

    if (needle == NULL || strstr(json, needle) != NULL)
        printf("%.*s\n", (int)n, json);
    return 0;
}

static int
show(const char *dir, const char *uid)
{
    struct audit_walk w = {.on_entry = print_entry};
    char **names = NULL, *needle = uid != NULL ? mem_printf("\"%s\"", uid) : NULL;
    size_t count = 0;
    struct err err = {0};
    int rc;

    w.user = needle;
    rc = audit_key_public(dir, &w.key, &err) < 0 ? -1 : audit_files(dir, &names, &count, &err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = audit_walk_file(&w, dir, names[i], &err);
    if (rc < 0)
        fprintf(stderr, "radpost audit: %s %s\n", w.place, err.text);
    audit_files_free(&names, count);
    EVP_PKEY_free(w.key);
    free(needle);
    return rc < 0 ? err_kind_exit(err.kind) : 0;
}

int
audit_cli(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2], argc - 3, argv + 3);
    if (argc >= 3 && strcmp(argv[1], "show") == 0)
        return show(argv[2], option(argc - 3, argv + 3, "--study"));
    return usage();
}
