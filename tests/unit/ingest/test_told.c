/* test_told.c - what pings tell: whose policy counts, what a broken one changes, which catalog. */
#include "storage/ingest/told.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "storage/keep/keep_own.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct vault archive;
static struct err err;

static struct link_ping
ping_of(struct told *t, const char *tenant)
{
    struct link_ping ping = {.now_us = 1};

    told_fill(t, tenant, &ping);
    return ping;
}

/* Past the time for which an answer is kept. */
static void
let_time_go(void)
{
    clock_fake(clock_wall_us(), clock_mono_ms() + 3001);
}

static void
a_clinic_s_own_policy_counts_before_the_one_for_all(void **state)
{
    struct told *t = told_new(archive.keep, NULL);
    struct link_policy policy;

    (void)state;
    assert_int_equal(ping_of(t, "clinic-a").policy.quiet_ms, 0);
    told_free(&t);
    assert_int_equal(keep_policy_set(archive.keep, "", "{\"quiet_ms\":5000}", &err), 0);
    assert_int_equal(keep_policy_set(archive.keep, "clinic-b",
                                     "{\"rates\":[{\"from\":\"08:00\",\"to\":\"18:00\","
                                     "\"bytes_per_s\":1000}]}",
                                     &err),
                     0);

    t = told_new(archive.keep, NULL);
    assert_int_equal(ping_of(t, "clinic-a").policy.quiet_ms, 5000);
    policy = ping_of(t, "clinic-b").policy;
    assert_int_equal(policy.quiet_ms, 0);
    assert_int_equal(policy.rates_n, 1);
    told_free(&t);
    assert_int_equal(keep_policy_clear(archive.keep, "clinic-b", &err), 0);
    assert_int_equal(keep_policy_clear(archive.keep, "clinic-b", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    t = told_new(archive.keep, NULL);
    assert_int_equal(ping_of(t, "clinic-b").policy.quiet_ms, 5000);
    told_free(&t);
}

static void
what_breaks_a_rule_is_not_written(void **state)
{
    static const char *const rows[] = {"", "7", "[]", "{\"quiet_ms\":-1}", "{\"rates\":3}", "{"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(keep_policy_set(archive.keep, "", rows[i], &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
    }
    assert_int_equal(keep_policy_set(archive.keep, "nowhere", "{}", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
a_row_that_cannot_be_read_leaves_in_force_what_was(void **state)
{
    struct told *t = told_new(archive.keep, NULL);

    (void)state;
    assert_int_equal(keep_policy_set(archive.keep, "", "{\"quiet_ms\":6000}", &err), 0);
    assert_int_equal(ping_of(t, "clinic-a").policy.quiet_ms, 6000);
    assert_int_equal(keep_run(archive.keep, "policy_set",
                              PG_ARGS(PG_TEXT(""), PG_TEXT("{\"quiet_ms\":"), PG_INT(77)), NULL,
                              &err),
                     0);
    let_time_go();
    assert_int_equal(ping_of(t, "clinic-a").policy.quiet_ms, 6000);
    assert_int_equal(keep_policy_set(archive.keep, "", "{\"quiet_ms\":7000}", &err), 0);
    let_time_go();
    assert_int_equal(ping_of(t, "clinic-a").policy.quiet_ms, 7000);
    told_free(&t);
    clock_unfake();
}

static void
the_catalog_has_another_number_after_its_server_began_anew(void **state)
{
    struct told *t = told_new(archive.keep, NULL);
    uint64_t before = ping_of(t, "clinic-a").catalog;

    (void)state;
    assert_int_not_equal(before, 0);
    let_time_go();
    assert_int_equal(ping_of(t, "clinic-a").catalog, before);
    clock_unfake();
    told_free(&t);
    pg_cluster_stop(cluster);
    t = told_new(archive.keep, NULL);
    assert_int_equal(ping_of(t, "clinic-a").catalog, 0); /* away: pings go on without */
    told_free(&t);
    pg_cluster_restart(cluster);
    vault_reopen(&archive);
    t = told_new(archive.keep, NULL);
    assert_int_not_equal(ping_of(t, "clinic-a").catalog, 0);
    assert_int_not_equal(ping_of(t, "clinic-a").catalog, before);
    told_free(&t);
}

static void
a_wish_to_compare_is_told_to_whom_it_is_for(void **state)
{
    struct told *t;
    int64_t now_us = clock_wall_us();

    (void)state;
    assert_int_equal(keep_reconcile_wish(archive.keep, "clinic-a", &err), 0);
    t = told_new(archive.keep, NULL);
    assert_true(ping_of(t, "clinic-a").reconcile_us >= now_us);
    assert_int_equal(ping_of(t, "clinic-b").reconcile_us, 0);
    told_free(&t);
    assert_int_equal(keep_reconcile_wish(archive.keep, "", &err), 0);
    t = told_new(archive.keep, NULL);
    assert_true(ping_of(t, "clinic-b").reconcile_us >= now_us);
    told_free(&t);
    assert_int_equal(keep_reconcile_wish(archive.keep, "nowhere", &err), -1);
}

static int
start(void **state)
{
    (void)state;
    vault_open(&archive, cluster, "told");
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clinic_s_own_policy_counts_before_the_one_for_all),
        cmocka_unit_test(what_breaks_a_rule_is_not_written),
        cmocka_unit_test(a_row_that_cannot_be_read_leaves_in_force_what_was),
        cmocka_unit_test(the_catalog_has_another_number_after_its_server_began_anew),
        cmocka_unit_test(a_wish_to_compare_is_told_to_whom_it_is_for),
    };

    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL) {
        puts("SKIP: PostgreSQL is not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
