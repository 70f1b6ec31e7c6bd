/* test_link.c - what one side of the link writes the other reads; what is wrong is refused. */
#include "proto/link/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct gathered {
    uint8_t bytes[200000];
    size_t pieces;
};

static int
gather(void *user, const struct link_piece *piece, struct err *err)
{
    struct gathered *g = user;

    if (piece->offset + piece->n > sizeof g->bytes)
        return err_set(err, ERR_REJECT, "outside");
    memcpy(g->bytes + piece->offset, piece->bytes, piece->n);
    g->pieces++;
    return 0;
}

static void
make_bundle(struct buf *b, const uint8_t *noise, size_t n)
{
    uint8_t object[32];
    struct err err;

    memset(object, 7, sizeof object);
    buf_init(b, 1 << 20);
    link_bundle_begin(b);
    assert_int_equal(link_bundle_add(b, object, 0, noise, n / 2, true, &err), 0);
    assert_int_equal(link_bundle_add(b, object, n / 2, noise + n / 2, n - n / 2, false, &err), 0);
    link_bundle_end(b);
}

static void
fill(uint8_t *bytes, size_t n)
{
    uint32_t v = 1;

    for (size_t i = 0; i < n; i++) {
        v = v * 1664525 + 1013904223;
        bytes[i] = i < n / 2 ? (uint8_t)(i / 100) : (uint8_t)(v >> 24);
    }
}

static void
bundle_in_chunks_of_any_size_is_the_same(void **state)
{
    static uint8_t noise[100000];
    static struct gathered g;
    struct buf b;
    struct err err;

    (void)state;
    fill(noise, sizeof noise);
    make_bundle(&b, noise, sizeof noise);
    assert_true(b.n < sizeof noise); /* the first half deflates */
    for (size_t step = 1; step < 70000; step = step * 3 + 1) {
        struct link_bundle_reader r;

        memset(&g, 0, sizeof g);
        link_bundle_reader_init(&r);
        for (size_t at = 0; at < b.n; at += step)
            assert_int_equal(link_bundle_reader_feed(&r, b.bytes + at,
                                                     b.n - at < step ? b.n - at : step, gather, &g,
                                                     &err),
                             0);
        assert_true(link_bundle_reader_is_whole(&r));
        assert_int_equal(g.pieces, 2);
        assert_memory_equal(g.bytes, noise, sizeof noise);
        link_bundle_reader_fini(&r);
    }
    buf_fini(&b);
}

static void
a_flipped_bit_or_a_missing_end_of_a_bundle_is_noticed(void **state)
{
    static uint8_t noise[5000];
    static struct gathered g;
    struct buf b;
    size_t second;

    (void)state;
    fill(noise, sizeof noise);
    make_bundle(&b, noise, sizeof noise);
    second = 4 + 53 + le32_read(b.bytes + 4 + 40);
    for (size_t at = 0; at <= b.n; at += at < 200 ? 1 : 97) {
        struct link_bundle_reader r;
        struct err err;
        int rc;
        bool is_name_or_place = (at >= 4 && at < 4 + 40) || (at >= second && at < second + 40);

        memset(&g, 0, sizeof g);
        link_bundle_reader_init(&r);
        if (at < b.n)
            b.bytes[at] ^= 0x10;
        rc = link_bundle_reader_feed(&r, b.bytes, at < b.n ? b.n : b.n - 1, gather, &g, &err);
        if (!is_name_or_place) /* those the landing's own checks catch */
            assert_true(rc < 0 || !link_bundle_reader_is_whole(&r));
        if (at < b.n)
            b.bytes[at] ^= 0x10;
        link_bundle_reader_fini(&r);
    }
    buf_fini(&b);
}

static struct link_offer_object
sample_object(void)
{
    struct link_offer_object o = {.size = 1234,
                                  .sop_instance = "1.2.3.4",
                                  .sop_class = "1.2.840.10008.5.1.4.1.1.2",
                                  .study = "1.2.3",
                                  .series = "1.2.3.1",
                                  .transfer_syntax = "1.2.840.10008.1.2.4.90",
                                  .received_syntax = "1.2.840.10008.1.2",
                                  .recipe = (uint8_t *)mem_text("recipe"),
                                  .recipe_n = 6};

    memset(o.object, 0xAB, sizeof o.object);
    return o;
}

static void
offers_come_back(void **state)
{
    struct link_offer_object o = sample_object();
    struct link_offer offer = {&o, 1}, back;
    struct buf b;
    struct err err;

    (void)state;
    buf_init(&b, 1 << 20);
    link_offer_encode(&offer, &b);
    assert_int_equal(link_offer_decode(b.bytes, b.n, &back, &err), 0);
    assert_int_equal(back.count, 1);
    assert_string_equal(back.objects[0].series, "1.2.3.1");
    assert_memory_equal(back.objects[0].object, o.object, 32);
    assert_int_equal(back.objects[0].recipe_n, 6);
    assert_null(back.objects[0].layout);
    link_offer_free(&back);
    free(o.recipe);
    buf_fini(&b);
}

static void
offers_with_no_uid_or_an_endless_size_are_refused(void **state)
{
    static const struct {
        const char *name, *from, *to;
    } rows[] = {
        {"path for a UID", "1.2.3.4", "../etc"},
        {"UID with a quote", "1.2.3.4", "1.2'3.4"},
        {"endless size", ":1234,", ":99999999999999,"},
        {"negative size", ":1234,", ":-5,"},
        {"empty file", ":1234,", ":0,"},
        {"short hash", "abababab", "ababab"},
    };
    struct link_offer_object o = sample_object();
    struct link_offer offer = {&o, 1}, back;
    struct buf b;
    struct err err;

    (void)state;
    buf_init(&b, 1 << 20);
    link_offer_encode(&offer, &b);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *text = buf_text(&b);
        const char *at = strstr(text, rows[i].from);
        char *wrong;

        assert_non_null(at);
        wrong =
            mem_printf("%.*s%s%s", (int)(at - text), text, rows[i].to, at + strlen(rows[i].from));
        if (link_offer_decode((uint8_t *)wrong, strlen(wrong), &back, &err) == 0)
            fail_msg("%s: was let through", rows[i].name);
        assert_int_equal(err.kind, ERR_REJECT);
        free(wrong);
    }
    free(o.recipe);
    buf_fini(&b);
}

static void
answers_manifests_and_receipts_come_back(void **state)
{
    struct range have[2] = {{0, 10}, {20, 4294967296}};
    struct link_object_state s = {.state = LINK_CONFLICT, .have = have, .have_n = 2};
    struct link_answer answer = {&s, 1}, answer_back;
    struct link_manifest_instance m = {.sop_instance = "1.2.3"};
    struct link_manifest_left left = {.sop_instance = "1.2.4", .object = {7}};
    struct link_manifest manifest = {"1.2", 3, 1700000000000000, 31, &m, 1, true, &left, 1};
    struct link_manifest manifest_back;
    struct link_receipt r = {.seq = 9,
                             .sop_instance = "1.2.3",
                             .study = "1.2",
                             .state = LINK_SEALED,
                             .copies = 2,
                             .at_us = 5};
    struct link_receipts receipts = {.next = 9, .receipts = &r, .count = 1}, receipts_back;
    struct link_ping ping = {.now_us = 12, .policy.quiet_ms = 3000}, ping_back;
    struct buf b;
    struct err err;

    (void)state;
    buf_init(&b, 1 << 20);
    link_answer_encode(&answer, &b);
    assert_int_equal(link_answer_decode(b.bytes, b.n, &answer_back, &err), 0);
    assert_int_equal(answer_back.objects[0].state, LINK_CONFLICT);
    assert_int_equal(answer_back.objects[0].have[1].to, 4294967296);
    link_answer_free(&answer_back);
    buf_clear(&b);
    link_manifest_encode(&manifest, &b);
    assert_int_equal(link_manifest_decode(b.bytes, b.n, &manifest_back, &err), 0);
    assert_int_equal(manifest_back.revision, 3);
    assert_int_equal(manifest_back.announced, 31);
    assert_string_equal(manifest_back.instances[0].sop_instance, "1.2.3");
    assert_true(manifest_back.names_left);
    assert_int_equal(manifest_back.left_n, 1);
    assert_string_equal(manifest_back.left[0].sop_instance, "1.2.4");
    assert_memory_equal(manifest_back.left[0].object, left.object, sizeof left.object);
    link_manifest_free(&manifest_back);
    buf_clear(&b);
    link_receipts_encode(&receipts, &b);
    assert_int_equal(link_receipts_decode(b.bytes, b.n, &receipts_back, &err), 0);
    assert_int_equal(receipts_back.next, 9);
    assert_int_equal(receipts_back.receipts[0].copies, 2);
    link_receipts_free(&receipts_back);
    buf_clear(&b);
    link_ping_encode(&ping, &b);
    assert_int_equal(link_ping_decode(b.bytes, b.n, &ping_back, &err), 0);
    assert_int_equal(ping_back.policy.quiet_ms, 3000);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundle_in_chunks_of_any_size_is_the_same),
        cmocka_unit_test(a_flipped_bit_or_a_missing_end_of_a_bundle_is_noticed),
        cmocka_unit_test(offers_come_back),
        cmocka_unit_test(offers_with_no_uid_or_an_endless_size_are_refused),
        cmocka_unit_test(answers_manifests_and_receipts_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
