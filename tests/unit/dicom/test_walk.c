/* test_walk.c - the walker: events in order, bounds, prefixes; part10, tables, write with it. */
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"
#include "tests/support/odd_sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Events as letters: E element, ( sequence, [ item, ] ), F fragments, f fragment, e end of them, X
 * broken. */
static void
trace(const uint8_t *bytes, size_t n, enum dcm_coding coding, unsigned flags, char *out,
      size_t room)
{
    static const char letters[] = ".E()[]Ffe";
    struct dcm_walk walk;
    struct dcm_element e;
    struct err err;
    size_t k = 0;

    dcm_walk_init(&walk, bytes, n, coding, flags);
    for (;;) {
        assert_true(k < room - 1);
        if (dcm_walk_next(&walk, &e, &err) < 0) {
            out[k++] = 'X';
            break;
        }
        assert_true(e.header_at <= n && e.value_at <= n && e.value_n <= n - e.value_at);
        out[k++] = letters[e.event];
        if (e.event == DCM_END)
            break;
    }
    out[k] = '\0';
}

static void
events_come_in_file_order(void **state)
{
    static const struct {
        const char *name;
        enum dcm_coding coding;
        const char *bytes;
        size_t n;
        const char *events;
    } rows[] = {
        {"empty", DCM_EXPLICIT_LE, "", 0, "."},
        {"one element", DCM_EXPLICIT_LE, "\x08\0\x60\0CS\x02\0CT", 10, "E."},
        {"implicit", DCM_IMPLICIT_LE, "\x08\0\x60\0\x02\0\0\0CT", 10, "E."},
        {"big endian", DCM_EXPLICIT_BE,
         "\0\x08\0\x60"
         "CS\0\x02"
         "CT",
         10, "E."},
        {"past the end", DCM_EXPLICIT_LE, "\x08\0\x60\0CS\x04\0CT", 10, "X"},
        {"half a header", DCM_EXPLICIT_LE, "\x08\0\x60\0CS\x02", 7, "X"},
        {"one zero behind it", DCM_EXPLICIT_LE, "\x08\0\x60\0CS\x02\0CT\0", 11, "E."},
        {"seven zeros behind it", DCM_IMPLICIT_LE, "\x08\0\x60\0\x02\0\0\0CT\0\0\0\0\0\0\0", 17,
         "E."},
        {"nothing but zeros", DCM_EXPLICIT_LE, "\0\0\0", 3, "."},
        {"seven bytes behind it, not all zero", DCM_EXPLICIT_LE,
         "\x08\0\x60\0CS\x02\0CT\0\0\0\0\0\0 ", 17, "EX"},
        {"eight zeros, which are no element", DCM_EXPLICIT_LE,
         "\x08\0\x60\0CS\x02\0CT\0\0\0\0\0\0\0", 18, "EX"},
        {"zeros inside an item", DCM_EXPLICIT_LE,
         "\x08\0\x40\x11SQ\0\0\x0A\0\0\0\xFE\xFF\0\xE0\x02\0\0\0\0\0", 22, "([X"},
        {"no VR", DCM_EXPLICIT_LE, "\x08\0\x60\0\x02\0\0\0CT", 10, "X"},
        {"undefined sequence", DCM_EXPLICIT_LE,
         "\x08\0\x40\x11SQ\0\0\xFF\xFF\xFF\xFF"
         "\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF\x08\0\x60\0CS\x02\0CT\xFE\xFF\x0D\xE0\0\0\0\0"
         "\xFE\xFF\xDD\xE0\0\0\0\0",
         46, "([E])."},
        {"defined sequence", DCM_EXPLICIT_LE,
         "\x08\0\x40\x11SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x60\0CS\x02\0CT", 30,
         "([E])."},
        {"item longer than its sequence", DCM_EXPLICIT_LE,
         "\x08\0\x40\x11SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0B\0\0\0\x08\0\x60\0CS\x02\0CT ", 31, "(X"},
        {"UN of undefined length is implicit inside", DCM_EXPLICIT_LE,
         "\x09\0\x40\x11UN\0\0\xFF\xFF\xFF\xFF"
         "\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x60\0\x02\0\0\0CT\xFE\xFF\xDD\xE0\0\0\0\0",
         38, "([E])."},
        {"fragments", DCM_EXPLICIT_LE,
         "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0"
         "\xFE\xFF\0\xE0\x02\0\0\0ab\xFE\xFF\xDD\xE0\0\0\0\0",
         38, "Fffe."},
        {"stray delimiter", DCM_EXPLICIT_LE, "\xFE\xFF\x0D\xE0\0\0\0\0", 8, "X"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[64];

        trace((const uint8_t *)rows[i].bytes, rows[i].n, rows[i].coding, DCM_WALK_WHOLE, got,
              sizeof got);
        if (strcmp(got, rows[i].events) != 0)
            fail_msg("%s: got %s, wanted %s", rows[i].name, got, rows[i].events);
    }
}

/* A small instance as a Part 10 file. */
static void
make_file(struct buf *out, enum dcm_coding coding)
{
    struct dcm_writer w;
    struct err err;

    assert_int_equal(
        part10_head(out, DCM_UID_CT_IMAGE, "1.2.3",
                    coding == DCM_IMPLICIT_LE ? DCM_UID_IMPLICIT_LE : DCM_UID_EXPLICIT_LE, "SENDER",
                    &err),
        0);
    dcm_write_init(&w, out, coding);
    dcm_write_text(&w, 0x00080016, NULL, DCM_UID_CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, "1.2.3");
    dcm_write_sequence_begin(&w, 0x00081140);
    dcm_write_item_begin(&w);
    dcm_write_text(&w, 0x00081150, NULL, "1.2");
    dcm_write_item_end(&w);
    dcm_write_sequence_end(&w);
    dcm_write_text(&w, 0x00100010, NULL, "A^B");
    dcm_write_u16(&w, 0x00280010, 1);
    dcm_write_bytes(&w, 0x7FE00010, "OW", "\1\2", 2);
}

static void
what_is_written_is_walked(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum dcm_coding coding = i == 0 ? DCM_IMPLICIT_LE : DCM_EXPLICIT_LE;
        struct dcm_part10 p;
        struct buf file;
        struct err err;
        char got[64];

        buf_init(&file, 4096);
        make_file(&file, coding);
        assert_int_equal(dcm_part10_parse(file.bytes, file.n, &p, &err), 0);
        assert_int_equal(p.syntax->coding, coding);
        assert_string_equal(p.sop_instance, "1.2.3");
        assert_string_equal(p.source_ae, "SENDER");
        trace(file.bytes + p.dataset_at, file.n - p.dataset_at, coding, 0, got, sizeof got);
        assert_string_equal(got, "EE([E])EEE.");
        trace(file.bytes + p.dataset_at, file.n - p.dataset_at, coding, DCM_WALK_STOP_AT_PIXELS,
              got, sizeof got);
        assert_string_equal(got, "EE([E])EE.");
        buf_fini(&file);
    }
}

static void
every_prefix_ends_quietly_and_every_cut_is_told(void **state)
{
    struct dcm_part10 p;
    struct buf file;
    struct err err;
    char got[64];

    (void)state;
    buf_init(&file, 4096);
    make_file(&file, DCM_EXPLICIT_LE);
    assert_int_equal(dcm_part10_parse(file.bytes, file.n, &p, &err), 0);
    for (size_t n = 0; n < file.n - p.dataset_at; n++) {
        uint8_t *copy = mem_new(n + 1); /* exactly n bytes, so that a read beyond is seen */

        copy = mem_grow(copy, n > 0 ? n : 1);
        memcpy(copy, file.bytes + p.dataset_at, n);
        trace(copy, n, DCM_EXPLICIT_LE, DCM_WALK_PREFIX, got, sizeof got);
        assert_null(strchr(got, 'X'));
        free(copy);
    }
    trace(file.bytes + p.dataset_at, file.n - p.dataset_at - 1, DCM_EXPLICIT_LE, 0, got,
          sizeof got);
    assert_non_null(strchr(got, 'X'));
    buf_fini(&file);
}

static void
group_0002_in_a_data_set_is_passed_over_and_says_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ODD_SENDERS; i++) {
        enum dcm_coding coding = i % 2 == 0 ? DCM_IMPLICIT_LE : DCM_EXPLICIT_LE;
        const struct odd_sender *odd = &odd_senders[i / 2];
        struct dcm_part10 clean, p;
        struct buf file;
        struct err err = {0};
        char got[64];

        buf_init(&file, 4096);
        make_file(&file, coding);
        assert_int_equal(dcm_part10_parse(file.bytes, file.n, &clean, &err), 0);
        assert_int_equal(clean.meta_end, clean.dataset_at);
        odd_sender_sends(odd, &file, clean.dataset_at);

        if (dcm_part10_parse(file.bytes, file.n, &p, &err) < 0)
            fail_msg("%s: %s", odd->name, err.text);
        assert_int_equal(p.meta_end, clean.meta_end);
        assert_int_equal(p.dataset_at, clean.dataset_at + odd->stray_n);
        assert_string_equal(p.transfer_syntax, clean.transfer_syntax);
        assert_string_equal(p.sop_instance, "1.2.3");
        trace(file.bytes + p.dataset_at, file.n - p.dataset_at, coding, 0, got, sizeof got);
        assert_string_equal(got, "EE([E])EEE.");
        for (size_t n = clean.meta_end + 8; n < clean.meta_end + odd->stray_n; n++)
            if (dcm_part10_parse(file.bytes, n, &p, &err) == 0) /* it was cut between two */
                assert_true(p.dataset_at <= n);
        buf_fini(&file);
    }
}

/* Of files that others wrote: the length is believed only where it fits. */
static void
meta_group_whose_length_is_wrong_ends_where_another_group_begins(void **state)
{
    static const int wrong[] = {-200, -26, -1, 1, 8, 100000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct dcm_part10 clean, p;
        struct buf file;
        struct err err = {0};

        buf_init(&file, 4096);
        make_file(&file, DCM_EXPLICIT_LE);
        assert_int_equal(dcm_part10_parse(file.bytes, file.n, &clean, &err), 0);
        le32_write(file.bytes + 140, (uint32_t)((int)le32_read(file.bytes + 140) + wrong[i]));

        assert_int_equal(dcm_part10_parse(file.bytes, file.n, &p, &err), 0);
        assert_int_equal(p.dataset_at, clean.dataset_at);
        assert_string_equal(p.transfer_syntax, clean.transfer_syntax);
        buf_fini(&file);
    }
}

static void
depth_has_a_limit(void **state)
{
    struct dcm_writer w;
    struct buf out;
    char got[512];

    (void)state;
    buf_init(&out, 1 << 16);
    dcm_write_init(&w, &out, DCM_EXPLICIT_LE);
    for (int i = 0; i < DCM_DEPTH_MAX + 1; i++) {
        dcm_write_sequence_begin(&w, 0x00081140);
        dcm_write_item_begin(&w);
    }
    trace(out.bytes, out.n, DCM_EXPLICIT_LE, DCM_WALK_PREFIX, got, sizeof got);
    assert_int_equal(got[strlen(got) - 1], 'X');
    buf_fini(&out);
}

static void
tables_answer(void **state)
{
    (void)state;
    assert_true(dcm_syntax_find(DCM_UID_J2K_LOSSLESS)->is_lossless_proven);
    assert_false(dcm_syntax_find(DCM_UID_J2K)->is_lossless_proven);
    assert_null(dcm_syntax_find("1.2.3"));
    assert_true(dcm_syntax_unknown()->is_encapsulated);
    assert_string_equal(dcm_sop_class_find(DCM_UID_CT_IMAGE)->modality, "CT");
    assert_null(dcm_sop_class_find(DCM_UID_VERIFICATION));
    assert_string_equal(dcm_dict_vr(0x00080005, false), "CS");
    assert_string_equal(dcm_dict_vr(0x00280106, true), "SS");
    assert_string_equal(dcm_dict_vr(0x00280106, false), "US");
    assert_string_equal(dcm_dict_vr(0x60023000, false), "OW");
    assert_string_equal(dcm_dict_vr(0x00090010, false), "LO");
    assert_string_equal(dcm_dict_vr(0x00091001, false), "UN");
    assert_string_equal(dcm_dict_vr(0x00080000, false), "UL");
    for (size_t i = 0; dcm_syntax_at(i) != NULL; i++)
        assert_ptr_equal(dcm_syntax_find(dcm_syntax_at(i)->uid), dcm_syntax_at(i));
    for (size_t i = 0; dcm_sop_class_at(i) != NULL; i++)
        assert_ptr_equal(dcm_sop_class_find(dcm_sop_class_at(i)->uid), dcm_sop_class_at(i));
}

static void
a_command_set_begins_with_its_length(void **state)
{
    struct dcm_writer w;
    struct buf out;

    (void)state;
    buf_init(&out, 256);
    dcm_write_command_begin(&w, &out);
    dcm_write_text(&w, 0x00000002, NULL, DCM_UID_VERIFICATION);
    dcm_write_u16(&w, 0x00000100, 0x8030);
    dcm_write_command_end(&w);
    assert_int_equal(le32_read(out.bytes + 8), out.n - 12);
    buf_fini(&out);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_file_order),
        cmocka_unit_test(what_is_written_is_walked),
        cmocka_unit_test(every_prefix_ends_quietly_and_every_cut_is_told),
        cmocka_unit_test(group_0002_in_a_data_set_is_passed_over_and_says_nothing),
        cmocka_unit_test(meta_group_whose_length_is_wrong_ends_where_another_group_begins),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(tables_answer),
        cmocka_unit_test(a_command_set_begins_with_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
