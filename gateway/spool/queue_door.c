/* queue_door.c - one line in, one line out, one caller at a time. */
#include "gateway/spool/queue_door.h"

#include "gateway/spool/log.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CALLER_MS = 5000, ANSWER_MS = 60000 };

struct queue_door {
    struct spool *sp;
    int fd, stop_fd;
    pthread_t thread;
};

/* ---- what is done ---- */

static int
release(struct spool *sp, uint64_t id, struct err *err)
{
    struct spool_entry *e = NULL;
    int rc = -1;

    if (spool_load(sp, id, &e, err) < 0)
        return -1;
    if (e->is_paused)
        rc = spool_set_paused(sp, id, false, err);
    else if (e->state == INSTANCE_QUARANTINED)
        rc = spool_release(sp, id, err);
    else if (e->state == INSTANCE_DISCARDED)
        rc = spool_undone_put(sp, e, err) < 0 ? -1 : spool_release(sp, id, err);
    else
        err_set(err, ERR_CONFLICT, "entry %" PRIu64 ": neither put aside nor kept back", id);
    spool_entry_free(&e);
    return rc;
}

int
queue_act(struct spool *sp, const char *word, uint64_t id, const char *reason, struct err *err)
{
    if (strcmp(word, "hold") == 0)
        return spool_set_paused(sp, id, true, err);
    if (strcmp(word, "release") == 0)
        return release(sp, id, err);
    if (strcmp(word, "requeue") == 0)
        return spool_requeue(sp, id, err);
    if (strcmp(word, "discard") == 0)
        return spool_discard(sp, id, reason != NULL ? reason : "", SPOOL_BY_QUEUE, err);
    return err_set(err, ERR_REJECT, "'%s' is nothing that is done to an entry", word);
}

/* ---- lines ---- */

static bool
wait_for(int fd, int other_fd, int wait_ms)
{
    struct pollfd fds[] = {{fd, POLLIN, 0}, {other_fd, POLLIN, 0}};
    int n;

    do
        n = poll(fds, other_fd >= 0 ? 2 : 1, wait_ms);
    while (n < 0 && errno == EINTR);
    return n > 0 && fds[0].revents != 0 && (other_fd < 0 || fds[1].revents == 0);
}

/* A line without its end; false: none came in time. */
static bool
read_line(int fd, int stop_fd, char out[QUEUE_LINE_BYTES], int wait_ms)
{
    size_t n = 0;

    while (n < QUEUE_LINE_BYTES - 1 && wait_for(fd, stop_fd, wait_ms)) {
        ssize_t k = recv(fd, out + n, 1, 0);

        if (k <= 0)
            return false;
        if (out[n] == '\n') {
            out[n] = '\0';
            return true;
        }
        n++;
    }
    return false;
}

static void
say(int fd, const char *line)
{
    (void)send(fd, line, strlen(line), MSG_NOSIGNAL); /* who does not listen does not hear */
}

/* "/proc/self/fd/N/queue.sock": a folder's path may be longer than a socket's. */
static int
address_of(const char *dir, struct sockaddr_un *out, int *out_dir_fd, struct err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    *out_dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*out_dir_fd < 0)
        return err_sys(err, ERR_NOT_FOUND, "%s", dir);
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/queue.sock", *out_dir_fd);
    return 0;
}

/* ---- the gateway's end ---- */

static bool
is_trusted(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void
serve(struct queue_door *door, int fd)
{
    char line[QUEUE_LINE_BYTES], answer[QUEUE_LINE_BYTES], *space, *reason = NULL;
    struct err err = {0};
    uint64_t id = 0;

    if (!is_trusted(fd) || !read_line(fd, door->stop_fd, line, CALLER_MS))
        return;
    space = strchr(line, ' ');
    if (space != NULL)
        *space = '\0';
    if (space != NULL && (reason = strchr(space + 1, ' ')) != NULL)
        *reason++ = '\0';
    if (space == NULL || text_to_u64(space + 1, UINT64_MAX, &id) < 0)
        err_set(&err, ERR_REJECT, "not a request");
    else if (queue_act(door->sp, line, id, reason, &err) == 0)
        err_clear(&err);
    snprintf(answer, sizeof answer, "%d %s\n", (int)err.kind, err.text);
    say(fd, answer);
}

static void *
door_run(void *arg)
{
    struct queue_door *door = arg;
    struct pollfd fds[] = {{door->fd, POLLIN, 0}, {door->stop_fd, POLLIN, 0}};

    for (;;) {
        int fd;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents != 0)
            return NULL;
        if (fds[0].revents == 0)
            continue;
        fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve(door, fd);
        close(fd);
    }
}

int
queue_door_open(struct spool *sp, const char *dir, struct queue_door **out_door, struct err *err)
{
    struct queue_door *door = mem_new(sizeof *door);
    struct sockaddr_un at;
    int dir_fd = -1, rc = -1;

    *door = (struct queue_door){.sp = sp, .fd = -1, .stop_fd = -1};
    if (address_of(dir, &at, &dir_fd, err) < 0)
        goto out;
    unlinkat(dir_fd, "queue.sock", 0); /* of a process that is gone: the spool's lock is ours */
    door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    door->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (door->fd < 0 || door->stop_fd < 0 ||
        bind(door->fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        fchmodat(dir_fd, "queue.sock", 0600, 0) < 0 || listen(door->fd, 8) < 0) {
        err_sys(err, ERR_RETRY, "queue.sock");
        goto out;
    }
    door->thread = thread_start("queue", door_run, door);
    *out_door = TAKE(door);
    rc = 0;
out:
    if (dir_fd >= 0)
        close(dir_fd);
    if (door != NULL && door->fd >= 0)
        close(door->fd);
    if (door != NULL && door->stop_fd >= 0)
        close(door->stop_fd);
    free(door);
    return rc;
}

void
queue_door_close(struct queue_door **at)
{
    struct queue_door *door = TAKE(*at);

    if (door == NULL)
        return;
    CHECK(eventfd_write(door->stop_fd, 1) == 0);
    thread_join(door->thread);
    close(door->fd);
    close(door->stop_fd);
    free(door);
}

/* ---- the person's end ---- */

static int
read_answer(const char *line, struct err *err)
{
    char *end;
    unsigned long kind = strtoul(line, &end, 10);

    if (end == line || *end != ' ' || kind > ERR_FATAL)
        return err_set(err, ERR_REJECT, "the gateway's answer cannot be understood");
    if (kind != ERR_NONE)
        return err_set(err, (enum err_kind)kind, "%s", end + 1);
    return 0;
}

int
queue_door_ask(const char *dir, const char *word, uint64_t id, const char *reason,
               bool *out_is_running, struct err *err)
{
    char line[QUEUE_LINE_BYTES];
    struct sockaddr_un to;
    int fd = -1, dir_fd = -1, rc = -1;

    *out_is_running = false;
    if (address_of(dir, &to, &dir_fd, err) < 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        err_sys(err, ERR_RETRY, "no gateway listens at its queue.sock");
        goto out;
    }
    *out_is_running = true;
    snprintf(line, sizeof line, "%s %" PRIu64 "%s%s\n", word, id, reason != NULL ? " " : "",
             reason != NULL ? reason : "");
    say(fd, line);
    if (read_line(fd, -1, line, ANSWER_MS))
        rc = read_answer(line, err);
    else
        err_set(err, ERR_RETRY, "the gateway did not answer");
out:
    if (fd >= 0)
        close(fd);
    close(dir_fd);
    return rc;
}
