/* test_queue_cli.c - radpost queue beside a running spool: exit codes, and an export that is exact.
 */
#include "gateway/spool/queue_cli.h"
#include "gateway/spool/queue_door.h"

#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
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

/* Whole in size, with other bytes: nobody would see it. */
static void
what_rotted_is_not_left_where_somebody_would_take_it(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t entry = fixture_put(f, 70000, 4, 0), behind = fixture_put(f, 70000, 5, 0);
    char out[FOLDER_PATH_BYTES + 16], id[24], path[40];
    struct spool_bytes bytes = {.fd = -1};
    int fd;

    assert_int_equal(spool_source_received(f->sp, entry, &bytes, &err), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", bytes.fd);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xA5\x5A\xA5", 3, (off_t)bytes.offset + 5000), 3);
    close(fd);
    close(bytes.fd);
    assert_true(behind > entry);
    snprintf(id, sizeof id, "%d", (int)entry);
    snprintf(out, sizeof out, "%s/rotten.dcm", f->dir);

    assert_int_equal(queue("export", f->dir, id, out), err_kind_exit(ERR_CONFLICT));

    assert_int_equal(access(out, F_OK), -1);
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

/* What it says of its failure. */
static void
complaint(const char *argv[7], int wanted_rc, char out[4096])
{
    char *words[7] = {NULL};
    int argc = 0, saved = dup(STDERR_FILENO), pipes[2];
    ssize_t n;

    for (; argv[argc] != NULL; argc++)
        words[argc] = mem_text(argv[argc]);
    assert_int_equal(pipe(pipes), 0);
    assert_true(saved >= 0 && dup2(pipes[1], STDERR_FILENO) >= 0);
    close(pipes[1]);
    int rc = queue_cli(argc, words);
    fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    n = read(pipes[0], out, 4095);
    out[n > 0 ? n : 0] = '\0';
    close(pipes[0]);
    for (int i = 0; i < argc; i++)
        free(words[i]);
    assert_int_equal(rc, wanted_rc);
}

static void
what_cannot_be_done_is_said_in_a_line(void **state)
{
    static const char *const acts[] = {"hold", "release", "requeue"};
    struct spool_fixture *f = *state;
    char out[4096];

    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        complaint((const char *[7]){"queue", acts[i], f->dir, "study:1.2.3"},
                  err_kind_exit(ERR_NOT_FOUND), out);
        assert_string_equal(out, "radpost queue: there is no such study\n");
    }
    complaint((const char *[7]){"queue", "discard", f->dir, "1", "--reason", "boredom"}, 2, out);
    assert_non_null(strstr(out, "radpost queue: 'boredom' is no reason\nWORD of a discard is one"));
    assert_non_null(strstr(out, " equipment"));
    assert_null(strstr(out, "radpost queue list"));
}

static bool
is_paused(struct spool_fixture *f, uint64_t id)
{
    struct spool_entry *e = NULL;
    bool is;

    assert_int_equal(spool_load(f->sp, id, &e, &err), 0);
    is = e->is_paused;
    spool_entry_free(&e);
    return is;
}

/* Hold, release and requeue, of one and of a study; the spool is open here and asked, or closed. */
static void
work_through(struct spool_fixture *f, bool is_running)
{
    uint64_t a = fixture_put(f, 100, 1, 0), b = fixture_put(f, 100, 2, 0);
    char id[24];

    fixture_inspect(f, a, "1.9");
    fixture_inspect(f, b, "1.9");
    assert_int_equal(spool_set_uncoded(f->sp, a, "-", &err), 0);
    assert_int_equal(spool_set_held(f->sp, a, 1, &err), 0);
    assert_int_equal(spool_set_quarantined(f->sp, b, "other: drawn", &err), 0);
    snprintf(id, sizeof id, "%d", (int)b);
    if (!is_running)
        spool_close(&f->sp);
    assert_int_equal(queue("hold", f->dir, "study:1.9", NULL), 0);
    assert_int_equal(queue("requeue", f->dir, id, NULL), err_kind_exit(ERR_CONFLICT));
    assert_int_equal(queue("requeue", f->dir, "study:1.9", NULL), err_kind_exit(ERR_CONFLICT));
    assert_int_equal(queue("release", f->dir, "study:1.9", NULL), 0); /* what was held back */
    assert_int_equal(queue("release", f->dir, id, NULL), 0);          /* from quarantine */
    assert_int_equal(queue("release", f->dir, id, NULL), err_kind_exit(ERR_CONFLICT));
    assert_int_equal(queue("hold", f->dir, id, NULL), 0);
    assert_int_equal(queue("hold", f->dir, "77", NULL), err_kind_exit(ERR_NOT_FOUND));
    assert_int_equal(queue("hold", f->dir, "study:1.77", NULL), err_kind_exit(ERR_NOT_FOUND));
    assert_int_equal(queue("hold", f->dir, "all", NULL), err_kind_exit(ERR_REJECT));
    assert_int_equal(queue("list", f->dir, "paused", NULL), 0);
    assert_int_equal(queue("list", f->dir, "stranger", NULL), 0);
    if (!is_running)
        fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, a), INSTANCE_PLAIN);
    assert_int_equal(fixture_state_of(f, b), INSTANCE_RECEIVED);
    assert_false(is_paused(f, a));
    assert_true(is_paused(f, b));
}

static int
discard(const char *dir, const char *id, const char *option, const char *reason)
{
    char *argv[] = {mem_text("queue"), mem_text("discard"), mem_text(dir), mem_text(id),
                    mem_text(option),  mem_text(reason),    NULL};
    int argc = 0, rc;

    while (argv[argc] != NULL)
        argc++;
    rc = queue_cli(argc, argv);
    for (int i = 0; i < 6; i++)
        free(argv[i]);
    return rc;
}

/* Thrown away with a reason, shown, taken back. */
static void
throw_away(struct spool_fixture *f, bool is_running)
{
    uint64_t bad = fixture_put(f, 100, 1, 0), good = fixture_put(f, 100, 2, 0);
    struct spool_entry *e = NULL;
    char id[24], other[24];

    assert_int_equal(spool_set_quarantined(f->sp, bad, "unreadable", &err), 0);
    snprintf(id, sizeof id, "%d", (int)bad);
    snprintf(other, sizeof other, "%d", (int)good);
    if (!is_running)
        spool_close(&f->sp);
    assert_int_equal(discard(f->dir, id, NULL, NULL), 2);
    assert_int_equal(discard(f->dir, id, "--reason", NULL), 2);
    assert_int_equal(discard(f->dir, id, "--reason", "boredom"), 2);
    assert_int_equal(discard(f->dir, id, "--because", "other"), 2);
    assert_int_equal(discard(f->dir, other, "--reason", "other"), err_kind_exit(ERR_CONFLICT));
    assert_int_equal(discard(f->dir, id, "--reason", "equipment"), 0);
    assert_int_equal(discard(f->dir, id, "--reason", "equipment"), err_kind_exit(ERR_CONFLICT));
    assert_int_equal(queue("list", f->dir, "discarded", NULL), 0);
    assert_int_equal(queue("show", f->dir, id, NULL), 0);
    assert_int_equal(queue("verify", f->dir, NULL, NULL), 0);
    if (!is_running)
        fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, bad), INSTANCE_DISCARDED);
    assert_int_equal(fixture_state_of(f, good), INSTANCE_RECEIVED);
    assert_int_equal(spool_load(f->sp, bad, &e, &err), 0);
    assert_string_equal(e->discard_reason, "equipment");
    assert_string_equal(e->discarded_by, "radpost queue");
    spool_entry_free(&e);
    if (!is_running)
        spool_close(&f->sp);
    assert_int_equal(queue("release", f->dir, id, NULL), 0);
    if (!is_running)
        fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, bad), INSTANCE_RECEIVED);
}

static void
rubbish_is_thrown_away_with_a_reason_and_taken_back_beside_a_gateway(void **state)
{
    struct spool_fixture *f = *state;

    f->options.has_queue_door = true;
    fixture_reopen(f);
    throw_away(f, true);
}

static void
rubbish_is_thrown_away_with_a_reason_and_taken_back_with_the_gateway_stopped(void **state)
{
    throw_away(*state, false);
}

static void
a_study_that_is_released_leaves_what_was_thrown_away(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t bad = fixture_put(f, 100, 1, 0), aside = fixture_put(f, 100, 2, 0);
    char id[24];

    fixture_inspect(f, bad, "1.9");
    fixture_inspect(f, aside, "1.9");
    assert_int_equal(spool_set_quarantined(f->sp, bad, "other: drawn", &err), 0);
    assert_int_equal(spool_set_quarantined(f->sp, aside, "other: drawn", &err), 0);
    assert_int_equal(spool_discard(f->sp, bad, "other", "li.wei", &err), 0);
    snprintf(id, sizeof id, "%d", (int)bad);
    spool_close(&f->sp);

    assert_int_equal(queue("release", f->dir, "study:1.9", NULL), 0);

    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, aside), INSTANCE_RECEIVED);
    assert_int_equal(fixture_state_of(f, bad), INSTANCE_DISCARDED);
    spool_close(&f->sp);
    assert_int_equal(queue("release", f->dir, id, NULL), 0); /* by its number */
    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, bad), INSTANCE_RECEIVED);
}

static void
a_running_gateway_is_asked(void **state)
{
    struct spool_fixture *f = *state;

    f->options.has_queue_door = true;
    fixture_reopen(f);
    work_through(f, true);
    fixture_reopen(f); /* what stays of the socket is in nobody's way */
    assert_int_equal(queue("hold", f->dir, "1", NULL), 0);
}

static void
a_stopped_gateways_spool_is_worked_on_itself(void **state)
{
    work_through(*state, false);
}

static void
a_spool_that_is_open_without_a_door_is_left_alone(void **state)
{
    struct spool_fixture *f = *state;

    fixture_put(f, 100, 1, 0);
    assert_int_equal(queue("hold", f->dir, "1", NULL), err_kind_exit(ERR_CONFLICT));
    assert_false(is_paused(f, 1));
}

/* The service could not read what root wrote, and would begin without it. */
static void
a_stopped_gateways_spool_is_left_alone_by_another_user(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);

    if (geteuid() != 0)
        skip();
    spool_close(&f->sp);
    assert_int_equal(chown(f->dir, 65534, 65534), 0);

    assert_int_equal(queue("hold", f->dir, "1", NULL), err_kind_exit(ERR_DENIED));

    assert_int_equal(chown(f->dir, 0, 0), 0);
    assert_int_equal(spool_open(f->dir, &f->options, &f->sp, &err), 0);
    assert_false(is_paused(f, id));
}

static void
a_door_tells_why_and_who_is_not_there(void **state)
{
    struct spool_fixture *f = *state;
    bool is_running = true;

    assert_int_equal(queue_door_ask(f->dir, "hold", 1, NULL, &is_running, &err), -1);
    assert_false(is_running);
    f->options.has_queue_door = true;
    fixture_reopen(f);
    assert_int_equal(queue_door_ask(f->dir, "hold", 1, NULL, &is_running, &err), -1);
    assert_true(is_running);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(queue_door_ask(f->dir, "burn", 1, NULL, &is_running, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
verify_names_what_is_not_as_it_came(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t good = fixture_put(f, 50000, 1, 0), bad = fixture_put(f, 50000, 2, 0);
    struct spool_bytes at;
    char path[FOLDER_PATH_BYTES + 64], id[24];
    int fd;

    fixture_inspect(f, good, "1.9");
    fixture_code(f, good, 100, 3);
    assert_int_equal(queue("verify", f->dir, NULL, NULL), 0);
    assert_int_equal(spool_source_received(f->sp, bad, &at, &err), 0);
    close(at.fd);
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", f->dir);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "rot", 3, (off_t)at.offset + 777) == 3);
    close(fd);
    assert_int_equal(queue("verify", f->dir, NULL, NULL), err_kind_exit(ERR_CONFLICT));
    snprintf(id, sizeof id, "%d", (int)good);
    assert_int_equal(queue("verify", f->dir, id, NULL), 0);
    assert_int_equal(queue("verify", f->dir, "99", NULL), err_kind_exit(ERR_CONFLICT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_export_is_what_was_received, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_rotted_is_not_left_where_somebody_would_take_it,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_done_is_said_in_a_line, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_done_is_told_by_the_exit_code,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(
            rubbish_is_thrown_away_with_a_reason_and_taken_back_beside_a_gateway,
            spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(
            rubbish_is_thrown_away_with_a_reason_and_taken_back_with_the_gateway_stopped,
            spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_study_that_is_released_leaves_what_was_thrown_away,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_running_gateway_is_asked, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_stopped_gateways_spool_is_worked_on_itself,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_spool_that_is_open_without_a_door_is_left_alone,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_stopped_gateways_spool_is_left_alone_by_another_user,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_door_tells_why_and_who_is_not_there, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(verify_names_what_is_not_as_it_came, spool_fixture_setup,
                                        spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
