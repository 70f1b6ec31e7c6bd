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
#include "proto/http/server.h"
#include "tests/support/plain_world.h"
#include "tests/unit/plain/stow_peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

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

/* The faked clock goes on meanwhile. */
static void
await_sealed(struct plain_world *x, uint64_t n)
{
    for (int i = 0; i < 3000 && plain_world_count(x, INSTANCE_SEALED) != n; i++) {
        clock_fake_advance(50);
        gate_lock(&peer.gate);
        (void)gate_wait_ms(&peer.gate, 10);
        gate_unlock(&peer.gate);
    }
    assert_int_equal(plain_world_count(x, INSTANCE_SEALED), n);
}

/* A lamp stayed green, and the same image went for ever. */
static void
one_that_is_refused_without_a_name_is_set_aside_in_the_end(void **state)
{
    struct plain_world *x = *state;

    strncat(x->target, " instead-of-centre=yes", sizeof x->target - strlen(x->target) - 1);
    peer.is_mute = true;
    snprintf(peer.refused, sizeof peer.refused, "1.2.9.1");
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, peer.against > 0);
    clock_fake(clock_wall_us(), clock_mono_ms());
    for (int i = 2; i < 30 && plain_world_count(x, INSTANCE_QUARANTINED) == 0; i++) {
        clock_fake_advance(600000);
        plain_world_arrive(x, i, i); /* the others go on */
        await_sealed(x, (uint64_t)i - 1);
    }
    clock_unfake();

    assert_int_equal(plain_world_count(x, INSTANCE_QUARANTINED), 1);
    assert_int_equal(plain_world_number(x, "refused"), 1);
    assert_int_equal(peer.against, 12);
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
        T(one_that_is_refused_without_a_name_is_set_aside_in_the_end),
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
