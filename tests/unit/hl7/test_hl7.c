/* test_hl7.c - HL7 messages: places, escapes, character sets, answers. */
#include "proto/hl7/hl7.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static char text[512];
static struct hl7_message *message;

static int
parse(const char *bytes)
{
    struct err err;

    hl7_free(&message);
    return hl7_parse((const uint8_t *)bytes, strlen(bytes), NULL, &message, &err);
}

static const char *
at(const char *segment, unsigned field, unsigned component)
{
    (void)hl7_get_of(message, segment, field, component, text, sizeof text);
    return text;
}

static int
teardown(void **state)
{
    (void)state;
    hl7_free(&message);
    return 0;
}

static void
fields_stand_where_the_standard_counts_them(void **state)
{
    (void)state;
    assert_int_equal(parse("MSH|^~\\&|HIS|HOSP|||20261122||ORM^O01|17|P|2.3.1\r"
                           "PID|1||A&B^^^X~C||Wang^Xiao\r\nOBR|1|4711\rOBR|2\r"),
                     0);
    assert_int_equal(hl7_count(message), 4);
    assert_string_equal(at("MSH", 3, 1), "HIS");
    assert_string_equal(at("MSH", 9, 2), "O01");
    assert_string_equal(at("MSH", 12, 1), "2.3.1");
    assert_string_equal(at("PID", 5, 2), "Xiao");
    assert_string_equal(at("PID", 40, 1), "");
    assert_string_equal(at("ZZZ", 1, 1), "");
    assert_int_equal(hl7_repetitions(message, 1, 3), 2);
    assert_int_equal(hl7_repetitions(message, 1, 2), 0);
    assert_true(hl7_get(message, (struct hl7_at){1, 3, 2, 1, 1}, text, sizeof text));
    assert_string_equal(text, "C");
    assert_true(hl7_get(message, (struct hl7_at){1, 3, 1, 1, 2}, text, sizeof text));
    assert_string_equal(text, "B");
    assert_int_equal(hl7_find(message, "OBR", 3, 0), 3);
    assert_int_equal(hl7_find(message, "OBR", 0, 2), -1);
}

static void
separators_are_the_messages_own(void **state)
{
    (void)state;
    assert_int_equal(parse("MSH#*!%+#HIS#H\rPID#1##a*b!c\r"), 0);
    assert_string_equal(at("MSH", 4, 1), "H");
    assert_string_equal(at("PID", 3, 2), "b");
    assert_int_equal(hl7_repetitions(message, 1, 3), 2);
}

static void
escapes_are_undone_and_paths_are_none(void **state)
{
    static const struct {
        const char *wire, *read;
    } rows[] = {
        {"a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"},
        {"one\\.br\\two", "one\ntwo"},
        {"one\\X0D0A\\two\\X0A\\three", "one\ntwo\nthree"},
        {"\\H\\bold\\N\\", "bold"},
        {"C:\\his\\out", "C:\\his\\out"},
        {"open\\", "open\\"},
        {"\"\"", ""},
        {"\\XZZ\\", "\\XZZ\\"},
        {"\\Z01\\x", "x"},
        {"\\XE78E8B\\", "王"},
        {"\\XCDF5D0A1B6AB\\", "王小东"},
        {"a\tb", "a b"},
        {"blank  ", "blank"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *wire = mem_printf("MSH|^~\\&|H\rNTE|1||%s\r", rows[i].wire);

        assert_int_equal(parse(wire), 0);
        assert_string_equal(at("NTE", 3, 1), rows[i].read);
        free(wire);
    }
}

/* In GBK the second byte of 昞 is that of \, of 倈 that of |, of 乛 that of ^. */
static void
gbk_is_cut_up_only_when_it_is_text(void **state)
{
    static const struct {
        const char *name, *wire, *family, *given;
    } rows[] = {
        {"declared",
         "MSH|^~\\&|H||||||ORM^O01|1|P|2.4||||||GB "
         "18030-2000\rPID|1||||\xCD\xF5^\x95\x5C\x82\x7C\r",
         "王", "昞倈"},
        {"undeclared", "MSH|^~\\&|H\rPID|1||||\xCD\xF5^\x81\x5E\xB6\xAB\r", "王", "乛东"},
        {"declared as Latin-1",
         "MSH|^~\\&|H||||||ORM^O01|1|P|2.4||||||8859/1\rPID|1||||\xCD\xF5^\xD0\xA1\xB6\xAB\r", "王",
         "小东"},
        {"declared as UTF-8, and is not",
         "MSH|^~\\&|H||||||ORM^O01|1|P|2.4||||||UNICODE "
         "UTF-8\rPID|1||||\xCD\xF5^\xD0\xA1\xB6\xAB\r",
         "王", "小东"},
        {"UTF-8, undeclared", "MSH|^~\\&|H\rPID|1||||王^小东\r", "王", "小东"},
        {"UTF-8, undeclared, with a sign that is not Chinese", "MSH|^~\\&|H\rPID|1||||王^µ小东é\r",
         "王", "µ小东é"},
        {"UTF-8 declared as GBK", "MSH|^~\\&|H||||||ORM^O01|1|P|2.4||||||GBK\rPID|1||||王^小东\r",
         "王", "小东"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(parse(rows[i].wire), 0);
        if (strcmp(at("PID", 5, 1), rows[i].family) != 0)
            fail_msg("%s: wanted %s, got %s", rows[i].name, rows[i].family, text);
        if (strcmp(at("PID", 5, 2), rows[i].given) != 0)
            fail_msg("%s: wanted %s, got %s", rows[i].name, rows[i].given, text);
    }
}

static void
what_is_cut_is_cut_at_a_character_and_said(void **state)
{
    char small[8];

    (void)state;
    assert_int_equal(parse("MSH|^~\\&|H\rNTE|1||王小东\r"), 0);
    assert_false(hl7_get_of(message, "NTE", 3, 1, small, sizeof small));
    assert_string_equal(small, "王小");
}

static void
what_is_no_message_is_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "MSH",
                                       "MSH|^~",
                                       "PID|^~\\&|x\r",
                                       "MSHabcde|",
                                       "MSH||||||x",
                                       "MSH|^~\\&|x\rpid|1\r",
                                       "MSH|^^\\&|x\r"};
    struct err err;
    struct hl7_message *m = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (parse(rows[i]) == 0)
            fail_msg("taken: %s", rows[i]);
    assert_int_equal(hl7_parse((const uint8_t *)"MSH|^~\\&|x\0y\r", 13, NULL, &m, &err), -1);
}

static void
what_is_written_reads_the_same_in_both_sets(void **state)
{
    static const char said[] = "王昞|^&~\\一\n二 𠮷 µ";

    (void)state;
    for (int c = 0; c < HL7_CHARSETS; c++) {
        struct hl7_head head = {.our_application = "RADPOST",
                                .code = "ORU",
                                .event = "R01",
                                .control = "1",
                                .version = "2.5.1",
                                .charset = (enum hl7_charset)c};
        struct buf utf8, wire;
        struct hl7_writer w;
        struct err err;

        buf_init(&utf8, 4096);
        buf_init(&wire, 1 << 20);
        hl7_write_init(&w, &utf8);
        hl7_put_head(&w, &head);
        hl7_segment(&w, "PID");
        hl7_put(&w, 3, 1, "P1");
        hl7_put_again(&w, 3, 2, 5, "NNCHN");
        hl7_put(&w, 5, 2, said);
        hl7_segment_end(&w);
        assert_int_equal(hl7_encode(head.charset, &utf8, &wire, &err), 0);
        hl7_free(&message);
        assert_int_equal(hl7_parse(wire.bytes, wire.n, NULL, &message, &err), 0);
        assert_string_equal(at("PID", 5, 2), said);
        assert_string_equal(at("PID", 5, 1), "");
        assert_string_equal(at("MSH", 18, 1), hl7_charset_word(head.charset));
        assert_true(hl7_get(message, (struct hl7_at){1, 3, 2, 5, 1}, text, sizeof text));
        assert_string_equal(text, "NNCHN");
        buf_fini(&wire);
        buf_fini(&utf8);
    }
}

static void
an_answer_names_the_message_it_is_for(void **state)
{
    struct hl7_answer a = {.code = "AE",
                           .error = "204",
                           .place = "ORC^1^2",
                           .sentence = "no such order",
                           .our_application = "RADPOST",
                           .control = "77"};
    struct buf out;
    struct err err;

    (void)state;
    assert_int_equal(parse("MSH|^~\\&|HIS|HOSP|||1||ORM^O01|ID17|T|2.3.1\r"), 0);
    buf_init(&out, 4096);
    hl7_write_answer(message, &a, &out);
    hl7_free(&message);
    assert_int_equal(hl7_parse(out.bytes, out.n, NULL, &message, &err), 0);
    assert_string_equal(at("MSH", 5, 1), "HIS");
    assert_string_equal(at("MSH", 9, 1), "ACK");
    assert_string_equal(at("MSH", 9, 2), "O01");
    assert_string_equal(at("MSH", 11, 1), "T");
    assert_string_equal(at("MSA", 1, 1), "AE");
    assert_string_equal(at("MSA", 2, 1), "ID17");
    assert_string_equal(at("ERR", 2, 3), "2");
    assert_string_equal(at("ERR", 3, 1), "204");
    buf_clear(&out);
    hl7_write_answer(NULL, &a, &out);
    hl7_free(&message);
    assert_int_equal(hl7_parse(out.bytes, out.n, NULL, &message, &err), 0);
    assert_string_equal(at("MSA", 1, 1), "AE");
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stand_where_the_standard_counts_them),
        cmocka_unit_test(separators_are_the_messages_own),
        cmocka_unit_test(escapes_are_undone_and_paths_are_none),
        cmocka_unit_test(gbk_is_cut_up_only_when_it_is_text),
        cmocka_unit_test(what_is_cut_is_cut_at_a_character_and_said),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(what_is_written_reads_the_same_in_both_sets),
        cmocka_unit_test(an_answer_names_the_message_it_is_for),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
