/* test_plain_wrong.c - a mistake typed into targets.conf costs the target of its line, never the
 * start, and nothing that this target is to get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/plain.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "tests/support/plain_peer.h"
#include "tests/support/plain_world.h"

static bool
has_bytes(struct plain_world *x, uint64_t id)
{
    struct spool_entry *entry = NULL;
    struct err err = {0};
    bool has;

    assert_int_equal(spool_load(x->w.spool, id, &entry, &err), 0);
    has = entry->has_bytes;
    spool_entry_free(&entry);
    return has;
}

static bool
is_elsewhere(struct plain_world *x, const char *device, const char *modality)
{
    struct spool_entry entry = {.id = 0};

    text_copy(entry.meta.calling_ae, sizeof entry.meta.calling_ae, device);
    text_copy(entry.facts.modality, sizeof entry.facts.modality, modality);
    return plain_is_archived(x->plain, &entry);
}

/* The mistake is in the second line: the first target gets its own all the same. */
static void
of_a_table_with_a_mistake_one_target_waits_and_nothing_it_needs_is_forgotten(void **state)
{
    struct plain_world *x = *state;
    struct spool_options o = {.segment_bytes = 1 << 20}; /* sealed may go at once */
    char *spool = mem_printf("%s/spool", x->w.dir), archive[33];
    struct err err;

    plain_world_aim(x,
                    "\nxa dicom XA@127.0.0.1:104 conections=2 instead-of-centre=yes devices=XA1");
    plain_world_arrive(x, 1, 1);
    serve_world_close(&x->w); /* its segment is full now */
    assert_int_equal(spool_open(spool, &o, &x->w.spool, &err), 0);
    free(spool);
    plain_world_start(x);
    plain_world_seal(x, 1);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);

    spool_collect_garbage(x->w.spool);
    assert_true(has_bytes(x, 1));
    assert_true(is_elsewhere(x, "XA1", "XA"));                        /* not for the centre */
    assert_false(plain_archive_name(x->plain, "XA1", "XA", archive)); /* and nowhere yet */
    assert_string_equal(archive, "");
    assert_false(is_elsewhere(x, "CT1", "CT"));
    assert_true(plain_archive_name(x->plain, "CT1", "CT", archive));
    assert_string_equal(archive, "");
    assert_string_equal(plain_table_trouble(x->plain), "line 2: xa: unknown setting conections");
    plain_stop(&x->plain);
    plain_world_aim(x, "");
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
    spool_collect_garbage(x->w.spool);
    assert_false(has_bytes(x, 1));
    assert_string_equal(plain_table_trouble(x->plain), "");
}

/* Sealed at the centre, which has not acknowledged the list: then nobody does in its place. */
static void
a_target_with_a_mistake_makes_nothing_safe(void **state)
{
    static const struct serve_image other = {.study = "1.2.5",
                                             .series = "1.2.5.4",
                                             .sop_instance = "1.2.5.9",
                                             .modality = "MR",
                                             .number = 1};
    struct plain_world *x = *state;
    struct spool_study study;
    struct err err = {0};
    uint32_t revision;

    plain_world_aim(x, "instead-of-centre=yes modalities=MR\n"
                       "xa dicom XA@127.0.0.1:104 conections=2 instead-of-centre=yes");
    plain_world_arrive(x, 1, 1);
    plain_world_seal(x, 1);
    serve_world_put(&x->w, &other);
    plain_world_arrive(x, 2, 1); /* none new: looked into */
    assert_int_equal(spool_manifest_close(x->w.spool, "1.2.3", &revision, &err), 0);
    assert_int_equal(spool_manifest_close(x->w.spool, "1.2.5", &revision, &err), 0);
    plain_world_start(x);

    PLAIN_AWAIT(x,
                spool_study(x->w.spool, "1.2.5", &study, &err) == 0 && study.acked_revision == 1);
    assert_int_equal(spool_study(x->w.spool, "1.2.3", &study, &err), 0); /* it is looked at first */
    assert_int_equal(study.acked_revision, 0);
}

static void
a_target_with_a_mistake_is_red_and_says_what_is_wrong(void **state)
{
    struct plain_world *x = *state;

    plain_world_aim(x, "conections=2");
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);

    assert_true(plain_world_says(x, "colour", "red"));
    assert_true(plain_world_says(x, "line", "wrong"));
    assert_true(plain_world_says(x, "trouble", "line 1: pacs: unknown setting conections"));
    assert_int_equal(plain_peer.stores, 0);
}

int
main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, plain_world_setup, plain_world_teardown)
    const struct CMUnitTest tests[] = {
        T(of_a_table_with_a_mistake_one_target_waits_and_nothing_it_needs_is_forgotten),
        T(a_target_with_a_mistake_is_red_and_says_what_is_wrong),
        T(a_target_with_a_mistake_makes_nothing_safe),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, plain_world_begin, plain_world_end);
}
