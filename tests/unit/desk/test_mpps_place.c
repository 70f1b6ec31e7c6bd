/* test_mpps_place.c - what a step says is missing is missing where the step's images are, under
 * whichever study the device put them. */
#include "gateway/desk/arrivals.h"
#include "gateway/desk/mpps.h"
#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"
#include "proto/dicom/write.h"
#include "tests/support/book_world.h"

#include <sqlite3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STEP "2.25.7"

static struct spool *spool;
static struct err err;

static void
open_spool(void)
{
    struct spool_options so = {.keep_sealed_ms = -1};
    char dir[FOLDER_PATH_BYTES + 8];

    snprintf(dir, sizeof dir, "%s/spool", book_dir);
    assert_int_equal(spool_open(dir, &so, &spool, &err), 0);
}

static int
world_open(void **state)
{
    int rc = book_world_open(state);

    open_spool();
    return rc;
}

static int
world_close(void **state)
{
    spool_close(&spool);
    return book_world_close(state);
}

static void
start_anew(void)
{
    spool_close(&spool);
    reopen();
    open_spool();
}

static uint64_t
arrive(const char *instance)
{
    struct spool_meta meta = {.sop_class = "1.2.3"};
    struct spool_draft *draft = NULL;
    uint64_t id;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, instance);
    assert_int_equal(spool_draft_begin(spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, "rubbish", 7, &err), 0);
    assert_int_equal(spool_commit(spool, &draft, &id, &err), 0);
    return id;
}

static void
look_into(uint64_t id, const char *study)
{
    struct spool_inspection facts = {.series_uid = "1.2.9", .modality = "CT", .frames = 1};

    text_copy(facts.study_uid, sizeof facts.study_uid, study);
    assert_int_equal(spool_set_inspected(spool, id, &facts, &err), 0);
}

static void
send_image(const char *study, const char *instance)
{
    look_into(arrive(instance), study);
}

static void
look(void)
{
    if (arrivals_look(spool, book, &err) < 0)
        fail_msg("%s", err.text);
}

/* ---- what the device says ---- */

struct series {
    const char *uid, *instances[4];
};

static void
say(struct buf *set, bool is_new)
{
    struct mpps_said said;
    uint16_t error_id;

    if (mpps_read(set->bytes, set->n, DCM_IMPLICIT_LE, "", &said, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(is_new ? mpps_create(book, STEP, "CT_1", &said, "{}", &err)
                            : mpps_set(book, STEP, &said, "{}", &error_id, &err),
                     0);
    mpps_said_fini(&said);
    buf_fini(set);
}

static void
begin(const char *const *studies)
{
    struct dcm_writer w;
    struct buf set;

    buf_init(&set, 65536);
    dcm_write_init(&w, &set, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x00400252, "CS", "IN PROGRESS");
    dcm_write_sequence_begin(&w, 0x00400270);
    for (size_t i = 0; studies[i] != NULL; i++) {
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x0020000D, "UI", studies[i]);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
    say(&set, true);
}

static void
list(const char *state, const struct series *series, size_t n)
{
    struct dcm_writer w;
    struct buf set;

    buf_init(&set, 65536);
    dcm_write_init(&w, &set, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x00400252, "CS", state);
    dcm_write_sequence_begin(&w, 0x00400340);
    for (size_t s = 0; s < n; s++) {
        dcm_write_item_begin(&w);
        dcm_write_sequence_begin(&w, 0x00081140);
        for (size_t i = 0; i < 4 && series[s].instances[i] != NULL; i++) {
            dcm_write_item_begin(&w);
            dcm_write_text(&w, 0x00081155, "UI", series[s].instances[i]);
            dcm_write_item_end(&w);
        }
        dcm_write_sequence_end(&w);
        dcm_write_text(&w, 0x0020000E, "UI", series[s].uid);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
    say(&set, false);
}

static void
expect(const char *study, uint32_t total, uint32_t not_here)
{
    uint32_t expected, missing;

    assert_int_equal(mpps_expected(book, study, &expected, &missing, &err), 0);
    if (expected != total || missing != not_here)
        fail_msg("%s: expected %u missing %u, wanted %u and %u", study, expected, missing, total,
                 not_here);
}

/* ---- tests ---- */

static const char *const group[] = {"1.2.2", "1.2.3", NULL};
static const char *const planned[] = {"1.2.6", NULL};

/* One step of two scheduled ones: what was missing of the second study was the first's, and the
 * second was safe to delete. */
static void
of_a_group_case_each_study_misses_what_its_series_misses(void **state)
{
    static const struct series made[] = {{"1.9.2", {"1.1.10"}}, {"1.9.3", {"1.1.11", "1.1.12"}}};

    (void)state;
    begin(group);
    send_image("1.2.2", "1.1.10");
    send_image("1.2.3", "1.1.11");
    look();
    list("COMPLETED", made, 2);
    look();

    for (int i = 0; i < 2; i++) {
        expect("1.2.2", 1, 0);
        expect("1.2.3", 2, 1);
        start_anew();
        look();
    }
    send_image("1.2.3", "1.1.12");
    look();
    expect("1.2.3", 2, 0);
    expect("1.2.2", 1, 0);
}

/* The console's own Study UID: its study was safe to delete while images of it were missing. */
static void
what_misses_stands_under_the_consoles_own_study(void **state)
{
    static const struct series made[] = {{"1.9.6", {"1.1.20", "1.1.21"}}};
    struct mpps_study *missing = NULL;
    size_t n = 0;

    (void)state;
    begin(planned);
    list("COMPLETED", made, 1);
    look();
    expect("1.2.6", 2, 2);
    send_image("1.2.66", "1.1.20");
    look();

    for (int i = 0; i < 2; i++) {
        expect("1.2.66", 2, 1);
        expect("1.2.6", 0, 0);
        start_anew();
        look();
    }
    assert_int_equal(mpps_missing(book, &missing, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(missing[0].study, "1.2.66");
    assert_int_equal(missing[0].missing, 1);
    free(missing);
}

/* It may be of either. */
static void
a_series_of_which_nothing_came_is_missing_in_every_study_of_the_step(void **state)
{
    static const struct series made[] = {
        {"1.9.2", {"1.1.10"}}, {"1.9.3", {"1.1.11"}}, {"1.9.4", {"1.1.13", "1.1.14"}}};

    (void)state;
    begin(group);
    list("COMPLETED", made, 3);
    send_image("1.2.2", "1.1.10");
    send_image("1.2.3", "1.1.11");
    look();
    expect("1.2.2", 3, 2);
    expect("1.2.3", 3, 2);

    start_anew();
    send_image("1.2.3", "1.1.13");
    look();
    expect("1.2.2", 1, 0);
    expect("1.2.3", 3, 1);
}

static void
what_a_later_message_lists_is_missing_where_its_series_is(void **state)
{
    static const struct series first[] = {{"1.9.6", {"1.1.20"}}};
    static const struct series all[] = {{"1.9.6", {"1.1.20", "1.1.21"}}, {"1.9.7", {"1.1.30"}}};

    (void)state;
    begin(planned);
    send_image("1.2.66", "1.1.20");
    list("IN PROGRESS", first, 1);
    look();
    expect("1.2.66", 1, 0);

    list("COMPLETED", all, 2); /* before anybody looks again */

    expect("1.2.66", 3, 2);
}

/* Stored, and looked into only then. */
static void
an_image_is_placed_when_it_was_looked_into(void **state)
{
    static const struct series made[] = {{"1.9.6", {"1.1.20", "1.1.21"}}};
    uint64_t id;

    (void)state;
    begin(planned);
    list("COMPLETED", made, 1);
    id = arrive("1.1.20");
    look();
    expect("1.2.6", 2, 1);
    start_anew();

    look_into(id, "1.2.66");
    look();

    expect("1.2.66", 2, 1);
}

static int
count_row(void *user, int n, char **values, char **names)
{
    (void)n;
    (void)values;
    (void)names;
    ++*(unsigned *)user;
    return 0;
}

/* *rows, unless NULL, is counted up by what it finds. */
static void
run_sql(const char *dir, const char *sql, unsigned *rows)
{
    sqlite3 *file = NULL;
    char *path = mem_printf("%s/desk.db", dir);

    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    if (sqlite3_exec(file, sql, rows != NULL ? count_row : NULL, rows, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(file));
    sqlite3_close(file);
    free(path);
}

static bool
knows_the_other(void *user, const char *study)
{
    return strcmp(study, user) != 0;
}

static unsigned
kept(const char *instance)
{
    char *sql = mem_printf("SELECT 1 FROM mpps_image WHERE instance = '%s'", instance);
    unsigned n = 0;

    run_sql(book_dir, sql, &n);
    free(sql);
    return n;
}

static void
what_a_step_lists_is_forgotten_with_its_study(void **state)
{
    static const struct series made[] = {{"1.9.2", {"1.1.10"}}, {"1.9.3", {"1.1.11", "1.1.12"}}};
    static char gone[] = "1.2.3";

    (void)state;
    begin(group);
    list("COMPLETED", made, 2);
    send_image("1.2.2", "1.1.10");
    send_image("1.2.3", "1.1.11");
    look();
    for (int64_t i = 0; i < 3; i++)
        assert_int_equal(
            mpps_forget(book, knows_the_other, gone, 1000 + i * (MPPS_KEEP_MS + 1), &err), 0);

    expect("1.2.3", 0, 0);
    expect("1.2.2", 1, 0);
    assert_int_equal(kept("1.1.10"), 1);
    assert_int_equal(kept("1.1.11") + kept("1.1.12"), 0);
}

/* A perfusion or a whole body: the desk must not stand for as long as images times images take. */
static void
a_step_of_very_many_images_is_noted_at_once(void **state)
{
    struct mpps_said said = {.has_state = true,
                             .state = MPPS_COMPLETED,
                             .has_series = true,
                             .instance_n = MPPS_INSTANCES};
    uint16_t error_id;

    (void)state;
    begin(group);
    said.instances = mem_new(MPPS_INSTANCES * sizeof *said.instances);
    said.series = mem_new(MPPS_INSTANCES * sizeof *said.series);
    for (unsigned i = 0; i < MPPS_INSTANCES; i++) {
        snprintf(said.instances[i], sizeof said.instances[i], "1.1.%u", 1000 + i);
        snprintf(said.series[i], sizeof said.series[i], "1.9.1");
    }
    assert_int_equal(mpps_set(book, STEP, &said, "{}", &error_id, &err), 0);
    send_image("1.2.3", "1.1.1000");
    look();

    expect("1.2.3", MPPS_INSTANCES, MPPS_INSTANCES - 1);
    expect("1.2.2", 0, 0);
    mpps_said_fini(&said);
}

/* ---- a book of before ---- */

static void
write_version_16(const char *dir)
{
    assert_int_equal(durable_mkdir(dir, &err), 0);
    for (int n = 1; n <= 16; n++) {
        char *path = mem_printf("gateway/desk/schema_%d.sql", n), *sql;
        const struct embedded *schema = embed_find(path);

        assert_non_null(schema);
        sql = mem_printf("%.*s", (int)(schema->end - schema->begin), (const char *)schema->begin);
        run_sql(dir, sql, NULL);
        free(sql);
        free(path);
    }
    run_sql(dir, "PRAGMA user_version=16", NULL);
}

/* Its rows do not say the series: the whole step is missing what it misses. */
static void
what_a_version_before_wrote_down_is_placed_too(void **state)
{
    char *dir = mem_printf("%s/old", book_dir);

    (void)state;
    write_version_16(dir);
    run_sql(dir,
            "INSERT INTO mpps (uid, state, device, study, accession, modality, created_at_us,"
            " changed_at_us, reason) VALUES ('2.25.7', 'COMPLETED', 'CT_1', '1.2.6', '', 'CT', 1,"
            " 1, '');"
            "INSERT INTO expected (study, instance, by, at_us, is_here, is_looked) VALUES"
            " ('1.2.6', '1.1.20', '2.25.7', 1, 1, 1), ('1.2.6', '1.1.21', '2.25.7', 1, 0, 1),"
            " ('1.2.8', '1.1.40', '2.25.8', 1, 0, 1)",
            NULL);
    send_image("1.2.66", "1.1.20");
    book_close(&book);
    assert_int_equal(book_open(dir, "", &book, &err), 0);
    expect("1.2.6", 2, 1);

    look();

    expect("1.2.66", 2, 1);
    expect("1.2.6", 1, 1);
    expect("1.2.8", 1, 1);
    free(dir);
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(of_a_group_case_each_study_misses_what_its_series_misses),
        PLACE_TEST(what_misses_stands_under_the_consoles_own_study),
        PLACE_TEST(a_series_of_which_nothing_came_is_missing_in_every_study_of_the_step),
        PLACE_TEST(what_a_later_message_lists_is_missing_where_its_series_is),
        PLACE_TEST(an_image_is_placed_when_it_was_looked_into),
        PLACE_TEST(what_a_step_lists_is_forgotten_with_its_study),
        PLACE_TEST(a_step_of_very_many_images_is_noted_at_once),
        PLACE_TEST(what_a_version_before_wrote_down_is_placed_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
