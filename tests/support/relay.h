/* relay.h - a line in a test's own process: an HTTP proxy (CONNECT only) that counts what leaves by
 * it and breaks when told to. Threads: any. */
#ifndef RADPOST_TESTS_RELAY_H
#define RADPOST_TESTS_RELAY_H

#include "proto/base/base.h"

struct relay;

enum relay_mood {
    RELAY_FLOWS,
    RELAY_SWALLOWS, /* takes nothing, gives nothing, says nothing: as a cut cable */
    RELAY_CHOKES,   /* of each way 20,000 bytes more come from the caller, then none; back, all */
    RELAY_BREAKS    /* ends what is open, refuses what comes */
};

/* user: "name:password" that it asks for; NULL: nobody is asked. */
struct relay *relay_start(const char *user);
void relay_stop(struct relay **relay);
const char *relay_url(const struct relay *relay); /* "http://127.0.0.1:PORT" */
void relay_set(struct relay *relay, enum relay_mood mood);
/* Bytes that came from the callers, all of them. */
uint64_t relay_sent(struct relay *relay);
/* Until it is so much; false: not within wait_ms. */
bool relay_wait(struct relay *relay, uint64_t sent, int64_t wait_ms);
/* The most and the least that came in a window of so long, of those whole ones between two moments
 * of clock_mono_ms(). */
void relay_windows(struct relay *relay, int64_t from_ms, int64_t to_ms, int64_t window_ms,
                   uint64_t *out_least, uint64_t *out_most);

#endif
