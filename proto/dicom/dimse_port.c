/* dimse_port.c - see dimse_port.h. */
#include "proto/dicom/dimse_port.h"

#include "proto/base/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
dimse_port_open(const char *text, uint16_t port, int *out_fd, uint16_t *out_port, struct err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v6 = strchr(text, ':') != NULL;
    struct sockaddr *address = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t n = is_v6 ? sizeof v6 : sizeof v4;
    int one = 1;

    *out_fd = -1;
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text,
                  is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
        return err_set(err, ERR_FATAL, "DICOM address %s is not numeric", text);
    *out_fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*out_fd < 0)
        return err_sys(err, ERR_FATAL, "socket");
    (void)setsockopt(*out_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(*out_fd, address, n) < 0 || listen(*out_fd, 512) < 0)
        return err_sys(err, ERR_FATAL, "DICOM port %s:%u", text, port);
    if (getsockname(*out_fd, address, &n) < 0)
        return err_sys(err, ERR_FATAL, "DICOM port");
    *out_port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    return 0;
}

int
dimse_port_accept(int listen_fd, struct dimse_peer *peer)
{
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof from;
    int fd = accept4(listen_fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC);

    if (fd < 0)
        return -1;
    address_of((const struct sockaddr *)&from, peer->address, &peer->port);
    return fd;
}

void
dimse_port_refuse(int fd, uint8_t type, uint8_t a, uint8_t b, uint8_t c)
{
    const uint8_t pdu[10] = {type, 0, 0, 0, 0, 4, 0, a, b, c};

    if (send(fd, pdu, sizeof pdu, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof pdu)
        (void)shutdown(fd, SHUT_WR);
    close(fd);
}
