/* test_book_clock.c - who was registered under a clock that is days off stays in the devices'
 * worklists and gets the images when the clock is set right. */
#include "gateway/desk/book_own.h"
#include "gateway/desk/orders.h"
#include "gateway/desk/worklist_query.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const int64_t day_us = INT64_C(86400) * 1000000, now_us = INT64_C(1795305600) * 1000000;
static const int64_t second_us = 1000000;
#define CITIZEN "11010519491231002X"

static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

/* How many a device that names no day is told. */
static size_t
told(void)
{
    struct worklist_query *q = mem_new(sizeof *q);
    struct order *orders = NULL;
    struct order_span span = {.is_open = true, .limit = 100};
    size_t n = 0;

    worklist_window(q, clock_wall_us(), &span.from_us, &span.to_us);
    must(order_list(book, &span, &orders, &n, &err));
    free(orders);
    free(q);
    return n;
}

static int64_t
scheduled(const char *registration)
{
    struct order *o = mem_new(sizeof *o);
    int64_t at_us;

    must(order_find(book, registration, o, &err));
    at_us = o->scheduled_at_us;
    free(o);
    return at_us;
}

/* The machine comes up at this time, or the program alone does. */
static void
start(const char *boot, int64_t wall_us)
{
    reopen();
    text_copy(book->boot, sizeof book->boot, boot);
    clock_fake(wall_us, 1000);
    must(book_clock_look(book, 0, &err));
}

static bool
gets_its_images(const char *registration, const char *study)
{
    struct book_study came = {.arrived_at_us = clock_wall_us()};
    unsigned n = 0;

    text_copy(came.study, sizeof came.study, study);
    text_copy(came.patient_id, sizeof came.patient_id, CITIZEN);
    must(book_study_put(book, &came, &err));
    must(book_match(book, 0, &n, &err));
    return strcmp(found(registration)->study, study) == 0;
}

static void
who_registered_under_a_wrong_clock_is_told_and_matched_when_it_is_right(void **state)
{
    static const int64_t off_days[] = {-3, -1, -9000, 1, 400};
    static const char *const studies[] = {"1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"};
    char number[17];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(off_days); i++) {
        start(studies[i], now_us + off_days[i] * day_us);
        person("王小东", CITIZEN, "DX", number);

        clock_fake(now_us, 2000);
        must(book_clock_look(book, 0, &err));

        if (told() != i + 1 || scheduled(number) != now_us - second_us ||
            found(number)->at_us != now_us - second_us)
            fail_msg("row %zu: told %zu, at %lld", i, told(), (long long)scheduled(number));
        if (!gets_its_images(number, studies[i]))
            fail_msg("row %zu: not matched", i);
    }
}

/* A step back was logged as 18446744072886591616 seconds. */
static void
the_log_says_which_way_the_clock_was_moved(void **state)
{
    char line[512] = "", number[17];
    int ends[2];
    ssize_t n;

    (void)state;
    start("a", now_us + 20 * day_us);
    person("王小东", "", "DX", number);
    assert_int_equal(pipe(ends), 0);
    log_set_fd(ends[1]);
    start("a", now_us);
    log_set_fd(-1);
    close(ends[1]);
    n = read(ends[0], line, sizeof line - 1);
    close(ends[0]);

    assert_true(n > 0);
    if (strstr(line, "1728000") == NULL || strstr(line, "back") == NULL)
        fail_msg("%s", line);
}

static void
it_is_seen_also_by_a_program_that_starts_anew(void **state)
{
    char number[17];

    (void)state;
    start("a", now_us - 20 * day_us);
    person("王小东", "", "DX", number);

    start("a", now_us);

    assert_int_equal(scheduled(number), now_us);
    assert_int_equal(told(), 1);
}

static void
a_machine_that_comes_up_earlier_than_what_waits_here_tells_it_all_the_same(void **state)
{
    char ahead[17], right[17];

    (void)state;
    start("a", now_us + 400 * day_us);
    person("王小东", "", "DX", ahead);
    start("b", now_us);
    assert_int_equal(scheduled(ahead), now_us);
    person("李四", "", "DX", right);

    start("c", now_us - 20 * day_us); /* the battery is empty again */
    assert_int_equal(told(), 2);
    clock_fake(now_us + 3600 * second_us, 2000);
    must(book_clock_look(book, 0, &err));

    assert_int_equal(told(), 2);
    assert_int_equal(scheduled(right), now_us + 3599 * second_us);
}

static void
what_was_registered_before_under_a_right_clock_stays(void **state)
{
    char right[17], wrong[17];

    (void)state;
    start("a", now_us);
    person("王小东", "", "DX", right);
    start("b", now_us + 400 * day_us);
    assert_int_equal(scheduled(right), now_us); /* it may have been switched off so long */
    person("李四", "", "DX", wrong);

    clock_fake(now_us + 3600 * second_us, 2000);
    must(book_clock_look(book, 0, &err));

    assert_int_equal(scheduled(right), now_us);
    assert_int_equal(scheduled(wrong), now_us + 3599 * second_us);
    assert_int_equal(told(), 2);
}

static void
registrations_after_the_jump_bear_the_right_time(void **state)
{
    char before[17], after[17];

    (void)state;
    start("a", now_us + 400 * day_us);
    person("王小东", "", "DX", before);

    clock_fake(now_us, 2000); /* nobody has looked yet */
    person("李四", "", "DX", after);
    must(book_clock_look(book, 0, &err));

    assert_int_equal(scheduled(before), now_us - second_us);
    assert_int_equal(scheduled(after), now_us);
}

static void
times_that_others_gave_and_small_steps_change_nothing(void **state)
{
    struct order *o = mem_new(sizeof *o), *kept = mem_new(sizeof *kept);
    char number[17];

    (void)state;
    start("a", now_us - 3 * day_us);
    text_copy(o->source, sizeof o->source, "hl7");
    text_copy(o->placer, sizeof o->placer, "1");
    text_copy(o->name, sizeof o->name, "王小东");
    o->scheduled_at_us = now_us + day_us;
    must(order_put(book, o, &err));
    clock_fake(now_us, 2000);
    must(book_clock_look(book, 0, &err));
    must(order_find_placer(book, "hl7", "1", kept, &err));
    assert_int_equal(kept->scheduled_at_us, now_us + day_us);
    assert_int_equal(kept->made_at_us, now_us - second_us);

    person("李四", "", "DX", number);
    clock_fake(now_us + 300 * second_us, 3000); /* NTP mends a drift */
    must(book_clock_look(book, 0, &err));

    assert_int_equal(scheduled(number), now_us);
    free(o);
    free(kept);
}

/* ---- and then the machine is switched off and on ---- */

/* As the images of a study came: the book looks at them within a second. */
static void
arrives(const char *study)
{
    struct book_study came = {.arrived_at_us = clock_wall_us()};

    text_copy(came.study, sizeof came.study, study);
    text_copy(came.patient_id, sizeof came.patient_id, CITIZEN);
    must(book_study_put(book, &came, &err));
}

static int64_t
arrived(const char *study)
{
    struct book_study *studies = NULL;
    int64_t at_us = -1;
    size_t n = 0;

    must(book_studies(book, INT64_MIN, &studies, &n, &err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(studies[i].study, study) == 0)
            at_us = studies[i].arrived_at_us;
    free(studies);
    return at_us;
}

/* The line is there, the clock stays wrong; the centre's says what is right. */
static void
hear_centre(void)
{
    must(book_clock_look(book, now_us / 1000 - 1000, &err));
}

static void
what_came_under_a_clock_that_the_centre_knew_to_be_wrong_is_right_after_the_next_start(void **state)
{
    static const int64_t off_days[] = {-3, -300, -9000, 400};
    static const char *const studies[] = {"1.2.1", "1.2.2", "1.2.3", "1.2.4"};
    static const char *const nexts[] = {"n1", "n2", "n3", "n4"};
    char before[17], number[17];
    unsigned n = 0;

    (void)state;
    start("before", now_us);
    person("王小东", "", "DX", before);
    for (size_t i = 0; i < ARRAY_LEN(off_days); i++) {
        start(studies[i], now_us + off_days[i] * day_us);
        hear_centre();
        person("王小东", CITIZEN, "DX", number);
        arrives(studies[i]);
        must(book_clock_look(book, 0, &err)); /* the line is away for a while */

        start(nexts[i], now_us + 3600 * second_us);

        if (scheduled(number) != now_us || arrived(studies[i]) != now_us)
            fail_msg("row %zu: at %lld, came at %lld", i, (long long)scheduled(number),
                     (long long)arrived(studies[i]));
        must(book_match(book, now_us - day_us, &n, &err));
        assert_string_equal(found(number)->study, studies[i]);
        assert_int_equal(scheduled(before), now_us);
    }
}

/* Too early for the centre's certificate: the two never spoke. */
static void
what_came_in_1970_and_nobody_could_date_came_just_now(void **state)
{
    char first[17], second[17];
    unsigned n = 0;

    (void)state;
    start("a", 600 * second_us);
    person("王小东", CITIZEN, "DX", first);
    arrives("1.2.1");
    start("b", 60 * second_us); /* the battery is empty still */
    person("李四", "", "DX", second);
    assert_int_equal(told(), 2);

    start("c", now_us);

    assert_int_equal(told(), 2);
    assert_in_range(scheduled(second), now_us - 3600 * second_us, now_us);
    assert_in_range(arrived("1.2.1"), now_us - 3600 * second_us, now_us);
    must(book_match(book, now_us - day_us, &n, &err));
    assert_string_equal(found(first)->study, "1.2.1");
}

static void
a_clock_that_was_set_before_the_machine_was_switched_off_moves_nothing_twice(void **state)
{
    char number[17];

    (void)state;
    start("a", now_us - 20 * day_us);
    hear_centre();
    person("王小东", "", "DX", number);
    arrives("1.2.1");
    clock_fake(now_us, 2000);
    must(book_clock_look(book, now_us / 1000 - 1000, &err));
    assert_int_equal(scheduled(number), now_us - second_us);
    assert_int_equal(arrived("1.2.1"), now_us - second_us);

    start("b", now_us + 2 * day_us);

    assert_int_equal(scheduled(number), now_us - second_us);
    assert_int_equal(arrived("1.2.1"), now_us - second_us);
}

static void
what_an_older_program_kept_of_the_clock_is_understood(void **state)
{
    char number[17];

    (void)state;
    start("a", now_us - 20 * day_us);
    person("王小东", "", "DX", number);
    arrives("1.2.1");
    must(db_begin(book->db, &err));
    must(db_end(book->db, setting_set(book, "clock", "a 1793577599000 0", &err), &err));
    must(book_clock_look(book, 0, &err));

    clock_fake(now_us, 2000);
    must(book_clock_look(book, 0, &err));

    assert_int_equal(scheduled(number), now_us - second_us);
    assert_int_equal(arrived("1.2.1"), now_us - 20 * day_us); /* it did not say whose it is */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_registered_under_a_wrong_clock_is_told_and_matched_when_it_is_right),
        TEST(the_log_says_which_way_the_clock_was_moved),
        TEST(it_is_seen_also_by_a_program_that_starts_anew),
        TEST(a_machine_that_comes_up_earlier_than_what_waits_here_tells_it_all_the_same),
        TEST(what_was_registered_before_under_a_right_clock_stays),
        TEST(registrations_after_the_jump_bear_the_right_time),
        TEST(times_that_others_gave_and_small_steps_change_nothing),
        TEST(
            what_came_under_a_clock_that_the_centre_knew_to_be_wrong_is_right_after_the_next_start),
        TEST(what_came_in_1970_and_nobody_could_date_came_just_now),
        TEST(a_clock_that_was_set_before_the_machine_was_switched_off_moves_nothing_twice),
        TEST(what_an_older_program_kept_of_the_clock_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
