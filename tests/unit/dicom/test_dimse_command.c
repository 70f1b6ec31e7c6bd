/* test_dimse_command.c - command sets, association requests, and the choice of syntax. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dicom/dimse_assoc.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/dimse_pdu.h"
#include "proto/dicom/syntax.h"

#define CT "1.2.840.10008.5.1.4.1.1.2"

static void
command_written_is_command_read(void **state)
{
    struct dimse_command in = {.field = DIMSE_C_STORE_RQ,
                               .message_id = 77,
                               .has_data = true,
                               .priority = 2,
                               .sop_class = CT,
                               .sop_instance = "1.2.3.45",
                               .move_originator = "SCU",
                               .move_originator_id = 9};
    struct dimse_command out;
    struct err err;
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    dimse_command_write(&in, &b);

    assert_int_equal(dimse_command_read(b.bytes, b.n, &out, &err), 0);
    assert_int_equal(out.field, DIMSE_C_STORE_RQ);
    assert_int_equal(out.message_id, 77);
    assert_int_equal(out.priority, 2);
    assert_true(out.has_data);
    assert_string_equal(out.sop_class, CT);
    assert_string_equal(out.sop_instance, "1.2.3.45");
    assert_string_equal(out.move_originator, "SCU");
    assert_int_equal(out.move_originator_id, 9);
    assert_int_equal(le32_read(b.bytes + 8), b.n - 12);
    assert_int_equal(b.n % 2, 0);
    buf_fini(&b);
}

static void
answer_carries_the_request_and_counts(void **state)
{
    struct dimse_command rq = {
        .context = 3, .field = DIMSE_C_MOVE_RQ, .message_id = 5, .sop_class = CT};
    struct dimse_command rsp = dimse_answer(&rq, DIMSE_PENDING), out;
    struct err err;
    struct buf b;

    (void)state;
    rsp.has_counts = true;
    rsp.remaining = 4;
    rsp.completed = 3;
    rsp.failed = 2;
    rsp.warning = 1;
    buf_init(&b, 4096);
    dimse_command_write(&rsp, &b);

    assert_int_equal(dimse_command_read(b.bytes, b.n, &out, &err), 0);
    assert_int_equal(out.field, DIMSE_C_MOVE_RSP);
    assert_int_equal(out.responded_id, 5);
    assert_int_equal(out.status, DIMSE_PENDING);
    assert_true(out.has_counts);
    assert_int_equal(out.remaining, 4);
    assert_int_equal(out.completed, 3);
    assert_int_equal(out.failed, 2);
    assert_int_equal(out.warning, 1);
    assert_false(out.has_data);
    assert_int_equal(rsp.context, 3);
    buf_fini(&b);
}

/* Where an element of this number is in a command set; NULL: nowhere. */
static const uint8_t *
element_at(const struct buf *b, uint16_t element)
{
    for (size_t at = 0; at + 8 <= b->n; at += 8 + le32_read(b->bytes + at + 4))
        if (le16_read(b->bytes + at + 2) == element)
            return b->bytes + at;
    return NULL;
}

/* PS3.7 10.3: which of (0000,0002/0003/1000/1001) a message of DIMSE-N carries, and no priority. */
static void
each_n_message_names_its_instance_by_the_right_element(void **state)
{
    static const struct {
        const char *name;
        uint16_t field;
        bool is_requested;
    } rows[] = {
        {"N-EVENT-REPORT-RQ", DIMSE_N_EVENT_REPORT_RQ, false},
        {"N-EVENT-REPORT-RSP", DIMSE_N_EVENT_REPORT_RSP, false},
        {"N-GET-RQ", DIMSE_N_GET_RQ, true},
        {"N-GET-RSP", DIMSE_N_GET_RSP, false},
        {"N-SET-RQ", DIMSE_N_SET_RQ, true},
        {"N-SET-RSP", DIMSE_N_SET_RSP, false},
        {"N-ACTION-RQ", DIMSE_N_ACTION_RQ, true},
        {"N-ACTION-RSP", DIMSE_N_ACTION_RSP, false},
        {"N-CREATE-RQ", DIMSE_N_CREATE_RQ, false},
        {"N-CREATE-RSP", DIMSE_N_CREATE_RSP, false},
        {"N-DELETE-RQ", DIMSE_N_DELETE_RQ, true},
        {"N-DELETE-RSP", DIMSE_N_DELETE_RSP, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_response = (rows[i].field & 0x8000) != 0;
        struct dimse_command in = {.field = rows[i].field,
                                   .message_id = 3,
                                   .responded_id = 4,
                                   .sop_class = CT,
                                   .sop_instance = "1.2.3"},
                             out;
        struct err err;
        struct buf b;

        print_message("%s\n", rows[i].name);
        buf_init(&b, 4096);
        dimse_command_write(&in, &b);

        assert_int_equal(dimse_command_read(b.bytes, b.n, &out, &err), 0);
        assert_int_equal(out.field, rows[i].field);
        assert_string_equal(out.sop_class, CT);
        assert_string_equal(out.sop_instance, "1.2.3");
        assert_int_equal(element_at(&b, 0x0002) == NULL, rows[i].is_requested);
        assert_int_equal(element_at(&b, 0x0003) != NULL, rows[i].is_requested);
        assert_int_equal(element_at(&b, 0x1000) == NULL, rows[i].is_requested);
        assert_int_equal(element_at(&b, 0x1001) != NULL, rows[i].is_requested);
        assert_null(element_at(&b, 0x0700));
        assert_int_equal(element_at(&b, 0x0110) != NULL, !is_response);
        assert_int_equal(element_at(&b, 0x0120) != NULL, is_response);
        assert_int_equal(element_at(&b, 0x0900) != NULL, is_response);
        buf_fini(&b);
    }
}

static void
n_message_keeps_its_types_and_attributes(void **state)
{
    struct dimse_command rq = {.context = 5,
                               .field = DIMSE_N_ACTION_RQ,
                               .message_id = 12,
                               .has_data = true,
                               .sop_class = CT,
                               .sop_instance = "1.2.3",
                               .action_type_id = 1};
    struct dimse_command rsp = dimse_answer(&rq, DIMSE_ATTRIBUTES_IGNORED), out;
    struct err err;
    struct buf b;
    uint16_t last = 0;

    (void)state;
    rsp.error_id = 77;
    rsp.attribute_count = 2;
    rsp.attributes[0] = 0x00081195;
    rsp.attributes[1] = 0x00100010;
    buf_init(&b, 4096);
    dimse_command_write(&rsp, &b);

    assert_int_equal(dimse_command_read(b.bytes, b.n, &out, &err), 0);
    assert_int_equal(out.field, DIMSE_N_ACTION_RSP);
    assert_int_equal(out.responded_id, 12);
    assert_int_equal(out.action_type_id, 1);
    assert_int_equal(out.event_type_id, 0);
    assert_int_equal(out.status, DIMSE_ATTRIBUTES_IGNORED);
    assert_int_equal(out.error_id, 77);
    assert_int_equal(out.attribute_count, 2);
    assert_int_equal(out.attributes[0], 0x00081195);
    assert_int_equal(out.attributes[1], 0x00100010);
    for (size_t at = 0; at < b.n; at += 8 + le32_read(b.bytes + at + 4)) {
        assert_true(at == 0 || le16_read(b.bytes + at + 2) > last); /* in tag order */
        last = le16_read(b.bytes + at + 2);
    }
    buf_fini(&b);
}

/* A long list is cut at the table's end, not refused: no service of ours needs so many. */
static void
attribute_list_past_the_table_is_cut(void **state)
{
    uint8_t *set = calloc(1, 10 + 8 + 4 * 300);
    size_t n = 10 + 8 + 4 * 300;
    struct dimse_command out;
    struct err err;

    (void)state;
    memcpy(set, "\0\0\0\1\2\0\0\0\20\1", 10);
    memcpy(set + 10, "\0\0\5\20", 4);
    le32_write(set + 14, 4 * 300);

    assert_int_equal(dimse_command_read(set, n, &out, &err), 0);
    assert_int_equal(out.field, DIMSE_N_GET_RQ);
    assert_int_equal(out.attribute_count, DIMSE_ATTRIBUTES);
    free(set);
}

static void
bad_command_sets_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[24];
        size_t n;
    } rows[] = {
        {"empty", {0}, 0},
        {"cut in a header", {0, 0, 0, 1, 2}, 5},
        {"longer than the set", {0, 0, 0, 1, 255, 255, 255, 255, 0, 0}, 10},
        {"another group", {8, 0, 0x18, 0, 2, 0, 0, 0, '1', 0}, 10},
        {"field of four bytes", {0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0}, 12},
        {"field zero", {0, 0, 0, 1, 2, 0, 0, 0, 0, 0}, 10},
        {"no field", {0, 0, 0x10, 1, 2, 0, 0, 0, 1, 0}, 10},
        {"cut by a byte", {0, 0, 0, 1, 2, 0, 0, 0, 1}, 9},
        {"action type of four bytes", {0, 0, 8, 16, 4, 0, 0, 0, 1, 0, 0, 0}, 12},
        {"half an attribute", {0, 0, 5, 16, 2, 0, 0, 0, 8, 0}, 10},
    };
    struct dimse_command out;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t *exact = malloc(rows[i].n + 1); /* the sanitizer watches its end */
        memcpy(exact, rows[i].bytes, rows[i].n);
        print_message("%s\n", rows[i].name);
        assert_int_equal(dimse_command_read(exact, rows[i].n, &out, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        free(exact);
    }
}

static void
uid_that_is_no_uid_reads_as_absent(void **state)
{
    struct dimse_command in = {.field = DIMSE_C_STORE_RQ, .has_data = true, .sop_class = CT}, out;
    struct err err;
    struct buf b;

    (void)state;
    strncpy(in.sop_instance, "../../etc/passwd", 64);
    buf_init(&b, 4096);
    dimse_command_write(&in, &b);

    assert_int_equal(dimse_command_read(b.bytes, b.n, &out, &err), 0);
    assert_string_equal(out.sop_instance, "");
    buf_fini(&b);
}

static void
syntax_is_chosen_by_what_it_keeps(void **state)
{
    static const char deflated[] = DCM_UID_DEFLATED_LE, lossless[] = DCM_UID_JPEG_LOSSLESS_SV1;
    static const char jpeg[] = DCM_UID_JPEG_BASELINE, unheard_of[] = "1.2.3.4";
    static const struct {
        const char *name;
        enum dimse_offer offer;
        const char *proposed[4];
        size_t n;
        int wanted;
    } rows[] = {
        {"explicit first",
         DIMSE_ANY_SYNTAX,
         {lossless, DCM_UID_IMPLICIT_LE, DCM_UID_EXPLICIT_LE},
         3,
         2},
        {"implicit before lossless", DIMSE_ANY_SYNTAX, {lossless, DCM_UID_IMPLICIT_LE}, 2, 1},
        {"plain before lossless", DIMSE_ANY_SYNTAX, {lossless, deflated}, 2, 1},
        {"lossless before lossy", DIMSE_ANY_SYNTAX, {jpeg, lossless}, 2, 1},
        {"lossy alone", DIMSE_ANY_SYNTAX, {jpeg}, 1, 0},
        {"unknown alone", DIMSE_ANY_SYNTAX, {unheard_of}, 1, 0},
        {"HTJ2K alone", DIMSE_ANY_SYNTAX, {DCM_UID_HTJ2K_LOSSLESS}, 1, 0},
        {"first of equals", DIMSE_ANY_SYNTAX, {DCM_UID_J2K_LOSSLESS, lossless}, 2, 0},
        {"who gets may put lossy first", DIMSE_THEIR_SYNTAX, {jpeg, DCM_UID_EXPLICIT_LE}, 2, 0},
        {"who gets and puts lossless first, gets plain",
         DIMSE_THEIR_SYNTAX,
         {lossless, DCM_UID_EXPLICIT_LE, jpeg},
         3,
         1},
        {"a query is plain", DIMSE_PLAIN_SYNTAX, {deflated, DCM_UID_IMPLICIT_LE}, 2, 1},
        {"a query is never compressed", DIMSE_PLAIN_SYNTAX, {lossless, deflated}, 2, -1},
        {"not offered", DIMSE_NOT_OFFERED, {DCM_UID_EXPLICIT_LE}, 1, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(dimse_choose_syntax(rows[i].offer, rows[i].proposed, rows[i].n),
                         rows[i].wanted);
    }
}

/* A good request with one context, CT in explicit little endian. */
static size_t
make_request(uint8_t *out)
{
    static const char application[] = "1.2.840.10008.3.1.1.1";
    uint8_t *p = out + 74;
    size_t n;

    memset(out, 0, 74);
    out[0] = 1;
    out[7] = 1;
    memset(out + 10, ' ', 32);
    memcpy(out + 10, "GATE WAY", 8);
    memcpy(out + 27, "CT1", 3);
#define ITEM(type, n_bytes) (*p++ = (type), *p++ = 0, *p++ = 0, *p++ = (uint8_t)(n_bytes))
    ITEM(0x10, 21);
    memcpy(p, application, 21);
    p += 21;
    ITEM(0x20, 4 + 4 + strlen(CT) + 4 + strlen(DCM_UID_EXPLICIT_LE));
    memcpy(p, "\1\0\0\0", 4);
    p += 4;
    ITEM(0x30, strlen(CT));
    memcpy(p, CT, strlen(CT));
    p += strlen(CT);
    ITEM(0x40, strlen(DCM_UID_EXPLICIT_LE));
    memcpy(p, DCM_UID_EXPLICIT_LE, strlen(DCM_UID_EXPLICIT_LE));
    p += strlen(DCM_UID_EXPLICIT_LE);
    ITEM(0x50, 8);
    ITEM(0x51, 4);
    memcpy(p, "\0\0\100\0", 4);
    p += 4;
    n = (size_t)(p - out);
    out[4] = (uint8_t)((n - 6) >> 8);
    out[5] = (uint8_t)(n - 6);
    return n;
}

static void
association_request_is_read(void **state)
{
    uint8_t pdu[512];
    size_t n = make_request(pdu);
    struct pdu_associate *rq = malloc(sizeof *rq);
    struct err err;

    (void)state;
    assert_int_equal(pdu_associate_read(pdu, n, rq, &err), 0);
    assert_string_equal(rq->called, "GATE WAY");
    assert_string_equal(rq->calling, "CT1");
    assert_int_equal(rq->context_count, 1);
    assert_int_equal(rq->max_pdu, 16384);
    assert_string_equal(rq->contexts[0].abstract_syntax, CT);
    assert_string_equal(rq->contexts[0].syntaxes[0], DCM_UID_EXPLICIT_LE);
    free(rq);
}

/* No single changed or missing byte leads outside the PDU (watched by the sanitizer). */
static void
damaged_association_request_is_refused_or_bounded(void **state)
{
    uint8_t good[512];
    size_t n = make_request(good);
    struct pdu_associate *rq = malloc(sizeof *rq);
    struct err err;

    (void)state;
    for (size_t at = 0; at < n; at++)
        for (int value = 0; value < 256; value += 51) {
            uint8_t *pdu = malloc(n);
            memcpy(pdu, good, n);
            pdu[at] = (uint8_t)value;
            if (pdu_associate_read(pdu, n, rq, &err) == 0) {
                assert_in_range(rq->context_count, 1, 128);
                pdu_associate_mend(pdu, n, rq);
                assert_int_equal(pdu_associate_read(pdu, n, rq, &err), 0);
            }
            free(pdu);
        }
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *pdu = malloc(cut + 1);
        memcpy(pdu, good, cut);
        assert_int_equal(pdu_associate_read(pdu, cut, rq, &err), -1);
        free(pdu);
    }
    free(rq);
}

static void
pdu_heads_meet_their_limits(void **state)
{
    static const struct {
        const char *name;
        uint8_t head[6];
        int wanted;
    } rows[] = {
        {"request", {1, 0, 0, 0, 1, 0}, 0},
        {"request of 4 GiB", {1, 0, 255, 255, 255, 255}, -1},
        {"data at the limit", {4, 0, 0, 2, 0, 0}, 0},
        {"data past the limit", {4, 0, 0, 2, 0, 1}, -1},
        {"data of nothing", {4, 0, 0, 0, 0, 0}, -1},
        {"release", {5, 0, 0, 0, 0, 4}, 0},
        {"long release", {5, 0, 0, 0, 0, 5}, -1},
        {"type 99H", {0x99, 0, 0, 0, 0, 4}, -1},
        {"HTTP", {'G', 'E', 'T', ' ', '/', ' '}, -1},
    };
    struct err err;
    uint32_t length;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(pdu_head_check(rows[i].head, 131072, &length, &err), rows[i].wanted);
    }
}

static void
pdvs_add_up_to_their_pdu(void **state)
{
    uint8_t good[] = {4, 0, 0, 0, 0, 14, 0, 0, 0, 3, 1, 3, 9, 0, 0, 0, 3, 1, 2, 8};
    struct err err;

    (void)state;
    assert_int_equal(pdu_data_check(good, sizeof good, &err), 0);
    good[9] = 4;
    assert_int_equal(pdu_data_check(good, sizeof good, &err), -1);
    good[9] = 1;
    assert_int_equal(pdu_data_check(good, sizeof good, &err), -1);
    assert_int_equal(pdu_data_check(good, 6, &err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_written_is_command_read),
        cmocka_unit_test(answer_carries_the_request_and_counts),
        cmocka_unit_test(each_n_message_names_its_instance_by_the_right_element),
        cmocka_unit_test(n_message_keeps_its_types_and_attributes),
        cmocka_unit_test(attribute_list_past_the_table_is_cut),
        cmocka_unit_test(bad_command_sets_are_refused),
        cmocka_unit_test(uid_that_is_no_uid_reads_as_absent),
        cmocka_unit_test(syntax_is_chosen_by_what_it_keeps),
        cmocka_unit_test(association_request_is_read),
        cmocka_unit_test(damaged_association_request_is_refused_or_bounded),
        cmocka_unit_test(pdu_heads_meet_their_limits),
        cmocka_unit_test(pdvs_add_up_to_their_pdu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
