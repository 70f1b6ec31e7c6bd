/* worklist_match.c - an order's values as devices are told them, and whether they fit the keys. */
#include "gateway/desk/worklist_query.h"

#include "proto/base/text.h"
#include "proto/dicom/dimse_match.h"
#include "proto/dicom/pinyin.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP 0x00400100u /* Scheduled Procedure Step Sequence */
enum {
    TAG_MODALITY = 0x00080060,
    TAG_STATION = 0x00400001,
    TAG_DATE = 0x00400002,
    TAG_TIME = 0x00400003,
    TAG_STEP_ID = 0x00400009,
    TAG_ACCESSION = 0x00080050,
    TAG_PATIENT = 0x00100020,
    VALUE_BYTES = 8192
};
static const int64_t minute_us = INT64_C(60) * 1000000, day_us = INT64_C(86400) * 1000000;
enum {
    LINGER_MINUTES = 10, /* with its images here, an order is over; a moment for one view more */
    OPEN_DAYS = 2,       /* a registration waits for images (book_match.c) */
    AHEAD_DAYS = 7,
    FAR_DAYS = 60 /* where a day is asked for */
};

/* A machine for plain films calls itself DX, CR or, on old ones, DR. */
static const char *
modality_kind(const char *word)
{
    return strcmp(word, "CR") == 0 || strcmp(word, "DR") == 0 ? "DX" : word;
}

static bool
is_modality_of(const char *modality, const char *list)
{
    char one[WORKLIST_MODALITY_SIZE];

    for (const char *at = list;; at++) {
        size_t n = strcspn(at, "+\\, ");

        if (n > 0 && n < sizeof one) {
            memcpy(one, at, n);
            one[n] = '\0';
            if (strcmp(modality_kind(one), modality_kind(modality)) == 0)
                return true;
        }
        at += n;
        if (*at == '\0')
            return false;
    }
}

/* The device's word for it, where it has one. */
static void
tell_modality(const struct order *o, const struct worklist_query *q, const struct worklist_asker *a,
              char *out, size_t size)
{
    const char *asked = worklist_query_value(q, STEP, TAG_MODALITY), *from = a->modality;
    size_t n;

    if (asked[0] != '\0' && strpbrk(asked, "*?\\") == NULL &&
        (o->modality[0] == '\0' || is_modality_of(o->modality, asked)))
        from = asked;
    else if (o->modality[0] != '\0')
        from = o->modality;
    n = strcspn(from, "+");
    snprintf(out, size, "%.*s", (int)n, from);
    if (out[0] == '\0')
        (void)text_copy(out, size, "OT");
}

static void
local_time(int64_t at_us, const char *format, char *out, size_t size)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm;

    localtime_r(&at, &tm);
    if (strftime(out, size, format, &tm) == 0)
        out[0] = '\0';
}

/* Whole years, as 045Y; months below two years. */
static void
tell_age(const struct order *o, char *out, size_t size)
{
    char today[9];
    uint64_t born, now;
    int64_t months;

    local_time(o->scheduled_at_us, "%Y%m%d", today, sizeof today);
    if (text_to_u64(o->birth, 99999999, &born) < 0 || text_to_u64(today, 99999999, &now) < 0 ||
        now < born)
        return;
    months = ((int64_t)(now / 10000) - (int64_t)(born / 10000)) * 12 + (int64_t)(now / 100 % 100) -
             (int64_t)(born / 100 % 100) - (now % 100 < born % 100 ? 1 : 0);
    snprintf(out, size, months < 24 ? "%03" PRId64 "M" : "%03" PRId64 "Y",
             months < 24 ? months : months / 12);
}

static void
tell_decimal(uint32_t thousandths, char *out, size_t size)
{
    if (thousandths > 0)
        snprintf(out, size, "%u.%03u", thousandths / 1000, thousandths % 1000);
}

/* 1C: a description or a code is due (PS3.4 K.6.1.2.2); where nobody gave one, the modality. */
static void
tell_description(const struct order *o, char *out, size_t size)
{
    const char *words = o->description[0] != '\0' ? o->description : o->code_meaning;

    if (words[0] != '\0')
        (void)text_copy(out, size, words);
    else
        snprintf(out, size, "%s检查", o->modality);
}

static void
tell_code(const struct order *o, enum worklist_value which, char *out, size_t size)
{
    const char *meaning = o->code_meaning[0] != '\0' ? o->code_meaning : o->description;

    if (o->code[0] == '\0')
        return;
    (void)text_copy(out, size,
                    which == WL_CODE          ? o->code
                    : which == WL_CODE_SCHEME ? (o->code_scheme[0] != '\0' ? o->code_scheme : "L")
                    : meaning[0] != '\0'      ? meaning
                                              : o->code);
}

/* What stands in the order as it is told; NULL: made below. */
static const char *
plain_value(const struct order *o, enum worklist_value which)
{
    switch (which) {
    case WL_ACCESSION:
        return o->accession;
    case WL_REFERRING:
        return o->referring;
    case WL_NAME:
        return o->name;
    case WL_PATIENT_ID:
        return o->patient_id;
    case WL_BIRTH:
        return o->birth;
    case WL_SEX:
        return o->sex;
    case WL_COMPLAINT:
        return o->complaint;
    case WL_HISTORY:
        return o->history;
    case WL_STUDY:
        return o->study;
    case WL_DEPARTMENT:
        return o->department;
    case WL_PROCEDURE_ID:
        return o->procedure_id;
    case WL_PLACER:
        return strcmp(o->source, "desk") == 0 ? "" : o->placer;
    case WL_STEP_STATUS:
        return o->state == ORDER_IN_PROGRESS ? "STARTED" : "SCHEDULED";
    case WL_PRIORITY:
        return o->is_urgent ? "STAT" : "ROUTINE";
    default:
        return NULL;
    }
}

void
worklist_value(const struct order *order, const struct worklist_query *query,
               const struct worklist_asker *asker, enum worklist_value which, char *out,
               size_t size)
{
    const char *plain = plain_value(order, which);

    out[0] = '\0';
    if (plain != NULL)
        (void)text_copy(out, size, plain);
    else if (which == WL_AGE)
        tell_age(order, out, size);
    else if (which == WL_WEIGHT)
        tell_decimal(order->weight_g, out, size);
    else if (which == WL_HEIGHT)
        tell_decimal(order->height_mm, out, size);
    else if (which == WL_DESCRIPTION)
        tell_description(order, out, size);
    else if (which == WL_CODE || which == WL_CODE_SCHEME || which == WL_CODE_MEANING)
        tell_code(order, which, out, size);
    else if (which == WL_MODALITY)
        tell_modality(order, query, asker, out, size);
    else if (which == WL_STATION)
        (void)text_copy(out, size, order->station[0] != '\0' ? order->station : asker->ae);
    else if (which == WL_DATE)
        local_time(order->scheduled_at_us, "%Y%m%d", out, size);
    else if (which == WL_TIME)
        local_time(order->scheduled_at_us, "%H%M%S", out, size);
    else if (which == WL_STEP_ID)
        order_step_id(order, out);
}

/* ---- matching ---- */

static void
lower(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; *text != '\0' && n + 1 < size; text++)
        out[n++] = (char)tolower((uint8_t)*text);
    out[n] = '\0';
}

static bool
fits_text(const char *key, const char *value)
{
    char k[VALUE_BYTES], v[VALUE_BYTES];

    lower(key, k, sizeof k);
    lower(value, v, sizeof v);
    return dimse_match_text(k, v);
}

/* Each group of the key that says anything fits the name as written or its pinyin. */
static bool
fits_name(const char *key, const char *name, const char *pinyin)
{
    char group[VALUE_BYTES], k[VALUE_BYTES], written[VALUE_BYTES], latin[VALUE_BYTES];

    pinyin_fold(name, written, sizeof written);
    pinyin_fold(pinyin, latin, sizeof latin);
    for (const char *at = key;; at++) {
        size_t n = strcspn(at, "=");

        if (n >= sizeof group)
            return false;
        memcpy(group, at, n);
        group[n] = '\0';
        pinyin_fold(group, k, sizeof k);
        if (dimse_key_asks(k) && !dimse_match_text(k, written) && !dimse_match_text(k, latin))
            return false;
        at += n;
        if (*at == '\0')
            return true;
    }
}

static bool
fits_range(const char *key, bool is_day, const char *value)
{
    struct dimse_range range;

    return dimse_range_read(key, is_day, &range) && dimse_range_holds(&range, is_day, value);
}

/* Day and time of the step: two ranges are one, from the first day's time to the last day's
 * (PS3.4 K.6.1.2.2). */
static bool
fits_step_time(const struct worklist_query *q, const char *day, const char *time)
{
    const char *days = worklist_query_value(q, STEP, TAG_DATE);
    const char *times = worklist_query_value(q, STEP, TAG_TIME);
    struct dimse_range d, t;
    int from, to;

    if (!dimse_key_asks(days))
        return !dimse_key_asks(times) || fits_range(times, false, time);
    if (!fits_range(days, true, day) || !dimse_key_asks(times))
        return fits_range(days, true, day);
    if (strchr(days, '-') == NULL || strchr(times, '-') == NULL ||
        !dimse_range_read(days, true, &d) || !dimse_range_read(times, false, &t))
        return fits_range(times, false, time);
    from = strcmp(day, d.from);
    to = d.to[0] != '\0' ? strcmp(day, d.to) : -1;
    return (from > 0 || d.from[0] == '\0' || strcmp(time, t.from) >= 0) &&
           (to < 0 || t.to[0] == '\0' || strcmp(time, t.to) <= 0);
}

static bool
fits_station(const struct order *o, const char *key)
{
    return o->station[0] == '\0' || fits_text(key, o->station);
}

static bool
fits_modality(const struct order *o, const char *key)
{
    return o->modality[0] == '\0' || is_modality_of(o->modality, key) ||
           fits_text(key, o->modality);
}

static bool
fits_key(const struct order *o, const struct worklist_query *q, const struct worklist_asker *a,
         const struct worklist_key *row, const char *key)
{
    char value[VALUE_BYTES];

    if (row->value == WL_MODALITY)
        return fits_modality(o, key);
    if (row->value == WL_STATION)
        return fits_station(o, key);
    if (row->value == WL_DATE || row->value == WL_TIME)
        return true; /* together: fits_step_time() */
    if (row->value == WL_NAME)
        return fits_name(key, o->name, o->pinyin);
    worklist_value(o, q, a, row->value, value, sizeof value);
    if (strcmp(row->vr, "PN") == 0)
        return fits_name(key, value, value);
    if (strcmp(row->vr, "UI") == 0)
        return dimse_match_list(key, value);
    if (strcmp(row->vr, "DA") == 0)
        return fits_range(key, true, value);
    if (strcmp(row->vr, "LT") == 0 || strcmp(row->vr, "US") == 0)
        return true;
    return fits_text(key, value);
}

static bool
fits_keys(const struct order *o, const struct worklist_query *q, const struct worklist_asker *a)
{
    for (size_t i = 0; i < q->n; i++) {
        if (q->asked[i].is_sequence || !dimse_key_asks(q->asked[i].value))
            continue;
        for (size_t k = 0; k < worklist_key_count; k++) {
            const struct worklist_key *row = &worklist_keys[k];

            if (row->tag == q->asked[i].tag && row->sequence == q->asked[i].sequence &&
                row->inner == q->asked[i].inner && !fits_key(o, q, a, row, q->asked[i].value))
                return false;
        }
    }
    return true;
}

static bool
is_exact(const struct worklist_query *q, uint32_t sequence, uint32_t tag)
{
    const char *value = worklist_query_value(q, sequence, tag);

    return value[0] != '\0' && strpbrk(value, "*?") == NULL;
}

static bool
asks_by_number(const struct worklist_query *q)
{
    return is_exact(q, 0, TAG_ACCESSION) || is_exact(q, 0, TAG_PATIENT) ||
           is_exact(q, STEP, TAG_STEP_ID);
}

bool
worklist_is_stale(const struct order *o, int64_t now_us)
{
    if (o->state == ORDER_IN_PROGRESS)
        return now_us - o->changed_at_us > day_us;
    return o->attached[0] != '\0' && /* also when a clock that was ahead dated them */
           llabs(now_us - o->arrived_at_us) > LINGER_MINUTES * minute_us;
}

bool
worklist_matches(const struct order *order, const struct worklist_query *query,
                 const struct worklist_asker *asker, int64_t now_us)
{
    char day[16], time[16];

    if (order->state != ORDER_SCHEDULED && order->state != ORDER_IN_PROGRESS)
        return false;
    if (order->station[0] != '\0' && strcmp(order->station, asker->ae) != 0)
        return false;
    if (asker->modality[0] != '\0' && order->modality[0] != '\0' &&
        !is_modality_of(order->modality, asker->modality))
        return false;
    local_time(order->scheduled_at_us, "%Y%m%d", day, sizeof day);
    local_time(order->scheduled_at_us, "%H%M%S", time, sizeof time);
    return fits_step_time(query, day, time) && fits_keys(order, query, asker) &&
           (asks_by_number(query) || !worklist_is_stale(order, now_us));
}

/* Midnight there begins this day, or the one after it. */
static int64_t
midnight_us(const char *day, int days_on)
{
    struct tm tm = {.tm_isdst = -1};
    uint64_t n = 0;

    if (text_to_u64(day, 99999999, &n) < 0)
        return 0; /* vetted: dimse_range_read() */
    tm.tm_year = (int)(n / 10000) - 1900;
    tm.tm_mon = (int)(n / 100 % 100) - 1;
    tm.tm_mday = (int)(n % 100) + days_on;
    return (int64_t)mktime(&tm) * 1000000;
}

/* To the days that are asked for. */
static void
narrow(const char *days, int64_t *io_from_us, int64_t *io_to_us)
{
    struct dimse_range range;
    int64_t us;

    if (!dimse_range_read(days, true, &range))
        return;
    if (range.from[0] != '\0' && (us = midnight_us(range.from, 0)) > *io_from_us)
        *io_from_us = us;
    if (range.to[0] != '\0' && (us = midnight_us(range.to, 1) - 1) < *io_to_us)
        *io_to_us = us;
}

void
worklist_window(const struct worklist_query *query, int64_t now_us, int64_t *out_from_us,
                int64_t *out_to_us)
{
    const char *days = worklist_query_value(query, STEP, TAG_DATE);
    bool is_far = dimse_key_asks(days) || is_exact(query, 0, TAG_ACCESSION) ||
                  is_exact(query, 0, TAG_PATIENT);

    *out_from_us = now_us - (is_far ? FAR_DAYS : OPEN_DAYS) * day_us;
    *out_to_us = now_us + (is_far ? FAR_DAYS : AHEAD_DAYS) * day_us;
    if (dimse_key_asks(days))
        narrow(days, out_from_us, out_to_us);
}
