/* clock_ahead.c - a library to preload: the calendar's clock is as far ahead as a file says, waits
 * stay real.
 *     LD_PRELOAD=clock_ahead.so CLOCK_AHEAD=FILE PROGRAM
 * FILE holds a number of seconds, perhaps negative; it is looked at twenty times a second, and
 * replaced by rename. Only CLOCK_REALTIME, gettimeofday() and time() are moved: libfaketime moves
 * the waits on condition variables as well, even when told not to, and threads spin. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic long long ahead_s, read_ms = -1000;

static long long
ahead(void)
{
    const char *path = getenv("CLOCK_AHEAD");
    struct timespec mono;
    char text[32] = "";
    long long now_ms;
    int fd;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &mono);
    now_ms = mono.tv_sec * 1000LL + mono.tv_nsec / 1000000;
    if (path == NULL || now_ms - atomic_load(&read_ms) < 50)
        return atomic_load(&ahead_s);
    atomic_store(&read_ms, now_ms);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        atomic_store(&ahead_s, atoll(text));
    if (fd >= 0)
        close(fd);
    return atomic_load(&ahead_s);
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, out);

    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += ahead();
    return rc;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t
time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}
