/* test_dose.c - dose reports in our units, and what of a study's dose is kept as its objects come.
 */
#include "gateway/desk/dose_read.h"

#include "gateway/desk/arrivals.h"
#include "gateway/desk/mpps.h"
#include "gateway/spool/spool.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
number(struct dcm_writer *w, const char *code, const char *value, const char *unit)
{
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x0040A040, "CS", "NUM");
    dcm_write_sequence_begin(w, 0x0040A043);
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x00080100, "SH", code);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
    dcm_write_sequence_begin(w, 0x0040A300);
    dcm_write_item_begin(w);
    dcm_write_sequence_begin(w, 0x004008EA);
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x00080100, "SH", unit);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
    dcm_write_text(w, 0x0040A30A, "DS", value);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
    dcm_write_item_end(w);
}

static void
a_report(struct buf *out)
{
    struct dcm_writer w;

    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.67");
    dcm_write_text(&w, 0x0020000D, "UI", "1.2.9");
    dcm_write_sequence_begin(&w, 0x0040A730);
    dcm_write_item_begin(&w); /* accumulated */
    dcm_write_text(&w, 0x0040A040, "CS", "CONTAINER");
    dcm_write_sequence_begin(&w, 0x0040A730);
    number(&w, "113813", "512.5 ", "mGy.cm");
    number(&w, "113722", "0.00002", "Gy.m2");
    number(&w, "113722", "1", "mGy.cm2");
    number(&w, "113725", "-4", "mGy");
    number(&w, "113725", "nan", "mGy");
    dcm_write_sequence_end(&w);
    dcm_write_item_end(&w);
    number(&w, "113830", "12.5", "mGy");
    number(&w, "113830", "20.5", "mGy");
    dcm_write_sequence_end(&w);
}

static void
a_dose_report_gives_its_totals_in_our_units(void **state)
{
    struct dose_report report;
    struct dose dose;
    struct buf set;
    struct err err;

    (void)state;
    buf_init(&set, 65536);
    a_report(&set);
    assert_int_equal(dose_read_report(set.bytes, set.n, DCM_EXPLICIT_LE, &report, &err), 0);
    dose = report.dose;
    dose_report_fini(&report);
    assert_true(dose.value[DOSE_DLP] > 512.4 && dose.value[DOSE_DLP] < 512.6);
    assert_true(dose.value[DOSE_DAP] > 200.9 && dose.value[DOSE_DAP] < 201.1);
    assert_true(dose.value[DOSE_CTDI] > 20.4 && dose.value[DOSE_CTDI] < 20.6);
    assert_false(dose.has[DOSE_REFERENCE]);
    assert_int_equal(dose_read_report(set.bytes, set.n - 3, DCM_EXPLICIT_LE, &report, &err), -1);
    buf_fini(&set);
}

/* Whose maker stands there again and again: it was written on behind the end of its room. */
static void
of_a_report_with_one_tag_over_and_over_the_device_ends_where_its_room_does(void **state)
{
    static const uint8_t head[] = {0x08, 0, 0x70, 0, 'L', 'O', 64, 0};
    struct dose_report report;
    struct buf set;
    struct err err;

    (void)state;
    buf_init(&set, 65536);
    for (int i = 0; i < 40; i++) {
        buf_add(&set, head, sizeof head);
        for (int k = 0; k < 64; k++)
            buf_add(&set, "M", 1);
    }

    assert_int_equal(dose_read_report(set.bytes, set.n, DCM_EXPLICIT_LE, &report, &err), 0);

    assert_int_equal(strlen(report.device), sizeof report.device - 1);
    assert_null(report.parts);
    dose_report_fini(&report);
    buf_fini(&set);
}

struct said {
    const char *uid, *time, *serial;
    bool is_of_study;
    const char *events; /* last parts of their UIDs, blanks between */
    const char *follows;
    const char *dap; /* mGy.cm2 */
};

static void
coded(struct dcm_writer *w, uint32_t sequence, const char *code)
{
    dcm_write_sequence_begin(w, sequence);
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x00080100, "SH", code);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
}

static void
an_event(struct dcm_writer *w, const char *end, size_t n)
{
    char uid[65];

    snprintf(uid, sizeof uid, "1.2.77.%.*s", (int)n, end);
    dcm_write_item_begin(w); /* container of the event, as TID 10003 has it */
    dcm_write_text(w, 0x0040A040, "CS", "CONTAINER");
    dcm_write_sequence_begin(w, 0x0040A730);
    dcm_write_item_begin(w);
    dcm_write_text(w, 0x0040A040, "CS", "UIDREF");
    coded(w, 0x0040A043, "113769");
    dcm_write_text(w, 0x0040A124, "UI", uid);
    dcm_write_item_end(w);
    dcm_write_sequence_end(w);
    dcm_write_item_end(w);
}

static void
says(const struct said *said, struct buf *out)
{
    struct dcm_writer w;

    buf_clear(out);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.67");
    dcm_write_text(&w, 0x00080023, "DA", "20261123");
    dcm_write_text(&w, 0x00080033, "TM", said->time);
    dcm_write_text(&w, 0x00181000, "LO", said->serial);
    dcm_write_text(&w, 0x0020000D, "UI", "1.2.9");
    if (said->follows[0] != '\0') {
        dcm_write_sequence_begin(&w, 0x0040A360);
        dcm_write_item_begin(&w);
        dcm_write_sequence_begin(&w, 0x00081115);
        dcm_write_item_begin(&w);
        dcm_write_sequence_begin(&w, 0x00081199);
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00081155, "UI", said->follows);
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
    }
    dcm_write_sequence_begin(&w, 0x0040A730);
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x0040A040, "CS", "CODE");
    coded(&w, 0x0040A043, "113705");
    coded(&w, 0x0040A168, said->is_of_study ? "113014" : "113016");
    dcm_write_item_end(&w);
    number(&w, "113722", said->dap, "mGy.cm2");
    for (const char *p = said->events; *p != '\0'; p += strcspn(p, " "), p += *p == ' ')
        an_event(&w, p, strcspn(p, " "));
    dcm_write_sequence_end(&w);
}

/* What is cut off would make it hold, or be held by, what it is not. */
static void
a_report_of_more_events_than_are_kept_tells_of_none(void **state)
{
    struct said said = {"1.1", "0800", "X", false, NULL, "", "10"};
    struct dose_report report;
    struct buf set, events;
    struct err err;

    (void)state;
    buf_init(&set, 16 << 20);
    buf_init(&events, 65536);
    for (int i = 0; i <= DOSE_PARTS_MAX; i++)
        buf_add(&events, "1 ", 2);
    buf_add(&events, "2", 2);
    said.events = buf_text(&events);
    says(&said, &set);

    assert_int_equal(dose_read_report(set.bytes, set.n, DCM_EXPLICIT_LE, &report, &err), 0);

    assert_int_equal(report.part_n, 0);
    assert_true(report.dose.has[DOSE_DAP]);
    dose_report_fini(&report);
    buf_fini(&events);
    buf_fini(&set);
}

#define DX1 "S1 "
#define STUDY true
#define STEP false
/* Three of one device, in the order they were made. */
#define FIRST(scope, events, dap)                                                                  \
    {                                                                                              \
        "1.1", "0800", DX1, scope, events, "", dap                                                 \
    }
#define SECOND(scope, events, dap)                                                                 \
    {                                                                                              \
        "1.2", "0900", DX1, scope, events, "", dap                                                 \
    }
#define THIRD(scope, events, dap)                                                                  \
    {                                                                                              \
        "1.3", "1000", DX1, scope, events, "", dap                                                 \
    }

static const struct {
    const char *name;
    struct said said[4]; /* in the order of arrival */
    double dap;
} held[] = {
    {"steps add", {FIRST(STEP, "", "10"), SECOND(STEP, "", "20")}, 30},
    {"totals so far",
     {FIRST(STUDY, "", "10"), SECOND(STUDY, "", "15"), THIRD(STUDY, "", "25")},
     25},
    {"totals so far, the earlier last", {SECOND(STUDY, "", "15"), FIRST(STUDY, "", "10")}, 15},
    {"of two devices", {FIRST(STUDY, "", "10"), {"1.2", "0900", "S2", STUDY, "", "", "15"}}, 25},
    {"by their events", {FIRST(STUDY, "1 2", "10"), SECOND(STUDY, "1 2 3", "15")}, 15},
    {"the study's events alone, not the earlier ones",
     {FIRST(STUDY, "1 2", "10"), SECOND(STUDY, "3", "15")},
     25},
    {"steps, then the study",
     {FIRST(STEP, "1", "10"), SECOND(STEP, "2 3", "15"), THIRD(STUDY, "1 2 3", "25")},
     25},
    {"the study, then one of its steps",
     {SECOND(STUDY, "1 2 3", "25"), THIRD(STEP, "2", "10")},
     25},
    {"the study, then a further step", {FIRST(STUDY, "", "25"), SECOND(STEP, "", "10")}, 35},
    {"made again", {FIRST(STEP, "1 2", "10"), SECOND(STEP, "1 2", "12")}, 12},
    {"made again, the earlier last", {SECOND(STEP, "1 2", "12"), FIRST(STEP, "1 2", "10")}, 12},
    {"follows", {FIRST(STEP, "1 2", "10"), {"1.2", "0900", DX1, STEP, "2", "1.1", "7"}}, 7},
    {"each follows the other",
     {{"1.1", "0800", DX1, STEP, "", "1.2", "10"}, {"1.2", "0900", DX1, STEP, "", "1.1", "7"}},
     7},
    {"the same twice",
     {FIRST(STUDY, "1", "10"), SECOND(STUDY, "1 2", "15"), FIRST(STUDY, "1", "10")},
     15},
};

static void
a_dose_report_that_holds_earlier_ones_stands_in_their_place(void **state)
{
    struct buf set;
    struct err err;

    buf_init(&set, 65536);
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        struct dose_study dose;

        assert_int_equal(book_world_open(state), 0);
        for (size_t k = 0; k < ARRAY_LEN(held[i].said) && held[i].said[k].uid != NULL; k++) {
            struct dose_report report;

            says(&held[i].said[k], &set);
            assert_int_equal(dose_read_report(set.bytes, set.n, DCM_EXPLICIT_LE, &report, &err), 0);
            assert_int_equal(dose_put_report(book, "1.2.9", held[i].said[k].uid, &report, &err), 0);
            dose_report_fini(&report);
        }
        assert_int_equal(dose_get(book, "1.2.9", &dose, &err), 0);
        if (dose.dose.value[DOSE_DAP] < held[i].dap - 0.01 ||
            dose.dose.value[DOSE_DAP] > held[i].dap + 0.01)
            fail_msg("%s: wanted %g, got %g", held[i].name, held[i].dap, dose.dose.value[DOSE_DAP]);
        assert_int_equal(book_world_close(state), 0);
    }
    buf_fini(&set);
}

static void
send_to_spool(struct spool *spool, const char *sop_class, const char *instance, struct buf *set)
{
    struct spool_meta meta = {.association = 0};
    struct spool_draft *draft = NULL;
    struct buf head;
    struct err err;
    uint64_t id;

    buf_init(&head, 4096);
    text_copy(meta.sop_class, sizeof meta.sop_class, sop_class);
    text_copy(meta.sop_instance, sizeof meta.sop_instance, instance);
    text_copy(meta.transfer_syntax, sizeof meta.transfer_syntax, DCM_UID_EXPLICIT_LE);
    assert_int_equal(part10_head(&head, sop_class, instance, DCM_UID_EXPLICIT_LE, NULL, &err), 0);
    assert_int_equal(spool_draft_begin(spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, head.bytes, head.n, &err), 0);
    assert_int_equal(spool_draft_write(draft, set->bytes, set->n, &err), 0);
    assert_int_equal(spool_commit(spool, &draft, &id, &err), 0);
    buf_fini(&head);
}

/* Images, then the report that is worth more than they are; what was announced and what came. */
static void
arrivals_are_counted_and_their_dose_is_kept(void **state)
{
    static const char instances[2][65] = {"1.2.3.1", "1.2.3.2"};
    struct spool_options so = {.keep_sealed_ms = -1};
    char dir[FOLDER_PATH_BYTES + 8];
    struct spool *spool = NULL;
    struct dose_study dose;
    uint32_t expected, missing;
    struct dcm_writer w;
    struct buf set;
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/spool", book_dir);
    assert_int_equal(spool_open(dir, &so, &spool, &err), 0);
    assert_int_equal(mpps_expect(book, "1.2.9", "1.2.8", instances, 2, &err), 0);
    buf_init(&set, 65536);
    dcm_write_init(&w, &set, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x0018115E, "DS", "0.5");
    dcm_write_text(&w, 0x0020000D, "UI", "1.2.9");
    send_to_spool(spool, "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.1", &set);
    send_to_spool(spool, "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.77", &set);
    assert_int_equal(arrivals_look(spool, book, &err), 0);
    assert_int_equal(arrivals_look(spool, book, &err), 0);

    assert_int_equal(mpps_expected(book, "1.2.9", &expected, &missing, &err), 0);
    assert_int_equal(missing, 1);
    assert_int_equal(dose_get(book, "1.2.9", &dose, &err), 0);
    assert_string_equal(dose.source, "image");
    assert_true(dose.dose.value[DOSE_DAP] > 99.9 && dose.dose.value[DOSE_DAP] < 100.1);

    buf_clear(&set);
    a_report(&set);
    send_to_spool(spool, "1.2.840.10008.5.1.4.1.1.88.67", "1.2.3.2", &set);
    assert_int_equal(arrivals_look(spool, book, &err), 0);
    assert_int_equal(mpps_expected(book, "1.2.9", &expected, &missing, &err), 0);
    assert_int_equal(missing, 0);
    assert_int_equal(dose_get(book, "1.2.9", &dose, &err), 0);
    assert_string_equal(dose.source, "rdsr");
    assert_true(dose.dose.value[DOSE_DAP] > 200.9 && dose.dose.value[DOSE_DAP] < 201.1);
    buf_fini(&set);
    spool_close(&spool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dose_report_gives_its_totals_in_our_units),
        cmocka_unit_test(
            of_a_report_with_one_tag_over_and_over_the_device_ends_where_its_room_does),
        cmocka_unit_test(a_report_of_more_events_than_are_kept_tells_of_none),
        cmocka_unit_test(a_dose_report_that_holds_earlier_ones_stands_in_their_place),
        cmocka_unit_test_setup_teardown(arrivals_are_counted_and_their_dose_is_kept,
                                        book_world_open, book_world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
