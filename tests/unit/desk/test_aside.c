/* test_aside.c - images that were put aside, over a real desk and spool: listed, thrown away by who
 * may, taken back; what is still asked about is answered first; each discard is in the audit log,
 * also one that was made while the gateway was stopped. */
#include "gateway/desk/aside.h"
#include "gateway/desk/desk.h"

#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "tests/support/audit_log.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"
#include "tests/support/folder.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 60000 };

static struct desk_site site;
static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static int
start(void **state)
{
    (void)state;
    log_set_fd(-1);
    desk_site_open(&site, "aside", NULL);
    return 0;
}

/* From here on what is received or inspected is worked on: a test puts its entries before. */
static void
go_live(void)
{
    must(codec_pool_new(1, &site.pool, &err));
    desk_site_go_live(&site);
}

static int
stop(void **state)
{
    (void)state;
    desk_site_close(&site);
    codec_pool_free(&site.pool);
    return 0;
}

static uint64_t
put_aside(const char *study, const char *instance, const char *why)
{
    static int64_t at_us = INT64_C(1795305600000000); /* each a second after the one before */
    struct spool_meta meta = {.calling_ae = "CT1", .received_at_us = at_us += 1000000};
    struct spool_inspection facts = {.modality = "CT"};
    struct spool_draft *draft = NULL;
    uint64_t id;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, instance);
    text_copy(facts.study_uid, sizeof facts.study_uid, study);
    must(spool_draft_begin(site.spool, &meta, &draft, &err));
    must(spool_draft_write(draft, "rubbish", 7, &err));
    must(spool_commit(site.spool, &draft, &id, &err));
    must(spool_set_inspected(site.spool, id, &facts, &err));
    if (why != NULL)
        must(spool_set_quarantined(site.spool, id, why, &err));
    else
        must(spool_set_uncoded(site.spool, id, "-", &err));
    return id;
}

/* The status; the answer's JSON is in site.doc. */
static int
ask(const struct desk_visitor *who, const char *method, const char *path, const char *body)
{
    return desk_site_ask(&site, who->headers, method, path, body);
}

static int
act(const struct desk_visitor *who, uint64_t id, const char *what, const char *body)
{
    char path[64];

    snprintf(path, sizeof path, "/desk/v1/aside/%" PRIu64 "%s", id, what);
    return ask(who, body != NULL ? "POST" : "GET", path, body);
}

static const char *
text_of(const struct json *o, const char *key)
{
    const char *text = json_as_text(json_find(o, key));

    return text != NULL ? text : "";
}

static uint64_t
number_of(const struct json *o, const char *key)
{
    uint64_t n = UINT64_MAX;

    must(json_u64(o, key, INT64_MAX, &n, &err));
    return n;
}

/* The first row of a list of the state; NULL: it is empty. */
static const struct json *
first_of(const struct desk_visitor *who, const char *list)
{
    assert_int_equal(ask(who, "GET", "/desk/v1/state", NULL), 200);
    return json_at(json_find(json_root(site.doc), list), 0);
}

/* Until the desk has seen it; it changes when the state does. */
static void
wait_for(const struct desk_visitor *who, bool (*is_seen)(const struct json *state))
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t change = 0;
    char path[96];

    for (;;) {
        snprintf(path, sizeof path, "/desk/v1/state?since=%" PRIu64 "&wait_s=2", change);
        assert_int_equal(ask(who, "GET", path, NULL), 200);
        if (is_seen(json_root(site.doc)))
            return;
        assert_true(clock_mono_ms() < until);
        change = number_of(json_root(site.doc), "change");
    }
}

/* How often the audit log says so. */
static unsigned
audited(const char *event, const char *by)
{
    char log[FOLDER_PATH_BYTES + 32];

    snprintf(log, sizeof log, "%s/audit/log", site.desk_dir);
    return audit_log_says(log, event, by);
}

static void
an_administrator_throws_away_what_is_aside_and_takes_it_back(void **state)
{
    uint64_t id = put_aside("1.9", "1.2.3.1", "uid_conflict: as entry 7");
    struct desk_visitor admin, technician, engineer;
    const struct json *row;

    (void)state;
    go_live();
    desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &technician);
    desk_visit(site.desk_dir, DESK_SERVICE, &engineer);
    row = first_of(&technician, "aside");
    assert_int_equal(number_of(row, "entry"), id);
    assert_string_equal(text_of(row, "why"), "uid_conflict");
    assert_string_equal(text_of(row, "device"), "CT1");
    assert_int_equal(act(&technician, id, "/discard", "{\"reason\":\"other\"}"), 403);
    assert_int_equal(act(&technician, id, "/restore", "{}"), 403);
    assert_int_equal(act(&technician, id, "", NULL), 200); /* whose it is, who sees patients sees */
    assert_int_equal(act(&engineer, id, "", NULL), 403);
    assert_int_equal(act(&admin, id, "/discard", "{}"), 400);
    assert_string_equal(text_of(json_root(site.doc), "field"), "reason");
    assert_int_equal(act(&admin, id, "/discard", "{\"reason\":\"boredom\"}"), 400);
    assert_int_equal(act(&admin, id, "/restore", "{}"), 409);
    assert_int_equal(act(&admin, id + 5, "/discard", "{\"reason\":\"other\"}"), 404);

    assert_int_equal(act(&admin, id, "/discard", "{\"reason\":\"equipment\"}"), 204);

    assert_null(first_of(&technician, "aside"));
    assert_int_equal(number_of(json_root(site.doc), "set_aside"), 0);
    row = first_of(&technician, "discarded");
    assert_string_equal(text_of(row, "reason"), "equipment");
    assert_string_equal(text_of(row, "by"), "visitor-4");
    assert_int_equal(number_of(row, "until_us") - number_of(row, "at_us"),
                     INT64_C(30) * 86400 * 1000000);
    assert_int_equal(act(&admin, id, "/discard", "{\"reason\":\"equipment\"}"), 409);
    assert_int_equal(act(&admin, id, "/restore", "{}"), 204);
    assert_int_equal(act(&admin, id, "/restore", "{}"), 409);
    assert_null(first_of(&technician, "discarded"));
    desk_site_stop(&site);
    assert_int_equal(audited("IMAGE_DISCARDED", "visitor-4"), 1);
    assert_int_equal(audited("IMAGE_DISCARDED", "equipment"), 1);
    assert_int_equal(audited("IMAGE_RESTORED", "visitor-4"), 1);
    desk_site_start(&site);
}

static void
what_came_twice_goes_at_once_and_each_is_audited(void **state)
{
    uint64_t id = put_aside("1.9", "1.2.3.1", NULL), copy = put_aside("1.9", "1.2.3.1", NULL);
    struct desk_visitor admin;

    (void)state;
    must(spool_set_duplicate(site.spool, copy, id, &err));
    must(spool_set_quarantined(site.spool, id, "refused: drawn", &err));
    go_live();
    desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
    assert_int_equal(act(&admin, copy, "/discard", "{\"reason\":\"equipment\"}"), 409);
    assert_int_equal(act(&admin, id, "/discard", "{\"reason\":\"equipment\"}"), 204);
    assert_null(first_of(&admin, "aside"));
    assert_int_equal(number_of(first_of(&admin, "discarded"), "entry"), copy);
    desk_site_stop(&site);
    assert_int_equal(audited("IMAGE_DISCARDED", "equipment"), 2);
    desk_site_start(&site);
}

/* ---- two people at once ---- */

enum { IMAGES = 12 };

static struct http_client *
another_client(void)
{
    struct http_client_options browser = {0};
    struct http_client *made = NULL;
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u", desk_port(site.desk));
    browser.base_url = url;
    must(http_client_new(&browser, &made, &err));
    return made;
}

/* The status; -1: none. */
static int
act_by(struct http_client *by, const struct desk_visitor *who, uint64_t id, const char *what)
{
    static const char body[] = "{\"reason\":\"equipment\"}";
    char path[64];
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .headers = who->headers,
                             .body = body,
                             .body_n = sizeof body - 1,
                             .answer_limit = 1 << 20};
    struct http_reply answer = {0};
    struct err why = {0};
    int status = -1;

    snprintf(path, sizeof path, "/desk/v1/aside/%" PRIu64 "%s", id, what);
    if (http_client_call(by, &call, &answer, &why) == 0)
        status = answer.status;
    http_reply_fini(&answer);
    return status;
}

struct person {
    struct desk_visitor visitor;
    struct http_client *client;
    uint64_t ids[IMAGES];
    const char *what;
    unsigned done, refused;
    pthread_t thread;
};

static void *
person_run(void *arg)
{
    struct person *p = arg;

    for (unsigned i = 0; i < IMAGES; i++) {
        int status = act_by(p->client, &p->visitor, p->ids[i], p->what);

        p->done += status == 204;
        p->refused += status == 409;
    }
    return NULL;
}

static void
both_at_once(struct person people[2], const char *what)
{
    for (unsigned i = 0; i < 2; i++) {
        people[i].what = what;
        people[i].done = people[i].refused = 0;
        assert_int_equal(pthread_create(&people[i].thread, NULL, person_run, &people[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(people[i].thread, NULL);
    assert_int_equal(people[0].done + people[1].done, IMAGES);
    assert_int_equal(people[0].refused + people[1].refused, IMAGES);
}

static void
of_two_people_at_once_one_has_done_it_and_the_log_says_so_once(void **state)
{
    struct person people[2];
    uint64_t ids[IMAGES];

    (void)state;
    for (unsigned i = 0; i < IMAGES; i++) {
        char instance[32];

        snprintf(instance, sizeof instance, "1.2.4.%u", i);
        ids[i] = put_aside("1.9", instance, "unreadable");
    }
    go_live();
    for (unsigned i = 0; i < 2; i++) {
        desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &people[i].visitor);
        people[i].client = another_client();
        memcpy(people[i].ids, ids, sizeof ids);
    }
    both_at_once(people, "/discard");
    both_at_once(people, "/restore");
    for (unsigned i = 0; i < 2; i++)
        http_client_free(&people[i].client);
    desk_site_stop(&site);
    assert_int_equal(audited("IMAGE_DISCARDED", "equipment"), IMAGES);
    assert_int_equal(audited("IMAGE_RESTORED", "1.2.4."), IMAGES);
    desk_site_start(&site);
}

static bool
is_asked(const struct json *state)
{
    const struct json *row = json_at(json_find(state, "aside"), 0);
    bool is = false;

    return json_truth(row, "is_asked", &is, &err) == 0 && is;
}

static bool
has_no_images(const struct json *state)
{
    const struct json *c = json_at(json_find(state, "corrections"), 0);

    return number_of(c, "images") == 0 && number_of(state, "set_aside") == 0;
}

/* The words of both people are needed for the answer; then the copy may go, and nothing of it holds
 * the exam any more. */
static void
what_is_asked_about_is_answered_before_it_is_thrown_away(void **state)
{
    const struct json *question;
    struct desk_visitor admin;
    uint64_t id, came_us;

    (void)state;
    put_aside("1.9.1", "1.2.3.4", NULL);
    id = put_aside("1.9.2", "1.2.3.4", "other_patient: the same image");
    go_live();
    desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
    wait_for(&admin, is_asked);
    question = first_of(&admin, "corrections");
    came_us = number_of(json_find(question, "first"), "came_at_us");
    assert_int_equal(number_of(json_find(question, "second"), "came_at_us"), came_us + 1000000);
    assert_true(came_us > 0); /* who answers sees which of the two came first */
    assert_int_equal(act(&admin, id, "/discard", "{\"reason\":\"other\"}"), 409);
    assert_int_equal(ask(&admin, "POST", "/desk/v1/corrections/1/answer", "{\"answer\":\"first\"}"),
                     204);
    assert_int_equal(act(&admin, id, "/discard", "{\"reason\":\"other\"}"), 204);
    wait_for(&admin, has_no_images);
    assert_int_equal(act(&admin, id, "/restore", "{}"), 204);
}

/* Whose exam it is must not change under the one who has just looked. */
static void
of_two_who_answer_at_once_the_later_one_is_told(void **state)
{
    static const char path[] = "/desk/v1/corrections/1/answer";
    struct desk_visitor admin;

    (void)state;
    put_aside("1.9.1", "1.2.3.4", NULL);
    put_aside("1.9.2", "1.2.3.4", "other_patient: the same image");
    go_live();
    desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
    wait_for(&admin, is_asked);
    assert_int_equal(ask(&admin, "POST", path, "{\"answer\":\"first\",\"seen\":\"\"}"), 204);
    assert_int_equal(ask(&admin, "POST", path, "{\"answer\":\"second\",\"seen\":\"\"}"), 409);

    /* who has seen it may */
    assert_int_equal(ask(&admin, "POST", path, "{\"answer\":\"second\",\"seen\":\"first\"}"), 204);
    assert_int_equal(ask(&admin, "POST", path, "{\"answer\":\"first\",\"seen\":\"first\"}"), 409);
}

static bool
has_discarded(const struct json *state)
{
    return json_at(json_find(state, "discarded"), 0) != NULL;
}

static void
what_was_thrown_away_beside_the_desk_is_audited_once(void **state)
{
    uint64_t id = put_aside("1.9", "1.2.3.1", "unreadable");
    struct desk_visitor admin;

    (void)state;
    go_live();
    desk_site_stop(&site);
    must(spool_discard(site.spool, id, "other", SPOOL_BY_QUEUE, &err));
    for (int round = 0; round < 3; round++) {
        desk_site_start(&site);
        desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
        wait_for(&admin, has_discarded);
        while (audited("IMAGE_DISCARDED", "radpost queue") == 0)
            assert_int_equal(ask(&admin, "GET", "/desk/v1/state?since=1&wait_s=1", NULL), 200);
        desk_site_stop(&site);
        assert_int_equal(audited("IMAGE_DISCARDED", "radpost queue"), 1);
    }
    desk_site_start(&site);
}

/* As `radpost queue release` does, beside a running desk and while the gateway is stopped. */
static void
what_was_taken_back_beside_the_desk_is_audited_once(void **state)
{
    uint64_t at_desk = put_aside("1.9", "1.2.3.1", "unreadable");
    uint64_t by_queue = put_aside("1.9", "1.2.3.2", "unreadable");
    struct desk_visitor admin;

    (void)state;
    go_live();
    desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
    assert_int_equal(act(&admin, at_desk, "/discard", "{\"reason\":\"equipment\"}"), 204);
    must(spool_discard(site.spool, by_queue, "other", SPOOL_BY_QUEUE, &err));
    while (audited("IMAGE_DISCARDED", "radpost queue") == 0) /* the other before it */
        assert_int_equal(ask(&admin, "GET", "/desk/v1/state?since=1&wait_s=1", NULL), 200);

    must(spool_release(site.spool, by_queue, &err));
    while (audited("IMAGE_RESTORED", "radpost queue") == 0)
        assert_int_equal(ask(&admin, "GET", "/desk/v1/state?since=1&wait_s=1", NULL), 200);
    desk_site_stop(&site);
    must(spool_release(site.spool, at_desk, &err));
    for (int round = 0; round < 2; round++) {
        desk_site_start(&site);
        desk_visit(site.desk_dir, DESK_ADMINISTRATOR, &admin);
        while (audited("IMAGE_RESTORED", "radpost queue") < 2)
            assert_int_equal(ask(&admin, "GET", "/desk/v1/state?since=1&wait_s=1", NULL), 200);
        desk_site_stop(&site);
        assert_int_equal(audited("IMAGE_RESTORED", "radpost queue"), 2);
    }
    desk_site_start(&site);
}

int
main(int argc, char **argv)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CLAIM(what_came_twice_goes_at_once_and_each_is_audited),
        CLAIM(of_two_people_at_once_one_has_done_it_and_the_log_says_so_once),
        CLAIM(an_administrator_throws_away_what_is_aside_and_takes_it_back),
        CLAIM(what_is_asked_about_is_answered_before_it_is_thrown_away),
        CLAIM(of_two_who_answer_at_once_the_later_one_is_told),
        CLAIM(what_was_thrown_away_beside_the_desk_is_audited_once),
        CLAIM(what_was_taken_back_beside_the_desk_is_audited_once),
    };
    int failed = 0;

    if (codec_worker_main_if_asked(argc, argv, &failed))
        return failed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
