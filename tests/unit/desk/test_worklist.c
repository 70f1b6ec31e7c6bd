/* test_worklist.c - worklists by the standard's rules: what matches, what is told, in which bytes;
 * and over a real association. */
#include "gateway/desk/worklist.h"
#include "gateway/desk/worklist_query.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STEP 0x00400100
static const int64_t noon_us = INT64_C(1795305600) * 1000000;
static const struct worklist_asker ct_one = {"CT_1", "CT", DCM_SHOWS_UTF8};

static struct order *
sample(void)
{
    static struct order o;

    memset(&o, 0, sizeof o);
    o.number = 7;
    o.state = ORDER_SCHEDULED;
    text_copy(o.source, sizeof o.source, "hl7");
    text_copy(o.placer, sizeof o.placer, "PL-1");
    text_copy(o.registration, sizeof o.registration, "261122K7M001");
    text_copy(o.accession, sizeof o.accession, "A-100");
    text_copy(o.patient_id, sizeof o.patient_id, "11010519491231002X");
    text_copy(o.name, sizeof o.name, "单雄信");
    text_copy(o.pinyin, sizeof o.pinyin, "Shan^XiongXin");
    text_copy(o.sex, sizeof o.sex, "M");
    text_copy(o.birth, sizeof o.birth, "19491231");
    text_copy(o.modality, sizeof o.modality, "CT");
    text_copy(o.procedure_id, sizeof o.procedure_id, "P7");
    text_copy(o.description, sizeof o.description, "胸部平扫");
    text_copy(o.code, sizeof o.code, "CT-01");
    text_copy(o.study, sizeof o.study, "2.25.1");
    text_copy(o.complaint, sizeof o.complaint, "咳嗽\n发热");
    o.weight_g = 61500;
    o.scheduled_at_us = noon_us;
    return &o;
}

/* ---- identifiers ---- */

struct ask {
    uint32_t tag;
    const char *value;
};

/* Keys of the top level, then those of the step; a tag of 0 ends each. */
static void
identify(struct buf *out, const struct ask *top, const struct ask *step)
{
    struct dcm_writer w;

    buf_init(out, 65536);
    dcm_write_init(&w, out, DCM_IMPLICIT_LE);
    for (; top->tag != 0 && top->tag < STEP; top++)
        dcm_write_text(&w, top->tag, NULL, top->value);
    if (step != NULL) {
        dcm_write_sequence_begin(&w, STEP);
        dcm_write_item_begin(&w);
        for (; step->tag != 0; step++)
            dcm_write_text(&w, step->tag, NULL, step->value);
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
    }
    for (; top->tag != 0; top++)
        dcm_write_text(&w, top->tag, NULL, top->value);
}

static struct worklist_query *
query(const struct ask *top, const struct ask *step)
{
    static struct worklist_query q;
    struct buf bytes;
    struct err err;

    identify(&bytes, top, step);
    if (worklist_query_read(bytes.bytes, bytes.n, DCM_IMPLICIT_LE, "", &q, &err) < 0)
        fail_msg("%s", err.text);
    buf_fini(&bytes);
    return &q;
}

static bool
matches(const struct order *o, uint32_t tag, const char *value)
{
    const struct ask top[] = {{tag, value}, {0, ""}}, none[] = {{0, ""}};
    bool is_step = tag == 0x00080060 || tag >> 16 == 0x0040;
    struct worklist_query *q = is_step && tag < 0x00401000 ? query(none, top) : query(top, NULL);
    bool is = worklist_matches(o, q, &ct_one, noon_us);

    worklist_query_fini(q);
    return is;
}

static void
keys_match_as_the_standard_has_it(void **state)
{
    static const struct {
        uint32_t tag;
        const char *key;
        bool is;
    } rows[] = {
        {0x00100010, "", true},
        {0x00100010, "*", true},
        {0x00100010, "单雄信", true},
        {0x00100010, "单*", true},
        {0x00100010, "单^雄信", true},
        {0x00100010, "单?信", true},
        {0x00100010, "雄*", false},
        {0x00100010, "SHAN^XIONGXIN", true},
        {0x00100010, "shan*", true},
        {0x00100010, "Shan Xiong Xin", true},
        {0x00100010, "dan*", false},
        {0x00100010, "Shan*=单*", true},
        {0x00100010, "Shan*=王*", false},
        {0x00100010, "shan", false},
        {0x00100020, "11010519491231002x", true},
        {0x00100020, "11010519491231002X", true},
        {0x00100020, "110105*", true},
        {0x00100020, "11010519491231002", false},
        {0x00080050, "a-100", true},
        {0x00080050, "A-1", false},
        {0x00401001, "P7", true},
        {0x0020000D, "2.25.1", true},
        {0x0020000D, "2.25.9\\2.25.1", true},
        {0x0020000D, "2.25.9", false},
        {0x00100030, "19400101-19500101", true},
        {0x00100030, "19500101-", false},
        {0x00080060, "CT", true},
        {0x00080060, "MR", false},
        {0x00080060, "MR\\CT", true},
        {0x00400001, "ANY_OTHER", true}, /* the order names no station */
        {0x00400002, "20261122", true},
        {0x00400002, "20261121-20261122", true},
        {0x00400002, "-20261121", false},
        {0x00400002, "20261123-", false},
        {0x00400003, "0000-2359", true},
        {0x00400002, "2026.11.22", true}, /* as old consoles write it */
        {0x00400002, "2026.11.23", false},
        {0x00400002, "2026.11.20-2026.11.22", true},
        {0x00400003, "000000-240000", true},
        {0x00400003, "-2400", true},
        {0x00400002, "22 NOV 2026", true}, /* cannot be read: nothing is asked */
        {0x00400003, "8 o'clock", true},
        {0x00100030, "31.12.1949", true},
        {0x00400009, "S7", true},
        {0x00400009, "S8", false},
        {0x00400006, "Wang*", false}, /* nobody is named */
    };

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (matches(sample(), rows[i].tag, rows[i].key) != rows[i].is)
            fail_msg("(%08X) '%s': wanted %d", rows[i].tag, rows[i].key, rows[i].is);
}

/* 1795305600 is 2026-11-22 08:00 in Shanghai. */
static void
a_name_is_found_whatever_blanks_it_is_written_with(void **state)
{
    static const char *const names[] = {"赵六", "赵　六", "赵  六", "赵\u00a0六"};
    static const char *const keys[] = {"赵六", "赵^六", "赵　六", "赵?", "?六", "ZHAO LIU"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(keys); i++) {
        struct order *o = sample();
        text_copy(o->name, sizeof o->name, names[i / ARRAY_LEN(keys)]);
        text_copy(o->pinyin, sizeof o->pinyin, "Zhao^Liu");
        if (!matches(o, 0x00100010, keys[i % ARRAY_LEN(keys)]))
            fail_msg("'%s' does not find '%s'", keys[i % ARRAY_LEN(keys)], o->name);
    }
}

static void
two_ranges_are_one_span_of_time(void **state)
{
    static const struct {
        const char *days, *times;
        bool is;
    } rows[] = {
        {"20261121-20261123", "0900-0700", true}, /* from the 21st at 9 to the 23rd at 7 */
        {"20261122-20261123", "0900-0700", false}, {"20261122-20261123", "0700-0600", true},
        {"20261121-20261122", "0700-0759", false}, {"20261122", "0700-0900", true},
        {"20261122", "0900-1000", false},
    };
    const struct ask none[] = {{0, ""}};

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct ask step[] = {
            {0x00400002, rows[i].days}, {0x00400003, rows[i].times}, {0, ""}};
        struct worklist_query *q = query(none, step);

        if (worklist_matches(sample(), q, &ct_one, noon_us) != rows[i].is)
            fail_msg("%s %s", rows[i].days, rows[i].times);
        worklist_query_fini(q);
    }
}

static void
a_device_sees_what_its_row_allows(void **state)
{
    const struct ask none[] = {{0, ""}};
    struct worklist_asker mr = {"MR_1", "MR", DCM_SHOWS_UTF8}, any = {"ANY", "", DCM_SHOWS_UTF8};
    struct worklist_asker film = {"DR_1", "CR+DX", DCM_SHOWS_UTF8};
    struct worklist_query *q = query(none, NULL);
    struct order *o = sample();

    (void)state;
    assert_true(worklist_matches(o, q, &ct_one, noon_us));
    assert_false(worklist_matches(o, q, &mr, noon_us));
    assert_true(worklist_matches(o, q, &any, noon_us));
    text_copy(o->station, sizeof o->station, "CT_2");
    assert_false(worklist_matches(o, q, &ct_one, noon_us));
    text_copy(o->station, sizeof o->station, "CT_1");
    assert_true(worklist_matches(o, q, &ct_one, noon_us));
    o = sample();
    text_copy(o->modality, sizeof o->modality, "DR");
    assert_true(worklist_matches(o, q, &film, noon_us));
    assert_false(worklist_matches(o, q, &ct_one, noon_us));
    o->modality[0] = '\0';
    assert_true(worklist_matches(o, q, &ct_one, noon_us));
    o->state = ORDER_COMPLETED;
    assert_false(worklist_matches(o, q, &film, noon_us));
}

static void
an_order_whose_images_came_goes_unless_it_is_named(void **state)
{
    struct order *o = sample();

    (void)state;
    text_copy(o->attached, sizeof o->attached, "2.25.1");
    o->arrived_at_us = noon_us - INT64_C(5) * 60 * 1000000;
    assert_true(matches(o, 0x00100010, "*"));
    o->arrived_at_us = noon_us - INT64_C(11) * 60 * 1000000;
    assert_false(matches(o, 0x00100010, "*"));
    assert_true(matches(o, 0x00080050, "A-100"));
    o->arrived_at_us = noon_us + INT64_C(400) * 86400 * 1000000; /* the clock was ahead */
    assert_false(matches(o, 0x00100010, "*"));
}

/* ---- answers ---- */

struct found {
    char text[512];
    bool is_there;
};

/* Element at path (0 = top) of an answer, as text. */
static struct found
element(const struct buf *b, uint32_t sequence, uint32_t tag)
{
    struct found f = {"", false};
    struct dcm_walk walk;
    struct dcm_element e;
    uint32_t path = 0;
    struct err err;

    dcm_walk_init(&walk, b->bytes, b->n, DCM_EXPLICIT_LE, DCM_WALK_WHOLE);
    do {
        assert_int_equal(dcm_walk_next(&walk, &e, &err), 0);
        if (e.event == DCM_SEQUENCE && e.depth == 0)
            path = e.tag;
        if (e.tag == tag && (e.event == DCM_ELEMENT || e.event == DCM_SEQUENCE) &&
            (sequence == 0 ? e.depth == 0 : e.depth == 1 && path == sequence)) {
            f.is_there = true;
            if (e.event == DCM_ELEMENT && e.value_n < sizeof f.text)
                memcpy(f.text, b->bytes + e.value_at, e.value_n);
        }
    } while (e.event != DCM_END);
    for (size_t n = strlen(f.text); n > 0 && f.text[n - 1] == ' '; n--)
        f.text[n - 1] = '\0';
    return f;
}

static void
answer(const struct order *o, const struct worklist_query *q, const struct worklist_asker *a,
       struct buf *out)
{
    struct dcm_writer w;

    buf_init(out, 65536);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    worklist_write(&w, o, q, a);
}

static void
what_is_asked_is_told_and_nothing_else(void **state)
{
    const struct ask top[] = {{0x00080050, ""}, {0x00100010, ""}, {0x00101030, ""},
                              {0x00380010, ""}, {0x00401001, ""}, {0, ""}};
    const struct ask step[] = {{0x00080060, ""}, {0x00400001, ""}, {0x00400002, ""},
                               {0x00400007, ""}, {0x00400009, ""}, {0, ""}};
    struct worklist_query *q = query(top, step);
    struct buf out;

    (void)state;
    answer(sample(), q, &ct_one, &out);
    assert_string_equal(element(&out, 0, 0x00080005).text, "ISO_IR 192");
    assert_string_equal(element(&out, 0, 0x00080050).text, "A-100");
    assert_string_equal(element(&out, 0, 0x00100010).text, "Shan^XiongXin=单^雄信");
    assert_string_equal(element(&out, 0, 0x00101030).text, "61.500");
    assert_true(element(&out, 0, 0x00380010).is_there); /* type 2, not known */
    assert_string_equal(element(&out, 0, 0x00380010).text, "");
    assert_false(element(&out, 0, 0x00100020).is_there); /* not asked */
    assert_string_equal(element(&out, STEP, 0x00080060).text, "CT");
    assert_string_equal(element(&out, STEP, 0x00400001).text, "CT_1");
    assert_string_equal(element(&out, STEP, 0x00400002).text, "20261122");
    assert_string_equal(element(&out, STEP, 0x00400007).text, "胸部平扫");
    assert_string_equal(element(&out, STEP, 0x00400009).text, "S7");
    assert_false(element(&out, STEP, 0x00400003).is_there);
    assert_false(q->is_partly);
    buf_fini(&out);
    worklist_query_fini(q);
}

static void
a_sequence_asked_empty_comes_whole(void **state)
{
    struct worklist_query *q;
    struct dcm_writer w;
    struct buf bytes, out;
    struct err err;

    (void)state;
    q = mem_new(sizeof *q);
    buf_init(&bytes, 1000);
    dcm_write_init(&w, &bytes, DCM_IMPLICIT_LE);
    dcm_write_sequence_begin(&w, 0x00321064);
    dcm_write_sequence_end(&w);
    dcm_write_sequence_begin(&w, STEP);
    dcm_write_sequence_end(&w);
    assert_int_equal(worklist_query_read(bytes.bytes, bytes.n, DCM_IMPLICIT_LE, "", q, &err), 0);
    answer(sample(), q, &ct_one, &out);
    assert_string_equal(element(&out, 0x00321064, 0x00080100).text, "CT-01");
    assert_string_equal(element(&out, 0x00321064, 0x00080102).text, "L");
    assert_string_equal(element(&out, 0x00321064, 0x00080104).text, "胸部平扫");
    assert_string_equal(element(&out, STEP, 0x00400003).text, "080000");
    assert_true(element(&out, STEP, 0x00400008).is_there);
    assert_true(element(&out, STEP, 0x00400010).is_there);
    assert_false(element(&out, 0, 0x00100010).is_there);
    buf_fini(&out);
    buf_fini(&bytes);
    worklist_query_fini(q);
    free(q);
}

static void
unknown_keys_are_said_to_be_unknown(void **state)
{
    const struct ask top[] = {{0x00101040, ""}, {0x00190010, "X"}, {0, ""}};
    struct worklist_query *q = query(top, NULL);

    (void)state;
    assert_true(q->is_partly);
    assert_int_equal(q->n, 0);
    worklist_query_fini(q);
}

/* Told as "no patients", with success, it would be believed. */
static void
a_day_that_cannot_be_read_is_as_none_and_said(void **state)
{
    const struct ask top[] = {{0x00100030, "19491231"}, {0, ""}};
    const struct ask step[] = {{0x00400002, "22-NOV-2026"}, {0x00400003, "0800-240000"}, {0, ""}};
    struct worklist_query *q = query(top, step);
    int64_t from_us, to_us;

    (void)state;
    assert_true(q->is_partly); /* FF01H */
    assert_int_equal(q->unread, 0x00400002);
    assert_true(worklist_matches(sample(), q, &ct_one, noon_us));
    worklist_window(q, noon_us, &from_us, &to_us);
    assert_true(from_us < noon_us && to_us > noon_us);
    worklist_query_fini(q);
}

static void
a_console_is_told_in_what_it_shows(void **state)
{
    static const struct {
        const char *row;      /* of the device */
        const char *declared; /* by its request */
        const char *name;     /* key in the request's bytes */
        const char *charset, *first;
    } rows[] = {
        {"PINYIN", "", "", "", "Shan^XiongXin"},
        {"", "", "", "", "Shan^XiongXin"},
        {"", "ISO_IR 100", "", "", "Shan^XiongXin"},
        {"", "ISO_IR 192", "", "ISO_IR 192", "Shan^XiongXin=单^雄信"},
        {"", "GB18030", "", "GB18030", "Shan^XiongXin=\xB5\xA5^\xD0\xDB\xD0\xC5"},
        {"", "ISO_IR 100", "\xB5\xA5*", "ISO_IR 100", "\xB5\xA5\xD0\xDB\xD0\xC5"}, /* raw GBK */
        {"", "", "单*", "ISO_IR 192", "Shan^XiongXin=单^雄信"},                    /* raw UTF-8 */
        {"GBK-AS-IR100", "ISO_IR 192", "", "ISO_IR 100", "\xB5\xA5\xD0\xDB\xD0\xC5"},
        {"ISO_IR 58", "", "", "\\ISO 2022 IR 58",
         "Shan^XiongXin=\x1B$)A\xB5\xA5^\x1B$)A\xD0\xDB\xD0\xC5"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct ask top[] = {
            {0x00080005, rows[i].declared}, {0x00100010, rows[i].name}, {0, ""}};
        struct worklist_query *q = query(top, NULL);
        struct worklist_asker a = {"CT_1", "CT", worklist_shows(rows[i].row, q)};
        struct buf out;

        assert_true(worklist_matches(sample(), q, &a, noon_us));
        answer(sample(), q, &a, &out);
        assert_string_equal(element(&out, 0, 0x00080005).text, rows[i].charset);
        assert_string_equal(element(&out, 0, 0x00100010).text, rows[i].first);
        buf_fini(&out);
        worklist_query_fini(q);
    }
}

static void
an_identifier_that_is_none_is_refused(void **state)
{
    static const uint8_t cut[] = {0x10, 0, 0x10, 0, 200, 0, 0, 0, 'A'};
    struct worklist_query q;
    struct err err;

    (void)state;
    assert_int_equal(worklist_query_read(cut, sizeof cut, DCM_IMPLICIT_LE, "", &q, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

/* ---- over an association ---- */

/* Open orders of two months, put as a source that plans ahead puts them. */
static void
put_many(int count, int64_t from_us, int64_t every_us)
{
    char number[17], placer[24], study[64];
    struct err err;
    int rc;

    person("王小东", "", "CT", number);
    assert_int_equal(db_begin(book->db, &err), 0);
    rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        snprintf(placer, sizeof placer, "P-%d", i);
        snprintf(study, sizeof study, "1.2.826.%d", i);
        rc = db_run(book->db, "order_add",
                    DB_ARGS(DB_TEXT("http"), DB_TEXT(placer), DB_TEXT(number),
                            DB_TEXT(i + 1 == count ? "NEWEST" : ""), DB_TEXT(""), DB_TEXT(""),
                            DB_INT(1), DB_INT(0), DB_INT(0), DB_TEXT(""),
                            DB_INT(from_us + i * every_us), DB_TEXT(""), DB_TEXT(""), DB_TEXT(""),
                            DB_TEXT(""), DB_TEXT(""), DB_TEXT(study), DB_TEXT(""), DB_TEXT(""),
                            DB_INT(from_us)),
                    NULL, &err);
    }
    assert_int_equal(db_end(book->db, rc, &err), 0);
}

static uint64_t
answers(const struct ask *top, const struct ask *step, bool *out_is_cut)
{
    struct worklist_query *q = query(top, step);
    struct dimse_answers list;
    struct err err;
    uint64_t n;

    dimse_answers_init(&list, DCM_IMPLICIT_LE);
    if (worklist_find(book, q, &ct_one, &list, out_is_cut, &err) < 0)
        fail_msg("%s", err.text);
    n = list.count;
    dimse_answers_fini(&list);
    worklist_query_fini(q);
    return n;
}

/* The oldest ten thousand were looked at and the rest was not: whoever is due today was in no
 * worklist, without a word. */
static void
more_open_orders_than_an_answer_holds_hide_none_that_is_asked_for(void **state)
{
    enum { COUNT = 10100 };
    static const int64_t hour_us = INT64_C(3600) * 1000000;
    const struct ask none[] = {{0, ""}}, newest[] = {{0x00080050, "NEWEST"}, {0, ""}},
                     today[] = {{0x00400002, "20261122"}, {0, ""}},
                     days[] = {{0x00400002, "20261121-"}, {0, ""}};
    bool is_cut = true;

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    clock_fake(noon_us, 1000);
    /* one each eight minutes, the last of them now: 08:00 there */
    put_many(COUNT, noon_us - (COUNT - 1) * 8 * hour_us / 60, 8 * hour_us / 60);

    assert_int_equal(answers(newest, none, &is_cut), 1);
    assert_false(is_cut);
    assert_int_equal(answers(none, today, &is_cut), 8 * 60 / 8 + 1 + 1); /* and person() */
    assert_false(is_cut);
    assert_int_equal(answers(none, days, &is_cut), 32 * 60 / 8 + 1 + 1);
    assert_false(is_cut);
}

static void
a_device_asks_and_the_desk_answers(void **state)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    const struct dimse_proposal proposal = {"1.2.840.10008.5.1.4.31", plain, 1, false};
    const struct ask top[] = {{0x00100010, "wang*"}, {0x0020000D, ""}, {0, ""}};
    struct accept_options o = {.dir = book_dir, .address = "127.0.0.1", .max_associations = 4};
    struct accept_device device = {.ae = "CT_1", .address = "127.0.0.1", .name = "CT"};
    struct spool_options so = {.keep_sealed_ms = -1};
    char number[17], spool_dir[FOLDER_PATH_BYTES + 8];
    struct dimse_command rq = {.context = 1,
                               .field = DIMSE_C_FIND_RQ,
                               .message_id = 5,
                               .has_data = true},
                         rsp;
    struct worklist *worklist = NULL;
    struct dimse_assoc *assoc = NULL;
    struct accept *door = NULL;
    struct spool *spool = NULL;
    struct buf id, got;
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    person("李四", "", "CT", number);
    snprintf(spool_dir, sizeof spool_dir, "%s/spool", book_dir);
    assert_int_equal(spool_open(spool_dir, &so, &spool, &err), 0);
    assert_int_equal(accept_open(&o, spool, &door, &err), 0);
    assert_int_equal(accept_put_device(door, &device, &err), 0);
    worklist_start(book, door, &worklist);
    assert_int_equal(accept_listen(door, &err), 0);
    const struct dimse_connect_options to = {
        .host = "127.0.0.1", .port = accept_port(door), .calling = "CT_1", .called = "RADPOST"};
    if (dimse_connect(&to, &proposal, 1, &assoc, &err) < 0)
        fail_msg("%s", err.text);

    text_copy(rq.sop_class, sizeof rq.sop_class, proposal.abstract_syntax);
    identify(&id, top, NULL);
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_send_data(assoc, 1, id.bytes, id.n, true, &err), 0);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.status, DIMSE_PENDING);
    buf_init(&got, 65536);
    assert_int_equal(dimse_collect_data(assoc, &got, &err), 0);
    assert_non_null(memmem(got.bytes, got.n, "Wang^XiaoDong", 13));
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
    assert_false(rsp.has_data);

    assert_int_equal(dimse_release(&assoc, &err), 0);
    buf_fini(&got);
    buf_fini(&id);
    accept_shut(door);
    worklist_stop(&worklist);
    accept_stop(&door);
    spool_close(&spool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_match_as_the_standard_has_it),
        cmocka_unit_test(a_name_is_found_whatever_blanks_it_is_written_with),
        cmocka_unit_test(two_ranges_are_one_span_of_time),
        cmocka_unit_test(a_device_sees_what_its_row_allows),
        cmocka_unit_test(an_order_whose_images_came_goes_unless_it_is_named),
        cmocka_unit_test(what_is_asked_is_told_and_nothing_else),
        cmocka_unit_test(a_sequence_asked_empty_comes_whole),
        cmocka_unit_test(unknown_keys_are_said_to_be_unknown),
        cmocka_unit_test(a_day_that_cannot_be_read_is_as_none_and_said),
        cmocka_unit_test(a_console_is_told_in_what_it_shows),
        cmocka_unit_test(an_identifier_that_is_none_is_refused),
        cmocka_unit_test_setup_teardown(
            more_open_orders_than_an_answer_holds_hide_none_that_is_asked_for, book_world_open,
            book_world_close),
        cmocka_unit_test_setup_teardown(a_device_asks_and_the_desk_answers, book_world_open,
                                        book_world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
