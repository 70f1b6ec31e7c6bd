/* test_dimse_serve.c - the archive's DIMSE door over a catalog of the test's own (archive_fake.h),
 * asked by ourselves: stock programs behave too well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "proto/base/thread.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "proto/dicom/write.h"
#include "storage/serve/dimse_core.h"
#include "proto/dicom/dimse_identifier.h"
#include "storage/serve/dimse_serve.h"
#include "tests/support/raw_peer.h"
#include "tests/unit/serve/archive_fake.h"

#define STUDY FAKE_STUDY
#define SERIES_A FAKE_SERIES_A
#define SERIES_B FAKE_SERIES_B

static const struct ask whole_study[] = {
    {TAG_RETRIEVE_LEVEL, "STUDY"}, {TAG_STUDY_UID, STUDY}, {0, NULL}};

/* A receiver for C-MOVE, as a listener of ours. */
struct receiver {
    struct dimse_listener *listener;
    unsigned got;
    uint16_t answer;
    unsigned breaks_after; /* 0 = never */
    bool is_held;          /* the second is answered when this is false again */
    char originator[17];
    struct gate gate;
};

static enum dimse_admission
receive_admit(const struct dimse_peer *peer, void *user)
{
    (void)user;
    assert_string_equal(peer->calling, "ARCHIVE");
    return DIMSE_ADMITTED;
}

static enum dimse_offer
receive_offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)abstract_syntax;
    (void)peer_is_scp;
    (void)user;
    return DIMSE_PLAIN_SYNTAX;
}

static void
receive_serve(struct dimse_assoc *assoc, void *user)
{
    struct receiver *r = user;
    struct dimse_command rq, rsp;
    struct err err = {0};

    while (dimse_next_command(assoc, &rq, &err) == 0 && rq.field == DIMSE_C_STORE_RQ) {
        if (dimse_skip_data(assoc, &err) < 0)
            return;
        gate_lock(&r->gate);
        r->got++;
        gate_wake(&r->gate);
        while (r->is_held && r->got == 2)
            gate_wait(&r->gate);
        bool breaks = r->breaks_after != 0 && r->got >= r->breaks_after;
        memcpy(r->originator, rq.move_originator, sizeof r->originator);
        gate_unlock(&r->gate);
        rsp = dimse_answer(&rq, r->answer);
        if (breaks || dimse_send_command(assoc, &rsp, &err) < 0)
            return;
    }
}

static void
start_receiver(struct receiver *r)
{
    struct dimse_listener_options options = {.address = "127.0.0.1",
                                             .admit = receive_admit,
                                             .offers = receive_offers,
                                             .serve = receive_serve,
                                             .user = r};
    struct err err = {0};

    gate_init(&r->gate);
    assert_int_equal(dimse_listen(&options, &r->listener, &err), 0);
    catalog_fake.destination_port = dimse_listener_port(r->listener);
}

static void
stop_receiver(struct receiver *r)
{
    dimse_listener_free(&r->listener);
    gate_fini(&r->gate);
}

static void
move_counts_are_right_whatever_the_receiver_does(void **state)
{
    static const struct {
        const char *name;
        uint16_t answer;
        unsigned breaks_after;
        uint16_t status, completed, failed, warning;
    } rows[] = {
        {"takes all", 0x0000, 0, 0x0000, 3, 0, 0},
        {"warns", 0xB000, 0, 0xB000, 0, 0, 3},
        {"refuses all", 0xA700, 0, 0xA702, 0, 3, 0},
        {"breaks off after the first", 0x0000, 2, 0xB000, 1, 2, 0},
    };
    struct err err = {0};
    unsigned pending;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct receiver r = {.answer = rows[i].answer, .breaks_after = rows[i].breaks_after};
        struct dimse_assoc *assoc = NULL;
        print_message("%s\n", rows[i].name);
        start_receiver(&r);
        assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
        send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
        struct dimse_command rsp = last_answer(assoc, &pending);
        assert_int_equal(rsp.status, rows[i].status);
        assert_true(rsp.has_counts);
        assert_int_equal(rsp.completed, rows[i].completed);
        assert_int_equal(rsp.failed, rows[i].failed);
        assert_int_equal(rsp.warning, rows[i].warning);
        assert_int_equal(rsp.has_data, rows[i].failed > 0);
        assert_string_equal(r.originator, "VIEWER");
        assert_int_equal(dimse_release(&assoc, &err), 0);
        stop_receiver(&r);
    }
}

/* On an association of its own, by the viewer. */
static struct dimse_command
ask_once(uint8_t context, uint16_t field, const char *destination, const struct ask *keys,
         unsigned *out_pending)
{
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rsp;
    struct err err = {0};

    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, context, field, destination, keys);
    rsp = last_answer(assoc, out_pending);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    return rsp;
}

static void
destination_that_does_not_answer_fails_all(void **state)
{
    unsigned pending;

    (void)state;
    catalog_fake.destination_port = 9;
    struct dimse_command rsp = ask_once(3, DIMSE_C_MOVE_RQ, "DEST", whole_study, &pending);
    assert_int_equal(rsp.status, DIMSE_CANNOT_SEND);
    assert_int_equal(rsp.failed, 3);
    assert_int_equal(pending, 0);
}

static void
what_is_on_its_way_never_leaves_and_counts_as_failed(void **state)
{
    struct receiver r = {.answer = 0};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    catalog_fake.rows[2].is_on_its_way = true;
    start_receiver(&r);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_SOME_FAILED);
    assert_int_equal(rsp.completed, 2);
    assert_int_equal(rsp.failed, 1);
    assert_int_equal(r.got, 2);
    catalog_fake.rows[0].is_on_its_way = catalog_fake.rows[1].is_on_its_way = true;
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    rsp = last_answer(assoc, &pending);
    assert_int_equal(rsp.status, DIMSE_CANNOT_SEND);
    assert_int_equal(rsp.failed, 3);
    assert_int_equal(r.got, 2);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    stop_receiver(&r);
}

static void
compressed_instance_is_decoded_for_a_receiver_that_wants_plain(void **state)
{
    struct receiver r = {.answer = 0};
    unsigned pending;

    (void)state;
    catalog_fake.n = 1;
    catalog_fake.rows[0].syntax = DCM_UID_J2K_LOSSLESS;
    start_receiver(&r); /* takes plain syntaxes only */
    struct dimse_command rsp = ask_once(3, DIMSE_C_MOVE_RQ, "DEST", whole_study, &pending);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
    assert_int_equal(rsp.completed, 1);
    stop_receiver(&r);
}

static void
get_without_a_context_for_the_class_fails_each(void **state)
{
    unsigned pending;

    (void)state;
    struct dimse_command rsp = ask_once(5, DIMSE_C_GET_RQ, "", whole_study, &pending);
    assert_int_equal(rsp.status, DIMSE_CANNOT_SEND);
    assert_int_equal(rsp.failed, 3);
    assert_int_equal(pending, 2);
}

static void
nothing_leaves_before_the_audit_log_has_it(void **state)
{
    struct receiver r = {.answer = 0};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    start_receiver(&r);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    catalog_fake.audit_fails = true;
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0xC000);
    assert_int_equal(pending, 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, DIMSE_CANNOT_COUNT);
    assert_int_equal(r.got, 0);
    catalog_fake.audit_fails = false;
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0);
    assert_int_equal(catalog_fake.audited[AUDIT_QUERIED], 1);
    assert_int_equal(catalog_fake.audited[AUDIT_RETRIEVED], 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    stop_receiver(&r);
}

static void
cancel_of_a_search_is_taken_between_answers(void **state)
{
    static const struct ask images[] = {
        {TAG_SOP_INSTANCE, ""}, {TAG_RETRIEVE_LEVEL, "IMAGE"}, {TAG_STUDY_UID, STUDY}, {0, NULL}};
    struct dimse_command cancel = {.context = 1, .field = DIMSE_C_CANCEL_RQ, .responded_id = 7};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", images);
    assert_int_equal(dimse_send_command(assoc, &cancel, &err), 0);
    struct dimse_command rsp = last_answer(assoc, &pending);
    assert_true(rsp.status == DIMSE_CANCELLED || (rsp.status == 0 && pending == 3));
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

/* The cancel is there before the second of three is answered: the third is not sent. */
static void
cancelled_move_stops_and_says_what_remains(void **state)
{
    struct dimse_command cancel = {.context = 3, .field = DIMSE_C_CANCEL_RQ, .responded_id = 7};
    struct receiver r = {.answer = 0, .is_held = true};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    start_receiver(&r);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    send_request(assoc, 3, DIMSE_C_MOVE_RQ, "DEST", whole_study);
    gate_lock(&r.gate);
    while (r.got < 2)
        gate_wait(&r.gate);
    assert_int_equal(dimse_send_command(assoc, &cancel, &err), 0);
    r.is_held = false;
    gate_wake(&r.gate);
    gate_unlock(&r.gate);

    struct dimse_command rsp = last_answer(assoc, &pending);

    assert_int_equal(rsp.status, DIMSE_CANCELLED);
    assert_int_equal(rsp.completed, 2);
    assert_int_equal(rsp.remaining, 1);
    assert_int_equal(rsp.failed, 0);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    stop_receiver(&r);
    assert_int_equal(r.got, 2);
}

static void
requests_that_are_not_offered_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t context;
        uint16_t field;
        struct ask keys[4];
        uint16_t wanted;
    } rows[] = {
        {"patient level", 1, DIMSE_C_FIND_RQ, {{TAG_RETRIEVE_LEVEL, "PATIENT"}}, 0xA900},
        {"no level", 1, DIMSE_C_FIND_RQ, {{TAG_STUDY_UID, STUDY}}, 0xA900},
        {"a date that is none",
         1,
         DIMSE_C_FIND_RQ,
         {{0x00080020, "yesterday"}, {TAG_RETRIEVE_LEVEL, "STUDY"}},
         0xA900},
        {"move without a study", 3, DIMSE_C_MOVE_RQ, {{TAG_RETRIEVE_LEVEL, "STUDY"}}, 0xA900},
        {"move a series of no series",
         3,
         DIMSE_C_MOVE_RQ,
         {{TAG_RETRIEVE_LEVEL, "SERIES"}, {TAG_STUDY_UID, STUDY}},
         0xA900},
        {"nothing of that name",
         3,
         DIMSE_C_MOVE_RQ,
         {{TAG_RETRIEVE_LEVEL, "STUDY"}, {TAG_STUDY_UID, "1.2.3"}},
         0x0000},
    };
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    catalog_fake.destination_port = 9;
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        send_request(assoc, rows[i].context, rows[i].field, "DEST", rows[i].keys);
        assert_int_equal(last_answer(assoc, &pending).status, rows[i].wanted);
    }
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
only_the_enrolled_come_in_and_only_with_their_rights(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    unsigned pending;

    (void)state;
    assert_int_equal(connect_as("STRANGER", false, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), 0);
    catalog_fake.rights = RIGHT_STORE; /* withdrawn while the association is open */
    send_request(assoc, 1, DIMSE_C_FIND_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, DIMSE_NOT_AUTHORIZED);
    send_request(assoc, 5, DIMSE_C_GET_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, DIMSE_NOT_AUTHORIZED);
    catalog_fake.is_away = true;
    send_request(assoc, 5, DIMSE_C_GET_RQ, "", whole_study);
    assert_int_equal(last_answer(assoc, &pending).status, 0xC000);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(connect_as("VIEWER", false, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY); /* put off, not turned away */
}

static void
both_roles_proposed_are_confirmed_for_storage_only(void **state)
{
    static const struct raw_context contexts[] = {
        {1, DCM_UID_STUDY_ROOT_FIND, DCM_UID_IMPLICIT_LE, "\1\1"},
        {3, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE, "\1\1"},
        {5, DCM_UID_VERIFICATION, DCM_UID_IMPLICIT_LE, "\0\1"}};
    struct raw_associate rq = {"ARCHIVE", "VIEWER", contexts, ARRAY_LEN(contexts)};

    (void)state;
    int fd = raw_dial(dimse_serve_port(archive));
    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    struct raw_answer answer = raw_receive_answer(fd);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    assert_int_equal(answer.result[1], 0);
    assert_int_equal(answer.result[3], 0);
    assert_int_equal(answer.result[5], 3);
    assert_int_equal(answer.role_count, 1);
    assert_string_equal(answer.roles[0].uid, DCM_UID_CT_IMAGE);
    close(fd);
}

/* What a gateway was told to take, the archive has: it gives it, and takes it from others, too. */
static void
storage_class_newer_than_the_table_is_taken_and_given(void **state)
{
    static const struct raw_context contexts[] = {
        {1, "1.2.840.10008.5.1.4.1.1.999", DCM_UID_IMPLICIT_LE, NULL},
        {3, "1.2.840.10008.5.1.4.1.1.998.1", DCM_UID_IMPLICIT_LE, "\0\1"},
        {5, "1.3.12.2.1107.5.9.1", DCM_UID_IMPLICIT_LE, "\1\1"},
        {7, "1.2.840.10008.5.1.1.9", DCM_UID_IMPLICIT_LE, NULL}, /* print */
        {9, "1.2.840.10008.1.20.1", DCM_UID_IMPLICIT_LE, NULL}}; /* commitment */
    static const uint8_t wanted[] = {0, 0, 0, 3, 3};
    struct raw_associate rq = {"ARCHIVE", "VIEWER", contexts, ARRAY_LEN(contexts)};

    (void)state;
    int fd = raw_dial(dimse_serve_port(archive));
    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    struct raw_answer answer = raw_receive_answer(fd);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        print_message("%s\n", contexts[i].abstract_syntax);
        assert_int_equal(answer.result[contexts[i].id], wanted[i]);
    }
    close(fd);
}

static void
store_is_answered_as_the_archive_says(void **state)
{
    static const struct {
        enum err_kind room_fails, more_fails, fails; /* before it is received, meanwhile, then */
        uint16_t wanted;
    } rows[] = {{ERR_NONE, ERR_NONE, ERR_NONE, 0x0000},  {ERR_NONE, ERR_NONE, ERR_FULL, 0xA700},
                {ERR_FULL, ERR_NONE, ERR_NONE, 0xA700},  {ERR_NONE, ERR_FULL, ERR_NONE, 0xA700},
                {ERR_NONE, ERR_NONE, ERR_RETRY, 0xC000}, {ERR_NONE, ERR_NONE, ERR_REJECT, 0xA900}};
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rq = {.context = 7,
                               .field = DIMSE_C_STORE_RQ,
                               .message_id = 1,
                               .has_data = true,
                               .sop_class = DCM_UID_CT_IMAGE,
                               .sop_instance = "1.2.3.4"};
    struct dimse_command rsp;
    struct err err = {0};

    (void)state;
    assert_int_equal(connect_as("VIEWER", true, &assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        catalog_fake.room_fails = rows[i].room_fails;
        catalog_fake.more_fails = rows[i].more_fails;
        catalog_fake.store_fails = rows[i].fails;
        assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
        assert_int_equal(dimse_send_data(assoc, 7, "\x08\0\x05\0CS\0\0", 8, true, &err), 0);
        assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
        assert_int_equal(rsp.status, rows[i].wanted);
    }
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(catalog_fake.stores, 1);
    assert_int_equal(catalog_fake.claims_ended, ARRAY_LEN(rows));
    assert_in_range(catalog_fake.stored_bytes, 140, 1000);
    assert_int_equal(files_in(dir), 0);
    gate_lock(&catalog_fake.gate);
    while (catalog_fake.ended == 0)
        gate_wait(&catalog_fake.gate);
    gate_unlock(&catalog_fake.gate);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(move_counts_are_right_whatever_the_receiver_does, begin,
                                        end),
        cmocka_unit_test_setup_teardown(destination_that_does_not_answer_fails_all, begin, end),
        cmocka_unit_test_setup_teardown(what_is_on_its_way_never_leaves_and_counts_as_failed, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            compressed_instance_is_decoded_for_a_receiver_that_wants_plain, begin, end),
        cmocka_unit_test_setup_teardown(get_without_a_context_for_the_class_fails_each, begin, end),
        cmocka_unit_test_setup_teardown(nothing_leaves_before_the_audit_log_has_it, begin, end),
        cmocka_unit_test_setup_teardown(cancel_of_a_search_is_taken_between_answers, begin, end),
        cmocka_unit_test_setup_teardown(cancelled_move_stops_and_says_what_remains, begin, end),
        cmocka_unit_test_setup_teardown(requests_that_are_not_offered_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(only_the_enrolled_come_in_and_only_with_their_rights, begin,
                                        end),
        cmocka_unit_test_setup_teardown(both_roles_proposed_are_confirmed_for_storage_only, begin,
                                        end),
        cmocka_unit_test_setup_teardown(storage_class_newer_than_the_table_is_taken_and_given,
                                        begin, end),
        cmocka_unit_test_setup_teardown(store_is_answered_as_the_archive_says, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
