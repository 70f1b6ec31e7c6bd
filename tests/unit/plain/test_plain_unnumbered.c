/* test_plain_unnumbered.c - what stands under a made number goes to a DICOM target under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/plain.h"
#include "proto/codec/codec.h"
#include "tests/support/plain_peer.h"
#include "tests/support/plain_world.h"

static int
setup(void **state)
{
    (void)plain_world_setup(state);
    plain_world_aim(*state, "instead-of-centre=yes");
    return 0;
}

/* The peer finds by what the data sets say: letters, none, and what can be used. */
static void
it_is_sent_once_and_found_by_the_number_it_is_asked_for_by(void **state)
{
    static const struct serve_image images[] = {
        {.study = "1.2.abc", .series = "US 1", .sop_instance = "1.2.9.7", .number = 7},
        {.study = "", .series = "1.2.3.4", .sop_instance = "1.2.9.8", .number = 8},
    };
    struct plain_world *x = *state;

    for (size_t i = 0; i < ARRAY_LEN(images); i++)
        serve_world_put(&x->w, &images[i]);
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 4);

    assert_int_equal(plain_world_number(x, "refused"), 0);
    gate_lock(&plain_peer.gate);
    assert_int_equal(plain_peer.stores, 4);
    assert_int_equal(plain_peer.repeats, 0);
    gate_unlock(&plain_peer.gate);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_sent_once_and_found_by_the_number_it_is_asked_for_by,
                                        setup, plain_world_teardown),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, plain_world_begin, plain_world_end);
}
