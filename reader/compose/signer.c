/* signer.c - start the process that holds the keys, ask it, replace it when it is dead. */
#include "reader/compose/signer.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "reader/compose/compose.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/compose/compose_events.def"
#undef LOG_EVENT

enum { START_MS = 60000, ANSWER_MS = 10000, REPLY_MOST = 65536 };

struct signer {
    char *dir, *ca_name;  /* of the CA that may be made; "": none */
    char *ca_pem;         /* NULL: it did not begin yet */
    pthread_mutex_t lock; /* for what follows; held while it signs */
    pid_t pid;            /* 0 = none */
    int socket;
};

static int start(struct signer *s, struct err *err);
static int spawn(struct signer *s, int theirs, struct err *err);
static void bury(struct signer *s);
static bool is_gone(const struct signer *s);
static int talk(struct signer *s, const struct signer_request *request, const void *content,
                struct buf *out, struct err *err);
static int send_bytes(struct signer *s, const void *bytes, size_t n, struct err *err);
static int receive(struct signer *s, void *out, size_t n, int64_t until_ms, struct err *err);
static int receive_reply(struct signer *s, int64_t wait_ms, struct buf *out, bool *out_is_broken,
                         struct err *err);

bool
compose_signer_main_if_asked(int argc, char **argv, int *out_status)
{
    if (argc != 4 || strcmp(argv[1], "--signer") != 0 || getenv("RADPOST_SIGNER") == NULL)
        return false;
    *out_status = EXIT_FAILURE;
    signer_child(argv[2], argv[3]);
}

int
signer_open(const char *dir, const char *ca_name, struct signer **out_signer, struct err *err)
{
    struct signer *s;
    int rc = -1;

    /* a program that forgot compose_signer_main_if_asked() would start itself without end */
    if (getenv("RADPOST_SIGNER") != NULL)
        return err_set(err, ERR_FATAL, "a signer inside a signer");
    s = mem_new(sizeof *s);
    s->dir = mem_text(dir);
    s->ca_name = mem_text(ca_name != NULL ? ca_name : "");
    s->socket = -1;
    CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    if ((ca_name != NULL && durable_mkdir(dir, err) < 0) || start(s, err) < 0)
        goto out;
    *out_signer = TAKE(s);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "start the signer");
    signer_close(&s);
    return rc;
}

void
signer_close(struct signer **signer)
{
    struct signer *s = TAKE(*signer);

    if (s == NULL)
        return;
    bury(s);
    pthread_mutex_destroy(&s->lock);
    free(s->ca_pem);
    free(s->ca_name);
    free(s->dir);
    free(s);
}

const char *
signer_ca_pem(const struct signer *signer)
{
    return signer->ca_pem;
}

pid_t
signer_pid(struct signer *s)
{
    pid_t pid;

    pthread_mutex_lock(&s->lock);
    pid = s->pid;
    pthread_mutex_unlock(&s->lock);
    return pid;
}

int
signer_sign(struct signer *s, const char *login, const struct cms_person *person,
            const void *content, size_t n, int64_t at_us, struct buf *out_cms, struct err *err)
{
    const struct log_ctx ctx = {.stage = "reader/compose"};
    struct signer_request request;
    int rc = -1;

    memset(&request, 0, sizeof request);
    request.magic = SIGNER_MAGIC;
    request.content_n = (uint32_t)n;
    request.at_us = at_us;
    request.person = *person;
    if (n > SIGNER_CONTENT_BYTES || !text_copy(request.login, sizeof request.login, login))
        return err_set(err, ERR_REJECT, "%zu bytes to sign", n);
    pthread_mutex_lock(&s->lock);
    if (s->pid != 0 && is_gone(s)) {
        LOG(&ctx, SIGNER_REPLACED, F_WORD("when", "idle"));
        bury(s);
    }
    if (s->pid == 0 && start(s, err) < 0)
        goto out;
    rc = talk(s, &request, content, out_cms, err);
    if (s->pid == 0)
        LOG(&ctx, SIGNER_REPLACED, F_WORD("when", "signing"), F_ERR(err));
out:
    pthread_mutex_unlock(&s->lock);
    return rc < 0 ? err_context(err, "sign") : 0;
}

static int
start(struct signer *s, struct err *err)
{
    bool is_broken = false;
    struct buf pem;
    int pair[2], rc = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, ERR_RETRY, "socket pair");
    buf_init(&pem, REPLY_MOST);
    s->socket = pair[0];
    rc = spawn(s, pair[1], err);
    close(pair[1]);
    if (rc == 0)
        rc = receive_reply(s, START_MS, &pem, &is_broken, err);
    if (rc < 0) {
        bury(s);
    } else if (s->ca_pem == NULL) {
        s->ca_pem = mem_text(buf_text(&pem));
    } else if (strcmp(s->ca_pem, buf_text(&pem)) != 0) {
        bury(s);
        rc = err_set(err, ERR_CONFLICT, "the signing CA changed under way");
    }
    buf_fini(&pem);
    return rc;
}

static int
spawn(struct signer *s, int theirs, struct err *err)
{
    char *const argv[] = {(char[]){"radpost-signer"}, (char[]){"--signer"}, s->dir,
                          s->ca_pem == NULL ? s->ca_name : (char[]){""}, NULL};
    char *const env[] = {(char[]){"RADPOST_SIGNER=1"},
                         (char[]){"TZ=UTC0"},
                         (char[]){"LC_ALL=C"},
                         (char[]){"ASAN_OPTIONS=detect_leaks=0:symbolize=0"},
                         (char[]){"UBSAN_OPTIONS=symbolize=0"},
                         NULL};

    return program_spawn_self(argv, env, theirs, false, &s->pid, err);
}

static void
bury(struct signer *s)
{
    if (s->socket >= 0)
        close(s->socket);
    s->socket = -1;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL); /* what it had to keep is synced: there is no better moment */
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    s->pid = 0;
}

/* Idle, it says nothing: anything to read is its end. */
static bool
is_gone(const struct signer *s)
{
    struct pollfd at = {s->socket, POLLIN, 0};

    return poll(&at, 1, 0) != 0;
}

/* What cannot be trusted to be in step any more is buried. */
static int
talk(struct signer *s, const struct signer_request *request, const void *content, struct buf *out,
     struct err *err)
{
    bool is_broken = true;
    int rc = -1;

    if (send_bytes(s, request, sizeof *request, err) == 0 &&
        send_bytes(s, content, request->content_n, err) == 0)
        rc = receive_reply(s, ANSWER_MS, out, &is_broken, err);
    if (rc < 0 && is_broken)
        bury(s);
    return rc;
}

static int
send_bytes(struct signer *s, const void *bytes, size_t n, struct err *err)
{
    const uint8_t *at = bytes;

    while (n > 0) {
        ssize_t sent = send(s->socket, at, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return err_sys(err, ERR_RETRY, "the signer is gone");
        at += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int
receive(struct signer *s, void *out, size_t n, int64_t until_ms, struct err *err)
{
    uint8_t *at = out;

    while (n > 0) {
        struct pollfd ready = {s->socket, POLLIN, 0};
        int64_t left = until_ms - clock_mono_ms();
        ssize_t got;

        if (left <= 0 || (poll(&ready, 1, (int)left) == 0))
            return err_set(err, ERR_RETRY, "the signer does not answer");
        got = recv(s->socket, at, n, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return err_set(err, ERR_RETRY, "the signer died");
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

/* out_is_broken  the signer's end, not its answer, is why it failed */
static int
receive_reply(struct signer *s, int64_t wait_ms, struct buf *out, bool *out_is_broken,
              struct err *err)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;
    struct signer_reply reply;
    uint8_t *room;

    *out_is_broken = true;
    if (receive(s, &reply, sizeof reply, until_ms, err) < 0)
        return -1;
    if (reply.magic != SIGNER_MAGIC || reply.n > REPLY_MOST ||
        memchr(reply.err.text, 0, sizeof reply.err.text) == NULL ||
        (reply.rc != 0 &&
         (reply.rc != -1 || reply.err.kind <= ERR_NONE || reply.err.kind > ERR_FATAL)))
        return err_set(err, ERR_RETRY, "the signer answered nonsense");
    if (reply.rc < 0) {
        *err = reply.err;
        *out_is_broken = err->kind == ERR_FATAL;
        if (err->kind == ERR_FATAL)
            err->kind = ERR_RETRY;
        return -1;
    }
    room = buf_reserve(out, reply.n);
    if (room == NULL || receive(s, room, reply.n, until_ms, err) < 0)
        return room == NULL ? err_set(err, ERR_RETRY, "a signature of %u bytes", reply.n) : -1;
    out->n += reply.n;
    *out_is_broken = false;
    return 0;
}
