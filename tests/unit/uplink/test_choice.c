/* test_choice.c - layers on thin lines, JPEG-LS where the line would wait for the coder. */
#include "gateway/uplink/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define CT 526000
#define DR 15000000
#define MBIT 125000.0

/* long because of its table */
static void
by_line_and_backlog(void **state)
{
    static const struct {
        const char *name;
        double rate; /* of the line, Mbit/s; 0: not known */
        struct choice_case now;
        enum codec_coding wanted;
    } rows[] = {
        {"nothing is known of the line", 0, {CT, 300, 0, 0, 2, 0, false, 2, false}, CODEC_BEST},
        {"300 slices at 4 Mbit/s", 4, {CT, 300, 0, 0, 2, 0, false, 2, false}, CODEC_BEST},
        {"300 slices at 10 Mbit/s", 10, {CT, 300, 0, 0, 2, 0, false, 2, false}, CODEC_BEST},
        {"300 slices at 10 Mbit/s, as far as shown",
         10,
         {CT, 300, 0, 0, 2, 0, true, 2, false},
         CODEC_BEST},
        {"300 slices at 20 Mbit/s", 20, {CT, 300, 0, 0, 2, 0, false, 2, false}, CODEC_BEST},
        {"300 slices at 20 Mbit/s, as far as shown",
         20,
         {CT, 300, 0, 0, 2, 0, true, 2, false},
         CODEC_FAST},
        {"300 slices at 50 Mbit/s", 50, {CT, 300, 0, 0, 2, 0, false, 2, false}, CODEC_FAST},
        {"300 slices at 100 Mbit/s", 100, {CT, 300, 0, 0, 2, 0, false, 2, false}, CODEC_FAST},
        {"300 slices at 100 Mbit/s, sixteen processors",
         100,
         {CT, 300, 0, 0, 16, 0, false, 16, false},
         CODEC_BEST},
        {"300 slices at 1000 Mbit/s, sixteen processors",
         1000,
         {CT, 300, 0, 0, 16, 0, false, 16, false},
         CODEC_FAST},
        {"one slice now and then, whatever the line",
         100,
         {CT, 1, 0, 0, 2, 0, false, 2, false},
         CODEC_BEST},
        {"a chest at 4 Mbit/s", 4, {DR, 1, 0, 0, 2, 0, false, 2, false}, CODEC_BEST},
        {"a chest at 10 Mbit/s", 10, {DR, 1, 0, 0, 8, 0, false, 2, false}, CODEC_BEST},
        {"a chest at 10 Mbit/s, as far as shown",
         10,
         {DR, 1, 0, 0, 8, 0, true, 2, false},
         CODEC_BEST},
        {"a chest at 10 Mbit/s, one processor",
         10,
         {DR, 1, 0, 0, 4, 0, false, 1, false},
         CODEC_FAST},
        {"a chest at 50 Mbit/s", 50, {DR, 1, 0, 0, 2, 0, false, 2, false}, CODEC_FAST},
        {"a chest at 50 Mbit/s behind much else",
         50,
         {DR, 1, 80000000, 0, 2, 0, false, 2, false},
         CODEC_BEST},
        {"the last slices, all others to be proved",
         50,
         {CT, 20, 6000000, 280, 2, 0, false, 2, false},
         CODEC_FAST},
        {"the same at 10 Mbit/s", 10, {CT, 20, 12000000, 280, 2, 0, false, 2, false}, CODEC_BEST},
        {"the first slice of 300 at 100 Mbit/s",
         100,
         {CT, 300, 0, 0, 2, 0, false, 2, true},
         CODEC_BEST},
        {"a chest at 50 Mbit/s, first of its study",
         50,
         {DR, 1, 0, 0, 2, 0, false, 2, true},
         CODEC_FAST},
        {"the last slice with enough queued",
         50,
         {CT, 1, 9000000, 0, 2, 0, false, 2, false},
         CODEC_BEST},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct choice c = {.slowness = 1, .share = 0.25};
        struct choice_case now = rows[i].now;
        enum codec_coding got;

        now.line_rate = rows[i].rate * MBIT;
        got = choice_make(&c, &now);

        if (got != rows[i].wanted)
            fail_msg("%s: %d, wanted %d", rows[i].name, got, rows[i].wanted);
    }
}

/* The first picture alone has layers: the queue behind it stays what it was. */
static void
a_first_slice_takes_no_other_along(void **state)
{
    struct choice_case first = {CT, 300, 0, 0, 4, 100 * MBIT, false, 2, true};
    struct choice_case other = {CT, 299, 0, 0, 4, 100 * MBIT, false, 2, false};
    struct choice c = {.slowness = 1, .share = 0.25};

    (void)state;
    assert_int_equal(choice_make(&c, &other), CODEC_FAST);

    assert_int_equal(choice_make(&c, &first), CODEC_BEST);

    assert_true(c.is_fast);
    assert_int_equal(choice_make(&c, &other), CODEC_FAST);
}

static void
a_slow_machine_leaves_layers_sooner(void **state)
{
    struct choice_case study = {CT, 300, 0, 0, 2, 20 * MBIT, false, 2, false};
    struct choice c = {.share = 0.25};

    (void)state;
    assert_int_equal(choice_make(&c, &study), CODEC_BEST);

    for (int i = 0; i < 50; i++) /* three times as long as it should take */
        choice_note_job(&c, CODEC_LAYERS, i % 2 == 1, CT, 3 * CT / (i % 2 == 1 ? 24e6 : 14e6));
    assert_true(c.slowness > 2.9 && c.slowness < 3.1);
    assert_int_equal(choice_make(&c, &study), CODEC_FAST);

    choice_make(&c,
                &(struct choice_case){CT, 1, 0, 0, 2, 20 * MBIT, false, 2, false}); /* all done */
    for (int i = 0; i < 50; i++) /* the load is gone: seen by the other coding too */
        choice_note_job(&c, CODEC_FAST, i % 2 == 1, CT, CT / (i % 2 == 1 ? 57e6 : 75e6));
    assert_int_equal(choice_make(&c, &study), CODEC_BEST);
}

/* Layers would lose little by now, but half of the study has gone without. */
static void
a_queue_is_not_half_one_half_the_other(void **state)
{
    struct choice_case many = {CT, 300, 0, 0, 4, 50 * MBIT, false, 2, false};
    struct choice_case later = {CT, 100, 12000000, 40, 4, 20 * MBIT, false, 2, false};
    struct choice_case alone = {CT, 1, 0, 0, 4, 50 * MBIT, false, 2, false};
    struct choice c = {.slowness = 2, .share = 0.25}, fresh = c;

    (void)state;
    assert_int_equal(choice_make(&fresh, &later), CODEC_BEST);

    assert_int_equal(choice_make(&c, &many), CODEC_FAST);
    later.line_rate = 45 * MBIT;
    assert_int_equal(choice_make(&fresh, &later), CODEC_BEST);
    assert_int_equal(choice_make(&c, &later), CODEC_FAST);
    assert_int_equal(choice_make(&c, &alone), CODEC_BEST);
    assert_int_equal(choice_make(&c, &later), CODEC_BEST);
}

/* As seen at 50 Mbit/s: the line had enough to do, but the proofs of those in layers came last. */
static void
a_queue_without_looks_stays_so_while_its_proofs_wait(void **state)
{
    struct choice_case last = {CT, 87, 17964498, 211, 8, 5.48e6, false, 2, false};
    struct choice c = {.slowness = 2.58, .share = 0.215, .aside_s = 0.018, .is_fast = true};

    (void)state;
    assert_int_equal(choice_make(&c, &last), CODEC_FAST);
}

/* Eight coders are no eight processors. */
static void
before_the_first_job_processors_are_counted(void **state)
{
    struct choice_case first = {CT, 207, 0, 0, 8, 6.05e6, true, 2, false};
    struct choice c = {0};

    (void)state;
    assert_int_equal(choice_make(&c, &first), CODEC_FAST);
}

static void
what_coding_takes_beside_the_coder_counts(void **state)
{
    struct choice_case study = {CT, 300, 0, 0, 2, 14 * MBIT, false, 2, false};
    struct choice c = {.slowness = 1, .share = 0.25};

    (void)state;
    assert_int_equal(choice_make(&c, &study), CODEC_BEST);

    choice_note_aside(&c, 0.2); /* a disk that is slow to sync */
    assert_int_equal(choice_make(&c, &study), CODEC_FAST);
}

static void
sizes_are_learnt(void **state)
{
    struct choice c = {0};

    (void)state;
    for (int i = 0; i < 60; i++)
        choice_note_size(&c, 1000000, 100000);
    choice_note_size(&c, 0, 5);

    assert_true(c.share > 0.099 && c.share < 0.101);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_line_and_backlog),
        cmocka_unit_test(a_first_slice_takes_no_other_along),
        cmocka_unit_test(a_slow_machine_leaves_layers_sooner),
        cmocka_unit_test(a_queue_is_not_half_one_half_the_other),
        cmocka_unit_test(a_queue_without_looks_stays_so_while_its_proofs_wait),
        cmocka_unit_test(before_the_first_job_processors_are_counted),
        cmocka_unit_test(what_coding_takes_beside_the_coder_counts),
        cmocka_unit_test(sizes_are_learnt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
