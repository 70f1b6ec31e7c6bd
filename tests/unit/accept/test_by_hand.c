/* test_by_hand.c - devices.conf while the door is open: a line that was added by hand works at the
 * device's next attempt, with all that it says. */
#include "gateway/accept/accept.h"

#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "tests/support/raw_peer.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void
write_devices(const struct spool_fixture *f, const char *text)
{
    struct err err = {0};

    assert_int_equal(durable_put_file(f->dir, "devices.conf", text, strlen(text), &err), 0);
}

/* What the door says to the device OURS. */
static struct raw_answer
call(const struct accept *door)
{
    static const struct raw_context context = {1, DCM_UID_VERIFICATION, DCM_UID_IMPLICIT_LE, NULL};
    const struct raw_associate rq = {"RADPOST", "OURS", &context, 1};
    int fd = raw_dial(accept_port(door));
    struct raw_answer answer;

    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    answer = raw_receive_answer(fd);
    close(fd);
    return answer;
}

static void
a_line_works_at_the_next_attempt_with_its_pdu(void **state)
{
    struct spool_fixture *f = *state;
    struct accept_options options = {.dir = f->dir, .address = "127.0.0.1", .max_associations = 4};
    struct accept *door = NULL;
    struct err err = {0};

    write_devices(f, "OTHER 127.0.0.1 another\n");
    assert_int_equal(accept_open(&options, f->sp, &door, &err), 0);
    assert_int_equal(accept_listen(door, &err), 0);
    assert_int_equal(call(door).type, PDU_ASSOCIATE_RJ);
    write_devices(f, "OTHER 127.0.0.1 another\nOURS 127.0.0.1 ours pdu=16KiB\n");
    struct raw_answer answer = call(door);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    assert_int_equal(answer.pdu_bytes, 16384);
    accept_shut(door);
    accept_stop(&door);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_works_at_the_next_attempt_with_its_pdu,
                                        spool_fixture_setup, spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
