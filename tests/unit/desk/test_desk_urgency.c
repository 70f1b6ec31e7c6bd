/* test_desk_urgency.c - STAT of a study: said at the desk, following an urgent registration, raised
 * by a reader; told to the reader once each, and never begun anew under an older number. */
#include "gateway/desk/urgency.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/doubts.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STUDY "1.2.3.4"

static struct err err;

/* ---- an uplink that keeps the last word, and during one of them lets something happen ---- */

static struct line {
    enum uplink_urgency word;
    void (*meanwhile)(void); /* before it has taken "routine"; once */
    pthread_t other;
    bool is_joined;
    struct err of_other;
} line;
#define LINE ((struct uplink *)(void *)&line)

int
uplink_set_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency,
                   const char *reason, const char *who, struct err *e)
{
    void (*meanwhile)(void) = line.meanwhile;

    (void)up, (void)study, (void)reason, (void)who, (void)e;
    if (urgency == UPLINK_ROUTINE && meanwhile != NULL) {
        line.meanwhile = NULL;
        meanwhile();
    }
    line.word = urgency;
    return 0;
}

int
uplink_raise_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency,
                     const char *reason, const char *who, struct err *e)
{
    return uplink_set_urgency(up, study, urgency, reason, who, e);
}

static struct book_urgency
said(const char *study)
{
    struct book_urgency *list = NULL, found = {.study = ""};
    size_t n = 0;

    assert_int_equal(book_urgencies(book, 0, &list, &n, &err), 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].study, study) == 0)
            found = list[i];
    free(list);
    return found;
}

/* The newest message of the kind; how many there are. */
static size_t
told(struct clinic_up *out)
{
    struct clinic_ups ups;
    size_t n = 0;

    due(&ups);
    for (size_t i = 0; i < ups.count; i++)
        if (ups.messages[i].kind == CLINIC_STUDY_URGENT) {
            *out = ups.messages[i];
            n++;
        }
    clinic_ups_free(&ups);
    return n;
}

static void
raised_by(const char *doctor, const char *reason)
{
    static uint64_t seq;
    struct clinic_down m = {.kind = CLINIC_URGENCY,
                            .seq = ++seq,
                            .at_us = clock_wall_us(),
                            .read = 7,
                            .study = STUDY,
                            .modality = "CT",
                            .state = "claimed",
                            .urgency = "stat"};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = seq};

    clinic_id_new(m.id);
    text_copy(m.author, sizeof m.author, doctor);
    text_copy(m.hospital, sizeof m.hospital, "县医院");
    text_copy(m.reason, sizeof m.reason, reason);
    assert_int_equal(book_take(book, &downs, &err), 0);
}

static void
what_the_desk_says_is_told_with_reason_and_name(void **state)
{
    struct clinic_up m;
    uint32_t first;

    (void)state;
    assert_int_equal(book_study_urgency(book, STUDY, true, "", "zhang", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(book_study_urgency(book, STUDY, false, "误标", "zhang", &err), 0);
    assert_int_equal(told(&m), 0); /* nobody ever said that it is one */
    assert_int_equal(book_study_urgency(book, STUDY, true, "胸痛", "zhang", &err), 0);
    assert_true(said(STUDY).is_stat);
    assert_string_equal(said(STUDY).reason, "胸痛");
    assert_int_equal(told(&m), 1);
    assert_true(m.is_urgent);
    assert_string_equal(m.by, "zhang");
    first = m.revision;
    assert_int_equal(book_study_urgency(book, STUDY, false, "误标", "zhang", &err), 0);
    assert_false(said(STUDY).is_stat);
    assert_int_equal(told(&m), 2);
    assert_false(m.is_urgent);
    assert_true(m.revision > first);
}

static void
images_of_an_urgent_registration_are_stat_until_the_desk_says_otherwise(void **state)
{
    struct book_registration r = {.name = "王小东", .is_urgent = true, .reason = "外伤"};
    char number[CLINIC_REGISTRATION_SIZE];
    struct clinic_up m;

    (void)state;
    text_copy(r.urgent_by, sizeof r.urgent_by, "li");
    assert_int_equal(book_register(book, &r, number, &err), 0);
    assert_int_equal(urgency_step(book, NULL, &err), 0);
    assert_string_equal(said(STUDY).study, ""); /* no images yet */
    assert_int_equal(book_attach(book, number, STUDY, "number", &err), 0);
    assert_int_equal(urgency_step(book, NULL, &err), 0);
    assert_true(said(STUDY).is_stat);
    assert_string_equal(said(STUDY).reason, "外伤");
    assert_string_equal(said(STUDY).by, "li");
    assert_string_equal(said(STUDY).side, "registration");
    assert_int_equal(told(&m), 1);

    assert_int_equal(book_study_urgency(book, STUDY, false, "误标", "zhang", &err), 0);
    text_copy(r.registration, sizeof r.registration, number);
    r.revision = 1;
    assert_int_equal(book_correct(book, &r, NULL, "", &err), 0); /* still urgent, as it was */
    assert_int_equal(urgency_step(book, NULL, &err), 0);
    assert_false(said(STUDY).is_stat);
    assert_int_equal(book_urgent(book, number, true, "又加重了", NULL, "zhang", &err), 0);
    assert_true(said(STUDY).is_stat);
    assert_string_equal(said(STUDY).by, "zhang");
}

/* The first was raised by a doctor, too; the second was joined to it; the third comes later. */
static void
of_a_registration_it_is_taken_back_whole_also_of_what_comes_later(void **state)
{
    struct book_registration r = {.name = "王小东", .is_urgent = true, .reason = "外伤"};
    char number[CLINIC_REGISTRATION_SIZE];
    struct clinic_up m;
    size_t before;

    (void)state;
    text_copy(r.urgent_by, sizeof r.urgent_by, "li");
    assert_int_equal(book_register(book, &r, number, &err), 0);
    raised_by("王医生", "怀疑主动脉夹层");
    assert_int_equal(book_attach(book, number, STUDY, "number", &err), 0);
    assert_int_equal(book_join(book, number, "1.2.3.5", &err), 0);
    assert_int_equal(urgency_step(book, NULL, &err), 0);
    assert_true(said("1.2.3.5").is_stat);
    before = told(&m);

    assert_int_equal(book_urgent(book, number, false, "误标", NULL, "zhang", &err), 0);
    assert_false(said(STUDY).is_stat);
    assert_false(said("1.2.3.5").is_stat);
    assert_string_equal(said("1.2.3.5").reason, "误标");
    assert_string_equal(said("1.2.3.5").by, "zhang");
    assert_int_equal(told(&m), before + 2);
    assert_false(m.is_urgent);
    assert_false(found(number)->is_urgent);

    assert_int_equal(book_join(book, number, "1.2.3.6", &err), 0);
    assert_int_equal(urgency_step(book, NULL, &err), 0);
    assert_false(said("1.2.3.6").is_stat);
    assert_string_equal(said("1.2.3.6").reason, "误标"); /* and the reader is told so */
    assert_int_equal(told(&m), before + 3);
    assert_false(m.is_urgent);
}

static void
before_images_came_it_is_taken_back_too_and_a_person_raises_it_again(void **state)
{
    struct book_registration r = {.name = "王小东", .is_urgent = true, .reason = "外伤"};
    char number[CLINIC_REGISTRATION_SIZE];
    struct clinic_ups ups;

    (void)state;
    text_copy(r.urgent_by, sizeof r.urgent_by, "li");
    assert_int_equal(book_register(book, &r, number, &err), 0);
    assert_int_equal(book_urgent(book, number, false, "误标", NULL, "zhang", &err), 0);
    due(&ups);
    assert_int_equal(ups.messages[ups.count - 1].kind, CLINIC_URGENT);
    assert_false(ups.messages[ups.count - 1].is_urgent);
    assert_string_equal(ups.messages[ups.count - 1].reason, "误标");
    clinic_ups_free(&ups);
    assert_int_equal(book_attach(book, number, STUDY, "number", &err), 0);
    assert_int_equal(urgency_step(book, NULL, &err), 0);
    assert_false(said(STUDY).is_stat);

    text_copy(r.registration, sizeof r.registration, number);
    r.revision = found(number)->revision;
    assert_int_equal(book_correct(book, &r, NULL, "", &err), 0); /* who corrects it says so */
    assert_true(found(number)->is_urgent);
    assert_int_equal(book_urgent(book, number, true, "加重了", NULL, "zhang", &err), 0);
    assert_true(said(STUDY).is_stat);
}

/* The row was red at the desk, and its images waited their turn. */
static void
raised_again_by_a_correction_it_overtakes_on_the_line_and_at_the_reader(void **state)
{
    struct book_registration r = {.name = "王小东", .is_urgent = true, .reason = "外伤"};
    char number[CLINIC_REGISTRATION_SIZE];
    struct clinic_ups ups;
    struct clinic_up m;
    size_t before;

    (void)state;
    line = (struct line){.word = UPLINK_ROUTINE};
    text_copy(r.urgent_by, sizeof r.urgent_by, "li");
    assert_int_equal(book_register(book, &r, number, &err), 0);
    assert_int_equal(book_attach(book, number, STUDY, "number", &err), 0);
    assert_int_equal(urgency_step(book, LINE, &err), 0);
    assert_int_equal(book_urgent(book, number, false, "误标", NULL, "zhang", &err), 0);
    assert_int_equal(urgency_step(book, LINE, &err), 0);
    assert_int_equal(line.word, UPLINK_ROUTINE);
    before = told(&m);

    text_copy(r.registration, sizeof r.registration, number);
    text_copy(r.reason, sizeof r.reason, "又加重了");
    r.revision = found(number)->revision;
    assert_int_equal(book_correct(book, &r, NULL, "zhang", &err), 0);

    assert_true(found(number)->is_urgent);
    assert_true(said(STUDY).is_stat);
    assert_string_equal(said(STUDY).reason, "又加重了");
    assert_string_equal(said(STUDY).by, "zhang");
    assert_int_equal(told(&m), before + 1);
    assert_true(m.is_urgent);
    assert_int_equal(urgency_step(book, LINE, &err), 0);
    assert_int_equal(line.word, UPLINK_STAT);
    due(&ups); /* of images that are still to come, too */
    for (before = ups.count; before-- > 0 && ups.messages[before].kind != CLINIC_URGENT;)
        continue;
    assert_true(ups.messages[before].is_urgent);
    assert_string_equal(ups.messages[before].reason, "又加重了");
    clinic_ups_free(&ups);
}

/* An older reader takes any word about a registration for "urgent". */
static void
of_a_registration_that_never_was_urgent_its_reader_is_told_nothing(void **state)
{
    struct book_registration r = {.name = "王小东"};
    char number[CLINIC_REGISTRATION_SIZE];
    struct clinic_ups ups;

    (void)state;
    assert_int_equal(book_register(book, &r, number, &err), 0);
    assert_int_equal(book_attach(book, number, STUDY, "number", &err), 0);
    raised_by("王医生", "怀疑主动脉夹层");
    assert_int_equal(book_urgent(book, number, false, "已排除", NULL, "zhang", &err), 0);
    assert_false(said(STUDY).is_stat);
    due(&ups);
    for (size_t i = 0; i < ups.count; i++)
        assert_int_not_equal(ups.messages[i].kind, CLINIC_URGENT);
    clinic_ups_free(&ups);
}

static void
a_doctor_raises_and_is_not_told_of_it(void **state)
{
    struct clinic_up m;

    (void)state;
    raised_by("王医生", "怀疑主动脉夹层");
    assert_true(said(STUDY).is_stat);
    assert_string_equal(said(STUDY).by, "王医生 县医院");
    assert_string_equal(said(STUDY).side, "reader");
    assert_int_equal(told(&m), 0);
    raised_by("李医生", "另一原因"); /* it is one already */
    assert_string_equal(said(STUDY).reason, "怀疑主动脉夹层");
    assert_int_equal(book_study_urgency(book, STUDY, false, "已排除", "zhang", &err), 0);
    assert_int_equal(told(&m), 1);
}

static void
a_file_that_was_begun_anew_counts_on(void **state)
{
    int64_t now_s = clock_wall_us() / 1000000;

    (void)state;
    assert_true(book_revision_after(0) >= (uint32_t)now_s);
    assert_int_equal(book_revision_after(UINT32_C(4000000000)), UINT32_C(4000000001));
}

static void *
step(void *arg)
{
    struct err *e = arg;

    if (urgency_step(book, LINE, e) == 0)
        e->text[0] = '\0';
    return NULL;
}

/* The desk's request: kept, then a step of its own. Where steps were not one at a time, that one
 * would be over before the uplink has the older word. */
static void
the_desk_says_stat(void)
{
    assert_int_equal(book_study_urgency(book, STUDY, true, "胸痛", "zhang", &err), 0);
    line.other = thread_start("step", step, &line.of_other);
    if (pthread_mutex_trylock(&book->urgency) == 0) {
        pthread_mutex_unlock(&book->urgency);
        thread_join(line.other);
        line.is_joined = true;
    }
}

static void
a_word_said_while_an_older_one_is_told_is_the_uplinks_last(void **state)
{
    (void)state;
    line = (struct line){.word = UPLINK_ROUTINE};
    assert_int_equal(book_study_urgency(book, STUDY, true, "外伤", "li", &err), 0);
    assert_int_equal(urgency_step(book, LINE, &err), 0);
    assert_int_equal(line.word, UPLINK_STAT);
    assert_int_equal(book_study_urgency(book, STUDY, false, "误标", "li", &err), 0);
    line.meanwhile = the_desk_says_stat;

    assert_int_equal(urgency_step(book, LINE, &err), 0);
    if (!line.is_joined)
        thread_join(line.other);

    assert_null(line.meanwhile); /* it did happen */
    assert_string_equal(line.of_other.text, "");
    assert_true(said(STUDY).is_stat);
    assert_int_equal(line.word, UPLINK_STAT);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_the_desk_says_is_told_with_reason_and_name),
        CLAIM(images_of_an_urgent_registration_are_stat_until_the_desk_says_otherwise),
        CLAIM(of_a_registration_it_is_taken_back_whole_also_of_what_comes_later),
        CLAIM(before_images_came_it_is_taken_back_too_and_a_person_raises_it_again),
        CLAIM(raised_again_by_a_correction_it_overtakes_on_the_line_and_at_the_reader),
        CLAIM(of_a_registration_that_never_was_urgent_its_reader_is_told_nothing),
        CLAIM(a_doctor_raises_and_is_not_told_of_it),
        CLAIM(a_file_that_was_begun_anew_counts_on),
        CLAIM(a_word_said_while_an_older_one_is_told_is_the_uplinks_last),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
