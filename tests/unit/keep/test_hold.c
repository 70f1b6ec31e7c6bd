/* test_hold.c - two codings of one received image under way: what comes of the other when one of
 * them has come to its end. */
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "storage/keep/landing_file.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};

/* The same image in files of their own. */
struct coding {
    struct buf file;
    struct link_offer_object offer;
};

static void
coding_make(struct coding *c, char mark)
{
    static const struct slice slice = {
        .study = "1.2.3", .series = "1.2.3.1", .instance = "1.2.3.1.1"};

    slice_make(&slice, &c->file);
    c->file.bytes[0] = (uint8_t)mark; /* of the preamble */
    slice_offer(&slice, &c->file, &c->offer);
}

static enum link_state
offer(struct vault *a, struct coding *c)
{
    struct link_offer offer = {&c->offer, 1};
    struct link_answer answer;
    enum link_state state;
    struct err err;

    if (keep_offer(a->keep, &gate, &offer, &answer, &err) < 0)
        fail_msg("%s", err.text);
    state = answer.objects[0].state;
    link_answer_free(&answer);
    return state;
}

static void
path_of(const struct vault *a, const struct coding *c, char out[400])
{
    char name[LANDING_NAME_SIZE];

    landing_whole_name("clinic-a", c->offer.object, name);
    snprintf(out, 400, "%s/%s", a->landing, name);
}

static bool
is_whole(const struct vault *a, const struct coding *c)
{
    char path[400];

    path_of(a, c, path);
    return access(path, F_OK) == 0;
}

/* As a crash leaves it between its last byte and the catalog. */
static void
make_whole(const struct vault *a, const struct coding *c)
{
    char path[400];
    FILE *f;

    path_of(a, c, path);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(c->file.bytes, 1, c->file.n, f), c->file.n);
    assert_int_equal(fclose(f), 0);
}

static void
send_half(struct vault *a, const struct coding *c)
{
    struct link_piece piece = {.bytes = c->file.bytes, .n = c->file.n / 2};
    struct keep_bundle *b = NULL;
    struct link_answer answer;
    struct err err;

    memcpy(piece.object, c->offer.object, 32);
    assert_int_equal(keep_bundle_begin(a->keep, &gate, &b, &err), 0);
    assert_int_equal(keep_bundle_piece(b, &piece, &err), 0);
    assert_int_equal(keep_bundle_end(b, &answer, &err), 0);
    assert_int_equal(answer.objects[0].state, LINK_PARTIAL);
    link_answer_free(&answer);
    keep_bundle_free(&b);
}

static void
close_all(struct vault *a, struct coding *codings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_fini(&codings[i].file);
    vault_close(a);
}

static void
a_part_of_another_coding_goes_when_one_is_kept(void **state)
{
    struct coding c[2];
    struct vault a;

    (void)state;
    vault_open(&a, cluster, "kept");
    coding_make(&c[0], 'A');
    coding_make(&c[1], 'B');
    memcpy(c[1].offer.received, c[0].offer.received, 32);
    offer(&a, &c[0]);
    offer(&a, &c[1]);
    send_half(&a, &c[1]);

    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_HELD);

    assert_int_equal(folder_files(a.landing), 1);
    close_all(&a, c, 2);
}

/* Received by each in a file of its own, so the first to be kept does not know of the other. */
static void
what_is_a_duplicate_by_now_is_on_its_way_no_more(void **state)
{
    struct keep_standing standing;
    struct coding c[2];
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, cluster, "by_now");
    coding_make(&c[0], 'A');
    coding_make(&c[1], 'B');
    offer(&a, &c[0]);
    offer(&a, &c[1]);
    send_half(&a, &c[1]);
    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_HELD);

    assert_int_equal(offer(&a, &c[1]), LINK_DUPLICATE);
    assert_int_equal(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err), 0);
    assert_int_equal(standing.whole, 1);
    assert_int_equal(standing.offered, 1);
    assert_int_equal(standing.bytes_there, standing.bytes_all);
    close_all(&a, c, 2);
}

static void
a_whole_other_coding_outlives_a_quarantined_one(void **state)
{
    struct coding c[2];
    struct vault a;

    (void)state;
    vault_open(&a, cluster, "quarantined");
    coding_make(&c[0], 'A');
    coding_make(&c[1], 'B');
    memcpy(c[1].offer.received, c[0].offer.received, 32);
    c[0].offer.pixels[3] ^= 1; /* it is not what its offer says */
    offer(&a, &c[0]);
    offer(&a, &c[1]);
    make_whole(&a, &c[1]);

    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_QUARANTINED);

    assert_true(is_whole(&a, &c[1]));
    assert_int_equal(offer(&a, &c[1]), LINK_HELD); /* nothing has to be sent */
    close_all(&a, c, 2);
}

static void
a_part_of_another_coding_outlives_a_quarantined_one(void **state)
{
    struct coding c[2];
    struct vault a;

    (void)state;
    vault_open(&a, cluster, "part");
    coding_make(&c[0], 'A');
    coding_make(&c[1], 'B');
    memcpy(c[1].offer.received, c[0].offer.received, 32);
    c[0].offer.pixels[3] ^= 1;
    offer(&a, &c[0]);
    offer(&a, &c[1]);
    send_half(&a, &c[1]);

    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_QUARANTINED);

    assert_int_equal(offer(&a, &c[1]), LINK_PARTIAL);
    close_all(&a, c, 2);
}

static void
a_whole_other_coding_outlives_a_duplicate(void **state)
{
    struct coding c[3]; /* the last is no coding of what the others are of */
    struct vault a;

    (void)state;
    vault_open(&a, cluster, "duplicate");
    coding_make(&c[0], 'A');
    coding_make(&c[1], 'B');
    coding_make(&c[2], 'C');
    memcpy(c[1].offer.received, c[0].offer.received, 32);
    for (int i = 0; i < 3; i++)
        offer(&a, &c[i]);
    assert_int_equal(vault_send(&a, &gate, &c[2].offer, &c[2].file), LINK_HELD);
    make_whole(&a, &c[1]);

    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_DUPLICATE);

    assert_true(is_whole(&a, &c[1]));
    assert_true(is_whole(&a, &c[2]));
    close_all(&a, c, 3);
}

static size_t
receipts_of(struct vault *a)
{
    static const struct keep_wait now = {.ms = 0};
    struct link_receipts receipts;
    struct err err;
    size_t n;

    assert_int_equal(keep_receipts(a->keep, &gate, 0, &now, &receipts, &err), 0);
    n = receipts.count;
    link_receipts_free(&receipts);
    return n;
}

static void
a_duplicate_of_what_is_gone_is_wanted_and_takes_its_place(void **state)
{
    static const struct slice slice = {
        .study = "1.2.3", .series = "1.2.3.1", .instance = "1.2.3.1.1"};
    struct coding c[2];
    char path[400];
    struct vault a;
    int sealed = 0;
    struct err err;

    (void)state;
    vault_open(&a, cluster, "gone");
    coding_make(&c[0], '\0'); /* the slice as it is */
    coding_make(&c[1], 'B');
    offer(&a, &c[0]);
    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_HELD);
    assert_int_equal(offer(&a, &c[1]), LINK_DUPLICATE);
    vault_manifest(&a, &gate, 1, &slice, 1); /* of the file that goes: its pack is due */
    path_of(&a, &c[0], path);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(offer(&a, &c[1]), LINK_WANTED);
    assert_int_equal(vault_send(&a, &gate, &c[1].offer, &c[1].file), LINK_HELD);

    assert_true(is_whole(&a, &c[1]));
    assert_int_equal(keep_work(a.keep, &sealed, &err), 0);
    assert_int_equal(sealed, 1);
    assert_int_equal(receipts_of(&a), 2); /* of both files, once each */
    assert_int_equal(offer(&a, &c[0]), LINK_DUPLICATE);
    assert_int_equal(offer(&a, &c[1]), LINK_SEALED);
    close_all(&a, c, 2);
}

/* Its first file is gone, so this part is the only thing there is of it. */
static void
a_part_of_what_is_gone_outlives_a_month_of_a_broken_line(void **state)
{
    const int64_t month_ms = INT64_C(31) * 86400000;
    struct coding c[2];
    char path[400];
    struct vault a;
    int sealed = 0;
    struct err err;

    (void)state;
    vault_open(&a, cluster, "month");
    coding_make(&c[0], 'A');
    coding_make(&c[1], 'B');
    offer(&a, &c[0]);
    assert_int_equal(vault_send(&a, &gate, &c[0].offer, &c[0].file), LINK_HELD);
    path_of(&a, &c[0], path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(offer(&a, &c[1]), LINK_WANTED);
    send_half(&a, &c[1]);
    clock_fake(clock_wall_us() + month_ms * 1000, clock_mono_ms() + month_ms);

    assert_int_equal(keep_work(a.keep, &sealed, &err), 0);

    clock_unfake();
    assert_int_equal(offer(&a, &c[1]), LINK_PARTIAL);
    close_all(&a, c, 2);
}

static int
stop(void **state)
{
    (void)state;
    pg_cluster_remove(&cluster);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_another_coding_goes_when_one_is_kept),
        cmocka_unit_test(what_is_a_duplicate_by_now_is_on_its_way_no_more),
        cmocka_unit_test(a_whole_other_coding_outlives_a_quarantined_one),
        cmocka_unit_test(a_part_of_another_coding_outlives_a_quarantined_one),
        cmocka_unit_test(a_whole_other_coding_outlives_a_duplicate),
        cmocka_unit_test(a_duplicate_of_what_is_gone_is_wanted_and_takes_its_place),
        cmocka_unit_test(a_part_of_what_is_gone_outlives_a_month_of_a_broken_line),
    };

    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL) {
        puts("SKIP: PostgreSQL is not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, stop);
}
