/* test_desk_commit.c - what storage commitment knows of the desk's "A or B?": over a real desk, its
 * file, spool and door. */
#include "gateway/desk/desk.h"
#include "gateway/desk/doubts.h"
#include "gateway/serve/parts.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "tests/support/serve_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct serve_world world;
static char desk_dir[FOLDER_PATH_BYTES + 16], link_dir[FOLDER_PATH_BYTES + 16];
static struct codec_pool *pool;
static struct uplink *uplink;
static struct desk *desk;
static struct book *book; /* the desk's file, beside the desk */
static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static void
open_desk(void)
{
    struct desk_options page = {.address = "127.0.0.1",
                                .spool = world.spool,
                                .accept = world.door,
                                .serve = world.serve,
                                .uplink = uplink,
                                .dir = desk_dir,
                                .link_dir = link_dir};

    must(desk_start(&page, &desk, &err));
}

static int
start(void **state)
{
    struct uplink_options line = {.connections = 1,
                                  .coders = 1,
                                  .bundle_bytes = 65536,
                                  .backoff_ms = 1000,
                                  .backoff_max_ms = 1000,
                                  .stall_ms = 1000,
                                  .quiet_ms = 3600000,
                                  .recheck_ms = 1000};

    (void)state;
    world = (struct serve_world){.options = {.grace_ms = 3600000, .has_questions = true}};
    serve_world_make(&world, "CT1 127.0.0.1\n");
    snprintf(desk_dir, sizeof desk_dir, "%s/desk", world.dir);
    snprintf(link_dir, sizeof link_dir, "%s/link", world.dir);
    must(codec_pool_new(1, &pool, &err));
    line.link_dir = link_dir;
    must(uplink_start(&line, world.spool, pool, &uplink, &err));
    must(book_open(desk_dir, "", &book, &err));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    book_close(&book);
    desk_stop(&desk);
    uplink_stop(&uplink);
    codec_pool_free(&pool);
    serve_world_remove(&world);
    return 0;
}

static void
an_open_question_stands_on_both_of_its_studies_until_it_is_answered(void **state)
{
    struct book_correction asked = {
        .study = "1.2.1", .other_study = "1.2.2", .identity = "ab", .entry = 1};

    (void)state;
    open_desk();
    assert_false(serve_has_question(world.serve, "1.2.1"));
    must(book_correction_put(book, &asked, &err));
    assert_true(serve_has_question(world.serve, "1.2.1"));
    assert_true(serve_has_question(world.serve, "1.2.2"));
    assert_false(serve_has_question(world.serve, "1.2.3"));

    must(book_correction_answer(book, 1, false, "", "li", &err));
    assert_false(serve_has_question(world.serve, "1.2.1"));
    assert_false(serve_has_question(world.serve, "1.2.2"));
}

static void
before_the_desk_has_begun_and_after_it_has_ended_one_may_stand_on_any(void **state)
{
    (void)state;
    assert_true(serve_has_question(world.serve, "1.2.1"));
    open_desk();
    assert_false(serve_has_question(world.serve, "1.2.1"));
    desk_stop(&desk);
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
