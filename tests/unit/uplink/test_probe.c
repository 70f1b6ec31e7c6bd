/* test_probe.c - a line that nothing is known of is asked once what it carries, if nothing waits.
 */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/codec/codec.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"
#include "tests/support/ok.h"

enum { WAIT_MS = 60000, PROBE_BYTES = 1 << 20 };

static struct err err;

static void
receive(struct spool *spool)
{
    struct spool_meta meta = {
        .sop_class = CT_IMAGE, .transfer_syntax = DCM_UID_EXPLICIT_LE, .sop_instance = "1.2.3.1.1"};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    buf_init(&file, 1 << 20);
    picture(&file, "1.2.3.1", 1, false);
    OK(spool_draft_begin(spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, file.n, &err));
    OK(spool_commit(spool, &draft, &id, &err));
    buf_fini(&file);
}

/* Bytes of probes that the centre sees before the image is sealed, which came before the start, or
 * once the line had been pinged twice. */
static uint64_t
probes_of(bool is_image_first)
{
    char folder[FOLDER_PATH_BYTES], dirs[3][FOLDER_PATH_BYTES + 16];
    static const char *const names[] = {"spool", "link", "centre"};
    struct spool_options spool_options = {.segment_bytes = 4 << 20, .keep_sealed_ms = -1};
    struct uplink_options options = {.link_dir = dirs[1],
                                     .connections = 3,
                                     .coders = 2,
                                     .bundle_bytes = 65536,
                                     .backoff_ms = 20,
                                     .backoff_max_ms = 100,
                                     .stall_ms = 5000,
                                     .quiet_ms = 300,
                                     .look_hold_ms = 30000,
                                     .recheck_ms = 3600000};
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t counts[INSTANCE_STATES] = {0};
    struct fake_centre *centre;
    struct codec_pool *pool = NULL;
    struct spool *spool = NULL;
    struct uplink *up = NULL;
    uint64_t bytes;

    folder_make("probe", folder);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        snprintf(dirs[i], sizeof dirs[i], "%s/%s", folder, names[i]);
    OK(spool_open(dirs[0], &spool_options, &spool, &err));
    OK(codec_pool_new(2, &pool, &err));
    centre = fake_centre_start(dirs[2], dirs[1]);
    if (is_image_first)
        receive(spool);
    OK(uplink_start(&options, spool, pool, &up, &err));
    while (!is_image_first && fake_centre_counts(centre)->pings < 3 && clock_mono_ms() < until)
        spool_wait(spool, 0, 20); /* a ping, the probe, a ping */
    if (!is_image_first)
        receive(spool);
    while (counts[INSTANCE_SEALED] == 0 && clock_mono_ms() < until) {
        spool_wait(spool, 0, 20);
        spool_counts(spool, counts);
    }
    assert_int_equal(counts[INSTANCE_SEALED], 1);
    bytes = fake_centre_counts(centre)->probe_bytes;
    uplink_stop(&up);
    fake_centre_stop(&centre);
    spool_close(&spool);
    codec_pool_free(&pool);
    folder_remove(folder);
    return bytes;
}

static void
a_new_line_is_asked_once(void **state)
{
    uint64_t bytes = probes_of(false);

    (void)state;
    assert_true(bytes > 0 && bytes <= PROBE_BYTES);
}

static void
images_that_wait_show_it_themselves(void **state)
{
    (void)state;
    assert_int_equal(probes_of(true), 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_line_is_asked_once),
        cmocka_unit_test(images_that_wait_show_it_themselves),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
