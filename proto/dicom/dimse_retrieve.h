/* dimse_retrieve.h - C-GET and C-MOVE once it is settled what is meant (PS3.4 C.4.2, C.4.3).
 * The instances are sent one by one; a pending answer with the counts follows each, and the final
 * one names what failed. An instance goes as it is stored where the receiver takes that, else in
 * explicit, then implicit little endian, which the owner's open() makes; in each case under the
 * study and series it is known by, whatever the file says (leaving.h).
 * Invariant: completed + failed + warning + remaining is the number of instances in every answer.
 * Threads: a retrieval belongs to its association's thread. */
#ifndef RADPOST_DICOM_DIMSE_RETRIEVE_H
#define RADPOST_DICOM_DIMSE_RETRIEVE_H

#include "proto/dicom/dimse_identifier.h"

struct dimse_retrieved {
    char study[65], series[65]; /* by which it is asked for; "": not known */
    char sop_instance[65];
    char sop_class[65];
    char transfer_syntax[65]; /* as it is stored */
    uint64_t number;          /* the owner's */
    bool is_absent;           /* cannot be sent (not whole yet): counts as failed */
};

struct dimse_part10 { /* a Part 10 file to be sent */
    int fd;
    uint64_t at, end;
};

struct dimse_retrieval {
    struct dimse_assoc *assoc;
    const struct dimse_command *rq;
    const char *ae; /* ours, for C-MOVE */
    struct dimse_retrieved *instances;
    size_t n, room;
    /* The instance in this syntax: the stored one, or one of little endian. out's fd is the
     * engine's to close. */
    int (*open)(void *user, const struct dimse_retrieved *instance, const char *syntax,
                struct dimse_part10 *out, struct err *err);
    /* For the log: instance NULL: the receiver as a whole. */
    void (*not_sent)(void *user, const struct dimse_retrieved *instance, const struct err *why);
    void *user;
    /* counted here */
    size_t remaining, completed, failed, warning;
    struct buf failed_uids; /* joined by '\' */
};

void dimse_retrieval_init(struct dimse_retrieval *r);
void dimse_retrieval_fini(struct dimse_retrieval *r);
/* errors  ERR_REJECT more than a request may mean */
int dimse_retrieval_add(struct dimse_retrieval *r, const struct dimse_retrieved *instance,
                        struct err *err) MUST_CHECK;

/* The unique keys of a level: lists at the level itself, one value above (PS3.4 C.4.2.2.1).
 * errors  ERR_REJECT they do not fit; match's own */
int dimse_retrieval_settle(struct dimse_retrieval *r, const struct dimse_identifier *id,
                           int (*match)(struct dimse_retrieval *r, const char *study,
                                        const char *series, const char *sop_instance,
                                        struct err *err),
                           struct err *err) MUST_CHECK;

/* Send all and say the final answer. errors: of the asker's association only. */
int dimse_retrieve_get(struct dimse_retrieval *r, struct err *err) MUST_CHECK;
/* to: where the destination listens, and by which titles. */
int dimse_retrieve_move(struct dimse_retrieval *r, const struct dimse_connect_options *to,
                        struct err *err) MUST_CHECK;

#endif
