/* test_uplink.c - the whole uplink over a real spool and real codec workers, against a centre in
 * this process that loses, refuses, contradicts and goes away. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/link/enrol.h"
#include "tests/support/ok.h"
#include "tests/support/uplink_site.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 60000 };

static struct err err;

static void
assert_whole(struct uplink_site *s, size_t count)
{
    struct fake_object *objects;
    size_t n = fake_centre_objects(s->centre, &objects);

    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++)
        assert_true(objects[i].state == LINK_HELD || objects[i].state == LINK_SEALED);
}

static void
be_busy(struct uplink_site *s, unsigned calls)
{
    fake_centre_lock(s->centre);
    fake_centre_wishes(s->centre)->busy_calls = calls;
    fake_centre_unlock(s->centre);
}

/* Looks go before the rest of what is offered; so all of it waits before the first offer is taken.
 */
static void
a_study_is_looked_held_told_and_sealed_in_that_order(void **state)
{
    struct uplink_status status = {0};
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    for (int i = 1; i <= 6; i++)
        uplink_site_picture(&s, "1.2.3.1", i, false);
    be_busy(&s, UINT_MAX);
    uplink_site_start(&s);
    for (int64_t until = clock_mono_ms() + WAIT_MS;
         status.waiting_objects < 6 && clock_mono_ms() < until;) {
        spool_wait(s.spool, 0, 20);
        uplink_status(s.up, &status);
    }
    assert_int_equal(status.waiting_objects, 6);
    be_busy(&s, 0);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 6));
    assert_whole(&s, 6);
    fake_centre_lock(s.centre);
    assert_int_equal(fake_centre_counts(s.centre)->looked_first_failures, 0);
    assert_int_equal(fake_centre_counts(s.centre)->last_manifest_count, 6);
    assert_int_equal(fake_centre_counts(s.centre)->last_revision, 1);
    fake_centre_unlock(s.centre);
    uplink_status(s.up, &status);
    assert_int_equal(status.line, UPLINK_UP);
    assert_string_equal(status.tenant, "T1");
    assert_string_equal(status.device, "g1");
    assert_true(status.certificate_days > 300);
    assert_true(status.has_clock_offset);
    assert_in_range(status.clock_offset_ms, 4000, 6000);
    assert_in_range(status.centre_boot_ms + clock_boot_ms() - clock_wall_us() / 1000, 4000, 6000);
    for (int64_t until = clock_mono_ms() + WAIT_MS;
         status.waiting_objects > 0 && clock_mono_ms() < until;) {
        spool_wait(s.spool, 0, 20); /* the plan forgets a moment after the spool knows */
        uplink_status(s.up, &status);
    }
    assert_int_equal(status.waiting_objects, 0);
    uplink_site_close(&s);
}

static void
a_late_image_makes_the_next_revision(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 1));
    uplink_site_picture(&s, "1.2.3.1", 2, true);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2));

    fake_centre_lock(s.centre);
    assert_int_equal(fake_centre_counts(s.centre)->last_revision, 2);
    assert_int_equal(fake_centre_counts(s.centre)->last_manifest_count, 2);
    fake_centre_unlock(s.centre);
    uplink_site_close(&s);
}

static void
lost_answers_dropped_bundles_and_a_busy_centre_cost_time_only(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    fake_centre_wishes(s.centre)->lose_answer_every = 3;
    fake_centre_wishes(s.centre)->drop_bundle_every = 4;
    fake_centre_wishes(s.centre)->busy_calls = 3;
    fake_centre_wishes(s.centre)->is_bad_once = true;
    for (int i = 1; i <= 8; i++)
        uplink_site_picture(&s, i % 2 ? "1.2.3.1" : "1.2.3.2", i, i == 8);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 8));
    assert_whole(&s, 8);
    uplink_site_close(&s);
}

static void
a_cut_and_restarts_of_both_sides_go_on_where_they_were(void **state)
{
    struct uplink_status status;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    s.options.rate_bytes = 60000;
    for (int i = 1; i <= 8; i++)
        uplink_site_picture(&s, "1.2.3.1", i, false);
    uplink_site_start(&s);
    assert_true(fake_centre_wait(s.centre, LINK_LOOKED, 2, WAIT_MS));
    fake_centre_cut(s.centre);
    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until;) {
        uplink_status(s.up, &status);
        if (status.line == UPLINK_DOWN)
            break;
        spool_wait(s.spool, 0, 20);
    }
    assert_int_equal(status.line, UPLINK_DOWN);
    assert_true(status.trouble[0] != '\0');
    fake_centre_heal(s.centre);
    assert_true(fake_centre_wait(s.centre, LINK_LOOKED, 8, WAIT_MS));
    uplink_stop(&s.up);
    s.options.rate_bytes = 0;
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 8));
    assert_whole(&s, 8);
    uplink_site_close(&s);
}

static void
a_conflict_is_sent_aside_and_quarantined_here(void **state)
{
    struct uplink_status status;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    fake_centre_wishes(s.centre)->are_all_conflicts = true;
    uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), 1));
    assert_whole(&s, 1);
    uplink_status(s.up, &status);
    assert_int_equal(status.conflicts, 1);
    uplink_site_close(&s);
}

static void
what_the_centre_puts_aside_is_never_called_safe(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    fake_centre_wishes(s.centre)->are_all_put_aside = true;
    uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_picture(&s, "1.2.3.1", 2, true);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), 2));
    uplink_site_close(&s);
}

static void
a_duplicate_at_the_centre_is_held_without_a_byte(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    fake_centre_wishes(s.centre)->are_all_duplicates = true;
    uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), 1));
    assert_int_equal(fake_centre_counts(s.centre)->bytes, 0);
    uplink_site_close(&s);
}

static void
the_same_instance_twice_goes_once(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    for (int i = 0; i < 6; i++)
        uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_picture(&s, "1.2.3.1", 2, false);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2));
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_DUPLICATE), 5));
    assert_whole(&s, 2);
    fake_centre_lock(s.centre);
    assert_int_equal(fake_centre_counts(s.centre)->last_manifest_count, 2);
    fake_centre_unlock(s.centre);
    uplink_site_close(&s);
}

static void
what_the_centre_cannot_understand_is_put_aside_and_the_rest_goes(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    fake_centre_wishes(s.centre)->refused_sop = "1.2.3.1.2";
    for (int i = 1; i <= 3; i++)
        uplink_site_picture(&s, "1.2.3.1", i, true);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), 1));
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2));
    uplink_site_close(&s);
}

static void
bytes_that_are_no_dicom_are_put_aside_and_the_rest_goes(void **state)
{
    struct buf junk;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    buf_init(&junk, 1000);
    for (int i = 0; i < 900; i++)
        buf_add_u8(&junk, (uint8_t)(i * 7));
    uplink_site_receive(&s, "1.2.3.9", 1, &junk);
    buf_fini(&junk);
    uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), 1));
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 1));
    uplink_site_close(&s);
}

static void
a_strange_centre_is_refused_and_said_so(void **state)
{
    char other_ca[300];
    struct uplink_status status = {0};
    struct buf strange;
    struct ca *ca = NULL;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    snprintf(other_ca, sizeof other_ca, "%s/other", s.folder);
    OK(ca_create(other_ca, "other", &err));
    OK(ca_open(other_ca, &ca, &err));
    buf_init(&strange, 65536);
    buf_add_text(&strange, ca_pem(ca));
    snprintf(other_ca, sizeof other_ca, "%s/ca.pem", s.link_dir);
    {
        FILE *f = fopen(other_ca, "wb");

        assert_non_null(f);
        fwrite(strange.bytes, 1, strange.n, f);
        fclose(f);
    }
    buf_fini(&strange);
    ca_close(&ca);
    uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_start(&s);

    for (int64_t until = clock_mono_ms() + WAIT_MS;
         status.line != UPLINK_REFUSED && clock_mono_ms() < until;) {
        spool_wait(s.spool, 0, 20);
        uplink_status(s.up, &status);
    }
    assert_int_equal(status.line, UPLINK_REFUSED);
    assert_true(status.trouble[0] != '\0');
    assert_int_equal(fake_centre_counts(s.centre)->bytes, 0);
    uplink_site_close(&s);
}

static void
what_a_person_keeps_back_waits_until_it_is_released(void **state)
{
    struct uplink_site s;
    uint64_t kept;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    kept = uplink_site_picture(&s, "1.2.3.1", 1, false);
    uplink_site_picture(&s, "1.2.3.1", 2, false);
    OK(spool_set_paused(s.spool, kept, true, &err));
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), 1));
    fake_centre_lock(s.centre);
    assert_whole(&s, 1);
    assert_int_equal(fake_centre_counts(s.centre)->manifests, 0); /* the study is not whole */
    fake_centre_unlock(s.centre);
    OK(spool_set_paused(s.spool, kept, false, &err));
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2));
    assert_whole(&s, 2);
    uplink_site_close(&s);
}

/* A disk that gives no bytes costs a coding first, then a person's look, and no calls meanwhile. */
static void
what_cannot_be_read_goes_as_received_or_is_put_aside(void **state)
{
    static const enum instance_state ends[] = {INSTANCE_SEALED, INSTANCE_QUARANTINED};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
        char segments[300], away[300];
        struct uplink_site s;
        uint64_t id;

        uplink_site_open(&s, "uplink", 2);
        snprintf(segments, sizeof segments, "%s/segments", s.spool_dir);
        snprintf(away, sizeof away, "%s.away", segments);
        id = uplink_site_picture(&s, "1.2.3.1", 1, false);
        OK(spool_set_paused(s.spool, id, true, &err));
        uplink_site_start(&s);
        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_CODED), 1));
        assert_int_equal(rename(segments, away), 0);
        OK(spool_set_paused(s.spool, id, false, &err));

        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_PLAIN), 1));
        if (ends[k] == INSTANCE_SEALED)
            assert_int_equal(rename(away, segments), 0);
        assert_true(uplink_site_wait(&s, INSTANCE_BIT(ends[k]), 1));
        fake_centre_lock(s.centre);
        assert_true(fake_centre_counts(s.centre)->offers <= 8);
        fake_centre_unlock(s.centre);
        uplink_site_close(&s);
    }
}

/* The order in which entries left a state, by their ids: what the coders chose. */
static void
stat_is_coded_first_and_a_restart_knows_it(void **state)
{
    static const char emergency[] = "1.2.3.7";
    char dir[300];
    struct uplink_urgent said;
    struct uplink_progress far;
    struct spool_entry *entry = NULL;
    uint64_t last = 0, first = 0;
    int64_t coded_us, other_us;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    snprintf(dir, sizeof dir, "%s/own", s.folder);
    s.options.dir = dir;
    s.options.coders = 1;
    uplink_site_start(&s);
    OK(uplink_set_urgency(s.up, emergency, UPLINK_STAT, "trauma", "Li", &err));
    uplink_stop(&s.up);
    for (int i = 1; i <= 12; i++)
        last = uplink_site_picture(&s, "1.2.3.1", i, false);
    first = uplink_site_picture(&s, emergency, 1, false);
    uplink_site_start(&s);
    uplink_urgency(s.up, emergency, &said);
    assert_int_equal(said.urgency, UPLINK_STAT);
    assert_string_equal(said.who, "Li");
    assert_int_equal(uplink_raise_urgency(s.up, emergency, UPLINK_URGENT, "no", "Dr", &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    err_clear(&err);
    OK(uplink_raise_urgency(s.up, emergency, UPLINK_STAT, "again", "Dr", &err));
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 13));

    OK(spool_load(s.spool, first, &entry, &err));
    coded_us = entry->state_at_us[INSTANCE_CODED];
    spool_entry_free(&entry);
    OK(spool_load(s.spool, last, &entry, &err));
    other_us = entry->state_at_us[INSTANCE_CODED];
    spool_entry_free(&entry);
    assert_true(coded_us > 0 && coded_us < other_us);
    uplink_urgency(s.up, emergency, &said);
    assert_string_equal(said.who, "Li"); /* the same again changed nothing */
    assert_true(uplink_progress(s.up, emergency, &far));
    assert_int_equal(far.urgency, UPLINK_STAT);
    uplink_site_close(&s);
}

static void
sum_up(void *user, const struct uplink_progress *p)
{
    struct uplink_progress *sum = user;

    assert_true(p->bytes_there <= p->bytes_all);
    assert_true(p->held < p->objects);
    sum->objects += p->objects;
    sum->bytes_there += p->bytes_there;
}

static void
progress_is_told_from_the_first_second_to_the_last(void **state)
{
    struct uplink_progress far = {.study = ""}, sum = {.study = ""};
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t there = 0;
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "uplink", 2);
    s.options.rate_bytes = 10000;
    for (int i = 1; i <= 8; i++)
        uplink_site_picture(&s, "1.2.3.1", i, false);
    uplink_site_picture(&s, "1.2.3.2", 9, false);
    uplink_site_start(&s);
    assert_false(uplink_progress(s.up, "1.2.3.9", &far));
    assert_true(uplink_site_wait(&s, ~INSTANCE_BIT(INSTANCE_RECEIVED), 9));
    assert_true(uplink_progress(s.up, "1.2.3.1", &far));
    assert_int_equal(far.objects, 8);
    assert_true(far.bytes_all > 0);
    while ((!uplink_progress(s.up, "1.2.3.1", &far) || far.looked == 0 || far.bytes_per_s == 0 ||
            far.is_estimate) &&
           clock_mono_ms() < until) {
        assert_true(far.bytes_there >= there || far.is_estimate); /* it only grows */
        there = far.is_estimate ? 0 : far.bytes_there;
        spool_wait(s.spool, 0, 20);
    }
    assert_true(far.looked >= far.held && far.looked > 0);
    assert_false(far.is_estimate);
    assert_true(far.bytes_there > 0 && far.bytes_there < far.bytes_all);
    assert_true(far.bytes_per_s > 0 && far.seconds_left > 0);
    assert_string_equal(far.line, "main");
    uplink_each_progress(s.up, sum_up, &sum);
    assert_true(sum.objects >= 8 && sum.bytes_there > 0);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 9));
    assert_true(uplink_progress(s.up, "1.2.3.1", &far));
    assert_int_equal(far.sealed, 8);
    assert_int_equal(far.bytes_there, far.bytes_all);
    assert_int_equal(far.seconds_left, 0);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_is_looked_held_told_and_sealed_in_that_order),
        cmocka_unit_test(a_late_image_makes_the_next_revision),
        cmocka_unit_test(lost_answers_dropped_bundles_and_a_busy_centre_cost_time_only),
        cmocka_unit_test(a_cut_and_restarts_of_both_sides_go_on_where_they_were),
        cmocka_unit_test(a_conflict_is_sent_aside_and_quarantined_here),
        cmocka_unit_test(what_the_centre_puts_aside_is_never_called_safe),
        cmocka_unit_test(a_duplicate_at_the_centre_is_held_without_a_byte),
        cmocka_unit_test(the_same_instance_twice_goes_once),
        cmocka_unit_test(what_the_centre_cannot_understand_is_put_aside_and_the_rest_goes),
        cmocka_unit_test(bytes_that_are_no_dicom_are_put_aside_and_the_rest_goes),
        cmocka_unit_test(a_strange_centre_is_refused_and_said_so),
        cmocka_unit_test(what_a_person_keeps_back_waits_until_it_is_released),
        cmocka_unit_test(what_cannot_be_read_goes_as_received_or_is_put_aside),
        cmocka_unit_test(stat_is_coded_first_and_a_restart_knows_it),
        cmocka_unit_test(progress_is_told_from_the_first_second_to_the_last),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
