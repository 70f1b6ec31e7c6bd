/* wire.h - what a TCP connection has put on the wire, headers and repeats included, and how fast
 * its way takes it. */
#ifndef RADPOST_HTTP_WIRE_H
#define RADPOST_HTTP_WIRE_H

#include "proto/base/base.h"

/* Bytes written to the socket so far, plus the IP and TCP headers of every segment that left and
 * what was sent again. False: the kernel does not say (Linux before 4.19), or it is no TCP. */
bool http_wire_sent(int fd, uint64_t *out_bytes);
/* Bytes a second that its peer confirmed at best of late: of a train of packets, by when they left
 * and when they were confirmed, so that a queue that swallows them at once shows nothing. With BBR
 * the most of the last round trips that had enough to send, else the last train. A way may carry
 * more than it was given. False: no train yet, or the kernel does not say. */
bool http_wire_rate(int fd, uint64_t *out_rate);

/* Something is on its way, and its peer has confirmed nothing for so long, and for some round
 * trips.
 */
bool http_wire_is_still(int fd, int64_t ms);

#endif
