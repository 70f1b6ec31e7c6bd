/* policy.h - how the centre wants a gateway to behave, told with every ping: when a study counts as
 * closed, how fast it may send at which hour, which version it should run. A gateway that is never
 * told anything goes by its own configuration. Threads: nothing here keeps state. */
#ifndef RADPOST_LINK_POLICY_H
#define RADPOST_LINK_POLICY_H

#include "proto/base/err.h"

struct json;
struct jsonw;

enum {
    LINK_RATES = 24,
    LINK_DAY_MINUTES = 1440,
    LINK_VERSION_SIZE = 33,
    LINK_NOTICE_SIZE = 601,
    LINK_URL_SIZE = 257
};

/* From the first minute to before the last, of the gateway's own day; from > to reaches over
 * midnight, from = to is the whole day. Of several that hold the first counts; when none does the
 * gateway's own rate. */
struct link_rate {
    uint16_t from_min, to_min; /* 0..1439 */
    uint64_t bytes_per_s;      /* 0: no cap */
};

struct link_policy {
    int64_t quiet_ms; /* close a manifest after this silence; 0 = the gateway's own */
    struct link_rate rates[LINK_RATES];
    size_t rates_n; /* 0 = the gateway's own */
    /* A notice for the people at the clinic, "" none: the gateway installs nothing by itself. */
    char upgrade_version[LINK_VERSION_SIZE], upgrade_text[LINK_NOTICE_SIZE];
    char upgrade_url[LINK_URL_SIZE];
    char least_version[LINK_VERSION_SIZE]; /* older ones are asked to upgrade; "" none */
};

/* The object {quiet_ms, rates: [{from: "08:00", to: "18:00", bytes_per_s: N}], upgrade: {version,
 * text, url}, least_version}; what says nothing is left out. */
void link_policy_write(struct jsonw *w, const char *key, const struct link_policy *policy);
/* v NULL: says nothing. errors  ERR_REJECT with the member that is wrong */
int link_policy_read(const struct json *v, struct link_policy *out, struct err *err) MUST_CHECK;

/* The cap at a minute of the gateway's day. False: the policy says none. */
bool link_policy_rate_at(const struct link_policy *policy, unsigned minute, uint64_t *out);
/* Is a version older than another? By their numbers: "1.9.2" < "1.10". One that cannot be read is
 * not older. */
bool link_version_is_older(const char *version, const char *than);

#endif
