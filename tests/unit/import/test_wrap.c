/* test_wrap.c - files of devices without DICOM become instances whose values are the file's. The
 * judges are dciodvfy, pydicom (tests/support/import_judge.py) and the generator of the samples. */
#include "proto/dicom/wrap.h"

#include "proto/base/text.h"
#include "proto/dicom/ecg/ecg.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/wrap_parts.h"
#include "tests/support/import_files.h"
#include "tests/support/run_program.h"
#include "tests/support/wrap_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct import_ecg ten_seconds = {.leads = 12, .samples = 5000, .hertz = 500};
static const struct wrap_identity somebody = {WRAP_SOMEBODY, .study_description = "十二导联心电图",
                                              .modality = "ECG"};

/* Wrapped, judged, compared. */
static void
prove(const char *kind, const char *name, const struct buf *file, const struct wrap_identity *to)
{
    char dicom[256], source[256], file_name[64];
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct err err;
    struct buf out;

    buf_init(&out, 64 << 20);
    wrap_world_wrap(file, to, &out);
    snprintf(file_name, sizeof file_name, "%s.dcm", name);
    wrap_world_keep(file_name, &out, dicom);
    wrap_world_keep(name, file, source);
    if (dcm_facts_read(out.bytes, out.n, false, facts, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_string_equal(facts->patient_name, to->patient_name);
    assert_string_equal(facts->patient_id, to->patient_id);
    assert_string_equal(facts->study_uid, to->study_uid);
    assert_string_equal(facts->accession, to->accession);
    wrap_world_judge(dicom);
    wrap_world_compare(kind, dicom, source);
    free(facts);
    buf_fini(&out);
}

static void
expect_kind(const struct buf *file, enum wrap_kind kind, struct wrap_facts *out)
{
    struct err err;

    if (wrap_look(file->bytes, file->n, out, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(out->kind, kind);
}

static void
scp_keeps_every_sample_however_it_is_coded(void **state)
{
    static const struct {
        const char *name;
        enum import_scp_code code;
        unsigned difference, leads;
    } rows[] = {
        {"plain", SCP_PLAIN, 0, 12},           {"plain-1", SCP_PLAIN, 1, 8},
        {"plain-2", SCP_PLAIN, 2, 12},         {"table", SCP_DEFAULT_TABLE, 0, 8},
        {"table-1", SCP_DEFAULT_TABLE, 1, 12}, {"table-2", SCP_DEFAULT_TABLE, 2, 12},
        {"own-2", SCP_OWN_TABLE, 2, 12},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct import_ecg e = ten_seconds;
        struct ecg *read = NULL;
        struct buf file;
        struct err err;

        e.code = rows[i].code;
        e.difference = rows[i].difference;
        e.leads = rows[i].leads;
        buf_init(&file, 8 << 20);
        import_file_scp(&e, &file);
        if (ecg_read_scp(file.bytes, file.n, &read, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_int_equal(read->group_count, 1);
        assert_int_equal(read->groups[0].channel_count, e.leads);
        assert_string_equal(read->groups[0].frequency, "500");
        for (unsigned c = 0; c < e.leads; c++) {
            assert_int_equal(read->groups[0].channels[c].lead, import_leads[c]);
            assert_string_equal(read->groups[0].channels[c].sensitivity, "2.5");
            for (uint32_t k = 0; k < e.samples; k++)
                if (read->groups[0].channels[c].samples[k] != import_sample(import_leads[c], k))
                    fail_msg("%s: lead %u sample %u", rows[i].name, c, k);
        }
        ecg_free(&read);
        buf_fini(&file);
    }
}

static void
scp_becomes_a_waveform_equal_in_microvolts(void **state)
{
    struct import_ecg e = ten_seconds;
    struct wrap_facts facts;
    struct buf file;

    (void)state;
    e.code = SCP_DEFAULT_TABLE;
    e.difference = 2;
    e.first_name = "\xB2\xE2\xCA\xD4"; /* GBK */
    buf_init(&file, 8 << 20);
    import_file_scp(&e, &file);

    expect_kind(&file, WRAP_SCP, &facts);
    assert_string_equal(facts.said_name, "TEST 测试");
    assert_string_equal(facts.said_id, "CART-0042");
    assert_string_equal(facts.said_birth, "19670309");
    assert_string_equal(facts.said_sex, "F");
    assert_string_equal(facts.said_at, "20261120083015");
    assert_string_equal(facts.device, "Nobody Medical EK12T");
    assert_int_equal(facts.channels, 12);
    assert_int_equal(facts.seconds, 10);
    prove("ecg", "cart.scp", &file, &somebody);

    buf_fini(&file);
}

static void
aecg_becomes_a_waveform_equal_in_microvolts(void **state)
{
    struct wrap_facts facts;
    struct buf file;

    (void)state;
    buf_init(&file, 8 << 20);
    import_file_aecg(&ten_seconds, &file);

    expect_kind(&file, WRAP_AECG, &facts);
    assert_string_equal(facts.said_name, "测试 & 试");
    assert_string_equal(facts.said_id, "CART-0042");
    assert_string_equal(facts.said_birth, "19670309");
    assert_string_equal(facts.said_sex, "F");
    assert_string_equal(facts.said_at, "20261120083015");
    prove("ecg", "cart.xml", &file, &somebody);

    buf_fini(&file);
}

static void
a_minute_of_ecg_is_a_general_waveform(void **state)
{
    struct import_ecg e = {.leads = 3, .samples = 30000, .hertz = 500};
    struct wrap_plan plan;
    struct buf file;

    (void)state;
    buf_init(&file, 8 << 20);
    import_file_aecg(&e, &file);

    wrap_world_plan(&file, &somebody, &plan);
    assert_string_equal(plan.sop_class, WRAP_CLASS_ECG_GENERAL);
    prove("ecg", "minute.xml", &file, &somebody);

    wrap_plan_fini(&plan);
    buf_fini(&file);
}

static void
an_ecg_has_a_picture(void **state)
{
    struct buf file, svg;
    struct err err;

    (void)state;
    buf_init(&file, 8 << 20);
    buf_init(&svg, 8 << 20);
    import_file_aecg(&ten_seconds, &file);

    assert_int_equal(wrap_ecg_svg(file.bytes, file.n, &svg, &err), 0);
    assert_non_null(strstr(buf_text(&svg), ">aVF</text><polyline points=\"30.0,"));

    buf_fini(&svg);
    buf_fini(&file);
}

static void
pdf_is_encapsulated_byte_for_byte(void **state)
{
    struct wrap_facts facts;
    struct buf file;

    (void)state;
    buf_init(&file, 1 << 20);
    import_file_pdf("Spirometry", &file);
    expect_kind(&file, WRAP_PDF, &facts);
    prove("pdf", "even.pdf", &file, &somebody);
    buf_add_text(&file, "\n"); /* the other parity */
    prove("pdf", "odd.pdf", &file, &somebody);
    buf_add(&file, (uint8_t[8192]){0}, 8192); /* filled up to a whole block */
    prove("pdf", "padded.pdf", &file, &somebody);
    buf_fini(&file);
}

static void
jpeg_is_encapsulated_with_its_colours_told_right(void **state)
{
    static const struct {
        enum import_jpeg kind;
        const char *name, *photometric;
    } rows[] = {
        {JPEG_GREY, "grey.jpg", "MONOCHROME2"},
        {JPEG_COLOUR_420, "420.jpg", "YBR_FULL_422"},
        {JPEG_COLOUR_444, "444.jpg", "YBR_FULL_422"},
        {JPEG_RGB, "rgb.jpg", "RGB"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wrap_identity to = somebody;
        struct wrap_facts facts;
        struct wrap_jpeg j;
        struct buf file;
        struct err err;

        memcpy(to.modality, i % 2 ? "US" : "ECG", i % 2 ? 3 : 4);
        buf_init(&file, 1 << 20);
        import_file_jpeg(rows[i].kind, 161, 120, &file);
        expect_kind(&file, WRAP_JPEG, &facts);
        assert_int_equal(facts.cols, 161);
        assert_int_equal(facts.rows, 120);
        assert_int_equal(wrap_jpeg_read(file.bytes, file.n, &j, &err), 0);
        assert_string_equal(j.photometric, rows[i].photometric);
        prove("jpeg", rows[i].name, &file, &to);
        buf_fini(&file);
    }
}

static bool
make_film(const char *name, const char *const options[], struct buf *out)
{
    const char *argv[40] = {"ffmpeg", "-v",    "error", "-y",
                            "-f",     "lavfi", "-i",    "testsrc=size=322x244:rate=25:duration=1"};
    char path[256];
    size_t n = 8;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", wrap_dir, name);
    for (size_t i = 0; options[i] != NULL; i++)
        argv[n++] = options[i];
    argv[n++] = path;
    argv[n] = NULL;
    if (program_run(argv, NULL, wrap_said, sizeof wrap_said) != 0) {
        print_message("%s", wrap_said);
        return false;
    }
    f = fopen(path, "rb");
    assert_non_null(f);
    buf_clear(out);
    out->n += fread(buf_reserve(out, 4 << 20), 1, 4 << 20, f);
    fclose(f);
    return true;
}

#define H264 "-c:v", "libx264", "-pix_fmt", "yuv420p"

static void
h264_in_mp4_is_encapsulated_whole(void **state)
{
    static const char *const films[][12] = {
        {H264, "-profile:v", "high", NULL},
        {H264, "-profile:v", "main", "-movflags", "faststart", NULL},
        {H264, "-profile:v", "baseline", "-bf", "0", NULL},
        {H264, "-flags", "+ildct", "-x264-params", "interlaced=1", NULL},
    };
    struct buf film;

    (void)state;
    if (!program_is_there("ffmpeg"))
        skip();
    buf_init(&film, 8 << 20);
    for (size_t i = 0; i < ARRAY_LEN(films); i++) {
        struct wrap_identity to = somebody;
        struct wrap_facts facts;
        char name[32];

        snprintf(name, sizeof name, "film%zu.mp4", i);
        assert_true(make_film(name, films[i], &film));
        expect_kind(&film, WRAP_MP4, &facts);
        assert_int_equal(facts.cols, 322);
        assert_int_equal(facts.rows, 244);
        assert_int_equal(facts.frames, 25);
        memcpy(to.modality, "ES", 3);
        prove("mp4", name, &film, i % 2 ? &somebody : &to);
    }
    buf_fini(&film);
}

static void
expect_refused(const char *name, const uint8_t *bytes, size_t n, enum err_kind kind,
               const char *word)
{
    struct wrap_facts facts;
    struct err err = {.kind = ERR_NONE};

    if (wrap_look(bytes, n, &facts, &err) == 0)
        fail_msg("%s was taken", name);
    if (err.kind != kind || strstr(err.text, word) == NULL)
        fail_msg("%s: kind %d, %s", name, err.kind, err.text);
}

static void
what_cannot_be_taken_is_refused_in_words(void **state)
{
    static const char doctype[] = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]>"
                                  "<AnnotatedECG>&b;</AnnotatedECG>";
    struct buf file;

    (void)state;
    buf_init(&file, 8 << 20);
    expect_refused("png", (const uint8_t *)"\x89PNG\r\n\x1A\n....", 12, ERR_RETRY, "PNG");
    expect_refused("doctype", (const uint8_t *)doctype, sizeof doctype - 1, ERR_REJECT,
                   "document type");
    expect_refused("xml", (const uint8_t *)"<?xml version=\"1.0\"?><a/>", 25, ERR_REJECT,
                   "another kind");
    buf_fini(&file);
}

static void
films_of_other_kinds_are_refused_in_words(void **state)
{
    static const struct {
        const char *name;
        const char *options[10];
        const char *word;
    } rows[] = {
        {"h265.mp4", {"-c:v", "libx265", "-x265-params", "log-level=none", NULL}, "H.265"},
        {"mpeg4.mp4", {"-c:v", "mpeg4", NULL}, "not H.264"},
        {"deep.mp4", {"-c:v", "libx264", "-pix_fmt", "yuv444p", NULL}, "H.264"},
        {"pieces.mp4", {H264, "-movflags", "frag_keyframe+empty_moov", NULL}, "times"},
        {"apple.mov", {H264, NULL}, "QuickTime"},
        {"old.avi", {"-c:v", "mpeg4", NULL}, "AVI"},
    };
    struct buf film;

    (void)state;
    if (!program_is_there("ffmpeg"))
        skip();
    buf_init(&film, 8 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (make_film(rows[i].name, rows[i].options, &film))
            expect_refused(rows[i].name, film.bytes, film.n, ERR_REJECT, rows[i].word);
    buf_fini(&film);
}

/* Invariant 1 of import.h: whatever an upload lost at its end, it is not taken for whole. */
static void
a_file_cut_anywhere_is_not_whole(void **state)
{
    struct import_ecg e = {.leads = 2, .samples = 300, .hertz = 500, .code = SCP_DEFAULT_TABLE};
    static const char *const film[] = {H264, NULL};
    struct buf files[6];
    size_t count = 4;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        buf_init(&files[i], 8 << 20);
    import_file_scp(&e, &files[0]);
    import_file_aecg(&e, &files[1]);
    import_file_pdf("whole", &files[2]);
    import_file_jpeg(JPEG_COLOUR_420, 96, 64, &files[3]);
    if (program_is_there("ffmpeg") && make_film("cut.mp4", film, &files[4]))
        count = 5;
    for (size_t i = 0; i < count; i++) {
        size_t end = files[i].n - (i == 1 || i == 2 ? 1 : 0); /* a last line end may be missing */

        for (size_t n = 0; n < end; n += n < 400 || n + 400 > end ? 1 : 97) {
            uint8_t *part = mem_new(n + 1);
            struct wrap_facts facts;
            struct err err;

            memcpy(part, files[i].bytes, n);
            if (wrap_look(part, n, &facts, &err) == 0)
                fail_msg("file %zu of %zu bytes, cut at %zu: taken", i, files[i].n, n);
            if (n >= 1200 && err.kind != ERR_RETRY)
                fail_msg("file %zu cut at %zu: %s", i, n, err.text);
            free(part);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        buf_fini(&files[i]);
}

static void
a_changed_byte_of_scp_is_damage(void **state)
{
    struct import_ecg e = {.leads = 2, .samples = 200, .hertz = 500};
    struct buf file;

    (void)state;
    buf_init(&file, 1 << 20);
    import_file_scp(&e, &file);
    for (size_t i = 22; i < file.n; i += 13) {
        file.bytes[i] ^= 0x10;
        expect_refused("changed", file.bytes, file.n, ERR_REJECT, "damaged");
        file.bytes[i] ^= 0x10;
    }
    buf_fini(&file);
}

/* Invariant 3 of import.h. */
static void
the_same_file_for_the_same_study_is_the_same_instance(void **state)
{
    struct wrap_identity other = somebody;
    struct wrap_plan a, b, c;
    struct buf file;

    (void)state;
    memcpy(other.study_uid, "2.25.99", 8);
    buf_init(&file, 1 << 20);
    import_file_pdf("same", &file);
    wrap_world_plan(&file, &somebody, &a);
    wrap_world_plan(&file, &somebody, &b);
    wrap_world_plan(&file, &other, &c);

    assert_string_equal(a.sop_instance, b.sop_instance);
    assert_int_equal(a.head.n, b.head.n);
    assert_memory_equal(a.head.bytes, b.head.bytes, a.head.n);
    assert_string_not_equal(a.sop_instance, c.sop_instance);
    assert_string_not_equal(a.series_uid, c.series_uid);
    assert_true(uid_is_valid(a.sop_instance, false));

    wrap_plan_fini(&a);
    wrap_plan_fini(&b);
    wrap_plan_fini(&c);
    buf_fini(&file);
}

static void
decimals_are_exact_where_16_characters_allow(void **state)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {{2.5, "2.5"},       {4.88, "4.88"},      {0.00244140625, "0.00244140625"},
                {1e-5, "1e-05"},    {500, "500"},        {1.0 / 3, "0.33333333333333"},
                {-12.25, "-12.25"}, {1000000, "1000000"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[17];

        ecg_decimal(rows[i].v, text);
        assert_string_equal(text, rows[i].text);
    }
}

/* The check value of CRC-16/CCITT-FALSE; codes as EN 1064's table spells them. */
int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scp_keeps_every_sample_however_it_is_coded),
        cmocka_unit_test(scp_becomes_a_waveform_equal_in_microvolts),
        cmocka_unit_test(aecg_becomes_a_waveform_equal_in_microvolts),
        cmocka_unit_test(a_minute_of_ecg_is_a_general_waveform),
        cmocka_unit_test(an_ecg_has_a_picture),
        cmocka_unit_test(pdf_is_encapsulated_byte_for_byte),
        cmocka_unit_test(jpeg_is_encapsulated_with_its_colours_told_right),
        cmocka_unit_test(h264_in_mp4_is_encapsulated_whole),
        cmocka_unit_test(what_cannot_be_taken_is_refused_in_words),
        cmocka_unit_test(films_of_other_kinds_are_refused_in_words),
        cmocka_unit_test(a_file_cut_anywhere_is_not_whole),
        cmocka_unit_test(a_changed_byte_of_scp_is_damage),
        cmocka_unit_test(the_same_file_for_the_same_study_is_the_same_instance),
        cmocka_unit_test(decimals_are_exact_where_16_characters_allow),
    };

    return cmocka_run_group_tests(tests, wrap_world_start, wrap_world_stop);
}
