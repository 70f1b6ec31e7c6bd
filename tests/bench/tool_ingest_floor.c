/* tool_ingest_floor PORT DIR - the least that C-STORE ingest can cost: the bytes come in, are
 * written into a log whose blocks hold something already, synced (who waits meanwhile shares the
 * next sync) and answered with 0000H. Nothing is looked at, summed, hashed, noted or kept apart: no
 * archive, only what the machine gives with this sender beside it. tests/bench/ingest shows it as
 * the peer "floor". Any protocol error ends the association. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BLOCK = 4096,
    OBJECT_MOST = 64 << 20,
    PDU_MOST = 1 << 18,
    LOG_BYTES = 256 << 20,
    MIB = 1 << 20
};

static int log_fd;
static struct {
    pthread_mutex_t lock;
    pthread_cond_t synced_more;
    uint64_t end;
    uint64_t written, synced; /* objects */
    bool is_syncing;
} group = {.lock = PTHREAD_MUTEX_INITIALIZER, .synced_more = PTHREAD_COND_INITIALIZER};

static void
must(bool is_well, const char *what)
{
    if (is_well)
        return;
    perror(what);
    exit(1);
}

static void
make_durable(const uint8_t *bytes, size_t n)
{
    size_t span = (n + BLOCK - 1) / BLOCK * BLOCK;
    uint64_t at, mine;

    pthread_mutex_lock(&group.lock);
    at = group.end;
    group.end += span;
    pthread_mutex_unlock(&group.lock);
    must(pwrite(log_fd, bytes, span, (off_t)at) == (ssize_t)span, "write");
    pthread_mutex_lock(&group.lock);
    mine = ++group.written;
    while (group.synced < mine) {
        uint64_t covered = group.written;

        if (group.is_syncing) {
            pthread_cond_wait(&group.synced_more, &group.lock);
            continue;
        }
        group.is_syncing = true;
        pthread_mutex_unlock(&group.lock);
        must(fdatasync(log_fd) == 0, "sync");
        pthread_mutex_lock(&group.lock);
        group.synced = covered;
        group.is_syncing = false;
        pthread_cond_broadcast(&group.synced_more);
    }
    pthread_mutex_unlock(&group.lock);
}

static bool
get(int fd, uint8_t *out, size_t n)
{
    while (n > 0) {
        ssize_t k = recv(fd, out, n, 0);

        if (k <= 0)
            return false;
        out += k;
        n -= (size_t)k;
    }
    return true;
}

static bool
put(int fd, const uint8_t *bytes, size_t n)
{
    return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static uint32_t
be(const uint8_t *p, int n)
{
    uint32_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static void
set_be(uint8_t *p, uint32_t v, int n)
{
    for (; n > 0; v >>= 8)
        p[--n] = (uint8_t)v;
}

/* A-ASSOCIATE items (PS3.8 9.3): type, zero, length, content; where the next one goes. */
static uint8_t *
add_item(uint8_t *p, uint8_t type, const void *bytes, size_t n)
{
    p[0] = type;
    p[1] = 0;
    set_be(p + 2, (uint32_t)n, 2);
    memcpy(p + 4, bytes, n);
    return p + 4 + n;
}

/* Every context is accepted with its first transfer syntax. */
static uint8_t *
accept_context(uint8_t *p, const uint8_t *context, size_t n)
{
    uint8_t content[128] = {context[0]}, *end = content + 4;

    for (size_t at = 4; at + 4 <= n; at += 4 + be(context + at + 2, 2))
        if (context[at] == 0x40 && be(context + at + 2, 2) <= 64) {
            end = add_item(end, 0x40, context + at + 4, be(context + at + 2, 2));
            break;
        }
    return add_item(p, 0x21, content, (size_t)(end - content));
}

static bool
accept_association(int fd, const uint8_t *rq, size_t n)
{
    static const char context_name[] = "1.2.840.10008.3.1.1.1", implementation[] = "2.25.1";
    uint8_t ac[32768] = {2}, user[64], most[4], *p, *u = user;

    if (n < 68)
        return false;
    memcpy(ac + 6, rq, 68);
    p = add_item(ac + 6 + 68, 0x10, context_name, sizeof context_name - 1);
    for (size_t at = 68; at + 4 <= n; at += 4 + be(rq + at + 2, 2))
        if (rq[at] == 0x20 && p < ac + sizeof ac - 512)
            p = accept_context(p, rq + at + 4, be(rq + at + 2, 2));
    set_be(most, 128 << 10, 4);
    u = add_item(u, 0x51, most, sizeof most);
    u = add_item(u, 0x52, implementation, sizeof implementation - 1);
    p = add_item(p, 0x50, user, (size_t)(u - user));
    set_be(ac + 2, (uint32_t)(p - ac - 6), 4);
    return put(fd, ac, (size_t)(p - ac));
}

/* C-STORE-RSP and C-ECHO-RSP (PS3.7 9.3), as much of them as a sender reads: no data set, status
 * 0000H. */
struct request {
    uint16_t field, message;
};

static bool
answer(int fd, uint8_t context, const struct request *rq)
{
    const uint8_t field = (uint8_t)rq->field, low = (uint8_t)rq->message, high = rq->message >> 8;
    const uint8_t pdu[] = {
        4, 0, 0,    0, 0, 58, 0, 0, 0,     54,   context, 3, /* P-DATA, one PDV, all of a command */
        0, 0, 0,    0, 4, 0,  0, 0, 40,    0,    0,       0, /* group length */
        0, 0, 0,    1, 2, 0,  0, 0, field, 0x80,             /* command field */
        0, 0, 0x20, 1, 2, 0,  0, 0, low,   high,             /* message id being responded to */
        0, 0, 0,    8, 2, 0,  0, 0, 1,     1,                /* no data set */
        0, 0, 0,    9, 2, 0,  0, 0, 0,     0,                /* status */
    };

    return put(fd, pdu, sizeof pdu);
}

static void
read_command(const uint8_t *bytes, size_t n, struct request *out)
{
    for (size_t at = 0; at + 10 <= n; at += 8 + (bytes[at + 4] | (size_t)bytes[at + 5] << 8)) {
        uint16_t element = (uint16_t)(bytes[at + 2] | bytes[at + 3] << 8);
        uint16_t value = (uint16_t)(bytes[at + 8] | bytes[at + 9] << 8);

        if (element == 0x0100)
            out->field = value;
        if (element == 0x0110)
            out->message = value;
    }
}

static void
serve(int fd, uint8_t *pdu, uint8_t *object)
{
    static const uint8_t release_rp[10] = {6, 0, 0, 0, 0, 4};
    uint8_t head[6], pdv[6];
    size_t n = 0;
    struct request rq = {0};

    while (get(fd, head, sizeof head)) {
        uint32_t length = be(head + 2, 4);

        if (head[0] != 4) { /* A-ASSOCIATE-RQ, A-RELEASE-RQ */
            if (length > PDU_MOST || !get(fd, pdu, length))
                return;
            if (head[0] == 5)
                (void)put(fd, release_rp, sizeof release_rp);
            if (head[0] != 1 || !accept_association(fd, pdu, length))
                return;
            continue;
        }
        if (length < 6 || length > PDU_MOST || !get(fd, pdv, sizeof pdv))
            return;
        length -= 6;
        if (pdv[5] & 1) {
            if (!get(fd, pdu, length))
                return;
            read_command(pdu, length, &rq);
            if (rq.field == 0x30 && !answer(fd, pdv[4], &rq))
                return;
            continue;
        }
        if (n + length > OBJECT_MOST || !get(fd, object + n, length))
            return;
        n += length;
        if (pdv[5] & 2) {
            make_durable(object, n);
            n = 0;
            if (!answer(fd, pdv[4], &rq))
                return;
        }
    }
}

static void *
serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint8_t *pdu = malloc(PDU_MOST), *object = aligned_alloc(BLOCK, OBJECT_MOST + BLOCK);

    must(pdu != NULL && object != NULL, "memory");
    serve(fd, pdu, object);
    close(fd);
    free(pdu);
    free(object);
    return NULL;
}

static void
make_log(const char *dir)
{
    char path[4096];
    uint8_t *zeros = calloc(1, MIB);

    snprintf(path, sizeof path, "%s/received", dir);
    log_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(log_fd >= 0 && zeros != NULL, path);
    for (off_t at = 0; at < LOG_BYTES; at += MIB)
        must(pwrite(log_fd, zeros, MIB, at) == MIB, path);
    must(fdatasync(log_fd) == 0, path);
    free(zeros);
}

int
main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (argc != 3) {
        fprintf(stderr, "tool_ingest_floor PORT DIR\n");
        return 2;
    }
    make_log(argv[2]);
    address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
             bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
             listen(fd, 64) == 0,
         "listen");
    for (;;) {
        pthread_t thread;
        int peer = accept(fd, NULL, NULL);

        if (peer < 0)
            continue;
        (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        must(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)peer) == 0, "thread");
        pthread_detach(thread);
    }
}
