/* test_coming.c - what a study is while nothing, or not all, of it is whole: the heads of files on
 * their way say it, and nothing is decided by what may be put aside. */
#include "proto/dicom/facts.h"
#include "proto/model/layout.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};

enum { PIXELS = 512, LOOK = 100 }; /* bytes: of a slice; of its first look, behind its head */

static struct vault a;

static int
begin(void **state)
{
    static int serial;
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "coming%d", serial++);
    vault_open(&a, vault_cluster, name);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    vault_close(&a);
    return 0;
}

static void
offer_one(struct link_offer_object *o)
{
    struct link_offer offer = {o, 1};
    struct link_answer answer;
    struct err err;

    OK(keep_offer(a.keep, &gate_a, &offer, &answer, &err));
    link_answer_free(&answer);
}

/* Offer it, and send all of it but so many bytes at its end. */
static enum link_state
send_but(const struct slice *s, size_t but)
{
    struct link_offer_object o;
    enum link_state state;
    struct buf file, part;

    slice_make(s, &file);
    slice_offer(s, &file, &o);
    offer_one(&o);
    part = file;
    part.n = file.n - but;
    state = vault_send(&a, &gate_a, &o, &part);
    buf_fini(&file);
    return state;
}

static void
send_head(const struct slice *s)
{
    assert_int_equal(send_but(s, PIXELS), LINK_PARTIAL);
}

/* How many series are told of; the first's facts. */
static size_t
coming_of(const char *tenant, const char *study, struct dcm_facts *out)
{
    struct keep_coming coming;
    struct err err;
    size_t n;

    OK(keep_coming_get(a.keep, tenant, study, &coming, &err));
    n = coming.count;
    if (n > 0 && out != NULL)
        *out = coming.facts[0];
    keep_coming_fini(&coming);
    return n;
}

static int
count_row(void *user, const struct keep_row *row)
{
    (void)row;
    ++*(int *)user;
    return 0;
}

static void
the_head_of_a_file_says_what_the_study_is_and_no_search_does(void **state)
{
    const struct slice s = vault_ct(1), other = vault_ct(2);
    const struct keep_query query = {.tenant = "clinic-a", .level = KEEP_STUDY};
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct link_offer_object o;
    struct buf file;
    struct err err;
    int found = 0;

    (void)state;
    slice_make(&other, &file);
    slice_offer(&other, &file, &o);
    offer_one(&o);
    assert_int_equal(coming_of("clinic-a", "1.2.3", NULL), 0); /* not a byte is here */
    send_head(&s);

    assert_int_equal(coming_of("clinic-a", "1.2.3", facts), 1);
    assert_string_equal(facts->patient_id, "P1");
    assert_string_equal(facts->patient_name, "WANG^XIAO");
    assert_string_equal(facts->modality, "CT");
    assert_string_equal(facts->study_description, "HEAD");
    assert_string_equal(facts->accession, "ACC1");
    assert_string_equal(facts->sop_instance, s.instance);
    assert_int_equal(coming_of("clinic-b", "1.2.3", NULL), 0);
    OK(keep_find(a.keep, &query, count_row, &found, &err));
    assert_int_equal(found, 0);

    assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_HELD);
    assert_int_equal(coming_of("clinic-a", "1.2.3", NULL), 0); /* the catalog says it now */
    OK(keep_find(a.keep, &query, count_row, &found, &err));
    assert_int_equal(found, 1);
    buf_fini(&file);
    free(facts);
}

static void
whose_study_it_is_waits_where_two_patients_are_named(void **state)
{
    struct slice one = vault_ct(1), two = vault_ct(2);

    (void)state;
    two.series = "1.2.3.2";
    two.patient_id = "P2";
    send_head(&one);
    send_head(&two);
    assert_int_equal(coming_of("clinic-a", "1.2.3", NULL), 0);

    assert_int_equal(send_but(&two, 0), LINK_HELD); /* it is P2's: the other goes aside */
    assert_int_equal(coming_of("clinic-a", "1.2.3", NULL), 0);
}

static void
series_that_are_coming_are_told_beside_those_that_are_here(void **state)
{
    struct slice one = vault_ct(1), two = vault_ct(2);
    struct dcm_facts *facts = mem_new(sizeof *facts);

    (void)state;
    two.series = "1.2.3.2";
    assert_int_equal(vault_put(&a, &gate_a, &one), LINK_HELD);
    send_head(&two);
    assert_int_equal(coming_of("clinic-a", "1.2.3", facts), 1);
    assert_string_equal(facts->series_uid, "1.2.3.2");
    free(facts);
}

/* Corrected at the console it comes again, as another patient's study of the same image. */
static void
an_image_that_the_catalog_has_says_nothing_of_another_study(void **state)
{
    struct slice s = vault_ct(1);

    (void)state;
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_HELD);
    s.study = "1.2.4";
    s.series = "1.2.4.1";
    s.patient_id = "P2";
    send_head(&s);
    assert_int_equal(coming_of("clinic-a", "1.2.4", NULL), 0);
}

static void
a_file_under_other_numbers_than_its_own_says_nothing(void **state)
{
    const struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct buf file, head;

    (void)state;
    slice_make(&s, &file);
    slice_offer(&s, &file, &o);
    snprintf(o.study, sizeof o.study, "1.2.5");
    offer_one(&o);
    head = file;
    head.n = file.n - PIXELS;
    assert_int_equal(vault_send(&a, &gate_a, &o, &head), LINK_PARTIAL);
    assert_int_equal(coming_of("clinic-a", "1.2.5", NULL), 0);
    buf_fini(&file);
}

/* Its head, the first layer of its only frame, and the rest. */
static void
write_layout(uint64_t size, struct buf *out)
{
    struct layout *layout = layout_new(size, 1, 2);

    layout->header_end = layout->frame_start[0] = size - PIXELS;
    layout->layer_end[0] = size - PIXELS + LOOK;
    layout->layer_end[1] = size;
    layout_write(layout, out);
    layout_free(&layout);
}

static void
a_series_with_a_first_look_to_come_is_waited_for(void **state)
{
    struct slice one = vault_ct(1), two = vault_ct(2);
    struct link_offer_object o;
    struct buf file, head, layout;

    (void)state;
    two.series = "1.2.3.2";
    slice_make(&two, &file);
    slice_offer(&two, &file, &o);
    buf_init(&layout, 4096);
    write_layout(file.n, &layout);
    o.layout = layout.bytes;
    o.layout_n = layout.n;
    offer_one(&o);
    send_head(&one);
    assert_int_equal(coming_of("clinic-a", "1.2.3", NULL), 0);

    head = file;
    head.n = file.n - PIXELS + LOOK;
    assert_int_equal(vault_send(&a, &gate_a, &o, &head), LINK_LOOKED);
    assert_int_equal(coming_of("clinic-a", "1.2.3", NULL), 2);
    buf_fini(&layout);
    buf_fini(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)
        CASE(the_head_of_a_file_says_what_the_study_is_and_no_search_does),
        CASE(whose_study_it_is_waits_where_two_patients_are_named),
        CASE(series_that_are_coming_are_told_beside_those_that_are_here),
        CASE(an_image_that_the_catalog_has_says_nothing_of_another_study),
        CASE(a_file_under_other_numbers_than_its_own_says_nothing),
        CASE(a_series_with_a_first_look_to_come_is_waited_for),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
