/* facts.c - one instance's attributes for index, queue and pages. */
#include "proto/dicom/facts.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/made_uid.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/walk.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum fact_kind { CODE, TEXT, NAME };

static const struct text_row {
    uint32_t tag;
    uint16_t at, size;
    enum fact_kind kind;
} text_rows[] = {
#define TEXT_FACT(name, tag, size, kind) {tag, offsetof(struct dcm_facts, name), size, kind},
#define NUMBER_FACT(name, tag, missing)
#include "proto/dicom/facts.def"
#undef TEXT_FACT
#undef NUMBER_FACT
};

static const struct number_row {
    uint32_t tag;
    uint16_t at;
    int64_t missing;
} number_rows[] = {
#define TEXT_FACT(name, tag, size, kind)
#define NUMBER_FACT(name, tag, missing) {tag, offsetof(struct dcm_facts, name), missing},
#include "proto/dicom/facts.def"
#undef TEXT_FACT
#undef NUMBER_FACT
};

static const uint32_t TAG_SERIES_NUMBER = 0x00200011; /* the last that a number is made of */
static const uint32_t TAG_SHARED_GROUPS = 0x52009229, TAG_PER_FRAME_GROUPS = 0x52009230;

/* Copy UTF-8 of n bytes, cut at a character when too long, without padding or controls. */
static void
put_text(char *out, size_t size, const char *text, size_t n)
{
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\0'))
        n--;
    while (n > 0 && *text == ' ') {
        text++;
        n--;
    }
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((uint8_t)text[n] & 0xC0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)text[i] < 0x20 || text[i] == 0x7F ? ' ' : text[i];
    out[n] = '\0';
}

static void
keep_text(struct dcm_facts *facts, const struct text_row *row, struct dcm_charset *cs,
          const uint8_t *value, size_t n)
{
    struct buf text;

    if (n > LIMIT_ELEMENT_TEXT_BYTES)
        n = LIMIT_ELEMENT_TEXT_BYTES;
    buf_init(&text, 4 * LIMIT_ELEMENT_TEXT_BYTES);
    if (row->kind == CODE) { /* the default repertoire; anything else is not let through */
        for (size_t i = 0; i < n; i++)
            buf_add_u8(&text, value[i] < 0x80 ? value[i] : '?');
    } else {
        dcm_charset_decode(cs, value, n, row->kind == NAME, &text);
    }
    put_text((char *)facts + row->at, row->size, buf_text(&text), text.n);
    buf_fini(&text);
}

/* US, SS, UL, SL by length, else the decimal text of IS; false when it is no number. */
static bool
read_number(const struct dcm_element *e, const uint8_t *value, int64_t *out)
{
    bool is_big = e->coding == DCM_EXPLICIT_BE;
    char text[24], *end;
    uint32_t v;

    if (strcmp(e->vr, "IS") == 0 || strcmp(e->vr, "DS") == 0) {
        put_text(text, sizeof text, (const char *)value, e->value_n);
        errno = 0;
        *out = strtoll(text, &end, 10);
        return end != text && errno == 0 && (*end == '\0' || *end == '\\' || *end == '.');
    }
    if (e->value_n < 2)
        return false;
    v = is_big ? (uint32_t)(value[0] << 8 | value[1]) : le16_read(value);
    if (e->vr[1] == 'L' && e->value_n >= 4)
        v = is_big ? v << 16 | (uint32_t)(value[2] << 8 | value[3]) : le32_read(value);
    *out = e->vr[0] == 'S' ? (e->vr[1] == 'L' ? (int64_t)(int32_t)v : (int64_t)(int16_t)v)
                           : (int64_t)v;
    return true;
}

/* The first of the values of a DS (or FD in some private hands: not read). */
static bool
read_decimal(const struct dcm_element *e, const uint8_t *value, double *out)
{
    char text[80], *end;
    double v;

    if (strcmp(e->vr, "DS") != 0)
        return false;
    put_text(text, sizeof text, (const char *)value, e->value_n);
    v = strtod(text, &end);
    if (end == text || !isfinite(v) || text[0] == 'n' || strpbrk(text, "xX") != NULL)
        return false;
    *out = v;
    return true;
}

struct seen {
    bool center, width, slope, intercept;
};

static void
keep_display(struct dcm_facts *facts, struct seen *seen, const struct dcm_element *e,
             const uint8_t *value)
{
    switch (e->tag) {
    case 0x00281050:
        seen->center = seen->center || read_decimal(e, value, &facts->window_center);
        break;
    case 0x00281051:
        seen->width = seen->width || read_decimal(e, value, &facts->window_width);
        break;
    case 0x00281052:
        seen->intercept = seen->intercept || read_decimal(e, value, &facts->rescale_intercept);
        break;
    case 0x00281053:
        seen->slope = seen->slope || read_decimal(e, value, &facts->rescale_slope);
        break;
    default:
        break;
    }
}

static void
keep_element(struct dcm_facts *facts, struct dcm_charset *cs, const struct dcm_element *e,
             const uint8_t *value)
{
    int64_t v;

    for (size_t i = 0; i < ARRAY_LEN(text_rows); i++)
        if (text_rows[i].tag == e->tag)
            keep_text(facts, &text_rows[i], cs, value, e->value_n);
    for (size_t i = 0; i < ARRAY_LEN(number_rows); i++)
        if (number_rows[i].tag == e->tag && read_number(e, value, &v))
            memcpy((char *)facts + number_rows[i].at, &v, sizeof v);
}

/* What the file says of study and series, or what is made of it where that cannot be used. */
static void
keep_numbers(struct dcm_facts *facts, const struct dcm_said *said)
{
    facts->is_study_made = !dcm_said_study(said, facts->study_uid);
    if (facts->is_study_made)
        dcm_make_study_uid(said, facts->study_uid);
    facts->is_series_made = !dcm_said_series(said, facts->series_uid);
    if (facts->is_series_made)
        dcm_make_series_uid(said, facts->study_uid, facts->series_uid);
}

static int
read_dataset(const uint8_t *bytes, size_t n, enum dcm_coding coding, bool is_prefix,
             const char *profile, struct dcm_facts *facts, struct err *err)
{
    unsigned flags = DCM_WALK_STOP_AT_PIXELS | (is_prefix ? DCM_WALK_PREFIX : 0);
    struct dcm_charset cs;
    struct dcm_walk walk;
    struct dcm_element e;
    struct seen seen = {0};
    struct dcm_said said = {0};
    uint32_t outer = 0;        /* the top level's sequence that is open */
    bool is_past = !is_prefix; /* what study and series are numbered by */

    dcm_charset_scan(&cs, bytes, n, coding, profile, NULL);
    dcm_walk_init(&walk, bytes, n, coding, flags);
    for (;;) {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_END)
            break;
        if (e.event == DCM_SEQUENCE && e.depth == 0)
            outer = e.tag;
        is_past = is_past || (e.depth == 0 && e.tag > TAG_SERIES_NUMBER && e.tag >> 16 != 0xFFFE);
        if (e.event != DCM_ELEMENT)
            continue;
        if (e.depth == 0) {
            keep_element(facts, &cs, &e, bytes + e.value_at);
            dcm_said_note(&said, e.tag, bytes + e.value_at, e.value_n);
        }
        if (e.depth == 0 || outer == TAG_SHARED_GROUPS || outer == TAG_PER_FRAME_GROUPS)
            keep_display(facts, &seen, &e, bytes + e.value_at);
    }
    if (is_past || walk.is_at_pixels)
        keep_numbers(facts, &said);
    facts->has_pixels = walk.is_at_pixels;
    facts->is_prefix = is_prefix && !walk.is_at_pixels;
    facts->has_window = seen.center && seen.width;
    facts->text_method = cs.method;
    return 0;
}

int
dcm_facts_read_as(const uint8_t *part10, size_t n, bool is_prefix, const char *profile,
                  struct dcm_facts *out, struct err *err)
{
    struct dcm_part10 p10;
    struct dcm_facts *facts = mem_new(sizeof *facts);
    const uint8_t *dataset;
    struct buf room;
    size_t dataset_n;
    int rc = -1;

    buf_init(&room, LIMIT_INFLATED_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(number_rows); i++)
        memcpy((char *)facts + number_rows[i].at, &number_rows[i].missing, sizeof(int64_t));
    facts->rescale_slope = 1;
    if (dcm_part10_parse(part10, n, &p10, err) < 0 ||
        dcm_part10_dataset(part10, n, &p10, &room, &dataset, &dataset_n, err) < 0 ||
        read_dataset(dataset, dataset_n, p10.syntax->coding, is_prefix, profile, facts, err) < 0)
        goto out;
    text_copy(facts->transfer_syntax, sizeof facts->transfer_syntax, p10.transfer_syntax);
    if (!uid_is_valid(facts->sop_instance, true)) {
        (void)err_set(err, ERR_REJECT, "data set: no valid SOP Instance UID");
        goto out;
    }
    *out = *facts;
    rc = 0;
out:
    buf_fini(&room);
    free(facts);
    return rc;
}

int
dcm_facts_read(const uint8_t *part10, size_t n, bool is_prefix, struct dcm_facts *out,
               struct err *err)
{
    return dcm_facts_read_as(part10, n, is_prefix, NULL, out, err);
}
