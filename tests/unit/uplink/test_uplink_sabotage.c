/* test_uplink_sabotage.c - a coder that spoils what it codes, in a real uplink before a real
 * storage: every image arrives as it was received, the alarm is raised, and nothing spoilt is ever
 * whole at the centre. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/codec/job.h"
#include "proto/trust/digest.h"
#include "tests/support/archive_world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/ct_picture.h"

#define STUDY "1.2.826.0.1.3680043.8.498.1"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

enum { WAIT_MS = 120000, PER_WAY = 4 };

/* ---- the worker that does worse ---- */

enum way {
    HONEST,
    SPOILS_PIXELS, /* other pixels, in a sound stream */
    FLIPS_BITS,    /* in the stream */
    SPOILS_THE_END,
    SPOILS_THE_HEAD,
    SPOILS_THE_RECIPE,
    DIES,
    WAYS
};

/* The last number in the SOP Instance UID begins with what becomes of the picture. */
static enum way
way_of(const uint8_t *bytes, size_t n)
{
    static const char study[] = STUDY ".";
    const uint8_t *at = memmem(bytes, n, study, sizeof study - 1);

    CHECK(at != NULL);
    return (enum way)((at[sizeof study - 1] - '1') % WAYS);
}

static void
flip(int fd, uint64_t at, size_t n)
{
    uint8_t bytes[16];

    CHECK(n <= sizeof bytes && pread(fd, bytes, n, (off_t)at) == (ssize_t)n);
    for (size_t i = 0; i < n; i++)
        bytes[i] ^= 0x10;
    CHECK(pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n);
}

/* One sample of the last row is off by one. */
static int
encode_another(struct job *job, struct err *err)
{
    uint8_t *other = mem_new(job->n);
    struct job again = *job;
    int rc;

    memcpy(other, job->bytes, job->n);
    other[job->n - 10] ^= 1;
    again.bytes = other;
    rc = job_encode(&again, err);
    free(other);
    return rc;
}

static int
encode_badly(struct job *job, struct err *err)
{
    enum way way = way_of(job->bytes, job->n);
    struct wire_reply *reply = job->reply;

    if (way == DIES)
        (void)raise(SIGKILL);
    if (way == SPOILS_PIXELS)
        return encode_another(job, err);
    if (job_encode(job, err) < 0)
        return -1;
    CHECK(reply->out_n > 0);
    if (way == FLIPS_BITS)
        flip(job->out, reply->out_n / 3, 4);
    if (way == SPOILS_THE_END)
        flip(job->out, reply->out_n - 16, 16);
    if (way == SPOILS_THE_HEAD)
        flip(job->out, 400, 1);
    if (way == SPOILS_THE_RECIPE)
        flip(job->out_side, reply->recipe_n / 2, 1);
    return 0;
}

/* ---- the clinic ---- */

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static struct err err;

struct site {
    char folder[FOLDER_PATH_BYTES], spool_dir[256], link_dir[256];
    struct archive_world centre;
    struct spool *spool;
    struct uplink *up;
};

static void
site_start(struct site *s, enum uplink_coding coding)
{
    struct spool_options spool_options = {.segment_bytes = 4 << 20, .keep_sealed_ms = -1};
    struct uplink_options options = {.link_dir = s->link_dir,
                                     .coding = coding,
                                     .connections = 2,
                                     .coders = 2,
                                     .bundle_bytes = 1 << 20,
                                     .backoff_ms = 20,
                                     .backoff_max_ms = 200,
                                     .stall_ms = 20000,
                                     .quiet_ms = 300,
                                     .recheck_ms = 3600000};

    OK(spool_open(s->spool_dir, &spool_options, &s->spool, &err));
    OK(uplink_start(&options, s->spool, pool, &s->up, &err));
}

static void
site_open(struct site *s, const char *database, enum uplink_coding coding)
{
    memset(s, 0, sizeof *s);
    folder_make("sabotage", s->folder);
    snprintf(s->spool_dir, sizeof s->spool_dir, "%s/spool", s->folder);
    snprintf(s->link_dir, sizeof s->link_dir, "%s/link", s->folder);
    archive_world_open(&s->centre, cluster, database, pool);
    archive_world_enrol(&s->centre, "gateway", "clinic-a", "gate-1", "", s->link_dir);
    site_start(s, coding);
}

static void
site_close(struct site *s)
{
    uplink_stop(&s->up);
    spool_close(&s->spool);
    archive_world_close(&s->centre);
    folder_remove(s->folder);
}

static void
receive(struct site *s, enum way way, int n)
{
    struct spool_meta meta = {.sop_class = CT_IMAGE, .transfer_syntax = DCM_UID_EXPLICIT_LE};
    int number = ((int)way + 1) * 100 + n;
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    buf_init(&file, 1 << 20);
    picture(&file, STUDY, number, false);
    snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s.%d", STUDY, number);
    OK(spool_draft_begin(s->spool, &meta, &draft, &err));
    OK(spool_draft_write(draft, file.bytes, file.n, &err));
    OK(spool_commit(s->spool, &draft, &id, &err));
    buf_fini(&file);
}

static void
wait_held(struct site *s, uint64_t wanted)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0;

    do {
        spool_counts(s->spool, counts);
        if (counts[INSTANCE_HELD] + counts[INSTANCE_SEALED] == wanted)
            return;
        seen = spool_wait(s->spool, seen, 200);
    } while (clock_mono_ms() < until);
    fail_msg("held: %llu of %llu", (unsigned long long)counts[INSTANCE_HELD],
             (unsigned long long)wanted);
}

struct looking {
    struct site *s;
    const char *coded_as;
    unsigned places, previews;
};

/* The spool's entry of an instance. */
static struct spool_entry *
entry_of(struct spool *spool, const char *sop_instance)
{
    struct spool_filter filter = {0};
    struct spool_entry *entry = NULL;
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        OK(spool_load(spool, ids[i], &entry, &err));
        if (strcmp(entry->meta.sop_instance, sop_instance) == 0)
            break;
        spool_entry_free(&entry);
    }
    free(ids);
    assert_non_null(entry);
    return entry;
}

static int
look_at_place(void *user, const struct keep_place *place, struct err *e)
{
    struct looking *l = user;
    enum way way = (enum way)(place->sop_instance[sizeof STUDY] - '1');
    struct spool_entry *entry = entry_of(l->s->spool, place->sop_instance);
    uint8_t digest[DIGEST_BYTES];
    int fd = -1;

    (void)e;
    OK(keep_open_place(l->s->centre.vault.keep, place, &fd, &err));
    OK(digest_file(fd, place->offset, place->size, digest, &err));
    close(fd);
    assert_memory_equal(digest, place->object, DIGEST_BYTES);
    assert_memory_equal(place->received, entry->received_sha256, DIGEST_BYTES);
    if (way == HONEST) {
        assert_string_equal(place->transfer_syntax, l->coded_as);
        assert_true(entry->is_coded);
    } else {
        assert_string_equal(place->transfer_syntax, DCM_UID_EXPLICIT_LE);
        assert_memory_equal(digest, entry->received_sha256, DIGEST_BYTES);
        assert_false(entry->is_coded);
        assert_string_equal(entry->why_not_coded, way == DIES ? "the encoder gave it up"
                                                              : "the coding did not prove itself");
    }
    spool_entry_free(&entry);
    l->places++;
    return 0;
}

static int
look_at_preview(void *user, const struct keep_preview *preview, struct err *e)
{
    struct looking *l = user;

    (void)preview;
    (void)e;
    l->previews++;
    return 0;
}

static void
all_goes_raw_and_is_told(const char *database, enum uplink_coding coding, const char *coded_as)
{
    static const uint64_t failed = (SPOILS_THE_RECIPE - SPOILS_PIXELS + 1) * PER_WAY;
    struct uplink_status status;
    struct keep_standing standing;
    struct looking l = {.coded_as = coded_as};
    struct site s;

    site_open(&s, database, coding);
    for (int n = 0; n < PER_WAY; n++)
        for (int way = HONEST; way < WAYS; way++)
            receive(&s, (enum way)way, n);
    wait_held(&s, WAYS * PER_WAY);

    uplink_status(s.up, &status);
    assert_int_equal(status.proofs_failed, failed);
    l.s = &s;
    OK(keep_instances(s.centre.vault.keep, "clinic-a", STUDY, NULL, NULL, look_at_place, &l, &err));
    assert_int_equal(l.places, WAYS * PER_WAY);
    /* what came of the spoilt ones before they were found out is on its way no more */
    OK(keep_previews(s.centre.vault.keep, "clinic-a", STUDY, NULL, look_at_preview, &l, &err));
    assert_int_equal(l.previews, 0);
    OK(keep_standing_get(s.centre.vault.keep, "clinic-a", STUDY, &standing, &err));
    assert_int_equal(standing.whole, WAYS * PER_WAY);
    assert_int_equal(standing.offered, WAYS * PER_WAY);

    uplink_stop(&s.up); /* an alarm outlives a restart, until somebody has seen it */
    spool_close(&s.spool);
    site_start(&s, coding);
    uplink_status(s.up, &status);
    assert_int_equal(status.proofs_failed, failed);
    OK(uplink_proofs_seen(s.up, failed - 1, &err));
    uplink_status(s.up, &status);
    assert_int_equal(status.proofs_failed, 1);
    OK(uplink_proofs_seen(s.up, failed, &err));
    uplink_status(s.up, &status);
    assert_int_equal(status.proofs_failed, 0);
    site_close(&s);
}

static void
spoilt_layers_arrive_as_received(void **state)
{
    (void)state;
    all_goes_raw_and_is_told("layers", UPLINK_CODING_LAYERS, DCM_UID_J2K_LOSSLESS);
}

static void
spoilt_jpeg_ls_arrives_as_received(void **state)
{
    (void)state;
    all_goes_raw_and_is_told("fast", UPLINK_CODING_FAST, DCM_UID_JPEGLS_LOSSLESS);
}

static int
start(void **state)
{
    (void)state;
    cluster = pg_cluster_start();
    return cluster == NULL || codec_pool_new(2, &pool, &err) < 0 ? -1 : 0;
}

static int
stop(void **state)
{
    (void)state;
    codec_pool_free(&pool);
    pg_cluster_remove(&cluster);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_layers_arrive_as_received),
        cmocka_unit_test(spoilt_jpeg_ls_arrives_as_received),
    };
    int status;

    job_table[JOB_ENCODE] = encode_badly;
    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
