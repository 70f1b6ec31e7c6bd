/* spool_fixture.c - a spool in a folder of its own. */
#include "tests/support/spool_fixture.h"

#include "proto/base/durable.h"
#include "proto/base/thread.h"
#include "proto/trust/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

int
spool_fixture_setup(void **state)
{
    struct spool_fixture *f = mem_new(sizeof *f);

    folder_make("spool", f->dir);
    f->options.segment_bytes = 1 << 20;
    f->options.keep_sealed_ms = -1;
    if (spool_open(f->dir, &f->options, &f->sp, &err) < 0)
        return -1;
    *state = f;
    return 0;
}

int
spool_fixture_teardown(void **state)
{
    struct spool_fixture *f = *state;

    spool_close(&f->sp);
    folder_remove(f->dir);
    free(f);
    return 0;
}

void
fixture_reopen(struct spool_fixture *f)
{
    spool_close(&f->sp);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
}

/* Bytes that differ from seed to seed. */
uint8_t *
fixture_bytes(size_t n, unsigned seed)
{
    uint8_t *bytes = mem_new(n);
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
    return bytes;
}

uint64_t
fixture_put(struct spool_fixture *f, size_t n, unsigned seed, uint64_t association)
{
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                              .transfer_syntax = "1.2.840.10008.1.2.1",
                              .calling_ae = "CT1",
                              .called_ae = "RADPOST",
                              .peer = "10.0.0.7",
                              .association = association};
    struct spool_draft *draft = NULL;
    uint8_t *bytes = fixture_bytes(n, seed);
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

void
fixture_assert_bytes(struct spool_fixture *f, uint64_t id, size_t n, unsigned seed)
{
    uint8_t *want = fixture_bytes(n, seed), *got = mem_new(n);
    struct spool_bytes at;

    OK(spool_source_received(f->sp, id, &at, &err));
    assert_int_equal(at.size, n);
    OK(durable_read_at(at.fd, got, n, at.offset, &err));
    assert_memory_equal(got, want, n);
    close(at.fd);
    free(got);
    free(want);
}

enum instance_state
fixture_state_of(struct spool_fixture *f, uint64_t id)
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

void
fixture_inspect(struct spool_fixture *f, uint64_t id, const char *study)
{
    struct spool_inspection facts = facts_of(study);

    OK(spool_set_inspected(f->sp, id, &facts, &err));
}

void
fixture_put_at_centre(struct spool_fixture *f, unsigned seed, const char *study, bool is_sealed)
{
    uint64_t id = fixture_put(f, 100, seed, 0);
    uint32_t revision;

    fixture_inspect(f, id, study);
    OK(spool_set_uncoded(f->sp, id, "test", &err));
    OK(spool_manifest_close(f->sp, study, &revision, &err));
    OK(spool_manifest_acked(f->sp, study, revision, &err));
    OK(spool_set_held(f->sp, id, 0, &err));
    if (is_sealed)
        OK(spool_set_sealed(f->sp, id, 0, &err));
}

void
fixture_code(struct spool_fixture *f, uint64_t id, size_t n, unsigned seed)
{
    uint8_t *bytes = fixture_bytes(n, seed);
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

static void *
twin_run(void *arg)
{
    const struct fixture_twin *t = arg;
    struct err refused;

    (void)!spool_set_duplicate(t->sp, t->copy, t->first, &refused);
    return NULL;
}

void
fixture_twin_begin(void *twin)
{
    struct fixture_twin *t = twin;

    t->thread = thread_start("twin", twin_run, t);
}

size_t
fixture_files_in(struct spool_fixture *f, const char *folder)
{
    char path[PATH_MAX];
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "%s/%s", f->dir, folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL)
        n += d->d_name[0] != '.' && strcmp(d->d_name, "ready") != 0;
    closedir(dir);
    return n;
}
