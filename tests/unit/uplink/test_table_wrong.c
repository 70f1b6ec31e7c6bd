/* test_table_wrong.c - a mistake typed into lines.conf is told, and keeps no image waiting, while
 * the gateway runs and when it starts. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "tests/support/uplink_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 60000 };

static char table[FOLDER_PATH_BYTES + 16];

static void
write_table(const char *text)
{
    char path[sizeof table + 8];
    FILE *f;

    snprintf(path, sizeof path, "%s.new", table);
    f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(path, table), 0);
}

static void
site_open(struct uplink_site *s, const char *text)
{
    uplink_site_open(s, "table", 1);
    snprintf(table, sizeof table, "%s/lines.conf", s->folder);
    s->options.lines_path = table;
    write_table(text);
}

/* Until the table is said to have a mistake, or none, and so many lines are in force. */
static void
wait_table(struct uplink_site *s, bool is_wrong, size_t lines)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct uplink_status status;

    do {
        uplink_status(s->up, &status);
        if (status.is_table_wrong == is_wrong && status.lines_n == lines)
            return;
        spool_wait(s->spool, 0, 20);
    } while (clock_mono_ms() < until_ms);
    fail_msg("wrong %d, %zu lines", status.is_table_wrong, status.lines_n);
}

static void
a_mistake_while_it_runs_leaves_the_table_before_in_force_and_is_told(void **state)
{
    struct uplink_site s;

    (void)state;
    site_open(&s, "fibre\nlte rank=2\n");
    uplink_site_start(&s);
    wait_table(&s, false, 2);

    write_table("fibre\nlte rank=2 ratee=5\n");
    wait_table(&s, true, 2);
    uplink_site_picture(&s, "1.2.3.1", 1, true);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 1));
    write_table("fibre\n");
    wait_table(&s, false, 1);
    uplink_site_close(&s);
}

/* After a power cut there is no table before: it did not start, and devices could not send. */
static void
a_start_with_a_mistake_goes_by_the_lines_that_can_be_read(void **state)
{
    static const struct {
        const char *text, *name;
        bool is_wrong;
    } rows[] = {
        {"fibre\nlte rank=2 ratee=5\n", "fibre", true},
        {"fibre rate=4\nlte rank=2\n", "lte", true},
        {"fibre ratee=5\n", "main", true},
        {"", "main", true},
        {"fibre rank=2 \xFF\n", "main", true},
        {"fibre\n", "fibre", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uplink_status status;
        struct uplink_site s;

        site_open(&s, rows[i].text);
        uplink_site_picture(&s, "1.2.3.1", 1, true);
        uplink_site_start(&s);

        wait_table(&s, rows[i].is_wrong, 1);
        uplink_status(s.up, &status);
        assert_string_equal(status.lines[0].name, rows[i].name);
        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 1));
        write_table("fibre\nlte rank=2\n");
        wait_table(&s, false, 2);
        uplink_site_close(&s);
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_while_it_runs_leaves_the_table_before_in_force_and_is_told),
        cmocka_unit_test(a_start_with_a_mistake_goes_by_the_lines_that_can_be_read),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
