/* test_spool_list.c - what stands on a study's list and is thrown away, kept aside or coded anew:
 * the next list is closed without it, or with what goes now, over restarts. */
#include "gateway/spool/spool.h"

#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <pthread.h>
#include <cmocka.h>

static struct err err;

#define OK(call)                                                                                   \
    if ((call) < 0)                                                                                \
    fail_msg("%s", err.text)

static struct spool_study
study_of(struct spool_fixture *f, const char *uid)
{
    struct spool_study study = {.total = 0};

    OK(spool_study(f->sp, uid, &study, &err));
    return study;
}

static uint32_t
list_of(struct spool_fixture *f, uint64_t id)
{
    struct spool_entry *e = NULL;
    uint32_t revision;

    OK(spool_look(f->sp, id, &e, &err));
    revision = e->revision;
    spool_entry_free(&e);
    return revision;
}

static uint32_t
close_list(struct spool_fixture *f, bool is_told)
{
    uint32_t revision = 0;

    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    if (is_told)
        OK(spool_manifest_acked(f->sp, "1.9", revision, &err));
    return revision;
}

/* Two images of a study on its first list; the second is kept aside. */
static uint64_t
put_listed(struct spool_fixture *f, bool is_told)
{
    uint64_t first = fixture_put(f, 100, 1, 0), id = fixture_put(f, 200, 2, 0);

    fixture_inspect(f, first, "1.9");
    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, first, "drawn", &err));
    OK(spool_set_uncoded(f->sp, id, "drawn", &err));
    assert_int_equal(close_list(f, is_told), 1);
    OK(spool_set_quarantined(f->sp, id, "refused: drawn", &err));
    return id;
}

static void
a_told_list_waits_for_a_person_and_is_closed_anew_without_what_is_thrown_away(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_listed(f, true);

    assert_int_equal(study_of(f, "1.9").leaving, 0);
    assert_int_equal(study_of(f, "1.9").aside, 1);
    assert_int_equal(close_list(f, true), 1); /* nobody has decided yet */
    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(study_of(f, "1.9").leaving, 1);
        assert_int_equal(study_of(f, "1.9").aside, 0);
        assert_int_equal(list_of(f, id), 1);
        fixture_reopen(f);
    }
    assert_int_equal(close_list(f, false), 2);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(study_of(f, "1.9").revision, 2);
        assert_int_equal(study_of(f, "1.9").leaving, 0);
        assert_int_equal(list_of(f, id), 0);
        assert_int_equal(close_list(f, true), 2);
        fixture_reopen(f);
    }
}

static void
what_is_taken_back_before_the_next_list_stays_on_the_old_one(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_listed(f, true);

    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    OK(spool_release(f->sp, id, &err));
    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "drawn", &err));
    assert_int_equal(study_of(f, "1.9").leaving, 0);
    assert_int_equal(study_of(f, "1.9").unlisted, 0);
    assert_int_equal(close_list(f, true), 1);
}

static void
what_is_taken_back_after_it_is_late(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_listed(f, true);

    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    assert_int_equal(close_list(f, true), 2);
    OK(spool_release(f->sp, id, &err));
    assert_int_equal(close_list(f, true), 2); /* whose it is has to be seen first */
    fixture_reopen(f);
    fixture_inspect(f, id, "1.9");
    assert_int_equal(study_of(f, "1.9").unlisted, 1);
    assert_int_equal(close_list(f, true), 3);
    fixture_reopen(f);
    assert_int_equal(list_of(f, id), 3);
}

/* What was kept aside when its list was told was not told; released, it was on no list for ever. */
static void
a_list_that_is_not_told_yet_is_closed_anew_without_what_is_kept_aside(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_listed(f, false);

    assert_int_equal(study_of(f, "1.9").leaving, 1);
    fixture_reopen(f);
    assert_int_equal(close_list(f, true), 2);
    assert_int_equal(list_of(f, id), 0);
    OK(spool_release(f->sp, id, &err));
    fixture_inspect(f, id, "1.9");
    assert_int_equal(close_list(f, true), 3);
}

/* Released, and aside again before anybody looked into it: it was none of its study's, which was
 * told safe to delete with one image fewer. */
static void
what_goes_aside_again_unseen_still_counts(void **state)
{
    struct spool_fixture *f = *state;

    for (int is_told = 0; is_told < 2; is_told++) {
        uint64_t id = put_listed(f, is_told);

        assert_int_equal(close_list(f, true), is_told ? 1 : 2);
        OK(spool_release(f->sp, id, &err));
        assert_int_equal(study_of(f, "1.9").total, 1);
        OK(spool_set_quarantined(f->sp, id, "damaged: drawn", &err));
        for (int round = 0; round < 2; round++) {
            assert_int_equal(study_of(f, "1.9").total, 2);
            assert_int_equal(study_of(f, "1.9").counts[INSTANCE_QUARANTINED], 1);
            assert_int_equal(study_of(f, "1.9").aside, is_told);
            assert_int_equal(study_of(f, "1.9").unlisted, 0);
            fixture_reopen(f);
        }
        OK(spool_discard(f->sp, id, "other", "li.wei", &err));
        assert_int_equal(study_of(f, "1.9").total, 1);
        assert_int_equal(close_list(f, true), 2);
        spool_fixture_teardown(state);
        assert_int_equal(spool_fixture_setup(state), 0);
        f = *state;
    }
}

static void
a_list_that_names_a_coding_which_is_given_up_is_closed_anew(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 5000, 1, 0);

    fixture_inspect(f, id, "1.9");
    fixture_code(f, id, 3000, 1);
    assert_int_equal(close_list(f, true), 1);
    OK(spool_set_uncoded(f->sp, id, "the coding did not prove itself", &err));
    fixture_reopen(f);
    assert_int_equal(study_of(f, "1.9").unlisted, 1);
    assert_int_equal(close_list(f, true), 2);
    assert_int_equal(close_list(f, true), 2);
    assert_int_equal(list_of(f, id), 2);
}

static void
a_study_of_which_all_is_thrown_away_still_has_a_list_to_tell(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);
    struct spool_study *studies = NULL;
    size_t n = 0;

    fixture_inspect(f, id, "1.9");
    assert_int_equal(close_list(f, true), 1);
    OK(spool_set_quarantined(f->sp, id, "refused: drawn", &err));
    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    fixture_reopen(f);
    spool_studies(f->sp, &studies, &n);
    assert_int_equal(n, 0); /* nobody is shown a study of nothing */
    free(studies);
    for (int round = 0; round < 2; round++) {
        spool_lists(f->sp, &studies, &n);
        assert_int_equal(n, 1);
        assert_string_equal(studies[0].study_uid, "1.9");
        free(studies);
        assert_int_equal(close_list(f, false), 2);
    }
    assert_int_equal(close_list(f, true), 2);
    fixture_reopen(f);
    spool_lists(f->sp, &studies, &n);
    assert_int_equal(n, 0);
    free(studies);
}

struct closer {
    struct spool_fixture *f;
    uint32_t revision;
    int rc;
};

static void *
close_once(void *arg)
{
    struct closer *c = arg;
    struct err why;

    c->rc = spool_manifest_close(c->f->sp, "1.9", &c->revision, &why);
    return NULL;
}

/* A manifest is closed while an arrow of what it drops is on its way, whichever comes first. */
static void
a_list_closed_during_the_way_back_lists_it_once_more(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_listed(f, true);
    struct closer c = {.f = f};
    pthread_t thread;

    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    assert_int_equal(pthread_create(&thread, NULL, close_once, &c), 0);
    OK(spool_release(f->sp, id, &err));
    pthread_join(thread, NULL);
    assert_int_equal(c.rc, 0);
    fixture_inspect(f, id, "1.9");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(study_of(f, "1.9").unlisted, c.revision == 2 ? 1 : 0);
        fixture_reopen(f);
    }
    close_list(f, true);
    assert_true(list_of(f, id) > 0);
}

int
main(void)
{
#define CLAIM(name)                                                                                \
    cmocka_unit_test_setup_teardown(name, spool_fixture_setup, spool_fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(a_told_list_waits_for_a_person_and_is_closed_anew_without_what_is_thrown_away),
        CLAIM(what_is_taken_back_before_the_next_list_stays_on_the_old_one),
        CLAIM(what_is_taken_back_after_it_is_late),
        CLAIM(a_list_that_is_not_told_yet_is_closed_anew_without_what_is_kept_aside),
        CLAIM(what_goes_aside_again_unseen_still_counts),
        CLAIM(a_list_that_names_a_coding_which_is_given_up_is_closed_anew),
        CLAIM(a_study_of_which_all_is_thrown_away_still_has_a_list_to_tell),
        CLAIM(a_list_closed_during_the_way_back_lists_it_once_more),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
