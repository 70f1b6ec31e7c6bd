/* test_import_rewritten.c - a cart writes its next recording over the last one, of the same name
 * and length, while that one is being taken: both are kept. */
#include "gateway/import/import.h"
#include "tests/support/import_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_armed;
static char original[300];
static struct buf next; /* the recording that comes meanwhile */

static void
rewrite(void)
{
    int fd = open(original, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, next.bytes, next.n) != (ssize_t)next.n || close(fd) < 0)
        abort();
}

/* The copy is whole, and on its way to the disk. */
int
fdatasync(int fd)
{
    if (__atomic_exchange_n(&is_armed, false, __ATOMIC_SEQ_CST))
        rewrite();
    return (int)syscall(SYS_fdatasync, fd);
}

/* Older than a tick of the file system's clock, as what a cart wrote over the line is. */
static void
drop_old(void)
{
    const struct timespec old[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    char outside[300];

    snprintf(outside, sizeof outside, "%s/ecg.pdf", world_media);
    snprintf(original, sizeof original, "%s/ecg.pdf", world_drop);
    world_drop_file(world_media, "ecg.pdf", &world_file);
    assert_int_equal(utimensat(AT_FDCWD, outside, old, 0), 0);
    __atomic_store_n(&is_armed, true, __ATOMIC_SEQ_CST);
    assert_int_equal(rename(outside, original), 0);
}

static void
a_recording_written_over_the_one_being_taken_is_taken_too(void **state)
{
    (void)state;
    world_begin();
    buf_init(&next, 16 << 20);
    world_pdf("two");
    buf_add(&next, world_file.bytes, world_file.n);
    world_pdf("one");
    assert_int_equal(world_file.n, next.n);

    drop_old();

    world_wait(1u << IMPORT_WAITING, 2, NULL);
    assert_int_equal(world_files("files"), 2);
    buf_fini(&next);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_recording_written_over_the_one_being_taken_is_taken_too,
                                        import_world_setup, import_world_teardown),
    };

    return cmocka_run_group_tests_name("import_rewritten", tests, NULL, NULL);
}
