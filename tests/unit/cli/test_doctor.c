/* test_doctor.c - what `radpost doctor` says of the HIS and of a line behind a proxy: the program
 * itself, asked about a gateway whose neighbours are in this process. */
#include "gateway/desk/his_in.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/trust/ca.h"
#include "tests/support/book_world.h"
#include "tests/support/connect_proxy.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"
#include "tests/support/his_peer.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char said[16384];

static void
write_text(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", book_dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

/* The program beside this one, for a gateway with these options. */
static void
ask_doctor(const char *options)
{
    char program[4096], *file = mem_printf("%s/gateway.conf", book_dir);
    char *text = mem_printf("data_dir = %s\n%s", book_dir, options);
    const char *const argv[] = {program, "doctor", "--config", file, NULL};
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);

    assert_true(n > 0);
    program[n] = '\0';
    memcpy(strrchr(program, '/') + 1, "radpost", 8);
    write_text("gateway.conf", text);
    (void)program_run(argv, NULL, said, sizeof said);
    free(text);
    free(file);
}

/* A line with this mark about this, with these words. */
static void
assert_says(const char *mark, const char *what, const char *words)
{
    char *copy = mem_text(said), *save = NULL;
    char *begin = mem_printf("  %s  %-22s ", mark, what);
    bool is = false;

    for (char *line = strtok_r(copy, "\n", &save); line != NULL && !is;
         line = strtok_r(NULL, "\n", &save))
        is = strncmp(line, begin, strlen(begin)) == 0 && strstr(line, words) != NULL;
    if (!is)
        fail_msg("wanted \"%s ... %s\", got\n%s", begin, words, said);
    free(begin);
    free(copy);
}

static void
ports_of_the_his_are_tried_and_said_to_be_sealed_or_open(void **state)
{
    struct his_in_options o = {.book = book,
                               .address = "127.0.0.1",
                               .peers = "127.0.0.1",
                               .charset = "",
                               .facility = "CLINIC"};
    struct his_in *door = NULL;
    char options[1024];
    struct err err;

    (void)state;
    if (his_in_start(&o, &door, &err) < 0)
        fail_msg("%s", err.text);
    his_peer_start(HIS_PEER_AA);
    snprintf(options, sizeof options,
             "hl7_in = yes\nhl7_address = 127.0.0.1\nhl7_port = %u\nhis_hl7 = 127.0.0.1:%u\n",
             his_in_port(door), his_peer_port());
    ask_doctor(options);
    assert_says("fine", "HL7 orders", " answers");
    assert_says("fine", "HL7 reports", " answers");
    assert_null(strstr(said, "TLS")); /* it stays on this machine */

    snprintf(options, sizeof options,
             "hl7_in = yes\nhl7_address = 127.0.0.1\nhl7_port = %u\nhl7_tls_ca = any.pem\n"
             "his_hl7 = 127.0.0.1:%u\nhis_hl7_tls_ca = any.pem\n",
             his_in_port(door), his_peer_port());
    ask_doctor(options);
    assert_says("fine", "HL7 orders", "over TLS");
    assert_says("fine", "HL7 reports", "over TLS");
    his_peer_stop();
    his_in_stop(&door);
    ask_doctor(options);
    assert_says("BAD ", "HL7 orders", "does not answer");
    assert_says("BAD ", "HL7 reports", "does not answer");
    assert_non_null(strstr(said, " bad, "));

    ask_doctor("hl7_in = yes\nhl7_address = his.example\nhl7_port = 2575\n"
               "his_hl7 = his.example:2575\n");
    assert_says("LOOK", "HL7 orders", "without TLS");
    assert_says("LOOK", "HL7 reports", "without TLS");
    assert_says("LOOK", "HL7 reports", "not tried");
}

static void
the_centre_is_asked_by_the_ways_of_the_table_until_one_answers(void **state)
{
    char *link_dir = mem_printf("%s/link", book_dir), *centre_dir = mem_printf("%s/c", book_dir);
    struct fake_centre *centre = fake_centre_start(centre_dir, link_dir);
    struct connect_proxy *proxy = connect_proxy_start("radpost:secret");
    char table[1024], words[300];

    (void)state;
    write_text("proxy.user", "radpost:secret\n");
    snprintf(table, sizeof table,
             "main proxy=%s\nsecond rank=2 proxy=%s proxy_user=%s/proxy.user\n",
             connect_proxy_url(proxy), connect_proxy_url(proxy), book_dir);
    write_text("lines.conf", table);
    ask_doctor("hl7_in = no\n");
    snprintf(words, sizeof words, "answers, by the proxy %s", connect_proxy_url(proxy));
    assert_says("fine", "line", words);
    assert_non_null(strstr(said, "s from the centre's")); /* whose clock is five seconds on */
    assert_int_equal(connect_proxy_count(proxy), 1);      /* the first way was not let through */

    snprintf(table, sizeof table, "main proxy=%s\n", connect_proxy_url(proxy));
    write_text("lines.conf", table);
    ask_doctor("hl7_in = no\n");
    assert_says("BAD ", "line", "407");

    snprintf(table, sizeof table, "main proxy=%s proxy_user=%s/proxy.user\nsecond rnak=2\n",
             connect_proxy_url(proxy), book_dir);
    write_text("lines.conf", table); /* a line that cannot be read has words of its own */
    ask_doctor("hl7_in = no\n");
    assert_says("BAD ", "table of lines", "lines.conf:2: there is no such setting: rnak");
    assert_says("fine", "line", words);
    assert_non_null(strstr(said, "do: mend that line of that file"));

    write_text("lines.conf", "main url=https://127.0.0.1:1\n"); /* the line's address, no other */
    ask_doctor("hl7_in = no\n");
    assert_says("BAD ", "line", "127.0.0.1");
    connect_proxy_stop(&proxy);
    fake_centre_stop(&centre);
    free(centre_dir);
    free(link_dir);
}

/* Nearly every gateway: no table of lines. It said "BAD" and nothing else. */
static void
a_line_that_does_not_work_is_told_with_the_reason(void **state)
{
    char *link_dir = mem_printf("%s/link", book_dir), *centre_dir = mem_printf("%s/c", book_dir);
    struct fake_centre *centre = fake_centre_start(centre_dir, link_dir);

    (void)state;
    fake_centre_cut(centre);
    ask_doctor("hl7_in = no\n");
    assert_says("BAD ", "line", fake_centre_url(centre));

    fake_centre_heal(centre);
    fake_centre_stop(&centre);
    free(centre_dir);
    free(link_dir);
}

/* Orders before eight in the morning bore yesterday's date: consoles that ask for today saw none.
 */
static void
a_gateway_that_was_told_no_time_zone_is_worth_a_look(void **state)
{
    static const struct {
        const char *zone, *mark, *words;
    } rows[] = {{"UTC0", "LOOK", "the day before"},
                {"Nowhere/Known", "LOOK", "the day before"},
                {"CST-8", "fine", "CST, +0800"},
                {"GMT0", "fine", "GMT, +0000"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(setenv("TZ", rows[i].zone, 1), 0);
        ask_doctor("hl7_in = no\n");
        assert_says(rows[i].mark, "time zone", rows[i].words);
    }
    unsetenv("TZ");
}

/* Each finding that is not fine has, below it, what to do: once in English, once in Chinese. */
static void
what_is_not_fine_is_told_with_what_to_do(void **state)
{
    unsigned findings = 0, english = 0, chinese = 0;

    (void)state;
    ask_doctor("hl7_in = no\ndicom_port = 1\ndesk_port = 1\n");
    assert_says("BAD ", "DICOM port", "does not answer");
    assert_says("BAD ", "enrolment", "not enrolled");
    for (const char *line = said; line != NULL && *line != '\0';
         line = strchr(line, '\n') == NULL ? NULL : strchr(line, '\n') + 1) {
        findings += strncmp(line, "  BAD ", 6) == 0 || strncmp(line, "  LOOK", 6) == 0;
        english += strncmp(line, "        do: ", 12) == 0;
        chinese += strncmp(line, "        办法：", strlen("        办法：")) == 0;
    }
    assert_true(findings >= 3);
    assert_int_equal(english, findings);
    assert_int_equal(chinese, findings);
}

static void
a_mistyped_table_is_named_with_its_line(void **state)
{
    (void)state;
    write_text("devices.conf", "CT1 127.0.0.1\nDR1 127.0.0.1 modalty=DX\n");
    ask_doctor("hl7_in = no\n");
    assert_says("BAD ", "table of devices", "devices.conf: line 2: DR1: unknown setting modalty");
    assert_non_null(strstr(said, "do: mend that line of that file"));

    write_text("devices.conf", "CT1 127.0.0.1\nDR1 127.0.0.1 modality=DX\n");
    ask_doctor("hl7_in = no\n");
    assert_null(strstr(said, "table of devices"));
    assert_null(strstr(said, "table of targets"));
    write_text("targets.conf", "pacs dicom PACS@127.0.0.1:104 conections=2\n");
    ask_doctor("hl7_in = no\n");
    assert_says("BAD ", "table of targets", "targets.conf: line 1: pacs: unknown setting conectio");
}

/* A clinic's short file was taken for an archive's, and eleven things were said to be bad. */
static void
a_file_that_fits_both_is_judged_by_the_folders_of_its_data_dir(void **state)
{
    char *spool = mem_printf("%s/spool", book_dir), *ca = mem_printf("%s/ca", book_dir);

    (void)state;
    ask_doctor("dicom_port = 1\n");
    assert_non_null(strstr(said, "--as gateway, --as archive or --as reader"));
    assert_int_equal(mkdir(spool, 0700), 0);
    ask_doctor("dicom_port = 1\n");
    assert_non_null(strstr(said, " desk "));
    assert_null(strstr(said, "CA certificate"));
    assert_int_equal(rmdir(spool), 0);
    assert_int_equal(mkdir(ca, 0700), 0);
    ask_doctor("dicom_port = 1\n");
    assert_null(strstr(said, " desk "));
    assert_non_null(strstr(said, "CA certificate"));
    assert_int_equal(rmdir(ca), 0);
    free(ca);
    free(spool);
}

/* Each device has to be enrolled anew before its authority ends: a month is no time for that. */
static void
an_authority_that_ends_within_two_years_is_worth_a_look(void **state)
{
    static const struct {
        int days;
        const char *mark, *words;
    } rows[] = {{800, "fine", "800 days left"},
                {700, "LOOK", "700 days left"},
                {180, "BAD ", "180 days left"}};
    const int64_t day_us = INT64_C(86400000000);
    const int life_days = 20 * 365 + 5;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *ca = mem_printf("%s/ca", book_dir);

        clock_fake(clock_wall_us() - (life_days - rows[i].days) * day_us + day_us / 2, 0);
        if (ca_create(ca, "Test CA", &err) < 0)
            fail_msg("%s", err.text);
        clock_unfake();
        ask_doctor("link_port = 1\nweb_port = 1\n");
        assert_says(rows[i].mark, "CA certificate", rows[i].words);
        folder_remove(ca);
        free(ca);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
    const struct CMUnitTest tests[] = {
        TEST(ports_of_the_his_are_tried_and_said_to_be_sealed_or_open),
        TEST(a_gateway_that_was_told_no_time_zone_is_worth_a_look),
        TEST(what_is_not_fine_is_told_with_what_to_do),
        TEST(a_file_that_fits_both_is_judged_by_the_folders_of_its_data_dir),
        TEST(an_authority_that_ends_within_two_years_is_worth_a_look),
        TEST(a_mistyped_table_is_named_with_its_line),
        TEST(a_line_that_does_not_work_is_told_with_the_reason),
        TEST(the_centre_is_asked_by_the_ways_of_the_table_until_one_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
