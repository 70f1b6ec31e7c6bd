/* charset.c - which character set a data set is really in, and its texts to UTF-8. */
#include "proto/dicom/charset.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/walk.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum set_kind {
    SET_ASCII,
    SET_SINGLE,    /* one byte a character, iconv knows it whole */
    SET_KATAKANA,  /* JIS X 0201 */
    SET_DOUBLE_G0, /* two bytes below 0x80 (JIS X 0208, 0212) */
    SET_DOUBLE_G1, /* two bytes above it (KS X 1001, GB 2312) */
    SET_UTF8,
    SET_GB18030
};

static const struct set {
    const char *number; /* of ISO_IR, or a name without punctuation */
    const char *iconv;  /* NULL: decoded here */
    const char *escape; /* after ESC; "" none */
    enum set_kind kind;
} sets[] = {
    {"6", NULL, "(B", SET_ASCII},
    {"100", "ISO-8859-1", "-A", SET_SINGLE},
    {"101", "ISO-8859-2", "-B", SET_SINGLE},
    {"109", "ISO-8859-3", "-C", SET_SINGLE},
    {"110", "ISO-8859-4", "-D", SET_SINGLE},
    {"144", "ISO-8859-5", "-L", SET_SINGLE},
    {"127", "ISO-8859-6", "-G", SET_SINGLE},
    {"126", "ISO-8859-7", "-F", SET_SINGLE},
    {"138", "ISO-8859-8", "-H", SET_SINGLE},
    {"148", "ISO-8859-9", "-M", SET_SINGLE},
    {"203", "ISO-8859-15", "-b", SET_SINGLE},
    {"166", "TIS-620", "-T", SET_SINGLE},
    {"13", NULL, ")I", SET_KATAKANA},
    {"13", NULL, "(J", SET_ASCII},
    {"87", "EUC-JP", "$B", SET_DOUBLE_G0},
    {"159", "EUC-JP", "$(D", SET_DOUBLE_G0},
    {"149", "EUC-KR", "$)C", SET_DOUBLE_G1},
    {"58", "GB2312", "$)A", SET_DOUBLE_G1},
    {"192", NULL, "", SET_UTF8},
    {"UTF8", NULL, "", SET_UTF8},
    {"GB18030", "GB18030", "", SET_GB18030},
    {"GBK", "GB18030", "", SET_GB18030},
    {"GB2312", "GB18030", "", SET_GB18030},
};

enum { ROW_ASCII = 0, ROW_LATIN1 = 1, ROW_JIS0212 = 15, ROW_GB18030 = 20, ESC = 0x1B };

static const char *const method_names[] = {"ascii", "declared", "profile",
                                           "utf-8", "gb18030",  "broken"};

/* One descriptor a set, opened once, shared behind the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static iconv_t converters[ARRAY_LEN(sets)];
static bool is_open[ARRAY_LEN(sets)];

const char *
dcm_text_method_name(enum dcm_text_method method)
{
    return method_names[method];
}

/* With the lock held. */
static bool
open_converter(size_t row)
{
    if (!is_open[row]) {
        iconv_t cd = iconv_open("UTF-8", sets[row].iconv);

        if (cd == (iconv_t)-1)
            return false;
        converters[row] = cd;
        is_open[row] = true;
    }
    return true;
}

const char *
dcm_charset_of_device(const char *charset)
{
    if (strcmp(charset, "GBK-AS-IR100") == 0)
        return "GBK";
    return strcmp(charset, "PINYIN") == 0 ? "" : charset;
}

int
dcm_charset_warm(struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ARRAY_LEN(sets) && rc == 0; i++)
        if (sets[i].iconv != NULL && !open_converter(i))
            rc = err_sys(err, ERR_FATAL, "character set %s", sets[i].iconv);
    pthread_mutex_unlock(&lock);
    return rc;
}

static void
add_code_point(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_add_u8(out, (uint8_t)(0xC0 | c >> 6));
        buf_add_u8(out, (uint8_t)(0x80 | (c & 63)));
    } else {
        buf_add_u8(out, (uint8_t)(0xE0 | c >> 12));
        buf_add_u8(out, (uint8_t)(0x80 | (c >> 6 & 63)));
        buf_add_u8(out, (uint8_t)(0x80 | (c & 63)));
    }
}

/* Bytes to UTF-8 by iconv; false when something had to be replaced. */
static bool
convert(size_t row, const uint8_t *bytes, size_t n, struct buf *out)
{
    char *in = (char *)(uintptr_t)bytes;
    size_t left = n;
    bool is_whole = true;

    pthread_mutex_lock(&lock);
    if (!open_converter(row)) {
        is_whole = false;
        left = 0;
    } else {
        (void)iconv(converters[row], NULL, NULL, NULL, NULL);
    }
    while (left > 0) {
        char piece[256], *to = piece;
        size_t room = sizeof piece;
        size_t r = iconv(converters[row], &in, &left, &to, &room);
        bool is_stuck = r == (size_t)-1 && errno != E2BIG;

        buf_add(out, piece, sizeof piece - room);
        if (is_stuck) {
            add_code_point(out, 0xFFFD);
            is_whole = false;
            in++;
            left--;
            (void)iconv(converters[row], NULL, NULL, NULL, NULL);
        }
    }
    pthread_mutex_unlock(&lock);
    return is_whole;
}

static bool
copy_utf8(const uint8_t *p, size_t n, struct buf *out)
{
    bool is_whole = true;

    if (text_is_utf8((const char *)p, n)) {
        buf_add(out, p, n);
        return true;
    }
    for (size_t i = 0; i < n;) {
        size_t k = 1;

        while (k < 4 && i + k <= n && !text_is_utf8((const char *)p + i, k))
            k++;
        if (i + k <= n && text_is_utf8((const char *)p + i, k)) {
            buf_add(out, p + i, k);
            i += k;
        } else {
            add_code_point(out, 0xFFFD);
            is_whole = false;
            i++;
        }
    }
    return is_whole;
}

/* A run of bytes that all belong to one set (double G0: below 0x80; double G1: above). */
static bool
decode_run(size_t row, const uint8_t *p, size_t n, struct buf *out)
{
    bool is_whole = true;
    uint8_t pair[3];

    switch (sets[row].kind) {
    case SET_SINGLE:
    case SET_GB18030:
        return convert(row, p, n, out);
    case SET_UTF8:
        return copy_utf8(p, n, out);
    case SET_DOUBLE_G1:
        return convert(row, p, n, out);
    case SET_DOUBLE_G0:
        for (size_t i = 0; i < n; i += 2) {
            pair[0] = 0x8F;
            pair[1] = p[i] | 0x80;
            pair[2] = i + 1 < n ? p[i + 1] | 0x80 : 0;
            is_whole &=
                row == ROW_JIS0212 ? convert(row, pair, 3, out) : convert(row, pair + 1, 2, out);
        }
        return is_whole;
    case SET_ASCII:
    case SET_KATAKANA:
        for (size_t i = 0; i < n; i++) {
            bool is_kana = sets[row].kind == SET_KATAKANA && p[i] >= 0xA1 && p[i] <= 0xDF;

            is_whole &= p[i] < 0x80 || is_kana;
            add_code_point(out, p[i] < 0x80 ? p[i] : is_kana ? 0xFF61u + p[i] - 0xA1u : 0xFFFDu);
        }
        return is_whole;
    }
    return false;
}

/* The set an escape at p (behind ESC) selects; *out_used its bytes; ARRAY_LEN(sets) = unknown. */
static size_t
find_escape(const uint8_t *p, size_t n, size_t *out_used)
{
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        size_t k = strlen(sets[i].escape);

        if (k > 0 && k <= n && memcmp(p, sets[i].escape, k) == 0) {
            *out_used = k;
            return i;
        }
    }
    *out_used = 0;
    return ARRAY_LEN(sets);
}

static bool
is_reset(uint8_t c, bool is_name)
{
    return c == '\\' || c == '\r' || c == '\n' || c == '\f' || c == '\t' ||
           (is_name && (c == '^' || c == '='));
}

/* PS3.5 6.1.2.5: G0 and G1 change by escapes and fall back at delimiters. */
static bool
decode_escapes(size_t initial, const uint8_t *p, size_t n, bool is_name, struct buf *out)
{
    size_t g0 = ROW_ASCII, g1 = initial;
    bool is_whole = true;

    for (size_t i = 0; i < n;) {
        size_t k = 1;

        if (p[i] == ESC) {
            size_t row = find_escape(p + i + 1, n - i - 1, &k);

            if (row == ARRAY_LEN(sets))
                is_whole = false;
            else if (sets[row].kind == SET_ASCII || sets[row].kind == SET_DOUBLE_G0)
                g0 = row;
            else
                g1 = row;
            i += 1 + k;
            continue;
        }
        if (p[i] < 0x80 && sets[g0].kind == SET_DOUBLE_G0 && p[i] > 0x20) {
            k = n - i < 2 ? 1 : 2;
            is_whole &= decode_run(g0, p + i, k, out);
        } else if (p[i] < 0x80) {
            if (is_reset(p[i], is_name)) {
                g0 = ROW_ASCII;
                g1 = initial;
            }
            buf_add_u8(out, p[i]);
        } else {
            while (i + k < n && p[i + k] >= 0x80)
                k++;
            is_whole &= decode_run(g1, p + i, k, out);
        }
        i += k;
    }
    return is_whole;
}

/* Row of a declared term; ARRAY_LEN(sets) when nobody knows it. */
static size_t
find_set(const char *term, size_t n, bool *out_extended)
{
    char plain[24];
    size_t k = 0;
    const char *at = plain;

    for (size_t i = 0; i < n && k < sizeof plain - 1; i++)
        if (isalnum((unsigned char)term[i]))
            plain[k++] = (char)toupper((unsigned char)term[i]);
    plain[k] = '\0';
    *out_extended = false;
    if (k == 0)
        return ROW_ASCII;
    if (strncmp(at, "ISOIR", 5) == 0) {
        at += 5;
    } else if (strncmp(at, "ISO2022IR", 9) == 0) {
        at += 9;
        *out_extended = true;
    }
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        if (strcmp(sets[i].number, at) == 0)
            return i;
    return ARRAY_LEN(sets);
}

void
dcm_charset_begin(struct dcm_charset *cs, const char *declared, size_t n, const char *profile)
{
    bool has_profile = profile != NULL && profile[0] != '\0', ignored;
    const char *end;
    size_t row;

    /* A profile that nobody knows is no profile. */
    end = has_profile ? strchr(profile, '\\') : NULL;
    if (has_profile && find_set(profile, end != NULL ? (size_t)(end - profile) : strlen(profile),
                                &ignored) == ARRAY_LEN(sets))
        has_profile = false;

    *cs = (struct dcm_charset){.is_utf8 = true, .is_utf8_han = true, .is_gb18030_han = true};
    if (has_profile) {
        declared = profile;
        n = strlen(profile);
    }
    while (n > 0 && (declared[n - 1] == ' ' || declared[n - 1] == '\0'))
        n--;
    end = n > 0 ? memchr(declared, '\\', n) : NULL;
    row = find_set(declared, end != NULL ? (size_t)(end - declared) : n, &cs->is_extended);
    cs->is_extended |= end != NULL;
    cs->is_free = row == ROW_ASCII || row == ROW_LATIN1 || row == ARRAY_LEN(sets);
    if (row == ARRAY_LEN(sets))
        row = ROW_LATIN1;
    /* A double-byte set is never the initial one: its G0 is ASCII. */
    if (sets[row].kind == SET_DOUBLE_G0 || sets[row].kind == SET_DOUBLE_G1) {
        cs->is_free = true;
        cs->is_extended = true;
        row = ROW_ASCII;
    }
    cs->initial = (uint8_t)row;
    cs->has_profile = has_profile;
    cs->method = cs->has_profile ? DCM_TEXT_PROFILE : DCM_TEXT_ASCII;
}

/* Characters that Chinese text is made of; UTF-8 that is known to be valid. */
static bool
is_han_text(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c = p[i];
        size_t k = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

        if (k > 1) {
            c &= 0x7Fu >> k;
            for (size_t j = 1; j < k; j++)
                c = c << 6 | (p[i + j] & 63u);
        }
        if (c >= 0x80 && !(c >= 0x3000 && c <= 0x303F) && !(c >= 0x3400 && c <= 0x9FFF) &&
            !(c >= 0xF900 && c <= 0xFAFF) && !(c >= 0xFF00 && c <= 0xFFEF) &&
            !(c >= 0x20000 && c <= 0x3FFFF) && !(c >= 0x2010 && c <= 0x2026) && c != 0xB7 &&
            c != 0x2103 && c != 0xB0 && !(c >= 0x2460 && c <= 0x249B) &&
            !(c >= 0x2160 && c <= 0x216B) && c != 0xD7 && c != 0x3007)
            return false;
        i += k;
    }
    return true;
}

/* A character of GB 2312's Han levels occurs (both bytes 0xA1 or more, lead B0..F7). */
static bool
has_gb2312_character(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 1 < n;) {
        if (p[i] < 0x80) {
            i++;
        } else if (p[i + 1] >= 0x30 && p[i + 1] <= 0x39) {
            i += 4;
        } else {
            if (p[i] >= 0xB0 && p[i] <= 0xF7 && p[i + 1] >= 0xA1)
                return true;
            i += 2;
        }
    }
    return false;
}

void
dcm_charset_look(struct dcm_charset *cs, const uint8_t *bytes, size_t n)
{
    bool has_high = false, has_escape = false;
    struct buf text;

    if (n > LIMIT_ELEMENT_TEXT_BYTES) /* and not half a character at the end */
        for (n = LIMIT_ELEMENT_TEXT_BYTES; n > 0 && bytes[n - 1] >= 0x80; n--)
            ;
    for (size_t i = 0; i < n; i++) {
        has_high |= bytes[i] >= 0x80;
        has_escape |= bytes[i] == ESC;
    }
    if (has_escape && cs->is_extended) {
        cs->has_escapes = true;
        return;
    }
    if (!has_high)
        return;
    cs->has_high = true;
    if (!text_is_utf8((const char *)bytes, n))
        cs->is_utf8 = cs->is_utf8_han = false;
    else if (!is_han_text(bytes, n))
        cs->is_utf8_han = false;
    buf_init(&text, 4 * LIMIT_ELEMENT_TEXT_BYTES);
    if (!convert(ROW_GB18030, bytes, n, &text) || !is_han_text(text.bytes, text.n))
        cs->is_gb18030_han = false;
    else
        cs->has_gb2312 |= has_gb2312_character(bytes, n);
    buf_fini(&text);
}

void
dcm_charset_choose(struct dcm_charset *cs)
{
    enum set_kind kind = sets[cs->initial].kind;

    if (cs->has_profile)
        return;
    if (!cs->has_high) {
        cs->method = cs->has_escapes ? DCM_TEXT_DECLARED : DCM_TEXT_ASCII;
        return;
    }
    cs->method = DCM_TEXT_DECLARED;
    if (kind == SET_UTF8 && cs->is_utf8)
        return;
    if (!cs->is_free && kind != SET_UTF8 && kind != SET_GB18030)
        return;
    if (cs->is_utf8_han)
        cs->method = DCM_TEXT_UTF8;
    else if (kind != SET_GB18030 && cs->is_gb18030_han && cs->has_gb2312)
        cs->method = DCM_TEXT_GB18030;
}

void
dcm_charset_decode(struct dcm_charset *cs, const uint8_t *bytes, size_t n, bool is_name,
                   struct buf *out)
{
    bool is_whole;

    if (cs->is_extended && n > 0 && memchr(bytes, ESC, n) != NULL)
        is_whole = decode_escapes(cs->initial, bytes, n, is_name, out);
    else if (cs->method == DCM_TEXT_UTF8)
        is_whole = copy_utf8(bytes, n, out);
    else if (cs->method == DCM_TEXT_GB18030)
        is_whole = convert(ROW_GB18030, bytes, n, out);
    else
        is_whole = decode_run(cs->initial, bytes, n, out);
    if (!is_whole)
        cs->method = DCM_TEXT_BROKEN;
}

/* Look at the texts of a walk; items that declare their own set are passed over. */
static void
look_at_texts(struct dcm_charset *cs, const uint8_t *dataset, struct dcm_walk *walk)
{
    struct dcm_element e;
    struct err ignored;
    int own_depth = 0; /* inside such an item; the texts that count end at this depth */

    while (dcm_walk_next(walk, &e, &ignored) == 0 && e.event != DCM_END) {
        if (e.event == DCM_ITEM_END && own_depth > 0 && e.depth < own_depth)
            own_depth = 0;
        if (e.event != DCM_ELEMENT || own_depth > 0)
            continue;
        if (e.tag == 0x00080005 && e.depth > 0)
            own_depth = e.depth;
        else if ((e.tag >> 16) % 2 == 0 && dcm_vr_has_charset(e.vr))
            dcm_charset_look(cs, dataset + e.value_at, e.value_n);
    }
}

void
dcm_charset_scan(struct dcm_charset *cs, const uint8_t *dataset, size_t n, enum dcm_coding coding,
                 const char *profile, const struct dcm_charset *inherited)
{
    static const unsigned flags = DCM_WALK_PREFIX | DCM_WALK_STOP_AT_PIXELS;
    struct dcm_walk walk;
    struct dcm_element e;
    struct err ignored;
    bool is_declared = false;

    dcm_charset_begin(cs, NULL, 0, profile);
    dcm_walk_init(&walk, dataset, n, coding, flags);
    while (dcm_walk_next(&walk, &e, &ignored) == 0 && e.event != DCM_END && e.tag <= 0x00080005) {
        if (e.event == DCM_ELEMENT && e.tag == 0x00080005) {
            dcm_charset_begin(cs, (const char *)dataset + e.value_at, e.value_n, profile);
            is_declared = true;
        }
    }
    if (!is_declared && inherited != NULL) {
        *cs = *inherited;
        return;
    }
    dcm_walk_init(&walk, dataset, n, coding, flags);
    look_at_texts(cs, dataset, &walk);
    dcm_charset_choose(cs);
}
