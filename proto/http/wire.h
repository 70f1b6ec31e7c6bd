/* wire.h - what a TCP connection has put on the wire, headers and repeats included. */
#ifndef RADPOST_HTTP_WIRE_H
#define RADPOST_HTTP_WIRE_H

#include "proto/base/base.h"

/* Bytes written to the socket so far, plus the IP and TCP headers of every segment that left and
 * what was sent again. False: the kernel does not say (Linux before 4.19), or it is no TCP. */
bool http_wire_sent(int fd, uint64_t *out_bytes);

#endif
