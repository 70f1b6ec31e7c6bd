/* test_judge.c - what is refused for what it is, and what is kept in spite of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/accept/judge.h"
#include "proto/base/buf.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "tests/support/odd_sender.h"

#define CT DCM_UID_CT_IMAGE
#define SC DCM_UID_SECONDARY_CAPTURE
#define DEFLATED "1.2.840.10008.1.2.1.99"
#define BIG "1.2.840.10008.1.2.2"
#define NEWEST "1.2.840.10008.1.2.4.999"

static void
add_element(struct buf *b, bool is_explicit, uint16_t element, const char *vr, const char *value)
{
    size_t n = strlen(value), padded = n + (n & 1);

    buf_add_le16(b, 8);
    buf_add_le16(b, element);
    if (is_explicit) {
        buf_add_text(b, vr);
        buf_add_le16(b, (uint16_t)padded);
    } else {
        buf_add_le32(b, (uint32_t)padded);
    }
    buf_add(b, value, n);
    if (n & 1)
        buf_add(b, "", 1);
}

static void
make_head(struct buf *b, bool is_explicit, const char *sop_class, const char *sop_instance)
{
    buf_init(b, 4096);
    add_element(b, is_explicit, 0x0005, "CS", "GB18030");
    add_element(b, is_explicit, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
    if (sop_class)
        add_element(b, is_explicit, 0x0016, "UI", sop_class);
    if (sop_instance)
        add_element(b, is_explicit, 0x0018, "UI", sop_instance);
    add_element(b, is_explicit, 0x0020, "DA", "20260102");
}

struct row {
    const char *name;
    const char *syntax, *command_class, *command_instance;
    const char *set_class, *set_instance; /* NULL: not there */
    uint16_t wanted;
    const char *kept_class, *kept_instance;
};

static const struct row rows[] = {
    {"all agree", DCM_UID_EXPLICIT_LE, CT, "1.2.3", CT, "1.2.3", 0, CT, "1.2.3"},
    {"all agree, implicit", DCM_UID_IMPLICIT_LE, CT, "1.2.3", CT, "1.2.3", 0, CT, "1.2.3"},
    {"the data set tells nothing", DCM_UID_EXPLICIT_LE, CT, "1.2.3", NULL, NULL, 0, CT, "1.2.3"},
    {"no class in the command", DCM_UID_EXPLICIT_LE, "", "1.2.3", CT, "1.2.3", 0, CT, "1.2.3"},
    {"no class at all: what was agreed on", DCM_UID_EXPLICIT_LE, "", "1.2.3", NULL, NULL, 0, CT,
     "1.2.3"},
    {"no instance in the command", DCM_UID_EXPLICIT_LE, CT, "", CT, "1.2.3", 0, CT, "1.2.3"},
    {"no instance in the command, implicit", DCM_UID_IMPLICIT_LE, CT, "", CT, "1.2.3", 0, CT,
     "1.2.3"},
    {"no instance at all", DCM_UID_EXPLICIT_LE, CT, "", CT, NULL, 0xC000, NULL, NULL},
    {"an instance that is no UID", DCM_UID_EXPLICIT_LE, CT, "", CT, "../../x", 0xC000, NULL, NULL},
    {"another instance", DCM_UID_EXPLICIT_LE, CT, "1.2.3", CT, "1.2.4", 0xA900, NULL, NULL},
    {"another class", DCM_UID_EXPLICIT_LE, CT, "1.2.3", SC, "1.2.3", 0xA900, NULL, NULL},
    {"another class, implicit", DCM_UID_IMPLICIT_LE, CT, "1.2.3", SC, "1.2.3", 0xA900, NULL, NULL},
    {"not the context's class, but true", DCM_UID_EXPLICIT_LE, SC, "1.2.3", SC, "1.2.3", 0, SC,
     "1.2.3"},
    {"not the context's class, unproved", DCM_UID_EXPLICIT_LE, SC, "1.2.3", NULL, "1.2.3", 0xA900,
     NULL, NULL},
    {"a data set's UID that is none", DCM_UID_EXPLICIT_LE, CT, "1.2.3", CT, "1.2.x", 0, CT,
     "1.2.3"},
    {"deflated: not looked into", DEFLATED, CT, "1.2.3", SC, "1.2.4", 0, CT, "1.2.3"},
    {"big endian written little: unreadable", BIG, CT, "1.2.3", SC, "1.2.4", 0, CT, "1.2.3"},
    {"a syntax of tomorrow is explicit little endian", NEWEST, CT, "1.2.3", CT, "1.2.4", 0xA900,
     NULL, NULL},
};

static uint16_t
judge_row(const struct row *row, struct spool_meta *meta)
{
    struct buf head;
    struct err why = {0};
    uint16_t status;

    make_head(&head, strcmp(row->syntax, DCM_UID_IMPLICIT_LE) != 0, row->set_class,
              row->set_instance);
    text_copy(meta->transfer_syntax, sizeof meta->transfer_syntax, row->syntax);
    text_copy(meta->sop_class, sizeof meta->sop_class, row->command_class);
    text_copy(meta->sop_instance, sizeof meta->sop_instance, row->command_instance);
    status = judge_instance(CT, head.bytes, head.n, meta, &why);
    assert_true((status == 0) == (why.kind == ERR_NONE));
    buf_fini(&head);
    return status;
}

static void
only_what_contradicts_or_has_no_name_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spool_meta meta = {.association = 0};
        uint16_t status = judge_row(&rows[i], &meta);

        if (status != rows[i].wanted)
            fail_msg("%s: wanted %04X, got %04X", rows[i].name, rows[i].wanted, status);
        if (status != 0)
            continue;
        if (strcmp(meta.sop_class, rows[i].kept_class) != 0 ||
            strcmp(meta.sop_instance, rows[i].kept_instance) != 0)
            fail_msg("%s: kept as %s %s", rows[i].name, meta.sop_class, meta.sop_instance);
    }
}

/* It is looked at in spite of what stands before it. */
static void
group_0002_before_a_data_set_hides_no_contradiction(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ODD_SENDERS; i++) {
        bool is_explicit = i % 2 == 0;
        const char *syntax = is_explicit ? DCM_UID_EXPLICIT_LE : DCM_UID_IMPLICIT_LE;
        struct spool_meta meta = {.sop_class = CT}, other = {.sop_class = CT};
        struct buf head;
        struct err why = {0};

        text_copy(meta.transfer_syntax, sizeof meta.transfer_syntax, syntax);
        text_copy(other.transfer_syntax, sizeof other.transfer_syntax, syntax);
        text_copy(other.sop_instance, sizeof other.sop_instance, "1.2.4");
        make_head(&head, is_explicit, CT, "1.2.3");
        odd_sender_sends(&odd_senders[i / 2], &head, 0);

        assert_int_equal(judge_instance(CT, head.bytes, head.n, &meta, &why), DIMSE_SUCCESS);
        assert_string_equal(meta.sop_instance, "1.2.3");
        assert_int_equal(judge_instance(CT, head.bytes, head.n, &other, &why), DIMSE_CLASS_DIFFERS);
        buf_fini(&head);
    }
}

static void
empty_data_set_is_not_understood(void **state)
{
    struct spool_meta meta = {.sop_class = CT, .sop_instance = "1.2.3"};
    struct err why = {0};

    (void)state;
    assert_int_equal(judge_instance(CT, NULL, 0, &meta, &why), DIMSE_CANNOT_UNDERSTAND);
}

/* The head may be cut anywhere: never a refusal of what the whole would be taken for. */
static void
cut_head_refuses_nothing_that_is_true(void **state)
{
    struct buf head;

    (void)state;
    make_head(&head, true, CT, "1.2.840.113619.2.1");
    for (size_t n = 1; n <= head.n; n++) {
        struct spool_meta meta = {.sop_class = CT,
                                  .sop_instance = "1.2.840.113619.2.1",
                                  .transfer_syntax = DCM_UID_EXPLICIT_LE};
        struct err why = {0};
        uint8_t *exact = malloc(n);

        memcpy(exact, head.bytes, n);
        if (judge_instance(CT, exact, n, &meta, &why) != DIMSE_SUCCESS)
            fail_msg("cut after %zu: %s", n, why.text);
        free(exact);
    }
    buf_fini(&head);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_contradicts_or_has_no_name_is_refused),
        cmocka_unit_test(group_0002_before_a_data_set_hides_no_contradiction),
        cmocka_unit_test(empty_data_set_is_not_understood),
        cmocka_unit_test(cut_head_refuses_nothing_that_is_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
