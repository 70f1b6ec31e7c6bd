/* test_page_tls.c - the page's certificate as who connects meets it, while the desk runs on. */
#include "gateway/desk/page_tls.h"

#include "gateway/desk/place.h"
#include "proto/base/durable.h"
#include "proto/trust/ca.h"
#include "tests/support/folder.h"
#include "tests/support/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Two authorities: whoever trusts the one does not know the other's certificate. */
enum { FIRST, SECOND, AUTHORITIES };

static char folder[FOLDER_PATH_BYTES];
static char authority[AUTHORITIES][400], certificate[AUTHORITIES][400], key[AUTHORITIES][400];
static char print[AUTHORITIES][96];
static struct page_tls *page;

static void
make(int which)
{
    char dir[300];
    struct ca *ca = NULL;
    struct err err;

    snprintf(dir, sizeof dir, "%s/%d", folder, which);
    snprintf(authority[which], sizeof authority[which], "%s/ca.pem", dir);
    snprintf(certificate[which], sizeof certificate[which], "%s/server.pem", dir);
    snprintf(key[which], sizeof key[which], "%s/server.key", dir);
    assert_int_equal(ca_create(dir, "Clinic", &err), 0);
    assert_int_equal(ca_open(dir, &ca, &err), 0);
    assert_int_equal(ca_make_server(ca, dir, "127.0.0.1", 100, &err), 0);
    ca_close(&ca);
    assert_int_equal(place_fingerprint(certificate[which], print[which], &err), 0);
}

/* What the technician does: the new one over the file that the desk reads. */
static void
put_over(const char *from, const char *over)
{
    const char *name = strrchr(over, '/');
    uint8_t *bytes = NULL;
    struct err err;
    char dir[400];
    size_t n;

    snprintf(dir, sizeof dir, "%.*s", (int)(name - over), over);
    assert_int_equal(durable_get_file(from, 65536, &bytes, &n, &err), 0);
    assert_int_equal(durable_put_file(dir, name + 1, bytes, n, &err), 0);
    free(bytes);
}

static int
setup(void **state)
{
    (void)state;
    folder_make("page-tls", folder);
    make(FIRST);
    make(SECOND);
    page = page_tls_new(certificate[FIRST], print[FIRST]);
    page_tls_begin(page, shown_open(certificate[FIRST], key[FIRST]));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    page_tls_end(page);
    shown_close();
    page_tls_free(&page);
    folder_remove(folder);
    return 0;
}

static void
assert_shown(int which, bool is_stale)
{
    char shown[96];

    page_tls_fingerprint(page, shown);
    assert_string_equal(shown, print[which]);
    assert_int_equal(page_tls_is_stale(page), is_stale);
    assert_int_equal(shown_come_in(authority[which]), 0);
}

static void
a_renewed_file_is_shown_without_a_new_start(void **state)
{
    (void)state;
    assert_shown(FIRST, false);
    put_over(certificate[SECOND], certificate[FIRST]);
    put_over(key[SECOND], key[FIRST]);
    page_tls_look(page);
    assert_shown(SECOND, false);
    assert_int_equal(shown_come_in(authority[FIRST]), -1);
}

static void
a_file_that_cannot_be_used_changes_nothing_and_is_told_until_it_is_mended(void **state)
{
    (void)state;
    put_over(certificate[SECOND], certificate[FIRST]); /* without its key */
    page_tls_look(page);
    page_tls_look(page);
    assert_shown(FIRST, true);
    shown_wait_for("DESK_CERTIFICATE_STAYS");
    put_over(key[SECOND], key[FIRST]);
    page_tls_look(page);
    assert_shown(SECOND, false);
}

/* At its stop the desk was killed by an answer that was under way. */
static void
answers_before_the_first_look_and_after_the_last_have_the_fingerprint(void **state)
{
    struct page_tls *other = page_tls_new(certificate[FIRST], print[FIRST]);
    char shown[96];

    (void)state;
    page_tls_fingerprint(other, shown);
    assert_string_equal(shown, print[FIRST]);
    page_tls_end(other); /* the server did not start */
    page_tls_free(&other);
    page_tls_end(page);

    assert_shown(FIRST, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_renewed_file_is_shown_without_a_new_start, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_file_that_cannot_be_used_changes_nothing_and_is_told_until_it_is_mended, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            answers_before_the_first_look_and_after_the_last_have_the_fingerprint, setup, teardown),
    };

    return cmocka_run_group_tests_name("page_tls", tests, NULL, NULL);
}
