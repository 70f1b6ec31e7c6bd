/* test_renewal_own.c - the archive's own certificate as who connects meets it, while it runs on. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/trust/ca.h"
#include "storage/ingest/ingest.h"
#include "tests/support/folder.h"
#include "tests/support/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_US INT64_C(86400000000)
enum { EVEN_MS = 120000, LIFE_DAYS = 398, AUTHORITY_DAYS = 20 * 365 + 5 };

static char folder[FOLDER_PATH_BYTES], ca_dir[FOLDER_PATH_BYTES + 8];
static char dir[FOLDER_PATH_BYTES + 8];
static char certificate[FOLDER_PATH_BYTES + 32], key[FOLDER_PATH_BYTES + 32];
static struct ca *ca;
static struct http_server *server;

/* An archive whose authority and certificate were made so many days ago (-1: tomorrow). */
static void
open_archive(int authority_days, int days)
{
    int64_t now_us = clock_wall_us();
    struct err err;

    folder_make("renewal", folder);
    snprintf(ca_dir, sizeof ca_dir, "%s/ca", folder);
    snprintf(dir, sizeof dir, "%s/server", folder);
    snprintf(certificate, sizeof certificate, "%s/server.pem", dir);
    snprintf(key, sizeof key, "%s/server.key", dir);
    clock_fake(now_us - authority_days * DAY_US, 0);
    assert_int_equal(ca_create(ca_dir, "Test CA", &err), 0);
    assert_int_equal(ca_open(ca_dir, &ca, &err), 0);
    clock_fake(now_us - days * DAY_US, 0);
    assert_int_equal(ca_make_server(ca, dir, "127.0.0.1", LIFE_DAYS, &err), 0);
    clock_unfake();
    server = shown_open(certificate, key);
}

static struct ingest_renewal *
look_after_it(void)
{
    struct ingest_renewal_options o = {
        .ca = ca, .dir = dir, .names = "127.0.0.1", .days = LIFE_DAYS, .servers = {NULL, server}};

    return ingest_renewal_start(&o);
}

static void
close_archive(struct ingest_renewal **renewal)
{
    ingest_renewal_stop(renewal);
    shown_close();
    ca_close(&ca);
    folder_remove(folder);
}

/* As a gateway comes: it trusts this authority, in its time, and nobody else. */
static int
come_in(void)
{
    char authority[FOLDER_PATH_BYTES + 16];

    snprintf(authority, sizeof authority, "%s/ca.pem", ca_dir);
    return shown_come_in(authority);
}

static void
an_archive_that_runs_for_more_than_a_year_is_still_reached(void **state)
{
    struct ingest_renewal *renewal;

    (void)state;
    open_archive(400, 400);
    assert_int_equal(come_in(), -1);

    renewal = look_after_it();
    shown_wait_for("HTTP_CERTIFICATE_NEW");

    assert_int_equal(come_in(), 0);
    close_archive(&renewal);
}

static void
a_certificate_that_was_made_while_the_clock_was_ahead_is_made_anew(void **state)
{
    struct ingest_renewal *renewal;

    (void)state;
    open_archive(10, -200);
    assert_int_equal(come_in(), -1);

    (void)clock_even_ms();
    clock_fake(clock_wall_us(), clock_mono_ms());
    clock_fake_advance(EVEN_MS);
    (void)clock_even_ms();
    renewal = look_after_it();
    shown_wait_for("HTTP_CERTIFICATE_NEW");
    clock_unfake();

    assert_int_equal(come_in(), 0);
    close_archive(&renewal);
}

static void
a_clock_that_is_behind_until_it_is_set_replaces_no_good_certificate(void **state)
{
    struct ingest_renewal *renewal;

    (void)state;
    open_archive(AUTHORITY_DAYS - 100, 1);
    clock_fake(clock_wall_us() - 450 * DAY_US, clock_mono_ms());

    renewal = look_after_it();
    shown_wait_for("INGEST_AUTHORITY_ENDS"); /* the last thing it looks at */
    clock_unfake();

    assert_int_equal(come_in(), 0);
    close_archive(&renewal);
}

static void
what_hinders_a_renewal_is_told_with_the_days_left_and_the_old_one_serves(void **state)
{
    struct ingest_renewal *renewal;
    struct err err;
    char *blocked;

    (void)state;
    open_archive(380, 380);
    assert_int_equal(durable_remove(dir, "server.key", &err), 0);
    assert_int_equal(mkdir(key, 0700), 0); /* no file takes its place */
    blocked = mem_printf("%s/full", key);
    assert_int_equal(mkdir(blocked, 0700), 0);
    free(blocked);

    renewal = look_after_it();
    assert_non_null(strstr(shown_wait_for("INGEST_CERTIFICATE_STAYS"), "days_left=17"));

    assert_int_equal(come_in(), 0);
    close_archive(&renewal);
}

/* No file can be made in its folder. */
static void
block(void)
{
    char *tmp = mem_printf("%s/tmp", dir);
    FILE *file;

    assert_int_equal(rmdir(tmp), 0);
    file = fopen(tmp, "we");
    assert_non_null(file);
    fclose(file);
    free(tmp);
}

static void
a_start_goes_on_with_a_good_certificate_that_cannot_be_made_anew(void **state)
{
    static const struct {
        const char *name;
        int days, rc;
    } rows[] = {{"good for 18 days", 380, 0}, {"ended", 400, -1}};
    struct ingest_renewal *none = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ingest_renewal_options o;
        struct err err;
        int rc;

        open_archive(rows[i].days, rows[i].days);
        o = (struct ingest_renewal_options){
            .ca = ca, .dir = dir, .names = "127.0.0.1", .days = LIFE_DAYS};
        block();
        rc = ingest_certificate_make(&o, &err);
        if (rc != rows[i].rc)
            fail_msg("%s: %d", rows[i].name, rc);
        if (rc == 0)
            shown_wait_for("INGEST_CERTIFICATE_STAYS");
        close_archive(&none);
    }
}

/* The disk takes the key's file and not the certificate's: what is shown to who connects is one
 * pair all the same. */
static void
a_new_certificate_is_for_the_key_that_is_there(void **state)
{
    struct ingest_renewal *none = NULL;
    char *before, *after;
    struct err err;
    size_t n;

    (void)state;
    open_archive(380, 380);
    assert_int_equal(durable_get_file(key, 4096, (uint8_t **)&before, &n, &err), 0);

    assert_int_equal(ca_make_server(ca, dir, "127.0.0.1", LIFE_DAYS, &err), 0);

    assert_int_equal(durable_get_file(key, 4096, (uint8_t **)&after, &n, &err), 0);
    assert_string_equal(before, after);
    free(before);
    free(after);
    close_archive(&none);
}

static void
the_end_of_the_authority_is_told_two_years_before(void **state)
{
    struct ingest_renewal *renewal;

    (void)state;
    open_archive(AUTHORITY_DAYS - 700, 1);
    renewal = look_after_it();
    assert_non_null(strstr(shown_wait_for("INGEST_AUTHORITY_ENDS"), "days_left=699"));
    close_archive(&renewal);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_that_runs_for_more_than_a_year_is_still_reached),
        cmocka_unit_test(a_certificate_that_was_made_while_the_clock_was_ahead_is_made_anew),
        cmocka_unit_test(a_clock_that_is_behind_until_it_is_set_replaces_no_good_certificate),
        cmocka_unit_test(what_hinders_a_renewal_is_told_with_the_days_left_and_the_old_one_serves),
        cmocka_unit_test(a_start_goes_on_with_a_good_certificate_that_cannot_be_made_anew),
        cmocka_unit_test(a_new_certificate_is_for_the_key_that_is_there),
        cmocka_unit_test(the_end_of_the_authority_is_told_two_years_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
