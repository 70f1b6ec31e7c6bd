/* test_reconcile_disk.c - the centre's disks lose images before and after they are packed, and it
 * asks the gateway for them. */
#include "gateway/desk/lamps.h"
#include "proto/base/clock.h"
#include "tests/support/archive_site.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int
count_lost(void *user, const struct keep_lost *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static void
what_was_lost_before_it_was_packed_comes_again_soon(void **state)
{
    int64_t before_us = clock_wall_us();
    struct keep_standing standing;
    struct archive_site s;
    char pattern[256];
    glob_t found = {0};
    struct err err;
    size_t n = 0;

    (void)state;
    archive_site_open(&s, "disk", -1);
    archive_site_reconciled(&s, before_us); /* none is due of itself for long */
    archive_site_receive(&s, "1.2.12.1", 3);
    archive_site_wait(&s, INSTANCE_HELD, 3);
    snprintf(pattern, sizeof pattern, "%s/whole/*", s.world.vault.landing);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(unlink(found.gl_pathv[0]), 0);
    globfree(&found);

    archive_site_wait(&s, INSTANCE_SEALED, 3);

    assert_int_equal(keep_standing_get(s.world.vault.keep, "clinic-a", "1.2.12.1", &standing, &err),
                     0);
    assert_int_equal(standing.sealed, 3);
    assert_int_equal(standing.missing, 0);
    assert_int_equal(keep_each_lost(s.world.vault.keep, NULL, count_lost, &n, &err), 0);
    assert_int_equal(n, 0);
    archive_site_close(&s);
}

/* Each copy of each pack, and the landing files; and a comparison is not due of itself for long. */
static void
lose_all(struct archive_site *s)
{
    static const char *const kinds[] = {"packs/*/*/*.zip", "whole/*"};
    const struct vault *v = &s->world.vault;
    const char *const folders[] = {v->stores[0], v->stores[1], v->landing};

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char pattern[256];
        glob_t found = {0};

        snprintf(pattern, sizeof pattern, "%s/%s", folders[i], kinds[i == 2]);
        if (glob(pattern, 0, NULL, &found) == 0)
            for (size_t n = 0; n < found.gl_pathc; n++)
                assert_int_equal(unlink(found.gl_pathv[n]), 0);
        globfree(&found);
    }
}

static struct keep_place *
first_place(struct archive_site *s, const char *study)
{
    struct vault_seen seen = {0, 0, NULL};
    struct err err;

    assert_int_equal(
        keep_instances(s->world.vault.keep, "clinic-a", study, NULL, NULL, vault_see, &seen, &err),
        0);
    return seen.first;
}

/* Somebody wants to see it, and nothing is shown; soon the archive knows why. */
static void
look_at(struct archive_site *s, struct keep_place *place)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct keep_standing standing;
    struct err err;
    int fd, sealed;

    assert_int_equal(keep_open_place(s->world.vault.keep, place, &fd, &err), -1);
    do {
        assert_int_equal(keep_work(s->world.vault.keep, &sealed, &err), 0);
        assert_int_equal(
            keep_standing_get(s->world.vault.keep, "clinic-a", place->study, &standing, &err), 0);
        assert_true(clock_mono_ms() < until);
    } while (standing.missing < 3);
    keep_place_free(&place);
}

/* The gateway forgets the bytes of what is sealed. */
static void
forget_bytes(struct archive_site *s)
{
    struct spool_options options = {.segment_bytes = 1 << 20};
    struct err err;

    uplink_stop(&s->up);
    spool_close(&s->spool);
    assert_int_equal(spool_open(s->spool_dir, &options, &s->spool, &err), 0);
    assert_true(spool_collect_garbage(s->spool) > 0);
    archive_site_start(s);
}

static enum study_word
word_of(struct archive_site *s, const char *study)
{
    struct spool_study now;
    struct err err;

    assert_int_equal(spool_study(s->spool, study, &now, &err), 0);
    return study_word_of(&now, 0);
}

/* The archive doing what is due meanwhile. */
static void
wait_word(struct archive_site *s, const char *study, enum study_word word)
{
    int64_t until = clock_mono_ms() + ARCHIVE_SITE_WAIT_MS;
    struct err err;
    int sealed;

    while (word_of(s, study) != word) {
        assert_int_equal(keep_work(s->world.vault.keep, &sealed, &err), 0);
        spool_wait(s->spool, UINT64_MAX, 20);
        assert_true(clock_mono_ms() < until);
    }
}

static void
assert_sealed(struct archive_site *s, const char *study)
{
    struct keep_standing standing;
    struct err err;

    assert_int_equal(keep_standing_get(s->world.vault.keep, "clinic-a", study, &standing, &err), 0);
    assert_int_equal(standing.sealed, 3);
    assert_int_equal(standing.missing, 0);
}

static void
what_was_lost_with_its_packs_comes_again_from_the_gateway_that_has_it(void **state)
{
    struct uplink_reconciled found;
    struct keep_place *place;
    struct archive_site s;
    int64_t before_us;

    (void)state;
    archive_site_open(&s, "packs", -1);
    archive_site_reconciled(&s, 0); /* that of the start */
    archive_site_receive(&s, "1.2.12.2", 3);
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    wait_word(&s, "1.2.12.2", STUDY_SAFE);
    place = first_place(&s, "1.2.12.2");
    lose_all(&s);
    before_us = clock_wall_us();

    look_at(&s, place);
    found = archive_site_reconciled(&s, before_us);
    assert_int_equal(found.repaired, 3);
    assert_int_equal(found.lost, 0);
    archive_site_wait(&s, INSTANCE_SEALED, 3);

    assert_sealed(&s, "1.2.12.2");
    place = first_place(&s, "1.2.12.2");
    vault_place_reads(&s.world.vault, place);
    keep_place_free(&place);
    wait_word(&s, "1.2.12.2", STUDY_SAFE);
    archive_site_close(&s);
}

static void
what_nobody_has_any_more_is_not_safe_to_delete_and_is_taken_again_from_the_device(void **state)
{
    struct keep_place *place;
    struct archive_site s;

    (void)state;
    archive_site_open(&s, "device", 0);
    archive_site_receive(&s, "1.2.12.3", 3);
    archive_site_wait(&s, INSTANCE_SEALED, 3);
    wait_word(&s, "1.2.12.3", STUDY_SAFE);
    forget_bytes(&s);
    place = first_place(&s, "1.2.12.3");
    lose_all(&s);

    look_at(&s, place);
    wait_word(&s, "1.2.12.3", STUDY_ATTENTION);
    archive_site_receive(&s, "1.2.12.3", 3);
    wait_word(&s, "1.2.12.3", STUDY_SAFE);

    assert_sealed(&s, "1.2.12.3");
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_lost_before_it_was_packed_comes_again_soon),
        cmocka_unit_test(what_was_lost_with_its_packs_comes_again_from_the_gateway_that_has_it),
        cmocka_unit_test(
            what_nobody_has_any_more_is_not_safe_to_delete_and_is_taken_again_from_the_device),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
