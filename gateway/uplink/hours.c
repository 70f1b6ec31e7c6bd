/* hours.c - see hours.h. */
#include "gateway/uplink/hours.h"

#include "proto/base/text.h"

#include <string.h>
#include <time.h>

enum { LEAST_RATE = 1000, PART_BYTES = 64 };

static const uint64_t most_rate = UINT64_C(10) << 30;

static const struct {
    const char *name;
    uint64_t bytes; /* of eight, so that bits are whole numbers too */
} units[] = {
    {"B", 8},       {"KiB", 8 << 10},  {"MiB", 8 << 20},     {"GiB", UINT64_C(8) << 30},
    {"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000},
};

static int
parse_rate(const char *text, uint64_t *out, struct err *err)
{
    size_t digits = strspn(text, "0123456789");
    char number[12];
    uint64_t n;

    if (digits == 0 || digits >= sizeof number)
        return err_set(err, ERR_REJECT, "a rate is a number with its unit (KiB MiB kbit Mbit)");
    memcpy(number, text, digits);
    number[digits] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + digits, units[i].name) != 0)
            continue;
        if (text_to_u64(number, 8 * most_rate / units[i].bytes, &n) < 0 ||
            (n > 0 && n * units[i].bytes / 8 < LEAST_RATE))
            return err_set(err, ERR_REJECT, "a rate is 0B (no limit) or 1000B to 10GiB a second");
        *out = n * units[i].bytes / 8;
        return 0;
    }
    return err_set(err, ERR_REJECT, "a rate has one of the units B KiB MiB GiB kbit Mbit Gbit");
}

/* "HH:MM", 24:00 as an end. */
static int
parse_clock(const char *text, unsigned *out)
{
    uint64_t hour, minute;
    char h[3] = {text[0], '\0', '\0'}, m[3];

    if (strspn(text, "0123456789:") != 5 || text[2] != ':')
        return -1;
    h[1] = text[1];
    memcpy(m, text + 3, 2);
    m[2] = '\0';
    if (text_to_u64(h, 24, &hour) < 0 || text_to_u64(m, 59, &minute) < 0 ||
        hour * 60 + minute > HOURS_DAY_MIN)
        return -1;
    *out = (unsigned)(hour * 60 + minute);
    return 0;
}

/* "HH:MM-HH:MM RATE" */
static int
parse_span(const char *text, struct hours_span *out, struct err *err)
{
    char from[6], to[6];
    size_t blanks;

    if (strlen(text) < 13 || text[5] != '-')
        return err_set(err, ERR_REJECT, "hours are written 08:00-18:00");
    memcpy(from, text, 5);
    memcpy(to, text + 6, 5);
    from[5] = to[5] = '\0';
    blanks = strspn(text + 11, " \t");
    if (parse_clock(from, &out->from_min) < 0 || parse_clock(to, &out->to_min) < 0 || blanks == 0 ||
        out->from_min == out->to_min || out->from_min == HOURS_DAY_MIN)
        return err_set(err, ERR_REJECT, "hours are written 08:00-18:00, then a blank and the rate");
    return parse_rate(text + 11 + blanks, &out->bytes_per_s, err);
}

/* The next part before a comma, without blanks around it; NULL: too long. */
static const char *
next_part(const char *text, char part[PART_BYTES])
{
    size_t n = strcspn(text, ","), from = strspn(text, " \t");
    const char *rest = text + n + (text[n] == ',' ? 1 : 0);

    if (from > n)
        from = n;
    while (n > from && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    if (n - from >= PART_BYTES)
        return NULL;
    memcpy(part, text + from, n - from);
    part[n - from] = '\0';
    return rest;
}

int
hours_parse(const char *text, struct hours *out, struct err *err)
{
    struct hours hours = {.n = 0};
    char part[PART_BYTES];

    for (;;) {
        bool is_last = strchr(text, ',') == NULL;

        text = next_part(text, part);
        if (text == NULL)
            return err_set(err, ERR_REJECT, "too long for hours and a rate");
        if (is_last)
            break;
        if (hours.n == HOURS_SPANS)
            return err_set(err, ERR_REJECT, "at most %d spans of hours", HOURS_SPANS);
        if (parse_span(part, &hours.at[hours.n++], err) < 0)
            return -1;
    }
    if (strchr(part, ':') != NULL)
        return err_set(err, ERR_REJECT, "the last rate stands alone: it is for all other hours");
    if (parse_rate(part, &hours.otherwise, err) < 0)
        return -1;
    *out = hours;
    return 0;
}

uint64_t
hours_rate(const struct hours *hours, unsigned minute_of_day)
{
    for (size_t i = 0; i < hours->n; i++) {
        const struct hours_span *s = &hours->at[i];
        bool is_behind = minute_of_day >= s->from_min, is_before = minute_of_day < s->to_min;

        if (s->from_min < s->to_min ? is_behind && is_before : is_behind || is_before)
            return s->bytes_per_s;
    }
    return hours->otherwise;
}

unsigned
hours_minute(int64_t wall_us)
{
    time_t now = (time_t)(wall_us / 1000000);
    struct tm tm;

    localtime_r(&now, &tm);
    return (unsigned)(tm.tm_hour * 60 + tm.tm_min);
}
