/* test_keep_race.c - a study's list is closed at the very moment its last image arrives. */
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ROUNDS = 25 };

static struct pg_cluster *cluster;
static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};

struct round {
    struct vault *archive;
    struct slice slice;
    struct buf file;
    struct link_offer_object offer;
    char study[32], instance[40];
};

static void *
send_it(void *arg)
{
    struct round *r = arg;

    assert_int_equal(vault_send(r->archive, &gate, &r->offer, &r->file), LINK_HELD);
    return NULL;
}

static void
one_round(struct vault *a, int number)
{
    struct round r = {.archive = a};
    struct link_offer offer = {&r.offer, 1};
    struct link_answer answer;
    int sealed = 0;
    pthread_t thread;
    struct err err;

    snprintf(r.study, sizeof r.study, "1.2.7.%d", number);
    snprintf(r.instance, sizeof r.instance, "%s.1", r.study);
    r.slice = (struct slice){.study = r.study, .series = "1.2.8", .instance = r.instance};
    slice_make(&r.slice, &r.file);
    slice_offer(&r.slice, &r.file, &r.offer);
    assert_int_equal(keep_offer(a->keep, &gate, &offer, &answer, &err), 0);
    link_answer_free(&answer);

    thread = thread_start("send", send_it, &r);
    vault_manifest(a, &gate, 1, &r.slice, 1);
    thread_join(thread);
    assert_int_equal(keep_work(a->keep, &sealed, &err), 0);

    if (sealed != 1)
        fail_msg("round %d: held and listed, and never packed", number);
    buf_fini(&r.file);
}

static void
a_list_and_its_last_image_at_once_make_a_pack(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, cluster, "race");
    for (int i = 1; i <= ROUNDS; i++)
        one_round(&a, i);
    vault_close(&a);
}

static int
stop(void **state)
{
    (void)state;
    pg_cluster_remove(&cluster);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_and_its_last_image_at_once_make_a_pack),
    };

    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL) {
        puts("SKIP: PostgreSQL is not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, stop);
}
