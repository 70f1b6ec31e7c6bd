/* clinic_member.c - one member of a clinic's message: its shape checked, read and written. */
#include "proto/link/clinic_member.h"

#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/link/clinic.h"
#include "proto/model/citizen_id.h"

#include <ctype.h>
#include <string.h>

static bool
is_printable(const char *text, bool may_break)
{
    for (const uint8_t *p = (const uint8_t *)text; *p != 0; p++)
        if ((*p < 0x20 && !(may_break && *p == '\n')) || *p == 0x7F)
            return false;
    return true;
}

bool
clinic_is_word(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((uint8_t)*p) && *p != '_')
            return false;
    return true;
}

static bool
is_citizen_id(const char *text)
{
    struct citizen_id id;

    return citizen_id_read(text, "", &id) == CITIZEN_ID_FINE && strcmp(id.text, text) == 0;
}

/* Does a text that is not empty have its shape? */
static bool
has_shape(enum clinic_shape shape, const char *text)
{
    switch (shape) {
    case ID:
        return clinic_id_is_valid(text);
    case REGISTRATION:
        return clinic_registration_is_valid(text);
    case UID:
        return uid_is_valid(text, true);
    case WORD:
        return clinic_is_word(text);
    case DAY:
        return citizen_id_is_day(text);
    case PHONE:
        return clinic_phone_is_valid(text);
    case DIGITS:
        return strspn(text, "0123456789") == strlen(text);
    case CITIZEN:
        return is_citizen_id(text);
    case SEX:
        return strchr("MFO", text[0]) != NULL;
    default:
        return is_printable(text, shape == WORDS);
    }
}

static int
read_text(const struct json *o, const struct clinic_member *m, char *out, struct err *err)
{
    const struct json *v = json_find(o, m->key);
    const char *text = "";

    if (!json_is_null(v) && json_text(o, m->key, m->size - 1, &text, err) < 0)
        return -1;
    if (text[0] == '\0' ? m->due == IS_DUE : !has_shape(m->shape, text))
        return err_set(err, ERR_REJECT, "%s: %s", m->key,
                       text[0] == '\0' ? "text is due" : "not what is due there");
    text_copy(out, m->size, text);
    return 0;
}

static int
read_number(const struct json *o, const struct clinic_member *m, void *out, struct err *err)
{
    uint64_t v = 0;
    uint32_t v32;
    bool is_there = !json_is_null(json_find(o, m->key)) || m->due == IS_DUE;

    if (is_there && json_u64(o, m->key, m->shape == COUNT ? UINT32_MAX : INT64_MAX, &v, err) < 0)
        return -1;
    v32 = (uint32_t)v;
    memcpy(out, m->shape == COUNT ? (void *)&v32 : (void *)&v, m->size);
    return 0;
}

int
clinic_member_read(const struct json *o, const struct clinic_member *m, void *out, struct err *err)
{
    switch (m->shape) {
    case HASH:
        return json_hex(o, m->key, out, m->size, err);
    case TRUTH:
        return json_truth(o, m->key, out, err);
    case TIME:
        return json_i64(o, m->key, out, err);
    case COUNT:
    case NUMBER:
        return read_number(o, m, out, err);
    default:
        return read_text(o, m, out, err);
    }
}

void
clinic_member_write(struct jsonw *w, const struct clinic_member *m, const void *from)
{
    uint32_t v32;
    int64_t v;

    switch (m->shape) {
    case HASH:
        jsonw_hex(w, m->key, from, m->size);
        break;
    case TRUTH:
        jsonw_bool(w, m->key, *(const bool *)from);
        break;
    case COUNT:
        memcpy(&v32, from, sizeof v32);
        jsonw_uint(w, m->key, v32);
        break;
    case TIME:
    case NUMBER:
        memcpy(&v, from, sizeof v);
        jsonw_int(w, m->key, v);
        break;
    default:
        jsonw_text(w, m->key, from);
        break;
    }
}
