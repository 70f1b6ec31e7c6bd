/* test_sopclass.c - our storage classes against the dictionaries of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/run_program.h"

/* Storage by name, but no class of the storage service: directory files and commitment. */
static bool
is_no_storage(const char *uid)
{
    return strcmp(uid, "1.2.840.10008.1.3.10") == 0 || strncmp(uid, "1.2.840.10008.1.20.", 19) == 0;
}

/* Each line a UID; how many there were. */
static size_t
check_lines(char *text)
{
    size_t n = 0, missing = 0;

    for (char *at = text; *at != '\0';) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        assert_true(uid_is_valid(at, false));
        if (!is_no_storage(at) && !dcm_sop_class_find(at)) {
            print_message("missing: %s\n", at);
            missing++;
        }
        n++;
        at = end ? end : at + strlen(at);
    }
    assert_int_equal(missing, 0);
    return n;
}

static void
no_storage_class_of_pydicom_is_missing(void **state)
{
    static const char program[] = "from pydicom._uid_dict import UID_dictionary as d\n"
                                  "for uid, v in d.items():\n"
                                  "    if v[1] == 'SOP Class' and 'Storage' in v[0]: print(uid)\n";
    const char *const argv[] = {"/usr/bin/python3", "-c", program, NULL};
    static char out[65536];

    (void)state;
    if (program_run(argv, NULL, out, sizeof out) != 0) {
        print_message("SKIPPED: no python3-pydicom\n");
        skip();
    }
    size_t n = check_lines(out);
    print_message("%zu classes\n", n);
    assert_in_range(n, 190, 400);
}

static void
no_storage_class_of_dcmtk_is_missing(void **state)
{
    static const char script[] =
        "sed -nE 's/^#define UID_[A-Za-z0-9_]*Storage[A-Za-z0-9_]* +\"([0-9.]+)\".*/\\1/p' "
        "/usr/include/dcmtk/dcmdata/dcuid.h | grep -vE '^1\\.2\\.840\\.10008\\.4\\.2$'";
    const char *const argv[] = {"sh", "-c", script, NULL};
    static char out[65536];

    (void)state;
    if (program_run(argv, NULL, out, sizeof out) != 0) {
        print_message("SKIPPED: no dcuid.h of DCMTK\n");
        skip();
    }
    size_t n = check_lines(out);
    print_message("%zu classes\n", n);
    assert_in_range(n, 150, 400);
}

static void
rows_are_well_formed_and_stand_there_once(void **state)
{
    (void)state;
    for (size_t i = 0; dcm_sop_class_at(i); i++) {
        const struct dcm_sop_class *c = dcm_sop_class_at(i);
        assert_true(uid_is_valid(c->uid, false));
        assert_true(c->name[0] != '\0' && c->modality[0] != '\0');
        assert_ptr_equal(dcm_sop_class_find(c->uid), c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_storage_class_of_pydicom_is_missing),
        cmocka_unit_test(no_storage_class_of_dcmtk_is_missing),
        cmocka_unit_test(rows_are_well_formed_and_stand_there_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
