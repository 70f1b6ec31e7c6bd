/* desk.h - the clinic's desk: lamps, today's studies, who was refused; registering patients, their
 * slips and phones; reports that come back from the reader.
 * Routes: GET / and /assets (the page, embedded), GET /desk/v1/state (JSON, long poll), and those
 * of docs/desk.md. What must last is in a small file of its own (book.h); images never depend on
 * it. The page shows patients' names and has no accounts yet: it is served on loopback only.
 * Threads: start and stop from the owner; requests have threads of their own. */
#ifndef RADPOST_GATEWAY_DESK_H
#define RADPOST_GATEWAY_DESK_H

#include "proto/base/err.h"

struct accept;
struct desk;
struct import;
struct serve;
struct spool;
struct uplink;

struct desk_options {
    const char *address; /* numeric, loopback; any other is refused */
    uint16_t port;       /* 0 = one that is free */
    struct spool *spool; /* all three outlive the desk */
    struct accept *accept;
    struct serve *serve;   /* may be NULL (tests) */
    struct import *import; /* may be NULL (tests) */
    struct uplink *uplink;
    const char *dir;            /* of the desk's own state; made */
    const char *link_dir;       /* the gateway's identity */
    const char *reader_url;     /* "" or NULL: what enrolment told */
    const char *clinic_name;    /* "" or NULL: the organisation's code; printed on slips */
    const char *clinic_phone;   /* "" or NULL: none; told to doctors with each registration */
    const char *orders_folder;  /* "" or NULL: none (orders_sources.h) */
    const char *orders_command; /* "" or NULL: none */
    int64_t orders_every_ms;
    int64_t backoff_ms, backoff_max_ms; /* of the line to the reader; 0: half a second, 15 s */
};

/* errors  ERR_REJECT the address is not loopback; ERR_RETRY the port is taken; those of book_open()
 */
int desk_start(const struct desk_options *options, struct desk **out_desk,
               struct err *err) MUST_CHECK;
/* Worklist and MPPS, at the DICOM door; before accept_listen(). accept_shut() goes before
 * desk_stop(). */
void desk_offer_services(struct desk *desk);
void desk_stop(struct desk **desk);
uint16_t desk_port(const struct desk *desk);

#endif
