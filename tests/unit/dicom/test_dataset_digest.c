/* test_dataset_digest.c - which attributes the digest of the rest leaves out, and which not. The
 * digests themselves are judged against another program in tests/scenario/digests_agree.test. */
#include "proto/dicom/dataset_digest.h"

#include "proto/base/limits.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"

struct said {
    const char *charset, *date, *accession, *name, *id, *sex, *study, *series, *sop, *order;
    const char *comment;
};

static const struct said first = {.charset = NULL,
                                  .date = "20261122",
                                  .accession = "R1",
                                  .name = "A^A",
                                  .id = "1",
                                  .sex = "F",
                                  .study = "1.2.3",
                                  .series = "1.2.3.4",
                                  .sop = "1.2.3.4.5",
                                  .order = "R1",
                                  .comment = "x"};

static void
digests_of(const struct said *said, uint8_t dataset[32], uint8_t rest[32])
{
    struct dcm_writer w;
    struct buf file;
    struct err err;

    buf_init(&file, 1 << 16);
    assert_int_equal(part10_head(&file, CT_IMAGE, said->sop, DCM_UID_EXPLICIT_LE, NULL, &err), 0);
    dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
    if (said->charset != NULL)
        dcm_write_text(&w, 0x00080005, NULL, said->charset);
    dcm_write_text(&w, 0x00080016, NULL, CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, said->sop);
    dcm_write_text(&w, 0x00080020, NULL, said->date);
    dcm_write_text(&w, 0x00080050, NULL, said->accession);
    dcm_write_text(&w, 0x00100010, NULL, said->name);
    dcm_write_text(&w, 0x00100020, NULL, said->id);
    dcm_write_text(&w, 0x00100040, NULL, said->sex);
    dcm_write_text(&w, 0x0020000D, NULL, said->study);
    dcm_write_text(&w, 0x0020000E, NULL, said->series);
    dcm_write_text(&w, 0x00204000, NULL, said->comment);
    dcm_write_sequence_begin(&w, 0x00400275);
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x00401001, NULL, said->order);
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    assert_false(buf_is_over(&file));
    assert_int_equal(dcm_dataset_digest(file.bytes, file.n, dataset, &err), 0);
    assert_int_equal(dcm_rest_digest(file.bytes, file.n, rest, &err), 0);
    buf_fini(&file);
}

static void
a_correction_of_patient_or_study_leaves_the_rest_as_it_is(void **state)
{
    struct said rows[] = {first, first, first, first, first, first, first, first};
    const char *names[] = {"name", "id", "sex", "study", "date", "accession", "order", "charset"};
    uint8_t dataset[32], rest[32], other_dataset[32], other_rest[32];

    (void)state;
    rows[0].name = "B^B";
    rows[1].id = "2";
    rows[2].sex = "M";
    rows[3].study = "1.2.9";
    rows[4].date = "20261121";
    rows[5].accession = "R2";
    rows[6].order = "R2";
    rows[7].charset = "GB18030";
    digests_of(&first, dataset, rest);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        digests_of(&rows[i], other_dataset, other_rest);
        if (memcmp(dataset, other_dataset, 32) == 0)
            fail_msg("%s: the data set's digest does not tell", names[i]);
        if (memcmp(rest, other_rest, 32) != 0)
            fail_msg("%s: the rest's digest tells", names[i]);
    }
}

static void
anything_else_is_of_the_rest(void **state)
{
    struct said rows[] = {first, first, first};
    const char *names[] = {"series", "instance", "comment"};
    uint8_t dataset[32], rest[32], other_dataset[32], other_rest[32];

    (void)state;
    rows[0].series = "1.2.3.9";
    rows[1].sop = "1.2.3.4.9";
    rows[2].comment = "y";
    digests_of(&first, dataset, rest);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        digests_of(&rows[i], other_dataset, other_rest);
        if (memcmp(rest, other_rest, 32) == 0)
            fail_msg("%s: the rest's digest does not tell", names[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_correction_of_patient_or_study_leaves_the_rest_as_it_is),
        cmocka_unit_test(anything_else_is_of_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
