/* test_leaving.c - a stored file as it leaves: under the study and series it is known by, with what
 * was there said, and nothing else changed; judged by our own reader and by pydicom. */
#include "proto/dicom/leaving.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"
#include "proto/dicom/coerce.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"
#include "tests/support/leaving_image.h"
#include "tests/support/odd_sender.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static void
what_says_its_study_and_series_leaves_byte_for_byte(void **state)
{
    static const struct leaving_image rows[] = {
        {.study = LEAVING_STUDY, .series = LEAVING_SERIES, .has_pixels = true},
        {.study = LEAVING_STUDY " ",
         .series = LEAVING_SERIES "  ",
         .has_originals = true,
         .has_large = true},
        {.study = " " LEAVING_STUDY, .series = LEAVING_SERIES, .is_behind_group_length = true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) * LEAVING_SYNTAXES; i++) {
        struct buf stored, out;
        bool is_coerced;

        leaving_file(&rows[i / LEAVING_SYNTAXES], leaving_syntaxes[i % LEAVING_SYNTAXES], &stored);
        leaving_of(&stored, &out, &is_coerced);

        assert_false(is_coerced);
        assert_int_equal(out.n, stored.n);
        assert_memory_equal(out.bytes, stored.bytes, stored.n);
        buf_fini(&out);
        buf_fini(&stored);
    }
}

/* As pydicom reads it: "tag=value" lines, sequences as tag[i]. */
static const char judge[] =
    "import sys, warnings, pydicom\n"
    "warnings.simplefilter('ignore')\n"
    "from pydicom import config\n"
    "config.settings.reading_validation_mode = config.IGNORE\n"
    "def say(ds, before):\n"
    "    for e in ds:\n"
    "        name = before + '%08X' % e.tag\n"
    "        if e.VR == 'SQ':\n"
    "            for i, item in enumerate(e.value): say(item, name + '[%d].' % i)\n"
    "        elif isinstance(e.value, bytes): print(name + '=' + "
    "e.value[:80].decode('latin-1').rstrip('\\0 '))\n"
    "        else: print(name + '=' + str(e.value))\n"
    "ds = pydicom.dcmread(sys.argv[1], force=False)\n"
    "print('meta=' + str(ds.file_meta.MediaStorageSOPInstanceUID))\n"
    "end = 144 + ds.file_meta.FileMetaInformationGroupLength\n"
    "print('group length', open(sys.argv[1], 'rb').read()[end:end + 2] != b'\\x02\\x00')\n"
    "say(ds, '')\n";

static char said[65536];

static void
ask_pydicom(const struct buf *file)
{
    char path[] = "/tmp/leaving-XXXXXX";
    const char *const argv[] = {"/usr/bin/python3", "-c", judge, path, NULL};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, file->n), file->n);
    close(fd);
    if (program_run(argv, NULL, said, sizeof said) != 0)
        fail_msg("pydicom: %s", said);
    unlink(path);
}

static bool
is_said(const char *line)
{
    char wanted[256];

    snprintf(wanted, sizeof wanted, "%s\n", line);
    for (const char *at = said; (at = strstr(at, wanted)) != NULL; at++)
        if (at == said || at[-1] == '\n')
            return true;
    return false;
}

static void
must_say(const char *name, const char *syntax, const char *line)
{
    if (!is_said(line))
        fail_msg("%s in %s: not said: %s\n%s", name, syntax, line, said);
}

static bool
has_pydicom(void)
{
    const char *const argv[] = {"/usr/bin/python3", "-c", "import pydicom", NULL};

    return access(argv[0], X_OK) == 0 && program_run(argv, NULL, said, sizeof said) == 0;
}

/* long because of its table */
static void
what_cannot_be_used_is_replaced_and_said_to_have_been_there(void **state)
{
    static const struct {
        const char *name;
        struct leaving_image m;
        const char *lines[5];
    } rows[] = {
        {"neither",
         {.study = NULL, .has_pixels = true},
         {"04000561[0].04000550[0].0020000D=", "04000561[0].04000550[0].0020000E="}},
        {"empty, and a series that can be used is kept",
         {.study = "", .series = LEAVING_SERIES, .has_originals = true},
         {"04000561[0].04000563=AN OLDER ONE", "04000561[1].04000550[0].0020000D="}},
        {"letters, odd",
         {.study = "1.2.abc", .series = LEAVING_SERIES, .is_behind_group_length = true},
         {"04000561[0].04000550[0].0020000D=", "04000561[0].04000551[0].00720026=(0020, 000d)",
          "04000561[0].04000551[0].04000552=1.2.abc"}},
        {"65 characters, and words",
         {.study = LEAVING_LETTERS_65, .series = "US 1", .has_large = true, .has_pixels = true},
         {"04000561[0].04000551[1].00720026=(0020, 000e)",
          "04000561[0].04000551[1].04000552=US 1"}},
        {"another that could be used",
         {.study = "1.2.4", .series = "1.2.5"},
         {"04000561[0].04000550[0].0020000D=1.2.4", "04000561[0].04000550[0].0020000E=1.2.5"}},
    };

    (void)state;
    if (!has_pydicom())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows) * LEAVING_SYNTAXES; i++) {
        const char *name = rows[i / LEAVING_SYNTAXES].name;
        const char *syntax = leaving_syntaxes[i % LEAVING_SYNTAXES];
        const char *const *lines = rows[i / LEAVING_SYNTAXES].lines;
        const struct leaving_image *m = &rows[i / LEAVING_SYNTAXES].m;
        struct dcm_facts facts;
        struct err err = {0};
        struct buf stored, out;
        bool is_coerced;

        leaving_file(m, syntax, &stored);
        leaving_of(&stored, &out, &is_coerced);

        assert_true(is_coerced);
        assert_int_equal(dcm_facts_read(out.bytes, out.n, false, &facts, &err), 0);
        assert_string_equal(facts.study_uid, LEAVING_STUDY);
        assert_string_equal(facts.series_uid, LEAVING_SERIES);
        ask_pydicom(&out);
        must_say(name, syntax, "meta=1.2.3.9");
        must_say(name, syntax, "group length True");
        must_say(name, syntax, "00080018=1.2.3.9");
        must_say(name, syntax, "00081110[0].0020000D=not a UID");
        must_say(name, syntax, "0020000D=" LEAVING_STUDY);
        must_say(name, syntax, "0020000E=" LEAVING_SERIES);
        for (size_t k = 0; k < 5 && lines[k] != NULL; k++)
            must_say(name, syntax, lines[k]);
        must_say(name, syntax,
                 m->has_originals ? "04000561[1].04000562=20260102030405+0000"
                                  : "04000561[0].04000562=20260102030405+0000");
        must_say(name, syntax,
                 m->has_originals ? "04000561[1].04000565=COERCE" : "04000561[0].04000565=COERCE");
        assert_null(strstr(said, "\n00200000="));
        if (m->has_pixels)
            must_say(name, syntax, "7FE00010=abcdefgh");
        buf_fini(&out);
        buf_fini(&stored);
    }
}

static void
not_a_byte_changes_but_where_something_else_is_said(void **state)
{
    static const struct leaving_image m = {
        .study = "1.2.abc", .series = LEAVING_SERIES, .has_pixels = true};
    static const uint8_t series_and_number[] = {0x20, 0,   0x0E, 0,   'U', 'I', 10,  0,  '2',  '.',
                                                '2',  '5', '.',  '4', '5', '6', '7', 0,  0x20, 0,
                                                0x11, 0,   'I',  'S', 2,   0,   '7', ' '};
    struct buf stored, out, wanted;
    uint8_t *study, *pixels;
    bool is_coerced;
    size_t before;

    (void)state;
    leaving_file(&m, DCM_UID_EXPLICIT_LE, &stored);
    study = memmem(stored.bytes, stored.n,
                   "\x20\0\x0d\0UI\x08\0"
                   "1.2.abc\0",
                   16);
    assert_non_null(study);
    before = (size_t)(study - stored.bytes);
    leaving_of(&stored, &out, &is_coerced);

    assert_true(is_coerced);
    assert_memory_equal(out.bytes, stored.bytes, before);
    buf_init(&wanted, 1000);
    buf_add(&wanted, "\x20\0\x0d\0UI\x08\0" LEAVING_STUDY, 16);
    buf_add(&wanted, series_and_number, sizeof series_and_number);
    buf_add(&wanted, "\0\4\x61\5SQ\0\0", 8);
    assert_memory_equal(out.bytes + before, wanted.bytes, wanted.n);
    pixels = out.bytes + out.n - (8 + 12);
    assert_memory_equal(pixels, stored.bytes + stored.n - (8 + 12), 8 + 12);
    assert_int_equal(le32_read(out.bytes + before + wanted.n),
                     pixels - (out.bytes + before + wanted.n + 4)); /* the sequence ends there */
    buf_fini(&wanted);
    buf_fini(&out);
    buf_fini(&stored);
}

static void
meta_group_says_the_instance_of_the_data_set_and_its_own_length(void **state)
{
    static const struct leaving_image rows[] = {
        {.study = LEAVING_STUDY, .series = LEAVING_SERIES, .has_pixels = true},
        {.study = NULL, .series = NULL, .has_pixels = true}};

    (void)state;
    if (!has_pydicom())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows) * LEAVING_SYNTAXES; i++) {
        struct dcm_part10 p10;
        struct err err = {0};
        struct buf stored, out;
        uint8_t *uid;
        bool is_coerced;

        leaving_file(&rows[i / LEAVING_SYNTAXES], leaving_syntaxes[i % LEAVING_SYNTAXES], &stored);
        uid = memmem(stored.bytes, 400, "1.2.3.9", 7);
        memcpy(uid, "1.2.8\0", 6); /* eight bytes with their pad: longer than what is due */
        leaving_of(&stored, &out, &is_coerced);

        assert_true(is_coerced);
        assert_int_equal(dcm_part10_parse(out.bytes, out.n, &p10, &err), 0);
        assert_string_equal(p10.sop_instance, "1.2.3.9");
        assert_int_equal(p10.dataset_at, 144 + le32_read(out.bytes + 140));
        ask_pydicom(&out);
        must_say("meta", leaving_syntaxes[i % LEAVING_SYNTAXES], "meta=1.2.3.9");
        must_say("meta", leaving_syntaxes[i % LEAVING_SYNTAXES], "0020000D=" LEAVING_STUDY);
        buf_fini(&out);
        buf_fini(&stored);
    }
}

/* Readers would take the one for the meta group's own, and its transfer syntax for the file's; the
 * other for a torn element. */
static void
what_odd_senders_put_around_a_data_set_stays_behind(void **state)
{
    static const struct leaving_image rows[] = {
        {.study = LEAVING_STUDY, .series = LEAVING_SERIES, .has_pixels = true},
        {.study = NULL, .series = LEAVING_SERIES, .has_pixels = true},
        {.study = "1.2.4", .series = NULL}};

    (void)state;
    if (!has_pydicom())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows) * 2 * ODD_SENDERS; i++) {
        const struct odd_sender *odd = &odd_senders[i / 2 % ODD_SENDERS];
        const struct leaving_image *m = &rows[i / (size_t)(2 * ODD_SENDERS)];
        const char *syntax = leaving_syntaxes[i % 2];
        struct dcm_part10 p10;
        struct err err = {0};
        struct buf stored, clean, out;
        bool is_coerced;

        leaving_file(m, syntax, &stored);
        leaving_of(&stored, &clean, &is_coerced);
        assert_int_equal(dcm_part10_parse(stored.bytes, stored.n, &p10, &err), 0);
        odd_sender_sends(odd, &stored, p10.dataset_at);
        leaving_of(&stored, &out, &is_coerced);

        assert_int_equal(is_coerced, odd->stray_n + odd->zeros > 0 || m != &rows[0]);
        assert_int_equal(out.n, clean.n);
        assert_memory_equal(out.bytes, clean.bytes, clean.n);
        ask_pydicom(&out);
        must_say(odd->name, syntax, "meta=1.2.3.9");
        must_say(odd->name, syntax, "group length True");
        must_say(odd->name, syntax, "0020000D=" LEAVING_STUDY);
        buf_fini(&out);
        buf_fini(&clean);
        buf_fini(&stored);
    }
}

/* The data set between meta group and end, as these bytes. */
static void
file_with(const char *syntax, const void *dataset, size_t n, struct buf *out)
{
    struct err err = {0};

    buf_init(out, 1 << 20);
    assert_int_equal(part10_head(out, LEAVING_CLASS, "1.2.3.9", syntax, NULL, &err), 0);
    buf_add(out, dataset, n);
}

#define ROW(text) text, sizeof text - 1
#define COMPRESSED                                                                                 \
    "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0"                                   \
    "\xfe\xff\0\xe0\2\0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
#define PRIVATE_SEQUENCE "\xe1\x7f\x10\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0\0\0\0\0"

static void
zeros_that_are_somebodys_stay(void **state)
{
    static const struct {
        const char *name, *end;
        size_t n, zeros; /* of these bytes; that are nobody's */
    } rows[] = {
        {"pixels of zeros", ROW("\xe0\x7f\x10\0OW\0\0\4\0\0\0\0\0\0\0"), 0},
        {"pixels of zeros, and zeros", ROW("\xe0\x7f\x10\0OW\0\0\4\0\0\0\0\0\0\0\0\0"), 2},
        {"compressed", ROW(COMPRESSED), 0},
        {"compressed, and zeros", ROW(COMPRESSED "\0\0\0\0\0\0"), 6},
        {"compressed, and an element that ends so",
         ROW(COMPRESSED "\xfc\xff\xfc\xffOB\0\0\2\0\0\0\0\0"), 0},
        {"a sequence, and a zero", ROW(PRIVATE_SEQUENCE "\0"), 1},
        {"an empty element", ROW("\xe1\x7f\x10\0LO\0\0"), 0},
        {"torn off", ROW("\xe1\x7f\x10\0LO\6\0\0\0\0\0"), 0},
        {"eight zeros", ROW("\xe1\x7f\x10\0LO\0\0\0\0\0\0\0\0\0\0"), 0},
    };
    static const struct leaving_image m = {.study = LEAVING_STUDY, .series = LEAVING_SERIES};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf stored, out;
        bool is_coerced;

        leaving_file(&m, DCM_UID_EXPLICIT_LE, &stored);
        buf_add(&stored, rows[i].end, rows[i].n);
        leaving_of(&stored, &out, &is_coerced);

        if (is_coerced != (rows[i].zeros > 0) || out.n != stored.n - rows[i].zeros)
            fail_msg("%s: %zu bytes fewer", rows[i].name, stored.n - out.n);
        assert_memory_equal(out.bytes, stored.bytes, out.n);
        buf_fini(&out);
        buf_fini(&stored);
    }
}

/* Compressed pixels larger than what is looked through, and something behind them. */
static void
zeros_behind_large_compressed_pixels_are_found_by_headers(void **state)
{
    static const struct leaving_image m = {.study = LEAVING_STUDY, .series = LEAVING_SERIES};
    struct buf stored, out;
    bool is_coerced;

    (void)state;
    leaving_file(&m, DCM_UID_EXPLICIT_LE, &stored);
    buf_add(&stored, "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0", 20);
    for (int i = 0; i < 3; i++) {
        buf_add(&stored, "\xfe\xff\0\xe0\0\0\4\0", 8);
        memset(buf_reserve(&stored, 1 << 18), i, 1 << 18);
        stored.n += 1 << 18;
    }
    buf_add(&stored, "\xfe\xff\xdd\xe0\0\0\0\0" PRIVATE_SEQUENCE "\0\0", 8 + 20 + 2);
    leaving_of(&stored, &out, &is_coerced);

    assert_true(is_coerced);
    assert_int_equal(out.n, stored.n - 2);
    buf_fini(&out);
    buf_fini(&stored);
}

#define ITEM_LO "\xfe\xff\x00\xe0\x0c\0\0\0\0\4\x63\5LO\4\0OLD "
#define ITEM_IMPLICIT "\xfe\xff\x00\xe0\x0c\0\0\0\0\4\x63\5\4\0\0\0OLD "

/* long because of its table */
static void
odd_ways_of_saying_it_are_read_and_kept(void **state)
{
    static const struct {
        const char *name, *syntax, *dataset;
        size_t n;
        const char *lines[4];
    } rows[] = {
        {"big endian",
         DCM_UID_EXPLICIT_BE,
         ROW("\0\x20\0\x0dUI\0\x08"
             "1.2.abc\0"
             "\0\x20\0\x11IS\0\x02"
             "7 "),
         {"00200011=7", "04000561[0].04000551[0].04000552=1.2.abc",
          "04000561[0].04000551[0].00720026=(0020, 000d)"}},
        {"big endian, amended",
         DCM_UID_EXPLICIT_BE,
         ROW("\4\0\5\x61SQ\0\0\0\0\0\x14\xff\xfe\xe0\0\0\0\0\x0c\4\0\5\x63LO\0\4OLD "),
         {"04000561[0].04000563=OLD", "04000561[1].04000565=COERCE"}},
        {"a sequence of defined length",
         DCM_UID_EXPLICIT_LE,
         ROW("\0\4\x61\5SQ\0\0\x14\0\0\0" ITEM_LO),
         {"04000561[0].04000563=OLD", "04000561[1].04000565=COERCE"}},
        {"an empty sequence",
         DCM_UID_EXPLICIT_LE,
         ROW("\0\4\x61\5SQ\0\0\0\0\0\0"),
         {"04000561[0].04000565=COERCE"}},
        {"of defined length, implicit",
         DCM_UID_IMPLICIT_LE,
         ROW("\0\4\x61\5\x14\0\0\0" ITEM_IMPLICIT),
         {"04000561[0].04000563=OLD", "04000561[1].04000565=COERCE"}},
        {"an unknown sequence of undefined length, and more behind it",
         DCM_UID_EXPLICIT_LE,
         ROW("\0\4\x61\5UN\0\0\xff\xff\xff\xff" ITEM_IMPLICIT "\xfe\xff\xdd\xe0\0\0\0\0"
             "\0\x40\x08\xa0LO\2\0ab"),
         {"04000561[0].04000563=OLD", "04000561[1].04000565=COERCE"}},
        {"said twice, not in order, and once in words",
         DCM_UID_EXPLICIT_LE,
         ROW("\x20\0\x0e\0UI\0\0"
             "\x28\0\x10\0US\2\0\2\0"
             "\x20\0\x0e\0LO\4\0one "),
         {"04000561[0].04000551[0].04000552=one"}},
        {"a length of group 0400 and what follows",
         DCM_UID_EXPLICIT_LE,
         ROW("\0\4\0\0UL\4\0\1\0\0\0"
             "\x10\x40\x01\x10LO\2\0ab"),
         {"04000561[0].04000565=COERCE", "40101001=ab"}},
    };

    (void)state;
    if (!has_pydicom())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf stored, out;
        bool is_coerced;

        file_with(rows[i].syntax, rows[i].dataset, rows[i].n, &stored);
        leaving_of(&stored, &out, &is_coerced);

        ask_pydicom(&out);
        must_say(rows[i].name, rows[i].syntax, "0020000D=" LEAVING_STUDY);
        must_say(rows[i].name, rows[i].syntax, "0020000E=" LEAVING_SERIES);
        for (size_t k = 0; k < 4 && rows[i].lines[k] != NULL; k++)
            must_say(rows[i].name, rows[i].syntax, rows[i].lines[k]);
        if (strstr(strstr(said, "0020000E=") + 1, "\n0020000E=") != NULL)
            fail_msg("%s: said twice\n%s", rows[i].name, said);
        buf_fini(&out);
        buf_fini(&stored);
    }
}

static void
what_is_broken_leaves_only_where_nothing_has_to_be_changed(void **state)
{
    static const char cut[] = "\x20\0\x0e\0UI\0\0"
                              "\x28\0\x10\0US\x20\0ab";
    static const char no_sequence[] = "\0\4\x61\5LO\2\0ab";
    static const struct {
        const char *name, *dataset;
        size_t n;
        struct dcm_known known;
        bool is_left;
    } rows[] = {
        {"cut", cut, sizeof cut - 1, {LEAVING_STUDY, LEAVING_SERIES, "1.2.3.9"}, false},
        {"cut, and nobody knows better", cut, sizeof cut - 1, {"", "", ""}, true},
        {"no sequence",
         no_sequence,
         sizeof no_sequence - 1,
         {LEAVING_STUDY, LEAVING_SERIES, ""},
         false},
        {"no data set", "", 0, {LEAVING_STUDY, LEAVING_SERIES, ""}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf stored, out;
        struct err err = {0};
        bool is_coerced;

        print_message("%s\n", rows[i].name);
        file_with(DCM_UID_EXPLICIT_LE, rows[i].dataset, rows[i].n, &stored);
        assert_int_equal(leaving_as(&stored, &rows[i].known, &out, &is_coerced, &err),
                         rows[i].is_left);
        if (!rows[i].is_left)
            assert_int_equal(err.kind, ERR_REJECT);
        buf_fini(&out);
        buf_fini(&stored);
    }
}

/* Pixels, and a sequence whose end no window shows. */
static void
of_eight_gigabytes_only_the_head_is_held(void **state)
{
    static const char *const last[] = {"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff",
                                       "\0\x52\x30\x92SQ\0\0\xff\xff\xff\xff"};
    static const uint64_t size = 8ULL << 30;
    static const struct leaving_image m = {.study = NULL, .has_large = true};
    struct err err = {0};
    uint8_t end[8];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        struct dcm_leaving l = {.fd = -1};
        struct buf stored;
        int fd;

        leaving_file(&m, DCM_UID_EXPLICIT_LE, &stored);
        buf_add(&stored, last[i], 12);
        buf_add(&stored, "\xfe\xff\0\xe0\xff\xff\xff\xff\x42\0\x11\0OB\0\0\0\0\0\x70", 20);
        fd = leaving_fd(&stored);
        assert_int_equal(pwrite(fd, "the end.", 8, (off_t)(LEAVING_BEFORE + size - 8)), 8);
        if (dcm_leaving_open(&l, fd, LEAVING_BEFORE, size, &leaving_known, LEAVING_NOW_US, &err) <
            0)
            fail_msg("%s", err.text);

        assert_true(l.size > size && l.size < size + 1000);
        assert_int_equal(dcm_leaving_read(&l, end, 8, l.size - 8, &err), 0);
        assert_memory_equal(end, "the end.", 8);
        assert_int_equal(dcm_leaving_read(&l, end, 8, l.size - 7, &err), -1);
        dcm_leaving_close(&l);
        buf_fini(&stored);
    }
}

/* What inflates to more than is made again in memory, and what says its UIDs at its beginning. */
static void
large_deflated_file_leaves_only_if_it_is_as_it_should_be(void **state)
{
    size_t zeros_n = (128 << 20) + 8;
    uint8_t *zeros = mem_new(zeros_n);

    (void)state;
    for (int is_usable = 0; is_usable < 2; is_usable++) {
        struct leaving_image m = {.study = is_usable ? LEAVING_STUDY : "1.2.abc",
                                  .series = LEAVING_SERIES};
        struct err err = {0};
        struct buf plain, stored, out;
        struct dcm_writer w;
        bool is_coerced;

        buf_init(&plain, zeros_n + 4096);
        buf_init(&stored, 1 << 20);
        leaving_dataset(&m, DCM_EXPLICIT_LE, &plain);
        dcm_write_init(&w, &plain, DCM_EXPLICIT_LE);
        dcm_write_bytes(&w, 0x7FE00010, "OB", zeros, zeros_n);
        assert_int_equal(
            part10_head(&stored, LEAVING_CLASS, "1.2.3.9", DCM_UID_DEFLATED_LE, NULL, &err), 0);
        assert_int_equal(zip_deflate(plain.bytes, plain.n, 1, &stored, &err), 0);
        assert_int_equal(leaving_as(&stored, &leaving_known, &out, &is_coerced, &err), is_usable);
        buf_fini(&out);
        buf_fini(&stored);
        buf_fini(&plain);
    }
    free(zeros);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_says_its_study_and_series_leaves_byte_for_byte),
        cmocka_unit_test(what_cannot_be_used_is_replaced_and_said_to_have_been_there),
        cmocka_unit_test(not_a_byte_changes_but_where_something_else_is_said),
        cmocka_unit_test(meta_group_says_the_instance_of_the_data_set_and_its_own_length),
        cmocka_unit_test(what_odd_senders_put_around_a_data_set_stays_behind),
        cmocka_unit_test(zeros_that_are_somebodys_stay),
        cmocka_unit_test(zeros_behind_large_compressed_pixels_are_found_by_headers),
        cmocka_unit_test(odd_ways_of_saying_it_are_read_and_kept),
        cmocka_unit_test(what_is_broken_leaves_only_where_nothing_has_to_be_changed),
        cmocka_unit_test(of_eight_gigabytes_only_the_head_is_held),
        cmocka_unit_test(large_deflated_file_leaves_only_if_it_is_as_it_should_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
