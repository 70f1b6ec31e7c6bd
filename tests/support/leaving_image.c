/* leaving_image.c - see leaving_image.h. */
#include "tests/support/leaving_image.h"

#include "proto/base/zip.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static void
put(struct dcm_writer *w, uint32_t tag, const char *text)
{
    if (text != NULL)
        dcm_write_text(w, tag, "UI", text);
}

static void
put_originals(struct dcm_writer *w)
{
    struct dcm_writer inner = *w;

    dcm_write_sequence_begin(w, 0x04000561);
    dcm_write_item_begin(w);
    inner = *w;
    inner.depth = 1;
    dcm_write_text(&inner, 0x04000563, "LO", "AN OLDER ONE");
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

/* More than a window before (0400,0561). */
static void
put_large(struct dcm_writer *w)
{
    uint8_t *value = mem_new(300001);

    memset(value, 'p', 300001);
    dcm_write_bytes(w, 0x00420011, "OB", value, 300001);
    free(value);
}

void
leaving_dataset(const struct leaving_image *m, enum dcm_coding coding, struct buf *out)
{
    static const uint8_t pixels[] = "abcdefgh";
    struct dcm_writer w, inner;

    dcm_write_init(&w, out, coding);
    dcm_write_text(&w, 0x00080016, "UI", LEAVING_CLASS);
    dcm_write_text(&w, 0x00080018, "UI", "1.2.3.9");
    dcm_write_sequence_begin(&w, 0x00081110); /* Referenced Study Sequence */
    dcm_write_item_begin(&w);
    inner = w;
    dcm_write_text(&inner, 0x0020000D, "UI", "not a UID");
    dcm_write_text(&inner, 0x0020000E, "UI", "nor this");
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    dcm_write_text(&w, 0x00100020, "LO", "T0017842");
    if (m->is_behind_group_length)
        dcm_write_u32(&w, 0x00200000, 4711);
    put(&w, 0x0020000D, m->study);
    put(&w, 0x0020000E, m->series);
    dcm_write_text(&w, 0x00200011, "IS", "7");
    if (m->has_large)
        put_large(&w);
    if (m->has_originals)
        put_originals(&w);
    if (m->has_pixels)
        dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, 8);
}

void
leaving_file(const struct leaving_image *m, const char *syntax, struct buf *out)
{
    bool is_deflated = strcmp(syntax, DCM_UID_DEFLATED_LE) == 0;
    bool is_implicit = strcmp(syntax, DCM_UID_IMPLICIT_LE) == 0;
    struct err err = {0};
    struct buf plain;

    buf_init(out, 1 << 20);
    buf_init(&plain, 1 << 20);
    assert_int_equal(part10_head(out, LEAVING_CLASS, "1.2.3.9", syntax, "CT1", &err), 0);
    leaving_dataset(m, is_implicit ? DCM_IMPLICIT_LE : DCM_EXPLICIT_LE, &plain);
    if (is_deflated)
        assert_int_equal(zip_deflate(plain.bytes, plain.n, 6, out, &err), 0);
    else
        buf_add(out, plain.bytes, plain.n);
    buf_fini(&plain);
}

int
leaving_fd(const struct buf *file)
{
    int fd = memfd_create("stored", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, file->bytes, file->n, LEAVING_BEFORE), file->n);
    return fd;
}

const struct dcm_known leaving_known = {LEAVING_STUDY, LEAVING_SERIES, "1.2.3.9"};

/* All that leaves, read in odd steps; false: it does not. */
bool
leaving_as(const struct buf *stored, const struct dcm_known *as, struct buf *out,
           bool *out_is_coerced, struct err *err)
{
    struct dcm_leaving l = {.fd = -1};
    int fd = leaving_fd(stored);

    buf_init(out, 1 << 24);
    if (dcm_leaving_open(&l, fd, LEAVING_BEFORE, stored->n, as, LEAVING_NOW_US, err) < 0) {
        close(fd);
        return false;
    }
    for (uint64_t at = 0, n; at < l.size; at += n) {
        uint8_t *to = buf_reserve(out, 97);

        n = l.size - at < 97 ? l.size - at : 97;
        assert_int_equal(dcm_leaving_read(&l, to, (size_t)n, at, err), 0);
        out->n += n;
    }
    *out_is_coerced = l.is_coerced;
    dcm_leaving_close(&l);
    dcm_leaving_close(&l);
    return true;
}

void
leaving_of(const struct buf *stored, struct buf *out, bool *out_is_coerced)
{
    struct err err = {0};

    if (!leaving_as(stored, &leaving_known, out, out_is_coerced, &err))
        fail_msg("%s", err.text);
}

const char *const leaving_syntaxes[LEAVING_SYNTAXES] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE,
                                                        DCM_UID_DEFLATED_LE};
