/* wire.c - TCP_INFO as the kernel's own header has it: glibc's ends before the counters of bytes.
 */
#include "proto/http/wire.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { HEADERS_IP4 = 20 + 20 + 12, HEADERS_IP6 = 40 + 20 + 12 }; /* with the time stamps' option */

bool
http_wire_sent(int fd, uint64_t *out_bytes)
{
    struct tcp_info info = {0};
    struct sockaddr_storage peer;
    socklen_t n = sizeof info, peer_n = sizeof peer;
    uint64_t headers;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof info.tcpi_bytes_retrans ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_n) < 0)
        return false;
    headers = peer.ss_family == AF_INET6 ? HEADERS_IP6 : HEADERS_IP4;
    /* bytes_sent counts repeats; what has not left yet will */
    *out_bytes = info.tcpi_bytes_sent + info.tcpi_notsent_bytes + info.tcpi_segs_out * headers;
    return true;
}
