/* test_ca.c - certificates: who signed, for whom, for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/trust/ca.h"
#include "proto/trust/x509.h"
#include "tests/support/folder.h"

static char folder[FOLDER_PATH_BYTES];

static int
make_folder(void **state)
{
    (void)state;
    folder_make("ca", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static char *
in(const char *name)
{
    static char path[4][256];
    static int i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static struct ca *
authority(const char *name)
{
    struct ca *ca = NULL;
    struct err err = {0};

    assert_int_equal(ca_create(in(name), "Test CA", &err), 0);
    assert_int_equal(ca_open(in(name), &ca, &err), 0);
    return ca;
}

static void
a_ca_is_made_once_and_its_key_is_private(void **state)
{
    struct ca *ca = authority("ca"), *again;
    struct stat st;
    uint8_t one[DIGEST_BYTES], two[DIGEST_BYTES];
    struct ca_certificate c;
    struct err err = {0};

    (void)state;
    assert_int_equal(stat(in("ca/ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    again = authority("ca");
    ca_fingerprint(ca, one);
    ca_fingerprint(again, two);
    assert_memory_equal(one, two, DIGEST_BYTES);
    assert_int_equal(ca_read(ca_pem(ca), &c, &err), 0);
    assert_true(c.is_ca);
    assert_true((c.not_after_us - clock_wall_us()) / 1000000 / 86400 > 20 * 365);
    ca_close(&again);
    ca_close(&ca);
    assert_int_equal(unlink(in("ca/ca.key")), 0);
    assert_int_equal(ca_create(in("ca"), "Test CA", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
a_client_certificate_names_whom_the_ca_says(void **state)
{
    struct ca *ca = authority("ca2"), *other = authority("ca3");
    struct ca_subject subject = {.tenant = "clinic-7", .device = "gw-1", .kind = "gateway"};
    struct ca_certificate c;
    struct buf csr, pem;
    uint8_t key[DIGEST_BYTES];
    struct err err = {0};

    (void)state;
    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&pem, CA_PEM_LIMIT);
    assert_int_equal(ca_make_request(in("id"), "key", &csr, &err), 0);
    assert_int_equal(ca_request_key(buf_text(&csr), key, &err), 0);
    assert_int_equal(ca_sign_client(ca, buf_text(&csr), &subject, 30 * 86400, &pem, &err), 0);

    assert_int_equal(ca_read(buf_text(&pem), &c, &err), 0);
    assert_string_equal(c.subject.tenant, "clinic-7");
    assert_string_equal(c.subject.device, "gw-1");
    assert_string_equal(c.subject.kind, "gateway");
    assert_memory_equal(c.key_sha256, key, DIGEST_BYTES);
    assert_true(c.not_before_us <= clock_wall_us());
    assert_false(c.is_ca);
    assert_int_equal(ca_verify(buf_text(&pem), ca_pem(ca), in("id/key.key"), &err), 0);
    assert_int_equal(ca_verify(buf_text(&pem), ca_pem(other), NULL, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(ca_verify(buf_text(&pem), ca_pem(ca), in("ca2/ca.key"), &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    clock_fake(clock_wall_us() + (int64_t)31 * 86400 * 1000000, 0);
    assert_int_equal(ca_verify(buf_text(&pem), ca_pem(ca), NULL, &err), -1);
    clock_unfake();
    assert_int_equal(err.kind, ERR_DENIED);
    buf_fini(&csr);
    buf_fini(&pem);
    ca_close(&ca);
    ca_close(&other);
}

/* Older gateways and readers renew in the last third of what they read: once, not at every look. */
static void
under_an_old_authority_a_new_certificate_is_not_in_its_last_third(void **state)
{
    static const int64_t life_s = 398 * 86400;
    struct ca_subject subject = {.tenant = "clinic-7", .device = "gw-1", .kind = "gateway"};
    struct ca_certificate c;
    struct buf csr, pem;
    struct ca *ca;
    struct err err = {0};

    (void)state;
    clock_fake(clock_wall_us() - (int64_t)3000 * 86400 * 1000000, 0);
    ca = authority("old");
    clock_unfake();
    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&pem, CA_PEM_LIMIT);
    assert_int_equal(ca_make_request(in("id-old"), "key", &csr, &err), 0);
    assert_int_equal(ca_sign_client(ca, buf_text(&csr), &subject, life_s, &pem, &err), 0);
    assert_int_equal(ca_read(buf_text(&pem), &c, &err), 0);

    assert_true(c.not_after_us - clock_wall_us() > (c.not_after_us - c.not_before_us) / 3);
    buf_fini(&csr);
    buf_fini(&pem);
    ca_close(&ca);
}

static void
a_request_that_was_altered_is_refused(void **state)
{
    struct ca *ca = authority("ca4");
    struct ca_subject subject = {.tenant = "t", .device = "d", .kind = "gateway"};
    struct buf csr, pem;
    struct err err = {0};
    int refused = 0, altered = 0;

    (void)state;
    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&pem, CA_PEM_LIMIT);
    assert_int_equal(ca_make_request(in("id4"), "key", &csr, &err), 0);
    for (size_t i = 40; i + 40 < csr.n; i += 7) {
        uint8_t before = csr.bytes[i];

        if (before == '\n')
            continue;
        csr.bytes[i] = before == 'A' ? 'B' : 'A';
        altered++;
        refused += ca_sign_client(ca, buf_text(&csr), &subject, 1 * 86400, &pem, &err) < 0;
        csr.bytes[i] = before;
    }
    assert_int_equal(refused, altered);
    assert_int_equal(ca_sign_client(ca, "nothing", &subject, 1 * 86400, &pem, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    subject.tenant[0] = '\0';
    assert_int_equal(ca_sign_client(ca, buf_text(&csr), &subject, 1 * 86400, &pem, &err), -1);
    buf_fini(&csr);
    buf_fini(&pem);
    ca_close(&ca);
}

/* Its names make a client a server too; without names it is none. */
static void
a_reader_serves_under_the_names_the_ca_says(void **state)
{
    struct ca *ca = authority("ca6");
    struct ca_subject subject = {.tenant = "clinic-7",
                                 .device = "reader-1",
                                 .kind = "reader",
                                 .names = "10.0.0.7,reader.example,2001:db8::1"};
    struct ca_certificate c;
    struct buf csr, pem;
    struct err err = {0};

    (void)state;
    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&pem, CA_PEM_LIMIT);
    assert_int_equal(ca_make_request(in("id6"), "key", &csr, &err), 0);
    for (int i = 0; i < 2; i++) {
        X509 *x509;
        uint32_t usage;

        buf_clear(&pem);
        assert_int_equal(ca_sign_client(ca, buf_text(&csr), &subject, 30 * 86400, &pem, &err), 0);
        assert_int_equal(ca_read(buf_text(&pem), &c, &err), 0);
        assert_string_equal(c.subject.names, subject.names);
        x509 = x509_read(buf_text(&pem), &err);
        usage = X509_get_extended_key_usage(x509);
        assert_int_equal(usage & (XKU_SSL_CLIENT | XKU_SSL_SERVER),
                         i == 0 ? XKU_SSL_CLIENT | XKU_SSL_SERVER : XKU_SSL_CLIENT);
        assert_int_equal(X509_check_host(x509, "reader.example", 0, 0, NULL), i == 0 ? 1 : 0);
        X509_free(x509);
        subject.names[0] = '\0';
    }
    snprintf(subject.names, sizeof subject.names, "reader.example,IP:1.2.3.4/8");
    assert_int_equal(ca_sign_client(ca, buf_text(&csr), &subject, 30 * 86400, &pem, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    buf_fini(&csr);
    buf_fini(&pem);
    ca_close(&ca);
}

static void
a_server_certificate_is_kept_while_it_serves(void **state)
{
    struct ca *ca = authority("ca5");
    struct ca_certificate first, second;
    struct err err = {0};

    (void)state;
    assert_int_equal(ca_make_server(ca, in("tls"), "127.0.0.1,localhost", 398, &err), 0);
    assert_int_equal(ca_read_file(in("tls/server.pem"), &first, &err), 0);
    assert_int_equal(ca_make_server(ca, in("tls"), "127.0.0.1,localhost", 398, &err), 0);
    assert_int_equal(ca_read_file(in("tls/server.pem"), &second, &err), 0);
    assert_string_equal(first.serial_hex, second.serial_hex);
    assert_int_equal(ca_make_server(ca, in("tls"), "127.0.0.1,centre.test", 398, &err), 0);
    assert_int_equal(ca_read_file(in("tls/server.pem"), &second, &err), 0);
    assert_string_not_equal(first.serial_hex, second.serial_hex);
    clock_fake(clock_wall_us() + (int64_t)380 * 86400 * 1000000, 0);
    assert_int_equal(ca_make_server(ca, in("tls"), "127.0.0.1,centre.test", 398, &err), 0);
    clock_unfake();
    assert_int_equal(ca_read_file(in("tls/server.pem"), &first, &err), 0);
    assert_string_not_equal(first.serial_hex, second.serial_hex);
    assert_int_equal(ca_make_server(ca, in("tls"), "a b", 398, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(ca_make_server(ca, in("tls"), "", 398, &err), -1);
    ca_close(&ca);
}

static void
a_key_comes_back_from_its_file_and_broken_ones_are_refused(void **state)
{
    EVP_PKEY *key = x509_key_new(), *back;
    uint8_t one[DIGEST_BYTES], two[DIGEST_BYTES];
    struct err err = {0};

    (void)state;
    assert_int_equal(x509_make_folder(in("keys"), &err), 0);
    assert_int_equal(x509_key_save(key, in("keys"), "a.key", &err), 0);
    back = x509_key_read(in("keys/a.key"), &err);
    assert_non_null(back);
    x509_key_digest(key, one);
    x509_key_digest(back, two);
    assert_memory_equal(one, two, DIGEST_BYTES);
    EVP_PKEY_free(back);
    EVP_PKEY_free(key);
    assert_int_equal(durable_put_file(in("keys"), "b.key", "-----BEGIN", 10, &err), 0);
    assert_null(x509_key_read(in("keys/b.key"), &err));
    assert_int_equal(err.kind, ERR_REJECT);
    assert_null(x509_key_read(in("keys/none"), &err));
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ca_is_made_once_and_its_key_is_private),
        cmocka_unit_test(a_client_certificate_names_whom_the_ca_says),
        cmocka_unit_test(under_an_old_authority_a_new_certificate_is_not_in_its_last_third),
        cmocka_unit_test(a_request_that_was_altered_is_refused),
        cmocka_unit_test(a_reader_serves_under_the_names_the_ca_says),
        cmocka_unit_test(a_server_certificate_is_kept_while_it_serves),
        cmocka_unit_test(a_key_comes_back_from_its_file_and_broken_ones_are_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
