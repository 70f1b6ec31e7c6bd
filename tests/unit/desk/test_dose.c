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
    struct dose dose;
    struct buf set;
    struct err err;

    (void)state;
    buf_init(&set, 65536);
    a_report(&set);
    assert_int_equal(dose_read_report(set.bytes, set.n, DCM_EXPLICIT_LE, &dose, &err), 0);
    assert_true(dose.value[DOSE_DLP] > 512.4 && dose.value[DOSE_DLP] < 512.6);
    assert_true(dose.value[DOSE_DAP] > 200.9 && dose.value[DOSE_DAP] < 201.1);
    assert_true(dose.value[DOSE_CTDI] > 20.4 && dose.value[DOSE_CTDI] < 20.6);
    assert_false(dose.has[DOSE_REFERENCE]);
    assert_int_equal(dose_read_report(set.bytes, set.n - 3, DCM_EXPLICIT_LE, &dose, &err), -1);
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
        cmocka_unit_test_setup_teardown(arrivals_are_counted_and_their_dose_is_kept,
                                        book_world_open, book_world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
