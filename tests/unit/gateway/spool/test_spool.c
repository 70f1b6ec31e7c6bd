/* test_spool.c - the spool as its callers see it: commit, reopen, arrows, studies, garbage. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/trust/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

struct fixture {
    char dir[PATH_MAX];
    struct spool_options options;
    struct spool *sp;
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int
setup(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    const char *tmp = getenv("TMPDIR");

    snprintf(f->dir, sizeof f->dir, "%s/spool-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->options.segment_bytes = 1 << 20;
    f->options.keep_sealed_ms = -1;
    if (spool_open(f->dir, &f->options, &f->sp, &err) < 0)
        return -1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    spool_close(&f->sp);
    nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void
reopen(struct fixture *f)
{
    spool_close(&f->sp);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
}

/* Bytes that differ from seed to seed. */
static uint8_t *
make_bytes(size_t n, unsigned seed)
{
    uint8_t *bytes = mem_new(n);
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
    return bytes;
}

static uint64_t
put(struct fixture *f, size_t n, unsigned seed, uint64_t association)
{
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                              .transfer_syntax = "1.2.840.10008.1.2.1",
                              .calling_ae = "CT1",
                              .called_ae = "RADPOST",
                              .peer = "10.0.0.7",
                              .association = association};
    struct spool_draft *draft = NULL;
    uint8_t *bytes = make_bytes(n, seed);
    uint64_t id = 0;

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "1.2.3.%u", seed);
    OK(spool_draft_begin(f->sp, &meta, &draft, &err));
    for (size_t at = 0; at < n; at += 100000)
        OK(spool_draft_write(draft, bytes + at, n - at < 100000 ? n - at : 100000, &err));
    OK(spool_commit(f->sp, &draft, &id, &err));
    assert_null(draft);
    free(bytes);
    return id;
}

static void
assert_bytes(struct fixture *f, uint64_t id, size_t n, unsigned seed)
{
    uint8_t *want = make_bytes(n, seed), *got = mem_new(n);
    struct spool_bytes at;

    OK(spool_source_received(f->sp, id, &at, &err));
    assert_int_equal(at.size, n);
    OK(durable_read_at(at.fd, got, n, at.offset, &err));
    assert_memory_equal(got, want, n);
    close(at.fd);
    free(got);
    free(want);
}

static enum instance_state
state_of(struct fixture *f, uint64_t id)
{
    struct spool_entry *e = NULL;
    enum instance_state state;

    OK(spool_load(f->sp, id, &e, &err));
    state = e->state;
    spool_entry_free(&e);
    return state;
}

static struct spool_inspection
facts_of(const char *study)
{
    struct spool_inspection facts = {.modality = "CT", .series_uid = "1.2.5", .frames = 1};

    snprintf(facts.study_uid, sizeof facts.study_uid, "%s", study);
    memset(facts.pixels_sha256, 7, 32);
    memset(facts.dataset_sha256, 8, 32);
    return facts;
}

static void
inspect(struct fixture *f, uint64_t id, const char *study)
{
    struct spool_inspection facts = facts_of(study);

    OK(spool_set_inspected(f->sp, id, &facts, &err));
}

static void
code(struct fixture *f, uint64_t id, size_t n, unsigned seed)
{
    uint8_t *bytes = make_bytes(n, seed);
    struct spool_coding c = {.fd = memfd_create("coded", MFD_CLOEXEC),
                             .size = n,
                             .recipe = (const uint8_t *)"recipe",
                             .recipe_n = 6,
                             .layout = (const uint8_t *)"lay",
                             .layout_n = 3};

    OK(durable_write(c.fd, bytes, n, &err));
    digest_bytes(bytes, n, c.sha256);
    OK(spool_set_coded(f->sp, id, &c, &err));
    close(c.fd);
    free(bytes);
}

static size_t
files_in(struct fixture *f, const char *folder)
{
    char path[PATH_MAX];
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "%s/%s", f->dir, folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* ---- claims ---- */

static void
what_is_committed_is_there_after_reopening(void **state)
{
    static const size_t sizes[] = {1, 600, 4096, 70000, 3000000, 17u << 20};
    struct fixture *f = *state;
    uint64_t ids[ARRAY_LEN(sizes)];

    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        ids[i] = put(f, sizes[i], i, 0);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        assert_bytes(f, ids[i], sizes[i], i);
    for (int round = 0; round < 3; round++) {
        reopen(f);
        for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
            assert_bytes(f, ids[i], sizes[i], i);
    }

    assert_int_equal(files_in(f, "tmp"), 0);
    assert_int_equal(files_in(f, "journal"), 1);
    assert_int_equal(files_in(f, "corrupt"), 0);
}

static void
what_was_said_about_it_comes_back(void **state)
{
    struct fixture *f = *state;
    struct spool_entry *e = NULL;
    uint8_t *bytes = make_bytes(5000, 3), sha256[32];
    uint64_t id = put(f, 5000, 3, 0);

    reopen(f);
    OK(spool_load(f->sp, id, &e, &err));
    assert_int_equal(e->state, INSTANCE_RECEIVED);
    assert_string_equal(e->meta.sop_instance, "1.2.3.3");
    assert_string_equal(e->meta.calling_ae, "CT1");
    assert_string_equal(e->meta.peer, "10.0.0.7");
    assert_int_equal(e->size, 5000);
    digest_bytes(bytes, 5000, sha256);
    assert_memory_equal(e->received_sha256, sha256, 32);
    assert_memory_equal(e->object_sha256, sha256, 32);
    assert_false(e->is_coded);
    spool_entry_free(&e);
    free(bytes);
}

static void
a_draft_that_is_freed_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;
    uint8_t *bytes = make_bytes(2 << 20, 1);
    struct spool_health health;

    OK(spool_draft_begin(f->sp, &meta, &draft, &err));
    OK(spool_draft_write(draft, bytes, 2 << 20, &err));
    assert_int_equal(files_in(f, "tmp"), 1);
    spool_draft_free(&draft);
    spool_health(f->sp, &health);

    assert_int_equal(files_in(f, "tmp"), 0);
    assert_int_equal(health.entries, 0);
    free(bytes);
}

static void
arrows_survive_reopening(void **state)
{
    struct fixture *f = *state;
    static const size_t coded_sizes[] = {3000, 17u << 20};

    for (unsigned i = 0; i < ARRAY_LEN(coded_sizes); i++) {
        uint64_t id = put(f, 70000, i, 0);
        struct spool_entry *e = NULL;
        struct spool_bytes at;

        inspect(f, id, "1.9");
        reopen(f);
        assert_int_equal(state_of(f, id), INSTANCE_INSPECTED);
        code(f, id, coded_sizes[i], 77);
        OK(spool_set_looked(f->sp, id, 0, &err));
        reopen(f);
        OK(spool_load(f->sp, id, &e, &err));
        assert_int_equal(e->state, INSTANCE_LOOKED);
        assert_true(e->is_coded);
        assert_int_equal(e->object_size, coded_sizes[i]);
        assert_int_equal(e->recipe_n, 6);
        assert_memory_equal(e->recipe, "recipe", 6);
        assert_memory_equal(e->layout, "lay", 3);
        assert_string_equal(e->facts.study_uid, "1.9");
        spool_entry_free(&e);
        OK(spool_source_object(f->sp, id, &at, &err));
        assert_int_equal(at.size, coded_sizes[i]);
        close(at.fd);
        assert_bytes(f, id, 70000, i);
        OK(spool_set_held(f->sp, id, 41, &err));
        OK(spool_set_sealed(f->sp, id, 42, &err));
        reopen(f);
        OK(spool_load(f->sp, id, &e, &err));
        assert_int_equal(e->state, INSTANCE_SEALED);
        assert_int_equal(e->receipt_seq, 42);
        assert_true(e->state_at_us[INSTANCE_HELD] > 0);
        spool_entry_free(&e);
    }
}

static void
an_arrow_that_is_not_listed_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = put(f, 100, 1, 0);

    assert_int_equal(spool_set_sealed(f->sp, id, 1, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(spool_set_held(f->sp, 999, 1, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(state_of(f, id), INSTANCE_RECEIVED);
    reopen(f);
    assert_int_equal(state_of(f, id), INSTANCE_RECEIVED);
}

static void
coded_bytes_that_disagree_with_their_digest_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t id = put(f, 100, 1, 0);
    struct spool_coding c = {.fd = memfd_create("coded", MFD_CLOEXEC), .size = 3};

    inspect(f, id, "1.9");
    OK(durable_write(c.fd, "abc", 3, &err));
    assert_int_equal(spool_set_coded(f->sp, id, &c, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(state_of(f, id), INSTANCE_INSPECTED);
    OK(spool_set_uncoded(f->sp, id, "not eligible", &err));
    assert_int_equal(state_of(f, id), INSTANCE_PLAIN);
    close(c.fd);
}

static void
a_late_image_is_the_next_revision(void **state)
{
    struct fixture *f = *state;
    struct spool_study study;
    struct spool_entry *e = NULL;
    uint32_t revision;
    uint64_t a = put(f, 100, 1, 0), b = put(f, 100, 2, 0), late;

    inspect(f, a, "1.9");
    inspect(f, b, "1.9");
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    assert_int_equal(revision, 1);
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    assert_int_equal(revision, 1);
    OK(spool_manifest_acked(f->sp, "1.9", 1, &err));
    late = put(f, 100, 3, 0);
    inspect(f, late, "1.9");
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.unlisted, 1);
    reopen(f);
    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    assert_int_equal(revision, 2);
    reopen(f);

    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.revision, 2);
    assert_int_equal(study.acked_revision, 1);
    assert_int_equal(study.unlisted, 0);
    assert_int_equal(study.total, 3);
    assert_int_equal(study.counts[INSTANCE_INSPECTED], 3);
    OK(spool_load(f->sp, a, &e, &err));
    assert_int_equal(e->revision, 1);
    spool_entry_free(&e);
    OK(spool_load(f->sp, late, &e, &err));
    assert_int_equal(e->revision, 2);
    spool_entry_free(&e);
}

static void
a_study_is_quiet_only_when_no_association_is_open(void **state)
{
    struct fixture *f = *state;
    struct spool_study study;
    uint64_t association, id;

    clock_fake(1700000000000000, 1000);
    association = spool_association_begin(f->sp);
    id = put(f, 100, 1, association);
    inspect(f, id, "1.9");
    clock_fake_advance(60000);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.open_associations, 1);
    assert_int_equal(study.quiet_ms, 0);
    spool_association_end(f->sp, association);
    clock_fake_advance(30000);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.quiet_ms, 30000);
    put(f, 100, 2, 0); /* not looked into yet: may belong to any study */
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.quiet_ms, 0);
    clock_unfake();
}

static void
only_sealed_segments_are_garbage(void **state)
{
    struct fixture *f = *state;
    struct spool_bytes at;
    struct spool_study study;
    uint64_t a, b;

    f->options.keep_sealed_ms = 0;
    reopen(f);
    a = put(f, 17u << 20, 1, 0);
    b = put(f, 17u << 20, 2, 0);
    inspect(f, a, "1.9");
    inspect(f, b, "1.9");
    OK(spool_set_uncoded(f->sp, a, "-", &err));
    OK(spool_set_uncoded(f->sp, b, "-", &err));
    OK(spool_set_held(f->sp, a, 1, &err));
    OK(spool_set_held(f->sp, b, 2, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 0);
    OK(spool_set_sealed(f->sp, a, 3, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 1);

    assert_int_equal(spool_source_received(f->sp, a, &at, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_bytes(f, b, 17u << 20, 2);
    reopen(f);
    assert_int_equal(state_of(f, a), INSTANCE_SEALED);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.total, 2);
    assert_bytes(f, b, 17u << 20, 2);
}

static void
an_old_summary_goes_with_its_study(void **state)
{
    struct fixture *f = *state;
    struct spool_study study;
    uint64_t id;

    f->options.keep_sealed_ms = 0;
    f->options.keep_summary_ms = 1000;
    clock_fake(1700000000000000, 1000);
    reopen(f);
    id = put(f, 17u << 20, 1, 0);
    inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "-", &err));
    OK(spool_set_sealed(f->sp, id, 3, &err));
    assert_int_equal(spool_collect_garbage(f->sp), 1);
    OK(spool_study(f->sp, "1.9", &study, &err));
    clock_fake_advance(1000);
    spool_collect_garbage(f->sp);

    assert_int_equal(spool_study(f->sp, "1.9", &study, &err), -1);
    clock_unfake();
}

static void
twins_are_found_by_their_sop_instance(void **state)
{
    struct fixture *f = *state;
    uint64_t a = put(f, 100, 5, 0), b = put(f, 100, 5, 0), *ids;
    struct spool_filter filter = {.sop_instance = "1.2.3.5"};
    size_t n;

    put(f, 100, 6, 0);
    inspect(f, a, "1.9");
    inspect(f, b, "1.9");
    OK(spool_set_duplicate(f->sp, b, a, &err));
    spool_list(f->sp, &filter, &ids, &n);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], a);
    assert_int_equal(ids[1], b);
    free(ids);
    filter.states = INSTANCE_BIT(INSTANCE_DUPLICATE);
    spool_list(f->sp, &filter, &ids, &n);
    assert_int_equal(n, 1);
    free(ids);
}

static void
below_the_refuse_mark_nothing_is_taken(void **state)
{
    struct fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;
    struct spool_health health;
    uint64_t id = put(f, 100, 1, 0);

    f->options.refuse_free_bytes = UINT64_MAX;
    reopen(f);
    assert_int_equal(spool_draft_begin(f->sp, &meta, &draft, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(err_kind_dimse(err.kind), 0xA700);
    spool_health(f->sp, &health);
    assert_int_equal(health.disk, SPOOL_DISK_REFUSE);
    inspect(f, id, "1.9"); /* what is here goes on */
}

static void
a_second_opener_is_refused_but_a_reader_is_not(void **state)
{
    struct fixture *f = *state;
    struct spool_options reading = {.is_read_only = true};
    struct spool *other = NULL;
    struct spool_health health;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;

    put(f, 100, 1, 0);
    assert_int_equal(spool_open(f->dir, &f->options, &other, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(spool_open(f->dir, &reading, &other, &err));
    spool_health(other, &health);
    assert_int_equal(health.entries, 1);
    assert_int_equal(spool_draft_begin(other, &meta, &draft, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    spool_close(&other);
}

struct sender {
    struct fixture *f;
    unsigned seed;
    pthread_t thread;
};

static void *
send_many(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < 20; i++)
        put(s->f, 9000 + i, s->seed + i, 0);
    return NULL;
}

static void
commits_at_once_share_syncs_and_all_stay(void **state)
{
    struct fixture *f = *state;
    struct sender senders[8];
    struct spool_health health;
    struct spool_filter all = {0};
    uint64_t *ids;
    size_t n;

    for (unsigned i = 0; i < ARRAY_LEN(senders); i++) {
        senders[i] = (struct sender){.f = f, .seed = 1000 * (i + 1)};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(senders); i++)
        pthread_join(senders[i].thread, NULL);
    spool_health(f->sp, &health);
    assert_int_equal(health.commits, 160);
    assert_true(health.syncs <= 160);
    reopen(f);

    spool_list(f->sp, &all, &ids, &n);
    assert_int_equal(n, 160);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *e = NULL;
        unsigned seed;

        OK(spool_load(f->sp, ids[i], &e, &err));
        assert_int_equal(sscanf(e->meta.sop_instance, "1.2.3.%u", &seed), 1);
        assert_bytes(f, ids[i], 9000 + seed % 1000, seed);
        spool_entry_free(&e);
    }
    free(ids);
}

static void
spool_wait_wakes_on_change_and_numbers_last(void **state)
{
    struct fixture *f = *state;
    uint64_t change = spool_wait(f->sp, 0, 0);

    put(f, 100, 1, 0);
    assert_true(spool_wait(f->sp, change, 60000) > change);
    OK(spool_number_set(f->sp, "receipts", 77, &err));
    reopen(f);
    assert_int_equal(spool_number_get(f->sp, "receipts"), 77);
    assert_int_equal(spool_number_get(f->sp, "other"), 0);
}

static void
what_the_centre_lost_goes_again(void **state)
{
    struct fixture *f = *state;
    uint64_t plain = put(f, 100, 1, 0), coded = put(f, 100, 2, 0);

    inspect(f, plain, "1.9");
    inspect(f, coded, "1.9");
    OK(spool_set_uncoded(f->sp, plain, "-", &err));
    code(f, coded, 50, 9);
    OK(spool_set_held(f->sp, plain, 1, &err));
    OK(spool_set_held(f->sp, coded, 2, &err));
    OK(spool_set_wanted(f->sp, plain, &err));
    OK(spool_set_wanted(f->sp, coded, &err));
    assert_int_equal(state_of(f, plain), INSTANCE_PLAIN);
    assert_int_equal(state_of(f, coded), INSTANCE_CODED);
}

int
main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(what_is_committed_is_there_after_reopening),
        CLAIM(what_was_said_about_it_comes_back),
        CLAIM(a_draft_that_is_freed_leaves_no_trace),
        CLAIM(arrows_survive_reopening),
        CLAIM(an_arrow_that_is_not_listed_changes_nothing),
        CLAIM(coded_bytes_that_disagree_with_their_digest_are_refused),
        CLAIM(a_late_image_is_the_next_revision),
        CLAIM(a_study_is_quiet_only_when_no_association_is_open),
        CLAIM(only_sealed_segments_are_garbage),
        CLAIM(an_old_summary_goes_with_its_study),
        CLAIM(twins_are_found_by_their_sop_instance),
        CLAIM(below_the_refuse_mark_nothing_is_taken),
        CLAIM(a_second_opener_is_refused_but_a_reader_is_not),
        CLAIM(commits_at_once_share_syncs_and_all_stay),
        CLAIM(spool_wait_wakes_on_change_and_numbers_last),
        CLAIM(what_the_centre_lost_goes_again),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
