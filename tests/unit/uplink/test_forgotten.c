/* test_forgotten.c - a late image comes after the gateway forgot its study: the list that a real
 * archive keeps becomes longer by it, and nothing falls off. */
#include "proto/base/clock.h"
#include "tests/support/archive_site.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { IMAGES = 5 };

static const char study[] = "1.2.6.1";
static struct err err;

/* Until the centre has the gateway's newest list: of so many, all whole. */
static void
wait_list(struct archive_site *s, uint32_t revision, size_t count)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct keep_list list = {.revision = 0};
    uint64_t seen = 0;

    for (;;) {
        OK(keep_list_get(s->world.vault.keep, "clinic-a", study, 0, &list, &err));
        if (list.revision >= revision)
            break;
        keep_list_fini(&list);
        if (clock_mono_ms() >= until)
            fail_msg("no list %u was told", revision);
        seen = spool_wait(s->spool, seen, 50);
    }
    assert_int_equal(list.revision, revision);
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < list.count; i++)
        assert_true(list.instances[i].is_whole);
    keep_list_fini(&list);
}

static void
begin(struct archive_site *s, const char *name)
{
    archive_site_open(s, name, 0);
    archive_site_receive(s, study, IMAGES);
    archive_site_wait(s, INSTANCE_SEALED, IMAGES);
    wait_list(s, 1, IMAGES);
    uplink_stop(&s->up);
    spool_close(&s->spool);
}

static void
a_late_image_after_the_disk_was_replaced_makes_the_list_longer(void **state)
{
    struct spool_options options = {.segment_bytes = 1 << 20};
    struct archive_site s;

    (void)state;
    begin(&s, "new_disk");
    folder_remove(s.spool_dir);
    OK(spool_open(s.spool_dir, &options, &s.spool, &err));
    archive_site_start(&s);

    archive_site_receive_one(&s, study, IMAGES + 1);
    archive_site_wait(&s, INSTANCE_SEALED, 1);

    wait_list(&s, 2, IMAGES + 1);
    archive_site_close(&s);
}

static void
a_late_image_after_the_summary_went_makes_the_list_longer(void **state)
{
    struct spool_options options = {.segment_bytes = 1 << 20, .keep_summary_ms = 1};
    struct spool_filter all = {.limit = 0};
    struct archive_site s;
    uint64_t *ids = NULL;
    size_t n = 1;

    (void)state;
    begin(&s, "summary");
    OK(spool_open(s.spool_dir, &options, &s.spool, &err));
    for (uint64_t seen = 0; n > 0; seen = spool_wait(s.spool, seen, 20)) {
        (void)spool_collect_garbage(s.spool);
        spool_list(s.spool, &all, &ids, &n);
        free(ids);
    }
    archive_site_start(&s);

    archive_site_receive_one(&s, study, IMAGES + 1);
    archive_site_wait(&s, INSTANCE_SEALED, 1);

    wait_list(&s, 2, IMAGES + 1);
    archive_site_close(&s);
}

/* Without a wait for each of its numbers. */
static void
a_study_of_many_lists_gets_the_next_number_at_once(void **state)
{
    enum { LISTS = 6 };
    static const struct keep_sender gate = {"clinic-a", "gate-1", "127.0.0.1:1"};
    char names[LISTS][32];
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "many_lists", 0);
    for (unsigned i = 0; i < LISTS; i++) {
        struct slice one = {
            .study = study, .series = "1.2.9", .instance = names[i], .noise = i + 1};

        snprintf(names[i], sizeof names[i], "%s.%u", study, i + 1);
        assert_int_equal(vault_put(&s.world.vault, &gate, &one), LINK_HELD);
        OK(vault_tell(&s.world.vault, &gate, i + 1, &one, 1, NULL, 0, &err));
    }

    archive_site_receive_one(&s, study, LISTS + 1);

    archive_site_wait(&s, INSTANCE_SEALED, 1);
    wait_list(&s, LISTS + 1, LISTS + 1);
    archive_site_close(&s);
}

/* Its list was told, it has not come, and a person throws it away: that one leaves, though the
 * gateway knows nothing of the others. */
static void
a_late_image_that_is_thrown_away_leaves_the_others_on_the_list(void **state)
{
    static const struct keep_sender gate = {"clinic-a", "gate-1", "127.0.0.1:1"};
    struct slice late = {
        .study = study, .series = "1.2.9", .instance = "1.2.6.1.6", .noise = IMAGES + 1};
    struct spool_options options = {.segment_bytes = 1 << 20};
    struct archive_site s;
    uint32_t revision;

    (void)state;
    begin(&s, "thrown_away");
    folder_remove(s.spool_dir);
    OK(spool_open(s.spool_dir, &options, &s.spool, &err));
    archive_world_cut(&s.world);
    archive_site_start(&s);
    archive_site_receive_one(&s, study, IMAGES + 1);
    archive_site_wait(&s, INSTANCE_PLAIN, 1);
    uplink_stop(&s.up);
    archive_world_heal(&s.world);
    OK(spool_manifest_close(s.spool, study, &revision, &err));
    OK(spool_manifest_renumber(s.spool, study, 0, &revision, &err));
    OK(vault_tell(&s.world.vault, &gate, revision, &late, 1, NULL, 0, &err));
    OK(spool_manifest_acked(s.spool, study, revision, &err));

    OK(spool_set_quarantined(s.spool, 1, "damaged: drawn", &err));
    OK(spool_discard(s.spool, 1, "other", "li.wei", &err));
    archive_site_start(&s);

    wait_list(&s, 3, IMAGES);
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_image_after_the_disk_was_replaced_makes_the_list_longer),
        cmocka_unit_test(a_late_image_after_the_summary_went_makes_the_list_longer),
        cmocka_unit_test(a_study_of_many_lists_gets_the_next_number_at_once),
        cmocka_unit_test(a_late_image_that_is_thrown_away_leaves_the_others_on_the_list),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
