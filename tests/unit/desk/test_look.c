/* test_look.c - whose the desk says a study is, by what its images say. The look's own thread, over
 * a real spool and a real book. */
#include "gateway/desk/look.h"

#include "gateway/desk/book.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/model/doubts.h"
#include "tests/support/book_world.h"
#include "tests/support/spool_fixture.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define S1 "1.2.3.1"
enum { WAIT_MS = 60000 };

static struct err err;

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static void
receive(struct spool *spool, const char *instance, const char *patient_id, uint32_t doubts)
{
    struct slice slice = {.study = S1,
                          .series = S1 ".1",
                          .instance = instance,
                          .patient_id = patient_id,
                          .patient_name = patient_id};
    struct spool_inspection facts = {.study_uid = S1, .modality = "CT", .doubts = doubts};
    struct spool_meta meta = {.transfer_syntax = "1.2.840.10008.1.2.1",
                              .received_at_us = clock_wall_us()};
    struct spool_draft *draft = NULL;
    struct buf file;
    uint64_t id;

    text_copy(meta.sop_instance, sizeof meta.sop_instance, instance);
    buf_init(&file, 1 << 20);
    slice_make(&slice, &file);
    must(spool_draft_begin(spool, &meta, &draft, &err));
    must(spool_draft_write(draft, file.bytes, file.n, &err));
    must(spool_commit(spool, &draft, &id, &err));
    must(spool_set_inspected(spool, id, &facts, &err));
    must(spool_set_uncoded(spool, id, "test", &err));
    buf_fini(&file);
}

/* The centre names the study by what went first: what was inspected first, not what came first. */
static void
a_study_of_two_people_is_whose_its_first_inspected_image_says(void **state)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct spool_fixture *f = NULL;
    struct book_study *studies;
    struct look *look;
    bool is_known = false;
    uint64_t seen = 0;
    size_t n;

    (void)state;
    assert_int_equal(spool_fixture_setup((void **)&f), 0);
    receive(f->sp, S1 ".1", "LARGE", DOUBT_UID_REUSED);
    receive(f->sp, S1 ".2", "SMALL", 0);

    look_start(f->sp, NULL, book, NULL, NULL, &look);
    while (!is_known && clock_mono_ms() < until_ms) {
        must(book_study_is_known(book, S1, &is_known, &err));
        seen = spool_wait(f->sp, seen, 20);
    }
    look_stop(&look);

    must(book_studies(book, 0, &studies, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(studies[0].patient_id, "SMALL");
    free(studies);
    spool_fixture_teardown((void **)&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_study_of_two_people_is_whose_its_first_inspected_image_says, book_world_open,
            book_world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
