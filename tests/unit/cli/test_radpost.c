/* test_radpost.c - the operator's command tells its words to who asks, and what is wrong to who
 * errs: the program itself. */
#include "proto/base/base.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char said[16384];

/* The program of this name beside this one; "words" are parted by blanks. */
static int
ask(const char *name, const char *words)
{
    char program[4096], *line = mem_text(words), *save = NULL;
    const char *argv[8] = {program};
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 32);
    int argc = 1, rc;

    assert_true(n > 0);
    program[n] = '\0';
    snprintf(strrchr(program, '/') + 1, 32, "%s", name);
    for (char *w = strtok_r(line, " ", &save); w != NULL && argc < 7;
         w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    rc = program_run(argv, NULL, said, sizeof said);
    free(line);
    return rc;
}

static void
each_verb_tells_its_words_when_it_is_asked(void **state)
{
    static const char *const verbs[] = {"doctor", "queue",         "devices", "watch",   "audit",
                                        "org",    "verify-report", "ae",      "token",   "enrol",
                                        "policy", "reconcile",     "aside",   "traffic", "store"};
    char words[64];

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        snprintf(words, sizeof words, "%s --help", verbs[i]);
        if (ask("radpost", words) != 0)
            fail_msg("%s: %s", words, said);
        snprintf(words, sizeof words, "radpost %s", verbs[i]);
        if (strstr(said, words) == NULL || strstr(said, "unrecognized") != NULL)
            fail_msg("%s: %s", words, said);
    }
}

static void
it_tells_them_behind_a_word_too(void **state)
{
    static const char *const words[] = {"org add --help", "enrol new --help", "queue list --help",
                                        "audit verify -h"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (ask("radpost", words[i]) != 0 || strstr(said, "radpost ") == NULL ||
            strstr(said, "unrecognized") != NULL || strstr(said, "No such") != NULL)
            fail_msg("%s: %s", words[i], said);
}

static void
what_is_wrong_is_named_with_what_would_be_right(void **state)
{
    static const struct {
        const char *program, *words, *told, *right;
    } rows[] = {
        {"radpost", "frobnicate", "'frobnicate' is not known", "radpost doctor"},
        {"radpost", "org frobnicate --config /nowhere", "'frobnicate' is not known",
         "radpost org add"},
        {"radpost", "org add --code x", "--config FILE is missing", "radpost org add"},
        {"radpost", "queue list /", "/ is no spool", "data_dir"},
        {"radpost", "doctor --config /nowhere.conf", "/nowhere.conf: No such file", ""},
        {"radpost", "verify-report /proc/self/fd", "holds no signed report", ""},
        {"radpost-gateway", "frobnicate", "'frobnicate' is not understood",
         "radpost-gateway --help"},
        {"radpost-storage", "frobnicate", "'frobnicate' is not understood",
         "radpost-storage --help"},
        {"radpost-reader", "frobnicate", "'frobnicate' is not understood", "radpost-reader --help"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = ask(rows[i].program, rows[i].words);

        if (rc == 0 || strstr(said, rows[i].told) == NULL || strstr(said, rows[i].right) == NULL)
            fail_msg("%s %s: exit %d: %s", rows[i].program, rows[i].words, rc, said);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verb_tells_its_words_when_it_is_asked),
        cmocka_unit_test(it_tells_them_behind_a_word_too),
        cmocka_unit_test(what_is_wrong_is_named_with_what_would_be_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
