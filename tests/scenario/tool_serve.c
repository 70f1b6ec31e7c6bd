/* tool_serve DIR DEVICES - spool, door, commitment and queries of a gateway alone, for scenarios
 * with stock peers. DEVICES is the text of its devices.conf. Prints "listening PORT"; then a line a
 * word on standard input: "seal" (what has come is looked into, and the centre has it: "sealed"),
 * "restart" ("listening PORT" again). Ends with its input. */
#include "proto/codec/codec.h"
#include "tests/support/serve_world.h"

#include <stdio.h>
#include <string.h>

static void
say_port(struct serve_world *w)
{
    printf("listening %s\n", serve_world_port(w));
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    static struct serve_world world = {.options = {.grace_ms = 1000}};
    char line[64];
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc != 3 || strlen(argv[1]) >= sizeof world.dir) {
        fprintf(stderr, "usage: tool_serve DIR DEVICES\n");
        return 2;
    }
    memcpy(world.dir, argv[1], strlen(argv[1]) + 1);
    serve_world_make(&world, argv[2]);
    say_port(&world);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "seal\n") == 0) {
            serve_world_seal(&world);
            puts("sealed");
            fflush(stdout);
        } else if (strcmp(line, "restart\n") == 0) {
            serve_world_close(&world);
            serve_world_open(&world);
            say_port(&world);
        }
    }
    serve_world_close(&world);
    return 0;
}
