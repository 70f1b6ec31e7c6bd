/* dimse_port.h - the listener's socket: opened, one more connection, a last word. Not for others.
 */
#ifndef RADPOST_DICOM_DIMSE_PORT_H
#define RADPOST_DICOM_DIMSE_PORT_H

#include "proto/dicom/dimse.h"

/* A listening socket that does not block, at a numeric address; port 0: one that is free.
 * out_fd  the caller's, also on failure (-1: none)
 * errors  ERR_FATAL address in use, not ours or not numeric */
int dimse_port_open(const char *address, uint16_t port, int *out_fd, uint16_t *out_port,
                    struct err *err) MUST_CHECK;
/* A connection, the caller's; its peer's address and port are set. -1: errno says why. */
int dimse_port_accept(int listen_fd, struct dimse_peer *peer);
/* A last word (PS3.8 9.3.4, 9.3.8) to a connection that gets no association; it is closed. */
void dimse_port_refuse(int fd, uint8_t type, uint8_t a, uint8_t b, uint8_t c);

#endif
