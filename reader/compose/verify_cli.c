/* verify_cli.c - judging the evidence of a signed report. */
#include "reader/compose/verify_cli.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/zipfile.h"
#include "reader/compose/compose_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EVIDENCE_BYTES ((size_t)256 << 20)
#define SECONDS_TEXT 19 /* of "2026-11-21T10:02:03.123456Z" */

/* The files, as they are. */
enum file {
    REPORT,
    MANIFEST,
    AGREEMENT,
    SIGNATURE,
    CA,
    WITHDRAWAL,
    WITHDRAWAL_SIGNATURE,
    WITHDRAWAL_CA,
    FILES
};

static const struct {
    const char *name;
    size_t most;
    bool may_be_absent;
} files[FILES] = {
    [REPORT] = {"report.json", (size_t)4 << 20, false},
    [MANIFEST] = {"manifest.json", (size_t)64 << 20, false},
    [AGREEMENT] = {"agreement.json", (size_t)4 << 20, false},
    [SIGNATURE] = {"signature.p7s", (size_t)1 << 20, false},
    [CA] = {"signing-ca.pem", (size_t)1 << 16, false},
    [WITHDRAWAL] = {"withdrawal.json", (size_t)4 << 20, true},
    [WITHDRAWAL_SIGNATURE] = {"withdrawal.p7s", (size_t)1 << 20, true},
    [WITHDRAWAL_CA] = {"withdrawal-ca.pem", (size_t)1 << 16, true},
};

struct evidence {
    uint8_t *bytes[FILES]; /* NULL: not there */
    size_t n[FILES];
    struct evidence_verdict verdict;
};

const char *
evidence_part_word(enum evidence_part part)
{
    static const char *const words[] = {"report",      "manifest",  "agreement",
                                        "certificate", "signature", "withdrawal"};

    return words[part];
}

static void
differ(struct evidence *e, enum evidence_part part, const char *why)
{
    if (e->verdict.differs[part][0] == '\0')
        text_copy(e->verdict.differs[part], sizeof e->verdict.differs[part], why);
}

/* ---- the files ---- */

static void
put(struct evidence *e, enum file f, const void *bytes, size_t n)
{
    e->bytes[f] = mem_new(n + 1);
    memcpy(e->bytes[f], bytes, n);
    e->n[f] = n;
}

static int
load_zip(struct evidence *e, const char *path, struct err *err)
{
    uint8_t *zip = NULL;
    size_t n;
    int rc = -1;

    if (durable_get_file(path, EVIDENCE_BYTES, &zip, &n, err) < 0)
        return -1;
    for (int f = 0; f < FILES; f++) {
        struct buf one;

        buf_init(&one, files[f].most);
        if (zipfile_get(zip, n, files[f].name, &one, err) == 0)
            put(e, (enum file)f, one.bytes, one.n);
        else if (err->kind != ERR_NOT_FOUND) {
            buf_fini(&one);
            goto out;
        }
        buf_fini(&one);
    }
    rc = 0;
out:
    free(zip);
    return rc;
}

static int
load_folder(struct evidence *e, const char *path, struct err *err)
{
    for (int f = 0; f < FILES; f++) {
        char name[4096];
        struct stat st;

        snprintf(name, sizeof name, "%s/%s", path, files[f].name);
        if (stat(name, &st) == 0 &&
            durable_get_file(name, files[f].most, &e->bytes[f], &e->n[f], err) < 0)
            return -1;
    }
    return 0;
}

static int
load(struct evidence *e, const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(err, ERR_NOT_FOUND, "%s", path);
    if ((S_ISDIR(st.st_mode) ? load_folder(e, path, err) : load_zip(e, path, err)) < 0)
        return -1;
    for (int f = 0; f <= CA; f++)
        if (e->bytes[f] != NULL)
            return 0;
    return err_set(err, ERR_NOT_FOUND, "%s holds no signed report: none of its files is there",
                   path);
}

/* ---- judging ---- */

static void
judge_presence(struct evidence *e)
{
    static const enum evidence_part parts[] = {[REPORT] = EVIDENCE_REPORT,
                                               [MANIFEST] = EVIDENCE_MANIFEST,
                                               [AGREEMENT] = EVIDENCE_AGREEMENT,
                                               [SIGNATURE] = EVIDENCE_SIGNATURE,
                                               [CA] = EVIDENCE_CERTIFICATE};
    char why[120];

    for (int f = 0; f <= CA; f++) {
        if (e->bytes[f] != NULL)
            continue;
        snprintf(why, sizeof why, "%s is not there", files[f].name);
        differ(e, parts[f], why);
    }
}

static void
blame(struct evidence *e, const struct cms_verdict *v)
{
    static const enum evidence_part parts[] = {[CMS_CONTENT] = EVIDENCE_REPORT,
                                               [CMS_SIGNATURE] = EVIDENCE_SIGNATURE,
                                               [CMS_CERTIFICATE] = EVIDENCE_CERTIFICATE};

    if (v->fault != CMS_GOOD)
        differ(e, parts[v->fault], v->why);
}

/* The folder's CA must be the one that is trusted, and the one inside the signature (cms.h); that
 * it may have run out since is no fault. */
static int
judge_signature(struct evidence *e, const char *trusted_pem, struct err *err)
{
    const char *own = (const char *)e->bytes[CA];
    struct ca_certificate ours, theirs;
    struct cms_verdict v;

    if (ca_read(own, &ours, err) < 0 || !ours.is_ca) {
        differ(e, EVIDENCE_CERTIFICATE, "signing-ca.pem is no certificate of a CA");
        own = trusted_pem;
    }
    if (trusted_pem != NULL) {
        if (ca_read(trusted_pem, &theirs, err) < 0)
            return err_context(err, "the trusted CA");
        if (own != trusted_pem && memcmp(ours.sha256, theirs.sha256, DIGEST_BYTES) != 0)
            differ(e, EVIDENCE_CERTIFICATE, "signing-ca.pem is not the CA that is trusted");
        own = trusted_pem;
    }
    if (own == NULL)
        return 0;
    if (cms_verify(e->bytes[SIGNATURE], e->n[SIGNATURE], e->bytes[REPORT], e->n[REPORT], own, &v,
                   err) < 0)
        return -1;
    blame(e, &v);
    e->verdict.signer = v.signer;
    e->verdict.signed_at_us = v.signed_at_us;
    memcpy(e->verdict.ca_sha256, v.ca_sha256, DIGEST_BYTES);
    return 0;
}

static void
judge_bound(struct evidence *e, enum file f, enum evidence_part part,
            const uint8_t bound[DIGEST_BYTES])
{
    uint8_t is[DIGEST_BYTES];

    if (e->bytes[f] == NULL)
        return;
    digest_bytes(e->bytes[f], e->n[f], is);
    if (memcmp(is, bound, DIGEST_BYTES) != 0)
        differ(e, part, "it is not the one that the report binds");
}

/* The certificate names whom the report names, and both say the same second. */
static void
judge_signer(struct evidence *e, const struct report *r, const struct report_binds *binds)
{
    const struct report_person *by = r->reviewer.login[0] != '\0' ? &r->reviewer : &r->author;
    char at[40];

    if (e->verdict.signer.name[0] == '\0')
        return; /* said already */
    if (strcmp(e->verdict.signer.licence, by->licence) != 0 ||
        strncmp(by->name, e->verdict.signer.name, strlen(e->verdict.signer.name)) != 0)
        differ(e, EVIDENCE_CERTIFICATE, "it is of another person than the report names");
    clock_text(e->verdict.signed_at_us, at);
    if (strncmp(at, binds->signed_at, SECONDS_TEXT) != 0)
        differ(e, EVIDENCE_SIGNATURE, "it was made at another time than the report says");
}

static void
judge_report(struct evidence *e)
{
    struct report_binds binds;
    struct report r;
    struct err err;

    if (canonical_read(e->bytes[REPORT], e->n[REPORT], &r, &binds, &err) < 0) {
        differ(e, EVIDENCE_REPORT, "it is no report of this form");
        return;
    }
    e->verdict.read = r.read;
    e->verdict.version = r.version;
    e->verdict.is_preliminary = r.kind == REPORT_PRELIMINARY;
    e->verdict.instances = r.covers;
    judge_bound(e, MANIFEST, EVIDENCE_MANIFEST, binds.manifest_sha256);
    judge_bound(e, AGREEMENT, EVIDENCE_AGREEMENT, binds.agreement_sha256);
    judge_signer(e, &r, &binds);
    report_fini(&r);
}

/* A notice that names this report, signed by the same CA, or by one that it brings: whose that is,
 * is proved as little as of the report's own. */
static int
judge_withdrawal(struct evidence *e, const char *trusted_pem, struct err *err)
{
    enum file own = e->bytes[WITHDRAWAL_CA] != NULL ? WITHDRAWAL_CA : CA;
    const char *ca = trusted_pem != NULL ? trusted_pem : (const char *)e->bytes[own];
    char sha256[DIGEST_HEX_BYTES];
    uint8_t is[DIGEST_BYTES];
    struct cms_verdict v;

    if (e->bytes[WITHDRAWAL] == NULL && e->bytes[WITHDRAWAL_SIGNATURE] == NULL)
        return 0;
    e->verdict.is_withdrawn = true;
    if (e->bytes[WITHDRAWAL] == NULL || e->bytes[WITHDRAWAL_SIGNATURE] == NULL) {
        differ(e, EVIDENCE_WITHDRAWAL, "the notice or its signature is not there");
        return 0;
    }
    if (ca == NULL || e->bytes[REPORT] == NULL)
        return 0; /* said already */
    if (cms_verify(e->bytes[WITHDRAWAL_SIGNATURE], e->n[WITHDRAWAL_SIGNATURE], e->bytes[WITHDRAWAL],
                   e->n[WITHDRAWAL], ca, &v, err) < 0) {
        differ(e, EVIDENCE_WITHDRAWAL, err->text);
        return 0;
    }
    if (v.fault != CMS_GOOD)
        differ(e, EVIDENCE_WITHDRAWAL, v.why);
    memcpy(e->verdict.notice_ca_sha256, v.ca_sha256, DIGEST_BYTES);
    digest_bytes(e->bytes[REPORT], e->n[REPORT], is);
    digest_text(is, sha256);
    if (memmem(e->bytes[WITHDRAWAL], e->n[WITHDRAWAL], sha256, strlen(sha256)) == NULL)
        differ(e, EVIDENCE_WITHDRAWAL, "it is about another report");
    return 0;
}

static int
judge(struct evidence *e, const char *trusted_pem, struct err *err)
{
    judge_presence(e);
    if (e->bytes[REPORT] != NULL && e->bytes[SIGNATURE] != NULL && e->bytes[CA] != NULL &&
        judge_signature(e, trusted_pem, err) < 0)
        return -1;
    if (e->bytes[REPORT] != NULL)
        judge_report(e);
    if (judge_withdrawal(e, trusted_pem, err) < 0)
        return -1;
    e->verdict.is_good = true;
    for (int i = 0; i < EVIDENCE_PARTS; i++)
        e->verdict.is_good = e->verdict.is_good && e->verdict.differs[i][0] == '\0';
    return 0;
}

int
evidence_verify(const char *path, const char *ca_path, struct evidence_verdict *out,
                struct err *err)
{
    struct evidence *e = mem_new(sizeof *e);
    uint8_t *trusted = NULL;
    size_t n;
    int rc = -1;

    if (load(e, path, err) < 0 ||
        (ca_path != NULL && durable_get_file(ca_path, CA_PEM_LIMIT, &trusted, &n, err) < 0) ||
        judge(e, (const char *)trusted, err) < 0)
        goto out;
    *out = e->verdict;
    rc = 0;
out:
    for (int f = 0; f < FILES; f++)
        free(e->bytes[f]);
    free(trusted);
    free(e);
    return rc;
}

/* ---- the command ---- */

static void
print_ca(const char *which, const uint8_t sha256[DIGEST_BYTES], bool is_pinned)
{
    char ca[DIGEST_HEX_BYTES];

    digest_text(sha256, ca);
    printf("%s SHA-256 %s%s\n", which, ca,
           is_pinned ? " (the trusted one)"
                     : ": compare it with a copy that came another way, or use --ca");
}

static void
print(const struct evidence_verdict *v, bool is_pinned)
{
    char at[40];

    clock_text(v->signed_at_us, at);
    for (int i = 0; i < EVIDENCE_PARTS; i++)
        if (v->differs[i][0] != '\0')
            printf("%s DIFFERS: %s\n", evidence_part_word((enum evidence_part)i), v->differs[i]);
        else if (i != EVIDENCE_WITHDRAWAL)
            printf("%s is as signed\n", evidence_part_word((enum evidence_part)i));
    if (!v->is_good)
        return;
    printf("read %lld, version %u%s, %u images; signed %s by %s, licence %s, %s\n",
           (long long)v->read, v->version, v->is_preliminary ? " (preliminary)" : "", v->instances,
           at, v->signer.name, v->signer.licence, v->signer.organisation);
    if (v->is_withdrawn)
        printf("WITHDRAWN afterwards, by a signed notice: withdrawal.json\n");
    print_ca("signing CA", v->ca_sha256, is_pinned);
    if (v->is_withdrawn && memcmp(v->notice_ca_sha256, v->ca_sha256, DIGEST_BYTES) != 0)
        print_ca("the notice's signing CA", v->notice_ca_sha256, false);
}

int
verify_report_cli(int argc, char **argv)
{
    const char *path = NULL, *ca = NULL;
    struct evidence_verdict v;
    struct err err;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            ca = argv[++i];
        else if (argv[i][0] != '-' && path == NULL)
            path = argv[i];
        else
            path = "";
    }
    if (path == NULL || path[0] == '\0') {
        fputs("radpost verify-report DIR|ZIP [--ca FILE]\n", stderr);
        return 64;
    }
    if (evidence_verify(path, ca, &v, &err) < 0) {
        fprintf(stderr, "radpost: %s\n", err.text);
        return err_kind_exit(err.kind);
    }
    print(&v, ca != NULL);
    return v.is_good ? 0 : err_kind_exit(ERR_CONFLICT);
}
