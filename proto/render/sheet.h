/* sheet.h - A4 pages of text as a PDF: blocks at a place, and text that flows over pages.
 * Units are points from the top left. Characters no installed font has are written as [U+1F600], so
 * that nothing somebody signed is lost in a box. Private to proto/render.
 * Threads: a sheet holds the fonts (fonts.h) from open to close. */
#ifndef RADPOST_RENDER_SHEET_H
#define RADPOST_RENDER_SHEET_H

#include "proto/base/buf.h"
#include "proto/render/fonts.h"

#define SHEET_WIDTH 595.0
#define SHEET_HEIGHT 842.0

struct sheet_colour {
    double r, g, b;
};

struct sheet_style {
    double size;
    bool is_bold;
    struct sheet_colour colour;
    PangoAlignment align;
    double leading; /* line height as a multiple of the font's; 0 = 1 */
};

struct sheet {
    cairo_surface_t *surface;
    cairo_t *cairo;
    PangoContext *context;
    struct buf *out;
    unsigned page;  /* 1.. */
    unsigned pages; /* in all, as told to sheet_open(); 0 while they are counted */
    double y;       /* where flowing text goes on */
    double bottom;  /* and where it ends */
    double left;
    double right;
    bool is_failed; /* a font or cairo said no: looked at once, by sheet_close() */
    /* Draws what each page carries and sets y and bottom. */
    void (*dress)(struct sheet *s, void *user);
    void *user;
};

struct sheet_facts {
    const char *title;
    const char *author;
    const char *created; /* ISO 8601 */
};

/* The first page is begun. sheet_close() must follow. */
void sheet_open(struct sheet *s, struct buf *out, const struct sheet_facts *facts, unsigned pages,
                void (*dress)(struct sheet *s, void *user), void *user);
/* errors  ERR_FATAL cairo, or no font for words of our own; ERR_REJECT out's limit */
int sheet_close(struct sheet *s, struct err *err) MUST_CHECK;
void sheet_new_page(struct sheet *s);
/* A new page unless so much room is left. */
void sheet_need(struct sheet *s, double height);

/* Text in a column at a place, wrapped; its height. */
double sheet_put(struct sheet *s, const struct sheet_style *style, double x, double y, double width,
                 const char *text);
double sheet_height(struct sheet *s, const struct sheet_style *style, double width,
                    const char *text);
double sheet_width(struct sheet *s, const struct sheet_style *style, const char *text);
/* Text between the margins from y on, over as many pages as it needs. */
void sheet_flow(struct sheet *s, const struct sheet_style *style, const char *text);
void sheet_rule(struct sheet *s, double y, double thickness, struct sheet_colour colour);
void sheet_box(struct sheet *s, double x, double y, double w, double h, struct sheet_colour fill);
/* Huge words across the page that are no text, so that they never come between the lines of a
 * reader or a search. */
void sheet_watermark(struct sheet *s, const char *words, struct sheet_colour colour);
/* What follows until sheet_link_end() leads to the address. */
void sheet_link(struct sheet *s, const char *url);
void sheet_link_end(struct sheet *s);

#endif
