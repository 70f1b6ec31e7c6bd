/* clock.c - the two clocks, and their stand-ins for tests. */
#include "proto/base/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVEN_US = 10000000 };

static _Atomic bool is_fake;
static _Atomic int64_t fake_wall_us;
static _Atomic int64_t fake_mono_ms;

int64_t
clock_wall_us(void)
{
    struct timespec t;

    if (is_fake)
        return fake_wall_us;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t
ms_of(clockid_t clock)
{
    struct timespec t;

    if (is_fake)
        return fake_mono_ms;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
    return ms_of(CLOCK_MONOTONIC);
}

int64_t
clock_boot_ms(void)
{
    return ms_of(CLOCK_BOOTTIME);
}

int64_t
clock_even_ms(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t since_ms, ahead_us; /* of the monotonic one, when asked last */
    static bool has_begun;
    int64_t now_ms, now_us, even_ms;

    pthread_mutex_lock(&lock);
    now_ms = clock_mono_ms();
    now_us = clock_wall_us() - now_ms * 1000;
    if (!has_begun || llabs(now_us - ahead_us) > EVEN_US)
        since_ms = now_ms;
    has_begun = true;
    ahead_us = now_us;
    even_ms = now_ms - since_ms;
    pthread_mutex_unlock(&lock);
    return even_ms;
}

void
clock_text(int64_t wall_us, char out[40])
{
    time_t s = (time_t)(wall_us / 1000000);
    struct tm tm;
    char date[24];

    gmtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 40, "%s.%06" PRId64 "Z", date, wall_us % 1000000);
}

/* So many digits at *io_at, and what must follow them. */
static bool
read_digits(const char **io_at, int digits, char then, int *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, (*io_at)++) {
        if (**io_at < '0' || **io_at > '9')
            return false;
        *out = *out * 10 + (**io_at - '0');
    }
    return *(*io_at)++ == then;
}

int
clock_read(const char *text, int64_t *out_wall_us)
{
    struct tm tm = {0}, back;
    int us;
    time_t s;

    if (!read_digits(&text, 4, '-', &tm.tm_year) || !read_digits(&text, 2, '-', &tm.tm_mon) ||
        !read_digits(&text, 2, 'T', &tm.tm_mday) || !read_digits(&text, 2, ':', &tm.tm_hour) ||
        !read_digits(&text, 2, ':', &tm.tm_min) || !read_digits(&text, 2, '.', &tm.tm_sec) ||
        !read_digits(&text, 6, 'Z', &us) || *text != '\0')
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    back = tm;
    s = timegm(&back);
    if (back.tm_year != tm.tm_year || back.tm_mon != tm.tm_mon || back.tm_mday != tm.tm_mday ||
        back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min || back.tm_sec != tm.tm_sec)
        return -1; /* the 31st of April, 25 o'clock */
    *out_wall_us = (int64_t)s * 1000000 + us;
    return 0;
}

struct timespec
clock_deadline(int64_t wait_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += (wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

void
clock_fake(int64_t wall_us, int64_t mono_ms)
{
    fake_wall_us = wall_us;
    fake_mono_ms = mono_ms;
    is_fake = true;
}

void
clock_fake_advance(int64_t ms)
{
    fake_wall_us += ms * 1000;
    fake_mono_ms += ms;
}

void
clock_unfake(void)
{
    is_fake = false;
}
