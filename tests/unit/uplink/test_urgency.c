/* test_urgency.c - who may say what of a study's urgency, and that it lasts. */
#include "gateway/uplink/urgency.h"

#include "gateway/uplink/parts.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct err err;

static struct uplink_urgent
word_of(const char *study, enum uplink_urgency urgency, enum uplink_by by)
{
    struct uplink_urgent said = {.urgency = urgency, .by = by, .at_us = 17, .who = "李技师"};

    snprintf(said.study, sizeof said.study, "%s", study);
    snprintf(said.reason, sizeof said.reason, "疑主动脉夹层");
    return said;
}

static int
say(struct urgency *u, struct uplink_urgent said)
{
    struct urgency next;

    err_clear(&err);
    if (urgency_with(u, &said, &next, &err) < 0)
        return -1;
    urgency_fini(u);
    *u = next;
    return 0;
}

static void
a_reader_raises_and_only_the_clinic_lowers(void **state)
{
    struct urgency u = {.n = 0};

    (void)state;
    assert_int_equal(say(&u, word_of("1.2", UPLINK_URGENT, UPLINK_BY_READER)), 0);
    assert_int_equal(say(&u, word_of("1.2", UPLINK_STAT, UPLINK_BY_READER)), 0);
    assert_int_equal(say(&u, word_of("1.2", UPLINK_URGENT, UPLINK_BY_READER)), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(urgency_find(&u, "1.2")->urgency, UPLINK_STAT);
    assert_int_equal(say(&u, word_of("1.2", UPLINK_ROUTINE, UPLINK_BY_CLINIC)), 0);
    assert_int_equal(urgency_find(&u, "1.2")->urgency, UPLINK_ROUTINE);
    assert_int_equal(u.n, 1);
    assert_null(urgency_find(&u, "1.3"));
    urgency_fini(&u);
}

static void
a_word_needs_a_reason_a_name_and_a_study(void **state)
{
    struct uplink_urgent said = word_of("1.2", UPLINK_STAT, UPLINK_BY_CLINIC);
    struct urgency u = {.n = 0};

    (void)state;
    said.reason[0] = '\0';
    assert_int_equal(say(&u, said), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    said = word_of("1.2", UPLINK_STAT, UPLINK_BY_CLINIC);
    snprintf(said.who, sizeof said.who, " \t\n");
    assert_int_equal(say(&u, said), -1);
    assert_int_equal(say(&u, word_of("", UPLINK_STAT, UPLINK_BY_CLINIC)), -1);
    assert_int_equal(say(&u, word_of("../x", UPLINK_STAT, UPLINK_BY_CLINIC)), -1);
    assert_int_equal(u.n, 0);
}

static void
too_many_words_cost_the_oldest_routine_one(void **state)
{
    struct urgency u = {.n = 0};
    char study[24];

    (void)state;
    for (int i = 0; i < URGENCY_ROWS; i++) {
        snprintf(study, sizeof study, "1.2.%d", i);
        assert_int_equal(
            say(&u, word_of(study, i == 5 ? UPLINK_ROUTINE : UPLINK_STAT, UPLINK_BY_CLINIC)), 0);
    }
    assert_int_equal(say(&u, word_of("1.3", UPLINK_STAT, UPLINK_BY_CLINIC)), 0);
    assert_int_equal(say(&u, word_of("1.4", UPLINK_STAT, UPLINK_BY_CLINIC)), 0);

    assert_int_equal(u.n, URGENCY_ROWS);
    assert_null(urgency_find(&u, "1.2.5"));
    assert_null(urgency_find(&u, "1.2.0"));
    assert_non_null(urgency_find(&u, "1.2.1"));
    assert_non_null(urgency_find(&u, "1.3"));
    urgency_fini(&u);
}

static void
what_was_said_is_there_after_a_restart(void **state)
{
    struct uplink_urgent said = word_of("1.2.3", UPLINK_STAT, UPLINK_BY_READER);
    char folder[FOLDER_PATH_BYTES];
    struct urgency u = {.n = 0}, again = {.n = 0};
    bool was_corrupt = true;

    (void)state;
    folder_make("urgency", folder);
    assert_int_equal(urgency_load(folder, &u, &was_corrupt, &err), 0);
    assert_false(was_corrupt);
    assert_int_equal(u.n, 0);
    snprintf(said.reason, sizeof said.reason, "two\nlines\tand a tab");
    assert_int_equal(say(&u, said), 0);
    assert_int_equal(say(&u, word_of("1.2.4", UPLINK_URGENT, UPLINK_BY_CLINIC)), 0);
    assert_int_equal(urgency_save(folder, &u, &err), 0);
    assert_int_equal(urgency_load(folder, &again, &was_corrupt, &err), 0);

    assert_false(was_corrupt);
    assert_int_equal(again.n, 2);
    assert_int_equal(urgency_find(&again, "1.2.3")->urgency, UPLINK_STAT);
    assert_int_equal(urgency_find(&again, "1.2.3")->by, UPLINK_BY_READER);
    assert_int_equal(urgency_find(&again, "1.2.3")->at_us, 17);
    assert_string_equal(urgency_find(&again, "1.2.3")->who, "李技师");
    assert_string_equal(urgency_find(&again, "1.2.3")->reason, "two lines and a tab");
    urgency_fini(&u);
    urgency_fini(&again);
    folder_remove(folder);
}

static void
every_flipped_bit_is_noticed_and_the_file_kept_aside(void **state)
{
    char folder[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 32];
    struct urgency u = {.n = 0}, read;
    struct buf text;
    bool was_corrupt = false;
    FILE *f;

    (void)state;
    folder_make("urgency", folder);
    assert_int_equal(say(&u, word_of("1.2.3", UPLINK_STAT, UPLINK_BY_CLINIC)), 0);
    buf_init(&text, 4096);
    urgency_write(&u, &text);
    for (size_t i = 0; i < text.n * 8; i++) {
        text.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(urgency_read(text.bytes, text.n, &read, &err), -1);
        text.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < text.n; n++)
        assert_int_equal(urgency_read(text.bytes, n, &read, &err), -1);
    assert_int_equal(urgency_read(text.bytes, text.n, &read, &err), 0);
    urgency_fini(&read);

    snprintf(path, sizeof path, "%s/urgency", folder);
    f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(text.bytes, 1, text.n - 1, f);
    fclose(f);
    assert_int_equal(urgency_load(folder, &read, &was_corrupt, &err), 0);
    assert_true(was_corrupt);
    assert_int_equal(read.n, 0);
    snprintf(path, sizeof path, "%s/corrupt/urgency", folder);
    assert_int_equal(access(path, F_OK), 0);

    snprintf(path, sizeof path, "%s/urgency", folder);
    f = fopen(path, "wb");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(urgency_load(folder, &read, &was_corrupt, &err), 0);
    assert_true(was_corrupt);
    snprintf(path, sizeof path, "%s/corrupt/urgency.1", folder);
    assert_int_equal(access(path, F_OK), 0);
    buf_fini(&text);
    urgency_fini(&u);
    folder_remove(folder);
}

/* Neither read nor moved: it is not taken for an empty one, over which the next word would be
 * written. */
static void
what_can_neither_be_read_nor_moved_stays(void **state)
{
    char folder[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 32];
    struct urgency read;
    bool was_corrupt;
    FILE *f;

    (void)state;
    folder_make("urgency", folder);
    snprintf(path, sizeof path, "%s/corrupt", folder);
    f = fopen(path, "wb"); /* where the folder would have to be */
    assert_non_null(f);
    fclose(f);
    snprintf(path, sizeof path, "%s/urgency", folder);
    f = fopen(path, "wb");
    assert_non_null(f);
    fputs("rotten", f);
    fclose(f);

    assert_int_equal(urgency_load(folder, &read, &was_corrupt, &err), -1);
    assert_int_equal(access(path, F_OK), 0);
    folder_remove(folder);
}

/* A machine without a battery begins days behind; once the line was there and the clock right, the
 * emergency was three days old and its images waited behind everything else. */
static void
an_emergency_overtakes_for_a_day_whatever_the_clock_does(void **state)
{
    static const int64_t day_us = INT64_C(86400) * 1000000, now_us = INT64_C(1795305600) * 1000000;
    static const int64_t off_days[] = {-3, -8000, 400};
    char dir[FOLDER_PATH_BYTES];

    (void)state;
    log_set_fd(-1);
    for (size_t i = 0; i < ARRAY_LEN(off_days); i++) {
        struct uplink up = {.plan = plan_new(0)}, later = {.plan = plan_new(0)};

        folder_make("urgency", dir);
        up.dir = later.dir = dir;
        gate_init(&up.gate);
        gate_init(&later.gate);
        clock_fake(now_us + off_days[i] * day_us, 1000);
        order_begin(&up);
        assert_false(order_is_on(&up));
        assert_int_equal(uplink_set_urgency(&up, "1.2", UPLINK_STAT, "出血", "李", &err), 0);
        order_begin(&later); /* the program starts anew under that clock */

        clock_fake(now_us, 2000);

        if (!order_is_on(&up) || !order_is_on(&later))
            fail_msg("row %zu: not obeyed", i);
        clock_fake(now_us + day_us, 1000 + day_us / 1000);
        assert_false(order_is_on(&up));
        assert_false(order_is_on(&later));
        clock_unfake();
        urgency_fini(&up.urgency);
        urgency_fini(&later.urgency);
        plan_free(&up.plan);
        plan_free(&later.plan);
        gate_fini(&up.gate);
        gate_fini(&later.gate);
        folder_remove(dir);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emergency_overtakes_for_a_day_whatever_the_clock_does),
        cmocka_unit_test(a_reader_raises_and_only_the_clinic_lowers),
        cmocka_unit_test(a_word_needs_a_reason_a_name_and_a_study),
        cmocka_unit_test(too_many_words_cost_the_oldest_routine_one),
        cmocka_unit_test(what_was_said_is_there_after_a_restart),
        cmocka_unit_test(every_flipped_bit_is_noticed_and_the_file_kept_aside),
        cmocka_unit_test(what_can_neither_be_read_nor_moved_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
