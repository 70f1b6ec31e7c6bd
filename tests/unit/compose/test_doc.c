/* Claims about a report's DICOM objects: judges that are not ours find no error in them, read the
 * Chinese text, and the same report is the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/dicom/part10.h"
#include "reader/compose/doc_parts.h"

#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char folder[FOLDER_PATH_BYTES];
static char said[1 << 18];

static const struct doc_image images[] = {
    {"1.2.826.0.1.3680043.8.498.2", "1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.3680043.8.498.2.1"},
    {"1.2.826.0.1.3680043.8.498.3", "1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.3680043.8.498.3.1"},
    {"1.2.826.0.1.3680043.8.498.2", "1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.3680043.8.498.2.2"},
};
static const struct doc_predecessor first_version = {"2.25.111", "2.25.112"};

static struct doc_report plain = {
    .study = "1.2.826.0.1.3680043.8.498.1",
    .patient_id = "ML-2026-00318",
    .issuer = "malu",
    .patient_name = "Ouyang^Jixiang=欧阳^𠮷祥",
    .patient_birth = "19630704",
    .patient_sex = "M",
    .study_date = "20261122",
    .study_time = "093005.120",
    .study_id = "7",
    .accession = "A20261122-07",
    .study_description = "胸部 CT 平扫",
    .modality = "CT",
    .clinic = "马鹿乡中心卫生院",
    .version = 1,
    .exam = "胸部 CT 平扫",
    .history = "咳嗽伴发热 3 天",
    .findings = "右肺下叶背段见斑片状磨玻璃密度影。\n纵隔内未见肿大淋巴结。",
    .impression = "右肺下叶感染性病变,建议复查。",
    .author = {"李文博", "110510000012345", "青川市人民医院", "qc"},
    .reviewer = {"周静", "110510000054321", "青川市人民医院", "qc"},
    .signed_at_us = INT64_C(1795313220000000),
    .images = images,
    .image_count = ARRAY_LEN(images),
    .placer_order = "R-2026-1122-7",
};
static char series[DOC_UID_BYTES], instance[DOC_UID_BYTES];

static int
setup(void **state)
{
    (void)state;
    (void)setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    folder_make("doc", folder);
    doc_uid("seed", 4, "sr", instance);
    doc_uid("seed", 4, "sr-series", series);
    plain.series = series;
    plain.sop_instance = instance;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static const char *
keep(const struct buf *b, const char *name)
{
    static char path[FOLDER_PATH_BYTES + 64];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s.dcm", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, b->bytes, b->n), (ssize_t)b->n);
    close(fd);
    return path;
}

static const char *
make_sr(const struct doc_report *r, const char *name)
{
    struct buf out;
    struct err err = {0};
    const char *path;

    buf_init(&out, 8 << 20);
    if (doc_sr(r, &out, &err) < 0)
        fail_msg("%s", err.text);
    path = keep(&out, name);
    buf_fini(&out);
    return path;
}

static void
run(const char *const argv[])
{
    int code = program_run(argv, NULL, said, sizeof said);

    if (code != 0)
        fail_msg("%s: exit %d\n%s", argv[0], code, said);
}

/* dciodvfy says "Error - ..." for each breach of the standard. */
static void
judge(const char *path)
{
    const char *const argv[] = {"dciodvfy", "-new", path, NULL};

    if (!program_is_there("dciodvfy"))
        skip();
    (void)program_run(argv, NULL, said, sizeof said);
    if (strstr(said, "Error") != NULL)
        fail_msg("%s: %s", path, said);
    if (getenv("RADPOST_SHOW") != NULL)
        print_message("%s", said);
}

static void
assert_said(const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("not said: %s\nin: %s", words, said);
}

static struct doc_report
amended(void)
{
    struct doc_report r = plain;

    r.version = 2;
    r.reason = "更正测量值";
    r.predecessors = &first_version;
    r.predecessor_count = 1;
    return r;
}

static struct doc_report
preliminary(void)
{
    struct doc_report r = plain;

    r.is_preliminary = true;
    r.reviewer = (struct doc_person){.name = ""};
    return r;
}

static void
dciodvfy_finds_no_error_in_any_sr(void **state)
{
    struct doc_report later = amended(), alone = preliminary(), bare = plain;

    (void)state;
    bare.patient_id = bare.issuer = bare.patient_birth = bare.patient_sex = NULL;
    bare.study_date = bare.study_time = bare.study_id = bare.accession = bare.placer_order = NULL;
    bare.study_description = bare.exam = bare.history = bare.findings = bare.clinic = NULL;
    bare.reviewer.licence = "";
    bare.author.licence = "a licence that is longer than a code may be";

    judge(make_sr(&plain, "plain"));
    judge(make_sr(&later, "amended"));
    judge(make_sr(&alone, "preliminary"));
    judge(make_sr(&bare, "bare"));
}

static void
dsrdump_reads_every_word(void **state)
{
    struct doc_report r = amended();
    const char *const argv[] = {"dsrdump", "+Pl", "+U8", make_sr(&r, "dump"), NULL};

    (void)state;
    if (!program_is_there("dsrdump"))
        skip();

    run(argv);

    assert_said("右肺下叶背段见斑片状磨玻璃密度影。");
    assert_said("纵隔内未见肿大淋巴结。");
    assert_said("右肺下叶感染性病变,建议复查。");
    assert_said("更正测量值");
    assert_said("周静");
    assert_said("VERIFIED");
    assert_said("Predecessor Docs    : 1");
}

static const char reading[] =
    "import sys, pydicom\n"
    "d = pydicom.dcmread(sys.argv[1])\n"
    "v = d.get('VerifyingObserverSequence')\n"
    "print(d.CompletionFlag, d.VerificationFlag, d.PreliminaryFlag, d.TimezoneOffsetFromUTC)\n"
    "print(d.ContentDate, d.ContentTime, d.PatientName.ideographic, d.SpecificCharacterSet)\n"
    "if v: print(v[0].VerifyingObserverName, v[0].VerificationDateTime, "
    "v[0].VerifyingOrganization)\n"
    "e = d.CurrentRequestedProcedureEvidenceSequence[0]\n"
    "print('evidence', [len(s.ReferencedSOPSequence) for s in e.ReferencedSeriesSequence])\n"
    "def walk(i, n):\n"
    "    name = i.ConceptNameCodeSequence[0].CodeMeaning if 'ConceptNameCodeSequence' in i else "
    "''\n"
    "    print(' ' * n, i.ValueType, name, i.get('TextValue', ''))\n"
    "    for c in i.get('ContentSequence', []): walk(c, n + 1)\n"
    "walk(d, 0)\n"
    "for c in d.get('PredecessorDocumentsSequence', []):\n"
    "    print('before', "
    "c.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)\n";

static void
pydicom_reads_who_and_when_and_what(void **state)
{
    struct doc_report alone = preliminary();
    const char *argv[] = {"/usr/bin/python3", "-c", reading, NULL, NULL};

    (void)state;
    argv[3] = make_sr(&plain, "py");
    if (program_run((const char *[]){"/usr/bin/python3", "-c", "import pydicom", NULL}, NULL, said,
                    sizeof said) != 0)
        skip();

    run(argv);
    assert_said("COMPLETE VERIFIED FINAL +0800");
    assert_said("20261122 100700 欧阳^𠮷祥 ISO_IR 192");
    assert_said("周静 20261122100700+0800 青川市人民医院");
    assert_said("evidence [2, 1]");
    assert_said("CONTAINER Findings");
    assert_null(strstr(said, "before"));

    argv[3] = make_sr(&alone, "py2");
    run(argv);
    assert_said("COMPLETE UNVERIFIED PRELIMINARY");
    assert_null(strstr(said, "周静"));
}

static void
the_pdf_object_is_without_error_and_gives_the_pdf_back(void **state)
{
    static const char bytes[] = "%PDF-1.5\nodd number of bytes\n%%EOF";
    const struct doc_pdf pdf = {bytes, sizeof bytes - 1, instance};
    struct doc_report r = amended();
    const char *const cases[] = {"first", "later", "alone"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *argv[] = {
            "/usr/bin/python3", "-c",
            "import sys, pydicom\nd = pydicom.dcmread(sys.argv[1])\n"
            "print(d.EncapsulatedDocument[:d.EncapsulatedDocumentLength].decode())\n"
            "print(d.MIMETypeOfEncapsulatedDocument, d.Modality, d.SOPClassUID.name, "
            "d.SeriesDescription)",
            NULL, NULL};
        struct buf out;
        struct err err = {0};

        r = i == 0 ? plain : i == 1 ? amended() : preliminary();
        buf_init(&out, 8 << 20);
        if (doc_pdf_dicom(&r, &pdf, &out, &err) < 0)
            fail_msg("%s", err.text);
        argv[3] = keep(&out, cases[i]);
        judge(argv[3]);
        run(argv);
        assert_said(bytes);
        assert_said("application/pdf DOC Encapsulated PDF Storage 诊断报告 PDF");
        buf_fini(&out);
    }
}

static void
the_same_report_is_the_same_object(void **state)
{
    char other[DOC_UID_BYTES];
    struct buf a, b;
    struct err err;

    (void)state;
    buf_init(&a, 8 << 20);
    buf_init(&b, 8 << 20);

    assert_int_equal(doc_sr(&plain, &a, &err), 0);
    assert_int_equal(doc_sr(&plain, &b, &err), 0);

    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.bytes, b.bytes, a.n);
    doc_uid("seed", 4, "sr", other);
    assert_string_equal(other, instance);
    doc_uid("seee", 4, "sr", other);
    assert_string_not_equal(other, instance);
    assert_string_not_equal(series, instance);
    buf_fini(&a);
    buf_fini(&b);
}

static void
what_is_not_a_report_is_refused(void **state)
{
    static const char *const names[] = {"no image",  "no reviewer", "bad uid",
                                        "not utf-8", "no author",   "nothing said"};
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 8 << 20);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct doc_report r = plain;

        if (i == 0)
            r.image_count = 0;
        if (i == 1)
            r.reviewer.name = "";
        if (i == 2)
            r.study = "1.2.x";
        if (i == 3)
            r.findings = "\xC3";
        if (i == 4)
            r.author.name = NULL;
        if (i == 5)
            r.findings = r.impression = "";
        buf_clear(&out);
        err.kind = ERR_NONE;
        if (doc_sr(&r, &out, &err) != -1 || err.kind != ERR_REJECT)
            fail_msg("%s was taken", names[i]);
    }
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dciodvfy_finds_no_error_in_any_sr),
        cmocka_unit_test(dsrdump_reads_every_word),
        cmocka_unit_test(pydicom_reads_who_and_when_and_what),
        cmocka_unit_test(the_pdf_object_is_without_error_and_gives_the_pdf_back),
        cmocka_unit_test(the_same_report_is_the_same_object),
        cmocka_unit_test(what_is_not_a_report_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
