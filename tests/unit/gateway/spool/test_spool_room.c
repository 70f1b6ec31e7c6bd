/* test_spool_room.c - a disk of its own size: what an instance on its way in leaves of it. */
#include "gateway/spool/spool.h"

#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)
#define MIB ((uint64_t)1 << 20)
#define PIECE ((size_t)256 << 10)
#define DISK_BYTES (128 * MIB)
#define REFUSE_BYTES (64 * MIB)

static struct err err;
static char tmp[PATH_MAX]; /* the spool's; "": the disk is as large as it is */

static uint64_t
bytes_in_tmp(void)
{
    char path[2 * PATH_MAX];
    DIR *dir = opendir(tmp);
    struct dirent *d;
    uint64_t n = 0;
    struct stat st;

    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", tmp, d->d_name);
        if (strncmp(d->d_name, "draft-", 6) == 0 && stat(path, &st) == 0)
            n += (uint64_t)st.st_size;
    }
    closedir(dir);
    return n;
}

static uint64_t
free_bytes(void)
{
    uint64_t used = bytes_in_tmp();

    return used < DISK_BYTES ? DISK_BYTES - used : 0;
}

/* In the library's place: a disk of DISK_BYTES, less what drafts have of it. */
int
statvfs(const char *path, struct statvfs *out)
{
    static int (*really)(const char *, struct statvfs *);
    int rc;

    if (really == NULL)
        *(void **)&really = dlsym(RTLD_NEXT, "statvfs64");
    rc = really(path, out);
    if (rc == 0 && tmp[0] != '\0')
        out->f_bavail = free_bytes() / out->f_frsize;
    return rc;
}

static int
begin(void **state)
{
    struct spool_fixture *f;

    tmp[0] = '\0';
    if (spool_fixture_setup(state) != 0)
        return -1;
    f = *state;
    f->options.refuse_free_bytes = REFUSE_BYTES;
    spool_close(&f->sp);
    snprintf(tmp, sizeof tmp, "%s/tmp", f->dir);
    return spool_open(f->dir, &f->options, &f->sp, &err);
}

static int
end(void **state)
{
    int rc = spool_fixture_teardown(state);

    tmp[0] = '\0';
    return rc;
}

/* Write pieces until it is refused or has so many bytes. */
static int
fill(struct spool_draft *draft, uint64_t size)
{
    uint8_t *bytes = fixture_bytes(PIECE, 1);
    int rc = 0;

    while (rc == 0 && spool_draft_size(draft) < size)
        rc = spool_draft_write(draft, bytes, PIECE, &err);
    free(bytes);
    return rc;
}

static void
an_object_larger_than_the_room_ends_before_the_refuse_mark(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;

    OK(spool_draft_begin(f->sp, &meta, &draft, &err));
    assert_int_equal(fill(draft, 2 * DISK_BYTES), -1);

    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(err_kind_dimse(err.kind), 0xA700);
    assert_true(free_bytes() >= REFUSE_BYTES);
    fixture_put(f, 100, 2, 0); /* another device's is taken beside it */
    spool_draft_free(&draft);
    assert_int_equal(fixture_files_in(f, "tmp"), 0);
}

static void
an_object_that_stays_above_the_mark_is_taken(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;
    uint64_t id;

    OK(spool_draft_begin(f->sp, &meta, &draft, &err));
    OK(fill(draft, DISK_BYTES - REFUSE_BYTES - 16 * MIB));
    OK(spool_commit(f->sp, &draft, &id, &err));
}

int
main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(an_object_larger_than_the_room_ends_before_the_refuse_mark),
        CLAIM(an_object_that_stays_above_the_mark_is_taken),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
