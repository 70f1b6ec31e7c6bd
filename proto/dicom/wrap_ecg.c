/* wrap_ecg.c - a recording as 12-Lead ECG Waveform (PS3.3 A.34.3) or, when it has more leads or
 * samples than that allows, as General ECG Waveform (A.34.4). Leads by PS3.16 CID 3001, units UCUM.
 * A group that begins later than the first says so by Channel Time Skew: Multiplex Group Time
 * Offset needs a synchronised clock, which a cart has not. */
#include "proto/dicom/wrap_parts.h"

#include "proto/dicom/syntax.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 64 << 20, SAMPLES_12 = 16384, CHANNELS_12 = 13, SVG_LEADS = 12 };

int
wrap_ecg_read(enum wrap_kind kind, const uint8_t *bytes, size_t n, struct ecg **out,
              struct err *err)
{
    if (n > FILE_BYTES)
        return err_set(err, ERR_REJECT, "ECG: a file of more than %d MiB", FILE_BYTES >> 20);
    return kind == WRAP_SCP ? ecg_read_scp(bytes, n, out, err) : ecg_read_aecg(bytes, n, out, err);
}

int
wrap_ecg_class(const struct ecg *e, const char **out, struct err *err)
{
    unsigned channels = 0;
    uint32_t samples = 0;

    for (unsigned i = 0; i < e->group_count; i++) {
        const struct ecg_group *g = &e->groups[i];

        channels = g->channel_count > channels ? g->channel_count : channels;
        samples = g->sample_count > samples ? g->sample_count : samples;
        if (g->hertz < 200 || g->hertz > 1000)
            return err_set(err, ERR_REJECT, "ECG: %.6g samples a second; DICOM allows 200 to 1000",
                           g->hertz);
    }
    *out = samples <= SAMPLES_12 && channels <= CHANNELS_12 ? WRAP_CLASS_ECG_12
                                                            : WRAP_CLASS_ECG_GENERAL;
    if (*out == (const char *)WRAP_CLASS_ECG_GENERAL && e->group_count > 4)
        return err_set(err, ERR_REJECT, "ECG: %u groups of leads", e->group_count);
    return 0;
}

static void
put_channel(struct dcm_writer *w, const struct ecg *e, const struct ecg_group *g,
            const struct ecg_channel *c)
{
    const char *meaning = ecg_lead_meaning(c->lead);
    char code[16], skew[17];

    snprintf(code, sizeof code, "2:%u", c->lead);
    ecg_decimal(g->offset_ms / 1000, skew);
    dcm_write_item_begin(w);
    wrap_words(w, 0x003A0203, "SH", c->label, 16);
    wrap_code(w, 0x003A0208, code, "MDC", meaning != NULL ? meaning : "Unspecified lead");
    dcm_write_text(w, 0x003A0210, "DS", c->sensitivity);
    if (c->unit == ECG_UV)
        wrap_code(w, 0x003A0211, "uV", "UCUM", "microvolt");
    else
        wrap_code(w, 0x003A0211, "mV", "UCUM", "millivolt");
    dcm_write_text(w, 0x003A0212, "DS", "1");
    dcm_write_text(w, 0x003A0213, "DS", c->baseline);
    dcm_write_text(w, 0x003A0214, "DS", skew);
    dcm_write_u16(w, 0x003A021A, 16);
    if (e->filter_low[0] != '\0')
        dcm_write_text(w, 0x003A0220, "DS", e->filter_low);
    if (e->filter_high[0] != '\0')
        dcm_write_text(w, 0x003A0221, "DS", e->filter_high);
    dcm_write_item_end(w);
}

/* Samples by time, then by channel (PS3.3 C.10.9.1.1). */
static void
put_samples(struct dcm_writer *w, const struct ecg_group *g)
{
    size_t n = (size_t)g->sample_count * g->channel_count * 2;
    uint8_t *bytes = mem_new(n), *p = bytes;

    for (uint32_t i = 0; i < g->sample_count; i++)
        for (unsigned c = 0; c < g->channel_count; c++) {
            uint16_t v = (uint16_t)g->channels[c].samples[i];

            *p++ = (uint8_t)v;
            *p++ = (uint8_t)(v >> 8);
        }
    dcm_write_bytes(w, 0x54001010, "OW", bytes, n);
    free(bytes);
}

static void
put_group(struct dcm_writer *w, const struct ecg *e, const struct ecg_group *g)
{
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x003A0004, "CS", g->is_derived ? "DERIVED" : "ORIGINAL");
    dcm_write_u16(w, 0x003A0005, (uint16_t)g->channel_count);
    dcm_write_u32(w, 0x003A0010, g->sample_count);
    dcm_write_text(w, 0x003A001A, "DS", g->frequency);
    dcm_write_text(w, 0x003A0020, "SH", g->is_derived ? "MEDIAN BEAT" : "RHYTHM");
    dcm_write_sequence_begin(w, 0x003A0200);
    for (unsigned i = 0; i < g->channel_count; i++)
        put_channel(w, e, g, &g->channels[i]);
    dcm_write_sequence_end(w);
    dcm_write_u16(w, 0x54001004, 16);
    dcm_write_text(w, 0x54001006, "CS", "SS");
    put_samples(w, g);
    dcm_write_item_end(w);
}

static void
put_recording(struct wrap_set *s, const struct ecg *e, const struct wrap_source *source)
{
    char moment[16];

    if (e->at[0] != '\0')
        snprintf(moment, sizeof moment, "%s", e->at);
    else
        snprintf(moment, sizeof moment, "%.8s%.6s", source->content_date, source->content_time);
    wrap_text(s, 0x0008002A, "DT", moment);
    if (e->serial[0] != '\0') {
        wrap_set_begin(s, 0x00181000);
        wrap_words(&s->w, 0x00181000, "LO", e->serial, 64);
        wrap_set_end(s);
    }
    if (e->software[0] != '\0') {
        wrap_set_begin(s, 0x00181020);
        wrap_words(&s->w, 0x00181020, "LO", e->software, 64);
        wrap_set_end(s);
    }
    wrap_empty_sequence(s, 0x00400555);
    wrap_set_begin(s, 0x54000100);
    dcm_write_sequence_begin(&s->w, 0x54000100);
    for (unsigned i = 0; i < e->group_count; i++)
        put_group(&s->w, e, &e->groups[i]);
    dcm_write_sequence_end(&s->w);
    wrap_set_end(s);
}

int
wrap_ecg_plan(const struct wrap_identity *identity, const struct wrap_source *source,
              enum wrap_kind kind, struct wrap_plan *plan, struct wrap_set *s, struct err *err)
{
    char key[DIGEST_HEX_BYTES];
    struct wrap_series series = {.transfer_syntax = DCM_UID_EXPLICIT_LE,
                                 .modality = "ECG",
                                 .description = "导入的心电图",
                                 .key = key,
                                 .number = 9504};
    struct ecg *e = NULL;
    int rc = -1;

    if (wrap_ecg_read(kind, source->bytes, source->n, &e, err) < 0 ||
        wrap_ecg_class(e, &series.sop_class, err) < 0)
        goto out;
    digest_text(source->sha256, key); /* each recording is a series */
    series.at = e->at;
    series.maker = e->maker;
    series.model = e->model;
    if (wrap_common(identity, source, &series, plan, s, err) < 0)
        goto out;
    put_recording(s, e, source);
    wrap_set_take(s, 0, UINT32_MAX, &plan->head);
    rc = 0;
out:
    ecg_free(&e);
    return rc;
}

/* ---- a picture for the inbox ---- */

enum { ROW_PX = 60, MV_PX = 20, SECOND_PX = 60 };

static void
draw_lead(const struct ecg_group *g, const struct ecg_channel *c, unsigned row, struct buf *out)
{
    double step_mv = strtod(c->sensitivity, NULL) * (c->unit == ECG_UV ? 1e-3 : 1);
    uint32_t stride = (uint32_t)(g->hertz / (2 * SECOND_PX)); /* two points a pixel */

    stride = stride < 1 ? 1 : stride;
    buf_add_printf(out, "<text fill=\"#222\" stroke=\"none\" x=\"2\" y=\"%u\">", row * ROW_PX + 14);
    for (const char *p = c->label; *p != '\0'; p++)
        if ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
            *p == '-')
            buf_add_u8(out, (uint8_t)*p);
    buf_add_printf(out, "</text><polyline points=\"");
    for (uint32_t i = 0; i < g->sample_count; i += stride) {
        double y = row * ROW_PX + ROW_PX / 2.0 - c->samples[i] * step_mv * MV_PX;

        y = y < 0 ? 0 : y > (row + 2) * ROW_PX ? (row + 2) * ROW_PX : y;
        buf_add_printf(out, "%.1f,%.1f ", 30 + i / g->hertz * SECOND_PX, y);
    }
    buf_add_printf(out, "\"/>");
}

int
wrap_ecg_svg(const uint8_t *bytes, size_t n, struct buf *out, struct err *err)
{
    enum wrap_kind kind = wrap_sniff(bytes, n);
    const struct ecg_group *g;
    struct ecg *e = NULL;
    unsigned rows;

    if (kind != WRAP_SCP && kind != WRAP_AECG)
        return err_set(err, ERR_NOT_FOUND, "no ECG");
    if (wrap_ecg_read(kind, bytes, n, &e, err) < 0)
        return -1;
    g = &e->groups[0];
    rows = g->channel_count < SVG_LEADS ? g->channel_count : SVG_LEADS;
    buf_add_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %u\" "
                   "font-family=\"sans-serif\" font-size=\"12\"><g fill=\"none\" stroke=\"#222\" "
                   "stroke-width=\"0.8\">",
                   40 + g->sample_count / g->hertz * SECOND_PX, rows * ROW_PX);
    for (unsigned i = 0; i < rows; i++)
        draw_lead(g, &g->channels[i], i, out);
    buf_add_printf(out, "</g></svg>");
    ecg_free(&e);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "ECG: longer than a picture can be") : 0;
}
