/* test_plain.c - claims of gateway/plain/plain.h about DICOM targets, with a peer that misbehaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/plain.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/dicom/syntax.h"
#include "proto/http/json.h"
#include "tests/support/plain_peer.h"
#include "tests/support/serve_world.h"

#include <stdio.h>

static struct codec_pool *pool;

struct world {
    struct serve_world w;
    struct plain *plain;
    uint16_t port;
    char extra[128]; /* settings of the target */
    int64_t lost_ms;
};

static void
start(struct world *x)
{
    char file[256], dir[256], line[256];
    struct plain_options o = {.file = file,
                              .dir = dir,
                              .spool = x->w.spool,
                              .pool = pool,
                              .backoff_ms = 20,
                              .backoff_max_ms = 100,
                              .stall_ms = 5000,
                              .verify_ms = 20,
                              .lost_ms = x->lost_ms};
    struct err err = {0};

    snprintf(file, sizeof file, "%s/targets.conf", x->w.dir);
    snprintf(dir, sizeof dir, "%s/targets", x->w.dir);
    snprintf(line, sizeof line, "%s/tmp", x->w.dir);
    assert_int_equal(durable_mkdir(line, &err), 0);
    snprintf(line, sizeof line, "pacs dicom PACS@127.0.0.1:%u %s\n", x->port, x->extra);
    assert_int_equal(durable_put_file(x->w.dir, "targets.conf", line, strlen(line), &err), 0);
    assert_int_equal(plain_start(&o, &x->plain, &err), 0);
}

static int
setup(void **state)
{
    struct world *x = mem_new(sizeof *x);

    plain_peer_reset();
    plain_peer_start(0);
    x->port = plain_peer_port();
    x->lost_ms = 100000;
    serve_world_make(&x->w, "CT1 * a\n");
    *state = x;
    return 0;
}

static int
teardown(void **state)
{
    struct world *x = *state;

    plain_stop(&x->plain);
    plain_peer_stop();
    serve_world_remove(&x->w);
    free(x);
    return 0;
}

/* Instances 1.2.9.1 .. n of one series, looked into and ready to go. */
static void
arrive(struct world *x, int first, int last)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_INSPECTED)};
    uint64_t *ids = NULL;
    size_t n = 0;

    for (int i = first; i <= last; i++) {
        char uid[32];
        struct serve_image image = {
            .study = "1.2.3", .series = "1.2.3.4", .sop_instance = uid, .number = i};

        snprintf(uid, sizeof uid, "1.2.9.%d", i);
        serve_world_put(&x->w, &image);
    }
    serve_world_inspect(&x->w);
    spool_list(x->w.spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};

        assert_int_equal(spool_set_uncoded(x->w.spool, ids[i], "test", &err), 0);
    }
    free(ids);
}

static int64_t
report_number(struct world *x, const char *key)
{
    struct json_doc *doc = NULL;
    struct err err = {0};
    struct jsonw w;
    struct buf out;
    int64_t value;

    buf_init(&out, 1 << 20);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    plain_report(x->plain, &w);
    jsonw_end(&w);
    assert_int_equal(json_parse(out.bytes, out.n, &doc, &err), 0);
    value = json_as_int(json_find(json_at(json_find(json_root(doc), "targets"), 0), key), -1);
    json_free(&doc);
    buf_fini(&out);
    return value;
}

static void
report_text(struct world *x, const char *key, char *out_text, size_t size)
{
    struct json_doc *doc = NULL;
    struct err err = {0};
    struct jsonw w;
    struct buf out;

    buf_init(&out, 1 << 20);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    plain_report(x->plain, &w);
    jsonw_end(&w);
    assert_int_equal(json_parse(out.bytes, out.n, &doc, &err), 0);
    snprintf(out_text, size, "%s",
             json_as_text(json_find(json_at(json_find(json_root(doc), "targets"), 0), key)));
    json_free(&doc);
    buf_fini(&out);
}

/* The target's own threads bring it about: waits for its next step, at most 30 s. */
#define AWAIT(claim)                                                                               \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + 30000;                                                  \
        while (!(claim)) {                                                                         \
            if (clock_mono_ms() > until_)                                                          \
                fail_msg("in vain: %s", #claim);                                                   \
            gate_lock(&plain_peer.gate);                                                           \
            gate_wait_ms(&plain_peer.gate, 10);                                                    \
            gate_unlock(&plain_peer.gate);                                                         \
        }                                                                                          \
    } while (0)

static uint64_t
spool_count(struct world *x, enum instance_state state)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(x->w.spool, counts);
    return counts[state];
}

static void
stores(unsigned want)
{
    gate_lock(&plain_peer.gate);
    assert_int_equal(plain_peer.stores, want);
    assert_int_equal(plain_peer.repeats, 0);
    gate_unlock(&plain_peer.gate);
}

static void
many_go_over_one_association_and_are_found(void **state)
{
    struct world *x = *state;

    arrive(x, 1, 30);
    start(x);
    AWAIT(report_number(x, "there") == 30);

    stores(30);
    assert_int_equal(plain_peer.store_associations, 1);
    assert_string_equal(plain_peer.syntaxes[0], DCM_UID_EXPLICIT_LE);
    assert_string_equal(plain_peer.uids[0], "1.2.9.1");
    assert_string_equal(plain_peer.uids[29], "1.2.9.30");
    assert_int_equal(spool_count(x, INSTANCE_PLAIN), 30); /* beside the centre: its own business */
}

static void
instead_of_the_centre_found_means_sealed_and_listed(void **state)
{
    struct world *x = *state;
    struct spool_study study;
    uint32_t revision;
    struct err err = {0};

    snprintf(x->extra, sizeof x->extra, "instead-of-centre=yes");
    arrive(x, 1, 3);
    start(x);
    AWAIT(spool_count(x, INSTANCE_SEALED) == 3);
    assert_int_equal(spool_manifest_close(x->w.spool, "1.2.3", &revision, &err), 0);

    AWAIT(spool_study(x->w.spool, "1.2.3", &study, &err) == 0 && study.acked_revision == 1);
    stores(3);
}

static void
a_success_alone_is_not_safe_to_delete(void **state)
{
    struct world *x = *state;

    plain_peer.finds_nothing = true;
    snprintf(x->extra, sizeof x->extra, "instead-of-centre=yes");
    arrive(x, 1, 2);
    start(x);
    AWAIT(spool_count(x, INSTANCE_HELD) == 2);
    AWAIT(plain_peer.finds > 4);

    assert_int_equal(spool_count(x, INSTANCE_SEALED), 0);
    assert_int_equal(report_number(x, "unverified"), 2);
    plain_peer.finds_nothing = false;
    AWAIT(spool_count(x, INSTANCE_SEALED) == 2);
    stores(2);
}

static void
what_is_lost_there_is_sent_again(void **state)
{
    struct world *x = *state;

    x->lost_ms = 60;
    snprintf(x->extra, sizeof x->extra, "instead-of-centre=yes");
    arrive(x, 1, 1);
    start(x);
    plain_peer_await(1);
    gate_lock(&plain_peer.gate);
    plain_peer.n = 0;
    gate_unlock(&plain_peer.gate);

    plain_peer_await(1);
    AWAIT(spool_count(x, INSTANCE_SEALED) == 1);
}

static void
a_cut_after_it_was_kept_is_asked_for_and_not_sent_twice(void **state)
{
    struct world *x = *state;

    plain_peer.break_after = 3;
    arrive(x, 1, 6);
    start(x);
    AWAIT(report_number(x, "there") == 6);

    stores(6);
}

static void
a_cut_before_it_was_kept_is_asked_for_and_sent_again(void **state)
{
    struct world *x = *state;

    plain_peer.break_before = 3;
    arrive(x, 1, 6);
    start(x);
    AWAIT(report_number(x, "there") == 6);

    stores(7);
}

static void
a_restart_goes_on_where_it_was(void **state)
{
    struct world *x = *state;

    arrive(x, 1, 5);
    start(x);
    AWAIT(report_number(x, "there") == 5);
    plain_stop(&x->plain);
    serve_world_close(&x->w);
    serve_world_open(&x->w);
    arrive(x, 6, 8);
    start(x);
    AWAIT(report_number(x, "there") == 8);

    stores(8);
}

static void
what_was_answered_and_not_found_yet_is_asked_for_after_a_restart(void **state)
{
    struct world *x = *state;

    plain_peer.finds_nothing = true;
    arrive(x, 1, 4);
    start(x);
    AWAIT(report_number(x, "unverified") == 4);
    plain_stop(&x->plain);
    plain_peer.finds_nothing = false;
    start(x);
    AWAIT(report_number(x, "there") == 4);

    stores(4);
}

static void
a_peer_that_is_down_costs_time_only(void **state)
{
    struct world *x = *state;
    char line[16];

    plain_peer_stop();
    arrive(x, 1, 4);
    start(x);
    AWAIT((report_text(x, "line", line, sizeof line), strcmp(line, "down") == 0));
    assert_int_equal(report_number(x, "waiting"), 4);
    plain_peer_start(x->port);
    AWAIT(report_number(x, "there") == 4);

    stores(4);
}

static void
a_peer_that_does_not_let_us_in_is_told_apart(void **state)
{
    struct world *x = *state;
    char line[16];

    plain_peer.is_closed = true;
    arrive(x, 1, 1);
    start(x);
    AWAIT((report_text(x, "line", line, sizeof line), strcmp(line, "denied") == 0));
    plain_peer.is_closed = false;
    AWAIT(report_number(x, "there") == 1);
}

static void
a_full_peer_is_waited_for(void **state)
{
    struct world *x = *state;

    plain_peer.full = 3;
    arrive(x, 1, 5);
    start(x);
    AWAIT(report_number(x, "there") == 5);

    stores(8);
    assert_int_equal(report_number(x, "refused"), 0);
}

static void
one_refused_instance_stops_no_other_and_waits_for_a_person(void **state)
{
    struct world *x = *state;
    struct err err = {0};

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.2");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    arrive(x, 1, 5);
    start(x);
    AWAIT(report_number(x, "there") == 4 && report_number(x, "refused") == 1);
    stores(5);
    plain_peer.refused[0] = '\0';

    assert_int_equal(plain_requeue(x->plain, "other", 0, &err), -1);
    assert_int_equal(plain_requeue(x->plain, "pacs", 77, &err), -1);
    assert_int_equal(plain_requeue(x->plain, "pacs", 0, &err), 0);
    AWAIT(report_number(x, "there") == 5);
    assert_int_equal(report_number(x, "refused"), 0);
}

static void
what_a_person_leaves_is_needed_no_more(void **state)
{
    struct world *x = *state;
    struct err err = {0};

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.1");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    arrive(x, 1, 1);
    start(x);
    AWAIT(report_number(x, "refused") == 1);
    assert_int_equal(plain_leave(x->plain, "pacs", 0, &err), 0);

    assert_int_equal(report_number(x, "refused"), 0);
    plain_stop(&x->plain);
    start(x);
    arrive(x, 2, 2);
    AWAIT(report_number(x, "there") == 1);
    stores(2);
}

static void
the_archives_refusal_is_put_aside_for_all_and_released_there(void **state)
{
    struct world *x = *state;
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_QUARANTINED)};
    uint64_t *ids = NULL;
    struct err err = {0};
    size_t n = 0;

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.2");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    snprintf(x->extra, sizeof x->extra, "instead-of-centre=yes");
    arrive(x, 1, 3);
    start(x);
    AWAIT(spool_count(x, INSTANCE_QUARANTINED) == 1 && spool_count(x, INSTANCE_SEALED) == 2);
    assert_int_equal(plain_requeue(x->plain, "pacs", 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    plain_peer.refused[0] = '\0';
    spool_list(x->w.spool, &filter, &ids, &n);
    assert_int_equal(spool_release(x->w.spool, ids[0], &err), 0);
    free(ids);
    arrive(x, 4, 4);
    AWAIT(spool_count(x, INSTANCE_SEALED) == 4);
}

static void
a_peer_of_other_syntaxes_gets_it_decoded(void **state)
{
    struct world *x = *state;

    plain_peer.takes_implicit_only = true;
    arrive(x, 1, 2);
    start(x);
    AWAIT(report_number(x, "there") == 2);

    stores(2);
}

static void
a_peer_without_query_is_told(void **state)
{
    struct world *x = *state;
    char asking[16];

    plain_peer.has_no_query = true;
    arrive(x, 1, 2);
    start(x);
    AWAIT((report_text(x, "asking", asking, sizeof asking), strcmp(asking, "unable") == 0));

    assert_int_equal(report_number(x, "unverified"), 2);
    assert_int_equal(report_number(x, "there"), 0);
}

static void
where_nobody_is_asked_an_answer_is_enough(void **state)
{
    struct world *x = *state;

    plain_peer.has_no_query = true;
    snprintf(x->extra, sizeof x->extra, "verify=none");
    arrive(x, 1, 2);
    start(x);
    AWAIT(report_number(x, "there") == 2);

    assert_int_equal(plain_peer.finds, 0);
}

static void
only_what_the_line_says_goes_there(void **state)
{
    struct world *x = *state;

    snprintf(x->extra, sizeof x->extra, "devices=CT2");
    arrive(x, 1, 2);
    start(x);
    AWAIT(report_number(x, "waiting") == 0);
    plain_stop(&x->plain);

    stores(0);
}

static void
what_is_kept_back_by_a_person_does_not_go(void **state)
{
    struct world *x = *state;
    struct err err = {0};

    arrive(x, 1, 2);
    assert_int_equal(spool_set_paused(x->w.spool, 1, true, &err), 0);
    start(x);
    AWAIT(report_number(x, "there") == 1);

    assert_int_equal(report_number(x, "waiting"), 1);
    stores(1);
}

static bool
has_bytes(struct world *x, uint64_t id)
{
    struct spool_entry *entry = NULL;
    struct err err = {0};
    bool has;

    assert_int_equal(spool_load(x->w.spool, id, &entry, &err), 0);
    has = entry->has_bytes;
    spool_entry_free(&entry);
    return has;
}

static void
the_spool_keeps_what_a_target_still_needs(void **state)
{
    struct world *x = *state;
    struct spool_options o = {.segment_bytes = 1 << 20}; /* sealed may go at once */
    char *spool = mem_printf("%s/spool", x->w.dir);
    struct err err = {0};

    arrive(x, 1, 1);
    serve_world_close(&x->w); /* its segment is full now */
    assert_int_equal(spool_open(spool, &o, &x->w.spool, &err), 0);
    free(spool);
    plain_peer.is_closed = true;
    start(x);
    assert_int_equal(spool_set_held(x->w.spool, 1, 0, &err), 0);
    assert_int_equal(spool_set_sealed(x->w.spool, 1, 0, &err), 0);

    spool_collect_garbage(x->w.spool);
    assert_true(has_bytes(x, 1));
    plain_peer.is_closed = false;
    AWAIT(report_number(x, "there") == 1);
    spool_collect_garbage(x->w.spool);
    assert_false(has_bytes(x, 1));
}

int
main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(many_go_over_one_association_and_are_found),
        T(instead_of_the_centre_found_means_sealed_and_listed),
        T(a_success_alone_is_not_safe_to_delete),
        T(what_is_lost_there_is_sent_again),
        T(a_cut_after_it_was_kept_is_asked_for_and_not_sent_twice),
        T(a_cut_before_it_was_kept_is_asked_for_and_sent_again),
        T(a_restart_goes_on_where_it_was),
        T(what_was_answered_and_not_found_yet_is_asked_for_after_a_restart),
        T(a_peer_that_is_down_costs_time_only),
        T(a_peer_that_does_not_let_us_in_is_told_apart),
        T(a_full_peer_is_waited_for),
        T(one_refused_instance_stops_no_other_and_waits_for_a_person),
        T(what_a_person_leaves_is_needed_no_more),
        T(the_archives_refusal_is_put_aside_for_all_and_released_there),
        T(a_peer_of_other_syntaxes_gets_it_decoded),
        T(a_peer_without_query_is_told),
        T(where_nobody_is_asked_an_answer_is_enough),
        T(only_what_the_line_says_goes_there),
        T(what_is_kept_back_by_a_person_does_not_go),
        T(the_spool_keeps_what_a_target_still_needs),
    };
    struct err err = {0};
    int status, failed;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_level(LOG_ERROR);
    if (codec_pool_new(1, &pool, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    codec_pool_free(&pool);
    return failed;
}
