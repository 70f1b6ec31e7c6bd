/* test_keep_find.c - queries, and the tables of who may do what. */
#include "storage/keep/keep.h"

#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"
#include "tests/support/run_program.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "127.0.0.1:1"};

static int
count_rows(void *user, const struct keep_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static void
queries_match_as_the_standard_says(void **state)
{
    static const struct {
        const char *name;
        struct keep_query q;
        size_t want;
    } rows[] = {
        {"all", {.level = KEEP_STUDY}, 2},
        {"id", {.level = KEEP_STUDY, .patient_id = "P1"}, 1},
        {"id with LIKE's wildcard", {.level = KEEP_STUDY, .patient_id = "P_"}, 0},
        {"id by wildcard", {.level = KEEP_STUDY, .patient_id = "P?"}, 2},
        {"name by case and star", {.level = KEEP_STUDY, .patient_name = "wang*"}, 1},
        {"name, ideographic group", {.level = KEEP_STUDY, .patient_name = "李*"}, 1},
        {"modality among", {.level = KEEP_STUDY, .modality = "MR\\CT"}, 2},
        {"other modality", {.level = KEEP_STUDY, .modality = "MR"}, 0},
        {"date range", {.level = KEEP_STUDY, .date_from = "20260131", .date_to = "20260201"}, 2},
        {"date before", {.level = KEEP_STUDY, .date_to = "20260130"}, 0},
        {"series", {.level = KEEP_SERIES}, 2},
        {"instances", {.level = KEEP_INSTANCE}, 3},
        {"instance number", {.level = KEEP_INSTANCE, .instance_number = "2"}, 1},
        {"limit", {.level = KEEP_INSTANCE, .limit = 2}, 2},
        {"offset", {.level = KEEP_INSTANCE, .offset = 2}, 1},
        {"quote", {.level = KEEP_STUDY, .patient_id = "'; DROP TABLE studies; --"}, 0},
        {"array's own signs", {.level = KEEP_STUDY, .patient_id = "{\"P1\",NULL}"}, 0},
    };
    struct slice s = vault_ct(1), second = vault_ct(2), other = vault_ct(3);
    struct vault a;
    struct err err;

    (void)state;
    other.study = "1.2.4";
    other.series = "1.2.4.1";
    other.patient_id = "P2";
    other.patient_name = "LI^SI=\xE6\x9D\x8E^\xE5\x9B\x9B";
    vault_open(&a, vault_cluster, "query");
    vault_put(&a, &gate_a, &s);
    vault_put(&a, &gate_a, &second);
    vault_put(&a, &gate_a, &other);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct keep_query q = rows[i].q;
        size_t n = 0;

        q.tenant = "clinic-a";
        OK(keep_find(a.keep, &q, count_rows, &n, &err));
        if (n != rows[i].want)
            fail_msg("%s: wanted %zu, got %zu", rows[i].name, rows[i].want, n);
    }
    vault_close(&a);
}

static void
tokens_codes_and_certificates_are_checked(void **state)
{
    struct keep_token token = {.tenant = "clinic-a", .name = "viewer", .rights = RIGHT_QUERY}, back;
    struct ca_subject subject = {.tenant = "clinic-a", .device = "gate-a", .kind = "gateway"}, who;
    struct ca_certificate certificate = {
        .subject = subject, .serial_hex = "0badcafe", .not_after_us = INT64_MAX / 2};
    struct keep_ae ae = {"clinic-a", "WORKSTATION", "127.0.0.1", 11112, RIGHT_QUERY}, found;
    char text[TOKEN_TEXT_BYTES];
    uint8_t code[32] = {1}, key[32] = {2}, other_key[32] = {3};
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "people");
    OK(keep_token_add(a.keep, &token, text, &err));
    OK(keep_token_find(a.keep, text, &back, &err));
    assert_string_equal(back.tenant, "clinic-a");
    assert_int_equal(back.rights, RIGHT_QUERY);
    text[10] = text[10] == 'a' ? 'b' : 'a';
    assert_int_equal(keep_token_find(a.keep, text, &back, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);

    OK(keep_code_add(a.keep, code, &subject, INT64_MAX / 2, &err));
    OK(keep_code_burn(a.keep, code, key, &who, &err));
    assert_string_equal(who.device, "gate-a");
    OK(keep_code_burn(a.keep, code, key, &who, &err)); /* the answer was lost */
    assert_int_equal(keep_code_burn(a.keep, code, other_key, &who, &err), -1);
    code[0] = 9;
    OK(keep_code_add(a.keep, code, &subject, 1, &err));
    assert_int_equal(keep_code_burn(a.keep, code, key, &who, &err), -1); /* too old */

    OK(keep_certificate_add(a.keep, &certificate, &err));
    OK(keep_certificate_check(a.keep, "0badcafe", "clinic-a", "gate-a", &err));
    assert_int_equal(keep_certificate_check(a.keep, "0badcafe", "clinic-b", "gate-a", &err), -1);
    OK(keep_device_revoke(a.keep, "clinic-a", "gate-a", &err));
    assert_int_equal(keep_certificate_check(a.keep, "0badcafe", "clinic-a", "gate-a", &err), -1);

    OK(keep_ae_add(a.keep, &ae, &err));
    OK(keep_ae_find(a.keep, "WORKSTATION", "127.0.0.1", &found, &err));
    assert_string_equal(found.tenant, "clinic-a");
    assert_int_equal(keep_ae_find(a.keep, "WORKSTATION", "10.0.0.1", &found, &err), -1);
    assert_int_equal(keep_destination_find(a.keep, "clinic-b", "WORKSTATION", &found, &err), -1);
    snprintf(ae.tenant, sizeof ae.tenant, "clinic-b");
    assert_int_equal(keep_ae_add(a.keep, &ae, &err), -1); /* another's */
    assert_int_equal(keep_tenant_add(a.keep, "../etc", "x", &err), -1);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_match_as_the_standard_says),
        cmocka_unit_test(tokens_codes_and_certificates_are_checked),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
