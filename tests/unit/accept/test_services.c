/* test_services.c - services beside storage on one association, and posts to an open one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/door_world.h"

#define WORKLIST "1.2.840.10008.5.1.4.31"
#define COMMITMENT "1.2.840.10008.1.20.1"

static const char *const both[] = {WORKLIST, COMMITMENT, DCM_UID_STUDY_ROOT_FIND, NULL};

static struct door_world w;
static struct gate gate; /* guards all below */
static uint64_t association;
static uint16_t answered_id;
static int runs, ends, orphans;
static char seen_ae[17];

static int
find(struct accept_call *call, struct err *err)
{
    struct dimse_command rsp = dimse_answer(call->request, DIMSE_SUCCESS);

    gate_lock(&gate);
    association = call->association;
    memcpy(seen_ae, call->device->ae, sizeof seen_ae);
    assert_string_equal(call->user, "the user");
    gate_unlock(&gate);
    if (call->request->has_data && dimse_skip_data(call->assoc, err) < 0)
        return -1;
    return dimse_send_command(call->assoc, &rsp, err);
}

/* Requests for commitment are only counted; answers to our own event come here too. */
static int
commit(struct accept_call *call, struct err *err)
{
    struct dimse_command rsp = dimse_answer(call->request, DIMSE_SUCCESS);

    if (call->request->has_data && dimse_skip_data(call->assoc, err) < 0)
        return -1;
    gate_lock(&gate);
    association = call->association;
    if (call->request->field & 0x8000)
        answered_id = call->request->responded_id;
    gate_wake(&gate);
    gate_unlock(&gate);
    return call->request->field & 0x8000 ? 0 : dimse_send_command(call->assoc, &rsp, err);
}

static void
ended(uint64_t number, void *user)
{
    (void)user;
    gate_lock(&gate);
    ends += number == association;
    gate_wake(&gate);
    gate_unlock(&gate);
}

static int
send_event(struct accept_call *call, void *user, struct err *err)
{
    struct dimse_command rq = {.context = 7,
                               .field = DIMSE_N_EVENT_REPORT_RQ,
                               .message_id = 77,
                               .event_type_id = 1,
                               .sop_class = COMMITMENT,
                               .sop_instance = "1.2.840.10008.1.20.1.1"};

    (void)user;
    gate_lock(&gate);
    runs += call != NULL;
    orphans += call == NULL;
    gate_wake(&gate);
    gate_unlock(&gate);
    return call ? dimse_send_command(call->assoc, &rq, err) : 0;
}

static void
add_services(struct door_world *world)
{
    static const char *const worklist[] = {WORKLIST, NULL}, *const commitment[] = {COMMITMENT,
                                                                                   NULL};
    static const char *const query[] = {DCM_UID_STUDY_ROOT_FIND, NULL};
    static char user[] = "the user";
    struct accept_service services[] = {
        {.abstract_syntaxes = worklist,
         .offer = DIMSE_PLAIN_SYNTAX,
         .right = ACCEPT_MAY_WORKLIST,
         .handle = find,
         .user = user},
        {.abstract_syntaxes = commitment,
         .offer = DIMSE_PLAIN_SYNTAX,
         .right = ACCEPT_MAY_COMMIT,
         .handle = commit,
         .association_end = ended},
        {.abstract_syntaxes = query,
         .offer = DIMSE_PLAIN_SYNTAX,
         .right = ACCEPT_MAY_QUERY,
         .handle = find,
         .user = user},
    };

    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        accept_add_service(world->door, &services[i]);
}

static int
begin(void **state)
{
    (void)state;
    gate_init(&gate);
    association = answered_id = 0;
    runs = ends = orphans = 0;
    door_begin(&w, NULL, "US * ultrasound\nVIEWER * viewer may=query\n");
    w.add_services = add_services;
    door_open(&w);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    door_end(&w);
    gate_fini(&gate);
    return 0;
}

static uint16_t
ask(struct dimse_assoc *assoc, uint8_t context, uint16_t field, const char *sop_class)
{
    struct dimse_command rq = {.context = context, .field = field, .message_id = 5}, rsp;
    struct err err = {0};

    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", sop_class);
    if (dimse_send_command(assoc, &rq, &err) < 0 || dimse_next_command(assoc, &rsp, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rsp.field, field | 0x8000);
    return rsp.status;
}

static void
one_association_mixes_storage_with_every_service(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(door_connect(&w, "US", "RADPOST", both, &assoc, &err), 0);
    assert_int_equal(ask(assoc, 5, DIMSE_C_FIND_RQ, WORKLIST), DIMSE_SUCCESS);
    assert_int_equal(door_store(assoc, "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, 7, DIMSE_N_ACTION_RQ, COMMITMENT), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, 3, DIMSE_C_ECHO_RQ, DCM_UID_VERIFICATION), DIMSE_SUCCESS);
    assert_int_equal(door_store(assoc, "1.2.2"), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);

    assert_int_equal(door_count(&w, INSTANCE_RECEIVED), 2);
    assert_string_equal(seen_ae, "US");
}

/* The desk that could not start with the door offers its worklist when it does. */
static void
a_service_that_comes_later_is_there_for_the_next_association(void **state)
{
    static const char *const late[] = {DCM_UID_PATIENT_ROOT_FIND, NULL};
    static char user[] = "the user";
    const struct accept_service service = {.abstract_syntaxes = late,
                                           .offer = DIMSE_PLAIN_SYNTAX,
                                           .right = ACCEPT_MAY_WORKLIST,
                                           .handle = find,
                                           .user = user};
    struct dimse_assoc *before = NULL, *after = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(door_connect(&w, "US", "RADPOST", late, &before, &err), 0);
    assert_null(dimse_context(before, 5));
    accept_add_service(w.door, &service);
    assert_int_equal(door_store(before, "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_connect(&w, "US", "RADPOST", late, &after, &err), 0);
    assert_int_equal(ask(after, 5, DIMSE_C_FIND_RQ, DCM_UID_PATIENT_ROOT_FIND), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&after, &err), 0);
    assert_int_equal(dimse_release(&before, &err), 0);
}

static void
a_service_that_the_device_may_not_use_is_answered_0124(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(door_connect(&w, "US", "RADPOST", both, &assoc, &err), 0);
    assert_int_equal(ask(assoc, 9, DIMSE_C_FIND_RQ, DCM_UID_STUDY_ROOT_FIND),
                     DIMSE_NOT_AUTHORIZED); /* query is not in may= by default */
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(door_connect(&w, "VIEWER", "RADPOST", both, &assoc, &err), 0);
    assert_int_equal(ask(assoc, 9, DIMSE_C_FIND_RQ, DCM_UID_STUDY_ROOT_FIND), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, 5, DIMSE_C_FIND_RQ, WORKLIST), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    accept_window_open(w.door, 0);
    assert_int_equal(door_connect(&w, "NEW", "RADPOST", both, &assoc, &err), 0);
    assert_int_equal(ask(assoc, 5, DIMSE_C_FIND_RQ, WORKLIST), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
a_device_that_is_removed_may_do_nothing_more_on_an_open_association(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(door_connect(&w, "US", "RADPOST", both, &assoc, &err), 0);
    assert_int_equal(door_store(assoc, "1.2.1"), DIMSE_SUCCESS);

    assert_int_equal(accept_remove_device(w.door, "US", "*", &err), 0);

    assert_int_equal(door_store(assoc, "1.2.2"), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(ask(assoc, 5, DIMSE_C_FIND_RQ, WORKLIST), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(accept_remove_device(w.door, "US", "*", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static bool
wait_for(const int *what, int wanted)
{
    int64_t deadline = clock_mono_ms() + 10000;

    gate_lock(&gate);
    while (*what != wanted && clock_mono_ms() < deadline)
        (void)gate_wait_ms(&gate, 1000);
    bool is_there = *what == wanted;
    gate_unlock(&gate);
    return is_there;
}

static void
a_post_wakes_an_idle_association_and_its_answer_comes_to_the_service(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct dimse_command event, rsp;
    struct err err = {0};
    int id = 0;

    (void)state;
    assert_int_equal(door_connect(&w, "US", "RADPOST", both, &assoc, &err), 0);
    assert_int_equal(ask(assoc, 7, DIMSE_N_ACTION_RQ, COMMITMENT), DIMSE_SUCCESS);

    assert_true(accept_assoc_post(w.door, association, send_event, NULL));
    assert_int_equal(dimse_next_command(assoc, &event, &err), 0);
    assert_int_equal(event.field, DIMSE_N_EVENT_REPORT_RQ);
    /* the peer's own request comes before its answer: both are well */
    assert_int_equal(door_store(assoc, "1.2.1"), DIMSE_SUCCESS);
    rsp = dimse_answer(&event, DIMSE_SUCCESS);
    assert_int_equal(dimse_send_command(assoc, &rsp, &err), 0);
    assert_int_equal(ask(assoc, 3, DIMSE_C_ECHO_RQ, DCM_UID_VERIFICATION), DIMSE_SUCCESS);
    gate_lock(&gate);
    id = answered_id;
    gate_unlock(&gate);

    assert_int_equal(id, 77);
    assert_int_equal(runs, 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_true(wait_for(&ends, 1));
    assert_false(accept_assoc_post(w.door, association, send_event, NULL));
    assert_int_equal(orphans, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_association_mixes_storage_with_every_service, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_service_that_comes_later_is_there_for_the_next_association, begin, end),
        cmocka_unit_test_setup_teardown(a_service_that_the_device_may_not_use_is_answered_0124,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_device_that_is_removed_may_do_nothing_more_on_an_open_association, begin, end),
        cmocka_unit_test_setup_teardown(
            a_post_wakes_an_idle_association_and_its_answer_comes_to_the_service, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
