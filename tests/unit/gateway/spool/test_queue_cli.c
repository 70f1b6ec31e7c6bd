/* test_queue_cli.c - radpost queue beside a running spool: exit codes, and an export that is exact.
 */
#include "gateway/spool/queue_cli.h"

#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct err err;

static int
queue(const char *a, const char *b, const char *c, const char *d)
{
    char *argv[] = {mem_text("queue"), mem_text(a), mem_text(b), mem_text(c), mem_text(d), NULL};
    int argc = 0, rc;

    while (argv[argc] != NULL)
        argc++;
    rc = queue_cli(argc, argv);
    for (int i = 0; i < 5; i++)
        free(argv[i]);
    return rc;
}

static void
an_export_is_what_was_received(void **state)
{
    struct spool_fixture *f = *state;
    uint8_t *want = fixture_bytes(70000, 4), *got = NULL;
    char out[FOLDER_PATH_BYTES + 16], id[24];
    size_t n;

    snprintf(id, sizeof id, "%d", (int)fixture_put(f, 70000, 4, 0));
    snprintf(out, sizeof out, "%s/out.dcm", f->dir);
    assert_int_equal(queue("export", f->dir, id, out), 0);
    assert_int_equal(durable_get_file(out, 1 << 20, &got, &n, &err), 0);
    assert_int_equal(n, 70000);
    assert_memory_equal(got, want, n);
    assert_int_equal(queue("export", f->dir, id, out), err_kind_exit(ERR_CONFLICT));
    free(got);
    free(want);
}

static void
what_cannot_be_done_is_told_by_the_exit_code(void **state)
{
    struct spool_fixture *f = *state;

    fixture_put(f, 100, 1, 0);
    assert_int_equal(queue("list", f->dir, NULL, NULL), 0);
    assert_int_equal(queue("list", f->dir, "received", NULL), 0);
    assert_int_equal(queue("show", f->dir, "1", NULL), 0);
    assert_int_equal(queue("show", f->dir, "99", NULL), err_kind_exit(ERR_NOT_FOUND));
    assert_int_equal(queue("show", f->dir, "x", NULL), err_kind_exit(ERR_REJECT));
    assert_int_equal(queue("list", f->dir, "complete", NULL), err_kind_exit(ERR_REJECT));
    assert_int_equal(queue("list", "/nonexistent", NULL, NULL), err_kind_exit(ERR_NOT_FOUND));
    assert_int_equal(queue("drop", f->dir, "1", NULL), 2);
    assert_int_equal(queue("list", NULL, NULL, NULL), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_export_is_what_was_received, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_done_is_told_by_the_exit_code,
                                        spool_fixture_setup, spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
