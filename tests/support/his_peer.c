/* his_peer.c - one connection at a time, a message each. Behind TLS all of them come over the one
 * stream of the program in front. */
#include "tests/support/his_peer.h"

#include "proto/base/limits.h"
#include "proto/base/thread.h"
#include "proto/hl7/mllp.h"
#include "tests/support/run_program.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000, LARGEST = 64 << 20 };

static struct {
    int fd;
    uint16_t port;
    pid_t front; /* the program that takes TLS; 0 none */
    struct gate gate;
    enum his_peer_answer answer; /* gate, as all below */
    const char *says;
    bool is_framed;
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
say(struct mllp *stream, const char *words, const char *control, bool is_framed)
{
    struct buf out;
    struct err err;

    buf_init(&out, 8192);
    for (; *words != '\0'; words++)
        buf_add(&out, *words == '@' ? control : words, *words == '@' ? strlen(control) : 1);
    if (is_framed)
        (void)!mllp_write(stream, out.bytes, out.n, WAIT_MS, &err);
    else
        (void)!send(stream->fd, out.bytes, out.n, MSG_NOSIGNAL);
    buf_fini(&out);
}

/* A message that came. */
static void
hear(struct mllp *stream, const struct buf *got)
{
    enum his_peer_answer how;
    const char *says;
    char control[64];
    bool is_framed;
    void (*heard)(void);

    gate_lock(&peer.gate);
    heard = peer.heard;
    gate_unlock(&peer.gate);
    if (heard != NULL)
        heard();
    gate_lock(&peer.gate);
    keep(got);
    how = peer.answer;
    says = peer.says;
    is_framed = peer.is_framed;
    (void)hl7_get_of(peer.message, "MSH", 10, 1, control, sizeof control);
    gate_unlock(&peer.gate);
    if (says != NULL)
        say(stream, says, control, is_framed);
    else if (how != HIS_PEER_HANGS_UP)
        reply(stream, how);
    else if (peer.front != 0)
        (void)shutdown(stream->fd, SHUT_WR); /* it then hangs up, on this one and on all others */
}

static void
serve(int fd)
{
    struct mllp stream;
    struct buf got;
    struct err err;

    mllp_init(&stream, fd, LARGEST);
    buf_init(&got, LARGEST);
    if (mllp_read(&stream, WAIT_MS, WAIT_MS, &got, &err) == 0)
        hear(&stream, &got);
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

/* All connections are one stream here. What the program in front says of a broken one lies between
 * the messages: mllp_read() may have enough of that, and goes on from there. */
static void *
run_sealed(void *arg)
{
    struct mllp stream;
    struct buf got;
    struct err err = {0};

    (void)arg;
    mllp_init(&stream, peer.fd, LARGEST);
    buf_init(&got, LARGEST);
    while (err.kind != ERR_NOT_FOUND) {
        buf_clear(&got);
        err_clear(&err);
        if (mllp_read(&stream, WAIT_MS, WAIT_MS, &got, &err) == 0)
            hear(&stream, &got);
    }
    buf_fini(&got);
    mllp_fini(&stream);
    return NULL;
}

static void
begin(enum his_peer_answer answer)
{
    memset(&peer, 0, sizeof peer);
    gate_init(&peer.gate);
    buf_init(&peer.last, LARGEST);
    peer.answer = answer;
}

void
his_peer_start(enum his_peer_answer answer)
{
    struct err err;

    begin(answer);
    CHECK(mllp_listen("127.0.0.1", 0, &peer.fd, &peer.port, &err) == 0);
    peer.thread = thread_start("his-peer", run, NULL);
}

/* It does not say when it listens. */
static void
await_front(void)
{
    struct err err;
    int fd;

    while (mllp_connect("127.0.0.1", peer.port, WAIT_MS, &fd, &err) < 0) {
        CHECK(waitpid(peer.front, NULL, WNOHANG) == 0);
        (void)poll(NULL, 0, 10);
    }
    close(fd);
}

void
his_peer_start_sealed(enum his_peer_answer answer, const char *const options[])
{
    char place[32];
    const char *argv[32] = {"openssl", "s_server", "-quiet", "-accept", place};
    size_t n = 5;
    int kept;

    for (; *options != NULL; options++) {
        CHECK(n + 1 < ARRAY_LEN(argv));
        argv[n++] = *options;
    }
    begin(answer);
    kept = program_port(&peer.port);
    snprintf(place, sizeof place, "127.0.0.1:%u", peer.port);
    peer.front = program_start(argv, &peer.fd);
    await_front();
    close(kept);
    peer.thread = thread_start("his-peer", run_sealed, NULL);
}

void
his_peer_answer(enum his_peer_answer answer)
{
    gate_lock(&peer.gate);
    peer.answer = answer;
    gate_unlock(&peer.gate);
}

void
his_peer_says(const char *words, bool is_framed)
{
    gate_lock(&peer.gate);
    peer.says = words;
    peer.is_framed = is_framed;
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
    if (peer.front != 0)
        program_stop(peer.front);
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
