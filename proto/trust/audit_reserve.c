/* audit_reserve.c - room that the log keeps for itself on its disk. When others filled it, who did
 * what can still be written down for some thousand entries: what may not be done without an entry
 * (an image is taken out) goes on, and so does a start. */
#include "proto/trust/audit_parts.h"

#include "proto/base/durable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESERVE "reserve"
enum { RESERVE_BYTES = 4 << 20, STEP_BYTES = 64 << 10 };

/* -1: there is none, or it cannot be told. */
static int
open_reserve(const struct audit *a, int flags, off_t *out_size)
{
    char path[AUDIT_PATH_BYTES];
    struct stat st;
    int fd;

    audit_path(a, RESERVE, path);
    fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd >= 0 && fstat(fd, &st) < 0) {
        close(fd);
        return -1;
    }
    *out_size = fd >= 0 ? st.st_size : 0;
    return fd;
}

void
audit_reserve_make(const struct audit *a)
{
    struct err none; /* a disk without room: what there is stays */
    off_t size;
    int fd = open_reserve(a, O_CREAT, &size);

    if (fd < 0)
        return;
    if (size < RESERVE_BYTES && durable_preallocate(fd, RESERVE_BYTES, &none) < 0 &&
        ftruncate(fd, size) < 0)
        size = 0; /* it says more than it has: given back all the same */
    close(fd);
}

bool
audit_reserve_give(const struct audit *a)
{
    off_t size;
    int fd = open_reserve(a, 0, &size);
    bool did;

    if (fd < 0)
        return false;
    did = size > 0 && ftruncate(fd, size > STEP_BYTES ? size - STEP_BYTES : 0) == 0;
    close(fd);
    return did;
}
