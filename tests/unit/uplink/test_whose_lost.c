/* test_whose_lost.c - what the centre had sealed and has lost, its bytes gone here, comes again: it
 * goes as a new image, in the place of that one. */
#include "gateway/spool/spool.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/model/quarantine.h"
#include "tests/support/uplink_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"

#define STUDY "1.2.3.1"

static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static struct spool_entry *
look(struct uplink_site *s, uint64_t id)
{
    struct spool_entry *entry = NULL;

    must(spool_look(s->spool, id, &entry, &err));
    return entry;
}

/* Sealed, gone here, and lost at the centre; the uplink is stopped. */
static uint64_t
lose_one(struct uplink_site *s)
{
    struct spool_options options = {.segment_bytes = 4 << 20};
    struct spool_entry *entry;
    size_t released;
    uint64_t id;

    uplink_site_open(s, "lost", 1);
    uplink_site_start(s);
    id = uplink_site_picture(s, STUDY, 1, false);
    assert_true(uplink_site_wait(s, UPLINK_SITE_THERE, 1));
    uplink_stop(&s->up);
    entry = look(s, id);
    if (entry->state != INSTANCE_SEALED)
        must(spool_set_sealed(s->spool, id, 0, &err));
    spool_entry_free(&entry);
    spool_close(&s->spool);
    must(spool_open(s->spool_dir, &options, &s->spool, &err));
    (void)spool_collect_garbage(s->spool);
    must(spool_set_lost(s->spool, id, &released, &err));
    return id;
}

static void
assert_is_copy_of(struct uplink_site *s, uint64_t id, uint64_t of)
{
    struct spool_entry *entry = look(s, id);

    assert_int_equal(entry->state, INSTANCE_DUPLICATE);
    assert_int_equal(entry->twin_of, of);
    assert_false(entry->is_lost);
    spool_entry_free(&entry);
}

static void
it_goes_and_a_third_is_a_copy_of_it(void **state)
{
    struct uplink_site s;
    uint64_t lost = lose_one(&s), again, third;

    (void)state;
    uplink_site_start(&s);
    again = uplink_site_picture(&s, STUDY, 1, false);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_DUPLICATE), 1));
    third = uplink_site_picture(&s, STUDY, 1, false);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_DUPLICATE), 2));

    assert_is_copy_of(&s, lost, again);
    assert_is_copy_of(&s, third, again);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 1));
    uplink_site_close(&s);
}

/* Its own arrow was durable, that of what was lost not yet. */
static void
a_kill_before_it_has_its_place_leaves_it_to_the_next_start(void **state)
{
    struct uplink_site s;
    uint64_t lost = lose_one(&s), again;
    struct spool_entry *entry = look(&s, lost);

    (void)state;
    again = uplink_site_picture(&s, STUDY, 1, false);
    must(spool_set_inspected(s.spool, again, &entry->facts, &err));
    spool_entry_free(&entry);

    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_DUPLICATE), 1));
    assert_is_copy_of(&s, lost, again);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 1));
    uplink_site_close(&s);
}

static void
another_image_under_its_uid_is_kept_aside(void **state)
{
    struct uplink_site s;
    uint64_t lost = lose_one(&s), other;
    struct spool_entry *entry;
    struct buf file;

    (void)state;
    buf_init(&file, 1 << 20);
    picture(&file, STUDY, 2, false);
    uplink_site_start(&s);
    other = uplink_site_receive(&s, STUDY, 1, &file);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), 1));

    entry = look(&s, other);
    assert_int_equal(quarantine_of(entry->last_error), QUARANTINE_UID_CONFLICT);
    spool_entry_free(&entry);
    entry = look(&s, lost);
    assert_true(entry->is_lost);
    spool_entry_free(&entry);
    buf_fini(&file);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_and_a_third_is_a_copy_of_it),
        cmocka_unit_test(a_kill_before_it_has_its_place_leaves_it_to_the_next_start),
        cmocka_unit_test(another_image_under_its_uid_is_kept_aside),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
