/* test_serving.c - several lines: who takes over from whom, what is resumed, and that each line's
 * cap holds meanwhile. The lines are proxies in this process that count and break. */
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/codec/codec.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"
#include "tests/support/ok.h"
#include "tests/support/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
enum { WAIT_MS = 60000, BACK_MS = 600, WINDOW_MS = 10000, FEW = 64 << 10, MUCH = 1 << 20 };

struct site {
    char folder[FOLDER_PATH_BYTES];
    char spool_dir[256], link_dir[256], centre_dir[256], own_dir[256], table[256];
    struct spool *spool;
    struct codec_pool *pool;
    struct fake_centre *centre;
    struct relay *fibre, *lte;
    struct uplink *up;
    struct uplink_options options;
};

static struct err err;

static void
write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
write_table(struct site *s, const char *more)
{
    char text[1024], path[300];

    snprintf(path, sizeof path, "%s.new", s->table);
    snprintf(text, sizeof text, "fibre proxy=%s %s\nlte rank=2 proxy=%s proxy_user=lte.user %s\n",
             relay_url(s->fibre), more, relay_url(s->lte), more);
    write_text(path, text);
    assert_int_equal(rename(path, s->table), 0);
}

static void
start(struct site *s)
{
    OK(uplink_start(&s->options, s->spool, s->pool, &s->up, &err));
}

static void
site_open(struct site *s)
{
    struct spool_options spool_options = {.keep_sealed_ms = -1};
    char user[300];

    memset(s, 0, sizeof *s);
    folder_make("serving", s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    snprintf(s->own_dir, sizeof s->own_dir, "%s/own", s->folder);
    snprintf(s->centre_dir, sizeof s->centre_dir, "%s/centre", s->folder);
    snprintf(s->table, sizeof s->table, "%s/lines.conf", s->folder);
    snprintf(user, sizeof user, "%s/lte.user", s->folder);
    write_text(user, "clinic:secret\n");
    OK(spool_open(s->spool_dir, &spool_options, &s->spool, &err));
    OK(codec_pool_new(2, &s->pool, &err));
    s->centre = fake_centre_start(s->centre_dir, s->link_dir);
    s->fibre = relay_start(NULL);
    s->lte = relay_start("clinic:secret");
    write_table(s, "");
    s->options = (struct uplink_options){.dir = s->own_dir,
                                         .link_dir = s->link_dir,
                                         .lines_path = s->table,
                                         .connections = 3,
                                         .coders = 2,
                                         .coding = UPLINK_CODING_OFF,
                                         .bundle_bytes = 1 << 20,
                                         .backoff_ms = 20,
                                         .backoff_max_ms = 100,
                                         .stall_ms = 20000,
                                         .quiet_ms = 300,
                                         .recheck_ms = 3600000,
                                         .line_back_ms = BACK_MS};
}

static void
site_close(struct site *s)
{
    uplink_stop(&s->up);
    relay_stop(&s->fibre);
    relay_stop(&s->lte);
    fake_centre_stop(&s->centre);
    spool_close(&s->spool);
    codec_pool_free(&s->pool);
    folder_remove(s->folder);
}

/* An image of noise: nothing makes it smaller. */
static void
receive(struct site *s, const char *study, int number, size_t size)
{
    struct spool_meta meta = {.sop_class = CT_IMAGE, .transfer_syntax = DCM_UID_EXPLICIT_LE};
    struct spool_draft *draft = NULL;
    uint8_t *pixels = mem_new(size);
    unsigned seed = (unsigned)number;
    struct dcm_writer w;
    struct buf file;
    uint64_t id;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s.%d", study, number);
    for (size_t i = 0; i < size; i++)
        pixels[i] = (uint8_t)(rand_r(&seed) >> 7);
    buf_init(&file, size + 4096);
    OK(part10_head(&file, CT_IMAGE, meta.sop_instance, DCM_UID_EXPLICIT_LE, NULL, &err));
    dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, meta.sop_instance);
    dcm_write_text(&w, 0x00080060, NULL, "CT");
    dcm_write_text(&w, 0x00100020, NULL, "T-1");
    dcm_write_text(&w, 0x0020000D, NULL, study);
    dcm_write_text(&w, 0x0020000E, NULL, "1.2.826.0.1.3680043.8.498.2");
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_u16(&w, 0x00280010, 256);
    dcm_write_u16(&w, 0x00280011, (uint16_t)(size / 512));
    dcm_write_u16(&w, 0x00280100, 16);
    dcm_write_u16(&w, 0x00280101, 16);
    dcm_write_u16(&w, 0x00280102, 15);
    dcm_write_u16(&w, 0x00280103, 0);
    dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, size);
    OK(spool_draft_begin(s->spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, file.n, &err));
    OK(spool_commit(s->spool, &draft, &id, &err));
    buf_fini(&file);
    free(pixels);
}

/* False: in vain, and how all stand was printed. */
static bool
wait_state(struct site *s, enum instance_state state, uint64_t count)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0;

    do {
        spool_counts(s->spool, counts);
        if (counts[state] >= count)
            return true;
        seen = spool_wait(s->spool, seen, 200);
    } while (clock_mono_ms() < until);
    for (int i = 0; i < INSTANCE_STATES; i++)
        if (counts[i] > 0)
            print_error("%s: %llu\n", instance_state_word((enum instance_state)i),
                        (unsigned long long)counts[i]);
    return false;
}

/* Until this line alone carries the images. */
static bool
wait_serving(struct site *s, const char *name, struct uplink_status *out)
{
    int64_t until = clock_mono_ms() + WAIT_MS;

    do {
        bool is_it = true;

        uplink_status(s->up, out);
        for (size_t i = 0; i < out->lines_n; i++)
            is_it = is_it && out->lines[i].is_serving == (strcmp(out->lines[i].name, name) == 0);
        if (is_it)
            return true;
        spool_wait(s->spool, 0, 20);
    } while (clock_mono_ms() < until);
    return false;
}

/* Until so many bytes more have left by a line. */
static bool
wait_sent(struct relay *r, uint64_t more)
{
    return relay_wait(r, relay_sent(r) + more, WAIT_MS);
}

static void
assert_nothing_twice(struct site *s, size_t count, uint64_t in_doubt)
{
    struct fake_object *objects;
    uint64_t arrived = 0, sizes = 0;
    size_t n;

    fake_centre_lock(s->centre);
    n = fake_centre_objects(s->centre, &objects);
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) {
        assert_true(objects[i].state == LINK_HELD || objects[i].state == LINK_SEALED);
        arrived += objects[i].arrived;
        sizes += objects[i].offer.size;
    }
    fake_centre_unlock(s->centre);
    if (arrived > sizes + in_doubt)
        fail_msg("%llu bytes twice", (unsigned long long)(arrived - sizes));
}

static void
another_line_takes_over_and_gives_back(void **state)
{
    struct uplink_status status;
    struct site s;

    (void)state;
    site_open(&s);
    s.options.rate_bytes = 200000;
    for (int i = 1; i <= 24; i++)
        receive(&s, "1.2.3.1", i, FEW);
    start(&s);
    assert_true(wait_serving(&s, "fibre", &status));
    assert_true(wait_sent(s.fibre, 100000));
    assert_string_equal(status.lines[1].name, "lte");
    assert_int_equal(status.lines[1].rank, 2);

    relay_set(s.fibre, RELAY_BREAKS);
    assert_true(wait_serving(&s, "lte", &status));
    assert_int_equal(status.line, UPLINK_UP);
    assert_true(status.lines[0].trouble[0] != '\0');
    assert_true(wait_sent(s.lte, 100000));
    relay_set(s.fibre, RELAY_FLOWS);
    assert_true(wait_serving(&s, "fibre", &status));
    assert_true(wait_sent(s.fibre, 100000));

    assert_true(wait_state(&s, INSTANCE_SEALED, 24));
    assert_nothing_twice(&s, 24, 3 * (256 << 10));
    site_close(&s);
}

static void
a_line_that_swallows_everything_is_left_for_the_other(void **state)
{
    struct uplink_status status;
    struct site s;

    (void)state;
    site_open(&s);
    s.options.rate_bytes = 200000;
    for (int i = 1; i <= 16; i++)
        receive(&s, "1.2.3.1", i, FEW);
    start(&s);
    assert_true(wait_serving(&s, "fibre", &status));
    assert_true(wait_sent(s.fibre, 100000));

    relay_set(s.fibre, RELAY_SWALLOWS);
    assert_true(wait_serving(&s, "lte", &status));

    /* nothing waits for the two minutes after which a connection counts as dead */
    assert_true(wait_state(&s, INSTANCE_SEALED, 16));
    assert_nothing_twice(&s, 16, 3 * (256 << 10));
    site_close(&s);
}

static void
a_busy_centre_is_busy_over_every_line(void **state)
{
    struct uplink_status status;
    struct site s;

    (void)state;
    site_open(&s);
    receive(&s, "1.2.3.1", 1, FEW);
    fake_centre_wishes(s.centre)->busy_calls = 12;
    start(&s);
    assert_true(wait_state(&s, INSTANCE_SEALED, 1));

    uplink_status(s.up, &status);
    assert_true(status.lines[0].is_serving);
    assert_false(status.lines[1].is_serving);
    assert_int_equal(status.lines[1].sent_bytes, 0);
    site_close(&s);
}

static void
lines_of_one_rank_share_and_the_table_changes_while_it_runs(void **state)
{
    struct uplink_status status;
    int64_t until = clock_mono_ms() + WAIT_MS;
    char text[512];
    struct site s;

    (void)state;
    site_open(&s);
    for (int i = 1; i <= 24; i++)
        receive(&s, "1.2.3.1", i, FEW);
    s.options.rate_bytes = 100000;
    start(&s);
    assert_true(wait_serving(&s, "fibre", &status));
    write_text(s.table, "fibre speed=9\n"); /* a mistake changes nothing */
    assert_true(wait_sent(s.fibre, 200000));
    uplink_status(s.up, &status);
    assert_int_equal(status.lines_n, 2);

    snprintf(text, sizeof text, "fibre proxy=%s rate=1MiB\nsecond proxy=%s proxy_user=lte.user\n",
             relay_url(s.fibre), relay_url(s.lte));
    write_text(s.table, text);
    do
        uplink_status(s.up, &status);
    while ((status.lines_n != 2 || !status.lines[1].is_serving || !status.lines[0].is_serving) &&
           clock_mono_ms() < until && spool_wait(s.spool, 0, 20) > 0);
    assert_int_equal(status.lines_n, 2);
    assert_string_equal(status.lines[1].name, "second");
    assert_true(status.lines[0].is_serving && status.lines[1].is_serving);
    assert_int_equal(status.lines[0].rate_bytes, 1 << 20);
    assert_true(wait_state(&s, INSTANCE_SEALED, 24));
    assert_true(relay_sent(s.lte) > 50000);
    site_close(&s);
}

static void
a_proxy_that_is_not_told_the_password_is_a_line_that_does_not_work(void **state)
{
    struct uplink_status status;
    char text[512];
    struct site s;

    (void)state;
    site_open(&s);
    snprintf(text, sizeof text, "lte proxy=%s\nfibre rank=2 proxy=%s\n", relay_url(s.lte),
             relay_url(s.fibre));
    write_text(s.table, text);
    receive(&s, "1.2.3.1", 1, FEW);
    start(&s);

    assert_true(wait_state(&s, INSTANCE_SEALED, 1));
    assert_true(wait_serving(&s, "fibre", &status));
    assert_non_null(strstr(status.lines[0].trouble, "407"));
    site_close(&s);
}

/* Hospitals have theirs changed every few months: somebody writes the new one into the file. */
static void
a_changed_proxy_password_is_taken_at_the_next_try(void **state)
{
    struct uplink_status status;
    char text[512], path[300];
    int64_t until;
    struct site s;

    (void)state;
    site_open(&s);
    snprintf(path, sizeof path, "%s/lte.user", s.folder);
    write_text(path, "clinic:wrong\n");
    /* the other line is down for another reason: the lamp tells of what a person can mend */
    snprintf(text, sizeof text, "dead proxy=http://127.0.0.1:1\nlte proxy=%s proxy_user=lte.user\n",
             relay_url(s.lte));
    write_text(s.table, text);
    receive(&s, "1.2.3.1", 1, FEW);
    start(&s);
    until = clock_mono_ms() + WAIT_MS;
    do
        uplink_status(s.up, &status);
    while (strstr(status.trouble, "407") == NULL && clock_mono_ms() < until &&
           spool_wait(s.spool, 0, 20) > 0);
    assert_non_null(strstr(status.trouble, "the proxy does not accept user and password (407)"));
    assert_non_null(strstr(status.trouble, "lte.user"));
    assert_true(status.is_proxy_denied);

    write_text(path, "\xEF\xBB\xBF"
                     "clinic:secret\r\n");
    assert_true(wait_state(&s, INSTANCE_SEALED, 1));
    uplink_status(s.up, &status);
    assert_false(status.is_proxy_denied);
    site_close(&s);
}

/* What is wrong with our own files is no word about an image. */
static void
a_password_file_that_breaks_costs_the_line_alone(void **state)
{
    struct uplink_status status;
    uint64_t counts[INSTANCE_STATES];
    char text[600], path[300];
    struct site s;

    (void)state;
    site_open(&s);
    receive(&s, "1.2.3.1", 1, FEW);
    start(&s);
    assert_true(wait_state(&s, INSTANCE_SEALED, 1));
    snprintf(path, sizeof path, "%s/wrong.user", s.folder);
    write_text(path, "nobody");
    snprintf(text, sizeof text,
             "fibre proxy=%s proxy_user=wrong.user\n"
             "lte rank=2 proxy=%s proxy_user=lte.user\n",
             relay_url(s.fibre), relay_url(s.lte));
    snprintf(path, sizeof path, "%s.new", s.table);
    write_text(path, text);
    assert_int_equal(rename(path, s.table), 0);
    receive(&s, "1.2.3.1", 2, FEW);

    assert_true(wait_state(&s, INSTANCE_SEALED, 2));
    assert_true(wait_serving(&s, "lte", &status));
    spool_counts(s.spool, counts);
    assert_int_equal(counts[INSTANCE_QUARANTINED], 0);
    site_close(&s);
}

/* ---- the cap ---- */

/* So many others want the processors that nobody can keep a line full. */
static bool
is_starved(void)
{
    double load = 0;

    return getloadavg(&load, 1) != 1 || load > 2.5 * (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Within 3 % over any ten seconds, while an emergency comes and while a line breaks. */
static void
check_rate(struct site *s, const char *rate, uint64_t bytes_per_s, int turn)
{
    char setting[64], emergency[32];
    uint64_t least, most, want = bytes_per_s * (WINDOW_MS / 1000);
    int64_t from;
    struct uplink_status status;

    snprintf(setting, sizeof setting, "rate=%s", rate);
    write_table(s, setting);
    do {
        (void)relay_wait(s->fibre, UINT64_MAX, 20);
        uplink_status(s->up, &status);
    } while (status.lines[0].rate_bytes != bytes_per_s);
    (void)relay_wait(s->fibre, UINT64_MAX, 1000); /* what the old rate had let into the kernel */
    from = clock_mono_ms();
    (void)relay_wait(s->fibre, UINT64_MAX, WINDOW_MS / 2);
    snprintf(emergency, sizeof emergency, "1.2.4.%d", turn);
    OK(uplink_set_urgency(s->up, emergency, UPLINK_STAT, "test", "Li", &err));
    receive(s, emergency, 1, MUCH);
    (void)relay_wait(s->fibre, UINT64_MAX, WINDOW_MS / 2 + 500);
    relay_windows(s->fibre, from, clock_mono_ms(), WINDOW_MS, &least, &most);
    print_message("%s: %.1f %% to %.1f %% of the cap in ten seconds\n", rate,
                  100.0 * (double)least / (double)want, 100.0 * (double)most / (double)want);
    if (most > want + want * 3 / 100 || (least < want - want * 3 / 100 && !is_starved()))
        fail_msg("%s: %llu to %llu, wanted %llu", rate, (unsigned long long)least,
                 (unsigned long long)most, (unsigned long long)want);

    from = clock_mono_ms();
    relay_set(s->fibre, RELAY_BREAKS);
    assert_true(wait_serving(s, "lte", &status));
    assert_true(wait_sent(s->lte, bytes_per_s));
    relay_set(s->fibre, RELAY_FLOWS);
    assert_true(wait_serving(s, "fibre", &status));
    relay_windows(s->lte, from, clock_mono_ms(), 1000, &least, &most);
    assert_true(most <=
                bytes_per_s + bytes_per_s * 3 / 10); /* a second: what was saved up counts */
    relay_windows(s->fibre, from - WINDOW_MS, clock_mono_ms(), WINDOW_MS, &least, &most);
    assert_true(most <= want + want * 3 / 100);
}

static void
the_cap_holds_while_emergencies_come_and_lines_break(void **state)
{
    const char *is_long = getenv("RADPOST_LONG"); /* tests/run --long: narrow and wide lines, too */
    struct site s;

    (void)state;
    site_open(&s);
    s.options.bundle_bytes = 16 << 20;
    write_table(&s, "rate=1Mbit");
    for (int i = 1; i <= 60; i++)
        receive(&s, "1.2.3.1", i, MUCH);
    start(&s);
    assert_true(wait_state(&s, INSTANCE_PLAIN, 60));

    check_rate(&s, "4Mbit", 500000, 1);
    if (is_long != NULL && is_long[0] == '1') {
        check_rate(&s, "1Mbit", 125000, 2);
        check_rate(&s, "20Mbit", 2500000, 3);
    }
    site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_line_takes_over_and_gives_back),
        cmocka_unit_test(a_line_that_swallows_everything_is_left_for_the_other),
        cmocka_unit_test(a_busy_centre_is_busy_over_every_line),
        cmocka_unit_test(lines_of_one_rank_share_and_the_table_changes_while_it_runs),
        cmocka_unit_test(a_proxy_that_is_not_told_the_password_is_a_line_that_does_not_work),
        cmocka_unit_test(a_changed_proxy_password_is_taken_at_the_next_try),
        cmocka_unit_test(a_password_file_that_breaks_costs_the_line_alone),
        cmocka_unit_test(the_cap_holds_while_emergencies_come_and_lines_break),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
