/* echo.c - the far end of a stream that says what it hears, until its end. */
#include "tests/support/echo.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void *
echo_run(void *arg)
{
    int fd = *(int *)arg;
    char bytes[65536];
    ssize_t n;

    free(arg);
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        for (ssize_t at = 0, m; at < n; at += m) {
            m = send(fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
            if (m <= 0)
                break;
        }
    close(fd);
    return NULL;
}
