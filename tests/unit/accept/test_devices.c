/* test_devices.c - lines of devices.conf, who is admitted by them, and the list of the refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "tests/support/folder.h"

#define PIN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_PIN "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
device_lines_are_read_or_refused(void **state)
{
    static const struct {
        const char *line;
        const char *ae, *address, *name; /* ae NULL: refused */
    } rows[] = {
        {"CT1 10.0.0.1 CT room", "CT1", "10.0.0.1", "CT room"},
        {"  CT1\t*  ", "CT1", "*", ""},
        {"\"CT ROOM 1\" 10.0.0.1", "CT ROOM 1", "10.0.0.1", ""},
        {"CT1 2001:DB8::0001 six", "CT1", "2001:db8::1", "six"},
        {"CT1 ::FFFF:10.1.2.3 four, as a listener of both writes it", "CT1", "10.1.2.3",
         "four, as a listener of both writes it"},
        {"CT1 10.0.0.1 \xe5\xbd\xb1\r\n", "CT1", "10.0.0.1", "\xe5\xbd\xb1"},
        {"CT1 * \"A = B\" charset=GB18030", "CT1", "*", "A = B"},
        {"CT1 * A = B", "CT1", "*", "A = B"},
        {"CT1 * \"quoted\" room", "CT1", "*", "\"quoted\" room"},
        {"CT1 * may=store", "CT1", "*", ""},
        {"CT1", NULL, NULL, NULL},
        {"CT1 * CT chraset=GB18030", NULL, NULL, NULL},
        {"CT1 * CT charset=KOI8", NULL, NULL, NULL},
        {"CT1 * CT charset=GB18030 charset=GB18030", NULL, NULL, NULL},
        {"CT1 * CT charset=GB18030 more", NULL, NULL, NULL},
        {"CT1 * CT port=4242", NULL, NULL, NULL},
        {"CT1 * CT host=ct port=0", NULL, NULL, NULL},
        {"CT1 * CT commit_ae=X", NULL, NULL, NULL},
        {"CT1 * CT pdu=16384", NULL, NULL, NULL},
        {"CT1 * CT pdu=8KiB", NULL, NULL, NULL},
        {"CT1 * CT certificate=00ff", NULL, NULL, NULL},
        {"CT1 * CT may=store+everything", NULL, NULL, NULL},
        {"CT1 * CT may=", NULL, NULL, NULL},
        {"CT1 * CT classes=1.2,CT", NULL, NULL, NULL},
        {"CT1 * CT called=\"A", NULL, NULL, NULL},
        {"CT1 300.0.0.1", NULL, NULL, NULL},
        {"ABCDEFGHIJKLMNOPQ *", NULL, NULL, NULL},
        {"\"CT1 10.0.0.1", NULL, NULL, NULL},
        {"CT1 10.0.0.1 \xff\xfe", NULL, NULL, NULL},
        {"CT1 * a\nCT1 * b", NULL, NULL, NULL},
    };
    struct devices devices;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].line);
        int rc = devices_parse(rows[i].line, strlen(rows[i].line), &devices, &err);
        assert_int_equal(rc, rows[i].ae ? 0 : -1);
        if (rc < 0)
            continue;
        assert_int_equal(devices.n, 1);
        assert_string_equal(devices.rows[0].ae, rows[i].ae);
        assert_string_equal(devices.rows[0].address, rows[i].address);
        assert_string_equal(devices.rows[0].name, rows[i].name);
        devices_fini(&devices);
    }
}

static void
settings_come_back_as_they_were_written(void **state)
{
    struct accept_device d = {.may = ACCEPT_MAY_STORE | ACCEPT_MAY_QUERY,
                              .ae = "US CART 2",
                              .address = "*",
                              .name = "B=超 2",
                              .called = "OLD PACS",
                              .classes = "1.2.840.10008.5.1.4.1.1.2,1.2.3",
                              .host = "cart2.clinic",
                              .port = 104,
                              .charset = "ISO_IR 58",
                              .pdu_bytes = 16384,
                              .commit_ae = "CART2 SCP",
                              .commit_host = "10.0.0.7",
                              .commit_port = 11113};
    struct devices devices;
    struct buf line;
    struct err err = {0};

    (void)state;
    buf_init(&line, 4096);
    snprintf(d.certificate_sha256, sizeof d.certificate_sha256,
             "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00112233445566778899aabbccdd");
    assert_int_equal(devices_normalize(&d, &err), -1);
    snprintf(d.certificate_sha256, sizeof d.certificate_sha256, "%s", PIN);
    assert_int_equal(devices_normalize(&d, &err), 0);
    devices_format(&d, &line);
    print_message("%s", buf_text(&line));

    assert_int_equal(devices_parse((const char *)line.bytes, line.n, &devices, &err), 0);
    assert_int_equal(devices.n, 1);
    assert_memory_equal(&devices.rows[0], &d, sizeof d);
    assert_int_equal(devices.rows[0].security, ACCEPT_TLS);
    devices_fini(&devices);
    buf_fini(&line);
}

static void
one_line_is_changed_and_the_others_stay_byte_for_byte(void **state)
{
    static const char text[] = "# CT1 10.0.0.1\n  CT1\t10.0.0.1 x\r\nCT1 * y\n\nUS 2001:DB8::1";
    static const struct {
        const char *name, *ae, *address, *line, *wanted;
        bool is_found;
    } rows[] = {
        {"changed", "CT1", "10.0.0.1", "NEW\n", "# CT1 10.0.0.1\nNEW\nCT1 * y\n\nUS 2001:DB8::1",
         true},
        {"gone", "CT1", "*", "", "# CT1 10.0.0.1\n  CT1\t10.0.0.1 x\r\n\nUS 2001:DB8::1", true},
        {"last, spelt otherwise", "US", "2001:db8::1", "",
         "# CT1 10.0.0.1\n  CT1\t10.0.0.1 x\r\nCT1 * y\n\n", true},
        {"not there", "CT2", "*", "NEW\n", text, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        print_message("%s\n", rows[i].name);
        buf_init(&out, 4096);
        assert_int_equal(devices_edit(text, strlen(text), rows[i].ae, rows[i].address, rows[i].line,
                                      strlen(rows[i].line), &out),
                         rows[i].is_found);
        assert_string_equal(buf_text(&out), rows[i].wanted);
        buf_fini(&out);
    }
}

static void
a_caller_is_admitted_by_title_address_called_title_and_certificate(void **state)
{
    static const char text[] = "CT1 10.0.0.1 one\n"
                               "CT1 * pinned certificate=" PIN "\n"
                               "US * any called=OLD\n"
                               "DR 10.0.0.9 dr certificate=" PIN "\n";
    static const struct {
        const char *name, *calling, *called, *address, *pin;
        const char *wanted; /* NULL: turned away */
        enum accept_refusal why;
    } rows[] = {
        {"very address", "CT1", "RADPOST", "10.0.0.1", "", "one", 0},
        {"pin before address", "CT1", "RADPOST", "10.0.0.1", PIN, "pinned", 0},
        {"shared title, pinned elsewhere", "CT1", "RADPOST", "10.0.0.2", PIN, "pinned", 0},
        {"shared title, plain elsewhere", "CT1", "RADPOST", "10.0.0.2", "", NULL,
         ACCEPT_TLS_WANTED},
        {"other certificate", "CT1", "RADPOST", "10.0.0.2", OTHER_PIN, NULL,
         ACCEPT_CERTIFICATE_DIFFERS},
        {"plain row over TLS", "CT1", "RADPOST", "10.0.0.1", OTHER_PIN, "one", 0},
        {"its own called title", "US", "OLD", "10.0.0.3", "", "any", 0},
        {"not ours then", "US", "RADPOST", "10.0.0.3", "", NULL, ACCEPT_CALLED_WRONG},
        {"pinned title without TLS", "DR", "RADPOST", "10.0.0.9", "", NULL, ACCEPT_TLS_WANTED},
        {"right certificate from elsewhere", "DR", "RADPOST", "10.0.0.8", PIN, NULL,
         ACCEPT_CALLER_UNKNOWN},
        {"wrong called title", "CT1", "OTHER", "10.0.0.1", "", NULL, ACCEPT_CALLED_WRONG},
        {"unknown", "MR", "RADPOST", "10.0.0.1", "", NULL, ACCEPT_CALLER_UNKNOWN},
        {"title in other letters", "ct1", "RADPOST", "10.0.0.1", "", NULL, ACCEPT_CALLER_UNKNOWN},
    };
    struct devices devices;
    struct err err = {0};

    (void)state;
    assert_int_equal(devices_parse(text, strlen(text), &devices, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dimse_peer peer = {.port = 0};
        print_message("%s\n", rows[i].name);
        snprintf(peer.calling, sizeof peer.calling, "%s", rows[i].calling);
        snprintf(peer.called, sizeof peer.called, "%s", rows[i].called);
        snprintf(peer.address, sizeof peer.address, "%s", rows[i].address);
        snprintf(peer.fingerprint, sizeof peer.fingerprint, "%s", rows[i].pin);

        struct devices_match match = devices_match(&devices, &peer, "RADPOST");

        if (rows[i].wanted) {
            assert_non_null(match.device);
            assert_string_equal(match.device->name, rows[i].wanted);
        } else {
            assert_null(match.device);
            assert_int_equal(match.why, rows[i].why);
        }
    }
    devices_fini(&devices);
}

static void
list_of_refused_stays_bounded_and_loses_the_oldest(void **state)
{
    const int64_t second_us = 1000 * 1000;
    char dir[FOLDER_PATH_BYTES];
    struct refused *list = mem_new(sizeof *list), *again = mem_new(sizeof *again);
    struct dimse_peer peer = {.called = "RADPOST", .address = "10.0.0.1"};
    const char *damaged = "1\t2\tx\n1\t2\t3\t0\tA\tB\t*\n";
    struct err err = {0};
    bool is_due;
    size_t bad = 0;
    char *tmp;

    (void)state;
    folder_make("refused", dir);
    tmp = mem_printf("%s/tmp", dir);
    assert_int_equal(durable_mkdir(tmp, &err), 0);
    for (int i = 0; i < REFUSED_MAX + 5; i++) {
        snprintf(peer.calling, sizeof peer.calling, "AE%d", i);
        refused_add(list, &peer, ACCEPT_CALLER_UNKNOWN, second_us * (1000 + i), &is_due);
        assert_int_equal(is_due,
                         i < REFUSED_MAX); /* new ones once a second, counts once a minute */
        if (is_due)
            list->written_us = second_us * (1000 + i);
    }
    refused_add(list, &peer, ACCEPT_CALLER_UNKNOWN, second_us * 2000, &is_due);
    assert_true(is_due);
    assert_int_equal(refused_write(dir, list, 5000, &err), 0);

    assert_int_equal(refused_read(dir, again, &bad, &err), 0);
    assert_int_equal(bad, 0);
    assert_int_equal(again->n, REFUSED_MAX);
    for (size_t i = 0; i < again->n; i++)
        assert_true(again->rows[i].last_us >= 1005 * second_us);
    assert_int_equal(durable_put_file(dir, REFUSED_FILE, damaged, strlen(damaged), &err), 0);
    assert_int_equal(refused_read(dir, again, &bad, &err), 0);
    assert_int_equal(bad, 1);
    assert_int_equal(again->n, 1);
    free(tmp);
    free(list);
    free(again);
    folder_remove(dir);
}

static void
a_flood_of_names_costs_one_write_a_second(void **state)
{
    struct refused *list = mem_new(sizeof *list);
    struct dimse_peer peer = {.called = "RADPOST", .address = "10.0.0.1"};
    const int64_t begun_us = 1800000000000000;
    bool is_due;
    int writes = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) { /* one millisecond apart */
        snprintf(peer.calling, sizeof peer.calling, "AE%d", i);
        refused_add(list, &peer, ACCEPT_CALLER_UNKNOWN, begun_us + i * 1000, &is_due);
        if (is_due) {
            writes++;
            list->written_us = begun_us + i * 1000;
        }
    }
    assert_in_range(writes, 1, 2);
    refused_add(list, &peer, ACCEPT_STRANGER, begun_us + 2000000, &is_due);
    assert_true(is_due); /* what it leaves here must find it again */
    assert_true(list->is_dirty);
    free(list);
}

static void
strangers_give_way_last(void **state)
{
    struct refused *list = mem_new(sizeof *list);
    struct dimse_peer peer = {.calling = "GUEST", .called = "RADPOST", .address = "10.0.0.1"};
    bool is_due;

    (void)state;
    refused_add(list, &peer, ACCEPT_STRANGER, 1, &is_due);
    for (int i = 0; i < REFUSED_MAX + 5; i++) {
        snprintf(peer.calling, sizeof peer.calling, "AE%d", i);
        refused_add(list, &peer, ACCEPT_CALLER_UNKNOWN, 1000 + i, &is_due);
    }
    snprintf(peer.calling, sizeof peer.calling, "GUEST");
    refused_add(list, &peer, ACCEPT_CALLER_UNKNOWN, 9000, &is_due);

    assert_int_equal(refused_strangers(list), 1);
    assert_non_null(refused_find(list, &peer));
    assert_int_equal(refused_find(list, &peer)->why, ACCEPT_STRANGER);
    free(list);
}

/* A target of C-MOVE is called there; commit_host= goes first. */
static void
reports_go_to_the_rows_address_if_it_names_one(void **state)
{
    static const struct {
        const char *row, *host;
        uint16_t port;
    } rows[] = {
        {"A 10.0.0.1 x\n", NULL, 0},
        {"A 10.0.0.1 x host=10.0.0.2 port=104\n", "10.0.0.2", 104},
        {"A 10.0.0.1 x host=10.0.0.2 port=104 commit_ae=B commit_host=10.0.0.3 commit_port=105\n",
         "10.0.0.3", 105},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct devices table = {NULL, 0};
        struct err err = {0};
        const char *host;
        uint16_t port;

        assert_int_equal(devices_parse(rows[i].row, strlen(rows[i].row), &table, &err), 0);
        assert_int_equal(accept_reports_to(&table.rows[0], &host, &port), rows[i].host != NULL);
        if (rows[i].host != NULL)
            assert_string_equal(host, rows[i].host);
        assert_int_equal(port, rows[i].port);
        devices_fini(&table);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_lines_are_read_or_refused),
        cmocka_unit_test(settings_come_back_as_they_were_written),
        cmocka_unit_test(one_line_is_changed_and_the_others_stay_byte_for_byte),
        cmocka_unit_test(a_caller_is_admitted_by_title_address_called_title_and_certificate),
        cmocka_unit_test(list_of_refused_stays_bounded_and_loses_the_oldest),
        cmocka_unit_test(a_flood_of_names_costs_one_write_a_second),
        cmocka_unit_test(strangers_give_way_last),
        cmocka_unit_test(reports_go_to_the_rows_address_if_it_names_one),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
