/* finish.h - objects whose last byte came are verified, inspected and catalogued beside the
 * receiving of what follows, by a few threads. A bundle waits for its own at its end only. Those of
 * an emergency go first, and for a few seconds alone; every tenth turn is the oldest's all the
 * same, so that a clinic to which everything is an emergency stops nobody. */
#ifndef RADPOST_STORAGE_KEEP_FINISH_H
#define RADPOST_STORAGE_KEEP_FINISH_H

#include "proto/base/thread.h"

struct keep;
struct landing_object;

enum { FINISHERS = 3, FINISH_QUEUE = 512, FINISH_HURRIES = 64 };

struct finish_job;

/* A study that its gateway says is an emergency. */
struct finish_hurry {
    char tenant[65], study[65];
    int64_t until_ms; /* as long as nobody says so again */
};

struct finish_line {
    struct gate gate; /* for all below */
    struct bell turn; /* there may be one for a finisher */
    struct bell room; /* for those who are held back */
    struct finish_job *first, *last;
    unsigned queued;
    struct finish_hurry hurries[FINISH_HURRIES];
    unsigned hurries_n;
    int64_t hurries_until_ms; /* the latest of them */
    unsigned passed;          /* emergencies in a row that passed others */
    unsigned hurrying;        /* emergencies under work; */
    int64_t alone_until_ms;   /* until then others wait for them */
    bool is_closing;
    unsigned threads_n;
    pthread_t threads[FINISHERS];
};

/* How many of somebody's objects are not done yet; all zero to begin with. */
struct finish_group {
    unsigned pending;
    struct bell *done; /* somebody waits for the last; NULL: nobody */
};

void finish_init(struct finish_line *line);
void finish_fini(struct finish_line *line);
void finish_start(struct keep *k);
/* After the last group was waited for. */
void finish_stop(struct keep *k);
/* landing_finish() will be called for the object; without threads (finish_start) nothing happens,
 * its holder does it. A failure is noted nowhere: whoever asks next finds the object as it was.
 * false   there are no threads
 * blocks  while FINISH_QUEUE wait: the sender is held back; not with an emergency */
bool finish_put(struct keep *k, struct landing_object *o, struct finish_group *group);
void finish_wait(struct keep *k, struct finish_group *group);
/* What comes of this study, and what waits of it, goes first for the next two minutes. Threads:
 * any. */
void finish_hurry(struct keep *k, const char *tenant, const char *study);

#endif
