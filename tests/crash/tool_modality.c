/* tool_modality PORT COUNT THREADS LEDGER [SIDE] - a modality that does not give up: sends
 * instances 0..COUNT-1 by so many associations at once, each again until it is told success,
 * whatever happens to the gateway in between. Standard input holds it back: a line "N" lets N more
 * go, its end all. The ledger gets "acked N UID" the moment instance N was answered 0000H. SIDE:
 * pixels in a row and in a column (16); more than 16 are noise, which no coding makes smaller. */
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/write.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 16, SIDE = 16, SIDE_MOST = 512, A_STUDY = 20, AGAIN_MS = 20 };
enum { BYTES_MOST = 2 * SIDE_MOST * SIDE_MOST + 65536 };

static const char class[] = "1.2.840.10008.5.1.4.1.1.7";

struct modality {
    uint16_t port;
    uint64_t count, next, allowed;
    size_t side;
    uint64_t again; /* times that an instance was sent once more */
    int ledger;
    struct gate gate;
};

static void
uid_of(uint64_t n, char out[65])
{
    snprintf(out, 65, "2.25.7001.%" PRIu64, n + 1);
}

/* Every instance has pixels of its own. */
static void
draw(uint64_t n, size_t side, uint8_t *pixels)
{
    uint64_t noise = n * 0x9E3779B97F4A7C15u + 1;

    for (size_t i = 0; i < side * side; i++) {
        uint64_t v = (i * 7 + (i == n % (SIDE * SIDE) ? n : n / 256)) & 0xFFF;

        noise = noise * 6364136223846793005u + 1442695040888963407u;
        if (side > SIDE)
            v = noise >> 52;
        pixels[2 * i] = (uint8_t)v;
        pixels[2 * i + 1] = (uint8_t)(v >> 8);
    }
}

/* A small image of nobody. */
static void
write_instance(uint64_t n, size_t side, struct buf *out)
{
    uint8_t *pixels = mem_new(side * side * 2);
    struct dcm_writer w;
    char uid[65], study[65];

    uid_of(n, uid);
    snprintf(study, sizeof study, "2.25.7002.%" PRIu64, n / A_STUDY + 1);
    draw(n, side, pixels);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, class);
    dcm_write_text(&w, 0x00080018, NULL, uid);
    dcm_write_text(&w, 0x00080060, NULL, "OT");
    dcm_write_text(&w, 0x00100020, NULL, "NOBODY");
    dcm_write_text(&w, 0x0020000D, NULL, study);
    dcm_write_text(&w, 0x0020000E, NULL, study);
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_u16(&w, 0x00280010, (uint16_t)side);
    dcm_write_u16(&w, 0x00280011, (uint16_t)side);
    dcm_write_u16(&w, 0x00280100, 16);
    dcm_write_u16(&w, 0x00280101, 12);
    dcm_write_u16(&w, 0x00280102, 11);
    dcm_write_u16(&w, 0x00280103, 0);
    dcm_write_bytes(&w, 0x7FE00010, "OW", pixels, side * side * 2);
    CHECK(!buf_is_over(out));
    free(pixels);
}

static int
connect_to(const struct modality *m, struct dimse_assoc **out, struct err *err)
{
    static const char *const syntaxes[] = {DCM_UID_EXPLICIT_LE};
    static const struct dimse_proposal proposal = {
        .abstract_syntax = class, .transfer_syntaxes = syntaxes, .transfer_syntax_count = 1};
    struct dimse_connect_options o = {.host = "127.0.0.1",
                                      .port = m->port,
                                      .calling = "MODALITY",
                                      .called = "RADPOST",
                                      .deadlines = {5000, 5000, 5000}};

    return dimse_connect(&o, &proposal, 1, out, err);
}

/* One C-STORE; out_status is what was answered. */
static int
store(struct dimse_assoc *a, uint64_t n, size_t side, uint16_t *out_status, struct err *err)
{
    const struct dimse_context *context = dimse_context_for(a, class, NULL);
    struct dimse_command rq = {.field = DIMSE_C_STORE_RQ, .message_id = 1, .has_data = true};
    struct dimse_command rsp;
    struct buf data;
    int rc = -1;

    buf_init(&data, BYTES_MOST);
    if (context == NULL) {
        err_set(err, ERR_REJECT, "the class was not taken");
        goto out;
    }
    rq.context = context->id;
    text_copy(rq.sop_class, sizeof rq.sop_class, class);
    uid_of(n, rq.sop_instance);
    write_instance(n, side, &data);
    if (dimse_send_command(a, &rq, err) < 0 ||
        dimse_send_data(a, rq.context, data.bytes, data.n, true, err) < 0 ||
        dimse_next_command(a, &rsp, err) < 0)
        goto out;
    *out_status = rsp.field == DIMSE_C_STORE_RSP ? rsp.status : DIMSE_CANNOT_UNDERSTAND;
    rc = 0;
out:
    buf_fini(&data);
    return rc;
}

static void
note(const struct modality *m, uint64_t n)
{
    char line[128], uid[65];
    int k;

    uid_of(n, uid);
    k = snprintf(line, sizeof line, "acked %" PRIu64 " %s\n", n, uid);
    CHECK(write(m->ledger, line, (size_t)k) == k);
}

/* The next instance that may go; false: there is none left. */
static bool
take(struct modality *m, uint64_t *out_n)
{
    bool is_one;

    gate_lock(&m->gate);
    while (m->next < m->count && m->next >= m->allowed)
        gate_wait(&m->gate);
    is_one = m->next < m->count;
    if (is_one)
        *out_n = m->next++;
    gate_unlock(&m->gate);
    return is_one;
}

/* The gateway is away: a little later again. */
static void
rest(struct modality *m)
{
    int64_t until = clock_mono_ms() + AGAIN_MS, now;

    gate_lock(&m->gate);
    m->again++;
    while ((now = clock_mono_ms()) < until)
        gate_wait_ms(&m->gate, until - now);
    gate_unlock(&m->gate);
}

static void *
send_some(void *arg)
{
    struct modality *m = arg;
    struct dimse_assoc *a = NULL;
    uint64_t n;

    while (take(m, &n)) {
        for (bool is_acked = false; !is_acked;) {
            uint16_t status = DIMSE_CANNOT_UNDERSTAND;
            struct err err = {0};

            if ((a != NULL || connect_to(m, &a, &err) == 0) &&
                store(a, n, m->side, &status, &err) < 0)
                dimse_abort(&a);
            is_acked = status == DIMSE_SUCCESS;
            if (!is_acked)
                rest(m);
        }
        note(m, n);
    }
    dimse_abort(&a);
    return NULL;
}

static void
read_permits(struct modality *m)
{
    char line[32];
    uint64_t more;

    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        CHECK(text_to_u64(line, 1000000, &more) == 0);
        gate_lock(&m->gate);
        m->allowed += more;
        gate_wake(&m->gate);
        gate_unlock(&m->gate);
    }
    gate_lock(&m->gate);
    m->allowed = UINT64_MAX;
    gate_wake(&m->gate);
    gate_unlock(&m->gate);
}

int
main(int argc, char **argv)
{
    struct modality m = {0};
    pthread_t threads[MAX_THREADS];
    uint64_t port, n, side = SIDE;

    if (argc < 5 || argc > 6 || text_to_u64(argv[1], 65535, &port) < 0 ||
        text_to_u64(argv[2], 1000000, &m.count) < 0 || text_to_u64(argv[3], MAX_THREADS, &n) < 0 ||
        (argc == 6 && text_to_u64(argv[5], SIDE_MOST, &side) < 0)) {
        fprintf(stderr, "usage: tool_modality PORT COUNT THREADS LEDGER [SIDE]\n");
        return 2;
    }
    m.port = (uint16_t)port;
    m.side = (size_t)side;
    m.ledger = open(argv[4], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    CHECK(m.ledger >= 0);
    gate_init(&m.gate);
    for (uint64_t i = 0; i < n; i++)
        threads[i] = thread_start("modality", send_some, &m);
    read_permits(&m);
    for (uint64_t i = 0; i < n; i++)
        thread_join(threads[i]);
    printf("%" PRIu64 " instances acknowledged, sent once more %" PRIu64 " times\n", m.count,
           m.again);
    gate_fini(&m.gate);
    close(m.ledger);
    return 0;
}
