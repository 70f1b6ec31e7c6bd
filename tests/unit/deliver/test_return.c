/* test_return.c - the road back, both halves: a desk's book and its line in this process, a reader
 * in another one that is killed again and again. Whatever is cut, each registration is done once
 * and each report is at the desk once, its bytes checked. */
#include "gateway/desk/book.h"
#include "gateway/desk/desk_link.h"
#include "reader/deliver/deliver.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/http/server.h"
#include "proto/link/enrol.h"
#include "tests/support/connect_proxy.h"
#include "tests/support/report_world.h"
#include "tests/unit/deliver/silent_patient.h"

#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define STUDY "1.2.840.99.1"
enum { PEOPLE = 24, REPORTS = 4, KILLS = 6, WAIT_MS = 90000 };

extern char **environ;
static struct pg_cluster *cluster;
static struct report_world w;
static char dir[FOLDER_PATH_BYTES], ca_dir[160], link_dir[160], desk_dir[160], url[64], port[16];
static struct book *book;
static struct desk_link *line;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* ---- the reader: this program again ---- */

static int
be_reader(char **argv)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options pg = {.conninfo = argv[2], .query_files = queries, .connections = 8};
    struct compose_options compose = {.data_dir = argv[4], .patient_url = "https://p.example"};
    struct deliver_options o = {.patient_url = "https://p.example"};
    char certificate[200], key[200], ca[200];
    struct http_options http = {.address = "127.0.0.1",
                                .certificate = certificate,
                                .key = key,
                                .client_ca = ca,
                                .name = "reader/link",
                                .table_count = 1};
    struct http_server *server = NULL;
    struct deliver *d = NULL;
    struct http_table table;
    uint64_t number;
    struct err err;

    log_set_fd(-1);
    snprintf(certificate, sizeof certificate, "%s/server.pem", argv[3]);
    snprintf(key, sizeof key, "%s/server.key", argv[3]);
    snprintf(ca, sizeof ca, "%s/ca.pem", argv[3]);
    if (text_to_u64(argv[5], 65535, &number) < 0 || pg_open(&pg, &o.pg, &err) < 0)
        return 1;
    compose.pg = o.pg;
    if (compose_open(&compose, &o.compose, &err) < 0 || deliver_start(&o, &d, &err) < 0)
        return 1;
    table = deliver_link_table(d);
    http.tables = &table;
    http.port = (uint16_t)number;
    http.authorise = deliver_link_authorise;
    http.authorise_user = d;
    if (http_server_start(&http, &server, &err) < 0)
        return 1;
    for (;;)
        pause(); /* until it is killed */
}

static pid_t
reader_starts(void)
{
    char *argv[] = {(char *)(uintptr_t) "test_return",
                    (char *)(uintptr_t) "--reader",
                    w.reads.conninfo,
                    ca_dir,
                    w.folder,
                    port,
                    NULL};
    pid_t child;

    assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    return child;
}

static void
reader_dies(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* ---- the clinic ---- */

static int
burn(void *user, const uint8_t code[DIGEST_BYTES], const uint8_t key[DIGEST_BYTES],
     struct ca_subject *out, struct err *err)
{
    (void)user, (void)code, (void)key, (void)err;
    *out = (struct ca_subject){.tenant = "T1", .device = "g1", .kind = "gateway"};
    return 0;
}

static int
issued(void *user, const struct ca_certificate *certificate, bool is_renewal, const char *peer,
       struct err *err)
{
    (void)user, (void)certificate, (void)is_renewal, (void)peer, (void)err;
    return 0;
}

/* A CA, the reader's certificate by it, and the gateway's enrolment. The port stays free for the
 * reader. */
static void
enrol(void)
{
    const char *addresses[] = {"reader_url", url, NULL};
    struct enrol_server enrolment = {
        .addresses = addresses, .user = NULL, .burn = burn, .issued = issued};
    struct http_table table = enrol_table(&enrolment);
    char certificate[200], key[200], code[CODE_TEXT_BYTES];
    struct http_options http = {.address = "127.0.0.1",
                                .certificate = certificate,
                                .key = key,
                                .name = "enrol",
                                .tables = &table,
                                .table_count = 1};
    uint8_t pin[DIGEST_BYTES], unused[DIGEST_BYTES];
    struct enrol_identity identity;
    struct http_server *server = NULL;
    struct ca *ca = NULL;
    struct err err;

    OK(ca_create(ca_dir, "return", &err));
    OK(ca_open(ca_dir, &ca, &err));
    OK(ca_make_server(ca, ca_dir, "127.0.0.1", 30, &err));
    enrolment.ca = ca;
    snprintf(certificate, sizeof certificate, "%s/server.pem", ca_dir);
    snprintf(key, sizeof key, "%s/server.key", ca_dir);
    OK(http_server_start(&http, &server, &err));
    snprintf(port, sizeof port, "%u", http_server_port(server));
    snprintf(url, sizeof url, "https://127.0.0.1:%s", port);
    ca_fingerprint(ca, pin);
    code_new(pin, code, unused);
    OK(enrol_new(link_dir, url, code, &identity, &err));
    enrol_identity_fini(&identity);
    http_server_stop(&server);
    ca_close(&ca);
}

static void
two_do_not_run(void *user, char out[PART_WORDS_BYTES])
{
    (void)user;
    text_copy(out, PART_WORDS_BYTES, "dicom_tls,hl7");
}

static int
begin(void **state)
{
    struct desk_link_options o = {
        .link_dir = link_dir, .backoff_ms = 50, .backoff_max_ms = 400, .parts = two_do_not_run};
    static int n;
    char name[32];
    struct err err;

    (void)state;
    if (cluster == NULL)
        cluster = pg_cluster_start();
    if (cluster == NULL)
        skip();
    snprintf(name, sizeof name, "return%d", n++);
    report_world_open(&w, cluster, name);
    folder_make("return", dir);
    snprintf(ca_dir, sizeof ca_dir, "%s/ca", dir);
    snprintf(link_dir, sizeof link_dir, "%s/link", dir);
    snprintf(desk_dir, sizeof desk_dir, "%s/desk", dir);
    enrol();
    OK(book_open(desk_dir, "", &book, &err));
    o.book = book;
    desk_link_start(&o, &line);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    desk_link_stop(&line);
    book_close(&book);
    report_world_close(&w);
    folder_remove(dir);
    return 0;
}

static int64_t
count(const char *sql)
{
    return read_world_count(&w.reads, sql);
}

static void
register_one(char out[17])
{
    struct book_registration *r = mem_new(sizeof *r);
    struct err err;

    text_copy(r->name, sizeof r->name, "王小东");
    text_copy(r->modality, sizeof r->modality, "CT");
    text_copy(r->phone, sizeof r->phone, "13800138000");
    OK(book_register(book, r, out, &err));
    free(r);
}

static uint64_t
waiting(void)
{
    struct book_counts counts;
    struct err err;

    OK(book_counts(book, &counts, &err));
    assert_int_equal(counts.refused, 0);
    return counts.waiting;
}

/* Wait for news of the book until nothing waits, or so much at most. */
static void
wait_until_told(uint64_t most)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    for (uint64_t seen = book_change(book); waiting() > most; seen = book_change(book)) {
        assert_true(clock_mono_ms() < until_ms);
        book_wait(book, seen, 50);
    }
}

static size_t
reports_here(void)
{
    struct book_report *list = NULL;
    size_t n, here = 0;
    struct err err;

    OK(book_reports(book, 100, &list, &n, &err));
    for (size_t i = 0; i < n; i++)
        here += list[i].is_here;
    free(list);
    return here;
}

/* Every message of the clinic has this device's receipt. */
static void
wait_until_receipted(void)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (count("SELECT seq FROM clinic_courier") < count("SELECT max(seq) FROM read_events "
                                                           "WHERE event <> 'delivered'") ||
           count("SELECT count(*) FROM clinic_taken") < count("SELECT count(*) FROM clinic_down")) {
        assert_true(clock_mono_ms() < until_ms);
        book_wait(book, book_change(book), 50);
    }
}

static void
wait_until_count(const char *sql, int64_t wanted)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (count(sql) < wanted) {
        assert_true(clock_mono_ms() < until_ms);
        book_wait(book, book_change(book), 50);
    }
}

static void
a_desk_works_while_the_line_is_down(void **state)
{
    struct desk_link_status status;
    char number[17];
    pid_t reader;

    (void)state;
    register_one(number);
    desk_link_status(line, &status);
    assert_int_not_equal(status.line, DESK_LINE_UP);
    assert_int_equal(waiting(), 1);
    compose_close(&w.compose);
    reader = reader_starts();
    wait_until_told(0);
    wait_until_count("SELECT count(*) FROM clinic_gateway WHERE tenant = 'T1' AND device = 'g1' "
                     "AND parts = 'dicom_tls,hl7' AND length(box) = 16",
                     1); /* what does not run at the box is known to those above */
    reader_dies(reader);

    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), 1);
    desk_link_status(line, &status);
    assert_string_equal(status.reader, url);
}

/* The clinic's network lets nothing out but by its proxy: the table of the lines names it. */
static void
the_desk_reaches_the_reader_through_the_proxy_of_its_line(void **state)
{
    struct connect_proxy *proxy = connect_proxy_start("radpost:secret");
    char user[FOLDER_PATH_BYTES + 16], lines[FOLDER_PATH_BYTES + 16], text[512], number[17];
    struct desk_link_options o = {
        .link_dir = link_dir, .lines = lines, .backoff_ms = 50, .backoff_max_ms = 400};
    pid_t reader;
    struct err err;

    (void)state;
    snprintf(user, sizeof user, "%s/proxy.user", desk_dir);
    snprintf(lines, sizeof lines, "%s/lines.conf", desk_dir);
    snprintf(text, sizeof text, "main proxy=%s proxy_user=%s\n", connect_proxy_url(proxy), user);
    OK(durable_put_file(desk_dir, "proxy.user", "radpost:secret\n", 15, &err));
    OK(durable_put_file(desk_dir, "lines.conf", text, strlen(text), &err));
    desk_link_stop(&line);
    o.book = book;
    desk_link_start(&o, &line);
    register_one(number);
    assert_int_equal(connect_proxy_count(proxy), 0);
    compose_close(&w.compose);
    reader = reader_starts();

    wait_until_told(0);

    reader_dies(reader);
    assert_true(connect_proxy_count(proxy) > 0);
    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), 1);
    desk_link_stop(&line);
    connect_proxy_stop(&proxy);
}

static void
killed_readers_do_each_registration_once(void **state)
{
    char number[17];
    pid_t reader;

    (void)state;
    compose_close(&w.compose);
    for (int i = 0; i < KILLS; i++) {
        reader = reader_starts();
        for (int k = 0; k < PEOPLE / KILLS; k++) {
            register_one(number);
            wait_until_told((uint64_t)(k + i) % 3); /* answered, on its way, or not yet sent */
        }
        reader_dies(reader);
    }
    reader = reader_starts();
    wait_until_told(0);
    reader_dies(reader);

    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), PEOPLE);
    assert_int_equal(count("SELECT count(*) FROM clinic_up"), PEOPLE);
    assert_int_equal(count("SELECT count(*) FROM orders"), PEOPLE);
}

static void
killed_readers_bring_each_report_once(void **state)
{
    struct book_report *list = NULL;
    struct err err;
    char study[32];
    pid_t reader;
    uint8_t *pdf;
    int64_t read;
    size_t n, pdf_n;

    (void)state;
    for (int i = 0; i < REPORTS; i++) {
        snprintf(study, sizeof study, "1.2.840.7.%d", i);
        read = report_world_study(&w, "T1", study);
        report_world_sign(&w, read, "doc1", "rev1");
    }
    assert_int_equal(report_withdraw(&w, "rev1", read, "患者弄错"), 0);
    compose_close(&w.compose);
    for (int i = 0; i < KILLS; i++) {
        uint64_t seen = book_change(book);

        reader = reader_starts();
        while (book_change(book) < seen + 1 + (uint64_t)i / 2 && reports_here() < REPORTS)
            book_wait(book, book_change(book), 20);
        reader_dies(reader);
    }
    reader = reader_starts();
    wait_until_receipted();
    reader_dies(reader);

    assert_int_equal(reports_here(), REPORTS);
    OK(book_reports(book, 100, &list, &n, &err));
    assert_int_equal(n, REPORTS);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(list[i].standing, list[i].read == read ? "withdrawn" : "valid");
        OK(book_pdf_get(book, list[i].read, list[i].version, &pdf, &pdf_n, &err));
        assert_memory_equal(pdf, "%PDF", 4);
        free(pdf);
    }
    free(list);
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'delivered'"), REPORTS);
}

static void
a_phone_is_proved_over_the_line(void **state)
{
    char number[17], id[CLINIC_ID_SIZE], word[CLINIC_WORD_SIZE];
    bool is_settled;
    pid_t reader;
    struct err err;

    (void)state;
    compose_close(&w.compose);
    reader = reader_starts();
    register_one(number);
    OK(book_phone(book, number, "123456", id, &err));
    wait_until_told(0);
    reader_dies(reader);

    OK(book_outcome(book, id, false, &is_settled, word, &err));
    assert_true(is_settled);
    assert_string_equal(word, "verified");
    assert_int_equal(count("SELECT count(*) FROM clinic_registration WHERE is_phone_verified"), 1);
}

/* So many reports of a study are at the desk. */
static size_t
here_of(const char *study)
{
    struct book_report *list = NULL;
    size_t n, here = 0;
    struct err err;

    OK(book_reports(book, 100, &list, &n, &err));
    for (size_t i = 0; i < n; i++)
        here += list[i].is_here && strcmp(list[i].study, study) == 0;
    free(list);
    return here;
}

/* The database came back from a backup and gives the number of a signed read to another study. */
static void
after_a_restore_no_report_stands_under_another_study(void **state)
{
    int64_t lost, another;
    pid_t reader;

    (void)state;
    report_world_back_up(&w, "return_backup");
    count("SELECT nextval('reads_id_seq')"); /* a gap, as a transaction that failed leaves it */
    lost = report_world_study(&w, "T1", "1.2.840.7.1");
    report_world_sign(&w, lost, "doc1", "rev1");
    compose_close(&w.compose);
    reader = reader_starts();
    wait_until_receipted();
    reader_dies(reader);
    assert_int_equal(here_of("1.2.840.7.1"), 1);

    report_world_put_back(&w, "return_backup");
    another = report_world_study(&w, "T1", "1.2.840.7.2");
    assert_int_equal(another, lost);
    report_world_sign(&w, another, "doc1", "rev1");
    compose_close(&w.compose);
    reader = reader_starts();
    wait_until_receipted();
    reader_dies(reader);

    assert_int_equal(here_of("1.2.840.7.1"), 1);
    assert_int_equal(here_of("1.2.840.7.2"), 1);
}

/* What the desk told since the backup, before it tells anything new, and only once what was told
 * before. */
static void
after_a_restore_the_desk_tells_again_what_it_told(void **state)
{
    char before[17], since[17], after[17];
    pid_t reader;

    (void)state;
    register_one(before);
    compose_close(&w.compose);
    reader = reader_starts();
    wait_until_told(0);
    reader_dies(reader);
    report_world_back_up(&w, "return_told");
    register_one(since);
    compose_close(&w.compose);
    reader = reader_starts();
    wait_until_told(0);
    reader_dies(reader);
    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), 2);

    report_world_put_back(&w, "return_told");
    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), 1);
    compose_close(&w.compose);
    reader = reader_starts(); /* nothing new is to be told */
    wait_until_count("SELECT count(*) FROM clinic_registration", 2);
    register_one(after);
    wait_until_told(0);
    reader_dies(reader);

    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), 3);
    assert_int_equal(count("SELECT count(*) FROM clinic_up"), 3);
}

/* What waits to be fetched by a number that means another read by now, though no message said so
 * yet: the reader's answer does. */
static void
another_studys_pdf_is_not_taken_for_a_report_that_waits(void **state)
{
    char number[17], path[160];
    int64_t lost, another;
    struct err err;
    uint8_t *pdf;
    pid_t reader;
    size_t n;

    (void)state;
    report_world_back_up(&w, "return_early");
    lost = report_world_study(&w, "T1", "1.2.840.7.1");
    report_world_sign(&w, lost, "doc1", "rev1");
    compose_close(&w.compose);
    reader = reader_starts();
    wait_until_receipted();
    reader_dies(reader);
    snprintf(path, sizeof path, "%s/reports/%lld-1.pdf", desk_dir, (long long)lost);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(book_pdf_get(book, lost, 1, &pdf, &n, &err), -1);

    read_world_sets_back(0);
    report_world_put_back(&w, "return_early");
    another = report_world_study(&w, "T1", "1.2.840.7.2");
    assert_int_equal(another, lost);
    report_world_sign(&w, another, "doc1", "rev1");
    count("UPDATE clinic_courier SET seq = 1000000"); /* its messages are still to be made */
    compose_close(&w.compose);
    reader = reader_starts();
    for (int i = 0; i < 2; i++) { /* between the two the desk asks for what it waits for */
        register_one(number);
        wait_until_told(0);
    }
    reader_dies(reader);

    assert_int_equal(reports_here(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_desk_works_while_the_line_is_down),
        TEST(the_desk_reaches_the_reader_through_the_proxy_of_its_line),
        TEST(killed_readers_do_each_registration_once),
        TEST(killed_readers_bring_each_report_once),
        TEST(a_phone_is_proved_over_the_line),
        TEST(after_a_restore_no_report_stands_under_another_study),
        TEST(after_a_restore_the_desk_tells_again_what_it_told),
        TEST(another_studys_pdf_is_not_taken_for_a_report_that_waits),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 6 && strcmp(argv[1], "--reader") == 0)
        return be_reader(argv);
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return status;
}
