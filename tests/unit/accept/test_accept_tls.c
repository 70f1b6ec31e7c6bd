/* test_accept_tls.c - DICOM over TLS with DCMTK's own tools and OpenSSL's, certificates made by
 * openssl.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/accept/refused.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/door_world.h"
#include "tests/support/run_program.h"

#define DATA "../shared/data/"

static struct door_world w;
static char out[65536];

static void
make_certificate(const char *name, const char *kind)
{
    char *script =
        mem_printf("cd '%s' && openssl req -x509 -newkey %s -nodes -days 30 -subj /CN=%s "
                   "-keyout %s.key -out %s.pem 2>&1",
                   w.dir, kind, name, name, name);
    const char *const argv[] = {"sh", "-c", script, NULL};

    if (program_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("%s", out);
    free(script);
}

/* The digest as openssl prints it, colons and all. */
static void
fingerprint_of(const char *name, char digest[128])
{
    char *script = mem_printf("openssl x509 -in '%s/%s.pem' -noout -fingerprint -sha256 | "
                              "sed 's/.*=//' | tr -d '\\n'",
                              w.dir, name);
    const char *const argv[] = {"sh", "-c", script, NULL};

    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    assert_int_equal(strlen(out), 95);
    memcpy(digest, out, 96);
    free(script);
}

static int
begin(void **state)
{
    char digest[128];
    char *devices;

    (void)state;
    door_begin(&w, NULL, "");
    make_certificate("ct", "rsa:2048");
    make_certificate("other", "ec -pkeyopt ec_paramgen_curve:P-256");
    fingerprint_of("ct", digest);
    devices = mem_printf("CT * pinned certificate=%s\nUS * plain\n", digest);
    door_put_file(&w, "devices.conf", devices);
    free(devices);
    w.options.has_tls = true;
    w.options.deadlines =
        (struct dimse_deadlines){.associate_ms = 2000, .pdu_ms = 5000, .idle_ms = 5000};
    door_open(&w);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    door_end(&w);
    return 0;
}

/* TOOL by AE with this certificate; NULL: anonymously. */
static int
call(const char *tool, const char *ae, const char *certificate, const char *more)
{
    char *script =
        certificate
            ? mem_printf("%s +tls '%s/%s.key' '%s/%s.pem' +cf '%s/accept/tls/dicom.pem' -aet %s "
                         "-aec RADPOST 127.0.0.1 %u %s",
                         tool, w.dir, certificate, w.dir, certificate, w.dir, ae,
                         accept_tls_port(w.door), more)
            : mem_printf("%s +tla -ic -aet %s -aec RADPOST 127.0.0.1 %u %s", tool, ae,
                         accept_tls_port(w.door), more);
    const char *const argv[] = {"sh", "-c", script, NULL};
    int rc = program_run(argv, NULL, out, sizeof out);

    print_message("%s -> %d\n%s", script, rc, out);
    free(script);
    return rc;
}

static void
skip_without_tools(void)
{
    if (!program_is_there("echoscu") || !program_is_there("openssl")) {
        print_message("SKIPPED: no echoscu or openssl\n");
        skip();
    }
}

static void
only_the_pinned_certificate_comes_in_under_its_title(void **state)
{
    struct accept_refused *refused = NULL;
    struct accept_device d;
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    char digest[65];
    size_t n;

    (void)state;
    skip_without_tools();
    assert_int_equal(call("echoscu", "CT", "ct", ""), 0);
    assert_int_not_equal(call("echoscu", "CT", "other", ""), 0);
    assert_int_not_equal(call("echoscu", "CT", NULL, ""), 0);
    assert_int_equal(door_connect(&w, "CT", "RADPOST", NULL, &assoc, &err), -1); /* plain */
    assert_int_equal(call("echoscu", "US", "other", ""),
                     0); /* nothing is pinned: as good as plain */

    accept_list_refused(w.door, &refused, &n);
    assert_int_equal(n, 2);
    assert_int_equal(refused[0].why, ACCEPT_CERTIFICATE_DIFFERS);
    assert_int_equal(strlen(refused[0].certificate_sha256), 64);
    assert_int_equal(refused[1].why, ACCEPT_TLS_WANTED);
    assert_true(accept_find_device(w.door, "US", NULL, &d));
    assert_string_equal(d.last_certificate, refused[0].certificate_sha256);
    assert_int_equal(d.security, ACCEPT_PLAIN);
    free(refused);

    memcpy(d.certificate_sha256, d.last_certificate, sizeof d.certificate_sha256);
    assert_int_equal(accept_put_device(w.door, &d, &err), 0); /* pinned by a click */
    assert_int_equal(call("echoscu", "US", "other", ""), 0);
    assert_int_not_equal(call("echoscu", "US", "ct", ""), 0);
    accept_tls_fingerprint(w.door, digest);
    assert_int_equal(strlen(digest), 64);
}

static void
a_device_without_a_certificate_is_listed_until_it_comes_with_one(void **state)
{
    struct accept_refused *refused = NULL;
    size_t n;

    (void)state;
    skip_without_tools();
    assert_int_not_equal(call("echoscu", "CT", NULL, ""), 0);
    accept_list_refused(w.door, &refused, &n);
    assert_int_equal(n, 1);
    assert_int_equal(refused[0].why, ACCEPT_TLS_NO_CERTIFICATE);
    assert_string_equal(refused[0].address, "127.0.0.1");
    free(refused);
    refused = NULL;
    assert_int_equal(call("echoscu", "CT", "ct", ""), 0);
    accept_list_refused(w.door, &refused, &n);
    assert_int_equal(n, 0);
    free(refused);
}

/* Power fails, and nothing is closed: what the file says is what a new start knows. */
static size_t
rows_after_a_power_cut(void)
{
    struct refused *list = mem_new(sizeof *list);
    struct err err = {0};
    size_t bad, n;

    assert_int_equal(refused_read(w.accept_dir, list, &bad, &err), 0);
    n = list->n;
    free(list);
    return n;
}

static void
a_device_that_came_with_a_certificate_is_not_listed_after_a_power_cut(void **state)
{
    char *row;

    (void)state;
    skip_without_tools();
    row = mem_printf("1795000000000000\t1795000000000000\t3\t%d\t\t\t127.0.0.1\t\n",
                     (int)ACCEPT_TLS_NO_CERTIFICATE);
    door_put_file(&w, REFUSED_FILE, row);
    free(row);
    door_restart(&w);
    assert_int_equal(rows_after_a_power_cut(), 1);
    assert_int_equal(call("echoscu", "CT", "ct", ""), 0);
    assert_int_equal(rows_after_a_power_cut(), 0);
}

static void
run_there(const char *line)
{
    char *script = mem_printf("cd '%s' && %s", w.dir, line);
    const char *const argv[] = {"sh", "-c", script, NULL};

    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    free(script);
}

static void
a_certificate_that_cannot_be_renewed_is_told_until_it_is_mended(void **state)
{
    (void)state;
    skip_without_tools();
    run_there("cp accept/tls/dicom.pem kept && cp ct.pem accept/tls/dicom.pem");
    assert_false(accept_tls_is_stale(w.door));
    assert_int_not_equal(call("echoscu", "CT", "ct", ""), 0); /* it is told to trust another */
    assert_true(accept_tls_is_stale(w.door));

    run_there("cp kept accept/tls/dicom.pem");
    assert_int_equal(call("echoscu", "CT", "ct", ""), 0);
    assert_false(accept_tls_is_stale(w.door));
}

static void
a_study_goes_through_tls_whole(void **state)
{
    (void)state;
    skip_without_tools();
    if (access(DATA "ct-prior", R_OK) < 0) {
        print_message("SKIPPED: no ../shared/data\n");
        skip();
    }

    assert_int_equal(call("storescu +sd +r", "CT", "ct", DATA "ct-prior"), 0);

    assert_in_range(door_count(&w, INSTANCE_RECEIVED), 1, 100000);
}

static void
a_stranger_over_tls_is_enrolled_with_its_certificate(void **state)
{
    struct accept_stranger *rows = NULL;
    struct accept_device d = {.ae = "NEW", .address = "*", .name = "new"};
    struct err err = {0};
    size_t n;

    (void)state;
    skip_without_tools();
    accept_window_open(w.door, 0);
    assert_int_equal(call("echoscu", "NEW", "other", ""), 0);
    accept_list_strangers(w.door, &rows, &n);
    assert_int_equal(n, 1);
    memcpy(d.certificate_sha256, rows[0].certificate_sha256, sizeof d.certificate_sha256);
    free(rows);

    assert_int_equal(accept_put_device(w.door, &d, &err), 0);
    accept_window_close(w.door);

    assert_int_equal(call("echoscu", "NEW", "other", ""), 0);
    assert_int_not_equal(call("echoscu", "NEW", "ct", ""), 0);
}

static void
old_protocols_and_weak_ciphers_are_refused(void **state)
{
    static const struct {
        const char *name, *how;
        bool is_taken;
    } rows[] = {
        {"TLS 1.3", "-tls1_3", true},
        {"TLS 1.2, AES-GCM", "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", true},
        {"TLS 1.2, CBC", "-tls1_2 -cipher ECDHE-RSA-AES128-SHA256:@SECLEVEL=0", false},
        {"TLS 1.2, no forward secrecy", "-tls1_2 -cipher AES128-GCM-SHA256:@SECLEVEL=0", false},
        {"TLS 1.1", "-tls1_1 -cipher DEFAULT:@SECLEVEL=0", false},
        {"TLS 1.0", "-tls1 -cipher DEFAULT:@SECLEVEL=0", false},
    };

    (void)state;
    skip_without_tools();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *script = mem_printf("echo | timeout 60 openssl s_client -connect 127.0.0.1:%u %s "
                                  "-cert '%s/ct.pem' -key '%s/ct.key' 2>&1 | grep -a 'Cipher is'",
                                  accept_tls_port(w.door), rows[i].how, w.dir, w.dir);
        const char *const argv[] = {"sh", "-c", script, NULL};
        (void)program_run(argv, NULL, out, sizeof out);
        print_message("%s: %s", rows[i].name, out);
        assert_int_equal(out[0] != '\0' && !strstr(out, "(NONE)"), rows[i].is_taken);
        free(script);
    }
}

static int
connect_raw(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(accept_tls_port(w.door))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void
silent_peers_are_gone_by_their_deadline_and_hold_up_nobody(void **state)
{
    int fds[60];
    char byte;
    int64_t begun = clock_mono_ms();

    (void)state;
    skip_without_tools();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = connect_raw();
        assert_int_equal(send(fds[i], "\x16\x03", 2, MSG_NOSIGNAL), 2);
    }
    assert_int_equal(call("echoscu", "CT", "ct", ""), 0);

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        assert_true(recv(fds[i], &byte, 1, 0) <= 0);
        close(fds[i]);
    }
    assert_true(clock_mono_ms() - begun >= 1500);
}

/* The plain one is served all the same: whoever sends by it is not kept waiting for a certificate.
 */
static void
a_port_over_tls_that_cannot_be_opened_costs_itself_until_it_can(void **state)
{
    struct accept *second = NULL;
    struct accept_options options = w.options;
    char *dir = mem_printf("%s/second", w.dir), *pem = mem_printf("%s/later.pem", w.dir);
    char *key = mem_printf("%s/later.key", w.dir);
    char trouble[ACCEPT_TROUBLE_BYTES];
    struct err err = {0};

    (void)state;
    options.dir = dir;
    options.tls_certificate = pem;
    options.tls_key = key;
    assert_int_equal(accept_open(&options, w.spool, &second, &err), 0);
    if (accept_listen(second, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_not_equal(accept_port(second), 0);
    assert_int_equal(accept_tls_port(second), 0);
    assert_false(accept_try_again(second));
    accept_tls_trouble(second, trouble);
    if (strstr(trouble, "/later.") == NULL)
        fail_msg("%s", trouble);

    make_certificate("later", "ec -pkeyopt ec_paramgen_curve:P-256");
    assert_true(accept_try_again(second));
    assert_int_not_equal(accept_tls_port(second), 0);
    accept_tls_trouble(second, trouble);
    assert_string_equal(trouble, "");
    accept_stop(&second);
    free(key);
    free(pem);
    free(dir);
}

static void
half_an_identity_or_a_port_that_is_taken_opens_no_port_over_tls(void **state)
{
    const uint16_t taken = accept_tls_port(w.door);
    const struct {
        const char *certificate, *key;
        uint16_t port;
    } rows[] = {{NULL, NULL, taken}, {"only.pem", NULL, 0}, {NULL, "only.key", 0}};
    char *dir = mem_printf("%s/second", w.dir);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct accept_options options = w.options;
        struct accept *second = NULL;
        struct err err = {0};

        options.dir = dir;
        options.tls_port = rows[i].port;
        options.tls_certificate = rows[i].certificate;
        options.tls_key = rows[i].key;
        assert_int_equal(accept_open(&options, w.spool, &second, &err), 0);
        assert_int_equal(accept_listen(second, &err), 0);
        assert_int_equal(accept_tls_port(second), 0);
        assert_false(accept_try_again(second));
        accept_stop(&second);
    }
    free(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_pinned_certificate_comes_in_under_its_title, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_device_without_a_certificate_is_listed_until_it_comes_with_one, begin, end),
        cmocka_unit_test_setup_teardown(
            a_device_that_came_with_a_certificate_is_not_listed_after_a_power_cut, begin, end),
        cmocka_unit_test_setup_teardown(
            a_certificate_that_cannot_be_renewed_is_told_until_it_is_mended, begin, end),
        cmocka_unit_test_setup_teardown(a_study_goes_through_tls_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_stranger_over_tls_is_enrolled_with_its_certificate, begin,
                                        end),
        cmocka_unit_test_setup_teardown(old_protocols_and_weak_ciphers_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(silent_peers_are_gone_by_their_deadline_and_hold_up_nobody,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            a_port_over_tls_that_cannot_be_opened_costs_itself_until_it_can, begin, end),
        cmocka_unit_test_setup_teardown(
            half_an_identity_or_a_port_that_is_taken_opens_no_port_over_tls, begin, end),
    };

    if (!program_is_there("openssl")) {
        print_message("SKIPPED: no openssl\n");
        return 77;
    }
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
