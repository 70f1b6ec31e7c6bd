/* test_config_last.c - one mistyped line costs what it was to change, and nothing else. */
#include "proto/base/config_last.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct sample {
    char *data_dir;
    char *address;
    int64_t port;
};

static const struct config_option options[] = {
    {"data_dir", CONFIG_PATH, "data", "1", "", CONFIG_RESTART, "",
     offsetof(struct sample, data_dir)},
    {"address", CONFIG_TEXT, "", "", "45", CONFIG_RESTART, "", offsetof(struct sample, address)},
    {"port", CONFIG_NUMBER, "104", "0", "65535", CONFIG_RESTART, "", offsetof(struct sample, port)},
};

static char folder[FOLDER_PATH_BYTES], data[FOLDER_PATH_BYTES + 8], file[FOLDER_PATH_BYTES + 16];
static struct config_last last = {options, ARRAY_LEN(options), file, "data_dir",
                                  "sample.conf.last"};

static void
say(const char *text)
{
    struct err err;

    assert_int_equal(durable_put_file(folder, "sample.conf", text, strlen(text), &err), 0);
}

static int
begin(void **state)
{
    char path[FOLDER_PATH_BYTES + 16];
    struct err err;

    (void)state;
    folder_make("config-last", folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(file, sizeof file, "%s/sample.conf", folder);
    snprintf(path, sizeof path, "%s/tmp", folder);
    assert_int_equal(durable_mkdir(path, &err), 0);
    assert_int_equal(durable_mkdir(data, &err), 0);
    snprintf(path, sizeof path, "%s/tmp", data);
    assert_int_equal(durable_mkdir(path, &err), 0);
    say("data_dir = data\naddress = 127.0.0.1\n");
    assert_int_equal(config_last_keep(&last, data, &err), 0);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* The address is what it was, although its line is the wrong one: nothing is opened to everybody.
 */
static void
all_of_the_last_good_file_is_in_force(void **state)
{
    struct sample s = {0};
    struct err err;

    (void)state;
    say("data_dir = data\nadress = 192.168.1.1\nport = 105\n");

    assert_int_equal(config_read(options, ARRAY_LEN(options), file, &s, &err), -1);
    if (config_last_read(&last, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(s.address, "127.0.0.1");
    assert_int_equal(s.port, 104);
    assert_string_equal(s.data_dir, data); /* as from the file, not from the copy's folder */
    config_fini(options, ARRAY_LEN(options), &s);
}

static void
another_folder_than_the_file_names_is_not_taken(void **state)
{
    static const char *const rows[] = {
        "adress = 1\n",                          /* it names none */
        "data_dri = data\n",                     /* likewise */
        "data_dir = data\ndata_dir = data\nx\n", /* which? */
        "data_dir = other\nadress = 1\n",        /* nothing was ever started there */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sample s = {0};
        struct err err;

        say(rows[i]);
        if (config_last_read(&last, &s, &err) == 0)
            fail_msg("row %zu: a copy was taken", i);
        assert_null(s.data_dir);
    }
}

/* What was closed in the file since is not opened again by a mistake in it. */
static void
a_copy_of_before_is_not_taken_where_the_new_one_could_not_be_kept(void **state)
{
    char tmp[FOLDER_PATH_BYTES + 16];
    struct sample s = {0};
    struct err err;

    (void)state;
    say("data_dir = data\naddress = 127.0.0.2\n");
    snprintf(tmp, sizeof tmp, "%s/tmp", data);
    assert_int_equal(rmdir(tmp), 0); /* as on a full disk: nothing new */

    assert_int_equal(config_last_keep(&last, data, &err), -1);

    say("data_dir = data\nadress = 127.0.0.3\n");
    assert_int_equal(config_last_read(&last, &s, &err), -1);
    assert_null(s.data_dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_the_last_good_file_is_in_force, begin, end),
        cmocka_unit_test_setup_teardown(another_folder_than_the_file_names_is_not_taken, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_copy_of_before_is_not_taken_where_the_new_one_could_not_be_kept, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
