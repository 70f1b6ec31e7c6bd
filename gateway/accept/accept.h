/* accept.h - the clinic's DICOM door: C-ECHO and C-STORE from enrolled devices into the spool.
 * C-STORE is answered 0000H only after spool_commit() returned 0; A700H when the disk is full,
 * A900H when the class is not the context's, C000H when no instance can be told or the disk failed.
 * Device table DIR/devices.conf, one device a line, read again whenever it changes:
 *     # AE title   address or *   name for people
 *     CT_ROOM1     192.168.1.20   CT 室
 * Callers that are not in it are refused and listed in DIR/refused.tsv for the desk.
 * Both: docs/formats/devices.md. What devices are told: docs/conformance-dimse.md.
 * Open associations are told to the spool (spool_association_begin), whose quiet timers wait.
 * Threads: any. */
#ifndef RADPOST_GATEWAY_ACCEPT_H
#define RADPOST_GATEWAY_ACCEPT_H

#include "proto/base/err.h"
#include "proto/dicom/dimse.h"

struct accept;
struct spool;

struct accept_options {
    const char *dir;     /* devices.conf and refused.tsv; made if it is not there */
    const char *address; /* numeric; NULL = every IPv4 address */
    uint16_t port;       /* 0 = one that is free */
    const char *called;  /* our AE title; NULL = any */
    size_t max_associations;
    struct dimse_deadlines deadlines;
};

struct accept_device {
    char ae[17];
    char address[46];      /* "*" = any */
    char name[97];         /* UTF-8 */
    int64_t last_seen_us;  /* last association, since start; 0 = none */
    int64_t last_store_us; /* last durable instance, since start; 0 = none */
    uint64_t stored;       /* durable instances, since start */
    uint32_t open;         /* associations now */
};

struct accept_refused {
    char calling[17];
    char called[17];
    char address[46];
    bool is_called_wrong; /* the device is known, but it called another AE title */
    int64_t first_us, last_us;
    uint64_t count;
};

/* errors  ERR_FATAL port in use; ERR_REJECT devices.conf line */
int accept_start(const struct accept_options *options, struct spool *spool,
                 struct accept **out_accept, struct err *err) MUST_CHECK;
/* Close the door, finish what is being written, join. */
void accept_stop(struct accept **accept);
uint16_t accept_port(const struct accept *accept);
size_t accept_associations(struct accept *accept);

/* Copies, the caller's (free). */
void accept_list_devices(struct accept *accept, struct accept_device **out_devices, size_t *out_n);
void accept_list_refused(struct accept *accept, struct accept_refused **out_refused, size_t *out_n);
/* Write a device into devices.conf (durable) and forget its refusals.
 * errors  ERR_REJECT not an AE title, address or name; ERR_CONFLICT there already */
int accept_add_device(struct accept *accept, const char *ae, const char *address, const char *name,
                      struct err *err) MUST_CHECK;

#endif
