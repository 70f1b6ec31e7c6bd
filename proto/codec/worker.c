/* worker.c - the child: warm up, lock in, then one job after the other until the socket closes. */
#include "proto/codec/codec.h"

#include "proto/codec/j2k.h"
#include "proto/codec/job.h"
#include "proto/codec/sandbox.h"
#include "proto/dicom/charset.h"
#include "proto/dicom/dcmtk/decode.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096

struct mapping {
    void *at;
    size_t n;
};

job_fn job_table[] = {
    [JOB_INSPECT] = job_inspect, [JOB_ENCODE] = job_encode,       [JOB_PROVE] = job_prove,
    [JOB_RESTORE] = job_restore, [JOB_TRANSCODE] = job_transcode, [JOB_FRAME] = job_frame,
    [JOB_PNG] = job_png,
};

static int warm_up(struct err *err);
static bool receive(struct wire_request *request, int fds[WIRE_FDS]);
static void serve(const struct wire_request *request, const int fds[WIRE_FDS],
                  struct wire_reply *reply);
static int map(int fd, uint64_t offset, uint64_t n, struct mapping *out, const uint8_t **out_bytes,
               struct err *err);
static void answer(struct wire_reply *reply);

bool
codec_worker_main_if_asked(int argc, char **argv, int *out_status)
{
    struct wire_request request;
    struct wire_reply reply = {.magic = WIRE_MAGIC};
    int fds[WIRE_FDS];

    if (argc != 2 || strcmp(argv[1], "--codec-worker") != 0 ||
        getenv("RADPOST_CODEC_WORKER") == NULL)
        return false;
    *out_status = 0;
    reply.rc = warm_up(&reply.err);
    if (reply.rc == 0)
        reply.rc = sandbox_enter(&reply.err);
    answer(&reply);
    if (reply.rc < 0)
        _exit(EXIT_FAILURE);
    while (receive(&request, fds)) {
        memset(&reply, 0, sizeof reply);
        serve(&request, fds, &reply);
        for (int i = 0; i < WIRE_FDS; i++)
            close(fds[i]);
        answer(&reply);
    }
    _exit(EXIT_SUCCESS);
}

int
job_write(int fd, const void *bytes, size_t n, uint64_t *io_n, struct err *err)
{
    const uint8_t *at = bytes;

    *io_n += n;
    while (n > 0) {
        ssize_t written = write(fd, at, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return err_sys(err, ERR_RETRY, "write the result");
        at += written;
        n -= (size_t)written;
    }
    return 0;
}

/* Everything that opens files must have done so. */
static int
warm_up(struct err *err)
{
    uint8_t ignored[DIGEST_BYTES];

    tzset();
    digest_bytes("", 0, ignored);
    if (dcm_charset_warm(err) < 0)
        return -1;
    return dcmtk_decode_warm(err);
}

static bool
receive(struct wire_request *request, int fds[WIRE_FDS])
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec part = {request, sizeof *request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head;
    ssize_t n;

    do
        n = recvmsg(WIRE_SOCKET, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *request || request->magic != WIRE_MAGIC)
        return false;
    head = CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof(int) * WIRE_FDS))
        return false;
    memcpy(fds, CMSG_DATA(head), sizeof(int) * WIRE_FDS);
    return true;
}

static void
serve(const struct wire_request *request, const int fds[WIRE_FDS], struct wire_reply *reply)
{
    struct job job = {.request = request,
                      .n = (size_t)request->size,
                      .out = fds[WIRE_FD_OUT],
                      .out_side = fds[WIRE_FD_OUT_SIDE],
                      .reply = reply};
    struct mapping source = {0}, side = {0};
    const uint8_t *side_bytes = NULL;

    reply->rc = -1;
    if (request->job <= JOB_HELLO || request->job > JOB_PNG) {
        (void)err_set(&reply->err, ERR_FATAL, "no such job");
        return;
    }
    if (map(fds[WIRE_FD_SOURCE], request->offset, request->size, &source, &job.bytes, &reply->err) <
            0 ||
        map(fds[WIRE_FD_SIDE], 0, request->recipe_n + request->layout_n, &side, &side_bytes,
            &reply->err) < 0)
        goto out;
    if (request->has_recipe) {
        job.recipe = side_bytes;
        job.recipe_n = (size_t)request->recipe_n;
    }
    job.layout = side_bytes + request->recipe_n;
    job.layout_n = (size_t)request->layout_n;
    j2k_set_processors(request->processors);
    reply->rc = job_table[request->job](&job, &reply->err);
out:
    if (source.n > 0)
        munmap(source.at, source.n);
    if (side.n > 0)
        munmap(side.at, side.n);
}

/* n bytes at offset; no bytes are some bytes that are not looked at. */
static int
map(int fd, uint64_t offset, uint64_t n, struct mapping *out, const uint8_t **out_bytes,
    struct err *err)
{
    uint64_t before = offset % PAGE_BYTES;

    *out_bytes = (const uint8_t *)"";
    if (n == 0)
        return 0;
    out->n = (size_t)(n + before);
    out->at = mmap(NULL, out->n, PROT_READ, MAP_PRIVATE, fd, (off_t)(offset - before));
    if (out->at == MAP_FAILED) {
        out->n = 0;
        return err_sys(err, errno == ENOMEM ? ERR_REJECT : ERR_RETRY, "map the source");
    }
    *out_bytes = (const uint8_t *)out->at + before;
    return 0;
}

static void
answer(struct wire_reply *reply)
{
    struct iovec part = {reply, sizeof *reply};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    reply->magic = WIRE_MAGIC;
    while (sendmsg(WIRE_SOCKET, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            _exit(EXIT_FAILURE); /* nobody is there any more */
}
