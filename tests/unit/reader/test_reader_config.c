/* test_reader_config.c - what radpost-reader and its words refuse to start with, asked of the
 * program itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/base.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

static char program[600], dir[FOLDER_PATH_BYTES];

/* word, argument: NULL = run */
static int
start_with(const char *lines, const char *word, const char *argument, char *out, size_t size)
{
    char path[FOLDER_PATH_BYTES + 16];
    const char *const argv[] = {
        program, "--config", path,
        word,    argument,   word != NULL && strcmp(word, "enrol") == 0 ? "code" : NULL,
        NULL};
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
        int code = start_with(rows[i].lines, NULL, NULL, out, sizeof out);

        if (code != rows[i].exit_code || strstr(out, rows[i].words) == NULL)
            fail_msg("%s: wanted %d \"%s\", got %d: %s", rows[i].lines, rows[i].exit_code,
                     rows[i].words, code, out);
    }
}

/* Typed as root, enrol spent a code on an identity that the service could not read. */
static void
words_of_another_user_than_the_services_are_refused_and_leave_nothing(void **state)
{
    static const struct {
        const char *word, *argument;
    } rows[] = {{"enrol", "https://127.0.0.1:9"}, {"load", "/dev/null"}, {"first-admin", NULL}};
    char data_dir[FOLDER_PATH_BYTES + 16], lines[FOLDER_PATH_BYTES + 64], out[4096];

    (void)state;
    if (access(program, X_OK) != 0 || geteuid() != 0)
        skip();
    snprintf(data_dir, sizeof data_dir, "%s/service", dir);
    assert_int_equal(mkdir(data_dir, 0700), 0);
    assert_int_equal(chown(data_dir, 65534, 65534), 0);
    snprintf(lines, sizeof lines, "data_dir = %s\npg_wait = 0ms\n", data_dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int code = start_with(lines, rows[i].word, rows[i].argument, out, sizeof out);

        if (code != 77 || strstr(out, "run this as the user that owns") == NULL)
            fail_msg("%s: %d: %s", rows[i].word, code, out);
    }
    assert_int_equal(rmdir(data_dir), 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_that_others_reach_are_refused_in_a_demo_and_without_tls),
        cmocka_unit_test(words_of_another_user_than_the_services_are_refused_and_leave_nothing),
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
