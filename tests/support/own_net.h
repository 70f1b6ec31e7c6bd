/* own_net.h - a loopback of the test's own, that can be cut. */
#ifndef RADPOST_TESTS_SUPPORT_OWN_NET_H
#define RADPOST_TESTS_SUPPORT_OWN_NET_H

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is on its way while it is cut is lost. */
static inline bool
own_net_set(bool is_up)
{
    struct ifreq lo = {.ifr_flags = is_up ? IFF_UP | IFF_RUNNING : 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_done;

    memcpy(lo.ifr_name, "lo", sizeof "lo");
    is_done = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    if (fd >= 0)
        close(fd);
    return is_done;
}

/* For this thread and those it begins; false: not allowed here. */
static inline bool
own_net_enter(void)
{
    return unshare(CLONE_NEWNET) == 0 && own_net_set(true);
}

#endif
