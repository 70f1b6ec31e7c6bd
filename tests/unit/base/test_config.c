/* test_config.c - a configuration is right, or it says where it is not. */
#include "proto/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct sample {
    int64_t wait;
    uint64_t room;
    int64_t count;
    bool demo;
    char *name;
    char *dir;
};

static const struct config_option options[] = {
    {"wait", CONFIG_DURATION, "30s", "1s", "1h", CONFIG_RELOAD, "How long.",
     offsetof(struct sample, wait)},
    {"room", CONFIG_SIZE, "1GiB", "1MiB", "", CONFIG_RELOAD, "How much.",
     offsetof(struct sample, room)},
    {"count", CONFIG_NUMBER, "4", "1", "64", CONFIG_RESTART, "How many.",
     offsetof(struct sample, count)},
    {"demo", CONFIG_TRUTH, "no", "", "", CONFIG_RESTART, "Whether.", offsetof(struct sample, demo)},
    {"name", CONFIG_TEXT, "", "", "", CONFIG_RELOAD, "Who.", offsetof(struct sample, name)},
    {"dir", CONFIG_PATH, "spool", "", "", CONFIG_RESTART, "Where.", offsetof(struct sample, dir)},
};

static int
read_text(const char *text, struct sample *out, struct err *err)
{
    char path[] = "/tmp/radpost-config-XXXXXX";
    int fd = mkstemp(path);
    int rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    rc = config_read(options, ARRAY_LEN(options), path, out, err);
    unlink(path);
    return rc;
}

static void
defaults_and_values_are_read(void **state)
{
    struct sample s = {0};
    struct err err;

    (void)state;
    assert_int_equal(read_text("wait = 5m\n# a remark\ndemo = yes\nname = clinic 1\n", &s, &err),
                     0);

    assert_int_equal(s.wait, 300000);
    assert_int_equal(s.room, 1 << 30);
    assert_int_equal(s.count, 4);
    assert_true(s.demo);
    assert_string_equal(s.name, "clinic 1");
    assert_string_equal(s.dir, "/tmp/spool");
    config_fini(options, ARRAY_LEN(options), &s);
}

/* Windows Notepad writes it. */
static void
a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    struct sample s = {0};
    struct err err;

    (void)state;
    assert_int_equal(read_text("\xEF\xBB\xBFwait = 5m\ncount = 2\n", &s, &err), 0);

    assert_int_equal(s.wait, 300000);
    assert_int_equal(s.count, 2);
    config_fini(options, ARRAY_LEN(options), &s);
}

static void
what_is_wrong_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"wait = 30\n", ":1: wait: '30' is not a duration"},
        {"\nwiat = 30s\n", ":2: wiat: there is no such option"},
        {"wait = 1ms\n", "wait: below its least value 1s"},
        {"count = 65\n", "count: above its greatest value 64"},
        {"count = 2\ncount = 2\n", ":2: count: given twice"},
        {"demo = true\n", "demo: 'true' is not yes or no"},
        {"room = 99999999999TiB\n", "room: '99999999999TiB' is not a size"},
        {"[x]\nwait = 5s\n", "sections are not used"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sample s = {0};
        struct err err;

        assert_int_equal(read_text(rows[i].text, &s, &err), -1);
        if (strstr(err.text, rows[i].words) == NULL)
            fail_msg("row %zu: wanted '%s', got '%s'", i, rows[i].words, err.text);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_null(s.name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_values_are_read),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_line),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
