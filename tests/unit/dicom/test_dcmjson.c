/* test_dcmjson.c - DICOM JSON of a small object, byte for byte, and bulk values by their paths. */
#include "proto/dicom/dcmjson.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
make_file(struct buf *out)
{
    struct dcm_writer w;
    struct err err;

    assert_int_equal(
        part10_head(out, "1.2.840.10008.5.1.4.1.1.7", "1.2.3", DCM_UID_EXPLICIT_LE, NULL, &err), 0);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080005, NULL, "GB18030");
    dcm_write_text(&w, 0x00080018, NULL, "1.2.3");
    dcm_write_sequence_begin(&w, 0x00081110);
    dcm_write_sequence_end(&w);
    dcm_write_sequence_begin(&w, 0x00081140);
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x00081150, NULL, "1.2");
    dcm_write_item_end(&w);
    dcm_write_item_begin(&w);
    dcm_write_bytes(&w, 0x00091001, "OB", "abcd", 4);
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    dcm_write_text(&w, 0x00100010, NULL, "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB=");
    dcm_write_text(&w, 0x00200013, NULL, "7 ");
    dcm_write_u16(&w, 0x00280010, 1);
    dcm_write_text(&w, 0x00281050, NULL, "+40\\ .5\\");
    dcm_write_tag(&w, 0x00720052, 0x00100020);
    dcm_write_bytes(&w, 0x7FE00010, "OW", "\1\2", 2);
}

static void
the_model_is_written(void **state)
{
    static const char wanted[] =
        "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},"
        "\"00080018\":{\"vr\":\"UI\",\"Value\":[\"1.2.3\"]},"
        "\"00081110\":{\"vr\":\"SQ\"},"
        "\"00081140\":{\"vr\":\"SQ\",\"Value\":[{\"00081150\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]}},"
        "{\"00091001\":{\"vr\":\"OB\",\"BulkDataURI\":\"/b/00081140.2.00091001\"}}]},"
        "\"00083002\":{\"vr\":\"UI\",\"Value\":[\"1.2.840.10008.1.2.4.90\"]},"
        "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Wang^XiaoDong\","
        "\"Ideographic\":\"王^小东\"}]},"
        "\"00200013\":{\"vr\":\"IS\",\"Value\":[7]},"
        "\"00280010\":{\"vr\":\"US\",\"Value\":[1]},"
        "\"00281050\":{\"vr\":\"DS\",\"Value\":[40,0.5,null]},"
        "\"00720052\":{\"vr\":\"AT\",\"Value\":[\"00100020\"]},"
        "\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"/b/7FE00010\"}}";
    struct dcm_json_options options = {
        .bulk_prefix = "/b", .inline_bytes = 2, .transfer_syntax = "1.2.840.10008.1.2.4.90"};
    struct buf file, out;
    struct jsonw w;
    struct err err;

    (void)state;
    buf_init(&file, 4096);
    buf_init(&out, 4096);
    make_file(&file);
    jsonw_init(&w, &out);
    assert_int_equal(dcm_json_write(file.bytes, file.n, &options, &w, &err), 0);
    assert_string_equal(buf_text(&out), wanted);
    buf_clear(&out);
    out.limit = 100;
    jsonw_init(&w, &out);
    assert_int_equal(dcm_json_write(file.bytes, file.n, &options, &w, &err), -1);
    buf_fini(&out);
    buf_fini(&file);
}

/* Missing, wrong, or where it does not belong: what is given stands there once. */
static void
study_and_series_are_the_given_ones(void **state)
{
    static const struct {
        const char *name;
        const char *study, *series;
        bool is_sequence; /* where the study's number belongs */
    } rows[] = {{"missing", NULL, NULL, false},
                {"wrong", "1.2.abc", "", false},
                {"the same", "1.2.5", "1.2.5.1", false},
                {"a sequence in its place", NULL, NULL, true}};
    static const struct dcm_json_options options = {.study = "1.2.5", .series = "1.2.5.1"};
    static const char wanted[] = "{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"P1\"]},"
                                 "\"0020000D\":{\"vr\":\"UI\",\"Value\":[\"1.2.5\"]},"
                                 "\"0020000E\":{\"vr\":\"UI\",\"Value\":[\"1.2.5.1\"]},"
                                 "\"00200013\":{\"vr\":\"IS\",\"Value\":[7]}}";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_writer w;
        struct buf file, out;
        struct jsonw json;
        struct err err;

        buf_init(&file, 4096);
        buf_init(&out, 4096);
        assert_int_equal(part10_head(&file, "1.2.840.10008.5.1.4.1.1.7", "1.2.3",
                                     DCM_UID_EXPLICIT_LE, NULL, &err),
                         0);
        dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
        dcm_write_text(&w, 0x00100020, NULL, "P1");
        if (rows[i].study != NULL) {
            dcm_write_text(&w, 0x0020000D, NULL, rows[i].study);
            dcm_write_text(&w, 0x0020000E, NULL, rows[i].series);
        }
        if (rows[i].is_sequence) {
            dcm_write_sequence_begin(&w, 0x0020000D);
            dcm_write_item_begin(&w);
            dcm_write_sequence_begin(&w, 0x00081140);
            dcm_write_sequence_end(&w);
            dcm_write_item_end(&w);
            dcm_write_sequence_end(&w);
        }
        dcm_write_text(&w, 0x00200013, NULL, "7");
        jsonw_init(&json, &out);
        assert_int_equal(dcm_json_write(file.bytes, file.n, &options, &json, &err), 0);
        if (strcmp(buf_text(&out), wanted) != 0)
            fail_msg("%s: %s", rows[i].name, buf_text(&out));
        buf_fini(&out);
        buf_fini(&file);
    }
}

static void
bulk_values_are_found_by_path(void **state)
{
    static const struct {
        const char *path, *value; /* NULL = not there */
    } rows[] = {
        {"00081140.2.00091001", "abcd"},
        {"00081140.1.00081150", "1.2"},
        {"7FE00010", "\1\2"},
        {"00081140.1.00091001", NULL},
        {"00081140.3.00091001", NULL},
        {"00091001", NULL},
        {"00081140", NULL},
        {"", NULL},
        {"7FE00010.", NULL},
        {"7FE00010.0.7FE00010", NULL},
        {"xyz", NULL},
    };
    struct buf file;

    (void)state;
    buf_init(&file, 4096);
    make_file(&file);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const uint8_t *value;
        struct err err;
        size_t n;
        int rc = dcm_json_bulk(file.bytes, file.n, rows[i].path, &value, &n, &err);

        if ((rc == 0) != (rows[i].value != NULL))
            fail_msg("%s: %d", rows[i].path, rc);
        if (rc == 0)
            assert_memory_equal(value, rows[i].value, strlen(rows[i].value));
        else
            assert_int_equal(err.kind, ERR_NOT_FOUND);
    }
    buf_fini(&file);
}

/* Read as a prefix, an item or a sequence may say more than is there: what is there is read, and
 * not a byte behind it (fuzz_dcmjson found one; the heap's guard tells). */
static void
an_item_that_reaches_past_a_prefix_is_read_to_its_end(void **state)
{
    static const struct dcm_json_options options = {.inline_bytes = 16, .is_prefix = true};
    static const char lengths[][17] = {"\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\1\0\0",
                                       "\x80\2\0\0\xFE\xFF\0\xE0\0\1\0\0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct buf file, out;
        size_t head;

        buf_init(&file, 4096);
        buf_init(&out, 4096);
        make_file(&file);
        buf_add(&file, "\xE1\x7F\x40\x11SQ\0\0", 8);
        head = file.n;
        buf_add(&file, lengths[i], 12);
        buf_add(&file, "\x08\0\5\0CS\6\0GB2312\x08\0\x60\0CS\2\0CT", 24);
        for (size_t n = head; n <= file.n; n++) {
            uint8_t *cut = mem_grow(NULL, n);
            struct jsonw w;
            struct err err;

            memcpy(cut, file.bytes, n);
            buf_clear(&out);
            jsonw_init(&w, &out);
            assert_int_equal(dcm_json_write(cut, n, &options, &w, &err), n < head + 4 ? 0 : -1);
            free(cut);
        }
        buf_fini(&out);
        buf_fini(&file);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_is_written),
        cmocka_unit_test(study_and_series_are_the_given_ones),
        cmocka_unit_test(bulk_values_are_found_by_path),
        cmocka_unit_test(an_item_that_reaches_past_a_prefix_is_read_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
