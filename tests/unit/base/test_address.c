/* test_address.c - an address has one spelling, whoever tells it. */
#include "proto/base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

static void
what_a_person_writes_has_one_spelling_or_is_none(void **state)
{
    static const struct {
        const char *text, *wanted; /* NULL: it is none */
    } rows[] = {
        {"10.1.2.3", "10.1.2.3"},
        {"::ffff:10.1.2.3", "10.1.2.3"},
        {"::FFFF:a01:203", "10.1.2.3"},
        {"2001:DB8:0::0001", "2001:db8::1"},
        {"::1", "::1"},
        {"::10.1.2.3", "::10.1.2.3"}, /* not mapped: another address */
        {"10.1.2", NULL},
        {"010.1.2.3", NULL},
        {"ct1.clinic", NULL},
        {"fe80::1%eth0", NULL},
        {"*", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[ADDRESS_BYTES] = "untouched";
        bool is = address_normal(rows[i].text, out);

        if (is != (rows[i].wanted != NULL) || strcmp(out, is ? rows[i].wanted : "untouched") != 0)
            fail_msg("%s: %s", rows[i].text, out);
    }
}

static void
peer_of_ipv4_is_told_as_such_by_either_family(void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4321)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4322)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    char out[ADDRESS_BYTES];
    uint16_t port;

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr), 1);
    address_of((const struct sockaddr *)&v4, out, &port);
    assert_string_equal(out, "192.0.2.7");
    assert_int_equal(port, 4321);
    address_of((const struct sockaddr *)&v6, out, &port);
    assert_string_equal(out, "192.0.2.7");
    assert_int_equal(port, 4322);
    address_of((const struct sockaddr *)&local, out, &port);
    assert_string_equal(out, "");
    assert_int_equal(port, 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_person_writes_has_one_spelling_or_is_none),
        cmocka_unit_test(peer_of_ipv4_is_told_as_such_by_either_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
