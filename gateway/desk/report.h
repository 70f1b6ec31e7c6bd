/* report.h - the desk's state as JSON, in one place for the page and for programs.
 *     {change, now_us, lamps: {devices, line, disk, clock, certificate: {word, colour, ...}},
 *      devices: [...], refused: [...], studies: [...], older: n, set_aside: n}
 * set_aside counts every quarantined instance, also those whose study could not be read.
 * Threads: any. */
#ifndef RADPOST_DESK_REPORT_H
#define RADPOST_DESK_REPORT_H

#include "gateway/desk/desk.h"
#include "proto/base/buf.h"

/* change: the spool's number, to ask again with. Studies of today (local time) and those not yet
 * safe, newest first; at most 200, the rest is counted in "older". */
void report_write(const struct desk_options *sources, uint64_t change, struct buf *out);

#endif
