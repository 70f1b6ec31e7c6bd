/* http_world.h - a server with routes of every sort on loopback, for the tests of proto/http, and
 * ways to talk to it: by our client, and by bare bytes. */
#ifndef RADPOST_TESTS_SUPPORT_HTTP_WORLD_H
#define RADPOST_TESTS_SUPPORT_HTTP_WORLD_H

#include "proto/base/thread.h"
#include "proto/http/client.h"
#include "proto/http/server.h"

#define WORLD_BIG_BYTES ((size_t)8 << 20)
#define WORLD_IDLE_MS 1500

struct world_counts {
    _Atomic int begun, ended, handled, streams_freed;
    _Atomic uint64_t body_bytes;
    struct gate gate;
};

/* Bytes of a known pattern, from at to end; reading fails from breaks_at on. */
struct world_pattern {
    uint64_t at, end, breaks_at;
};

extern struct world_counts world_counts;
extern struct http_server *world_server;
extern char world_url[64];
extern const struct http_route world_routes[];
extern const size_t world_route_count;

/* Group fixtures of cmocka. */
int world_start(void **state);
int world_stop(void **state);

struct http_client *world_client_new(const char *bearer);
/* One call with a client of its own: the status, or minus the kind of the error. */
int world_ask(const char *method, const char *path, const char *bearer, const void *body, size_t n,
              struct http_reply *out);
int world_read_pattern(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err);
/* A connection of bare bytes. */
int world_dial(void);
/* Send, then read until the peer ends or is silent for wait_ms; the bytes read, zero-ended. */
size_t world_talk(int fd, const void *bytes, size_t n, char *out, size_t size, int wait_ms);
/* Until so many requests have had their end(). */
void world_wait_ended(int wanted);

#endif
