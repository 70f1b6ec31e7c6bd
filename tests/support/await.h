/* await.h - wait for what another process or thread brings about, no longer than that takes.
 *     assert_true(AWAIT(keep_check(keep, &err) == 0, 5000)); */
#ifndef RADPOST_TESTS_AWAIT_H
#define RADPOST_TESTS_AWAIT_H

#include "proto/base/clock.h"

#include <time.h>

/* True as soon as the condition is; false when most_ms passed without. Looked at every 20 ms. */
#define AWAIT(condition, most_ms)                                                                  \
    __extension__({                                                                                \
        int64_t until_ms_ = clock_mono_ms() + (most_ms);                                           \
        bool is_so_;                                                                               \
        while (!(is_so_ = (condition)) && clock_mono_ms() < until_ms_)                             \
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);                              \
        is_so_;                                                                                    \
    })

#endif
