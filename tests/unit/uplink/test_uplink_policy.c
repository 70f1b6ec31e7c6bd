/* test_uplink_policy.c - what an operator writes at the centre reaches the gateway by its pings and
 * counts there; the clinic's own cap stays the highest. */
#include "gateway/uplink/parts.h"
#include "gateway/uplink/policy.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "tests/support/archive_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 40000 };

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static struct err err;

/* The parts of an uplink that policies touch. */
static struct uplink *
bare_uplink(const char *dir)
{
    struct uplink *up = mem_new(sizeof *up);

    gate_init(&up->gate);
    up->dir = mem_text(dir);
    up->o.quiet_ms = 30000;
    return up;
}

static void
bare_free(struct uplink *up)
{
    gate_fini(&up->gate);
    free(up->dir);
    free(up);
}

static void
a_policy_may_lower_the_clinic_s_cap_and_never_raise_it(void **state)
{
    static const struct {
        uint64_t own, asked, wanted;
    } rows[] = {{0, 0, 0}, {0, 500, 500}, {800, 500, 500}, {800, 900, 800}, {800, 0, 800}};
    struct uplink *up = bare_uplink(NULL);

    (void)state;
    assert_int_equal(policy_rate(up, 800), 800); /* no policy */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        up->policy.rates_n = 1; /* the whole day */
        up->policy.rates[0].bytes_per_s = rows[i].asked;
        if (policy_rate(up, rows[i].own) != rows[i].wanted)
            fail_msg("row %zu: %llu", i, (unsigned long long)policy_rate(up, rows[i].own));
    }
    bare_free(up);
}

static void
a_bad_policy_changes_nothing_and_a_restart_knows_the_last_good_one(void **state)
{
    struct link_ping good = {.policy = {.quiet_ms = 4000, .upgrade_version = "9.0"}};
    struct link_ping bad = {.policy_trouble = "policy: quiet_ms: a number is due"};
    char dir[FOLDER_PATH_BYTES], tmp[FOLDER_PATH_BYTES + 8];
    struct link_policy kept;
    struct uplink *up;

    (void)state;
    folder_make("policy", dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    assert_int_equal(durable_mkdir(tmp, &err), 0); /* as the uplink's start makes it */
    up = bare_uplink(dir);
    assert_int_equal(uplink_policy_load(dir, &kept, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    policy_heard(up, &good);
    policy_heard(up, &bad);
    assert_int_equal(policy_quiet_ms(up), 4000);
    bare_free(up);

    up = bare_uplink(dir);
    policy_begin(up);
    assert_int_equal(policy_quiet_ms(up), 4000);
    assert_string_equal(up->policy.upgrade_version, "9.0");
    good.policy = (struct link_policy){0};
    policy_heard(up, &good); /* taken back: the clinic's own again */
    assert_int_equal(policy_quiet_ms(up), 30000);
    bare_free(up);
    folder_remove(dir);
}

static void
wait_upgrade(struct uplink *up, const char *version, struct uplink_status *out)
{
    int64_t until = clock_mono_ms() + WAIT_MS;

    do {
        uplink_status(up, out);
        if (strcmp(out->upgrade_version, version) == 0)
            return;
        up_rest(up, 50);
    } while (clock_mono_ms() < until);
    fail_msg("upgrade '%s' was not told", version);
}

static const char first[] =
    "{\"quiet_ms\":2000,\"least_version\":\"0.0.1\",\"rates\":[{\"from\":\"00:00\",\"to\":\"00:"
    "00\","
    "\"bytes_per_s\":500000}],\"upgrade\":{\"version\":\"99.1\",\"text\":\"tonight\","
    "\"url\":\"https://centre.example/up\"}}";
static const char later[] =
    "{\"least_version\":\"98.0\",\"upgrade\":{\"version\":\"99.2\",\"text\":\"\",\"url\":\"\"},"
    "\"rates\":[{\"from\":\"00:00\",\"to\":\"00:00\",\"bytes_per_s\":9000000}]}";

static void
what_the_operator_writes_reaches_the_gateway(void **state)
{
    char folder[FOLDER_PATH_BYTES], spool_dir[256], link_dir[256], uplink_dir[256];
    struct spool_options spool_options = {.segment_bytes = 1 << 20};
    struct uplink_options options = {.dir = uplink_dir,
                                     .link_dir = link_dir,
                                     .connections = 2,
                                     .coders = 1,
                                     .bundle_bytes = 1 << 20,
                                     .rate_bytes = 1000000,
                                     .backoff_ms = 20,
                                     .backoff_max_ms = 100,
                                     .stall_ms = 5000,
                                     .quiet_ms = 30000,
                                     .recheck_ms = 3600000};
    struct archive_world world;
    struct uplink_status status;
    struct spool *spool = NULL;
    struct uplink *up = NULL;

    (void)state;
    archive_world_open(&world, cluster, "policy", NULL);
    folder_make("policy", folder);
    snprintf(spool_dir, sizeof spool_dir, "%s/spool", folder);
    snprintf(link_dir, sizeof link_dir, "%s/link", folder);
    snprintf(uplink_dir, sizeof uplink_dir, "%s/uplink", folder);
    archive_world_enrol(&world, "gateway", "clinic-a", "gate-1", "", link_dir);
    assert_int_equal(keep_policy_set(world.vault.keep, "clinic-a", first, &err), 0);
    assert_int_equal(spool_open(spool_dir, &spool_options, &spool, &err), 0);
    assert_int_equal(uplink_start(&options, spool, pool, &up, &err), 0);

    wait_upgrade(up, "99.1", &status);
    assert_string_equal(status.upgrade_text, "tonight");
    assert_string_equal(status.upgrade_url, "https://centre.example/up");
    assert_false(status.is_version_too_old);
    serving_look(up); /* the watcher's, each second */
    uplink_status(up, &status);
    assert_int_equal(status.lines[0].rate_bytes, 500000);
    gate_lock(&up->gate);
    assert_int_equal(policy_quiet_ms(up), 2000);
    gate_unlock(&up->gate);

    assert_int_equal(keep_policy_set(world.vault.keep, "clinic-a", later, &err), 0);
    wait_upgrade(up, "99.2", &status);
    assert_true(status.is_version_too_old);
    serving_look(up);
    uplink_status(up, &status);
    assert_int_equal(status.lines[0].rate_bytes, 1000000); /* never above the clinic's */

    uplink_stop(&up);
    spool_close(&spool);
    archive_world_close(&world);
    folder_remove(folder);
}

static int
start_all(void **state)
{
    (void)state;
    return codec_pool_new(1, &pool, &err);
}

static int
stop_all(void **state)
{
    (void)state;
    codec_pool_free(&pool);
    pg_cluster_remove(&cluster);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_may_lower_the_clinic_s_cap_and_never_raise_it),
        cmocka_unit_test(a_bad_policy_changes_nothing_and_a_restart_knows_the_last_good_one),
        cmocka_unit_test(what_the_operator_writes_reaches_the_gateway),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL) {
        puts("SKIP: PostgreSQL is not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
