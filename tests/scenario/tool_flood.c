/* tool_flood - good and bad DICOM peers for scenarios, all on 127.0.0.1. One line of key=value.
 *
 *   tool_flood PORT good N MS       N associations at once, each a C-ECHO every 20 ms for so long;
 *                                   "all are in" on stderr when all have been accepted
 *   tool_flood PORT flood RATE MS   so many associations a second begun (opened, answered, left)
 *   tool_flood PORT fill N          N associations held at once: how many accepted, how refused
 *   tool_flood PORT half N          N connections of two bytes each, held until each is closed
 *   tool_flood PORT slow N          N associations that stop inside a PDU, held until each is
 * closed tool_flood PORT multiframe MIB  one C-STORE of a synthetic multi-frame, made while it is
 * sent tool_flood PORT many N MIB      N such at once
 *
 * good: n, failed, p50_us, p99_us; half, slow: closed, first_ms, last_ms. */
#include "proto/base/base.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Native pixels have a length of 32 bits; what is longer goes in fragments, a frame each. */
enum { FRAMES_OF_FRAGMENTS = 2048 };

enum { MAX_PEERS = 512, SAMPLES = 4096, ECHO_EVERY_MS = 20, CHUNK_BYTES = 256 * 1024 };

static uint16_t port;
static atomic_uint good_to_come; /* good ones that are not associated yet */

struct peer {
    pthread_t thread;
    int64_t until_ms;
    uint64_t number, mib;
    unsigned n, failed;
    uint32_t us[SAMPLES];
};

static int64_t
now_us(void)
{
    struct timespec t;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct peer *
peers_new(size_t n)
{
    if (n == 0 || n > MAX_PEERS) {
        fprintf(stderr, "1 to %d peers\n", MAX_PEERS);
        exit(2);
    }
    return mem_new(n * sizeof(struct peer));
}

static int
associate(struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    static const char *const coded[] = {"1.2.840.10008.1.2.4.50"};
    struct dimse_proposal proposals[] = {
        {DCM_UID_VERIFICATION, plain, 1, false},
        {"1.2.840.10008.5.1.4.1.1.7.2", plain, 1, false}, /* multi-frame secondary capture */
        {"1.2.840.10008.5.1.4.1.1.7.2", coded, 1, false}};
    struct dimse_connect_options options = {
        .host = "127.0.0.1", .port = port, .calling = "FLOOD", .called = "RADPOST"};

    return dimse_connect(&options, proposals, 3, out, err);
}

static int
echo(struct dimse_assoc *assoc, uint16_t id, struct err *err)
{
    struct dimse_command rsp, rq = {.context = 1,
                                    .field = DIMSE_C_ECHO_RQ,
                                    .message_id = id,
                                    .sop_class = DCM_UID_VERIFICATION};

    if (dimse_send_command(assoc, &rq, err) < 0 || dimse_next_command(assoc, &rsp, err) < 0)
        return -1;
    return rsp.status == DIMSE_SUCCESS ? 0 : err_set(err, ERR_REJECT, "status %04X", rsp.status);
}

/* Wait, without a busy loop. */
static void
pause_ms(int64_t ms)
{
    if (ms > 0)
        (void)poll(NULL, 0, (int)ms);
}

static void *
be_good(void *arg)
{
    struct peer *p = arg;
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    if (associate(&assoc, &err) < 0) {
        p->failed++;
        return NULL;
    }
    if (atomic_fetch_sub(&good_to_come, 1) == 1)
        fprintf(stderr, "all are in\n");
    while (clock_mono_ms() < p->until_ms && p->n < SAMPLES) {
        int64_t began = now_us();

        if (echo(assoc, (uint16_t)(p->n + 1), &err) < 0) {
            p->failed++;
            dimse_abort(&assoc);
            return NULL;
        }
        p->us[p->n++] = (uint32_t)(now_us() - began);
        pause_ms(ECHO_EVERY_MS);
    }
    if (dimse_release(&assoc, &err) < 0)
        p->failed++;
    return NULL;
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int
good(uint64_t n, uint64_t ms)
{
    struct peer *peers = peers_new(n);
    uint32_t *all = mem_new(n * SAMPLES * sizeof *all);
    size_t count = 0;
    unsigned failed = 0;

    atomic_store(&good_to_come, (unsigned)n);
    for (size_t i = 0; i < n; i++) {
        peers[i].until_ms = clock_mono_ms() + (int64_t)ms;
        CHECK(pthread_create(&peers[i].thread, NULL, be_good, &peers[i]) == 0);
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(pthread_join(peers[i].thread, NULL) == 0);
        memcpy(all + count, peers[i].us, peers[i].n * sizeof *all);
        count += peers[i].n;
        failed += peers[i].failed;
    }
    qsort(all, count, sizeof *all, compare);
    printf("n=%zu failed=%u p50_us=%u p99_us=%u max_us=%u\n", count, failed,
           count ? all[count / 2] : 0, count ? all[count * 99 / 100] : 0,
           count ? all[count - 1] : 0);
    free(all);
    free(peers);
    return failed > 0;
}

/* ---- raw connections ---- */

static int
dial(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static size_t
add_item(uint8_t *out, uint8_t type, const void *value, size_t n)
{
    out[0] = type;
    out[1] = 0;
    out[2] = (uint8_t)(n >> 8);
    out[3] = (uint8_t)n;
    memcpy(out + 4, value, n);
    return n + 4;
}

/* An A-ASSOCIATE-RQ for verification. */
static size_t
request_pdu(uint8_t out[512])
{
    static const uint8_t max_length[] = {0, 0, 0x40, 0};
    uint8_t context[256] = {1, 0, 0, 0}, user[256];
    size_t context_n = 4, user_n = 0, n = 74;

    memset(out, 0, 512);
    out[0] = out[7] = 1;
    memcpy(out + 10, "RADPOST         FLOOD           ", 32);
    context_n += add_item(context + context_n, 0x30, DCM_UID_VERIFICATION, 17);
    context_n += add_item(context + context_n, 0x40, DCM_UID_IMPLICIT_LE, 17);
    user_n += add_item(user + user_n, 0x51, max_length, sizeof max_length);
    user_n += add_item(user + user_n, 0x52, "1.2.3", 5);
    n += add_item(out + n, 0x10, "1.2.840.10008.3.1.1.1", 21);
    n += add_item(out + n, 0x20, context, context_n);
    n += add_item(out + n, 0x50, user, user_n);
    out[5] = (uint8_t)(n - 6);
    return n;
}

/* Until every one of them is closed by the other side; answers are read past. */
static int
await_ends(int *fds, size_t n)
{
    struct pollfd polled[MAX_PEERS];
    int64_t began = clock_mono_ms(), first = -1, last = 0;
    size_t open = n;
    char bytes[4096];

    while (open > 0 && clock_mono_ms() - began < 120000) {
        for (size_t i = 0; i < n; i++)
            polled[i] = (struct pollfd){fds[i], POLLIN, 0};
        (void)poll(polled, n, 1000);
        for (size_t i = 0; i < n; i++) {
            if (fds[i] < 0 || !polled[i].revents || read(fds[i], bytes, sizeof bytes) > 0)
                continue;
            close(fds[i]);
            fds[i] = -1;
            open--;
            last = clock_mono_ms() - began;
            first = first < 0 ? last : first;
        }
    }
    printf("n=%zu closed=%zu first_ms=%lld last_ms=%lld\n", n, n - open, (long long)first,
           (long long)last);
    return open > 0;
}

static int
half(uint64_t n)
{
    int fds[MAX_PEERS];

    CHECK(n <= MAX_PEERS);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial();
        CHECK(fds[i] >= 0 && write(fds[i], "\1\0", 2) == 2);
    }
    return await_ends(fds, n);
}

static int
slow(uint64_t n)
{
    static const uint8_t start_of_pdu[] = {4, 0, 0, 0, 0, 100, 0, 0, 0, 96, 1, 3};
    uint8_t request[512], answer[512];
    size_t request_n = request_pdu(request);
    int fds[MAX_PEERS];

    CHECK(n <= MAX_PEERS);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial();
        CHECK(fds[i] >= 0 && write(fds[i], request, request_n) == (ssize_t)request_n);
        CHECK(read(fds[i], answer, sizeof answer) > 0);
        CHECK(write(fds[i], start_of_pdu, sizeof start_of_pdu) == sizeof start_of_pdu);
    }
    return await_ends(fds, n);
}

static int
fill(uint64_t n)
{
    uint8_t request[512], answer[512];
    size_t request_n = request_pdu(request);
    unsigned accepted = 0, transient = 0, other = 0;
    int fds[MAX_PEERS];

    CHECK(n <= MAX_PEERS);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial();
        CHECK(fds[i] >= 0 && write(fds[i], request, request_n) == (ssize_t)request_n);
        ssize_t got = read(fds[i], answer, sizeof answer);
        accepted += got > 10 && answer[0] == 2;
        transient +=
            got == 10 && answer[0] == 3 && answer[7] == 2 && answer[8] == 3 && answer[9] == 2;
        other += got < 10 || (answer[0] != 2 && answer[0] != 3);
    }
    printf("accepted=%u transient=%u other=%u\n", accepted, transient, other);
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    return 0;
}

/* Begin associations at an even rate from one thread; each is left when its answer is here or when
 * the table is full. */
static int
flood(uint64_t rate, uint64_t ms)
{
    uint8_t request[512], answer[512];
    size_t request_n = request_pdu(request), begun = 0, accepted = 0, refused = 0, failed = 0;
    struct pollfd polled[MAX_PEERS];
    size_t open = 0;
    int64_t began = clock_mono_ms(), now;

    while ((now = clock_mono_ms()) < began + (int64_t)ms) {
        size_t due = (size_t)((uint64_t)(now - began) * rate / 1000);
        while (begun < due && open < MAX_PEERS) {
            int fd = dial();
            begun++;
            if (fd < 0 || write(fd, request, request_n) != (ssize_t)request_n) {
                failed++;
                if (fd >= 0)
                    close(fd);
                continue;
            }
            polled[open++] = (struct pollfd){fd, POLLIN, 0};
        }
        (void)poll(polled, open, 1);
        for (size_t i = open; i-- > 0;) {
            if (!polled[i].revents)
                continue;
            ssize_t got = read(polled[i].fd, answer, sizeof answer);
            accepted += got > 0 && answer[0] == 2;
            refused += got > 0 && answer[0] == 3;
            failed += got <= 0;
            close(polled[i].fd);
            polled[i] = polled[--open];
        }
    }
    printf("begun=%zu accepted=%zu refused=%zu failed=%zu per_s=%.0f\n", begun, accepted, refused,
           failed, (double)begun * 1000 / (double)(clock_mono_ms() - began));
    for (size_t i = 0; i < open; i++)
        close(polled[i].fd);
    return 0;
}

/* ---- synthetic multi-frames ---- */

static void
add_element(struct buf *b, uint32_t tag, const char *vr, const char *value)
{
    size_t n = strlen(value);

    buf_add_le16(b, (uint16_t)(tag >> 16));
    buf_add_le16(b, (uint16_t)tag);
    buf_add_text(b, vr);
    buf_add_le16(b, (uint16_t)(n + (n & 1)));
    buf_add(b, value, n);
    if (n & 1)
        buf_add(b, strcmp(vr, "UI") == 0 ? "" : " ", 1);
}

static void
add_number(struct buf *b, uint32_t tag, uint16_t value)
{
    buf_add_le16(b, (uint16_t)(tag >> 16));
    buf_add_le16(b, (uint16_t)tag);
    buf_add_text(b, "US");
    buf_add_le16(b, 2);
    buf_add_le16(b, value);
}

/* Group FFFE: no VR. */
static void
add_frame_item(struct buf *b, uint16_t element, uint32_t n)
{
    buf_add_le16(b, 0xfffe);
    buf_add_le16(b, element);
    buf_add_le32(b, n);
}

/* Frames of 1024 x 1024 at 8 bit: a MiB each. */
static void
make_head(struct buf *b, const char *instance, uint64_t mib)
{
    char frames[24], uid[80];

    snprintf(frames, sizeof frames, "%llu", (unsigned long long)mib);
    snprintf(uid, sizeof uid, "%s.1", instance);
    add_element(b, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7.2");
    add_element(b, 0x00080018, "UI", instance);
    add_element(b, 0x00080060, "CS", "OT");
    add_element(b, 0x00100020, "LO", "SYNTHETIC");
    add_element(b, 0x0020000d, "UI", uid);
    snprintf(uid, sizeof uid, "%s.2", instance);
    add_element(b, 0x0020000e, "UI", uid);
    add_number(b, 0x00280002, 1);
    add_element(b, 0x00280004, "CS", "MONOCHROME2");
    add_element(b, 0x00280008, "IS", frames);
    add_number(b, 0x00280010, 1024);
    add_number(b, 0x00280011, 1024);
    add_number(b, 0x00280100, 8);
    add_number(b, 0x00280101, 8);
    add_number(b, 0x00280102, 7);
    add_number(b, 0x00280103, 0);
    buf_add_le16(b, 0x7fe0);
    buf_add_le16(b, 0x0010);
    buf_add(b, "OB\0", 4);
    buf_add_le32(b, mib < FRAMES_OF_FRAGMENTS ? (uint32_t)(mib << 20) : UINT32_MAX);
    if (mib >= FRAMES_OF_FRAGMENTS)
        add_frame_item(b, 0xe000, 0); /* an empty offset table */
}

static int
send_frame_item(struct dimse_assoc *assoc, uint8_t context, uint16_t element, uint32_t n,
                bool is_last, struct err *err)
{
    struct buf item;
    int rc;

    buf_init(&item, 8);
    add_frame_item(&item, element, n);
    rc = dimse_send_data(assoc, context, item.bytes, item.n, is_last, err);
    buf_fini(&item);
    return rc;
}

static int
send_frames(struct dimse_assoc *assoc, uint64_t mib, struct err *err)
{
    uint8_t *chunk = mem_new(CHUNK_BYTES);
    uint64_t left = mib << 20;
    bool has_items = mib >= FRAMES_OF_FRAGMENTS;
    uint8_t context = has_items ? 5 : 3;
    int rc = 0;

    while (rc == 0 && left > 0) {
        size_t n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

        if (has_items && left % (1 << 20) == 0)
            rc = send_frame_item(assoc, context, 0xe000, 1 << 20, false, err);
        memset(chunk, (int)(left >> 20 & 0xff), n); /* each frame of another grey */
        left -= n;
        if (rc == 0)
            rc = dimse_send_data(assoc, context, chunk, n, left == 0 && !has_items, err);
    }
    if (rc == 0 && has_items)
        rc = send_frame_item(assoc, context, 0xe0dd, 0, true, err);
    free(chunk);
    return rc;
}

static int
store(struct peer *p, struct err *err)
{
    struct dimse_assoc *assoc = NULL;
    uint8_t context = p->mib < FRAMES_OF_FRAGMENTS ? 3 : 5;
    struct dimse_command rsp, rq = {.context = context,
                                    .field = DIMSE_C_STORE_RQ,
                                    .message_id = 1,
                                    .has_data = true,
                                    .sop_class = "1.2.840.10008.5.1.4.1.1.7.2"};
    struct buf head;
    int rc = -1;

    buf_init(&head, 65536);
    snprintf(rq.sop_instance, sizeof rq.sop_instance, "1.2.826.0.1.3680043.10.999.7.%lld.%llu",
             (long long)clock_wall_us(), (unsigned long long)p->number);
    make_head(&head, rq.sop_instance, p->mib);
    if (associate(&assoc, err) < 0)
        goto out;
    if (dimse_send_command(assoc, &rq, err) < 0 ||
        dimse_send_data(assoc, context, head.bytes, head.n, false, err) < 0 ||
        send_frames(assoc, p->mib, err) < 0 || dimse_next_command(assoc, &rsp, err) < 0)
        goto out;
    if (rsp.status != DIMSE_SUCCESS) {
        err_set(err, ERR_REJECT, "status %04X", rsp.status);
        goto out;
    }
    rc = dimse_release(&assoc, err);
out:
    dimse_abort(&assoc);
    buf_fini(&head);
    return rc;
}

static void *
store_one(void *arg)
{
    struct peer *p = arg;
    struct err err = {0};

    if (store(p, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        p->failed++;
    }
    return NULL;
}

static int
many(uint64_t n, uint64_t mib)
{
    struct peer *peers = peers_new(n);
    int64_t began = clock_mono_ms();
    unsigned failed = 0;

    for (size_t i = 0; i < n; i++) {
        peers[i].number = i + 1;
        peers[i].mib = mib;
        CHECK(pthread_create(&peers[i].thread, NULL, store_one, &peers[i]) == 0);
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(pthread_join(peers[i].thread, NULL) == 0);
        failed += peers[i].failed;
    }
    printf("stored=%llu failed=%u mib=%llu ms=%lld\n", (unsigned long long)n - failed, failed,
           (unsigned long long)mib, (long long)(clock_mono_ms() - began));
    free(peers);
    return failed > 0;
}

static uint64_t
number(const char *text)
{
    uint64_t v = 0;

    if (text_to_u64(text, UINT32_MAX, &v) < 0) {
        fprintf(stderr, "no number: %s\n", text);
        exit(2);
    }
    return v;
}

int
main(int argc, char **argv)
{
    const char *verb = argc > 3 ? argv[2] : "";
    uint64_t a = argc > 3 ? number(argv[3]) : 0, b = argc > 4 ? number(argv[4]) : 0;

    port = argc > 1 ? (uint16_t)number(argv[1]) : 0;
    if (strcmp(verb, "good") == 0 && argc == 5)
        return good(a, b);
    if (strcmp(verb, "flood") == 0 && argc == 5)
        return flood(a, b);
    if (strcmp(verb, "fill") == 0)
        return fill(a);
    if (strcmp(verb, "half") == 0)
        return half(a);
    if (strcmp(verb, "slow") == 0)
        return slow(a);
    if (strcmp(verb, "multiframe") == 0)
        return many(1, a);
    if (strcmp(verb, "many") == 0 && argc == 5)
        return many(a, b);
    fprintf(stderr, "usage: tool_flood PORT good|flood|fill|half|slow|multiframe|many ...\n");
    return 2;
}
