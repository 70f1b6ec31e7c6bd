/* test_desk_api.c - the desk's routes about patients over a real desk: what is typed, what is
 * refused and in which words, what a page from elsewhere cannot do, and that no log line holds a
 * patient. */
#include "gateway/desk/api.h"
#include "gateway/desk/api_write.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/desk_link.h"
#include "gateway/desk/look.h"
#include "gateway/desk/orders.h"

#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "proto/model/slip.h"
#include "tests/support/audit_log.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"
#include "tests/support/folder.h"
#include "tests/support/vault.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define ID "11010519491231002X"
enum { WAIT_MS = 20000 };

static struct desk_site site;
static struct desk_visitor visitor;
static int log_fd;

static int
start(void **state)
{
    char log_file[160];
    struct err err;

    (void)state;
    desk_site_open(&site, "desk-api", NULL);
    snprintf(log_file, sizeof log_file, "%s/log", site.dir);
    log_fd = open(log_file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_set_fd(log_fd);
    site.page.clinic_phone = "04318888888";
    assert_int_equal(accept_listen(site.door, &err), 0);
    assert_int_equal(codec_pool_new(1, &site.pool, &err), 0);
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &visitor);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    log_set_fd(-1);
    close(log_fd);
    desk_site_close(&site);
    codec_pool_free(&site.pool);
    return 0;
}

/* ---- asking ---- */

/* The status; the answer's JSON is in site.doc. */
static int
ask(const char *method, const char *path, const char *body, bool is_ours)
{
    const char *const theirs[] = {visitor.cookie,
                                  NULL}; /* that is all they can make a browser do */

    return desk_site_ask(&site, is_ours ? visitor.headers : theirs, method, path, body);
}

static int
post(const char *path, const char *body)
{
    return ask("POST", path, body, true);
}

/* Of a registration: "/slip" and the like. */
static int
post_of(const char *number, const char *what, const char *body)
{
    char path[96];

    snprintf(path, sizeof path, "/desk/v1/registrations/%s%s", number, what);
    return post(path, body);
}

static const char *
said(const char *key)
{
    const char *text = json_as_text(json_find(json_root(site.doc), key));

    return text != NULL ? text : "";
}

static void
registered(const char *name, const char *more, char out[17])
{
    char body[512];

    snprintf(body, sizeof body, "{\"name\":\"%s\"%s}", name, more);
    assert_int_equal(post("/desk/v1/registrations", body), 200);
    assert_string_equal(said("registration"), said("accession"));
    text_copy(out, 17, said("registration"));
}

/* The registration as the state lists it. */
static const struct json *
listed(const char *path, const char *number)
{
    const struct json *list;

    assert_int_equal(ask("GET", path, NULL, false), 200);
    list = json_find(json_root(site.doc), "registrations");
    for (size_t i = 0; i < json_length(list); i++)
        if (strcmp(json_as_text(json_find(json_at(list, i), "registration")), number) == 0)
            return json_at(list, i);
    return NULL;
}

static const char *
listed_text(const char *number, const char *key)
{
    return json_as_text(json_find(listed("/desk/v1/state", number), key));
}

/* How often the desk's audit log has a line with both. */
static unsigned
audited(const char *event, const char *word)
{
    char log[FOLDER_PATH_BYTES + 32];

    snprintf(log, sizeof log, "%s/audit/log", site.desk_dir);
    return audit_log_says(log, event, word);
}

/* ---- tests ---- */

static void
a_person_is_registered_from_the_citizen_number(void **state)
{
    char number[17];

    (void)state;
    registered("王小东",
               ",\"citizen_id\":\"11010519491231002x\",\"modality\":\"CT\",\"complaint\":"
               "\" 咳嗽\\r\\n三天 \",\"history\":\"无\",\"phone\":\"138-0013 8000\"",
               number);
    assert_string_equal(listed_text(number, "name"), "王小东");
    assert_string_equal(listed_text(number, "birth"), "19491231");
    assert_string_equal(listed_text(number, "sex"), "F");
    assert_string_equal(listed_text(number, "phone"), "13800138000");
    assert_string_equal(listed_text(number, "phone_state"), "unverified");
    assert_string_equal(listed_text(number, "complaint"), "咳嗽\n三天");
    assert_null(listed_text(number, "history")); /* the state is told often: it holds less */
    assert_string_equal(
        json_as_text(json_find(listed("/desk/v1/registrations", number), "history")), "无");
    assert_string_equal(
        json_as_text(json_find(listed("/desk/v1/registrations", number), "citizen_id")), ID);
}

static void
a_person_without_a_number_is_registered_too(void **state)
{
    char number[17];

    (void)state;
    registered("无名氏", ",\"sex\":\"M\",\"urgent\":true,\"reason\":\"车祸\"", number);
    assert_string_equal(listed_text(number, "birth"), "");
    assert_true(clinic_registration_is_valid(number));
}

static void
what_is_mistyped_is_said_by_field_and_word(void **state)
{
    static const struct {
        const char *body, *field, *word;
    } rows[] = {
        {"{}", "name", "name"},
        {"{\"name\":\" \"}", "name", "name"},
        {"{\"name\":\"甲\",\"citizen_id\":\"110105194912310021\"}", "citizen_id", "check"},
        {"{\"name\":\"甲\",\"citizen_id\":\"1101051949\"}", "citizen_id", "length"},
        {"{\"name\":\"甲\",\"citizen_id\":\"" ID "\",\"birth\":\"19500101\"}", "birth", "birth"},
        {"{\"name\":\"甲\",\"citizen_id\":\"" ID "\",\"sex\":\"M\"}", "sex", "sex"},
        {"{\"name\":\"甲\",\"sex\":\"男\"}", "sex", "sex"},
        {"{\"name\":\"甲\",\"birth\":\"20991231\"}", "birth", "birth"},
        {"{\"name\":\"甲\",\"phone\":\"12ab\"}", "phone", "phone"},
        {"{\"name\":\"甲\",\"modality\":\"C T\"}", "modality", "modality"},
        {"{\"name\":\"甲\",\"urgent\":1}", "urgent", "urgent"},
        {"{\"name\":\"甲\",\"urgent\":true}", "reason", "reason"},
        {"{\"name\":\"甲\",\"urgent\":true,\"reason\":\" \"}", "reason", "reason"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(post("/desk/v1/registrations", rows[i].body), 400);
        assert_string_equal(said("field"), rows[i].field);
        assert_string_equal(said("word"), rows[i].word);
    }
    assert_int_equal(post("/desk/v1/registrations", "{\"name\":"), 400);
}

static void
a_slip_is_shown_once_and_a_new_one_has_another_code(void **state)
{
    char number[17], first[SLIP_TEXT_BYTES], again[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    registered("王小东", "", number);
    assert_int_equal(post_of(number, "/slip", "{}"), 200);
    assert_int_equal(slip_read(said("code"), first, &err), 0);
    assert_string_equal(said("url"), ""); /* the reader has told no address yet */
    assert_memory_equal(said("qr_svg"), "<svg", 4);
    assert_int_equal(post_of(number, "/slip", NULL), 200);
    assert_int_equal(slip_read(said("code"), again, &err), 0);
    assert_string_not_equal(first, again);
    assert_true(json_as_int(json_find(listed("/desk/v1/state", number), "slip_us"), 0) > 0);
    assert_int_equal(post_of("NONE", "/slip", "{}"), 404);
}

static void
a_phones_code_needs_the_line(void **state)
{
    char number[17];

    (void)state;
    registered("王小东", ",\"phone\":\"13800138000\"", number);
    assert_int_equal(post_of(number, "/phone-check", "{\"code\":\"12ab\"}"), 400);
    assert_string_equal(said("word"), "otp");
    assert_int_equal(post_of(number, "/phone-check", "{\"code\":\"１２３４５６\"}"), 503);
    assert_string_equal(said("word"), "line_down");
    assert_string_equal(listed_text(number, "phone_state"), "unverified"); /* taken back */
}

static void
nothing_is_done_for_a_page_from_elsewhere(void **state)
{
    static const char *const paths[] = {
        "", "/X/urgent", "/X/attach", "/X/slip", "/X/phone-code", "/X/phone-check", "/X"};
    char path[96];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        snprintf(path, sizeof path, "/desk/v1/registrations%s", paths[i]);
        assert_int_equal(ask("POST", path, "{\"name\":\"甲\"}", false), 403);
    }
    assert_int_equal(ask("POST", "/desk/v1/reports/1/1/confirm", "{}", false), 403);
}

static void
a_study_is_attached_by_hand_and_urgency_has_a_reason(void **state)
{
    struct err err = {0};
    bool is_urgent;
    char number[17];

    (void)state;
    registered("王小东", "", number);
    assert_int_equal(post_of(number, "/attach", "{\"study\":\"1.2.x\"}"), 400);
    assert_int_equal(post_of(number, "/attach", "{\"study\":\"1.2.3.44\"}"), 204);
    assert_string_equal(listed_text(number, "study"), "1.2.3.44");
    assert_string_equal(listed_text(number, "attached_by"), "hand");
    assert_int_equal(post_of(number, "/urgent", "{\"reason\":\" \"}"), 400);
    assert_int_equal(post_of(number, "/urgent", "{\"reason\":\"胸痛\"}"), 204);
    assert_string_equal(listed_text(number, "reason"), "胸痛");
    assert_int_equal(post_of("NONE", "/urgent", "{\"reason\":\"胸痛\"}"), 404);

    assert_int_equal(post_of(number, "/urgent", "{\"urgency\":\"later\",\"reason\":\"误标\"}"),
                     400);
    assert_string_equal(said("word"), "urgency");
    assert_int_equal(post_of(number, "/urgent", "{\"urgency\":\"routine\"}"), 400);
    assert_int_equal(post_of(number, "/urgent", "{\"urgency\":\"routine\",\"reason\":\"误标\"}"),
                     204);
    assert_int_equal(json_truth(listed("/desk/v1/state", number), "is_urgent", &is_urgent, &err),
                     0);
    assert_false(is_urgent);
    assert_int_equal(audited(number, "\"urgency\":\"routine\""), 1);
}

static void
an_alarm_stands_until_somebody_has_seen_it(void **state)
{
    const char *path = "/desk/v1/alarms/proofs/seen";
    struct uplink_status status;
    struct err err = {0};

    (void)state;
    assert_int_equal(spool_number_set(site.spool, "proofs_failed", 3, &err), 0);
    assert_int_equal(post(path, "{}"), 400);
    assert_int_equal(post(path, "{\"count\":2}"), 204); /* another came since */
    uplink_status(site.uplink, &status);
    assert_int_equal(status.proofs_failed, 1);
    assert_int_equal(ask("POST", path, "{\"count\":1}", false), 403);
    assert_int_equal(post(path, "{\"count\":1}"), 204);
    uplink_status(site.uplink, &status);
    assert_int_equal(status.proofs_failed, 0);
}

static void
a_study_is_an_emergency_with_a_reason_and_the_log_knows_who_said_so(void **state)
{
    const char *path = "/desk/v1/studies/1.2.3.55/urgency";

    (void)state;
    assert_int_equal(post(path, "{\"urgency\":\"stat\",\"reason\":\" \"}"), 400);
    assert_string_equal(said("word"), "reason");
    assert_int_equal(post(path, "{\"urgency\":\"soon\",\"reason\":\"x\"}"), 400);
    assert_int_equal(
        post("/desk/v1/studies/1.2.x/urgency", "{\"urgency\":\"stat\",\"reason\":\"x\"}"), 404);
    assert_int_equal(post(path, "{\"urgency\":\"stat\",\"reason\":\"胸痛\"}"), 204);
    assert_int_equal(post(path, "{\"urgency\":\"routine\",\"reason\":\"误标\"}"), 204);
    assert_int_equal(ask("POST", path, "{\"urgency\":\"stat\",\"reason\":\"x\"}", false), 403);
}

static void
a_correction_keeps_the_number(void **state)
{
    char number[17];

    (void)state;
    registered("王小冬", "", number);
    assert_int_equal(post_of(number, "", "{\"name\":\"王小东\",\"sex\":\"M\",\"revision\":1}"),
                     200);
    assert_string_equal(said("registration"), number);
    assert_string_equal(listed_text(number, "name"), "王小东");
}

static void
the_audit_log_says_who_corrected_which_fields_and_not_what_they_say(void **state)
{
    char number[17], path[96];

    (void)state;
    registered("王小冬", "", number);
    snprintf(path, sizeof path, "/desk/v1/registrations/%s", number);
    assert_int_equal(post(path, "{\"name\":\"王小东\",\"birth\":\"19500101\",\"revision\":1}"),
                     200);
    assert_int_equal(audited("REGISTRATION_CORRECTED", number), 1);
    assert_int_equal(audited("\"revision\":2,\"fields\":\"name birth\",\"by\":\"visitor-", number),
                     1);

    assert_int_equal(post(path, "{\"name\":\"王小冬\",\"revision\":1}"), 409);
    assert_int_equal(audited("REGISTRATION_CORRECTED", number), 1); /* nothing was done */
    assert_int_equal(post(path, "{\"name\":\"王小西\",\"citizen_id\":\"" ID
                                "\",\"phone\":\"13800138000\","
                                "\"modality\":\"CT\",\"complaint\":\"咳嗽\",\"history\":\"无\","
                                "\"urgent\":true,\"reason\":\"车祸\",\"revision\":2}"),
                     200);
    assert_int_equal(
        audited("\"fields\":\"name id sex birth phone modality complaint history urgent "
                "reason\"",
                number),
        1);
    assert_int_equal(audited("19500101", ""), 0);
    assert_int_equal(audited("王小", ""), 0);
}

/* Two pages had it open: who only added a phone number took the mended name back. */
static void
a_correction_takes_no_other_back(void **state)
{
    char number[17];

    (void)state;
    registered("王小冬", "", number);
    assert_int_equal(post_of(number, "", "{\"name\":\"王小东\",\"revision\":1}"), 200);

    assert_int_equal(
        post_of(number, "", "{\"name\":\"王小冬\",\"phone\":\"13800138000\",\"revision\":1}"), 409);
    assert_string_equal(said("word"), "changed");
    assert_int_equal(post_of(number, "", "{\"name\":\"王小冬\"}"), 400);
    assert_string_equal(said("word"), "revision");

    assert_string_equal(listed_text(number, "name"), "王小东");
    assert_string_equal(listed_text(number, "phone"), "");
    assert_int_equal(
        post_of(number, "", "{\"name\":\"王小东\",\"phone\":\"13800138000\",\"revision\":2}"), 200);
    assert_string_equal(listed_text(number, "phone"), "13800138000");
    assert_int_equal(post_of("NONE", "", "{\"name\":\"x\",\"revision\":1}"), 404);
}

static void
reports_that_are_not_here_are_not_found(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/desk/v1/reports", NULL, false), 200);
    assert_int_equal(json_length(json_find(json_root(site.doc), "reports")), 0);
    assert_int_equal(ask("GET", "/desk/v1/reports/1/1.pdf", NULL, false), 404);
    assert_int_equal(ask("GET", "/desk/v1/reports/1/..%2F1.pdf", NULL, false), 400);
    assert_int_equal(ask("GET", "/desk/v1/reports/x/y.pdf", NULL, false), 404);
    assert_int_equal(post("/desk/v1/reports/1/1/confirm", "{}"), 404);
}

/* ---- orders ---- */

static void
order_of(struct book *book, struct order *o, const char *name, int64_t scheduled_at_us)
{
    static unsigned orders;
    struct err err;

    snprintf(o->placer, sizeof o->placer, "HIS-%u", ++orders);
    text_copy(o->source, sizeof o->source, "http");
    text_copy(o->name, sizeof o->name, name);
    o->scheduled_at_us = scheduled_at_us;
    if (order_put(book, o, &err) < 0)
        fail_msg("%s", err.text);
}

static const char *
order_said(size_t i, const char *key)
{
    const struct json *list = json_find(json_root(site.doc), "orders");

    return i < json_length(list) ? json_as_text(json_find(json_at(list, i), key)) : "";
}

static int64_t
orders_said(size_t *out_listed)
{
    *out_listed = json_length(json_find(json_root(site.doc), "orders"));
    return json_as_int(json_find(json_root(site.doc), "orders_n"), -1);
}

/* A clinic whose HIS orders a week ahead, and where nobody ends what is done. */
static void
todays_orders_come_first_and_the_rest_is_counted_and_found(void **state)
{
    enum { OTHERS = 260, AHEAD = 240 };
    static const int64_t hour_us = INT64_C(3600) * 1000000;
    int64_t now_us = clock_wall_us(), before;
    struct order o = {.modality = "CT"};
    struct book *book = NULL;
    size_t listed;
    struct err err;

    (void)state;
    assert_int_equal(ask("GET", "/desk/v1/orders", NULL, false), 200);
    before = orders_said(&listed);
    assert_int_equal(book_open_beside(site.desk_dir, &book, &err), 0);
    for (int i = 0; i < OTHERS; i++)
        order_of(book, &o, "旁人", now_us + (i < AHEAD ? 72 : -40) * hour_us);
    text_copy(o.patient_id, sizeof o.patient_id, "PX-77");
    order_of(book, &o, "单雄信", now_us - 30 * hour_us);
    order_of(book, &o, "程咬金", now_us);
    book_close(&book);

    assert_int_equal(ask("GET", "/desk/v1/orders", NULL, false), 200);
    assert_string_equal(order_said(0, "name"), "程咬金");
    assert_int_equal(orders_said(&listed), before + OTHERS + 2);
    assert_int_equal(listed, 200);
    assert_int_equal(ask("GET", "/desk/v1/state", NULL, false), 200);
    assert_string_equal(order_said(0, "name"), "程咬金");
    assert_int_equal(orders_said(&listed), before + OTHERS + 2);

    assert_int_equal(post("/desk/v1/orders/find", "{\"text\":\"\",\"skip\":200}"), 200);
    assert_int_equal(orders_said(&listed), before + OTHERS + 2);
    assert_int_equal(listed, before + OTHERS + 2 - 200);
    assert_int_equal(post("/desk/v1/orders/find", "{\"text\":\"雄信\",\"skip\":0}"), 200);
    assert_int_equal(orders_said(&listed), 1);
    assert_string_equal(order_said(0, "patient_id"), "PX-77");
    assert_int_equal(post("/desk/v1/orders/find", "{\"text\":\"ｐｘ-７７\",\"skip\":0}"), 200);
    assert_int_equal(orders_said(&listed), 2);
    assert_int_equal(post("/desk/v1/orders/find", "{\"text\":\"xiongxin\",\"skip\":0}"), 200);
    assert_int_equal(orders_said(&listed), 1);
    assert_int_equal(post("/desk/v1/orders/find", "{\"text\":\"his-261\",\"skip\":0}"), 200);
    assert_int_equal(orders_said(&listed), 1); /* by the HIS's own number */
    assert_string_equal(order_said(0, "name"), "单雄信");
    assert_int_equal(post("/desk/v1/orders/find", "{\"text\":\"%\",\"skip\":0}"), 200);
    assert_int_equal(orders_said(&listed), 0);
}

/* A CT of this patient arrives; the uplink inspects it. */
static void
arrives(const char *study, const char *patient_id, const char *name)
{
    struct slice slice = {.study = study,
                          .series = "1.2.3.8",
                          .instance = study,
                          .patient_id = patient_id,
                          .patient_name = name};
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                              .transfer_syntax = "1.2.840.10008.1.2.1",
                              .calling_ae = "CT"};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;
    struct err err;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, study);
    buf_init(&file, 1 << 20);
    slice_make(&slice, &file);
    assert_int_equal(spool_draft_begin(site.spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, file.bytes, file.n, &err), 0);
    assert_int_equal(spool_commit(site.spool, &draft, &id, &err), 0);
    buf_fini(&file);
}

static void
images_find_their_registration_by_what_they_say(void **state)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    char number[17], path[96];
    const struct json *studies = NULL;
    uint64_t change = 0;

    (void)state;
    registered("赵钱孙", "", number);
    arrives("1.2.3.77", number, "ZHAO^QIAN=赵^钱孙");
    while (listed_text(number, "study")[0] == '\0' && clock_mono_ms() < until_ms) {
        change = (uint64_t)json_as_int(json_find(json_root(site.doc), "change"), 0);
        snprintf(path, sizeof path, "/desk/v1/state?wait_s=2&since=%llu",
                 (unsigned long long)change);
        ask("GET", path, NULL, false); /* the page's own long poll: it wakes by the change */
    }
    assert_string_equal(listed_text(number, "study"), "1.2.3.77");
    assert_string_equal(listed_text(number, "attached_by"), "number");
    studies = json_find(json_root(site.doc), "studies");
    for (size_t i = 0; i < json_length(studies); i++) {
        const struct json *one = json_at(studies, i);

        if (strcmp(json_as_text(json_find(one, "study")), "1.2.3.77") != 0)
            continue;
        assert_string_equal(json_as_text(json_find(one, "registration")), number);
        assert_string_equal(json_as_text(json_find(json_find(one, "patient"), "name")), "赵钱孙");
        assert_int_equal(json_length(json_find(json_find(one, "patient"), "differs")), 0);
        return;
    }
    fail_msg("the study is not listed");
}

/* After all of the above: everything that was typed, looked for in all that was logged. */
static void
no_log_line_holds_a_patient(void **state)
{
    static const char *const planted[] = {"王小",        "赵",         "ZHAO", "110105",
                                          "13800138000", "咳嗽",       "胸痛", "车祸",
                                          "19491231",    "1949-12-31", "雄信"};
    char log_file[160];
    uint8_t *text;
    size_t n;
    struct err err;

    (void)state;
    snprintf(log_file, sizeof log_file, "%s/log", site.dir);
    assert_int_equal(durable_get_file(log_file, 16 << 20, &text, &n, &err), 0);
    assert_non_null(strstr((char *)text, "HTTP_LISTENING"));
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        if (strstr((char *)text, planted[i]) != NULL)
            fail_msg("the log holds '%s'", planted[i]);
    free(text);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_is_registered_from_the_citizen_number),
        cmocka_unit_test(a_person_without_a_number_is_registered_too),
        cmocka_unit_test(what_is_mistyped_is_said_by_field_and_word),
        cmocka_unit_test(a_slip_is_shown_once_and_a_new_one_has_another_code),
        cmocka_unit_test(a_phones_code_needs_the_line),
        cmocka_unit_test(nothing_is_done_for_a_page_from_elsewhere),
        cmocka_unit_test(an_alarm_stands_until_somebody_has_seen_it),
        cmocka_unit_test(a_study_is_attached_by_hand_and_urgency_has_a_reason),
        cmocka_unit_test(a_study_is_an_emergency_with_a_reason_and_the_log_knows_who_said_so),
        cmocka_unit_test(a_correction_keeps_the_number),
        cmocka_unit_test(the_audit_log_says_who_corrected_which_fields_and_not_what_they_say),
        cmocka_unit_test(a_correction_takes_no_other_back),
        cmocka_unit_test(reports_that_are_not_here_are_not_found),
        cmocka_unit_test(todays_orders_come_first_and_the_rest_is_counted_and_found),
        cmocka_unit_test(images_find_their_registration_by_what_they_say),
        cmocka_unit_test(no_log_line_holds_a_patient),
    };
    int failed;

    if (codec_worker_main_if_asked(argc, argv, &failed))
        return failed;
    failed = cmocka_run_group_tests(tests, start, stop);
    desk_site_forget(&site);
    return failed;
}
