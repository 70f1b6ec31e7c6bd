/* raw_peer.c - PDUs by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/raw_peer.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { PDU_MOST = 131072 };

void
raw_put_be(struct buf *b, size_t value, int bytes)
{
    while (bytes-- > 0)
        buf_add_u8(b, (uint8_t)(value >> (8 * bytes)));
}

void
raw_put_item(struct buf *b, uint8_t type, const void *value, size_t n)
{
    buf_add_u8(b, type);
    raw_put_be(b, n, 3);
    buf_add(b, value, n);
}

void
raw_put_pdv(struct buf *b, uint8_t context, uint8_t flags, const void *bytes, size_t n)
{
    raw_put_be(b, n + 2, 4);
    buf_add_u8(b, context);
    buf_add_u8(b, flags);
    buf_add(b, bytes, n);
}

int
raw_dial(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

void
raw_send_pdu(int fd, uint8_t type, struct buf *body)
{
    struct buf head;

    buf_init(&head, PDU_HEAD_BYTES);
    raw_put_be(&head, (size_t)type << 8, 2);
    raw_put_be(&head, body->n, 4);
    assert_int_equal(send(fd, head.bytes, head.n, MSG_NOSIGNAL), head.n);
    assert_int_equal(send(fd, body->bytes, body->n, MSG_NOSIGNAL), body->n);
    buf_fini(&head);
    buf_clear(body);
}

static bool
receive_whole(int fd, void *bytes, size_t n)
{
    return recv(fd, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

uint8_t
raw_receive_pdu(int fd, struct buf *out)
{
    uint8_t head[PDU_HEAD_BYTES];

    if (!receive_whole(fd, head, sizeof head))
        return 0;
    size_t n = (size_t)head[2] << 24 | (size_t)head[3] << 16 | (size_t)head[4] << 8 | head[5];
    assert_in_range(n, 4, PDU_MOST);
    uint8_t *body = mem_new(n);
    assert_true(receive_whole(fd, body, n));
    if (out)
        buf_add(out, body, n);
    free(body);
    return head[0];
}

static void
put_context(struct buf *b, const struct raw_context *c, bool is_answer)
{
    struct buf context;

    buf_init(&context, 1024);
    raw_put_be(&context, (size_t)c->id << 24, 4);
    if (!is_answer)
        raw_put_item(&context, 0x30, c->abstract_syntax, strlen(c->abstract_syntax));
    raw_put_item(&context, 0x40, c->transfer_syntax, strlen(c->transfer_syntax));
    raw_put_item(b, is_answer ? 0x21 : 0x20, context.bytes, context.n);
    buf_fini(&context);
}

static void
put_role(struct buf *b, const struct raw_context *c)
{
    struct buf role;

    buf_init(&role, 256);
    raw_put_be(&role, strlen(c->abstract_syntax), 2);
    buf_add(&role, c->abstract_syntax, strlen(c->abstract_syntax));
    buf_add(&role, c->role, 2);
    raw_put_item(b, 0x54, role.bytes, role.n);
    buf_fini(&role);
}

void
raw_send_associate(int fd, uint8_t type, const struct raw_associate *a)
{
    static const char application[] = "1.2.840.10008.3.1.1.1";
    struct buf body, user;

    buf_init(&body, 65536);
    buf_init(&user, 16384);
    raw_put_be(&body, 1 << 16, 4);
    buf_add(&body, a->called, 16);
    buf_add(&body, a->calling, 16);
    for (int i = 0; i < 8; i++)
        raw_put_be(&body, 0, 4);
    raw_put_item(&body, 0x10, application, strlen(application));
    raw_put_item(&user, 0x51, "\0\0\x40\0", 4);
    raw_put_item(&user, 0x52, "1.2.3", 5);
    for (size_t i = 0; i < a->n; i++) {
        put_context(&body, &a->contexts[i], type == PDU_ASSOCIATE_AC);
        if (a->contexts[i].role)
            put_role(&user, &a->contexts[i]);
    }
    raw_put_item(&body, 0x50, user.bytes, user.n);
    raw_send_pdu(fd, type, &body);
    buf_fini(&user);
    buf_fini(&body);
}

/* The item at `at` of [at, n): its value's place and length; false: there is none. */
static bool
next_item(const uint8_t *bytes, size_t n, size_t *at, const uint8_t **out_value, size_t *out_n)
{
    if (n - *at < 4)
        return false;
    *out_value = bytes + *at + 4;
    *out_n = (size_t)bytes[*at + 2] << 8 | bytes[*at + 3];
    assert_in_range(*out_n, 0, n - *at - 4);
    *at += 4 + *out_n;
    return true;
}

static void
read_roles(const uint8_t *user, size_t n, struct raw_answer *out)
{
    const uint8_t *value;
    size_t length;

    for (size_t at = 0, from = 0; next_item(user, n, &at, &value, &length); from = at) {
        if (user[from] == 0x51)
            out->pdu_bytes = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 |
                             (uint32_t)value[2] << 8 | value[3];
        if (user[from] != 0x54)
            continue;
        assert_in_range(length, 4, 68);
        assert_in_range(out->role_count, 0, 7);
        struct raw_role *role = &out->roles[out->role_count++];
        memcpy(role->uid, value + 2, length - 4);
        role->scu = value[length - 2];
        role->scp = value[length - 1];
    }
}

struct raw_answer
raw_receive_answer(int fd)
{
    struct raw_answer answer = {.type = 0};
    const uint8_t *value;
    struct buf body;
    size_t length;

    buf_init(&body, PDU_MOST);
    memset(answer.result, 255, sizeof answer.result);
    answer.type = raw_receive_pdu(fd, &body);
    if (answer.type == PDU_ASSOCIATE_RJ)
        memcpy(answer.refusal, body.bytes + 1, 3);
    if (answer.type == PDU_ASSOCIATE_AC) {
        for (size_t at = 68, from = 68; next_item(body.bytes, body.n, &at, &value, &length);
             from = at) {
            if (body.bytes[from] == 0x21)
                answer.result[value[0]] = value[2];
            if (body.bytes[from] == 0x50)
                read_roles(value, length, &answer);
        }
    }
    buf_fini(&body);
    return answer;
}
