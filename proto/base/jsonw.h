/* jsonw.h - write JSON into a buf, in order, without a tree. Commas are its business.
 *     jsonw_object(&w, NULL); jsonw_text(&w, "uid", uid); jsonw_end(&w);
 * key is NULL inside an array and at the top. Depth at most 63. Text that is not UTF-8 is replaced
 * by U+FFFD. Threads: a writer belongs to its owner. */
#ifndef RADPOST_BASE_JSONW_H
#define RADPOST_BASE_JSONW_H

#include "proto/base/buf.h"

struct jsonw {
    struct buf *out;
    uint64_t has_member; /* a bit a depth */
    uint64_t is_array;
    int depth;
};

void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_object(struct jsonw *w, const char *key);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_end(struct jsonw *w); /* the innermost object or array */
void jsonw_text(struct jsonw *w, const char *key, const char *text); /* NULL > null */
void jsonw_text_n(struct jsonw *w, const char *key, const char *text, size_t n);
void jsonw_int(struct jsonw *w, const char *key, int64_t v);
void jsonw_uint(struct jsonw *w, const char *key, uint64_t v);
void jsonw_double(struct jsonw *w, const char *key, double v); /* NaN, infinity > null */
void jsonw_bool(struct jsonw *w, const char *key, bool v);
void jsonw_null(struct jsonw *w, const char *key);
/* As clock_text(); 0 > null */
void jsonw_time(struct jsonw *w, const char *key, int64_t wall_us);
void jsonw_hex(struct jsonw *w, const char *key, const void *bytes, size_t n);
/* Already JSON; not checked. */
void jsonw_raw(struct jsonw *w, const char *key, const char *json, size_t n);

#endif
