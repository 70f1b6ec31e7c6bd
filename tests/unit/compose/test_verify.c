/* test_verify.c - evidence verifies without us, and what was changed in it is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/durable.h"
#include "proto/base/zipfile.h"
#include "reader/compose/verify_cli.h"
#include "tests/support/report_world.h"
#include "tests/support/run_program.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static const char *const names[] = {"report.json",     "manifest.json",  "agreement.json",
                                    "signature.p7s",   "signing-ca.pem", "report.pdf",
                                    "withdrawal.json", "withdrawal.p7s", "withdrawal-ca.pem"};

static struct pg_cluster *cluster;
static struct report_world w;
static char dir[FOLDER_PATH_BYTES]; /* the evidence, unpacked */
static int64_t read_id;

static void
unpack(int64_t read)
{
    struct buf zip, one;
    struct err err;

    buf_init(&zip, (size_t)64 << 20);
    OK(compose_evidence(w.compose, read, 0, &zip, &err));
    OK(durable_put_file(dir, "evidence.zip", zip.bytes, zip.n, &err));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        buf_init(&one, (size_t)64 << 20);
        if (zipfile_get(zip.bytes, zip.n, names[i], &one, &err) == 0)
            OK(durable_put_file(dir, names[i], one.bytes, one.n, &err));
        else {
            char *path = mem_printf("%s/%s", dir, names[i]);

            assert_int_equal(err.kind, ERR_NOT_FOUND);
            unlink(path);
            free(path);
        }
        buf_fini(&one);
    }
    buf_fini(&zip);
}

static int
begin(void **state)
{
    char tmp[200];

    (void)state;
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    report_world_open(&w, cluster, "verify");
    folder_make("evidence", dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    assert_int_equal(mkdir(tmp, 0700), 0);
    read_id = report_world_study(&w, "T1", "1.2.840.99.1");
    report_world_sign(&w, read_id, "doc1", "rev1");
    unpack(read_id);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    folder_remove(dir);
    report_world_close(&w);
    pg_cluster_remove(&cluster);
    return 0;
}

static char *
in_dir(const char *name)
{
    static char path[4][300];
    static int i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
    return path[i];
}

static struct evidence_verdict
verdict(const char *path)
{
    struct evidence_verdict v;
    struct err err;

    OK(evidence_verify(path, NULL, &v, &err));
    return v;
}

/* Which parts differ, as one mask. */
static unsigned
differing(const struct evidence_verdict *v)
{
    unsigned mask = 0;

    for (int i = 0; i < EVIDENCE_PARTS; i++)
        if (v->differs[i][0] != '\0')
            mask |= 1U << i;
    assert_int_equal(v->is_good, mask == 0);
    return mask;
}

static void
untouched_evidence_is_as_signed(void **state)
{
    struct evidence_verdict v;

    (void)state;
    if (cluster == NULL)
        skip();
    v = verdict(dir);
    for (int i = 0; i < EVIDENCE_PARTS; i++)
        assert_string_equal(v.differs[i], "");
    assert_true(v.is_good);
    assert_int_equal(v.read, read_id);
    assert_int_equal(v.version, 1);
    assert_int_equal(v.instances, 2);
    assert_string_equal(v.signer.name, "张主任");
    v = verdict(in_dir("evidence.zip"));
    assert_true(v.is_good);
}

/* Flip the bytes of a file, one at a time, and see what is blamed. */
static void
flip(const char *name, size_t from, size_t to, size_t by, unsigned allowed, unsigned required)
{
    struct evidence_verdict v;
    uint8_t *bytes = NULL;
    struct err err;
    size_t n;

    OK(durable_get_file(in_dir(name), (size_t)1 << 20, &bytes, &n, &err));
    for (size_t i = from; i < n && i < to; i += by) {
        unsigned mask;

        bytes[i] ^= 0x01;
        OK(durable_put_file(dir, name, bytes, n, &err));
        v = verdict(dir);
        bytes[i] ^= 0x01;
        mask = differing(&v);
        if (mask == 0 || (mask & ~allowed) != 0 || (mask & required) != required)
            fail_msg("%s byte %zu: blamed %x, allowed %x", name, i, mask, allowed);
    }
    OK(durable_put_file(dir, name, bytes, n, &err));
    free(bytes);
    v = verdict(dir);
    assert_true(v.is_good);
}

#define BIT(part) (1U << (part))

static void
a_changed_byte_is_named(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    /* of the report: also what it binds may no longer fit, when the byte is in a digest */
    flip("report.json", 0, SIZE_MAX, 23,
         BIT(EVIDENCE_REPORT) | BIT(EVIDENCE_MANIFEST) | BIT(EVIDENCE_AGREEMENT) |
             BIT(EVIDENCE_CERTIFICATE) | BIT(EVIDENCE_SIGNATURE),
         BIT(EVIDENCE_REPORT));
    flip("manifest.json", 0, SIZE_MAX, 17, BIT(EVIDENCE_MANIFEST), 0);
    flip("agreement.json", 0, SIZE_MAX, 17, BIT(EVIDENCE_AGREEMENT), 0);
    flip("signature.p7s", 0, SIZE_MAX, 13, BIT(EVIDENCE_SIGNATURE) | BIT(EVIDENCE_CERTIFICATE), 0);
    flip("signing-ca.pem", 0, SIZE_MAX, 19, BIT(EVIDENCE_CERTIFICATE), 0);
}

/* Within the message, the part that was touched is told apart. */
static void
certificate_and_signature_are_told_apart(void **state)
{
    static const uint8_t name[] = "县人民医院"; /* in the certificate's subject */
    const uint8_t *at;
    uint8_t *bytes = NULL;
    struct err err;
    size_t n;

    (void)state;
    if (cluster == NULL)
        skip();
    OK(durable_get_file(in_dir("signature.p7s"), (size_t)1 << 20, &bytes, &n, &err));
    at = memmem(bytes, n, name, sizeof name - 1);
    assert_non_null(at);
    flip("signature.p7s", (size_t)(at - bytes), (size_t)(at - bytes) + 1, 1,
         BIT(EVIDENCE_CERTIFICATE), 0);
    flip("signature.p7s", n - 10, n, 3, BIT(EVIDENCE_SIGNATURE), 0); /* ends in the signature's s */
    flip("report.json", 400, 401, 1, BIT(EVIDENCE_REPORT), 0);
    free(bytes);
}

static void
what_is_missing_is_named(void **state)
{
    static const unsigned parts[] = {EVIDENCE_REPORT, EVIDENCE_MANIFEST, EVIDENCE_AGREEMENT,
                                     EVIDENCE_SIGNATURE, EVIDENCE_CERTIFICATE};

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct evidence_verdict v;

        assert_int_equal(rename(in_dir(names[i]), in_dir("away")), 0);
        v = verdict(dir);
        assert_int_equal(differing(&v), BIT(parts[i]));
        assert_int_equal(rename(in_dir("away"), in_dir(names[i])), 0);
    }
}

static void
another_ca_is_not_trusted(void **state)
{
    struct evidence_verdict v;
    struct err err;

    (void)state;
    if (cluster == NULL)
        skip();
    OK(ca_create(in_dir("other"), "Radpost signing CA", &err));
    OK(evidence_verify(dir, in_dir("other/ca.pem"), &v, &err));
    assert_int_equal(differing(&v), BIT(EVIDENCE_CERTIFICATE));
    OK(evidence_verify(dir, in_dir("signing-ca.pem"), &v, &err));
    assert_int_equal(differing(&v), 0);
}

static void
stock_openssl_verifies_the_folder(void **state)
{
    const char *argv[] = {"openssl",  "cms",
                          "-verify",  "-binary",
                          "-inform",  "DER",
                          "-in",      in_dir("signature.p7s"),
                          "-content", in_dir("report.json"),
                          "-CAfile",  in_dir("signing-ca.pem"),
                          "-out",     "/dev/null",
                          NULL};
    char out[4096];

    (void)state;
    if (cluster == NULL || !program_is_there("openssl"))
        skip();
    if (program_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("openssl: %s", out);
}

static void
stock_unzip_reads_the_zip(void **state)
{
    const char *argv[] = {"python3", "-m", "zipfile", "-t", in_dir("evidence.zip"), NULL};
    char out[4096];

    (void)state;
    if (cluster == NULL || !program_is_there("python3"))
        skip();
    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    assert_null(strstr(out, "corrupted"));
}

static void
a_withdrawal_is_signed_too(void **state)
{
    struct evidence_verdict v;

    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(report_withdraw(&w, "rev1", read_id, "患者错误"), 0);
    unpack(read_id);
    v = verdict(dir);
    assert_true(v.is_good);
    assert_true(v.is_withdrawn);
    flip("withdrawal.json", 0, SIZE_MAX, 31, BIT(EVIDENCE_WITHDRAWAL), 0);
    flip("withdrawal.p7s", 0, SIZE_MAX, 101, BIT(EVIDENCE_WITHDRAWAL), 0);
}

/* The command, by this program (main). */
static void
says_of(const uint8_t sha256[DIGEST_BYTES])
{
    const char *argv[] = {"/proc/self/exe", "verify-report", dir, NULL};
    char out[4096], fingerprint[DIGEST_HEX_BYTES];

    digest_text(sha256, fingerprint);
    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    if (strstr(out, fingerprint) == NULL)
        fail_msg("%s: %s", fingerprint, out);
}

/* The signing CA went with the folder, and another one signs since; what the old one signed is as
 * true as it was. */
static void
what_was_signed_before_the_signers_folder_was_lost_verifies(void **state)
{
    char *signer = mem_printf("%s/signer", w.folder), *lost = mem_printf("%s/lost", w.folder);
    struct evidence_verdict before, after;
    int64_t read;
    struct err err;

    (void)state;
    if (cluster == NULL)
        skip();
    read = report_world_study(&w, "T1", "1.2.840.99.2");
    report_world_sign(&w, read, "doc1", "rev1");
    unpack(read);
    before = verdict(dir);
    compose_close(&w.compose);
    assert_int_equal(rename(signer, lost), 0);
    OK(compose_authority_accept(w.reads.pg, w.folder, "admin", &err));
    report_world_reopen(&w);

    unpack(read);
    after = verdict(dir);
    assert_int_equal(differing(&after), 0);
    assert_memory_equal(after.ca_sha256, before.ca_sha256, DIGEST_BYTES);

    assert_int_equal(report_withdraw(&w, "rev1", read, "患者错误"), 0); /* by the new one */
    unpack(read);
    after = verdict(dir);
    assert_int_equal(differing(&after), 0);
    assert_true(after.is_withdrawn);
    assert_memory_equal(after.ca_sha256, before.ca_sha256, DIGEST_BYTES);
    assert_memory_not_equal(after.notice_ca_sha256, after.ca_sha256, DIGEST_BYTES);
    says_of(after.ca_sha256);
    says_of(after.notice_ca_sha256); /* anybody could have added a notice and a CA */
    stock_openssl_verifies_the_folder(state);
    flip("withdrawal-ca.pem", 0, SIZE_MAX, 101, BIT(EVIDENCE_WITHDRAWAL), 0);
    free(lost);
    free(signer);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(untouched_evidence_is_as_signed),
        cmocka_unit_test(a_changed_byte_is_named),
        cmocka_unit_test(certificate_and_signature_are_told_apart),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(another_ca_is_not_trusted),
        cmocka_unit_test(stock_openssl_verifies_the_folder),
        cmocka_unit_test(stock_unzip_reads_the_zip),
        cmocka_unit_test(a_withdrawal_is_signed_too),
        cmocka_unit_test(what_was_signed_before_the_signers_folder_was_lost_verifies),
    };
    int status;

    if (argc > 1 && strcmp(argv[1], "verify-report") == 0)
        return verify_report_cli(argc - 1, argv + 1);
    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, begin, end);
}
