/* test_recipe.c - recipes written by hand are followed, and those that lie are refused; elements in
 * another coding. */
#include "proto/dicom/emit.h"
#include "proto/dicom/recipe.h"
#include "proto/dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int
to_buf(void *user, const void *bytes, size_t n, struct err *err)
{
    buf_add(user, bytes, n);
    return buf_is_over(user) ? err_set(err, ERR_REJECT, "over") : 0;
}

struct op {
    enum recipe_op op;
    uint64_t n;
    const char *literal;
};

static int
follow(const struct op *ops, const char *coded, size_t coded_n, const struct recipe_head *head,
       struct buf *out)
{
    struct recipe_writer w;
    struct buf recipe;
    struct err err;
    int rc;

    buf_init(&recipe, 4096);
    recipe_writer_init(&w, 4096);
    for (; ops->op != RECIPE_END; ops++)
        recipe_add(&w, ops->op, ops->n, (const uint8_t *)ops->literal);
    recipe_finish(&w, head, &recipe);
    buf_clear(out);
    rc = dcm_restore((const uint8_t *)coded, coded_n, recipe.bytes, recipe.n,
                     (const uint8_t *)"rgbRGB", 6, to_buf, out, &err);
    recipe_writer_fini(&w);
    buf_fini(&recipe);
    return rc;
}

static void
operations_do_what_the_page_says(void **state)
{
    static const char coded[] = "HEAD"
                                "\x08\0\x60\0CS\x02\0CT" /* 10 */
                                "\x08\0\x70\0UT\0\0\x02\0\0\0ab"
                                "(pixels)"
                                "TAIL";
    static const struct op ops[] = {{RECIPE_COPY, 4, NULL},    {RECIPE_IMPLICIT, 10, NULL},
                                    {RECIPE_BIG, 14, NULL},    {RECIPE_PIXELS, 6, NULL},
                                    {RECIPE_LITERAL, 2, "xy"}, {RECIPE_SKIP, 2, NULL},
                                    {RECIPE_COPY, 2, NULL},    {RECIPE_END, 0, NULL}};
    static const char wanted[] = "HEAD"
                                 "\x08\0\x60\0\x02\0\0\0CT"
                                 "\0\x08\0\x70UT\0\0\0\0\0\x02"
                                 "ab"
                                 "rRgGbBxyIL";
    struct recipe_head head = {28, 4, sizeof wanted - 1, {6, 1, 3, 1, 2}};
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    assert_int_equal(follow(ops, coded, sizeof coded - 1, &head, &out), 0);
    assert_int_equal(out.n, sizeof wanted - 1);
    assert_memory_equal(out.bytes, wanted, out.n);
    head.received_n--;
    assert_int_equal(follow(ops, coded, sizeof coded - 1, &head, &out), -1);
    head.received_n += 2;
    assert_int_equal(follow(ops, coded, sizeof coded - 1, &head, &out), -1);
    buf_fini(&out);
}

static void
lies_are_refused(void **state)
{
    static const struct {
        const char *name;
        struct op ops[3];
    } rows[] = {
        {"past the head", {{RECIPE_COPY, 9, NULL}}},
        {"across head and tail", {{RECIPE_COPY, 6, NULL}, {RECIPE_COPY, 6, NULL}}},
        {"no element", {{RECIPE_IMPLICIT, 4, NULL}}},
        {"value past the range", {{RECIPE_IMPLICIT, 8, NULL}}},
        {"more pixels than there are", {{RECIPE_PIXELS, 7, NULL}}},
        {"unknown operation", {{RECIPE_OPS, 1, NULL}}},
    };
    struct recipe_head head = {8, 4, 1000, {6, 1, 1, 0, 0}};
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (follow(rows[i].ops, "\x08\0\x60\0CS\x02\0CT..", 12, &head, &out) == 0)
            fail_msg("%s was followed", rows[i].name);
    buf_fini(&out);
}

static void
elements_are_said_in_implicit(void **state)
{
    struct dcm_writer w;
    struct dcm_walk walk;
    struct dcm_element e;
    struct emitter m;
    struct buf from, to, wanted;
    struct err err;

    (void)state;
    buf_init(&from, 4096);
    buf_init(&to, 4096);
    buf_init(&wanted, 4096);
    for (int i = 0; i < 2; i++) {
        dcm_write_init(&w, i == 0 ? &from : &wanted, i == 0 ? DCM_EXPLICIT_LE : DCM_IMPLICIT_LE);
        dcm_write_text(&w, 0x00080060, NULL, "CT");
        dcm_write_sequence_begin(&w, 0x00081140);
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00081150, NULL, "1.2");
        dcm_write_item_end(&w);
        dcm_write_sequence_end(&w);
        dcm_write_bytes(&w, 0x00420011, "OB", "pdf", 3);
    }
    emit_init(&m, &to, DCM_IMPLICIT_LE);
    dcm_walk_init(&walk, from.bytes, from.n, DCM_EXPLICIT_LE, DCM_WALK_WHOLE);
    do {
        assert_int_equal(dcm_walk_next(&walk, &e, &err), 0);
        assert_int_equal(emit_event(&m, &e, from.bytes, &err), 0);
    } while (e.event != DCM_END);
    assert_int_equal(to.n, wanted.n);
    assert_memory_equal(to.bytes, wanted.bytes, to.n);
    buf_fini(&wanted);
    buf_fini(&to);
    buf_fini(&from);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_do_what_the_page_says),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(elements_are_said_in_implicit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
