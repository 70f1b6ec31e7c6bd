/* test_kill.c - SIGKILL at any moment between a draft and stored documents: what was answered is
 * there, and nothing is there twice. The process that is killed is a child of the test with a pool
 * and a signer of its own; the timer that kills it is the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/trust/digest.h"
#include "tests/support/report_world.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

enum { ROUNDS = 10, STEP_US = 9000 };

static struct pg_cluster *cluster;
static struct report_world w;

/* Shared with the child: what it was told, and what reached the archive. */
static struct shared {
    int64_t drafted; /* the last base that was answered */
    unsigned stored; /* objects that came, with repeats */
    struct {
        uint8_t sha256[DIGEST_BYTES];
        char uid[65];
    } objects[64 * ROUNDS];
} * shared;

static int
begin(void **state)
{
    (void)state;
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    report_world_open(&w, cluster, "kill");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED;
}

static int
end(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    munmap(shared, sizeof *shared);
    report_world_close(&w);
    pg_cluster_remove(&cluster);
    return 0;
}

static int
stow(struct archive *archive, const char *tenant, const char *study,
     const struct archive_file *files, size_t count, struct err *err)
{
    static const uint8_t tag[] = {0x02, 0x00, 0x03, 0x00, 'U', 'I'};

    (void)archive;
    (void)tenant;
    (void)study;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = memmem(files[i].bytes, files[i].n, tag, sizeof tag);

        CHECK(at != NULL && shared->stored < ARRAY_LEN(shared->objects));
        digest_bytes(files[i].bytes, files[i].n, shared->objects[shared->stored].sha256);
        memcpy(shared->objects[shared->stored].uid, at + 8, le16_read(at + 6));
        shared->stored++;
    }
    return 0;
}

/* The child lives for so long at most. */
static void
die_in(int64_t us)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}};
    timer_t timer;

    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &when, NULL) == 0);
}

static void
become_reader(void)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options options = {.conninfo = w.reads.conninfo,
                                 .query_files = queries,
                                 .migrations = "reader/migrations/",
                                 .connections = 4};
    struct compose_options o = {.data_dir = w.folder, .patient_url = "https://report.example"};
    struct err err;

    CHECK(pg_open(&options, &w.reads.pg, &err) == 0); /* the parent's stay as they are */
    o.pg = w.reads.pg;
    CHECK(compose_open(&o, &w.compose, &err) == 0);
}

/* Run work in a reader of its own that is killed after us. True: it came to its end before. */
static bool
run_killed(void (*work)(int64_t read), int64_t read, int64_t us)
{
    int status;
    pid_t pid;

    compose_close(&w.compose); /* its signer gives the keys free */
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        become_reader();
        die_in(us);
        work(read);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    report_world_reopen(&w);
    return WIFEXITED(status);
}

static void
draft_on(int64_t read)
{
    for (int64_t base = shared->drafted;; base++) {
        if (report_draft(&w, "doc1", read, base, "findings", "impression") != 0)
            _exit(3);
        shared->drafted = base + 1;
    }
}

static void
an_answered_draft_is_kept(void **state)
{
    int64_t read;

    (void)state;
    if (cluster == NULL)
        skip();
    read = report_world_study(&w, "T1", "1.2.840.99.50");
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    for (int i = 0; i < 5; i++) {
        assert_false(run_killed(draft_on, read, 40000 + i * STEP_US));
        /* one more may be there, whose answer was cut off */
        assert_true(report_base(&w, read) == shared->drafted ||
                    report_base(&w, read) == shared->drafted + 1);
        shared->drafted = report_base(&w, read);
    }
    assert_true(shared->drafted > 0);
}

static void
sign_and_store(int64_t read)
{
    unsigned left;
    struct err err;

    if (report_sign(&w, "rev1", read, REPORT_FINAL) != 0 ||
        documents_settle(w.compose, &left, &err) < 0)
        _exit(3);
}

static int64_t
count(const char *what, int64_t read)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s AND read_id = %lld", what, (long long)read);
    return read_world_count(&w.reads, sql);
}

/* Every object that came under one UID is the same. */
static unsigned
different_objects(void)
{
    unsigned different = 0;

    for (unsigned i = 0; i < shared->stored; i++) {
        bool is_new = true;

        for (unsigned k = 0; k < i && is_new; k++)
            if (strcmp(shared->objects[i].uid, shared->objects[k].uid) == 0) {
                assert_memory_equal(shared->objects[i].sha256, shared->objects[k].sha256,
                                    DIGEST_BYTES);
                is_new = false;
            }
        different += is_new;
    }
    return different;
}

static void
a_signed_report_is_there_once_with_its_documents(void **state)
{
    unsigned killed = 0, left;
    struct err err;

    (void)state;
    if (cluster == NULL)
        skip();
    compose_stow = stow;
    for (int i = 0; i < ROUNDS; i++) {
        char study[40];
        int64_t read;

        snprintf(study, sizeof study, "1.2.840.99.%d", 100 + i);
        read = report_world_study(&w, "T1", study);
        assert_int_equal(report_claim(&w, "doc1", read), 0);
        assert_int_equal(report_draft(&w, "doc1", read, 0, "a", "b"), 0);
        assert_int_equal(report_write_as(&w, "doc1", read), 0);
        assert_int_equal(report_shown(&w, "rev1", read, true), 0);
        assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);

        killed += !run_killed(sign_and_store, read, STEP_US * (i + 1) * (i + 1) / 3);

        /* signed or not: never half of it */
        assert_int_equal(count("report_version WHERE true", read),
                         count("read_events WHERE event = 'sign'", read));
        if (count("report_version WHERE true", read) == 0)
            assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
        OK(documents_settle(w.compose, &left, &err));
        assert_int_equal(left, 0);
        assert_int_equal(count("report_version WHERE stored_at_us > 0", read), 1);
        assert_int_equal(count("read_events WHERE event = 'sign'", read), 1);
        assert_int_equal(count("read_events WHERE event = 'stored'", read), 1);
        assert_int_equal(count("report_document WHERE true", read), 2);
    }
    assert_true(killed > 0);
    assert_int_equal(different_objects(), 2 * ROUNDS);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answered_draft_is_kept),
        cmocka_unit_test(a_signed_report_is_there_once_with_its_documents),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, begin, end);
}
