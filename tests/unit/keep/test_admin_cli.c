/* test_admin_cli.c - the operator's commands write what the archive then finds. */
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/link/reconcile.h"
#include "proto/trust/ca.h"
#include "storage/keep/admin_cli.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct vault archive;
static char config[FOLDER_PATH_BYTES + 16];

static int
start(void **state)
{
    FILE *f;

    (void)state;
    vault_open(&archive, cluster, "admin");
    snprintf(config, sizeof config, "%s/s.conf", archive.dir);
    f = fopen(config, "w");
    assert_non_null(f);
    fprintf(f, "data_dir = %s\npg_conninfo = %s\n", archive.dir, archive.conninfo);
    assert_int_equal(fclose(f), 0);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    vault_close(&archive);
    pg_cluster_remove(&cluster);
    return 0;
}

/* Run with words parted by blanks; what it prints goes to out. */
static int
run(const char *words, char *out, size_t out_size)
{
    char line[512], *argv[24], *save = NULL;
    int argc = 0, ends[2], saved = dup(1), rc;
    ssize_t n;

    snprintf(line, sizeof line, "%s --config %s", words, config);
    for (char *w = strtok_r(line, " ", &save); w != NULL && argc < 23;
         w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], 1);
    rc = admin_cli(argc, argv);
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    close(ends[1]);
    n = read(ends[0], out, out_size - 1);
    close(ends[0]);
    out[n > 0 ? n : 0] = '\0';
    if (n > 0 && out[n - 1] == '\n')
        out[n - 1] = '\0';
    return rc;
}

static void
an_organisation_its_peer_and_its_token_are_found(void **state)
{
    char text[256];
    struct keep_ae ae;
    struct keep_token token;
    struct err err;

    (void)state;
    assert_int_equal(run("org add --code clinic-9 --name Nine", text, sizeof text), 0);
    assert_int_equal(
        run("ae add --org clinic-9 --ae WS9 --host 127.0.0.1 --port 104", text, sizeof text), 0);
    assert_int_equal(keep_ae_find(archive.keep, "WS9", "127.0.0.1", &ae, &err), 0);
    assert_string_equal(ae.tenant, "clinic-9");
    assert_int_equal(ae.port, 104);

    assert_int_equal(run("token new --org clinic-9 --rights query", text, sizeof text), 0);
    assert_int_equal(keep_token_find(archive.keep, text, &token, &err), 0);
    assert_string_equal(token.tenant, "clinic-9");
    assert_int_equal(token.rights, RIGHT_QUERY);
}

static void
a_code_pins_the_archives_authority(void **state)
{
    char dir[FOLDER_PATH_BYTES + 8], text[256];
    uint8_t fingerprint[DIGEST_BYTES], pin[CODE_PIN_BYTES], sha256[DIGEST_BYTES];
    struct ca *ca = NULL;
    struct err err;

    (void)state;
    assert_int_not_equal(
        run("enrol new --org clinic-a --kind gateway --name g1", text, sizeof text), 0);
    snprintf(dir, sizeof dir, "%s/ca", archive.dir);
    assert_int_equal(ca_create(dir, "Test CA", &err), 0);
    assert_int_equal(ca_open(dir, &ca, &err), 0);
    ca_fingerprint(ca, fingerprint);

    assert_int_equal(run("enrol new --org clinic-a --kind gateway --name g1", text, sizeof text),
                     0);
    assert_int_equal(code_read(text, pin, sha256, &err), 0);
    assert_true(code_pins(pin, fingerprint));
    ca_close(&ca);
}

static void
a_readers_code_holds_its_names(void **state)
{
    static const uint8_t key[DIGEST_BYTES] = {2};
    uint8_t pin[CODE_PIN_BYTES], sha256[DIGEST_BYTES];
    char names[CA_NAMES_SIZE], text[256];
    struct ca_certificate certificate = {.serial_hex = "0c0d"};
    struct ca_subject found;
    struct err err;

    (void)state;
    assert_int_equal(run("enrol new --org clinic-a --kind reader --name r1", text, sizeof text),
                     65);
    assert_int_equal(
        run("enrol new --org clinic-a --kind gateway --name g2 --names a.b", text, sizeof text),
        65);
    assert_int_equal(
        run("enrol new --org clinic-a --kind reader --name r1 --names a/b", text, sizeof text), 65);
    assert_int_equal(run("enrol new --org clinic-a --kind reader --name r1 --names "
                         "127.0.0.1,reader.example",
                         text, sizeof text),
                     0);
    assert_int_equal(code_read(text, pin, sha256, &err), 0);
    assert_int_equal(keep_code_burn(archive.keep, sha256, key, &found, &err), 0);
    assert_string_equal(found.kind, "reader");
    assert_string_equal(found.names, "127.0.0.1,reader.example");
    certificate.subject = found;
    certificate.not_after_us = clock_wall_us() + 1000000000;
    assert_int_equal(keep_certificate_add(archive.keep, &certificate, &err), 0);
    assert_int_equal(keep_certificate_names(archive.keep, "0c0d", names, &err), 0);
    assert_string_equal(names, "127.0.0.1,reader.example");
    assert_int_equal(keep_certificate_names(archive.keep, "0c0e", names, &err), 0);
    assert_string_equal(names, "");
}

static void
an_any_address_peer_is_not_shared_between_clinics(void **state)
{
    char text[256];
    struct keep_ae ae;
    struct err err;

    (void)state;
    assert_int_equal(run("ae add --org clinic-a --ae ROAMER", text, sizeof text), 0);
    assert_int_not_equal(
        run("ae add --org clinic-b --ae ROAMER --host 10.0.0.5 --port 104", text, sizeof text), 0);
    assert_int_equal(keep_ae_find(archive.keep, "ROAMER", "10.0.0.5", &ae, &err), 0);
    assert_string_equal(ae.tenant, "clinic-a");
}

static void
a_revoked_device_cannot_enrol_again_with_an_old_code(void **state)
{
    static const uint8_t code[DIGEST_BYTES] = {1}, key[DIGEST_BYTES] = {2};
    struct ca_subject subject = {.tenant = "clinic-a", .device = "stolen", .kind = "gateway"},
                      found;
    struct ca_certificate certificate = {.subject = subject, .serial_hex = "0a0b"};
    struct err err;

    (void)state;
    certificate.not_after_us = clock_wall_us() + 1000000000;
    assert_int_equal(keep_code_add(archive.keep, code, &subject, certificate.not_after_us, &err),
                     0);
    assert_int_equal(keep_code_burn(archive.keep, code, key, &found, &err), 0);
    assert_int_equal(keep_certificate_add(archive.keep, &certificate, &err), 0);
    assert_int_equal(keep_code_burn(archive.keep, code, key, &found, &err), 0); /* a lost answer */

    assert_int_equal(keep_device_revoke(archive.keep, "clinic-a", "stolen", &err), 0);
    assert_int_equal(keep_code_burn(archive.keep, code, key, &found, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void
a_policy_is_written_when_it_can_be_read_and_shown(void **state)
{
    char path[FOLDER_PATH_BYTES + 16], words[512], text[1024];
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s/policy.json", archive.dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"quiet_ms\":5000}", f);
    assert_int_equal(fclose(f), 0);
    snprintf(words, sizeof words, "policy set --org clinic-a --file %s", path);
    assert_int_equal(run(words, text, sizeof text), 0);
    assert_int_equal(run("policy show", text, sizeof text), 0);
    assert_non_null(strstr(text, "clinic-a"));
    assert_non_null(strstr(text, "{\"quiet_ms\":5000}"));
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"quiet_ms\":5}", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(run(words, text, sizeof text), 65);
    assert_int_equal(run("policy show", text, sizeof text), 0);
    assert_non_null(strstr(text, "{\"quiet_ms\":5000}"));
    assert_int_equal(run("policy clear --org clinic-a", text, sizeof text), 0);
    assert_int_equal(run("policy clear --org clinic-a", text, sizeof text), 66);
}

static void
what_is_lost_is_named_and_is_no_success(void **state)
{
    static const struct keep_sender gate = {"clinic-a", "gate-9", "127.0.0.1:1"};
    struct link_lost lost = {.object = {7}, .sop_instance = "1.2.3.4", .study = "1.2.3"};
    struct link_reconciled done = {
        .objects = 9, .different = 1, .lost = 1, .list = &lost, .count = 1};
    struct ca_certificate certificate = {
        .subject = {.tenant = "clinic-a", .device = "gate-9", .kind = "gateway"},
        .serial_hex = "0e0f"};
    char text[1024];
    struct err err;

    (void)state;
    certificate.not_after_us = clock_wall_us() + 1000000000;
    assert_int_equal(keep_certificate_add(archive.keep, &certificate, &err), 0);
    assert_int_equal(run("reconcile show", text, sizeof text), 0);
    assert_non_null(strstr(text, "gate-9: compared never"));
    assert_int_equal(keep_reconciled(archive.keep, &gate, &done, &err), 0);
    assert_int_not_equal(run("reconcile show --org clinic-a", text, sizeof text), 0);
    assert_non_null(strstr(text, "LOST clinic-a gate-9: study 1.2.3, instance 1.2.3.4"));
    done.lost = done.count = 0; /* the gateway has forgotten it: it is no less lost */
    assert_int_equal(keep_reconciled(archive.keep, &gate, &done, &err), 0);
    assert_int_not_equal(run("reconcile show", text, sizeof text), 0);
    assert_non_null(strstr(text, "LOST clinic-a gate-9"));
    assert_int_equal(run("reconcile now --org clinic-a", text, sizeof text), 0);
    assert_int_equal(run("reconcile now --org nowhere", text, sizeof text), 66);
}

/* What was lost came from elsewhere; but another image has its UID by now. */
static void
what_came_back_into_quarantine_is_told_as_that_until_it_is_packed(void **state)
{
    static const struct keep_sender gate = {"clinic-a", "gate-8", "127.0.0.1:1"};
    static const struct slice slices[] = {
        {.study = "1.2.9", .series = "1.2.9.1", .instance = "1.2.9.1.1", .noise = 1},
        {.study = "1.2.9", .series = "1.2.9.1", .instance = "1.2.9.1.1", .noise = 2}};
    struct link_lost lost = {.sop_instance = "1.2.9.1.1", .study = "1.2.9"};
    struct link_reconciled done = {
        .objects = 1, .different = 1, .lost = 1, .list = &lost, .count = 1};
    struct link_offer_object offer;
    struct buf file;
    char text[1024], words[256], hex[65];
    struct err err;
    int sealed;

    (void)state;
    slice_make(&slices[1], &file);
    slice_offer(&slices[1], &file, &offer);
    buf_fini(&file);
    memcpy(lost.object, offer.object, sizeof lost.object);
    assert_int_equal(keep_reconciled(archive.keep, &gate, &done, &err), 0);
    done.lost = done.count = 0;
    assert_int_equal(vault_put(&archive, &gate, &slices[0]), LINK_HELD);
    assert_int_equal(vault_put(&archive, &gate, &slices[1]), LINK_QUARANTINED);

    assert_int_equal(keep_reconciled(archive.keep, &gate, &done, &err), 0);
    run("reconcile show", text, sizeof text);
    assert_non_null(strstr(text, "ASIDE clinic-a gate-8: study 1.2.9, instance 1.2.9.1.1"));
    assert_null(strstr(text, "LOST clinic-a gate-8"));
    assert_int_equal(run("aside show --org clinic-a", text, sizeof text), 0);
    assert_non_null(strstr(text, "clinic-a: study 1.2.9, instance 1.2.9.1.1: same UID, other "
                                 "pixels; by link from gate-8"));
    assert_non_null(strstr(text, "/landing/whole/clinic-a-"));
    assert_int_equal(run("aside show --org clinic-9", text, sizeof text), 0);
    assert_string_equal(text, "");

    vault_manifest(&archive, &gate, 1, slices, 1);
    assert_int_equal(keep_work(archive.keep, &sealed, &err), 0);
    assert_int_equal(keep_reconciled(archive.keep, &gate, &done, &err), 0);
    run("reconcile show", text, sizeof text);
    assert_null(strstr(text, "gate-8: study"));
    assert_int_equal(run("aside show", text, sizeof text), 0);
    assert_non_null(strstr(text, "/store-a/packs/clinic-a/"));
    assert_null(strstr(text, "/landing/"));

    hex_encode(lost.object, sizeof lost.object, hex);
    snprintf(words, sizeof words, "aside reject --org clinic-a --object %s --reason test --by li",
             hex);
    assert_int_equal(
        run("aside reject --org clinic-a --object 12 --reason test --by li", text, sizeof text),
        65);
    assert_int_equal(run(words, text, sizeof text), 0);
    clock_fake(clock_wall_us(), clock_mono_ms() + 2000); /* once a second */
    assert_int_equal(keep_work(archive.keep, &sealed, &err), 0);
    clock_unfake();
    assert_int_equal(run(words, text, sizeof text), 66);
    assert_int_equal(run("aside show", text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(run("aside show --all", text, sizeof text), 0);
    assert_non_null(strstr(text, "REJECTED by li, "));
}

static void
what_went_before_it_was_packed_is_named_and_is_no_success(void **state)
{
    static const struct keep_sender gate = {"clinic-a", "gate-7", "127.0.0.1:1"};
    static const struct slice slice = {
        .study = "1.2.10", .series = "1.2.10.1", .instance = "1.2.10.1.1", .noise = 1};
    char text[2048];

    (void)state;
    assert_int_equal(vault_put(&archive, &gate, &slice), LINK_HELD);
    run("reconcile show --org clinic-a", text, sizeof text);
    assert_null(strstr(text, "gate-7"));

    vault_sql(&archive, "UPDATE instances SET missing_since_us = 1 WHERE device = 'gate-7'");

    assert_int_not_equal(run("reconcile show --org clinic-a", text, sizeof text), 0);
    assert_non_null(
        strstr(text, "MISSING clinic-a gate-7: study 1.2.10, instance 1.2.10.1.1, object "));
    vault_sql(&archive, "UPDATE instances SET missing_since_us = NULL");
}

static void
each_clinics_share_is_told_and_who_was_silent(void **state)
{
    char sql[512], text[1024];
    int64_t hour_us = clock_wall_us() / 3600000000 * 3600000000;

    (void)state;
    vault_sql(&archive, "DELETE FROM traffic");
    snprintf(sql, sizeof sql,
             "INSERT INTO traffic (tenant_id, hour_us, bytes, objects) "
             "SELECT id, %lld, 30000000, 60 FROM tenants WHERE code = 'clinic-a' "
             "UNION ALL SELECT id, %lld, 45000000, 90 FROM tenants WHERE code = 'clinic-a' "
             "UNION ALL SELECT id, %lld, 900000000, 9 FROM tenants WHERE code = 'clinic-b'",
             (long long)hour_us, (long long)(hour_us - 3600000000),
             (long long)(hour_us - 3 * INT64_C(86400000000)));
    vault_sql(&archive, sql);

    assert_int_equal(run("traffic show --org clinic-a", text, sizeof text), 0);
    assert_non_null(strstr(text, "  7.7 %       75.0 MB       150 images   most in the hour of "));
    assert_non_null(strstr(text, ":00Z: 45.0 MB"));
    assert_null(strstr(text, "clinic-b"));
    assert_int_equal(run("traffic show --days 2", text, sizeof text), 0);
    assert_non_null(strstr(text, "100.0 %       75.0 MB"));
    assert_non_null(strstr(text, "  0.0 %        0.0 MB         0 images")); /* of clinic-b */
    assert_int_equal(run("traffic show --days 0", text, sizeof text), 65);
}

static void
what_is_missing_or_unknown_is_said(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(run("org", text, sizeof text), 64);
    assert_int_equal(run("enrol new --org clinic-a --kind printer --name g1", text, sizeof text),
                     65);
    assert_int_equal(run("token new --org nowhere --rights query", text, sizeof text), 66);
    assert_int_equal(run("token new --org clinic-a --rights everything", text, sizeof text), 65);
}

static void
a_new_disk_is_accepted_where_it_is(void **state)
{
    char text[512], path[FOLDER_PATH_BYTES + 16];
    struct err err;

    (void)state;
    snprintf(path, sizeof path, "%s/store-b", archive.dir);
    assert_int_equal(run("store accept --name store-9", text, sizeof text), 65);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(keep_disk_look(archive.keep, KEEP_STORE_B, path, &err), -1);

    assert_int_equal(run("store accept --name store-b", text, sizeof text), 0);
    assert_non_null(strstr(text, path));
    assert_int_equal(keep_disk_look(archive.keep, KEEP_STORE_B, path, &err), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_organisation_its_peer_and_its_token_are_found),
        cmocka_unit_test(a_code_pins_the_archives_authority),
        cmocka_unit_test(a_readers_code_holds_its_names),
        cmocka_unit_test(an_any_address_peer_is_not_shared_between_clinics),
        cmocka_unit_test(a_revoked_device_cannot_enrol_again_with_an_old_code),
        cmocka_unit_test(a_policy_is_written_when_it_can_be_read_and_shown),
        cmocka_unit_test(what_is_lost_is_named_and_is_no_success),
        cmocka_unit_test(what_came_back_into_quarantine_is_told_as_that_until_it_is_packed),
        cmocka_unit_test(what_went_before_it_was_packed_is_named_and_is_no_success),
        cmocka_unit_test(each_clinics_share_is_told_and_who_was_silent),
        cmocka_unit_test(what_is_missing_or_unknown_is_said),
        cmocka_unit_test(a_new_disk_is_accepted_where_it_is),
    };

    if ((cluster = pg_cluster_start()) == NULL)
        return 77;
    return cmocka_run_group_tests(tests, start, stop);
}
