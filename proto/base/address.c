/* address.c - see address.h. */
#include "proto/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static void
write_v6(const struct in6_addr *a, char out[ADDRESS_BYTES])
{
    if (IN6_IS_ADDR_V4MAPPED(a))
        (void)inet_ntop(AF_INET, &a->s6_addr[12], out, ADDRESS_BYTES);
    else
        (void)inet_ntop(AF_INET6, a, out, ADDRESS_BYTES);
}

void
address_of(const struct sockaddr *peer, char out[ADDRESS_BYTES], uint16_t *out_port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    out[0] = '\0';
    *out_port = 0;
    if (peer->sa_family == AF_INET6) {
        memcpy(&v6, peer, sizeof v6);
        write_v6(&v6.sin6_addr, out);
        *out_port = ntohs(v6.sin6_port);
    } else if (peer->sa_family == AF_INET) {
        memcpy(&v4, peer, sizeof v4);
        (void)inet_ntop(AF_INET, &v4.sin_addr, out, ADDRESS_BYTES);
        *out_port = ntohs(v4.sin_port);
    }
}

bool
address_normal(const char *text, char out[ADDRESS_BYTES])
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1)
        return inet_ntop(AF_INET, &v4, out, ADDRESS_BYTES) != NULL;
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    write_v6(&v6, out);
    return true;
}
