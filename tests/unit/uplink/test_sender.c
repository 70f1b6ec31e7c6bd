/* test_sender.c - what a sender asks of the system while it sends, over a real spool, against a
 * centre in this process: an emergency waits behind little, because little waits in the kernel. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"

enum { WAIT_MS = 60000, IMAGES = 6, LEAST = 16384, MOST = 65536 };

static struct err err;

/* What senders asked the kernel to keep back at most, and the connections they made. */
static _Atomic int asked, asked_least = INT32_MAX, asked_most, dialled;

static bool
is_sender(void)
{
    char name[32] = "";

    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 &&
           strcmp(name, "up-send") == 0;
}

int
setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
    if (level == IPPROTO_TCP && option == TCP_NOTSENT_LOWAT && is_sender()) {
        int bytes = *(const int *)value;

        asked++;
        if (bytes < asked_least)
            asked_least = bytes;
        if (bytes > asked_most)
            asked_most = bytes;
    }
    return (int)syscall(SYS_setsockopt, fd, level, option, value, n);
}

int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
    dialled += to->sa_family == AF_INET && is_sender();
    return (int)syscall(SYS_connect, fd, to, n);
}

static void
receive(struct spool *spool, int number)
{
    struct spool_meta meta = {.sop_class = CT_IMAGE, .transfer_syntax = DCM_UID_EXPLICIT_LE};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "1.2.3.%d", number);
    buf_init(&file, 1 << 20);
    picture(&file, "1.2.3", number, false);
    assert_int_equal(spool_draft_begin(spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, file.bytes, file.n, &err), 0);
    assert_int_equal(spool_commit(spool, &draft, &id, &err), 0);
    buf_fini(&file);
}

static void
wait_there(struct spool *spool, uint64_t count)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0;

    do {
        spool_counts(spool, counts);
        if (counts[INSTANCE_HELD] + counts[INSTANCE_SEALED] == count)
            return;
        seen = spool_wait(spool, seen, 200);
    } while (clock_mono_ms() < until);
    fail_msg("not %llu images are at the centre", (unsigned long long)count);
}

static void
images_one_by_one_go_over_open_connections_and_little_waits_in_the_kernel(void **state)
{
    struct spool_options queue = {.segment_bytes = 4 << 20, .keep_sealed_ms = -1};
    char folder[FOLDER_PATH_BYTES], spool_dir[256], link_dir[256], centre_dir[256];
    struct uplink_options options = {.link_dir = link_dir,
                                     .connections = 3,
                                     .coders = 1,
                                     .bundle_bytes = 65536,
                                     .backoff_ms = 20,
                                     .backoff_max_ms = 100,
                                     .stall_ms = 60000,
                                     .quiet_ms = 60000,
                                     .recheck_ms = 3600000};
    struct codec_pool *pool = NULL;
    struct spool *spool = NULL;
    struct uplink *up = NULL;
    struct fake_centre *centre;

    (void)state;
    folder_make("sender", folder);
    snprintf(spool_dir, sizeof spool_dir, "%s/spool", folder);
    snprintf(link_dir, sizeof link_dir, "%s/link", folder);
    snprintf(centre_dir, sizeof centre_dir, "%s/centre", folder);
    assert_int_equal(spool_open(spool_dir, &queue, &spool, &err), 0);
    assert_int_equal(codec_pool_new(1, &pool, &err), 0);
    centre = fake_centre_start(centre_dir, link_dir);
    assert_int_equal(uplink_start(&options, spool, pool, &up, &err), 0);

    for (int i = 1; i <= IMAGES; i++) {
        receive(spool, i);
        wait_there(spool, (uint64_t)i);
    }

    uplink_stop(&up);
    assert_in_range(dialled, 1, 3); /* not one an image */
    assert_true(asked > dialled);   /* beside what each connection begins with */
    assert_in_range(asked_least, LEAST, MOST);
    assert_in_range(asked_most, LEAST, MOST);
    fake_centre_stop(&centre);
    spool_close(&spool);
    codec_pool_free(&pool);
    folder_remove(folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_one_by_one_go_over_open_connections_and_little_waits_in_the_kernel),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
