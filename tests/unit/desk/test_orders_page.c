/* test_orders_page.c - what the desk's page is told of an order. */
#include "gateway/desk/orders_json.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t noon_us = INT64_C(1795305600) * 1000000;

static bool
is_offered(const struct order *o)
{
    struct buf json;
    struct jsonw w;
    bool is;

    buf_init(&json, 1 << 16);
    jsonw_init(&w, &json);
    orders_write(&w, o);
    is = strstr(buf_text(&json), "\"is_offered\":true") != NULL;
    buf_fini(&json);
    return is;
}

/* The page listed as waiting what no device was shown any more. */
static void
the_page_is_told_what_the_devices_are_shown(void **state)
{
    struct order o = {.state = ORDER_SCHEDULED, .scheduled_at_us = noon_us};

    (void)state;
    clock_fake(noon_us, 1000);
    assert_true(is_offered(&o));
    text_copy(o.attached, sizeof o.attached, "2.25.1");
    o.arrived_at_us = noon_us - INT64_C(5) * 60 * 1000000;
    assert_true(is_offered(&o));
    o.arrived_at_us = noon_us - INT64_C(11) * 60 * 1000000;
    assert_false(is_offered(&o));
    o.attached[0] = '\0';
    o.state = ORDER_COMPLETED;
    assert_false(is_offered(&o));
    clock_unfake();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_told_what_the_devices_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
