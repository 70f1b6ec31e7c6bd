/* test_import_keep.c - how long sources stay (invariant 4): by days lived, and by the disk. */
#include "gateway/import/import.h"

#include "gateway/import/import_own.h"
#include "proto/base/clock.h"
#include "tests/support/folder.h"
#include "tests/support/import_files.h"
#include "tests/support/import_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WAITING = 1u << IMPORT_WAITING };

static struct err err;

enum { DAY_MS = 86400000 };

/* So long that the spool was open all the time, and told its age between. */
static void
live_days(int days)
{
    for (int i = 0; i < days; i++) {
        clock_fake_advance(DAY_MS);
        (void)spool_lived_ms(world_spool);
    }
}

static void
jump_years(int years)
{
    clock_fake(clock_wall_us() + years * INT64_C(365) * DAY_MS * 1000, clock_mono_ms());
}

static void
take(const char *words, struct import_item *item)
{
    char name[64];

    world_pdf(words);
    snprintf(name, sizeof name, "%s.pdf", words);
    world_drop_file(world_drop, name, &world_file);
    world_wait(WAITING, 1, item);
}

static void
take_and_bind(const char *words, struct import_item *item)
{
    take(words, item);
    world_bind(item->id);
    assert_int_equal(import_find(world_import, item->id, item, &err), 0);
}

static void
seal(uint64_t entry)
{
    struct spool_inspection facts = {.study_uid = "2.25.1234567890", .series_uid = "2.25.2"};

    assert_int_equal(spool_set_inspected(world_spool, entry, &facts, &err), 0);
    assert_int_equal(spool_set_uncoded(world_spool, entry, "no pixels", &err), 0);
    assert_int_equal(spool_set_held(world_spool, entry, 1, &err), 0);
    assert_int_equal(spool_set_sealed(world_spool, entry, 2, &err), 0);
}

static bool
is_kept(const struct import_item *item)
{
    struct import_item now;

    return import_find(world_import, item->id, &now, &err) == 0 && now.has_source;
}

/* One sealed and one thrown away, and both were seen to be. */
static void
keep_both(struct import_item *sealed, struct import_item *thrown)
{
    world_begin();
    take_and_bind("sealed", sealed);
    seal(sealed->entry);
    take("thrown", thrown);
    assert_int_equal(import_discard(world_import, thrown->id, "a test", "desk", &err), 0);
    clock_fake(clock_wall_us(), clock_mono_ms());
    bind_keep(world_import);
}

static void
a_clock_jump_of_years_removes_no_source(void **state)
{
    struct import_item sealed, thrown;

    (void)state;
    keep_both(&sealed, &thrown);
    jump_years(30);
    bind_keep(world_import);
    world_end();
    world_begin(); /* nor with a restart */
    bind_keep(world_import);
    bind_keep(world_import);
    assert_true(is_kept(&sealed));
    assert_true(is_kept(&thrown));
    assert_int_equal(import_reopen(world_import, thrown.id, "desk", &err), 0);

    jump_years(-40);
    bind_keep(world_import);
    assert_true(is_kept(&sealed));
}

static void
a_source_goes_after_a_year_that_was_lived_though_the_clock_fell_back(void **state)
{
    struct import_item sealed, thrown;

    (void)state;
    keep_both(&sealed, &thrown);
    jump_years(-20);
    live_days(364);
    bind_keep(world_import);
    assert_true(is_kept(&sealed));
    assert_true(is_kept(&thrown));

    live_days(2);
    bind_keep(world_import);
    assert_false(is_kept(&sealed));
    assert_false(is_kept(&thrown));
    live_days(364);
    bind_keep(world_import);
    assert_int_equal(world_files("items"), 2); /* still known */
    live_days(2);
    bind_keep(world_import);
    assert_int_equal(world_files("items"), 0);
}

static void
a_filling_disk_takes_sealed_sources_first_and_leaves_thrown_ones_their_grace(void **state)
{
    struct import_item sealed, thrown, bound;

    (void)state;
    world_spool_options.slow_free_bytes = UINT64_MAX;
    world_spool_options.slow_ms = 1;
    world_begin();
    take_and_bind("bound", &bound);
    world_end();
    keep_both(&sealed, &thrown);
    bind_keep(world_import);
    assert_false(is_kept(&sealed));
    assert_true(is_kept(&thrown));

    live_days(31);
    bind_keep(world_import);
    assert_false(is_kept(&thrown));
    assert_true(is_kept(&bound)); /* not sealed: no disk takes it */
}

static void
a_sidecar_without_the_spools_age_begins_its_time_now(void **state)
{
    struct import_item sealed, thrown;

    (void)state;
    keep_both(&sealed, &thrown);
    live_days(10);
    assert_int_equal(import_find(world_import, sealed.id, &sealed, &err), 0);
    sealed.since_age_ms = 0; /* of an older version */
    gate_lock(&world_import->work);
    assert_int_equal(items_save(world_import, &sealed, &err), 0);
    gate_unlock(&world_import->work);
    bind_keep(world_import);

    live_days(357);
    bind_keep(world_import);
    assert_true(is_kept(&sealed));
    assert_false(is_kept(&thrown));
}

static void
a_source_stays_until_it_is_sealed_and_a_while_longer(void **state)
{
    struct import_item item;

    (void)state;
    world_options.keep_ms = 1000;
    world_begin();
    take_and_bind("kept", &item);

    clock_fake(clock_wall_us() + INT64_C(86400000000), clock_mono_ms());
    bind_keep(world_import);
    assert_int_equal(world_files("files"), 1); /* not sealed yet */
    seal(item.entry);
    bind_keep(world_import);
    assert_int_equal(world_files("files"), 1);
    clock_fake_advance(2000);
    bind_keep(world_import);
    assert_int_equal(world_files("files"), 0);
    assert_int_equal(world_files("items"), 1);
    assert_int_equal(import_reopen(world_import, item.id, "desk", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
a_source_stays_while_its_discarded_instance_can_be_taken_back(void **state)
{
    struct import_item item;

    (void)state;
    world_options.keep_ms = 1000;
    world_begin();
    take_and_bind("kept", &item);
    assert_int_equal(spool_set_quarantined(world_spool, item.entry, "other: drawn", &err), 0);
    assert_int_equal(spool_discard(world_spool, item.entry, "other", "li.wei", &err), 0);

    clock_fake(clock_wall_us() + INT64_C(86400000000), clock_mono_ms());
    for (int round = 0; round < 3; round++) {
        bind_keep(world_import);
        clock_fake_advance(2000);
    }
    assert_int_equal(world_files("files"), 1);
    assert_int_equal(spool_release(world_spool, item.entry, &err), 0);
}

/* ---- the spool is made anew (another disk), the inbox is kept ---- */

static void
assert_bound_again(const struct import_item *was, uint64_t entry)
{
    struct spool_entry *e = NULL;
    struct import_item now;

    clock_fake(clock_wall_us(), clock_mono_ms());
    for (int round = 0; round < 3; round++) {
        bind_keep(world_import);
        clock_fake_advance(2000);
    }
    assert_int_equal(import_find(world_import, was->id, &now, &err), 0);
    assert_int_equal(now.state, IMPORT_BOUND);
    assert_true(now.has_source);
    assert_int_equal(now.sealed_at_us, 0);
    assert_int_equal(now.entry, entry);
    assert_int_equal(spool_look(world_spool, entry, &e, &err), 0);
    assert_string_equal(e->meta.sop_instance, was->sop_instance);
    spool_entry_free(&e);
}

static void
a_bound_file_that_a_new_spool_does_not_know_goes_into_it(void **state)
{
    struct import_item item;
    uint64_t last;

    (void)state;
    world_options.keep_ms = 1000;
    world_begin();
    take_and_bind("bound", &item);
    world_end();
    folder_remove(world_spool_dir);
    world_begin();

    assert_bound_again(&item, 1);
    assert_int_equal(world_entries(&last), 1);
    world_end(); /* and once */
    world_begin();
    bind_keep(world_import);
    assert_int_equal(world_entries(&last), 1);
}

static void
anothers_sealed_instance_of_the_same_entry_takes_no_source(void **state)
{
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                              .sop_instance = "1.2.3.4",
                              .transfer_syntax = "1.2.840.10008.1.2.1"};
    struct spool_draft *draft = NULL;
    struct import_item item;
    uint64_t id;

    (void)state;
    world_options.keep_ms = 1000;
    world_begin();
    take_and_bind("bound", &item);
    world_end();
    folder_remove(world_spool_dir);
    assert_int_equal(spool_open(world_spool_dir, &world_spool_options, &world_spool, &err), 0);
    assert_int_equal(spool_draft_begin(world_spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, "DICM", 4, &err), 0);
    assert_int_equal(spool_commit(world_spool, &draft, &id, &err), 0);
    assert_int_equal(id, item.entry);
    seal(id);
    spool_close(&world_spool);
    world_begin();

    assert_bound_again(&item, id + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, import_world_setup, import_world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_source_stays_while_its_discarded_instance_can_be_taken_back),
        TEST(a_clock_jump_of_years_removes_no_source),
        TEST(a_source_goes_after_a_year_that_was_lived_though_the_clock_fell_back),
        TEST(a_filling_disk_takes_sealed_sources_first_and_leaves_thrown_ones_their_grace),
        TEST(a_sidecar_without_the_spools_age_begins_its_time_now),
        TEST(a_source_stays_until_it_is_sealed_and_a_while_longer),
        TEST(a_bound_file_that_a_new_spool_does_not_know_goes_into_it),
        TEST(anothers_sealed_instance_of_the_same_entry_takes_no_source),
    };

    return cmocka_run_group_tests_name("import_keep", tests, NULL, NULL);
}
