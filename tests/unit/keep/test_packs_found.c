/* test_packs_found.c - the catalog was restored from a backup: what was packed since then is in it
 * again, from the stores alone, and nothing of it twice. */
#include "proto/base/clock.h"
#include "proto/link/reconcile.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/sick_folder.h"
#include "tests/support/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};
static const struct slice report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};
static const struct slice direct[] = {
    {.study = "1.2.5", .series = "1.2.5.1", .instance = "1.2.5.1.1", .noise = 4},
    {.study = "1.2.5", .series = "1.2.5.2", .instance = "1.2.5.2.1", .noise = 5}};

static enum keep_outcome
store(struct vault *a, const struct slice *s, bool is_reader)
{
    struct keep_incoming in = {
        .tenant = "clinic-a", .way = is_reader ? KEEP_WAY_READER : "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    is_reader ? report_make(s, &file) : slice_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a->keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
    return stored.outcome;
}

static void
each_of(const char *dir, const char *names, void (*fn)(const char *path))
{
    char pattern[256];
    glob_t found = {0};
    int rc;

    snprintf(pattern, sizeof pattern, "%s%s", dir, names);
    rc = glob(pattern, 0, NULL, &found);
    assert_true(rc == 0 || rc == GLOB_NOMATCH); /* that store's may be dropped */
    for (size_t i = 0; i < found.gl_pathc; i++)
        fn(found.gl_pathv[i]);
    globfree(&found);
}

static void
each_pack(const struct vault *a, int store_at, void (*fn)(const char *path))
{
    each_of(a->stores[store_at], "/packs/*/*/*.zip", fn);
}

static void
make_old(const char *path)
{
    const struct timespec at = {.tv_sec = clock_wall_us() / 1000000 - 3600};
    const struct timespec times[] = {at, at};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
spoil(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_int_equal(pwrite(fd, "?", 1, 200), 1);
    close(fd);
}

static void
drop(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

/* From the walk. */
static void
hide(const char *path)
{
    char to[512];

    make_old(path);
    snprintf(to, sizeof to, "%s.away", path);
    assert_int_equal(rename(path, to), 0);
}

static void
show(const char *path)
{
    char to[512];

    snprintf(to, sizeof to, "%.*s", (int)(strlen(path) - strlen(".away")), path);
    assert_int_equal(rename(path, to), 0);
}

/* The catalog of before anything came, and a start with it, an hour later. */
static void
restore(struct vault *a)
{
    for (int i = 0; i < KEEP_COPIES; i++)
        each_pack(a, i, make_old);
    vault_sql(a, "TRUNCATE lost_members, instances, packs, pack_copies, pack_jobs, manifests, "
                 "receipts, events, "
                 "duplicates, landing, series, studies, patients");
    vault_reopen(a);
}

static struct vault_seen
see(struct vault *a, const char *study)
{
    struct vault_seen seen = {0};
    struct err err;

    if (keep_instances(a->keep, "clinic-a", study, NULL, NULL, vault_see, &seen, &err) < 0)
        assert_int_equal(err.kind, ERR_NOT_FOUND);
    if (seen.first != NULL)
        vault_place_reads(a, seen.first);
    free(seen.first);
    return seen;
}

static size_t
receipts(struct vault *a)
{
    struct link_receipts r;
    struct keep_wait none = {0};
    struct err err;
    size_t n;

    OK(keep_receipts(a->keep, &gate, 0, &none, &r, &err));
    n = r.count;
    link_receipts_free(&r);
    return n;
}

/* Two images of a gateway, two series that came directly, a document: packed, their landing files
 * gone. */
static void
fill(struct vault *a)
{
    struct slice of_gate[] = {vault_ct(1), vault_ct(2)};

    for (size_t i = 0; i < ARRAY_LEN(of_gate); i++)
        assert_int_equal(vault_put(a, &gate, &of_gate[i]), LINK_HELD);
    vault_manifest(a, &gate, 1, of_gate, ARRAY_LEN(of_gate));
    for (size_t i = 0; i < ARRAY_LEN(direct); i++)
        assert_int_equal(store(a, &direct[i], false), KEEP_STORED);
    assert_int_equal(store(a, &report, true), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(a);
    assert_int_equal(folder_files(a->landing) + folder_files(a->landing_copy), 0);
    assert_int_equal(folder_files(a->stores[0]), 4);
}

static void
what_a_restored_catalog_does_not_know_is_found_in_the_packs(void **state)
{
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "packs");
    fill(&a);
    restore(&a);
    assert_int_equal(see(&a, "1.2.3").n, 0);

    vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    assert_int_equal(see(&a, "1.2.5").sealed, 2);
    assert_int_equal(receipts(&a), 2);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.5", &standing, &err));
    assert_int_equal(standing.revision, 1); /* one list of both series */
    assert_int_equal(standing.expected, 2);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2); /* without the document; its list its gateway tells anew */

    vault_reopen(&a);
    assert_int_equal(vault_work(&a), 0);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.5", &standing, &err));
    assert_int_equal(standing.revision, 1);
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(folder_files(a.stores[i]), 4);
    vault_close(&a);
}

/* It held them when the backup was made: their jobs are there, and their files are gone. */
static void
what_a_restored_catalog_waits_to_pack_is_found_packed(void **state)
{
    struct slice one = vault_ct(1);
    struct vault a;
    struct err err;
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "waits");
    assert_int_equal(vault_put(&a, &gate, &one), LINK_HELD);
    vault_manifest(&a, &gate, 1, &one, 1);
    vault_work(&a);
    vault_work(&a);
    assert_int_equal(folder_files(a.landing), 0);
    for (int i = 0; i < KEEP_COPIES; i++)
        each_pack(&a, i, make_old);
    vault_sql(&a, "UPDATE instances SET pack = NULL, pack_offset = NULL, sealed_at_us = NULL, "
                  "landing = 'whole/gone.dcm'; DELETE FROM pack_copies; DELETE FROM packs; "
                  "UPDATE pack_jobs SET done_at_us = NULL, next_try_us = 9000000000000000; "
                  "DELETE FROM receipts");
    vault_reopen(&a);

    vault_work(&a);
    assert_int_equal(see(&a, one.study).sealed, 1);
    assert_int_equal(receipts(&a), 1);
    vault_sql(&a, "UPDATE pack_jobs SET next_try_us = 0");
    OK(keep_work(a.keep, &sealed, &err)); /* nothing is left of the job */
    assert_int_equal(sealed, 0);
    assert_int_equal(folder_files(a.stores[0]), 1);
    vault_close(&a);
}

static void
a_spoilt_copy_is_made_anew_from_the_one_that_was_found(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "spoilt_pack");
    fill(&a);
    each_pack(&a, 0, spoil);
    restore(&a);

    for (int i = 0; i < 10; i++) /* the scrubber looks at one copy a turn */
        vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    assert_int_equal(folder_files(a.stores[0]), 8); /* four of them in corrupt/ */
    vault_close(&a);
}

static int
look_at_none(struct codec_pool *pool, const struct codec_source *source, struct dcm_facts *facts,
             struct dcm_digests *digests, struct err *err)
{
    (void)pool, (void)source, (void)facts, (void)digests;
    return err_set(err, ERR_REJECT, "it cannot be read");
}

/* Of two patients with one study UID the first came first; the pack of what was put aside is found
 * first. */
static void
what_was_put_aside_does_not_become_the_patient_of_the_study(void **state)
{
    static const struct slice right[] = {
        {.study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.1", .patient_id = "P1"},
        {.study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.2", .patient_id = "P1"}};
    static const struct slice wrong = {
        .study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.3", .patient_id = "P2"};
    static const struct {
        const char *name;
        bool is_readable;
    } table[] = {{"aside_readable", true}, {"aside_unreadable", false}};

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(table); t++) {
        struct keep_standing standing;
        struct vault a;
        struct err err;

        vault_open(&a, vault_cluster, table[t].name);
        for (size_t i = 0; i < ARRAY_LEN(right); i++)
            assert_int_equal(store(&a, &right[i], false), KEEP_STORED);
        for (int i = 0; i < 3; i++)
            vault_work(&a);
        for (int i = 0; i < KEEP_COPIES; i++)
            each_pack(&a, i, hide);
        assert_int_equal(store(&a, &wrong, false), KEEP_QUARANTINED);
        for (int i = 0; i < 3; i++)
            vault_work(&a);
        restore(&a);

        int (*look)(struct codec_pool *, const struct codec_source *, struct dcm_facts *,
                    struct dcm_digests *, struct err *) = keep_inspect;

        keep_inspect = table[t].is_readable ? look : look_at_none;
        vault_work(&a);
        keep_inspect = look;
        for (int i = 0; i < KEEP_COPIES; i++)
            each_of(a.stores[i], "/packs/*/*/*.zip.away", show);
        a.keep->packs_at_ms = 0; /* later */
        vault_work(&a);

        OK(keep_standing_get(a.keep, "clinic-a", "1.2.6", &standing, &err));
        assert_int_equal(standing.whole, 2);
        assert_int_equal(standing.quarantined, 1);
        vault_close(&a);
    }
}

/* It waits on the landing to be packed. */
static void
what_lies_on_the_landing_comes_after_what_was_packed_before_it(void **state)
{
    static const struct slice right[] = {
        {.study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.1", .patient_id = "P1"},
        {.study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.2", .patient_id = "P1"}};
    static const struct slice wrong = {
        .study = "1.2.6", .series = "1.2.6.1", .instance = "1.2.6.1.3", .patient_id = "P2"};
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "landing_after");
    for (size_t i = 0; i < ARRAY_LEN(right); i++)
        assert_int_equal(store(&a, &right[i], false), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(&a);
    assert_int_equal(store(&a, &wrong, false), KEEP_QUARANTINED);
    each_of(a.landing_copy, "/whole/*.dcm", make_old);
    restore(&a);

    vault_work(&a);

    OK(keep_standing_get(a.keep, "clinic-a", "1.2.6", &standing, &err));
    assert_int_equal(standing.whole, 2);
    assert_int_equal(standing.quarantined, 1);
    vault_close(&a);
}

static struct keep *closing;
static int (*look_well)(struct codec_pool *pool, const struct codec_source *source,
                        struct dcm_facts *facts, struct dcm_digests *digests, struct err *err);

/* And somebody stops the program. */
static int
look_and_stop(struct codec_pool *pool, const struct codec_source *source, struct dcm_facts *facts,
              struct dcm_digests *digests, struct err *err)
{
    closing->is_closing = true;
    return look_well(pool, source, facts, digests, err);
}

static void
what_came_directly_is_on_a_list_again_after_a_walk_that_was_stopped(void **state)
{
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "stopped_walk");
    fill(&a);
    restore(&a);
    look_well = keep_inspect;
    keep_inspect = look_and_stop;
    for (int i = 0; i < 4; i++) { /* a pack each */
        closing = a.keep;
        OK(packs_take_in(a.keep, &err));
        vault_reopen(&a);
    }
    keep_inspect = look_well;
    assert_int_equal(see(&a, "1.2.5").sealed, 2);

    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.5", &standing, &err));
    assert_int_equal(standing.revision, 1);
    assert_int_equal(standing.expected, 2);
    a.keep->packs_at_ms = 0; /* tomorrow */
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.5", &standing, &err));
    assert_int_equal(standing.revision, 1);
    vault_close(&a);
}

/* What the daily comparison tells of an image of the gateway. */
static enum link_state
compared(struct vault *a, const struct slice *s)
{
    struct link_offer_object o;
    struct link_objects asked = {&o.object, 1};
    struct link_answer answer;
    enum link_state state;
    struct buf file;
    struct err err;

    slice_make(s, &file);
    slice_offer(s, &file, &o);
    OK(keep_reconcile_objects(a->keep, &gate, &asked, &answer, &err));
    state = answer.objects[0].state;
    link_answer_free(&answer);
    buf_fini(&file);
    return state;
}

static void
nobody_is_told_that_it_is_sealed_before_every_copy_was_read_back(void **state)
{
    static void (*const harm[])(const char *path) = {drop, spoil};
    static const char *const names[] = {"second_dropped", "second_spoilt"};
    struct slice one = vault_ct(1);

    (void)state;
    for (size_t h = 0; h < ARRAY_LEN(harm); h++) {
        struct vault a;
        struct err err;

        vault_open(&a, vault_cluster, names[h]);
        fill(&a);
        each_pack(&a, 1, harm[h]);
        restore(&a);

        OK(packs_take_in(a.keep, &err));
        assert_int_equal(see(&a, "1.2.3").sealed, 3);
        assert_int_equal(receipts(&a), 0);
        assert_int_equal(vault_put(&a, &gate, &one), LINK_HELD);
        assert_int_equal(compared(&a, &one), LINK_HELD);
        assert_int_equal(receipts(&a), 0);
        assert_int_equal(store(&a, &direct[0], false), KEEP_DUPLICATE);
        OK(clean_landing(a.keep, &err));
        assert_int_equal(folder_files(a.landing), 1); /* it came back, and stays until then */

        for (int i = 0; i < 6; i++) /* the scrubber looks at one copy a turn */
            vault_work(&a);
        assert_int_equal(receipts(&a), 2);
        assert_int_equal(vault_put(&a, &gate, &one), LINK_SEALED);
        assert_int_equal(compared(&a, &one), LINK_SEALED);
        assert_int_equal(folder_files(a.landing), 0);
        vault_close(&a);
    }
}

static void
a_pack_that_is_damaged_everywhere_is_told_and_keeps_no_other(void **state)
{
    struct slice other = vault_ct(3);
    struct vault a;
    struct err err;
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "damaged_pack");
    assert_int_equal(store(&a, &direct[0], false), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(&a);
    each_pack(&a, 0, spoil);
    each_pack(&a, 1, spoil);
    assert_int_equal(store(&a, &other, false), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(&a);
    restore(&a);

    assert_int_equal(keep_work(a.keep, &sealed, &err), -1);
    assert_int_equal(see(&a, "1.2.5").n, 0);
    assert_int_equal(see(&a, other.study).sealed, 1);
    vault_close(&a);
}

/* A sick disk: what does not open is not "not there". */
static void
a_folder_of_packs_that_does_not_open_is_told_and_keeps_no_other(void **state)
{
    struct vault a;
    struct err err;
    char path[512];
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "sick_folder");
    fill(&a);
    restore(&a);
    for (unsigned i = 0, n = 0; n == 0 && i < 256; i++) { /* a file where a folder belongs */
        int fd;

        snprintf(path, sizeof path, "%s/packs/clinic-a/%02x", a.stores[0], i);
        fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        n += fd >= 0;
        if (fd >= 0)
            close(fd);
    }

    assert_int_equal(keep_work(a.keep, &sealed, &err), -1);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    assert_int_equal(see(&a, "1.2.5").sealed, 2);
    drop(path);
    vault_close(&a);
}

static void
a_folder_whose_names_the_disk_does_not_give_is_told_and_keeps_no_other(void **state)
{
    static const char *const ends[] = {"/packs", "/packs/clinic-a/00"};
    struct vault a;
    struct err err;
    char path[512];
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "sick_names");
    fill(&a);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(path, sizeof path, "%s%s", a.stores[0], ends[i]);
        if (i > 0 && mkdir(path, 0700) < 0)
            assert_int_equal(errno, EEXIST);
        restore(&a);

        sick_folder(path, 0);
        assert_int_equal(keep_work(a.keep, &sealed, &err), -1);
        assert_non_null(strstr(err.text, "read a folder's names"));
        sick_folder(NULL, 0);
        assert_int_equal(see(&a, "1.2.3").sealed, 3);
        assert_int_equal(see(&a, "1.2.5").sealed, 2);
    }
    vault_close(&a);
}

static void
a_pack_of_an_unknown_organisation_waits_an_hour_for_it(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "unowned_pack");
    fill(&a);
    restore(&a);
    vault_sql(&a, "UPDATE tenants SET code = 'other' WHERE code = 'clinic-a'");
    vault_work(&a);
    assert_in_range(a.keep->packs_at_ms - clock_mono_ms(), 1, 3600000);

    vault_sql(&a, "UPDATE tenants SET code = 'clinic-a' WHERE code = 'other'");
    a.keep->packs_at_ms = 0; /* later */
    vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    vault_close(&a);
}

static void
a_pack_that_was_made_just_now_is_left_alone(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "young_pack");
    fill(&a);
    vault_sql(&a, "TRUNCATE lost_members, instances, packs, pack_copies, pack_jobs, manifests, "
                  "receipts, events, "
                  "duplicates, landing, series, studies, patients");
    vault_reopen(&a);

    vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").n, 0);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_restored_catalog_does_not_know_is_found_in_the_packs),
        cmocka_unit_test(what_a_restored_catalog_waits_to_pack_is_found_packed),
        cmocka_unit_test(a_spoilt_copy_is_made_anew_from_the_one_that_was_found),
        cmocka_unit_test(what_was_put_aside_does_not_become_the_patient_of_the_study),
        cmocka_unit_test(what_lies_on_the_landing_comes_after_what_was_packed_before_it),
        cmocka_unit_test(what_came_directly_is_on_a_list_again_after_a_walk_that_was_stopped),
        cmocka_unit_test(nobody_is_told_that_it_is_sealed_before_every_copy_was_read_back),
        cmocka_unit_test(a_pack_that_is_damaged_everywhere_is_told_and_keeps_no_other),
        cmocka_unit_test(a_pack_of_an_unknown_organisation_waits_an_hour_for_it),
        cmocka_unit_test(a_folder_of_packs_that_does_not_open_is_told_and_keeps_no_other),
        cmocka_unit_test(a_folder_whose_names_the_disk_does_not_give_is_told_and_keeps_no_other),
        cmocka_unit_test(a_pack_that_was_made_just_now_is_left_alone),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
