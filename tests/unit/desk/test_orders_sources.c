/* test_orders_sources.c - orders as programs write them: JSON, lines, tables, GBK; a folder, a
 * command. */
#include "gateway/desk/orders_sources.h"

#include "gateway/desk/orders_api.h"
#include "gateway/desk/orders_json.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static struct orders_tally tally;

static int
take(const char *text)
{
    struct err err;

    return orders_take(book, (const uint8_t *)text, strlen(text), "http", &tally, &err);
}

static struct order *
known(const char *source, const char *placer)
{
    static struct order o;
    struct err err;

    if (order_find_placer(book, source, placer, &o, &err) < 0)
        return NULL;
    return &o;
}

static void
every_member_has_its_place(void **state)
{
    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    assert_int_equal(
        take("{\"placer\":4711,\"accession\":\"A1\",\"patient_id\":\"P1\",\"name\":\" 单雄信 \","
             "\"citizen_id\":\"11010519491231002X\",\"phone\":\"13800138000\",\"weight_kg\":61.5,"
             "\"height_cm\":\"172\",\"modality\":\"CT\",\"station\":\"CT_1\","
             "\"scheduled\":\"2026-11-22T08:00:00\",\"procedure_id\":\"RP1\",\"description\":"
             "\"胸部平扫\","
             "\"code\":\"01\",\"code_scheme\":\"99HIS\",\"code_meaning\":\"胸部\",\"study\":\"1.2."
             "3\","
             "\"referring\":\"李大夫\",\"department\":\"内科\",\"urgent\":true,\"reason\":\"胸痛\","
             "\"complaint\":\"咳嗽\\n发热\",\"history\":\"无\",\"unknown\":{\"a\":1}}"),
        0);
    assert_int_equal(tally.taken, 1);

    const struct order *o = known("http", "4711");
    assert_non_null(o);
    assert_string_equal(o->name, "单雄信");
    assert_string_equal(o->sex, "F");
    assert_int_equal(o->weight_g, 61500);
    assert_int_equal(o->height_mm, 1720);
    assert_int_equal(o->scheduled_at_us, INT64_C(1795305600) * 1000000);
    assert_string_equal(o->study, "1.2.3");
    assert_string_equal(o->referring, "李大夫");
    assert_string_equal(o->complaint, "咳嗽\n发热");
    assert_true(o->is_urgent);
    assert_string_equal(o->code_scheme, "99HIS");
}

static void
times_are_here_or_where_they_say(void **state)
{
    static const char *const times[] = {"2026-11-22 08:00", "20261122080000", "202611220800",
                                        "2026-11-22T00:00:00Z", "2026-11-22T09:00:00+09:00"};
    char text[200];

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        snprintf(text, sizeof text, "{\"placer\":\"%zu\",\"name\":\"A\",\"scheduled\":\"%s\"}", i,
                 times[i]);
        assert_int_equal(take(text), 0);
        snprintf(text, sizeof text, "%zu", i);
        assert_non_null(known("http", text));
        assert_int_equal(known("http", text)->scheduled_at_us, INT64_C(1795305600) * 1000000);
    }
    assert_int_equal(take("{\"placer\":\"x\",\"name\":\"A\",\"scheduled\":\"tomorrow\"}"), 0);
    assert_int_equal(tally.refused, 1);
}

static void
a_bad_one_does_not_stop_the_rest(void **state)
{
    (void)state;
    assert_int_equal(take("[{\"placer\":\"1\",\"name\":\"甲\"},{\"placer\":\"2\"},7,{\"placer\":"
                          "\"3\",\"name\":\"丙\"}]"),
                     0);
    assert_int_equal(tally.taken, 2);
    assert_int_equal(tally.refused, 2);
    assert_non_null(strstr(tally.first.text, "order 2"));
    assert_non_null(strstr(tally.first.text, "name"));
    assert_non_null(known("http", "3"));
}

static void
lines_and_tables_are_read_too(void **state)
{
    /* 单雄信 in GBK: what an old HIS prints */
    static const char gbk[] = "placer\tname\tsex\tmodality\tignored\r\n"
                              "7\t\xB5\xA5\xD0\xDB\xD0\xC5\t1\tDX\tx\r\n\r\n8\tB\t2\tCT\r\n";
    (void)state;
    assert_int_equal(
        take("{\"placer\":\"1\",\"name\":\"甲\"}\n\n{\"placer\":\"2\",\"name\":\"乙\"}\n"), 0);
    assert_int_equal(tally.taken, 2);
    assert_int_equal(take(gbk), 0);
    assert_int_equal(tally.taken, 2);
    assert_string_equal(known("http", "7")->name, "单雄信");
    assert_string_equal(known("http", "7")->sex, "M");
    assert_string_equal(known("http", "8")->modality, "CT");
    assert_int_equal(take("id\tname\n1\tA\n"), -1);
    assert_int_equal(take(" \n"), 0);
    assert_int_equal(tally.taken, 0);
    assert_int_equal(take("{\"placer\":"), -1);
}

static void
what_is_done_or_gone_is_no_trouble(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(take("{\"placer\":\"1\",\"name\":\"甲\"}"), 0);
    assert_int_equal(take("{\"placer\":\"1\",\"action\":\"cancel\"}"), 0);
    assert_int_equal(known("http", "1")->state, ORDER_CANCELLED);
    assert_int_equal(take("{\"placer\":\"9\",\"action\":\"cancel\"}"), 0);
    assert_int_equal(tally.refused, 0);
    assert_int_equal(take("{\"placer\":\"2\",\"name\":\"乙\"}"), 0);
    assert_int_equal(order_step(book, known("http", "2")->number, ORDER_SAW_COMPLETE, &err), 0);
    assert_int_equal(take("{\"placer\":\"2\",\"name\":\"丙\"}"), 0);
    assert_string_equal(known("http", "2")->name, "乙");
}

/* ---- the folder ---- */

static char folder[FOLDER_PATH_BYTES + 16];

static void
leave(const char *name, const char *text)
{
    char path[FOLDER_PATH_BYTES + 64];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void
make_folders(void)
{
    static const char *const below[] = {"", "/failed", "/tmp"};

    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        snprintf(folder, sizeof folder, "%s/orders%s", book_dir, below[i]);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    snprintf(folder, sizeof folder, "%s/orders", book_dir);
}

static unsigned
look(struct orders_folder *f)
{
    unsigned taken = 0;
    struct err err;

    if (orders_from_folder(book, f, &taken, &err) < 0)
        fail_msg("%s", err.text);
    return taken;
}

static bool
is_there(const char *name)
{
    char path[FOLDER_PATH_BYTES + 64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void
files_go_when_their_orders_are_durable(void **state)
{
    struct orders_folder *f;

    (void)state;
    make_folders();
    f = orders_folder_new(folder);
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    leave("a.json", "{\"placer\":\"1\",\"name\":\"甲\"}");
    leave("b.tsv", "placer\tname\n2\t乙\n");
    leave("c.json", "{\"placer\":\"3\"}");
    leave("d.json", "{");
    leave("notes.txt", "not ours");

    assert_int_equal(look(f), 0);
    clock_fake_advance(ORDERS_STILL_MS);

    assert_int_equal(look(f), 2);
    reopen();
    assert_non_null(known("folder", "1"));
    assert_non_null(known("folder", "2"));
    assert_false(is_there("a.json"));
    assert_false(is_there("b.tsv"));
    assert_true(is_there("failed/c.json"));
    assert_true(is_there("failed/c.json.why.txt"));
    assert_true(is_there("failed/d.json"));
    assert_true(is_there("notes.txt"));
    clock_fake_advance(ORDERS_STILL_MS);
    assert_int_equal(look(f), 0);
    orders_folder_free(&f);
    clock_unfake();
}

static void
a_files_own_date_neither_delays_nor_hurries_it(void **state)
{
    static const time_t dates[] = {1000000000, 4000000000}; /* 2001 and 2096 */
    char path[FOLDER_PATH_BYTES + 64];
    struct orders_folder *f;

    (void)state;
    make_folders();
    f = orders_folder_new(folder);
    snprintf(path, sizeof path, "%s/a.json", folder);
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        struct timespec date[2] = {{.tv_sec = dates[i]}, {.tv_sec = dates[i]}};

        clock_fake(INT64_C(1795305600) * 1000000, 1000);
        leave("a.json", i == 0 ? "{\"placer\":\"1\"," : "{\"placer\":\"2\",");
        assert_int_equal(utimensat(AT_FDCWD, path, date, 0), 0);
        assert_int_equal(look(f), 0); /* half of it is there */
        clock_fake_advance(ORDERS_STILL_MS - 1);
        leave("a.json", "\"name\":\"A\"}");
        assert_int_equal(utimensat(AT_FDCWD, path, date, 0), 0);
        assert_int_equal(look(f), 0);
        clock_fake_advance(ORDERS_STILL_MS - 1);
        assert_int_equal(look(f), 0);
        clock_fake_advance(1);
        assert_int_equal(look(f), 1);
        assert_false(is_there("a.json"));
    }
    assert_non_null(known("folder", "1"));
    assert_non_null(known("folder", "2"));
    orders_folder_free(&f);
    clock_unfake();
}

/* ---- the token ---- */

static void
the_token_is_made_once_and_is_nobody_elses(void **state)
{
    char path[FOLDER_PATH_BYTES + 32], first[64] = "", second[64] = "";
    struct stat st;
    struct err err;
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/orders.token", book_dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(orders_make_token(book_dir, &err), 0);
        fd = open(path, O_RDONLY);
        assert_true(read(fd, i == 0 ? first : second, sizeof first - 1) > 20);
        assert_int_equal(fstat(fd, &st), 0);
        close(fd);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_string_equal(first, second);
}

/* ---- the command ---- */

static void
a_commands_output_is_taken(void **state)
{
    unsigned taken = 0;
    struct err err;

    (void)state;
    if (orders_from_command(book, "/usr/bin/printf \"placer\\tname\\n5\\tWang^Wu\\n\"", 5000,
                            &taken, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(taken, 1);
    assert_string_equal(known("command", "5")->name, "Wang^Wu");
}

static void
a_command_that_fails_or_hangs_is_said_to(void **state)
{
    unsigned taken = 0;
    struct err err;

    (void)state;
    assert_int_equal(orders_from_command(book, "/bin/false", 5000, &taken, &err), -1);
    assert_non_null(strstr(err.text, "status 1"));
    assert_int_equal(orders_from_command(book, "/nowhere/at/all", 5000, &taken, &err), -1);
    assert_int_equal(orders_from_command(book, "printf x", 5000, &taken, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(orders_from_command(book, "/bin/sleep 600", 50, &taken, &err), -1);
    assert_non_null(strstr(err.text, "in time"));
    assert_int_equal(orders_from_command(book, "/bin/cat /dev/zero", 20000, &taken, &err), -1);
    assert_non_null(strstr(err.text, "too much"));
    assert_int_equal(taken, 0);
}

static void
the_thread_fetches_by_itself(void **state)
{
    struct orders_sources_options o = {.book = book,
                                       .command = "/usr/bin/printf \"placer\\tname\\n6\\tA\\n\"",
                                       .every_ms = 3600000};
    struct orders_sources *s = NULL;
    struct err err;

    (void)state;
    assert_int_equal(orders_sources_start(&o, &s, &err), 0);
    for (uint64_t seen = 0; known("command", "6") == NULL;)
        seen = book_wait(book, seen, 1000);
    orders_sources_stop(&s);
    o.command = "";
    assert_int_equal(orders_sources_start(&o, &s, &err), 0);
    assert_null(s);
}

#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(every_member_has_its_place),
        BOOK_TEST(times_are_here_or_where_they_say),
        BOOK_TEST(a_bad_one_does_not_stop_the_rest),
        BOOK_TEST(lines_and_tables_are_read_too),
        BOOK_TEST(what_is_done_or_gone_is_no_trouble),
        BOOK_TEST(files_go_when_their_orders_are_durable),
        BOOK_TEST(a_files_own_date_neither_delays_nor_hurries_it),
        BOOK_TEST(the_token_is_made_once_and_is_nobody_elses),
        BOOK_TEST(a_commands_output_is_taken),
        BOOK_TEST(a_command_that_fails_or_hangs_is_said_to),
        BOOK_TEST(the_thread_fetches_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
