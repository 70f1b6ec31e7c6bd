/* test_spool_model.c - thousands of random acts on the spool and on a model of it that fits on a
 * page; reopened at random, they must agree. RADPOST_SEED sets another course. */
#include "gateway/spool/spool.h"

#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#define ENTRIES 120
#define STUDIES 5
#define ACTS 1500
#define WALKS 30

struct modelled {
    uint64_t id;
    size_t size;
    enum instance_state state;
    int study;         /* -1: not inspected */
    int home;          /* its study, once it was inspected for the first time; -1: it never was */
    uint32_t revision; /* 0: on no list */
    bool is_stale;     /* the list names another file of it */
    bool has_coding;
};

struct model {
    struct modelled entries[ENTRIES];
    unsigned n;
    uint32_t revisions[STUDIES];
    uint32_t acked[STUDIES];
    uint64_t rng;
};

static struct err err;
static _Thread_local struct err w_err;

static unsigned
draw(struct model *m, unsigned below)
{
    m->rng = m->rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->rng >> 33) % below;
}

static const char *
study_name(int study)
{
    static const char *const names[STUDIES] = {"1.9.1", "1.9.2", "1.9.3", "1.9.4", "1.9.5"};

    return names[study];
}

static void
note_listed_object(const struct model *m, struct modelled *e, enum instance_event event)
{
    bool is_dropped =
        e->has_coding && (event == INSTANCE_SAW_NO_CODING || event == INSTANCE_SAW_RELEASE);
    bool is_told = event == INSTANCE_SAW_CODING && m->acked[e->home] >= e->revision;

    if (e->revision > 0 && (is_dropped || is_told))
        e->is_stale = true;
}

/* Try an event on the spool; whether it may succeed is the table's word.
 * long because every event has a case */
static void
step(struct spool_fixture *f, struct model *m, struct modelled *e, unsigned seed)
{
    static const enum instance_event events[] = {
        INSTANCE_SAW_FACTS,  INSTANCE_SAW_CODING,  INSTANCE_SAW_NO_CODING, INSTANCE_SAW_LOOK,
        INSTANCE_SAW_HELD,   INSTANCE_SAW_SEALED,  INSTANCE_SAW_TROUBLE,   INSTANCE_SAW_TWIN,
        INSTANCE_SAW_WANTED, INSTANCE_SAW_RELEASE, INSTANCE_SAW_REQUEUE,   INSTANCE_SAW_DISCARD};
    enum instance_event event = events[draw(m, ARRAY_LEN(events))];
    enum instance_state to = e->state;
    int study = (int)draw(m, STUDIES), rc = -1;
    bool is_listed;

    if (e->home >= 0)
        study = e->home; /* the same bytes say the same study */
    if ((event == INSTANCE_SAW_TROUBLE || event == INSTANCE_SAW_TWIN) && draw(m, 10) != 0)
        return; /* ends are rare */
    if (event == INSTANCE_SAW_WANTED && !e->has_coding)
        event = INSTANCE_SAW_WANTED_PLAIN;
    if (event == INSTANCE_SAW_REQUEUE && e->state != INSTANCE_SEALED)
        return;
    if (event == INSTANCE_SAW_REQUEUE && !e->has_coding)
        event = INSTANCE_SAW_REQUEUE_PLAIN;
    is_listed = instance_next(e->state, event, &to);
    switch (event) {
    case INSTANCE_SAW_FACTS: {
        struct spool_inspection facts = {.modality = "CT"};

        snprintf(facts.study_uid, sizeof facts.study_uid, "%s", study_name(study));
        rc = spool_set_inspected(f->sp, e->id, &facts, &err);
        break;
    }
    case INSTANCE_SAW_CODING:
        if (!is_listed)
            return;
        fixture_code(f, e->id, 300 + seed, seed);
        rc = 0;
        break;
    case INSTANCE_SAW_NO_CODING:
        rc = spool_set_uncoded(f->sp, e->id, "drawn", &err);
        break;
    case INSTANCE_SAW_LOOK:
        rc = spool_set_looked(f->sp, e->id, 0, &err);
        break;
    case INSTANCE_SAW_HELD:
        rc = spool_set_held(f->sp, e->id, 1, &err);
        break;
    case INSTANCE_SAW_SEALED:
        rc = spool_set_sealed(f->sp, e->id, 2, &err);
        break;
    case INSTANCE_SAW_TROUBLE:
        rc = spool_set_quarantined(f->sp, e->id, "drawn", &err);
        break;
    case INSTANCE_SAW_DISCARD:
        rc = spool_discard(f->sp, e->id, "other", "model", &err);
        break;
    case INSTANCE_SAW_RELEASE:
        rc = spool_release(f->sp, e->id, &err);
        break;
    case INSTANCE_SAW_REQUEUE:
    case INSTANCE_SAW_REQUEUE_PLAIN:
        rc = spool_requeue(f->sp, e->id, &err);
        break;
    case INSTANCE_SAW_TWIN:
        rc = spool_set_duplicate(f->sp, e->id, 0, &err);
        break;
    default:
        rc = spool_set_wanted(f->sp, e->id, &err);
        break;
    }
    assert_int_equal(rc, is_listed ? 0 : -1);
    if (!is_listed)
        return;
    if (event == INSTANCE_SAW_FACTS)
        e->study = e->home = study;
    note_listed_object(m, e, event);
    if (event == INSTANCE_SAW_CODING)
        e->has_coding = true;
    if (event == INSTANCE_SAW_RELEASE)
        e->study = -1;
    if (event == INSTANCE_SAW_TROUBLE) /* released, and aside again: still of its study */
        e->study = e->home;
    if (event == INSTANCE_SAW_NO_CODING || event == INSTANCE_SAW_RELEASE)
        e->has_coding = false;
    e->state = to;
}

static bool
is_listable(const struct modelled *e)
{
    return e->study >= 0 && (INSTANCE_BIT(e->state) & INSTANCE_UNLISTED) == 0;
}

/* What the next list of its study does with it. */
enum change { STAYS, IS_NEWS, LEAVES };

static enum change
change_of(const struct model *m, const struct modelled *e, int study)
{
    if (e->study == study && is_listable(e))
        return e->revision == 0 || e->is_stale ? IS_NEWS : STAYS;
    if (e->home != study || e->revision == 0 || (INSTANCE_BIT(e->state) & INSTANCE_UNLISTED) == 0)
        return STAYS;
    return e->state != INSTANCE_QUARANTINED || m->revisions[study] > m->acked[study] ? LEAVES
                                                                                     : STAYS;
}

static void
close_manifest(struct spool_fixture *f, struct model *m, int study)
{
    bool has_study = false, has_changes = false, is_forced = draw(m, 8) == 0;
    enum change changes[ENTRIES] = {STAYS};
    uint32_t revision = 0, past = 0;
    int rc;

    for (unsigned i = 0; i < m->n; i++) {
        changes[i] = change_of(m, &m->entries[i], study);
        has_study = has_study || m->entries[i].home == study;
        has_changes = has_changes || changes[i] != STAYS;
    }
    if (!has_study)
        return;
    if (is_forced)
        past = draw(m, 2) == 0 ? 0 : m->revisions[study] + draw(m, 3);
    rc = is_forced ? spool_manifest_renumber(f->sp, study_name(study), past, &revision, &err)
                   : spool_manifest_close(f->sp, study_name(study), &revision, &err);
    assert_int_equal(rc, 0);
    if (past > m->revisions[study])
        m->revisions[study] = past;
    m->revisions[study] += has_changes || is_forced;
    assert_int_equal(revision, m->revisions[study]);
    for (unsigned i = 0; i < m->n; i++)
        if (changes[i] != STAYS) {
            m->entries[i].revision = changes[i] == IS_NEWS ? revision : 0;
            m->entries[i].is_stale = false;
        }
    if (draw(m, 2) == 0) {
        assert_int_equal(spool_manifest_acked(f->sp, study_name(study), revision, &err), 0);
        m->acked[study] = revision;
    }
}

static void
compare_studies(struct spool_fixture *f, const struct model *m)
{
    for (int s = 0; s < STUDIES; s++) {
        uint64_t counts[INSTANCE_STATES] = {0}, total = 0, changes[LEAVES + 1] = {0};
        struct spool_study study;

        for (unsigned i = 0; i < m->n; i++) {
            changes[change_of(m, &m->entries[i], s)]++;
            if (m->entries[i].study == s && m->entries[i].state != INSTANCE_DISCARDED) {
                counts[m->entries[i].state]++;
                total++;
            }
        }
        if (total == 0)
            continue;
        assert_int_equal(spool_study(f->sp, study_name(s), &study, &err), 0);
        assert_int_equal(study.total, total);
        assert_memory_equal(study.counts, counts, sizeof counts);
        assert_int_equal(study.revision, m->revisions[s]);
        assert_int_equal(study.acked_revision, m->acked[s]);
        assert_int_equal(study.unlisted, changes[IS_NEWS]);
        assert_int_equal(study.leaving, changes[LEAVES]);
    }
}

static void
compare(struct spool_fixture *f, const struct model *m)
{
    struct spool_filter all = {0};
    uint64_t *ids = NULL;
    size_t n;

    spool_list(f->sp, &all, &ids, &n);
    assert_int_equal(n, m->n);
    for (unsigned i = 0; i < m->n; i++) {
        const struct modelled *want = &m->entries[i];
        struct spool_entry *got = NULL;

        assert_int_equal(ids[i], want->id);
        assert_int_equal(spool_load(f->sp, want->id, &got, &err), 0);
        assert_int_equal(got->state, want->state);
        assert_int_equal(got->size, want->size);
        assert_int_equal(got->is_coded, want->has_coding);
        assert_int_equal(got->revision, want->revision);
        spool_entry_free(&got);
        if (i % 7 == 0)
            fixture_assert_bytes(f, want->id, want->size, i);
    }
    free(ids);
    compare_studies(f, m);
}

static void
agree(struct spool_fixture *f, uint64_t course)
{
    struct model m = {.rng = course};
    const char *seed = getenv("RADPOST_SEED");

    if (seed != NULL)
        m.rng = strtoull(seed, NULL, 10);
    for (unsigned act = 0; act < ACTS; act++) {
        unsigned what = draw(&m, 100);

        if ((what < 15 || m.n == 0) && m.n < ENTRIES) {
            struct modelled *e = &m.entries[m.n];

            *e = (struct modelled){.size = 1 + draw(&m, 30000), .study = -1, .home = -1};
            e->id = fixture_put(f, e->size, m.n, 0);
            m.n++;
        } else if (what < 88) {
            step(f, &m, &m.entries[draw(&m, m.n)], act);
        } else if (what < 96) {
            close_manifest(f, &m, (int)draw(&m, STUDIES));
        } else {
            fixture_reopen(f);
            compare(f, &m);
        }
    }
    compare(f, &m);
    assert_true(m.n > 50);
}

static void
spool_and_model_agree(void **state)
{
    agree(*state, 20261121);
}

/* A new journal begins again and again while arrows and manifests are under way. */
static void
spool_and_model_agree_while_the_journal_is_renewed(void **state)
{
    struct spool_fixture *f = *state;

    f->options.journal_bytes = 1;
    fixture_reopen(f);
    agree(f, 20261122);
}

struct walker {
    struct spool_fixture *f;
    unsigned seed;
    pthread_t thread;
};

static void *
walk(void *arg)
{
    struct walker *w = arg;

    for (unsigned i = 0; i < WALKS; i++) {
        uint64_t id = fixture_put(w->f, 200, w->seed + i, 0);

        fixture_inspect(w->f, id, "1.9");
        if (spool_set_uncoded(w->f->sp, id, "-", &w_err) < 0 ||
            spool_set_held(w->f->sp, id, w->seed + i, &w_err) < 0)
            abort();
    }
    return NULL;
}

/* Batches of several threads' arrows, renewals between them: no arrow that was told is lost. */
static void
a_journal_renewed_among_batches_keeps_every_arrow(void **state)
{
    struct spool_fixture *f = *state;
    struct walker walkers[4];
    struct spool_filter held = {.states = INSTANCE_BIT(INSTANCE_HELD)};
    char path[FOLDER_PATH_BYTES + 64];
    uint64_t *ids;
    size_t n;

    f->options.journal_bytes = 1;
    fixture_reopen(f);
    for (unsigned i = 0; i < ARRAY_LEN(walkers); i++) {
        walkers[i] = (struct walker){.f = f, .seed = 1000 * (i + 1)};
        assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(walkers); i++)
        pthread_join(walkers[i].thread, NULL);
    snprintf(path, sizeof path, "%s/journal/0000000000000002.jnl", f->dir);
    assert_int_not_equal(access(path, F_OK), 0); /* that one is gone: there were newer ones */
    fixture_reopen(f);
    spool_list(f->sp, &held, &ids, &n);
    assert_int_equal(n, ARRAY_LEN(walkers) * WALKS);
    free(ids);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spool_and_model_agree, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(spool_and_model_agree_while_the_journal_is_renewed,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_journal_renewed_among_batches_keeps_every_arrow,
                                        spool_fixture_setup, spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
