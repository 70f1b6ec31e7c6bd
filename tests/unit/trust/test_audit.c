/* test_audit.c - what is acknowledged is kept, through crashes, a full disk and many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "proto/trust/audit_parts.h"
#include "tests/support/audit_log.h"

#define KILLS 20
#define THREADS 16
#define EACH 25

static int
count_words(const char *text, const char *word)
{
    int n = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* A sync waits while the disk is held. */
static struct {
    struct gate gate;
    bool is_held, is_syncing;
} disk = {.gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

int
fdatasync(int fd)
{
    gate_lock(&disk.gate);
    disk.is_syncing = true;
    gate_wake(&disk.gate);
    while (disk.is_held)
        gate_wait(&disk.gate);
    disk.is_syncing = false;
    gate_unlock(&disk.gate);
    return (int)syscall(SYS_fdatasync, fd);
}

static void
disk_hold(bool is_held)
{
    gate_lock(&disk.gate);
    disk.is_held = is_held;
    gate_wake(&disk.gate);
    gate_unlock(&disk.gate);
}

static void
disk_await_sync(void)
{
    gate_lock(&disk.gate);
    while (!disk.is_syncing)
        gate_wait(&disk.gate);
    gate_unlock(&disk.gate);
}

/* A disk that others filled: each write to the log needs room that the reserve gives up first. */
static struct {
    bool is_full;
    char reserve[300];
    off_t given; /* the reserve's size when something was written last */
    unsigned tries;
} room;

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    struct stat reserve = {.st_size = 0};
    char link[64], path[512];
    ssize_t k;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    k = __atomic_load_n(&room.is_full, __ATOMIC_SEQ_CST) ? readlink(link, path, sizeof path - 1)
                                                         : 0;
    path[k > 0 ? k : 0] = '\0';
    if (strstr(path, "/log/") != NULL) {
        room.tries++;
        (void)stat(room.reserve, &reserve); /* none: it has nothing left */
        if (reserve.st_size >= room.given) {
            errno = ENOSPC;
            return -1;
        }
        room.given = reserve.st_size;
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, offset);
}

static void
fill_disk(const char *dir)
{
    struct stat reserve = {.st_size = 0};

    snprintf(room.reserve, sizeof room.reserve, "%s", audit_log_in(dir, "reserve"));
    assert_int_equal(stat(room.reserve, &reserve), 0);
    assert_true(reserve.st_size > 0);
    room.given = reserve.st_size;
    __atomic_store_n(&room.is_full, true, __ATOMIC_SEQ_CST);
}

static void
free_disk(void)
{
    __atomic_store_n(&room.is_full, false, __ATOMIC_SEQ_CST);
}

/* ---- crashes ---- */

static void
an_end_torn_anywhere_is_set_aside_and_the_rest_kept(void **state)
{
    struct audit *audit;
    struct audit_verdict v, kept;
    struct err err = {0};
    char *head, *log, name[32];
    size_t head_n, old_n, n;
    struct stat st;

    (void)state;
    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open("c");
    audit_log_append(audit, 1);
    assert_int_equal(audit_log_verify("c", &kept, &err), 0);
    head = audit_log_read(audit_log_in("c", "HEAD"), &head_n);
    snprintf(name, sizeof name, "log/2026-11-21.log");
    assert_int_equal(stat(audit_log_in("c", name), &st), 0);
    old_n = (size_t)st.st_size;
    audit_log_append(audit, 2);
    audit_close(&audit);
    log = audit_log_read(audit_log_in("c", name), &n);
    assert_true(n > old_n + 300);

    for (size_t cut = old_n; cut <= n; cut += cut < old_n + 5 ? 1 : 61) {
        audit_log_write(audit_log_in("c", name), log, cut);
        audit_log_write(audit_log_in("c", "HEAD"), head, head_n);
        audit = audit_log_open("c");
        audit_log_append(audit, 3);
        audit_close(&audit);
        if (audit_log_verify("c", &v, &err) != 0)
            fail_msg("cut at %zu: %s", cut, err.text);
        assert_true(v.entries > kept.entries);
    }
    free(head);
    free(log);
    clock_unfake();
}

/* A child appends and tells of each entry that was acknowledged, until it is killed. */
static void
append_until_killed(const char *dir, int tell_fd)
{
    struct audit *audit = NULL;
    struct err err = {0};

    if (audit_open(audit_log_in(dir, ""), "test", &audit, &err) < 0)
        _exit(1);
    for (int i = 0;; i++)
        if (audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("kept", i)) < 0 ||
            write(tell_fd, &i, sizeof i) != sizeof i)
            _exit(2);
}

static void
what_was_acknowledged_survives_kills(void **state)
{
    unsigned total = 0, kept;

    (void)state;
    for (int round = 0; round < KILLS; round++) {
        struct audit_verdict v;
        struct err err = {0};
        struct audit *audit;
        int ends[2], i;
        unsigned told = 0, wanted = 1 + audit_log_draw(12);
        pid_t pid;

        assert_int_equal(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
            close(ends[0]);
            append_until_killed("k", ends[1]);
        }
        close(ends[1]);
        while (told < wanted && read(ends[0], &i, sizeof i) == sizeof i)
            told++;
        kill(pid, SIGKILL);
        while (read(ends[0], &i, sizeof i) == sizeof i)
            told++;
        close(ends[0]);
        assert_int_equal(waitpid(pid, &i, 0), pid);
        assert_true(WIFSIGNALED(i));
        total += told;

        audit = audit_log_open("k");
        audit_close(&audit);
        if (audit_log_verify("k", &v, &err) != 0)
            fail_msg("round %d: %s", round, err.text);
    }
    kept = audit_log_says(audit_log_in("k", "log"), "AUDIT_RETRIEVED", "\"kept\":");
    assert_true(kept >= total);
    print_message("%d kills, %u entries acknowledged, %u kept\n", KILLS, total, kept);
}

static void
a_full_disk_costs_entries_but_not_the_log(void **state)
{
    struct audit *audit = audit_log_open("f");
    struct rlimit before, none;
    struct err err = {0};

    (void)state;
    audit_log_append(audit, 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("i", 2)), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    audit_log_append(audit, 3);
    audit_close(&audit);
    audit_log_is_good("f");
}

/* Whoever takes an image out is written down first: without that nobody could read it. */
static void
a_full_disk_takes_entries_and_a_start_in_the_place_of_the_reserve(void **state)
{
    struct audit *audit = audit_log_open("g");
    struct err err = {0};
    int kept = 0;

    (void)state;
    audit_log_append(audit, 1);
    fill_disk("g");
    audit_log_append(audit, 2);
    audit_close(&audit);
    audit = audit_log_open("g");
    while (audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("i", kept)) == 0)
        kept++;
    assert_int_equal(err.kind, ERR_FULL);
    assert_true(kept > 20);
    free_disk();

    audit_log_append(audit, 3);
    audit_close(&audit);
    audit_log_is_good("g");
    audit = audit_log_open("g"); /* which makes the reserve again */
    fill_disk("g");
    audit_log_append(audit, 4);
    free_disk();
    audit_close(&audit);
    audit_log_is_good("g");
}

/* It was tried without a pause, and the log of the service grew as fast as it could be written. */
static void
a_day_that_cannot_turn_on_a_full_disk_is_tried_again_later(void **state)
{
    struct audit *audit;
    struct err err = {0};

    (void)state;
    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open("d");
    audit_log_append(audit, 1);
    fill_disk("d");
    assert_int_equal(truncate(room.reserve, 0), 0);
    room.given = 0;
    clock_fake(AUDIT_LOG_START_US + AUDIT_LOG_DAY_US, 1000);
    room.tries = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("i", i)), -1);
    assert_in_range(room.tries, 1, 10);
    free_disk();

    clock_fake_advance(120000);
    audit_log_append(audit, 2);
    audit_close(&audit);
    clock_unfake();
    audit_log_is_good("d");
    assert_int_equal(access(audit_log_in("d", "log/2026-11-22.log"), F_OK), 0);
}

static void
a_second_writer_is_refused(void **state)
{
    struct audit *audit = audit_log_open("two"), *second = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(audit_open(audit_log_in("two", ""), "test", &second, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    audit_log_is_good("two"); /* while it is being written */
    audit_close(&audit);
    audit_log_is_good("two");
}

/* ---- many at once ---- */

static void *
append_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        audit_log_append(arg, i);
    return NULL;
}

static void
what_many_append_at_once_is_in_the_chain(void **state)
{
    pthread_t threads[THREADS];
    struct audit *audit;

    (void)state;
    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open("m");
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start("append", append_many, audit);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    audit_close(&audit);
    clock_unfake();

    audit_log_is_good("m");
    assert_int_equal(audit_log_says(audit_log_in("m", "log"), "AUDIT_RETRIEVED", ""),
                     THREADS * EACH);
}

static void *
append_one(void *arg)
{
    audit_log_append(arg, 1);
    return NULL;
}

static void
await_waiters(struct audit *audit, unsigned wanted)
{
    unsigned n;

    gate_lock(&audit->gate);
    do {
        n = 0;
        for (struct audit_waiter *w = audit->first_waiter; w != NULL; w = w->next)
            n++;
        if (n < wanted)
            gate_wait(&audit->gate);
    } while (n < wanted);
    gate_unlock(&audit->gate);
}

static void
those_who_wait_together_share_a_batch(void **state)
{
    pthread_t threads[THREADS];
    struct err err = {0};
    struct audit *audit;
    const char *log;
    unsigned seals;

    (void)state;
    audit = audit_log_open("w");
    log = audit_log_in("w", "log");
    seals = audit_log_says(log, "AUDIT_SEALED", "");
    disk_hold(true);
    assert_int_equal(audit_note(audit, &err, AUDIT_STUDY_SEALED, A_NUMBER("kept", 0)), 0);
    disk_await_sync();
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start("append", append_one, audit);
    await_waiters(audit, THREADS);
    disk_hold(false);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);

    assert_int_equal(audit_log_says(log, "AUDIT_RETRIEVED", ""), THREADS);
    assert_int_equal(audit_log_says(log, "AUDIT_SEALED", "") - seals, 2); /* the note's, theirs */
    audit_close(&audit);
    audit_log_is_good("w");
}

static void
what_was_noted_is_in_the_chain_though_nobody_waited(void **state)
{
    struct audit *audit;
    struct err err = {0};
    char *log;
    size_t n;

    (void)state;
    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open("n");
    for (int i = 0; i < EACH; i++)
        assert_int_equal(audit_note(audit, &err, AUDIT_STUDY_SEALED, A_NUMBER("kept", i)), 0);
    assert_int_equal(audit_append(audit, &err, AUDIT_RETRIEVED, A_NUMBER("i", 1)), 0);

    log = audit_log_read(audit_log_in("n", "log/2026-11-21.log"), &n);
    assert_int_equal(count_words(log, "\"kept\":"), EACH); /* with everything before it */
    audit_close(&audit);
    clock_unfake();
    audit_log_is_good("n");
    free(log);
}

/* ---- content ---- */

static void
entries_hold_no_patient_and_no_free_text(void **state)
{
    struct audit *audit;
    struct err err = {0};
    char *log;
    size_t n;
    uint8_t digest[DIGEST_BYTES] = {0xAB};

    (void)state;
    clock_fake(AUDIT_LOG_START_US, 1000);
    audit = audit_log_open("p");
    assert_int_equal(audit_append(audit, &err, AUDIT_QUERIED, A_PATIENT("patient", "H1", "P4711"),
                                  A_PATIENT("again", "H1", "P4711"),
                                  A_PATIENT("other", "H", "1P4711"), A_UID("study", "Wang^Wei"),
                                  A_WORD("by", "A\"E\n\xE7\x8E\x8B"), A_HEX("file", digest, 32),
                                  A_NUMBER("found", 3)),
                     0);
    audit_close(&audit);
    clock_unfake();
    log = audit_log_read(audit_log_in("p", "log/2026-11-21.log"), &n);
    assert_null(strstr(log, "4711"));
    assert_null(strstr(log, "Wang"));
    assert_non_null(strstr(log, "\"study\":\"invalid\""));
    assert_non_null(strstr(log, "\"by\":\"A?E????\""));
    assert_non_null(strstr(log, "\"found\":3"));
    assert_int_equal(strncmp(strstr(log, "\"patient\":") + 10, strstr(log, "\"again\":") + 8, 34),
                     0);
    assert_int_not_equal(
        strncmp(strstr(log, "\"patient\":") + 10, strstr(log, "\"other\":") + 8, 34), 0);
    audit_log_is_good("p");
    free(log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_torn_anywhere_is_set_aside_and_the_rest_kept),
        cmocka_unit_test(what_was_acknowledged_survives_kills),
        cmocka_unit_test(a_full_disk_costs_entries_but_not_the_log),
        cmocka_unit_test(a_full_disk_takes_entries_and_a_start_in_the_place_of_the_reserve),
        cmocka_unit_test(a_day_that_cannot_turn_on_a_full_disk_is_tried_again_later),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(what_many_append_at_once_is_in_the_chain),
        cmocka_unit_test(those_who_wait_together_share_a_batch),
        cmocka_unit_test(what_was_noted_is_in_the_chain_though_nobody_waited),
        cmocka_unit_test(entries_hold_no_patient_and_no_free_text),
    };

    return cmocka_run_group_tests(tests, audit_log_start, audit_log_stop);
}
