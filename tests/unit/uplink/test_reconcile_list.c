/* test_reconcile_list.c - a list that is closed and told while a comparison goes on. */
#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "tests/support/archive_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* No comparison gets its answer until there is a row in go; then the next list is here. */
static void *
hold_answers(void *arg)
{
    const struct vault *vault = arg;

    vault_sql(vault, "DO $$ BEGIN LOCK TABLE duplicates IN ACCESS EXCLUSIVE MODE; "
                     "WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.02); END LOOP; "
                     "INSERT INTO manifests (tenant_id, study_uid, source, revision, closed_at_us, "
                     "content_sha256, objects, sop_instances, received_at_us, complete_at_us, "
                     "study_revision) SELECT tenant_id, study_uid, source, 2, closed_at_us, "
                     "content_sha256, objects, sop_instances, received_at_us, complete_at_us, 2 "
                     "FROM manifests; END $$");
    return NULL;
}

static void
wait_for_lock(const struct vault *vault, bool is_granted)
{
    vault_sql(vault, is_granted ? "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE "
                                  "granted AND mode = 'AccessExclusiveLock' AND relation = "
                                  "'duplicates'::regclass) LOOP PERFORM pg_sleep(0.02); "
                                  "END LOOP; END $$"
                                : "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE "
                                  "NOT granted AND relation = 'duplicates'::regclass) "
                                  "LOOP PERFORM pg_sleep(0.02); END LOOP; END $$");
}

static void
a_list_that_is_closed_meanwhile_is_no_difference(void **state)
{
    struct archive_site s;
    struct uplink_reconciled found;
    int64_t before_us;
    uint32_t revision;
    pthread_t holder;
    struct err err;

    (void)state;
    archive_site_open(&s, "meanwhile", -1);
    archive_site_reconciled(&s, 0); /* that of the start */
    archive_site_receive(&s, "1.2.13.1", 3);
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    vault_sql(&s.world.vault, "CREATE TABLE go (n integer)");
    holder = thread_start("holder", hold_answers, &s.world.vault);
    wait_for_lock(&s.world.vault, true);
    before_us = clock_wall_us();
    uplink_reconcile(s.up);
    wait_for_lock(&s.world.vault, false); /* what we believe is gathered */

    assert_int_equal(spool_manifest_renumber(s.spool, "1.2.13.1", 0, &revision, &err), 0);
    assert_int_equal(revision, 2);
    vault_sql(&s.world.vault, "INSERT INTO go VALUES (1)");
    found = archive_site_reconciled(&s, before_us);
    thread_join(holder);

    assert_int_equal(found.objects, 3);
    assert_int_equal(found.different, 0);
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_that_is_closed_meanwhile_is_no_difference),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
