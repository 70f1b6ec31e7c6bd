/* test_import_crash.c - killed at any durable step of taking and binding, the inbox ends with the
 * file's instance in the spool exactly once (invariants 2 and 3 of import.h). The steps are every
 * sync, rename and unlink of the process, those of the spool among them. */
#include "proto/base/log.h"
#include "tests/support/import_files.h"
#include "tests/support/import_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIED = 42, WRONG = 43, STEPS_MAX = 200 };

static unsigned steps, dies_at;
static bool dies_before;

#define STEP(call)                                                                                 \
    unsigned step = __atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST);                               \
    long rc;                                                                                       \
    if (step == dies_at && dies_before)                                                            \
        _exit(DIED);                                                                               \
    rc = (call);                                                                                   \
    if (step == dies_at)                                                                           \
        _exit(DIED);                                                                               \
    return (int)rc

int
fdatasync(int fd)
{
    STEP(syscall(SYS_fdatasync, fd));
}

int
fsync(int fd)
{
    STEP(syscall(SYS_fsync, fd));
}

int
rename(const char *from, const char *to)
{
    STEP(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int
unlink(const char *path)
{
    STEP(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

/* Take whatever lies in the drop folder and bind what waits; what a restarted gateway and a person
 * who tries again do. 0 when one instance is bound. */
static int
take_and_bind(void)
{
    struct import_item *list;
    struct err err;
    int rc = 0;
    size_t n;

    for (int i = 0; i < 2000 && world_count(0) == 0; i++) {
        import_rescan(world_import); /* it has to keep still for a millisecond */
        (void)import_wait(world_import, import_wait(world_import, 0, 0), 1);
    }
    import_list(world_import, 1u << IMPORT_WAITING | 1u << IMPORT_BINDING, &list, &n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = import_bind(world_import, list[i].id, &world_person, "desk", false, NULL, &err);
    free(list);
    return rc;
}

/* In a child that dies at a step; false: it came through. */
static bool
child_dies(unsigned at, bool before)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        world_begin();
        steps = 0;
        dies_before = before;
        dies_at = at;
        if (take_and_bind() < 0)
            _exit(WRONG);
        dies_at = 0;
        world_end();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != DIED)
        fail_msg("step %u: status %d", at, WEXITSTATUS(status));
    return WEXITSTATUS(status) == DIED;
}

static void
judge(unsigned at, bool before, const struct buf *file)
{
    struct import_item item;
    struct buf out;
    uint64_t entry;

    world_begin();
    if (take_and_bind() < 0)
        fail_msg("step %u: not bound after a restart", at);
    world_wait(1u << IMPORT_BOUND, 1, &item);
    if (world_count(0) != 1 || world_entries(&entry) != 1)
        fail_msg("step %u, %s: %zu items, %zu instances", at, before ? "before" : "after",
                 world_count(0), world_entries(NULL));
    buf_init(&out, 4 << 20);
    world_bytes(entry, &out);
    assert_non_null(memmem(out.bytes, out.n, file->bytes, file->n));
    assert_int_equal(item.entry, entry);
    for (int i = 0; i < 100 && world_files("drop") > 0; i++)
        import_rescan(world_import);
    assert_int_equal(world_files("drop"), 0);
    assert_int_equal(world_files("files"), 1);
    assert_int_equal(world_files("corrupt"), 0);
    buf_fini(&out);
}

static void
killed_at_any_step_the_instance_is_there_once(void **state)
{
    unsigned died = 0;
    bool is_over = false;
    struct buf file;

    (void)state;
    buf_init(&file, 1 << 20);
    import_file_pdf("killed at every step", &file);
    for (unsigned at = 1; !is_over; at++) {
        assert_true(at < STEPS_MAX);
        for (int before = 0; before < 2; before++) {
            import_world_setup(NULL);
            world_options.settle_ms = 1;
            world_begin();
            world_end(); /* folders */
            world_drop_file(world_drop, "a.pdf", &file);
            if (child_dies(at, before))
                died++;
            else
                is_over = true;
            judge(at, before, &file);
            import_world_teardown(NULL);
        }
    }
    buf_fini(&file);
    print_message("killed %u times\n", died);
    assert_true(died >= 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_step_the_instance_is_there_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
