/* test_keep_crash.c - kills at each step of a pack, a flipped bit, a damaged copy. */
#include "storage/keep/keep.h"

#include "proto/base/clock.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"
#include "tests/support/run_program.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "127.0.0.1:1"};

static const struct keep_wait now = {.ms = 0};

/* ---- crashes: a child is killed at a step, the parent looks ---- */

static const char *kill_at;

static void
die_here(const char *step)
{
    if (strcmp(step, kill_at) == 0)
        kill(getpid(), SIGKILL);
}

static char flip_path[512];

static void
flip_second_copy(const char *step)
{
    char found[600];
    char *argv_text = NULL;
    FILE *f;

    if (strcmp(step, "all copies published") != 0)
        return;
    argv_text = mem_printf("find %s -name '*.zip' >%s.found", flip_path, flip_path);
    (void)!program_run((const char *const[]){"sh", "-c", argv_text, NULL}, NULL, found,
                       sizeof found);
    free(argv_text);
    argv_text = mem_printf("%s.found", flip_path);
    f = fopen(argv_text, "re");
    if (f != NULL && fgets(found, sizeof found, f) != NULL) {
        int fd;
        uint8_t b;

        found[strcspn(found, "\n")] = '\0';
        fd = open(found, O_RDWR);
        if (pread(fd, &b, 1, 1000) == 1) {
            b ^= 4;
            (void)!pwrite(fd, &b, 1, 1000);
        }
        close(fd);
    }
    if (f != NULL)
        fclose(f);
    unlink(argv_text);
    free(argv_text);
    seal_on_step = NULL; /* once */
}

/* A child works and is killed at the step. */
static void
work_until_killed(struct vault *a, const char *step)
{
    struct err err;
    int status;
    pid_t pid;

    keep_close(&a->keep);
    pid = fork();
    if (pid == 0) {
        int sealed;

        kill_at = step;
        seal_on_step = die_here;
        if (keep_open_idle(&a->options, NULL, NULL, &a->keep, &err) == 0 &&
            keep_work(a->keep, &sealed, &err) == 0)
            _exit(0);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status))
        fail_msg("%s: the child was not killed", step);
}

static void
a_kill_at_any_step_of_a_pack_leaves_it_complete_once(void **state)
{
    static const char *const steps[] = {
        "planned",
        "written",
        "first copy published",
        "all copies published",
        "first copy verified",
        "all copies verified",
        "before commit",
        "committed",
    };
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "crash");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        char study[32], instance[2][32], series[32];
        struct slice s[2] = {vault_ct(1), vault_ct(2)};
        struct link_receipts receipts;
        struct vault_seen seen = {0, 0, NULL};
        uint64_t before = 0;

        snprintf(study, sizeof study, "1.2.9.%zu", i);
        snprintf(series, sizeof series, "1.2.9.%zu.1", i);
        for (int j = 0; j < 2; j++) {
            snprintf(instance[j], sizeof instance[j], "1.2.9.%zu.1.%d", i, j);
            s[j].study = study;
            s[j].series = series;
            s[j].instance = instance[j];
            assert_int_equal(vault_put(&a, &gate_a, &s[j]), LINK_HELD);
        }
        vault_manifest(&a, &gate_a, 1, s, 2);
        OK(keep_receipts(a.keep, &gate_a, 0, &now, &receipts, &err));
        before = receipts.count;
        link_receipts_free(&receipts);
        work_until_killed(&a, steps[i]);
        OK(keep_open_idle(&a.options, NULL, NULL, &a.keep, &err));
        vault_work(&a);

        OK(keep_instances(a.keep, "clinic-a", study, NULL, NULL, vault_see, &seen, &err));
        assert_int_equal(seen.n, 2);
        assert_int_equal(seen.sealed, 2);
        vault_place_reads(&a, seen.first);
        keep_place_free(&seen.first);
        OK(keep_receipts(a.keep, &gate_a, 0, &now, &receipts, &err));
        assert_int_equal(receipts.count, before + 2); /* once each */
        link_receipts_free(&receipts);
        assert_int_equal(folder_files(a.stores[0]), i + 1); /* one pack a study, no orphans */
        assert_int_equal(folder_files(a.stores[1]), i + 1);
        assert_int_equal(folder_files(a.landing), 0);
    }
    vault_close(&a);
}

static void
a_bit_flipped_in_one_copy_is_noticed_at_read_back(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_standing standing;
    struct vault a;
    char corrupt[256];
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "flip");
    vault_put(&a, &gate_a, &s);
    vault_manifest(&a, &gate_a, 1, &s, 1);
    snprintf(flip_path, sizeof flip_path, "%s", a.stores[1]);
    seal_on_step = flip_second_copy;
    assert_int_equal(vault_work(&a), 0);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 0); /* never called sealed */
    snprintf(corrupt, sizeof corrupt, "%s/corrupt", a.stores[1]);
    assert_int_equal(folder_files(corrupt), 1);   /* kept for a look */
    assert_int_equal(folder_files(a.landing), 1); /* and the landing file stays */

    clock_fake(clock_wall_us() + 5000000, clock_mono_ms()); /* when it is due again */
    assert_int_equal(vault_work(&a), 1);
    clock_unfake();
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 1);
    vault_close(&a);
}

static void
a_damaged_copy_is_repaired_from_the_good_one(void **state)
{
    struct slice s = vault_ct(1);
    struct vault a;
    char pack[300], script[900], out[2000], corrupt[200];
    const char *argv[] = {"sh", "-c", script, NULL};

    (void)state;
    vault_open(&a, vault_cluster, "scrub");
    a.options.scrub_ms = 1;
    vault_reopen(&a);
    vault_put(&a, &gate_a, &s);
    vault_manifest(&a, &gate_a, 1, &s, 1);
    assert_int_equal(vault_work(&a), 1);
    snprintf(pack, sizeof pack, "%s/store-1", a.dir);
    snprintf(script, sizeof script,
             "printf X | dd of=$(find %s/packs -name '*.zip') bs=1 seek=900 conv=notrunc", pack);
    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);

    for (int i = 0; i < 4; i++) /* both copies come by */
        vault_work(&a);
    snprintf(corrupt, sizeof corrupt, "%s/store-1/corrupt", a.dir);
    assert_int_equal(folder_files(corrupt), 1);
    snprintf(script, sizeof script, "cd %s && cmp store-1/packs/*/*/*.zip store-2/packs/*/*/*.zip",
             a.dir);
    if (program_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("%s", out);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_at_any_step_of_a_pack_leaves_it_complete_once),
        cmocka_unit_test(a_bit_flipped_in_one_copy_is_noticed_at_read_back),
        cmocka_unit_test(a_damaged_copy_is_repaired_from_the_good_one),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
