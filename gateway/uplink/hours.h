/* hours.h - how many bytes a second, by hour of the clinic's own day. Pure functions.
 *
 *     "2MiB"                            always
 *     "08:00-18:00 512KiB, 4Mbit"       in these hours; the last, without hours, at all others
 *     "22:00-06:00 0B, 1MiB"            over midnight; 0B: no limit
 *
 * Units a second: B KiB MiB GiB, and kbit Mbit Gbit of 1000, as lines are sold. The first span that
 * fits holds. The rest of the day must be named: a forgotten hour is no limit to nobody. */
#ifndef RADPOST_UPLINK_HOURS_H
#define RADPOST_UPLINK_HOURS_H

#include "proto/base/err.h"

enum { HOURS_SPANS = 12, HOURS_DAY_MIN = 24 * 60 };

struct hours_span {
    unsigned from_min, to_min; /* of the day; from >= to: over midnight */
    uint64_t bytes_per_s;
};

struct hours {
    struct hours_span at[HOURS_SPANS];
    size_t n;
    uint64_t otherwise;
};

/* errors  ERR_REJECT what is wrong */
int hours_parse(const char *text, struct hours *out, struct err *err) MUST_CHECK;
uint64_t hours_rate(const struct hours *hours, unsigned minute_of_day);
/* Minute of the local day. */
unsigned hours_minute(int64_t wall_us);

#endif
