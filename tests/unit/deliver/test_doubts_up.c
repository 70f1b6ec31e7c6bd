/* test_doubts_up.c - what a clinic tells about whose images these are holds the signature, and only
 * that, until somebody there or a doctor confirms it; several studies of one registration. */
#include "reader/deliver/clinic.h"

#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct clinic_up
doubt(uint32_t revision, const char *words, bool is_confirmed)
{
    struct clinic_up m = up(CLINIC_DOUBT, "");

    m.revision = revision;
    m.is_confirmed = is_confirmed;
    m.name[0] = m.sex[0] = '\0';
    text_copy(m.study, sizeof m.study, STUDY);
    text_copy(m.doubts, sizeof m.doubts, words);
    text_copy(m.reason, sizeof m.reason, is_confirmed ? "已核对" : "");
    return m;
}

static bool
read_is_in_doubt(void)
{
    struct read_row row = read_of(STUDY);

    return read_has_open_doubts(&row);
}

/* All but the signature. */
static int64_t
reviewed_read(void)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_shown(&w, "doc1", read, true), 0);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "未见异常", "未见异常"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_claim(&w, "rev1", read), 0);
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, ""), 0);
    return read;
}

static void
reading_goes_on_and_signing_waits_until_the_desk_confirms(void **state)
{
    struct clinic_up first = doubt(1, "id_sex study_old", false);
    struct clinic_up second = doubt(2, "id_sex study_old", true);
    int64_t read;

    (void)state;
    assert_string_equal(apply(&first), "done"); /* before the read is there */
    read = reviewed_read();
    assert_string_equal(read_of(STUDY).doubts, "id_sex study_old");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
    assert_string_equal(apply(&second), "done");
    assert_false(read_has_open_doubts(&(struct read_row){0}));
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    assert_string_equal(read_of(STUDY).confirmed_by, "desk:g1");
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'doubt'"), 1);
}

static void
what_is_only_told_holds_nothing(void **state)
{
    struct clinic_up m = doubt(1, "study_old several_studies", false);
    int64_t read;

    (void)state;
    assert_string_equal(apply(&m), "done");
    read = reviewed_read();
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
}

static void
a_doctor_confirms_with_a_reason_what_the_page_showed(void **state)
{
    int64_t read = reviewed_read();
    struct clinic_up m = doubt(1, "id_check", false),
                     more = doubt(2, "id_check of_next_year", false);

    (void)state;
    assert_string_equal(apply(&m), "done");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
    assert_int_equal(report_confirm_doubts(&w, "rev1", read, "id_check", " "), REFUSE_REASON);
    assert_int_equal(report_confirm_doubts(&w, "rev1", read, "id_sex", "急诊"), REFUSE_STALE);
    assert_int_equal(report_confirm_doubts(&w, "rev1", read, "id_check", "急诊,已电话核对"), 0);
    assert_string_equal(read_of(STUDY).confirmed_by, "rev1");
    assert_string_equal(apply(&more), "done"); /* a word that nobody here knows holds, too */
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
    assert_int_equal(
        report_confirm_doubts(&w, "rev1", read, "id_check of_next_year", "急诊,已电话核对"), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
}

/* As a desk tells of a third person under a study number (gateway/desk/doubts.c). */
static void
a_word_that_went_and_comes_again_is_asked_anew_whoever_confirmed_it(void **state)
{
    int64_t read = reviewed_read();
    struct clinic_up said[] = {doubt(1, "uid_reused", false), doubt(2, "", false),
                               doubt(3, "uid_reused", false)};

    (void)state;
    assert_string_equal(apply(&said[0]), "done");
    assert_int_equal(report_confirm_doubts(&w, "rev1", read, "uid_reused", "同一人,输错"), 0);
    assert_string_equal(apply(&said[1]), "done");
    assert_string_equal(apply(&said[2]), "done");

    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
}

/* The page showed two people; the third came before the doctor's word did. */
static void
a_confirmation_covers_nobody_who_came_after_the_page_was_looked_at(void **state)
{
    const char *word = "uid_reused", *why = "三份均已核对";
    int64_t read = reviewed_read();
    struct clinic_up said[] = {doubt(1, word, false), doubt(2, "", false), doubt(3, word, false)};

    (void)state;
    assert_string_equal(apply(&said[0]), "done");
    assert_int_equal(read_of(STUDY).doubts_revision, 1);
    assert_string_equal(apply(&said[1]), "done");
    assert_string_equal(apply(&said[2]), "done");

    assert_int_equal(report_confirm_doubts_at(&w, "rev1", read, word, 1, why), REFUSE_DOUBTS_ANEW);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
    assert_int_equal(report_confirm_doubts_at(&w, "rev1", read, word, 3, why), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
}

static void
a_message_told_late_changes_nothing(void **state)
{
    struct clinic_up old = doubt(1, "id_sex", false), now = doubt(3, "", false);

    (void)state;
    report_world_study(&w, "T1", STUDY);
    assert_string_equal(apply(&now), "done");
    assert_string_equal(apply(&old), "done");
    assert_string_equal(read_of(STUDY).doubts, "");
    assert_string_equal(apply_as("T2", "g1", &old), "done"); /* another clinic's own study */
    assert_string_equal(read_of(STUDY).doubts, "");
}

static void
a_correction_says_who_it_is_and_goes_back_to_its_author(void **state)
{
    struct clinic_up ask = doubt(1, "a_or_b", false), answer = doubt(2, "", false);
    struct read_row row;
    int64_t read;

    (void)state;
    read = reviewed_read();
    assert_string_equal(apply(&ask), "done");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
    answer.is_corrected = true;
    text_copy(answer.name, sizeof answer.name, "李四");
    text_copy(answer.patient_id, sizeof answer.patient_id, "R2");
    text_copy(answer.sex, sizeof answer.sex, "M");
    text_copy(answer.birth, sizeof answer.birth, "19700101");
    assert_string_equal(apply(&answer), "done");
    row = read_of(STUDY);
    assert_string_equal(row.patient_name, "李四");
    assert_string_equal(row.patient_id, "R2");
    assert_string_equal(row.sex, "M");
    assert_true(row.is_corrected);
    assert_false(read_has_open_doubts(&row));
    assert_int_equal(row.state, READ_DRAFTED); /* its words were about another person */
}

static void
one_exam_that_came_as_several_studies_is_one_registrations(void **state)
{
    struct clinic_up join = up(CLINIC_JOIN, REG), urgent = up(CLINIC_URGENT, REG);

    (void)state;
    report_world_study(&w, "T1", STUDY);
    report_world_study(&w, "T1", OTHER);
    apply_new(CLINIC_REGISTRATION, REG);
    apply_new(CLINIC_REGISTRATION, REG_TWO);
    assert_string_equal(attach(REG, STUDY), "done");
    text_copy(join.study, sizeof join.study, OTHER);
    assert_string_equal(apply(&join), "done");
    assert_string_equal(read_of(STUDY).registration, REG);
    assert_string_equal(read_of(OTHER).registration, REG);
    assert_string_equal(read_of(OTHER).complaint, "咳嗽三天");
    urgent.is_urgent = true;
    assert_string_equal(apply(&urgent), "done"); /* what is said of it later, is said of both */
    assert_true(read_of(STUDY).is_emergency);
    assert_true(read_of(OTHER).is_emergency);
    assert_string_equal(attach(REG_TWO, OTHER), "done"); /* it was not, after all */
    assert_string_equal(read_of(OTHER).registration, REG_TWO);
    assert_string_equal(read_of(STUDY).registration, REG);
    assert_int_equal(count("SELECT count(*) FROM order_studies"), 0);
}

static void
a_joined_study_finds_its_registration_when_it_comes_later(void **state)
{
    struct clinic_up join = up(CLINIC_JOIN, REG);

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    assert_string_equal(attach(REG, STUDY), "done");
    text_copy(join.study, sizeof join.study, OTHER);
    assert_string_equal(apply(&join), "done");
    report_world_study(&w, "T1", OTHER);
    report_world_study(&w, "T1", STUDY);
    assert_string_equal(read_of(OTHER).registration, REG);
    assert_string_equal(read_of(STUDY).registration, REG);
}

/* A desk may tell an attachment anew; what was written meanwhile stays where it is. */
static void
the_same_attachment_again_leaves_a_written_report_where_it_is(void **state)
{
    int64_t read;

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    assert_string_equal(attach(REG, STUDY), "done");
    read = reviewed_read();
    assert_string_equal(attach(REG, STUDY), "done");
    assert_int_equal(read_of(STUDY).state, READ_REVIEWED);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
}

/* The doctor was never shown that another was registered than the images name; the report went out.
 */
static void
another_person_than_was_registered_holds_the_signature_until_someone_says_why(void **state)
{
    struct clinic_up registered = up(CLINIC_REGISTRATION, REG), desk = doubt(1, "", false);
    char word[64];
    int64_t read;

    (void)state;
    read_world_names(STUDY, "ZHAO^LIU=赵^六", "19800101", "F");
    apply_new(CLINIC_REGISTRATION, REG);
    assert_string_equal(attach(REG, STUDY), "done");
    read = reviewed_read();
    text_copy(word, sizeof word, read_of(STUDY).doubts);
    assert_memory_equal(word, READ_OTHER_WORD ".", sizeof READ_OTHER_WORD);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), REFUSE_DOUBT);
    assert_int_equal(report_confirm_doubts(&w, "rev1", read, word, "电话核对,同一人"), 0);
    assert_string_equal(apply(&desk), "done"); /* what the desk says meanwhile changes nothing */
    assert_false(read_is_in_doubt());

    registered.revision = 2; /* mended into somebody else again */
    text_copy(registered.name, sizeof registered.name, "钱七");
    assert_string_equal(apply(&registered), "done");
    assert_true(read_is_in_doubt());
    assert_int_equal(report_confirm_doubts(&w, "rev1", read, word, "同一人"), REFUSE_STALE);

    registered.revision = 3; /* and into whom the images name */
    clinic_id_new(registered.id);
    text_copy(registered.name, sizeof registered.name, "赵六");
    assert_string_equal(apply(&registered), "done");
    assert_string_equal(read_of(STUDY).doubts, "");
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(reading_goes_on_and_signing_waits_until_the_desk_confirms),
        TEST(what_is_only_told_holds_nothing),
        TEST(a_doctor_confirms_with_a_reason_what_the_page_showed),
        TEST(a_word_that_went_and_comes_again_is_asked_anew_whoever_confirmed_it),
        TEST(a_confirmation_covers_nobody_who_came_after_the_page_was_looked_at),
        TEST(a_message_told_late_changes_nothing),
        TEST(a_correction_says_who_it_is_and_goes_back_to_its_author),
        TEST(one_exam_that_came_as_several_studies_is_one_registrations),
        TEST(a_joined_study_finds_its_registration_when_it_comes_later),
        TEST(the_same_attachment_again_leaves_a_written_report_where_it_is),
        TEST(another_person_than_was_registered_holds_the_signature_until_someone_says_why),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
