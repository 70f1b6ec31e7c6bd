/* qr.c - texts as QR codes. */
#include "proto/render/qr.h"

#include <cairo.h>
#include <qrencode.h>

#include <errno.h>
#include <string.h>

#define QUIET 4 /* modules, ISO/IEC 18004 section 6.3.8 */

static int make(const char *text, QRcode **out, struct err *err);
static bool is_dark(const QRcode *code, int x, int y);
static int run_length(const QRcode *code, int x, int y);

int
qr_svg(const char *text, struct buf *out, struct err *err)
{
    QRcode *code = NULL;
    int side;

    if (make(text, &code, err) < 0)
        return -1;
    side = code->width + 2 * QUIET;
    buf_add_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                   "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/>"
                   "<path fill=\"#000\" d=\"",
                   side, side, side, side);
    for (int y = 0; y < code->width; y++)
        for (int x = 0; x < code->width; x++)
            if (is_dark(code, x, y)) {
                int n = run_length(code, x, y);

                buf_add_printf(out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, n, n);
                x += n;
            }
    buf_add_text(out, "\"/></svg>");
    QRcode_free(code);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "qr: no room for the drawing") : 0;
}

int
qr_draw(cairo_t *cairo, const char *text, double x, double y, double side, struct err *err)
{
    QRcode *code = NULL;
    double module;

    if (make(text, &code, err) < 0)
        return -1;
    module = side / (code->width + 2 * QUIET);
    cairo_save(cairo);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_rectangle(cairo, x, y, side, side);
    cairo_fill(cairo);
    cairo_translate(cairo, x + QUIET * module, y + QUIET * module);
    cairo_scale(cairo, module, module);
    for (int row = 0; row < code->width; row++)
        for (int col = 0; col < code->width; col++)
            if (is_dark(code, col, row)) {
                int n = run_length(code, col, row);

                cairo_rectangle(cairo, col, row, n, 1);
                col += n;
            }
    cairo_set_source_rgb(cairo, 0, 0, 0);
    cairo_fill(cairo);
    cairo_restore(cairo);
    QRcode_free(code);
    if (cairo_status(cairo) != CAIRO_STATUS_SUCCESS)
        return err_set(err, ERR_FATAL, "qr: %s", cairo_status_to_string(cairo_status(cairo)));
    return 0;
}

static int
make(const char *text, QRcode **out, struct err *err)
{
    size_t n = text != NULL ? strlen(text) : 0;
    QRcode *code;

    if (n == 0 || n > QR_TEXT_MAX)
        return err_set(err, ERR_REJECT, "qr: a text of %zu bytes", n);
    /* Mode by what the text holds: digits and capitals need fewer modules. */
    code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    if (code == NULL)
        return err_sys(err, errno == ENOMEM ? ERR_FATAL : ERR_REJECT, "qr: encode");
    *out = code;
    return 0;
}

static bool
is_dark(const QRcode *code, int x, int y)
{
    return (code->data[y * code->width + x] & 1) != 0;
}

/* Dark modules in a row from x on. */
static int
run_length(const QRcode *code, int x, int y)
{
    int n = 1;

    while (x + n < code->width && is_dark(code, x + n, y))
        n++;
    return n;
}
