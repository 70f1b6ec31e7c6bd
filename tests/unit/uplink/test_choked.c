/* test_choked.c - a line that answers pings and lets no images through: it is told, and loses its
 * place where there is another. The lines are proxies in this process. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/trust/digest.h"
#include "tests/support/relay.h"
#include "tests/support/uplink_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"

enum { WAIT_MS = 60000, IMAGES = 6, BACK_MS = 2000, SIZE = 256 << 10 };

struct site {
    struct uplink_site clinic;
    struct relay *fibre, *lte;
    char table[FOLDER_PATH_BYTES + 16];
};

static void
site_open(struct site *s, bool is_one)
{
    FILE *f;

    uplink_site_open(&s->clinic, "choked", 1);
    s->fibre = relay_start(NULL);
    s->lte = relay_start(NULL);
    snprintf(s->table, sizeof s->table, "%s/lines.conf", s->clinic.folder);
    f = fopen(s->table, "wb");
    assert_non_null(f);
    fprintf(f, "fibre proxy=%s\n", relay_url(s->fibre));
    if (!is_one)
        fprintf(f, "lte rank=2 proxy=%s\n", relay_url(s->lte));
    fclose(f);
    s->clinic.options.lines_path = s->table;
    s->clinic.options.coding = UPLINK_CODING_OFF;
    s->clinic.options.stall_ms = 60000;
    s->clinic.options.line_back_ms = BACK_MS;
}

static void
site_close(struct site *s)
{
    uplink_stop(&s->clinic.up);
    relay_stop(&s->fibre);
    relay_stop(&s->lte);
    uplink_site_close(&s->clinic);
}

/* Images of noise: nothing makes them smaller. */
static void
receive(struct site *s, const char *study)
{
    static uint8_t pixels[SIZE];
    struct dcm_writer w;
    struct buf file;

    for (int i = 1; i <= IMAGES; i++) {
        buf_init(&file, 1 << 20);
        picture(&file, study, i, true);
        random_bytes(pixels, sizeof pixels);
        dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
        dcm_write_u16(&w, 0x00280002, 1);
        dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
        dcm_write_u16(&w, 0x00280010, 256);
        dcm_write_u16(&w, 0x00280011, SIZE / 512);
        dcm_write_u16(&w, 0x00280100, 16);
        dcm_write_u16(&w, 0x00280101, 16);
        dcm_write_u16(&w, 0x00280102, 15);
        dcm_write_u16(&w, 0x00280103, 0);
        dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, sizeof pixels);
        uplink_site_receive(&s->clinic, study, i, &file);
        buf_fini(&file);
    }
}

/* Until the fibre serves or not, and is choked or not. */
static void
wait_fibre(struct site *s, bool is_serving, bool is_choked)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct uplink_status status;

    do {
        uplink_status(s->clinic.up, &status);
        if (status.lines[0].is_serving == is_serving && status.lines[0].is_choked == is_choked)
            return;
        spool_wait(s->clinic.spool, 0, 20);
    } while (clock_mono_ms() < until_ms);
    fail_msg("serving %d, choked %d, %s", status.lines[0].is_serving, status.lines[0].is_choked,
             uplink_line_word(status.lines[0].line));
}

static void
another_line_takes_over_from_one_that_lets_no_images_through(void **state)
{
    struct uplink_status status;
    struct site s;
    int64_t begun_ms;
    uint64_t before;

    (void)state;
    site_open(&s, false);
    uplink_site_start(&s.clinic);
    wait_fibre(&s, true, false);
    relay_set(s.fibre, RELAY_CHOKES);
    begun_ms = clock_mono_ms();
    receive(&s, "1.2.3.1");

    assert_true(uplink_site_wait(&s.clinic, INSTANCE_BIT(INSTANCE_SEALED), IMAGES));
    print_message("sealed by the other after %lld ms\n", (long long)(clock_mono_ms() - begun_ms));
    assert_true(clock_mono_ms() - begun_ms < WAIT_MS);
    uplink_status(s.clinic.up, &status);
    assert_true(status.lines[0].is_choked && status.lines[0].line == UPLINK_UP);
    assert_true(relay_sent(s.lte) > IMAGES * SIZE / 2); /* some of it had come through */

    relay_set(s.fibre, RELAY_FLOWS); /* an answer to 64 KiB, and it has its place again */
    wait_fibre(&s, true, false);
    before = relay_sent(s.fibre);
    receive(&s, "1.2.3.2");
    assert_true(uplink_site_wait(&s.clinic, INSTANCE_BIT(INSTANCE_SEALED), 2 * IMAGES));
    assert_true(relay_sent(s.fibre) > before + IMAGES * SIZE);
    site_close(&s);
}

static void
the_only_line_that_lets_no_images_through_is_told(void **state)
{
    struct site s;

    (void)state;
    site_open(&s, true);
    uplink_site_start(&s.clinic);
    wait_fibre(&s, true, false);
    relay_set(s.fibre, RELAY_CHOKES);
    receive(&s, "1.2.3.1");

    wait_fibre(&s, true, true);
    relay_set(s.fibre, RELAY_FLOWS);
    assert_true(uplink_site_wait(&s.clinic, INSTANCE_BIT(INSTANCE_SEALED), IMAGES));
    wait_fibre(&s, true, false);
    site_close(&s);
}

/* Small images come through: the line is no better for that. */
static void
what_lets_the_first_bytes_through_stays_choked(void **state)
{
    struct uplink_status status;
    struct site s;
    struct err err;

    (void)state;
    site_open(&s, true);
    uplink_site_start(&s.clinic);
    wait_fibre(&s, true, false);
    relay_set(s.fibre, RELAY_CHOKES);
    receive(&s, "1.2.3.1");
    wait_fibre(&s, true, true);

    assert_int_equal(
        uplink_set_urgency(s.clinic.up, "1.2.3.2", UPLINK_STAT, "it goes first", "test", &err), 0);
    uplink_site_picture(&s.clinic, "1.2.3.2", 1, true);

    assert_true(uplink_site_wait(&s.clinic, UPLINK_SITE_THERE, 1));
    uplink_status(s.clinic.up, &status);
    assert_true(status.lines[0].is_choked);
    site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_line_takes_over_from_one_that_lets_no_images_through),
        cmocka_unit_test(the_only_line_that_lets_no_images_through_is_told),
        cmocka_unit_test(what_lets_the_first_bytes_through_stays_choked),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
