/* Claims about QR codes: the drawing is the code, whole, with its quiet zone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/render/qr.h"

#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#define URL "https://report.example/v/7K3M9Q2XJ4R8T6WBC5D1N0PZHG"

static void
svg_is_the_code_and_nothing_else(void **state)
{
    QRcode *code = QRcode_encodeString(URL, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    struct buf out;
    struct err err;
    char *seen;
    const char *at;
    int dark = 0;

    (void)state;
    buf_init(&out, 1 << 20);

    assert_int_equal(qr_svg(URL, &out, &err), 0);

    seen = mem_new((size_t)code->width * (size_t)code->width);
    at = strstr(buf_text(&out), "#000");
    assert_non_null(at);
    while ((at = strchr(at, 'M')) != NULL) {
        int x, y, n;

        assert_int_equal(sscanf(at, "M%d %dh%dv1h-", &x, &y, &n), 3);
        for (int i = 0; i < n; i++, dark++)
            seen[(y - 4) * code->width + x - 4 + i] = 1;
        at++;
    }
    for (int i = 0; i < code->width * code->width; i++)
        assert_int_equal(seen[i], code->data[i] & 1);
    assert_true(dark > 100);
    assert_null(strstr(buf_text(&out), "report.example"));
    free(seen);
    buf_fini(&out);
    QRcode_free(code);
}

static void
what_cannot_be_drawn_is_refused(void **state)
{
    char longest[QR_TEXT_MAX + 2];
    struct buf out, small;
    struct err err;

    (void)state;
    buf_init(&out, 1 << 20);
    buf_init(&small, 100);
    memset(longest, 'a', sizeof longest);
    longest[QR_TEXT_MAX + 1] = '\0';

    assert_int_equal(qr_svg(longest, &out, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    longest[QR_TEXT_MAX] = '\0';
    assert_int_equal(qr_svg(longest, &out, &err), 0);
    assert_int_equal(qr_svg("", &out, &err), -1);
    assert_int_equal(qr_svg(NULL, &out, &err), -1);
    assert_int_equal(qr_svg(URL, &small, &err), -1);
    buf_fini(&out);
    buf_fini(&small);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(svg_is_the_code_and_nothing_else),
        cmocka_unit_test(what_cannot_be_drawn_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
