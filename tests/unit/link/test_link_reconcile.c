/* test_link_reconcile.c - the digests that both sides reckon, and the documents they exchange. */
#include "proto/link/reconcile.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct link_claim
claim(uint8_t fill, enum link_claim_letter letter)
{
    struct link_claim c = {.letter = letter};

    memset(c.object, fill, sizeof c.object);
    return c;
}

/* As docs/link-protocol.md writes it down. */
static void
a_study_s_digest_is_of_its_objects_in_order_with_their_letters(void **state)
{
    struct link_claim claims[] = {claim(9, 'h'), claim(1, 's'), claim(5, 's')};
    struct link_study study = {.study = "1.2"};
    uint8_t bytes[3 * 33], wanted[32];

    (void)state;
    memset(bytes, 1, 32);
    bytes[32] = 's';
    memset(bytes + 33, 5, 32);
    bytes[65] = 's';
    memset(bytes + 66, 9, 32);
    bytes[98] = 'h';
    digest_bytes(bytes, sizeof bytes, wanted);

    link_study_reckon(claims, 3, &study);

    assert_int_equal(study.objects, 3);
    assert_int_equal(study.sealed, 2);
    assert_memory_equal(study.sha256, wanted, 32);
}

static void
a_day_changes_with_every_part_of_its_studies(void **state)
{
    struct link_study base[2] = {{.study = "1.2", .day = 7, .revision = 1, .objects = 2},
                                 {.study = "1.1", .day = 7, .revision = 1, .objects = 3}};
    struct link_days before, after;

    (void)state;
    link_days_reckon(base, 2, &before);
    assert_int_equal(before.count, 1);
    assert_int_equal(before.days[0].studies, 2);
    assert_int_equal(before.days[0].objects, 5);
    assert_string_equal(base[0].study, "1.1"); /* whatever order they came in */
    for (int i = 0; i < 3; i++) {
        struct link_study changed[2];

        memcpy(changed, base, sizeof changed);
        if (i == 0)
            changed[1].revision = 2;
        else if (i == 1)
            changed[1].sha256[31] ^= 1;
        else
            snprintf(changed[1].study, sizeof changed[1].study, "1.3");
        link_days_reckon(changed, 2, &after);
        assert_false(link_day_is_same(&before.days[0], &after.days[0]));
        link_days_free(&after);
    }
    link_days_free(&before);
}

static void
days_lie_apart_and_count_from_1970(void **state)
{
    struct link_study studies[] = {{.study = "1.2", .day = 8, .objects = 1},
                                   {.study = "1.3", .day = 7, .objects = 1},
                                   {.study = "1.4", .day = 8, .objects = 1}};
    struct link_days days;

    (void)state;
    assert_int_equal(link_day_of(0), 0);
    assert_int_equal(link_day_of(-5), 0);
    assert_int_equal(link_day_of(INT64_C(86400000000) * 3 - 1), 2);
    assert_int_equal(link_day_of(INT64_C(86400000000) * 3), 3);

    link_days_reckon(studies, 3, &days);

    assert_int_equal(days.count, 2);
    assert_int_equal(days.days[0].day, 7);
    assert_int_equal(days.days[1].studies, 2);
    link_days_free(&days);
}

static void
what_is_no_document_of_ours_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "{\"days\":[{\"day\":-1}]}",
        "{\"days\":[{\"day\":1,\"studies\":1,\"objects\":1,\"sealed\":1,\"sha256\":\"ab\"}]}",
        "{\"studies\":[{\"study\":\"../x\"}]}",
        "{\"objects\":[\"zz\"]}",
        "{\"objects\":[7]}",
        "{\"list\":[]}",
    };
    struct link_reconciled done;
    struct link_studies studies;
    struct link_objects objects;
    struct link_days days;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const uint8_t *bytes = (const uint8_t *)rows[i];
        size_t n = strlen(rows[i]);

        assert_int_equal(link_days_decode(bytes, n, &days, &err), -1);
        assert_int_equal(link_studies_decode(bytes, n, &studies, &err), -1);
        assert_int_equal(link_objects_decode(bytes, n, &objects, &err), -1);
        assert_int_equal(link_reconciled_decode(bytes, n, &done, &err), -1);
    }
}

static void
too_many_objects_are_refused(void **state)
{
    struct link_objects ask = {calloc(LIMIT_RECONCILE_OBJECTS + 1, LINK_HASH_BYTES),
                               LIMIT_RECONCILE_OBJECTS},
                        got;
    struct buf text;
    struct err err;

    (void)state;
    assert_non_null(ask.objects);
    buf_init(&text, LIMIT_HTTP_JSON_BYTES);
    link_objects_encode(&ask, &text);
    assert_int_equal(link_objects_decode(text.bytes, text.n, &got, &err), 0);
    assert_int_equal(got.count, LIMIT_RECONCILE_OBJECTS);
    link_objects_free(&got);
    ask.count++;
    buf_clear(&text);
    link_objects_encode(&ask, &text);
    assert_int_equal(link_objects_decode(text.bytes, text.n, &got, &err), -1);
    buf_fini(&text);
    link_objects_free(&ask);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_s_digest_is_of_its_objects_in_order_with_their_letters),
        cmocka_unit_test(a_day_changes_with_every_part_of_its_studies),
        cmocka_unit_test(days_lie_apart_and_count_from_1970),
        cmocka_unit_test(what_is_no_document_of_ours_is_refused),
        cmocka_unit_test(too_many_objects_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
