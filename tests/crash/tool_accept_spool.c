/* tool_accept_spool PORT DIR AE... - the gateway's door and spool alone, for crash and load tests.
 * Port 0 = a free one. Any address may call with the AE titles given. Prints "listening PORT" when
 * it is ready; ends at SIGTERM or SIGINT, after what is being written. DIR is kept. */
#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/program.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/forked.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
enrol(const char *dir, char **titles, struct err *err)
{
    char *tmp = mem_printf("%s/tmp", dir);
    struct buf lines;
    int rc = -1;

    buf_init(&lines, 65536);
    for (; *titles; titles++)
        buf_add_printf(&lines, "\"%s\" *\n", *titles);
    if (durable_mkdir(dir, err) == 0 && durable_mkdir(tmp, err) == 0)
        rc = durable_put_file(dir, "devices.conf", lines.bytes, lines.n, err);
    buf_fini(&lines);
    free(tmp);
    return rc;
}

static int
run(uint16_t port, const char *dir, char **titles, struct err *err)
{
    char *door_dir = mem_printf("%s/accept", dir), *spool_dir = mem_printf("%s/spool", dir);
    struct spool_options keep = {.segment_bytes = 4 << 20}; /* made in no time */
    struct accept_options options = {.dir = door_dir, .port = port};
    struct spool *spool = NULL;
    struct accept *door = NULL;
    sigset_t ends;
    int got, rc = -1;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    if (durable_mkdir(dir, err) < 0 || enrol(door_dir, titles, err) < 0 ||
        spool_open(spool_dir, &keep, &spool, err) < 0 ||
        accept_open(&options, spool, &door, err) < 0 || accept_listen(door, err) < 0)
        goto out;
    printf("listening %u\n", accept_port(door));
    fflush(stdout);
    sigwait(&ends, &got);
    rc = 0;
out:
    accept_stop(&door);
    spool_close(&spool);
    free(spool_dir);
    free(door_dir);
    return rc;
}

static int
begin(int argc, char **argv)
{
    struct err err = {0};
    uint64_t port;

    if (argc < 4 || text_to_u64(argv[1], 65535, &port) < 0) {
        fprintf(stderr, "usage: tool_accept_spool PORT DIR AE...\n");
        return 2;
    }
    if (run((uint16_t)port, argv[2], argv + 3, &err) < 0) {
        fprintf(stderr, "tool_accept_spool: %s\n", err.text);
        return 1;
    }
    program_end(0); /* as the gateway does */
}

/* OpenSSL reads its files once a process. */
static void
warm(void)
{
    uint8_t sha256[32];

    digest_bytes("", 0, sha256);
}

int
main(int argc, char **argv)
{
    return forked_run(argc, argv, begin, warm);
}
