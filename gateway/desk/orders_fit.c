/* orders_fit.c - what a source says of an order, made fit. */
#include "gateway/desk/orders_fit.h"

#include "proto/base/text.h"
#include "proto/base/unseen.h"
#include "proto/model/citizen_id.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DIGITS "0123456789"

static bool
is_made_of(const char *text, const char *signs)
{
    return text[strspn(text, signs)] == '\0';
}

static bool
is_plain_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text > 0x7E || *text == '\\')
            return false;
    return true;
}

/* A letter, a digit, or a sign beyond ASCII: dashes and dots alone name nobody. */
static bool
says_something(const char *text)
{
    for (; *text != '\0'; text++)
        if (isalnum((uint8_t)*text) || (uint8_t)*text >= 0x80)
            return true;
    return false;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"

int
order_check(const struct order *o, struct err *err)
{
    if (o->source[0] == '\0' || !is_made_of(o->source, LOWER "_0123456789"))
        return err_set(err, ERR_REJECT, "source: a word is due");
    if (!says_something(o->placer) || !is_plain_ascii(o->placer))
        return err_set(err, ERR_REJECT, "placer: the source's own number is due, ASCII");
    if (!says_something(o->name) || strpbrk(o->name, "\r\n") != NULL)
        return err_set(err, ERR_REJECT, "name: one line is due");
    if (!is_plain_ascii(o->accession) || !is_plain_ascii(o->patient_id))
        return err_set(err, ERR_REJECT, "accession and patient_id: ASCII without backslashes");
    if (!is_plain_ascii(o->procedure_id) || !is_plain_ascii(o->station))
        return err_set(err, ERR_REJECT, "procedure_id and station: ASCII");
    if (!is_made_of(o->modality, UPPER))
        return err_set(err, ERR_REJECT, "modality: DX, CT, MR, US ... or nothing");
    if (o->study[0] != '\0' && !uid_is_valid(o->study, true))
        return err_set(err, ERR_REJECT, "study: not a UID");
    return 0;
}

void
order_tidy(struct order *o)
{
    char phone[CLINIC_PHONE_SIZE];
    struct citizen_id id;
    struct err ignored;

    unseen_drop(o->name); /* devices would be told '?' */
    if (citizen_id_read(o->citizen_id, "", &id) == CITIZEN_ID_FINE) {
        (void)text_copy(o->citizen_id, sizeof o->citizen_id, id.text);
        (void)text_copy(o->birth, sizeof o->birth, o->birth[0] != '\0' ? o->birth : id.birth);
        if (o->sex[0] == '\0')
            o->sex[0] = id.sex;
    } else {
        o->citizen_id[0] = '\0';
    }
    if (!citizen_id_is_day(o->birth))
        o->birth[0] = '\0';
    if (!is_plain_ascii(o->pinyin)) /* made from the name */
        o->pinyin[0] = '\0';
    if (!is_plain_ascii(o->code) || !is_plain_ascii(o->code_scheme)) /* the words remain */
        o->code[0] = o->code_scheme[0] = '\0';
    if (strchr("MFO", o->sex[0]) == NULL)
        o->sex[0] = '\0';
    if (o->phone[0] != '\0' && clinic_phone_read(o->phone, phone, &ignored) == 0)
        (void)text_copy(o->phone, sizeof o->phone, phone);
    else
        o->phone[0] = '\0';
}

bool
order_modality_mend(char *modality)
{
    for (char *at = modality; *at != '\0'; at++)
        *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    if (is_made_of(modality, UPPER))
        return true;
    modality[0] = '\0';
    return false;
}

/* A number of so many digits, and on behind it; -1: none. */
static int
take_number(const char **io_at, size_t least, size_t most)
{
    size_t n = strspn(*io_at, DIGITS);
    int v = 0;

    if (n < least)
        return -1;
    for (size_t i = 0; i < n && i < most; i++)
        v = v * 10 + *(*io_at)++ - '0';
    return v;
}

static bool
take_sign(const char **io_at, const char *signs)
{
    bool is = **io_at != '\0' && strchr(signs, **io_at) != NULL;

    *io_at += is;
    return is;
}

/* Year, month, day: of one piece, or parted by one and the same sign. */
static bool
take_day(const char **io_at, char out[9])
{
    const char *at = *io_at;
    int year = take_number(&at, 4, 4), month, day;
    char joint[2] = {*at, '\0'}, text[40];
    bool is_parted = take_sign(&at, "-/.");

    month = take_number(&at, is_parted ? 1 : 2, 2);
    if (is_parted && !take_sign(&at, joint))
        return false;
    day = take_number(&at, is_parted ? 1 : 2, 2);
    snprintf(text, sizeof text, "%04d%02d%02d", year, month, day);
    if (!citizen_id_is_day(text))
        return false;
    (void)text_copy(out, 9, text);
    *io_at = at;
    return true;
}

bool
order_day_read(const char *text, char out[9])
{
    const char *at = text;
    char day[9];

    if (!take_day(&at, day) || (*at != '\0' && strchr("T " DIGITS, *at) == NULL))
        return false;
    memcpy(out, day, sizeof day);
    return true;
}

/* Hours, and perhaps minutes, seconds and a fraction. */
static bool
take_hours(const char **io_at, struct tm *tm)
{
    static const int most[] = {23, 59, 60};
    int v[3] = {0}, n = 0;
    bool is_parted = false;

    do {
        v[n] = take_number(io_at, is_parted || (*io_at)[1] == ':' ? 1 : 2, 2);
        if (v[n] < 0 || v[n] > most[n])
            return false;
        is_parted = ++n < 3 && take_sign(io_at, ":");
    } while (n < 3 && (is_parted || strspn(*io_at, DIGITS) > 0));
    if (take_sign(io_at, ".,"))
        *io_at += strspn(*io_at, DIGITS);
    tm->tm_hour = v[0];
    tm->tm_min = v[1];
    tm->tm_sec = v[2];
    return true;
}

/* Minutes that the zone is ahead of UTC. */
static bool
take_zone(const char **io_at, int *out_minutes)
{
    bool is_behind = **io_at == '-';
    int h, m = 0;

    *out_minutes = 0;
    if (take_sign(io_at, "Zz"))
        return true;
    if (!take_sign(io_at, "+-") || (h = take_number(io_at, 2, 2)) < 0)
        return false;
    if (take_sign(io_at, ":") || strspn(*io_at, DIGITS) > 0)
        m = take_number(io_at, 2, 2);
    *out_minutes = (is_behind ? -1 : 1) * (h * 60 + m);
    return h <= 14 && m >= 0 && m <= 59;
}

bool
order_time_read(const char *text, int64_t *out_us)
{
    const char *at = text + strspn(text, " ");
    struct tm tm = {.tm_isdst = -1};
    char day[9];
    int minutes;

    if (!take_day(&at, day) || strcmp(day, "20000101") < 0 || strcmp(day, "21010101") >= 0)
        return false;
    (void)sscanf(day, "%4d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    at += strspn(at, "T ");
    if (strspn(at, DIGITS) > 0 && !take_hours(&at, &tm))
        return false;
    at += strspn(at, " ");
    if (*at == '\0') {
        *out_us = (int64_t)mktime(&tm) * 1000000;
        return true;
    }
    if (!take_zone(&at, &minutes) || at[strspn(at, " ")] != '\0')
        return false;
    *out_us = ((int64_t)timegm(&tm) - minutes * INT64_C(60)) * 1000000;
    return true;
}

void
order_give_reason(struct order *o)
{
    const char *words = strcmp(o->source, "centre") == 0
                            ? "中心标为加急，未注明原因 / marked urgent by the centre"
                            : "医院信息系统标为加急，未注明原因 / marked urgent by the HIS";

    if (o->is_urgent && o->reason[0] == '\0')
        (void)text_copy(o->reason, sizeof o->reason, words);
}
