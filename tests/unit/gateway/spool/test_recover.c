/* test_recover.c - what the start makes of a folder that has suffered. */
#include "gateway/spool/spool.h"

#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/zip.h"
#include "tests/support/run_program.h"
#include "tests/support/sick_folder.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

/* The n-th file of a folder, by name. */
static void
file_of(struct spool_fixture *f, const char *folder, size_t n, char out[PATH_MAX])
{
    char pattern[PATH_MAX];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/%s/*", f->dir, folder);
    OK(glob(pattern, 0, NULL, &found));
    assert_true(n < found.gl_pathc);
    snprintf(out, PATH_MAX, "%s", found.gl_pathv[n]);
    globfree(&found);
}

static void
scratch(const char *path, uint64_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    OK(durable_read_at(fd, &byte, 1, at, &err));
    byte ^= 0x10;
    OK(durable_write_at(fd, &byte, 1, at, &err));
    close(fd);
}

static size_t
count(struct spool_fixture *f)
{
    struct spool_health health;

    spool_health(f->sp, &health);
    return health.entries;
}

/* What was held back or thrown away would go out. */
static void
a_journal_that_may_not_be_opened_is_no_damaged_one(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX], kept[PATH_MAX];
    uint64_t id = fixture_put(f, 5000, 1, 0);
    struct spool_entry *entry = NULL;

    OK(spool_set_paused(f->sp, id, true, &err));
    spool_close(&f->sp);
    file_of(f, "journal", 0, path);
    snprintf(kept, sizeof kept, "%s/kept", f->dir);
    OK(rename(path, kept));
    OK(symlink(path, path)); /* also root cannot */

    assert_int_equal(spool_open(f->dir, &f->options, &f->sp, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);

    OK(rename(kept, path)); /* it was left where it is */
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    OK(spool_load(f->sp, id, &entry, &err));
    assert_true(entry->is_paused);
    spool_entry_free(&entry);
}

static void
without_its_journal_every_instance_is_there_as_received(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX];
    uint64_t ids[3];

    for (unsigned i = 0; i < 3; i++) {
        ids[i] = fixture_put(f, 5000, i, 0);
        fixture_inspect(f, ids[i], "1.9");
    }
    spool_close(&f->sp);
    file_of(f, "journal", 0, path);
    OK(unlink(path));
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(fixture_state_of(f, ids[i]), INSTANCE_RECEIVED);
        fixture_assert_bytes(f, ids[i], 5000, i);
    }
}

static void
a_scratched_journal_is_set_aside_and_told(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX];
    uint64_t id = fixture_put(f, 5000, 1, 0);

    fixture_inspect(f, id, "1.9");
    spool_close(&f->sp);
    file_of(f, "journal", 0, path);
    scratch(path, 10);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(fixture_files_in(f, "corrupt"), 1);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_RECEIVED);
    fixture_assert_bytes(f, id, 5000, 1);
}

static void
a_scratched_record_costs_itself_alone_and_is_told(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX];
    uint64_t ids[3];

    for (unsigned i = 0; i < 3; i++)
        ids[i] = fixture_put(f, 5000, i, 0);
    fixture_inspect(f, ids[1], "1.9");
    spool_close(&f->sp);
    file_of(f, "segments", 0, path);
    scratch(path, 4096 + 8192 + 40); /* the header of the second: 6,048 bytes take two blocks */
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(fixture_files_in(f, "corrupt"), 1);
    assert_int_equal(fixture_state_of(f, ids[1]), INSTANCE_QUARANTINED);
    fixture_assert_bytes(f, ids[0], 5000, 0);
    fixture_assert_bytes(f, ids[2], 5000, 2);
    fixture_reopen(f);
    assert_int_equal(count(f), 3);
}

static void
copy_folder(const char *from, const char *to)
{
    const char *const argv[] = {"cp", "-a", from, to, NULL};
    char said[256];

    OK(program_run(argv, NULL, said, sizeof said));
}

/* The power goes, and the header of the last synced record does not come back as it was written.
 * Nothing says that this was more than a torn end; its bytes are not cut off, and when the block
 * reads well again the instance is there. The room behind it, which nothing was written to, is
 * given back: a gateway that is killed between two writes leaves such an end. */
static void
a_last_record_that_cannot_be_read_is_not_cut_off(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX], crashed[PATH_MAX], journal[PATH_MAX];
    uint64_t first = fixture_put(f, 5000, 1, 0), last = fixture_put(f, 5000, 2, 0);
    struct stat st;

    snprintf(crashed, sizeof crashed, "%s-crashed", f->dir);
    copy_folder(f->dir, crashed); /* as it is while the gateway runs */
    spool_close(&f->sp);
    folder_remove(f->dir);
    OK(rename(crashed, f->dir));
    file_of(f, "journal", 0, journal);
    OK(unlink(journal));
    file_of(f, "segments", 0, path);
    scratch(path, 4096 + 8192 + 40);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(count(f), 1);
    fixture_assert_bytes(f, first, 5000, 1);
    OK(stat(path, &st));
    assert_int_equal(st.st_size, 4096 + 2 * 8192);
    spool_close(&f->sp);

    scratch(path, 4096 + 8192 + 40); /* as it was */
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(count(f), 2);
    fixture_assert_bytes(f, last, 5000, 2);
}

/* The same with more behind it: the first block after the readable ones reads as zeros, the next
 * record's header is scratched. Neither is cut off. */
static void
what_lies_behind_a_block_of_zeros_is_not_cut_off(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX], crashed[PATH_MAX], journal[PATH_MAX];
    uint64_t first = fixture_put(f, 5000, 1, 0), last;
    uint8_t was[8192] = {0}, zeros[8192] = {0};
    int fd;

    fixture_put(f, 5000, 2, 0);
    last = fixture_put(f, 5000, 3, 0);
    snprintf(crashed, sizeof crashed, "%s-crashed", f->dir);
    copy_folder(f->dir, crashed);
    spool_close(&f->sp);
    folder_remove(f->dir);
    OK(rename(crashed, f->dir));
    file_of(f, "journal", 0, journal);
    OK(unlink(journal));
    file_of(f, "segments", 0, path);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, was, sizeof was, 4096 + 8192), sizeof was);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 4096 + 8192), sizeof zeros);
    scratch(path, 4096 + 2 * 8192 + 40);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(count(f), 1);
    spool_close(&f->sp);

    assert_int_equal(pwrite(fd, was, sizeof was, 4096 + 8192), sizeof was);
    close(fd);
    scratch(path, 4096 + 2 * 8192 + 40);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(count(f), 3);
    fixture_assert_bytes(f, first, 5000, 1);
    fixture_assert_bytes(f, last, 5000, 3);
}

/* Two folders' segments in one: each record is an instance, and stays the same one at each start.
 */
static void
two_records_of_one_id_are_two_entries(void **state)
{
    struct spool_fixture *f = *state, *other = NULL;
    struct spool_filter all = {0};
    char from[PATH_MAX], to[PATH_MAX];
    uint64_t *ids = NULL;
    size_t n;

    OK(spool_fixture_setup((void **)&other));
    fixture_put(f, 5000, 1, 0);
    fixture_put(f, 5000, 2, 0); /* id 2 in segment 1 */
    fixture_put(other, 17u << 20, 3, 0);
    assert_int_equal(fixture_put(other, 6000, 4, 0), 2); /* id 2 in segment 2 */
    spool_close(&f->sp);
    spool_close(&other->sp);
    file_of(other, "segments", 1, from);
    snprintf(to, sizeof to, "%s/segments/0000000000000002.seg", f->dir);
    OK(rename(from, to));
    OK(spool_fixture_teardown((void **)&other));
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    for (int round = 0; round < 3; round++) {
        spool_list(f->sp, &all, &ids, &n);
        assert_int_equal(n, 3);
        fixture_assert_bytes(f, ids[1], 5000, 2);
        fixture_assert_bytes(f, ids[2], 6000, 4);
        free(ids);
        fixture_reopen(f);
    }
}

/* A segment is away for a while, and so is the memory of its ids: nothing is taken for another. */
static void
ids_of_what_cannot_be_read_are_not_given_out(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX], away[PATH_MAX + 8];
    uint64_t id = fixture_put(f, 5000, 1, 0), other;

    spool_close(&f->sp);
    snprintf(away, sizeof away, "%s/away", f->dir);
    file_of(f, "segments", 0, path);
    OK(rename(path, away));
    file_of(f, "journal", 0, path);
    OK(unlink(path));
    snprintf(path, sizeof path, "%s/segments/0000000000000001.seg", f->dir);
    OK(mkdir(path, 0700)); /* holds the number, cannot be read: ids leap past it */
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    other = fixture_put(f, 6000, 2, 0);
    assert_int_not_equal(id, other);
    spool_close(&f->sp);
    OK(rmdir(path));
    OK(rename(away, path));
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    fixture_assert_bytes(f, id, 5000, 1);
    fixture_assert_bytes(f, other, 6000, 2);
    fixture_reopen(f);
    assert_int_equal(count(f), 2);
}

static void
bytes_that_are_gone_are_told_unless_the_centre_holds_them(void **state)
{
    struct spool_fixture *f = *state;
    char path[PATH_MAX];
    uint64_t waiting = fixture_put(f, 5000, 1, 0), held = fixture_put(f, 5000, 2, 0);

    fixture_inspect(f, waiting, "1.9");
    fixture_inspect(f, held, "1.9");
    OK(spool_set_uncoded(f->sp, held, "-", &err));
    OK(spool_set_held(f->sp, held, 1, &err));
    spool_close(&f->sp);
    file_of(f, "segments", 0, path);
    OK(unlink(path));
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(fixture_state_of(f, waiting), INSTANCE_QUARANTINED);
    assert_int_equal(fixture_state_of(f, held), INSTANCE_HELD);
    OK(spool_set_sealed(f->sp, held, 2, &err));
}

/* ---- a newer program's folder ---- */

static void
set_version(const char *path, uint8_t major, uint8_t minor)
{
    uint8_t head[52];
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    OK(durable_read_at(fd, head, sizeof head, 0, &err));
    head[8] = major;
    head[10] = minor;
    le32_write(head + 48, zip_crc32(0, head, 48));
    OK(durable_write_at(fd, head, sizeof head, 0, &err));
    close(fd);
}

/* Of all that lies in the folder: names, sizes, bytes. */
static uint32_t
print_of(const char *dir)
{
    static const char *const patterns[] = {"%s/*", "%s/*/*"};
    uint32_t crc = 0;

    for (size_t k = 0; k < ARRAY_LEN(patterns); k++) {
        char pattern[PATH_MAX];
        glob_t found;

        snprintf(pattern, sizeof pattern, patterns[k], dir);
        OK(glob(pattern, 0, NULL, &found));
        for (size_t i = 0; i < found.gl_pathc; i++) {
            int fd = open(found.gl_pathv[i], O_RDONLY);
            uint8_t bytes[4096];
            ssize_t n;

            crc = zip_crc32(crc, found.gl_pathv[i], strlen(found.gl_pathv[i]));
            while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
                crc = zip_crc32(crc, bytes, (size_t)n);
            if (fd >= 0)
                close(fd);
        }
        globfree(&found);
    }
    return crc;
}

static void
what_a_newer_program_wrote_is_refused_and_stays_as_it_is(void **state)
{
    static const struct {
        const char *folder, *words;
        uint8_t major, minor, was_minor;
        bool is_looked_at; /* read-only */
    } rows[] = {
        {"journal", "journal version 1.200, this one knows 1.5", 1, 200, 5, true},
        {"journal", "journal version 2.0, this one knows 1.5", 2, 0, 5, false},
        {"segments", "segment version 2.0, this one knows 1.", 2, 0, 1, false},
    };
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 5000, 1, 0);
    char path[PATH_MAX], draft[PATH_MAX];

    fixture_inspect(f, id, "1.9");
    OK(spool_set_quarantined(f->sp, id, "refused: drawn", &err));
    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    spool_close(&f->sp);
    snprintf(draft, sizeof draft, "%s/tmp/draft-9", f->dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spool_options look = {.is_read_only = true};
        uint32_t before;

        OK(close(open(draft, O_CREAT | O_RDWR, 0600)));
        file_of(f, rows[i].folder, 0, path);
        set_version(path, rows[i].major, rows[i].minor);
        before = print_of(f->dir);

        assert_int_equal(spool_open(f->dir, &f->options, &f->sp, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_non_null(strstr(err.text, rows[i].words));
        assert_int_equal(spool_open(f->dir, &look, &f->sp, &err), rows[i].is_looked_at ? 0 : -1);
        if (rows[i].is_looked_at)
            assert_int_equal(fixture_state_of(f, id), INSTANCE_DISCARDED);
        spool_close(&f->sp);
        assert_int_equal(print_of(f->dir), before);

        set_version(path, 1, rows[i].was_minor);
    }
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(fixture_state_of(f, id), INSTANCE_DISCARDED);
    fixture_assert_bytes(f, id, 5000, 1);
}

/* Else what the disk does not list just now would pass for what never was. */
static void
a_folder_whose_names_the_disk_does_not_give_keeps_the_spool_closed(void **state)
{
    static const char *const folders[] = {"/journal", "/segments"};
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 5000, 1, 0);

    fixture_inspect(f, id, "1.9");
    spool_close(&f->sp);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        sick_folder(folders[i], 0);
        assert_int_equal(spool_open(f->dir, &f->options, &f->sp, &err), -1);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_null(f->sp);
    }

    sick_folder(NULL, 0);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_int_equal(count(f), 1);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_INSPECTED);
    fixture_assert_bytes(f, id, 5000, 1);
}

int
main(void)
{
#define CLAIM(name)                                                                                \
    cmocka_unit_test_setup_teardown(name, spool_fixture_setup, spool_fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(a_journal_that_may_not_be_opened_is_no_damaged_one),
        CLAIM(without_its_journal_every_instance_is_there_as_received),
        CLAIM(a_scratched_journal_is_set_aside_and_told),
        CLAIM(a_scratched_record_costs_itself_alone_and_is_told),
        CLAIM(a_last_record_that_cannot_be_read_is_not_cut_off),
        CLAIM(what_lies_behind_a_block_of_zeros_is_not_cut_off),
        CLAIM(two_records_of_one_id_are_two_entries),
        CLAIM(ids_of_what_cannot_be_read_are_not_given_out),
        CLAIM(what_a_newer_program_wrote_is_refused_and_stays_as_it_is),
        CLAIM(a_folder_whose_names_the_disk_does_not_give_keeps_the_spool_closed),
        CLAIM(bytes_that_are_gone_are_told_unless_the_centre_holds_them),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
