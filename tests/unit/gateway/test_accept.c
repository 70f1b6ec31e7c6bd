/* test_accept.c - the clinic's DICOM door over a real spool, with stock senders and with ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "gateway/accept/accept.h"
#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "gateway/accept/store.h"
#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "tests/support/folder.h"
#include "tests/support/raw_peer.h"
#include "tests/support/run_program.h"

#define DATA "../shared/data/"
#define WORKLIST "1.2.840.10008.5.1.4.31"
#define MR_IMAGE "1.2.840.10008.5.1.4.1.1.4"

static char dir[FOLDER_PATH_BYTES];
static struct spool *spool;
static struct accept *door;

static void
put_devices(const char *text)
{
    struct err err = {0};
    char *tmp = mem_printf("%s/accept/tmp", dir), *folder = mem_printf("%s/accept", dir);

    if (durable_mkdir(folder, &err) < 0 || durable_mkdir(tmp, &err) < 0 ||
        durable_put_file(folder, DEVICES_FILE, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    free(tmp);
    free(folder);
}

static void
open_door_with(const struct accept_service *services, size_t n)
{
    char *folder = mem_printf("%s/accept", dir);
    struct accept_options options = {.dir = folder,
                                     .address = "127.0.0.1",
                                     .called = "RADPOST",
                                     .private_classes = "1.2.3, 1.2.840.113619."};
    struct err err = {0};

    if (accept_open(&options, spool, &door, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        accept_add_service(door, &services[i]);
    if (accept_listen(door, &err) < 0)
        fail_msg("%s", err.text);
    free(folder);
}

static void
open_door(void)
{
    open_door_with(NULL, 0);
}

static int
begin_with(const struct spool_options *options)
{
    struct err err = {0};
    char *folder;

    folder_make("accept", dir);
    folder = mem_printf("%s/spool", dir);
    if (spool_open(folder, options, &spool, &err) < 0)
        fail_msg("%s", err.text);
    free(folder);
    put_devices("# devices of the test\nOURS 127.0.0.1 the test itself\nSTORESCU * stock\n");
    open_door();
    return 0;
}

static int
begin(void **state)
{
    struct spool_options options = {.segment_bytes = 4u << 20};

    (void)state;
    return begin_with(&options);
}

static int
begin_full(void **state)
{
    struct spool_options options = {.segment_bytes = 4u << 20, .refuse_free_bytes = UINT64_MAX};

    (void)state;
    return begin_with(&options);
}

static int
end(void **state)
{
    (void)state;
    accept_stop(&door);
    spool_close(&spool);
    folder_remove(dir);
    return 0;
}

static int
connect_as(const char *calling, const char *called, struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_CT_IMAGE, plain, 1, false},
                                         {DCM_UID_VERIFICATION, plain, 1, false},
                                         {"1.2.840.113619.4.30", plain, 1, false},
                                         {"1.2.840.11361.4.30", plain, 1, false},
                                         {DCM_UID_STUDY_ROOT_FIND, plain, 1, false}};
    struct dimse_connect_options options = {
        .host = "127.0.0.1", .port = accept_port(door), .calling = calling, .called = called};

    return dimse_connect(&options, proposals, 5, out, err);
}

static uint16_t
store(struct dimse_assoc *assoc, const char *sop_class, const char *sop_instance, size_t n)
{
    uint8_t bytes[256] = {8,   0,   5,   0,   'C', 'S', 10,  0,   'I',
                          'S', 'O', '_', 'I', 'R', ' ', '1', '9', '2'};
    struct dimse_command rq = {
        .context = 1, .field = DIMSE_C_STORE_RQ, .message_id = 1, .has_data = n > 0};
    struct dimse_command rsp;
    struct err err = {0};

    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", sop_class);
    snprintf(rq.sop_instance, sizeof rq.sop_instance, "%s", sop_instance);
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    if (n > 0)
        assert_int_equal(dimse_send_data(assoc, 1, bytes, n - 1, true, &err), 0);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.field, DIMSE_C_STORE_RSP);
    return rsp.status;
}

static int
put(const char *ae, const char *address, const char *name, struct err *err)
{
    struct accept_device d = {.may = 0};

    snprintf(d.ae, sizeof d.ae, "%s", ae);
    snprintf(d.address, sizeof d.address, "%s", address);
    snprintf(d.name, sizeof d.name, "%s", name);
    return accept_put_device(door, &d, err);
}

static size_t
entries(uint64_t **out_ids)
{
    struct spool_filter all = {0};
    size_t n;

    spool_list(spool, &all, out_ids, &n);
    return n;
}

static void
success_means_it_is_in_the_spool_as_sent(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    uint64_t *ids = NULL;
    struct spool_entry *entry = NULL;
    struct spool_bytes bytes;
    struct dcm_part10 part10;
    uint8_t file[4096];

    (void)state;
    assert_int_equal(connect_as("OURS", "RADPOST", &assoc, &err), 0);
    assert_int_equal(store(assoc, DCM_UID_CT_IMAGE, "1.2.3.4", 19), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);

    assert_int_equal(entries(&ids), 1);
    assert_int_equal(spool_load(spool, ids[0], &entry, &err), 0);
    assert_string_equal(entry->meta.sop_instance, "1.2.3.4");
    assert_string_equal(entry->meta.calling_ae, "OURS");
    assert_string_equal(entry->meta.peer, "127.0.0.1");
    assert_string_equal(entry->meta.transfer_syntax, DCM_UID_EXPLICIT_LE);
    assert_int_equal(spool_source_received(spool, ids[0], &bytes, &err), 0);
    assert_in_range(bytes.size, 150, sizeof file);
    assert_int_equal(pread(bytes.fd, file, bytes.size, (off_t)bytes.offset), bytes.size);
    close(bytes.fd);
    assert_int_equal(dcm_part10_parse(file, bytes.size, &part10, &err), 0);
    assert_string_equal(part10.sop_class, DCM_UID_CT_IMAGE);
    assert_string_equal(part10.sop_instance, "1.2.3.4");
    assert_int_equal(bytes.size - part10.dataset_at, 18);
    assert_memory_equal(file + part10.dataset_at + 8, "ISO_IR 192", 10);
    spool_entry_free(&entry);
    free(ids);
}

static void
what_cannot_be_kept_is_answered_so_and_the_next_is_well(void **state)
{
    static const struct {
        const char *name, *sop_class, *sop_instance;
        size_t n;
        uint16_t wanted;
    } rows[] = {
        {"no instance", DCM_UID_CT_IMAGE, "", 19, 0xC000},
        {"a path for an instance", DCM_UID_CT_IMAGE, "../../x", 19, 0xC000},
        {"another class", DCM_UID_SECONDARY_CAPTURE, "1.2.3", 19, 0xA900},
        {"no class: what was agreed on", "", "1.2.5", 19, 0x0000},
        {"no data set", DCM_UID_CT_IMAGE, "1.2.3", 0, 0xC000},
        {"empty data set", DCM_UID_CT_IMAGE, "1.2.3", 1, 0xC000},
        {"good", DCM_UID_CT_IMAGE, "1.2.3", 19, 0x0000},
    };
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    uint64_t *ids = NULL;

    (void)state;
    assert_int_equal(connect_as("OURS", "RADPOST", &assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(store(assoc, rows[i].sop_class, rows[i].sop_instance, rows[i].n),
                         rows[i].wanted);
    }
    assert_int_equal(dimse_release(&assoc, &err), 0);

    assert_int_equal(entries(&ids), 2);
    free(ids);
}

static void
full_disk_is_answered_a700(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    uint64_t *ids = NULL;

    (void)state;
    assert_int_equal(connect_as("OURS", "RADPOST", &assoc, &err), 0);
    assert_int_equal(store(assoc, DCM_UID_CT_IMAGE, "1.2.3", 19), DIMSE_OUT_OF_RESOURCES);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(entries(&ids), 0);
    free(ids);
}

static void
only_named_private_classes_are_taken_and_queries_are_not_offered(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(connect_as("OURS", "RADPOST", &assoc, &err), 0);

    assert_non_null(dimse_context_for(assoc, "1.2.840.113619.4.30", NULL));
    assert_null(dimse_context_for(assoc, "1.2.840.11361.4.30", NULL));
    assert_null(dimse_context_for(assoc, DCM_UID_STUDY_ROOT_FIND, NULL));
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

/* What is offered to clients only is taken in the default roles; nothing is where the peer would be
 * the server alone. */
static void
both_roles_proposed_cost_no_context(void **state)
{
    static const char *const worklist[] = {WORKLIST, NULL};
    static const char *const get[] = {DCM_UID_CT_IMAGE, NULL};
    static const struct accept_service services[] = {
        {.abstract_syntaxes = worklist, .offer = DIMSE_PLAIN_SYNTAX},
        {.abstract_syntaxes = get, .offer = DIMSE_THEIR_SYNTAX, .peer_scp_too = true}};
    static const struct raw_context contexts[] = {
        {1, DCM_UID_VERIFICATION, DCM_UID_IMPLICIT_LE, "\1\1"},
        {3, WORKLIST, DCM_UID_IMPLICIT_LE, "\1\1"},
        {5, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE, "\1\1"},
        {7, "1.2.840.113619.4.30", DCM_UID_IMPLICIT_LE, "\1\1"},
        {9, DCM_UID_SECONDARY_CAPTURE, DCM_UID_IMPLICIT_LE, "\1\0"},
        {11, MR_IMAGE, DCM_UID_IMPLICIT_LE, "\0\1"},
        {13, DCM_UID_STUDY_ROOT_FIND, DCM_UID_IMPLICIT_LE, "\1\1"}};
    static const uint8_t wanted[] = {0, 0, 0, 0, 0, 3, 3};
    struct raw_associate rq = {"RADPOST", "OURS", contexts, ARRAY_LEN(contexts)};

    (void)state;
    accept_stop(&door);
    open_door_with(services, ARRAY_LEN(services));
    int fd = raw_dial(accept_port(door));
    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    struct raw_answer answer = raw_receive_answer(fd);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        print_message("%s\n", contexts[i].abstract_syntax);
        assert_int_equal(answer.result[contexts[i].id], wanted[i]);
    }
    assert_int_equal(answer.role_count, 2);
    assert_string_equal(answer.roles[0].uid, DCM_UID_CT_IMAGE);
    assert_string_equal(answer.roles[1].uid, "1.2.840.113619.4.30"); /* named, and got like it */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(answer.roles[i].scu, 1);
        assert_int_equal(answer.roles[i].scp, 1);
    }
    close(fd);
}

static void
strangers_are_refused_listed_for_good_and_let_in_once_enrolled(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    struct accept_refused *refused = NULL;
    struct accept_device *devices = NULL;
    size_t n;

    (void)state;
    assert_int_equal(connect_as("NEW CT", "RADPOST", &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(connect_as("NEW CT", "RADPOST", &assoc, &err), -1);
    assert_int_equal(connect_as("OURS", "OTHER", &assoc, &err), -1);
    accept_stop(&door);
    open_door();
    accept_list_refused(door, &refused, &n);
    assert_int_equal(n, 2);
    assert_string_equal(refused[0].calling, "NEW CT");
    assert_string_equal(refused[0].address, "127.0.0.1");
    assert_int_equal(refused[0].count, 2);
    assert_true(refused[1].is_called_wrong);
    assert_string_equal(refused[1].called, "OTHER");
    free(refused);

    assert_int_equal(put("NEW CT", "127.0.0.1", "CT 室", &err), 0);
    assert_int_equal(connect_as("NEW CT", "RADPOST", &assoc, &err), 0);
    assert_int_equal(store(assoc, DCM_UID_CT_IMAGE, "1.2.3", 19), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    accept_list_refused(door, &refused, &n);
    assert_int_equal(n, 1);
    free(refused);
    accept_list_devices(door, &devices, &n);
    assert_int_equal(n, 3);
    assert_string_equal(devices[2].ae, "NEW CT");
    assert_string_equal(devices[2].name, "CT 室");
    assert_int_equal(devices[2].stored, 1);
    assert_true(devices[2].last_store_us > 0);
    free(devices);
    assert_int_equal(put("BAD\\AE", "127.0.0.1", "", &err), -1);
    assert_int_equal(put("OK", "ct-room.local", "", &err), -1);
    assert_int_equal(put("OK", "127.0.0.1", "two\nlines", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static uint8_t
type_answered(const char *called, const char *calling)
{
    static const struct raw_context context = {1, DCM_UID_VERIFICATION, DCM_UID_IMPLICIT_LE, NULL};
    struct raw_associate rq = {.contexts = &context, .n = 1};

    memcpy(rq.called, called, 16);
    memcpy(rq.calling, calling, 16);
    int fd = raw_dial(accept_port(door));
    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    struct raw_answer answer = raw_receive_answer(fd);
    close(fd);
    return answer.type;
}

/* Consoles that do not set their title's memory, write it in GBK, or have none. */
static void
titles_with_rubbish_are_listed_and_enrolled_by_what_can_be_read(void **state)
{
    static const struct {
        const char *called, *calling, *listed_called, *listed;
    } rows[] = {
        {"RADPOST         ", "CT1\0\0\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", "RADPOST",
         "CT1"},
        {"RADPOST         ", "\xd3\xb0\xcf\xf1\xbf\xc6          ", "RADPOST", "??????"},
        {"RADPOST         ", "                ", "RADPOST", "?"},
        {"RADPOST\0\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", "A\\B\tC           ", "RADPOST", "A?B?C"},
        {"\0\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", "OURS            ", "?",
         "OURS"},
    };
    struct accept_device device = {.address = "127.0.0.1"};
    struct accept_refused *refused = NULL;
    struct err err = {0};
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].listed);
        assert_int_equal(type_answered(rows[i].called, rows[i].calling), PDU_ASSOCIATE_RJ);
        accept_list_refused(door, &refused, &n);
        assert_int_equal(n, 1);
        assert_string_equal(refused[0].calling, rows[i].listed);
        assert_string_equal(refused[0].called, rows[i].listed_called);
        free(refused);
        snprintf(device.ae, sizeof device.ae, "%s", rows[i].listed);
        snprintf(device.called, sizeof device.called, "%s", rows[i].listed_called);
        assert_int_equal(accept_put_device(door, &device, &err), 0);
        assert_int_equal(type_answered(rows[i].called, rows[i].calling), PDU_ASSOCIATE_AC);
    }
}

static void
a_uid_that_is_none_costs_its_context_only(void **state)
{
    static const char digits[] =
        "1.2.3456789012345678901234567890123456789012345678901234567890.123";
    static const struct raw_context contexts[] = {
        {1, DCM_UID_VERIFICATION, DCM_UID_IMPLICIT_LE, NULL},
        {3, "1.2.3.XX", DCM_UID_IMPLICIT_LE, "\1\1"},
        {5, digits, DCM_UID_IMPLICIT_LE, "\1\0"},
        {7, DCM_UID_CT_IMAGE, "1.2.XX", NULL},
        {9, DCM_UID_CT_IMAGE, digits, NULL},
        {11, "", DCM_UID_IMPLICIT_LE, NULL},
        {13, DCM_UID_CT_IMAGE, "", NULL},
        {15, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE, NULL}};
    static const uint8_t wanted[] = {0, 3, 3, 4, 4, 3, 4, 0};
    struct dimse_command echo = {
        .field = DIMSE_C_ECHO_RQ, .message_id = 1, .sop_class = DCM_UID_VERIFICATION};
    struct raw_associate rq = {"RADPOST", "OURS", contexts, ARRAY_LEN(contexts)};
    struct buf set, pdvs;

    (void)state;
    int fd = raw_dial(accept_port(door));
    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &rq);
    struct raw_answer answer = raw_receive_answer(fd);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        print_message("%u\n", contexts[i].id);
        assert_int_equal(answer.result[contexts[i].id], wanted[i]);
    }
    buf_init(&set, 1024);
    buf_init(&pdvs, 1024);
    dimse_command_write(&echo, &set);
    raw_put_pdv(&pdvs, 1, 3, set.bytes, set.n);
    raw_send_pdu(fd, PDU_DATA, &pdvs);
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_DATA);
    buf_fini(&pdvs);
    buf_fini(&set);
    close(fd);
}

static void
a_line_added_by_hand_works_at_the_next_try_and_a_mistake_costs_its_own_line(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(connect_as("LATER", "RADPOST", &assoc, &err), -1);
    put_devices("OURS 127.0.0.1\nLATER\t127.0.0.1\tby hand\n");
    assert_int_equal(connect_as("LATER", "RADPOST", &assoc, &err), 0);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    put_devices("OURS not-an-address\nLATER\t127.0.0.1\tby hand\n");
    assert_int_equal(connect_as("OURS", "RADPOST", &assoc, &err), -1);
    assert_int_equal(connect_as("LATER", "RADPOST", &assoc, &err), 0);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
stock_sender_is_taken_whole(void **state)
{
    char port[8], out[8192];
    uint64_t *ids = NULL;

    (void)state;
    if (!program_is_there("storescu") || access(DATA "ct-prior", R_OK) < 0) {
        print_message("SKIPPED: no storescu or no ../shared/data\n");
        skip();
    }
    snprintf(port, sizeof port, "%u", accept_port(door));
    const char *argv[] = {"storescu", "-aet",      "STORESCU", "-aec",          "RADPOST", "+sd",
                          "+r",       "127.0.0.1", port,       DATA "ct-prior", NULL};

    int rc = program_run(argv, NULL, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);

    assert_int_equal(rc, 0);
    assert_in_range(entries(&ids), 1, 10000);
    free(ids);
}

static void
sixteen_associations_at_once_lose_and_double_nothing(void **state)
{
    static const char *const source = "../shared/bench/dsend.c";
    char port[8], out[8192], *dsend = mem_printf("%s/dsend", dir);
    uint64_t *ids = NULL;
    struct spool_health health;
    struct buf list;

    (void)state;
    if (access(source, R_OK) < 0 || access(DATA "ct-series", R_OK) < 0 || !program_is_there("cc")) {
        print_message("SKIPPED: no ../shared/bench, ../shared/data or cc\n");
        free(dsend);
        skip();
    }
    assert_int_equal(program_compile(source, dsend), 0);
    put_devices("DSEND *\n");
    snprintf(port, sizeof port, "%u", accept_port(door));
    const char *argv[] = {dsend, "-p", port, "-c", "RADPOST", "-n", "16", NULL};
    buf_init(&list, 65536);
    for (int i = 0; i < 160; i++)
        buf_add_text(&list, DATA "transfer-syntaxes/ct-explicit-le.dcm\n");

    int rc = program_run(argv, buf_text(&list), out, sizeof out);

    print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_int_equal(entries(&ids), 160);
    spool_health(spool, &health);
    assert_in_range(health.syncs, 1, 160); /* some commits shared one */
    buf_fini(&list);
    free(ids);
    free(dsend);
}

/* Only what ends well may be in the spool: store-ok, the slow one, and the one whose data set names
 * another instance (told apart when it is inspected). */
static void
hostile_peers_leave_the_door_open_and_the_spool_clean(void **state)
{
    char port[8], pid[16], out[16384];
    char script[] = "exec ../shared/faults/feed -p \"$1\" -t 3 -P \"$2\" -m 1500 "
                    "../shared/data/malformed/own/pdu/*.bin";
    uint64_t *ids = NULL;
    struct accept_options options = {
        .address = "127.0.0.1",
        .deadlines = {.associate_ms = 1500, .pdu_ms = 1500, .idle_ms = 1500}};
    char *folder = mem_printf("%s/accept", dir);
    struct err err = {0};

    (void)state;
    options.dir = folder;
    if (access("../shared/faults/feed", X_OK) < 0 || access(DATA "malformed/own/pdu", R_OK) < 0) {
        print_message("SKIPPED: no ../shared/faults or ../shared/data\n");
        free(folder);
        skip();
    }
    accept_stop(&door);
    put_devices("FEED *\nFUZZ *\n");
    assert_int_equal(accept_open(&options, spool, &door, &err), 0);
    assert_int_equal(accept_listen(door, &err), 0);
    snprintf(port, sizeof port, "%u", accept_port(door));
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const char *argv[] = {"sh", "-c", script, "sh", port, pid, NULL};

    int rc = program_run(argv, NULL, out, sizeof out);

    print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_non_null(strstr(out, " 0 held open"));
    size_t n = entries(&ids);
    print_message("%zu entries\n", n);
    assert_int_equal(n, 3);
    free(ids);
    free(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(success_means_it_is_in_the_spool_as_sent, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_kept_is_answered_so_and_the_next_is_well,
                                        begin, end),
        cmocka_unit_test_setup_teardown(full_disk_is_answered_a700, begin_full, end),
        cmocka_unit_test_setup_teardown(
            only_named_private_classes_are_taken_and_queries_are_not_offered, begin, end),
        cmocka_unit_test_setup_teardown(both_roles_proposed_cost_no_context, begin, end),
        cmocka_unit_test_setup_teardown(
            strangers_are_refused_listed_for_good_and_let_in_once_enrolled, begin, end),
        cmocka_unit_test_setup_teardown(
            titles_with_rubbish_are_listed_and_enrolled_by_what_can_be_read, begin, end),
        cmocka_unit_test_setup_teardown(a_uid_that_is_none_costs_its_context_only, begin, end),
        cmocka_unit_test_setup_teardown(
            a_line_added_by_hand_works_at_the_next_try_and_a_mistake_costs_its_own_line, begin,
            end),
        cmocka_unit_test_setup_teardown(stock_sender_is_taken_whole, begin, end),
        cmocka_unit_test_setup_teardown(sixteen_associations_at_once_lose_and_double_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(hostile_peers_leave_the_door_open_and_the_spool_clean,
                                        begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
