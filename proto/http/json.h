/* json.h - read JSON from outside, strictly: UTF-8, one value, no repeated key, no NUL in text,
 * depth at most LIMIT_JSON_DEPTH. To write JSON see base/jsonw.h. Values belong to their document.
 * Threads: a document may be read by several. */
#ifndef RADPOST_HTTP_JSON_H
#define RADPOST_HTTP_JSON_H

#include "proto/base/err.h"

struct json;     /* a value: object, array, text, number, truth, null */
struct json_doc; /* owns them */

/* The length is the caller's to limit.
 * errors  ERR_REJECT with line and column */
int json_parse(const void *bytes, size_t n, struct json_doc **out_doc, struct err *err) MUST_CHECK;
void json_free(struct json_doc **doc);
const struct json *json_root(const struct json_doc *doc);

bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_text(const struct json *v);
bool json_is_number(const struct json *v);
bool json_is_null(const struct json *v); /* also when v is NULL: not there */

/* NULL when the key is not there or v is no object. */
const struct json *json_find(const struct json *v, const char *key);
size_t json_length(const struct json *array); /* 0 for what is no array */
const struct json *json_at(const struct json *array, size_t i);
/* The members of an object, in the order they came:
 *     for (m = json_member_first(o); m != NULL; m = json_member_next(o, m)) */
size_t json_member_count(const struct json *object);
const void *json_member_first(const struct json *object);
const void *json_member_next(const struct json *object, const void *member);
const char *json_member_key(const void *member);
const struct json *json_member_value(const void *member);
/* The value itself: text or NULL, number or what is given. */
const char *json_as_text(const struct json *v);
int64_t json_as_int(const struct json *v, int64_t otherwise);
double json_as_double(const struct json *v, double otherwise);

/* Required members; each fails with "key: what is due". Text keeps within max bytes; numbers are
 * whole, 0..max; hex is exactly n bytes. */
int json_text(const struct json *o, const char *key, size_t max, const char **out,
              struct err *err) MUST_CHECK;
int json_u64(const struct json *o, const char *key, uint64_t max, uint64_t *out,
             struct err *err) MUST_CHECK;
int json_i64(const struct json *o, const char *key, int64_t *out, struct err *err) MUST_CHECK;
int json_truth(const struct json *o, const char *key, bool *out, struct err *err) MUST_CHECK;
int json_hex(const struct json *o, const char *key, void *out, size_t n,
             struct err *err) MUST_CHECK;
/* Fresh memory (free); null or absent gives NULL, 0. */
int json_base64(const struct json *o, const char *key, size_t max, uint8_t **out, size_t *out_n,
                struct err *err) MUST_CHECK;
int json_list(const struct json *o, const char *key, size_t max, const struct json **out,
              struct err *err) MUST_CHECK;

#endif
