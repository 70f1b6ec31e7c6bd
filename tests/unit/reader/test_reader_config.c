/* test_reader_config.c - what radpost-reader refuses to start with, asked of the program itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/base.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

static char program[600], dir[FOLDER_PATH_BYTES];

static int
start_with(const char *lines, char *out, size_t size)
{
    char path[FOLDER_PATH_BYTES + 16];
    const char *const argv[] = {program, "--config", path, NULL};
    FILE *f;

    snprintf(path, sizeof path, "%s/reader.conf", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(lines, f);
    assert_int_equal(fclose(f), 0);
    return program_run(argv, NULL, out, size);
}

static void
listeners_that_others_reach_are_refused_in_a_demo_and_without_tls(void **state)
{
    static const struct {
        const char *lines;
        int exit_code;
        const char *words;
    } rows[] = {
        {"demo = yes\nstaff_address = 0.0.0.0\nweb_tls = yes\n", 65, "every listener on loopback"},
        {"demo = yes\npatient_address = ::\nweb_tls = yes\n", 65, "every listener on loopback"},
        {"demo = yes\nlink_address = 10.0.0.1\n", 65, "every listener on loopback"},
        {"staff_address = 0.0.0.0\n", 65, "needs web_tls"},
        {"patient_address = 192.168.1.2\n", 65, "needs web_tls"},
        {"web_certificate = a.pem\n", 65, "belong together"},
        {"demo = yes\n", 66, "not enrolled yet"}, /* so far it would start */
        {"link_address = 0.0.0.0\n", 66, "not enrolled yet"},
    };
    char out[4096];

    (void)state;
    if (access(program, X_OK) != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int code = start_with(rows[i].lines, out, sizeof out);

        if (code != rows[i].exit_code || strstr(out, rows[i].words) == NULL)
            fail_msg("%s: wanted %d \"%s\", got %d: %s", rows[i].lines, rows[i].exit_code,
                     rows[i].words, code, out);
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_that_others_reach_are_refused_in_a_demo_and_without_tls),
    };
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    int rc;

    snprintf(program, sizeof program, "%.*sradpost-reader", slash ? (int)(slash + 1 - argv[0]) : 0,
             argv[0]);
    folder_make("reader", dir);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    folder_remove(dir);
    return rc;
}
