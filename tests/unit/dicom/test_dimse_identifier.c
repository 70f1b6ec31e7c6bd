/* test_dimse_identifier.c - identifiers of queries and retrievals, read or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dicom/dimse_identifier.h"

static void
identifiers_are_read_or_refused(void **state)
{
    uint8_t good[] = {8,   0,    0x52, 0,    6, 0, 0, 0, 'S', 'T', 'U', 'D', 'Y',
                      ' ', 0x20, 0,    0x0D, 0, 4, 0, 0, 0,   '1', '.', '2', 0};
    struct dimse_identifier id;
    struct err err = {0};
    char(*uids)[65];

    (void)state;
    assert_int_equal(dimse_identifier_read(good, sizeof good, DCM_IMPLICIT_LE, &id, &err), 0);
    assert_int_equal(id.level, DIMSE_STUDY);
    assert_string_equal(dimse_identifier_value(&id, TAG_STUDY_UID), "1.2");
    dimse_identifier_fini(&id);
    for (size_t cut = 1; cut < sizeof good; cut++)
        if (dimse_identifier_read(good, cut, DCM_IMPLICIT_LE, &id, &err) == 0)
            dimse_identifier_fini(&id);
    assert_int_equal(dimse_uid_list("1.2\\1.3", &uids), 2);
    assert_string_equal(uids[1], "1.3");
    free(uids);
    assert_int_equal(dimse_uid_list("", &uids), 0);
    assert_int_equal(dimse_uid_list("1.2\\", &uids), 0);
    assert_int_equal(dimse_uid_list("1.2\\*", &uids), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_read_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
