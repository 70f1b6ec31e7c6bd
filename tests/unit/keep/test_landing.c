/* test_landing.c - objects on their way: pieces, bundles that are cut off, how far a study is. */
#include "storage/keep/keep.h"

#include "storage/keep/landing.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "127.0.0.1:1"};
static const struct keep_sender gate_b = {"clinic-b", "gate-b", "127.0.0.1:2"};

static void
piece(struct vault *a, const struct link_offer_object *o, const struct buf *file, size_t from,
      size_t to, bool is_ended, enum link_state *out)
{
    struct link_piece p = {.offset = from, .bytes = file->bytes + from, .n = to - from};
    struct keep_bundle *b = NULL;
    struct link_answer answer;
    struct err err;

    memcpy(p.object, o->object, 32);
    OK(keep_bundle_begin(a->keep, &gate_a, &b, &err));
    OK(keep_bundle_piece(b, &p, &err));
    if (is_ended) {
        OK(keep_bundle_end(b, &answer, &err));
        *out = answer.objects[0].state;
        link_answer_free(&answer);
    }
    keep_bundle_free(&b);
}

static void
an_upload_resumes_after_a_restart_with_what_was_answered(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct link_answer answer;
    enum link_state said;
    struct vault a;
    struct buf file;

    (void)state;
    vault_open(&a, vault_cluster, "resume");
    slice_make(&s, &file);
    slice_offer(&s, &file, &o);
    vault_ask(&a, &gate_a, &o, &answer);
    assert_int_equal(answer.objects[0].state, LINK_WANTED);
    link_answer_free(&answer);
    piece(&a, &o, &file, 100, 300, true, &said);
    assert_int_equal(said, LINK_PARTIAL);
    piece(&a, &o, &file, 400, 500, false, &said); /* cut off: its whole pieces count */
    vault_reopen(&a);

    vault_ask(&a, &gate_a, &o, &answer);
    assert_int_equal(answer.objects[0].have_n, 2);
    assert_int_equal(answer.objects[0].have[0].from, 100);
    assert_int_equal(answer.objects[0].have[0].to, 300);
    assert_int_equal(answer.objects[0].have[1].from, 400);
    assert_int_equal(answer.objects[0].have[1].to, 500);
    link_answer_free(&answer);
    piece(&a, &o, &file, 0, 150, true, &said);
    piece(&a, &o, &file, 300, file.n, true, &said);
    assert_int_equal(said, LINK_HELD);
    buf_fini(&file);
    vault_close(&a);
}

/* A line that swallowed the end of a bundle: the centre still waits for it while the gateway offers
 * again by another connection. What came is told, and is not sent again. */
static void
an_offer_tells_what_a_bundle_that_hangs_has_brought(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct link_answer answer;
    struct link_piece p = {.offset = 0};
    struct keep_bundle *hung = NULL;
    enum link_state said;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "hung");
    vault_offer(&a, &gate_a, &s, &o, &file);
    memcpy(p.object, o.object, 32);
    p.bytes = file.bytes;
    p.n = 700;
    OK(keep_bundle_begin(a.keep, &gate_a, &hung, &err));
    OK(keep_bundle_piece(hung, &p, &err));

    vault_ask(&a, &gate_a, &o, &answer);
    assert_int_equal(answer.objects[0].state, LINK_PARTIAL);
    assert_int_equal(answer.objects[0].have_n, 1);
    assert_int_equal(answer.objects[0].have[0].to, 700);
    link_answer_free(&answer);
    piece(&a, &o, &file, 700, file.n, true, &said);
    assert_int_equal(said, LINK_HELD);
    keep_bundle_free(&hung);
    buf_fini(&file);
    vault_close(&a);
}

/* More objects than a bundle keeps open at once, each in two pieces far apart. */
static void
a_bundle_of_many_objects_holds_them_all(void **state)
{
    enum { OBJECTS = 150 };
    struct link_offer_object o[OBJECTS];
    struct link_offer offer = {o, OBJECTS};
    struct link_answer answer;
    struct keep_bundle *b = NULL;
    struct buf *files = mem_new(OBJECTS * sizeof *files);
    struct vault a;
    struct err err;
    size_t held = 0;

    (void)state;
    vault_open(&a, vault_cluster, "many");
    for (unsigned i = 0; i < OBJECTS; i++) {
        char *uid = mem_printf("1.2.840.99.1.1.%u", 1000 + i);
        struct slice s = vault_ct(1 + i);

        s.instance = uid;
        slice_make(&s, &files[i]);
        slice_offer(&s, &files[i], &o[i]);
        free(uid);
    }
    OK(keep_offer(a.keep, &gate_a, &offer, &answer, &err));
    link_answer_free(&answer);
    OK(keep_bundle_begin(a.keep, &gate_a, &b, &err));
    for (int half = 0; half <= 1; half++)
        for (unsigned i = 0; i < OBJECTS; i++) {
            struct link_piece p = {.offset = half * 300u};

            memcpy(p.object, o[i].object, 32);
            p.bytes = files[i].bytes + p.offset;
            p.n = half == 0 ? 300 : files[i].n - 300;
            OK(keep_bundle_piece(b, &p, &err));
        }
    OK(keep_bundle_end(b, &answer, &err));
    assert_int_equal(answer.count, OBJECTS);
    for (size_t i = 0; i < answer.count; i++)
        held += answer.objects[i].state == LINK_HELD;
    assert_int_equal(held, OBJECTS);
    link_answer_free(&answer);
    keep_bundle_free(&b);
    for (unsigned i = 0; i < OBJECTS; i++)
        buf_fini(&files[i]);
    free(files);
    vault_close(&a);
}

static int
add_share(void *user, const struct keep_share *share)
{
    struct keep_share *sum = user;

    sum->bytes += share->bytes;
    sum->objects += share->objects;
    sum->all_bytes = share->all_bytes;
    return 0;
}

static void
how_much_came_and_is_to_come_is_known(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct keep_standing standing;
    struct keep_share sum = {0}, other = {0};
    enum link_state said;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "progress");
    vault_offer(&a, &gate_a, &s, &o, &file);
    OK(keep_standing_get(a.keep, "clinic-a", s.study, &standing, &err));
    assert_int_equal(standing.bytes_all, file.n);
    assert_int_equal(standing.bytes_there, 0);
    assert_int_equal(standing.seconds_left, -1);
    piece(&a, &o, &file, 0, 300, true, &said);
    OK(keep_standing_get(a.keep, "clinic-a", s.study, &standing, &err));
    assert_int_equal(standing.bytes_there, 300);
    assert_in_range(standing.bytes_per_s, 1, 300);
    assert_int_equal(standing.seconds_left,
                     (int64_t)((double)(file.n - 300) / (double)standing.bytes_per_s) + 1);
    piece(&a, &o, &file, 300, file.n, true, &said);
    OK(keep_standing_get(a.keep, "clinic-a", s.study, &standing, &err));
    assert_int_equal(standing.bytes_there, file.n);
    assert_int_equal(standing.bytes_all, file.n);
    assert_int_equal(standing.seconds_left, 0);

    vault_reopen(&a); /* closing writes what was counted */
    OK(keep_shares(a.keep, NULL, 0, add_share, &sum, &err));
    assert_int_equal(sum.bytes, file.n);
    assert_int_equal(sum.objects, 1);
    OK(keep_shares(a.keep, "clinic-b", 0, add_share, &other, &err));
    assert_int_equal(other.objects, 0);
    assert_int_equal(other.all_bytes, file.n);
    buf_fini(&file);
    vault_close(&a);
}

static void
a_wrong_byte_makes_the_object_bad_and_it_is_sent_again(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct vault a;
    struct buf file;

    (void)state;
    vault_open(&a, vault_cluster, "bad");
    vault_offer(&a, &gate_a, &s, &o, &file);
    file.bytes[700] ^= 1;
    assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_BAD);
    assert_int_equal(folder_files(a.landing), 0);
    file.bytes[700] ^= 1;
    assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_HELD);
    assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_HELD); /* the answer was lost */
    buf_fini(&file);
    vault_close(&a);
}

static void
pieces_of_others_or_outside_are_refused(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct link_piece p = {.offset = 0, .n = 10};
    struct keep_bundle *b = NULL;
    struct landing_object *taken = NULL;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "outside");
    vault_offer(&a, &gate_a, &s, &o, &file);
    p.bytes = file.bytes;
    memcpy(p.object, o.object, 32);
    assert_int_equal(landing_take(a.keep, "clinic-b", o.object, &taken, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    OK(keep_bundle_begin(a.keep, &gate_b, &b, &err));
    assert_int_equal(keep_bundle_piece(b, &p, &err), -1); /* another clinic's object */
    assert_int_equal(err.kind, ERR_REJECT);
    keep_bundle_free(&b);
    OK(keep_bundle_begin(a.keep, &gate_a, &b, &err));
    p.offset = file.n - 5;
    assert_int_equal(keep_bundle_piece(b, &p, &err), -1);
    p.offset = UINT64_MAX - 2;
    assert_int_equal(keep_bundle_piece(b, &p, &err), -1);
    keep_bundle_free(&b);
    buf_fini(&file);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_resumes_after_a_restart_with_what_was_answered),
        cmocka_unit_test(an_offer_tells_what_a_bundle_that_hangs_has_brought),
        cmocka_unit_test(a_bundle_of_many_objects_holds_them_all),
        cmocka_unit_test(how_much_came_and_is_to_come_is_known),
        cmocka_unit_test(a_wrong_byte_makes_the_object_bad_and_it_is_sent_again),
        cmocka_unit_test(pieces_of_others_or_outside_are_refused),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
