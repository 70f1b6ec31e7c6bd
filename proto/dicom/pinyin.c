/* pinyin.c - Han to Latin by ICU's transliterator (Unicode's CLDR data: maintained, readings by
 * frequency, a table for surnames), with the few surnames it reads as common words. */
#include "proto/dicom/pinyin.h"

#include "proto/base/text.h"
#include "proto/base/unseen.h"

#include <unicode/ustring.h>
#include <unicode/utrans.h>

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Readings with tones taken off but the two dots kept. */
#define RULES "NFD; [[:Mn:]-[\\u0308]] Remove; NFC"
enum { PIECE_CHARS = 64, SYLLABLE_BYTES = 16, NAME_SYLLABLES = 64 };
enum { SURNAME_BYTES = 8, NAME_BYTES = 192 };

/* Read otherwise as a surname than ICU's table of names has it. */
static const struct {
    const char *han, *latin;
} surnames[] = {
    {"朴", "piao"}, {"缪", "miao"}, {"覃", "qin"},  {"阚", "kan"},       {"佴", "nai"},
    {"句", "gou"},  {"莘", "shen"}, {"祭", "zhai"}, {"单于", "chan yu"},
};

/* Surnames of two signs, as the censuses list them. */
static const char *const doubles[] = {
    "欧阳", "上官", "司马", "诸葛", "尉迟", "万俟", "皇甫", "夏侯", "东方", "独孤", "令狐", "长孙",
    "宇文", "慕容", "司徒", "司空", "公孙", "轩辕", "端木", "百里", "呼延", "南宫", "西门", "东郭",
    "公冶", "濮阳", "淳于", "单于", "太叔", "申屠", "仲孙", "钟离", "鲜于", "闾丘", "亓官", "司寇",
    "子车", "颛孙", "乐正", "公西", "漆雕", "壤驷", "公良", "拓跋", "夹谷", "宰父", "谷梁", "段干",
    "东里", "南门", "呼和", "澹台", "赫连", "公羊", "宗政", "梁丘", "左丘", "第五", "欧侯", "相里",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
enum reading { READ_TEXT, READ_NAME, SIMPLIFY, READINGS };
static UTransliterator *readers[READINGS];

/* With the lock held; NULL: ICU has no such data. */
static UTransliterator *
reader_of(enum reading reading)
{
    static const char *const ids[READINGS] = {"Han-Latin; " RULES, "Han-Latin/Names; " RULES,
                                              "Traditional-Simplified"};
    UTransliterator **reader = &readers[reading];
    UErrorCode code = U_ZERO_ERROR;
    UChar id[128];

    if (*reader == NULL) {
        u_uastrcpy(id, ids[reading]);
        *reader = utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &code);
    }
    return U_SUCCESS(code) ? *reader : NULL;
}

/* How many bytes the first character has; text is UTF-8. */
static size_t
char_bytes(const char *p)
{
    uint8_t c = (uint8_t)*p;

    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

static size_t
count_chars(const char *p, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i += char_bytes(p + i))
        count++;
    return count;
}

/* U+2E80..9FFF, F900..FAFF and the planes above: what may have a reading. */
static bool
is_han(const char *p, size_t left)
{
    uint8_t c = (uint8_t)*p;

    if (char_bytes(p) > left)
        return false;
    if (c == 0xE3)
        return (uint8_t)p[1] >= 0x90;
    return (c >= 0xE4 && c <= 0xE9) ||
           (c == 0xEF && (uint8_t)p[1] >= 0xA4 && (uint8_t)p[1] < 0xAC) || c >= 0xF0;
}

static bool
is_all_han(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && is_han(p + i, n - i))
        i += char_bytes(p + i);
    return n > 0 && i >= n;
}

/* n bytes of at most PIECE_CHARS Han: their syllables, parted by blanks; false: no data. */
static bool
transliterate(const char *han, size_t n, enum reading reading, char *out, size_t size)
{
    UChar text[PIECE_CHARS * 8];
    UErrorCode code = U_ZERO_ERROR;
    int32_t length = 0, limit, bytes = 0;

    u_strFromUTF8(text, ARRAY_LEN(text), &length, han, (int32_t)n, &code);
    limit = length;
    pthread_mutex_lock(&lock);
    UTransliterator *reader = reader_of(reading);
    if (reader != NULL && U_SUCCESS(code))
        utrans_transUChars(reader, text, &length, (int32_t)ARRAY_LEN(text), 0, &limit, &code);
    pthread_mutex_unlock(&lock);
    u_strToUTF8(out, (int32_t)size - 1, &bytes, text, length, &code);
    if (reader == NULL || U_FAILURE(code))
        return false;
    out[bytes] = '\0';
    return true;
}

/* One syllable into letters with a capital; false and "?": it has no reading. */
static bool
take_syllable(const char **io_at, char out[SYLLABLE_BYTES])
{
    const char *p = *io_at;
    size_t n = 0;
    bool is_read = true;

    for (p += strspn(p, " "); *p != '\0' && *p != ' '; p += char_bytes(p)) {
        bool is_dotted = (uint8_t)p[0] == 0xC3 && (uint8_t)p[1] == 0xBC; /* u with two dots */

        if (n + 3 > SYLLABLE_BYTES || !(is_dotted || isalpha((uint8_t)*p))) {
            is_read = false;
            p += strcspn(p, " ");
            break;
        }
        if (is_dotted && n == 1)
            out[n++] = 'y';
        out[n++] = is_dotted ? 'u' : (char)tolower((uint8_t)*p);
    }
    out[n] = '\0';
    if (n == 0 || !is_read)
        text_copy(out, SYLLABLE_BYTES, "?");
    out[0] = (char)toupper((uint8_t)out[0]);
    *io_at = p;
    return is_read && n > 0;
}

/* n bytes of Han, each a syllable. */
static bool
add_syllables(const char *han, size_t n, bool is_name, struct buf *out)
{
    char latin[PIECE_CHARS * SYLLABLE_BYTES], syllable[SYLLABLE_BYTES];
    bool is_whole = true;

    while (n > 0) {
        size_t piece = 0;

        for (int i = 0; i < PIECE_CHARS / 2 && piece < n; i++)
            piece += char_bytes(han + piece);
        const char *at = latin;
        if (!transliterate(han, piece, is_name ? READ_NAME : READ_TEXT, latin, sizeof latin))
            latin[0] = '\0';
        for (size_t i = count_chars(han, piece); i > 0; i--) {
            is_whole = take_syllable(&at, syllable) && is_whole;
            buf_add_text(out, syllable);
        }
        han += piece;
        n -= piece;
    }
    return is_whole;
}

bool
pinyin_text(const char *text, size_t n, struct buf *out)
{
    bool is_whole = true;

    for (size_t i = 0; i < n;) {
        size_t run = 0;

        while (i + run < n && is_han(text + i + run, n - i - run))
            run += char_bytes(text + i + run);
        if (run > 0) {
            is_whole = add_syllables(text + i, run, false, out) && is_whole;
            i += run;
            continue;
        }
        char one[5] = "", narrow[5];
        bool is_blank = false;
        size_t k = char_bytes(text + i);
        if (k > n - i)
            k = n - i;
        memcpy(one, text + i, k);
        if (unseen_bytes(one, &is_blank) > 0)
            text_copy(one, sizeof one, is_blank ? " " : "");
        else if (k > 1 && text_narrow(narrow, sizeof narrow, one) && (uint8_t)narrow[0] < 0x80)
            text_copy(one, sizeof one, narrow);
        else if (strcmp(one, "。") == 0 || strcmp(one, "、") == 0)
            text_copy(one, sizeof one, one[2] == '\x82' ? "." : ",");
        if ((uint8_t)one[0] >= 0x80) {
            is_whole = false;
            text_copy(one, sizeof one, "?");
        }
        buf_add_text(out, one);
        i += k;
    }
    return is_whole;
}

/* Bytes of the surname at the beginning of a name without blanks. */
static size_t
surname_bytes(const char *name, size_t n)
{
    size_t first = char_bytes(name), two;

    if (first >= n)
        return n;
    two = first + char_bytes(name + first);
    if (two < n)
        for (size_t i = 0; i < ARRAY_LEN(doubles); i++)
            if (strlen(doubles[i]) == two && memcmp(doubles[i], name, two) == 0)
                return two;
    return first;
}

static bool
add_surname(const char *han, size_t n, struct buf *out)
{
    char own[SYLLABLE_BYTES];
    bool is_whole = true;

    for (size_t i = 0; i < ARRAY_LEN(surnames); i++)
        if (strlen(surnames[i].han) == n && memcmp(surnames[i].han, han, n) == 0) {
            for (const char *at = surnames[i].latin; *at != '\0' && is_whole;) {
                is_whole = take_syllable(&at, own);
                buf_add_text(out, own);
            }
            return is_whole;
        }
    /* ICU's table of names looks for a surname before another sign */
    char with[SURNAME_BYTES + 4];
    struct buf all;

    memcpy(with, han, n);
    text_copy(with + n, sizeof with - n, "某");
    buf_init(&all, 256);
    is_whole = add_syllables(with, n + 3, true, &all);
    if (all.n >= 3)
        buf_add(out, all.bytes, all.n - 3);
    buf_fini(&all);
    return is_whole;
}

enum part { PART_WHOLE, PART_SURNAME, PART_GIVEN, PART_FOREIGN };

/* What stands between separators. */
static bool
add_name_part(const char *part, size_t n, enum part kind, struct buf *out)
{
    size_t surname;
    bool is_whole;

    if (n == 0 || !is_han(part, n) || kind == PART_GIVEN || n > NAME_BYTES)
        return pinyin_text(part, n, out);
    if (kind == PART_FOREIGN && is_all_han(part, n))
        return add_syllables(part, n, true, out);
    surname = kind == PART_WHOLE ? surname_bytes(part, n) : n;
    if (surname > SURNAME_BYTES)
        return pinyin_text(part, n, out);
    is_whole = add_surname(part, surname, out);
    if (surname < n) {
        buf_add_u8(out, '^');
        is_whole = pinyin_text(part + surname, n - surname, out) && is_whole;
    }
    return is_whole;
}

static bool
is_ascii(const char *text)
{
    while (*text != '\0' && (uint8_t)*text < 0x80)
        text++;
    return *text == '\0';
}

static size_t
match_any(const char *p, const char *const *signs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(p, signs[i], strlen(signs[i])) == 0)
            return strlen(signs[i]);
    return 0;
}

/* Blanks of any width, however many. */
static size_t
blank_bytes(const char *p)
{
    size_t n = 0, k;
    bool is_blank = false;

    while ((k = p[n] == ' ' ? 1 : unseen_bytes(p + n, &is_blank)) > 0 && (k == 1 || is_blank))
        n += k;
    return n;
}

/* Bytes of what parts a name here, blanks around it too; is_dot: as in names from other languages.
 */
static size_t
separator_bytes(const char *p, bool *out_is_dot)
{
    static const char *const dots[] = {"·", "•", "・", "‧"}, *const carets[] = {"^"};
    size_t before = blank_bytes(p), n = match_any(p + before, dots, ARRAY_LEN(dots));

    *out_is_dot = n > 0;
    n += before + (n > 0 ? 0 : match_any(p + before, carets, ARRAY_LEN(carets)));
    return n > 0 ? n + blank_bytes(p + n) : 0;
}

bool
pinyin_name(const char *name, char *out, size_t size)
{
    bool is_whole = true, is_first = true, is_dot;
    struct buf latin;

    if (is_ascii(name))
        return text_copy(out, size, name);
    buf_init(&latin, NAME_SYLLABLES * SYLLABLE_BYTES);
    while (*name != '\0') {
        enum part kind;
        size_t n = 0;

        while (name[n] != '\0' && separator_bytes(name + n, &is_dot) == 0)
            n += char_bytes(name + n);
        kind = is_dot            ? PART_FOREIGN
               : !is_first       ? PART_GIVEN
               : name[n] == '\0' ? PART_WHOLE
                                 : PART_SURNAME;
        is_whole = add_name_part(name, n, kind, &latin) && is_whole;
        is_first = false;
        name += n;
        if (*name != '\0')
            name += separator_bytes(name, &is_dot);
        if (*name != '\0')
            buf_add_u8(&latin, '^');
    }
    is_whole = text_copy(out, size, buf_text(&latin)) && !buf_is_over(&latin) && is_whole;
    buf_fini(&latin);
    return is_whole;
}

void
pinyin_part(const char *name, char *out, size_t size)
{
    size_t n = strlen(name), surname = 0;
    bool is_plain = n <= NAME_BYTES && is_all_han(name, n);

    if (is_plain)
        surname = surname_bytes(name, n);
    if (is_plain && surname < n && n + 2 <= size) {
        memcpy(out, name, surname);
        out[surname] = '^';
        text_copy(out + surname + 1, size - surname - 1, name + surname);
        return;
    }
    text_copy(out, size, name);
    if (is_plain || (uint8_t)*out < 0x80)
        return;
    n = 0;
    for (const char *p = out; *p != '\0';) {
        size_t k = blank_bytes(p);

        if (k == 0)
            out[n++] = *p++;
        else if (p[k] != '^' && p[k] != '\0' && (n == 0 || out[n - 1] != '^'))
            out[n++] = '^';
        p += k;
    }
    out[n] = '\0';
}

void
pinyin_fold(const char *name, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = name; *p != '\0' && n + 1 < size; p++) {
        char c = (char)tolower((uint8_t)*p), before = n > 0 ? out[n - 1] : '\0';
        bool is_ln = before == 'l' || before == 'n', is_blank;
        size_t unseen = unseen_bytes(p, &is_blank);

        if (unseen > 0)
            p += unseen - 1;
        else if ((uint8_t)c >= 0x80 || c == '*' || c == '?')
            out[n++] = c;
        else if (c == 'v' && is_ln)
            out[n++] = 'u';
        else if (c == 'y' && is_ln && tolower((uint8_t)p[1]) == 'u')
            continue;
        else if (isalnum((uint8_t)c))
            out[n++] = c;
    }
    out[n] = '\0';
}

bool
pinyin_is_reading(const char *latin, const char *han)
{
    char read[NAME_BYTES], turned[NAME_BYTES * 2], wanted[NAME_BYTES], got[NAME_BYTES * 2];
    const char *given;

    if (!is_ascii(latin) || is_ascii(han) || !pinyin_name(han, read, sizeof read))
        return false;
    pinyin_fold(latin, wanted, sizeof wanted);
    pinyin_fold(read, got, sizeof got);
    if (strcmp(wanted, got) == 0)
        return true;
    given = strchr(read, '^');
    if (given == NULL)
        return false;
    snprintf(turned, sizeof turned, "%s^%.*s", given + 1, (int)(given - read), read);
    pinyin_fold(turned, got, sizeof got);
    return strcmp(wanted, got) == 0;
}

bool
pinyin_simplify(const char *text, char *out, size_t size)
{
    size_t n = strlen(text);

    return n < PIECE_CHARS * 8 && transliterate(text, n, SIMPLIFY, out, size);
}
