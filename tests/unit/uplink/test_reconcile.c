/* test_reconcile.c - a gateway and a real archive compare what they believe: over PostgreSQL that
 * is set back to an older copy of itself, as from a backup. */
#include "gateway/desk/lamps.h"
#include "gateway/serve/parts.h"
#include "gateway/uplink/reconcile.h"
#include "proto/base/clock.h"
#include "tests/support/archive_site.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct err err;

/* Returns how many segments went. */
static size_t
restart(struct archive_site *s)
{
    struct spool_options options = {.segment_bytes = 1 << 20};
    size_t removed;

    uplink_stop(&s->up);
    spool_close(&s->spool);
    OK(spool_open(s->spool_dir, &options, &s->spool, &err));
    removed = spool_collect_garbage(s->spool);
    archive_site_start(s);
    return removed;
}

/* The segment that is written to stays; after a restart it is another one. */
static void
forget_sealed(struct archive_site *s)
{
    assert_true(restart(s) > 0);
}

static int
count_row(void *user, const struct keep_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static size_t
kept(struct archive_site *s, const char *study)
{
    struct keep_query query = {
        .tenant = "clinic-a", .level = KEEP_INSTANCE, .studies = &study, .studies_n = 1};
    size_t n = 0;

    OK(keep_find(s->world.vault.keep, &query, count_row, &n, &err));
    return n;
}

/* Until so many are in packs. */
static void
wait_packed(struct archive_site *s, uint64_t count)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct keep_health health;
    int sealed;

    do {
        OK(keep_work(s->world.vault.keep, &sealed, &err));
        OK(keep_health_get(s->world.vault.keep, &health, &err));
        (void)spool_wait(s->spool, UINT64_MAX, 20);
    } while (health.sealed < count && clock_mono_ms() < until);
    assert_int_equal(health.sealed, count);
}

static int
take_row(void *user, const struct keep_reconciled *row)
{
    struct keep_reconciled *out = user;

    assert_string_equal(row->tenant, "clinic-a");
    assert_string_equal(row->device, "gate-1");
    *out = *row;
    return 0;
}

static struct keep_reconciled
told(struct archive_site *s)
{
    struct keep_reconciled row = {.at_us = -1};

    OK(keep_each_reconciled(s->world.vault.keep, NULL, take_row, &row, &err));
    return row;
}

static int
count_lost(void *user, const struct keep_lost *row)
{
    assert_string_equal(row->tenant, "clinic-a");
    assert_true(strncmp(row->sop_instance, row->study, strlen(row->study)) == 0);
    ++*(size_t *)user;
    return 0;
}

static size_t
lost(struct archive_site *s)
{
    size_t n = 0;

    OK(keep_each_lost(s->world.vault.keep, "clinic-a", count_lost, &n, &err));
    return n;
}

/* A comparison of the gateway's that knows of nothing lost, whatever was. */
static void
tell_nothing_lost(struct archive_site *s)
{
    static const struct keep_sender gate = {"clinic-a", "gate-1", "127.0.0.1:1"};
    struct link_reconciled nothing = {.days = 1};

    OK(keep_reconciled(s->world.vault.keep, &gate, &nothing, &err));
}

/* The images of archive_site_receive() come to the archive again from somewhere. */
static void
find_again(struct archive_site *s, const char *study, unsigned images)
{
    static const struct keep_sender gate = {"clinic-a", "gate-2", "127.0.0.1:2"};
    struct slice *slices = mem_new(images * sizeof *slices);
    char(*names)[64] = mem_new(images * sizeof *names);

    for (unsigned i = 0; i < images; i++) {
        snprintf(names[i], sizeof names[i], "%s.%u", study, i + 1);
        slices[i] =
            (struct slice){.study = study, .series = "1.2.9", .instance = names[i], .noise = i + 1};
        assert_int_equal(vault_put(&s->world.vault, &gate, &slices[i]), LINK_HELD);
    }
    vault_manifest(&s->world.vault, &gate, 1, slices, images);
    free(names);
    free(slices);
}

/* What the desk says of the study, and what a device that asks for commitment is told. */
static void
assert_said(struct archive_site *s, const char *study, const char *word, uint16_t committed)
{
    struct commit_ref ref = {.sop_class = "1.2.840.10008.5.1.4.1.1.2"};
    struct spool_study now;

    OK(spool_study(s->spool, study, &now, &err));
    assert_string_equal(study_word_text(study_word_of(&now, 0)), word);
    snprintf(ref.sop_instance, sizeof ref.sop_instance, "%s.1", study);
    assert_int_equal(commit_judge(s->spool, false, &ref, NULL), committed);
}

/* Until the desk calls the study safe: sealed, and the list acknowledged. */
static void
wait_safe(struct archive_site *s, const char *study)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct spool_study now;
    int sealed;

    do {
        OK(keep_work(s->world.vault.keep, &sealed, &err));
        OK(spool_study(s->spool, study, &now, &err));
        if (study_word_of(&now, 0) == STUDY_SAFE)
            return;
        spool_wait(s->spool, UINT64_MAX, 20);
    } while (clock_mono_ms() < until);
    fail_msg("%s is still %s", study, study_word_text(study_word_of(&now, 0)));
}

static uint64_t
lost_here(struct archive_site *s)
{
    struct spool_health health;

    spool_health(s->spool, &health);
    return health.lost;
}

static void
both_sides_agree_after_an_ordinary_day(void **state)
{
    struct uplink_reconciled found;
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "ordinary", -1);
    archive_site_receive(&s, "1.2.3.1", 5);
    archive_site_receive(&s, "1.2.3.2", 3);
    archive_site_wait(&s, INSTANCE_SEALED, 8);

    before_us = clock_wall_us();
    uplink_reconcile(s.up);
    found = archive_site_reconciled(&s, before_us);

    assert_int_equal(found.objects, 8);
    assert_int_equal(found.different, 0);
    assert_int_equal(found.lost, 0);
    assert_int_equal(told(&s).studies, 2);
    assert_int_equal(told(&s).objects, 8);
    assert_int_equal(told(&s).different, 0);
    archive_site_close(&s);
}

static void
a_centre_set_back_gets_again_what_it_lost(void **state)
{
    struct uplink_reconciled found;
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "set_back", -1);
    archive_site_receive(&s, "1.2.4.1", 4);
    archive_site_wait(&s, INSTANCE_SEALED, 4);
    archive_site_back_up(&s, "set_back", "set_back_old");
    archive_site_receive(&s, "1.2.4.2", 6);
    archive_site_wait(&s, INSTANCE_SEALED, 10);
    wait_safe(&s, "1.2.4.2"); /* else its list may be on its way still, and is no difference */

    before_us = archive_site_set(&s, true);
    assert_int_equal(kept(&s, "1.2.4.2"), 0);
    found = archive_site_reconciled(&s, before_us);
    assert_int_equal(found.different, 7); /* six images and a list */
    assert_int_equal(found.repaired, 7);
    assert_int_equal(found.lost, 0);
    archive_site_wait(&s, INSTANCE_SEALED, 10); /* by receipts whose numbers begin anew */

    assert_int_equal(kept(&s, "1.2.4.1"), 4);
    assert_int_equal(kept(&s, "1.2.4.2"), 6);
    archive_site_receive(&s, "1.2.4.3",
                         2); /* and what comes later is not held back by an old cursor */
    archive_site_wait(&s, INSTANCE_SEALED, 12);
    before_us = clock_wall_us();
    uplink_reconcile(s.up);
    assert_int_equal(archive_site_reconciled(&s, before_us).different, 0);
    archive_site_close(&s);
}

static void
what_was_held_in_the_older_copy_and_has_no_file_any_more_comes_again(void **state)
{
    struct uplink_reconciled found;
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "held", -1);
    archive_site_receive(&s, "1.2.5.1", 3);
    archive_site_wait(&s, INSTANCE_HELD, 3);
    archive_site_back_up(&s, "held", "held_old");
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    while (folder_files(s.world.vault.landing) > 0) {
        int sealed;

        OK(keep_work(s.world.vault.keep, &sealed, &err));
    }

    before_us = archive_site_set(&s, true);
    found = archive_site_reconciled(&s, before_us);

    assert_int_equal(found.lost, 0);
    wait_packed(&s, 3); /* the older catalog had them in no pack */
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    assert_int_equal(kept(&s, "1.2.5.1"), 3);
    archive_site_close(&s);
}

/* 1.2.6.1 stands in a copy of the centre's database; then come five images of 1.2.6.2, the gateway
 * forgets them, and the centre is set back to that copy: neither has them. */
static void
open_without_five(struct archive_site *s, const char *name)
{
    char old[32];
    int64_t before_us;

    snprintf(old, sizeof old, "%s_old", name);
    archive_site_open(s, name, 0);
    archive_site_receive(s, "1.2.6.1", 2);
    archive_site_wait(s, INSTANCE_SEALED, 2);
    archive_site_back_up(s, name, old);
    archive_site_receive(s, "1.2.6.2", 5);
    archive_site_wait(s, INSTANCE_SEALED, 7);
    wait_safe(s, "1.2.6.2");
    forget_sealed(s);
    before_us = archive_site_set(s, true);
    assert_int_equal(archive_site_reconciled(s, before_us).lost, 5);
}

static void
what_neither_has_is_told_loudly_until_it_is_found(void **state)
{
    struct uplink_reconciled found;
    int64_t before_us;
    struct archive_site s;
    int sealed;

    (void)state;
    open_without_five(&s, "lost");
    assert_int_equal(lost_here(&s), 5);
    assert_said(&s, "1.2.6.2", "attention", DIMSE_PROCESSING_FAILURE);
    wait_safe(&s, "1.2.6.1"); /* its list may not have been in the older copy */
    assert_int_equal(lost(&s), 5);
    assert_int_equal(told(&s).lost, 5);
    tell_nothing_lost(&s); /* forgotten is not found */
    assert_int_equal(lost(&s), 5);
    find_again(&s, "1.2.6.2", 4);
    tell_nothing_lost(&s); /* nor is what is in no pack yet */
    assert_int_equal(lost(&s), 5);
    OK(keep_work(s.world.vault.keep, &sealed, &err));
    assert_int_equal(sealed, 1);
    tell_nothing_lost(&s);
    assert_int_equal(lost(&s), 1);

    before_us = archive_site_set(&s, false);
    found = archive_site_reconciled(&s, before_us);
    assert_int_equal(found.lost, 0);
    assert_int_equal(lost(&s), 0);
    assert_int_equal(lost_here(&s), 0);
    wait_safe(&s, "1.2.6.2");
    assert_said(&s, "1.2.6.2", "safe", DIMSE_SUCCESS);
    archive_site_close(&s);
}

/* At the desk; until the centre has the list without it. */
static void
settle(struct archive_site *s, const char *study)
{
    struct spool_filter filter = {.study_uid = study};
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct spool_study now;
    uint64_t *ids;
    size_t n;

    spool_list(s->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++)
        OK(spool_set_gone(s->spool, ids[i], true, &err));
    free(ids);
    do {
        spool_wait(s->spool, UINT64_MAX, 20);
        OK(spool_study(s->spool, study, &now, &err));
        assert_true(clock_mono_ms() < until);
    } while (now.leaving > 0 || now.acked_revision != now.revision);
}

static void
what_a_person_calls_lost_for_good_alarms_neither_side_and_may_be_found(void **state)
{
    struct uplink_reconciled found;
    struct spool_study study;
    int64_t before_us;
    struct archive_site s;

    (void)state;
    open_without_five(&s, "gone");
    assert_int_equal(lost(&s), 5);

    settle(&s, "1.2.6.2");

    assert_int_equal(lost(&s), 0);
    assert_int_equal(lost_here(&s), 0);
    assert_said(&s, "1.2.6.2", "held", DIMSE_PROCESSING_FAILURE);

    before_us = archive_site_set(&s, false);
    found = archive_site_reconciled(&s, before_us);
    assert_int_equal(found.lost, 0);
    wait_safe(&s, "1.2.6.2");
    OK(spool_study(s.spool, "1.2.6.2", &study, &err));
    assert_int_equal(study.gone, 0);
    archive_site_close(&s);
}

static void
what_is_lost_goes_again_when_the_device_sends_it_again(void **state)
{
    struct uplink_reconciled found;
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "again", 0);
    archive_site_receive(&s, "1.2.9.1", 2);
    archive_site_wait(&s, INSTANCE_SEALED, 2);
    archive_site_back_up(&s, "again", "again_old");
    archive_site_receive(&s, "1.2.9.2", 3);
    archive_site_wait(&s, INSTANCE_SEALED, 5);
    forget_sealed(&s);
    before_us = archive_site_set(&s, true);
    assert_int_equal(archive_site_reconciled(&s, before_us).lost, 3);
    restart(&s); /* the mark outlives it */
    assert_said(&s, "1.2.9.2", "attention", DIMSE_PROCESSING_FAILURE);

    s.preamble = 'x'; /* by now it writes them otherwise */
    archive_site_receive(&s, "1.2.9.2", 3);
    archive_site_wait(&s, INSTANCE_DUPLICATE, 3); /* those that were lost */
    wait_safe(&s, "1.2.9.2");

    assert_int_equal(kept(&s, "1.2.9.2"), 3);
    assert_said(&s, "1.2.9.2", "safe", DIMSE_SUCCESS);
    assert_int_equal(lost_here(&s), 0);
    before_us = clock_wall_us();
    uplink_reconcile(s.up);
    found = archive_site_reconciled(&s, before_us);
    assert_int_equal(found.lost, 0);
    assert_int_equal(lost(&s), 0);
    archive_site_close(&s);
}

static void
a_copy_that_rests_on_what_is_lost_goes_in_its_place(void **state)
{
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "copy", 0);
    archive_site_receive(&s, "1.2.10.1", 1);
    archive_site_wait(&s, INSTANCE_SEALED, 1);
    archive_site_back_up(&s, "copy", "copy_old");
    archive_site_receive(&s, "1.2.10.2", 2);
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    forget_sealed(&s);
    archive_site_receive(&s, "1.2.10.2", 2); /* they came twice */
    archive_site_wait(&s, INSTANCE_DUPLICATE, 2);

    before_us = archive_site_set(&s, true);
    assert_int_equal(archive_site_reconciled(&s, before_us).lost, 0);
    archive_site_wait(&s, INSTANCE_SEALED, 3);

    wait_safe(&s, "1.2.10.2");
    assert_int_equal(kept(&s, "1.2.10.2"), 2);
    assert_int_equal(lost_here(&s), 0);
    archive_site_close(&s);
}

/* As a program left them that knew no mark. */
static void
unmark(struct archive_site *s, const char *study)
{
    struct spool_filter filter = {.study_uid = study};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(s->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++)
        OK(spool_set_found(s->spool, ids[i], &err));
    free(ids);
}

static void
what_was_lost_before_there_were_marks_gets_them_after_the_next_start(void **state)
{
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "unmarked", 0);
    archive_site_receive(&s, "1.2.11.1", 1);
    archive_site_wait(&s, INSTANCE_SEALED, 1);
    archive_site_back_up(&s, "unmarked", "unmarked_old");
    archive_site_receive(&s, "1.2.11.2", 2);
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    forget_sealed(&s);
    before_us = archive_site_set(&s, true);
    assert_int_equal(archive_site_reconciled(&s, before_us).lost, 2);
    uplink_stop(&s.up);
    unmark(&s, "1.2.11.2");
    assert_int_equal(lost_here(&s), 0);

    before_us = clock_wall_us();
    archive_site_start(&s);
    archive_site_reconciled(&s, before_us);
    assert_int_equal(lost_here(&s), 2);
    archive_site_close(&s);
}

static void
a_restart_of_the_gateway_remembers_the_last_and_what_is_due(void **state)
{
    struct uplink_status status;
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "restart", -1);
    archive_site_receive(&s, "1.2.7.1", 2);
    archive_site_wait(&s, INSTANCE_SEALED, 2);
    archive_site_back_up(&s, "restart", "restart_old"); /* before the second */
    archive_site_receive(&s, "1.2.7.2", 2);
    archive_site_wait(&s, INSTANCE_SEALED, 4);
    before_us = clock_wall_us();
    uplink_reconcile(s.up);
    archive_site_reconciled(&s, before_us);

    uplink_stop(&s.up);
    (void)archive_site_set(&s, true);
    before_us = clock_wall_us();
    archive_site_start(&s);
    uplink_status(s.up, &status);
    assert_int_equal(status.reconciled.objects, 4); /* as it was before the restart */
    archive_site_reconciled(&s, before_us);
    archive_site_wait(&s, INSTANCE_SEALED, 4);
    assert_int_equal(kept(&s, "1.2.7.2"), 2);
    archive_site_close(&s);
}

static bool
is_in_uplink(const struct archive_site *s, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", s->uplink_dir, name);
    return access(path, F_OK) == 0;
}

/* Until the running gateway has taken notice of a person's wish. */
static void
wait_noticed(struct archive_site *s)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;

    while (is_in_uplink(s, "reconcile.ask")) {
        if (clock_mono_ms() >= until)
            fail_msg("nobody looked for a wish");
        spool_wait(s->spool, UINT64_MAX, 20);
    }
}

static void
a_wish_that_was_taken_notice_of_outlives_a_kill_until_it_is_done(void **state)
{
    int64_t before_us;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "wish", -1);
    archive_site_receive(&s, "1.2.8.1", 2);
    archive_site_wait(&s, INSTANCE_SEALED, 2);
    before_us = clock_wall_us();
    uplink_reconcile(s.up);
    archive_site_reconciled(&s, before_us); /* so that none is due of itself */

    archive_world_cut(&s.world); /* it cannot be done */
    OK(uplink_ask_reconcile(s.uplink_dir, &err));
    wait_noticed(&s);
    uplink_stop(&s.up);
    archive_world_heal(&s.world);
    before_us = clock_wall_us();
    archive_site_start(&s);

    assert_int_equal(archive_site_reconciled(&s, before_us).objects, 2);
    assert_false(is_in_uplink(&s, "reconcile.asked"));
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree_after_an_ordinary_day),
        cmocka_unit_test(a_centre_set_back_gets_again_what_it_lost),
        cmocka_unit_test(what_was_held_in_the_older_copy_and_has_no_file_any_more_comes_again),
        cmocka_unit_test(what_neither_has_is_told_loudly_until_it_is_found),
        cmocka_unit_test(what_a_person_calls_lost_for_good_alarms_neither_side_and_may_be_found),
        cmocka_unit_test(what_is_lost_goes_again_when_the_device_sends_it_again),
        cmocka_unit_test(a_copy_that_rests_on_what_is_lost_goes_in_its_place),
        cmocka_unit_test(what_was_lost_before_there_were_marks_gets_them_after_the_next_start),
        cmocka_unit_test(a_restart_of_the_gateway_remembers_the_last_and_what_is_due),
        cmocka_unit_test(a_wish_that_was_taken_notice_of_outlives_a_kill_until_it_is_done),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
