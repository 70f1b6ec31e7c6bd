/* qido_query.c - what a QIDO-RS request asks, read into a checked structure. */
#include "storage/serve/qido_query.h"

#include "proto/base/text.h"
#include "proto/dicom/dimse_match.h"

#include <stdlib.h>
#include <string.h>

const struct qido_attribute qido_attributes[QIDO_ATTRIBUTES] = {
#define ATTR(name, tag, keyword, vr, level, match, is_returned)                                    \
    {QIDO_A_##name, tag, keyword, vr, level, match, is_returned},
#include "storage/serve/qido_attributes.def"
#undef ATTR
};

enum { VALUE_MOST = 1024, NAME_MOST = 128, NAME_DEPTH = 8 };

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Eight hexadecimal digits. */
static bool
read_tag(const char *name, size_t n, uint32_t *out)
{
    uint8_t bytes[4];
    char digits[9] = "";

    if (n != 8)
        return false;
    memcpy(digits, name, n);
    if (hex_decode(digits, bytes, 4) < 0)
        return false;
    *out = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

/* {tag or keyword}[.{tag or keyword}]*; keywords are letters and digits, beginning with a letter.
 */
static bool
is_attribute_name(const char *name, size_t n)
{
    size_t depth = 0;

    if (n > NAME_MOST)
        return false;
    for (size_t at = 0; at <= n; depth++) {
        size_t end = at;
        uint32_t tag;

        while (end < n && name[end] != '.')
            end++;
        if (end == at || depth == NAME_DEPTH)
            return false;
        if (!read_tag(name + at, end - at, &tag)) {
            if (!is_letter(name[at]))
                return false;
            for (size_t i = at; i < end; i++)
                if (!is_letter(name[i]) && !is_digit(name[i]))
                    return false;
        }
        at = end + 1;
    }
    return true;
}

/* Attributes of the levels above are seen through, but where each level has its own (availability,
 * address) only the row's own counts. */
static bool
is_at(const struct qido_attribute *a, enum qido_level level)
{
    if (a->level == level)
        return true;
    return a->level < level && a->tag != 0x00080056 && a->tag != 0x00081190;
}

const struct qido_attribute *
qido_attribute_find(const char *name, size_t n, enum qido_level level)
{
    const struct qido_attribute *found = NULL;
    uint32_t tag = 0;
    bool is_tag = read_tag(name, n, &tag);

    for (size_t i = 0; i < QIDO_ATTRIBUTES; i++) {
        const struct qido_attribute *a = &qido_attributes[i];

        if (!is_at(a, level))
            continue;
        if (is_tag ? a->tag == tag : strlen(a->keyword) == n && memcmp(a->keyword, name, n) == 0)
            found = a;
    }
    return found;
}

static int
refuse(struct err *err, const char *name, const char *why)
{
    /* A name of letters, digits and dots may be quoted; anything else might be a patient's. */
    return err_set(err, ERR_REJECT, "query parameter %s: %s",
                   is_attribute_name(name, strlen(name)) ? name : "(unreadable)", why);
}

static int
read_count(const struct qido_parameter *p, uint64_t *out, struct err *err)
{
    if (text_to_u64(p->value, UINT64_C(1000000000000), out) < 0)
        return refuse(err, p->name, "not a number");
    return 0;
}

static int
read_truth(const struct qido_parameter *p, bool *out, struct err *err)
{
    if (strcmp(p->value, "true") != 0 && strcmp(p->value, "false") != 0)
        return refuse(err, p->name, "neither true nor false");
    *out = p->value[0] == 't';
    return 0;
}

/* includefield=all, or names with commas between them; the comma may have come as %2C. */
static int
read_include(struct qido_query *q, const struct qido_parameter *p, struct err *err)
{
    const char *at = p->value;

    if (strcmp(at, "all") == 0) {
        for (size_t i = 0; i < QIDO_ATTRIBUTES; i++)
            q->is_asked[i] = q->is_asked[i] || is_at(&qido_attributes[i], q->level);
        return 0;
    }
    for (;;) {
        size_t n = strcspn(at, ",");
        const struct qido_attribute *a;

        if (n > 0 && !is_attribute_name(at, n))
            return refuse(err, p->name, "neither attribute names nor all");
        a = qido_attribute_find(at, n, q->level);
        if (a != NULL)
            q->is_asked[a->name] = true;
        if (at[n] == '\0')
            return 0;
        at += n + 1;
    }
}

static int
read_range(struct qido_filter *f, const char *name, const char *value, struct err *err)
{
    struct dimse_range range;

    if (!dimse_range_read(value, f->attribute->match == QIDO_DATE, &range))
        return refuse(err, name, "not a value or range");
    memcpy(f->from, range.from, sizeof f->from);
    memcpy(f->to, range.to, sizeof f->to);
    return 0;
}

static bool
is_code(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_letter(text[i]) && !is_digit(text[i]) && strchr(" _*?", text[i]) == NULL)
            return false;
    return n > 0 && n <= 16;
}

/* Alternatives between commas or backslashes; neither can be part of a UID or a code. */
static int
read_list(struct qido_filter *f, const char *name, const char *value, struct err *err)
{
    for (const char *at = value;; at++) {
        size_t n = strcspn(at, ",\\");
        char *one;

        if (f->n_values == QIDO_VALUES || n > 64)
            return refuse(err, name, "too many or too long values");
        one = mem_new(n + 1);
        memcpy(one, at, n);
        f->values[f->n_values++] = one;
        if (f->attribute->match == QIDO_UID ? !uid_is_valid(one, true) : !is_code(one, n))
            return refuse(err, name, "not of its value representation");
        at += n;
        if (*at == '\0')
            return 0;
    }
}

static int
read_text(struct qido_filter *f, const char *name, const char *value, struct err *err)
{
    uint64_t number;

    for (const char *c = value; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == '\\' || *c == 0x7F)
            return refuse(err, name, "not of its value representation");
    if (f->attribute->match == QIDO_NUMBER &&
        text_to_u64(value + (*value == '-'), INT32_MAX, &number) < 0)
        return refuse(err, name, "not a number");
    f->values[f->n_values++] = mem_text(value);
    return 0;
}

static int
read_filter(struct qido_query *q, const struct qido_parameter *p, struct err *err)
{
    const struct qido_attribute *a = qido_attribute_find(p->name, strlen(p->name), q->level);
    struct qido_filter *f;

    if (a == NULL || a->match == QIDO_UNMATCHED)
        return refuse(err, p->name, "not matched on here");
    if (strlen(p->value) > VALUE_MOST * (a->match == QIDO_UID ? 17 : 1) ||
        !text_is_utf8(p->value, strlen(p->value)))
        return refuse(err, p->name, "too long or not UTF-8");
    q->is_asked[a->name] = true;
    if (p->value[0] == '\0' || strspn(p->value, "*") == strlen(p->value))
        return 0; /* universal matching, PS3.4 C.2.2.2.3 */
    for (size_t i = 0; i < q->n_filters; i++)
        if (q->filters[i]->attribute == a)
            return refuse(err, p->name, "given twice");
    f = q->filters[q->n_filters++] = mem_new(sizeof *f);
    f->attribute = a;
    if (a->match == QIDO_DATE || a->match == QIDO_TIME)
        return read_range(f, p->name, p->value, err);
    if (a->match == QIDO_UID || a->match == QIDO_CODE)
        return read_list(f, p->name, p->value, err);
    return read_text(f, p->name, p->value, err);
}

static int
read_parameter(struct qido_query *q, const struct qido_parameter *p, struct err *err)
{
    bool is_ignored = false;

    if (strcmp(p->name, "limit") == 0) {
        q->has_limit = true;
        return read_count(p, &q->limit, err);
    }
    if (strcmp(p->name, "offset") == 0)
        return read_count(p, &q->offset, err);
    if (strcmp(p->name, "fuzzymatching") == 0)
        return read_truth(p, &q->wants_fuzzy, err);
    if (strcmp(p->name, "emptyvaluematching") == 0 || strcmp(p->name, "multiplevaluematching") == 0)
        return read_truth(p, &is_ignored, err) < 0 ? -1
               : is_ignored                        ? refuse(err, p->name, "not offered")
                                                   : 0;
    if (strcmp(p->name, "includefield") == 0)
        return read_include(q, p, err);
    if (strcmp(p->name, "accept") == 0 || strcmp(p->name, "charset") == 0)
        return 0; /* the representation's, read elsewhere */
    return read_filter(q, p, err);
}

int
qido_query_read(enum qido_level level, bool has_study, bool has_series,
                const struct qido_parameter *parameters, size_t n, struct qido_query *out,
                struct err *err)
{
    struct qido_query q = {.level = level, .limit = QIDO_PAGE_MOST};
    enum qido_level top = has_series ? QIDO_INSTANCE : has_study ? QIDO_SERIES : QIDO_STUDY;

    q.is_all_levels = top < level;
    for (size_t i = 0; i < QIDO_ATTRIBUTES; i++)
        q.is_asked[i] = qido_attributes[i].is_returned && is_at(&qido_attributes[i], level) &&
                        qido_attributes[i].level >= top;
    q.is_asked[QIDO_A_STUDY_UID] = true;
    q.is_asked[QIDO_A_SERIES_UID] = level >= QIDO_SERIES;
    for (size_t i = 0; i < n; i++) {
        if (read_parameter(&q, &parameters[i], err) < 0) {
            qido_query_fini(&q);
            return -1;
        }
    }
    if (q.limit > QIDO_PAGE_MOST) {
        q.limit = QIDO_PAGE_MOST;
        q.has_limit = false;
    }
    *out = q;
    return 0;
}

void
qido_query_fini(struct qido_query *query)
{
    for (size_t i = 0; i < query->n_filters; i++) {
        for (size_t k = 0; k < query->filters[i]->n_values; k++)
            free(query->filters[i]->values[k]);
        free(query->filters[i]);
    }
    query->n_filters = 0;
}
