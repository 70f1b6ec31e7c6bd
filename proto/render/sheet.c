/* sheet.c - A4 pages of text. */
#include "proto/render/sheet.h"

#include <cairo-pdf.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static cairo_status_t take(void *user, const unsigned char *bytes, unsigned n);
static PangoLayout *lay_out(struct sheet *s, const struct sheet_style *style, double width,
                            const char *text);
static PangoLayout *without_unknown(struct sheet *s, const struct sheet_style *style, double width,
                                    PangoLayout *layout);
static void mark_unknown(PangoLayout *layout, bool *is_unknown);
static void set_latin_apart(PangoLayout *layout, const char *text);
static void show(struct sheet *s, PangoLayout *layout, const struct sheet_style *style, double x,
                 double y);

void
sheet_open(struct sheet *s, struct buf *out, const struct sheet_facts *facts, unsigned pages,
           void (*dress)(struct sheet *s, void *user), void *user)
{
    cairo_font_options_t *options = cairo_font_options_create();

    *s = (struct sheet){.out = out, .pages = pages, .dress = dress, .user = user};
    s->left = 48;
    s->right = SHEET_WIDTH - 48;
    s->surface = cairo_pdf_surface_create_for_stream(take, out, SHEET_WIDTH, SHEET_HEIGHT);
    cairo_pdf_surface_set_metadata(s->surface, CAIRO_PDF_METADATA_TITLE, facts->title);
    cairo_pdf_surface_set_metadata(s->surface, CAIRO_PDF_METADATA_AUTHOR, facts->author);
    cairo_pdf_surface_set_metadata(s->surface, CAIRO_PDF_METADATA_CREATOR, "Radpost");
    cairo_pdf_surface_set_metadata(s->surface, CAIRO_PDF_METADATA_CREATE_DATE, facts->created);
    s->cairo = cairo_create(s->surface);
    s->context = pango_font_map_create_context(fonts_lock());
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(s->context, options);
    pango_cairo_context_set_resolution(s->context, 72);
    pango_context_set_language(s->context, pango_language_from_string("zh-cn"));
    cairo_font_options_destroy(options);
    s->page = 1;
    s->dress(s, s->user);
}

int
sheet_close(struct sheet *s, struct err *err)
{
    bool is_failed = s->is_failed;
    cairo_status_t status;

    cairo_show_page(s->cairo);
    cairo_destroy(s->cairo);
    cairo_surface_finish(s->surface);
    status = cairo_surface_status(s->surface);
    cairo_surface_destroy(s->surface);
    g_object_unref(s->context);
    fonts_unlock();
    if (buf_is_over(s->out))
        return err_set(err, ERR_REJECT, "pdf: longer than its limit of %zu bytes", s->out->limit);
    if (status != CAIRO_STATUS_SUCCESS)
        return err_set(err, ERR_FATAL, "pdf: %s", cairo_status_to_string(status));
    if (is_failed)
        return err_set(err, ERR_FATAL, "pdf: no font has Chinese characters (fonts-noto-cjk?)");
    return 0;
}

void
sheet_new_page(struct sheet *s)
{
    cairo_show_page(s->cairo);
    s->page++;
    s->dress(s, s->user);
}

void
sheet_need(struct sheet *s, double height)
{
    if (s->y + height > s->bottom)
        sheet_new_page(s);
}

double
sheet_put(struct sheet *s, const struct sheet_style *style, double x, double y, double width,
          const char *text)
{
    PangoLayout *layout = lay_out(s, style, width, text);
    int height;

    pango_layout_get_size(layout, NULL, &height);
    show(s, layout, style, x, y);
    g_object_unref(layout);
    return (double)height / PANGO_SCALE;
}

double
sheet_height(struct sheet *s, const struct sheet_style *style, double width, const char *text)
{
    PangoLayout *layout = lay_out(s, style, width, text);
    int height;

    pango_layout_get_size(layout, NULL, &height);
    g_object_unref(layout);
    return (double)height / PANGO_SCALE;
}

double
sheet_width(struct sheet *s, const struct sheet_style *style, const char *text)
{
    PangoLayout *layout = lay_out(s, style, -1, text);
    int width;

    pango_layout_get_size(layout, &width, NULL);
    g_object_unref(layout);
    return (double)width / PANGO_SCALE;
}

void
sheet_flow(struct sheet *s, const struct sheet_style *style, const char *text)
{
    PangoLayout *layout = lay_out(s, style, s->right - s->left, text);
    PangoLayoutIter *iter = pango_layout_get_iter(layout);

    do {
        PangoLayoutLine *line = pango_layout_iter_get_line_readonly(iter);
        PangoRectangle box;
        double height;

        pango_layout_iter_get_line_extents(iter, NULL, &box);
        height = (double)box.height / PANGO_SCALE;
        sheet_need(s, height);
        cairo_set_source_rgb(s->cairo, style->colour.r, style->colour.g, style->colour.b);
        cairo_move_to(s->cairo, s->left + (double)box.x / PANGO_SCALE,
                      s->y + (double)(pango_layout_iter_get_baseline(iter) - box.y) / PANGO_SCALE);
        pango_cairo_show_layout_line(s->cairo, line);
        s->y += height;
    } while (pango_layout_iter_next_line(iter));
    pango_layout_iter_free(iter);
    g_object_unref(layout);
}

void
sheet_rule(struct sheet *s, double y, double thickness, struct sheet_colour colour)
{
    sheet_box(s, s->left, y - thickness / 2, s->right - s->left, thickness, colour);
}

void
sheet_box(struct sheet *s, double x, double y, double w, double h, struct sheet_colour fill)
{
    cairo_set_source_rgb(s->cairo, fill.r, fill.g, fill.b);
    cairo_rectangle(s->cairo, x, y, w, h);
    cairo_fill(s->cairo);
}

void
sheet_watermark(struct sheet *s, const char *words, struct sheet_colour colour)
{
    const struct sheet_style style = {.size = 100, .is_bold = true, .colour = colour};
    PangoLayout *layout = lay_out(s, &style, -1, words);
    int width, height;

    pango_layout_get_pixel_size(layout, &width, &height);
    cairo_save(s->cairo);
    cairo_set_source_rgb(s->cairo, colour.r, colour.g, colour.b);
    cairo_translate(s->cairo, SHEET_WIDTH / 2, SHEET_HEIGHT / 2);
    cairo_rotate(s->cairo, -M_PI / 5);
    if (width > 560)
        cairo_scale(s->cairo, 560.0 / width, 560.0 / width);
    cairo_move_to(s->cairo, -width / 2.0, -height / 2.0);
    pango_cairo_layout_path(s->cairo, layout);
    cairo_fill(s->cairo);
    cairo_restore(s->cairo);
    g_object_unref(layout);
}

void
sheet_link(struct sheet *s, const char *url)
{
    struct buf b;

    buf_init(&b, 2048);
    buf_add_text(&b, "uri='");
    for (const char *p = url; *p != '\0'; p++)
        if (*p == '\'' || *p == '\\')
            buf_add_printf(&b, "\\%c", *p);
        else
            buf_add_u8(&b, (uint8_t)*p);
    buf_add_text(&b, "'");
    cairo_tag_begin(s->cairo, CAIRO_TAG_LINK, buf_text(&b));
    buf_fini(&b);
}

void
sheet_link_end(struct sheet *s)
{
    cairo_tag_end(s->cairo, CAIRO_TAG_LINK);
}

static cairo_status_t
take(void *user, const unsigned char *bytes, unsigned n)
{
    struct buf *out = user;

    buf_add(out, bytes, n);
    return buf_is_over(out) ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static PangoLayout *
lay_out(struct sheet *s, const struct sheet_style *style, double width, const char *text)
{
    PangoLayout *layout = pango_layout_new(s->context);
    PangoFontDescription *font = pango_font_description_from_string(FONTS_FAMILY);

    pango_font_description_set_absolute_size(font, style->size * PANGO_SCALE);
    pango_font_description_set_weight(font,
                                      style->is_bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_width(layout, width < 0 ? -1 : (int)(width * PANGO_SCALE));
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_alignment(layout, style->align);
    if (style->leading > 0)
        pango_layout_set_line_spacing(layout, (float)style->leading);
    pango_layout_set_text(layout, text, -1);
    set_latin_apart(layout, text);
    pango_font_description_free(font);
    if (pango_layout_get_unknown_glyphs_count(layout) > 0)
        layout = without_unknown(s, style, width, layout);
    return layout;
}

/* Latin letters from another face of the same family, where they look the same. cairo 1.16 misreads
 * the outlines of F, I, K and L when two of them are used, and then embeds a megabyte of parts of
 * all Chinese outlines with them, unless they are in a subset of their own. */
static void
set_latin_apart(PangoLayout *layout, const char *text)
{
    PangoAttrList *list = pango_attr_list_new();

    for (size_t i = 0, end; text[i] != '\0'; i = end) {
        bool is_latin = text[i] > ' ' && text[i] <= '~';

        for (end = i; text[end] != '\0' && (text[end] > ' ' && text[end] <= '~') == is_latin; end++)
            continue;
        if (is_latin) {
            PangoAttribute *face = pango_attr_family_new(FONTS_FAMILY_LATIN);

            face->start_index = (guint)i;
            face->end_index = (guint)end;
            pango_attr_list_insert(list, face);
        }
    }
    pango_layout_set_attributes(layout, list);
    pango_attr_list_unref(list);
}

/* The layout again, each character without a glyph replaced by its number. Consumes layout. */
static PangoLayout *
without_unknown(struct sheet *s, const struct sheet_style *style, double width, PangoLayout *layout)
{
    const char *text = pango_layout_get_text(layout);
    size_t n = strlen(text);
    bool *is_unknown = mem_new((n + 1) * sizeof *is_unknown);
    struct buf b;

    buf_init(&b, 12 * n + 1);
    mark_unknown(layout, is_unknown);
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
        if (is_unknown[p - text] && g_utf8_get_char(p) >= 0x4E00 && g_utf8_get_char(p) < 0x9000)
            s->is_failed = true; /* a common Chinese character: the font is missing */
        else if (is_unknown[p - text])
            buf_add_printf(&b, "[U+%04X]", (unsigned)g_utf8_get_char(p));
        else
            buf_add(&b, p, (size_t)(g_utf8_next_char(p) - p));
    g_object_unref(layout);
    layout = s->is_failed ? lay_out(s, style, width, "?") : lay_out(s, style, width, buf_text(&b));
    buf_fini(&b);
    free(is_unknown);
    return layout;
}

/* By byte of the layout's text: it begins a character that has no glyph. */
static void
mark_unknown(PangoLayout *layout, bool *is_unknown)
{
    PangoLayoutIter *iter = pango_layout_get_iter(layout);

    do {
        PangoLayoutRun *run = pango_layout_iter_get_run_readonly(iter);

        for (int i = 0; run != NULL && i < run->glyphs->num_glyphs; i++)
            if ((run->glyphs->glyphs[i].glyph & PANGO_GLYPH_UNKNOWN_FLAG) != 0 &&
                run->glyphs->glyphs[i].glyph != PANGO_GLYPH_EMPTY)
                is_unknown[run->item->offset + run->glyphs->log_clusters[i]] = true;
    } while (pango_layout_iter_next_run(iter));
    pango_layout_iter_free(iter);
}

static void
show(struct sheet *s, PangoLayout *layout, const struct sheet_style *style, double x, double y)
{
    cairo_set_source_rgb(s->cairo, style->colour.r, style->colour.g, style->colour.b);
    cairo_move_to(s->cairo, x, y);
    pango_cairo_show_layout(s->cairo, layout);
}
