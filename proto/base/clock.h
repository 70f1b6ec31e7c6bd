/* clock.h - wall time in UTC microseconds, waits in monotonic milliseconds; both can be faked in
 * tests. Threads: any. */
#ifndef RADPOST_BASE_CLOCK_H
#define RADPOST_BASE_CLOCK_H

#include "proto/base/base.h"

#include <time.h>

int64_t clock_wall_us(void);
int64_t clock_mono_ms(void);
/* As clock_mono_ms(), and it counts while the machine sleeps. */
int64_t clock_boot_ms(void);
/* For how long the wall clock has run evenly, as far as any caller saw: since the first call, or
 * since it was found set by more than some seconds (or the machine slept). Before it has for a
 * while, as from a start until the network's time came, what lies in the future was not written by
 * a clock that was ahead. */
int64_t clock_even_ms(void);
/* "2026-11-21T10:02:03.123456Z"; out has 40 bytes. */
void clock_text(int64_t wall_us, char out[40]);
/* The same backwards, that form only; -1 otherwise (no err: the caller knows what it read). */
int clock_read(const char *text, int64_t *out_wall_us) MUST_CHECK;
/* Deadline for pthread_cond_timedwait on a condition of the monotonic clock (thread.c). */
struct timespec clock_deadline(int64_t wait_ms);

/* Tests: both clocks stand still at these values until told otherwise; clock_unfake() ends it. */
void clock_fake(int64_t wall_us, int64_t mono_ms);
void clock_fake_advance(int64_t ms);
void clock_unfake(void);

#endif
