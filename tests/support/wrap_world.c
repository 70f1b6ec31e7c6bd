/* wrap_world.c - see wrap_world.h. */
#include "tests/support/wrap_world.h"

#include "proto/trust/digest.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

char wrap_dir[FOLDER_PATH_BYTES];
char wrap_said[65536];

int
wrap_world_start(void **state)
{
    (void)state;
    folder_make("wrap", wrap_dir);
    return 0;
}

int
wrap_world_stop(void **state)
{
    (void)state;
    folder_remove(wrap_dir);
    return 0;
}

static struct wrap_source
source_of(const struct buf *file)
{
    struct wrap_source source = {.bytes = file->bytes,
                                 .n = file->n,
                                 .content_date = "20261122",
                                 .content_time = "090000",
                                 .made_date = "20261122",
                                 .made_time = "091500",
                                 .number = 1};

    digest_bytes(file->bytes, file->n, source.sha256);
    return source;
}

void
wrap_world_plan(const struct buf *file, const struct wrap_identity *to, struct wrap_plan *out)
{
    struct wrap_source source = source_of(file);
    struct err err;

    if (wrap_plan_make(to, &source, out, &err) < 0)
        fail_msg("%s", err.text);
}

static int
into_buf(void *user, const void *bytes, size_t n, struct err *err)
{
    (void)err;
    buf_add(user, bytes, n);
    return 0;
}

void
wrap_world_wrap(const struct buf *file, const struct wrap_identity *to, struct buf *out)
{
    struct wrap_source source = source_of(file);
    struct wrap_plan plan;
    struct err err;

    wrap_world_plan(file, to, &plan);
    assert_int_equal(wrap_plan_write(&plan, &source, into_buf, out, &err), 0);
    assert_false(buf_is_over(out));
    wrap_plan_fini(&plan);
}

void
wrap_world_keep(const char *name, const struct buf *bytes, char path[256])
{
    FILE *f;

    snprintf(path, 256, "%s/%s", wrap_dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes->bytes, 1, bytes->n, f), bytes->n);
    assert_int_equal(fclose(f), 0);
}

void
wrap_world_judge(const char *dicom)
{
    const char *const argv[] = {"dciodvfy", "-new", dicom, NULL};

    if (!program_is_there("dciodvfy"))
        return;
    (void)program_run(argv, NULL, wrap_said, sizeof wrap_said);
    if (strstr(wrap_said, "Error") != NULL)
        fail_msg("%s: %s", dicom, wrap_said);
    if (getenv("RADPOST_SHOW") != NULL)
        print_message("%s", wrap_said);
}

void
wrap_world_compare(const char *kind, const char *dicom, const char *source)
{
    const char *const argv[] = {
        "/usr/bin/python3", "tests/support/import_judge.py", kind, dicom, source, NULL};

    if (!program_is_there("python3"))
        return;
    if (program_run(argv, NULL, wrap_said, sizeof wrap_said) != 0)
        fail_msg("%s %s: %s", kind, dicom, wrap_said);
    if (getenv("RADPOST_SHOW") != NULL)
        print_message("%s", wrap_said);
}
