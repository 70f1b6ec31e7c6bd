/* test_orders_windows.c - orders as programs on Windows and DOS write them: names of files in
 * capitals, the rule that sqlcmd draws under the names of a table. */
#include "gateway/desk/orders_json.h"
#include "gateway/desk/orders_sources.h"

#include "proto/base/clock.h"
#include "tests/support/book_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct orders_tally tally;

static void
take(const char *text)
{
    struct err err;

    if (orders_take(book, (const uint8_t *)text, strlen(text), "http", &tally, &err) < 0)
        fail_msg("%s", err.text);
}

static bool
is_known(const char *source, const char *placer)
{
    static struct order o;
    struct err err;

    return order_find_placer(book, source, placer, &o, &err) == 0;
}

static void
a_rule_under_the_names_is_no_patient(void **state)
{
    (void)state;
    take("placer\tname\tmodality\r\n------\t----\t--------\r\n9\t横线\tCT\r\n\r\n");
    assert_int_equal(tally.taken, 1);
    assert_int_equal(tally.refused, 0);
    assert_false(is_known("http", "------"));
    assert_true(is_known("http", "9"));
}

static void
what_has_no_letter_and_no_digit_is_nobody(void **state)
{
    static const char *const rows[] = {"{\"placer\":\"----\",\"name\":\"A\"}",
                                       "{\"placer\":\"1\",\"name\":\"---\"}",
                                       "{\"placer\":\"1\",\"name\":\". .\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        take(rows[i]);
        if (tally.taken != 0 || tally.refused != 1)
            fail_msg("%s was taken", rows[i]);
    }
}

/* As a registration at the desk: devices are told / and a blank for them. */
static void
an_order_is_taken_whatever_signs_its_name_holds(void **state)
{
    (void)state;
    take("placer\tname\n7\t李\\四\n8\t张=三\n");
    assert_int_equal(tally.taken, 2);
    assert_true(is_known("http", "7"));
    assert_true(is_known("http", "8"));
}

static void
leave(const char *folder, const char *name, const char *text)
{
    char path[FOLDER_PATH_BYTES + 64];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void
files_in_capitals_are_taken_too(void **state)
{
    char folder[FOLDER_PATH_BYTES + 16], below[FOLDER_PATH_BYTES + 32];
    struct orders_folder *f;
    unsigned taken = 0;
    struct err err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/orders", book_dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(below, sizeof below, "%s/failed", folder);
    assert_int_equal(mkdir(below, 0700), 0);
    f = orders_folder_new(folder);
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    leave(folder, "A.JSON", "{\"placer\":\"5\",\"name\":\"戊\"}");
    leave(folder, "B.Tsv", "placer\tname\n6\t己\n");
    assert_int_equal(orders_from_folder(book, f, &taken, &err), 0);
    clock_fake_advance(ORDERS_STILL_MS);

    assert_int_equal(orders_from_folder(book, f, &taken, &err), 0);
    assert_int_equal(taken, 2);
    assert_true(is_known("folder", "5"));
    assert_true(is_known("folder", "6"));
    orders_folder_free(&f);
    clock_unfake();
}

#define BOOK_TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_rule_under_the_names_is_no_patient),
        BOOK_TEST(what_has_no_letter_and_no_digit_is_nobody),
        BOOK_TEST(an_order_is_taken_whatever_signs_its_name_holds),
        BOOK_TEST(files_in_capitals_are_taken_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
