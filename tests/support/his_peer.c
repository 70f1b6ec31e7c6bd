/* his_peer.c - one connection at a time, a message each. */
#include "tests/support/his_peer.h"

#include "proto/base/limits.h"
#include "proto/base/thread.h"
#include "proto/hl7/mllp.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 20000, LARGEST = 64 << 20 };

static struct {
    int fd;
    uint16_t port;
    struct gate gate;
    enum his_peer_answer answer; /* gate, as all below */
    void (*heard)(void);
    unsigned count;
    struct buf last;
    struct hl7_message *message;
    pthread_t thread;
} peer;

static void
keep(const struct buf *got)
{
    struct err err;

    buf_clear(&peer.last);
    buf_add(&peer.last, got->bytes, got->n);
    hl7_free(&peer.message);
    CHECK(hl7_parse(got->bytes, got->n, NULL, &peer.message, &err) == 0);
    peer.count++;
}

static void
reply(struct mllp *stream, enum his_peer_answer how)
{
    static const char *const codes[] = {"AA", "AE", "AR"};
    struct hl7_answer a = {.code = codes[how],
                           .error = how == HIS_PEER_AA   ? NULL
                                    : how == HIS_PEER_AE ? "102"
                                                         : "207",
                           .our_application = "HIS",
                           .control = "ACK1",
                           .at_us = 1};
    struct buf out;
    struct err err;

    buf_init(&out, 8192);
    gate_lock(&peer.gate);
    hl7_write_answer(peer.message, &a, &out);
    gate_unlock(&peer.gate);
    (void)!mllp_write(stream, out.bytes, out.n, WAIT_MS, &err);
    buf_fini(&out);
}

static void
serve(int fd)
{
    enum his_peer_answer how;
    void (*heard)(void);
    struct mllp stream;
    struct buf got;
    struct err err;

    mllp_init(&stream, fd, LARGEST);
    buf_init(&got, LARGEST);
    if (mllp_read(&stream, WAIT_MS, WAIT_MS, &got, &err) == 0) {
        gate_lock(&peer.gate);
        heard = peer.heard;
        gate_unlock(&peer.gate);
        if (heard != NULL)
            heard();
        gate_lock(&peer.gate);
        keep(&got);
        how = peer.answer;
        gate_unlock(&peer.gate);
        if (how != HIS_PEER_HANGS_UP)
            reply(&stream, how);
    }
    buf_fini(&got);
    mllp_fini(&stream);
}

static void *
run(void *arg)
{
    (void)arg;
    for (;;) {
        struct pollfd wait = {.fd = peer.fd, .events = POLLIN};
        int fd;

        (void)poll(&wait, 1, -1);
        if (wait.revents & (POLLHUP | POLLERR | POLLNVAL))
            return NULL;
        fd = accept(peer.fd, NULL, NULL);
        if (fd < 0)
            continue;
        serve(fd);
        close(fd);
    }
}

void
his_peer_start(enum his_peer_answer answer)
{
    struct err err;

    memset(&peer, 0, sizeof peer);
    CHECK(mllp_listen("127.0.0.1", 0, &peer.fd, &peer.port, &err) == 0);
    gate_init(&peer.gate);
    buf_init(&peer.last, LARGEST);
    peer.answer = answer;
    peer.thread = thread_start("his-peer", run, NULL);
}

void
his_peer_answer(enum his_peer_answer answer)
{
    gate_lock(&peer.gate);
    peer.answer = answer;
    gate_unlock(&peer.gate);
}

void
his_peer_when_heard(void (*heard)(void))
{
    gate_lock(&peer.gate);
    peer.heard = heard;
    gate_unlock(&peer.gate);
}

void
his_peer_stop(void)
{
    (void)shutdown(peer.fd, SHUT_RDWR);
    thread_join(peer.thread);
    close(peer.fd);
    hl7_free(&peer.message);
    buf_fini(&peer.last);
    gate_fini(&peer.gate);
}

uint16_t
his_peer_port(void)
{
    return peer.port;
}

unsigned
his_peer_count(void)
{
    unsigned n;

    gate_lock(&peer.gate);
    n = peer.count;
    gate_unlock(&peer.gate);
    return n;
}

const char *
his_peer_last(const char *segment, unsigned k, unsigned field, unsigned component)
{
    static char text[65536];
    int at = -1;

    gate_lock(&peer.gate);
    text[0] = '\0';
    for (unsigned i = 0; i < k && peer.message != NULL; i++)
        at = hl7_find(peer.message, segment, (size_t)(at + 1), 0);
    if (at >= 0)
        (void)hl7_get(peer.message, (struct hl7_at){(size_t)at, field, 1, component, 1}, text,
                      sizeof text);
    gate_unlock(&peer.gate);
    return text;
}

void
his_peer_bytes(struct buf *out)
{
    gate_lock(&peer.gate);
    buf_add(out, peer.last.bytes, peer.last.n);
    gate_unlock(&peer.gate);
}
