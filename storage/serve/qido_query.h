/* qido_query.h - what a QIDO-RS request asks: PS3.18 8.3.4 read into a checked structure.
 * Names are keywords or tags of eight digits, dotted inside sequences. A key that we do not match
 * on is refused, never passed over: an answer wider than the question mixes up patients. Attributes
 * to include that the catalog does not hold are passed over, as the standard says.
 * Pure functions; a query belongs to its owner. */
#ifndef RADPOST_STORAGE_SERVE_QIDO_QUERY_H
#define RADPOST_STORAGE_SERVE_QIDO_QUERY_H

#include "proto/base/err.h"

enum qido_level { QIDO_STUDY, QIDO_SERIES, QIDO_INSTANCE };

enum qido_match {
    QIDO_UNMATCHED,
    QIDO_UID,
    QIDO_CODE,
    QIDO_TEXT,
    QIDO_NAME,
    QIDO_DATE,
    QIDO_TIME,
    QIDO_NUMBER
};

enum qido_name {
#define ATTR(name, tag, keyword, vr, level, match, is_returned) QIDO_A_##name,
#include "storage/serve/qido_attributes.def"
#undef ATTR
    QIDO_ATTRIBUTES
};

struct qido_attribute {
    enum qido_name name;
    uint32_t tag;
    const char *keyword;
    const char *vr;
    enum qido_level level;
    enum qido_match match;
    bool is_returned;
};
extern const struct qido_attribute qido_attributes[QIDO_ATTRIBUTES];

enum { QIDO_VALUES = 256, QIDO_PAGE_MOST = 5000 };

/* A matching key. Texts and names may hold * and ?; dates and times are a range with both ends
 * filled in or ""; UIDs, codes are lists of alternatives. An empty value asks nothing (universal
 * matching) and makes no filter, but has its attribute returned. */
struct qido_filter {
    const struct qido_attribute *attribute;
    char *values[QIDO_VALUES]; /* one for texts, names and numbers */
    size_t n_values;
    char from[20], to[20]; /* compare as text: "20260131"; "12", "125959.999999" */
};

struct qido_query {
    enum qido_level level;
    bool is_all_levels; /* studies and series are not given by the path: rows carry them too */
    struct qido_filter *filters[QIDO_ATTRIBUTES];
    size_t n_filters;
    bool is_asked[QIDO_ATTRIBUTES]; /* attributes to be returned */
    uint64_t offset;
    uint64_t limit;   /* 0..QIDO_PAGE_MOST */
    bool has_limit;   /* the client's own; otherwise more than limit is told by Warning 299 */
    bool wants_fuzzy; /* answered with Warning 299: literal matching was done */
};

/* One decoded parameter: what stood on either side of the first "=", percent-decoded after the
 * split at "&". */
struct qido_parameter {
    const char *name;
    const char *value;
};

/* has_study, has_series: the path names them, so rows at lower levels need not carry them.
 * errors  ERR_REJECT with the parameter's name, never its value */
int qido_query_read(enum qido_level level, bool has_study, bool has_series,
                    const struct qido_parameter *parameters, size_t n, struct qido_query *out,
                    struct err *err) MUST_CHECK;
void qido_query_fini(struct qido_query *query);

/* The attribute a keyword or tag names at a level or above; NULL if the catalog holds none. */
const struct qido_attribute *qido_attribute_find(const char *name, size_t n, enum qido_level level);

#endif
