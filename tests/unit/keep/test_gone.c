/* test_gone.c - images that a gateway listed and that can never come: a person says so, the study's
 * list goes on without them, and takes them back when they come after all. */
#include "proto/base/clock.h"
#include "storage/keep/keep.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LISTED = 6, CAME = 4 };

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};
static const struct keep_gone two = {2, "gateway disk lost, console emptied", "Li", 0};

struct exam {
    char uids[LISTED][32];
    struct slice s[LISTED];
};

/* Six were listed, four came before the gateway's disk was lost, some time ago. */
static struct exam *
begin(struct vault *a, const char *name)
{
    struct exam *e = mem_new(sizeof *e);

    for (unsigned i = 0; i < LISTED; i++) {
        snprintf(e->uids[i], sizeof e->uids[i], "1.2.3.9.%u", i + 1);
        e->s[i] = (struct slice){.study = "1.2.3",
                                 .series = "1.2.3.9",
                                 .instance = e->uids[i],
                                 .number = i + 1,
                                 .noise = i + 1};
    }
    vault_open(a, vault_cluster, name);
    for (size_t i = 0; i < CAME; i++)
        assert_int_equal(vault_put(a, &gate, &e->s[i]), LINK_HELD);
    vault_manifest(a, &gate, 1, e->s, LISTED);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    return e;
}

static void
end(struct vault *a, struct exam *e)
{
    clock_unfake();
    free(e);
    vault_close(a);
}

static void
assert_list(struct vault *a, uint32_t revision, size_t n)
{
    struct keep_list list;
    struct err err;

    OK(keep_list_get(a->keep, "clinic-a", "1.2.3", revision, &list, &err));
    assert_int_equal(list.count, n);
    keep_list_fini(&list);
}

static void
assert_standing(struct vault *a, uint64_t whole, uint64_t expected, uint64_t gone)
{
    struct keep_standing standing;
    struct err err;

    OK(keep_standing_get(a->keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, whole);
    assert_int_equal(standing.expected, expected);
    assert_int_equal(standing.gone.images, gone);
}

static void
assert_events(struct vault *a, const char *wanted)
{
    static const char *const skipped[] = {"sealed", "study.arrived", "study.late", NULL};

    vault_assert_events(a, skipped, wanted);
}

static void
what_a_person_calls_lost_is_waited_for_no_more_and_says_who_and_why(void **state)
{
    struct keep_standing standing;
    struct vault a;
    struct exam *e = begin(&a, "settled");
    struct err err;

    (void)state;
    assert_int_equal(vault_work(&a), 0); /* packs: the list is waited for */

    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &two, &err));

    assert_standing(&a, 4, 4, 2);
    assert_list(&a, 0, 4);
    assert_list(&a, 1, 6); /* as it stood */
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_string_equal(standing.gone.reason, two.reason);
    assert_string_equal(standing.gone.by, "Li");
    assert_int_equal(standing.gone.at_us, clock_wall_us());
    assert_int_equal(vault_work(&a), 1);
    assert_events(&a, "study.closed{\"revision\":1,\"instances\":6,\"is_late\":false}\n"
                      "study.closed{\"revision\":2,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":2,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":1,\"instances\":4,\"is_late\":false}\n");
    end(&a, e);
}

static void
what_comes_after_all_is_a_late_image_and_packed(void **state)
{
    struct vault a;
    struct exam *e = begin(&a, "after_all");
    struct err err;

    (void)state;
    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &two, &err));
    assert_int_equal(vault_work(&a), 1);

    assert_int_equal(vault_put(&a, &gate, &e->s[5]), LINK_HELD);

    assert_standing(&a, 5, 5, 1);
    assert_list(&a, 0, 5);
    assert_list(&a, 2, 4);
    assert_int_equal(vault_work(&a), 1);
    assert_events(&a, "study.closed{\"revision\":1,\"instances\":6,\"is_late\":false}\n"
                      "study.closed{\"revision\":2,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":2,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":1,\"instances\":4,\"is_late\":false}\n"
                      "study.closed{\"revision\":3,\"instances\":5,\"is_late\":true}\n"
                      "study.complete{\"revision\":3,\"instances\":5,\"is_late\":true}\n");
    end(&a, e);
}

/* One more is listed and on its way while one that was called lost comes. */
static void
a_study_is_not_whole_while_another_image_is_awaited(void **state)
{
    struct vault a;
    struct exam *e = begin(&a, "awaited");
    struct slice more = e->s[0];
    struct slice list[LISTED + 1];
    struct err err;

    (void)state;
    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &two, &err));
    more.instance = "1.2.3.9.77";
    more.noise = 77;
    memcpy(list, e->s, sizeof e->s);
    list[LISTED] = more;
    vault_manifest(&a, &gate, 2, list, LISTED + 1);

    assert_int_equal(vault_put(&a, &gate, &e->s[5]), LINK_HELD);

    assert_standing(&a, 5, 6, 1);
    assert_events(&a, "study.closed{\"revision\":1,\"instances\":6,\"is_late\":false}\n"
                      "study.closed{\"revision\":2,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":2,\"instances\":4,\"is_late\":true}\n"
                      "study.complete{\"revision\":1,\"instances\":4,\"is_late\":false}\n"
                      "study.closed{\"revision\":3,\"instances\":5,\"is_late\":true}\n"
                      "study.closed{\"revision\":4,\"instances\":6,\"is_late\":true}\n");
    end(&a, e);
}

static void
a_number_that_is_not_missing_and_a_study_that_is_coming_are_refused(void **state)
{
    static const struct keep_gone one = {1, "lost", "Li", 0};
    struct vault a;
    struct exam *e = begin(&a, "refused");
    struct err err;

    (void)state;
    assert_int_equal(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(keep_gone_put(a.keep, "clinic-a", "1.2.4", &two, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(keep_gone_put(a.keep, "clinic-b", "1.2.3", &two, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(vault_put(&a, &gate, &e->s[4]), LINK_HELD); /* it is coming just now */
    assert_int_equal(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err));
    assert_int_equal(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err), -1); /* nothing is */
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_standing(&a, 5, 5, 1);
    end(&a, e);
}

/* As a page does: the number that the study's standing names. */
static void
say_what_is_shown(struct vault *a, uint64_t wanted)
{
    struct keep_gone said = {0, "gateway disk lost, console emptied", "Li", 0};
    struct keep_standing standing;
    struct err err;

    OK(keep_standing_get(a->keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.missing, wanted);
    said.images = standing.missing;
    OK(keep_gone_put(a->keep, "clinic-a", "1.2.3", &said, &err));
    OK(keep_standing_get(a->keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.missing, 0);
}

/* Two came after the last list was closed, before the disk was lost: six are whole, of six. */
static void
images_that_no_list_names_do_not_hide_those_that_are_missing(void **state)
{
    struct vault a;
    struct exam *e = begin(&a, "unlisted");
    struct slice more = e->s[0];

    (void)state;
    more.instance = "1.2.3.9.77";
    more.noise = 77;
    assert_int_equal(vault_put(&a, &gate, &more), LINK_HELD);
    more.instance = "1.2.3.9.78";
    more.noise = 78;
    assert_int_equal(vault_put(&a, &gate, &more), LINK_HELD);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    assert_standing(&a, 6, 6, 0);

    say_what_is_shown(&a, 2);

    assert_standing(&a, 6, 4, 2);
    assert_list(&a, 0, 4);
    end(&a, e);
}

/* A listed one is here, and aside: three are whole, of six. */
static void
an_image_that_is_aside_is_not_a_missing_one(void **state)
{
    struct vault a;
    struct exam *e = begin(&a, "aside");

    (void)state;
    vault_sql(&a, "UPDATE instances SET is_quarantined = true WHERE sop_instance = '1.2.3.9.1'");
    assert_standing(&a, 3, 6, 0);

    say_what_is_shown(&a, 2);

    assert_standing(&a, 3, 4, 2);
    end(&a, e);
}

/* Nothing is missing of what nobody listed. */
static void
an_open_list_misses_nothing(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "open_list");
    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));

    assert_int_equal(standing.missing, 0);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_person_calls_lost_is_waited_for_no_more_and_says_who_and_why),
        cmocka_unit_test(what_comes_after_all_is_a_late_image_and_packed),
        cmocka_unit_test(a_study_is_not_whole_while_another_image_is_awaited),
        cmocka_unit_test(a_number_that_is_not_missing_and_a_study_that_is_coming_are_refused),
        cmocka_unit_test(images_that_no_list_names_do_not_hide_those_that_are_missing),
        cmocka_unit_test(an_image_that_is_aside_is_not_a_missing_one),
        cmocka_unit_test(an_open_list_misses_nothing),
    };

    return cmocka_run_group_tests_name("gone", tests, vault_start, vault_stop);
}
