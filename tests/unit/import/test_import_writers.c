/* test_import_writers.c - files that somebody still writes, or for which there is no room, stay in
 * the drop folder, whole and told. */
#include "gateway/import/import.h"

#include "proto/base/clock.h"
#include "tests/support/import_world.h"
#include "tests/support/sample_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { SETTLE_MS = 5000, PARTIAL_MS = 600000 };

#define NO_ROOM ((uint64_t)1 << 62)

static struct err err;
static bool is_untold; /* as of another user's file, and on a network share */

/* Asks of leases alone reach this from the code under test with F_SETLEASE. */
int
fcntl(int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    if (command == F_SETLEASE && __atomic_load_n(&is_untold, __ATOMIC_SEQ_CST)) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static char hung[320]; /* on a share whose server is away; "": none */
static pthread_t starter;
static _Atomic bool was_starter_asked;
static sem_t answers;

int
stat(const char *path, struct stat *out)
{
    if (hung[0] != '\0' && strcmp(path, hung) == 0) {
        if (pthread_equal(pthread_self(), starter)) {
            was_starter_asked = true; /* it would never return */
        } else {
            while (sem_wait(&answers) < 0)
                ;
            (void)sem_post(&answers);
        }
    }
    return fstatat(AT_FDCWD, path, out, 0);
}

static void
begin_on_fake_clock(void)
{
    world_options.settle_ms = SETTLE_MS;
    world_options.partial_ms = PARTIAL_MS;
    clock_fake(INT64_C(1795000000000000), 1000);
    world_begin();
}

static int
teardown(void **state)
{
    __atomic_store_n(&is_untold, false, __ATOMIC_SEQ_CST);
    clock_unfake();
    return import_world_teardown(state);
}

static int
open_to_write(const char *name)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", world_drop, name);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void
add(int fd, size_t from, size_t to)
{
    assert_int_equal(write(fd, world_file.bytes + from, to - from), to - from);
}

static void
look_after(int64_t ms)
{
    import_rescan(world_import);
    clock_fake_advance(ms);
    import_rescan(world_import);
}

/* An image; where its pixel data element begins. */
static size_t
make_image(void)
{
    static const uint8_t pixel_data[] = {0xE0, 0x7F, 0x10, 0x00};
    const uint8_t *at;

    buf_clear(&world_file);
    sample_image(&(struct sample){.instance = 7}, &world_file);
    at = memmem(world_file.bytes, world_file.n, pixel_data, sizeof pixel_data);
    assert_non_null(at);
    return (size_t)(at - world_file.bytes);
}

static void
assert_sent_whole(void)
{
    struct buf out;
    uint64_t entry;

    assert_int_equal(world_entries(&entry), 1);
    buf_init(&out, 16 << 20);
    world_bytes(entry, &out);
    assert_int_equal(out.n, world_file.n);
    assert_memory_equal(out.bytes, world_file.bytes, out.n);
    buf_fini(&out);
}

static void
an_image_whose_writer_pauses_before_its_pixels_is_taken_with_them(void **state)
{
    size_t head = make_image();
    int fd;

    (void)state;
    begin_on_fake_clock();
    fd = open_to_write("slow.dcm");
    add(fd, 0, head);
    look_after(10 * SETTLE_MS);
    look_after(PARTIAL_MS); /* not whole: shown in the end, and left to its writer */
    assert_true(world_is_in_drop("slow.dcm"));
    assert_int_equal(world_entries(NULL), 0);

    add(fd, head, world_file.n);
    close(fd);
    look_after(SETTLE_MS);
    assert_sent_whole();
    assert_false(world_is_in_drop("slow.dcm"));
}

static void
an_image_whose_upload_broke_off_before_its_pixels_is_not_sent(void **state)
{
    size_t head = make_image();
    struct import_item item;
    int fd;

    (void)state;
    begin_on_fake_clock();
    fd = open_to_write("broken.dcm");
    add(fd, 0, head);
    close(fd);
    look_after(SETTLE_MS);
    assert_int_equal(world_count(0), 0);
    look_after(PARTIAL_MS);
    clock_unfake();
    world_wait(1u << IMPORT_UNUSABLE, 1, &item);
    assert_non_null(strstr(item.why, "before the pixels"));
    assert_int_equal(world_entries(NULL), 0);
}

/* Nobody can tell who has it open, and its writer pauses for longer than anybody waits. */
static int
pause_before_pixels(size_t head)
{
    int fd;

    __atomic_store_n(&is_untold, true, __ATOMIC_SEQ_CST);
    begin_on_fake_clock();
    fd = open_to_write("slow.dcm");
    add(fd, 0, head);
    look_after(PARTIAL_MS);
    import_rescan(world_import);
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 1);
    return fd;
}

static void
an_image_whose_writer_nobody_sees_is_taken_whole_however_long_it_pauses(void **state)
{
    size_t head = make_image();
    int fd = pause_before_pixels(head);

    (void)state;
    assert_true(world_is_in_drop("slow.dcm"));

    add(fd, head, world_file.n);
    close(fd);
    look_after(SETTLE_MS);
    assert_sent_whole();
    assert_false(world_is_in_drop("slow.dcm"));
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 0); /* its rest came */
}

static void
a_cut_file_in_whose_place_another_comes_stays_at_the_desk(void **state)
{
    size_t head = make_image();

    (void)state;
    close(pause_before_pixels(head));
    world_file.bytes[0] = 'x'; /* of the preamble */
    world_drop_file(world_drop, "slow.dcm", &world_file);
    look_after(SETTLE_MS);
    assert_int_equal(world_entries(NULL), 1);
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 1);
}

static void
a_cut_file_goes_when_a_person_throws_it_away_and_not_before(void **state)
{
    struct import_item *items;
    size_t n, head = make_image();

    (void)state;
    close(pause_before_pixels(head));
    for (int restart = 0; restart < 2; restart++) {
        world_end();
        world_begin();
        look_after(PARTIAL_MS);
        assert_true(world_is_in_drop("slow.dcm"));
    }
    import_list(world_import, 0, &items, &n);
    assert_int_equal(n, 1);
    assert_int_equal(items[0].again, 0); /* it is the same one that lies there */
    assert_int_equal(import_discard(world_import, items[0].id, "cut", "desk", &err), 0);
    free(items);
    world_end();
    world_begin();
    look_after(PARTIAL_MS);
    assert_false(world_is_in_drop("slow.dcm"));
    assert_int_equal(world_count(1u << IMPORT_DISCARDED), 1);
}

static void
a_cut_upload_that_can_be_gone_on_with_stays_for_its_rest(void **state)
{
    int fd;

    (void)state;
    begin_on_fake_clock();
    world_pdf("in two calls");
    fd = open_to_write("a.pdf");
    add(fd, 0, world_file.n - 7);
    close(fd);
    look_after(PARTIAL_MS);
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 1);

    fd = open_to_write("a.pdf"); /* FTP: APPE */
    add(fd, world_file.n - 7, world_file.n);
    close(fd);
    look_after(SETTLE_MS);
    assert_int_equal(world_count(1u << IMPORT_WAITING), 1);
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 0);
    assert_false(world_is_in_drop("a.pdf"));
}

/* One buffer size, one header: to the byte they are the same so far. */
static void
of_two_that_broke_off_alike_the_other_stays_when_the_rest_of_one_comes(void **state)
{
    static const char *const names[] = {"a.pdf", "b.pdf"};
    int fd;

    (void)state;
    begin_on_fake_clock();
    world_pdf("in two calls");
    for (int i = 0; i < 2; i++) {
        fd = open_to_write(names[i]);
        add(fd, 0, world_file.n - 7);
        close(fd);
    }
    look_after(PARTIAL_MS);
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 1);

    fd = open_to_write("a.pdf");
    add(fd, world_file.n - 7, world_file.n);
    close(fd);
    look_after(SETTLE_MS);
    look_after(SETTLE_MS);

    assert_false(world_is_in_drop("a.pdf"));
    assert_true(world_is_in_drop("b.pdf"));
    assert_int_equal(world_count(1u << IMPORT_UNUSABLE), 1);
}

/* As spectroscopy, which has rows and its data in another element. */
static void
an_object_of_a_class_without_pixels_is_whole_without_them(void **state)
{
    static const char capture[] = "1.2.840.10008.5.1.4.1.1.7";
    size_t head = make_image(), n = sizeof capture - 1;
    uint8_t *at = world_file.bytes;

    (void)state;
    while ((at = memmem(at, head - (size_t)(at - world_file.bytes), capture, n)) != NULL) {
        at[n - 1] = '9'; /* Standalone Curve */
        at += n;
    }
    world_file.n = head;
    begin_on_fake_clock();
    world_drop_file(world_drop, "curve.dcm", &world_file);
    look_after(SETTLE_MS);
    assert_sent_whole();
}

static void
a_file_that_somebody_has_open_waits_until_it_is_closed(void **state)
{
    int fd;

    (void)state;
    begin_on_fake_clock();
    world_pdf("open");
    fd = open_to_write("open.pdf");
    add(fd, 0, world_file.n);
    look_after(10 * SETTLE_MS);
    assert_int_equal(world_count(0), 0);
    close(fd);
    look_after(SETTLE_MS);
    assert_int_equal(world_count(1u << IMPORT_WAITING), 1);
}

static void
a_file_that_is_never_closed_is_taken_in_the_end_and_stays(void **state)
{
    int fd;

    (void)state;
    begin_on_fake_clock();
    world_pdf("never closed");
    fd = open_to_write("open.pdf");
    add(fd, 0, world_file.n);
    look_after(PARTIAL_MS);
    assert_int_equal(world_count(1u << IMPORT_WAITING), 1);
    assert_true(world_is_in_drop("open.pdf"));
    close(fd);
    import_rescan(world_import);
    assert_false(world_is_in_drop("open.pdf"));
    assert_int_equal(world_count(0), 1);
}

/* As an FTP server leaves it (file_open_mode): closed, and nobody may open it to write. */
static void
upload(const char *name, size_t from, size_t to)
{
    int fd = open_to_write(name);

    assert_int_equal(fchmod(fd, 0440), 0);
    add(fd, from, to);
    close(fd);
}

static void
a_cut_upload_that_nobody_can_go_on_with_frees_its_name_at_once(void **state)
{
    struct import_item item;

    (void)state;
    world_begin();
    world_pdf("cut");
    upload("exam.pdf", 0, world_file.n - 7);
    world_wait(1u << IMPORT_UNUSABLE, 1, &item);
    import_rescan(world_import); /* after the look that took it */
    assert_false(world_is_in_drop("exam.pdf"));

    upload("exam.pdf", 0, world_file.n);
    world_wait(1u << IMPORT_WAITING, 1, &item);
}

static void
an_upload_that_never_got_its_last_name_frees_it_in_the_end(void **state)
{
    (void)state;
    begin_on_fake_clock();
    world_pdf("not renamed");
    upload("exam.tmp", 0, world_file.n);
    look_after(10 * SETTLE_MS);
    assert_true(world_is_in_drop("exam.tmp"));
    assert_int_equal(world_count(0), 0);
    look_after(PARTIAL_MS);
    assert_int_equal(world_count(1u << IMPORT_WAITING), 1);
    assert_false(world_is_in_drop("exam.tmp"));
}

static struct import_left
left(void)
{
    struct import_left now;

    import_left_now(world_import, &now);
    return now;
}

static void
a_file_that_is_too_large_is_told(void **state)
{
    (void)state;
    world_options.max_bytes = 100;
    begin_on_fake_clock();
    world_pdf("too large");
    world_drop_file(world_drop, "large.pdf", &world_file);
    look_after(SETTLE_MS);
    assert_int_equal(left().too_large, 1);
    assert_true(world_is_in_drop("large.pdf"));
}

static void
a_file_for_which_there_is_no_room_stays_and_is_told_and_taken_later(void **state)
{
    (void)state;
    world_spool_options.refuse_free_bytes = NO_ROOM;
    begin_on_fake_clock();
    world_pdf("no room");
    world_drop_file(world_drop, "a.pdf", &world_file);
    look_after(SETTLE_MS);
    assert_int_equal(left().no_room, 1);
    assert_true(world_is_in_drop("a.pdf"));
    assert_int_equal(world_count(0), 0);
    world_end();

    world_spool_options.refuse_free_bytes = 0;
    world_begin();
    look_after(SETTLE_MS);
    assert_int_equal(world_count(1u << IMPORT_WAITING), 1);
    assert_int_equal(left().no_room, 0);
}

static void
what_found_no_room_in_the_spool_waits_for_a_person_again(void **state)
{
    struct import_item item;

    (void)state;
    world_begin();
    world_pdf("bound on a full disk");
    world_drop_file(world_drop, "a.pdf", &world_file);
    world_wait(1u << IMPORT_WAITING, 1, &item);
    world_end();
    world_spool_options.refuse_free_bytes = NO_ROOM;
    world_begin();
    assert_int_equal(import_bind(world_import, item.id, &world_person, "desk", false, NULL, &err),
                     -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(world_count(1u << IMPORT_WAITING), 1);
    assert_int_equal(import_discard(world_import, item.id, "no room", "desk", &err), 0);
}

/* After a power cut the machine with the carts' share comes up after this one. */
static void
a_drop_folder_whose_share_comes_later_is_taken_up(void **state)
{
    char share[300], drop[320], trouble[IMPORT_TROUBLE_BYTES];

    (void)state;
    snprintf(share, sizeof share, "%s.share", world_dir);
    snprintf(drop, sizeof drop, "%s/carts", share);
    world_options.drop_dir = drop;
    world_options.rescan_ms = 100;
    world_begin();
    import_drop_trouble(world_import, trouble);
    assert_non_null(strstr(trouble, "import folder"));

    assert_int_equal(mkdir(share, 0700), 0);
    for (uint64_t seen = 0; trouble[0] != '\0'; import_drop_trouble(world_import, trouble))
        seen = import_wait(world_import, seen, 1000);
    world_pdf("from a cart");
    world_drop_file(drop, "cart.pdf", &world_file);
    world_wait(1u << IMPORT_WAITING, 1, NULL);
    world_end();
}

/* Until the share's server is back not even the question whether a folder is there returns. */
static void
a_drop_folder_that_does_not_answer_keeps_nobody_waiting_and_is_told(void **state)
{
    char trouble[IMPORT_TROUBLE_BYTES];

    (void)state;
    snprintf(hung, sizeof hung, "%s.hung", world_dir);
    assert_int_equal(sem_init(&answers, 0, 0), 0);
    starter = pthread_self();
    world_options.drop_dir = hung;
    world_options.rescan_ms = 100;

    world_begin();
    import_drop_trouble(world_import, trouble);
    assert_int_equal(sem_post(&answers), 0);
    assert_false(was_starter_asked);
    assert_non_null(strstr(trouble, "import folder"));

    for (uint64_t seen = 0; trouble[0] != '\0'; import_drop_trouble(world_import, trouble))
        seen = import_wait(world_import, seen, 1000);
    world_pdf("from a cart");
    world_drop_file(hung, "cart.pdf", &world_file);
    world_wait(1u << IMPORT_WAITING, 1, NULL);
    world_end();
    hung[0] = '\0';
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, import_world_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_image_whose_writer_pauses_before_its_pixels_is_taken_with_them),
        TEST(an_image_whose_upload_broke_off_before_its_pixels_is_not_sent),
        TEST(an_image_whose_writer_nobody_sees_is_taken_whole_however_long_it_pauses),
        TEST(a_cut_file_in_whose_place_another_comes_stays_at_the_desk),
        TEST(a_cut_file_goes_when_a_person_throws_it_away_and_not_before),
        TEST(a_cut_upload_that_can_be_gone_on_with_stays_for_its_rest),
        TEST(of_two_that_broke_off_alike_the_other_stays_when_the_rest_of_one_comes),
        TEST(an_object_of_a_class_without_pixels_is_whole_without_them),
        TEST(a_file_that_somebody_has_open_waits_until_it_is_closed),
        TEST(a_file_that_is_never_closed_is_taken_in_the_end_and_stays),
        TEST(a_cut_upload_that_nobody_can_go_on_with_frees_its_name_at_once),
        TEST(an_upload_that_never_got_its_last_name_frees_it_in_the_end),
        TEST(a_file_that_is_too_large_is_told),
        TEST(a_drop_folder_whose_share_comes_later_is_taken_up),
        TEST(a_drop_folder_that_does_not_answer_keeps_nobody_waiting_and_is_told),
        TEST(a_file_for_which_there_is_no_room_stays_and_is_told_and_taken_later),
        TEST(what_found_no_room_in_the_spool_waits_for_a_person_again),
    };

    return cmocka_run_group_tests_name("import_writers", tests, NULL, NULL);
}
