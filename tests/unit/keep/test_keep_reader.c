/* test_keep_reader.c - what the archive tells its reader and takes from it: revisions of a study
 * whoever closes them, the closed list, and documents that open none. */
#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "tests/support/vault.h"

#include <libpq-fe.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};

static const struct slice slices[] = {
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.10", .number = 1, .noise = 1},
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.9", .number = 2, .noise = 2},
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.11", .number = 3, .noise = 3},
};
static const struct slice report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};

static int
store(struct vault *a, const struct buf *file, const char *way, struct keep_stored *out,
      struct err *err)
{
    struct keep_incoming in = {.tenant = "clinic-a", .size = file->n, .way = way};
    int rc;

    in.fd = slice_fd(file);
    rc = keep_store_direct(a->keep, &in, out, err);
    close(in.fd);
    return rc;
}

static void
assert_events(struct vault *a, const char *wanted)
{
    static const char *const skipped[] = {NULL};

    vault_assert_events(a, skipped, wanted);
}

/* A gateway's list, then a direct sender's, then the gateway's next: 1, 2, 3. */
static void
revisions_are_numbered_through_all_senders(void **state)
{
    struct keep_standing standing;
    struct keep_stored stored;
    struct keep_list list;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "revisions");
    vault_put(&a, &gate_a, &slices[0]);
    vault_manifest(&a, &gate_a, 1, slices, 1);
    slice_make(&slices[1], &file);
    OK(store(&a, &file, "C-STORE", &stored, &err));
    buf_fini(&file);
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.revision, 2);
    assert_int_equal(standing.expected, 2);
    vault_put(&a, &gate_a, &slices[2]);
    {
        struct slice both[2] = {slices[0], slices[2]};

        vault_manifest(&a, &gate_a, 2, both, 2);
    }

    assert_events(&a, "study.arrived{}\n"
                      "study.closed{\"revision\":1,\"instances\":1,\"is_late\":false}\n"
                      "study.complete{\"revision\":1,\"instances\":1,\"is_late\":false}\n"
                      "study.closed{\"revision\":2,\"instances\":2,\"is_late\":true}\n"
                      "study.late{\"revision\":2,\"instances\":2,\"is_late\":true}\n"
                      "study.complete{\"revision\":2,\"instances\":2,\"is_late\":true}\n"
                      "study.sealed{\"instances\":2}\n"
                      "study.closed{\"revision\":3,\"instances\":3,\"is_late\":true}\n"
                      "study.late{\"revision\":3,\"instances\":3,\"is_late\":true}\n"
                      "study.complete{\"revision\":3,\"instances\":3,\"is_late\":true}\n");
    OK(keep_list_get(a.keep, "clinic-a", "1.2.3", 0, &list, &err));
    assert_int_equal(list.revision, 3);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.instances[0].sop_instance, "1.2.3.9.10"); /* bytewise */
    assert_string_equal(list.instances[2].sop_instance, "1.2.3.9.9");
    keep_list_fini(&list);
    OK(keep_list_get(a.keep, "clinic-a", "1.2.3", 1, &list, &err));
    assert_int_equal(list.revision, 1);
    assert_int_equal(list.count, 1);
    keep_list_fini(&list);
    assert_int_equal(keep_list_get(a.keep, "clinic-a", "1.2.3", 4, &list, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(keep_list_get(a.keep, "clinic-b", "1.2.3", 0, &list, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    vault_close(&a);
}

/* The first study's documents, and lists, cannot be made: the second's are. */
static void
one_study_that_cannot_be_packed_does_not_keep_the_others(void **state)
{
    struct slice other = report, image = slices[0];
    struct keep_stored stored;
    struct vault a;
    struct buf file;
    struct err err;
    int sealed;

    (void)state;
    other.study = "1.2.4";
    other.series = "1.2.4.900";
    other.instance = "1.2.4.900.1";
    image.study = "1.2.5";
    image.series = "1.2.5.1";
    image.instance = "1.2.5.1.1";
    vault_open(&a, vault_cluster, "unpacked");
    report_make(&report, &file);
    OK(store(&a, &file, KEEP_WAY_READER, &stored, &err));
    buf_fini(&file);
    report_make(&other, &file);
    OK(store(&a, &file, KEEP_WAY_READER, &stored, &err));
    buf_fini(&file);
    slice_make(&image, &file);
    OK(store(&a, &file, "C-STORE", &stored, &err));
    buf_fini(&file);
    vault_sql(&a, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF (SELECT "
                  "study_uid FROM studies WHERE id = NEW.study) IN ('1.2.3', '1.2.5') THEN RAISE "
                  "'no'; END IF; RETURN NEW; END $$; CREATE TRIGGER no BEFORE INSERT ON pack_jobs "
                  "FOR EACH ROW EXECUTE FUNCTION no()");

    assert_int_equal(keep_work(a.keep, &sealed, &err), -1);
    vault_sql(&a, "DO $$ BEGIN IF (SELECT count(*) FROM pack_jobs) <> 1 THEN RAISE 'kept'; END "
                  "IF; END $$");
    vault_close(&a);
}

struct pass {
    struct vault *a;
    const struct slice *stored; /* NULL: work */
};

static void *
run_pass(void *arg)
{
    struct pass *p = arg;
    struct keep_stored stored;
    struct buf file;
    struct err err;

    if (p->stored == NULL) {
        vault_work(p->a);
        return NULL;
    }
    slice_make(p->stored, &file);
    OK(store(p->a, &file, "C-STORE", &stored, &err));
    buf_fini(&file);
    return NULL;
}

static void
wait_waiters(PGconn *db, int n)
{
    int64_t until_ms = clock_mono_ms() + 120000;
    int got = -1;

    while (clock_mono_ms() < until_ms) {
        PGresult *r =
            PQexec(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");

        if (PQresultStatus(r) != PGRES_TUPLES_OK)
            fail_msg("%s", PQerrorMessage(db));
        got = (int)strtol(PQgetvalue(r, 0, 0), NULL, 10);
        PQclear(r);
        if (got == n)
            return;
        sched_yield();
    }
    fail_msg("%d wait for a lock, wanted %d", got, n);
}

/* One more image came between the look at what there is and the closing of its list: it was packed
 * with the others, and no list ever named it. */
static void
what_comes_while_a_list_is_closed_is_listed_later(void **state)
{
    struct pass arrival, worker;
    struct keep_standing standing;
    struct keep_stored stored;
    pthread_t threads[2];
    struct vault a;
    struct buf file;
    struct err err;
    PGconn *db;

    (void)state;
    vault_open(&a, vault_cluster, "between");
    db = PQconnectdb(a.conninfo);
    slice_make(&slices[0], &file);
    OK(store(&a, &file, "C-STORE", &stored, &err));
    buf_fini(&file);
    arrival = (struct pass){&a, &slices[1]};
    worker = (struct pass){&a, NULL};
    PQclear(PQexec(db, "BEGIN"));
    PQclear(PQexec(db, "SELECT pg_advisory_xact_lock(7267703, hashtext('clinic-a/1.2.3'))"));
    threads[0] = thread_start("arrival", run_pass, &arrival);
    wait_waiters(db, 1);
    threads[1] = thread_start("worker", run_pass, &worker);
    wait_waiters(db, 2);
    PQclear(PQexec(db, "COMMIT"));
    thread_join(threads[0]);
    thread_join(threads[1]);
    PQfinish(db);

    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.expected, 2);
    assert_int_equal(standing.sealed, 2);
    vault_close(&a);
}

/* A gateway's list closes while images of the same study, stored without one, wait for their
 * silence. */
static void
a_gateways_list_does_not_take_what_others_stored(void **state)
{
    struct keep_standing standing;
    struct keep_stored stored;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "others");
    slice_make(&slices[1], &file);
    OK(store(&a, &file, "C-STORE", &stored, &err));
    buf_fini(&file);
    vault_put(&a, &gate_a, &slices[0]);
    vault_manifest(&a, &gate_a, 1, slices, 1);
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.revision, 2);
    assert_int_equal(standing.expected, 2);
    assert_int_equal(standing.sealed, 2);
    vault_close(&a);
}

/* Listed and not here yet, here, and the same instance under another file. */
static void
a_list_says_what_is_whole(void **state)
{
    struct link_offer_object o, twin;
    struct keep_list list;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "list");
    vault_put(&a, &gate_a, &slices[0]);
    vault_offer(&a, &gate_a, &slices[1], &o, &file);
    buf_fini(&file);
    slice_make(&slices[0], &file);
    slice_offer(&slices[0], &file, &twin);
    vault_manifest(&a, &gate_a, 1, slices, 3);

    OK(keep_list_get(a.keep, "clinic-a", "1.2.3", 0, &list, &err));
    assert_int_equal(list.count, 3);
    assert_true(list.instances[0].is_whole && list.instances[0].has_digests);
    assert_memory_equal(list.instances[0].object, twin.object, 32);
    assert_memory_equal(list.instances[0].pixels, twin.pixels, 32);
    assert_memory_equal(list.instances[0].dataset, twin.dataset, 32);
    assert_string_equal(list.instances[0].series, "1.2.3.9");
    assert_string_equal(list.instances[1].sop_instance, "1.2.3.9.11"); /* was never offered */
    assert_false(list.instances[1].is_whole || list.instances[1].has_digests);
    assert_string_equal(list.instances[1].series, "");
    assert_string_equal(list.instances[2].sop_instance, "1.2.3.9.9");
    assert_false(list.instances[2].is_whole);
    assert_true(list.instances[2].has_digests);
    assert_string_equal(list.instances[2].series, "1.2.3.9");
    keep_list_fini(&list);
    buf_fini(&file);
    vault_close(&a);
}

static int
on_place(void *user, const struct keep_place *place, struct err *err)
{
    (void)err;
    if (strcmp(place->sop_instance, "1.2.3.900.1") == 0)
        *(int *)user = place->is_sealed ? 2 : 1;
    return 0;
}

static void
what_the_reader_made_opens_nothing_and_is_sealed(void **state)
{
    static const char events[] =
        "study.arrived{}\n"
        "study.closed{\"revision\":1,\"instances\":1,\"is_late\":false}\n"
        "study.complete{\"revision\":1,\"instances\":1,\"is_late\":false}\n"
        "study.sealed{\"instances\":1}\n";
    struct slice other = report;
    struct keep_standing standing;
    struct keep_stored stored;
    struct keep_list list;
    struct vault a;
    struct buf file;
    struct err err;
    int found = 0;

    (void)state;
    other.noise = 1;
    vault_open(&a, vault_cluster, "documents");
    vault_put(&a, &gate_a, &slices[0]);
    vault_manifest(&a, &gate_a, 1, slices, 1);
    assert_int_equal(vault_work(&a), 1);
    report_make(&report, &file);
    OK(store(&a, &file, KEEP_WAY_READER, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_STORED);
    OK(store(&a, &file, KEEP_WAY_READER, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_DUPLICATE);
    assert_int_equal(vault_work(&a), 1);
    assert_int_equal(vault_work(&a), 0);

    assert_events(&a, events);
    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, on_place, &found, &err));
    assert_int_equal(found, 2);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 1);
    assert_int_equal(standing.sealed, 1);
    assert_int_equal(standing.revision, 1);
    OK(keep_list_get(a.keep, "clinic-a", "1.2.3", 0, &list, &err));
    assert_int_equal(list.count, 1);
    keep_list_fini(&list);
    buf_fini(&file);
    report_make(&other, &file);
    OK(store(&a, &file, KEEP_WAY_READER, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_QUARANTINED);
    buf_fini(&file);
    slice_make(&slices[1], &file);
    assert_int_equal(store(&a, &file, KEEP_WAY_READER, &stored, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    buf_fini(&file);
    vault_close(&a);
}

/* A report that lands while images are on their way neither closes nor packs them. */
static void
a_report_does_not_pack_what_is_not_closed(void **state)
{
    struct keep_standing standing;
    struct keep_stored stored;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "open");
    vault_put(&a, &gate_a, &slices[0]);
    report_make(&report, &file);
    OK(store(&a, &file, KEEP_WAY_READER, &stored, &err));
    buf_fini(&file);
    assert_int_equal(vault_work(&a), 1);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 0);
    assert_int_equal(standing.revision, 0);
    assert_events(&a, "study.arrived{}\n");
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_study_that_cannot_be_packed_does_not_keep_the_others),
        cmocka_unit_test(revisions_are_numbered_through_all_senders),
        cmocka_unit_test(what_comes_while_a_list_is_closed_is_listed_later),
        cmocka_unit_test(a_gateways_list_does_not_take_what_others_stored),
        cmocka_unit_test(a_list_says_what_is_whole),
        cmocka_unit_test(what_the_reader_made_opens_nothing_and_is_sealed),
        cmocka_unit_test(a_report_does_not_pack_what_is_not_closed),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
