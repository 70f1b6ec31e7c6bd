/* test_keep_parts.c - landing files across a restart, ZIP archives that others read. */
#include "proto/base/durable.h"
#include "storage/keep/landing_file.h"
#include "storage/keep/zip_out.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static void
make_dirs(const char *dir)
{
    static const char *const names[] = {"tmp", "partial", "whole"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[200];

        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        OK(durable_mkdir(path, &err));
    }
}

static void
note(struct landing_file *f, uint64_t from, uint64_t to)
{
    static const uint8_t bytes[1000] = {1};
    struct err err;

    OK(landing_file_make(f, &err));
    OK(landing_file_write(f, from, bytes, (size_t)(to - from), &err));
    OK(landing_file_flush(f, &err));
    OK(landing_file_record(f, &err));
    OK(landing_file_commit(f, &err));
}

static void
a_torn_map_forgets_its_last_record_only_and_goes_on(void **state)
{
    uint8_t object[32] = {9};
    char dir[FOLDER_PATH_BYTES], map[300];
    struct landing_file f;
    struct err err;

    (void)state;
    folder_make("landing", dir);
    make_dirs(dir);
    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    note(&f, 0, 100);
    note(&f, 200, 300);
    snprintf(map, sizeof map, "%s/partial/%s.map", dir, f.name);
    landing_file_close(&f);
    assert_int_equal(truncate(map, 52 + 20 + 13), 0); /* a power cut in the second record */

    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    assert_true(ranges_cover(&f.have, 0, 100));
    assert_false(ranges_cover(&f.have, 200, 201));
    note(&f, 300, 400);
    landing_file_close(&f);
    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    assert_true(ranges_cover(&f.have, 300, 400));
    assert_int_equal(f.have.n, 2);
    landing_file_close(&f);
    /* The same hash with another size is not this file. */
    OK(landing_file_open(dir, "clinic", object, 999, &f, &err));
    assert_int_equal(f.have.n, 0);
    landing_file_close(&f);
    folder_remove(dir);
}

/* Each step takes only what the one before left: what was not committed is not there after a crash.
 */
static void
a_range_counts_only_after_all_three_steps(void **state)
{
    static const uint8_t bytes[100] = {1};
    uint8_t object[32] = {5};
    char dir[FOLDER_PATH_BYTES];
    struct landing_file f;
    struct err err;

    (void)state;
    folder_make("steps", dir);
    make_dirs(dir);
    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    OK(landing_file_make(&f, &err));
    OK(landing_file_write(&f, 0, bytes, 100, &err));
    OK(landing_file_record(&f, &err));
    OK(landing_file_commit(&f, &err));
    assert_int_equal(landing_file_bytes(&f), 0); /* never synced */
    OK(landing_file_flush(&f, &err));
    assert_true(f.is_new); /* its map */
    OK(landing_file_commit(&f, &err));
    assert_int_equal(landing_file_bytes(&f), 0); /* never recorded */
    OK(landing_file_record(&f, &err));
    assert_int_equal(landing_file_bytes(&f), 0);
    OK(landing_file_commit(&f, &err));
    assert_int_equal(landing_file_bytes(&f), 100);
    OK(landing_file_write(&f, 100, bytes, 100, &err));
    OK(landing_file_flush(&f, &err));
    landing_file_close(&f);

    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    assert_int_equal(landing_file_bytes(&f), 100);
    landing_file_close(&f);
    folder_remove(dir);
}

static void
a_zip_is_read_by_stock_programs(void **state)
{
    static const char member[] = "what is in it";
    char dir[FOLDER_PATH_BYTES], path[KEEP_COPIES][200], script[700], out[2000];
    const char *argv[] = {"sh", "-c", script, NULL};
    int fds[KEEP_COPIES];
    struct zip_out z;
    uint8_t sha256[32];
    uint64_t at, at_empty;
    struct err err;

    (void)state;
    if (!program_is_there("unzip"))
        skip();
    folder_make("zip", dir);
    for (int i = 0; i < KEEP_COPIES; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d.zip", dir, i);
        fds[i] = open(path[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    zip_out_init(&z, fds, 1700000000000000);
    OK(zip_out_add(&z, "a/one.txt", member, sizeof member - 1, &at, &err));
    OK(zip_out_add(&z, "empty", "", 0, &at_empty, &err));
    OK(zip_out_end(&z, "comment", 7, sha256, &err));
    zip_out_fini(&z);
    snprintf(script, sizeof script,
             "cd %s && cmp 0.zip 1.zip && unzip -tq 0.zip && [ \"$(unzip -p 0.zip a/one.txt)\" = "
             "'what is in it' ] && tail -c +%u 0.zip | head -c 13",
             dir, (unsigned)at + 1);
    if (program_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("%s", out);
    assert_non_null(strstr(out, member)); /* where it says it is */
    for (int i = 0; i < KEEP_COPIES; i++)
        close(fds[i]);
    folder_remove(dir);
}

/* A crash between rename and sync: the file stands in whole/, but nothing says that its name would
 * outlive the power. Promoting it again does not pass by on the sync: a folder that cannot be
 * synced is told. */
static void
a_rename_before_a_crash_is_synced_after_it(void **state)
{
    char dir[FOLDER_PATH_BYTES], whole[FOLDER_PATH_BYTES + 16], away[FOLDER_PATH_BYTES + 16];
    uint8_t object[32] = {7};
    struct landing_file f;
    struct err err;

    (void)state;
    folder_make("promote", dir);
    snprintf(whole, sizeof whole, "%s/partial", dir);
    OK(durable_mkdir(whole, &err));
    snprintf(whole, sizeof whole, "%s/whole", dir);
    snprintf(away, sizeof away, "%s/away", dir);
    OK(durable_mkdir(whole, &err));
    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    note(&f, 0, 1000);
    OK(landing_file_move(&f, &err));
    landing_file_close(&f);

    OK(landing_file_open(dir, "clinic", object, 1000, &f, &err));
    assert_true(f.is_whole);
    assert_int_equal(rename(whole, away), 0);
    OK(landing_file_move(&f, &err)); /* it is there: only the folder is left to sync */
    assert_int_equal(landing_sync_whole(dir, &err), -1);
    assert_int_equal(rename(away, whole), 0);
    OK(landing_sync_whole(dir, &err));
    landing_file_close(&f);
    folder_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_map_forgets_its_last_record_only_and_goes_on),
        cmocka_unit_test(a_range_counts_only_after_all_three_steps),
        cmocka_unit_test(a_rename_before_a_crash_is_synced_after_it),
        cmocka_unit_test(a_zip_is_read_by_stock_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
