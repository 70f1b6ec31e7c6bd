/* test_spool_study.c - studies: revisions, quiet time; and what may be forgotten. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/trust/digest.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

static struct spool_unsealed
unsealed(struct spool_fixture *f)
{
    struct spool_unsealed u;

    spool_unsealed(f->sp, &u);
    return u;
}

/* What the desk's lamp goes by: no study of which the gateway itself owes anything. */
static void
only_a_whole_and_listed_study_waits_for_the_centre_alone(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_entry *e = NULL;
    struct spool_study study;
    uint64_t a = fixture_put(f, 100, 1, 0), b = fixture_put(f, 100, 2, 0);
    uint32_t revision;
    int64_t since_us;

    fixture_inspect(f, a, "1.9");
    fixture_inspect(f, b, "1.9");
    OK(spool_set_uncoded(f->sp, a, "-", &err));
    OK(spool_set_uncoded(f->sp, b, "-", &err));
    OK(spool_set_held(f->sp, a, 1, &err));
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    OK(spool_manifest_acked(f->sp, "1.9", revision, &err));
    assert_int_equal(unsealed(f).studies, 0); /* one is on its way */
    OK(spool_set_held(f->sp, b, 2, &err));
    OK(spool_set_sealed(f->sp, a, 3, &err));

    assert_int_equal(unsealed(f).studies, 1);
    OK(spool_load(f->sp, b, &e, &err));
    OK(spool_study(f->sp, "1.9", &study, &err));
    since_us = e->state_at_us[INSTANCE_HELD] > study.closed_at_us ? e->state_at_us[INSTANCE_HELD]
                                                                  : study.closed_at_us;
    spool_entry_free(&e);
    assert_int_equal(unsealed(f).since_us, since_us);
    fixture_reopen(f);
    assert_int_equal(unsealed(f).since_us, since_us);
    OK(spool_set_sealed(f->sp, b, 4, &err));
    assert_int_equal(unsealed(f).studies, 0);
    assert_int_equal(unsealed(f).since_us, 0);
}

static void
a_late_image_is_the_next_revision(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_study study;
    struct spool_entry *e = NULL;
    uint32_t revision;
    uint64_t a = fixture_put(f, 100, 1, 0), b = fixture_put(f, 100, 2, 0), late;

    fixture_inspect(f, a, "1.9");
    fixture_inspect(f, b, "1.9");
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    assert_int_equal(revision, 1);
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    assert_int_equal(revision, 1);
    OK(spool_manifest_acked(f->sp, "1.9", 1, &err));
    late = fixture_put(f, 100, 3, 0);
    fixture_inspect(f, late, "1.9");
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.unlisted, 1);
    fixture_reopen(f);
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    assert_int_equal(revision, 2);
    fixture_reopen(f);

    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.revision, 2);
    assert_int_equal(study.acked_revision, 1);
    assert_int_equal(study.unlisted, 0);
    assert_int_equal(study.total, 3);
    assert_int_equal(study.counts[INSTANCE_INSPECTED], 3);
    OK(spool_load(f->sp, a, &e, &err));
    assert_int_equal(e->revision, 1);
    spool_entry_free(&e);
    OK(spool_load(f->sp, late, &e, &err));
    assert_int_equal(e->revision, 2);
    spool_entry_free(&e);
}

static void
a_study_is_quiet_only_when_no_association_is_open(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_study study;
    uint64_t association, id;

    clock_fake(1700000000000000, 1000);
    association = spool_association_begin(f->sp);
    id = fixture_put(f, 100, 1, association);
    fixture_inspect(f, id, "1.9");
    clock_fake_advance(60000);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.open_associations, 1);
    assert_int_equal(study.quiet_ms, 0);
    spool_association_end(f->sp, association);
    clock_fake_advance(30000);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.quiet_ms, 30000);
    fixture_put(f, 100, 2, 0); /* not looked into yet: may belong to any study */
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.uninspected, 1);
    assert_int_equal(study.quiet_ms, 0);
    clock_unfake();
}

static void
only_sealed_segments_are_garbage(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_bytes at;
    struct spool_study study;
    uint64_t a, b;

    f->options.keep_sealed_ms = 0;
    fixture_reopen(f);
    a = fixture_put(f, 17u << 20, 1, 0);
    b = fixture_put(f, 17u << 20, 2, 0);
    fixture_inspect(f, a, "1.9");
    fixture_inspect(f, b, "1.9");
    OK(spool_set_uncoded(f->sp, a, "-", &err));
    OK(spool_set_uncoded(f->sp, b, "-", &err));
    OK(spool_set_held(f->sp, a, 1, &err));
    OK(spool_set_held(f->sp, b, 2, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 0);
    OK(spool_set_sealed(f->sp, a, 3, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 1);

    assert_int_equal(spool_source_received(f->sp, a, &at, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    fixture_assert_bytes(f, b, 17u << 20, 2);
    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, a), INSTANCE_SEALED);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.total, 2);
    fixture_assert_bytes(f, b, 17u << 20, 2);
}

static void
an_old_summary_goes_with_its_study(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_study study;
    uint64_t id;

    f->options.keep_sealed_ms = 0;
    f->options.keep_summary_ms = 1000;
    clock_fake(1700000000000000, 1000);
    fixture_reopen(f);
    id = fixture_put(f, 17u << 20, 1, 0);
    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "-", &err));
    OK(spool_set_sealed(f->sp, id, 3, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 1);
    OK(spool_study(f->sp, "1.9", &study, &err));
    clock_fake_advance(1000);
    spool_collect_garbage(f->sp);

    assert_int_equal(spool_study(f->sp, "1.9", &study, &err), -1);
    clock_unfake();
}

/* Invariant 7: the first copy may have rotted. */
static void
a_twin_keeps_its_bytes_until_the_first_is_sealed(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t a, b;

    f->options.keep_sealed_ms = 0;
    fixture_reopen(f);
    a = fixture_put(f, 17u << 20, 1, 0);
    b = fixture_put(f, 17u << 20, 1, 0);
    fixture_inspect(f, a, "1.9");
    fixture_inspect(f, b, "1.9");
    OK(spool_set_duplicate(f->sp, b, a, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 0);
    fixture_reopen(f);
    assert_int_equal(spool_collect_garbage(f->sp), 0);
    fixture_assert_bytes(f, b, 17u << 20, 1);
    OK(spool_set_uncoded(f->sp, a, "-", &err));
    OK(spool_set_sealed(f->sp, a, 1, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 2);
}

int
main(void)
{
#define CLAIM(name)                                                                                \
    cmocka_unit_test_setup_teardown(name, spool_fixture_setup, spool_fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(only_a_whole_and_listed_study_waits_for_the_centre_alone),
        CLAIM(a_late_image_is_the_next_revision),
        CLAIM(a_study_is_quiet_only_when_no_association_is_open),
        CLAIM(only_sealed_segments_are_garbage),
        CLAIM(an_old_summary_goes_with_its_study),
        CLAIM(a_twin_keeps_its_bytes_until_the_first_is_sealed),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
