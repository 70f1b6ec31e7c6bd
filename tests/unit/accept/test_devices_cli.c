/* test_devices_cli.c - radpost devices: what it writes is what the gateway reads, and nothing that
 * it could not read is ever written. */
#include "gateway/accept/devices_cli.h"

#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[FOLDER_PATH_BYTES];
static struct err err;

static int
start(void **state)
{
    char tmp[FOLDER_PATH_BYTES + 8];

    (void)state;
    folder_make("devices-cli", dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    return durable_mkdir(tmp, &err);
}

static int
stop(void **state)
{
    (void)state;
    folder_remove(dir);
    return 0;
}

/* The arguments end with NULL; its words go nowhere. */
static int
run(const char *first, ...)
{
    char *argv[16] = {(char *)(uintptr_t) "devices", (char *)(uintptr_t)first};
    int argc = 2, rc, out = dup(1), null, errs = dup(2);
    va_list more;
    const char *arg;

    va_start(more, first);
    while ((arg = va_arg(more, const char *)) != NULL)
        argv[argc++] = (char *)(uintptr_t)arg;
    va_end(more);
    fflush(NULL);
    null = fileno(tmpfile());
    dup2(null, 1);
    dup2(null, 2);
    rc = devices_cli(argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(errs, 2);
    close(out);
    close(errs);
    return rc;
}

static struct devices
table(void)
{
    struct devices out = {NULL, 0};
    char path[FOLDER_PATH_BYTES + 16];
    uint8_t *text = NULL;
    size_t n;

    snprintf(path, sizeof path, "%s/" DEVICES_FILE, dir);
    assert_int_equal(durable_get_file(path, 1 << 20, &text, &n, &err), 0);
    assert_int_equal(devices_parse((const char *)text, n, &out, &err), 0);
    free(text);
    return out;
}

static void
a_row_is_added_changed_and_taken_out(void **state)
{
    struct devices t;

    (void)state;
    assert_int_equal(run("add", dir, "US CART 2", "*", "彩超 二室", "charset=GB18030", NULL), 0);
    assert_int_equal(run("add", dir, "CT_ROOM1", "192.168.1.20", NULL), 0);
    t = table();
    assert_int_equal(t.n, 2);
    assert_string_equal(t.rows[0].ae, "US CART 2");
    assert_string_equal(t.rows[0].name, "彩超 二室");
    assert_string_equal(t.rows[0].charset, "GB18030");
    devices_fini(&t);
    assert_int_equal(run("add", dir, "US CART 2", "*", "彩超", NULL), 0);
    t = table();
    assert_int_equal(t.n, 2);
    assert_string_equal(t.rows[0].name, "彩超");
    devices_fini(&t);
    assert_int_equal(run("remove", dir, "US CART 2", "*", NULL), 0);
    assert_int_not_equal(run("remove", dir, "US CART 2", "*", NULL), 0);
    t = table();
    assert_int_equal(t.n, 1);
    devices_fini(&t);
    assert_int_equal(run("list", dir, NULL), 0);
}

static void
what_the_gateway_could_not_read_is_not_written(void **state)
{
    static const char *const rows[][4] = {
        {"CT\\1", "192.168.1.20", "x", NULL},        {"CT", "no address", "x", NULL},
        {"CT", "192.168.1.20", "x", "colour=red"},   {"CT", "192.168.1.20", "x", "pdu=1KiB"},
        {"CT", "192.168.1.20", "x\nEVIL * y", NULL}, {"CT", "192.168.1.20", "a \"b\"", NULL},
    };
    char path[FOLDER_PATH_BYTES + 16];

    (void)state;
    snprintf(path, sizeof path, "%s/" DEVICES_FILE, dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_not_equal(run("add", dir, rows[i][0], rows[i][1], rows[i][2], rows[i][3], NULL),
                             0);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_int_equal(run("add", dir, NULL), 64);
}

static void
who_was_refused_is_enrolled_with_what_it_showed(void **state)
{
    struct refused *list = mem_new(sizeof *list);
    struct dimse_peer peer = {.port = 104};
    struct devices t;
    bool is_due;

    (void)state;
    text_copy(peer.calling, sizeof peer.calling, "DR1");
    text_copy(peer.called, sizeof peer.called, "OLDPACS");
    text_copy(peer.address, sizeof peer.address, "10.0.0.9");
    refused_add(list, &peer, ACCEPT_CALLED_WRONG, clock_wall_us(), &is_due);
    assert_int_equal(refused_write(dir, list, clock_wall_us(), &err), 0);
    free(list);
    assert_int_not_equal(run("enrol", dir, "DR1", "10.0.0.8", NULL), 0);
    assert_int_equal(run("enrol", dir, "DR1", "10.0.0.9", "拍片室", NULL), 0);
    t = table();
    assert_string_equal(t.rows[0].called, "OLDPACS");
    assert_string_equal(t.rows[0].name, "拍片室");
    devices_fini(&t);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_row_is_added_changed_and_taken_out),
        CLAIM(what_the_gateway_could_not_read_is_not_written),
        CLAIM(who_was_refused_is_enrolled_with_what_it_showed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
