/* plain_world.c - see plain_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/plain_world.h"

#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/http/json.h"
#include "tests/support/codec_workers.h"
#include "tests/support/plain_peer.h"

#include <stdio.h>

int
plain_world_begin(void **state)
{
    log_set_level(LOG_ERROR);
    return codec_workers_start(state);
}

int
plain_world_end(void **state)
{
    return codec_workers_stop(state);
}

struct plain_world *
plain_world_new(void)
{
    struct plain_world *x = mem_new(sizeof *x);

    x->lost_ms = 100000;
    serve_world_make(&x->w, "CT1 * a\n");
    return x;
}

void
plain_world_free(struct plain_world *x)
{
    plain_stop(&x->plain);
    serve_world_remove(&x->w);
    free(x);
}

void
plain_world_aim(struct plain_world *x, const char *settings)
{
    snprintf(x->target, sizeof x->target, "pacs dicom PACS@127.0.0.1:%u %s", plain_peer_port(),
             settings);
}

int
plain_world_setup(void **state)
{
    struct plain_world *x = plain_world_new();

    plain_peer_reset();
    plain_peer_start(0);
    plain_world_aim(x, "");
    *state = x;
    return 0;
}

int
plain_world_teardown(void **state)
{
    plain_world_free(*state);
    plain_peer_stop();
    return 0;
}

void
plain_world_start(struct plain_world *x)
{
    char file[256], dir[256], tmp[256], line[300];
    struct plain_options o = {.file = file,
                              .dir = dir,
                              .spool = x->w.spool,
                              .pool = codec_workers,
                              .backoff_ms = 20,
                              .backoff_max_ms = 100,
                              .stall_ms = 5000,
                              .verify_ms = 20,
                              .lost_ms = x->lost_ms};
    struct err err = {0};

    snprintf(file, sizeof file, "%s/targets.conf", x->w.dir);
    snprintf(dir, sizeof dir, "%s/targets", x->w.dir);
    snprintf(tmp, sizeof tmp, "%s/tmp", x->w.dir);
    snprintf(line, sizeof line, "%s\n", x->target);
    assert_int_equal(durable_mkdir(tmp, &err), 0);
    assert_int_equal(durable_put_file(x->w.dir, "targets.conf", line, strlen(line), &err), 0);
    if (plain_start(&o, &x->plain, &err) < 0)
        fail_msg("%s", err.text);
}

void
plain_world_arrive(struct plain_world *x, int first, int last)
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

void
plain_world_seal(struct plain_world *x, uint64_t id)
{
    struct err err = {0};

    assert_int_equal(spool_set_held(x->w.spool, id, 0, &err), 0);
    assert_int_equal(spool_set_sealed(x->w.spool, id, 0, &err), 0);
}

static struct json_doc *
report(struct plain_world *x, const struct json **out_target)
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
    buf_fini(&out);
    *out_target = json_at(json_find(json_root(doc), "targets"), 0);
    return doc;
}

int64_t
plain_world_number(struct plain_world *x, const char *key)
{
    const struct json *target;
    struct json_doc *doc = report(x, &target);
    int64_t value = json_as_int(json_find(target, key), -1);

    json_free(&doc);
    return value;
}

bool
plain_world_says(struct plain_world *x, const char *key, const char *text)
{
    const struct json *target;
    struct json_doc *doc = report(x, &target);
    bool is = strcmp(json_as_text(json_find(target, key)), text) == 0;

    json_free(&doc);
    return is;
}

uint64_t
plain_world_count(struct plain_world *x, enum instance_state state)
{
    uint64_t counts[INSTANCE_STATES];

    spool_counts(x->w.spool, counts);
    return counts[state];
}

void
plain_world_rest(struct plain_world *x)
{
    (void)spool_wait(x->w.spool, UINT64_MAX, 10);
}
