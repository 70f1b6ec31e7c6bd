/* who.c - two descriptions of a patient, compared by what both of them say. */
#include "proto/model/who.h"

#include "proto/base/text.h"
#include "proto/base/unseen.h"
#include "proto/dicom/pinyin.h"
#include "proto/model/citizen_id.h"
#include "proto/model/doubts.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_BYTES = 260 };

/* ---- names ---- */

/* Han in UTF-8 begin so. */
static bool
is_han(const char *name)
{
    return (uint8_t)name[0] >= 0xE3;
}

/* Letters and Han alone: without blanks, carets, signs that show nothing, and the dots that part
 * some names (·, •, ・); and of other signs kept, if it occurs. */
static void
squeeze_but(const char *name, char kept, char out[NAME_BYTES])
{
    static const char *const dots[] = {"\xC2\xB7", "\xE2\x80\xA2", "\xE3\x83\xBB"};
    char narrow[NAME_BYTES];
    size_t n = 0;

    (void)text_narrow(narrow, sizeof narrow, name);
    for (const char *p = narrow; *p != '\0';) {
        bool is_blank;
        size_t skipped =
            (uint8_t)*p < 0x80 ? *p != kept && !isalnum((uint8_t)*p) : unseen_bytes(p, &is_blank);

        for (size_t i = 0; i < ARRAY_LEN(dots) && skipped == 0; i++)
            if (strncmp(p, dots[i], strlen(dots[i])) == 0)
                skipped = strlen(dots[i]);
        if (skipped == 0)
            out[n++] = (char)((uint8_t)*p < 0x80 ? tolower((uint8_t)*p) : *p);
        p += skipped > 0 ? skipped : 1;
    }
    out[n] = '\0';
}

static void
squeeze(const char *name, char out[NAME_BYTES])
{
    squeeze_but(name, '\0', out);
}

/* What an emergency is called until somebody knows: 无名氏, 无名氏2, unknown. */
static bool
is_nobody(const char *squeezed)
{
    static const char *const words[] = {"无名", "未知", "不详", "急诊", "unknown", "noname"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strncmp(squeezed, words[i], strlen(words[i])) == 0)
            return true;
    return doubts_is_placeholder(squeezed);
}

/* Latin letters in another order (Smith John, John Smith), or one name cut short. */
static bool
may_be_one(const char *a, const char *b)
{
    int letters[256] = {0};

    if (strstr(a, b) != NULL || strstr(b, a) != NULL)
        return true;
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        letters[(uint8_t)*a]++;
        letters[(uint8_t)*b]--;
    }
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (letters[i] != 0)
            return false;
    return *a == *b;
}

/* a, and what a console adds to a name: 王小东, 王小东12床. One sign alone is a surname. */
static bool
is_begun_by(const char *name, const char *a)
{
    size_t n = strlen(a), signs = 0;

    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)a[i] < 0x80)
            return false;
        signs += ((uint8_t)a[i] & 0xC0) != 0x80;
    }
    return signs > 1 && strncmp(name, a, n) == 0 && !is_han(name + n);
}

static bool
are_alike(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || (is_han(a) && is_begun_by(b, a)) ||
           (is_han(b) && is_begun_by(a, b));
}

/* 東 and 东 are one sign; of 於 and 于, which are two surnames, nothing can be said. */
static bool
are_simplified_alike(const char *a, const char *b)
{
    char one[NAME_BYTES], other[NAME_BYTES];

    return pinyin_simplify(a, one, sizeof one) && pinyin_simplify(b, other, sizeof other) &&
           are_alike(one, other);
}

static size_t
sign_bytes(const char *p)
{
    uint8_t c = (uint8_t)*p;

    return c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* Bytes of said that are how a device is told this sign when its character set lacks it
 * (charset_encode.h): its reading, or "?" where it has none. 0: not so. */
static size_t
told_instead(const char *said, const char *sign, size_t n)
{
    struct buf latin;
    size_t k = 0;

    if ((uint8_t)*sign < 0x80 || (*said != '?' && !isalpha((uint8_t)*said)))
        return 0;
    buf_init(&latin, 32);
    (void)pinyin_text(sign, n, &latin);
    if (latin.n > 0 && strncasecmp(said, buf_text(&latin), latin.n) == 0)
        k = latin.n;
    buf_fini(&latin);
    return k;
}

/* name, but for signs that the device's character set lacks, one other at least. */
static bool
is_as_told(const char *said, const char *name)
{
    char full[NAME_BYTES], got[NAME_BYTES];
    const char *s = got;
    bool is_any = false;

    squeeze_but(said, '?', got);
    squeeze_but(name, '?', full);
    for (const char *p = full; *p != '\0';) {
        size_t n = sign_bytes(p), k = n;

        if (strnlen(p, n) < n) /* the name is longer than any, and was cut here */
            return false;
        if (strncmp(s, p, n) == 0)
            is_any = true;
        else if ((k = told_instead(s, p, n)) == 0)
            return false;
        p += n;
        s += k;
    }
    return is_any && *s == '\0';
}

enum who_names
who_names(const char *a, const char *b)
{
    char one[NAME_BYTES], other[NAME_BYTES];
    bool are_han;

    squeeze(a, one);
    squeeze(b, other);
    if (is_nobody(one) || is_nobody(other))
        return WHO_NAMES_OPEN;
    if (are_alike(one, other))
        return WHO_NAMES_ALIKE;
    are_han = is_han(one) && is_han(other);
    if (!are_han && ((uint8_t)one[0] >= 0x80 || (uint8_t)other[0] >= 0x80))
        return WHO_NAMES_OPEN;
    if ((are_han ? are_simplified_alike(one, other) : may_be_one(one, other)) || is_as_told(a, b) ||
        is_as_told(b, a))
        return WHO_NAMES_OPEN;
    return WHO_NAMES_DIFFER;
}

static bool
is_latin(const char *name)
{
    for (; *name != '\0'; name++)
        if ((uint8_t)*name >= 0x80)
            return false;
    return true;
}

static bool
is_known(const char *name)
{
    char squeezed[NAME_BYTES];

    squeeze(name, squeezed);
    return !is_nobody(squeezed);
}

/* To read Han takes a tenth of a millisecond, and pages ask about the same people all day: the last
 * answers are kept. A pair that is too long is asked anew. */
enum { KEPT = 4096, KEPT_BYTES = 64 };
struct kept {
    char latin[KEPT_BYTES], other[KEPT_BYTES];
    bool is_set, is_other;
};
static struct kept kept[KEPT];
static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER;

static struct kept *
place_of(const char *latin, const char *other)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (const char *p = latin; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619U;
    for (const char *p = other; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619U;
    return &kept[hash % KEPT];
}

static bool
is_other_reading(const char *latin, const char *other)
{
    struct kept *k = place_of(latin, other), now = {.is_set = true};
    bool is_kept, is_short = text_copy(now.latin, KEPT_BYTES, latin) &&
                             text_copy(now.other, KEPT_BYTES, other);
    char read[NAME_BYTES];

    pthread_mutex_lock(&keeping);
    is_kept = k->is_set && strcmp(k->latin, latin) == 0 && strcmp(k->other, other) == 0;
    now.is_other = k->is_other;
    pthread_mutex_unlock(&keeping);
    if (is_kept)
        return now.is_other;
    now.is_other = !pinyin_is_reading(latin, other) && pinyin_name(other, read, sizeof read);
    if (is_short) {
        pthread_mutex_lock(&keeping);
        *k = now;
        pthread_mutex_unlock(&keeping);
    }
    return now.is_other;
}

bool
who_is_other_name(const char *a, const char *b)
{
    enum who_names names = who_names(a, b);

    if (names != WHO_NAMES_OPEN || is_latin(a) == is_latin(b) || !is_known(a) || !is_known(b))
        return names == WHO_NAMES_DIFFER;
    return is_latin(a) ? is_other_reading(a, b) : is_other_reading(b, a);
}

/* ---- the whole person ---- */

static bool
is_sex(const char *sex)
{
    return (sex[0] == 'M' || sex[0] == 'F') && sex[1] == '\0';
}

static bool
is_birth(const char *birth)
{
    /* the first day a console knows is nobody's */
    return citizen_id_is_day(birth) && strcmp(birth, "19000101") != 0;
}

static int
year_of(const char *birth)
{
    return (birth[0] - '0') * 1000 + (birth[1] - '0') * 100 + (birth[2] - '0') * 10 + birth[3] -
           '0';
}

/* The first of January is made from an age: of the year before, or the next, too. */
static bool
births_differ(const char *a, const char *b)
{
    bool is_made = strcmp(a + 4, "0101") == 0 || strcmp(b + 4, "0101") == 0;

    return is_made ? abs(year_of(a) - year_of(b)) > 1 : strcmp(a, b) != 0;
}

bool
who_differ(const struct who *a, const struct who *b)
{
    return (is_sex(a->sex) && is_sex(b->sex) && a->sex[0] != b->sex[0]) ||
           (is_birth(a->birth) && is_birth(b->birth) && births_differ(a->birth, b->birth)) ||
           who_names(a->name, b->name) == WHO_NAMES_DIFFER;
}

void
who_number(const char *typed, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = typed; *p != '\0' && n + 1 < size; p++)
        if (!isspace((uint8_t)*p) && (n > 0 || *p != '0'))
            out[n++] = (char)toupper((uint8_t)*p);
    out[n] = '\0';
}
