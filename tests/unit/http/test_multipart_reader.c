/* test_multipart_reader.c - bodies cut at every place give the same parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/http/multipart_reader.h"

static int
on_begin(void *user, const struct multipart_part *part, struct err *err)
{
    (void)err;
    buf_add_printf(user, "<%s|%s>", part->type, part->location);
    return 0;
}

static int
on_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    if (n >= 4 && memcmp(bytes, "FULL", 4) == 0)
        return err_set(err, ERR_FULL, "no room");
    buf_add(user, bytes, n);
    return 0;
}

static int
on_end(void *user, struct err *err)
{
    (void)err;
    buf_add_text(user, "</>");
    return 0;
}

static const struct multipart_events events = {on_begin, on_bytes, on_end};

/* Feed in pieces of `piece` bytes; the result as text, or an error kind. */
static int
read_all(const char *content_type, const char *body, size_t piece, struct buf *out)
{
    struct multipart_reader *r = NULL;
    struct err err = {0};
    char type[64];
    size_t n = strlen(body);
    int rc = multipart_reader_new(content_type, &events, out, type, &r, &err);

    for (size_t at = 0; rc == 0 && at < n; at += piece)
        rc = multipart_reader_feed(r, (const uint8_t *)body + at, n - at < piece ? n - at : piece,
                                   &err);
    if (rc == 0)
        rc = multipart_reader_finish(r, &err);
    multipart_reader_free(&r);
    return rc < 0 ? (int)err.kind : 0;
}

static const char good_type[] =
    "multipart/related; type=\"application/dicom\"; boundary=\"--b1-2\"";

static const struct {
    const char *name, *type, *body, *wanted;
    int error;
} rows[] = {
    {"two parts", good_type,
     "----b1-2\r\nContent-Type: application/dicom\r\n\r\nabc\r\n----b1-2\r\ncontent-location: "
     "x \r\n\r\nd\r\ne\r\n----b1-2--\r\n",
     "<application/dicom|>abc</><|x>d\r\ne</>", 0},
    {"preamble and epilogue", good_type, "hello\r\n----b1-2 \t\r\n\r\nabc\r\n----b1-2--bye",
     "<|>abc</>", 0},
    {"false starts", good_type, "----b1-2\r\n\r\n\r\r\n\r\n--\r\n----b1-\r\n----b1-2--",
     "<|>\r\r\n\r\n--\r\n----b1-</>", 0},
    {"empty part", good_type, "----b1-2\r\n\r\n\r\n----b1-2--", "<|></>", 0},
    {"no closing delimiter", good_type, "----b1-2\r\n\r\nabc\r\n----b1-2\r\n", "", ERR_REJECT},
    {"cut inside", good_type, "----b1-2\r\n\r\nabc", "", ERR_REJECT},
    {"nothing", good_type, "", "", ERR_REJECT},
    {"broken delimiter", good_type, "----b1-2x\r\n\r\nabc", "", ERR_REJECT},
    {"broken header line", good_type, "----b1-2\r\nContent-Type: a\nb: c\r\n\r\nabc", "",
     ERR_REJECT},
    {"the sink is full", good_type, "----b1-2\r\n\r\nFULL\r\n----b1-2--", "", ERR_FULL},
    {"no boundary", "multipart/related; type=x", "", "", ERR_REJECT},
    {"another type", "multipart/form-data; boundary=x", "", "", ERR_REJECT},
    {"boundary with a line break", "multipart/related; boundary=\"a\r\nb\"", "", "", ERR_REJECT},
    {"no header", NULL, "", "", ERR_REJECT},
};

static void
parts_come_the_same_however_the_body_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = strlen(rows[i].body) + 1; piece >= 1; piece--) {
            struct buf out;
            int rc;

            if (rows[i].error == ERR_FULL && piece < 40)
                continue; /* the word must come whole to be seen */
            buf_init(&out, 10000);
            rc = read_all(rows[i].type, rows[i].body, piece, &out);
            if (rc != rows[i].error || (rc == 0 && strcmp(buf_text(&out), rows[i].wanted) != 0))
                fail_msg("%s, pieces of %zu: rc %d, got %s", rows[i].name, piece, rc,
                         buf_text(&out));
            buf_fini(&out);
        }
}

static void
headers_that_do_not_end_are_refused(void **state)
{
    char *body = mem_new(20000);
    struct buf out;

    (void)state;
    buf_init(&out, 10000);
    memset(body, 'a', 19999);
    memcpy(body, "----b1-2\r\n", 10);
    assert_int_equal(read_all(good_type, body, 100, &out), ERR_REJECT);
    free(body);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_the_same_however_the_body_is_cut),
        cmocka_unit_test(headers_that_do_not_end_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
