/* test_authority.c - a signer's folder that is lost, or whose disk is not mounted, is not begun
 * anew: nothing is signed under another authority before a person has said so, and all else goes
 * on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/trust/audit.h"
#include "proto/trust/ca.h"
#include "tests/support/audit_log.h"
#include "tests/support/ok.h"
#include "tests/support/report_world.h"

#define STUDY "1.2.840.99.1"

static struct pg_cluster *cluster;
static struct report_world w;
static char folder[FOLDER_PATH_BYTES + 16], aside[FOLDER_PATH_BYTES + 16];
static struct err err;

static int
start(void **state)
{
    (void)state;
    cluster = pg_cluster_start();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    pg_cluster_remove(&cluster);
    return 0;
}

static int
begin(void **state)
{
    static unsigned databases;
    char name[32];

    (void)state;
    if (cluster == NULL)
        skip();
    snprintf(name, sizeof name, "authority%u", databases++);
    report_world_open(&w, cluster, name);
    snprintf(folder, sizeof folder, "%s/signer", w.folder);
    snprintf(aside, sizeof aside, "%s/aside", w.folder);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    report_world_close(&w);
    return 0;
}

static void
unmount(void)
{
    assert_int_equal(rename(folder, aside), 0);
}

static void
mount_again(void)
{
    assert_int_equal(rename(aside, folder), 0);
}

/* A read that wants nothing but its signature. */
static int64_t
reviewed(const char *study)
{
    int64_t read = report_world_study(&w, "T1", study);

    report_world_review(&w, read, "doc1", "rev1");
    return read;
}

/* The authority of its signature. */
static void
authority_of(int64_t read, uint8_t out_sha256[DIGEST_BYTES])
{
    struct ca_certificate ca;
    struct report report;
    char *pem = NULL;

    report_world_get(&w, read, 1, &report);
    OK(cms_issuer_pem(report.cms, report.cms_n, &pem, &err));
    OK(ca_read(pem, &ca, &err));
    memcpy(out_sha256, ca.sha256, DIGEST_BYTES);
    free(pem);
    report_fini(&report);
}

static void
without_its_folder_all_goes_on_but_signing_until_it_is_back(void **state)
{
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
    int64_t signed_before = reviewed(STUDY), read;

    (void)state;
    assert_int_equal(report_sign(&w, "rev1", signed_before, REPORT_FINAL), 0);
    authority_of(signed_before, before);
    compose_close(&w.compose);
    unmount();
    report_world_reopen(&w);

    assert_int_equal(compose_authority_look(w.reads.pg, w.folder, &err), -1);
    assert_non_null(strstr(err.text, "mount its disk"));
    read = reviewed(STUDY ".1");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_AUTHORITY);
    assert_int_equal(report_withdraw(&w, "rev1", signed_before, "患者错误"), REFUSE_AUTHORITY);
    assert_int_equal(access(folder, F_OK), -1); /* nor was anything begun there */

    mount_again();
    OK(compose_authority_look(w.reads.pg, w.folder, &err));
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    authority_of(read, after);
    assert_memory_equal(before, after, DIGEST_BYTES);
}

/* Its disk was taken away while the reader ran, and the process that had the keys open died. */
static void
whoever_takes_a_dead_signers_place_makes_no_other_authority(void **state)
{
    int64_t read = reviewed(STUDY);
    pid_t pid = signer_pid(w.compose->signer);
    siginfo_t dead;

    (void)state;
    unmount();
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &dead, WEXITED | WNOWAIT), 0);

    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_AUTHORITY);
    assert_int_equal(access(folder, F_OK), -1);
    mount_again();
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
}

static void
where_it_is_lost_for_good_another_one_signs_once_a_person_has_said_so(void **state)
{
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
    struct compose_options o = {
        .pg = w.reads.pg, .data_dir = w.folder, .patient_url = "https://report.example"};
    char *dir = mem_printf("%s/audit", w.folder), *log = mem_printf("%s/log", dir);
    int64_t first = reviewed(STUDY), second;

    (void)state;
    assert_int_equal(report_sign(&w, "rev1", first, REPORT_FINAL), 0);
    authority_of(first, before);
    assert_int_equal(compose_authority_accept(w.reads.pg, w.folder, "li", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* it is there */
    compose_close(&w.compose);
    unmount();
    OK(audit_open(dir, "reader", &o.audit, &err));
    OK(compose_open(&o, &w.compose, &err));
    second = reviewed(STUDY ".1");
    assert_int_equal(report_sign(&w, "rev1", second, REPORT_FINAL), REFUSE_AUTHORITY);

    assert_int_equal(compose_authority_accept(w.reads.pg, w.folder, "li xin", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    OK(compose_authority_accept(w.reads.pg, w.folder, "li.xin", &err)); /* while it runs */
    assert_int_equal(report_sign(&w, "rev1", second, REPORT_FINAL), 0);

    authority_of(second, after);
    assert_memory_not_equal(before, after, DIGEST_BYTES);
    assert_int_equal(audit_log_says(log, "AUDIT_AUTHORITY_ACCEPTED", "li.xin"), 1);
    assert_int_equal(report_withdraw(&w, "rev1", first, "患者错误"), 0);
    compose_close(&w.compose);
    audit_close(&o.audit);
    report_world_reopen(&w);
    free(log);
    free(dir);
}

/* It wrote no row: what it signed with is known as soon as it is seen, and only that. */
static void
an_older_programs_authority_is_known_when_it_is_seen(void **state)
{
    int64_t read = reviewed(STUDY), next = reviewed(STUDY ".1");

    (void)state;
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    compose_close(&w.compose);
    read_world_count(&w.reads, "DELETE FROM signing_authority");
    unmount();
    report_world_reopen(&w);
    assert_int_equal(report_sign(&w, "rev1", next, REPORT_FINAL), REFUSE_AUTHORITY);

    mount_again();
    assert_int_equal(report_sign(&w, "rev1", next, REPORT_FINAL), 0);
    assert_int_equal(read_world_count(&w.reads, "SELECT count(*) FROM signing_authority"), 1);
}

/* As anything that makes the folder unusable: it used to stop the whole reader. */
static void
damaged_keys_stop_signing_and_nothing_else(void **state)
{
    char *keys = mem_printf("%s/keys", folder);
    int64_t read = reviewed(STUDY);
    FILE *f;

    (void)state;
    compose_close(&w.compose);
    assert_int_equal(rename(keys, aside), 0);
    f = fopen(keys, "w");
    assert_non_null(f);
    fputs("no keys", f);
    assert_int_equal(fclose(f), 0);
    report_world_reopen(&w);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_AUTHORITY);

    assert_int_equal(rename(aside, keys), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    free(keys);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(without_its_folder_all_goes_on_but_signing_until_it_is_back),
        TEST(whoever_takes_a_dead_signers_place_makes_no_other_authority),
        TEST(where_it_is_lost_for_good_another_one_signs_once_a_person_has_said_so),
        TEST(an_older_programs_authority_is_known_when_it_is_seen),
        TEST(damaged_keys_stop_signing_and_nothing_else),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
