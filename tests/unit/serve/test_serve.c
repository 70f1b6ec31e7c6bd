/* test_serve.c - what leaves over HTTP, and to whom; over a real server and a fake archive. */
#include "storage/serve/fetch.h"
#include "storage/serve/frame_source.h"
#include "storage/serve/serve.h"
#include "storage/serve/serve_core.h"

#include "proto/http/client.h"
#include "tests/unit/serve/fake_archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EXPLICIT "1.2.840.10008.1.2.1"
#define J2K "1.2.840.10008.1.2.4.90"
#define MPEG2 "1.2.840.10008.1.2.4.100"
#define MANY "multipart/related; type=\"application/dicom\""
#define OCTETS "multipart/related; type=application/octet-stream; transfer-syntax=*"
#define FRAME(i) "/dicomweb/studies/1.2.3/series/1.2.8/instances/" i "/frames/"

static struct serve *serve;
static struct http_server *server;

/* 1.2.3: native 2 x 2 of two frames, coded in fragments, a video, one without pixels.
 * 1.2.4: one whole, one on its way. 1.2.5: on its way only.
 * 1.2.6: of three frames the middle one has come. */
static void
fill(void)
{
    static const uint8_t pixels[] = "aabbccddeeffgghh";
    static const char *const fragments[] = {"", "ab", "cd", NULL};
    static const char *const stream[] = {"", "mpeg", "more", NULL};
    struct fake_object *o;

    fake_image(fake_add("A", "1.2.3", "1.1", EXPLICIT), 2, 16, "2", pixels, 16, NULL);
    fake_image(fake_add("A", "1.2.3", "1.2", J2K), 2, 8, "1", NULL, 0, fragments);
    fake_image(fake_add("A", "1.2.3", "1.3", MPEG2), 2, 8, "9", NULL, 0, stream);
    fake_add("A", "1.2.3", "1.4", EXPLICIT);
    fake_image(fake_add("A", "1.2.4", "1.5", EXPLICIT), 2, 16, "2", pixels, 16, NULL);
    for (int i = 0; i < 2; i++) {
        o = fake_add("A", i ? "1.2.5" : "1.2.4", i ? "1.7" : "1.6", J2K);
        buf_add_text(&o->bytes, "0123456789");
        o->is_preview = true;
        o->layout = layout_new(o->bytes.n, 1, 2);
        o->layout->header_end = o->layout->frame_start[0] = o->bytes.n - 10;
        o->layout->layer_end[0] = o->bytes.n - 6;
        o->layout->layer_end[1] = o->bytes.n;
        o->have[0] = (struct range){0, o->bytes.n - 5};
        o->have_n = 1;
    }
    o = fake_add("A", "1.2.6", "1.8", J2K);
    buf_add_text(&o->bytes, "hhAaBbCc");
    o->is_preview = true;
    o->layout = layout_new(o->bytes.n, 3, 2);
    o->layout->header_end = o->bytes.n - 6;
    for (uint32_t f = 0; f < 3; f++) {
        o->layout->frame_start[f] = o->bytes.n - 6 + 2 * f;
        o->layout->layer_end[2 * f] = o->layout->frame_start[f] + 1;
        o->layout->layer_end[2 * f + 1] = o->layout->frame_start[f] + 2;
    }
    o->have[0] = (struct range){0, o->bytes.n - 6};
    o->have[1] = (struct range){o->bytes.n - 4, o->bytes.n - 3};
    o->have_n = 2;
}

static int
begin(void **state)
{
    struct serve_options so = {.audit = (struct audit *)&fake,
                               .cors_origin = "http://viewer.example"};
    struct http_options ho = {.address = "127.0.0.1", .name = "test", .table_count = 1};
    static struct http_table table;
    struct err err;

    (void)state;
    log_set_level(LOG_ERROR);
    memset(&fake, 0, sizeof fake);
    fill();
    serve = serve_new(&so);
    table = serve_table(serve);
    ho.tables = &table;
    ho.authorise = serve_authorise;
    ho.authorise_user = serve;
    if (http_server_start(&ho, &server, &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    http_server_stop(&server);
    serve_free(&serve);
    for (size_t i = 0; i < fake.count; i++) {
        buf_fini(&fake.objects[i].bytes);
        layout_free(&fake.objects[i].layout);
    }
    return 0;
}

static struct http_reply
call(const char *method, const char *token, const char *path, const char *accept,
     const char *header)
{
    char url[64];
    struct http_client_options options = {.base_url = url, .bearer = token};
    const char *const headers[] = {header, NULL};
    struct http_call c = {.method = method, .path = path, .accept = accept, .headers = headers};
    struct http_client *client = NULL;
    struct http_reply reply;
    struct err err;

    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    if (http_client_new(&options, &client, &err) < 0 ||
        http_client_call(client, &c, &reply, &err) < 0)
        fail_msg("%s: %s", path, err.text);
    http_client_free(&client);
    return reply;
}

/* The status; the body in out when it is not NULL (the caller's), as text: zeros become dots. */
static int
get(const char *token, const char *path, const char *accept, char **out)
{
    struct http_reply reply = call("GET", token, path, accept, NULL);
    int status = reply.status;

    if (out != NULL) {
        *out = mem_new(reply.body.n + 1);
        for (size_t i = 0; i < reply.body.n; i++)
            (*out)[i] = reply.body.bytes[i] == 0 ? '.' : (char)reply.body.bytes[i];
    }
    http_reply_fini(&reply);
    return status;
}

static void
expect_frame(const char *path, const char *accept, const char *type, const char *body)
{
    struct http_reply reply = call("GET", "Aqrp", path, accept, NULL);
    char wanted[256], boundary[80];
    const char *at = strstr(reply.type, "boundary=");

    assert_int_equal(reply.status, 200);
    assert_non_null(at);
    snprintf(boundary, sizeof boundary, "%s", at + 9);
    snprintf(wanted, sizeof wanted, "--%s\r\nContent-Type: %s\r\n\r\n%s\r\n--%s--\r\n", boundary,
             type, body, boundary);
    assert_string_equal(buf_text(&reply.body), wanted);
    http_reply_fini(&reply);
}

static void
each_route_asks_for_its_right(void **state)
{
    static const struct {
        const char *token, *path;
        int wanted;
    } rows[] = {
        {NULL, "/dicomweb/studies", 401},
        {"x", "/dicomweb/studies", 401},
        {"Arp", "/dicomweb/studies", 403},
        {"Aq", "/dicomweb/studies", 200},
        {"Aqp", "/dicomweb/studies/1.2.3", 403},
        {"Ar", "/dicomweb/studies/1.2.3", 200},
        {"Aqr", "/preview/studies/1.2.5", 403},
        {"Ap", "/preview/studies/1.2.5", 200},
        {"Arp", "/events", 403},
        {"Aq", "/events", 200},
        {"Br", "/dicomweb/studies/1.2.3", 404},
        {"Br", "/dicomweb/studies/9.9", 404},
        {"Bp", "/preview/studies/1.2.5", 404},
        {"Aqrp*", "/dicomweb/studies", 400},
        {"Ar", "/dicomweb/studies/1.2.%27", 404},
        {"Ar", "/dicomweb/studies/..", 400},
        {"Bq", "/dicomweb/studies/1.2.3/series", 204},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int got = get(rows[i].token, rows[i].path, NULL, NULL);

        if (got != rows[i].wanted)
            fail_msg("%s %s: wanted %d, got %d", rows[i].token ? rows[i].token : "nobody",
                     rows[i].path, rows[i].wanted, got);
    }
}

static void
a_tenant_is_named_by_those_only_who_may(void **state)
{
    static const struct {
        const char *token, *header;
        int wanted;
    } rows[] = {
        {"Bqr*", "Radpost-Tenant: A", 200},      {"Bqr*", "Radpost-Tenant: C", 404},
        {"Bqr*", "Radpost-Tenant: A/../B", 404}, {"Bqr", "Radpost-Tenant: A", 404},
        {"Aqr", "Radpost-Tenant: A", 200},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply =
            call("GET", rows[i].token, "/dicomweb/studies/1.2.3", NULL, rows[i].header);

        assert_int_equal(reply.status, rows[i].wanted);
        http_reply_fini(&reply);
    }
}

static void
objects_leave_in_the_syntax_that_was_asked_for(void **state)
{
    int before = fake.transcoded;
    char *body;

    (void)state;
    assert_int_equal(get("Ar", "/dicomweb/studies/1.2.3", MANY, &body), 200);
    assert_int_equal(fake.transcoded, before + 1);
    assert_non_null(strstr(body, "application/dicom; transfer-syntax=" MPEG2)); /* undecodable */
    assert_null(strstr(body, "application/dicom; transfer-syntax=" J2K));
    free(body);
    assert_int_equal(get("Ar", "/dicomweb/studies/1.2.3", MANY "; transfer-syntax=*", &body), 200);
    assert_int_equal(fake.transcoded, before + 1);
    assert_non_null(strstr(body, "application/dicom; transfer-syntax=" J2K));
    free(body);
    /* Not all of them are stored as JPEG 2000. */
    assert_int_equal(get("Ar", "/dicomweb/studies/1.2.3", MANY "; transfer-syntax=" J2K, NULL),
                     406);
}

/* Stored as 1.2.abc, in the catalog as 1.2.16: each object says what it was asked for by, and its
 * length is told. The frames are where they were. */
static void
objects_leave_under_the_study_they_were_asked_for_by(void **state)
{
    static const uint8_t pixels[] = "aabbccddeeffgghh";
    static const char path[] = "/dicomweb/studies/1.2.16/series/1.2.8/instances/1.16";
    struct fake_object *o = fake_add("A", "1.2.16", "1.16", EXPLICIT);
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct http_reply reply;
    struct err err;

    (void)state;
    o->study = "1.2.abc";
    fake_image(o, 2, 16, "2", pixels, 16, NULL);
    o->study = "1.2.16";
    reply = call("GET", "Ar", path, "application/dicom; transfer-syntax=*", NULL);
    assert_int_equal(reply.status, 200);
    assert_true(reply.body.n > o->bytes.n);
    assert_int_equal(dcm_facts_read(reply.body.bytes, reply.body.n, false, facts, &err), 0);
    assert_string_equal(facts->study_uid, "1.2.16");
    assert_memory_equal(reply.body.bytes + reply.body.n - 16, pixels, 16);
    assert_non_null(memmem(reply.body.bytes, reply.body.n, "1.2.abc", 7));
    http_reply_fini(&reply);
    reply = call("GET", "Ar", "/dicomweb/studies/1.2.16", MANY "; transfer-syntax=*", NULL);
    assert_int_equal(reply.status, 200);
    assert_non_null(memmem(reply.body.bytes, reply.body.n,
                           "\x20\0\x0d\0UI\x06\0"
                           "1.2.16",
                           13));
    http_reply_fini(&reply);
    expect_frame("/dicomweb/studies/1.2.16/series/1.2.8/instances/1.16/frames/2", OCTETS,
                 "application/octet-stream; transfer-syntax=" EXPLICIT, "eeffgghh");
    free(facts);
}

static void
an_object_that_cannot_be_made_to_say_its_study_does_not_end_the_answer(void **state)
{
    static const uint8_t pixels[] = "aabbccddeeffgghh";
    static const char cut[] = "\x20\0\x0d\0UI\x08\0"
                              "1.2.abc\0"
                              "\x28\0\x10\0US\x20\0ab";
    struct fake_object *broken = fake_add("A", "1.2.17", "1.17", EXPLICIT);
    struct http_reply reply;

    (void)state;
    buf_add(&broken->bytes, cut, sizeof cut - 1);
    fake_image(fake_add("A", "1.2.17", "1.18", EXPLICIT), 2, 16, "2", pixels, 16, NULL);

    reply = call("GET", "Ar", "/dicomweb/studies/1.2.17", MANY "; transfer-syntax=*", NULL);

    assert_int_equal(reply.status, 200);
    assert_non_null(memmem(reply.body.bytes, reply.body.n, cut, sizeof cut - 1));
    assert_non_null(memmem(reply.body.bytes, reply.body.n, pixels, 16));
    http_reply_fini(&reply);
}

static void
a_stored_preamble_stays_here(void **state)
{
    char *body;

    (void)state;
    assert_int_equal(
        get("Ar", "/dicomweb/studies/1.2.3/series/1.2.8/instances/1.1", "application/dicom", &body),
        200);
    assert_int_equal(body[0], '.');
    assert_memory_equal(body + 128, "DICM", 4);
    free(body);
}

static void
frames_leave_native_or_as_stored(void **state)
{
    (void)state;
    expect_frame(FRAME("1.1") "2", OCTETS, "application/octet-stream; transfer-syntax=" EXPLICIT,
                 "eeffgghh");
    expect_frame(FRAME("1.2") "1", OCTETS, "application/octet-stream; transfer-syntax=" J2K,
                 "abcd");
    expect_frame(FRAME("1.2") "1", "multipart/related; type=\"image/jp2\"",
                 "image/jp2; transfer-syntax=" J2K, "abcd");
    expect_frame(FRAME("1.3") "1", "multipart/related; type=\"video/mpeg\"",
                 "video/mpeg; transfer-syntax=" MPEG2, "mpegmore");
    assert_int_equal(get("Ar", FRAME("1.1") "3", NULL, NULL), 404);
    assert_int_equal(get("Ar", FRAME("1.1") "0", NULL, NULL), 404);
    assert_int_equal(get("Ar", FRAME("1.4") "1", NULL, NULL), 404);
    assert_int_equal(get("Ar", FRAME("1.1") "1", "image/png", NULL), 406);
    assert_int_equal(get("Ar", FRAME("1.1") "1", "image", NULL), 400);
}

/* 3 x 3 x 1 bit: the second frame begins in the second byte's second bit. */
static void
frames_of_single_bits_begin_on_a_byte(void **state)
{
    static const uint8_t bits[] = {0xFF, 0x01 | 0x02 | 0x08, 0x02};
    char *body;

    (void)state;
    fake_image(fake_add("A", "1.2.6", "1.9", EXPLICIT), 3, 1, "2", bits, 3, NULL);
    assert_int_equal(get("Ar", "/dicomweb/studies/1.2.6/series/1.2.8/instances/1.9/frames/2",
                         "application/octet-stream", &body),
                     200);
    assert_int_equal((uint8_t)body[0], 0x05);
    assert_int_equal((uint8_t)body[1], 0x01);
    free(body);
}

static void
what_is_on_its_way_does_not_leave(void **state)
{
    static const char *const tails[] = {
        "",           "/metadata",          "/frames/1",         "/rendered",
        "/thumbnail", "/bulkdata/7FE00010", "/frames/1/rendered"};
    char path[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        struct http_reply reply;

        snprintf(path, sizeof path, "/dicomweb/studies/1.2.5/series/1.2.8/instances/1.7%s",
                 tails[i]);
        reply = call("GET", "Aqrp", path, NULL, NULL);
        if (reply.status != 503 || reply.retry_after_s < 0)
            fail_msg("%s: %d", path, reply.status);
        http_reply_fini(&reply);
    }
    assert_int_equal(get("Ar", "/dicomweb/studies/1.2.5", NULL, NULL), 503);
    assert_int_equal(get("Ar", "/dicomweb/studies/1.2.4", NULL, NULL), 206);
}

static void
a_preview_says_that_it_is_one(void **state)
{
    struct http_reply reply = call("GET", "Ap", "/preview/studies/1.2.5/instances/1.7/frames/1",
                                   "application/vnd.radpost.preview+j2c", NULL);
    char value[100];
    char *body;

    (void)state;
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.type, "application/vnd.radpost.preview+j2c");
    assert_string_equal(buf_text(&reply.body), "cut to 1: 0123");
    assert_true(http_reply_find(&reply, "Cache-Control", value, sizeof value));
    assert_string_equal(value, "no-store");
    assert_false(http_reply_find(&reply, "ETag", value, sizeof value));
    assert_true(http_reply_find(&reply, "Radpost-Preview", value, sizeof value));
    assert_string_equal(value, "layers=1/2; whole=0; expected=30");
    http_reply_fini(&reply);
    reply = call("GET", "Ap", "/preview/studies/1.2.5/instances/1.7/frames/1", NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.type, "image/jpeg");
    http_reply_fini(&reply);
    assert_int_equal(get("Ap", "/preview/studies/1.2.5", NULL, &body), 200);
    assert_non_null(strstr(body, "\"layers\":2,\"layers_here\":1"));
    assert_non_null(strstr(body, "不可用于诊断"));
    assert_non_null(strstr(body, "\"expected\":30,\"missing\":30,"));
    free(body);
    assert_int_equal(get("Ap", "/preview/studies/1.2.5/instances/1.7/frames/2", NULL, NULL), 404);
    assert_int_equal(get("Ap", "/preview/studies/1.2.4/instances/1.5/frames/1", NULL, NULL), 404);
    assert_int_equal(
        get("Ap", "/preview/studies/1.2.5/instances/1.7/frames/1?layers=0", NULL, NULL), 400);
}

static void
a_middle_frame_is_shown_before_the_others(void **state)
{
    static const int wanted[] = {503, 200, 503, 404};
    struct http_reply reply;
    char path[100], *body;

    (void)state;
    assert_int_equal(get("Ap", "/preview/studies/1.2.6", NULL, &body), 200);
    assert_non_null(strstr(body, "\"layers_here\":0,\"frames_here\":[2],"));
    free(body);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        snprintf(path, sizeof path, "/preview/studies/1.2.6/instances/1.8/frames/%zu", i + 1);
        assert_int_equal(get("Ap", path, NULL, NULL), wanted[i]);
    }
    reply = call("GET", "Ap", "/preview/studies/1.2.6/instances/1.8/frames/2",
                 "application/vnd.radpost.preview+j2c", NULL);
    assert_string_equal(buf_text(&reply.body), "cut to 1: B");
    http_reply_fini(&reply);
}

static void
a_held_representation_is_not_sent_again(void **state)
{
    struct http_reply reply = call("GET", "Ar", FRAME("1.1") "1", OCTETS, NULL);
    char tag[120], header[160];

    (void)state;
    assert_true(http_reply_find(&reply, "ETag", tag, sizeof tag));
    http_reply_fini(&reply);
    snprintf(header, sizeof header, "If-None-Match: %s", tag);
    reply = call("GET", "Ar", FRAME("1.1") "1", OCTETS, header);
    assert_int_equal(reply.status, 304);
    http_reply_fini(&reply);
    reply = call("GET", "Ar", FRAME("1.1") "2", OCTETS, header);
    assert_int_equal(reply.status, 200);
    http_reply_fini(&reply);
    /* An error is never kept. */
    fake.is_away = true;
    reply = call("GET", "Ar", FRAME("1.1") "1", OCTETS, NULL);
    assert_int_equal(reply.status, 503);
    assert_false(http_reply_find(&reply, "ETag", tag, sizeof tag));
    http_reply_fini(&reply);
    fake.is_away = false;
}

/* The studies of this test are looked at by no other: nothing of them was noted before. */
static void
nothing_leaves_unnoted(void **state)
{
    static const char *const paths[] = {
        "/dicomweb/studies", "/dicomweb/studies/1.2.7", "/dicomweb/studies/1.2.7/metadata",
        "/dicomweb/studies/1.2.7/series/1.2.8/instances/1.10/frames/1",
        "/dicomweb/studies/1.2.7/series/1.2.8/instances/1.10/rendered"};
    char wanted[64];
    int before;

    (void)state;
    fake_image(fake_add("A", "1.2.7", "1.10", EXPLICIT), 2, 8, "1", (const uint8_t *)"abcd", 4,
               NULL);
    fake.is_deaf = true;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        assert_int_equal(get("Aqr", paths[i], NULL, NULL), 503);
    fake.is_deaf = false;
    before = fake.notes;
    assert_int_equal(get("Aqr", paths[3], NULL, NULL), 200);
    snprintf(wanted, sizeof wanted, "%d study=1.2.7 what=pixels", AUDIT_RETRIEVED);
    assert_string_equal(fake.noted[before % 8], wanted);
    assert_int_equal(get("Aqr", paths[3], NULL, NULL), 200);
    assert_int_equal(get("Aqr", paths[4], NULL, NULL), 200);
    assert_int_equal(fake.notes, before + 1); /* a look is one entry */
    assert_int_equal(get("Aqr", paths[1], NULL, NULL), 200);
    assert_int_equal(get("Aqr", paths[1], NULL, NULL), 200);
    assert_int_equal(fake.notes, before + 3); /* taking out is one each time */
}

static void
a_feed_waits_for_what_is_new(void **state)
{
    char *body;

    (void)state;
    fake.events = 3;
    assert_int_equal(get("Aq", "/events?after=1&limit=1", NULL, &body), 200);
    assert_string_equal(body, "{\"events\":[{\"seq\":2,\"tenant\":\"A\",\"kind\":\"study.held\","
                              "\"study\":\"1.2.3\",\"at\":\"1970-01-01T00:00:01.000000Z\","
                              "\"detail\":{\"whole\":1}}],\"next\":2}");
    free(body);
    assert_int_equal(get("Aq", "/events?after=3", NULL, &body), 200);
    assert_string_equal(body, "{\"events\":[],\"next\":3}");
    free(body);
    assert_int_equal(get("Aq", "/events?after=3&wait_s=30", NULL, &body), 200);
    assert_non_null(strstr(body, "\"next\":4}"));
    free(body);
    assert_int_equal(get("Aq", "/events?after=-1", NULL, NULL), 400);
    assert_int_equal(get("Aq", "/events?after=3&at=yesterday", NULL, NULL), 400);
    assert_int_equal(get("Aq", "/events?after=3&at=1970-01-01T00:00:01.000000Z", NULL, &body), 200);
    assert_string_equal(body, "{\"events\":[{\"seq\":4,\"tenant\":\"A\",\"kind\":\"study.held\","
                              "\"study\":\"1.2.3\",\"at\":\"1970-01-01T00:00:01.000000Z\","
                              "\"detail\":{\"whole\":1}}],\"next\":4}");
    free(body);
    assert_int_equal(get("Aq", "/events?after=3&at=1970-01-01T00:00:02.000000Z", NULL, &body), 200);
    assert_string_equal(body, "{\"events\":[],\"next\":0,\"is_cursor_lost\":true}");
    free(body);
    assert_int_equal(get("Aq", "/events?wait_s=61", NULL, NULL), 400);
}

static void
a_refused_query_names_the_parameter_only(void **state)
{
    char *body;

    (void)state;
    assert_int_equal(get("Aq", "/dicomweb/studies?StudyDate=SECRET", NULL, &body), 400);
    assert_non_null(strstr(body, "StudyDate"));
    assert_null(strstr(body, "SECRET"));
    free(body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_asks_for_its_right),
        cmocka_unit_test(a_tenant_is_named_by_those_only_who_may),
        cmocka_unit_test(objects_leave_in_the_syntax_that_was_asked_for),
        cmocka_unit_test(objects_leave_under_the_study_they_were_asked_for_by),
        cmocka_unit_test(an_object_that_cannot_be_made_to_say_its_study_does_not_end_the_answer),
        cmocka_unit_test(a_stored_preamble_stays_here),
        cmocka_unit_test(frames_leave_native_or_as_stored),
        cmocka_unit_test(frames_of_single_bits_begin_on_a_byte),
        cmocka_unit_test(what_is_on_its_way_does_not_leave),
        cmocka_unit_test(a_preview_says_that_it_is_one),
        cmocka_unit_test(a_middle_frame_is_shown_before_the_others),
        cmocka_unit_test(a_held_representation_is_not_sent_again),
        cmocka_unit_test(nothing_leaves_unnoted),
        cmocka_unit_test(a_feed_waits_for_what_is_new),
        cmocka_unit_test(a_refused_query_names_the_parameter_only),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
