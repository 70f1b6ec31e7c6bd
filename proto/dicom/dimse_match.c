/* dimse_match.c - attribute matching of queries. */
#include "proto/dicom/dimse_match.h"

#include <string.h>
#include <strings.h>

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool
dimse_key_asks(const char *key)
{
    return key[strspn(key, "*")] != '\0';
}

bool
dimse_match_list(const char *key, const char *value)
{
    size_t value_n = strlen(value);

    while (value_n > 0 && value[value_n - 1] == ' ')
        value_n--;
    for (const char *at = key;; at++) {
        size_t n = strcspn(at, "\\"), skip = strspn(at, " ");
        const char *end = at + n;

        at += skip < n ? skip : n;
        n = (size_t)(end - at);
        while (n > 0 && at[n - 1] == ' ')
            n--;
        if (n == value_n && memcmp(at, value, n) == 0)
            return true;
        at = end;
        if (*at == '\0')
            return false;
    }
}

/* The bytes of the character that begins here. */
static size_t
character(const char *at)
{
    size_t n = *at != '\0';

    while (n > 0 && ((unsigned char)at[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Without recursion: the last asterisk is tried further and further on. */
static bool
is_like(const char *key, const char *value, size_t value_n, bool is_folded)
{
    const char *end = value + value_n, *star = NULL, *tried = NULL;

    while (value < end) {
        if (*key == '*') {
            star = ++key;
            tried = value;
        } else if (*key == '?') {
            key++;
            value += character(value);
        } else if (*key != '\0' &&
                   (*key == *value || (is_folded && lower(*key) == lower(*value)))) {
            key++;
            value++;
        } else if (star != NULL) {
            key = star;
            tried += character(tried);
            value = tried;
        } else {
            return false;
        }
    }
    return dimse_key_asks(key) == false;
}

bool
dimse_match_text(const char *key, const char *value)
{
    return is_like(key, value, strlen(value), false);
}

/* Without the empty components that may stand at a name's or a group's end. */
static size_t
name_length(const char *at, size_t n)
{
    while (n > 0 && (at[n - 1] == '^' || at[n - 1] == ' ' || at[n - 1] == '='))
        n--;
    return n;
}

bool
dimse_match_name(const char *key, const char *value)
{
    char plain[1024];
    size_t key_n = name_length(key, strlen(key));

    if (key_n >= sizeof plain)
        return false;
    memcpy(plain, key, key_n);
    plain[key_n] = '\0';
    if (is_like(plain, value, name_length(value, strlen(value)), true))
        return true;
    for (const char *at = value;; at++) {
        size_t n = strcspn(at, "=");
        if (is_like(plain, at, name_length(at, n), true))
            return true;
        at += n;
        if (*at == '\0')
            return false;
    }
}

/* YYYYMMDD, or YYYY.MM.DD: out as the first. */
static bool
read_date(const char *text, size_t n, char out[20])
{
    bool is_parted = n == 10 && text[4] == '.' && text[7] == '.';
    char plain[9] = "";
    int month, day;

    if (n != 8 && !is_parted)
        return false;
    memcpy(plain, text, 4);
    memcpy(plain + 4, text + 4 + is_parted, 2);
    memcpy(plain + 6, text + 6 + 2 * is_parted, 2);
    for (size_t i = 0; i < 8; i++)
        if (!is_digit(plain[i]))
            return false;
    month = (plain[4] - '0') * 10 + plain[5] - '0';
    day = (plain[6] - '0') * 10 + plain[7] - '0';
    memcpy(out, plain, sizeof plain);
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* HH[MM[SS[.F{1,6}]]] */
static bool
is_time(const char *text, size_t n)
{
    static const int most[] = {23, 59, 60};
    size_t whole = n < 6 ? n : 6;

    if (n < 2 || whole % 2 != 0 || (n > 6 && (text[6] != '.' || n < 8 || n > 13)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (i != 6 && !is_digit(text[i]))
            return false;
    for (size_t i = 0; i < whole; i += 2)
        if ((text[i] - '0') * 10 + text[i + 1] - '0' > most[i / 2])
            return false;
    return true;
}

/* Ends of a time range, for comparing as text with times of any precision: 1200 begins at "12" and
 * ends at "120059.999999". */
static void
begin_time(char out[20], const char *text, size_t n)
{
    memcpy(out, text, n);
    out[n] = '\0';
    while (n > 7 && out[n - 1] == '0')
        out[--n] = '\0';
    if (n == 7)
        out[n = 6] = '\0';
    while (n > 2 && n <= 6 && out[n - 1] == '0' && out[n - 2] == '0')
        out[n -= 2] = '\0';
}

static void
end_time(char out[20], const char *text, size_t n)
{
    memcpy(out, "235959.999999", 14);
    memcpy(out, text, n);
}

/* 24, 2400, 240000, 240000.0: the end of the day, as no time of its own. */
static bool
is_midnight_after(const char *text, size_t n)
{
    return n >= 2 && n <= 13 && memcmp(text, "24", 2) == 0 && strspn(text + 2, "0.") == n - 2;
}

static bool
read_times(const char *key, size_t first, const char *second, size_t second_n, bool is_span,
           struct dimse_range *out)
{
    if (is_span && is_midnight_after(second, second_n)) {
        second = "235959.999999";
        second_n = strlen(second);
    }
    if ((first > 0 && !is_time(key, first)) || (second_n > 0 && !is_time(second, second_n)))
        return false;
    if (first > 0)
        begin_time(out->from, key, first);
    if (second_n > 0)
        end_time(out->to, second, second_n);
    return true;
}

bool
dimse_range_read(const char *key, bool is_day, struct dimse_range *out)
{
    struct dimse_range range = {"", ""};
    const char *dash = strchr(key, '-');
    size_t first = dash == NULL ? strlen(key) : (size_t)(dash - key);
    const char *second = dash == NULL ? key : dash + 1;
    size_t second_n = strlen(second);

    if ((first == 0 && second_n == 0) || strcspn(second, "-") != second_n)
        return false;
    if (is_day ? (first > 0 && !read_date(key, first, range.from)) ||
                     (second_n > 0 && !read_date(second, second_n, range.to))
               : !read_times(key, first, second, second_n, dash != NULL, &range))
        return false;
    *out = range;
    return true;
}

bool
dimse_range_holds(const struct dimse_range *range, bool is_day, const char *value)
{
    char plain[20] = "";
    size_t n = strcspn(value, " ");

    if (n >= sizeof plain || !(is_day ? read_date(value, n, plain) : is_time(value, n)))
        return false;
    if (!is_day)
        begin_time(plain, value, n);
    return strcmp(plain, range->from) >= 0 &&
           (range->to[0] == '\0' || strcmp(plain, range->to) <= 0);
}
