/* test_settle_lost.c - images that are lost at the centre and gone here, and that cannot come
 * again: a person says so. Over a real spool, door and book. */
#include "gateway/desk/settle_lost.h"

#include "gateway/desk/arrivals.h"
#include "gateway/desk/lamps.h"
#include "gateway/desk/mpps.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/ok.h"
#include "tests/support/serve_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STUDY "1.2.7"

static struct serve_world world;
static struct book *book;
static struct err err;

static uint64_t
put(const char *instance)
{
    struct serve_image image = {.study = STUDY, .series = "1.2.7.1", .sop_instance = instance};

    return serve_world_put(&world, &image);
}

static void
announce(const char *instance)
{
    char one[1][65];

    text_copy(one[0], sizeof one[0], instance);
    OK(mpps_expect(book, STUDY, "step", (const char(*)[65])one, 1, &err));
}

/* Two of two were sealed, listed, and their bytes went; the centre has lost the first. */
static uint64_t
begin(void)
{
    char dir[FOLDER_PATH_BYTES + 16];
    struct spool *spool;
    uint32_t revision;
    size_t released;
    uint64_t id;

    world = (struct serve_world){.options = {.grace_ms = 3600000}};
    serve_world_make(&world, "CT1 127.0.0.1\n");
    snprintf(dir, sizeof dir, "%s/desk", world.dir);
    OK(book_open(dir, "", &book, &err));
    id = put("1.2.7.1.1");
    (void)put("1.2.7.1.2");
    serve_world_seal(&world);
    OK(spool_manifest_close(world.spool, STUDY, &revision, &err));
    OK(spool_manifest_acked(world.spool, STUDY, revision, &err));
    OK(arrivals_look(world.spool, book, &err));
    serve_world_close(&world);
    snprintf(dir, sizeof dir, "%s/spool", world.dir);
    OK(spool_open(dir, &(struct spool_options){.keep_sealed_ms = 0}, &spool, &err));
    spool_collect_garbage(spool);
    spool_close(&spool);
    serve_world_open(&world);
    OK(spool_set_lost(world.spool, id, &released, &err));
    return id;
}

static void
end(void)
{
    book_close(&book);
    serve_world_remove(&world);
}

/* As the page showed it, so many of the study. */
static int
say(uint32_t missing, int64_t turn, bool is_killed)
{
    struct book_saying s = {.study = STUDY,
                            .reason = "lost",
                            .words = "",
                            .login = "zhang",
                            .missing = missing,
                            .turn = turn};
    struct study_image *images;
    struct spool_study study;
    struct book_image *known;
    size_t n;
    int rc;

    OK(spool_study(world.spool, STUDY, &study, &err));
    s.lost_mark = (int64_t)study.lost_mark;
    study_images(world.spool, STUDY, &images, &n);
    s.images = known = study_images_known(images, n, &s.images_n);
    rc = book_absent(book, &s, &err);
    if (rc == 0 && !is_killed)
        rc = study_images_settle(world.spool, images, n, true, &err);
    free(known);
    free(images);
    return rc;
}

static void
assert_study(uint64_t lost, uint64_t gone, enum study_word word, uint32_t absent)
{
    struct book_absence *absences;
    struct spool_health health;
    struct spool_study study;
    size_t n;

    OK(spool_study(world.spool, STUDY, &study, &err));
    assert_int_equal(study.lost, lost);
    assert_int_equal(study.gone, gone);
    assert_int_equal(study_word_of(&study, 0), word);
    spool_health(world.spool, &health);
    assert_int_equal(health.lost, lost);
    OK(book_absences(book, &absences, &n, &err));
    assert_int_equal(n > 0 ? absences[0].images : 0, absent);
    if (n > 0)
        assert_string_equal(absences[0].reason, "lost");
    free(absences);
}

static size_t
told(uint32_t *out_images)
{
    struct clinic_ups ups;
    size_t n = 0;

    OK(book_due(book, &ups, &err));
    for (size_t i = 0; i < ups.count; i++)
        if (ups.messages[i].kind == CLINIC_ABSENT) {
            *out_images = ups.messages[i].images;
            n++;
        }
    clinic_ups_free(&ups);
    return n;
}

static void
what_is_lost_for_good_alarms_no_more_and_is_never_safe(void **state)
{
    uint64_t id = begin();
    struct spool_entry *entry;
    uint32_t images = 0, revision;
    struct spool_study study;

    (void)state;
    assert_study(1, 0, STUDY_ATTENTION, 0);

    OK(say(1, (int64_t)id, false));

    assert_study(0, 1, STUDY_HELD, 1);
    assert_int_equal(told(&images), 1);
    assert_int_equal(images, 1);
    OK(spool_study(world.spool, STUDY, &study, &err));
    assert_int_equal(study.leaving, 1);
    OK(spool_manifest_close(world.spool, STUDY, &revision, &err)); /* without it */
    OK(spool_manifest_acked(world.spool, STUDY, revision, &err));
    OK(arrivals_look(world.spool, book, &err)); /* it is not taken for one that came */
    for (int life = 0; life < 2; life++) {
        assert_study(0, 1, STUDY_HELD, 1);
        OK(spool_look(world.spool, id, &entry, &err));
        assert_true(entry->has_left_list);
        assert_int_equal(entry->revision, 0);
        spool_entry_free(&entry);
        serve_world_close(&world);
        serve_world_open(&world);
    }

    OK(spool_set_found(world.spool, id, &err)); /* the centre has it after all */
    OK(spool_study(world.spool, STUDY, &study, &err));
    assert_int_equal(study.gone, 0);
    assert_int_equal(study.unlisted, 1);
    OK(arrivals_look(world.spool, book, &err));
    assert_int_equal(told(&images), 2);
    assert_int_equal(images, 0);
    end();
}

static void
a_kill_before_the_spool_knows_is_made_good_by_the_next_start(void **state)
{
    uint64_t id = begin();

    (void)state;
    OK(say(1, (int64_t)id, true));
    assert_study(1, 0, STUDY_ATTENTION, 1);

    OK(arrivals_look(world.spool, book, &err));

    assert_study(0, 1, STUDY_HELD, 1);
    end();
}

/* Until the desk has looked at all that is in the book now. */
static void
wait_for_a_look(const char *study)
{
    static const char here[1][65] = {"1.2.7.1.2"};
    int64_t until = clock_mono_ms() + 30000;
    uint32_t expected, missing;
    uint64_t seen;

    OK(mpps_expect(book, study, "step", here, 1, &err));
    for (seen = book_change(book);; seen = book_wait(book, seen, 1000)) {
        OK(mpps_expected(book, study, &expected, &missing, &err));
        if (missing == 0)
            return;
        assert_true(clock_mono_ms() < until);
    }
}

/* The page was told that it failed; to say it again is refused, for nothing is missing. */
static void
what_the_spool_failed_to_mark_is_marked_by_the_next_look(void **state)
{
    int64_t until = clock_mono_ms() + 30000;
    struct arrivals *arrivals;
    struct spool_study study;
    uint64_t id = begin(), seen = 0;

    (void)state;
    arrivals_start(world.spool, book, NULL, NULL, &arrivals);
    wait_for_a_look("1.2.8");
    wait_for_a_look("1.2.9"); /* the one of the start is over */

    OK(say(1, (int64_t)id, true));

    do {
        assert_true(clock_mono_ms() < until);
        seen = spool_wait(world.spool, seen, 1000);
        OK(spool_study(world.spool, STUDY, &study, &err));
    } while (study.gone == 0);
    arrivals_stop(&arrivals);
    assert_study(0, 1, STUDY_HELD, 1);
    end();
}

/* The same number, and others: one came, another was announced; one was found, another lost. */
static void
other_images_than_those_that_were_shown_are_refused(void **state)
{
    uint64_t id = begin();
    struct mpps_study *missing;
    size_t n, released;
    uint64_t *ids;
    int64_t turn;

    (void)state;
    OK(spool_set_found(world.spool, id, &err));
    announce("1.2.7.1.3");
    OK(mpps_missing(book, &missing, &n, &err));
    assert_int_equal(n, 1);
    turn = missing[0].turn;
    free(missing);
    (void)put("1.2.7.1.3");
    announce("1.2.7.1.4");
    OK(arrivals_look(world.spool, book, &err));
    assert_int_equal(say(1, turn, false), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(mpps_missing(book, &missing, &n, &err));
    assert_int_equal(missing[0].missing, 1);
    assert_int_not_equal(missing[0].turn, turn);
    OK(say(1, missing[0].turn, false));
    free(missing);

    spool_list(world.spool, &(struct spool_filter){.sop_instance = "1.2.7.1.2"}, &ids, &n);
    OK(spool_set_lost(world.spool, ids[0], &released, &err));
    free(ids);
    assert_int_equal(say(2, turn + (int64_t)id, false), -1); /* the page saw the other one lost */
    assert_int_equal(err.kind, ERR_CONFLICT);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_lost_for_good_alarms_no_more_and_is_never_safe),
        cmocka_unit_test(a_kill_before_the_spool_knows_is_made_good_by_the_next_start),
        cmocka_unit_test(what_the_spool_failed_to_mark_is_marked_by_the_next_look),
        cmocka_unit_test(other_images_than_those_that_were_shown_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
