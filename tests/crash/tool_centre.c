/* tool_centre DIR LINK_DIR - a centre in memory, for crash tests of the gateway: enrols LINK_DIR,
 * prints "ready", and at SIGUSR1 or SIGTERM a line for each object it was offered:
 *   UID STATE SIZE ARRIVED SHA256     (ARRIVED: bytes that came, repeats included)
 * then "end". It lives until SIGTERM. DIR is its own and must exist. */
#include "tests/support/fake_centre.h"

#include "proto/base/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void
tell(struct fake_centre *c)
{
    struct fake_object *objects;
    size_t n;

    fake_centre_lock(c);
    n = fake_centre_objects(c, &objects);
    for (size_t i = 0; i < n; i++) {
        char hex[2 * LINK_HASH_BYTES + 1];

        hex_encode(objects[i].offer.object, LINK_HASH_BYTES, hex);
        printf("%s %s %" PRIu64 " %" PRIu64 " %s\n", objects[i].offer.sop_instance,
               link_state_name(objects[i].state), objects[i].offer.size, objects[i].arrived, hex);
    }
    fake_centre_unlock(c);
    printf("end\n");
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    struct fake_centre *c;
    sigset_t calls;
    int got = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: tool_centre DIR LINK_DIR\n");
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
            tell(c);
    }
    fake_centre_stop(&c);
    return 0;
}
