/* test_both_families.c - a door that listens on "::", for IPv6 and IPv4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "tests/support/door_world.h"

static struct door_world w;

static int
begin(void **state)
{
    (void)state;
    door_begin(&w, NULL, "OURS 127.0.0.1 enrolled\n");
    w.options.address = "::";
    return 0;
}

static int
end(void **state)
{
    (void)state;
    door_end(&w);
    return 0;
}

static bool
has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Such a listener sees it as ::ffff:127.0.0.1. */
static void
device_of_ipv4_is_known_by_its_address_and_listed_with_it(void **state)
{
    struct accept_refused *refused = NULL;
    size_t n;

    (void)state;
    if (!has_ipv6())
        skip();
    door_open(&w);

    assert_int_equal(door_store_as(&w, "OURS", "1.2.1"), DIMSE_SUCCESS);
    assert_int_equal(door_store_as(&w, "NEW CT", "1.2.2"), 0xFFFF);
    accept_list_refused(w.door, &refused, &n);
    assert_int_equal(n, 1);
    assert_string_equal(refused[0].address, "127.0.0.1");
    free(refused);
    door_enrol(&w, "NEW CT", "127.0.0.1");
    assert_int_equal(door_store_as(&w, "NEW CT", "1.2.2"), DIMSE_SUCCESS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(device_of_ipv4_is_known_by_its_address_and_listed_with_it,
                                        begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
