/* test_orders_sources.c - orders as programs write them: JSON, lines, tables, GBK; a folder, a
 * command. */
#include "gateway/desk/orders_sources.h"

#include "gateway/desk/lamps.h"
#include "gateway/desk/orders_api.h"
#include "gateway/desk/orders_json.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <fcntl.h>
#include <sched.h>
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
                                        "2026-11-22T00:00:00Z", "2026-11-22T09:00:00+09:00",
                                        /* as PostgreSQL and others write a timestamptz */
                                        "2026-11-22T00:00:00.372996+00:00",
                                        "2026-11-22 08:00:00.5+08", "2026-11-22 00:00:00+00",
                                        "2026-11-22T08:00:00+0800", "2026-11-21 19:00:00-0500",
                                        "2026/11/22 08:00", "2026.11.22 8:00", "2026112208"};
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
}

static void
truths_are_read_as_sql_clients_write_them(void **state)
{
    static const char *const yes[] = {"t", "true", "TRUE", "y", "Y", "yes", "1", "是"};
    static const char *const no[] = {"f", "false", "n", "N", "no", "0", "", "否"};
    char text[200], placer[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        for (int is = 0; is < 2; is++) {
            snprintf(placer, sizeof placer, "%d-%zu", is, i);
            snprintf(text, sizeof text, "placer\tname\turgent\n%s\tA\t%s\n", placer,
                     is ? yes[i] : no[i]);
            assert_int_equal(take(text), 0);
            if (tally.taken != 1 || tally.flagged != 0 || known("http", placer)->is_urgent != is)
                fail_msg("%s: %s", is ? yes[i] : no[i], tally.first.text);
        }
}

static void
what_is_wrong_and_not_due_is_left_out_and_said(void **state)
{
    static const struct {
        const char *member, *value;
    } rows[] = {{"scheduled", "tomorrow"}, {"scheduled", "2026-02-30 08:00"},
                {"urgent", "perhaps"},     {"weight_kg", "about 60"},
                {"height_cm", "1,72 m"},   {"modality", "放射科"}};
    static const char *const silent[][2] = {{"pinyin", "王"},
                                            {"code", "胸片"},
                                            {"sex", "未知"},
                                            {"birth", "long ago"},
                                            {"phone", "none, ask the neighbour at home"}};
    char text[200], placer[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(placer, sizeof placer, "%zu", i);
        snprintf(text, sizeof text, "{\"placer\":\"%s\",\"name\":\"A\",\"%s\":\"%s\"}", placer,
                 rows[i].member, rows[i].value);
        assert_int_equal(take(text), 0);
        if (tally.taken != 1 || tally.refused != 0 || tally.flagged != 1 ||
            known("http", placer) == NULL || strcmp(tally.member, rows[i].member) != 0)
            fail_msg("%s: %u taken, %u flagged, %s", rows[i].member, tally.taken, tally.flagged,
                     tally.first.text);
        assert_null(strstr(tally.first.text, rows[i].value));
    }
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        snprintf(text, sizeof text, "placer\tname\t%s\ns%zu\tA\t%s\n", silent[i][0], i,
                 silent[i][1]);
        assert_int_equal(take(text), 0);
        if (tally.taken != 1 || tally.flagged != 0)
            fail_msg("%s: %s", silent[i][0], tally.first.text);
    }
    assert_int_equal(take("placer\tname\tbirth\tmodality\nb\tA\t1949-12-31\tct\n"), 0);
    assert_string_equal(known("http", "b")->birth, "19491231");
    assert_string_equal(known("http", "b")->modality, "CT");
}

static void
words_are_cut_and_numbers_are_not(void **state)
{
    char *long_text = mem_new(7000), *text;

    (void)state;
    for (size_t i = 0; i + 3 < 6900; i += 3)
        memcpy(long_text + i, "王", 4);
    text = mem_printf("placer\tname\thistory\tdepartment\n1\t%.300s\t%s\t%.300s\n", long_text,
                      long_text, long_text);
    assert_int_equal(take(text), 0);
    assert_int_equal(tally.taken, 1);
    assert_int_equal(tally.flagged, 1);
    assert_string_equal(tally.member, "name");
    assert_true(text_is_utf8(known("http", "1")->name, strlen(known("http", "1")->name)));
    free(text);
    assert_int_equal(take("placer\tname\taccession\n2\tA\tA-NUMBER-THAT-IS-LONGER-THAN-IT\n"), 0);
    assert_int_equal(tally.refused, 1);
    assert_string_equal(tally.member, "accession");
    assert_int_equal(tally.place, 1);
    assert_null(known("http", "2"));
    free(long_text);
}

static void
a_broken_line_is_refused_and_the_rest_is_taken(void **state)
{
    (void)state;
    assert_int_equal(take("{\"placer\":\"1\",\"name\":\"甲\"}\n{\"placer\":\"2\",\n"
                          "{\"placer\":\"3\",\"name\":\"丙\",\"urgent\":\"?\"}\n"),
                     0);
    assert_int_equal(tally.taken, 2);
    assert_int_equal(tally.refused, 1);
    assert_int_equal(tally.flagged, 1);
    assert_int_equal(tally.place, 2); /* what was refused is told before what was flagged */
    assert_string_equal(tally.member, "");
    assert_non_null(known("http", "3"));
}

static void
a_broken_first_line_is_refused_and_the_rest_is_taken(void **state)
{
    static const char *const all[] = {"{\"placer\":\"1\",\n{\"placer\":\"2\",\"name\":\"乙\"}\n{"
                                      "\"placer\":\"3\",\"name\":\"丙\"}\n",
                                      "\"name\":\"甲\"}\n{\"placer\":\"2\",\"name\":\"乙\"}\n{"
                                      "\"placer\":\"3\",\"name\":\"丙\"}\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(take(all[i]), 0);
        assert_int_equal(tally.taken, 2);
        assert_int_equal(tally.refused, 1);
        assert_int_equal(tally.place, 1);
    }
    assert_int_equal(take("{\"placer\":\"1\",\n\"ours\":\n {\"x\": 1},\n\"name\":\"甲\"}\n"), 0);
    assert_int_equal(tally.taken, 1); /* one object, over many lines */
}

static void
a_number_of_any_length_is_read_to_the_last_digit(void **state)
{
    (void)state;
    assert_int_equal(
        take("[{\"placer\":12345678901234567890,\"name\":\"甲\"},\n"
             "{\"placer\":9223372036854775807,\"name\":\"7 \\\" 12345678901234567890\"},"
             "{\"placer\":3,\"name\":\"丙\",\"weight_kg\":1e999},"
             "{\"placer\":4,\"name\":\"丁\",\"weight_kg\":61.50000000000000000001}]"),
        0);
    assert_int_equal(tally.taken, 4);
    assert_int_equal(tally.refused, 0);
    assert_int_equal(tally.flagged, 1);
    assert_int_equal(tally.place, 3);
    assert_non_null(known("http", "12345678901234567890"));
    assert_string_equal(known("http", "9223372036854775807")->name, "7 \" 12345678901234567890");
    assert_int_equal(known("http", "4")->weight_g, 61500);
    assert_int_equal(take("{\"placer\":22345678901234567890,\"name\":\"甲\"}\n"
                          "{\"placer\":32345678901234567890,\"name\":\"乙\"}\n"),
                     0);
    assert_int_equal(tally.taken, 2);
    assert_non_null(known("http", "32345678901234567890"));
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

    (void)state;
    orders_sources_start(&o, &s);
    for (uint64_t seen = 0; known("command", "6") == NULL;)
        seen = book_wait(book, seen, 1000);
    orders_sources_stop(&s);
    o.command = "";
    orders_sources_start(&o, &s);
    assert_null(s);
}

/* A command that prints this file, and then fails if there is none. */
static void
fetch(const char *text, struct orders_status *out)
{
    char *path = mem_printf("%s/list", book_dir), *command = mem_printf("/bin/cat %s", path);
    struct orders_sources_options o = {.book = book, .command = command, .every_ms = 3600000};
    struct orders_sources *s = NULL;
    FILE *f = text != NULL ? fopen(path, "w") : NULL;

    if (f != NULL) {
        fputs(text, f);
        fclose(f);
    } else {
        (void)unlink(path);
    }
    orders_sources_start(&o, &s);
    do {
        (void)sched_yield();
        orders_sources_status(s, out);
    } while (out->good_us == 0 && out->trouble == ORDERS_NO_TROUBLE);
    orders_sources_stop(&s);
    free(command);
    free(path);
}

static void
how_fetching_goes_is_known_to_the_lamp(void **state)
{
    struct orders_status o;

    (void)state;
    fetch("placer\tname\n1\tA\n2\tB\n", &o);
    assert_int_equal(o.taken, 2);
    assert_string_equal(lamp_word(lamp_of_orders(&o, clock_wall_us())), "ORDERS_FINE");

    fetch("placer\tname\tscheduled\n1\tA\t\n2\t\t\n3\tC\tsoon\n", &o);
    assert_int_equal(o.refused, 1);
    assert_int_equal(o.flagged, 1);
    assert_int_equal(o.place, 2);
    assert_string_equal(o.member, "name");
    assert_string_equal(lamp_colour(lamp_of_orders(&o, clock_wall_us())), "red");

    fetch("placer\tname\tscheduled\n3\tC\tsoon\n", &o);
    assert_string_equal(lamp_word(lamp_of_orders(&o, clock_wall_us())), "ORDERS_FLAGGED");

    fetch("[{\"placer\":", &o);
    assert_string_equal(orders_trouble_word(o.trouble), "unreadable");
    fetch(NULL, &o);
    assert_string_equal(orders_trouble_word(o.trouble), "exit");
    assert_non_null(strstr(o.why, "status 1"));
    assert_string_equal(lamp_colour(lamp_of_orders(&o, o.trouble_us + 1)), "amber");
    assert_string_equal(lamp_colour(lamp_of_orders(&o, o.trouble_us + INT64_C(601000000))), "red");

    orders_sources_status(NULL, &o);
    assert_int_equal(o.good_us, 0);
}

static void
files_in_failed_are_counted_until_somebody_takes_them(void **state)
{
    char *dir = mem_printf("%s/in", book_dir), *failed = mem_printf("%s/failed", dir),
         *path = mem_printf("%s/a.json", failed);
    struct orders_folder *watched = orders_folder_new(dir);

    (void)state;
    assert_int_equal(orders_folder_aside(watched), 0);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(mkdir(failed, 0755), 0);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(orders_folder_aside(watched), 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(orders_folder_aside(watched), 0);
    orders_folder_free(&watched);
    free(path);
    free(failed);
    free(dir);
}

#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(every_member_has_its_place),
        BOOK_TEST(times_are_here_or_where_they_say),
        BOOK_TEST(truths_are_read_as_sql_clients_write_them),
        BOOK_TEST(what_is_wrong_and_not_due_is_left_out_and_said),
        BOOK_TEST(words_are_cut_and_numbers_are_not),
        BOOK_TEST(a_broken_line_is_refused_and_the_rest_is_taken),
        BOOK_TEST(a_broken_first_line_is_refused_and_the_rest_is_taken),
        BOOK_TEST(a_number_of_any_length_is_read_to_the_last_digit),
        BOOK_TEST(a_bad_one_does_not_stop_the_rest),
        BOOK_TEST(lines_and_tables_are_read_too),
        BOOK_TEST(what_is_done_or_gone_is_no_trouble),
        BOOK_TEST(files_go_when_their_orders_are_durable),
        BOOK_TEST(a_files_own_date_neither_delays_nor_hurries_it),
        BOOK_TEST(the_token_is_made_once_and_is_nobody_elses),
        BOOK_TEST(a_commands_output_is_taken),
        BOOK_TEST(a_command_that_fails_or_hangs_is_said_to),
        BOOK_TEST(the_thread_fetches_by_itself),
        BOOK_TEST(how_fetching_goes_is_known_to_the_lamp),
        BOOK_TEST(files_in_failed_are_counted_until_somebody_takes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
