/* test_plain_stow.c - claims of gateway/plain/plain.h about STOW-RS targets, with a peer that
 * misbehaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/plain.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/http/multipart_reader.h"
#include "proto/http/server.h"
#include "tests/support/plain_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The archive: what it keeps, and how it misbehaves. */
static struct {
    struct http_server *server;
    struct gate gate;                     /* guards all below */
    char uids[256][65], studies[256][65]; /* what the data sets say */
    size_t n;
    unsigned requests, parts, repeats;
    bool answers_xml, is_silent; /* an answer that names nobody */
    bool is_mute;                /* an answer without a body */
    char refused[65];
    uint16_t reason;
    int status;         /* instead of an answer .. */
    unsigned status_n;  /* .. so many times */
    bool keeps_anyway;  /* what it answers so, it has kept */
    bool finds_nothing; /* and QIDO-RS */
} peer;

struct taking { /* one request */
    struct buf part;
    char uids[64][65], studies[64][65];
    size_t n;
};

static int
part_begin(void *user, const struct multipart_part *part, struct err *err)
{
    struct taking *t = user;

    (void)err;
    assert_string_equal(part->type, "application/dicom");
    buf_clear(&t->part);
    return 0;
}

static int
part_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)err;
    buf_add(&((struct taking *)user)->part, bytes, n);
    return 0;
}

static int
part_end(void *user, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct taking *t = user;
    struct dcm_part10 part10;
    int rc = -1;

    if (dcm_part10_parse(t->part.bytes, t->part.n, &part10, err) == 0 &&
        dcm_facts_read(t->part.bytes, t->part.n, false, facts, err) == 0) {
        text_copy(t->studies[t->n], 65, facts->is_study_made ? "" : facts->study_uid);
        text_copy(t->uids[t->n++], 65, part10.sop_instance);
        rc = 0;
    }
    free(facts);
    return rc;
}

/* Gate held. */
static void
keep(const char *uid, const char *study)
{
    for (size_t i = 0; i < peer.n; i++)
        if (strcmp(peer.uids[i], uid) == 0) {
            peer.repeats++;
            return;
        }
    text_copy(peer.studies[peer.n], 65, study);
    text_copy(peer.uids[peer.n++], 65, uid);
}

static bool
is_refused(const char *uid)
{
    return peer.refused[0] != '\0' && strcmp(peer.refused, uid) == 0;
}

static void
write_json(const struct taking *t, struct buf *out)
{
    for (int is_taken = 0; is_taken < 2; is_taken++) {
        const char *comma = "";

        buf_add_printf(out, "%s\"0008119%c\":{\"vr\":\"SQ\",\"Value\":[", is_taken ? "," : "{",
                       is_taken ? '9' : '8');
        for (size_t i = 0; i < t->n; i++)
            if (is_refused(t->uids[i]) == !is_taken) {
                buf_add_printf(out,
                               "%s{\"00081155\":{\"vr\":\"UI\",\"Value\":[\"%s\"]},\"00081197\":{"
                               "\"vr\":\"US\",\"Value\":[%u]}}",
                               comma, t->uids[i], peer.reason);
                comma = ",";
            }
        buf_add_text(out, "]}");
    }
    buf_add_text(out, "}");
}

static void
write_xml(const struct taking *t, struct buf *out)
{
    buf_add_text(out, "<NativeDicomModel><DicomAttribute tag=\"00081199\" vr=\"SQ\">");
    for (size_t i = 0; i < t->n; i++)
        buf_add_printf(out,
                       "<Item number=\"%zu\"><DicomAttribute tag=\"00081155\" vr=\"UI\"><Value "
                       "number=\"1\">%s</Value></DicomAttribute></Item>",
                       i + 1, t->uids[i]);
    buf_add_text(out, "</DicomAttribute></NativeDicomModel>");
}

/* Gate held. */
static void
answer(struct http_response *res, const struct taking *t, bool is_bad)
{
    struct buf body;

    buf_init(&body, 1 << 20);
    if (is_bad)
        http_answer_empty(res, peer.status);
    else if (peer.is_mute)
        http_answer_empty(res, 200);
    else if (peer.is_silent)
        http_answer_bytes(res, 200, "application/dicom+json", "{}", 2);
    else if (peer.answers_xml) {
        write_xml(t, &body);
        http_answer_buf(res, 200, "application/dicom+xml", &body);
    } else {
        write_json(t, &body);
        http_answer_buf(res, peer.refused[0] != '\0' ? 409 : 200, "application/dicom+json", &body);
    }
    buf_fini(&body);
}

static int
post_studies(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct multipart_events events = {part_begin, part_bytes, part_end};
    struct multipart_reader *reader = NULL;
    struct taking *t = mem_new(sizeof *t);
    const uint8_t *body;
    char type[64];
    bool is_bad;
    size_t n;
    int rc;

    buf_init(&t->part, 64 << 20);
    body = http_body(req, &n);
    rc = multipart_reader_new(http_header(req, "Content-Type"), &events, t, type, &reader, err);
    if (rc == 0)
        rc = multipart_reader_feed(reader, body, n, err);
    if (rc == 0)
        rc = multipart_reader_finish(reader, err);
    gate_lock(&peer.gate);
    peer.requests++;
    peer.parts += (unsigned)t->n;
    is_bad = peer.status_n > 0;
    peer.status_n -= is_bad;
    for (size_t i = 0; i < t->n && rc == 0; i++)
        if (!is_refused(t->uids[i]) && (!is_bad || peer.keeps_anyway))
            keep(t->uids[i], t->studies[i]);
    if (rc == 0)
        answer(res, t, is_bad);
    gate_unlock(&peer.gate);
    multipart_reader_free(&reader);
    buf_fini(&t->part);
    free(t);
    return rc;
}

/* Of the study in the path; pages of at most seven, whatever was asked for. */
static int
get_instances(struct http_request *req, struct http_response *res, struct err *err)
{
    const char *wanted = http_query(req, "SOPInstanceUID"), *at = http_query(req, "offset");
    uint64_t from = 0;
    unsigned given = 0;
    struct buf body;

    (void)err;
    if (at != NULL)
        assert_int_equal(text_to_u64(at, 100000, &from), 0);
    buf_init(&body, 1 << 20);
    buf_add_text(&body, "[");
    gate_lock(&peer.gate);
    for (size_t i = (size_t)from; i < peer.n && given < 7 && !peer.finds_nothing; i++)
        if (strcmp(http_param(req, "study"), peer.studies[i]) == 0 &&
            (wanted == NULL || strcmp(wanted, peer.uids[i]) == 0))
            buf_add_printf(&body, "%s{\"00080018\":{\"vr\":\"UI\",\"Value\":[\"%s\"]}}",
                           given++ > 0 ? "," : "", peer.uids[i]);
    gate_unlock(&peer.gate);
    buf_add_text(&body, "]");
    if (given == 0)
        http_answer_empty(res, 204);
    else
        http_answer_buf(res, 200, "application/dicom+json", &body);
    buf_fini(&body);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = "/dw/studies",
     .callers = HTTP_ANYONE,
     .body_limit = 64 << 20,
     .handle = post_studies},
    {.method = "GET",
     .pattern = "/dw/studies/{study}/series/{series}/instances",
     .callers = HTTP_ANYONE,
     .handle = get_instances},
};

static int
setup(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options o = {
        .address = "127.0.0.1", .name = "peer", .tables = &table, .table_count = 1};
    struct plain_world *x = plain_world_new();
    struct err err = {0};

    memset(&peer, 0, sizeof peer);
    gate_init(&peer.gate);
    assert_int_equal(http_server_start(&o, &peer.server, &err), 0);
    snprintf(x->target, sizeof x->target, "pacs stow http://127.0.0.1:%u/dw",
             http_server_port(peer.server));
    *state = x;
    return 0;
}

static int
teardown(void **state)
{
    plain_world_free(*state);
    http_server_stop(&peer.server);
    return 0;
}

static void
came_once(unsigned parts)
{
    gate_lock(&peer.gate);
    assert_int_equal(peer.parts, parts);
    assert_int_equal(peer.repeats, 0);
    gate_unlock(&peer.gate);
}

static void
several_go_in_one_request_and_are_found_page_by_page(void **state)
{
    struct plain_world *x = *state;

    plain_world_arrive(x, 1, 40);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 40);

    came_once(40);
    assert_true(peer.requests <= 4);
}

static void
an_answer_in_xml_is_read(void **state)
{
    struct plain_world *x = *state;

    peer.answers_xml = true;
    plain_world_arrive(x, 1, 3);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 3);

    came_once(3);
}

static void
instead_of_the_centre_found_means_sealed(void **state)
{
    struct plain_world *x = *state;

    strncat(x->target, " instead-of-centre=yes", sizeof x->target - strlen(x->target) - 1);
    peer.finds_nothing = true;
    plain_world_arrive(x, 1, 3);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_HELD) == 3);
    assert_int_equal(plain_world_count(x, INSTANCE_SEALED), 0);
    peer.finds_nothing = false;
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 3);

    came_once(3);
}

/* It leaves under the number by which it is asked for. */
static void
what_stands_under_a_made_number_is_found_again_under_it(void **state)
{
    static const struct serve_image unnumbered = {
        .study = "1.2.abc", .series = "1.2.abc", .sop_instance = "1.2.9.7", .number = 7};
    struct plain_world *x = *state;

    strncat(x->target, " instead-of-centre=yes", sizeof x->target - strlen(x->target) - 1);
    serve_world_put(&x->w, &unnumbered);
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_SEALED) == 3);
    assert_int_equal(plain_world_number(x, "refused"), 0);
    gate_lock(&peer.gate);
    assert_int_equal(peer.n, 3);
    gate_unlock(&peer.gate);
}

static void
what_the_answer_does_not_name_is_asked_for(void **state)
{
    struct plain_world *x = *state;

    peer.is_silent = true;
    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);

    came_once(5);
}

static void
where_nobody_is_asked_an_empty_200_is_enough(void **state)
{
    struct plain_world *x = *state;

    strncat(x->target, " verify=none", sizeof x->target - strlen(x->target) - 1);
    peer.is_mute = true;
    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);

    came_once(5);
}

static void
anothers_object_of_the_same_uid_is_not_ours_to_delete(void **state)
{
    static const uint16_t reasons[] = {0x0111, 45070};
    struct plain_world *x = *state;

    strncat(x->target, " instead-of-centre=yes", sizeof x->target - strlen(x->target) - 1);
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        int first = (int)i * 2 + 1;

        gate_lock(&peer.gate);
        snprintf(peer.refused, sizeof peer.refused, "1.2.9.%d", first);
        text_copy(peer.uids[peer.n++], 65, peer.refused);
        peer.reason = reasons[i];
        gate_unlock(&peer.gate);
        plain_world_arrive(x, first, first + 1);
        if (i == 0)
            plain_world_start(x);
        PLAIN_AWAIT(x, plain_world_count(x, INSTANCE_QUARANTINED) == i + 1 &&
                           plain_world_count(x, INSTANCE_SEALED) == i + 1);
    }

    came_once(4);
}

/* The open file of marks. */
static int
marks_fd(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        char link[64], path[512];
        ssize_t n;

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof path - 1);
        if (n > 0) {
            path[n] = '\0';
            if (strstr(path, "/pacs.marks") != NULL)
                return fd;
        }
    }
    return -1;
}

/* How many lines of the log hold these words. */
static unsigned
lines_with(FILE *log, const char *words)
{
    char line[1024];
    unsigned n = 0;

    rewind(log);
    while (fgets(line, sizeof line, log) != NULL)
        n += strstr(line, words) != NULL;
    return n;
}

static void
marks_that_cannot_be_written_are_waited_for_at_rest(void **state)
{
    struct plain_world *x = *state;
    char *dir = mem_printf("%s/targets", x->w.dir), *away = mem_printf("%s/away", x->w.dir);
    char name[] = "/tmp/radpost-marks-XXXXXX";
    int fd = mkstemp(name), full = open("/dev/full", O_RDWR | O_CLOEXEC);
    FILE *log = fopen(name, "r");

    assert_non_null(log);
    unlink(name);
    log_set_fd(fd);
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
    assert_int_equal(rename(dir, away), 0); /* no new file of marks either */
    dup2(full, marks_fd());
    plain_world_arrive(x, 2, 4);
    PLAIN_AWAIT(x, lines_with(log, "PLAIN_MARKS_TROUBLE") >= 1 &&
                       lines_with(log, "No such file") >= 2); /* two passes of the feeder */
    assert_true(lines_with(log, "cannot be written just now") < 20);
    assert_int_equal(rename(away, dir), 0);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 4);
    plain_stop(&x->plain);
    log_set_fd(2);

    assert_int_equal(peer.repeats, 0);
    fclose(log);
    close(full);
    close(fd);
    free(dir);
    free(away);
}

static void
one_refused_instance_stops_no_other(void **state)
{
    struct plain_world *x = *state;
    struct err err = {0};

    snprintf(peer.refused, sizeof peer.refused, "1.2.9.3");
    peer.reason = 0xA900;
    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 4 && plain_world_number(x, "refused") == 1);
    peer.refused[0] = '\0';
    assert_int_equal(plain_requeue(x->plain, "pacs", 0, &err), 0);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);

    came_once(6);
}

static void
a_request_refused_whole_goes_one_by_one(void **state)
{
    struct plain_world *x = *state;

    peer.status = 400;
    peer.status_n = 2; /* all of them, then the first alone, which goes again later */
    plain_world_arrive(x, 1, 5);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 5);

    assert_int_equal(peer.repeats, 0);
    assert_int_equal(peer.requests, 7);
    assert_int_equal(plain_world_number(x, "refused"), 0);
}

static void
a_failure_of_the_server_is_asked_for_before_it_is_sent_again(void **state)
{
    struct plain_world *x = *state;

    peer.status = 500;
    peer.status_n = 1;
    peer.keeps_anyway = true;
    plain_world_arrive(x, 1, 4);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 4);

    came_once(4);
}

static void
a_server_that_is_busy_full_or_shut_costs_time_only(void **state)
{
    static const struct {
        int status;
        const char *line;
    } rows[] = {{503, "down"},   {507, "full"},   {401, "denied"}, {404, "denied"},
                {302, "denied"}, {405, "denied"}, {407, "denied"}};
    struct plain_world *x = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int first = (int)i * 2 + 1;

        gate_lock(&peer.gate);
        peer.status = rows[i].status;
        peer.status_n = 1000;
        gate_unlock(&peer.gate);
        plain_world_arrive(x, first, first + 1);
        if (i == 0)
            plain_world_start(x);
        PLAIN_AWAIT(x, plain_world_says(x, "line", rows[i].line));
        gate_lock(&peer.gate);
        peer.status_n = 0;
        gate_unlock(&peer.gate);
        PLAIN_AWAIT(x, plain_world_number(x, "there") == first + 1);
    }

    assert_int_equal(peer.repeats, 0);
    assert_int_equal(plain_world_number(x, "refused"), 0);
}

static void
a_restart_goes_on_where_it_was(void **state)
{
    struct plain_world *x = *state;

    peer.finds_nothing = true;
    plain_world_arrive(x, 1, 4);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "unverified") == 4);
    plain_stop(&x->plain);
    peer.finds_nothing = false;
    plain_world_arrive(x, 5, 6);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 6);

    came_once(6);
}

int
main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(several_go_in_one_request_and_are_found_page_by_page),
        T(an_answer_in_xml_is_read),
        T(instead_of_the_centre_found_means_sealed),
        T(what_stands_under_a_made_number_is_found_again_under_it),
        T(what_the_answer_does_not_name_is_asked_for),
        T(where_nobody_is_asked_an_empty_200_is_enough),
        T(anothers_object_of_the_same_uid_is_not_ours_to_delete),
        T(marks_that_cannot_be_written_are_waited_for_at_rest),
        T(one_refused_instance_stops_no_other),
        T(a_request_refused_whole_goes_one_by_one),
        T(a_failure_of_the_server_is_asked_for_before_it_is_sent_again),
        T(a_server_that_is_busy_full_or_shut_costs_time_only),
        T(a_restart_goes_on_where_it_was),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, plain_world_begin, plain_world_end);
}
