/* citizen_id.c - the citizen identity number of GB 11643-1999. */
#include "proto/model/citizen_id.h"

#include "proto/base/text.h"

#include <ctype.h>
#include <string.h>

enum { SIGNS = 18, OLD_DIGITS = 15, REGION_DIGITS = 6, BIRTH_AT = 6, ORDER_AT = 14, TYPED = 80 };

/* GB/T 2260: the first two digits; 81 to 83 are on residence permits of Hong Kong, Macao, Taiwan.
 */
static const char provinces[][3] = {"11", "12", "13", "14", "15", "21", "22", "23", "31",
                                    "32", "33", "34", "35", "36", "37", "41", "42", "43",
                                    "44", "45", "46", "50", "51", "52", "53", "54", "61",
                                    "62", "63", "64", "65", "71", "81", "82", "83"};

/* ISO 7064 MOD 11-2, as GB 11643-1999 5.3 gives it. */
static char
check_sign(const char *digits)
{
    static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0;

    for (int i = 0; i < SIGNS - 1; i++)
        sum += (digits[i] - '0') * weights[i];
    return "10X98765432"[sum % 11];
}

static bool
is_province(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(provinces); i++)
        if (memcmp(provinces[i], text, 2) == 0)
            return true;
    return false;
}

static int
number_of(const char *digits, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++)
        v = v * 10 + digits[i] - '0';
    return v;
}

bool
citizen_id_is_day(const char *text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    bool is_leap;

    if (strspn(text, "0123456789") != 8 || text[8] != '\0')
        return false;
    year = number_of(text, 4);
    month = number_of(text + 4, 2);
    day = number_of(text + 6, 2);
    is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return year >= 1800 && year < 2200 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && is_leap);
}

/* The signs without what does not matter; false when there are more than a number has. */
static bool
squeeze(const char *typed, char out[CITIZEN_ID_BYTES])
{
    char narrow[TYPED];
    size_t n = 0;

    if (!text_narrow(narrow, sizeof narrow, typed))
        return false;
    for (const char *p = narrow; *p != '\0'; p++) {
        if (*p == '-' || isspace((uint8_t)*p))
            continue;
        if (n == SIGNS)
            return false;
        out[n++] = (char)toupper((uint8_t)*p);
    }
    out[n] = '\0';
    return n == SIGNS || n == OLD_DIGITS;
}

/* RRRRRRyymmddooo > RRRRRR19yymmddoooC */
static void
complete_old(char text[CITIZEN_ID_BYTES])
{
    memmove(text + REGION_DIGITS + 2, text + REGION_DIGITS, OLD_DIGITS - REGION_DIGITS);
    memcpy(text + REGION_DIGITS, "19", 2);
    text[SIGNS - 1] = check_sign(text);
    text[SIGNS] = '\0';
}

enum citizen_id_fault
citizen_id_read(const char *typed, const char *today, struct citizen_id *out)
{
    struct citizen_id id = {.sex = 'M'};
    size_t n, digits;

    if (!squeeze(typed, id.text))
        return CITIZEN_ID_LENGTH;
    n = strlen(id.text);
    digits = strspn(id.text, "0123456789");
    if (digits != n && (n != SIGNS || digits != SIGNS - 1 || id.text[SIGNS - 1] != 'X'))
        return CITIZEN_ID_SIGN;
    id.is_old = n == OLD_DIGITS;
    if (id.is_old)
        complete_old(id.text);
    if (!is_province(id.text))
        return CITIZEN_ID_REGION;
    memcpy(id.birth, id.text + BIRTH_AT, 8);
    if (!citizen_id_is_day(id.birth) || (today[0] != '\0' && strcmp(id.birth, today) > 0))
        return CITIZEN_ID_BIRTH;
    if (check_sign(id.text) != id.text[SIGNS - 1])
        return CITIZEN_ID_CHECK;
    memcpy(id.region, id.text, REGION_DIGITS);
    id.sex = number_of(id.text + ORDER_AT, 3) % 2 == 1 ? 'M' : 'F';
    *out = id;
    return CITIZEN_ID_FINE;
}

const char *
citizen_id_fault_word(enum citizen_id_fault fault)
{
    static const char *const words[] = {"fine", "length", "sign", "region", "birth", "check"};

    CHECK((size_t)fault < ARRAY_LEN(words));
    return words[fault];
}
