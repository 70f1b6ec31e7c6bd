/* test_dimse_retrieve.c - what retrievals and queries share: unique keys, gathered answers, and
 * instances sent one by one to a receiver, counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/base/text.h"
#include "proto/dicom/dimse_answers.h"
#include "proto/dicom/dimse_retrieve.h"
#include "proto/dicom/dimse_send.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/dimse_receiver.h"

static char matched[512];

static int
note_match(struct dimse_retrieval *r, const char *study, const char *series,
           const char *sop_instance, struct err *err)
{
    size_t n = strlen(matched);

    (void)r;
    (void)err;
    snprintf(matched + n, sizeof matched - n, "%s/%s/%s ", study, series ? series : "-",
             sop_instance ? sop_instance : "-");
    return 0;
}

static void
unique_keys_fit_their_level_or_are_refused(void **state)
{
    static const struct {
        const char *name;
        enum dimse_level level;
        const char *study, *series, *instance, *wanted; /* NULL: refused */
    } rows[] = {
        {"studies", DIMSE_STUDY, "1.1\\1.2", "", "", "1.1/-/- 1.2/-/- "},
        {"no study", DIMSE_STUDY, "", "", "", NULL},
        {"wild card", DIMSE_STUDY, "1.*", "", "", NULL},
        {"series", DIMSE_SERIES, "1.1", "2.1\\2.2", "", "1.1/2.1/- 1.1/2.2/- "},
        {"series of two studies", DIMSE_SERIES, "1.1\\1.2", "2.1", "", NULL},
        {"no series", DIMSE_SERIES, "1.1", "", "", NULL},
        {"images", DIMSE_IMAGE, "1.1", "2.1", "3.1\\3.2", "1.1/2.1/3.1 1.1/2.1/3.2 "},
        {"images of two series", DIMSE_IMAGE, "1.1", "2.1\\2.2", "3.1", NULL},
        {"no image", DIMSE_IMAGE, "1.1", "2.1", "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dimse_identifier id = {.level = rows[i].level, .n = 3};
        struct dimse_retrieval r;
        struct err err = {0};

        print_message("%s\n", rows[i].name);
        id.keys[0] = (struct dimse_key){TAG_STUDY_UID, mem_text(rows[i].study), false};
        id.keys[1] = (struct dimse_key){TAG_SERIES_UID, mem_text(rows[i].series), false};
        id.keys[2] = (struct dimse_key){TAG_SOP_INSTANCE, mem_text(rows[i].instance), false};
        matched[0] = '\0';
        dimse_retrieval_init(&r);
        assert_int_equal(dimse_retrieval_settle(&r, &id, note_match, &err),
                         rows[i].wanted != NULL ? 0 : -1);
        assert_string_equal(matched, rows[i].wanted != NULL ? rows[i].wanted : "");
        dimse_retrieval_fini(&r);
        dimse_identifier_fini(&id);
    }
}

static void
answers_are_gathered_with_their_lengths(void **state)
{
    struct dimse_answers answers;
    struct dcm_writer w;

    (void)state;
    dimse_answers_init(&answers, DCM_IMPLICIT_LE);
    for (int i = 0; i < 2; i++) {
        dimse_answers_begin(&answers, &w);
        dcm_write_text(&w, TAG_PATIENT_ID, "LO", i == 0 ? "P1" : "P234");
        assert_true(dimse_answers_end(&answers));
    }
    assert_int_equal(answers.count, 2);
    assert_false(dimse_answers_is_over(&answers));
    assert_int_equal(le32_read(answers.bytes.bytes), 10);
    assert_int_equal(le32_read(answers.bytes.bytes + 14), 12);
    dimse_answers_fini(&answers);
}

/* ---- sending ---- */

static unsigned told_not_sent;

static int
open_sample(void *user, const struct dimse_retrieved *m, const char *syntax,
            struct dimse_part10 *out, struct err *err)
{
    struct dcm_writer w;
    struct buf file;

    (void)user;
    if (m->number == 0)
        return err_set(err, ERR_NOT_FOUND, "it is gone");
    buf_init(&file, 65536);
    buf_add_text(&file, "...."); /* what is before it is not sent */
    assert_int_equal(part10_head(&file, m->sop_class, m->sop_instance, syntax, "US", err), 0);
    dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080018, "UI", m->sop_instance);
    out->fd = memfd_create("sample", MFD_CLOEXEC);
    out->at = 4;
    out->end = file.n;
    assert_int_equal(write(out->fd, file.bytes, file.n), file.n);
    buf_fini(&file);
    return 0;
}

static void
note_not_sent(void *user, const struct dimse_retrieved *m, const struct err *why)
{
    (void)user;
    (void)why;
    told_not_sent += m != NULL;
}

static struct dimse_assoc *
connect_to_receiver(void)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposal = {DCM_UID_CT_IMAGE, plain, 1, false};
    struct dimse_connect_options o = {.host = "127.0.0.1",
                                      .port = (uint16_t)strtoul(dimse_receiver_port(), NULL, 10),
                                      .calling = "US",
                                      .called = "ANY"};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    if (dimse_connect(&o, &proposal, 1, &assoc, &err) < 0)
        fail_msg("%s", err.text);
    return assoc;
}

static void
instance_is_sent_where_it_is_taken_and_counted_where_not(void **state)
{
    static const struct {
        const char *name, *sop_class, *syntax;
        uint64_t number;
        enum dimse_sent wanted;
    } rows[] = {
        {"as stored", DCM_UID_CT_IMAGE, DCM_UID_EXPLICIT_LE, 1, DIMSE_SENT},
        {"decoded", DCM_UID_CT_IMAGE, DCM_UID_J2K_LOSSLESS, 1, DIMSE_SENT},
        {"gone", DCM_UID_CT_IMAGE, DCM_UID_EXPLICIT_LE, 0, DIMSE_SENT_FAILED},
        {"class not taken", DCM_UID_SECONDARY_CAPTURE, DCM_UID_EXPLICIT_LE, 1, DIMSE_SENT_FAILED},
    };
    struct dimse_retrieval r;
    struct dimse_sub sub = {.message_id = 0};
    struct err err = {0};

    (void)state;
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    dimse_retrieval_init(&r);
    r.open = open_sample;
    r.not_sent = note_not_sent;
    sub.to = connect_to_receiver();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dimse_retrieved m = {.number = rows[i].number};
        enum dimse_sent sent = DIMSE_SENT_WARNING;

        print_message("%s\n", rows[i].name);
        text_copy(m.sop_class, sizeof m.sop_class, rows[i].sop_class);
        text_copy(m.transfer_syntax, sizeof m.transfer_syntax, rows[i].syntax);
        snprintf(m.sop_instance, sizeof m.sop_instance, "1.2.%zu", i + 1);
        assert_int_equal(dimse_send_instance(&r, &sub, &m, &sent, &err), 0);
        assert_int_equal(sent, rows[i].wanted);
    }
    assert_int_equal(dimse_receiver.stored, 2);
    assert_string_equal(dimse_receiver.instance, "1.2.2");
    assert_int_equal(told_not_sent, 2);
    assert_int_equal(dimse_receiver.last.n, 8 + 6);
    assert_int_equal(dimse_release(&sub.to, &err), 0);
    dimse_retrieval_fini(&r);
    dimse_receiver_stop();
}

/* The sample says no study and no series: those it is asked for by are put in. */
static void
instance_is_sent_under_the_numbers_it_is_asked_for_by(void **state)
{
    struct dimse_retrieved m = {.study = "2.25.17",
                                .series = "2.25.18",
                                .sop_instance = "1.2.1",
                                .sop_class = DCM_UID_CT_IMAGE,
                                .transfer_syntax = DCM_UID_EXPLICIT_LE,
                                .number = 1};
    struct dimse_sub sub = {.message_id = 0};
    enum dimse_sent sent = DIMSE_SENT_FAILED;
    struct dimse_retrieval r;
    struct err err = {0};

    (void)state;
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    dimse_retrieval_init(&r);
    r.open = open_sample;
    r.not_sent = note_not_sent;
    sub.to = connect_to_receiver();
    assert_int_equal(dimse_send_instance(&r, &sub, &m, &sent, &err), 0);
    assert_int_equal(sent, DIMSE_SENT);
    assert_memory_equal(dimse_receiver.last.bytes + 8 + 6,
                        "\x20\0\x0d\0UI\x08\0"
                        "2.25.17\0"
                        "\x20\0\x0e\0UI\x08\0"
                        "2.25.18\0",
                        32);
    assert_int_equal(dimse_release(&sub.to, &err), 0);
    dimse_retrieval_fini(&r);
    dimse_receiver_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unique_keys_fit_their_level_or_are_refused),
        cmocka_unit_test(answers_are_gathered_with_their_lengths),
        cmocka_unit_test(instance_is_sent_where_it_is_taken_and_counted_where_not),
        cmocka_unit_test(instance_is_sent_under_the_numbers_it_is_asked_for_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
