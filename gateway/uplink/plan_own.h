/* plan_own.h - what the files of the plan share. */
#ifndef RADPOST_UPLINK_PLAN_OWN_H
#define RADPOST_UPLINK_PLAN_OWN_H

#include "gateway/uplink/plan.h"

enum phase { PHASE_NEW, PHASE_OFFERING, PHASE_SENDING };

struct study {
    char uid[LINK_UID_SIZE];
    uint64_t jobs;
    uint64_t unlooked;
    uint64_t objects;
    uint64_t sent_bytes;
    uint64_t object_bytes;
    int64_t since_ms;
    bool is_more_expected;
    uint64_t sent_when_looked;
    bool is_looked; /* all looks known here are there, and no more are expected */
    bool is_told;   /* that was told, or there was nothing to look at */
    int urgency;
    struct plan_far far; /* for plan_each_study() */
    size_t last;         /* of its jobs by due, the same */
};

struct job {
    uint64_t id;
    uint8_t object[LINK_HASH_BYTES];
    uint64_t size;
    int64_t due;
    struct study *study;
    enum phase phase;
    bool is_looked;
    bool may_deflate;
    bool is_unproved;
    bool is_awaited; /* its look, since the line came up */
    int64_t since_ms;
    unsigned behind; /* since there was room last: so often the centre had none for it */
    unsigned bad;
    bool is_suspect;     /* a request that named it was refused */
    unsigned refused;    /* requests that named it alone */
    uint64_t there;      /* bytes at the centre, as it said last and was answered since */
    struct ranges look;  /* what makes a first look */
    struct range *order; /* the same as it is to go */
    size_t order_n, order_at;
    struct ranges way;       /* on the way */
    struct ranges todo_look; /* neither there nor on the way */
    struct ranges todo_rest;
    struct ranges kept; /* of these, until it is proved */
};

struct plan {
    struct job **by_id;
    struct job **by_due;
    size_t n, room;
    struct study **studies;
    size_t studies_n, studies_room;
    int64_t look_hold_ms;
    unsigned stat_percent;
    size_t sending;     /* jobs: whoever looks for them stops after the last */
    size_t awaited;     /* jobs */
    int64_t join_ms;    /* what is added until then */
    uint64_t join_id;   /* up to here is one of them */
    bool has_heard;     /* one of them was answered */
    int64_t heard_ms;   /* when, or when a look last went */
    double owed_others; /* bytes that STAT took of the others' share */
    double owed_rests;  /* and looks of the rests' */
};

struct job *plan_find(const struct plan *plan, uint64_t id); /* NULL: it is not here */
void plan_enter(struct plan *plan, struct job *job, enum phase phase);

#endif
