/* test_teller.c - lists and questions beside the images, over a real spool, against a centre in
 * this process. Images without pixels: nothing has to be coded. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
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

enum { WAIT_MS = 60000, MANY = 30 };

struct site {
    char folder[FOLDER_PATH_BYTES];
    char spool_dir[256], link_dir[256], centre_dir[256];
    struct spool *spool;
    struct codec_pool *pool;
    struct fake_centre *centre;
    struct uplink *up;
    struct uplink_options options;
};

static struct err err;

static void
site_open(struct site *s)
{
    struct spool_options spool_options = {.segment_bytes = 4 << 20, .keep_sealed_ms = -1};

    memset(s, 0, sizeof *s);
    folder_make("teller", s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    snprintf(s->centre_dir, sizeof s->centre_dir, "%s/centre", s->folder);
    assert_int_equal(spool_open(s->spool_dir, &spool_options, &s->spool, &err), 0);
    assert_int_equal(codec_pool_new(1, &s->pool, &err), 0);
    s->centre = fake_centre_start(s->centre_dir, s->link_dir);
    s->options = (struct uplink_options){.link_dir = s->link_dir,
                                         .connections = 2,
                                         .coders = 1,
                                         .bundle_bytes = 65536,
                                         .backoff_ms = 20,
                                         .backoff_max_ms = 100,
                                         .stall_ms = 60000,
                                         .quiet_ms = 100,
                                         .look_hold_ms = 30000,
                                         .recheck_ms = 3600000};
}

static void
site_close(struct site *s)
{
    uplink_stop(&s->up);
    fake_centre_stop(&s->centre);
    spool_close(&s->spool);
    codec_pool_free(&s->pool);
    folder_remove(s->folder);
}

static void
receive(struct site *s, const char *study, int n)
{
    struct spool_meta meta = {.sop_class = CT_IMAGE, .transfer_syntax = DCM_UID_EXPLICIT_LE};
    struct buf file;
    uint64_t id;

    buf_init(&file, 1 << 20);
    for (int i = 1; i <= n; i++) {
        struct spool_draft *draft = NULL;

        buf_clear(&file);
        picture(&file, study, i, true);
        snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s.%d", study, i);
        assert_int_equal(spool_draft_begin(s->spool, &meta, &draft, &err), 0);
        assert_int_equal(spool_draft_write(draft, file.bytes, file.n, &err), 0);
        assert_int_equal(spool_commit(s->spool, &draft, &id, &err), 0);
    }
    buf_fini(&file);
}

static bool
wait_held(struct site *s, uint64_t count)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0;

    do {
        spool_counts(s->spool, counts);
        if (counts[INSTANCE_HELD] == count)
            return true;
        seen = spool_wait(s->spool, seen, 200);
    } while (clock_mono_ms() < until);
    return false;
}

static struct fake_counts
counts_of(struct site *s)
{
    struct fake_counts counts;

    fake_centre_lock(s->centre);
    counts = *fake_centre_counts(s->centre);
    fake_centre_unlock(s->centre);
    return counts;
}

static void
a_list_without_an_answer_holds_up_no_image(void **state)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t seen = 0;
    struct site s;

    (void)state;
    site_open(&s);
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    fake_centre_wishes(s.centre)->is_slow_with_manifests = true;
    receive(&s, "1.2.3.1", 1);
    assert_int_equal(uplink_start(&s.options, s.spool, s.pool, &s.up, &err), 0);
    while (counts_of(&s).manifests_waiting == 0 && clock_mono_ms() < until)
        seen = spool_wait(s.spool, seen, 20);
    assert_int_equal(counts_of(&s).manifests_waiting, 1);

    receive(&s, "1.2.3.2", 3);
    assert_true(wait_held(&s, 4));
    assert_int_equal(counts_of(&s).manifests, 0);
    fake_centre_lock(s.centre);
    fake_centre_wishes(s.centre)->is_slow_with_manifests = false;
    fake_centre_unlock(s.centre);
    site_close(&s);
}

/* Each by itself, ten thousand took minutes, in which nothing else was offered. */
static void
what_is_held_for_long_is_asked_after_many_at_a_time(void **state)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct fake_counts before, now;
    uint64_t seen = 0;
    struct site s;

    (void)state;
    site_open(&s);
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    receive(&s, "1.2.3.1", MANY);
    assert_int_equal(uplink_start(&s.options, s.spool, s.pool, &s.up, &err), 0);
    assert_true(wait_held(&s, MANY));
    uplink_stop(&s.up);

    s.options.recheck_ms = 300;
    before = counts_of(&s);
    assert_int_equal(uplink_start(&s.options, s.spool, s.pool, &s.up, &err), 0);
    do {
        seen = spool_wait(s.spool, seen, 20);
        now = counts_of(&s);
    } while (now.offered < before.offered + 2 * MANY && clock_mono_ms() < until);
    assert_true(now.offered >= before.offered + 2 * MANY);
    assert_true(now.offers - before.offers < MANY / 2);
    site_close(&s);
}

static void
which_of_them_is_refused_is_found_and_the_others_are_asked_after(void **state)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct fake_counts before, now;
    uint64_t seen = 0;
    struct site s;

    (void)state;
    site_open(&s);
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    receive(&s, "1.2.3.1", MANY);
    assert_int_equal(uplink_start(&s.options, s.spool, s.pool, &s.up, &err), 0);
    assert_true(wait_held(&s, MANY));
    uplink_stop(&s.up);

    fake_centre_wishes(s.centre)->refused_sop = "1.2.3.1.7";
    s.options.recheck_ms = 300;
    before = counts_of(&s);
    assert_int_equal(uplink_start(&s.options, s.spool, s.pool, &s.up, &err), 0);
    do { /* all of them at once, refused; each alone, and one of them refused again */
        seen = spool_wait(s.spool, seen, 20);
        now = counts_of(&s);
    } while (now.offered < before.offered + 2 * MANY && clock_mono_ms() < until);
    assert_true(now.offered >= before.offered + 2 * MANY);
    assert_in_range(now.refused - before.refused, 2, 3);
    assert_true(wait_held(&s, MANY));
    site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_without_an_answer_holds_up_no_image),
        cmocka_unit_test(what_is_held_for_long_is_asked_after_many_at_a_time),
        cmocka_unit_test(which_of_them_is_refused_is_found_and_the_others_are_asked_after),
    };

    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
