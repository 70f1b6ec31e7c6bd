/* desk_talk.h - the desk's connections to the reader: calls with the identity in use, over a line
 * that works; how the line is; waits that grow while it is not. desk_link.c says what is talked
 * about. Threads: a talker belongs to its thread, the rest any. */
#ifndef RADPOST_DESK_DESK_TALK_H
#define RADPOST_DESK_DESK_TALK_H

#include "gateway/desk/desk_link.h"
#include "proto/base/thread.h"
#include "proto/http/client.h"

enum { DESK_TALK_MS = 60000, DESK_TALKERS = 2, BOX_BYTES = 17 };

/* One thread's connection, and how long it waits after trouble. */
struct desk_talker {
    struct desk_talk *talk;
    struct http_client *client; /* gate */
    uint64_t stamp;             /* of the identity it was made with */
    int64_t backoff_ms;
    bool is_answered; /* the last call was, whatever the answer */
    unsigned turn;    /* which line of the table its client goes by */
};

struct desk_talk {
    struct book *book;
    char *link_dir, *url, *lines;
    int64_t backoff_ms, backoff_max_ms;
    void (*parts)(void *user, char out[PART_WORDS_BYTES]);
    void *parts_user;
    char box[BOX_BYTES]; /* of this start, not of the identity */
    struct gate gate;
    bool is_stopping; /* gate, as all below */
    struct desk_link_status status;
    struct desk_talker talkers[DESK_TALKERS];
};

void desk_talk_init(struct desk_talk *talk, const struct desk_link_options *options);
/* Calls that run are broken off, waits are over; then their threads end. */
void desk_talk_end(struct desk_talk *talk);
void desk_talk_fini(struct desk_talk *talk);
bool desk_talk_is_over(struct desk_talk *talk);
void desk_talk_status(struct desk_talk *talk, struct desk_link_status *out);

/* A call and what it says of the line. Refusals of this one message are no fault of the line.
 * errors  as http_reply_check() and http_client_call() */
int desk_talk_call(struct desk_talker *t, const struct http_call *call, struct http_reply *out,
                   struct err *err) MUST_CHECK;
int desk_talk_post(struct desk_talker *t, const char *path, const struct buf *body,
                   struct http_reply *out, struct err *err) MUST_CHECK;
/* The call failed, or the book did: wait, longer each time. What the line said is in its status. */
void desk_talk_failed(struct desk_talker *t, const struct err *err);

#endif
