/* test_unsent.c - "send these again": what was refused stays on the list until it arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/accept/seen.h"
#include "gateway/accept/unsent.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/door_world.h"

static struct door_world w;

static int
begin(void **state)
{
    (void)state;
    door_begin(&w, NULL,
               "OURS 127.0.0.1 all\n"
               "MR * only MR classes=1.2.840.10008.5.1.4.1.1.4\n"
               "VIEWER * no images may=query\n");
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

static size_t
on_the_list(struct accept_unsent *out_first)
{
    struct accept_unsent *rows = NULL;
    uint64_t more;
    size_t n;

    accept_list_unsent(w.door, &rows, &n, &more);
    if (n > 0 && out_first)
        *out_first = rows[0];
    free(rows);
    return n;
}

static void
what_a_device_may_not_send_is_answered_0124_and_listed(void **state)
{
    struct accept_unsent first;
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(door_store_as(&w, "VIEWER", "1.2.1"), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(door_connect(&w, "MR", "RADPOST", NULL, &assoc, &err), 0);
    assert_int_equal(door_store(assoc, "1.2.2"), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(door_store(assoc, "1.2.2"), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(dimse_release(&assoc, &err), 0);

    assert_int_equal(on_the_list(&first), 2);
    assert_string_equal(first.ae, "VIEWER");
    assert_string_equal(first.address, "127.0.0.1");
    assert_string_equal(first.sop_class, DCM_UID_CT_IMAGE);
    assert_string_equal(first.sop_instance, "1.2.1");
    assert_int_equal(first.status, 0x0124);
    assert_string_equal(first.why, "this device may not send this class");
    assert_int_equal(door_count(&w, INSTANCE_RECEIVED), 0);
}

static void
the_list_outlives_a_restart_and_ends_when_the_instance_arrives(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(door_store_as(&w, "MR", "1.2.1"), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(door_store_as(&w, "MR", "1.2.2"), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(door_store_as(&w, "MR", ""), DIMSE_NOT_AUTHORIZED);
    door_restart(&w);
    assert_int_equal(on_the_list(NULL), 3);

    assert_int_equal(door_store_as(&w, "OURS", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(on_the_list(NULL), 2); /* the one without a name is another's */
    assert_int_equal(accept_forget_unsent(w.door, "MR", "1.2.2", &err), 0);
    assert_int_equal(accept_forget_unsent(w.door, "MR", "1.2.2", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(accept_forget_unsent(w.door, "MR", "", &err), 0);
    door_restart(&w);

    assert_int_equal(on_the_list(NULL), 0);
}

static void
torn_and_foreign_lines_are_left_out_and_the_rest_goes_on(void **state)
{
    struct accept_unsent first;

    (void)state;
    accept_stop(&w.door);
    door_put_file(&w, UNSENT_FILE,
                  "+\t5\t6\t2\t42752\tCT\t10.0.0.1\t1.2\t1.2.3\tno room\n"
                  "?\n"
                  "+\t5\t6\t2\t99999\tCT\t10.0.0.1\t1.2\t1.2.4\tno room\n"
                  "-\t\t1.2.9\n"
                  "+\t7\t8\t1\t42752\tCT\t10.0.0.1\t1.2\t1.2.5");
    door_open(&w);

    assert_int_equal(on_the_list(&first), 1);
    assert_string_equal(first.sop_instance, "1.2.3");
    assert_int_equal(first.status, DIMSE_OUT_OF_RESOURCES);
    assert_int_equal(first.count, 2);
}

/* What cannot be written is told, kept in memory, and written when that works again. */
static void
a_list_that_cannot_be_written_goes_on_in_memory(void **state)
{
    char dir[FOLDER_PATH_BYTES], *tmp, *log_file;
    struct accept_unsent row = {.ae = "CT", .sop_instance = "1.2.3", .why = "two\nlines"};
    struct accept_unsent *rows = NULL;
    struct unsent *list = NULL;
    struct err err = {0};
    uint64_t more;
    size_t n, bad;

    (void)state;
    folder_make("unsent", dir);
    tmp = mem_printf("%s/tmp", dir);
    log_file = mem_printf("%s/%s", dir, UNSENT_FILE);
    assert_int_equal(unsent_open(dir, &list, &bad, &err), 0); /* no tmp folder to write in */
    assert_int_equal(unsent_add(list, &row, &err), -1);
    unsent_copy(list, &rows, &n, &more);
    assert_int_equal(n, 1);
    free(rows);
    assert_int_not_equal(access(log_file, F_OK), 0);
    assert_int_equal(mkdir(tmp, 0700), 0);
    memcpy(row.sop_instance, "1.2.4", 6);
    assert_int_equal(unsent_add(list, &row, &err), 0);
    unsent_close(&list);

    assert_int_equal(unsent_open(dir, &list, &bad, &err), 0);
    assert_int_equal(bad, 0);
    unsent_copy(list, &rows, &n, &more);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].why, "two lines");
    free(rows);
    unsent_close(&list);
    free(log_file);
    free(tmp);
    folder_remove(dir);
}

static void
the_list_is_bounded_and_says_how_many_are_missing(void **state)
{
    char dir[FOLDER_PATH_BYTES], *tmp;
    struct accept_unsent row = {.ae = "CT"}, *rows = NULL;
    struct unsent *list = NULL;
    struct err err = {0};
    struct buf text;
    uint64_t more;
    size_t n, bad;

    (void)state;
    folder_make("unsent", dir);
    tmp = mem_printf("%s/tmp", dir);
    assert_int_equal(mkdir(tmp, 0700), 0);
    buf_init(&text, 2u << 20);
    for (int i = 0; i < UNSENT_MAX; i++)
        buf_add_printf(&text, "+\t5\t6\t1\t42752\tCT\t10.0.0.1\t1.2\t1.2.%d\tno room\n", i);
    assert_int_equal(durable_put_file(dir, UNSENT_FILE, text.bytes, text.n, &err), 0);
    assert_int_equal(unsent_open(dir, &list, &bad, &err), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(row.sop_instance, sizeof row.sop_instance, "1.3.%d", i);
        assert_int_equal(unsent_add(list, &row, &err), 0);
    }
    unsent_close(&list);

    assert_int_equal(unsent_open(dir, &list, &bad, &err), 0);
    unsent_copy(list, &rows, &n, &more);
    assert_int_equal(n, UNSENT_MAX);
    assert_string_equal(rows[0].sop_instance, "1.2.3");
    assert_string_equal(rows[n - 1].sop_instance, "1.3.2");
    assert_int_equal(more, 3);
    free(rows);
    unsent_close(&list);
    buf_fini(&text);
    free(tmp);
    folder_remove(dir);
}

static void
what_devices_did_last_is_known_after_a_restart(void **state)
{
    struct accept_device d;

    (void)state;
    assert_int_equal(door_store_as(&w, "OURS", "1.2.1"), DIMSE_SUCCESS);
    door_restart(&w);

    assert_true(accept_find_device(w.door, "OURS", NULL, &d));
    assert_int_equal(d.stored, 1);
    assert_true(d.last_store_us > 0);
    assert_true(d.last_seen_us > 0);
    assert_string_equal(d.last_address, "127.0.0.1");
    assert_false(accept_find_device(w.door, "OURS", "10.0.0.1", &d));
}

static void
foreign_lines_of_what_was_seen_are_left_out(void **state)
{
    struct accept_device d;

    (void)state;
    accept_stop(&w.door);
    door_put_file(&w, SEEN_FILE,
                  "NOBODY\t*\t1\t2\t3\t10.0.0.1\t\n"
                  "MR\t*\tx\t2\t3\t10.0.0.1\t\n"
                  "VIEWER\t*\t7\t8\t9\t10.0.0.9\tab\n"
                  "OURS\t127.0.0.1\t1");
    door_open(&w);

    assert_true(accept_find_device(w.door, "VIEWER", NULL, &d));
    assert_int_equal(d.last_seen_us, 7);
    assert_int_equal(d.stored, 9);
    assert_string_equal(d.last_address, "10.0.0.9");
    assert_true(accept_find_device(w.door, "MR", NULL, &d));
    assert_int_equal(d.last_seen_us, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_device_may_not_send_is_answered_0124_and_listed,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            the_list_outlives_a_restart_and_ends_when_the_instance_arrives, begin, end),
        cmocka_unit_test_setup_teardown(torn_and_foreign_lines_are_left_out_and_the_rest_goes_on,
                                        begin, end),
        cmocka_unit_test(a_list_that_cannot_be_written_goes_on_in_memory),
        cmocka_unit_test(the_list_is_bounded_and_says_how_many_are_missing),
        cmocka_unit_test_setup_teardown(what_devices_did_last_is_known_after_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(foreign_lines_of_what_was_seen_are_left_out, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
