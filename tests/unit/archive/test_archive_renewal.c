/* test_archive_renewal.c - what browsers see of the reader is what the files say, also when
 * somebody replaced them under a running service. */
#include "proto/trust/ca.h"
#include "reader/archive/archive.h"
#include "tests/support/folder.h"
#include "tests/support/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { WEB_DAYS = 40 };

/* The centre is away all the while: the reader's own certificate is another matter. */
static void
a_certificate_that_was_replaced_is_shown_and_its_last_month_told(void **state)
{
    char folder[FOLDER_PATH_BYTES], authority[FOLDER_PATH_BYTES + 16];
    char dir[FOLDER_PATH_BYTES + 8], identity[FOLDER_PATH_BYTES + 8];
    char certificate[FOLDER_PATH_BYTES + 32], key[FOLDER_PATH_BYTES + 32];
    struct archive_renewal_options r = {
        .identity_dir = identity, .url = "https://127.0.0.1:1", .web_certificate = certificate};
    struct archive_renewal *renewal;
    struct ca *ca = NULL;
    struct err err;

    (void)state;
    folder_make("archive-renewal", folder);
    snprintf(dir, sizeof dir, "%s/web", folder);
    snprintf(identity, sizeof identity, "%s/link", folder);
    snprintf(certificate, sizeof certificate, "%s/server.pem", dir);
    snprintf(key, sizeof key, "%s/server.key", dir);
    snprintf(authority, sizeof authority, "%s/ca.pem", folder);
    assert_int_equal(ca_create(folder, "Somebody's CA", &err), 0);
    assert_int_equal(ca_open(folder, &ca, &err), 0);
    assert_int_equal(ca_make_server(ca, dir, "old.example", WEB_DAYS, &err), 0);
    r.servers[0] = shown_open(certificate, key);
    assert_int_equal(shown_come_in(authority), -1); /* its name is another */

    assert_int_equal(ca_make_server(ca, dir, "127.0.0.1", 20, &err), 0);
    renewal = archive_renewal_start(&r);
    shown_wait_for("HTTP_CERTIFICATE_NEW");
    assert_int_equal(shown_come_in(authority), 0);
    shown_wait_for("ARCHIVE_WEB_CERTIFICATE_ENDS");

    archive_renewal_stop(&renewal);
    shown_close();
    ca_close(&ca);
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_was_replaced_is_shown_and_its_last_month_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
