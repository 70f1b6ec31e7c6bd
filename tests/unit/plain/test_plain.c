/* test_plain.c - claims of gateway/plain/plain.h about DICOM targets, with a peer that misbehaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/plain.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/syntax.h"
#include "tests/support/plain_peer.h"
#include "tests/support/plain_world.h"

static void
stores(unsigned want)
{
    gate_lock(&plain_peer.gate);
    assert_int_equal(plain_peer.stores, want);
    assert_int_equal(plain_peer.repeats, 0);
    gate_unlock(&plain_peer.gate);
}

static void
many_go_over_one_association_and_are_found(void **state)
{
    struct plain_world *x = *state;

    plain_world_arrive(x, 1, 30);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 30);

    stores(30);
    assert_int_equal(plain_peer.store_associations, 1);
    assert_string_equal(plain_peer.syntaxes[0], DCM_UID_EXPLICIT_LE);
    assert_string_equal(plain_peer.uids[0], "1.2.9.1");
    assert_string_equal(plain_peer.uids[29], "1.2.9.30");
    assert_int_equal(plain_world_count(x, INSTANCE_PLAIN),
                     30); /* beside the centre: its own business */
}

static void
instead_of_the_centre_found_means_sealed_and_listed(void **state)
{
    struct plain_world *x = *state;
    struct spool_study study;
    uint32_t revision;
    struct err err = {0};

    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 3);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 3);
    assert_int_equal(spool_manifest_close(x->w.spool, "1.2.3", &revision, &err), 0);

    PLAIN_AWAIT(x,
                spool_study(x->w.spool, "1.2.3", &study, &err) == 0 && study.acked_revision == 1);
    stores(3);
}

static uint32_t
acked_of(struct plain_world *x, const char *uid)
{
    struct spool_study study;
    struct err err = {0};

    assert_int_equal(spool_study(x->w.spool, uid, &study, &err), 0);
    return study.acked_revision;
}

static void
close_of(struct plain_world *x, const char *uid)
{
    uint32_t revision;
    struct err err = {0};

    assert_int_equal(spool_manifest_close(x->w.spool, uid, &revision, &err), 0);
    assert_int_equal(revision, 1);
}

/* The second image is released, and damaged still: nobody looked into it in between. */
static void
a_study_with_an_image_aside_again_is_not_told_safe(void **state)
{
    static const struct serve_image other = {
        .study = "1.2.5", .series = "1.2.5.4", .sop_instance = "1.2.5.9", .number = 1};
    struct plain_world *x = *state;
    struct err err = {0};

    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 2);
    assert_int_equal(spool_set_quarantined(x->w.spool, 2, "damaged: drawn", &err), 0);
    close_of(x, "1.2.3");
    assert_int_equal(spool_release(x->w.spool, 2, &err), 0);
    assert_int_equal(spool_set_quarantined(x->w.spool, 2, "damaged: drawn", &err), 0);
    serve_world_put(&x->w, &other);
    plain_world_arrive(x, 3, 2); /* none new: inspected and plain */
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 2);
    close_of(x, "1.2.5"); /* each pass looks at the older study first */
    PLAIN_AWAIT(x, acked_of(x, "1.2.5") == 1);

    assert_int_equal(acked_of(x, "1.2.3"), 0);
}

static void
a_success_alone_is_not_safe_to_delete(void **state)
{
    struct plain_world *x = *state;

    plain_peer.finds_nothing = true;
    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_HELD) == 2);
    PLAIN_AWAIT(x, plain_peer.finds > 4);

    assert_int_equal(plain_world_count(x, INSTANCE_SEALED), 0);
    assert_int_equal(plain_world_number(x, "unverified"), 2);
    plain_peer.finds_nothing = false;
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 2);
    stores(2);
}

static void
what_is_lost_there_is_sent_again(void **state)
{
    struct plain_world *x = *state;

    x->lost_ms = 60;
    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    plain_peer_await(1);
    gate_lock(&plain_peer.gate);
    plain_peer.n = 0;
    gate_unlock(&plain_peer.gate);

    plain_peer_await(1);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 1);
}

static void
a_cut_after_it_was_kept_is_asked_for_and_not_sent_twice(void **state)
{
    struct plain_world *x = *state;

    plain_peer.break_after = 3;
    plain_world_arrive(x, 1, 6);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 6);

    stores(6);
}

static void
a_cut_before_it_was_kept_is_asked_for_and_sent_again(void **state)
{
    struct plain_world *x = *state;

    plain_peer.break_before = 3;
    plain_world_arrive(x, 1, 6);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 6);

    stores(7);
}

static void
a_restart_goes_on_where_it_was(void **state)
{
    struct plain_world *x = *state;

    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);
    plain_stop(&x->plain);
    serve_world_close(&x->w);
    serve_world_open(&x->w);
    plain_world_arrive(x, 6, 8);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 8);

    stores(8);
}

static void
what_was_answered_and_not_found_yet_is_asked_for_after_a_restart(void **state)
{
    struct plain_world *x = *state;

    plain_peer.finds_nothing = true;
    plain_world_arrive(x, 1, 4);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "unverified") == 4);
    plain_stop(&x->plain);
    plain_peer.finds_nothing = false;
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 4);

    stores(4);
}

static void
a_peer_that_is_down_costs_time_only(void **state)
{
    struct plain_world *x = *state;
    uint16_t port = plain_peer_port();

    plain_peer_stop();
    plain_world_arrive(x, 1, 4);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_says(x, "line", "down"));
    assert_int_equal(plain_world_number(x, "waiting"), 4);
    plain_peer_start(port);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 4);

    stores(4);
}

static void
a_peer_that_does_not_let_us_in_is_told_apart(void **state)
{
    struct plain_world *x = *state;

    plain_peer.is_closed = true;
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_says(x, "line", "denied"));
    plain_peer.is_closed = false;
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
}

static void
a_full_peer_is_waited_for(void **state)
{
    struct plain_world *x = *state;

    plain_peer.full = 3;
    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);

    stores(8);
    assert_int_equal(plain_world_number(x, "refused"), 0);
}

static void
a_peers_own_words_do_not_reach_the_desk(void **state)
{
    struct plain_world *x = *state;

    plain_peer.full = 1000000;
    plain_peer.comment = "no room for ROE^JANE";
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_says(x, "line", "full"));

    assert_true(plain_world_says(x, "trouble", "the target has no room: A700H"));
}

/* The peer answers it 0111H and finds it when asked: of another, or ours from before. */
static void
keeps_already(const char *uid)
{
    text_copy(plain_peer.studies[plain_peer.n], 65, "1.2.3");
    text_copy(plain_peer.uids[plain_peer.n++], 65, uid);
    snprintf(plain_peer.refused, sizeof plain_peer.refused, "%s", uid);
    plain_peer.refusal = DIMSE_DUPLICATE_INSTANCE;
}

static void
anothers_object_of_the_same_uid_is_not_ours_to_delete(void **state)
{
    struct plain_world *x = *state;

    keeps_already("1.2.9.2");
    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 3);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_QUARANTINED) == 1 &&
                       plain_world_count(x, INSTANCE_SEALED) == 2);

    stores(3);
}

static void
what_is_there_already_after_a_cut_is_asked_for(void **state)
{
    struct plain_world *x = *state;

    keeps_already("1.2.9.1");
    plain_peer.break_after = 1;
    plain_peer.finds_nothing = true;
    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_peer.stores >= 2);
    plain_peer.finds_nothing = false;

    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 1);
    assert_int_equal(plain_world_count(x, INSTANCE_QUARANTINED), 0);
}

static void
one_refused_instance_stops_no_other_and_waits_for_a_person(void **state)
{
    struct plain_world *x = *state;
    struct err err = {0};

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.2");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 4 && plain_world_number(x, "refused") == 1);
    stores(5);
    plain_peer.refused[0] = '\0';

    assert_int_equal(plain_requeue(x->plain, "other", 0, &err), -1);
    assert_int_equal(plain_requeue(x->plain, "pacs", 77, &err), -1);
    assert_int_equal(plain_requeue(x->plain, "pacs", 0, &err), 0);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);
    assert_int_equal(plain_world_number(x, "refused"), 0);
}

static void
what_a_person_leaves_is_needed_no_more(void **state)
{
    struct plain_world *x = *state;
    struct err err = {0};

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.1");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "refused") == 1);
    assert_int_equal(plain_leave(x->plain, "pacs", 0, &err), 0);

    assert_int_equal(plain_world_number(x, "refused"), 0);
    plain_stop(&x->plain);
    plain_world_start(x);
    plain_world_arrive(x, 2, 2);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
    stores(2);
}

static void
the_archives_refusal_is_put_aside_for_all_and_released_there(void **state)
{
    struct plain_world *x = *state;
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_QUARANTINED)};
    uint64_t *ids = NULL;
    struct err err = {0};
    size_t n = 0;

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.2");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    plain_world_aim(x, "instead-of-centre=yes");
    plain_world_arrive(x, 1, 3);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_QUARANTINED) == 1 &&
                       plain_world_count(x, INSTANCE_SEALED) == 2);
    assert_int_equal(plain_requeue(x->plain, "pacs", 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    plain_peer.refused[0] = '\0';
    spool_list(x->w.spool, &filter, &ids, &n);
    assert_int_equal(spool_release(x->w.spool, ids[0], &err), 0);
    free(ids);
    plain_world_arrive(x, 4, 4);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 4);
}

static void
a_peer_of_other_syntaxes_gets_it_decoded(void **state)
{
    struct plain_world *x = *state;

    plain_peer.takes_implicit_only = true;
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 2);

    stores(2);
}

static void
a_peer_without_query_is_told(void **state)
{
    struct plain_world *x = *state;

    plain_peer.has_no_query = true;
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_says(x, "asking", "unable"));

    assert_int_equal(plain_world_number(x, "unverified"), 2);
    assert_int_equal(plain_world_number(x, "there"), 0);
}

static void
where_nobody_is_asked_an_answer_is_enough(void **state)
{
    struct plain_world *x = *state;

    plain_peer.has_no_query = true;
    plain_world_aim(x, "verify=none");
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 2);

    assert_int_equal(plain_peer.finds, 0);
}

static void
only_what_the_line_says_goes_there(void **state)
{
    struct plain_world *x = *state;

    plain_world_aim(x, "devices=CT2");
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "waiting") == 0);
    plain_stop(&x->plain);

    stores(0);
}

static void
what_is_kept_back_by_a_person_does_not_go(void **state)
{
    struct plain_world *x = *state;
    struct err err = {0};

    plain_world_arrive(x, 1, 2);
    assert_int_equal(spool_set_paused(x->w.spool, 1, true, &err), 0);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);

    assert_int_equal(plain_world_number(x, "waiting"), 1);
    stores(1);
}

static void
what_was_thrown_away_goes_once_it_is_taken_back(void **state)
{
    struct plain_world *x = *state;
    struct err err = {0};

    for (int round = 0; round < 2; round++) { /* known to the way before the discard, or not */
        int id = round + 1;

        plain_world_arrive(x, id, id);
        if (round == 0) {
            assert_int_equal(spool_set_paused(x->w.spool, 1, true, &err), 0);
            plain_world_start(x);
            PLAIN_AWAIT(x, plain_world_number(x, "waiting") == 1);
        }
        if (round == 1)
            assert_int_equal(spool_set_paused(x->w.spool, 2, true, &err), 0);
        assert_int_equal(spool_set_quarantined(x->w.spool, (uint64_t)id, "other: drawn", &err), 0);
        assert_int_equal(spool_discard(x->w.spool, (uint64_t)id, "other", "li.wei", &err), 0);
        plain_stop(&x->plain);
        plain_world_start(x);
        PLAIN_AWAIT(x, plain_world_number(x, "waiting") == 0);
        plain_stop(&x->plain);
        plain_world_start(x);
        assert_int_equal(spool_set_paused(x->w.spool, (uint64_t)id, false, &err), 0);
        assert_int_equal(spool_release(x->w.spool, (uint64_t)id, &err), 0);
        plain_world_arrive(x, id + 10, id + 9); /* none new: inspected and plain */
        PLAIN_AWAIT(x, plain_world_number(x, "there") == id);
    }
    stores(2);
}

static bool
has_bytes(struct plain_world *x, uint64_t id)
{
    struct spool_entry *entry = NULL;
    struct err err = {0};
    bool has;

    assert_int_equal(spool_load(x->w.spool, id, &entry, &err), 0);
    has = entry->has_bytes;
    spool_entry_free(&entry);
    return has;
}

static void
the_spool_keeps_what_a_target_still_needs(void **state)
{
    struct plain_world *x = *state;
    struct spool_options o = {.segment_bytes = 1 << 20}; /* sealed may go at once */
    char *spool = mem_printf("%s/spool", x->w.dir);
    struct err err;

    plain_world_arrive(x, 1, 1);
    serve_world_close(&x->w); /* its segment is full now */
    assert_int_equal(spool_open(spool, &o, &x->w.spool, &err), 0);
    free(spool);
    plain_peer.is_closed = true;
    plain_world_start(x);
    plain_world_seal(x, 1);

    spool_collect_garbage(x->w.spool);
    assert_true(has_bytes(x, 1));
    plain_stop(&x->plain); /* nobody is there to say what it needs */
    spool_collect_garbage(x->w.spool);
    assert_true(has_bytes(x, 1));
    plain_world_start(x);
    plain_peer.is_closed = false;
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
    spool_collect_garbage(x->w.spool);
    assert_false(has_bytes(x, 1));
}

/* Stopped before it looked at anything: what came since its first start is not from before it. */
static void
a_new_target_stopped_at_once_is_not_new_the_next_time(void **state)
{
    struct plain_world *x = *state;

    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    plain_stop(&x->plain);
    plain_world_seal(x, 1);
    plain_world_start(x);

    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
}

int
main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, plain_world_setup, plain_world_teardown)
    const struct CMUnitTest tests[] = {
        T(many_go_over_one_association_and_are_found),
        T(instead_of_the_centre_found_means_sealed_and_listed),
        T(a_study_with_an_image_aside_again_is_not_told_safe),
        T(a_success_alone_is_not_safe_to_delete),
        T(what_is_lost_there_is_sent_again),
        T(a_cut_after_it_was_kept_is_asked_for_and_not_sent_twice),
        T(a_cut_before_it_was_kept_is_asked_for_and_sent_again),
        T(a_restart_goes_on_where_it_was),
        T(what_was_answered_and_not_found_yet_is_asked_for_after_a_restart),
        T(a_peer_that_is_down_costs_time_only),
        T(a_peer_that_does_not_let_us_in_is_told_apart),
        T(a_full_peer_is_waited_for),
        T(a_peers_own_words_do_not_reach_the_desk),
        T(anothers_object_of_the_same_uid_is_not_ours_to_delete),
        T(what_is_there_already_after_a_cut_is_asked_for),
        T(one_refused_instance_stops_no_other_and_waits_for_a_person),
        T(what_a_person_leaves_is_needed_no_more),
        T(the_archives_refusal_is_put_aside_for_all_and_released_there),
        T(a_peer_of_other_syntaxes_gets_it_decoded),
        T(a_peer_without_query_is_told),
        T(where_nobody_is_asked_an_answer_is_enough),
        T(only_what_the_line_says_goes_there),
        T(what_is_kept_back_by_a_person_does_not_go),
        T(what_was_thrown_away_goes_once_it_is_taken_back),
        T(the_spool_keeps_what_a_target_still_needs),
        T(a_new_target_stopped_at_once_is_not_new_the_next_time),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, plain_world_begin, plain_world_end);
}
