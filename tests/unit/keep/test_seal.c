/* test_seal.c - several packs at a time, several packers at once: each pack once, whatever happens.
 */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/thread.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { STUDIES = 16, SERIES = 3, PACKERS_AT_ONCE = 3 };

static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};
static const struct keep_wait now = {.ms = 0};

/* A study of one image in each of its series, held and listed: as many jobs as series. */
struct exam {
    char study[32], series[SERIES][40], instance[SERIES][48];
    struct slice s[SERIES];
};

static void
exam_put(struct vault *a, struct exam *e, unsigned number, size_t series)
{
    snprintf(e->study, sizeof e->study, "1.2.5.%u", number);
    for (size_t i = 0; i < series; i++) {
        snprintf(e->series[i], sizeof e->series[i], "%s.%zu", e->study, i + 1);
        snprintf(e->instance[i], sizeof e->instance[i], "%s.1", e->series[i]);
        e->s[i] = (struct slice){.study = e->study,
                                 .series = e->series[i],
                                 .instance = e->instance[i],
                                 .noise = number * SERIES + (unsigned)i};
        assert_int_equal(vault_put(a, &gate, &e->s[i]), LINK_HELD);
    }
    vault_manifest(a, &gate, 1, e->s, series);
}

static size_t
receipts_of(struct vault *a)
{
    struct link_receipts receipts;
    struct err err;
    size_t n;

    OK(keep_receipts(a->keep, &gate, 0, &now, &receipts, &err));
    n = receipts.count;
    link_receipts_free(&receipts);
    return n;
}

static size_t
sealed_of(struct vault *a, const char *study)
{
    struct keep_standing s;
    struct err err;

    OK(keep_standing_get(a->keep, "clinic-a", study, &s, &err));
    return s.sealed;
}

static int
count_sealed(void *user, const struct keep_event *event)
{
    *(size_t *)user += strcmp(event->kind, "study.sealed") == 0;
    return 0;
}

static size_t
events_of(struct vault *a)
{
    struct err err;
    size_t n = 0;

    OK(keep_events(a->keep, "clinic-a", 0, 0, count_sealed, &n, &err));
    return n;
}

/* ---- several packers ---- */

struct packer {
    struct keep *keep;
    int sealed, rc;
    struct err err;
};

static void *
pack_all(void *arg)
{
    struct packer *p = arg;
    bool did = true;

    while (did && p->rc == 0) {
        int sealed;

        p->rc = seal_next(p->keep, &sealed, &did, &p->err);
        p->sealed += p->rc == 0 ? sealed : 0;
    }
    return NULL;
}

static void
packers_at_once_make_every_pack_once(void **state)
{
    struct packer packers[PACKERS_AT_ONCE];
    pthread_t threads[PACKERS_AT_ONCE];
    struct exam *e = mem_new(sizeof *e);
    struct vault a;
    int sealed = 0;

    (void)state;
    vault_open(&a, vault_cluster, "packers");
    for (unsigned i = 1; i <= STUDIES; i++)
        exam_put(&a, e, i, SERIES);

    for (int i = 0; i < PACKERS_AT_ONCE; i++) {
        packers[i] = (struct packer){.keep = a.keep};
        threads[i] = thread_start("packer", pack_all, &packers[i]);
    }
    for (int i = 0; i < PACKERS_AT_ONCE; i++) {
        thread_join(threads[i]);
        if (packers[i].rc < 0)
            fail_msg("packer %d: %s", i, packers[i].err.text);
        sealed += packers[i].sealed;
    }

    assert_int_equal(sealed, STUDIES * SERIES);
    assert_int_equal(receipts_of(&a), STUDIES * SERIES);
    assert_int_equal(events_of(&a), STUDIES); /* once each, whoever sealed its parts */
    assert_int_equal(folder_files(a.stores[0]), STUDIES * SERIES);
    assert_int_equal(folder_files(a.stores[1]), STUDIES * SERIES);
    free(e);
    vault_close(&a);
}

/* ---- what comes meanwhile ---- */

static struct {
    struct vault *a;
    struct exam *exam;
    const char *at;
    struct slice late;
} meanwhile;

static void
a_late_image_comes(const char *step)
{
    struct slice both[2] = {meanwhile.exam->s[0], meanwhile.late};

    if (strcmp(step, meanwhile.at) != 0)
        return;
    seal_on_step = NULL;
    assert_int_equal(vault_put(meanwhile.a, &gate, &meanwhile.late), LINK_HELD);
    vault_manifest(meanwhile.a, &gate, 2, both, 2);
}

static void
a_late_list_while_packing_makes_a_pack_of_its_own(void **state)
{
    static const char *const steps[] = {"planned", "written", "all copies verified"};
    struct exam *e = mem_new(sizeof *e);
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "late");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        char instance[64];
        int sealed, all = 0;
        bool did = true;

        exam_put(&a, e, (unsigned)i + 1, 1);
        snprintf(instance, sizeof instance, "%s.2", e->series[0]);
        meanwhile.a = &a;
        meanwhile.exam = e;
        meanwhile.at = steps[i];
        meanwhile.late = e->s[0];
        meanwhile.late.instance = instance;
        meanwhile.late.noise += 1000;
        seal_on_step = a_late_image_comes;
        while (did) {
            OK(seal_next(a.keep, &sealed, &did, &err));
            all += sealed;
        }
        if (seal_on_step != NULL || all != 2)
            fail_msg("%s: %d packs", steps[i], all);
        assert_int_equal(sealed_of(&a, e->study), 2);
        assert_int_equal(receipts_of(&a), 2 * (i + 1));
    }
    free(e);
    vault_close(&a);
}

/* ---- one of a group cannot be packed ---- */

static void
spoil_landing(struct vault *a, const struct slice *s)
{
    struct link_offer_object o;
    char path[400], hex[65];
    struct buf file;
    FILE *f;

    slice_make(s, &file);
    slice_offer(s, &file, &o);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", o.object[i]);
    snprintf(path, sizeof path, "%s/whole/clinic-a-%s.dcm", a->landing, hex);
    f = fopen(path, "r+e");
    if (f == NULL)
        fail_msg("no landing file %s", path);
    fseek(f, 200, SEEK_SET);
    fputc(file.bytes[200] ^ 1, f);
    assert_int_equal(fclose(f), 0);
    buf_fini(&file);
}

static void
a_pack_that_cannot_be_made_costs_the_others_nothing(void **state)
{
    struct exam *e = mem_new(3 * sizeof *e);
    struct vault a;
    struct err err;
    int sealed;
    bool did;

    (void)state;
    vault_open(&a, vault_cluster, "spoilt");
    for (unsigned i = 0; i < 3; i++)
        exam_put(&a, &e[i], i + 1, 1);
    spoil_landing(&a, &e[1].s[0]);

    OK(seal_next(a.keep, &sealed, &did, &err));
    assert_int_equal(sealed, 2);
    assert_int_equal(sealed_of(&a, e[0].study), 1);
    assert_int_equal(sealed_of(&a, e[1].study), 0); /* never called sealed */
    assert_int_equal(sealed_of(&a, e[2].study), 1);
    OK(seal_next(a.keep, &sealed, &did, &err));
    assert_int_equal(sealed, 0); /* nothing is left of it */

    assert_int_equal(vault_put(&a, &gate, &e[1].s[0]), LINK_HELD);
    OK(seal_next(a.keep, &sealed, &did, &err));
    assert_int_equal(sealed, 1);
    assert_int_equal(receipts_of(&a), 3);
    free(e);
    vault_close(&a);
}

static const char *to_change; /* in the catalog, while a group is packed */

static void
somebody_changes_the_catalog(const char *step)
{
    if (strcmp(step, "all copies verified") != 0)
        return;
    seal_on_step = NULL;
    vault_sql(meanwhile.a, to_change);
}

/* Of three: the second pack's row contradicts; its instance is another pack's by now. */
static void
a_pack_that_the_catalog_refuses_costs_the_others_nothing(void **state)
{
    static const char *const faults[][2] = {
        {"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF (SELECT series_uid "
         "FROM series WHERE id = NEW.series) = '1.2.5.2.1' THEN RAISE unique_violation; END IF; "
         "RETURN NEW; END $$; CREATE TRIGGER no BEFORE INSERT ON packs FOR EACH ROW EXECUTE "
         "FUNCTION no()",
         "DROP TRIGGER no ON packs"},
        {"UPDATE instances SET pack = (SELECT min(id) FROM packs) WHERE sop_instance = "
         "'1.2.5.12.1.1'",
         "UPDATE instances SET pack = NULL WHERE sop_instance = '1.2.5.12.1.1'"},
    };
    struct exam *e = mem_new(3 * sizeof *e);
    size_t receipts = 0;
    struct vault a;
    struct err err;
    int sealed;
    bool did;

    (void)state;
    vault_open(&a, vault_cluster, "refused");
    for (unsigned f = 0; f < ARRAY_LEN(faults); f++) {
        for (unsigned i = 0; i < 3; i++)
            exam_put(&a, &e[i], 1 + 10 * f + i, 1);
        meanwhile.a = &a;
        to_change = faults[f][0];
        seal_on_step = somebody_changes_the_catalog;

        OK(seal_next(a.keep, &sealed, &did, &err));
        vault_sql(&a, faults[f][1]);
        assert_int_equal(sealed, 2);
        assert_int_equal(sealed_of(&a, e[0].study), 1);
        assert_int_equal(sealed_of(&a, e[1].study), 0);
        assert_int_equal(sealed_of(&a, e[2].study), 1);
        receipts += 2;
        assert_int_equal(receipts_of(&a), receipts);

        clock_fake(clock_wall_us() + 5000000, clock_mono_ms());
        OK(seal_next(a.keep, &sealed, &did, &err));
        clock_unfake();
        assert_int_equal(sealed, 1);
        assert_int_equal(receipts_of(&a), ++receipts);
    }
    free(e);
    vault_close(&a);
}

/* ---- the landing is cleaned ---- */

/* The disk of the second copies is away: what has none leaves the landing all the same. */
static void
a_disk_that_is_away_keeps_only_its_own_from_being_cleaned(void **state)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct slice direct = {.study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.1"};
    struct exam *e = mem_new(sizeof *e);
    struct keep_stored stored;
    struct packer p = {0};
    struct vault a;
    struct buf file;
    struct err err;
    char away[200];
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "clean");
    slice_make(&direct, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a.keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
    exam_put(&a, e, 1, 2);
    OK(manifest_close_quiet(a.keep, &err));
    p.keep = a.keep;
    pack_all(&p);
    assert_int_equal(p.sealed, 3);
    snprintf(away, sizeof away, "%s.away", a.landing_copy);
    assert_int_equal(rename(a.landing_copy, away), 0);

    assert_int_equal(clean_landing(a.keep, &err), -1);
    assert_int_equal(folder_files(a.landing), 0);
    vault_sql(&a, "DO $$ BEGIN IF (SELECT count(*) FROM instances WHERE landing IS NOT NULL) <> 1 "
                  "THEN RAISE EXCEPTION 'not one'; END IF; END $$");
    assert_int_equal(rename(away, a.landing_copy), 0);
    OK(keep_work(a.keep, &sealed, &err));
    assert_int_equal(folder_files(a.landing_copy), 0);
    free(e);
    vault_close(&a);
}

/* However many files cannot go, those behind them do. */
static void
more_than_a_page_that_cannot_go_keeps_nothing_else_from_being_cleaned(void **state)
{
    struct exam *e = mem_new(sizeof *e);
    struct packer p = {0};
    struct vault a;
    struct err err;
    char away[200];

    (void)state;
    vault_open(&a, vault_cluster, "pages");
    a.keep->clean_page = 2;
    for (unsigned i = 1; i <= 5; i++) {
        struct slice s = vault_ct(i);
        struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
        struct keep_stored stored;
        struct buf file;

        slice_make(&s, &file);
        in.fd = slice_fd(&file);
        in.size = file.n;
        OK(keep_store_direct(a.keep, &in, &stored, &err));
        close(in.fd);
        buf_fini(&file);
    }
    OK(manifest_close_quiet(a.keep, &err));
    p.keep = a.keep;
    pack_all(&p);
    exam_put(&a, e, 1, 3);
    pack_all(&p);
    assert_int_equal(p.sealed, 4);
    snprintf(away, sizeof away, "%s.away", a.landing_copy);
    assert_int_equal(rename(a.landing_copy, away), 0);

    for (int turn = 0; turn < 4; turn++) /* pages of 2, of 8 */
        if (clean_landing(a.keep, &err) == 0)
            assert_int_equal(turn, 3);
    assert_int_equal(folder_files(a.landing), 0);
    vault_sql(&a, "DO $$ BEGIN IF (SELECT count(*) FROM instances WHERE landing IS NOT NULL) <> 5 "
                  "THEN RAISE EXCEPTION 'not five'; END IF; END $$");
    assert_int_equal(rename(away, a.landing_copy), 0);
    for (int turn = 0; turn < 4; turn++) /* and from the start again */
        OK(clean_landing(a.keep, &err));
    assert_int_equal(folder_files(a.landing_copy), 0);
    free(e);
    vault_close(&a);
}

/* ---- a long backlog ---- */

static void
a_long_backlog_makes_landing_give_way_until_it_is_packed(void **state)
{
    struct exam *e = mem_new(sizeof *e);
    struct packer p = {0};
    struct vault a;
    struct err err;
    bool is_behind;
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "backlog");
    exam_put(&a, e, 1, 1);
    OK(seal_is_behind(a.keep, &is_behind, &err));
    assert_false(is_behind);
    vault_sql(
        &a, "INSERT INTO pack_jobs (tenant_id, study, series, revision, is_quarantine, made_at_us) "
            "SELECT tenant_id, study, series, revision, false, n FROM pack_jobs, "
            "generate_series(2, 1000) n"); /* of nothing: what they were for is packed */
    OK(seal_is_behind(a.keep, &is_behind, &err));
    assert_true(is_behind);

    p.keep = a.keep;
    pack_all(&p);
    if (p.rc < 0)
        fail_msg("%s", p.err.text);
    assert_int_equal(p.sealed, 1);
    OK(seal_is_behind(a.keep, &is_behind, &err));
    assert_false(is_behind);
    OK(keep_work(a.keep, &sealed, &err));
    free(e);
    vault_close(&a);
}

/* ---- kills ---- */

static int steps_left; /* the child dies at the step that makes it 0 */

static void
die_in_turn(const char *step)
{
    (void)step;
    if (--steps_left == 0)
        kill(getpid(), SIGKILL);
}

/* False: there are not so many steps. */
static bool
pack_until_killed(struct vault *a, int at)
{
    struct err err;
    int status;
    pid_t pid;

    keep_close(&a->keep);
    pid = fork();
    if (pid == 0) {
        int sealed;
        bool did;

        steps_left = at;
        seal_on_step = die_in_turn;
        if (keep_open_idle(&a->options, NULL, NULL, &a->keep, &err) == 0 &&
            seal_next(a->keep, &sealed, &did, &err) == 0)
            _exit(0);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    OK(keep_open_idle(&a->options, NULL, NULL, &a->keep, &err));
    return WIFSIGNALED(status);
}

static void
a_kill_at_any_step_of_a_group_leaves_every_pack_once(void **state)
{
    struct exam *e = mem_new(2 * sizeof *e);
    size_t packs = 0;
    struct vault a;
    struct err err;
    bool was_killed = true;
    int at;

    (void)state;
    vault_open(&a, vault_cluster, "kills");
    for (at = 1; was_killed; at++) {
        struct packer rest = {0};

        exam_put(&a, &e[0], 2 * (unsigned)at, 2);
        exam_put(&a, &e[1], 2 * (unsigned)at + 1, 1);
        packs += 3;
        was_killed = pack_until_killed(&a, at);
        rest.keep = a.keep;
        pack_all(&rest);

        if (rest.rc < 0 || sealed_of(&a, e[0].study) != 2 || sealed_of(&a, e[1].study) != 1 ||
            receipts_of(&a) != packs || events_of(&a) != 2 * (size_t)at)
            fail_msg("kill at step %d: %zu receipts, %zu studies sealed of %d", at, receipts_of(&a),
                     events_of(&a), 2 * at);
        OK(clean_landing(a.keep, &err));
        assert_int_equal(folder_files(a.stores[0]), packs); /* no orphans, nothing in tmp/ */
        assert_int_equal(folder_files(a.stores[1]), packs);
        assert_int_equal(folder_files(a.landing), 0);
    }
    assert_int_equal(at - 2, 3 + 3 + 2 + 2 + 2); /* planned, written, published, verified, commit */
    free(e);
    vault_close(&a);
}

/* The stores are on the landing's disk: packs took it to the last byte, PostgreSQL's too. */
static void
packs_beside_the_landing_leave_a_quarter_of_its_mark(void **state)
{
    struct slice here = vault_ct(1);
    uint64_t free_bytes;
    struct vault a;
    struct err err;
    int used;

    (void)state;
    vault_open(&a, vault_cluster, "beside");
    assert_int_equal(vault_put(&a, &gate, &here), LINK_HELD);
    vault_manifest(&a, &gate, 1, &here, 1);
    OK(durable_room(a.landing, &free_bytes, &used, &err));
    a.options.refuse_free = 8 * free_bytes;
    vault_reopen(&a);
    assert_int_equal(vault_work(&a), 0);

    a.options.refuse_free = 2 * free_bytes; /* landing itself would take nothing */
    vault_reopen(&a);
    vault_sql(&a, "UPDATE pack_jobs SET next_try_us = 0");
    assert_int_equal(vault_work(&a), 1);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packers_at_once_make_every_pack_once),
        cmocka_unit_test(packs_beside_the_landing_leave_a_quarter_of_its_mark),
        cmocka_unit_test(a_late_list_while_packing_makes_a_pack_of_its_own),
        cmocka_unit_test(a_pack_that_cannot_be_made_costs_the_others_nothing),
        cmocka_unit_test(a_pack_that_the_catalog_refuses_costs_the_others_nothing),
        cmocka_unit_test(a_disk_that_is_away_keeps_only_its_own_from_being_cleaned),
        cmocka_unit_test(more_than_a_page_that_cannot_go_keeps_nothing_else_from_being_cleaned),
        cmocka_unit_test(a_long_backlog_makes_landing_give_way_until_it_is_packed),
        cmocka_unit_test(a_kill_at_any_step_of_a_group_leaves_every_pack_once),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
