/* talk_own.h - what the files of talk share. */
#ifndef RADPOST_UPLINK_TALK_OWN_H
#define RADPOST_UPLINK_TALK_OWN_H

#include "gateway/uplink/parts.h"
#include "proto/http/client.h"

enum {
    TALK_CALL_MS = 60000,
    TALK_TAKE_BYTES = 16368 /* with the head of its chunk one TLS record */
};

/* A body that leaves as fast as the bucket lets it. */
struct talk_body {
    struct talk *talk;
    const uint8_t *bytes;
    size_t n, at;
    talk_next_fn next; /* for what follows; NULL: nothing */
    void *user;
};

/* An http_source_fn; user: a talk_body. */
int talk_body_source(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err);
/* Make the call and tell the line how it went. Nor is it the line's fault that there is no room
 * (507): lists and receipts make some. */
int talk_call(struct talk *t, const struct http_call *call, bool is_ping, struct http_reply *out,
              struct err *err) MUST_CHECK;
/* Gate held. What its connection has shown of the line. */
void talk_read_reach(struct talk *t, int64_t now);

#endif
