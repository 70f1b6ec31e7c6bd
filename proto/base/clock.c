/* clock.c - the two clocks, and their stand-ins for tests. */
#include "proto/base/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

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

int64_t
clock_mono_ms(void)
{
    struct timespec t;

    if (is_fake)
        return fake_mono_ms;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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
