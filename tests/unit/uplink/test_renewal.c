/* test_renewal.c - the life of a gateway's certificate: renewed before it ends, over restarts and
 * from every stage that a crash can leave; ended while the clinic was offline, and the way back;
 * and all of it through a proxy. Real certificates that last seconds. */
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/link/enrol.h"
#include "proto/trust/ca.h"
#include "tests/support/codec_workers.h"
#include "tests/support/connect_proxy.h"
#include "tests/support/fake_centre.h"
#include "tests/support/folder.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 30000, SHORT_S = 15 };

struct site {
    char folder[FOLDER_PATH_BYTES], spool_dir[256], link_dir[256], centre_dir[256];
    char lines_path[256];
    struct spool *spool;
    struct fake_centre *centre;
    struct uplink *up;
};

static struct err err;

static void
start(struct site *s)
{
    struct uplink_options options = {.link_dir = s->link_dir,
                                     .lines_path = s->lines_path,
                                     .connections = 2,
                                     .coders = 1,
                                     .bundle_bytes = 65536,
                                     .backoff_ms = 20,
                                     .backoff_max_ms = 100,
                                     .stall_ms = 5000,
                                     .quiet_ms = 300,
                                     .recheck_ms = 3600000};

    OK(uplink_start(&options, s->spool, codec_workers, &s->up, &err));
}

/* Another one for the same device. */
static void
make_code(struct site *s, char out[CODE_TEXT_BYTES])
{
    uint8_t pin[DIGEST_BYTES], unused[DIGEST_BYTES];
    struct ca *ca = NULL;

    OK(ca_open(s->centre_dir, &ca, &err));
    ca_fingerprint(ca, pin);
    code_new(pin, out, unused);
    ca_close(&ca);
}

/* The identity's certificate is one of the centre's that lasts so long only. */
static void
shorten(struct site *s, int64_t life_s)
{
    const struct ca_subject subject = {.tenant = "T1", .device = "g1", .kind = "gateway"};
    struct ca *ca = NULL;
    char path[300];
    uint8_t *key;
    struct buf csr, both;
    size_t n;

    buf_init(&csr, 65536);
    buf_init(&both, 65536);
    OK(ca_open(s->centre_dir, &ca, &err));
    OK(ca_make_request(s->link_dir, "short", &csr, &err));
    snprintf(path, sizeof path, "%s/short.key", s->link_dir);
    OK(durable_get_file(path, 65536, &key, &n, &err));
    buf_add(&both, key, n);
    OK(ca_sign_client(ca, buf_text(&csr), &subject, life_s, &both, &err));
    OK(durable_put_file(s->link_dir, "identity.pem", both.bytes, both.n, &err));
    OK(durable_remove(s->link_dir, "short.key", &err));
    ca_close(&ca);
    free(key);
    buf_fini(&csr);
    buf_fini(&both);
}

static void
site_open(struct site *s, int64_t life_s)
{
    struct spool_options options = {.segment_bytes = 1 << 20};

    memset(s, 0, sizeof *s);
    folder_make("renewal", s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    snprintf(s->centre_dir, sizeof s->centre_dir, "%s/centre", s->folder);
    snprintf(s->lines_path, sizeof s->lines_path, "%s/lines.conf", s->folder);
    OK(spool_open(s->spool_dir, &options, &s->spool, &err));
    s->centre = fake_centre_start(s->centre_dir, s->link_dir);
    if (life_s != 0)
        shorten(s, life_s);
}

static void
site_close(struct site *s)
{
    uplink_stop(&s->up);
    fake_centre_stop(&s->centre);
    spool_close(&s->spool);
    folder_remove(s->folder);
}

static int64_t
ends_at(struct site *s)
{
    struct enrol_identity id;
    int64_t at;

    OK(enrol_load(s->link_dir, &id, &err));
    at = id.not_after_us;
    enrol_identity_fini(&id);
    return at;
}

static bool
is_up(struct site *s)
{
    struct uplink_status status;

    uplink_status(s->up, &status);
    return status.line == UPLINK_UP;
}

/* Until this is so; the spool's own clock is as good as any to wait by. */
#define WAIT_UNTIL(s, what)                                                                        \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + WAIT_MS;                                                \
        while (!(what) && clock_mono_ms() < until_)                                                \
            spool_wait((s)->spool, UINT64_MAX, 50);                                                \
        assert_true(what);                                                                         \
    } while (0)

static void
a_certificate_that_lasts_seconds_is_renewed_before_it_ends(void **state)
{
    int64_t first, second;
    struct site s;

    (void)state;
    site_open(&s, SHORT_S);
    first = ends_at(&s);
    start(&s);
    WAIT_UNTIL(&s, ends_at(&s) > first + 86400000000);
    assert_true(clock_wall_us() < first); /* before the end */
    shorten(&s, SHORT_S);                 /* while it runs: it looks at its files */
    second = ends_at(&s);
    WAIT_UNTIL(&s, ends_at(&s) > second + 86400000000);
    uplink_stop(&s.up); /* and over a restart */
    shorten(&s, SHORT_S);
    second = ends_at(&s);
    start(&s);
    WAIT_UNTIL(&s, ends_at(&s) > second + 86400000000);
    WAIT_UNTIL(&s, clock_wall_us() > second + 1000000); /* all of those have ended */
    WAIT_UNTIL(&s, is_up(&s));
    site_close(&s);
}

static void
copy_file(struct site *s, const char *from, const char *to)
{
    char path[300];
    uint8_t *bytes;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", s->link_dir, from);
    OK(durable_get_file(path, 65536, &bytes, &n, &err));
    OK(durable_put_file(s->link_dir, to, bytes, n, &err));
    free(bytes);
}

/* A renewal is: key, question, answer, addresses, pair, key away. */
static void
every_stage_of_a_renewal_can_be_gone_on_from(void **state)
{
    bool is_renewed;
    struct buf csr;
    int64_t before;
    struct site s;

    (void)state;
    site_open(&s, 0);
    buf_init(&csr, 65536);
    OK(ca_make_request(s.link_dir, "next", &csr, &err)); /* killed before the question */
    before = ends_at(&s);
    OK(enrol_renew(s.link_dir, fake_centre_url(s.centre), true, &is_renewed, &err));
    assert_true(ends_at(&s) >= before);

    copy_file(&s, "identity.pem", "before.pem");
    OK(enrol_renew(s.link_dir, fake_centre_url(s.centre), true, &is_renewed, &err));
    copy_file(&s, "before.pem", "identity.pem"); /* killed between addresses and pair */
    start(&s);
    WAIT_UNTIL(&s, is_up(&s));
    uplink_stop(&s.up);

    copy_file(&s, "identity.pem", "next.key"); /* killed before the key was away */
    OK(enrol_renew(s.link_dir, fake_centre_url(s.centre), true, &is_renewed, &err));
    start(&s);
    WAIT_UNTIL(&s, is_up(&s));
    buf_fini(&csr);
    site_close(&s);
}

static void
a_clinic_that_was_offline_for_too_long_is_told_the_way_back(void **state)
{
    struct enrol_identity id;
    struct uplink_status status;
    char code[CODE_TEXT_BYTES];
    struct site s;

    (void)state;
    site_open(&s, 1);
    WAIT_UNTIL(&s, clock_wall_us() > ends_at(&s) + 1000000);
    start(&s);
    do
        uplink_status(s.up, &status);
    while (status.trouble[0] == '\0' && spool_wait(s.spool, UINT64_MAX, 50) != UINT64_MAX);
    if (strstr(status.trouble, "certificate has ended") == NULL ||
        strstr(status.trouble, "radpost enrol new") == NULL)
        fail_msg("the desk would show: %s", status.trouble);
    assert_true(status.certificate_days <= 0);
    assert_false(status.is_clock_past_all);
    assert_false(is_up(&s));

    make_code(&s, code);
    OK(enrol_new(s.link_dir, fake_centre_url(s.centre), code, &id, &err));
    enrol_identity_fini(&id);
    WAIT_UNTIL(&s, is_up(&s)); /* without a restart */
    assert_int_equal(enrol_new(s.link_dir, fake_centre_url(s.centre), code, &id, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* one that is in force is not replaced */
    site_close(&s);
}

/* As a gateway sees it whose clock is years ahead: it was told to enrol anew, in vain. */
static void
where_the_centres_certificate_has_ended_too_the_clock_is_named_first(void **state)
{
    struct uplink_status status;
    struct ca *ca = NULL;
    struct site s;

    (void)state;
    site_open(&s, 1);
    fake_centre_cut(s.centre);
    OK(durable_remove(s.centre_dir, "server.pem", &err));
    OK(ca_open(s.centre_dir, &ca, &err));
    clock_fake(clock_wall_us() - 400 * INT64_C(86400) * 1000000, 0);
    OK(ca_make_server(ca, s.centre_dir, "127.0.0.1", 30, &err));
    clock_unfake();
    ca_close(&ca);
    fake_centre_heal(s.centre);
    WAIT_UNTIL(&s, clock_wall_us() > ends_at(&s) + 1000000);
    start(&s);
    do
        uplink_status(s.up, &status);
    while (status.trouble[0] == '\0' && spool_wait(s.spool, UINT64_MAX, 50) != UINT64_MAX);

    if (strstr(status.trouble, "clock is right") == NULL || strstr(status.trouble, "enrol") != NULL)
        fail_msg("the desk would show: %s", status.trouble);
    assert_true(status.is_clock_past_all);
    site_close(&s);
}

/* The identity in the folder says this instead of that. */
static void
rename_identity(struct site *s, const char *from, const char *to)
{
    char path[300], text[4096];
    uint8_t *bytes;
    size_t n, at;
    char *found;

    snprintf(path, sizeof path, "%s/identity.json", s->link_dir);
    OK(durable_get_file(path, sizeof text - 100, &bytes, &n, &err));
    snprintf(text, sizeof text, "%.*s", (int)n, (const char *)bytes);
    found = strstr(text, from);
    assert_non_null(found);
    at = (size_t)(found - text);
    snprintf(text + at, sizeof text - at, "%s%.*s", to, (int)(n - at - strlen(from)),
             (const char *)bytes + at + strlen(from));
    OK(durable_put_file(s->link_dir, "identity.json", text, strlen(text), &err));
    free(bytes);
}

static void
the_way_back_is_for_the_same_clinic_and_kind_only(void **state)
{
    static const struct {
        const char *is, *other, *word;
    } rows[] = {{"\"T1\"", "\"T2\"", "of T2"}, {"\"gateway\"", "\"reader\"", "a reader of"}};
    struct enrol_identity id;
    char code[CODE_TEXT_BYTES];
    int64_t ended_us;
    struct site s;

    (void)state;
    site_open(&s, 1);
    ended_us = ends_at(&s);
    WAIT_UNTIL(&s, clock_wall_us() > ended_us);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rename_identity(&s, rows[i].is, rows[i].other);
        make_code(&s, code);
        assert_int_equal(enrol_new(s.link_dir, fake_centre_url(s.centre), code, &id, &err), -1);
        assert_int_equal(err.kind, ERR_CONFLICT);
        if (strstr(err.text, rows[i].word) == NULL)
            fail_msg("%s", err.text);
        assert_int_equal(ends_at(&s), ended_us); /* the certificate is the old one, the name too */
        rename_identity(&s, rows[i].other, rows[i].is);
    }
    make_code(&s, code);
    OK(enrol_new(s.link_dir, fake_centre_url(s.centre), code, &id, &err));
    assert_true(id.not_after_us > ended_us);
    enrol_identity_fini(&id);
    site_close(&s);
}

static void
enrolment_renewal_and_images_go_through_the_proxy(void **state)
{
    struct connect_proxy *proxy = connect_proxy_start("radpost:secret");
    struct enrol_way way = {.proxy = connect_proxy_url(proxy)};
    char code[CODE_TEXT_BYTES], text[600], tmp[FOLDER_PATH_BYTES + 8];
    struct enrol_identity id;
    unsigned before;
    bool is_renewed;
    struct site s;

    (void)state;
    site_open(&s, 0);
    folder_remove(s.link_dir);
    make_code(&s, code);
    assert_int_equal(enrol_new_by(s.link_dir, fake_centre_url(s.centre), &way, code, &id, &err),
                     -1); /* it wants to know who asks */
    assert_int_equal(connect_proxy_count(proxy), 0);
    way.proxy_user = "radpost:secret";
    OK(enrol_new_by(s.link_dir, fake_centre_url(s.centre), &way, code, &id, &err));
    enrol_identity_fini(&id);
    assert_int_equal(connect_proxy_count(proxy), 2); /* the CA, the code */
    OK(enrol_renew_by(s.link_dir, fake_centre_url(s.centre), &way, true, &is_renewed, &err));
    assert_int_equal(connect_proxy_count(proxy), 3);

    OK(durable_put_file(s.centre_dir, "proxy.user", "radpost:secret\n", 15, &err));
    snprintf(text, sizeof text, "main proxy=%s proxy_user=%s/proxy.user\n",
             connect_proxy_url(proxy), s.centre_dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", s.folder);
    OK(durable_mkdir(tmp, &err));
    OK(durable_put_file(s.folder, "lines.conf", text, strlen(text), &err));
    before = connect_proxy_count(proxy);
    start(&s);
    WAIT_UNTIL(&s, is_up(&s));
    assert_true(connect_proxy_count(proxy) > before);
    site_close(&s);
    connect_proxy_stop(&proxy);
}

static void
others_take_the_way_of_the_table_too(void **state)
{
    static const char table[] = "far rank=2 proxy=http://10.0.0.2:3128\nnear source=127.0.0.1\n";
    char dir[FOLDER_PATH_BYTES], tmp[FOLDER_PATH_BYTES + 8], path[FOLDER_PATH_BYTES + 16];
    struct uplink_way way;

    (void)state;
    folder_make("way", dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    snprintf(path, sizeof path, "%s/lines.conf", dir);
    OK(durable_mkdir(tmp, &err));
    OK(uplink_way(path, 0, &way, &err)); /* no table */
    assert_string_equal(way.proxy, "");
    OK(durable_put_file(dir, "lines.conf", table, sizeof table - 1, &err));
    OK(uplink_way(path, 0, &way, &err));
    assert_string_equal(way.source, "127.0.0.1");
    assert_string_equal(way.proxy, "");
    OK(uplink_way(path, 1, &way, &err));
    assert_string_equal(way.proxy, "http://10.0.0.2:3128");
    OK(uplink_way(path, 2, &way, &err));
    assert_string_equal(way.source, "127.0.0.1");
    OK(durable_put_file(dir, "lines.conf", "nonsense nonsense\n", 18, &err));
    OK(uplink_way(path, 0, &way, &err)); /* the desk's mail goes on, too */
    assert_string_equal(way.source, "");
    assert_int_equal(uplink_check_lines(path, &err), -1);
    assert_non_null(strstr(err.text, "lines.conf:1: "));
    folder_remove(dir);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_lasts_seconds_is_renewed_before_it_ends),
        cmocka_unit_test(every_stage_of_a_renewal_can_be_gone_on_from),
        cmocka_unit_test(a_clinic_that_was_offline_for_too_long_is_told_the_way_back),
        cmocka_unit_test(where_the_centres_certificate_has_ended_too_the_clock_is_named_first),
        cmocka_unit_test(the_way_back_is_for_the_same_clinic_and_kind_only),
        cmocka_unit_test(enrolment_renewal_and_images_go_through_the_proxy),
        cmocka_unit_test(others_take_the_way_of_the_table_too),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (getenv("RADPOST_TEST_LOG") == NULL)
        log_set_fd(-1);
    return cmocka_run_group_tests(tests, codec_workers_start, codec_workers_stop);
}
