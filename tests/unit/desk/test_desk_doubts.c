/* test_desk_doubts.c - what is odd is told once and confirmed for good; "A or B?" holds an exam
 * until it is answered; an exam that came as several studies; over a real file, also reopened. */
#include "gateway/desk/doubts.h"
#include "gateway/desk/doubts_look.h"

#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/model/doubts.h"
#include "tests/support/book_world.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define S1 "1.2.3.1"
#define S2 "1.2.3.2"

static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

/* The newest message that is due. */
static struct clinic_up
newest(void)
{
    struct clinic_ups ups;
    struct clinic_up last;

    assert_true(due(&ups) > 0);
    last = ups.messages[ups.count - 1];
    clinic_ups_free(&ups);
    return last;
}

static size_t
messages(void)
{
    struct clinic_ups ups;
    size_t n = due(&ups);

    clinic_ups_free(&ups);
    return n;
}

static void
what_is_odd_is_told_once_and_confirmed_with_a_reason(void **state)
{
    struct clinic_up m;
    uint32_t first;

    (void)state;
    must(book_doubt_put(book, S1, DOUBT_ID_SEX, &err));
    must(book_doubt_put(book, S1, DOUBT_ID_SEX, &err));
    assert_int_equal(messages(), 1);
    m = newest();
    first = m.revision;
    assert_int_equal(m.kind, CLINIC_DOUBT);
    assert_string_equal(m.study, S1);
    assert_string_equal(m.doubts, "id_sex");
    assert_false(m.is_confirmed);
    assert_int_equal(book_doubt_confirm(book, S1, DOUBT_ID_SEX, UINT64_MAX, "li", "", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    must(book_doubt_put(book, S1, DOUBT_STUDY_DATE, &err));
    assert_int_equal(
        book_doubt_confirm(book, S1, DOUBT_ID_SEX, UINT64_MAX, "li", "看过身份证", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* more is odd than they saw */
    must(book_doubt_confirm(book, S1, DOUBT_ID_SEX | DOUBT_STUDY_DATE, UINT64_MAX, "li",
                            "看过身份证", &err));
    reopen();
    m = newest();
    assert_true(m.is_confirmed);
    assert_string_equal(m.doubts, "id_sex study_date");
    assert_string_equal(m.reason, "看过身份证");
    assert_true(m.revision > first); /* under no older number, whatever file it was */
    assert_int_equal(book_doubt_confirm(book, S2, DOUBT_ID_SEX, UINT64_MAX, "li", "x", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* Somebody confirmed that a mistyped number is the same patient; then another patient's images came
 * under the study, were read with it, and nothing held the signature. */
static void
a_third_person_under_a_study_number_is_a_new_question(void **state)
{
    struct clinic_ups ups;
    struct clinic_up *m;

    (void)state;
    must(book_doubt_reused(book, S1, 0, "aa", &err));
    assert_string_equal(newest().doubts, "uid_reused");
    must(book_doubt_confirm(book, S1, DOUBT_UID_REUSED, 1, "li", "设备上输错一位", &err));
    must(book_doubt_reused(book, S1, 0, "aa", &err)); /* the same person's next image */
    assert_int_equal(messages(), 2);
    assert_true(newest().is_confirmed);

    must(book_doubt_reused(book, S1, 0, "bb", &err));

    /* the word goes and comes again: to the reader, too, this is another question */
    assert_int_equal(due(&ups), 4);
    m = ups.messages + 2;
    assert_string_equal(m[0].doubts, "");
    assert_string_equal(m[1].doubts, "uid_reused");
    assert_false(m[1].is_confirmed);
    assert_true(m[0].revision > ups.messages[1].revision && m[1].revision > m[0].revision);
    clinic_ups_free(&ups);
    /* whoever had the page open from before confirms two people, not three */
    assert_int_equal(book_doubt_confirm(book, S1, DOUBT_UID_REUSED, 1, "li", "x", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    must(book_doubt_confirm(book, S1, DOUBT_UID_REUSED, 2, "li", "分开处理", &err));
    reopen();
    must(book_doubt_reused(book, S1, 0, "bb", &err)); /* after a restart all is seen again */
    must(book_doubt_reused(book, S1, 0, "aa", &err));
    assert_int_equal(messages(), 5);
    assert_true(newest().is_confirmed);
}

static void
a_missing_number_is_answered_by_an_order(void **state)
{
    char number[17];

    (void)state;
    person("王小东", "", "DX", number);
    must(book_doubt_put(book, S1, DOUBT_NO_PATIENT, &err));
    assert_string_equal(newest().doubts, "no_patient_id");
    must(book_attach(book, number, S1, "hand", &err));
    assert_string_equal(newest().doubts, "");
    assert_string_equal(newest().registration, number);
    /* and when the order came first */
    must(book_join(book, number, S2, &err));
    must(book_doubt_put(book, S2, DOUBT_NO_PATIENT | DOUBT_ID_CHECK, &err));
    assert_string_equal(newest().doubts, "id_check");
}

static struct book_correction
question(const char *study, const char *other, uint64_t entry)
{
    struct book_correction c = {
        .study = study, .other_study = other, .identity = "ab", .entry = entry};

    text_copy(c.first.name, sizeof c.first.name, "甲");
    text_copy(c.second.name, sizeof c.second.name, "乙");
    text_copy(c.second.patient_id, sizeof c.second.patient_id, "R2");
    text_copy(c.second.sex, sizeof c.second.sex, "M");
    text_copy(c.second.birth, sizeof c.second.birth, "19700101");
    return c;
}

static struct spool *queue; /* of is_held() */

/* As the page is told: is it held, and how many are put aside that count. */
static bool
is_held(const char *study, uint64_t aside, uint64_t total, uint64_t *out_aside)
{
    struct spool_study s = {.total = total};
    struct book_question *q = NULL;
    bool is_open;
    size_t n;

    text_copy(s.study_uid, sizeof s.study_uid, study);
    s.counts[INSTANCE_QUARANTINED] = aside;
    must(book_questions(book, queue, &q, &n, &err));
    doubts_settle_study(q, n, &s, &is_open);
    free(q);
    *out_aside = s.counts[INSTANCE_QUARANTINED];
    return is_open;
}

static void
put_three_aside(struct spool_fixture *f, uint64_t ids[3])
{
    for (unsigned i = 0; i < 3; i++) {
        ids[i] = fixture_put(f, 100, i + 1, 0);
        fixture_inspect(f, ids[i], S2);
        must(spool_set_quarantined(f->sp, ids[i], "other_patient: drawn", &err));
    }
}

static void
an_open_question_holds_both_studies_until_it_is_answered(void **state)
{
    struct book_correction one, two;
    struct spool_fixture *f = NULL;
    uint64_t ids[3], aside;

    (void)state;
    assert_int_equal(spool_fixture_setup((void **)&f), 0);
    queue = f->sp;
    put_three_aside(f, ids);
    one = question(S1, S2, ids[0]);
    two = question(S1, S2, ids[1]);
    must(book_correction_put(book, &one, &err));
    must(book_correction_put(book, &two, &err));
    must(book_correction_put(book, &two, &err)); /* after a restart all is seen again */
    assert_int_equal(messages(), 1);
    assert_string_equal(newest().doubts, "a_or_b");
    assert_true(is_held(S1, 0, 2, &aside));
    assert_true(is_held(S2, 2, 2, &aside));
    assert_int_equal(aside, 2);
    assert_int_equal(book_doubt_confirm(book, S1, DOUBT_A_OR_B, UINT64_MAX, "li", "x", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    must(book_correction_answer(book, 1, false, "", NULL, "li", &err));
    reopen();
    assert_string_equal(newest().doubts, "");
    assert_false(newest().is_corrected);
    assert_false(is_held(S1, 0, 2, &aside));
    assert_false(is_held(S2, 2, 2, &aside));
    assert_int_equal(aside, 0);
    /* one more of the same question: it is answered */
    two.entry = ids[2];
    must(book_correction_put(book, &two, &err));
    assert_false(is_held(S2, 3, 3, &aside));
    assert_int_equal(aside, 0);
    assert_int_equal(book_correction_answer(book, 99, true, "", NULL, "li", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    spool_fixture_teardown((void **)&f);
}

/* The book still names it; the spool counts it no more. */
static void
what_is_answered_and_thrown_away_hides_nothing_else_that_is_aside(void **state)
{
    struct spool_fixture *f = NULL;
    struct book_correction c;
    struct spool_study now;
    uint64_t ids[3], aside;

    (void)state;
    assert_int_equal(spool_fixture_setup((void **)&f), 0);
    queue = f->sp;
    put_three_aside(f, ids);
    c = question(S1, S2, ids[0]);
    must(book_correction_put(book, &c, &err));
    must(book_correction_answer(book, 1, false, "", NULL, "li", &err));
    assert_false(is_held(S2, 3, 3, &aside));
    assert_int_equal(aside, 2);

    must(spool_discard(f->sp, ids[0], "other", "li", &err));

    must(spool_study(f->sp, S2, &now, &err));
    assert_int_equal(now.counts[INSTANCE_QUARANTINED], 2);
    assert_false(is_held(S2, 2, 2, &aside));
    assert_int_equal(aside, 2);
    assert_false(is_held(S2, 3, 3, &aside)); /* the study was counted just before */
    assert_int_equal(aside, 3);
    spool_fixture_teardown((void **)&f);
}

static void
the_second_answer_says_who_it_is_and_attaches(void **state)
{
    struct book_correction c = question(S1, S1, 11);
    struct clinic_up m;
    char number[17];

    (void)state;
    person("乙", "", "DX", number);
    must(book_correction_put(book, &c, &err));
    must(book_correction_answer(book, 1, true, number, NULL, "li", &err));
    m = newest();
    assert_int_equal(m.kind, CLINIC_DOUBT);
    assert_true(m.is_corrected);
    assert_string_equal(m.name, "乙");
    assert_string_equal(m.patient_id, "R2");
    assert_string_equal(m.birth, "19700101");
    assert_string_equal(found(number)->study, S1);
    /* somebody changes their mind: the last answer counts */
    must(book_correction_answer(book, 1, false, "", NULL, "li", &err));
    assert_false(newest().is_corrected);
    assert_string_equal(newest().name, "");
}

static void
a_second_question_holds_again_what_was_answered(void **state)
{
    struct book_correction one = question(S1, S1, 11), two = question(S1, S1, 12);

    (void)state;
    must(book_correction_put(book, &one, &err));
    must(book_correction_answer(book, 1, false, "", NULL, "li", &err));
    two.identity = "cd"; /* a third person */
    must(book_correction_put(book, &two, &err));
    assert_string_equal(newest().doubts, "a_or_b");
}

static void
studies_of_one_exam_are_joined_onto_one_registration(void **state)
{
    char number[17], other[17];
    struct clinic_up m;

    (void)state;
    person("甲", "", "US", number);
    person("乙", "", "US", other);
    must(book_join(book, number, S1, &err)); /* its first: an attachment */
    assert_int_equal(newest().kind, CLINIC_ATTACH);
    must(book_join(book, number, S2, &err));
    m = newest();
    assert_int_equal(m.kind, CLINIC_JOIN);
    assert_string_equal(m.study, S2);
    assert_string_equal(found(number)->study, S1);
    must(book_attach(book, other, S2, "hand", &err)); /* it was not, after all */
    assert_string_equal(found(other)->study, S2);
    assert_string_equal(found(number)->study, S1);
    must(book_join(book, number, S2, &err));
    assert_string_equal(found(other)->study, "");
}

static void
parts_of_one_exam_are_seen_by_device_person_and_time(void **state)
{
    static const int64_t minute = INT64_C(60) * 1000000;
    const struct doubts_arrived rows[] = {
        {"US1", "US", "R1", "", 0, 1},
        {"US1", "US", "R1", "", minute, 1},
        {"US1", "US", "R1", "", 2 * minute, 1},
        {"US1", "US", "R2", "", 2 * minute, 1}, /* the next patient */
        {"CT1", "CT", "R3", "", 0, 30},
        {"CT1", "CT", "R3", "", 10 * minute, 60},
        {"CT1", "CT", "R3", "", 90 * minute, 60}, /* a second exam */
        {"CT1", "CT", "1", "", 0, 30},            /* two nobodies are not one person */
        {"CT1", "CT", "", "", 0, 30},
    };
    const uint32_t wanted[] = {DOUBT_STUDY_PER_IMAGE,
                               DOUBT_STUDY_PER_IMAGE,
                               DOUBT_STUDY_PER_IMAGE,
                               0,
                               DOUBT_SEVERAL_STUDIES,
                               DOUBT_SEVERAL_STUDIES,
                               0,
                               0,
                               0};
    uint32_t bits[ARRAY_LEN(rows)];

    (void)state;
    doubts_of_arrivals(rows, ARRAY_LEN(rows), bits);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (bits[i] != wanted[i])
            fail_msg("row %zu: wanted %x, got %x", i, wanted[i], bits[i]);
}

int doubts_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

/* How many the page lists, and whether the first is open. */
static size_t
listed(const char *key, bool *out_is_open)
{
    struct json_doc *doc = NULL;
    const struct json *list;
    struct buf json;
    struct jsonw w;
    size_t n;

    buf_init(&json, 1 << 20);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    must(doubts_report(book, &w, &err));
    jsonw_end(&w);
    must(json_parse(json.bytes, json.n, &doc, &err));
    list = json_find(json_root(doc), key);
    n = json_length(list);
    *out_is_open = false;
    if (n > 0 && json_find(json_at(list, 0), "is_open") != NULL) /* a question has none */
        must(json_truth(json_at(list, 0), "is_open", out_is_open, &err));
    json_free(&doc);
    buf_fini(&json);
    return n;
}

/* They went from the page after a fortnight, or when the clock jumped, and held signing all the
 * same: nobody could answer them any more. */
static void
what_holds_signing_stays_until_a_person_has_answered(void **state)
{
    static const int64_t day_ms = INT64_C(86400000);
    struct book_correction c = question("1.2.3.9", "1.2.3.9", 11);
    bool is_open;

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    must(book_doubt_put(book, S1, DOUBT_ID_SEX, &err));
    must(book_doubt_put(book, S2, DOUBT_STUDY_OLD, &err)); /* told, and holds nothing */
    must(book_correction_put(book, &c, &err));
    assert_int_equal(listed("doubts", &is_open), 3);

    clock_fake_advance(4000 * day_ms);
    assert_int_equal(listed("doubts", &is_open), 2);
    assert_true(is_open);
    assert_int_equal(listed("corrections", &is_open), 1);
    must(book_doubt_confirm(book, S1, DOUBT_ID_SEX, UINT64_MAX, "li", "看过身份证", &err));
    must(book_correction_answer(book, 1, false, "", NULL, "li", &err));

    assert_int_equal(listed("doubts", &is_open), 0);
    clock_unfake();
}

static void
arrive(const char *study, const char *patient_id)
{
    struct book_study said = {.modality = "CT", .arrived_at_us = clock_wall_us()};
    unsigned n;

    text_copy(said.study, sizeof said.study, study);
    text_copy(said.patient_id, sizeof said.patient_id, patient_id);
    must(book_study_put(book, &said, &err));
    must(book_match(book, 0, &n, &err));
}

/* It stood among the studies of its day alone, and went at midnight: its report reached nobody. */
static void
a_study_that_is_nobodys_is_listed_until_it_is_attached_or_needs_nobody(void **state)
{
    static const int64_t day_ms = INT64_C(86400000);
    char number[17];
    bool is_open;
    size_t told;

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    arrive("1.2.3.9", "X99");
    assert_int_equal(listed("unmatched", &is_open), 0); /* nobody is registered here */
    person("甲", "", "CT", number);
    arrive(S1, "X99");
    arrive(S2, "PHANTOM");
    told = messages();
    assert_int_equal(listed("unmatched", &is_open), 3);
    assert_false(is_open);

    clock_fake_advance(2 * day_ms);
    assert_int_equal(listed("unmatched", &is_open), 3);
    must(book_attach(book, number, S1, "hand", &err));
    assert_int_equal(listed("unmatched", &is_open), 2);
    assert_int_equal(book_doubt_confirm(book, S1, 0, UINT64_MAX, "li", "x", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    must(book_doubt_confirm(book, S2, 0, UINT64_MAX, "li", "质控模体", &err));
    reopen();
    assert_int_equal(listed("unmatched", &is_open), 1);
    assert_int_equal(messages(), told + 1); /* of the attachment alone */

    /* what is found odd later is asked all the same */
    must(book_doubt_put(book, S2, DOUBT_ID_SEX, &err));
    assert_int_equal(listed("unmatched", &is_open), 2);
    assert_true(is_open);
    assert_false(newest().is_confirmed);
    clock_fake_advance(13 * day_ms);
    assert_int_equal(listed("unmatched", &is_open), 1); /* that one: the other's days are over */
    assert_true(is_open);
    clock_unfake();
}

static void
a_study_whose_number_is_none_is_shown_here_and_told_to_nobody(void **state)
{
    (void)state;
    must(book_doubt_put(book, "1.2.abc", DOUBT_BAD_UID, &err));
    assert_int_equal(messages(), 0);
}

static void
what_an_older_version_kept_aside_for_its_number_is_looked_at_when_it_goes(void **state)
{
    static const char made[] = "2.25.6472557617994596501593528038313540919";
    struct spool_options options = {.segment_bytes = 1 << 20};
    struct spool_inspection facts = {
        .series_uid = "1.2.3.1", .modality = "CT", .doubts = DOUBT_BAD_UID | DOUBT_MADE_UID};
    struct spool_fixture f = {.sp = NULL};
    struct doubts_look *look;
    struct spool *spool = NULL;
    char *dir = mem_printf("%s/spool", book_dir);
    struct clinic_up m;
    bool is_open;
    uint64_t id;

    (void)state;
    must(spool_open(dir, &options, &spool, &err));
    f.sp = spool;
    id = fixture_put(&f, 100, 1, 0);
    must(spool_set_quarantined(spool, id, "refused: its study or series number cannot be used",
                               &err));
    look = doubts_look_new(spool, NULL, book);
    must(doubts_look_step(look, &err));
    assert_int_equal(listed("unmatched", &is_open), 0);

    must(spool_release(spool, id, &err));
    text_copy(facts.study_uid, sizeof facts.study_uid, made);
    must(spool_set_inspected(spool, id, &facts, &err));
    must(spool_set_uncoded(spool, id, "test", &err));
    must(doubts_look_step(look, &err));

    assert_int_equal(listed("unmatched", &is_open), 1);
    assert_true(is_open);
    m = newest();
    assert_string_equal(m.study, made);
    assert_string_equal(m.doubts, "bad_uid made_uid");
    must(book_doubt_confirm(book, made, DOUBT_BAD_UID | DOUBT_MADE_UID, UINT64_MAX, "li",
                            "李四的片子", &err));
    assert_true(newest().is_confirmed);
    doubts_look_free(&look);
    spool_close(&spool);
    free(dir);
}

/* What the look keeps of a study let every further person pass as the second. */
static void
the_look_tells_each_person_under_a_study_number_apart(void **state)
{
    struct spool_inspection facts = {.study_uid = S1, .series_uid = S1 ".1", .modality = "CT"};
    struct spool_fixture *f = NULL;
    struct doubts_look *look;
    uint64_t id;

    (void)state;
    assert_int_equal(spool_fixture_setup((void **)&f), 0);
    look = doubts_look_new(f->sp, NULL, book);
    for (uint8_t i = 0; i < 4; i++) { /* the first, a mistyped one twice, another person */
        facts.doubts = i > 0 ? DOUBT_UID_REUSED : 0;
        memset(facts.identity_sha256, i < 2 ? 1 + i : i, sizeof facts.identity_sha256);
        id = fixture_put(f, 100, 1U + i, 0);
        must(spool_set_inspected(f->sp, id, &facts, &err));
        must(spool_set_quarantined(f->sp, id, i < 2 ? "refused: drawn" : "uid_reused: drawn",
                                   &err)); /* it waits no more */
        must(doubts_look_step(look, &err));
        if (i == 2)
            must(book_doubt_confirm(book, S1, DOUBT_UID_REUSED, 1, "li", "同一人", &err));
    }

    assert_false(newest().is_confirmed);
    assert_string_equal(newest().doubts, "uid_reused");
    doubts_look_free(&look);
    spool_fixture_teardown((void **)&f);
}

/* It could not be attached, and so nothing was: all matching stood still because of one device. */
static void
a_study_whose_number_is_none_keeps_no_other_from_its_patient(void **state)
{
    struct book_study bad = {.study = "1.2.abc"}, good = {.study = S1};
    char one[17], two[17];
    unsigned n;

    (void)state;
    person("甲", "", "DX", one);
    person("乙", "", "DX", two);
    text_copy(bad.patient_id, sizeof bad.patient_id, one);
    text_copy(good.patient_id, sizeof good.patient_id, two);
    bad.arrived_at_us = clock_wall_us();
    good.arrived_at_us = bad.arrived_at_us + 1;
    must(book_study_put(book, &bad, &err));
    must(book_study_put(book, &good, &err));

    must(book_match(book, 0, &n, &err));

    assert_int_equal(n, 1);
    assert_string_equal(found(two)->study, S1);
    assert_string_equal(found(one)->study, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_odd_is_told_once_and_confirmed_with_a_reason),
        TEST(a_third_person_under_a_study_number_is_a_new_question),
        TEST(the_look_tells_each_person_under_a_study_number_apart),
        TEST(a_missing_number_is_answered_by_an_order),
        TEST(an_open_question_holds_both_studies_until_it_is_answered),
        TEST(what_is_answered_and_thrown_away_hides_nothing_else_that_is_aside),
        TEST(the_second_answer_says_who_it_is_and_attaches),
        TEST(a_second_question_holds_again_what_was_answered),
        TEST(studies_of_one_exam_are_joined_onto_one_registration),
        TEST(parts_of_one_exam_are_seen_by_device_person_and_time),
        TEST(what_holds_signing_stays_until_a_person_has_answered),
        TEST(a_study_that_is_nobodys_is_listed_until_it_is_attached_or_needs_nobody),
        TEST(what_an_older_version_kept_aside_for_its_number_is_looked_at_when_it_goes),
        TEST(a_study_whose_number_is_none_keeps_no_other_from_its_patient),
        TEST(a_study_whose_number_is_none_is_shown_here_and_told_to_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
