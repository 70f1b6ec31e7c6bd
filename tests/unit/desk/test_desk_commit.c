/* test_desk_commit.c - what storage commitment knows of the desk's "A or B?": over a real desk, its
 * file, spool and door. */
#include "gateway/desk/doubts.h"
#include "gateway/serve/parts.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "tests/support/desk_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct serve_world world;
static struct desk_site site;
static struct book *book; /* the desk's file, beside the desk */
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
    world = (struct serve_world){.options = {.grace_ms = 3600000, .has_questions = true}};
    serve_world_make(&world, "CT1 127.0.0.1\n");
    desk_site_open_in(&site, &world);
    site.quiet_ms = 3600000;
    must(book_open(site.desk_dir, "", &book, &err));
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

static void
an_open_question_stands_on_both_of_its_studies_until_it_is_answered(void **state)
{
    struct book_correction asked = {
        .study = "1.2.1", .other_study = "1.2.2", .identity = "ab", .entry = 1};

    (void)state;
    desk_site_go_live(&site);
    assert_false(serve_has_question(world.serve, "1.2.1"));
    must(book_correction_put(book, &asked, &err));
    assert_true(serve_has_question(world.serve, "1.2.1"));
    assert_true(serve_has_question(world.serve, "1.2.2"));
    assert_false(serve_has_question(world.serve, "1.2.3"));

    must(book_correction_answer(book, 1, false, "", NULL, "li", &err));
    assert_false(serve_has_question(world.serve, "1.2.1"));
    assert_false(serve_has_question(world.serve, "1.2.2"));
}

static void
before_the_desk_has_begun_and_after_it_has_ended_one_may_stand_on_any(void **state)
{
    (void)state;
    assert_true(serve_has_question(world.serve, "1.2.1"));
    desk_site_go_live(&site);
    assert_false(serve_has_question(world.serve, "1.2.1"));
    desk_site_stop(&site);
    assert_true(serve_has_question(world.serve, "1.2.1"));
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CLAIM(an_open_question_stands_on_both_of_its_studies_until_it_is_answered),
        CLAIM(before_the_desk_has_begun_and_after_it_has_ended_one_may_stand_on_any),
    };
    int failed;

    if (codec_worker_main_if_asked(argc, argv, &failed))
        return failed;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
