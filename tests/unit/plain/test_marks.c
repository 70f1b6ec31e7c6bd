/* test_marks.c - claims of gateway/plain/marks.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/marks.h"
#include "proto/base/durable.h"
#include "proto/base/zip.h"
#include "tests/support/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST = 64 };

struct world {
    char dir[FOLDER_PATH_BYTES];
    struct marks *marks;
    struct mark got[MOST];
    size_t n;
};

static void
give(void *user, const struct mark *mark)
{
    struct world *w = user;

    assert_true(w->n < MOST);
    w->got[w->n++] = *mark;
}

static bool
got_at(void *user, size_t i, struct mark *out)
{
    struct world *w = user;

    if (i >= w->n)
        return false;
    *out = w->got[i];
    return true;
}

/* Close, open, and write it anew, as a start does. */
static void
reopen(struct world *w)
{
    struct err err = {0};

    marks_close(&w->marks);
    w->n = 0;
    assert_int_equal(marks_open(w->dir, "pacs", give, w, &w->marks, &err), 0);
}

static void
renew(struct world *w)
{
    struct err err = {0};

    assert_int_equal(marks_renew(w->marks, got_at, w, &err), 0);
}

static void
append(struct world *w, enum mark_kind kind, uint64_t id)
{
    struct mark mark = {.kind = kind, .id = id, .tag = "\1\2\3\4\5\6\7", .at_us = 42, .status = 7};
    struct err err = {0};

    snprintf(mark.why, sizeof mark.why, "A%u", (unsigned)id);
    assert_int_equal(marks_append(w->marks, &mark, &err), 0);
}

static int
setup(void **state)
{
    struct world *w = mem_new(sizeof *w);
    char tmp[FOLDER_PATH_BYTES + 8];
    struct err err = {0};

    folder_make("marks", w->dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", w->dir);
    assert_int_equal(durable_mkdir(tmp, &err), 0);
    reopen(w);
    renew(w);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    marks_close(&w->marks);
    folder_remove(w->dir);
    free(w);
    return 0;
}

static void
file_path(const struct world *w, char out[FOLDER_PATH_BYTES + 16])
{
    snprintf(out, FOLDER_PATH_BYTES + 16, "%s/pacs.marks", w->dir);
}

static off_t
file_size(const struct world *w)
{
    char path[FOLDER_PATH_BYTES + 16];
    int fd;
    off_t n;

    file_path(w, path);
    fd = open(path, O_RDONLY);
    n = lseek(fd, 0, SEEK_END);
    close(fd);
    return n;
}

static void
what_was_marked_is_read_back_in_order(void **state)
{
    struct world *w = *state;
    struct err err = {0};

    append(w, MARK_TRIED, 1);
    append(w, MARK_ACCEPTED, 1);
    append(w, MARK_REFUSED, 3);
    assert_int_equal(marks_sync(w->marks, &err), 0);
    reopen(w);

    assert_int_equal(w->n, 3);
    assert_int_equal(w->got[1].kind, MARK_ACCEPTED);
    assert_int_equal(w->got[2].id, 3);
    assert_int_equal(w->got[2].status, 7);
    assert_int_equal(w->got[2].at_us, 42);
    assert_string_equal(w->got[2].why, "A3");
    assert_memory_equal(w->got[2].tag, "\1\2\3\4\5\6\7", 8);
    assert_false(marks_had_damage(w->marks));
}

static void
it_stays_as_old_as_its_first_file(void **state)
{
    struct world *w = *state;
    int64_t made = marks_made_at_us(w->marks);

    assert_true(made > 0);
    reopen(w);
    renew(w);
    reopen(w);

    assert_int_equal(marks_made_at_us(w->marks), made);
}

static void
a_torn_end_costs_that_mark_alone(void **state)
{
    struct world *w = *state;
    char path[FOLDER_PATH_BYTES + 16];
    off_t before, after;

    append(w, MARK_ACCEPTED, 1);
    before = file_size(w);
    append(w, MARK_ACCEPTED, 2);
    after = file_size(w);
    file_path(w, path);
    for (off_t n = after - 1; n >= before; n--) {
        assert_int_equal(truncate(path, n), 0);
        reopen(w);

        assert_int_equal(w->n, 1);
        assert_false(marks_had_damage(w->marks));
    }
}

static void
damage_in_the_middle_is_kept_and_the_rest_is_read(void **state)
{
    struct world *w = *state;
    char path[FOLDER_PATH_BYTES + 16], corrupt[FOLDER_PATH_BYTES + 16];
    off_t from, to;
    int fd;

    append(w, MARK_ACCEPTED, 1);
    from = file_size(w);
    append(w, MARK_ACCEPTED, 2);
    to = file_size(w);
    append(w, MARK_ACCEPTED, 3);
    file_path(w, path);
    snprintf(corrupt, sizeof corrupt, "%s/corrupt", w->dir);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "\xff", 1, from + (to - from) / 2), 1);
    close(fd);
    reopen(w);

    assert_int_equal(w->n, 2);
    assert_int_equal(w->got[1].id, 3);
    assert_true(marks_had_damage(w->marks));
    assert_int_equal(access(corrupt, F_OK), 0);
}

static void
a_head_that_cannot_be_read_begins_anew(void **state)
{
    struct world *w = *state;
    char path[FOLDER_PATH_BYTES + 16];
    int fd;

    append(w, MARK_ACCEPTED, 1);
    file_path(w, path);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "xx", 2, 3), 2);
    close(fd);
    reopen(w);

    assert_int_equal(w->n, 0);
    assert_true(marks_had_damage(w->marks));
    assert_int_equal(marks_made_at_us(w->marks), 0);
    renew(w);
    append(w, MARK_FOUND, 9);
    reopen(w);
    assert_int_equal(w->n, 1);
}

static void
a_mark_of_the_file_before_does_not_count_in_this_one(void **state)
{
    struct world *w = *state;
    char path[FOLDER_PATH_BYTES + 16];
    uint8_t old[256];
    off_t from, to;
    int fd;

    from = file_size(w);
    append(w, MARK_ACCEPTED, 1);
    to = file_size(w);
    file_path(w, path);
    fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, old, (size_t)(to - from), from), to - from);
    close(fd);
    w->n = 0;
    renew(w);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, old, (size_t)(to - from), from), to - from);
    close(fd);
    reopen(w);

    assert_int_equal(w->n, 0);
}

static void
nothing_is_written_before_the_new_file(void **state)
{
    struct world *w = *state;
    struct mark mark = {.kind = MARK_TRIED, .id = 1};
    struct err err = {0};

    reopen(w);

    assert_true(marks_is_sick(w->marks));
    assert_int_equal(marks_append(w->marks, &mark, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
}

static void
a_later_major_version_is_refused(void **state)
{
    static const uint8_t head[] = "RPMRK\r\n\x1a\2\0\0\0\0\0\0\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7\0"
                                  "\x00\x00\x00\x00\0\0\0\0";
    struct world *w = *state;
    uint8_t bytes[40];
    struct err err = {0};
    struct marks *m = NULL;

    memcpy(bytes, head, sizeof bytes);
    uint32_t crc = zip_crc32(0, bytes, 32);
    for (int i = 0; i < 4; i++)
        bytes[32 + i] = (uint8_t)(crc >> (8 * i));
    assert_int_equal(durable_put_file(w->dir, "later.marks", bytes, sizeof bytes, &err), 0);

    assert_int_equal(marks_open(w->dir, "later", give, w, &m, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_marked_is_read_back_in_order),
        T(it_stays_as_old_as_its_first_file),
        T(a_torn_end_costs_that_mark_alone),
        T(damage_in_the_middle_is_kept_and_the_rest_is_read),
        T(a_head_that_cannot_be_read_begins_anew),
        T(a_mark_of_the_file_before_does_not_count_in_this_one),
        T(nothing_is_written_before_the_new_file),
        T(a_later_major_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
