/* test_cms.c - signatures of people: stock openssl agrees, and no byte changes unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/trust/cms.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static const char content[] = "{\"findings\":\"双肺纹理清晰\"}";
static const struct cms_person li = {"李明", "110440000012345", "县人民医院"};

static char folder[FOLDER_PATH_BYTES];
static struct ca *ca;

static int
begin(void **state)
{
    struct err err;

    (void)state;
    folder_make("cms", folder);
    return ca_create(folder, "Test signing CA", &err) < 0 || ca_open(folder, &ca, &err) < 0;
}

static int
end(void **state)
{
    (void)state;
    ca_close(&ca);
    folder_remove(folder);
    return 0;
}

static struct cms_signer *
signer_new(const struct ca *by, const struct cms_person *person)
{
    struct buf key, certificate;
    struct cms_signer *s = NULL;
    struct err err;

    buf_init(&key, 4096);
    buf_init(&certificate, 4096);
    OK(cms_person_new(by, person, 1096, &key, &certificate, &err));
    OK(cms_signer_open(by, key.bytes, key.n, certificate.bytes, certificate.n, &s, &err));
    buf_fini(&key);
    buf_fini(&certificate);
    return s;
}

static void
sign(const struct ca *by, struct buf *out, int64_t at_us)
{
    struct cms_signer *s = signer_new(by, &li);
    struct err err;

    buf_init(out, 65536);
    OK(cms_sign(s, content, sizeof content - 1, at_us, out, &err));
    cms_signer_free(&s);
}

static struct cms_verdict
judge(const struct buf *der, const char *text)
{
    struct cms_verdict v;
    struct err err;

    OK(cms_verify(der->bytes, der->n, text, strlen(text), ca_pem(ca), &v, &err));
    return v;
}

static void
a_signature_verifies_and_names_who_and_when(void **state)
{
    int64_t now = clock_wall_us();
    struct cms_verdict v;
    struct buf der;

    (void)state;
    sign(ca, &der, now);

    v = judge(&der, content);
    assert_string_equal(v.why, "");
    assert_int_equal(v.fault, CMS_GOOD);
    assert_string_equal(v.signer.name, li.name);
    assert_string_equal(v.signer.licence, li.licence);
    assert_string_equal(v.signer.organisation, li.organisation);
    assert_int_equal(v.signed_at_us, now / 1000000 * 1000000);
    v = judge(&der, "{\"findings\":\"双肺纹理增粗\"}");
    assert_int_equal(v.fault, CMS_CONTENT);
    buf_fini(&der);
}

static void
stock_openssl_agrees(void **state)
{
    char p7s[256], file[256], pem[256], out[2048];
    const char *argv[] = {"openssl", "cms",       "-verify",  "-binary", "-inform", "DER",
                          "-in",     p7s,         "-content", file,      "-CAfile", pem,
                          "-out",    "/dev/null", "-cades",   NULL};
    struct buf der;
    struct err err;

    (void)state;
    if (!program_is_there("openssl"))
        skip();
    sign(ca, &der, clock_wall_us());
    snprintf(p7s, sizeof p7s, "%s/signature.p7s", folder);
    snprintf(file, sizeof file, "%s/report.json", folder);
    snprintf(pem, sizeof pem, "%s/ca.pem", folder);
    OK(durable_put_file(folder, "signature.p7s", der.bytes, der.n, &err));
    OK(durable_put_file(folder, "report.json", content, sizeof content - 1, &err));

    if (program_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("openssl: %s", out);
    OK(durable_put_file(folder, "report.json", "x", 1, &err));
    assert_int_not_equal(program_run(argv, NULL, out, sizeof out), 0);
    buf_fini(&der);
}

static void
no_changed_byte_goes_unnoticed(void **state)
{
    unsigned by_fault[4] = {0};
    struct buf der;

    (void)state;
    sign(ca, &der, clock_wall_us());
    for (size_t i = 0; i < der.n; i++) {
        struct cms_verdict v;

        der.bytes[i] ^= 0x01;
        v = judge(&der, content);
        der.bytes[i] ^= 0x01;
        if (v.fault == CMS_GOOD)
            fail_msg("byte %zu of %zu may change: %02x", i, der.n, der.bytes[i]);
        by_fault[v.fault]++;
    }
    assert_int_equal(judge(&der, content).fault, CMS_GOOD);
    assert_int_equal(by_fault[CMS_CONTENT], 0);
    assert_true(by_fault[CMS_CERTIFICATE] > 400);
    assert_true(by_fault[CMS_SIGNATURE] > 100);
    buf_fini(&der);
}

static void
a_stranger_s_signature_is_refused(void **state)
{
    char other_dir[256];
    struct ca *other = NULL;
    struct cms_verdict v;
    struct buf der;
    struct err err;

    (void)state;
    snprintf(other_dir, sizeof other_dir, "%s/other", folder);
    OK(ca_create(other_dir, "Test signing CA", &err)); /* of the same name */
    OK(ca_open(other_dir, &other, &err));
    sign(other, &der, clock_wall_us());

    v = judge(&der, content);
    assert_int_equal(v.fault, CMS_CERTIFICATE);
    buf_fini(&der);
    ca_close(&other);
}

static void
a_certificate_that_has_run_out_still_proves_what_it_signed(void **state)
{
    int64_t now = clock_wall_us(), year = 366LL * 86400 * 1000000;
    struct buf der;

    (void)state;
    sign(ca, &der, now);
    clock_fake(now + 15 * year, 0);
    assert_int_equal(judge(&der, content).fault, CMS_GOOD);
    clock_unfake();
    buf_fini(&der);
    sign(ca, &der, now + 15 * year); /* made after its end */
    assert_int_equal(judge(&der, content).fault, CMS_CERTIFICATE);
    buf_fini(&der);
}

static void
a_signer_is_of_one_person_and_names_are_cut_to_fit(void **state)
{
    struct cms_person other = li, longest = li;
    struct cms_signer *s = signer_new(ca, &li);
    struct buf key, certificate;
    struct err err;

    (void)state;
    other.licence[0] = '9';
    assert_true(cms_signer_is_for(s, &li, clock_wall_us()));
    assert_false(cms_signer_is_for(s, &other, clock_wall_us()));
    assert_false(cms_signer_is_for(s, &li, clock_wall_us() + 1096LL * 86400 * 1000000));
    cms_signer_free(&s);
    memset(longest.name, 'a', sizeof longest.name - 1);
    s = signer_new(ca, &longest);
    assert_true(cms_signer_is_for(s, &longest, clock_wall_us()));
    cms_signer_free(&s);
    buf_init(&key, 4096);
    buf_init(&certificate, 4096);
    assert_int_equal(
        cms_person_new(ca, &(struct cms_person){"", "1", "o"}, 10, &key, &certificate, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    buf_fini(&key);
    buf_fini(&certificate);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_verifies_and_names_who_and_when),
        cmocka_unit_test(stock_openssl_agrees),
        cmocka_unit_test(no_changed_byte_goes_unnoticed),
        cmocka_unit_test(a_stranger_s_signature_is_refused),
        cmocka_unit_test(a_certificate_that_has_run_out_still_proves_what_it_signed),
        cmocka_unit_test(a_signer_is_of_one_person_and_names_are_cut_to_fit),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
