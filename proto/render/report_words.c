/* report_words.c - values as the words of a report. */
#include "proto/render/report_words.h"

#include "proto/base/text.h"
#include "proto/render/report_pdf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
report_pdf_person_name(const char *pn, char *out, size_t size)
{
    const char *group = pn != NULL ? pn : "", *end;
    size_t n = 0;
    bool is_wide, was_wide = true;

    if (size == 0)
        return;
    end = strchr(group, '=');
    if (end != NULL && end[1] != '\0' && end[1] != '=')
        group = end + 1; /* PS3.5 6.2.1.2: alphabetic=ideographic=phonetic */
    end = group + strcspn(group, "=");
    out[0] = '\0';
    for (const char *p = group; p < end; p++) {
        is_wide = (unsigned char)*p >= 0x80;
        if (*p == '^' || *p == ' ') {
            if (n > 0 && !was_wide && n + 1 < size && out[n - 1] != ' ')
                out[n++] = ' ';
            continue;
        }
        if (n + 1 >= size)
            break;
        out[n++] = *p;
        was_wide = is_wide;
    }
    /* Never half a character, never a blank at the end. */
    while (n > 0 && (out[n - 1] == ' ' || !text_is_utf8(out, n)))
        n--;
    out[n] = '\0';
}

bool
words_are_said(const char *text)
{
    return text != NULL && text[strspn(text, " \t\r\n")] != '\0';
}

/* Line ends as \n, without other control characters and without blanks at the end. */
char *
words_clean(const char *text)
{
    char *out = mem_text(text != NULL ? text : "");
    size_t n = 0;

    for (const char *p = out; *p != '\0'; p++)
        if (*p == '\r' && p[1] == '\n')
            continue;
        else if (*p == '\r')
            out[n++] = '\n';
        else if ((unsigned char)*p >= 0x20 || *p == '\n')
            out[n++] = *p;
        else
            out[n++] = ' ';
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\n'))
        n--;
    out[n] = '\0';
    return out;
}

/* 20261122, 093005.12 > 2026-11-22 09:30; anything else as it is. */
void
words_of_date(const char *date, const char *time, char *out, size_t size)
{
    if (!words_are_said(date)) {
        (void)text_copy(out, size, "");
        return;
    }
    if (strlen(date) == 8 && strspn(date, "0123456789") == 8)
        (void)snprintf(out, size, "%.4s-%.2s-%.2s", date, date + 4, date + 6);
    else
        (void)snprintf(out, size, "%.20s", date);
    if (words_are_said(time) && strspn(time, "0123456789") >= 4) {
        size_t n = strlen(out);

        (void)snprintf(out + n, size - n, " %.2s:%.2s", time, time + 2);
    }
}

/* 045Y > 45岁 (PS3.5 AS); anything else as it is. */
void
words_of_age(const char *age, char *out, size_t size)
{
    static const char units[] = "YMWD";
    static const char *const words[] = {"岁", "个月", "周", "天"};
    const char *unit;

    if (words_are_said(age) && strlen(age) == 4 && strspn(age, "0123456789") == 3 &&
        (unit = strchr(units, age[3])) != NULL && *unit != '\0')
        (void)snprintf(out, size, "%ld%s", strtol(age, NULL, 10), words[unit - units]);
    else
        (void)text_copy(out, size, words_are_said(age) ? age : "");
}

const char *
words_of_sex(const char *sex)
{
    if (!words_are_said(sex))
        return "";
    if (strcmp(sex, "M") == 0)
        return "男";
    if (strcmp(sex, "F") == 0)
        return "女";
    return strcmp(sex, "O") == 0 ? "其他" : sex;
}

/* 2026-11-22 09:30 (UTC+08:00): local to the process, and said so. */
void
words_of_moment(int64_t at_us, char *out, size_t size)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm;
    char text[32];
    long minutes;

    out[0] = '\0';
    if (at_us <= 0 || localtime_r(&at, &tm) == NULL)
        return;
    (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    minutes = labs(tm.tm_gmtoff) / 60;
    (void)snprintf(out, size, "%s (UTC%c%02ld:%02ld)", text, tm.tm_gmtoff < 0 ? '-' : '+',
                   minutes / 60, minutes % 60);
}

void
words_of_moment_utc(int64_t at_us, char *out, size_t size)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm;

    out[0] = '\0';
    if (gmtime_r(&at, &tm) != NULL)
        (void)strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
