/* test_mpps_settle.c - what comes of what devices announced: in the book, and with a spool. */
#include "gateway/desk/arrivals.h"
#include "gateway/desk/mpps.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OLD = 20100 };

static unsigned asked;
static char one_of_ten[] = "1.2.11.3", one_of_many[] = "1.2.11.77", still_known[] = "1.2.11";

static bool
counts_and_has(void *user, const char *uid)
{
    asked++;
    return user != NULL && strcmp(uid, user) == 0;
}

static void
announce_raw(const char *study, unsigned n)
{
    char(*instances)[65] = mem_new(n * sizeof *instances);
    struct err err;

    for (unsigned i = 0; i < n; i++)
        snprintf(instances[i], sizeof *instances, "%s.%u", study, i);
    assert_int_equal(mpps_expect(book, study, "1.2.8", (const char(*)[65])instances, n, &err), 0);
    free(instances);
}

/* Raw series are announced and never sent: each turn asked for all of them again, and what was
 * older than the newest 20,000 was never settled. */
static void
what_never_comes_is_asked_for_once(void **state)
{
    uint32_t expected, missing;
    unsigned arrived;
    struct err err;

    (void)state;
    announce_raw("1.2.10", OLD);
    announce_raw("1.2.11", 10);
    asked = 0;
    assert_int_equal(mpps_settle(book, counts_and_has, one_of_ten, &arrived, &err), 0);
    assert_int_equal(asked, OLD + 10);
    assert_int_equal(arrived, 1);

    announce_raw("1.2.12", 5);
    asked = 0;
    assert_int_equal(mpps_settle(book, counts_and_has, NULL, &arrived, &err), 0);

    assert_int_equal(asked, 5);
    assert_int_equal(
        mpps_arrived(book, (const char[][65]){"1.2.10.0", "1.2.10.0", "1.9"}, 3, &arrived, &err),
        0);
    assert_int_equal(arrived, 1);
    assert_int_equal(mpps_expected(book, "1.2.10", &expected, &missing, &err), 0);
    assert_int_equal(expected, OLD);
    assert_int_equal(missing, OLD - 1);
}

static void
a_walk_over_all_that_is_missing_ends_and_finds_what_came(void **state)
{
    struct mpps_walk walk = {.is_done = false};
    unsigned arrived, all = 0, batches = 0;
    struct err err;

    (void)state;
    announce_raw("1.2.10", 600);
    announce_raw("1.2.11", 600);
    assert_int_equal(mpps_settle(book, counts_and_has, NULL, &arrived, &err), 0);
    for (asked = 0; !walk.is_done; batches++) {
        assert_int_equal(
            mpps_settle_again(book, &walk, counts_and_has, one_of_many, &arrived, &err), 0);
        all += arrived;
        assert_true(asked <= 256 * (batches + 1));
    }
    assert_int_equal(asked, 1200);
    assert_int_equal(all, 1);
}

/* Forgotten is only what the spool has not known for long; and never of a study it shows. */
static void
what_was_announced_of_a_study_that_is_long_gone_is_forgotten(void **state)
{
    struct mpps_study *list = NULL;
    int64_t now_ms = 5000;
    uint32_t expected, missing;
    struct err err;
    size_t n;

    (void)state;
    announce_raw("1.2.10", 600);
    announce_raw("1.2.11", 3);
    assert_int_equal(mpps_forget(book, counts_and_has, still_known, now_ms, &err), 0);
    now_ms += MPPS_KEEP_MS;
    assert_int_equal(mpps_forget(book, counts_and_has, still_known, now_ms, &err), 0);
    assert_int_equal(mpps_missing(book, &list, &n, &err), 0);
    assert_int_equal(n, 2); /* 90 days are not over */
    free(list);

    for (int i = 0; i < 4; i++)
        assert_int_equal(mpps_forget(book, counts_and_has, still_known, now_ms + 1, &err), 0);

    assert_int_equal(mpps_missing(book, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].study, "1.2.11");
    assert_int_equal(list[0].missing, 3);
    free(list);
    assert_int_equal(mpps_expected(book, "1.2.10", &expected, &missing, &err), 0);
    assert_int_equal(expected, 0);

    announce_raw("1.2.10", 2); /* sent anew: it is missing anew */
    for (int i = 0; i < 2; i++)
        assert_int_equal(mpps_forget(book, counts_and_has, NULL, now_ms + 2, &err), 0);
    assert_int_equal(mpps_expected(book, "1.2.10", &expected, &missing, &err), 0);
    assert_int_equal(missing, 2);
}

/* ---- with a spool ---- */

static void
send_to_spool(struct spool *spool, const char *instance)
{
    struct spool_meta meta = {.sop_class = "1.2.3"};
    struct spool_draft *draft = NULL;
    struct err err;
    uint64_t id;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, instance);
    assert_int_equal(spool_draft_begin(spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, "rubbish", 7, &err), 0);
    assert_int_equal(spool_commit(spool, &draft, &id, &err), 0);
}

static uint64_t
missing_now(const char *study)
{
    uint32_t expected, missing;
    struct err err;

    assert_int_equal(mpps_expected(book, study, &expected, &missing, &err), 0);
    return missing;
}

static void
wait_for_missing(const char *study, uint64_t wanted)
{
    int64_t until = clock_mono_ms() + 30000;
    uint64_t seen = book_change(book);

    while (missing_now(study) != wanted) {
        assert_true(clock_mono_ms() < until);
        seen = book_wait(book, seen, 1000);
    }
}

/* While a desk looks, and while none does. */
static void
what_was_put_aside_and_let_go_on_is_here(void **state)
{
    static const char instances[3][65] = {"1.2.3.1", "1.2.3.2", "1.2.3.3"};
    struct spool_options so = {.keep_sealed_ms = -1};
    char dir[FOLDER_PATH_BYTES + 8];
    struct arrivals *arrivals = NULL;
    struct spool *spool = NULL;
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/spool", book_dir);
    assert_int_equal(spool_open(dir, &so, &spool, &err), 0);
    assert_int_equal(mpps_expect(book, "1.2.9", "1.2.8", instances, 2, &err), 0);
    for (uint64_t id = 1; id <= 3; id++) {
        send_to_spool(spool, instances[id - 1]);
        if (id < 3)
            assert_int_equal(spool_set_quarantined(spool, id, "unreadable", &err), 0);
    }
    assert_int_equal(arrivals_look(spool, book, &err), 0);
    assert_int_equal(missing_now("1.2.9"), 2);

    assert_int_equal(spool_release(spool, 1, &err), 0);
    assert_int_equal(arrivals_look(spool, book, &err), 0);
    assert_int_equal(missing_now("1.2.9"), 1);

    arrivals_start(spool, book, NULL, NULL, &arrivals);
    assert_int_equal(mpps_expect(book, "1.2.9", "1.2.8", &instances[2], 1, &err), 0);
    wait_for_missing("1.2.9", 1); /* it looks: the third was noted */
    assert_int_equal(spool_release(spool, 2, &err), 0);
    wait_for_missing("1.2.9", 0);
    arrivals_stop(&arrivals);
    spool_close(&spool);
}

int
main(void)
{
#define BOOK_TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
    const struct CMUnitTest tests[] = {
        BOOK_TEST(what_never_comes_is_asked_for_once),
        BOOK_TEST(a_walk_over_all_that_is_missing_ends_and_finds_what_came),
        BOOK_TEST(what_was_announced_of_a_study_that_is_long_gone_is_forgotten),
        BOOK_TEST(what_was_put_aside_and_let_go_on_is_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
