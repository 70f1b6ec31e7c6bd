/* test_ranges.c - resume arithmetic, against a byte map. */
#include "proto/model/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MAP = 200 };

static void
assert_agrees(const struct ranges *r, const uint8_t *map)
{
    uint64_t total = 0;
    size_t i = 0;

    for (size_t k = 0; k < r->n; k++) {
        assert_true(r->at[k].from < r->at[k].to);
        if (k > 0)
            assert_true(r->at[k - 1].to < r->at[k].from);
        for (; i < r->at[k].from; i++)
            assert_int_equal(map[i], 0);
        for (; i < r->at[k].to; i++)
            assert_int_equal(map[i], 1);
    }
    for (; i < MAP; i++)
        assert_int_equal(map[i], 0);
    for (i = 0; i < MAP; i++)
        total += map[i];
    assert_int_equal(ranges_total(r), total);
}

static void
ranges_agree_with_a_map_of_bytes_after_any_changes(void **state)
{
    struct ranges r = {0};
    uint8_t map[MAP] = {0};
    unsigned seed = 7;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        uint64_t a = (uint64_t)rand_r(&seed) % MAP, b = (uint64_t)rand_r(&seed) % MAP;
        uint64_t from = a < b ? a : b, to = a < b ? b : a;
        bool is_add = rand_r(&seed) % 2 == 0;

        if (rand_r(&seed) % 3 != 0 && to - from > 9)
            to = from + 9;
        if (is_add)
            ranges_add(&r, from, to);
        else
            ranges_remove(&r, from, to);
        memset(map + from, is_add, to - from);
        assert_agrees(&r, map);
        assert_int_equal(ranges_cover(&r, from, to), is_add || from == to);
    }
    ranges_fini(&r);
}

static void
the_first_bytes_are_limited(void **state)
{
    struct ranges r = {0};
    struct range first;

    (void)state;
    assert_false(ranges_first(&r, 10, &first));
    ranges_add(&r, 100, 150);
    ranges_add(&r, 20, 25);
    assert_true(ranges_first(&r, 3, &first));
    assert_int_equal(first.from, 20);
    assert_int_equal(first.to, 23);
    ranges_remove(&r, 20, 25);
    assert_true(ranges_first(&r, 1000, &first));
    assert_int_equal(first.to, 150);
    assert_false(ranges_first(&r, 0, &first));
    assert_true(ranges_first_within(&r, 120, 130, 4, &first));
    assert_int_equal(first.from, 120);
    assert_int_equal(first.to, 124);
    assert_true(ranges_first_within(&r, 0, 130, 1000, &first));
    assert_int_equal(first.from, 100);
    assert_int_equal(first.to, 130);
    assert_false(ranges_first_within(&r, 150, 200, 10, &first));
    assert_false(ranges_first_within(&r, 0, 100, 10, &first));
    ranges_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_agree_with_a_map_of_bytes_after_any_changes),
        cmocka_unit_test(the_first_bytes_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
