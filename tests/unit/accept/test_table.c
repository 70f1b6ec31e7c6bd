/* test_table.c - a mistake typed into devices.conf costs the device of its line, never the door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "proto/base/log.h"
#include "tests/support/door_world.h"

#define REFUSED 0xFFFF
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

static struct door_world w;

static int
begin(void **state)
{
    (void)state;
    door_begin(&w, NULL, "OURS 127.0.0.1 enrolled\nDR1 127.0.0.1 DR\n");
    door_open(&w);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    door_end(&w);
    return 0;
}

static void
assert_trouble(const char *words)
{
    char said[ACCEPT_TROUBLE_BYTES];

    accept_table_trouble(w.door, said);
    assert_string_equal(said, words);
}

static void
after_a_restart_the_lines_without_a_mistake_count(void **state)
{
    (void)state;
    accept_stop(&w.door);
    door_put_file(&w, "devices.conf",
                  "OURS 127.0.0.1 enrolled\nDR1 127.0.0.1 DR modalty=DX\nUS 127.0.0.1\n");
    door_open(&w);

    assert_int_equal(door_store_as(&w, "OURS", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "US", "1.2.2"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "DR1", "1.2.3"), REFUSED);
    assert_trouble("devices.conf: line 2: DR1: unknown setting modalty (a name that holds = stands "
                   "in quotes)");
    door_put_file(&w, "devices.conf", "OURS 127.0.0.1\nDR1 127.0.0.1 DR modality=DX\n");
    assert_trouble("");
    assert_int_equal(door_store_as(&w, "DR1", "1.2.3"), DIMSE_SUCCESS);
}

/* What the line said before holds as long as the gateway runs, and the rest is as it is written. */
static void
while_it_runs_a_mistake_keeps_the_row_before_and_the_others_change(void **state)
{
    struct err err = {0};

    (void)state;
    door_put_file(&w, "devices.conf",
                  "DR1 127.0.0.1 DR modalty=DX\nUS 127.0.0.1\nNEW 127.0.0.1 new modalty=DX\n");

    assert_int_equal(door_store_as(&w, "DR1", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "US", "1.2.2"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "OURS", "1.2.3"), REFUSED);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.4"), REFUSED);
    assert_int_equal(accept_check_devices(w.accept_dir, &err), -1);
    assert_non_null(strstr(err.text, "devices.conf: line 1: DR1: unknown setting modalty"));
    assert_trouble(err.text);
    assert_int_equal(accept_remove_device(w.door, "US", "127.0.0.1", &err), -1);
    assert_non_null(strstr(err.text, "devices.conf has a mistake already"));
}

static void
the_mark_that_an_editor_puts_before_the_first_line_is_no_mistake(void **state)
{
    struct err err = {0};

    (void)state;
    accept_stop(&w.door);
    door_put_file(&w, "devices.conf", BYTE_ORDER_MARK "OURS 127.0.0.1\nDR1 127.0.0.1\n");
    door_open(&w);

    assert_int_equal(door_store_as(&w, "OURS", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(accept_remove_device(w.door, "OURS", "127.0.0.1", &err), 0);
    assert_int_equal(door_store_as(&w, "OURS", "1.2.2"), REFUSED);
    assert_int_equal(door_store_as(&w, "DR1", "1.2.3"), DIMSE_SUCCESS);
}

static void
a_table_that_cannot_be_read_keeps_no_door_shut_and_is_read_once_it_can_be(void **state)
{
    char *path = mem_printf("%s/devices.conf", w.accept_dir);

    (void)state;
    accept_stop(&w.door);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0); /* in place of a file of somebody else's */
    door_open(&w);
    assert_int_equal(door_store_as(&w, "OURS", "1.2.1"), REFUSED);
    assert_trouble("devices.conf: Too many levels of symbolic links");

    assert_int_equal(unlink(path), 0);
    door_put_file(&w, "devices.conf", "OURS 127.0.0.1\n");
    assert_int_equal(door_store_as(&w, "OURS", "1.2.2"), DIMSE_SUCCESS);
    free(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(after_a_restart_the_lines_without_a_mistake_count, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            while_it_runs_a_mistake_keeps_the_row_before_and_the_others_change, begin, end),
        cmocka_unit_test_setup_teardown(
            the_mark_that_an_editor_puts_before_the_first_line_is_no_mistake, begin, end),
        cmocka_unit_test_setup_teardown(
            a_table_that_cannot_be_read_keeps_no_door_shut_and_is_read_once_it_can_be, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
