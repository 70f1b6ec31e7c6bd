/* test_orders_share.c - a folder of orders that lies on another machine's share. */
#include "gateway/desk/orders_sources.h"

#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

static void
wait_trouble(struct orders_sources *s, enum orders_trouble trouble)
{
    struct orders_status o;

    do {
        (void)sched_yield();
        orders_sources_status(s, &o);
    } while (o.trouble != trouble || (trouble == ORDERS_NO_TROUBLE && o.good_us == 0));
}

/* After a power cut the HIS's share comes later than this service. */
static void
a_share_that_is_not_there_yet_is_trouble_until_it_is(void **state)
{
    char *share = mem_printf("%s/share", book_dir), *orders = mem_printf("%s/orders", share);
    struct orders_sources_options o = {.book = book, .folder = orders, .every_ms = 3600000};
    struct orders_sources *s = NULL;

    (void)state;
    orders_sources_start(&o, &s);
    wait_trouble(s, ORDERS_FOLDER);
    assert_int_equal(mkdir(share, 0700), 0);
    wait_trouble(s, ORDERS_NO_TROUBLE);
    orders_sources_stop(&s);
    free(orders);
    free(share);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_share_that_is_not_there_yet_is_trouble_until_it_is,
                                        book_world_open, book_world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
