/* charset_encode.c - character by character, so that no cut and no missing sign can tear another.
 */
#include "proto/dicom/charset_encode.h"

#include "proto/base/text.h"
#include "proto/base/unseen.h"
#include "proto/dicom/pinyin.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ESC = 0x1B, PERSON_CHARS = 64, SIGN_BYTES = 8, PIECE_BYTES = 64, NAME_BYTES = 1024 };

static const struct {
    const char *word, *charset, *iconv, *profile;
    bool is_by_bytes;
} rows[DCM_SHOWS] = {
    [DCM_SHOWS_PINYIN] = {"PINYIN", "", NULL, "", true},
    [DCM_SHOWS_UTF8] = {"ISO_IR 192", "ISO_IR 192", NULL, "ISO_IR 192", false},
    [DCM_SHOWS_GB18030] = {"GB18030", "GB18030", "GB18030", "GB18030", false},
    [DCM_SHOWS_GBK_AS_LATIN1] = {"GBK-AS-IR100", "ISO_IR 100", "GBK", "GB18030", true},
    [DCM_SHOWS_IR58] = {"ISO_IR 58", "\\ISO 2022 IR 58", "GB2312", "", false},
};

static const struct {
    const char *vr;
    size_t chars; /* PS3.5 6.2; 0 = no limit of ours */
    bool has_lines;
} limits[] = {
    {"SH", 16, false},   {"LO", 64, false}, {"ST", 1024, true},
    {"LT", 10240, true}, {"UC", 0, false},  {"UT", 0, true},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static iconv_t converters[DCM_SHOWS];
static bool is_open[DCM_SHOWS];

bool
dcm_shows_of(const char *word, enum dcm_shows *out)
{
    for (int i = 0; i < DCM_SHOWS; i++)
        if (strcmp(rows[i].word, word) == 0) {
            *out = (enum dcm_shows)i;
            return true;
        }
    return false;
}

static bool
holds(const char *bytes, size_t n, const char *word)
{
    return memmem(bytes, n, word, strlen(word)) != NULL;
}

bool
dcm_shows_declared(const char *declared, size_t n, enum dcm_shows *out)
{
    if (holds(declared, n, "ISO_IR 192"))
        *out = DCM_SHOWS_UTF8;
    else if (holds(declared, n, "GB18030") || holds(declared, n, "GBK"))
        *out = DCM_SHOWS_GB18030;
    else if (holds(declared, n, "IR 58"))
        *out = DCM_SHOWS_IR58;
    else
        return false;
    return true;
}

const char *
dcm_shows_charset(enum dcm_shows shows)
{
    return rows[shows].charset;
}

const char *
dcm_shows_profile(enum dcm_shows shows)
{
    return rows[shows].profile;
}

static size_t
sign_bytes(const char *p)
{
    uint8_t c = (uint8_t)*p;

    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* One character in the set's bytes; 0: the set lacks it. */
static size_t
convert(enum dcm_shows shows, const char *sign, size_t n, uint8_t out[SIGN_BYTES])
{
    char *in = (char *)(uintptr_t)sign, *to = (char *)out;
    size_t room = SIGN_BYTES, left = n, r = (size_t)-1;

    if (shows == DCM_SHOWS_UTF8) {
        memcpy(out, sign, n);
        return n;
    }
    if (rows[shows].iconv == NULL)
        return 0;
    pthread_mutex_lock(&lock);
    if (!is_open[shows]) {
        iconv_t cd = iconv_open(rows[shows].iconv, "UTF-8");

        is_open[shows] = cd != (iconv_t)-1;
        converters[shows] = cd;
    }
    if (is_open[shows]) {
        (void)iconv(converters[shows], NULL, NULL, NULL, NULL);
        r = iconv(converters[shows], &in, &left, &to, &room);
    }
    pthread_mutex_unlock(&lock);
    return r == 0 ? SIGN_BYTES - room : 0; /* r > 0: something alike was put in its place */
}

struct encoder {
    enum dcm_shows shows;
    struct buf *out;
    size_t left; /* of the value: characters, or bytes */
    bool is_name, has_lines;
    bool is_designated; /* ISO 2022: the escape was given and holds */
    bool is_full;
};

/* n bytes that count as so many characters; nothing more goes once something did not fit. */
static void
put(struct encoder *e, const uint8_t *bytes, size_t n, size_t chars)
{
    size_t cost = rows[e->shows].is_by_bytes ? n : chars;

    if (e->is_full || cost > e->left) {
        e->is_full = true;
        return;
    }
    if (e->shows == DCM_SHOWS_IR58) {
        if (bytes[0] >= 0x80 && !e->is_designated)
            buf_add(e->out, "\x1B$)A", 4);
        e->is_designated = bytes[0] >= 0x80 || e->is_designated;
    }
    buf_add(e->out, bytes, n);
    e->left -= cost;
}

static void
put_ascii(struct encoder *e, char c)
{
    uint8_t byte = (uint8_t)c;

    if (byte == '\\')
        byte = '/';
    if (byte == '=' && e->is_name)
        byte = ' ';
    if (byte == 0x7F || (byte < 0x20 && !(e->has_lines && (byte == '\n' || byte == '\r'))))
        byte = ' ';
    if (byte == '\n' && (e->out->n == 0 || e->out->bytes[e->out->n - 1] != '\r'))
        put(e, (const uint8_t *)"\r", 1, 1);
    put(e, &byte, 1, 1);
    if (byte == '\n' || byte == '\r' || (e->is_name && byte == '^'))
        e->is_designated = false; /* PS3.5 6.1.2.5.3 */
}

/* What a console that works by bytes would take for a delimiter. */
static bool
is_torn(const struct encoder *e, const uint8_t *bytes, size_t n)
{
    if (e->shows != DCM_SHOWS_GBK_AS_LATIN1)
        return false;
    for (size_t i = 1; i < n; i++)
        if (bytes[i] == '\\' || (e->is_name && (bytes[i] == '^' || bytes[i] == '=')))
            return true;
    return false;
}

static void
put_sign(struct encoder *e, const char *sign, size_t n)
{
    uint8_t bytes[SIGN_BYTES];
    struct buf latin;
    size_t k;

    if (n == 1) {
        put_ascii(e, *sign);
        return;
    }
    k = convert(e->shows, sign, n, bytes);
    if (k > 0 && !is_torn(e, bytes, k)) {
        put(e, bytes, k, 1);
        return;
    }
    buf_init(&latin, PIECE_BYTES);
    (void)pinyin_text(sign, n, &latin);
    if (latin.n > 0)
        put(e, latin.bytes, latin.n, latin.n);
    buf_fini(&latin);
}

static void
put_text(struct encoder *e, const char *text)
{
    size_t n = strlen(text);

    if (!text_is_utf8(text, n))
        return;
    if (e->shows == DCM_SHOWS_PINYIN) { /* whole words read better than signs alone */
        struct buf latin;

        buf_init(&latin, n * PIECE_BYTES + 1);
        (void)pinyin_text(text, n, &latin);
        for (size_t i = 0; i < latin.n; i++)
            put_ascii(e, (char)latin.bytes[i]);
        buf_fini(&latin);
        return;
    }
    for (size_t i = 0; i < n; i += sign_bytes(text + i)) {
        bool is_blank = false;

        if (unseen_bytes(text + i, &is_blank) == 0 || is_blank)
            put_sign(e, text + i, sign_bytes(text + i));
    }
}

void
dcm_encode_text(enum dcm_shows shows, const char *vr, const char *text, struct buf *out)
{
    struct encoder e = {.shows = shows, .out = out, .left = SIZE_MAX};

    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (strcmp(limits[i].vr, vr) == 0) {
            e.left = limits[i].chars > 0 ? limits[i].chars : SIZE_MAX;
            e.has_lines = limits[i].has_lines;
        }
    put_text(&e, text);
}

static bool
is_ascii(const char *text)
{
    while (*text != '\0' && (uint8_t)*text < 0x80)
        text++;
    return *text == '\0';
}

/* A component group. */
static void
put_group(enum dcm_shows shows, const char *name, struct buf *out)
{
    struct encoder e = {.shows = shows, .out = out, .left = PERSON_CHARS, .is_name = true};

    put_text(&e, name);
}

void
dcm_encode_name(enum dcm_shows shows, const char *name, const char *pinyin, struct buf *out)
{
    char latin[NAME_BYTES], parts[NAME_BYTES];

    if (is_ascii(name) || shows == DCM_SHOWS_GBK_AS_LATIN1) {
        put_group(shows, name, out);
        return;
    }
    if (pinyin == NULL || pinyin[0] == '\0')
        (void)pinyin_name(name, latin, sizeof latin);
    put_group(DCM_SHOWS_PINYIN, pinyin != NULL && pinyin[0] != '\0' ? pinyin : latin, out);
    if (shows == DCM_SHOWS_PINYIN)
        return;
    buf_add_u8(out, '=');
    pinyin_part(name, parts, sizeof parts);
    put_group(shows, parts, out);
}
