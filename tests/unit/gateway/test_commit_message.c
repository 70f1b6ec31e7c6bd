/* test_commit_message.c - data sets and files of Storage Commitment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/serve/commit_file.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/write.h"

#define TRANSACTION "2.25.77"

struct item {
    const char *sop_class, *sop_instance;
};

static void
write_ask(struct buf *out, enum dcm_coding coding, const char *transaction,
          const struct item *items, size_t n)
{
    struct dcm_writer w;

    dcm_write_init(&w, out, coding);
    if (transaction != NULL)
        dcm_write_text(&w, 0x00081195, "UI", transaction);
    dcm_write_sequence_begin(&w, 0x00081199);
    for (size_t i = 0; i < n; i++) {
        dcm_write_item_begin(&w);
        if (items[i].sop_class != NULL)
            dcm_write_text(&w, 0x00081150, "UI", items[i].sop_class);
        if (items[i].sop_instance != NULL)
            dcm_write_text(&w, 0x00081155, "UI", items[i].sop_instance);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
}

static void
request_is_read_in_both_codings_and_each_instance_once(void **state)
{
    static const enum dcm_coding codings[] = {DCM_IMPLICIT_LE, DCM_EXPLICIT_LE};
    static const struct item items[] = {
        {DCM_UID_CT_IMAGE, "1.2.9"}, {DCM_UID_CT_IMAGE, "1.2.8"}, {DCM_UID_CT_IMAGE, "1.2.9"}};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(codings); c++) {
        struct commit_ask ask;
        struct err err = {0};
        uint16_t status;
        struct buf b;

        buf_init(&b, 65536);
        write_ask(&b, codings[c], TRANSACTION, items, ARRAY_LEN(items));

        assert_int_equal(commit_ask_read(b.bytes, b.n, codings[c], &ask, &status, &err), 0);
        assert_string_equal(ask.transaction, TRANSACTION);
        assert_int_equal(ask.n, 2);
        assert_string_equal(ask.refs[0].sop_instance, "1.2.8");
        assert_string_equal(ask.refs[1].sop_class, DCM_UID_CT_IMAGE);
        assert_int_equal(ask.refs[0].verdict, COMMIT_UNDECIDED);
        commit_ask_fini(&ask);
        buf_fini(&b);
    }
}

static void
what_asks_for_nothing_certain_is_refused(void **state)
{
    static const struct {
        const char *name, *transaction;
        struct item items[2];
        size_t n;
        uint16_t wanted;
    } rows[] = {
        {"no transaction", NULL, {{DCM_UID_CT_IMAGE, "1.2"}}, 1, DIMSE_MISSING_ATTRIBUTE},
        {"transaction is no UID", "x", {{DCM_UID_CT_IMAGE, "1.2"}}, 1, DIMSE_MISSING_ATTRIBUTE},
        {"no instance", TRANSACTION, {{NULL, NULL}}, 0, DIMSE_MISSING_ATTRIBUTE},
        {"no class", TRANSACTION, {{NULL, "1.2"}}, 1, DIMSE_INVALID_ARGUMENT},
        {"instance is a path",
         TRANSACTION,
         {{DCM_UID_CT_IMAGE, "../x"}},
         1,
         DIMSE_INVALID_ARGUMENT},
        {"two classes of one instance",
         TRANSACTION,
         {{DCM_UID_CT_IMAGE, "1.2"}, {DCM_UID_SECONDARY_CAPTURE, "1.2"}},
         2,
         DIMSE_INVALID_ARGUMENT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct commit_ask ask;
        struct err err = {0};
        uint16_t status = 0;
        struct buf b;

        print_message("%s\n", rows[i].name);
        buf_init(&b, 65536);
        write_ask(&b, DCM_EXPLICIT_LE, rows[i].transaction, rows[i].items, rows[i].n);
        assert_int_equal(commit_ask_read(b.bytes, b.n, DCM_EXPLICIT_LE, &ask, &status, &err), -1);
        assert_int_equal(status, rows[i].wanted);
        buf_fini(&b);
    }
}

/* No cut of a request is read past its end (watched by the sanitizer). */
static void
cut_request_is_refused(void **state)
{
    static const struct item items[] = {{DCM_UID_CT_IMAGE, "1.2.9"}};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    write_ask(&b, DCM_EXPLICIT_LE, TRANSACTION, items, 1);
    for (size_t cut = 0; cut < b.n; cut++) {
        uint8_t *exact = malloc(cut + 1);
        struct commit_ask ask = {.n = 0};
        struct err err = {0};
        uint16_t status;

        memcpy(exact, b.bytes, cut);
        assert_int_equal(commit_ask_read(exact, cut, DCM_EXPLICIT_LE, &ask, &status, &err), -1);
        free(exact);
    }
    buf_fini(&b);
}

static void
event_names_failures_with_their_reasons(void **state)
{
    struct commit_ref refs[] = {{DCM_UID_CT_IMAGE, "1.2.8", DIMSE_SUCCESS},
                                {DCM_UID_CT_IMAGE, "1.2.9", DIMSE_NO_SUCH_INSTANCE}};
    struct commit_ask ask;
    struct err err = {0};
    uint16_t status;
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    assert_int_equal(commit_event_write(&b, DCM_IMPLICIT_LE, TRANSACTION, refs, 2),
                     COMMIT_EVENT_FAILURES);
    assert_int_equal(commit_ask_read(b.bytes, b.n, DCM_IMPLICIT_LE, &ask, &status, &err), 0);
    assert_int_equal(ask.n, 1); /* Referenced SOP Sequence: the good one alone */
    assert_string_equal(ask.refs[0].sop_instance, "1.2.8");
    commit_ask_fini(&ask);
    assert_non_null(memmem(b.bytes, b.n, "\x08\x00\x97\x11\x02\x00\x00\x00\x12\x01", 10));
    buf_clear(&b);
    refs[1].verdict = DIMSE_SUCCESS;
    assert_int_equal(commit_event_write(&b, DCM_IMPLICIT_LE, TRANSACTION, refs, 2),
                     COMMIT_EVENT_SUCCESS);
    assert_null(memmem(b.bytes, b.n, "\x08\x00\x98\x11", 4));
    buf_fini(&b);
}

static struct commit *
sample(void)
{
    struct commit *c = mem_new(sizeof *c);

    c->number = 0x1234567890;
    c->state = COMMIT_DECIDED;
    text_copy(c->transaction, sizeof c->transaction, TRANSACTION);
    text_copy(c->ae, sizeof c->ae, "CT ONE");
    text_copy(c->address, sizeof c->address, "127.0.0.1");
    text_copy(c->called, sizeof c->called, "RADPOST");
    text_copy(c->trouble, sizeof c->trouble, "no answer");
    c->asked_at_us = -5;
    c->grace_used_ms = 7;
    c->tried_ms = 8;
    c->attempts = 9;
    c->n = 2;
    c->refs = mem_new(2 * sizeof c->refs[0]);
    for (size_t i = 0; i < 2; i++) {
        text_copy(c->refs[i].sop_class, 65, DCM_UID_CT_IMAGE);
        text_copy(c->refs[i].sop_instance, 65, i == 0 ? "1.2" : "1.3");
        c->refs[i].verdict = i == 0 ? DIMSE_SUCCESS : DIMSE_CLASS_CONFLICT;
    }
    return c;
}

static void
file_written_is_file_read(void **state)
{
    struct commit *c = sample(), *read = NULL;
    struct err err = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    commit_write(c, &b);
    assert_int_equal(commit_read(b.bytes, b.n, &read, &err), 0);

    assert_int_equal(read->number, c->number);
    assert_int_equal(read->state, COMMIT_DECIDED);
    assert_string_equal(read->transaction, TRANSACTION);
    assert_string_equal(read->ae, "CT ONE");
    assert_string_equal(read->trouble, "no answer");
    assert_int_equal(read->asked_at_us, -5);
    assert_int_equal(read->tried_ms, 8);
    assert_int_equal(read->attempts, 9);
    assert_int_equal(read->n, 2);
    assert_string_equal(read->refs[1].sop_instance, "1.3");
    assert_int_equal(read->refs[1].verdict, DIMSE_CLASS_CONFLICT);
    commit_free(&read);
    commit_free(&c);
    buf_fini(&b);
}

static void
file_that_is_torn_rotten_or_newer_is_refused(void **state)
{
    struct commit *c = sample(), *read = NULL;
    struct err err = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 65536);
    commit_write(c, &b);
    for (size_t cut = 0; cut < b.n; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, b.bytes, cut);
        assert_int_equal(commit_read(exact, cut, &read, &err), -1);
        free(exact);
    }
    for (size_t at = 0; at < b.n; at++) {
        b.bytes[at] ^= 0x10;
        assert_int_equal(commit_read(b.bytes, b.n, &read, &err), -1);
        assert_int_equal(err.kind, at == 4 ? ERR_CONFLICT : ERR_REJECT);
        b.bytes[at] ^= 0x10;
    }
    commit_free(&c);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_read_in_both_codings_and_each_instance_once),
        cmocka_unit_test(what_asks_for_nothing_certain_is_refused),
        cmocka_unit_test(cut_request_is_refused),
        cmocka_unit_test(event_names_failures_with_their_reasons),
        cmocka_unit_test(file_written_is_file_read),
        cmocka_unit_test(file_that_is_torn_rotten_or_newer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
