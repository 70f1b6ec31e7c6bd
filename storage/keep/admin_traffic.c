/* admin_traffic.c - what each clinic sends, and its share of all: who fills line and disks. */
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "storage/keep/admin_own.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DAYS = 30, DAYS_MOST = 3660 };

static int
print_share(void *user, const struct keep_share *s)
{
    double part = s->all_bytes > 0 ? 100.0 * (double)s->bytes / (double)s->all_bytes : 0;
    char when[40];

    (void)user;
    printf("%-24s %5.1f %% %10.1f MB %9" PRIu64 " images", s->tenant, part, (double)s->bytes / 1e6,
           s->objects);
    if (s->busiest_us > 0) {
        clock_text(s->busiest_us, when);
        memcpy(when + strlen("2026-11-22T18:00"), "Z", 2); /* it begins with a minute */
        printf("   most in the hour of %s: %.1f MB", when, (double)s->busiest_bytes / 1e6);
    }
    putchar('\n');
    return 0;
}

int
run_traffic_show(struct admin *a, struct err *err)
{
    const int64_t day_us = INT64_C(86400000000);
    uint64_t days = DAYS;

    if (a->words.days != NULL && (text_to_u64(a->words.days, DAYS_MOST, &days) < 0 || days == 0))
        return err_set(err, ERR_REJECT, "--days: a number from 1 to %d is due", DAYS_MOST);
    return keep_shares(a->keep, a->words.org, clock_wall_us() - (int64_t)days * day_us, print_share,
                       NULL, err);
}
