/* test_finish.c - what a bundle made whole is catalogued while it goes on, and after it was cut
 * off. */
#include "storage/keep/finish.h"
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

enum { SLICES = 5, ROWS = 300 }; /* each is more than what is made durable together */

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};

static uint64_t
unsealed(struct vault *a)
{
    struct keep_health health;
    struct err err;

    OK(keep_health_get(a->keep, &health, &err));
    return health.unsealed;
}

/* A bundle of whole objects that never ends as it should. */
static void
cut_bundle(struct vault *a, bool is_looked_at)
{
    struct keep_bundle *b = NULL;
    struct err err;

    OK(keep_bundle_begin(a->keep, &gate_a, &b, &err));
    for (unsigned i = 0; i < SLICES; i++) {
        char instance[32];
        struct slice s = {.study = "1.2.3", .series = "1.2.3.9", .number = i, .rows = ROWS};
        struct link_offer_object o;
        struct link_piece p = {.offset = 0};
        struct buf file;

        snprintf(instance, sizeof instance, "1.2.3.9.%u", i + 1);
        s.instance = instance;
        s.noise = i + 1;
        vault_offer(a, &gate_a, &s, &o, &file);
        memcpy(p.object, o.object, 32);
        p.bytes = file.bytes;
        p.n = file.n;
        OK(keep_bundle_piece(b, &p, &err));
        buf_fini(&file);
    }
    if (is_looked_at) { /* all came whole long before the bundle's end */
        int64_t tries = 6000;

        while (unsealed(a) < SLICES && tries-- > 0)
            gate_lock(&a->keep->gate), gate_wait_ms(&a->keep->gate, 10),
                gate_unlock(&a->keep->gate);
        assert_int_equal(unsealed(a), SLICES);
    }
    keep_bundle_free(&b);
}

static void
what_became_whole_is_catalogued_before_the_bundle_ends(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "beside");
    finish_start(a.keep);

    cut_bundle(&a, true);

    vault_close(&a);
}

static void
a_cut_bundle_is_waited_for_and_keeps_what_was_whole(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "cut");
    finish_start(a.keep);

    cut_bundle(&a, false);

    assert_int_equal(unsealed(&a), SLICES);
    vault_close(&a);
}

static void
offer(struct vault *a, struct link_offer_object *o, enum link_state *out, uint64_t *out_here)
{
    struct link_offer offer = {o, 1};
    struct link_answer answer;
    struct err err;

    OK(keep_offer(a->keep, &gate_a, &offer, &answer, &err));
    assert_int_equal(answer.count, 1);
    *out = answer.objects[0].state;
    *out_here = answer.objects[0].have_n == 1 ? answer.objects[0].have[0].to : 0;
    link_answer_free(&answer);
}

/* Nothing of what is new waits behind an object of gigabytes whose bundle broke off. */
static void
while_an_object_is_looked_into_neither_offers_nor_pieces_wait_for_it(void **state)
{
    struct slice s = {
        .study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.1", .rows = ROWS, .noise = 1};
    struct link_piece piece = {.offset = 0};
    struct link_answer answer;
    struct link_offer_object o;
    struct landing_object *held;
    struct keep_bundle *b = NULL;
    enum link_state says;
    struct vault a;
    struct buf file;
    struct err err;
    uint64_t here;

    (void)state;
    vault_open(&a, vault_cluster, "busy");
    slice_make(&s, &file);
    slice_offer(&s, &file, &o);
    offer(&a, &o, &says, &here);
    assert_int_equal(says, LINK_WANTED);
    OK(landing_take(a.keep, gate_a.tenant, o.object, &held, &err));
    gate_lock(&held->gate);
    landing_set_busy(a.keep, held, true);

    offer(&a, &o, &says, &here);
    assert_int_equal(says, LINK_PARTIAL);
    assert_int_equal(here, file.n);
    memcpy(piece.object, o.object, 32);
    piece.bytes = file.bytes;
    piece.n = file.n;
    OK(keep_bundle_begin(a.keep, &gate_a, &b, &err));
    OK(keep_bundle_piece(b, &piece, &err));
    OK(keep_bundle_end(b, &answer, &err));
    assert_int_equal(answer.objects[0].state, LINK_PARTIAL);
    link_answer_free(&answer);
    keep_bundle_free(&b);

    landing_set_busy(a.keep, held, false);
    gate_unlock(&held->gate);
    OK(keep_bundle_begin(a.keep, &gate_a, &b, &err));
    OK(keep_bundle_piece(b, &piece, &err));
    OK(keep_bundle_end(b, &answer, &err));
    assert_int_equal(answer.objects[0].state, LINK_HELD);
    link_answer_free(&answer);
    keep_bundle_free(&b);
    landing_release(a.keep, &held);
    buf_fini(&file);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_became_whole_is_catalogued_before_the_bundle_ends),
        cmocka_unit_test(a_cut_bundle_is_waited_for_and_keeps_what_was_whole),
        cmocka_unit_test(while_an_object_is_looked_into_neither_offers_nor_pieces_wait_for_it),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
