/* test_refused.c - what the centre says no to: an object's own fault, or nobody's. */
#include "gateway/spool/spool.h"
#include "proto/codec/codec.h"
#include "tests/support/uplink_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct err err;

/* Three images of a study each row; the second is refused as w says. */
static void
receive_refused(struct uplink_site *s, unsigned study, struct fake_wishes w, bool is_bundle)
{
    static char uid[32], second[40];

    snprintf(uid, sizeof uid, "1.2.3.%u", study);
    fake_centre_lock(s->centre);
    snprintf(second, sizeof second, "%s.2", uid);
    if (is_bundle)
        w.refused_bundle_sop = second;
    else
        w.refused_sop = second;
    *fake_centre_wishes(s->centre) = w;
    fake_centre_unlock(s->centre);
    uplink_site_pictures(s, uid, 3, true);
}

/* What the centre says no to, by any word of refusal, costs that object alone. */
static void
a_refused_object_is_set_aside_and_the_queue_goes_on(void **state)
{
    static const struct {
        int status;
        bool is_bundle;
    } rows[] = {{400, true}, {409, true}, {413, true}, {422, true}, {409, false}, {413, false}};
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_QUARANTINED)};
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "refused", 2);
    s.options.coding = UPLINK_CODING_OFF;
    uplink_site_start(&s);
    for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
        struct fake_wishes w = {.refused_status = rows[k].status};
        struct spool_entry *entry = NULL;
        uint64_t *ids = NULL;
        char status[8], second[40];
        size_t n;

        receive_refused(&s, k + 1, w, rows[k].is_bundle);
        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_QUARANTINED), k + 1));
        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2 * (k + 1)));
        spool_list(s.spool, &filter, &ids, &n);
        assert_int_equal(n, k + 1);
        assert_int_equal(spool_load(s.spool, ids[k], &entry, &err), 0);
        snprintf(second, sizeof second, "1.2.3.%u.2", k + 1);
        assert_string_equal(entry->meta.sop_instance, second);
        snprintf(status, sizeof status, "%d", rows[k].status);
        if (strncmp(entry->last_error, "refused:", 8) != 0 ||
            strstr(entry->last_error, status) == NULL)
            fail_msg("%d: %s", rows[k].status, entry->last_error);
        spool_entry_free(&entry);
        free(ids);
    }
    uplink_site_close(&s);
}

/* Full, busy, unknown to the world: the object is not to blame, and all of it goes in the end. */
static void
trouble_that_is_no_objects_fault_costs_time_only(void **state)
{
    /* the later ones by a server on the way, and answers come that are none */
    static const struct {
        int status;
        bool is_by_another;
    } rows[] = {{507, false}, {503, false}, {500, false}, {429, false}, {408, false},
                {413, true},  {502, true},  {503, true},  {403, true}};
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "refused", 2);
    s.options.coding = UPLINK_CODING_OFF;
    uplink_site_start(&s);
    for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
        struct fake_wishes w = {.refused_status = rows[k].status,
                                .refused_times = 3 * (k + 1), /* of all */
                                .is_refused_by_another = rows[k].is_by_another,
                                .junk_answers = rows[k].is_by_another ? 3 : 0};

        receive_refused(&s, k + 1, w, true);
        if (!uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 3 * (k + 1)) ||
            uplink_site_counts(&s).refused != 3 * (k + 1))
            fail_msg("%d, by another %d", rows[k].status, rows[k].is_by_another);
    }
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_object_is_set_aside_and_the_queue_goes_on),
        cmocka_unit_test(trouble_that_is_no_objects_fault_costs_time_only),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
