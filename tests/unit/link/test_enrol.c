/* test_enrol.c - a new gateway gets its certificate, whatever goes wrong on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/enrol.h"
#include "tests/support/folder.h"

struct centre {
    struct ca *ca;
    struct enrol_server enrol;
    struct http_server *http;
    uint8_t code[DIGEST_BYTES], key[DIGEST_BYTES];
    bool is_burnt, loses_answer, is_reader;
    char forgotten[65]; /* its catalog has this certificate no more */
    const char *addresses[5];
    int issued, renewed;
    char url[64];
};

static char folder[FOLDER_PATH_BYTES];
static struct centre centre, impostor, late;
static const int64_t day_us = INT64_C(86400) * 1000000;

static char *
in(const char *name)
{
    static char path[8][256];
    static int i;

    i = (i + 1) % 8;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static int
burn(void *user, const uint8_t *code, const uint8_t *key, struct ca_subject *out, struct err *err)
{
    struct centre *c = user;

    if (memcmp(code, c->code, DIGEST_BYTES) != 0 ||
        (c->is_burnt && memcmp(key, c->key, DIGEST_BYTES) != 0))
        return err_set(err, ERR_DENIED, "the code is unknown or spent");
    memcpy(c->key, key, DIGEST_BYTES);
    c->is_burnt = true;
    *out = (struct ca_subject){.tenant = "clinic-7", .device = "gw-1", .kind = "gateway"};
    if (c->is_reader)
        *out = (struct ca_subject){.tenant = "clinic-7",
                                   .device = "reader-1",
                                   .kind = "reader",
                                   .names = "127.0.0.1,reader.example"};
    return 0;
}

/* What the archive's catalog has of the certificate. */
static int
find_names(void *user, const char *serial_hex, char out[CA_NAMES_SIZE], struct err *err)
{
    const struct centre *c = user;

    (void)err;
    assert_true(serial_hex[0] != '\0');
    snprintf(out, CA_NAMES_SIZE, "%s", c->is_reader ? "127.0.0.1,reader.example" : "");
    return 0;
}

static int
issued(void *user, const struct ca_certificate *certificate, bool is_renewal, const char *peer,
       struct err *err)
{
    struct centre *c = user;

    assert_string_equal(certificate->subject.tenant, "clinic-7");
    assert_int_equal(strncmp(peer, "127.0.0.1:", 10), 0);
    c->issued += !is_renewal;
    c->renewed += is_renewal;
    if (c->loses_answer) {
        c->loses_answer = false;
        return err_set(err, ERR_RETRY, "the line drops");
    }
    return 0;
}

static int
permit(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    const struct centre *c = user;

    (void)bearer;
    if (strcmp(caller->serial_hex, c->forgotten) == 0)
        return err_set(err, ERR_DENIED, "the certificate is not known");
    caller->rights = ~0u;
    return 0;
}

/* Its authority has been there for so many days. */
static int
open_centre(struct centre *c, const char *name, int64_t days)
{
    static const char *const addresses[] = {"link_url", "https://10.1.2.3:8443", "storage_ae",
                                            "RADPOST"};
    char ca[256], tls[256], certificate[300], key[300], root[300];
    struct http_options options = {.address = "127.0.0.1", .table_count = 1};
    struct http_table table;
    struct err err = {0};

    snprintf(ca, sizeof ca, "%s/%s-ca", folder, name);
    snprintf(tls, sizeof tls, "%s/%s-tls", folder, name);
    if (days > 0)
        clock_fake(clock_wall_us() - days * day_us, 0);
    if (ca_create(ca, name, &err) < 0)
        return -1;
    if (days > 0)
        clock_unfake();
    if (ca_open(ca, &c->ca, &err) < 0 || ca_make_server(c->ca, tls, "127.0.0.1", 30, &err) < 0)
        return -1;
    memcpy(c->addresses, addresses, sizeof addresses);
    c->enrol = (struct enrol_server){.ca = c->ca,
                                     .addresses = c->addresses,
                                     .user = c,
                                     .burn = burn,
                                     .issued = issued,
                                     .names = find_names};
    table = enrol_table(&c->enrol);
    snprintf(certificate, sizeof certificate, "%s/server.pem", tls);
    snprintf(key, sizeof key, "%s/server.key", tls);
    snprintf(root, sizeof root, "%s/ca.pem", ca);
    options.tables = &table;
    options.certificate = certificate;
    options.key = key;
    options.client_ca = root;
    options.authorise = permit;
    options.authorise_user = c;
    if (http_server_start(&options, &c->http, &err) < 0)
        return -1;
    snprintf(c->url, sizeof c->url, "https://127.0.0.1:%u", http_server_port(c->http));
    return 0;
}

static int
start(void **state)
{
    (void)state;
    log_set_fd(-1);
    folder_make("enrol", folder);
    if (open_centre(&centre, "centre", 1100) < 0 || open_centre(&impostor, "impostor", 0) < 0)
        return -1;
    clock_fake(clock_wall_us() - 400 * INT64_C(86400) * 1000000, 0);
    if (open_centre(&late, "late", 0) < 0) /* its certificate has ended */
        return -1;
    clock_unfake();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    http_server_stop(&centre.http);
    http_server_stop(&impostor.http);
    http_server_stop(&late.http);
    ca_close(&centre.ca);
    ca_close(&impostor.ca);
    ca_close(&late.ca);
    folder_remove(folder);
    return 0;
}

static void
make_code(char code[CODE_TEXT_BYTES])
{
    uint8_t ca[DIGEST_BYTES];

    ca_fingerprint(centre.ca, ca);
    code_new(ca, code, centre.code);
    centre.is_burnt = false;
}

static void
a_code_makes_an_identity_that_can_be_renewed(void **state)
{
    char code[CODE_TEXT_BYTES], value[100];
    struct enrol_identity id, again;
    struct ca_certificate before, after;
    bool is_renewed;
    struct err err = {0};

    (void)state;
    make_code(code);
    if (enrol_new(in("gw"), centre.url, code, &id, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(id.tenant, "clinic-7");
    assert_string_equal(id.device, "gw-1");
    assert_string_equal(id.kind, "gateway");
    assert_true(enrol_address(&id, "storage_ae", value, sizeof value));
    assert_string_equal(value, "RADPOST");
    assert_false(enrol_address(&id, "nothing", value, sizeof value));

    assert_int_equal(ca_read_file(id.certificate, &before, &err), 0);
    assert_int_equal(enrol_renew(in("gw"), centre.url, false, &is_renewed, &err), 0);
    assert_false(is_renewed);
    if (enrol_renew(in("gw"), centre.url, true, &is_renewed, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(is_renewed);
    assert_int_equal(ca_read_file(id.certificate, &after, &err), 0);
    assert_string_not_equal(before.serial_hex, after.serial_hex);
    assert_memory_not_equal(before.key_sha256, after.key_sha256, DIGEST_BYTES);
    assert_int_equal(enrol_renew(in("gw"), centre.url, true, &is_renewed, &err), 0);
    assert_int_equal(centre.renewed, 2);
    assert_int_equal(access(in("gw/next.key"), F_OK), -1);
    assert_int_equal(enrol_new(in("gw"), centre.url, code, &again, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "enrolled already"));
    enrol_identity_fini(&id);
}

/* A time server that was wrong for an hour, here and at the centre. */
static void
what_was_renewed_while_clocks_were_ahead_serves_when_they_are_right(void **state)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    bool is_renewed;
    struct err err = {0};

    (void)state;
    make_code(code);
    assert_int_equal(enrol_new(in("ahead"), centre.url, code, &id, &err), 0);
    enrol_identity_fini(&id);
    clock_fake(clock_wall_us() + 280 * day_us, 0);
    assert_int_equal(enrol_renew(in("ahead"), centre.url, false, &is_renewed, &err), 0);
    assert_true(is_renewed);
    clock_unfake();

    if (enrol_renew(in("ahead"), centre.url, true, &is_renewed, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(is_renewed);
}

/* Enrolled before there was a reader, told of it by the renewal. */
static void
a_renewal_tells_the_addresses_anew(void **state)
{
    char code[CODE_TEXT_BYTES], value[100];
    struct enrol_identity id;
    bool is_renewed;
    struct err err = {0};

    (void)state;
    make_code(code);
    assert_int_equal(enrol_new(in("gw8"), centre.url, code, &id, &err), 0);
    assert_false(enrol_address(&id, "reader_url", value, sizeof value));
    enrol_identity_fini(&id);
    centre.addresses[2] = "reader_url";
    centre.addresses[3] = "https://10.1.2.4:8444";
    assert_int_equal(enrol_renew(in("gw8"), centre.url, true, &is_renewed, &err), 0);
    centre.addresses[2] = "storage_ae";
    centre.addresses[3] = "RADPOST";

    assert_int_equal(enrol_load(in("gw8"), &id, &err), 0);
    assert_string_equal(id.device, "gw-1");
    assert_true(enrol_address(&id, "reader_url", value, sizeof value));
    assert_string_equal(value, "https://10.1.2.4:8444");
    enrol_identity_fini(&id);
}

static void
a_reader_keeps_its_names_over_a_renewal(void **state)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct ca_certificate c;
    bool is_renewed;
    struct err err = {0};

    (void)state;
    make_code(code);
    centre.is_reader = true;
    assert_int_equal(enrol_new(in("reader"), centre.url, code, &id, &err), 0);
    assert_string_equal(id.kind, "reader");
    assert_int_equal(enrol_renew(in("reader"), centre.url, true, &is_renewed, &err), 0);
    centre.is_reader = false;
    assert_int_equal(ca_read_file(id.certificate, &c, &err), 0);
    assert_string_equal(c.subject.kind, "reader");
    assert_string_equal(c.subject.names, "127.0.0.1,reader.example");
    enrol_identity_fini(&id);
}

static void
a_lost_answer_does_not_cost_the_code(void **state)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    make_code(code);
    centre.loses_answer = true;
    assert_int_equal(enrol_new(in("gw2"), centre.url, code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(enrol_load(in("gw2"), &id, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(enrol_new(in("gw2"), centre.url, code, &id, &err), 0);
    enrol_identity_fini(&id);
}

static void
a_crash_before_the_last_file_does_not_cost_the_code(void **state)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    make_code(code);
    assert_int_equal(enrol_new(in("gw7"), centre.url, code, &id, &err), 0);
    enrol_identity_fini(&id);
    /* What a crash leaves between identity.pem and identity.json: the key of the request. */
    assert_int_equal(unlink(in("gw7/identity.json")), 0);
    assert_int_equal(link(in("gw7/identity.pem"), in("gw7/next.key")), 0);
    assert_int_equal(enrol_load(in("gw7"), &id, &err), -1);
    assert_int_equal(enrol_new(in("gw7"), centre.url, code, &id, &err), 0);
    enrol_identity_fini(&id);
    assert_int_equal(access(in("gw7/next.key"), F_OK), -1);
}

/* A gateway enrolled with a certificate that the centre's catalog, put back from a backup, lacks.
 */
static void
begin_forgotten(const char *dir, struct ca_certificate *out)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    make_code(code);
    assert_int_equal(enrol_new(dir, centre.url, code, &id, &err), 0);
    assert_int_equal(ca_read_file(id.certificate, out, &err), 0);
    snprintf(centre.forgotten, sizeof centre.forgotten, "%s", out->serial_hex);
    enrol_identity_fini(&id);
}

static void
a_certificate_the_centre_does_not_know_any_more_is_replaced_by_a_new_code(void **state)
{
    struct ca_certificate before, after;
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        centre.is_reader = i == 1;
        begin_forgotten(in(i == 0 ? "gw9" : "reader9"), &before);

        make_code(code);
        if (enrol_new(in(i == 0 ? "gw9" : "reader9"), centre.url, code, &id, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(ca_read_file(id.certificate, &after, &err), 0);
        assert_string_not_equal(before.serial_hex, after.serial_hex);
        enrol_identity_fini(&id);
        make_code(code); /* and that one is in force */
        assert_int_equal(enrol_new(in(i == 0 ? "gw9" : "reader9"), centre.url, code, &id, &err),
                         -1);
        assert_int_equal(err.kind, ERR_CONFLICT);
        assert_false(centre.is_burnt);
    }
    centre.is_reader = false;
}

static void
only_its_own_centre_says_that_a_certificate_is_not_in_force(void **state)
{
    uint8_t pin[DIGEST_BYTES];
    struct ca_certificate before, after;
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    begin_forgotten(in("gw10"), &before);

    make_code(code);
    assert_int_equal(enrol_new(in("gw10"), "https://127.0.0.1:1", code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    ca_fingerprint(impostor.ca, pin);
    code_new(pin, code, impostor.code);
    memcpy(impostor.forgotten, centre.forgotten, sizeof impostor.forgotten);
    assert_int_equal(enrol_new(in("gw10"), impostor.url, code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "another centre's authority")); /* and what to do */
    assert_false(impostor.is_burnt);
    assert_int_equal(ca_read_file(in("gw10/identity.pem"), &after, &err), 0);
    assert_string_equal(before.serial_hex, after.serial_hex);
}

static void
a_code_serves_one_device(void **state)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    make_code(code);
    assert_int_equal(enrol_new(in("gw3"), centre.url, code, &id, &err), 0);
    enrol_identity_fini(&id);
    assert_int_equal(enrol_new(in("gw4"), centre.url, code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(access(in("gw4/identity.json"), F_OK), -1);
}

static void
an_impostor_never_hears_the_code(void **state)
{
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    make_code(code);
    memcpy(impostor.code, centre.code, DIGEST_BYTES);
    assert_int_equal(enrol_new(in("gw5"), impostor.url, code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "not the centre"));
    assert_false(impostor.is_burnt);
    assert_int_equal(impostor.issued, 0);
    enrol_explain(&err);
    assert_non_null(strstr(err.text, "ask for a new one"));
}

/* A machine whose clock was far ahead asked for code after code. */
static void
where_the_clock_is_at_fault_it_is_named_and_the_code_stays_good(void **state)
{
    uint8_t pin[DIGEST_BYTES];
    char code[CODE_TEXT_BYTES];
    struct enrol_identity id;
    struct err err = {0};

    (void)state;
    ca_fingerprint(late.ca, pin);
    code_new(pin, code, late.code);
    assert_int_equal(enrol_new(in("late-gw"), late.url, code, &id, &err), -1);
    enrol_explain(&err);

    if (strstr(err.text, "this machine's clock") == NULL || strstr(err.text, "new one") != NULL)
        fail_msg("%s", err.text);
    assert_false(late.is_burnt);
}

static void
what_is_mistyped_is_told_before_anything_is_asked(void **state)
{
    struct enrol_identity id;
    char code[CODE_TEXT_BYTES];
    struct err err = {0};

    (void)state;
    assert_int_equal(enrol_new(in("gw6"), centre.url, "ABCD", &id, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    make_code(code);
    assert_int_equal(enrol_new(in("gw6"), "http://127.0.0.1:1", code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(enrol_new(in("gw6"), "https://127.0.0.1:1", code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_makes_an_identity_that_can_be_renewed),
        cmocka_unit_test(what_was_renewed_while_clocks_were_ahead_serves_when_they_are_right),
        cmocka_unit_test(a_renewal_tells_the_addresses_anew),
        cmocka_unit_test(a_reader_keeps_its_names_over_a_renewal),
        cmocka_unit_test(a_lost_answer_does_not_cost_the_code),
        cmocka_unit_test(a_crash_before_the_last_file_does_not_cost_the_code),
        cmocka_unit_test(a_certificate_the_centre_does_not_know_any_more_is_replaced_by_a_new_code),
        cmocka_unit_test(only_its_own_centre_says_that_a_certificate_is_not_in_force),
        cmocka_unit_test(a_code_serves_one_device),
        cmocka_unit_test(an_impostor_never_hears_the_code),
        cmocka_unit_test(where_the_clock_is_at_fault_it_is_named_and_the_code_stays_good),
        cmocka_unit_test(what_is_mistyped_is_told_before_anything_is_asked),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
