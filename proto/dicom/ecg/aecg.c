/* aecg.c - HL7 v3 Annotated ECG: the recording, and what it says of patient and machine.
 * The one door to expat. A DOCTYPE stops the reading, so no entity but the five of XML exists.
 *
 *   AnnotatedECG > effectiveTime, componentOf...trialSubject, component > series
 *   series (derivedSeries: an averaged beat) > author...manufacturedSeriesDevice,
 *       component > sequenceSet > component > sequence
 *   sequence > code TIME_ABSOLUTE | TIME_RELATIVE, value head, increment
 *            | code MDC_ECG_LEAD_x, value origin, scale, digits
 * Elements are known by their local names and their parents', whatever their namespace prefix.
 * Text by DESIGN's rule: carts in China write GBK, declared as GB2312, GBK or GB18030, or as
 * nothing or UTF-8 (charset.h); what is not of these is expat's. */
#include "proto/dicom/ecg/aecg_text.h"
#include "proto/dicom/ecg/ecg.h"

#include "proto/base/text.h"

#include <expat.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH = 48, NAME_BYTES = 40, TEXT_BYTES = 16 << 20, CHUNK = 1 << 20 };

struct sequence {
    char code[48];
    bool is_time;
    double head, increment, origin, scale;
    bool has_increment, has_scale;
    char head_text[48];
    char increment_unit[9], origin_unit[9], scale_unit[9];
};

struct reader {
    XML_Parser parser;
    struct ecg *ecg;
    char path[DEPTH][NAME_BYTES];
    int depth;
    int derived_at; /* depth of the derivedSeries we are in, 0 none */
    struct buf text;
    struct ecg_group *group; /* of the open sequence set */
    struct sequence sequence;
    double first_ms; /* moment of the first group, 0 none */
    bool is_failed;
    struct err err;
};

/* Remember the first thing that is wrong, and stop. */
#define fail(r, ...)                                                                               \
    do {                                                                                           \
        if (!(r)->is_failed)                                                                       \
            (void)err_set(&(r)->err, ERR_REJECT, "aECG: " __VA_ARGS__);                            \
        (r)->is_failed = true;                                                                     \
        XML_StopParser((r)->parser, XML_FALSE);                                                    \
    } while (0)

static const char *
parent(const struct reader *r, int up)
{
    return r->depth > up ? r->path[r->depth - 1 - up] : "";
}

static bool
is_in(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->depth; i++)
        if (strcmp(r->path[i], name) == 0)
            return true;
    return false;
}

static const char *
attribute(const char **attributes, const char *name)
{
    for (size_t i = 0; attributes[i] != NULL; i += 2) {
        const char *colon = strrchr(attributes[i], ':');

        if (strcmp(colon != NULL ? colon + 1 : attributes[i], name) == 0)
            return attributes[i + 1];
    }
    return "";
}

/* A decimal, whole text; xs:decimal and its exponent. */
static bool
read_number(const char *text, double *out)
{
    char *end;
    double v;

    if (text[0] == '\0' || strlen(text) > 40 || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    v = strtod(text, &end);
    if (*end != '\0' || !isfinite(v) || fabs(v) > 1e12)
        return false;
    *out = v;
    return true;
}

/* YYYYMMDDHHMMSS[.fff][+ZZZZ] > its 14 digits; "" if it has fewer. */
static void
take_moment(const char *value, char out[15])
{
    if (out[0] == '\0' && strspn(value, "0123456789") >= 14) {
        memcpy(out, value, 14);
        out[14] = '\0';
    }
}

static double
unit_seconds(const char *unit)
{
    return strcmp(unit, "s") == 0    ? 1
           : strcmp(unit, "ms") == 0 ? 1e-3
           : strcmp(unit, "us") == 0 ? 1e-6
                                     : 0;
}

/* ---- elements that begin ---- */

static void
begin_value_part(struct reader *r, const char *name, const char **attributes)
{
    struct sequence *s = &r->sequence;
    const char *value = attribute(attributes, "value"), *unit = attribute(attributes, "unit");

    if (strcmp(name, "head") == 0) {
        text_copy(s->head_text, sizeof s->head_text, value);
        if (!read_number(value, &s->head))
            s->head = 0; /* a moment, not a number */
    } else if (strcmp(name, "increment") == 0) {
        s->has_increment = read_number(value, &s->increment);
        text_copy(s->increment_unit, sizeof s->increment_unit, unit);
    } else if (strcmp(name, "origin") == 0) {
        if (!read_number(value, &s->origin))
            fail(r, "a lead's origin is no number");
        text_copy(s->origin_unit, sizeof s->origin_unit, unit);
    } else if (strcmp(name, "scale") == 0) {
        s->has_scale = read_number(value, &s->scale);
        text_copy(s->scale_unit, sizeof s->scale_unit, unit);
    }
}

static void
begin_group(struct reader *r)
{
    struct ecg *e = r->ecg;

    if (r->group != NULL) {
        fail(r, "a sequence set inside another");
        return;
    }
    if (e->group_count == ECG_GROUPS) {
        fail(r, "more than %d sequence sets", ECG_GROUPS);
        return;
    }
    r->group = &e->groups[e->group_count++];
    r->group->is_derived = r->derived_at != 0;
}

static void
begin_person(struct reader *r, const char *name, const char **attributes)
{
    struct ecg *e = r->ecg;
    const char *value = attribute(attributes, "value");

    if (strcmp(name, "id") == 0 && strcmp(parent(r, 0), "trialSubject") == 0 && e->id[0] == '\0')
        text_copy(e->id, sizeof e->id, attribute(attributes, "extension"));
    else if (strcmp(name, "administrativeGenderCode") == 0) {
        const char *code = attribute(attributes, "code");

        if (strcmp(code, "M") == 0 || strcmp(code, "F") == 0)
            text_copy(e->sex, sizeof e->sex, code);
    } else if (strcmp(name, "birthTime") == 0 && strspn(value, "0123456789") >= 8) {
        memcpy(e->birth, value, 8);
        e->birth[8] = '\0';
    } else if (strcmp(name, "id") == 0 && strcmp(parent(r, 0), "manufacturedSeriesDevice") == 0)
        text_copy(e->serial, sizeof e->serial, attribute(attributes, "extension"));
}

static void
on_begin(void *user, const char *qualified, const char **attributes)
{
    struct reader *r = user;
    const char *colon = strrchr(qualified, ':');
    const char *name = colon != NULL ? colon + 1 : qualified;

    if (r->is_failed)
        return;
    if (r->depth == DEPTH || strlen(name) >= NAME_BYTES) {
        fail(r, "nested too deep");
        return;
    }
    if (r->depth == 0 && strcmp(name, "AnnotatedECG") != 0) {
        fail(r, "an XML file of another kind");
        return;
    }
    if (strcmp(parent(r, 0), "name") != 0) /* a name's parts belong together */
        buf_clear(&r->text);
    if (strcmp(name, "derivedSeries") == 0 && r->derived_at == 0)
        r->derived_at = r->depth + 1;
    else if (strcmp(name, "sequenceSet") == 0)
        begin_group(r);
    else if (strcmp(name, "sequence") == 0)
        memset(&r->sequence, 0, sizeof r->sequence);
    else if (strcmp(name, "code") == 0 && strcmp(parent(r, 0), "sequence") == 0) {
        text_copy(r->sequence.code, sizeof r->sequence.code, attribute(attributes, "code"));
        r->sequence.is_time = strncmp(r->sequence.code, "TIME_", 5) == 0;
    } else if (strcmp(parent(r, 0), "value") == 0 && strcmp(parent(r, 1), "sequence") == 0)
        begin_value_part(r, name, attributes);
    else if (strcmp(parent(r, 0), "effectiveTime") == 0 &&
             (strcmp(name, "low") == 0 || strcmp(name, "center") == 0) &&
             (strcmp(parent(r, 1), "series") == 0 || strcmp(parent(r, 1), "AnnotatedECG") == 0)) {
        take_moment(attribute(attributes, "value"), r->ecg->at);
    } else
        begin_person(r, name, attributes);
    text_copy(r->path[r->depth++], NAME_BYTES, name);
}

/* ---- elements that end ---- */

/* White space becomes single blanks; nothing at the ends. */
static void
take_words(struct reader *r, char *out, size_t size)
{
    const char *text = buf_text(&r->text);
    size_t n = 0;

    for (const char *p = text; *p != '\0' && n + 1 < size; p++) {
        bool is_blank = (unsigned char)*p <= ' ';

        if (!is_blank || (n > 0 && out[n - 1] != ' '))
            out[n++] = is_blank ? ' ' : *p;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    while (n > 0 && !text_is_utf8(out, n)) /* cut inside a sign */
        out[--n] = '\0';
}

static bool
next_digit(const char **at, int64_t *out)
{
    const char *p = *at;
    bool is_negative;
    int64_t v = 0;
    size_t n = 0;

    p += strspn(p, " \t\r\n");
    is_negative = *p == '-';
    p += *p == '-' || *p == '+';
    for (; *p >= '0' && *p <= '9' && n < 12; p++, n++)
        v = v * 10 + (*p - '0');
    if (n == 0 || (*p != '\0' && strchr(" \t\r\n", *p) == NULL))
        return false;
    *out = is_negative ? -v : v;
    *at = p;
    return true;
}

static uint32_t
count_words(const char *text)
{
    uint32_t n = 0;

    while (text[0] != '\0' && n <= ECG_SAMPLES) {
        text += strspn(text, " \t\r\n");
        n += text[0] != '\0';
        text += strcspn(text, " \t\r\n");
    }
    return n;
}

static void
end_digits(struct reader *r)
{
    struct ecg_group *g = r->group;
    struct ecg_channel *c;
    const char *p = buf_text(&r->text);
    uint32_t count = count_words(p);

    if (g == NULL || r->sequence.is_time)
        return;
    if (g->channel_count == ECG_CHANNELS || count == 0 || count > ECG_SAMPLES) {
        fail(r, "a lead of %u samples, or more than %d leads", count, ECG_CHANNELS);
        return;
    }
    if (g->channel_count > 0 && count != g->sample_count) {
        fail(r, "leads of one set have %u and %u samples", g->sample_count, count);
        return;
    }
    g->sample_count = count;
    c = &g->channels[g->channel_count++];
    c->samples = ecg_samples_new(count);
    for (uint32_t i = 0; i < count; i++) {
        int64_t v;

        if (!next_digit(&p, &v)) {
            fail(r, "sample %u of a lead is no whole number", i);
            return;
        }
        if (v < INT16_MIN || v > INT16_MAX) {
            fail(r, "sample %u of a lead does not fit 16 bits", i);
            return;
        }
        c->samples[i] = (int16_t)v;
    }
}

static bool
unit_of(const char *text, enum ecg_unit *out)
{
    if (strcmp(text, "uV") == 0 || strcmp(text, "\xC2\xB5V") == 0 || strcmp(text, "\xCE\xBCV") == 0)
        *out = ECG_UV;
    else if (strcmp(text, "mV") == 0)
        *out = ECG_MV;
    else
        return false;
    return true;
}

/* A lead's samples are in its group already; now say what they are. */
static void
end_lead(struct reader *r)
{
    const struct sequence *s = &r->sequence;
    struct ecg_group *g = r->group;
    struct ecg_channel *c;
    enum ecg_unit origin_unit;
    const char *label;

    if (g->channel_count == 0 || g->channels[g->channel_count - 1].label[0] != '\0') {
        fail(r, "a lead without digits");
        return;
    }
    c = &g->channels[g->channel_count - 1];
    if (!s->has_scale || s->scale == 0 || !unit_of(s->scale_unit, &c->unit)) {
        fail(r, "a lead does not say what its steps are");
        return;
    }
    if (s->origin != 0 && (!unit_of(s->origin_unit, &origin_unit) || origin_unit != c->unit)) {
        fail(r, "a lead's origin and scale have different units");
        return;
    }
    c->lead = ecg_lead_by_mdc(s->code);
    label = ecg_lead_label(c->lead);
    if (label == NULL && strncmp(s->code, "MDC_ECG_LEAD_", 13) == 0)
        label = s->code + 13;
    text_copy(c->label, sizeof c->label, label != NULL && label[0] != '\0' ? label : "?");
    ecg_decimal(s->scale, c->sensitivity);
    ecg_decimal(s->origin, c->baseline);
}

/* YYYYMMDDHHMMSS.fff in milliseconds of some scale; 0: not told. */
static double
moment_ms(const char *text)
{
    struct tm tm = {0};
    double fraction = 0;
    unsigned part[6] = {0};
    static const unsigned width[6] = {4, 2, 2, 2, 2, 2};
    const char *p = text;

    if (strspn(text, "0123456789") != 14)
        return 0;
    for (size_t i = 0; i < 6; i++)
        for (unsigned k = 0; k < width[i]; k++)
            part[i] = part[i] * 10 + (unsigned)(*p++ - '0');
    tm = (struct tm){.tm_year = (int)part[0] - 1900,
                     .tm_mon = (int)part[1] - 1,
                     .tm_mday = (int)part[2],
                     .tm_hour = (int)part[3],
                     .tm_min = (int)part[4],
                     .tm_sec = (int)part[5]};
    if (*p == '.') {
        double unit = 100;

        for (p++; *p >= '0' && *p <= '9' && unit > 1e-4; p++, unit /= 10)
            fraction += (*p - '0') * unit;
    }
    return (double)timegm(&tm) * 1000 + fraction;
}

static void
end_time(struct reader *r)
{
    const struct sequence *s = &r->sequence;
    double step = s->has_increment ? s->increment * unit_seconds(s->increment_unit) : 0;
    struct ecg_group *g = r->group;
    double nearest;

    if (step < 1e-6 || step > 10) {
        fail(r, "the time between samples is not told");
        return;
    }
    g->hertz = 1 / step;
    nearest = round(g->hertz);
    if (fabs(g->hertz - nearest) < 1e-5 * nearest)
        g->hertz = nearest; /* 0.00333333 s is 300 Hz */
    ecg_decimal(g->hertz, g->frequency);
    if (strcmp(s->code, "TIME_ABSOLUTE") == 0) {
        double at_ms = moment_ms(s->head_text);

        take_moment(s->head_text, r->ecg->at);
        if (r->first_ms == 0)
            r->first_ms = at_ms;
        if (at_ms != 0 && !g->is_derived)
            g->offset_ms = at_ms - r->first_ms;
    } else
        g->offset_ms = s->head * unit_seconds(s->increment_unit) * 1000;
}

static void
end_group(struct reader *r)
{
    struct ecg_group *g = TAKE(r->group);

    if (g == NULL)
        return;
    if (g->channel_count == 0)
        r->ecg->group_count--;
    else if (g->hertz == 0)
        fail(r, "the time between samples is not told");
}

static void
end_words(struct reader *r, const char *name)
{
    struct ecg *e = r->ecg;

    if (strcmp(name, "name") == 0 && is_in(r, "subjectDemographicPerson"))
        take_words(r, e->name, sizeof e->name);
    else if (strcmp(name, "manufacturerModelName") == 0 && e->model[0] == '\0')
        take_words(r, e->model, sizeof e->model);
    else if (strcmp(name, "softwareName") == 0 && e->software[0] == '\0')
        take_words(r, e->software, sizeof e->software);
    else if (strcmp(name, "name") == 0 && is_in(r, "manufacturerOrganization"))
        take_words(r, e->maker, sizeof e->maker);
}

static void
on_end(void *user, const char *qualified)
{
    struct reader *r = user;
    const char *name;

    (void)qualified;
    if (r->is_failed || r->depth == 0)
        return;
    name = r->path[--r->depth];
    if (strcmp(name, "digits") == 0 && is_in(r, "sequence"))
        end_digits(r);
    else if (strcmp(name, "sequence") == 0 && r->group != NULL) {
        if (r->sequence.is_time)
            end_time(r);
        else
            end_lead(r);
    } else if (strcmp(name, "sequenceSet") == 0)
        end_group(r);
    else
        end_words(r, name);
    if (r->derived_at > r->depth)
        r->derived_at = 0;
    if (strcmp(parent(r, 0), "name") != 0) /* a name's parts belong together */
        buf_clear(&r->text);
    else
        buf_add_text(&r->text, " ");
}

static void
on_text(void *user, const char *text, int n)
{
    struct reader *r = user;

    if (r->is_failed)
        return;
    buf_add(&r->text, text, (size_t)n);
    if (buf_is_over(&r->text))
        fail(r, "a text of more than %d bytes", TEXT_BYTES);
}

static void
on_doctype(void *user, const char *name, const char *system, const char *public, int has_subset)
{
    struct reader *r = user;

    (void)name;
    (void)system;
    (void)public;
    (void)has_subset;
    fail(r, "a document type is declared; such files are not read");
}

/* XML_ERROR_NO_ELEMENTS, UNCLOSED...: what follows could make it well. */
static int
report(struct reader *r, struct err *err)
{
    enum XML_Error code = XML_GetErrorCode(r->parser);

    if (r->is_failed) {
        *err = r->err;
        return -1;
    }
    if (code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN ||
        code == XML_ERROR_PARTIAL_CHAR || code == XML_ERROR_UNCLOSED_CDATA_SECTION)
        return err_set(err, ERR_RETRY, "aECG: ends early");
    return err_set(err, ERR_REJECT, "aECG: line %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(r->parser), XML_ErrorString(code));
}

/* cs: what it is brought to UTF-8 by; NULL: as it is. */
static int
parse(struct reader *r, struct dcm_charset *cs, const uint8_t *bytes, size_t n, struct err *err)
{
    bool is_last = false;
    struct buf text;
    int rc = 0;

    buf_init(&text, 4 * CHUNK);
    for (size_t at = 0, k; rc == 0 && !is_last; at += k) {
        const uint8_t *piece = bytes + at;
        size_t piece_n;

        k = n - at <= CHUNK ? n - at : cs != NULL ? aecg_text_whole(piece, CHUNK) : CHUNK;
        piece_n = k;
        is_last = at + k == n;
        if (cs != NULL) {
            buf_clear(&text);
            dcm_charset_decode(cs, piece, k, false, &text);
            piece = text.bytes;
            piece_n = text.n;
        }
        if (XML_Parse(r->parser, (const char *)piece, (int)piece_n, is_last) != XML_STATUS_OK)
            rc = report(r, err);
    }
    buf_fini(&text);
    if (rc < 0)
        return rc;
    if (r->is_failed)
        return report(r, err);
    if (r->ecg->group_count == 0)
        return err_set(err, ERR_REJECT, "aECG: holds no recording");
    return 0;
}

int
ecg_read_aecg(const uint8_t *bytes, size_t n, struct ecg **out_ecg, struct err *err)
{
    struct reader r = {.depth = 0};
    struct dcm_charset cs;
    bool is_decoded = aecg_text_choose(bytes, n, &cs);
    int rc = -1;

    buf_init(&r.text, TEXT_BYTES);
    r.ecg = mem_new(sizeof *r.ecg);
    r.parser = XML_ParserCreate(is_decoded ? "UTF-8" : NULL);
    if (r.parser == NULL) {
        (void)err_set(err, ERR_RETRY, "aECG: no memory");
        goto out;
    }
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_begin, on_end);
    XML_SetCharacterDataHandler(r.parser, on_text);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    if (parse(&r, is_decoded ? &cs : NULL, bytes, n, err) < 0)
        goto out;
    *out_ecg = TAKE(r.ecg);
    rc = 0;
out:
    if (r.parser != NULL)
        XML_ParserFree(r.parser);
    ecg_free(&r.ecg);
    buf_fini(&r.text);
    return rc;
}
