/* test_uid_reused.c - one study number, two people: what goes first, and what is said of what the
 * centre puts aside. A real spool and real codec workers, against a centre in this process. */
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/model/doubts.h"
#include "tests/support/ok.h"
#include "tests/support/uplink_site.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"

enum { ON_LINE = INSTANCE_BIT(INSTANCE_CODED) | INSTANCE_BIT(INSTANCE_PLAIN), SLOW = 12000 };

static struct err err;

/* An image without pixels, of somebody else than picture()'s T-1. */
static uint64_t
receive_others(struct uplink_site *s, const char *study, int number)
{
    struct dcm_writer w;
    struct buf file;
    char sop[65];
    uint64_t id;

    snprintf(sop, sizeof sop, "%s.%d", study, number);
    buf_init(&file, 1 << 16);
    OK(part10_head(&file, CT_IMAGE, sop, DCM_UID_EXPLICIT_LE, NULL, &err));
    dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, sop);
    dcm_write_text(&w, 0x00080060, NULL, "CT");
    dcm_write_text(&w, 0x00100020, NULL, "T-2");
    dcm_write_text(&w, 0x0020000D, NULL, study);
    dcm_write_text(&w, 0x0020000E, NULL, "1.2.826.0.1.3680043.8.498.3");
    id = uplink_site_receive(s, study, number, &file);
    buf_fini(&file);
    return id;
}

static void
be_busy(struct uplink_site *s, unsigned calls)
{
    fake_centre_lock(s->centre);
    fake_centre_wishes(s->centre)->busy_calls = calls;
    fake_centre_unlock(s->centre);
}

static struct spool_entry *
load(struct uplink_site *s, uint64_t id)
{
    struct spool_entry *entry = NULL;

    OK(spool_load(s->spool, id, &entry, &err));
    return entry;
}

static int64_t
held_at_us(struct uplink_site *s, uint64_t id)
{
    struct spool_entry *entry = load(s, id);
    int64_t at_us = entry->state_at_us[INSTANCE_HELD];

    spool_entry_free(&entry);
    return at_us;
}

/* The centre names a study by what is whole there first: a small image overtook the first person's
 * on the line, and the study was one person's at the desk and another's at the centre. */
static void
another_persons_image_under_a_study_number_goes_after_one_of_the_firsts(void **state)
{
    uint64_t mine, others;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "reused", 2);
    s.options.rate_bytes = SLOW;
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    be_busy(&s, UINT_MAX);
    uplink_site_start(&s);
    mine = uplink_site_picture(&s, "1.2.3.1", 1, false);
    assert_true(uplink_site_wait(&s, ON_LINE, 1));
    others = receive_others(&s, "1.2.3.1", 2);
    assert_true(uplink_site_wait(&s, ON_LINE, 2));

    be_busy(&s, 0);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), 2));
    assert_true(held_at_us(&s, mine) < held_at_us(&s, others));
    uplink_site_close(&s);
}

/* Nobody knows when it is let go. */
static void
it_does_not_wait_for_what_a_person_keeps_back(void **state)
{
    struct uplink_site s;
    uint64_t mine;

    (void)state;
    uplink_site_open(&s, "reused", 2);
    be_busy(&s, UINT_MAX);
    uplink_site_start(&s);
    mine = uplink_site_picture(&s, "1.2.3.1", 1, false);
    assert_true(uplink_site_wait(&s, ON_LINE, 1));
    OK(spool_set_paused(s.spool, mine, true, &err));
    receive_others(&s, "1.2.3.1", 2);
    assert_true(uplink_site_wait(&s, ON_LINE, 2));

    be_busy(&s, 0);

    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 1));
    uplink_site_close(&s);
}

static void
what_the_centre_puts_aside_of_another_person_says_that_the_number_is_anothers(void **state)
{
    static const char words[] = "uid_reused: ";
    struct spool_entry *other, *plain;
    uint64_t others, third;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "reused", 2);
    uplink_site_picture(&s, "1.2.3.1", 1, true);
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 1));
    uplink_site_wish(&s, (struct fake_wishes){.are_all_put_aside = true});

    others = receive_others(&s, "1.2.3.1", 2);
    third = receive_others(&s, "1.2.3.2", 3);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), 2));
    other = load(&s, others);
    plain = load(&s, third);
    assert_int_equal(other->facts.doubts & DOUBT_UID_REUSED, DOUBT_UID_REUSED);
    assert_int_equal(strncmp(other->last_error, words, strlen(words)), 0);
    assert_int_equal(strncmp(plain->last_error, "refused: ", 9), 0);
    spool_entry_free(&other);
    spool_entry_free(&plain);
    uplink_site_close(&s);
}

/* Before the line is: what a coder would have found, in the order in which it would have. */
static void
inspected(struct uplink_site *s, uint64_t id, const struct spool_inspection *as, uint32_t doubts)
{
    struct spool_inspection facts = *as;

    text_copy(facts.study_uid, sizeof facts.study_uid, "1.2.3.2");
    facts.doubts = doubts;
    OK(spool_set_inspected(s->spool, id, &facts, &err));
    OK(spool_set_uncoded(s->spool, id, "test", &err));
}

/* A small image is looked into while a large one that came before it still is: the study is the
 * small one's, and was the large one's after a restart. */
static void
whose_a_study_is_stays_with_what_was_inspected_first_also_after_a_restart(void **state)
{
    struct spool_entry *large, *small, *next, *other;
    uint64_t id, third, fourth;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "reused", 2);
    uplink_site_start(&s);
    id = uplink_site_picture(&s, "1.2.3.1", 1, true);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 1));
    large = load(&s, id);
    id = receive_others(&s, "1.2.3.1", 2);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2));
    small = load(&s, id);
    uplink_stop(&s.up);
    inspected(&s, uplink_site_picture(&s, "1.2.3.2", 1, true), &large->facts, DOUBT_UID_REUSED);
    inspected(&s, receive_others(&s, "1.2.3.2", 2), &small->facts, 0);
    uplink_site_start(&s);

    third = receive_others(&s, "1.2.3.2", 3);
    fourth = uplink_site_picture(&s, "1.2.3.2", 4, true);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 6));
    next = load(&s, third);
    other = load(&s, fourth);
    assert_int_equal(next->facts.doubts & DOUBT_UID_REUSED, 0);
    assert_int_equal(other->facts.doubts & DOUBT_UID_REUSED, DOUBT_UID_REUSED);
    spool_entry_free(&large);
    spool_entry_free(&small);
    spool_entry_free(&next);
    spool_entry_free(&other);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_persons_image_under_a_study_number_goes_after_one_of_the_firsts),
        cmocka_unit_test(it_does_not_wait_for_what_a_person_keeps_back),
        cmocka_unit_test(whose_a_study_is_stays_with_what_was_inspected_first_also_after_a_restart),
        cmocka_unit_test(
            what_the_centre_puts_aside_of_another_person_says_that_the_number_is_anothers),
    };

    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
