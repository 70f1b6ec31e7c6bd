/* test_keep.c - the road through the archive: offered, held, sealed, found, read; and its promises.
 */
#include "storage/keep/keep.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"
#include "tests/support/run_program.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "127.0.0.1:1"};
static const struct keep_sender gate_b = {"clinic-b", "gate-b", "127.0.0.1:2"};

static const struct keep_wait now = {.ms = 0};

static int
count_rows(void *user, const struct keep_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static int
count_events(void *user, const struct keep_event *event)
{
    char *kinds = user;

    strncat(kinds, event->kind, 400);
    strncat(kinds, " ", 400);
    return 0;
}

static void
close_it(struct vault *a, bool is_closing)
{
    gate_lock(&a->keep->gate);
    a->keep->is_closing = is_closing;
    gate_unlock(&a->keep->gate);
}

static void
a_stop_waits_for_no_backlog(void **state)
{
    struct slice s[2] = {vault_ct(1), vault_ct(2)};
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "backlog");
    for (int i = 0; i < 2; i++)
        assert_int_equal(vault_put(&a, &gate_a, &s[i]), LINK_HELD);
    vault_manifest(&a, &gate_a, 1, s, 2);
    close_it(&a, true);
    assert_int_equal(vault_work(&a), 0);
    close_it(&a, false);
    assert_int_equal(vault_work(&a), 1); /* it was not forgotten */
    vault_close(&a);
}

static void
a_study_goes_from_offer_to_sealed_and_is_read_back(void **state)
{
    struct slice s[3] = {vault_ct(1), vault_ct(2), vault_ct(3)};
    struct vault a;
    struct vault_seen seen = {0, 0, NULL};
    struct link_receipts receipts;
    char kinds[1024] = "";
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "road");
    for (int i = 0; i < 3; i++)
        assert_int_equal(vault_put(&a, &gate_a, &s[i]), LINK_HELD);
    assert_int_equal(vault_work(&a), 0); /* no manifest: nothing to pack */
    vault_manifest(&a, &gate_a, 1, s, 3);
    assert_int_equal(vault_work(&a), 1);

    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.sealed, 3);
    vault_place_reads(&a, seen.first);
    OK(keep_receipts(a.keep, &gate_a, 0, &now, &receipts, &err));
    assert_int_equal(receipts.count, 3);
    assert_int_equal(receipts.receipts[0].copies, 2);
    link_receipts_free(&receipts);
    assert_int_equal(folder_files(a.landing), 0); /* cleaned once sealed */
    assert_int_equal(folder_files(a.stores[0]), 1);
    assert_int_equal(folder_files(a.stores[1]), 1);
    OK(keep_events(a.keep, "clinic-a", 0, 0, count_events, kinds, &err));
    assert_string_equal(kinds, "study.arrived study.closed study.complete study.sealed ");
    keep_place_free(&seen.first);
    vault_close(&a);
}

static void
a_pack_is_a_zip_that_stock_programs_verify(void **state)
{
    struct slice s[2] = {vault_ct(1), vault_ct(2)};
    struct vault a;
    char script[1024], out[4096];
    const char *argv[] = {"sh", "-c", script, NULL};

    (void)state;
    if (!program_is_there("unzip"))
        skip();
    vault_open(&a, vault_cluster, "zip");
    vault_put(&a, &gate_a, &s[0]);
    vault_put(&a, &gate_a, &s[1]);
    vault_manifest(&a, &gate_a, 1, s, 2);
    assert_int_equal(vault_work(&a), 1);

    snprintf(script, sizeof script,
             "set -e; cd %s; p=$(find store-1 -name '*.zip'); [ -n \"$p\" ];"
             "unzip -tq $p; [ \"$(sha256sum <$p | cut -c1-64).zip\" = \"$(basename $p)\" ];"
             "cmp $p store-2/${p#store-1/}; mkdir x; cd x; unzip -q ../$p; sha256sum -c SHA256SUMS",
             a.dir);
    if (program_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("%s", out);
    vault_close(&a);
}

static void
tenants_never_see_each_other(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_query q = {.tenant = "clinic-b", .level = KEEP_STUDY};
    struct keep_standing standing;
    struct link_receipts receipts;
    struct vault a;
    struct vault_seen seen = {0, 0, NULL};
    char kinds[256] = "";
    size_t rows = 0;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "tenants");
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_HELD);
    vault_manifest(&a, &gate_a, 1, &s, 1);
    vault_work(&a);

    for (int level = KEEP_STUDY; level <= KEEP_INSTANCE; level++) {
        q.level = (enum keep_level)level;
        OK(keep_find(a.keep, &q, count_rows, &rows, &err));
    }
    assert_int_equal(rows, 0);
    assert_int_equal(
        keep_instances(a.keep, "clinic-b", "1.2.3", NULL, NULL, vault_see, &seen, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(keep_standing_get(a.keep, "clinic-b", "1.2.3", &standing, &err), -1);
    OK(keep_events(a.keep, "clinic-b", 0, 0, count_events, kinds, &err));
    assert_string_equal(kinds, "");
    OK(keep_receipts(a.keep, &gate_b, 0, &now, &receipts, &err));
    assert_int_equal(receipts.count, 0);
    link_receipts_free(&receipts);
    /* The same object of another clinic is its own: taken, kept and sealed for itself. */
    assert_int_equal(vault_put(&a, &gate_b, &s), LINK_HELD);
    vault_manifest(&a, &gate_b, 1, &s, 1);
    assert_int_equal(vault_work(&a), 1);
    OK(keep_instances(a.keep, "clinic-b", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.n, 1);
    keep_place_free(&seen.first);
    vault_close(&a);
}

static void
duplicates_are_kept_once_and_conflicts_twice(void **state)
{
    struct slice s = vault_ct(1), other = vault_ct(1), same[2];
    struct keep_sender second = {"clinic-a", "gate-2", "x"};
    struct keep_standing standing;
    struct link_receipts receipts;
    struct vault a;
    struct vault_seen seen = {0, 0, NULL};
    struct err err;

    (void)state;
    other.noise = 99;
    same[0] = s;
    same[1] = other;
    vault_open(&a, vault_cluster, "conflict");
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_HELD);
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_HELD); /* offered again: there already */
    assert_int_equal(vault_put(&a, &second, &s), LINK_HELD);
    assert_int_equal(vault_put(&a, &gate_a, &other), LINK_QUARANTINED); /* aside, but kept */
    assert_int_equal(vault_put(&a, &gate_a, &other), LINK_QUARANTINED); /* offered again */
    vault_manifest(&a, &gate_a, 1, same, 2);
    assert_int_equal(vault_work(&a), 2); /* the quarantine has a pack of its own */

    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.n, 1);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.quarantined, 1);
    assert_int_equal(standing.sealed, 1);
    OK(keep_receipts(a.keep, &gate_a, 0, &now, &receipts, &err));
    assert_int_equal(receipts.count, 1); /* none for what is aside: a person has to look */
    link_receipts_free(&receipts);
    assert_int_equal(vault_put(&a, &gate_a, &other), LINK_QUARANTINED); /* and still */
    OK(keep_receipts(a.keep, &gate_a, 0, &now, &receipts, &err));
    assert_int_equal(receipts.count, 1);
    link_receipts_free(&receipts);
    OK(keep_receipts(a.keep, &second, 0, &now, &receipts, &err));
    assert_int_equal(receipts.count, 1); /* the second sender's receipt comes too */
    link_receipts_free(&receipts);
    keep_place_free(&seen.first);
    vault_close(&a);
}

static size_t
told(struct vault *a, const struct keep_sender *sender)
{
    struct link_receipts receipts;
    struct err err;
    size_t n;

    OK(keep_receipts(a->keep, sender, 0, &now, &receipts, &err));
    n = receipts.count;
    link_receipts_free(&receipts);
    return n;
}

static void
what_one_gateway_began_and_another_ended_has_a_receipt_for_both(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_sender second = {"clinic-a", "gate-2", "x"};
    struct link_offer_object o;
    struct vault a;
    struct buf file;

    (void)state;
    vault_open(&a, vault_cluster, "handed_on");
    vault_offer(&a, &gate_a, &s, &o, &file);

    assert_int_equal(vault_put(&a, &second, &s), LINK_HELD);
    vault_manifest(&a, &second, 1, &s, 1);
    assert_int_equal(vault_work(&a), 1);

    assert_int_equal(told(&a, &second), 1);
    assert_int_equal(told(&a, &gate_a), 1);
    buf_fini(&file);
    vault_close(&a);
}

/* Both offered it before either sent it: the answer to the second one's bytes promises it. */
static void
what_two_gateways_bring_at_once_has_a_receipt_for_both(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_sender second = {"clinic-a", "gate-2", "x"};
    struct link_offer_object o;
    struct link_answer answer;
    struct vault a;
    struct buf file;

    (void)state;
    vault_open(&a, vault_cluster, "at_once");
    vault_offer(&a, &gate_a, &s, &o, &file);
    vault_ask(&a, &second, &o, &answer);
    link_answer_free(&answer);

    assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_HELD);
    assert_int_equal(vault_send(&a, &second, &o, &file), LINK_HELD);
    vault_manifest(&a, &second, 1, &s, 1);
    assert_int_equal(vault_work(&a), 1);

    assert_int_equal(told(&a, &gate_a), 1);
    assert_int_equal(told(&a, &second), 1);
    assert_int_equal(vault_send(&a, &second, &o, &file), LINK_HELD);
    assert_int_equal(told(&a, &second), 1); /* no second one */
    buf_fini(&file);
    vault_close(&a);
}

static void
another_patient_under_a_known_study_is_set_aside(void **state)
{
    struct slice s = vault_ct(1), wrong = vault_ct(2);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    wrong.patient_id = "P2";
    vault_open(&a, vault_cluster, "patient");
    vault_put(&a, &gate_a, &s);
    vault_put(&a, &gate_a, &wrong);

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 1);
    assert_int_equal(standing.quarantined, 1);
    vault_close(&a);
}

static int
store(struct vault *a, const struct slice *s, struct keep_stored *out, struct err *err)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct buf file;
    int rc;

    slice_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    rc = keep_store_direct(a->keep, &in, out, err);
    close(in.fd);
    buf_fini(&file);
    return rc;
}

/* Whoever sends it: the centre makes the same numbers of the bytes, and believes no other. */
static void
what_has_no_usable_number_is_kept_and_sealed_under_the_one_its_bytes_make(void **state)
{
    struct slice none = vault_ct(1), bad = vault_ct(2), lie = vault_ct(3), direct = vault_ct(4);
    struct link_offer_object o, lied;
    struct link_offer offer = {&lied, 1};
    struct keep_standing standing;
    struct keep_stored stored;
    struct vault_seen seen = {0, 0, NULL};
    struct link_answer answer;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    none.study = "";
    bad.study = bad.series = lie.study = lie.series = "1.2.abc";
    direct.study = direct.series = "1.2.abc";
    vault_open(&a, vault_cluster, "unnumbered");
    assert_int_equal(vault_put(&a, &gate_a, &none), LINK_HELD);
    vault_manifest(&a, &gate_a, 1, &none, 1);
    assert_int_equal(vault_put(&a, &gate_a, &bad), LINK_HELD);
    vault_manifest(&a, &gate_a, 1, &bad, 1);
    assert_int_equal(vault_work(&a), 2);
    slice_make(&bad, &file);
    slice_offer(&bad, &file, &o);
    buf_fini(&file);
    OK(keep_instances(a.keep, "clinic-a", o.study, o.series, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.sealed, 1);
    vault_place_reads(&a, seen.first);
    keep_place_free(&seen.first);

    slice_make(&lie, &file);
    slice_offer(&lie, &file, &lied);
    assert_string_equal(lied.study, o.study);
    text_copy(lied.study, sizeof lied.study, "2.25.1");
    OK(keep_offer(a.keep, &gate_a, &offer, &answer, &err));
    link_answer_free(&answer);
    assert_int_equal(vault_send(&a, &gate_a, &lied, &file), LINK_QUARANTINED);
    buf_fini(&file);

    OK(store(&a, &direct, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_STORED);
    assert_string_equal(stored.study, o.study);
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", o.study, &standing, &err));
    assert_int_equal(standing.sealed, 2);
    vault_close(&a);
}

static void
direct_objects_are_in_two_places_before_success_and_sealed_when_quiet(void **state)
{
    struct slice one = vault_ct(1), two = vault_ct(2), late = vault_ct(3), other = vault_ct(1);
    struct keep_stored stored;
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    other.noise = 77;
    vault_open(&a, vault_cluster, "direct");
    OK(store(&a, &one, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_STORED);
    assert_int_equal(folder_files(a.landing), 1);
    assert_int_equal(folder_files(a.landing_copy), 1);
    OK(store(&a, &one, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_DUPLICATE);
    OK(store(&a, &other, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_QUARANTINED);
    OK(store(&a, &two, &stored, &err));
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 2);
    assert_int_equal(standing.revision, 1);
    OK(store(&a, &late, &stored, &err));
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 3);
    assert_int_equal(standing.revision, 2);
    assert_int_equal(folder_files(a.landing) + folder_files(a.landing_copy), 0);
    vault_close(&a);
}

/* A landing file that a disk cut short is no trouble while its copy is whole. */
static void
what_lies_short_is_packed_from_its_copy(void **state)
{
    struct slice one = vault_ct(1);
    struct keep_stored stored;
    char pattern[200];
    struct vault a;
    struct err err;
    glob_t found;

    (void)state;
    vault_open(&a, vault_cluster, "short");
    OK(store(&a, &one, &stored, &err));
    snprintf(pattern, sizeof pattern, "%s/*/*.dcm", a.landing);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    assert_int_equal(truncate(found.gl_pathv[0], 100), 0);
    globfree(&found);
    vault_work(&a);
    assert_int_equal(folder_files(a.stores[0]), 1);
    assert_int_equal(folder_files(a.stores[1]), 1);
    vault_close(&a);
}

static void
an_open_association_keeps_a_study_open(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_incoming in = {
        .tenant = "clinic-a", .way = "C-STORE", .ae = "CT1", .association = 7};
    struct keep_stored stored;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "busy");
    slice_make(&s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a.keep, &in, &stored, &err));
    assert_int_equal(vault_work(&a), 0);
    keep_association_end(a.keep, 7);
    assert_int_equal(vault_work(&a), 1);
    close(in.fd);
    buf_fini(&file);
    vault_close(&a);
}

static void
postgresql_away_is_try_again_and_nothing_is_lost(void **state)
{
    struct slice s = vault_ct(1), d = vault_ct(2);
    struct link_offer_object o;
    struct link_answer answer;
    struct link_piece p = {.offset = 0};
    struct keep_bundle *b = NULL;
    struct keep_stored stored;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "away");
    vault_offer(&a, &gate_a, &s, &o, &file);
    memcpy(p.object, o.object, 32);
    p.bytes = file.bytes;
    p.n = file.n;
    OK(keep_bundle_begin(a.keep, &gate_a, &b, &err));
    OK(keep_bundle_piece(b, &p, &err));

    pg_cluster_stop(vault_cluster);
    assert_int_equal(keep_bundle_end(b, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(store(&a, &d, &stored, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(keep_check(a.keep, &err), -1);
    keep_bundle_free(&b);
    pg_cluster_restart(vault_cluster);

    clock_fake(clock_wall_us(), clock_mono_ms() + 5000); /* past the pool's back-off */
    OK(keep_check(a.keep, &err));
    clock_unfake();
    /* Every byte was durable already: the offer alone finishes it. */
    vault_ask(&a, &gate_a, &o, &answer);
    assert_int_equal(answer.objects[0].state, LINK_HELD);
    link_answer_free(&answer);
    OK(store(&a, &d, &stored, &err));
    buf_fini(&file);
    vault_close(&a);
}

static void
a_late_image_is_a_second_pack(void **state)
{
    struct slice s[2] = {vault_ct(1), vault_ct(2)};
    char kinds[1024] = "";
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "late");
    vault_put(&a, &gate_a, &s[0]);
    vault_manifest(&a, &gate_a, 1, s, 1);
    assert_int_equal(vault_work(&a), 1);
    vault_put(&a, &gate_a, &s[1]);
    vault_manifest(&a, &gate_a, 2, s, 2);
    vault_manifest(&a, &gate_a, 2, s, 2); /* again: the same */
    assert_int_equal(vault_work(&a), 1);
    OK(keep_events(a.keep, "clinic-a", 0, 0, count_events, kinds, &err));
    assert_non_null(strstr(kinds, "study.late"));
    assert_int_equal(folder_files(a.stores[0]), 2);
    vault_close(&a);
}

static void
what_devices_announce_is_known_and_only_grows(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "announced");
    vault_put(&a, &gate_a, &s);
    vault_manifest(&a, &gate_a, 1, &s, 1);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.announced, 0);
    vault_announce(&a, &gate_a, 1, 3, &s, 1);
    vault_announce(&a, &gate_a, 1, 2, &s, 1);
    vault_manifest(&a, &gate_a, 1, &s, 1);

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.announced, 3);
    assert_int_equal(standing.expected, 1);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_short_is_packed_from_its_copy),
        cmocka_unit_test(a_stop_waits_for_no_backlog),
        cmocka_unit_test(a_study_goes_from_offer_to_sealed_and_is_read_back),
        cmocka_unit_test(a_pack_is_a_zip_that_stock_programs_verify),
        cmocka_unit_test(tenants_never_see_each_other),
        cmocka_unit_test(duplicates_are_kept_once_and_conflicts_twice),
        cmocka_unit_test(what_one_gateway_began_and_another_ended_has_a_receipt_for_both),
        cmocka_unit_test(what_two_gateways_bring_at_once_has_a_receipt_for_both),
        cmocka_unit_test(another_patient_under_a_known_study_is_set_aside),
        cmocka_unit_test(what_has_no_usable_number_is_kept_and_sealed_under_the_one_its_bytes_make),
        cmocka_unit_test(direct_objects_are_in_two_places_before_success_and_sealed_when_quiet),
        cmocka_unit_test(an_open_association_keeps_a_study_open),
        cmocka_unit_test(postgresql_away_is_try_again_and_nothing_is_lost),
        cmocka_unit_test(a_late_image_is_a_second_pack),
        cmocka_unit_test(what_devices_announce_is_known_and_only_grows),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
