/* test_classes.c - classes that are not in the table: taken where they are named, else listed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "gateway/desk/devices_api.h"
#include "proto/base/log.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "tests/support/door_world.h"
#include "tests/support/raw_peer.h"

#define CSA_NON_IMAGE "1.3.12.2.1107.5.9.1"
#define NEWER_STANDARD "1.2.840.10008.5.1.4.1.1.999"
#define NEWER_NAMED "1.2.840.10008.5.1.4.1.1.998"
#define PRINT "1.2.840.10008.5.1.1.9"

static struct door_world w;

static int
begin(void **state)
{
    (void)state;
    door_begin(&w, NULL, "OURS 127.0.0.1 enrolled\n");
    w.options.private_classes = NEWER_NAMED " " PRINT;
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

static const struct raw_context contexts[] = {
    {1, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE, NULL},
    {3, CSA_NON_IMAGE, DCM_UID_IMPLICIT_LE, NULL},
    {5, NEWER_STANDARD, DCM_UID_IMPLICIT_LE, "\1\1"},
    {7, NEWER_NAMED, DCM_UID_IMPLICIT_LE, NULL},
    {9, PRINT, DCM_UID_IMPLICIT_LE, NULL},
    {11, "1.2.3.4", DCM_UID_IMPLICIT_LE, "\0\1"},
    {13, "1.2.3.XX", DCM_UID_IMPLICIT_LE, NULL},
};

static struct raw_answer
ask_as(const char *calling)
{
    struct raw_associate rq = {"RADPOST", "", contexts, ARRAY_LEN(contexts)};

    memcpy(rq.calling, calling, strlen(calling));
    int fd = raw_dial(accept_port(w.door));
    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    struct raw_answer answer = raw_receive_answer(fd);
    close(fd);
    return answer;
}

static void
a_storage_class_that_is_not_taken_is_listed_with_who_offered_it(void **state)
{
    struct accept_unoffered *rows = NULL;
    size_t n;

    (void)state;
    (void)ask_as("OURS");
    (void)ask_as("STRANGER");
    (void)ask_as("OURS");
    accept_list_unoffered(w.door, &rows, &n);

    assert_int_equal(n, 2);
    assert_string_equal(rows[0].ae, "OURS");
    assert_string_equal(rows[0].address, "127.0.0.1");
    assert_string_equal(rows[0].sop_class, CSA_NON_IMAGE);
    assert_int_equal(rows[0].count, 2);
    assert_true(rows[0].last_us > 0);
    assert_string_equal(rows[1].sop_class, NEWER_STANDARD);
    free(rows);
}

static void
the_desk_shows_them(void **state)
{
    struct buf out;
    struct jsonw json;

    (void)state;
    (void)ask_as("OURS");
    buf_init(&out, 65536);
    jsonw_init(&json, &out);
    jsonw_object(&json, NULL);
    devices_write(w.door, &json);
    jsonw_end(&json);

    assert_non_null(strstr(buf_text(&out),
                           "\"unoffered\":[{\"ae\":\"OURS\",\"address\":\"127.0.0.1\","
                           "\"class\":\"" CSA_NON_IMAGE "\","));
    buf_fini(&out);
}

static void
a_class_of_the_standard_newer_than_the_table_is_taken_where_it_is_named(void **state)
{
    static const uint8_t wanted[] = {0, 3, 3, 0, 3, 3, 3};

    (void)state;
    struct raw_answer answer = ask_as("OURS");

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        print_message("%s\n", contexts[i].abstract_syntax);
        assert_int_equal(answer.result[contexts[i].id], wanted[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_storage_class_that_is_not_taken_is_listed_with_who_offered_it, begin, end),
        cmocka_unit_test_setup_teardown(the_desk_shows_them, begin, end),
        cmocka_unit_test_setup_teardown(
            a_class_of_the_standard_newer_than_the_table_is_taken_where_it_is_named, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
