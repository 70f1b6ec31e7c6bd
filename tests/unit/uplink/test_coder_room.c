/* test_coder_room.c - below the disk's last mark nothing routine is coded, and everything leaves
 * all the same: over a real spool whose disk is always too full, workers that code, and a centre.
 */
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "tests/support/uplink_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { IMAGES = 3 };

/* What is here stays; nothing new would be taken. */
static void
reopen(struct uplink_site *s, uint64_t refuse_free_bytes)
{
    struct spool_options options = {
        .segment_bytes = 4 << 20, .keep_sealed_ms = -1, .refuse_free_bytes = refuse_free_bytes};
    struct err err;

    spool_close(&s->spool);
    assert_int_equal(spool_open(s->spool_dir, &options, &s->spool, &err), 0);
}

static unsigned
coded(struct uplink_site *s)
{
    struct spool_filter filter = {.limit = 0};
    uint64_t *ids = NULL;
    unsigned found = 0;
    size_t n = 0;

    spool_list(s->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *e = NULL;
        struct err err;

        assert_int_equal(spool_look(s->spool, ids[i], &e, &err), 0);
        found += e->is_coded;
        spool_entry_free(&e);
    }
    free(ids);
    return found;
}

static void
on_a_full_disk_images_are_not_coded_and_leave_as_they_came(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "coder_room", 1);
    uplink_site_pictures(&s, "1.2.3.1", IMAGES, false);
    reopen(&s, UINT64_MAX);
    s.options.link_dir = s.folder; /* not enrolled: there is no line yet */
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_INSPECTED), IMAGES));
    assert_int_equal(coded(&s), 0);

    uplink_stop(&s.up);
    s.options.link_dir = s.link_dir;
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, IMAGES));
    assert_int_equal(coded(&s), 0);
    uplink_site_close(&s);
}

/* The same site with room: the images are such as are coded. */
static void
with_room_they_are_coded(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "coder_has_room", 1);
    uplink_site_pictures(&s, "1.2.3.1", IMAGES, false);
    reopen(&s, 0);
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, IMAGES));
    assert_int_equal(coded(&s), IMAGES);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_full_disk_images_are_not_coded_and_leave_as_they_came),
        cmocka_unit_test(with_room_they_are_coded),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
