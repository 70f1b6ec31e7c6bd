/* plan.h - what goes next: the order of bytes on the line, in memory, without any I/O.
 *
 *     add > NEW --next_offers--> OFFERING --offered--> SENDING --take--> on the way --answered-->
 *           ^______________ offer_failed _____|             ^_________|   failed: NEW again
 *
 * Invariants
 * 1. A byte is on the way at most once; after a failure it is not sent again before the centre was
 *    asked what it has.
 * 2. While any first look of a study that is known here is missing at the centre, the rest of that
 *    study waits (at most look_hold_ms since its first object came).
 * 3. What is STAT goes first, looks before rests; but others get their share of its bytes (a tenth)
 *    if any of them may go. Of the others first looks go before rests, and rests get a tenth of the
 *    looks' bytes. So nothing starves. Within each: urgent before routine, oldest due first.
 * 4. A piece is at most PLAN_CHUNK long: so much may lie between a word and its effect.
 * 5. The end of what is not proved yet stays here: never can it be whole there.
 * 6. When the line comes up, no rest goes before the looks that waited for it have arrived: what is
 *    in the line's buffers would go beside them. For some seconds at most without one that goes or
 *    is answered. What arrives here later waits for no other's.
 * Small objects without layers go with the first looks: whole, they are looks. So does the head of
 * a larger one that comes first of its study: it says whose it is, but is no look. The look of a
 * multi-frame goes in the order it was given: its middle frame can be shown long before the others.
 * Threads: the owner's lock. */
#ifndef RADPOST_UPLINK_PLAN_H
#define RADPOST_UPLINK_PLAN_H

#include "proto/link/link.h"
#include "proto/model/ranges.h"

enum { PLAN_CHUNK = 256 << 10 };

/* As uplink.h says it: 0 routine, 1 urgent, 2 STAT. */
enum { PLAN_STAT = 2 };

struct plan;

struct plan_object {
    uint64_t id; /* of the spool */
    uint8_t object[LINK_HASH_BYTES];
    uint64_t size;
    char study[LINK_UID_SIZE];
    int64_t due;              /* less goes sooner: the study's first entry */
    int urgency;              /* of its study, as known now */
    const struct range *look; /* layout_look_order(), and that is how it goes; copied */
    size_t look_n;
    bool is_looked; /* the centre has told so before */
    bool may_deflate;
    bool is_unproved; /* its end is kept back until plan_proved() */
};

/* A range to be sent now. */
struct plan_piece {
    uint64_t id;
    uint8_t object[LINK_HASH_BYTES];
    uint64_t offset;
    uint64_t n;
    bool may_deflate;
    bool is_look;
};

/* All first looks of a study are at the centre; how much of it has been sent by then. */
struct plan_looked {
    char study[LINK_UID_SIZE];
    uint64_t objects;
    uint64_t sent_bytes;   /* of its objects' bytes, on the way ones and repeats included */
    uint64_t object_bytes; /* of all its objects known here */
};

struct plan_stats {
    uint64_t objects;
    uint64_t unlooked;
    uint64_t unproved;
    uint64_t missing_bytes; /* not at the centre, as far as is known */
    uint64_t waiting_bytes; /* of these, neither on the way nor sent and not answered yet */
};

/* How far one study is. */
struct plan_far {
    const char *study; /* during the call */
    int urgency;
    uint64_t objects, unlooked;
    uint64_t bytes; /* of the objects */
    uint64_t missing_bytes;
    uint64_t before_bytes; /* missing of what goes before its last byte, its own included */
};

typedef void (*plan_far_fn)(void *user, const struct plan_far *far);

/* stat_percent: what STAT takes of the bytes while others could go, 1..100. */
struct plan *plan_new(int64_t look_hold_ms);
void plan_set_share(struct plan *plan, unsigned stat_percent);
void plan_free(struct plan **plan);

bool plan_has(const struct plan *plan, uint64_t id);
void plan_add(struct plan *plan, const struct plan_object *object, int64_t now_ms);
void plan_drop(struct plan *plan, uint64_t id);
/* The piece's entry goes as another object now: what the plan knows of the old one is forgotten. */
void plan_drop_stale(struct plan *plan, const struct plan_piece *piece);
/* All of it may go. */
void plan_proved(struct plan *plan, uint64_t id);
/* The first, in their order, that waits for its proof and is none of these; 0: there is none.
 * *out_since_ms: when the oldest of them came. */
uint64_t plan_next_unproved(const struct plan *plan, const uint64_t *taken, size_t taken_n,
                            int64_t *out_since_ms);
/* Bytes that nobody has taken yet, counted up to so many; of STAT alone while any of it is left. */
uint64_t plan_left(const struct plan *plan, uint64_t most);
bool plan_is_stat(const struct plan *plan, uint64_t id);
/* The emergencies here, LINK_STAT_STUDIES at most, a blank between two; "": none. */
void plan_stat_studies(const struct plan *plan, char out[LINK_STAT_SIZE]);
/* More instances of the study are being received, inspected or coded here. */
void plan_expect_more(struct plan *plan, const char *study, bool is_expected);

/* From now on, for what is here of the study and what comes. */
void plan_set_urgency(struct plan *plan, const char *study, int urgency);

/* Objects to be offered, in the order they will go, at most max; they are OFFERING then. */
size_t plan_next_offers(struct plan *plan, uint64_t *out_ids, size_t max);
/* The same of STAT alone. */
size_t plan_next_stat_offers(struct plan *plan, uint64_t *out_ids, size_t max);
void plan_offer_failed(struct plan *plan, uint64_t id);
/* The centre had no room for it: until there is (plan_room_found) what was told so less often is
 * offered before it. */
void plan_put_behind(struct plan *plan, uint64_t id);
bool plan_is_behind(const struct plan *plan, uint64_t id);
bool plan_has_behind(const struct plan *plan); /* any */
/* Is there anything to be offered that was not told so? */
bool plan_has_unasked(const struct plan *plan);
void plan_room_found(struct plan *plan);
void plan_offered(struct plan *plan, uint64_t id, const struct link_object_state *answer);
/* The centre has said what it makes of the object, and the object is the one that goes to the end:
 * it is proved, or needs no proof (false also when it is not in the plan). */
bool plan_is_offered(const struct plan *plan, uint64_t id);
/* The line came up, or speaks after a silence: see 6. What arrived up to last_id waited for it. */
void plan_hold_rests(struct plan *plan, uint64_t last_id, int64_t now_ms);
/* Everything is in doubt (a long cut): offer all again. */
void plan_doubt(struct plan *plan);

/* What goes next: at most max pieces of max_bytes together, on the way then. 0: nothing may go;
 * *out_wait_ms is when to ask again if time alone will let something go (-1: it will not). */
size_t plan_take(struct plan *plan, uint64_t max_bytes, struct plan_piece *out_pieces, size_t max,
                 int64_t now_ms, int64_t *out_wait_ms);
/* It was taken and not sent: it goes again in its turn. */
void plan_put_back(struct plan *plan, const struct plan_piece *piece);
/* The same, for a request that is under way: what a refused request named (plan_refused) goes in
 * requests of its own. before: the last piece of it. */
size_t plan_take_more(struct plan *plan, const struct plan_piece *before, uint64_t max_bytes,
                      struct plan_piece *out_pieces, size_t max, int64_t now_ms,
                      int64_t *out_wait_ms);
/* The centre refused the request for what it says; some object of it is to blame. How often that
 * one was refused when it was alone; 0: it was not alone, or is not here any more. */
unsigned plan_refused(struct plan *plan, const struct plan_piece *pieces, size_t n);
/* The bundle was not answered. */
void plan_failed(struct plan *plan, const struct plan_piece *pieces, size_t n);
/* The bundle was answered; then for each object of the answer plan_answered(). */
void plan_arrived(struct plan *plan, const struct plan_piece *pieces, size_t n);
/* errors counted: how often the centre called this object bad */
unsigned plan_answered(struct plan *plan, uint64_t id, const struct link_object_state *answer);

/* One study whose looks have all arrived since the last time it was told; false: none. */
bool plan_next_looked(struct plan *plan, struct plan_looked *out);
/* Each study that has something in the plan, soonest first. */
void plan_each_study(struct plan *plan, plan_far_fn fn, void *user);
void plan_stats(const struct plan *plan, struct plan_stats *out);

#endif
