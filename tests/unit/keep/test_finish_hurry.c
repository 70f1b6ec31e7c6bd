/* test_finish_hurry.c - among what became whole at the centre an emergency is looked into first,
 * and alone; what is none has its turn nevertheless. */
#include "storage/keep/finish.h"
#include "storage/keep/keep_own.h"
#include "tests/support/vault.h"

#include "proto/base/clock.h"

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

#define ROUTINE "1.2.3"
#define STAT "1.2.9"

enum {
    ROWS = 300, /* each is more than what is made durable together */
    SEEN = 64,
    WAIT_MS = 60000,
    OTHERS_MS = 300 /* time enough for another to begin, if it may */
};

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};

typedef int (*inspect_fn)(struct codec_pool *pool, const struct codec_source *source,
                          struct dcm_facts *out_facts, struct dcm_digests *out_digests,
                          struct err *err);

/* What was looked into, in its order; at first whoever looks waits. */
static struct gate gate;
static inspect_fn look;
static bool is_holding, was_with_others;
static size_t seen_n, done_n;
static char seen[SEEN][65];

static void
wait_for_others(void)
{
    size_t before = seen_n;
    int64_t until_ms = clock_mono_ms() + OTHERS_MS;

    while (seen_n == before && clock_mono_ms() < until_ms)
        gate_wait_ms(&gate, OTHERS_MS);
    was_with_others = was_with_others || (seen_n > before && strcmp(seen[before], STAT) != 0);
}

static int
look_in_order(struct codec_pool *pool, const struct codec_source *source,
              struct dcm_facts *out_facts, struct dcm_digests *out_digests, struct err *err)
{
    int rc = look(pool, source, out_facts, out_digests, err);

    gate_lock(&gate);
    assert_true(seen_n < SEEN);
    snprintf(seen[seen_n++], sizeof seen[0], "%s", out_facts->study_uid);
    gate_wake(&gate);
    while (is_holding)
        gate_wait(&gate);
    if (strcmp(out_facts->study_uid, STAT) == 0)
        wait_for_others();
    done_n++;
    gate_wake(&gate);
    gate_unlock(&gate);
    return rc;
}

static void
wait_until(const size_t *counter, size_t n)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    gate_lock(&gate);
    while (*counter < n && clock_mono_ms() < until_ms)
        gate_wait_ms(&gate, WAIT_MS);
    if (*counter < n)
        fail_msg("%zu of %zu", *counter, n);
    gate_unlock(&gate);
}

static void
send(struct vault *a, struct keep_bundle *b, const char *study, unsigned number)
{
    char series[32], instance[40];
    struct slice s = {.study = study, .number = number, .noise = number, .rows = ROWS};
    struct link_piece piece = {.offset = 0};
    struct link_offer_object o;
    struct buf file;
    struct err err;

    snprintf(series, sizeof series, "%s.1", study);
    snprintf(instance, sizeof instance, "%s.1.%u", study, number);
    s.series = series;
    s.instance = instance;
    vault_offer(a, &gate_a, &s, &o, &file);
    memcpy(piece.object, o.object, sizeof piece.object);
    piece.bytes = file.bytes;
    piece.n = file.n;
    OK(keep_bundle_piece(b, &piece, &err));
    buf_fini(&file);
}

static void
let_go(void)
{
    gate_lock(&gate);
    is_holding = false;
    gate_wake(&gate);
    gate_unlock(&gate);
}

static void
begin(struct vault *a, struct keep_bundle **b, const char *name)
{
    struct err err;

    vault_open(a, vault_cluster, name);
    look = keep_inspect;
    keep_inspect = look_in_order;
    is_holding = true;
    was_with_others = false;
    seen_n = done_n = 0;
    finish_start(a->keep);
    OK(keep_bundle_begin(a->keep, &gate_a, b, &err));
    for (unsigned i = 1; i <= FINISHERS; i++)
        send(a, *b, ROUTINE, i);
    wait_until(&seen_n, FINISHERS);
}

static void
end(struct vault *a, struct keep_bundle **b)
{
    struct link_answer answer;
    struct err err;

    OK(keep_bundle_end(*b, &answer, &err));
    for (size_t i = 0; i < answer.count; i++)
        assert_int_equal(answer.objects[i].state, LINK_HELD);
    link_answer_free(&answer);
    keep_bundle_free(b);
    vault_close(a);
}

static void
an_emergency_is_looked_into_before_what_came_first_and_alone(void **state)
{
    struct keep_bundle *b = NULL;
    struct vault a;

    (void)state;
    begin(&a, &b, "alone");
    for (unsigned i = 1; i <= 4; i++)
        send(&a, b, ROUTINE, FINISHERS + i);
    send(&a, b, STAT, 1);
    keep_hurry(a.keep, &gate_a, "not-a-uid  " STAT " 1.2..3");

    let_go();
    wait_until(&done_n, FINISHERS + 5);

    assert_string_equal(seen[FINISHERS], STAT);
    assert_false(was_with_others);
    end(&a, &b);
}

static void
of_ten_turns_one_is_the_oldests_however_many_emergencies_there_are(void **state)
{
    struct keep_bundle *b = NULL;
    unsigned at = 0;
    struct vault a;

    (void)state;
    begin(&a, &b, "turns");
    keep_hurry(a.keep, &gate_a, STAT);
    send(&a, b, ROUTINE, FINISHERS + 1);
    for (unsigned i = 1; i <= 12; i++)
        send(&a, b, STAT, i);

    let_go();
    wait_until(&done_n, FINISHERS + 13);

    while (at < 13 && strcmp(seen[FINISHERS + at], ROUTINE) != 0)
        at++;
    assert_in_range(at, 9, 9 + FINISHERS - 1); /* those behind it are looked into beside it */
    end(&a, &b);
}

static void
another_clinics_study_of_this_number_is_no_emergency(void **state)
{
    static const struct keep_sender gate_b = {"clinic-b", "gate-b", "test"};
    struct keep_bundle *b = NULL;
    struct vault a;

    (void)state;
    begin(&a, &b, "other");
    keep_hurry(a.keep, &gate_b, STAT);
    for (unsigned i = 1; i <= 2 * FINISHERS; i++)
        send(&a, b, ROUTINE, FINISHERS + i);
    send(&a, b, STAT, 1);

    let_go();
    wait_until(&done_n, 3 * FINISHERS + 1);

    for (unsigned i = 0; i < FINISHERS; i++)
        assert_string_equal(seen[FINISHERS + i], ROUTINE);
    end(&a, &b);
}

static int
start(void **state)
{
    gate_init(&gate);
    return vault_start(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emergency_is_looked_into_before_what_came_first_and_alone),
        cmocka_unit_test(of_ten_turns_one_is_the_oldests_however_many_emergencies_there_are),
        cmocka_unit_test(another_clinics_study_of_this_number_is_no_emergency),
    };

    return cmocka_run_group_tests(tests, start, vault_stop);
}
