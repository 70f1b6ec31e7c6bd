/* test_his_in.c - the HL7 port: answers after the order is kept, and peers that waste its time. */
#include "gateway/desk/his_in.h"

#include "gateway/desk/his_refused.h"
#include "gateway/desk/orders.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/hl7/hl7.h"
#include "proto/hl7/mllp.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WAIT_MS = 30000, IDLE_MS = 60000, PLACES = 16 };

struct caller {
    int fd;
    struct mllp stream;
};

static struct his_in *door;

static int
setup(void **state)
{
    struct his_in_options o = {.address = "127.0.0.1",
                               .peers = "",
                               .charset = "",
                               .facility = "CLINIC",
                               .idle_ms = IDLE_MS};
    struct err err;

    assert_int_equal(book_world_open(state), 0);
    o.book = book;
    log_set_fd(-1);
    assert_int_equal(his_in_start(&o, &door, &err), 0);
    return 0;
}

/* The same book, as after a restart. */
static void
reopen_door(void)
{
    struct his_in_options o = {.address = "127.0.0.1",
                               .peers = "",
                               .charset = "",
                               .facility = "CLINIC",
                               .idle_ms = IDLE_MS};
    struct err err;

    his_in_stop(&door);
    reopen();
    o.book = book;
    assert_int_equal(his_in_start(&o, &door, &err), 0);
}

static int
teardown(void **state)
{
    his_in_stop(&door);
    return book_world_close(state);
}

static void
call(struct caller *c)
{
    struct err err;

    assert_int_equal(mllp_connect("127.0.0.1", his_in_port(door), WAIT_MS, &c->fd, &err), 0);
    mllp_init(&c->stream, c->fd, LIMIT_HL7_BYTES);
}

static void
hang_up(struct caller *c)
{
    mllp_fini(&c->stream);
    close(c->fd);
}

static void
order_text(unsigned number, char out[400])
{
    snprintf(out, 400,
             "MSH|^~\\&|HIS|H|||1||ORM^O01|%u|P|2.4\rPID|1||P1||王^小东\r"
             "ORC|NW|N%u\rOBR|1|N%u||a^头颅^99\r",
             number, number, number);
}

/* What is answered: MSA-1; "" nothing, the connection ended. */
static const char *
say(struct caller *c, const char *text)
{
    static char word[8];
    struct hl7_message *m = NULL;
    struct buf got;
    struct err err;

    word[0] = '\0';
    buf_init(&got, LIMIT_HL7_BYTES);
    if (mllp_write(&c->stream, text, strlen(text), WAIT_MS, &err) == 0 &&
        mllp_read(&c->stream, WAIT_MS, WAIT_MS, &got, &err) == 0 &&
        hl7_parse(got.bytes, got.n, NULL, &m, &err) == 0)
        (void)hl7_get_of(m, "MSA", 1, 1, word, sizeof word);
    hl7_free(&m);
    buf_fini(&got);
    return word;
}

static bool
is_known(const char *placer)
{
    struct order *o = mem_new(sizeof *o);
    struct err err;
    bool is = order_find_placer(book, "hl7", placer, o, &err) == 0;

    free(o);
    return is;
}

/* The first of what the page lists: what nobody has seen. */
static struct his_refused
shown(size_t *out_n)
{
    struct his_refused *list = NULL, first = {.n = 0};
    struct err err;

    if (his_refused_list(book, &list, out_n, &err) < 0)
        fail_msg("%s", err.text);
    if (*out_n > 0)
        first = list[0];
    free(list);
    return first;
}

static void
unseen(uint64_t orders, uint64_t others)
{
    uint64_t n, m;
    struct err err;

    assert_int_equal(his_refused_counts(book, &n, &m, &err), 0);
    assert_int_equal(n, orders);
    assert_int_equal(m, others);
}

static void
what_is_answered_is_kept(void **state)
{
    struct caller c;
    char text[400];

    (void)state;
    call(&c);
    for (unsigned i = 1; i <= 3; i++) {
        char placer[16];

        order_text(i, text);
        assert_string_equal(say(&c, text), "AA");
        snprintf(placer, sizeof placer, "N%u", i);
        assert_true(is_known(placer));
    }
    assert_string_equal(say(&c, "MSH|^~\\&|HIS|H|||1||ADT^A01|9|P|2.4\r"), "AR");
    assert_string_equal(say(&c, "no message at all"), "AR");
    order_text(4, text);
    assert_string_equal(say(&c, text), "AA"); /* the line goes on */
    hang_up(&c);
}

static void
a_full_house_sends_its_longest_silent_guest_away(void **state)
{
    struct caller silent[PLACES], c;
    char text[400];

    (void)state;
    assert_int_equal(PLACES, LIMIT_HL7_CONNECTIONS);
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        call(&silent[i]);
    call(&c);
    order_text(1, text);
    assert_string_equal(say(&c, text), "AA");
    hang_up(&c);
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        hang_up(&silent[i]);
}

static void
noise_and_half_messages_harm_nobody_else(void **state)
{
    struct caller noisy, half, c;
    char junk[4096], text[400];
    struct err err;
    struct buf got;

    (void)state;
    memset(junk, 'x', sizeof junk);
    call(&noisy);
    call(&half);
    assert_int_equal(write(noisy.fd, junk, sizeof junk), sizeof junk);
    assert_int_equal(write(half.fd, "\x0bMSH|", 5), 5);
    buf_init(&got, 100);
    assert_int_equal(mllp_read(&noisy.stream, WAIT_MS, WAIT_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND); /* it was sent away */
    buf_fini(&got);
    unseen(1, 0); /* what was cut may have been an order */
    call(&c);
    order_text(1, text);
    assert_string_equal(say(&c, text), "AA");
    hang_up(&c);
    hang_up(&half);
    hang_up(&noisy);
}

static void
beyond_this_machine_the_his_is_named(void **state)
{
    struct his_in_options o = {.book = book,
                               .address = "0.0.0.0",
                               .peers = "",
                               .charset = "",
                               .facility = "",
                               .idle_ms = IDLE_MS};
    struct his_in *other = NULL;
    struct caller c;
    struct buf got;
    struct err err;

    (void)state;
    assert_int_equal(his_in_start(&o, &other, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    o.peers = "192.0.2.7, 192.0.2.8";
    assert_int_equal(his_in_start(&o, &other, &err), 0);
    assert_int_equal(mllp_connect("127.0.0.1", his_in_port(other), WAIT_MS, &c.fd, &err), 0);
    mllp_init(&c.stream, c.fd, 100);
    buf_init(&got, 100);
    assert_int_equal(mllp_read(&c.stream, WAIT_MS, WAIT_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND); /* nobody of those */
    buf_fini(&got);
    hang_up(&c);
    his_in_stop(&other);
    o.charset = "latin";
    assert_int_equal(his_in_start(&o, &other, &err), -1);
}

/* The HIS heard AE and AR, and its log was read by nobody: the patients were in no worklist. */
static void
what_is_refused_is_at_the_desk_until_it_is_taken_or_somebody_has_seen_it(void **state)
{
    struct his_refused r;
    struct caller c;
    struct err err;
    char text[400];
    size_t n;

    (void)state;
    call(&c);
    order_text(1, text);
    memcpy(strstr(text, "ORC|NW"), "ORC|QQ", 6);
    assert_string_equal(say(&c, text), "AE");
    assert_string_equal(say(&c, "MSH|^~\\&|HIS|H|||1||ADT^A01|9|P|2.4\r"), "AR");
    assert_string_equal(say(&c, "MSH|^~\\&|HIS|H|||1||ADT^A01|10|P|2.4\r"), "AR");
    unseen(1, 1);
    r = shown(&n);
    assert_int_equal(n, 2); /* the same again counts, and stands once */
    assert_true(r.is_order);
    assert_string_equal(r.peer, "127.0.0.1");
    assert_string_equal(r.answer, "AE");
    assert_string_equal(r.error, "103");
    assert_string_equal(r.place, "ORC^1^1");
    assert_string_equal(r.placer, "N1");
    assert_null(strstr(r.why, "王"));

    hang_up(&c);
    reopen_door();
    order_text(1, text);
    call(&c);
    assert_string_equal(say(&c, text), "AA");
    unseen(0, 1); /* it was taken after all */
    r = shown(&n);
    assert_int_equal(r.times, 2);
    assert_string_equal(r.error, "200");
    assert_int_equal(his_refused_seen(book, r.at_us, &err), 0);
    unseen(0, 0);
    assert_string_equal(say(&c, "MSH|^~\\&|HIS|H|||1||ADT^A01|11|P|2.4\r"), "AR");
    unseen(0, 0); /* somebody knows that they come */
    assert_string_equal(say(&c, "no message at all"), "AR");
    unseen(1, 0); /* it may have been an order */
    assert_int_equal(his_refused_seen(book, INT64_MAX, &err), 0);
    assert_string_equal(say(&c, "no message at all"), "AR");
    unseen(1, 0); /* and the next one is another */
    hang_up(&c);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_answered_is_kept),
        TEST(a_full_house_sends_its_longest_silent_guest_away),
        TEST(what_is_refused_is_at_the_desk_until_it_is_taken_or_somebody_has_seen_it),
        TEST(noise_and_half_messages_harm_nobody_else),
        TEST(beyond_this_machine_the_his_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
