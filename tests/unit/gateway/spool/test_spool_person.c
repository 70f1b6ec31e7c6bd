/* test_spool_person.c - what people do to entries: quarantine and release, keep back, send again.
 */
#include "gateway/spool/spool.h"

#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct err err;

#define OK(call)                                                                                   \
    if ((call) < 0)                                                                                \
    fail_msg("%s", err.text)

static uint64_t
put_stranger(struct spool_fixture *f)
{
    struct spool_meta meta = {.sop_instance = "1.2.3.4", .quarantine = "stranger"};
    struct spool_draft *draft = NULL;
    uint64_t id = 0;

    OK(spool_draft_begin(f->sp, &meta, &draft, &err));
    OK(spool_draft_write(draft, "bytes", 5, &err));
    OK(spool_commit(f->sp, &draft, &id, &err));
    return id;
}

static struct spool_entry *
load(struct spool_fixture *f, uint64_t id)
{
    struct spool_entry *e = NULL;

    OK(spool_load(f->sp, id, &e, &err));
    return e;
}

static void
assert_is_stranger(struct spool_fixture *f, uint64_t id)
{
    struct spool_entry *e = load(f, id);

    assert_int_equal(e->state, INSTANCE_QUARANTINED);
    assert_string_equal(e->meta.quarantine, "stranger");
    assert_int_equal(quarantine_of(e->last_error), QUARANTINE_STRANGER);
    spool_entry_free(&e);
}

static size_t
count(struct spool_fixture *f, const struct spool_filter *filter)
{
    uint64_t *ids = NULL;
    size_t n;

    spool_list(f->sp, filter, &ids, &n);
    free(ids);
    return n;
}

static void
a_strangers_instance_is_quarantined_from_its_first_moment(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_filter strangers = {.quarantine = "stranger"}, others = {.quarantine = "damaged"};
    uint64_t id = put_stranger(f);
    struct spool_inspection facts = {.study_uid = "1.9"};

    assert_is_stranger(f, id);
    assert_int_equal(spool_set_inspected(f->sp, id, &facts, &err), -1);
    assert_int_equal(count(f, &strangers), 1);
    assert_int_equal(count(f, &others), 0);
    fixture_reopen(f);
    assert_is_stranger(f, id);
}

static void
it_stays_quarantined_when_every_journal_is_lost(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_stranger(f);
    char path[FOLDER_PATH_BYTES + 64];

    spool_close(&f->sp);
    for (int i = 1; i < 9; i++) {
        snprintf(path, sizeof path, "%s/journal/%016x.jnl", f->dir, (unsigned)i);
        unlink(path);
    }
    fixture_reopen(f);
    assert_is_stranger(f, id);
}

static void
what_is_released_is_looked_into_anew(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_stranger(f), other = fixture_put(f, 100, 9, 0);
    struct spool_study study;
    struct spool_entry *e;

    OK(spool_release(f->sp, id, &err));
    assert_int_equal(spool_release(f->sp, id, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    fixture_inspect(f, other, "1.9");
    fixture_code(f, other, 50, 1);
    OK(spool_set_quarantined(f->sp, other, "refused: by the centre", &err));
    OK(spool_release(f->sp, other, &err));
    assert_int_equal(spool_study(f->sp, "1.9", &study, &err), 0);
    assert_int_equal(study.total, 0);
    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_RECEIVED);
    e = load(f, other);
    assert_int_equal(e->state, INSTANCE_RECEIVED);
    assert_false(e->is_inspected);
    assert_false(e->is_coded);
    assert_string_equal(e->last_error, "");
    assert_int_equal(e->state_at_us[INSTANCE_QUARANTINED], 0);
    spool_entry_free(&e);
    fixture_assert_bytes(f, other, 100, 9);
    fixture_inspect(f, other, "1.9");
    fixture_inspect(f, id, "1.9");
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.total, 2);
    assert_int_equal(study.first_id, id);
}

static void
what_a_person_keeps_back_stays_so_through_states_and_restarts(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);
    struct spool_filter paused = {.only_paused = true};
    struct spool_health health;
    struct spool_study study;
    struct spool_entry *e;

    OK(spool_set_paused(f->sp, id, true, &err));
    OK(spool_set_paused(f->sp, id, true, &err));
    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "-", &err));
    fixture_reopen(f);
    e = load(f, id);
    assert_true(e->is_paused);
    assert_int_equal(e->state, INSTANCE_PLAIN);
    spool_entry_free(&e);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.paused, 1);
    spool_health(f->sp, &health);
    assert_int_equal(health.paused, 1);
    assert_int_equal(count(f, &paused), 1);
    OK(spool_set_paused(f->sp, id, false, &err));
    fixture_reopen(f);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.paused, 0);
    assert_int_equal(count(f, &paused), 0);
    assert_int_equal(spool_set_paused(f->sp, id + 1, true, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
requeue_sends_what_was_held_or_sealed_again(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t plain = fixture_put(f, 100, 1, 0), coded = fixture_put(f, 100, 2, 0);
    struct spool_entry *e;

    fixture_inspect(f, plain, "1.9");
    fixture_inspect(f, coded, "1.9");
    OK(spool_requeue(f->sp, plain, &err)); /* it waits anyway */
    assert_int_equal(fixture_state_of(f, plain), INSTANCE_INSPECTED);
    OK(spool_set_uncoded(f->sp, plain, "-", &err));
    fixture_code(f, coded, 50, 9);
    OK(spool_set_held(f->sp, plain, 1, &err));
    OK(spool_requeue(f->sp, plain, &err));
    assert_int_equal(fixture_state_of(f, plain), INSTANCE_PLAIN);
    OK(spool_set_sealed(f->sp, plain, 2, &err));
    OK(spool_set_sealed(f->sp, coded, 3, &err));
    OK(spool_requeue(f->sp, plain, &err));
    OK(spool_requeue(f->sp, coded, &err));
    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, plain), INSTANCE_PLAIN);
    e = load(f, coded);
    assert_int_equal(e->state, INSTANCE_CODED);
    assert_int_equal(e->state_at_us[INSTANCE_SEALED], 0);
    spool_entry_free(&e);
    OK(spool_set_quarantined(f->sp, coded, "other: drawn", &err));
    assert_int_equal(spool_requeue(f->sp, coded, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
what_lost_its_bytes_is_neither_requeued_nor_released(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);

    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "-", &err));
    OK(spool_set_sealed(f->sp, id, 1, &err));
    f->options.keep_sealed_ms = 0;
    fixture_reopen(f);
    assert_int_equal(spool_collect_garbage(f->sp), 1);
    assert_int_equal(spool_requeue(f->sp, id, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_SEALED);
}

static void
identity_and_doubts_of_an_inspection_come_back(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);
    struct spool_inspection facts = {.study_uid = "1.9", .doubts = 6};
    struct spool_entry *e;

    memset(facts.identity_sha256, 3, 32);
    memset(facts.rest_sha256, 4, 32);
    OK(spool_set_inspected(f->sp, id, &facts, &err));
    fixture_reopen(f);
    e = load(f, id);
    assert_int_equal(e->facts.doubts, 6);
    assert_memory_equal(e->facts.identity_sha256, facts.identity_sha256, 32);
    assert_memory_equal(e->facts.rest_sha256, facts.rest_sha256, 32);
    spool_entry_free(&e);
}

int
main(void)
{
#define CLAIM(name)                                                                                \
    cmocka_unit_test_setup_teardown(name, spool_fixture_setup, spool_fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(a_strangers_instance_is_quarantined_from_its_first_moment),
        CLAIM(it_stays_quarantined_when_every_journal_is_lost),
        CLAIM(what_is_released_is_looked_into_anew),
        CLAIM(what_a_person_keeps_back_stays_so_through_states_and_restarts),
        CLAIM(requeue_sends_what_was_held_or_sealed_again),
        CLAIM(what_lost_its_bytes_is_neither_requeued_nor_released),
        CLAIM(identity_and_doubts_of_an_inspection_come_back),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
