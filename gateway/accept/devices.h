/* devices.h - the device table devices.conf: who may send to this clinic's gateway.
 * One device a line: AE title (in "..." where it holds spaces), numeric address or *, name.
 * Threads: a table belongs to its owner. */
#ifndef RADPOST_ACCEPT_DEVICES_H
#define RADPOST_ACCEPT_DEVICES_H

#include "gateway/accept/accept.h"

#define DEVICES_FILE "devices.conf"
#define DEVICES_MAX 1000

struct devices {
    struct accept_device *rows;
    size_t n;
};

/* The text of a whole file. errors ERR_REJECT with the line's number */
int devices_parse(const char *text, size_t n, struct devices *out, struct err *err) MUST_CHECK;
void devices_fini(struct devices *devices);
/* One line of the file. errors ERR_REJECT */
int devices_format(const char *ae, const char *address, const char *name, struct buf *out,
                   struct err *err) MUST_CHECK;
/* NULL: not enrolled from there. A row with this very address goes before one with *. */
struct accept_device *devices_find(const struct devices *devices, const char *ae,
                                   const char *address);

#endif
