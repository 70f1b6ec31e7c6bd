/* qr.h - a text as a QR code (ISO/IEC 18004), for slips, reports and pages.
 * Error correction M (a fold or a stain of 15 % is survived), a quiet zone of four modules, black
 * on white: what phones of every age read. The text is what stands in it, byte for byte, and
 * belongs beside it for those without a camera. Threads: no state. */
#ifndef RADPOST_RENDER_QR_H
#define RADPOST_RENDER_QR_H

#include "proto/base/buf.h"

#define QR_TEXT_MAX 512 /* bytes; longer ones make modules too small to be read from paper */

/* One <svg> element with a viewBox in modules and no size of its own, appended to out. It holds no
 * byte of the text, so it needs no escaping.
 * errors  ERR_REJECT the text is empty or longer than QR_TEXT_MAX, or out's limit is met */
int qr_svg(const char *text, struct buf *out, struct err *err) MUST_CHECK;

/* Onto a cairo context (cairo_t): a square of that side with its quiet zone, its top left corner at
 * x, y, as one path, so that no viewer shows hairlines between modules.
 * errors  ERR_REJECT as above; ERR_FATAL cairo */
struct _cairo;
int qr_draw(struct _cairo *cairo, const char *text, double x, double y, double side,
            struct err *err) MUST_CHECK;

#endif
