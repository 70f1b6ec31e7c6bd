/* hl7.c - reading ER7: to UTF-8, cut at CR, then looked up field by field. */
#include "proto/hl7/hl7.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"

#include <stdlib.h>
#include <string.h>

enum { SEPARATORS = 5, NAME_BYTES = 3, HEX_BYTES = 4096 };

struct span {
    const char *at, *end;
};

struct hl7_message {
    struct buf text;
    struct span *segments;
    size_t count;
    char field, component, repetition, escape, sub;
    struct dcm_charset reading;
};

/* MSH-18 as people write it > what charset.h calls it. */
static const struct {
    const char *word, *charset;
} sets[] = {
    {"UNICODE UTF-8", "ISO_IR 192"}, {"UTF-8", "ISO_IR 192"},      {"UTF8", "ISO_IR 192"},
    {"UNICODE", "ISO_IR 192"},       {"GB 18030-2000", "GB18030"}, {"GB18030-2000", "GB18030"},
    {"GB18030", "GB18030"},          {"GB 18030", "GB18030"},      {"GBK", "GB18030"},
    {"GB2312", "GB18030"},           {"GB 2312-80", "GB18030"},    {"8859/1", "ISO_IR 100"},
    {"8859/2", "ISO_IR 101"},        {"8859/5", "ISO_IR 144"},     {"8859/7", "ISO_IR 126"},
};

static bool
is_separator(uint8_t c)
{
    return c > 0x20 && c < 0x7F && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
           !(c >= 'a' && c <= 'z') && c != '"';
}

static int
take_separators(struct hl7_message *m, const uint8_t *bytes, size_t n, struct err *err)
{
    if (n < 8 || memcmp(bytes, "MSH", NAME_BYTES) != 0)
        return err_set(err, ERR_REJECT, "it does not begin with MSH");
    for (size_t i = 0; i < SEPARATORS; i++)
        if (!is_separator(bytes[NAME_BYTES + i]) && !(i == SEPARATORS - 1 && bytes[7] == bytes[3]))
            return err_set(err, ERR_REJECT, "MSH-2: four separators are due");
    m->field = (char)bytes[3];
    m->component = (char)bytes[4];
    m->repetition = (char)bytes[5];
    m->escape = (char)bytes[6];
    m->sub = bytes[7] != bytes[3] ? (char)bytes[7] : '\0';
    for (size_t i = 3; i < 7; i++)
        if (memchr(bytes + i + 1, bytes[i], 7 - i) != NULL && !(i == 3 && m->sub == '\0'))
            return err_set(err, ERR_REJECT, "MSH-2: a separator stands twice");
    return 0;
}

/* MSH-18 from the bytes as they are: it is ASCII, and so is what stands before it but for names of
 * applications; one that is torn by a GBK byte reads as undeclared. */
static const char *
declared_set(const struct hl7_message *m, const uint8_t *bytes, size_t n)
{
    const uint8_t *end = memchr(bytes, '\r', n), *at = bytes;
    size_t length;

    end = end != NULL ? end : bytes + n;
    for (int i = 1; i < 18 && at != NULL; i++) {
        at = memchr(at, m->field, (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL)
        return "";
    for (length = 0; at + length < end; length++)
        if (at[length] == (uint8_t)m->field || at[length] == (uint8_t)m->repetition ||
            at[length] == '\n')
            break;
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (strlen(sets[i].word) == length && memcmp(sets[i].word, at, length) == 0)
            return sets[i].charset;
    return "";
}

/* One sign that Chinese text rarely has makes no UTF-8 message anything else: GBK that is whole
 * UTF-8 by chance is so in two-byte pairs, never in three bytes that are Han. */
static void
prefer_utf8(struct dcm_charset *reading, const uint8_t *bytes, size_t n)
{
    bool has_han = false;

    for (size_t i = 0; i + 2 < n && !has_han; i++)
        has_han = bytes[i] >= 0xE4 && bytes[i] <= 0xE9;
    if (!reading->has_profile && reading->is_free && reading->has_high && reading->is_utf8 &&
        (has_han || reading->method == DCM_TEXT_DECLARED))
        reading->method = DCM_TEXT_UTF8;
}

/* Choose how to read it, by all of its segments. */
static void
choose_reading(struct hl7_message *m, const uint8_t *bytes, size_t n, const char *profile)
{
    const char *set = declared_set(m, bytes, n);
    const uint8_t *at = bytes, *end = bytes + n;

    dcm_charset_begin(&m->reading, set, strlen(set), profile);
    while (at < end) {
        const uint8_t *cr = memchr(at, '\r', (size_t)(end - at));
        const uint8_t *stop = cr != NULL ? cr : end;

        dcm_charset_look(&m->reading, at, (size_t)(stop - at));
        at = stop + 1;
    }
    dcm_charset_choose(&m->reading);
    prefer_utf8(&m->reading, bytes, n);
}

static bool
has_name(const struct span *s)
{
    if (s->end - s->at < NAME_BYTES)
        return false;
    for (int i = 0; i < NAME_BYTES; i++)
        if (!(s->at[i] >= 'A' && s->at[i] <= 'Z') && !(i > 0 && s->at[i] >= '0' && s->at[i] <= '9'))
            return false;
    return true;
}

static int
cut(struct hl7_message *m, struct err *err)
{
    const char *at = (const char *)m->text.bytes, *end = at + m->text.n;

    for (; at < end; at++) {
        struct span s = {at, at};

        while (s.end < end && *s.end != '\r' && *s.end != '\n')
            s.end++;
        at = s.end;
        if (s.at == s.end)
            continue;
        if (m->count == LIMIT_HL7_SEGMENTS)
            return err_set(err, ERR_REJECT, "more than %d segments", (int)LIMIT_HL7_SEGMENTS);
        if (!has_name(&s))
            return err_set(err, ERR_REJECT, "segment %zu has no name", m->count + 1);
        if ((m->count & (m->count - 1)) == 0)
            m->segments = mem_grow(m->segments, (2 * m->count + 1) * sizeof *m->segments);
        m->segments[m->count++] = s;
    }
    return 0;
}

int
hl7_parse(const uint8_t *bytes, size_t n, const char *profile, struct hl7_message **out,
          struct err *err)
{
    struct hl7_message *m = mem_new(sizeof *m);
    int rc = -1;

    buf_init(&m->text, 4 * LIMIT_HL7_BYTES);
    if (n > LIMIT_HL7_BYTES || (n > 0 && memchr(bytes, 0, n) != NULL)) {
        err_set(err, ERR_REJECT, "too long, or a zero byte in it");
        goto out;
    }
    if (take_separators(m, bytes, n, err) < 0)
        goto out;
    choose_reading(m, bytes, n, profile);
    dcm_charset_decode(&m->reading, bytes, n, false, &m->text);
    if (buf_is_over(&m->text)) {
        err_set(err, ERR_REJECT, "too long");
        goto out;
    }
    rc = cut(m, err);
out:
    if (rc == 0)
        *out = TAKE(m);
    else
        err_context(err, "HL7 message");
    hl7_free(&m);
    return rc;
}

void
hl7_free(struct hl7_message **m)
{
    struct hl7_message *old = TAKE(*m);

    if (old == NULL)
        return;
    buf_fini(&old->text);
    free(old->segments);
    free(old);
}

size_t
hl7_count(const struct hl7_message *m)
{
    return m->count;
}

const char *
hl7_name(const struct hl7_message *m, size_t segment)
{
    static _Thread_local char name[NAME_BYTES + 1];

    CHECK(segment < m->count);
    memcpy(name, m->segments[segment].at, NAME_BYTES);
    return name;
}

int
hl7_find(const struct hl7_message *m, const char *name, size_t from, size_t end)
{
    if (end == 0 || end > m->count)
        end = m->count;
    for (size_t i = from; i < end; i++)
        if (strncmp(m->segments[i].at, name, NAME_BYTES) == 0)
            return (int)i;
    return -1;
}

/* ---- places ---- */

/* The k-th part (from 1) of a span; empty when there are not so many. */
static struct span
part(struct span s, char separator, unsigned k)
{
    struct span empty = {s.end, s.end};

    if (separator == '\0')
        return k == 1 ? s : empty;
    for (; k > 1; k--) {
        const char *next = memchr(s.at, separator, (size_t)(s.end - s.at));

        if (next == NULL)
            return empty;
        s.at = next + 1;
    }
    for (const char *p = s.at; p < s.end; p++)
        if (*p == separator) {
            s.end = p;
            break;
        }
    return s;
}

static struct span
field_of(const struct hl7_message *m, size_t segment, unsigned field)
{
    struct span s = m->segments[segment];
    bool is_head = strncmp(s.at, "MSH", NAME_BYTES) == 0;

    if (is_head && field == 1)
        return (struct span){s.at + NAME_BYTES, s.at + NAME_BYTES + 1};
    return part(s, m->field, is_head ? field : field + 1);
}

unsigned
hl7_repetitions(const struct hl7_message *m, size_t segment, unsigned field)
{
    struct span s = field_of(m, segment, field);
    unsigned n = s.at < s.end;

    for (; s.at < s.end; s.at++)
        n += *s.at == m->repetition;
    return n;
}

/* ---- text ---- */

struct sink {
    char *out;
    size_t size, n;
    bool is_cut;
};

static size_t
sign_bytes(const char *p, const char *end)
{
    uint8_t c = (uint8_t)*p;
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

    return n <= (size_t)(end - p) ? n : (size_t)(end - p);
}

static void
give(struct sink *to, const char *p, size_t n)
{
    if (to->is_cut || n >= to->size - to->n) {
        to->is_cut = true;
        return;
    }
    memcpy(to->out + to->n, p, n);
    to->n += n;
}

/* UTF-8, character by character; control characters become blanks but for line ends. */
static void
give_text(struct sink *to, const char *p, const char *end)
{
    bool was_cr = false;

    while (p < end) {
        size_t n = sign_bytes(p, end);
        uint8_t c = (uint8_t)*p;

        if (c == '\r' || (c == '\n' && !was_cr))
            give(to, "\n", 1);
        else if (c != '\n')
            give(to, c < 0x20 || c == 0x7F ? " " : p, n);
        was_cr = c == '\r';
        p += n;
    }
}

/* \X..\: bytes of the message's own set. */
static void
give_hex(const struct hl7_message *m, struct sink *to, const char *p, const char *end)
{
    struct dcm_charset reading = m->reading;
    uint8_t bytes[HEX_BYTES / 2];
    char digits[HEX_BYTES + 1];
    size_t n = (size_t)(end - p);
    struct buf text;

    if (n == 0 || n % 2 != 0 || n > HEX_BYTES)
        return;
    memcpy(digits, p, n);
    digits[n] = '\0';
    if (hex_decode(digits, bytes, n / 2) < 0 || memchr(bytes, 0, n / 2) != NULL)
        return;
    buf_init(&text, 4 * sizeof bytes);
    if (!m->reading.has_high && reading.method == DCM_TEXT_ASCII) {
        /* nothing else told what the set is: these bytes do */
        dcm_charset_look(&reading, bytes, n / 2);
        dcm_charset_choose(&reading);
        prefer_utf8(&reading, bytes, n / 2);
    }
    dcm_charset_decode(&reading, bytes, n / 2, false, &text);
    give_text(to, (const char *)text.bytes, (const char *)text.bytes + text.n);
    buf_fini(&text);
}

/* What stands between two escape characters. */
static void
give_escape(const struct hl7_message *m, struct sink *to, const char *p, const char *end)
{
    const char signs[] = {m->field, m->component, m->sub, m->repetition, m->escape};
    const char *at = end - p == 1 ? strchr("FSTRE", *p) : NULL;

    if (at != NULL && *at != '\0' && signs[at - "FSTRE"] != '\0')
        give(to, &signs[at - "FSTRE"], 1);
    else if (end - p > 1 && *p == 'X')
        give_hex(m, to, p + 1, end);
    else if (end - p >= 3 && (memcmp(p, ".br", 3) == 0 || memcmp(p, ".sp", 3) == 0))
        give(to, "\n", 1);
}

/* Is it an escape sequence at all? Windows paths and the like are not. */
static bool
is_escape(const char *p, const char *end)
{
    if (p >= end)
        return false;
    if (end - p == 1)
        return strchr("FSTREHN", *p) != NULL;
    if (*p == '.')
        return end - p <= 8;
    if (strchr("XCMZ", *p) == NULL || end - p > HEX_BYTES)
        return false;
    for (const char *q = p + 1; q < end; q++)
        if (*p != 'Z' && strchr("0123456789ABCDEFabcdef", *q) == NULL)
            return false;
    return true;
}

static void
give_span(const struct hl7_message *m, struct sink *to, struct span s)
{
    const char *p = s.at;

    while (p < s.end) {
        const char *open = memchr(p, m->escape, (size_t)(s.end - p)), *close = NULL;

        if (open != NULL && open + 1 < s.end)
            close = memchr(open + 1, m->escape, (size_t)(s.end - open - 1));
        if (close == NULL) {
            give_text(to, p, s.end);
            return;
        }
        give_text(to, p, open);
        if (is_escape(open + 1, close)) {
            give_escape(m, to, open + 1, close);
            p = close + 1;
        } else {
            give(to, open, 1);
            p = open + 1;
        }
    }
}

bool
hl7_get(const struct hl7_message *m, struct hl7_at at, char *out, size_t size)
{
    struct sink to = {.out = out, .size = size};
    struct span s;

    out[0] = '\0';
    if (at.segment >= m->count)
        return true;
    s = field_of(m, at.segment, at.field > 0 ? at.field : 1);
    /* the separators themselves are no text */
    if (at.field <= 2 && strncmp(m->segments[at.segment].at, "MSH", NAME_BYTES) == 0)
        return text_copy(out, size, "");
    s = part(s, m->repetition, at.repetition > 0 ? at.repetition : 1);
    s = part(s, m->component, at.component > 0 ? at.component : 1);
    s = part(s, m->sub, at.sub > 0 ? at.sub : 1);
    if (s.end - s.at == 2 && memcmp(s.at, "\"\"", 2) == 0)
        return true;
    give_span(m, &to, s);
    while (to.n > 0 && out[to.n - 1] == ' ')
        to.n--;
    out[to.n] = '\0';
    return !to.is_cut;
}

bool
hl7_get_of(const struct hl7_message *m, const char *name, unsigned field, unsigned component,
           char *out, size_t size)
{
    int segment = hl7_find(m, name, 0, 0);

    out[0] = '\0';
    if (segment < 0)
        return true;
    return hl7_get(m, (struct hl7_at){(size_t)segment, field, 1, component, 1}, out, size);
}
