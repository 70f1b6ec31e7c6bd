/* test_window.c - the installation window: strangers in, aside, and free once enrolled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/door_world.h"

#define REFUSED 0xFFFF

static struct door_world w;

static int
begin(void **state)
{
    (void)state;
    door_begin(&w, NULL, "OURS 127.0.0.1 enrolled\n");
    door_open(&w);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    clock_unfake();
    door_end(&w);
    return 0;
}

static struct accept_window
window(void)
{
    struct accept_window out;

    accept_window_state(w.door, &out);
    return out;
}

static size_t
strangers(struct accept_stranger *out_first)
{
    struct accept_stranger *rows = NULL;
    size_t n;

    accept_list_strangers(w.door, &rows, &n);
    if (n > 0 && out_first)
        *out_first = rows[0];
    free(rows);
    return n;
}

static void
a_stranger_comes_in_only_while_the_window_is_open_and_stays_aside(void **state)
{
    struct accept_stranger first;

    (void)state;
    assert_int_equal(door_store_as(&w, "NEW", "1.2.1"), REFUSED);
    accept_window_open(w.door, 0);
    assert_in_range(window().left_ms, ACCEPT_WINDOW_MS - 60000, ACCEPT_WINDOW_MS);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "OURS", "1.2.2"), DIMSE_SUCCESS);
    accept_window_close(w.door);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.3"), REFUSED);

    assert_int_equal(window().left_ms, 0);
    assert_int_equal(window().instances, 1);
    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 1);
    assert_int_equal(door_count(&w, INSTANCE_RECEIVED), 1);
    assert_int_equal(strangers(&first), 1);
    assert_string_equal(first.calling, "NEW");
    assert_string_equal(first.called, "RADPOST");
    assert_string_equal(first.address, "127.0.0.1");
    assert_string_equal(first.certificate_sha256, "");
    assert_int_equal(first.instances, 1);
    assert_true(first.bytes > 100);
}

static void
the_window_closes_by_itself_after_its_time(void **state)
{
    (void)state;
    clock_fake(1800000000000000, 1000);
    accept_window_open(w.door, 60000);
    assert_int_equal(window().left_ms, 60000);
    clock_fake_advance(60001);
    assert_int_equal(window().left_ms, 0);
    accept_window_open(w.door, INT64_MAX / 2);
    assert_int_equal(window().left_ms, 24 * 3600 * 1000);
}

static void
enrolling_frees_what_the_device_sent_and_nothing_of_another(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct accept_stranger left;
    struct err err = {0};

    (void)state;
    accept_window_open(w.door, 0);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "OTHER", "1.2.2"), DIMSE_SUCCESS);
    assert_int_equal(door_connect(&w, "NEW", "RADPOST", NULL, &assoc, &err), 0);
    assert_int_equal(door_store(assoc, "1.2.3"), DIMSE_SUCCESS);
    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 3);

    door_enrol(&w, "NEW", "127.0.0.1");

    assert_int_equal(door_count(&w, INSTANCE_RECEIVED), 2);
    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 1);
    assert_int_equal(door_store(assoc, "1.2.4"), DIMSE_SUCCESS); /* open while it was enrolled */
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(door_count(&w, INSTANCE_RECEIVED), 3);
    assert_int_equal(strangers(&left), 1);
    assert_string_equal(left.calling, "OTHER");
    assert_int_equal(left.instances, 1);
}

static void
what_came_by_another_called_title_waits_until_that_title_is_enrolled(void **state)
{
    struct accept_device d = {.ae = "NEW", .address = "*", .name = "new"};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    accept_window_open(w.door, 0);
    assert_int_equal(door_connect(&w, "NEW", "OLDPACS", NULL, &assoc, &err), 0);
    assert_int_equal(door_store(assoc, "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    door_enrol(&w, "NEW", "*");
    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 1);

    memcpy(d.called, "OLDPACS", sizeof "OLDPACS");
    assert_int_equal(accept_put_device(w.door, &d, &err), 0);

    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 0);
    assert_int_equal(strangers(NULL), 0);
    assert_int_equal(door_connect(&w, "NEW", "RADPOST", NULL, &assoc, &err), -1);
}

static void
quarantine_outlives_a_restart_and_a_line_by_hand_ends_it(void **state)
{
    struct accept_stranger first;

    (void)state;
    accept_window_open(w.door, 0);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.1"), DIMSE_SUCCESS);
    door_restart(&w);
    assert_int_equal(window().left_ms, 0);
    assert_int_equal(window().instances, 1);
    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 1);
    assert_int_equal(strangers(&first), 1);
    assert_int_equal(first.instances, 1);

    accept_stop(&w.door);
    door_put_file(&w, "devices.conf", "OURS 127.0.0.1\nNEW * by hand\n");
    door_open(&w);

    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 0);
    assert_int_equal(door_count(&w, INSTANCE_RECEIVED), 1);
}

static void
past_the_quota_strangers_are_told_so_and_ours_are_not(void **state)
{
    struct accept_unsent *unsent = NULL;
    uint64_t more;
    size_t n;

    (void)state;
    accept_stop(&w.door);
    w.options.window_quota_bytes = 600u * 1024; /* two: each counts as 256 KiB at least */
    door_open(&w);
    accept_window_open(w.door, 0);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.2"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.3"), DIMSE_OUT_OF_RESOURCES);
    assert_int_equal(door_store_as(&w, "OURS", "1.2.4"), DIMSE_SUCCESS);

    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 2);
    accept_list_unsent(w.door, &unsent, &n, &more);
    assert_int_equal(n, 1);
    assert_string_equal(unsent[0].sop_instance, "1.2.3");
    assert_int_equal(unsent[0].status, DIMSE_OUT_OF_RESOURCES);
    free(unsent);
    door_restart(&w);
    accept_window_open(w.door, 0);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.3"), DIMSE_OUT_OF_RESOURCES);
    door_enrol(&w, "NEW", "*"); /* gives the room back */
    assert_int_equal(door_store_as(&w, "ANOTHER", "1.2.5"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.3"), DIMSE_SUCCESS);
    accept_list_unsent(w.door, &unsent, &n, &more);
    assert_int_equal(n, 0);
    free(unsent);
}

static void
a_stranger_whose_images_wait_is_not_forgotten(void **state)
{
    struct err err = {0};

    (void)state;
    accept_window_open(w.door, 0);
    assert_int_equal(door_store_as(&w, "NEW", "1.2.1"), DIMSE_SUCCESS);

    /* its row is what tells its images from those of a device that is enrolled by this title later
     */
    assert_int_equal(accept_forget_refused(w.door, "NEW", "127.0.0.1", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    assert_int_equal(strangers(NULL), 1);
    assert_int_equal(door_count(&w, INSTANCE_QUARANTINED), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_stranger_comes_in_only_while_the_window_is_open_and_stays_aside, begin, end),
        cmocka_unit_test_setup_teardown(the_window_closes_by_itself_after_its_time, begin, end),
        cmocka_unit_test_setup_teardown(enrolling_frees_what_the_device_sent_and_nothing_of_another,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            what_came_by_another_called_title_waits_until_that_title_is_enrolled, begin, end),
        cmocka_unit_test_setup_teardown(quarantine_outlives_a_restart_and_a_line_by_hand_ends_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(past_the_quota_strangers_are_told_so_and_ours_are_not,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_stranger_whose_images_wait_is_not_forgotten, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
