/* test_keep_race.c - a study's list is closed at the very moment its last image arrives; the same
 * objects are offered twice at once. */
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

/* ---- a list of what is held, while another image of its series arrives ---- */

static void
a_list_and_an_image_that_is_not_in_it_do_not_wait_for_each_other(void **state)
{
    struct vault a;
    int sealed = 0;
    struct err err;

    (void)state;
    vault_open(&a, cluster, "apart");
    for (int i = 1; i <= ROUNDS; i++) {
        struct round r = {.archive = &a};
        struct link_offer offer = {&r.offer, 1};
        struct link_answer answer;
        char held[40];
        struct slice first = {.study = r.study, .series = "1.2.8", .instance = held, .noise = 1};
        pthread_t thread;

        snprintf(r.study, sizeof r.study, "1.2.6.%d", i);
        snprintf(r.instance, sizeof r.instance, "%s.1", r.study);
        snprintf(held, sizeof held, "%s.2", r.study);
        assert_int_equal(vault_put(&a, &gate, &first), LINK_HELD);
        r.slice = (struct slice){.study = r.study, .series = "1.2.8", .instance = r.instance};
        slice_make(&r.slice, &r.file);
        slice_offer(&r.slice, &r.file, &r.offer);
        assert_int_equal(keep_offer(a.keep, &gate, &offer, &answer, &err), 0);
        link_answer_free(&answer);

        thread = thread_start("send", send_it, &r); /* fails if PostgreSQL sees a deadlock */
        vault_manifest(&a, &gate, 1, &first, 1);
        thread_join(thread);
        buf_fini(&r.file);
    }
    assert_int_equal(keep_work(a.keep, &sealed, &err), 0);
    assert_in_range(sealed, ROUNDS, 2 * ROUNDS); /* the list's, and what came before it closed */
    vault_close(&a);
}

/* ---- the same objects, told in two orders ---- */

enum { OFFERED = 100, OFFERS = 5 };

struct offerer {
    struct vault *archive;
    struct link_offer_object *objects;
    struct err err;
    int rc;
};

static void *
offer_all(void *arg)
{
    struct offerer *me = arg;
    struct link_offer offer = {me->objects, OFFERED};
    struct link_answer answer;

    me->rc = keep_offer(me->archive->keep, &gate, &offer, &answer, &me->err);
    if (me->rc == 0)
        link_answer_free(&answer);
    return NULL;
}

static void
offers_of_the_same_objects_do_not_hold_each_other_up(void **state)
{
    struct slice slice = {.study = "1.2.9", .series = "1.2.9.1", .instance = "1.2.9.1.1"};
    struct link_offer_object *up = mem_new(OFFERED * sizeof *up);
    struct link_offer_object *down = mem_new(OFFERED * sizeof *down);
    struct vault a;
    struct buf file;

    (void)state;
    vault_open(&a, cluster, "orders");
    slice_make(&slice, &file);
    for (unsigned round = 0; round < OFFERS; round++) {
        struct offerer one = {.archive = &a, .objects = up};
        struct offerer other = {.archive = &a, .objects = down};
        pthread_t thread;

        for (unsigned i = 0; i < OFFERED; i++) {
            slice_offer(&slice, &file, &up[i]);
            snprintf(up[i].sop_instance, LINK_UID_SIZE, "1.2.9.1.%u.%u", round + 1, i + 1);
            up[i].object[0] = (uint8_t)i;
            up[i].object[1] = (uint8_t)round;
            down[OFFERED - 1 - i] = up[i];
        }
        thread = thread_start("offer", offer_all, &one);
        offer_all(&other);
        thread_join(thread);
        if (one.rc < 0 || other.rc < 0)
            fail_msg("round %u: %s", round, one.rc < 0 ? one.err.text : other.err.text);
    }
    buf_fini(&file);
    free(down);
    free(up);
    vault_close(&a);
}

/* Between the look into the catalog and the taking of its place; the trigger is the other sender.
 */
static void
what_another_sender_brought_between_two_looks_is_held(void **state)
{
    struct slice slice = {.study = "1.2.9", .series = "1.2.9.1", .instance = "1.2.9.1.1"};
    struct link_offer_object object;
    struct link_offer offer = {&object, 1};
    struct link_answer answer;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, cluster, "between");
    slice_make(&slice, &file);
    slice_offer(&slice, &file, &object);
    buf_fini(&file);
    assert_int_equal(vault_put(&a, &gate, &slice), LINK_HELD);
    vault_sql(&a, "UPDATE instances SET object = decode(repeat('00', 32), 'hex'), "
                  "sop_instance = '0.0'");
    vault_sql(&a, "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "UPDATE instances SET object = NEW.object, sop_instance = NEW.sop_instance; "
                  "DELETE FROM landing WHERE object = NEW.object; RETURN NULL; END $$");
    vault_sql(&a, "CREATE TRIGGER other AFTER INSERT ON landing FOR EACH ROW "
                  "EXECUTE FUNCTION other()");

    if (keep_offer(a.keep, &gate, &offer, &answer, &err) < 0)
        fail_msg("%s", err.text);

    assert_int_equal(answer.objects[0].state, LINK_HELD);
    link_answer_free(&answer);
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
        cmocka_unit_test(a_list_and_an_image_that_is_not_in_it_do_not_wait_for_each_other),
        cmocka_unit_test(offers_of_the_same_objects_do_not_hold_each_other_up),
        cmocka_unit_test(what_another_sender_brought_between_two_looks_is_held),
    };

    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL) {
        puts("SKIP: PostgreSQL is not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, stop);
}
