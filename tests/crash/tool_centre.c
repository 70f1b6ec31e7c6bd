/* tool_centre DIR LINK_DIR REPORT - a centre in memory, for crash tests of the gateway: enrols
 * LINK_DIR, prints "ready", and at SIGUSR1 or SIGTERM writes REPORT, a line for each object it was
 * offered:
 *   UID STATE SIZE ARRIVED SHA256     (ARRIVED: bytes that came, repeats included)
 * and prints how many of them are sealed. It lives until SIGTERM. DIR is its own and must exist. */
#include "tests/support/fake_centre.h"

#include "proto/base/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void
tell(struct fake_centre *c, const char *path)
{
    FILE *report = fopen(path, "w");
    struct fake_object *objects;
    size_t n, sealed = 0;

    CHECK(report != NULL);
    fake_centre_lock(c);
    n = fake_centre_objects(c, &objects);
    for (size_t i = 0; i < n; i++) {
        char hex[2 * LINK_HASH_BYTES + 1];

        hex_encode(objects[i].offer.object, LINK_HASH_BYTES, hex);
        sealed += objects[i].state == LINK_SEALED;
        fprintf(report, "%s %s %" PRIu64 " %" PRIu64 " %s\n", objects[i].offer.sop_instance,
                link_state_name(objects[i].state), objects[i].offer.size, objects[i].arrived, hex);
    }
    fake_centre_unlock(c);
    CHECK(fclose(report) == 0);
    printf("%zu\n", sealed);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    struct fake_centre *c;
    sigset_t calls;
    int got = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: tool_centre DIR LINK_DIR REPORT\n");
        return 2;
    }
    sigemptyset(&calls);
    sigaddset(&calls, SIGUSR1);
    sigaddset(&calls, SIGTERM);
    sigprocmask(SIG_BLOCK, &calls, NULL);
    signal(SIGPIPE, SIG_IGN);
    c = fake_centre_start(argv[1], argv[2]);
    puts("ready");
    fflush(stdout);
    while (got != SIGTERM) {
        if (sigwait(&calls, &got) == 0)
            tell(c, argv[3]);
    }
    fake_centre_stop(&c);
    return 0;
}
