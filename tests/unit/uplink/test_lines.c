/* test_lines.c - the table of lines: what is written is what is meant, or nothing counts. */
#include "gateway/uplink/lines.h"

#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct err err;

static int
parse(const char *text, struct lines *out)
{
    return lines_parse("/etc/radpost/lines.conf", (const uint8_t *)text, strlen(text), out, &err);
}

static void
a_table_is_read_as_written(void **state)
{
    static const char text[] =
        "# two ways out\r\n"
        "\r\n"
        "  fibre  rate=\"08:00-18:00 4Mbit, 0B\"\tconnections=4 \r\n"
        "lte rank=2 source=wwan0 proxy=http://10.0.0.1:3128 proxy_user=proxy.user "
        "url=\"https://203.0.113.5:8443\"";
    struct lines lines;

    (void)state;
    assert_int_equal(parse("fibre\n", &lines), 0);
    assert_int_equal(lines.n, 1);
    assert_int_equal(lines.at[0].rank, 1);
    assert_int_equal(lines.at[0].connections, 0);
    assert_false(lines.at[0].has_rate);

    assert_int_equal(parse(text, &lines), 0);
    assert_int_equal(lines.n, 2);
    assert_string_equal(lines.at[0].name, "fibre");
    assert_int_equal(lines.at[0].connections, 4);
    assert_int_equal(hours_rate(&lines.at[0].rate, 8 * 60), 500000);
    assert_int_equal(hours_rate(&lines.at[0].rate, 20 * 60), 0);
    assert_string_equal(lines.at[1].name, "lte");
    assert_int_equal(lines.at[1].rank, 2);
    assert_string_equal(lines.at[1].source, "wwan0");
    assert_string_equal(lines.at[1].proxy, "http://10.0.0.1:3128");
    assert_string_equal(lines.at[1].proxy_user, "/etc/radpost/proxy.user");
    assert_string_equal(lines.at[1].url, "https://203.0.113.5:8443");
}

static void
a_mistake_names_its_line_and_nothing_counts(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "names no line"},
        {"# nothing\n", "names no line"},
        {"a\na\n", "lines.conf:2: a stands here twice"},
        {"a\n\n9a\n", "lines.conf:3: a name is"},
        {"a-line-whose-name-is-much-too-long-for-anybody\n", "a name is"},
        {"a rank=0\n", "rank: a number from 1 to 9"},
        {"a rank=10\n", "rank: a number from 1 to 9"},
        {"a rank=1 rank=2\n", "rank: given twice"},
        {"a connections=17\n", "connections: a number from 1 to 16"},
        {"a rate=4MB\n", "rate: a rate has one of the units"},
        {"a rate=08:00-18:00 1MiB, 0B\n", "rate: "},
        {"a speed=4MiB\n", "there is no such setting: speed"},
        {"a rate\n", "settings are written name=value"},
        {"a \"rate\"=1MiB\n", "settings are written name=value"},
        {"a rate=\"1MiB\n", "a quote is not closed"},
        {"a rate=\"1MiB\"x\n", "a blank is due behind a quote"},
        {"a url=http://centre\n", "url: the centre's address begins with https://"},
        {"a proxy=socks://p:1\n", "proxy: http://host:port"},
        {"a proxy=http://me:secret@p:1\n", "proxy: http://host:port"},
        {"a proxy_user=f\n", "proxy_user without a proxy"},
        {"a source=\"a b\"\n", "source: the name of an interface"},
        {"a source=\n", "source: 1 to 63 bytes"},
        {"a\nb\nc\nd\ne\n", "lines.conf:5: at most 4 lines"},
        {"a rank=2 \xFF\n", "is no text"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct lines lines = {.n = 77};

        if (parse(rows[i].text, &lines) == 0 || strstr(err.text, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_int_equal(lines.n, 77);
        if (strstr(err.text, "secret") != NULL)
            fail_msg("a password was said: %s", err.text);
        err_clear(&err);
    }
}

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A gateway that starts has no other table. */
static void
of_a_table_with_mistakes_the_good_lines_can_be_had(void **state)
{
    static const struct {
        const char *text, *says, *names;
    } rows[] = {
        {"fibre\nlte rank=2\n", NULL, "fibre lte "},
        {"\xEF\xBB\xBF"
         "fibre\nlte rank=2\n",
         NULL, "fibre lte "},
        {"fibre\nlte rank=2 ratee=5\nsat rank=0\n", ":2: there is no such setting", "fibre "},
        {"fibre rate=4\nlte rank=2", ":1: rate: ", "lte "},
        {"a\nb\nc\nd\ne\n", ":5: at most 4 lines", "a b c d "},
        {"a rank=3\na rank=2\n", ":2: a stands here twice", "a "},
        {"", "names no line", ""},
        {"fibre rank=2 \xFF\nlte\n", "is no text", ""},
    };
    char dir[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 16];

    (void)state;
    folder_make("good", dir);
    snprintf(path, sizeof path, "%s/lines.conf", dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char names[64] = "";
        struct lines lines;
        int rc;

        write_file(path, rows[i].text);
        rc = lines_read_good(path, &lines, &err);
        for (size_t k = 0; k < lines.n; k++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", lines.at[k].name);

        assert_string_equal(names, rows[i].names);
        assert_int_equal(rc, rows[i].says == NULL ? 0 : -1);
        if (rc < 0 && strstr(err.text, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, err.text);
        err_clear(&err);
    }
    folder_remove(dir);
}

static void
a_proxys_password_stands_in_a_file_of_one_line(void **state)
{
    char folder[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 16], user[LINE_TEXT_BYTES] = "";
    static const char *const wrong[] = {"", "\n", "nobody\n", "a:b\nc:d\n"};

    (void)state;
    folder_make("lines", folder);
    snprintf(path, sizeof path, "%s/user", folder);
    assert_int_equal(lines_read_user(path, user, &err), -1);
    write_file(path, "clinic:pass word\r\n");
    assert_int_equal(lines_read_user(path, user, &err), 0);
    assert_string_equal(user, "clinic:pass word");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        write_file(path, wrong[i]);
        assert_int_equal(lines_read_user(path, user, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
    }
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_read_as_written),
        cmocka_unit_test(a_mistake_names_its_line_and_nothing_counts),
        cmocka_unit_test(of_a_table_with_mistakes_the_good_lines_can_be_had),
        cmocka_unit_test(a_proxys_password_stands_in_a_file_of_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
