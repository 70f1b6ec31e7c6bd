/* fuzz_uplink_answers.c - whatever a centre says about objects, the plan stays within its files and
 * comes to an end. The input is an answer's JSON, or else bytes that are taken for states and
 * ranges as they come (a decoder keeps them in order, the plan must not rely on it). */
#include "gateway/uplink/plan.h"
#include "proto/base/log.h"

#include <string.h>

enum { SIZE = 5000, PIECES = 16, ROUNDS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
add(struct plan *plan, uint64_t id)
{
    static const struct range look[] = {{0, 300}, {1000, 1200}};
    struct plan_object o = {.id = id, .size = SIZE, .study = "1.2", .look = look, .look_n = 2};

    plan_add(plan, &o, 0);
}

static void
send_all(struct plan *plan, const struct link_object_state *says, int round)
{
    struct plan_piece pieces[PIECES];
    int64_t wait;
    size_t n;

    n = plan_take(plan, 700, pieces, PIECES, round, &wait);
    for (size_t i = 0; i < n; i++)
        CHECK(pieces[i].n > 0 && pieces[i].offset + pieces[i].n <= SIZE);
    if (round % 3 == 2) {
        plan_failed(plan, pieces, n);
        return;
    }
    plan_arrived(plan, pieces, n);
    for (size_t i = 0; i < n; i++)
        plan_answered(plan, pieces[i].id, says);
}

/* An answer of one object: a state, then ranges of 4 bytes each. */
static void
answer_of_bytes(const uint8_t *bytes, size_t n, struct link_answer *out)
{
    struct link_object_state *o = mem_new(sizeof *o);

    out->objects = o;
    out->count = 1;
    if (n == 0)
        return;
    o->state = (enum link_state)(bytes[0] % LINK_STATES);
    o->have = mem_new((n / 4 + 1) * sizeof *o->have);
    for (size_t i = 1; i + 4 <= n; i += 4)
        o->have[o->have_n++] = (struct range){le16_read(bytes + i), le16_read(bytes + i + 2)};
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct link_answer answer = {0};
    struct plan *plan;
    struct err err = {0};

    log_set_fd(-1);
    if (link_answer_decode(bytes, n, &answer, &err) < 0)
        answer_of_bytes(bytes, n < 2048 ? n : 2048, &answer);
    plan = plan_new(1);
    add(plan, 1);
    add(plan, 2);
    for (size_t k = 0; k < answer.count; k++)
        for (int round = 0; round < ROUNDS; round++) {
            struct plan_looked looked;
            uint64_t ids[2];
            size_t offered = plan_next_offers(plan, ids, 2);

            for (size_t i = 0; i < offered; i++)
                plan_offered(plan, ids[i], &answer.objects[k]);
            send_all(plan, &answer.objects[k], round);
            while (plan_next_looked(plan, &looked))
                ;
        }
    link_answer_free(&answer);
    plan_free(&plan);
    return 0;
}
