/* dcmjson.c - a data set as DICOM JSON. */
#include "proto/dicom/dcmjson.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"
#include "proto/dicom/emit.h"
#include "proto/dicom/part10.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A sequence takes three of jsonw's levels. */
enum { JSON_DEPTH_MAX = 19, NUMBERS_INLINE_BYTES = 65536, PATH_BYTES = JSON_DEPTH_MAX * 24 + 16 };

static const uint32_t TAG_CHARSET = 0x00080005, TAG_AVAILABLE_SYNTAX = 0x00083002,
                      TAG_STUDY = 0x0020000D, TAG_SERIES = 0x0020000E;

struct level {
    struct dcm_charset cs;
    uint32_t tag;  /* of the sequence open at this depth */
    uint32_t item; /* of it, from 1 */
};

struct writer {
    const struct dcm_json_options *options;
    const uint8_t *dataset;
    size_t n;
    struct jsonw *out;
    struct given { /* written in its place, instead of what the file says */
        uint32_t tag;
        const char *uid; /* NULL: nothing is given, or it is written */
    } given[3];
    bool is_in_given; /* what the file says in its place is passed over */
    struct level levels[JSON_DEPTH_MAX + 1];
};

static bool
is_of(const char *vr, const char *list)
{
    for (const char *p = list; *p != '\0'; p += 3)
        if (p[0] == vr[0] && p[1] == vr[1])
            return true;
    return false;
}

static void
tag_text(uint32_t tag, char out[9])
{
    static const char digits[] = "0123456789ABCDEF";

    for (int i = 0; i < 8; i++)
        out[i] = digits[tag >> (28 - 4 * i) & 15];
    out[8] = '\0';
}

/* "GGGGEEEE" of the element, behind the sequences and items that hold it. */
static void
add_path(const struct writer *w, const struct dcm_element *e, struct buf *out)
{
    char tag[9];

    for (int d = 0; d < e->depth; d++) {
        tag_text(w->levels[d].tag, tag);
        buf_add_printf(out, "%s.%u.", tag, w->levels[d].item);
    }
    tag_text(e->tag, tag);
    buf_add_text(out, tag);
}

static void
write_bulk(struct writer *w, const struct dcm_element *e)
{
    struct buf uri;

    if (w->options->bulk_prefix == NULL)
        return;
    buf_init(&uri, 4096 + PATH_BYTES);
    buf_add_text(&uri, w->options->bulk_prefix);
    buf_add_u8(&uri, '/');
    add_path(w, e, &uri);
    jsonw_text_n(w->out, "BulkDataURI", buf_text(&uri), uri.n);
    buf_fini(&uri);
}

static void
write_binary(struct writer *w, const struct dcm_element *e)
{
    bool is_pixels = e->tag == 0x7FE00010 || e->tag == 0x7FE00008 || e->tag == 0x7FE00009;
    struct buf value;
    char *text;
    size_t n;

    if (e->value_n == 0)
        return;
    if (is_pixels || e->value_n > w->options->inline_bytes) {
        write_bulk(w, e);
        return;
    }
    buf_init(&value, e->value_n);
    emit_value(&value, e, w->dataset + e->value_at);
    text = base64_encode(value.bytes, value.n, &n);
    jsonw_text_n(w->out, "InlineBinary", text, n);
    free(text);
    buf_fini(&value);
}

/* As JSON has it (RFC 8259 section 6). */
static bool
is_json_number(const char *p, size_t n)
{
    size_t i = n > 0 && p[0] == '-', digits = i;

    while (i < n && p[i] >= '0' && p[i] <= '9')
        i++;
    if (i == digits || (p[digits] == '0' && i - digits > 1))
        return false;
    if (i < n && p[i] == '.') {
        digits = ++i;
        while (i < n && p[i] >= '0' && p[i] <= '9')
            i++;
        if (i == digits)
            return false;
    }
    if (i < n && (p[i] == 'e' || p[i] == 'E')) {
        i++;
        if (i < n && (p[i] == '+' || p[i] == '-'))
            i++;
        digits = i;
        while (i < n && p[i] >= '0' && p[i] <= '9')
            i++;
        if (i == digits)
            return false;
    }
    return i == n;
}

/* DS and IS: the number as it is written, a cleaner one, or its text (PS3.18 F.2.3). */
static void
write_decimal(struct jsonw *out, const char *text, size_t n)
{
    char copy[64], *end;
    double v;

    if (is_json_number(text, n)) {
        jsonw_raw(out, NULL, text, n);
        return;
    }
    if (n == 0 || n >= sizeof copy || strspn(text, "0123456789+-.eE") < n) {
        jsonw_text_n(out, NULL, text, n);
        return;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    v = strtod(copy, &end);
    if (end == copy + n && isfinite(v))
        jsonw_double(out, NULL, v);
    else
        jsonw_text_n(out, NULL, text, n);
}

static size_t
trimmed(const char **io_text, size_t n, bool is_front_too)
{
    while (n > 0 && ((*io_text)[n - 1] == ' ' || (*io_text)[n - 1] == '\0'))
        n--;
    while (is_front_too && n > 0 && **io_text == ' ') {
        (*io_text)++;
        n--;
    }
    return n;
}

static void
write_name(struct jsonw *out, const char *text, size_t n)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};

    jsonw_object(out, NULL);
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        const char *end = memchr(text, '=', n);
        size_t k = end != NULL ? (size_t)(end - text) : n;
        const char *group = text;

        k = trimmed(&group, k, false);
        if (k > 0)
            jsonw_text_n(out, groups[g], group, k);
        if (end == NULL)
            break;
        n -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    jsonw_end(out);
}

static void
write_one_text(struct jsonw *out, const char *vr, const char *text, size_t n)
{
    n = trimmed(&text, n, is_of(vr, "AE CS DS IS LO SH DA TM DT UI "));
    if (n == 0)
        jsonw_null(out, NULL);
    else if (is_of(vr, "DS IS "))
        write_decimal(out, text, n);
    else if (is_of(vr, "PN "))
        write_name(out, text, n);
    else
        jsonw_text_n(out, NULL, text, n);
}

static void
write_text(struct writer *w, const struct dcm_element *e)
{
    struct buf text;
    const char *p;
    size_t n;

    buf_init(&text, 4 * e->value_n + 16);
    if (dcm_vr_has_charset(e->vr))
        dcm_charset_decode(&w->levels[e->depth].cs, w->dataset + e->value_at, e->value_n,
                           is_of(e->vr, "PN "), &text);
    else
        buf_add(&text, w->dataset + e->value_at, e->value_n);
    p = buf_text(&text);
    n = trimmed(&p, text.n, false);
    if (e->tag == TAG_CHARSET) {
        p = "ISO_IR 192";
        n = strlen(p);
    }
    if (n > 0) {
        jsonw_array(w->out, "Value");
        while (!is_of(e->vr, "ST LT UT UR ")) {
            const char *end = memchr(p, '\\', n);

            if (end == NULL)
                break;
            write_one_text(w->out, e->vr, p, (size_t)(end - p));
            n -= (size_t)(end + 1 - p);
            p = end + 1;
        }
        write_one_text(w->out, e->vr, p, n);
        jsonw_end(w->out);
    }
    buf_fini(&text);
}

static void
write_one_number(struct jsonw *out, const char *vr, const uint8_t *p)
{
    uint64_t bits8;
    uint32_t bits4;
    double d;
    float f;

    if (is_of(vr, "US ")) {
        jsonw_uint(out, NULL, le16_read(p));
    } else if (is_of(vr, "SS ")) {
        jsonw_int(out, NULL, (int16_t)le16_read(p));
    } else if (is_of(vr, "UL ")) {
        jsonw_uint(out, NULL, le32_read(p));
    } else if (is_of(vr, "SL ")) {
        jsonw_int(out, NULL, (int32_t)le32_read(p));
    } else if (is_of(vr, "UV ")) {
        jsonw_uint(out, NULL, le64_read(p));
    } else if (is_of(vr, "SV ")) {
        jsonw_int(out, NULL, (int64_t)le64_read(p));
    } else if (is_of(vr, "FL ")) {
        bits4 = le32_read(p);
        memcpy(&f, &bits4, sizeof f);
        jsonw_double(out, NULL, (double)f);
    } else {
        bits8 = le64_read(p);
        memcpy(&d, &bits8, sizeof d);
        jsonw_double(out, NULL, d);
    }
}

static void
write_numbers(struct writer *w, const struct dcm_element *e)
{
    size_t size = is_of(e->vr, "US SS ") ? 2 : is_of(e->vr, "FD SV UV ") ? 8 : 4;
    struct buf value;

    if (e->value_n < size)
        return;
    if (e->value_n > NUMBERS_INLINE_BYTES && w->options->bulk_prefix != NULL) {
        write_bulk(w, e);
        return;
    }
    buf_init(&value, e->value_n);
    emit_value(&value, e, w->dataset + e->value_at);
    jsonw_array(w->out, "Value");
    for (size_t at = 0; at + size <= value.n; at += size) {
        if (is_of(e->vr, "AT ")) {
            char tag[9];

            tag_text((uint32_t)le16_read(value.bytes + at) << 16 | le16_read(value.bytes + at + 2),
                     tag);
            jsonw_text(w->out, NULL, tag);
        } else {
            write_one_number(w->out, e->vr, value.bytes + at);
        }
    }
    jsonw_end(w->out);
    buf_fini(&value);
}

static void
write_given(struct jsonw *out, const struct given *given)
{
    char tag[9];

    tag_text(given->tag, tag);
    jsonw_object(out, tag);
    jsonw_text(out, "vr", "UI");
    jsonw_array(out, "Value");
    jsonw_text(out, NULL, given->uid);
    jsonw_end(out);
    jsonw_end(out);
}

/* What belongs before the next tag, or there. */
static void
write_given_until(struct writer *w, uint32_t next_tag)
{
    for (size_t i = 0; i < ARRAY_LEN(w->given); i++)
        if (w->given[i].uid != NULL && w->given[i].tag <= next_tag) {
            write_given(w->out, &w->given[i]);
            w->given[i].uid = NULL;
        }
}

/* A broken file may have the element behind where it belongs: it was given then. */
static bool
is_given(const struct writer *w, const struct dcm_element *e)
{
    const struct dcm_json_options *o = w->options;

    return e->depth == 0 && ((e->tag == TAG_AVAILABLE_SYNTAX && o->transfer_syntax != NULL) ||
                             (e->tag == TAG_STUDY && o->study != NULL) ||
                             (e->tag == TAG_SERIES && o->series != NULL));
}

static void
write_element(struct writer *w, const struct dcm_element *e)
{
    char tag[9];

    if ((e->tag & 0xFFFF) == 0 || e->tag == 0xFFFCFFFC || is_given(w, e))
        return;
    tag_text(e->tag, tag);
    jsonw_object(w->out, tag);
    jsonw_text_n(w->out, "vr", e->vr, 2);
    if (e->event == DCM_FRAGMENTS)
        write_bulk(w, e);
    else if (dcm_vr_is_text(e->vr) || is_of(e->vr, "UI "))
        write_text(w, e);
    else if (is_of(e->vr, "US SS UL SL UV SV FL FD AT "))
        write_numbers(w, e);
    else
        write_binary(w, e);
    jsonw_end(w->out);
}

static int
write_event(struct writer *w, const struct dcm_element *e, struct err *err)
{
    struct level *level;
    char tag[9];

    if (e->depth >= JSON_DEPTH_MAX)
        return err_set(err, ERR_REJECT, "DICOM JSON: sequences nested too deep");
    if (w->is_in_given) {
        w->is_in_given = e->event != DCM_SEQUENCE_END || e->depth > 0;
        return 0;
    }
    if (e->event == DCM_SEQUENCE && is_given(w, e)) { /* a sequence where a number belongs */
        w->is_in_given = true;
        return 0;
    }
    level = &w->levels[e->depth];
    switch (e->event) {
    case DCM_ELEMENT:
    case DCM_FRAGMENTS:
        write_element(w, e);
        break;
    case DCM_SEQUENCE:
        level->tag = e->tag;
        level->item = 0;
        tag_text(e->tag, tag);
        jsonw_object(w->out, tag);
        jsonw_text(w->out, "vr", "SQ");
        break;
    case DCM_ITEM:
        if (level->item++ == 0)
            jsonw_array(w->out, "Value");
        jsonw_object(w->out, NULL);
        dcm_charset_scan(&level[1].cs, w->dataset + e->value_at,
                         e->length == 0xFFFFFFFF ? w->n - e->value_at : e->value_n, e->coding,
                         w->options->profile, &level->cs);
        break;
    case DCM_ITEM_END:
        jsonw_end(w->out);
        break;
    case DCM_SEQUENCE_END:
        if (level->item > 0)
            jsonw_end(w->out);
        jsonw_end(w->out);
        break;
    default:
        break;
    }
    return 0;
}

static int
write_dataset(struct writer *w, enum dcm_coding coding, struct err *err)
{
    struct dcm_walk walk;
    struct dcm_element e;

    dcm_walk_init(&walk, w->dataset, w->n, coding,
                  w->options->is_prefix ? DCM_WALK_PREFIX : DCM_WALK_WHOLE);
    for (;;) {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        if (e.event == DCM_END)
            write_given_until(w, UINT32_MAX);
        else if (e.depth == 0 && e.tag >> 16 != 0xFFFE)
            write_given_until(w, e.tag);
        if (e.event == DCM_END)
            break;
        if (write_event(w, &e, err) < 0)
            return -1;
        if (buf_is_over(w->out->out))
            return err_set(err, ERR_REJECT, "DICOM JSON: larger than its limit");
    }
    if (walk.top != 0)
        return err_set(err, ERR_REJECT, "DICOM JSON: the bytes end inside a sequence");
    return 0;
}

int
dcm_json_write(const uint8_t *part10, size_t n, const struct dcm_json_options *options,
               struct jsonw *out, struct err *err)
{
    struct writer *w = mem_new(sizeof *w);
    struct dcm_part10 p10;
    struct buf room;
    int rc = -1;

    buf_init(&room, LIMIT_INFLATED_BYTES);
    w->options = options;
    w->out = out;
    w->given[0] = (struct given){TAG_AVAILABLE_SYNTAX, options->transfer_syntax};
    w->given[1] = (struct given){TAG_STUDY, options->study};
    w->given[2] = (struct given){TAG_SERIES, options->series};
    if (dcm_part10_parse(part10, n, &p10, err) < 0 ||
        dcm_part10_dataset(part10, n, &p10, &room, &w->dataset, &w->n, err) < 0)
        goto out;
    dcm_charset_scan(&w->levels[0].cs, w->dataset, w->n, p10.syntax->coding, options->profile,
                     NULL);
    jsonw_object(out, NULL);
    rc = write_dataset(w, p10.syntax->coding, err);
    jsonw_end(out);
    if (rc == 0 && buf_is_over(out->out))
        rc = err_set(err, ERR_REJECT, "DICOM JSON: larger than its limit");
out:
    buf_fini(&room);
    free(w);
    return rc;
}

/* A path in parts: tags, and the items between them. */
struct path {
    uint32_t tags[JSON_DEPTH_MAX + 1], items[JSON_DEPTH_MAX + 1];
    int depth; /* of the element itself */
};

static bool
read_path(const char *text, struct path *out)
{
    memset(out, 0, sizeof *out);
    for (;;) {
        uint64_t item = 0;
        uint8_t tag[4];
        char word[9] = {0};

        if (strlen(text) < 8)
            return false;
        memcpy(word, text, 8);
        if (hex_decode(word, tag, 4) < 0)
            return false;
        out->tags[out->depth] =
            (uint32_t)tag[0] << 24 | (uint32_t)tag[1] << 16 | (uint32_t)tag[2] << 8 | tag[3];
        text += 8;
        if (*text == '\0')
            return true;
        if (*text++ != '.' || out->depth == JSON_DEPTH_MAX)
            return false;
        while (*text >= '0' && *text <= '9' && item <= UINT32_MAX)
            item = item * 10 + (uint64_t)(*text++ - '0');
        if (*text++ != '.' || item == 0 || item > UINT32_MAX)
            return false;
        out->items[out->depth++] = (uint32_t)item;
    }
}

static int
find_value(const uint8_t *dataset, size_t n, enum dcm_coding coding, const struct path *path,
           struct dcm_element *out, struct err *err)
{
    uint32_t items[JSON_DEPTH_MAX + 1] = {0};
    struct dcm_walk walk;
    int matched = 0; /* depths of the path that we are in */

    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_WHOLE);
    for (;;) {
        if (dcm_walk_next(&walk, out, err) < 0)
            return -1;
        if (out->event == DCM_END)
            return err_set(err, ERR_NOT_FOUND, "no such element");
        if (out->depth > path->depth)
            continue;
        if (out->event == DCM_ITEM_END && matched > out->depth)
            matched = out->depth;
        if (out->event == DCM_SEQUENCE && out->depth == matched &&
            out->tag == path->tags[matched] && matched < path->depth)
            items[matched] = 1;
        else if (out->event == DCM_SEQUENCE)
            items[out->depth] = 0;
        if (out->event == DCM_ITEM && out->depth == matched && items[matched] > 0 &&
            items[matched]++ == path->items[matched])
            matched++;
        if (out->event == DCM_ELEMENT && out->depth == path->depth && matched == path->depth &&
            out->tag == path->tags[matched])
            return 0;
    }
}

int
dcm_json_bulk(const uint8_t *part10, size_t n, const char *path_text, const uint8_t **out_bytes,
              size_t *out_n, struct err *err)
{
    struct dcm_part10 p10;
    struct dcm_element e;
    struct path path;

    if (!read_path(path_text, &path))
        return err_set(err, ERR_NOT_FOUND, "no such element");
    if (dcm_part10_parse(part10, n, &p10, err) < 0)
        return -1;
    if (p10.syntax->is_deflated)
        return err_set(err, ERR_NOT_FOUND, "values of a deflated data set are not in place");
    if (find_value(part10 + p10.dataset_at, n - p10.dataset_at, p10.syntax->coding, &path, &e,
                   err) < 0)
        return -1;
    *out_bytes = part10 + p10.dataset_at + e.value_at;
    *out_n = e.value_n;
    return 0;
}
