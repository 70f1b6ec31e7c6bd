/* findings.c - the doctor's words, and the checks that gateway and storage share. */
#include "deploy/cli/findings.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/trust/audit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CONNECT_S = 3 };
static const int64_t day_us = INT64_C(86400000000);

/* What to do about it, under the finding. */
static void
advise(const char *what)
{
    static const struct {
        const char *end, *en, *zh;
    } rows[] = {
#define ADVICE(end, en, zh) {end, en, zh},
#include "deploy/cli/advice.def"
#undef ADVICE
    };
    size_t n = strlen(what);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t end = strlen(rows[i].end);

        if (end <= n && strcmp(what + n - end, rows[i].end) == 0) {
            printf("        do: %s\n        办法：%s\n", rows[i].en, rows[i].zh);
            return;
        }
    }
}

void
finding(struct findings *f, enum mark mark, const char *what, const char *format, ...)
{
    static const char *const words[] = {"fine", "LOOK", "BAD "};
    va_list args;

    printf("  %s  %-22s ", words[mark], what);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    f->looks += mark == MARK_LOOK;
    f->bads += mark == MARK_BAD;
    if (mark != MARK_FINE)
        advise(what);
}

void
check_port(struct findings *f, const char *what, const char *address, int64_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval wait = {.tv_sec = CONNECT_S};
    int fd;

    if (address[0] == '\0' || strcmp(address, "0.0.0.0") == 0)
        address = "127.0.0.1";
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        finding(f, MARK_LOOK, what, "%s is no IPv4 address: not tried", address);
        return;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
        connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) < 0)
        finding(f, MARK_BAD, what, "%s:%" PRId64 " does not answer: %s", address, port,
                strerror(errno));
    else
        finding(f, MARK_FINE, what, "%s:%" PRId64 " answers", address, port);
    if (fd >= 0)
        close(fd);
}

void
check_disk(struct findings *f, const char *what, const char *path, uint64_t warn_bytes,
           uint64_t bad_bytes)
{
    struct err err;
    uint64_t free_bytes;
    int used;

    if (durable_room(path, &free_bytes, &used, &err) < 0) {
        finding(f, MARK_BAD, what, "%s", err.text);
        return;
    }
    finding(f,
            free_bytes < bad_bytes    ? MARK_BAD
            : free_bytes < warn_bytes ? MARK_LOOK
                                      : MARK_FINE,
            what, "%.1f GB free, %d %% in use (%s)", (double)free_bytes / 1e9, used, path);
}

void
check_days(struct findings *f, const char *what, int64_t soon_days, int64_t not_after_us)
{
    int64_t days = (not_after_us - clock_wall_us()) / day_us;

    if (not_after_us < clock_wall_us())
        finding(f, MARK_BAD, what, "has ended");
    else
        finding(f,
                days <= soon_days / 4 ? MARK_BAD
                : days <= soon_days   ? MARK_LOOK
                                      : MARK_FINE,
                what, "%" PRId64 " days left", days);
}

void
check_audit(struct findings *f, const char *dir)
{
    struct audit_verdict verdict;
    struct err err;

    if (audit_verify(dir, NULL, NULL, &verdict, &err) < 0)
        finding(f, MARK_BAD, "audit trail", "%s", err.text);
    else
        finding(f, MARK_FINE, "audit trail", "whole: %" PRIu64 " entries", verdict.entries);
}

void
check_zone(struct findings *f)
{
    static const char *const western[] = {"GMT", "WET", "+00"}; /* people live there */
    time_t now = (time_t)(clock_wall_us() / 1000000);
    bool is_somewhere;
    struct tm tm;
    char off[8];

    tzset();
    localtime_r(&now, &tm);
    is_somewhere = tm.tm_gmtoff != 0;
    for (size_t i = 0; i < ARRAY_LEN(western); i++)
        is_somewhere = is_somewhere || strcmp(tm.tm_zone, western[i]) == 0;
    strftime(off, sizeof off, "%z", &tm);
    if (is_somewhere)
        finding(f, MARK_FINE, "time zone", "%s, %s", tm.tm_zone, off);
    else
        finding(f, MARK_LOOK, "time zone",
                "%s: the first hours of a day bear the day before in worklists and on pages",
                tm.tm_zone);
}
