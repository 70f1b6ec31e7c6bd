/* test_carried.c - a gateway that forgot what it told of a study (a new disk, a lost journal, its
 * summary gone after 90 days) lists only what came since: the study's list loses nothing. */
#include "storage/keep/keep.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { IMAGES = 4 };

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};

/* Of one study. */
struct exam {
    char uids[IMAGES][32];
    struct slice s[IMAGES];
};

static void
exam_make(struct exam *e)
{
    for (unsigned i = 0; i < IMAGES; i++) {
        snprintf(e->uids[i], sizeof e->uids[i], "1.2.3.9.%u", i + 1);
        e->s[i] = (struct slice){.study = "1.2.3",
                                 .series = "1.2.3.9",
                                 .instance = e->uids[i],
                                 .number = i + 1,
                                 .noise = i + 1};
    }
}

/* So many are here, and on the gateway's first list, which is packed. */
static void
begin(struct vault *a, struct exam *e, const char *name, size_t images)
{
    exam_make(e);
    vault_open(a, vault_cluster, name);
    for (size_t i = 0; i < images; i++)
        assert_int_equal(vault_put(a, &gate, &e->s[i]), LINK_HELD);
    vault_manifest(a, &gate, 1, e->s, images);
    vault_work(a);
}

/* The list as people read it: these images, so many of them whole. */
static void
assert_list(struct vault *a, const char *const *uids, size_t n, size_t whole)
{
    struct keep_standing standing;
    struct keep_list list;
    size_t is_whole = 0;
    struct err err;

    OK(keep_list_get(a->keep, "clinic-a", "1.2.3", 0, &list, &err));
    assert_int_equal(list.count, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(list.instances[i].sop_instance, uids[i]);
        is_whole += list.instances[i].is_whole;
    }
    assert_int_equal(is_whole, whole);
    keep_list_fini(&list);
    OK(keep_standing_get(a->keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.expected, n);
}

static void
assert_events(struct vault *a, const char *wanted)
{
    static const char *const skipped[] = {"sealed", "study.arrived", NULL};

    vault_assert_events(a, skipped, wanted);
}

static void
a_late_image_of_a_gateway_that_forgot_the_rest_makes_the_list_longer(void **state)
{
    static const char *const all[] = {"1.2.3.9.1", "1.2.3.9.2", "1.2.3.9.3", "1.2.3.9.4"};
    struct exam *e = mem_new(sizeof *e);
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, e, "forgot", 2);
    vault_put(&a, &gate, &e->s[2]);
    OK(vault_tell(&a, &gate, 2, &e->s[2], 1, NULL, 0, &err));
    assert_list(&a, all, 3, 3);

    vault_put(&a, &gate, &e->s[3]); /* what is carried once is carried on */
    OK(vault_tell(&a, &gate, 3, &e->s[3], 1, NULL, 0, &err));
    OK(vault_tell(&a, &gate, 3, &e->s[3], 1, NULL, 0, &err)); /* its answer was lost */

    assert_list(&a, all, 4, 4);
    assert_events(&a, "study.closed{\"revision\":1,\"instances\":2,\"is_late\":false}\n"
                      "study.complete{\"revision\":1,\"instances\":2,\"is_late\":false}\n"
                      "study.closed{\"revision\":2,\"instances\":3,\"is_late\":true}\n"
                      "study.late{\"revision\":2,\"instances\":3,\"is_late\":true}\n"
                      "study.complete{\"revision\":2,\"instances\":3,\"is_late\":true}\n"
                      "study.closed{\"revision\":3,\"instances\":4,\"is_late\":true}\n"
                      "study.late{\"revision\":3,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":3,\"instances\":4,\"is_late\":true}\n");
    assert_int_equal(vault_work(&a), 2); /* packs */
    free(e);
    vault_close(&a);
}

static void
what_is_said_to_have_left_is_on_no_list_any_more(void **state)
{
    static const char *const rest[] = {"1.2.3.9.1", "1.2.3.9.3"};
    struct exam *e = mem_new(sizeof *e);
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, e, "left", 3);

    OK(vault_tell(&a, &gate, 2, &e->s[2], 1, &e->s[1], 1, &err)); /* 1 is forgotten */

    assert_list(&a, rest, 2, 2);
    OK(vault_tell(&a, &gate, 3, NULL, 0, e->s, 3, &err));
    assert_list(&a, NULL, 0, 0);
    free(e);
    vault_close(&a);
}

/* A new disk, and a device that gives a number twice: its second image is put aside and thrown
 * away, which says nothing of the first. */
static void
an_image_that_left_takes_no_other_of_the_same_number_along(void **state)
{
    static const char *const all[] = {"1.2.3.9.1", "1.2.3.9.2"};
    struct exam *e = mem_new(sizeof *e);
    struct slice other;
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, e, "number_twice", 2);
    other = e->s[1];
    other.noise = 77;

    OK(vault_tell(&a, &gate, 2, e->s, 1, &other, 1, &err));

    assert_list(&a, all, 2, 2);
    free(e);
    vault_close(&a);
}

/* Its coding was given up after the list was told, and it was thrown away before the next. */
static void
what_left_takes_along_its_file_that_never_came(void **state)
{
    static const char *const rest[] = {"1.2.3.9.1"};
    struct exam *e = mem_new(sizeof *e);
    struct slice coded;
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, e, "given_up", 1);
    coded = e->s[1];
    coded.noise = 77;
    OK(vault_tell(&a, &gate, 2, &coded, 1, NULL, 0, &err));

    OK(vault_tell(&a, &gate, 3, e->s, 1, &e->s[1], 1, &err));

    assert_list(&a, rest, 1, 1);
    free(e);
    vault_close(&a);
}

static void
a_list_of_an_older_gateway_says_all_there_is(void **state)
{
    static const char *const rest[] = {"1.2.3.9.2"};
    struct exam *e = mem_new(sizeof *e);
    struct vault a;

    (void)state;
    begin(&a, e, "older", 2);

    vault_manifest(&a, &gate, 2, &e->s[1], 1);

    assert_list(&a, rest, 1, 1);
    free(e);
    vault_close(&a);
}

/* The disk died with images on it. What came is packed; nothing is called whole. */
static void
what_was_lost_with_the_disk_stays_missing_and_keeps_nothing_from_being_sealed(void **state)
{
    static const char *const all[] = {"1.2.3.9.1", "1.2.3.9.2", "1.2.3.9.3"};
    struct exam *e = mem_new(sizeof *e);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    exam_make(e);
    vault_open(&a, vault_cluster, "disk_died");
    vault_put(&a, &gate, &e->s[0]);
    vault_manifest(&a, &gate, 1, e->s, 2);
    vault_put(&a, &gate, &e->s[2]);
    OK(vault_tell(&a, &gate, 2, &e->s[2], 1, NULL, 0, &err));

    assert_int_equal(vault_work(&a), 1);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 2);
    assert_list(&a, all, 3, 2);
    assert_events(&a, "study.closed{\"revision\":1,\"instances\":2,\"is_late\":false}\n"
                      "study.closed{\"revision\":2,\"instances\":3,\"is_late\":true}\n"
                      "study.late{\"revision\":2,\"instances\":3,\"is_late\":true}\n");

    vault_put(&a, &gate, &e->s[1]); /* the device sends it again */
    OK(vault_tell(&a, &gate, 3, &e->s[1], 2, NULL, 0, &err));
    assert_list(&a, all, 3, 3);
    free(e);
    vault_close(&a);
}

/* Numbers that were never told are free at the centre, and below its newest. */
static void
a_list_below_the_newest_is_refused_unless_that_names_all_of_it(void **state)
{
    static const char *const all[] = {"1.2.3.9.1", "1.2.3.9.2", "1.2.3.9.3"};
    struct exam *e = mem_new(sizeof *e);
    struct vault a;
    struct err err;

    (void)state;
    exam_make(e);
    vault_open(&a, vault_cluster, "below");
    for (size_t i = 0; i < 3; i++)
        vault_put(&a, &gate, &e->s[i]);
    OK(vault_tell(&a, &gate, 2, e->s, 1, NULL, 0, &err));
    OK(vault_tell(&a, &gate, 3, e->s, 2, NULL, 0, &err));
    OK(vault_tell(&a, &gate, 2, e->s, 1, NULL, 0, &err)); /* begun anew, and sent again */
    OK(vault_tell(&a, &gate, 5, e->s, 1, &e->s[1], 1, &err));

    assert_int_equal(vault_tell(&a, &gate, 1, &e->s[2], 1, NULL, 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(vault_tell(&a, &gate, 3, e->s, 2, NULL, 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    OK(vault_tell(&a, &gate, 6, &e->s[1], 2, NULL, 0, &err));
    assert_list(&a, all, 3, 3);
    free(e);
    vault_close(&a);
}

static void
what_devices_announced_counts_beside_what_is_carried(void **state)
{
    struct exam *e = mem_new(sizeof *e);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, e, "announced", 2);
    OK(vault_tell(&a, &gate, 2, &e->s[2], 1, NULL, 0, &err));

    vault_announce(&a, &gate, 2, 2, &e->s[2], 1); /* this one and another */

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.expected, 3);
    assert_int_equal(standing.announced, 4);
    free(e);
    vault_close(&a);
}

static int
take_count(void *user, const struct keep_row *row)
{
    *(uint64_t *)user = row->study_instances;
    return 0;
}

/* As a query says it. */
static uint64_t
counted(struct vault *a)
{
    struct keep_query query = {.tenant = "clinic-a", .level = KEEP_STUDY};
    uint64_t n = 0;
    struct err err;

    OK(keep_find(a->keep, &query, take_count, &n, &err));
    return n;
}

/* The catalog lost rows of a study that was packed; the comparison has the gateway send the images
 * again. */
static void
images_whose_rows_were_lost_are_packed_together_when_they_came_again(void **state)
{
    static const char *const all[] = {"1.2.3.9.1", "1.2.3.9.2", "1.2.3.9.3"};
    struct exam *e = mem_new(sizeof *e);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, e, "row_lost", 3);
    vault_sql(&a, "DELETE FROM instances WHERE sop_instance IN ('1.2.3.9.1', '1.2.3.9.2')");

    assert_int_equal(vault_put(&a, &gate, &e->s[0]), LINK_HELD);
    assert_int_equal(vault_work(&a), 0); /* the list waits for the other one */
    assert_int_equal(vault_put(&a, &gate, &e->s[1]), LINK_HELD);

    assert_int_equal(vault_work(&a), 1);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 3);
    assert_int_equal(counted(&a), 3);
    assert_list(&a, all, 3, 3);
    free(e);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_whose_rows_were_lost_are_packed_together_when_they_came_again),
        cmocka_unit_test(a_late_image_of_a_gateway_that_forgot_the_rest_makes_the_list_longer),
        cmocka_unit_test(what_is_said_to_have_left_is_on_no_list_any_more),
        cmocka_unit_test(an_image_that_left_takes_no_other_of_the_same_number_along),
        cmocka_unit_test(what_left_takes_along_its_file_that_never_came),
        cmocka_unit_test(a_list_of_an_older_gateway_says_all_there_is),
        cmocka_unit_test(
            what_was_lost_with_the_disk_stays_missing_and_keeps_nothing_from_being_sealed),
        cmocka_unit_test(a_list_below_the_newest_is_refused_unless_that_names_all_of_it),
        cmocka_unit_test(what_devices_announced_counts_beside_what_is_carried),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
