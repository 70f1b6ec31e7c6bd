/* test_absences.c - "the rest will not come": said at the desk with a reason and a name, over a
 * real desk, spool and door. What makes a study safe by it, what never does, and what ends it. */
#include "gateway/desk/absences.h"

#include "gateway/desk/mpps.h"
#include "gateway/desk/settle_lost.h"
#include "gateway/serve/commit_message.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/write.h"
#include "proto/model/absences.h"
#include "tests/support/audit_log.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STUDY "1.2.7"
#define ROUTE "/desk/v1/studies/" STUDY "/absent"
#define GOOD "{\"reason\":\"deleted\",\"words\":\"\",\"missing\":1}"
enum { WAIT_MS = 30000 };

static struct serve_world world;
static struct desk_site site;
static struct book *book; /* the desk's file, beside the desk: what devices announce */
static struct desk_visitor visitor;
static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static void
put(const char *instance)
{
    struct serve_image image = {.study = STUDY, .series = "1.2.7.1", .sop_instance = instance};

    (void)serve_world_put(&world, &image);
}

static void
announce(const char *by, const char *instance)
{
    char one[1][65];

    text_copy(one[0], sizeof one[0], instance);
    must(mpps_expect(book, STUDY, by, (const char(*)[65])one, 1, &err));
}

static int
ask_as(const struct desk_visitor *who, const char *method, const char *path, const char *body)
{
    return desk_site_ask(&site, who->headers, method, path, body);
}

static int
say(const char *body)
{
    return ask_as(&visitor, "POST", ROUTE, body);
}

/* 409, and why. */
static void
refused_for(const char *word)
{
    assert_int_equal(say(GOOD), 409);
    assert_string_equal(json_as_text(json_find(json_root(site.doc), "word")), word);
}

struct shown {
    bool is_safe;
    int64_t missing, absent;
    char reason[17], words[64], by[64];
};

static void
copy_text(char *out, size_t size, const struct json *o, const char *key)
{
    const char *text = json_as_text(json_find(o, key));

    text_copy(out, size, text != NULL ? text : "-");
}

/* The study, as the page is told. */
static struct shown
shown(void)
{
    const struct json *study, *absent;
    struct shown s = {.missing = -1};

    assert_int_equal(ask_as(&visitor, "GET", "/desk/v1/state?studies=all", ""), 200);
    study = json_at(json_find(json_root(site.doc), "studies"), 0);
    assert_string_equal(json_as_text(json_find(study, "study")), STUDY);
    must(json_truth(study, "is_safe_to_delete", &s.is_safe, &err));
    s.missing = json_as_int(json_find(study, "missing"), -1);
    absent = json_find(study, "absent");
    s.absent = json_as_int(json_find(absent, "images"), 0);
    copy_text(s.reason, sizeof s.reason, absent, "reason");
    copy_text(s.words, sizeof s.words, absent, "words");
    copy_text(s.by, sizeof s.by, absent, "by");
    return s;
}

static void
wait_until_missing(int64_t missing, int64_t absent)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct shown s = shown();

    while (s.missing != missing || s.absent != absent) {
        char path[64];

        assert_true(clock_mono_ms() < until);
        snprintf(path, sizeof path, "/desk/v1/state?since=%lld&wait_s=1",
                 (long long)json_as_int(json_find(json_root(site.doc), "change"), 0));
        assert_int_equal(ask_as(&visitor, "GET", path, ""), 200);
        s = shown();
    }
}

/* Two of three images are sealed at the centre, the list closed and acknowledged. */
static int
start(void **state)
{
    uint32_t revision;

    (void)state;
    world = (struct serve_world){.options = {.grace_ms = 3600000}};
    serve_world_make(&world, "CT1 127.0.0.1\n");
    desk_site_open_in(&site, &world);
    site.quiet_ms = 3600000;
    put("1.2.7.1.1");
    put("1.2.7.1.2");
    serve_world_seal(&world);
    must(spool_manifest_close(world.spool, STUDY, &revision, &err));
    must(spool_manifest_acked(world.spool, STUDY, revision, &err));
    must(book_open(site.desk_dir, "", &book, &err));
    announce("1.2.8", "1.2.7.1.1");
    announce("1.2.8", "1.2.7.1.3");
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &visitor);
    wait_until_missing(1, 0);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    book_close(&book);
    desk_site_close(&site);
    serve_world_remove(&world);
    return 0;
}

static unsigned
audited(const char *what)
{
    char log[FOLDER_PATH_BYTES + 32];

    snprintf(log, sizeof log, "%s/audit/log", site.desk_dir);
    return audit_log_says(log, "IMAGES_ABSENT", what);
}

/* Messages about it that wait for the reader; the newest of them. */
static size_t
told(struct clinic_up *out)
{
    struct clinic_ups ups;
    size_t n = 0;

    must(book_due(book, &ups, &err));
    for (size_t i = 0; i < ups.count; i++)
        if (ups.messages[i].kind == CLINIC_ABSENT) {
            *out = ups.messages[i];
            n++;
        }
    clinic_ups_free(&ups);
    return n;
}

static void
what_will_not_come_holds_its_study_no_more_and_is_named(void **state)
{
    struct shown s = shown();

    (void)state;
    assert_false(s.is_safe);
    assert_int_equal(s.missing, 1);
    assert_int_equal(s.absent, 0);

    assert_int_equal(say(GOOD), 204);

    for (int life = 0; life < 2; life++) {
        s = shown();
        assert_true(s.is_safe);
        assert_int_equal(s.missing, 0);
        assert_int_equal(s.absent, 1);
        assert_string_equal(s.reason, "deleted");
        assert_string_not_equal(s.by, "-");
        desk_site_stop(&site);
        desk_site_start(&site);
    }
    assert_int_equal(audited(STUDY), 1);
    assert_int_equal(audited("visitor"), 1);
}

static void
the_reader_is_told_how_many_and_why_and_who(void **state)
{
    struct clinic_up m;
    uint32_t first;

    (void)state;
    assert_int_equal(say("{\"reason\":\"other\",\"words\":\"第三幅没有存\",\"missing\":1}"), 204);

    assert_int_equal(told(&m), 1);
    assert_string_equal(m.study, STUDY);
    assert_int_equal(m.images, 1);
    assert_string_equal(m.absent, "other");
    assert_string_equal(m.reason, "第三幅没有存");
    assert_string_not_equal(m.by, "");
    first = m.revision;

    assert_int_equal(ask_as(&visitor, "POST", "/desk/v1/studies/" STUDY "/awaited", "{}"), 204);
    assert_int_equal(told(&m), 2);
    assert_int_equal(m.images, 0);
    assert_true(m.revision > first);
}

static void
who_may_not_know_patients_is_told_the_reason_alone(void **state)
{
    struct desk_visitor technician = visitor;
    struct shown s;

    (void)state;
    assert_int_equal(say("{\"reason\":\"other\",\"words\":\"李四的\",\"missing\":1}"), 204);
    desk_visit(site.desk_dir, DESK_SERVICE, &visitor);
    s = shown();
    assert_int_equal(s.absent, 1);
    assert_string_equal(s.reason, "other");
    assert_string_equal(s.words, "-");
    assert_string_equal(s.by, "-");
    assert_int_equal(say(GOOD), 403);
    visitor = technician;
}

static void
a_reason_is_due_and_for_another_one_words(void **state)
{
    static const char *const wrong[] = {
        "{\"missing\":1}",
        "{\"reason\":\"soon\",\"words\":\"\",\"missing\":1}",
        "{\"reason\":\"other\",\"words\":\" \",\"missing\":1}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(say(wrong[i]), 400);
        assert_string_equal(json_as_text(json_find(json_root(site.doc), "word")), "absent");
    }
    assert_int_equal(say("{\"reason\":\"deleted\",\"words\":\"\"}"), 400);
    assert_false(shown().is_safe);
    assert_int_equal(audited(STUDY), 0);
}

static void
the_words_of_the_table_are_reasons_and_no_others(void **state)
{
    static const char *const none[] = {NULL, "", "Deleted", "deleted ", "position"};

    (void)state;
#define REASON(word, meaning, zh) assert_true(absence_is_reason(#word));
#include "proto/model/absent_reasons.def"
#undef REASON
    assert_true(absence_is_reason(ABSENCE_OTHER));
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(absence_is_reason(none[i]));
}

static void
nothing_is_said_for_a_page_from_elsewhere(void **state)
{
    struct desk_visitor elsewhere = visitor;

    (void)state;
    elsewhere.headers[0] = visitor.cookie;
    elsewhere.headers[1] = NULL;
    assert_int_equal(ask_as(&elsewhere, "POST", ROUTE, GOOD), 403);
    assert_false(shown().is_safe);
}

static void
only_what_the_person_was_shown_is_said(void **state)
{
    (void)state;
    announce("1.2.8", "1.2.7.1.4");
    refused_for("absent_changed");
    assert_int_equal(shown().missing, 2);
    assert_int_equal(say("{\"reason\":\"deleted\",\"words\":\"\",\"missing\":2}"), 204);
    assert_int_equal(ask_as(&visitor, "POST", "/desk/v1/studies/1.2.9/absent", GOOD), 404);
    assert_int_equal(ask_as(&visitor, "POST", "/desk/v1/studies/1.2.x/absent", GOOD), 404);
}

static void
nothing_is_said_while_images_arrive(void **state)
{
    struct spool_meta meta = {.sop_class = DCM_UID_CT_IMAGE, .sop_instance = "1.2.7.1.2"};
    struct spool_inspection found = {.study_uid = STUDY, .series_uid = "1.2.7.1", .frames = 1};
    struct spool_draft *draft = NULL;
    uint64_t id;

    (void)state;
    meta.association = spool_association_begin(world.spool);
    must(spool_draft_begin(world.spool, &meta, &draft, &err));
    must(spool_draft_write(draft, "rubbish", 7, &err));
    must(spool_commit(world.spool, &draft, &id, &err));
    if (spool_set_inspected(world.spool, id, &found, &err) < 0)
        assert_int_equal(err.kind, ERR_CONFLICT); /* the uplink was first */
    refused_for("absent_arriving");
    spool_association_end(world.spool, meta.association);
}

static void
nothing_is_said_while_the_examination_goes_on(void **state)
{
    struct mpps_said step = {.has_state = true,
                             .state = MPPS_IN_PROGRESS,
                             .has_steps = true,
                             .step_n = 1,
                             .modality = "CT"};
    uint16_t ignored;

    (void)state;
    text_copy(step.steps[0].study, sizeof step.steps[0].study, STUDY);
    assert_int_equal(mpps_create(book, "1.2.8", "CT1", &step, "{}", &err), 0);
    refused_for("absent_examining");

    step.state = MPPS_COMPLETED;
    assert_int_equal(mpps_set(book, "1.2.8", &step, "{}", &ignored, &err), 0);
    assert_int_equal(say(GOOD), 204);
}

/* ---- a device that asks for images to be kept ---- */

static struct dimse_assoc *
connect_device(void)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposals[] = {{COMMIT_CLASS, plain, 1, false}};
    struct dimse_connect_options o = {.host = "127.0.0.1",
                                      .port = accept_port(world.door),
                                      .calling = "CT1",
                                      .called = "RADPOST"};
    struct dimse_assoc *assoc = NULL;

    must(dimse_connect(&o, proposals, 1, &assoc, &err));
    return assoc;
}

static void
ask_to_commit(const char *transaction, const char *const *instances)
{
    struct dimse_assoc *assoc = connect_device();
    struct dimse_command rq = {.field = DIMSE_N_ACTION_RQ,
                               .sop_class = COMMIT_CLASS,
                               .sop_instance = COMMIT_INSTANCE,
                               .action_type_id = 1,
                               .context = 1,
                               .message_id = 5,
                               .has_data = true},
                         rsp;
    struct dcm_writer w;
    struct buf data;

    buf_init(&data, 65536);
    dcm_write_init(&w, &data, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x00081195, "UI", transaction);
    dcm_write_sequence_begin(&w, 0x00081199);
    for (; *instances != NULL; instances++) {
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00081150, "UI", DCM_UID_CT_IMAGE);
        dcm_write_text(&w, 0x00081155, "UI", *instances);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
    must(dimse_send_command(assoc, &rq, &err));
    must(dimse_send_data(assoc, 1, data.bytes, data.n, true, &err));
    must(dimse_next_command(assoc, &rsp, &err));
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
    must(dimse_release(&assoc, &err));
    buf_fini(&data);
}

/* The last image may be on its way in, and long. */
static void
nothing_is_said_while_the_device_is_connected(void **state)
{
    static const struct study_image sent[] = {{.ae = "MR9"}, {.ae = "CT1"}};
    struct dimse_assoc *assoc = connect_device();

    int64_t known = clock_mono_ms() + WAIT_MS;

    (void)state;
    while (!study_images_are_coming(world.door, sent, 2)) /* whichever of those that sent it */
        assert_true(clock_mono_ms() < known);
    refused_for("absent_arriving");
    assert_false(study_images_are_coming(world.door, sent, 1));
    must(dimse_release(&assoc, &err));
    for (int64_t until = clock_mono_ms() + WAIT_MS; say(GOOD) != 204;)
        assert_true(clock_mono_ms() < until);
}

static void
nothing_is_said_while_a_device_waits_to_hear_that_it_is_kept(void **state)
{
    static const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.3", NULL};

    (void)state;
    ask_to_commit("2.25.1", instances);
    wait_until_missing(1, 0);
    for (int64_t until = clock_mono_ms() + WAIT_MS; serve_expected(world.serve, STUDY) == 0;) {
        assert_true(clock_mono_ms() < until);
        (void)spool_wait(world.spool, UINT64_MAX - 1, 25);
    }
    refused_for("absent_asked");
}

static void
what_is_announced_later_is_awaited(void **state)
{
    struct shown s;

    (void)state;
    assert_int_equal(say(GOOD), 204);
    announce("1.2.8", "1.2.7.1.4");
    s = shown();
    assert_false(s.is_safe);
    assert_int_equal(s.missing, 1);
    assert_int_equal(s.absent, 1);
    assert_int_equal(say("{\"reason\":\"failure\",\"words\":\"\",\"missing\":2}"), 204);
    s = shown();
    assert_true(s.is_safe);
    assert_int_equal(s.absent, 2);
    assert_string_equal(s.reason, "failure");
}

static void
a_device_that_speaks_of_it_again_is_believed(void **state)
{
    static const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.3", NULL};
    struct clinic_up m;

    (void)state;
    assert_int_equal(say(GOOD), 204);
    assert_true(shown().is_safe);
    ask_to_commit("2.25.2", instances);
    wait_until_missing(1, 0);
    assert_false(shown().is_safe);
    assert_int_equal(told(&m), 2);
    assert_int_equal(m.images, 0);
}

static void
an_image_that_comes_after_all_is_a_late_one(void **state)
{
    struct clinic_up m;
    struct shown s;

    (void)state;
    assert_int_equal(say(GOOD), 204);
    assert_true(shown().is_safe);

    put("1.2.7.1.3");

    s = shown();
    assert_false(s.is_safe); /* from the first moment, whoever has looked into it */
    wait_until_missing(0, 0);
    s = shown();
    assert_false(s.is_safe);
    assert_int_equal(told(&m), 2);
    assert_int_equal(m.images, 0);
}

static void
a_person_takes_it_back(void **state)
{
    const char *awaited = "/desk/v1/studies/" STUDY "/awaited";

    (void)state;
    assert_int_equal(ask_as(&visitor, "POST", awaited, "{}"), 404);
    assert_int_equal(say(GOOD), 204);
    assert_int_equal(ask_as(&visitor, "POST", awaited, "{}"), 204);
    assert_false(shown().is_safe);
    assert_int_equal(shown().missing, 1);
    assert_int_equal(ask_as(&visitor, "POST", awaited, "{}"), 404);
    assert_true(audited("none") >= 1);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_will_not_come_holds_its_study_no_more_and_is_named),
        CLAIM(the_reader_is_told_how_many_and_why_and_who),
        CLAIM(who_may_not_know_patients_is_told_the_reason_alone),
        CLAIM(a_reason_is_due_and_for_another_one_words),
        cmocka_unit_test(the_words_of_the_table_are_reasons_and_no_others),
        CLAIM(nothing_is_said_for_a_page_from_elsewhere),
        CLAIM(only_what_the_person_was_shown_is_said),
        CLAIM(nothing_is_said_while_images_arrive),
        CLAIM(nothing_is_said_while_the_device_is_connected),
        CLAIM(nothing_is_said_while_the_examination_goes_on),
        CLAIM(nothing_is_said_while_a_device_waits_to_hear_that_it_is_kept),
        CLAIM(what_is_announced_later_is_awaited),
        CLAIM(a_device_that_speaks_of_it_again_is_believed),
        CLAIM(an_image_that_comes_after_all_is_a_late_one),
        CLAIM(a_person_takes_it_back),
    };
    int failed;

    if (codec_worker_main_if_asked(argc, argv, &failed))
        return failed;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
