/* test_serve_index.c - what is here for queries: kept up to date, each file read once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/serve/index.h"
#include "tests/support/serve_world.h"

static struct serve_world world;
static unsigned profiles_asked;

static const char *
profile(const char *ae, const char *address, void *user)
{
    (void)user;
    assert_string_equal(ae, "CT1");
    assert_string_equal(address, "127.0.0.1");
    profiles_asked++;
    return "GB18030";
}

static const char *
text(struct index *index, size_t at, enum attribute_name name)
{
    static char room[256];

    return index_text(index, world.spool, at, &attributes[name], profile, NULL, room);
}

static void
put(const char *series, const char *sop_instance, int number, const char *modality)
{
    struct serve_image image = {.study = "1.2.1",
                                .series = series,
                                .sop_instance = sop_instance,
                                .number = number,
                                .modality = modality,
                                .name = "\xcd\xf5",
                                .character_set = "ISO_IR 100"};

    serve_world_put(&world, &image);
}

static void
index_follows_the_spool_and_reads_each_file_once_a_level(void **state)
{
    struct index *index = mem_new(sizeof *index);
    bool is_all = false;

    (void)state;
    serve_world_make(&world, "CT1 *\n");
    put("1.2.1.2", "1.2.1.2.1", 9, "SR");
    put("1.2.1.1", "1.2.1.1.1", 4, "CT");
    index_refresh(index, world.spool);
    assert_int_equal(index->n, 0); /* not looked into yet */
    serve_world_inspect(&world);
    index_refresh(index, world.spool);

    assert_int_equal(index->n, 2);
    assert_string_equal(text(index, 0, ATTRIBUTE_SOP_INSTANCE), "1.2.1.1.1");
    assert_string_equal(text(index, 1, ATTRIBUTE_PATIENT_NAME), "王");
    assert_string_equal(text(index, 0, ATTRIBUTE_PATIENT_ID), "P1");
    assert_string_equal(text(index, 0, ATTRIBUTE_STUDY_DATE), "20260102");
    assert_string_equal(text(index, 0, ATTRIBUTE_ACCESSION), "");
    assert_int_equal(profiles_asked, 1);
    assert_string_equal(text(index, 0, ATTRIBUTE_MODALITIES), "CT\\SR");
    assert_string_equal(text(index, 0, ATTRIBUTE_STUDY_SERIES), "2");
    assert_string_equal(text(index, 1, ATTRIBUTE_INSTANCE_NUMBER), "9");
    assert_string_equal(text(index, 0, ATTRIBUTE_INSTANCE_NUMBER), "4");
    assert_string_equal(text(index, 0, ATTRIBUTE_SERIES_NUMBER), "7");
    assert_string_equal(text(index, 0, ATTRIBUTE_ROWS), "512");
    assert_int_equal(profiles_asked, 4);
    put("1.2.1.1", "1.2.1.1.2", 5, "CT");
    serve_world_inspect(&world);
    index_refresh(index, world.spool);
    assert_int_equal(index->n, 3);
    assert_string_equal(text(index, 2, ATTRIBUTE_PATIENT_NAME), "王");
    assert_string_equal(text(index, 0, ATTRIBUTE_INSTANCE_NUMBER), "4");
    assert_int_equal(profiles_asked, 4); /* kept over the refresh */
    assert_string_equal(text(index, 1, ATTRIBUTE_INSTANCE_NUMBER), "5");
    assert_string_equal(text(index, 1, ATTRIBUTE_SERIES_INSTANCES), "2");
    assert_string_equal(text(index, 1, ATTRIBUTE_STUDY_INSTANCES), "3");
    assert_int_equal(index_next(index, 0, DIMSE_STUDY), 3);
    assert_int_equal(index_next(index, 0, DIMSE_SERIES), 2);
    assert_true(index_is_here(index, 0, DIMSE_STUDY, &is_all));
    assert_true(is_all);
    index_free(&index);
    serve_world_remove(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_follows_the_spool_and_reads_each_file_once_a_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
