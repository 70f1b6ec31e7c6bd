/* plain_world.h - a spool and the plain ways out over it, for a target of the test's own; what
 * arrives is looked into and ready to go when the test says so. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_PLAIN_WORLD_H
#define RADPOST_TESTS_SUPPORT_PLAIN_WORLD_H

#include "gateway/plain/plain.h"
#include "proto/base/clock.h"
#include "tests/support/serve_world.h"

struct plain_world {
    struct serve_world w;
    struct plain *plain;
    char target[256]; /* the line of targets.conf: its name is "pacs" */
    int64_t lost_ms;
};

/* Around the group: the codec workers. */
int plain_world_begin(void **state);
int plain_world_end(void **state);
/* A fresh world, nothing started. */
struct plain_world *plain_world_new(void);
void plain_world_free(struct plain_world *x);
/* Around a test: a fresh world whose target is plain_peer, which listens. */
int plain_world_setup(void **state);
int plain_world_teardown(void **state);
/* Its line with these settings. */
void plain_world_aim(struct plain_world *x, const char *settings);
/* Write targets.conf and start; may be stopped and started again. */
void plain_world_start(struct plain_world *x);
/* Instances 1.2.9.FIRST .. LAST of series 1.2.3.4 in study 1.2.3, looked into, not coded. */
void plain_world_arrive(struct plain_world *x, int first, int last);
/* The centre says so of this entry. */
void plain_world_seal(struct plain_world *x, uint64_t id);
/* Of the first target in the report. */
int64_t plain_world_number(struct plain_world *x, const char *key);
bool plain_world_says(struct plain_world *x, const char *key, const char *text);
uint64_t plain_world_count(struct plain_world *x, enum instance_state state);
/* The target's own threads bring a claim about: rests a moment before it is looked at again. */
void plain_world_rest(struct plain_world *x);

#define PLAIN_AWAIT(x, claim)                                                                      \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + 30000;                                                  \
        while (!(claim)) {                                                                         \
            if (clock_mono_ms() > until_)                                                          \
                fail_msg("in vain: %s", #claim);                                                   \
            plain_world_rest(x);                                                                   \
        }                                                                                          \
    } while (0)

#endif
