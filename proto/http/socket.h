/* socket.h - what both ends ask of TCP. What a kernel does not have, or does not let us have, costs
 * time only: nothing here can fail. */
#ifndef RADPOST_HTTP_SOCKET_H
#define RADPOST_HTTP_SOCKET_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15 */
#endif
#define HTTP_SOCKET_CONGESTION "bbr"

enum { HTTP_SOCKET_RTO_MAX_MS = 1000, HTTP_SOCKET_UNSENT_BYTES = 65536 };

/* A line that comes back after a cut is noticed within a second, not after doubled waits. A socket
 * that listens hands it on to its connections. */
static inline void
http_socket_patient(int fd)
{
    int ms = HTTP_SOCKET_RTO_MAX_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &ms, sizeof ms);
}

static inline void
http_socket_keep_short(int fd, int unsent)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

/* Random loss does not halve the rate, and what is sent last does not wait behind a long queue in
 * the kernel. */
static inline void
http_socket_bulk(int fd)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, HTTP_SOCKET_CONGESTION,
                     sizeof HTTP_SOCKET_CONGESTION - 1);
    http_socket_keep_short(fd, HTTP_SOCKET_UNSENT_BYTES);
}

#endif
