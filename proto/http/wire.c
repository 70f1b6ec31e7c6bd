/* wire.c - TCP_INFO as the kernel's own header has it: glibc's ends before the counters of bytes.
 */
#include "proto/http/wire.h"

#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { STILL_TRIPS = 3 };
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

bool
http_wire_rate(int fd, uint64_t *out_rate)
{
    struct tcp_info info = {0};
    union tcp_cc_info cc = {0};
    socklen_t n = sizeof info, cc_n = sizeof cc;
    uint64_t rate = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return false;
    if (n >= offsetof(struct tcp_info, tcpi_delivery_rate) + sizeof info.tcpi_delivery_rate)
        rate = info.tcpi_delivery_rate;
    /* of the congestion controls that tell something only BBR's is so long */
    if (getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, &cc, &cc_n) == 0 && cc_n == sizeof cc.bbr) {
        uint64_t best = (uint64_t)cc.bbr.bbr_bw_hi << 32 | cc.bbr.bbr_bw_lo;

        rate = best > rate ? best : rate;
    }
    *out_rate = rate;
    return rate > 0;
}

bool
http_wire_is_still(int fd, int64_t ms)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 ||
        n < offsetof(struct tcp_info, tcpi_min_rtt) + sizeof info.tcpi_min_rtt)
        return false;
    return info.tcpi_unacked > 0 && info.tcpi_last_ack_recv >= ms &&
           ms >= STILL_TRIPS * (int64_t)info.tcpi_min_rtt / 1000;
}
