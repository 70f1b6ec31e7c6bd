/* doubts.c - the table of doubts, and what one instance says of itself. */
#include "proto/model/doubts.h"

#include "proto/base/text.h"
#include "proto/model/citizen_id.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ID_BYTES = 81, SIGNS = 18, OLD_DIGITS = 15, FIRST_YEAR = 1990, LAST_YEAR = 2090 };
enum { AHEAD_DAYS = 2, OLD_DAYS = 366 };

static const struct {
    uint32_t bit;
    const char *word;
    bool holds;
} doubts[] = {
#define DOUBT(name, bit, word, holds, en, zh) {1u << (bit), word, holds},
#include "proto/model/doubts.def"
#undef DOUBT
};

const char *
doubt_word(uint32_t bit)
{
    for (size_t i = 0; i < ARRAY_LEN(doubts); i++)
        if (doubts[i].bit == bit)
            return doubts[i].word;
    return NULL;
}

static uint32_t
find_word(const char *word, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(doubts); i++)
        if (strlen(doubts[i].word) == n && memcmp(doubts[i].word, word, n) == 0)
            return doubts[i].bit;
    return 0;
}

uint32_t
doubt_of_word(const char *word)
{
    return find_word(word, strlen(word));
}

uint32_t
doubts_that_hold(uint32_t bits)
{
    uint32_t held = 0;

    for (size_t i = 0; i < ARRAY_LEN(doubts); i++)
        if (doubts[i].holds)
            held |= bits & doubts[i].bit;
    return held;
}

bool
doubts_words_hold(const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        uint32_t bit = find_word(words, n);

        if (n > 0 && (bit == 0 || doubts_that_hold(bit) != 0))
            return true;
        words += n + (words[n] == ' ');
    }
    return false;
}

static bool
has_word(const char *words, const char *word, size_t n)
{
    while (*words != '\0') {
        size_t k = strcspn(words, " ");

        if (k == n && memcmp(words, word, n) == 0)
            return true;
        words += k + (words[k] == ' ');
    }
    return false;
}

bool
doubts_are_open(const char *words, const char *confirmed)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        uint32_t bit = find_word(words, n);

        if (n > 0 && (bit == 0 || doubts_that_hold(bit) != 0) && !has_word(confirmed, words, n))
            return true;
        words += n + (words[n] == ' ');
    }
    return false;
}

void
doubts_write(uint32_t bits, char out[DOUBT_WORDS_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(doubts); i++) {
        size_t k = strlen(doubts[i].word);

        if ((bits & doubts[i].bit) == 0)
            continue;
        CHECK(n + k + 2 <= DOUBT_WORDS_BYTES);
        if (n > 0)
            out[n++] = ' ';
        memcpy(out + n, doubts[i].word, k);
        n += k;
    }
    out[n] = '\0';
}

uint32_t
doubts_read(const char *words)
{
    uint32_t bits = 0;

    while (*words != '\0') {
        size_t n = strcspn(words, " ");

        bits |= find_word(words, n);
        words += n + (words[n] == ' ');
    }
    return bits;
}

void
doubts_json(struct jsonw *w, const char *key, uint32_t bits)
{
    jsonw_array(w, key);
    for (size_t i = 0; i < ARRAY_LEN(doubts); i++)
        if (bits & doubts[i].bit)
            jsonw_text(w, NULL, doubts[i].word);
    jsonw_end(w);
}

/* ---- what one instance says ---- */

/* As it is typed at a device: blanks and hyphens out, full width to narrow, upper case. */
static void
squeeze(const char *typed, char out[ID_BYTES])
{
    char narrow[ID_BYTES];
    size_t n = 0;

    if (!text_narrow(narrow, sizeof narrow, typed)) {
        out[0] = '?'; /* longer than any number: not a placeholder, not a citizen's */
        out[1] = '\0';
        return;
    }
    for (const char *p = narrow; *p != '\0'; p++)
        if (!isspace((uint8_t)*p) && *p != '-')
            out[n++] = (char)toupper((uint8_t)*p);
    out[n] = '\0';
}

bool
doubts_is_placeholder(const char *patient_id)
{
    static const char *const words[] = {
        "",        "UNKNOWN", "UNNAMED", "NONE",     "NULL",     "NA",   "N/A",    "TEST",
        "TESTING", "PATIENT", "NONAME",  "NOID",     "NOPID",    "ID",   "ANONYM", "ANON",
        "未知",    "无",      "无名",    "无名氏",   "不详",     "测试", "急诊",   "病人",
        "患者",    "123456",  "1234567", "12345678", "123456789"};
    char id[ID_BYTES];
    size_t same;

    squeeze(patient_id, id);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(id, words[i]) == 0)
            return true;
    same = 1;
    while (id[same] == id[0])
        same++;
    return id[same] == '\0' && (ispunct((uint8_t)id[0]) || strchr("019X", id[0]) != NULL);
}

/* Of a citizen number's form: nobody numbers patients so by accident. */
static bool
has_citizen_form(const char *id)
{
    size_t n = strlen(id), digits = strspn(id, "0123456789");

    if (n == SIGNS)
        return digits == SIGNS || (digits == SIGNS - 1 && id[digits] == 'X');
    return n == OLD_DIGITS && digits == OLD_DIGITS;
}

static uint32_t
of_citizen_number(const struct doubts_seen *seen)
{
    char id[ID_BYTES], birth[ID_BYTES];
    struct citizen_id read;
    uint32_t found = 0;

    squeeze(seen->patient_id, id);
    if (!has_citizen_form(id))
        return 0;
    if (citizen_id_read(id, "", &read) != CITIZEN_ID_FINE)
        /* fifteen digits may be the clinic's own number */
        return strlen(id) == SIGNS ? DOUBT_ID_CHECK : 0;
    squeeze(seen->birth, birth);
    if ((seen->sex[0] == 'M' || seen->sex[0] == 'F') && seen->sex[0] != read.sex)
        found |= DOUBT_ID_SEX;
    if (birth[0] != '\0' && strcmp(birth, read.birth) != 0)
        found |= DOUBT_ID_BIRTH;
    return found;
}

/* Days since 1970-01-01 of a day of the calendar. */
static int64_t
day_number(const char *day)
{
    struct tm tm = {0};

    tm.tm_year = (day[0] - '0') * 1000 + (day[1] - '0') * 100 + (day[2] - '0') * 10 + day[3] - '0';
    tm.tm_mon = (day[4] - '0') * 10 + day[5] - '0' - 1;
    tm.tm_mday = (day[6] - '0') * 10 + day[7] - '0';
    tm.tm_year -= 1900;
    return (int64_t)timegm(&tm) / 86400;
}

static uint32_t
of_study_date(const struct doubts_seen *seen)
{
    const int64_t day_us = INT64_C(86400) * 1000000;
    char day[ID_BYTES];
    int64_t age;
    int year;

    squeeze(seen->study_date, day);
    if (strlen(day) == 10 && day[4] == '.' && day[7] == '.') { /* ACR-NEMA's YYYY.MM.DD */
        memmove(day + 4, day + 5, 2);
        memmove(day + 6, day + 8, 3);
    }
    if (day[0] == '\0')
        return 0;
    if (!citizen_id_is_day(day))
        return DOUBT_STUDY_DATE;
    year = (day[0] - '0') * 1000 + (day[1] - '0') * 100 + (day[2] - '0') * 10 + day[3] - '0';
    if (year < FIRST_YEAR || year > LAST_YEAR)
        return DOUBT_STUDY_DATE;
    if (seen->now_us == 0)
        return 0;
    age = seen->now_us / day_us - day_number(day);
    if (age < -AHEAD_DAYS)
        return DOUBT_STUDY_DATE;
    return age > OLD_DAYS && !seen->is_old_welcome ? DOUBT_STUDY_OLD : 0;
}

uint32_t
doubts_of_instance(const struct doubts_seen *seen)
{
    uint32_t found = of_citizen_number(seen) | of_study_date(seen);

    if (doubts_is_placeholder(seen->patient_id))
        found |= DOUBT_NO_PATIENT;
    if (!uid_is_valid(seen->study_uid, false) || !uid_is_valid(seen->series_uid, false))
        found |= DOUBT_BAD_UID;
    if (seen->is_uid_made)
        found |= DOUBT_BAD_UID | DOUBT_MADE_UID;
    if (seen->is_text_broken)
        found |= DOUBT_TEXT;
    return found;
}
