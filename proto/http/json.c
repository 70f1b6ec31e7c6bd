/* json.c - read JSON from outside, strictly, over jansson. A struct json is a json_t. */
#include "proto/http/json.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

#undef json_is_object
#undef json_is_array
#undef json_is_number
#undef json_is_null

struct json_doc {
    json_t *root;
};

static const json_t *
inner(const struct json *v)
{
    return (const json_t *)v;
}

static const struct json *
outer(const json_t *v)
{
    return (const struct json *)v;
}

/* jansson recurses: the depth is settled before it sees the bytes. */
static int
check_depth(const char *p, size_t n, struct err *err)
{
    uint64_t depth = 0;
    bool is_text = false;

    for (size_t i = 0; i < n; i++) {
        if (is_text && p[i] == '\\')
            i++;
        else if (p[i] == '"')
            is_text = !is_text;
        else if (!is_text && (p[i] == '[' || p[i] == '{') && ++depth > LIMIT_JSON_DEPTH)
            return err_set(err, ERR_REJECT, "JSON is nested too deeply");
        else if (!is_text && (p[i] == ']' || p[i] == '}') && depth > 0)
            depth--;
    }
    return 0;
}

int
json_parse(const void *bytes, size_t n, struct json_doc **out_doc, struct err *err)
{
    json_error_t e;
    json_t *root;
    struct json_doc *doc;

    if (check_depth(bytes, n, err) < 0)
        return -1;
    root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    /* jansson's words quote the input, which may hold patient data: only the place is told. */
    if (root == NULL)
        return err_set(err, ERR_REJECT, "JSON is broken at line %d, column %d", e.line, e.column);
    doc = mem_new(sizeof *doc);
    doc->root = root;
    *out_doc = doc;
    return 0;
}

void
json_free(struct json_doc **doc)
{
    if (*doc == NULL)
        return;
    json_decref((*doc)->root);
    free(TAKE(*doc));
}

const struct json *
json_root(const struct json_doc *doc)
{
    return outer(doc->root);
}

bool
json_is_object(const struct json *v)
{
    return v != NULL && json_typeof(inner(v)) == JSON_OBJECT;
}

bool
json_is_array(const struct json *v)
{
    return v != NULL && json_typeof(inner(v)) == JSON_ARRAY;
}

bool
json_is_text(const struct json *v)
{
    return v != NULL && json_typeof(inner(v)) == JSON_STRING;
}

bool
json_is_number(const struct json *v)
{
    return v != NULL &&
           (json_typeof(inner(v)) == JSON_INTEGER || json_typeof(inner(v)) == JSON_REAL);
}

bool
json_is_null(const struct json *v)
{
    return v == NULL || json_typeof(inner(v)) == JSON_NULL;
}

const struct json *
json_find(const struct json *v, const char *key)
{
    return json_is_object(v) ? outer(json_object_get(inner(v), key)) : NULL;
}

size_t
json_length(const struct json *array)
{
    return json_is_array(array) ? json_array_size(inner(array)) : 0;
}

const struct json *
json_at(const struct json *array, size_t i)
{
    return json_is_array(array) ? outer(json_array_get(inner(array), i)) : NULL;
}

size_t
json_member_count(const struct json *object)
{
    return json_is_object(object) ? json_object_size(inner(object)) : 0;
}

const void *
json_member_first(const struct json *object)
{
    return json_is_object(object) ? json_object_iter((json_t *)(uintptr_t)object) : NULL;
}

const void *
json_member_next(const struct json *object, const void *member)
{
    return json_object_iter_next((json_t *)(uintptr_t)object, (void *)(uintptr_t)member);
}

const char *
json_member_key(const void *member)
{
    return json_object_iter_key((void *)(uintptr_t)member);
}

const struct json *
json_member_value(const void *member)
{
    return outer(json_object_iter_value((void *)(uintptr_t)member));
}

const char *
json_as_text(const struct json *v)
{
    return json_is_text(v) ? json_string_value(inner(v)) : NULL;
}

int64_t
json_as_int(const struct json *v, int64_t otherwise)
{
    return v != NULL && json_typeof(inner(v)) == JSON_INTEGER ? json_integer_value(inner(v))
                                                              : otherwise;
}

double
json_as_double(const struct json *v, double otherwise)
{
    return json_is_number(v) ? json_number_value(inner(v)) : otherwise;
}

int
json_text(const struct json *o, const char *key, size_t max, const char **out, struct err *err)
{
    const char *text = json_as_text(json_find(o, key));

    if (text == NULL)
        return err_set(err, ERR_REJECT, "%s: text is due", key);
    if (strlen(text) > max)
        return err_set(err, ERR_REJECT, "%s: longer than %zu bytes", key, max);
    *out = text;
    return 0;
}

int
json_u64(const struct json *o, const char *key, uint64_t max, uint64_t *out, struct err *err)
{
    int64_t v = json_as_int(json_find(o, key), -1);

    if (v < 0 || (uint64_t)v > max)
        return err_set(err, ERR_REJECT, "%s: a whole number from 0 to %llu is due", key,
                       (unsigned long long)max);
    *out = (uint64_t)v;
    return 0;
}

int
json_i64(const struct json *o, const char *key, int64_t *out, struct err *err)
{
    const struct json *v = json_find(o, key);

    if (v == NULL || json_typeof(inner(v)) != JSON_INTEGER)
        return err_set(err, ERR_REJECT, "%s: a whole number is due", key);
    *out = json_integer_value(inner(v));
    return 0;
}

int
json_truth(const struct json *o, const char *key, bool *out, struct err *err)
{
    const struct json *v = json_find(o, key);

    if (v == NULL || !json_is_boolean(inner(v)))
        return err_set(err, ERR_REJECT, "%s: true or false is due", key);
    *out = json_is_true(inner(v));
    return 0;
}

int
json_hex(const struct json *o, const char *key, void *out, size_t n, struct err *err)
{
    const char *text = json_as_text(json_find(o, key));

    if (text == NULL || hex_decode(text, out, n) < 0)
        return err_set(err, ERR_REJECT, "%s: %zu hexadecimal digits are due", key, 2 * n);
    return 0;
}

int
json_base64(const struct json *o, const char *key, size_t max, uint8_t **out, size_t *out_n,
            struct err *err)
{
    const struct json *v = json_find(o, key);
    const char *text = json_as_text(v);

    if (json_is_null(v)) {
        *out = NULL;
        *out_n = 0;
        return 0;
    }
    if (text == NULL || base64_decode(text, strlen(text), max, out, out_n) < 0)
        return err_set(err, ERR_REJECT, "%s: base64 of at most %zu bytes is due", key, max);
    return 0;
}

int
json_list(const struct json *o, const char *key, size_t max, const struct json **out,
          struct err *err)
{
    const struct json *v = json_find(o, key);

    if (!json_is_array(v) || json_length(v) > max)
        return err_set(err, ERR_REJECT, "%s: a list of at most %zu is due", key, max);
    *out = v;
    return 0;
}
