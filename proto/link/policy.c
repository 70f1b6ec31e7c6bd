/* policy.c - how the centre wants a gateway to behave, as JSON. */
#include "proto/link/policy.h"

#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUIET_LEAST_MS = 1000, QUIET_MOST_MS = 3600000 };
#define RATE_MOST UINT64_C(1000000000000)

static void
write_minute(struct jsonw *w, const char *key, unsigned minute)
{
    char text[16];

    snprintf(text, sizeof text, "%02u:%02u", minute / 60, minute % 60);
    jsonw_text(w, key, text);
}

void
link_policy_write(struct jsonw *w, const char *key, const struct link_policy *policy)
{
    jsonw_object(w, key);
    jsonw_int(w, "quiet_ms", policy->quiet_ms);
    if (policy->rates_n > 0) {
        jsonw_array(w, "rates");
        for (size_t i = 0; i < policy->rates_n; i++) {
            jsonw_object(w, NULL);
            write_minute(w, "from", policy->rates[i].from_min);
            write_minute(w, "to", policy->rates[i].to_min);
            jsonw_uint(w, "bytes_per_s", policy->rates[i].bytes_per_s);
            jsonw_end(w);
        }
        jsonw_end(w);
    }
    if (policy->upgrade_version[0] != '\0') {
        jsonw_object(w, "upgrade");
        jsonw_text(w, "version", policy->upgrade_version);
        jsonw_text(w, "text", policy->upgrade_text);
        jsonw_text(w, "url", policy->upgrade_url);
        jsonw_end(w);
    }
    if (policy->least_version[0] != '\0')
        jsonw_text(w, "least_version", policy->least_version);
    jsonw_end(w);
}

/* "08:00" */
static int
read_minute(const struct json *o, const char *key, uint16_t *out, struct err *err)
{
    uint64_t h, m;
    const char *text;
    char hour[3] = "";

    if (json_text(o, key, 5, &text, err) < 0)
        return -1;
    if (strlen(text) == 5 && text[2] == ':') {
        memcpy(hour, text, 2);
        if (text_to_u64(hour, 23, &h) == 0 && text_to_u64(text + 3, 59, &m) == 0) {
            *out = (uint16_t)(h * 60 + m);
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, "%s: a time like 08:00 is due", key);
}

static int
read_rates(const struct json *v, struct link_policy *out, struct err *err)
{
    const struct json *list;

    if (json_is_null(json_find(v, "rates")))
        return 0;
    if (json_list(v, "rates", LINK_RATES, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_length(list); i++) {
        struct link_rate *rate = &out->rates[i];

        if (read_minute(json_at(list, i), "from", &rate->from_min, err) < 0 ||
            read_minute(json_at(list, i), "to", &rate->to_min, err) < 0 ||
            json_u64(json_at(list, i), "bytes_per_s", RATE_MOST, &rate->bytes_per_s, err) < 0)
            return err_context(err, "rates %zu", i);
    }
    out->rates_n = json_length(list);
    return 0;
}

/* A text that may be absent; words for people, so no control characters but line ends. */
static int
read_words(const struct json *o, const char *key, char *out, size_t size, struct err *err)
{
    const char *text;

    if (json_is_null(json_find(o, key)))
        return 0;
    if (json_text(o, key, size - 1, &text, err) < 0)
        return -1;
    for (const uint8_t *p = (const uint8_t *)text; *p != 0; p++)
        if ((*p < 0x20 && *p != '\n') || *p == 0x7F)
            return err_set(err, ERR_REJECT, "%s: no control characters", key);
    text_copy(out, size, text);
    return 0;
}

int
link_policy_read(const struct json *v, struct link_policy *out, struct err *err)
{
    const struct json *upgrade = json_find(v, "upgrade");
    struct link_policy policy = {0};
    uint64_t quiet = 0;

    if (!json_is_null(json_find(v, "quiet_ms")) &&
        json_u64(v, "quiet_ms", QUIET_MOST_MS, &quiet, err) < 0)
        goto out;
    policy.quiet_ms = (int64_t)quiet;
    if (quiet != 0 && quiet < QUIET_LEAST_MS) { /* each image would become a list of its own */
        err_set(err, ERR_REJECT, "quiet_ms: %d at least", QUIET_LEAST_MS);
        goto out;
    }
    if (read_rates(v, &policy, err) < 0 ||
        read_words(upgrade, "version", policy.upgrade_version, LINK_VERSION_SIZE, err) < 0 ||
        read_words(upgrade, "text", policy.upgrade_text, LINK_NOTICE_SIZE, err) < 0 ||
        read_words(upgrade, "url", policy.upgrade_url, LINK_URL_SIZE, err) < 0 ||
        read_words(v, "least_version", policy.least_version, LINK_VERSION_SIZE, err) < 0)
        goto out;
    *out = policy;
    return 0;
out:
    return err_context(err, "policy");
}

bool
link_policy_rate_at(const struct link_policy *policy, unsigned minute, uint64_t *out)
{
    for (size_t i = 0; i < policy->rates_n; i++) {
        const struct link_rate *r = &policy->rates[i];
        bool holds = r->from_min == r->to_min  ? true
                     : r->from_min < r->to_min ? minute >= r->from_min && minute < r->to_min
                                               : minute >= r->from_min || minute < r->to_min;

        if (holds) {
            *out = r->bytes_per_s;
            return true;
        }
    }
    return false;
}

/* The next number of a version; behind the last one zeros follow. */
static unsigned long
take_number(const char **at)
{
    char *end;
    unsigned long n = strtoul(*at, &end, 10);

    *at = *end == '.' ? end + 1 : end;
    return n;
}

static bool
is_version(const char *text)
{
    return text[0] >= '0' && text[0] <= '9' && strspn(text, "0123456789.") == strlen(text);
}

bool
link_version_is_older(const char *version, const char *than)
{
    if (!is_version(version) || !is_version(than))
        return false;
    while (*version != '\0' || *than != '\0') {
        unsigned long a = take_number(&version), b = take_number(&than);

        if (a != b)
            return a < b;
    }
    return false;
}
