/* test_large_catalog.c - in a catalog of years, usual work reads what it is about, by index. */
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/link/reconcile.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"
#include "tests/support/large.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What one piece of work may read of a table: a page, not a clinic (the large one has a fifth of
 * all), and not the table. */
enum { USUAL = 4000, PAGE_OF_ALL = 12000 };

static const struct keep_sender gate = {"clinic-a", "gate-1", "test"};
static struct vault a;
static uint64_t instances, studies;

/* One of clinic-a's that is sealed, from the middle. */
static struct {
    char study[64], series[72], sop[72], patient[24], accession[24];
    uint8_t object[32];
} one;

static void
choose_one(void)
{
    uint64_t s = studies / 20 * 10, i = ((s - 1) * 10 + 2) / 3 + 1;
    char text[32];

    snprintf(one.study, sizeof one.study, "1.2.826.0.1.3680043.9.7133.%llu", (unsigned long long)s);
    snprintf(one.series, sizeof one.series, "%.63s.1", one.study);
    snprintf(one.sop, sizeof one.sop, "%.63s.1.%llu", one.study, (unsigned long long)i);
    snprintf(one.patient, sizeof one.patient, "P%llu", (unsigned long long)s / 2);
    snprintf(one.accession, sizeof one.accession, "A%llu", (unsigned long long)s);
    snprintf(text, sizeof text, "object%llu", (unsigned long long)i);
    digest_bytes(text, strlen(text), one.object);
}

/* ---- the work ---- */

static struct slice
image(unsigned number)
{
    return vault_ct(number);
}

static void
an_image_comes(void)
{
    struct slice s = image(1);

    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);
}

static void
an_image_comes_to_an_old_study(void)
{
    struct slice s = image(2);

    s.study = one.study;
    s.series = one.series;
    s.patient_id = one.patient;
    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);
}

static void
an_image_comes_again(void)
{
    struct slice s = image(1);

    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);
}

static void
an_image_is_put_aside(void)
{
    struct slice s = image(1);

    s.noise = 99;
    assert_int_equal(vault_put(&a, &gate, &s), LINK_QUARANTINED);
}

static void
a_list_is_closed(void)
{
    struct slice s = image(1);

    vault_manifest(&a, &gate, 1, &s, 1);
}

static void
what_is_due_is_done(void)
{
    assert_true(vault_work(&a) > 0);
}

static void
there_is_nothing_to_do(void)
{
    (void)vault_work(&a);
}

static void
old_rows_go(void)
{
    static const char *const kinds[] = {"receipts_forget", "events_forget", "jobs_forget"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        OK(keep_run(
            a.keep, kinds[i],
            PG_ARGS(PG_INT(0), PG_INT(clock_wall_us() - INT64_C(86400000000) * 90), PG_INT(1000)),
            NULL, &err));
}

static void
a_copy_is_looked_for_to_be_read_back(void)
{
    struct err err;
    bool did;

    OK(scrub_next(a.keep, &did, &err));
}

static void
receipts_are_asked_for(void)
{
    struct link_receipts receipts;
    struct keep_wait now = {0};
    struct err err;

    OK(keep_receipts(a.keep, &gate, 0, &now, &receipts, &err));
    assert_true(receipts.count > 100);
    link_receipts_free(&receipts);
}

static void
a_cursor_is_compared(void)
{
    uint8_t at[8] = {0};
    uint64_t last;
    bool is_known;
    struct err err;

    OK(keep_receipt_is_known(a.keep, &gate, INT64_MAX, at, &is_known, &last, &err));
    assert_true(!is_known && last > 0);
}

static void
news_of_receipts_are_looked_for(void)
{
    struct pg_rows *rows = NULL;
    struct err err;
    int64_t last;

    OK(keep_run(a.keep, "receipts_latest", PG_NO_ARGS, &rows, &err));
    last = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    OK(keep_run(a.keep, "receipts_news", PG_ARGS(PG_INT(last)), NULL, &err));
}

static void
days_are_compared(void)
{
    struct link_day day = {.day = link_day_of(clock_wall_us()) - 30};
    struct link_days asked = {&day, 1}, differ;
    struct err err;

    day.studies = 1;
    OK(keep_reconcile_days(a.keep, &gate, &asked, &differ, &err));
    link_days_free(&differ);
}

static void
studies_are_compared(void)
{
    struct link_study s = {.revision = 9};
    struct link_studies asked = {&s, 1}, differ;
    struct err err;

    text_copy(s.study, sizeof s.study, one.study);
    OK(keep_reconcile_studies(a.keep, &gate, &asked, &differ, &err));
    assert_int_equal(differ.count, 1);
    link_studies_free(&differ);
}

static void
objects_are_compared(void)
{
    struct pg_rows *rows = NULL;
    uint8_t objects[500][32];
    char text[32], *list;
    struct err err;

    for (unsigned i = 0; i < ARRAY_LEN(objects); i++) {
        snprintf(text, sizeof text, "object%u", i * 7 + 1);
        digest_bytes(text, strlen(text), objects[i]);
    }
    list = pg_array_bytes(objects[0], 32, ARRAY_LEN(objects));
    OK(keep_run(a.keep, "reconcile_objects", PG_ARGS(PG_TEXT("clinic-a"), PG_TEXT(list)), &rows,
                &err));
    assert_int_equal(pg_rows_count(rows), ARRAY_LEN(objects));
    pg_rows_free(&rows);
    OK(keep_run(a.keep, "jobs_of_objects", PG_ARGS(PG_TEXT("clinic-a"), PG_TEXT(list)), NULL,
                &err));
    free(list);
}

static int
count_row(void *user, const struct keep_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static size_t
find_at(enum keep_level level, struct keep_query q)
{
    size_t n = 0;
    struct err err;

    q.tenant = "clinic-a";
    q.level = level;
    q.limit = 100;
    OK(keep_find(a.keep, &q, count_row, &n, &err));
    return n;
}

static void
find(struct keep_query q, size_t least)
{
    assert_in_range(find_at(KEEP_STUDY, q), least, 100);
    assert_in_range(find_at(KEEP_SERIES, q), least, 100);
    assert_in_range(find_at(KEEP_INSTANCE, q), least, 100);
}

static void
the_latest_are_found(void)
{
    find((struct keep_query){0}, 100);
}

static void
what_a_modality_made_is_found(void)
{
    find((struct keep_query){.modality = "CT"}, 100);
}

static void
a_day_is_found(void)
{
    find((struct keep_query){.date_from = "20200101", .date_to = "20200101"}, 0);
}

static void
a_patient_is_found(void)
{
    find((struct keep_query){.patient_id = one.patient}, 1);
}

static void
an_accession_number_is_found(void)
{
    find((struct keep_query){.accession = one.accession}, 1);
}

static void
a_study_is_found(void)
{
    const char *uid = one.study;

    find((struct keep_query){.studies = &uid, .studies_n = 1}, 1);
}

static void
a_series_is_found(void)
{
    const char *uid = one.series;

    find((struct keep_query){.series = &uid, .series_n = 1}, 1);
}

static void
an_instance_is_found(void)
{
    const char *uid = one.sop;

    find((struct keep_query){.instances = &uid, .instances_n = 1}, 1);
}

static void
images_are_read(void)
{
    struct vault_seen seen = {0, 0, NULL};
    struct err err;

    OK(keep_instances(a.keep, "clinic-a", one.study, NULL, NULL, vault_see, &seen, &err));
    keep_place_free(&seen.first);
    OK(keep_instances(a.keep, "clinic-a", one.study, one.series, one.sop, vault_see, &seen, &err));
    keep_place_free(&seen.first);
    assert_true(seen.n > 1);
}

static int
pass_preview(void *user, const struct keep_preview *preview, struct err *err)
{
    (void)user;
    (void)preview;
    (void)err;
    return 0;
}

static void
what_is_coming_is_asked_for(void)
{
    struct keep_coming coming;
    struct err err;

    OK(keep_previews(a.keep, "clinic-a", one.study, NULL, pass_preview, NULL, &err));
    OK(keep_coming_get(a.keep, "clinic-a", one.study, &coming, &err));
    keep_coming_fini(&coming);
}

static void
a_study_stands(void)
{
    struct keep_standing standing;
    struct keep_list list;
    struct err err;

    OK(keep_standing_get(a.keep, "clinic-a", one.study, &standing, &err));
    OK(keep_list_get(a.keep, "clinic-a", one.study, 0, &list, &err));
    assert_true(list.count > 1);
    keep_list_fini(&list);
}

static int
count_event(void *user, const struct keep_event *event)
{
    (void)event;
    ++*(size_t *)user;
    return 0;
}

static void
events_are_followed(void)
{
    size_t n = 0;
    struct err err;

    OK(keep_events(a.keep, "clinic-a", 0, 100, count_event, &n, &err));
    OK(keep_events(a.keep, "large-7", 0, 10, count_event, &n, &err));
    OK(keep_events(a.keep, NULL, 0, 100, count_event, &n, &err));
    assert_int_equal(n, 210);
}

static int
count_aside(void *user, const struct keep_aside *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static int
count_lost(void *user, const struct keep_lost *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static int
count_share(void *user, const struct keep_share *share)
{
    (void)share;
    ++*(size_t *)user;
    return 0;
}

static void
a_clinics_troubles_are_listed(void)
{
    size_t n = 0;
    struct err err;

    OK(keep_each_aside(a.keep, "large-7", count_aside, &n, &err));
    OK(keep_each_lost(a.keep, "clinic-a", count_lost, &n, &err));
    assert_true(n > 0);
}

static void
an_hours_traffic_is_shown(void)
{
    size_t n = 0;
    struct err err;

    OK(keep_shares(a.keep, NULL, clock_wall_us() - INT64_C(3600000000), count_share, &n, &err));
    assert_true(n >= 1000);
}

static void
an_image_comes_by_dicom(void)
{
    struct slice s = {.study = "1.2.4", .series = "1.2.4.1", .instance = "1.2.4.1.1", .number = 1};
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .peer = "10.0.0.1"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    slice_make(&s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a.keep, &in, &stored, &err));
    assert_int_equal(stored.outcome, KEEP_STORED);
    close(in.fd);
    buf_fini(&file);
}

static void
a_pack_in_no_store_is_taken_out(void)
{
    bool is_lost = false;
    struct err err;

    OK(lost_look(a.keep, 1, false, &is_lost, &err));
    assert_true(is_lost);
}

/* In this order: later ones need what earlier ones did. */
static const struct {
    const char *name;
    void (*run)(void);
    uint64_t most;
} works[] = {
#define WORK(name, most)                                                                           \
    {                                                                                              \
#name, name, most                                                                          \
    }
    WORK(an_image_comes, USUAL),
    WORK(an_image_comes_to_an_old_study, USUAL),
    WORK(an_image_comes_again, USUAL),
    WORK(an_image_is_put_aside, USUAL),
    WORK(a_list_is_closed, USUAL),
    WORK(what_is_due_is_done, PAGE_OF_ALL), /* with a page of each kind that is to be cleaned */
    WORK(there_is_nothing_to_do, PAGE_OF_ALL),
    WORK(an_image_comes_by_dicom, USUAL),
    WORK(what_is_due_is_done, PAGE_OF_ALL),
    WORK(old_rows_go, USUAL),
    WORK(a_copy_is_looked_for_to_be_read_back, USUAL),
    WORK(receipts_are_asked_for, USUAL),
    WORK(a_cursor_is_compared, USUAL),
    WORK(news_of_receipts_are_looked_for, USUAL),
    WORK(days_are_compared, USUAL),
    WORK(studies_are_compared, USUAL),
    WORK(objects_are_compared, USUAL),
    WORK(the_latest_are_found, USUAL),
    WORK(what_a_modality_made_is_found, USUAL),
    WORK(a_day_is_found, USUAL),
    WORK(a_patient_is_found, USUAL),
    WORK(an_accession_number_is_found, USUAL),
    WORK(a_study_is_found, USUAL),
    WORK(a_series_is_found, USUAL),
    WORK(an_instance_is_found, USUAL),
    WORK(images_are_read, USUAL),
    WORK(what_is_coming_is_asked_for, USUAL),
    WORK(a_study_stands, USUAL),
    WORK(events_are_followed, USUAL),
    WORK(a_clinics_troubles_are_listed, USUAL),
    WORK(an_hours_traffic_is_shown, USUAL),
    WORK(a_pack_in_no_store_is_taken_out, USUAL),
#undef WORK
};

static void
a_large_catalog_is_read_by_index(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        large_begin(a.conninfo);
        works[i].run();
        large_assert_read(a.conninfo, works[i].name, works[i].most);
    }
}

/* Opened after the filling: it looks at what it was given itself. */
static int
start(void **state)
{
    const char *is_long = getenv("RADPOST_LONG");

    instances = is_long != NULL && strcmp(is_long, "1") == 0 ? 1000000 : 200000;
    studies = instances * 3 / 10;
    choose_one();
    (void)vault_start(state);
    vault_open(&a, vault_cluster, "large");
    large_fill(a.conninfo, "tests/support/large_catalog.sql", "large.instances", instances);
    vault_reopen(&a);
    a.keep->lost_walk_ms = INT64_MAX; /* what was made up is in no store: all of it would be lost */
    return 0;
}

static int
stop(void **state)
{
    vault_close(&a);
    return vault_stop(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_catalog_is_read_by_index),
    };

    return cmocka_run_group_tests_name("large_catalog", tests, start, stop);
}
