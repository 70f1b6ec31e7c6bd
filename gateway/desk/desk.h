/* desk.h - the clinic's page: lamps, today's studies in plain words, who was refused.
 * Routes: GET / and /assets (the page, embedded), GET /desk/v1/state (JSON, long poll),
 * POST /desk/v1/studies/{study}/close (the technician's "that was all").
 * No patient data is shown: studies are told apart by device, time, body part and count.
 * Threads: start and stop from the owner; requests have threads of their own. */
#ifndef RADPOST_GATEWAY_DESK_H
#define RADPOST_GATEWAY_DESK_H

#include "proto/base/err.h"

struct accept;
struct desk;
struct spool;
struct uplink;

struct desk_options {
    const char *address; /* numeric; the page has no accounts yet: keep it on loopback */
    uint16_t port;       /* 0 = one that is free */
    struct spool *spool; /* all three outlive the desk */
    struct accept *accept;
    struct uplink *uplink;
};

/* errors  ERR_RETRY the port is taken */
int desk_start(const struct desk_options *options, struct desk **out_desk,
               struct err *err) MUST_CHECK;
void desk_stop(struct desk **desk);
uint16_t desk_port(const struct desk *desk);

#endif
