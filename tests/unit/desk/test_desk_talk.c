/* test_desk_talk.c - the desk's connections to the reader, while there is none. */
#include "gateway/desk/desk_talk.h"

#include "proto/base/log.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static char folder[FOLDER_PATH_BYTES];
static struct desk_talk talk;

static int
begin(void **state)
{
    struct desk_link_options o = {.link_dir = folder, .backoff_ms = 1, .backoff_max_ms = 4};

    (void)state;
    folder_make("desk_talk", folder);
    desk_talk_init(&talk, &o);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    desk_talk_fini(&talk);
    folder_remove(folder);
    return 0;
}

static void
without_an_identity_the_line_is_unknown_and_nothing_is_called(void **state)
{
    struct http_call call = {.method = "GET", .path = "/"};
    struct desk_link_status status;
    struct http_reply reply;
    struct err err;

    (void)state;
    desk_talk_end(&talk); /* it waits for nobody then */
    assert_int_equal(desk_talk_call(&talk.talkers[0], &call, &reply, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    desk_talk_status(&talk, &status);
    assert_int_equal(status.line, DESK_LINE_UNKNOWN);
    assert_false(talk.talkers[0].is_answered);
}

static void
waits_grow_to_their_most_and_end_with_the_talk(void **state)
{
    struct desk_talker *t = &talk.talkers[1];
    struct err err = {0};

    (void)state;
    err_set(&err, ERR_RETRY, "no line");
    for (unsigned i = 0; i < 3; i++) {
        desk_talk_failed(t, &err);
        assert_int_equal(t->backoff_ms, i == 0 ? 2 : 4);
        assert_int_equal(t->turn, i + 1); /* perhaps by another line */
    }
    assert_int_equal(talk.talkers[0].backoff_ms, 1);

    desk_talk_end(&talk);
    t->backoff_ms = INT64_MAX / 4;
    desk_talk_failed(t, &err); /* returns */
    assert_true(desk_talk_is_over(&talk));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            without_an_identity_the_line_is_unknown_and_nothing_is_called, begin, end),
        cmocka_unit_test_setup_teardown(waits_grow_to_their_most_and_end_with_the_talk, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
