/* devices.h - the text of devices.conf: who may send to this clinic's gateway.
 * One device a line: AE title (in "..." where it holds spaces), numeric address or *, a name for
 * people, settings key=value. docs/formats/devices.md.
 * Threads: a table belongs to its owner; the functions keep no state. */
#ifndef RADPOST_ACCEPT_DEVICES_H
#define RADPOST_ACCEPT_DEVICES_H

#include "gateway/accept/accept.h"
#include "proto/base/buf.h"

#define DEVICES_FILE "devices.conf"
#define DEVICES_MAX 1000

struct devices {
    struct accept_device *rows;
    size_t n;
};

/* The text of a whole file. errors ERR_REJECT with the line's number */
int devices_parse(const char *text, size_t n, struct devices *out, struct err *err) MUST_CHECK;
/* All its lines without a mistake; of one with a mistake behind its key, the row that before (NULL:
 * none) holds under it. out is set in any case. errors  as above, of the first mistake */
int devices_parse_good(const char *text, size_t n, const struct devices *before,
                       struct devices *out, struct err *err) MUST_CHECK;
void devices_fini(struct devices *devices);
/* A row as it will be read back: addresses in the system's spelling, defaults filled in.
 * errors ERR_REJECT which column, and why */
int devices_normalize(struct accept_device *device, struct err *err) MUST_CHECK;
/* The line of a normalized row, with its end of line. */
void devices_format(const struct accept_device *device, struct buf *out);
/* The text with the line of (ae, address) replaced by line, or without it (line_n 0); false: it is
 * not there, out holds the text as it was. Other lines stay as they are. */
bool devices_edit(const char *text, size_t n, const char *ae, const char *address, const char *line,
                  size_t line_n, struct buf *out);

/* How a caller stands to the table. */
struct devices_match {
    struct accept_device *device; /* NULL: turned away, why says the reason */
    enum accept_refusal why;
};

/* ours: the AE title a device calls where its row names none, "" = any. A row that pins the shown
 * certificate goes before one with this very address, that before one with *. */
struct devices_match devices_match(const struct devices *devices, const struct dimse_peer *peer,
                                   const char *ours);
/* The row with this key; NULL. */
struct accept_device *devices_at(const struct devices *devices, const char *ae,
                                 const char *address);

#endif
