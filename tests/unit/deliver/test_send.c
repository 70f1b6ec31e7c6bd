/* Claims about handing texts over: a program gets number and text without a shell, a slow or
 * failing one is an error to try again, and the outbox keeps one file a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "reader/deliver/send.h"
#include "tests/support/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_PATH_BYTES];
static const struct send_message message = {7, INT64_C(1795313220000000), "13800138000",
                                            "【影驿】验证码 \"123456\"; $(id) `id`\n"};

static int
setup(void **state)
{
    (void)state;
    folder_make("send", folder);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static const char *
program(const char *name, const char *script)
{
    static char path[FOLDER_PATH_BYTES + 32];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
    close(fd);
    return path;
}

static char *
content(const char *name)
{
    char path[FOLDER_PATH_BYTES + 300];
    struct err err = {0};
    uint8_t *bytes = NULL;
    size_t n;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (durable_get_file(path, 65536, &bytes, &n, &err) < 0)
        fail_msg("%s", err.text);
    return (char *)bytes;
}

static void
a_program_gets_number_text_and_id_as_they_are(void **state)
{
    char script[512], *seen;
    struct err err = {0};

    (void)state;
    (void)snprintf(script, sizeof script,
                   "#!/bin/sh\ncd '%s'\necho \"$#:$1:$RADPOST_MESSAGE_ID\" >args\ncat >text\n"
                   "ls /proc/self/fd | wc -l >fds\n",
                   folder);

    assert_int_equal(send_check(program("good", script), NULL, &err), 0);
    if (send_text(program("good", script), NULL, &message, &err) < 0)
        fail_msg("%s", err.text);

    seen = content("args");
    assert_string_equal(seen, "1:13800138000:7\n");
    free(seen);
    seen = content("text");
    assert_string_equal(seen, message.text);
    free(seen);
    seen = content("fds"); /* 0, 1, 2 and what ls itself opens */
    assert_true(strtol(seen, NULL, 10) <= 4);
    free(seen);
}

static void
a_program_that_fails_is_an_error_to_try_again(void **state)
{
    static const struct {
        const char *name, *script;
    } rows[] = {
        {"no", "#!/bin/sh\nexit 3\n"},
        {"killed", "#!/bin/sh\nkill -9 $$\n"},
        {"no-program", "#!/nonexistent/shell\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};

        if (send_text(program(rows[i].name, rows[i].script), NULL, &message, &err) != -1)
            fail_msg("%s was taken", rows[i].name);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_null(strstr(err.text, "13800138000"));
        assert_null(strstr(err.text, "123456"));
    }
}

static void
a_program_that_never_ends_is_ended_with_its_children(void **state)
{
    int64_t began_ms = clock_mono_ms();
    struct err err = {0};

    (void)state;
    assert_int_equal(
        send_text(program("slow", "#!/bin/sh\nsleep 600 &\nwait\n"), NULL, &message, &err), -1);

    assert_int_equal(err.kind, ERR_RETRY);
    assert_true(clock_mono_ms() - began_ms < 300000);
}

static void
the_outbox_keeps_one_file_a_message(void **state)
{
    char outbox[FOLDER_PATH_BYTES + 16], *seen;
    struct send_message other = message;
    struct err err = {0};
    int files = 0;
    DIR *dir;

    (void)state;
    (void)snprintf(outbox, sizeof outbox, "%s/outbox", folder);
    other.id = 8;

    assert_int_equal(send_check("", outbox, &err), 0);
    assert_int_equal(send_text("", outbox, &message, &err), 0);
    assert_int_equal(send_text("", outbox, &message, &err), 0);
    assert_int_equal(send_text(NULL, outbox, &other, &err), 0);

    seen = content("outbox/1795313220000000-7.txt");
    assert_string_equal(seen,
                        "{\"to\":\"13800138000\",\"text\":\"【影驿】验证码 \\\"123456\\\"; $(id) "
                        "`id`\\u000a\"}\n");
    free(seen);
    dir = opendir(outbox);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        files += strstr(e->d_name, ".txt") != NULL;
    closedir(dir);
    assert_int_equal(files, 2);
}

static void
what_cannot_send_stops_the_start(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(send_check("/nonexistent/program", NULL, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(send_check("", "", &err), -1);
    assert_int_equal(send_check(NULL, NULL, &err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_number_text_and_id_as_they_are),
        cmocka_unit_test(a_program_that_fails_is_an_error_to_try_again),
        cmocka_unit_test(a_program_that_never_ends_is_ended_with_its_children),
        cmocka_unit_test(the_outbox_keeps_one_file_a_message),
        cmocka_unit_test(what_cannot_send_stops_the_start),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
