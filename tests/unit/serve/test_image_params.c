/* test_image_params.c - frame lists, windows, viewports and qualities as clients write them. */
#include "storage/serve/image_params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
frame_lists_stay_within_the_instance(void **state)
{
    static const struct {
        const char *text;
        uint32_t most;
        int wanted;
    } rows[] = {
        {"1", 1, 1},          {"1,2,3", 3, 3},       {"3,1", 3, 2},
        {"4", 3, -1},         {"0", 3, -1},          {"", 3, -1},
        {"1,", 3, -1},        {",1", 3, -1},         {"1;2", 3, -1},
        {"-1", 3, -1},        {"1 ", 3, -1},         {"1", 0, -1},
        {"01", 1, 1},         {"4294967297", 9, -1}, {"99999999999999999999", 9, -1},
        {"1,1,1,1,1", 1, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t list[4];
        int got = frame_list_read(rows[i].text, rows[i].most, list, 4);

        if (got != rows[i].wanted)
            fail_msg("%s of %u: wanted %d, got %d", rows[i].text, rows[i].most, rows[i].wanted,
                     got);
    }
}

static void
windows_and_viewports_are_read_or_refused(void **state)
{
    static const struct {
        const char *window, *viewport, *quality;
        bool is_good;
    } rows[] = {
        {NULL, NULL, NULL, true},
        {"40,80,linear", NULL, NULL, true},
        {"40.5,80", "512,512", "75", true},
        {"-600,1600,LINEAR-EXACT", NULL, NULL, true},
        {"40,80,SIGMOID", NULL, NULL, true},
        {NULL, "100000,100000", NULL, true},
        {"40", NULL, NULL, false},
        {"40,0", NULL, NULL, false},
        {"40,-1,linear", NULL, NULL, false},
        {"nan,80", NULL, NULL, false},
        {"1e999,80", NULL, NULL, false},
        {"40,80,cubic", NULL, NULL, false},
        {"40,80,linear,1", NULL, NULL, false},
        {NULL, "0,0", NULL, false},
        {NULL, "512", NULL, false},
        {NULL, "512,512,0,0,10,10", NULL, false},
        {NULL, NULL, "0", false},
        {NULL, NULL, "101", false},
        {NULL, NULL, "best", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct render_options o;
        struct err err;
        int rc = rendered_options_read(rows[i].window, rows[i].viewport, rows[i].quality, &o, &err);

        if ((rc == 0) != rows[i].is_good)
            fail_msg("row %zu: %d", i, rc);
        if (rc == 0)
            assert_true(o.max_cols <= 16384 && o.max_rows <= 16384);
    }
}

static void
a_window_keeps_its_numbers(void **state)
{
    struct render_options o;
    struct err err;

    (void)state;
    assert_int_equal(rendered_options_read("-600.5,1600,sigmoid", "300,200", "90", &o, &err), 0);
    assert_true(o.has_window && o.window_center == -600.5 && o.window_width == 1600);
    assert_int_equal(o.voi, CODEC_VOI_SIGMOID);
    assert_int_equal(o.max_cols, 300);
    assert_int_equal(o.max_rows, 200);
    assert_int_equal(o.quality, 90);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_lists_stay_within_the_instance),
        cmocka_unit_test(windows_and_viewports_are_read_or_refused),
        cmocka_unit_test(a_window_keeps_its_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
