/* test_link_json.c - UIDs and lists in the link's bodies: what is taken, and what is not. */
#include "proto/link/link_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char body[] = "{\"list\":[1,2,3],\"uid\":\"1.02.3\",\"word\":\"a.b\",\"text\":\"x\"}";

static int
open_it(size_t max_bytes, const char *key, size_t max)
{
    struct json_doc *doc = NULL;
    const struct json *list = NULL;
    struct err err;
    int rc = link_open_list((const uint8_t *)body, sizeof body - 1, max_bytes, key, max, &doc,
                            &list, &err);

    assert_int_equal(rc == 0 ? json_length(list) : 3, 3);
    json_free(&doc);
    return rc < 0 ? -(int)err.kind : 0;
}

static void
a_list_is_taken_within_its_limits_only(void **state)
{
    (void)state;
    assert_int_equal(open_it(sizeof body - 1, "list", 3), 0);
    assert_int_equal(open_it(sizeof body - 2, "list", 3), -ERR_REJECT);
    assert_int_equal(open_it(sizeof body - 1, "list", 2), -ERR_REJECT);
    assert_int_equal(open_it(sizeof body - 1, "text", 3), -ERR_REJECT);
    assert_int_equal(open_it(sizeof body - 1, "none", 3), -ERR_REJECT);
}

static void
a_uid_may_have_leading_zeros_and_no_letters(void **state)
{
    struct json_doc *doc = NULL;
    char uid[LINK_UID_SIZE];
    struct err err;

    (void)state;
    assert_int_equal(json_parse((const uint8_t *)body, sizeof body - 1, &doc, &err), 0);
    assert_int_equal(link_read_uid(json_root(doc), "uid", uid, &err), 0);
    assert_string_equal(uid, "1.02.3");
    assert_int_equal(link_read_uid(json_root(doc), "word", uid, &err), -1);
    assert_int_equal(link_read_uid(json_root(doc), "none", uid, &err), -1);
    json_free(&doc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_taken_within_its_limits_only),
        cmocka_unit_test(a_uid_may_have_leading_zeros_and_no_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
