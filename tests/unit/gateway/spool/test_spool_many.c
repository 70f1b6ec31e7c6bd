/* test_spool_many.c - a spool of very many instances is there again soon after the power went.
 * tests/run --long (RADPOST_LONG=1): 100,000, in less than 10 s. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { SENDERS = 16, BYTES = 2048, FEW = 5000, MANY = 100000, BOUND_MS = 10000 };

struct sender {
    struct spool *sp;
    unsigned from, count;
    pthread_t thread;
};

static void
must(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s\n", err->text);
    _exit(1);
}

/* Instances of ten slices a study; every fourth was sent and sealed. */
static void
send_one(struct spool *sp, unsigned number, const uint8_t *bytes)
{
    struct spool_meta meta = {.calling_ae = "CT_1"};
    struct spool_inspection facts = {.series_uid = "1.8"};
    struct spool_draft *draft = NULL;
    struct err err = {0};
    uint64_t id = 0;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "1.2.3.%u", number);
    must(spool_draft_begin(sp, &meta, &draft, &err), &err);
    must(spool_draft_write(draft, bytes, BYTES, &err), &err);
    must(spool_commit(sp, &draft, &id, &err), &err);
    if (number % 4 != 0)
        return;
    snprintf(facts.study_uid, sizeof facts.study_uid, "1.9.%u", number / 10);
    must(spool_set_inspected(sp, id, &facts, &err), &err);
    must(spool_set_uncoded(sp, id, "-", &err), &err);
    must(spool_set_sealed(sp, id, number + 1, &err), &err);
}

static void *
send_some(void *arg)
{
    struct sender *s = arg;
    uint8_t *bytes = fixture_bytes(BYTES, s->from + 1);

    for (unsigned i = 0; i < s->count; i++)
        send_one(s->sp, s->from + i, bytes);
    free(bytes);
    return NULL;
}

/* In a child that dies by SIGKILL with all of it answered, none of it closed. */
static void
fill_and_die(struct spool_fixture *f, unsigned count)
{
    struct sender senders[SENDERS];
    struct spool *sp = NULL;
    struct err err = {0};

    must(spool_open(f->dir, &f->options, &sp, &err), &err);
    for (unsigned i = 0; i < SENDERS; i++) {
        unsigned from = (unsigned)((uint64_t)count * i / SENDERS);

        senders[i] =
            (struct sender){.sp = sp,
                            .from = from,
                            .count = (unsigned)((uint64_t)count * (i + 1) / SENDERS) - from};
        senders[i].thread = thread_start("sender", send_some, &senders[i]);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        thread_join(senders[i].thread);
    (void)raise(SIGKILL);
    _exit(2);
}

static void
a_spool_of_very_many_instances_is_soon_there_again(void **state)
{
    const char *wanted = getenv("RADPOST_LONG"); /* tests/run says 0 for an ordinary run */
    bool is_long = wanted != NULL && wanted[0] == '1';
    unsigned count = is_long ? MANY : FEW;
    struct spool_fixture *f = *state;
    uint64_t counts[INSTANCE_STATES];
    struct spool_health health;
    int status = 0;
    int64_t took;
    pid_t child;
    struct err err;

    f->options.segment_bytes = 0; /* as shipped */
    spool_close(&f->sp);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        fill_and_die(f, count);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    took = clock_mono_ms();
    if (spool_open(f->dir, &f->options, &f->sp, &err) < 0)
        fail_msg("%s", err.text);
    took = clock_mono_ms() - took;

    print_message("%u instances: there again after %" PRId64 " ms\n", count, took);
    spool_health(f->sp, &health);
    spool_counts(f->sp, counts);
    assert_int_equal(health.entries, count);
    assert_int_equal(health.corrupt_files, 0);
    assert_int_equal(counts[INSTANCE_SEALED], count / 4);
    if (is_long)
        assert_true(took < BOUND_MS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_spool_of_very_many_instances_is_soon_there_again,
                                        spool_fixture_setup, spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
