/* commit_device.h - a device of ours for test_commit*.c: it asks for commitment, and it listens for
 * reports. Everything is static: each test program has its own. */
#ifndef RADPOST_TESTS_COMMIT_DEVICE_H
#define RADPOST_TESTS_COMMIT_DEVICE_H

#include <dirent.h>

#include "gateway/serve/commit_message.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/write.h"
#include "tests/support/serve_world.h"

#define STUDY "1.2.7"

static struct serve_world world;

/* ---- the device as a server: reports on associations of ours ---- */

struct told {
    struct gate gate;
    struct dimse_listener *listener;
    unsigned reports, calls, unanswered;
    unsigned silent_from; /* this of an association's reports and later ones: no answer; 0 = none */
    int64_t slow_ms;      /* it reads a report so long */
    uint16_t event, answer;  /* what it says to the next */
    struct buf transactions; /* of all reports, a blank before and behind each */
    struct buf data;
    char calling[17];
};

static struct told told;

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    (void)user;
    told.calls++;
    text_copy(told.calling, sizeof told.calling, peer->calling);
    return DIMSE_ADMITTED;
}

/* Reports come from the service's provider: it must ask for that role. */
static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)user;
    return peer_is_scp && strcmp(abstract_syntax, COMMIT_CLASS) == 0 ? DIMSE_PLAIN_SYNTAX
                                                                     : DIMSE_NOT_OFFERED;
}

/* It is the first element, a UID. */
static void
note_transaction(const struct buf *data)
{
    size_t n = data->bytes[4] == 'U' ? le16_read(data->bytes + 6) : le32_read(data->bytes + 4);

    buf_add_text(&told.transactions, " ");
    buf_add(&told.transactions, data->bytes + 8, strnlen((const char *)data->bytes + 8, n));
    buf_add_text(&told.transactions, " ");
}

static void
note_report(const struct dimse_command *rq, const struct buf *data)
{
    gate_lock(&told.gate);
    told.reports++;
    told.event = rq->event_type_id;
    buf_clear(&told.data);
    buf_add(&told.data, data->bytes, data->n);
    note_transaction(data);
    gate_wake(&told.gate);
    gate_unlock(&told.gate);
}

static int
take_report(struct dimse_assoc *assoc, const struct dimse_command *rq, uint16_t answer,
            struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, answer);
    struct buf data;

    assert_int_equal(rq->field, DIMSE_N_EVENT_REPORT_RQ);
    assert_string_equal(rq->sop_class, COMMIT_CLASS);
    assert_string_equal(rq->sop_instance, COMMIT_INSTANCE);
    buf_init(&data, 1 << 20);
    assert_int_equal(dimse_collect_data(assoc, &data, err), 0);
    note_report(rq, &data);
    buf_fini(&data);
    return dimse_send_command(assoc, &rsp, err);
}

static void
read_slowly(void)
{
    int64_t until_ms = clock_mono_ms() + told.slow_ms;

    gate_lock(&told.gate);
    for (int64_t now_ms; (now_ms = clock_mono_ms()) < until_ms;)
        (void)gate_wait_ms(&told.gate, until_ms - now_ms);
    gate_unlock(&told.gate);
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    struct dimse_command rq = {.field = 0};
    struct err err = {0};
    unsigned n = 0;

    (void)user;
    while (dimse_next_command(assoc, &rq, &err) == 0 && rq.field != DIMSE_END) {
        uint16_t answer = told.answer;
        if (++n >= told.silent_from && told.silent_from != 0) {
            if (dimse_skip_data(assoc, &err) < 0)
                return;
            told.unanswered++;
            continue;
        }
        told.answer = DIMSE_SUCCESS;
        read_slowly();
        if (take_report(assoc, &rq, answer, &err) < 0)
            return;
    }
}

static uint16_t
listen_at(uint16_t port)
{
    struct dimse_listener_options o = {
        .address = "127.0.0.1", .port = port, .admit = admit, .offers = offers, .serve = serve};
    struct err err = {0};

    if (dimse_listen(&o, &told.listener, &err) < 0)
        fail_msg("%s", err.text);
    return dimse_listener_port(told.listener);
}

static inline bool
was_told_of(const char *transaction)
{
    char *word = mem_printf(" %s ", transaction);
    bool was;

    gate_lock(&told.gate);
    was = memmem(told.transactions.bytes, told.transactions.n, word, strlen(word)) != NULL;
    gate_unlock(&told.gate);
    free(word);
    return was;
}

static inline unsigned
reports_now(void)
{
    gate_lock(&told.gate);
    unsigned n = told.reports;
    gate_unlock(&told.gate);
    return n;
}

static void
wait_for_reports(unsigned n)
{
    int64_t until = clock_mono_ms() + 20000;

    gate_lock(&told.gate);
    while (told.reports < n && clock_mono_ms() < until)
        (void)gate_wait_ms(&told.gate, 1000);
    assert_int_equal(told.reports, n);
    gate_unlock(&told.gate);
}

/* ---- the device as a client ---- */

static int
begin(void **state)
{
    (void)state;
    told = (struct told){.answer = DIMSE_SUCCESS};
    gate_init(&told.gate);
    buf_init(&told.data, 1 << 20);
    buf_init(&told.transactions, 1 << 20);
    world = (struct serve_world){.options = {.grace_ms = 3600000}};
    serve_world_make(&world, "CT1 127.0.0.1\nNOCOMMIT * x may=store\n");
    return 0;
}

static int
end(void **state)
{
    (void)state;
    serve_world_remove(&world);
    dimse_listener_free(&told.listener);
    buf_fini(&told.data);
    buf_fini(&told.transactions);
    gate_fini(&told.gate);
    return 0;
}

static void
set_row(const char *settings)
{
    char *row = mem_printf("CT1 127.0.0.1 CT %s\n", settings);

    serve_world_devices(&world, row);
    free(row);
}

static struct dimse_assoc *
connect_as(const char *ae, uint16_t port)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposals[] = {{COMMIT_CLASS, plain, 1, false},
                                         {DCM_UID_VERIFICATION, plain, 1, false}};
    struct dimse_connect_options o = {
        .host = "127.0.0.1", .port = port, .calling = ae, .called = "RADPOST"};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    if (dimse_connect(&o, proposals, 2, &assoc, &err) < 0)
        fail_msg("%s", err.text);
    return assoc;
}

static void
write_request(struct buf *out, const char *transaction, const char *const *instances)
{
    struct dcm_writer w;

    dcm_write_init(&w, out, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x00081195, "UI", transaction);
    dcm_write_sequence_begin(&w, 0x00081199);
    for (; *instances != NULL; instances++) {
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00081150, "UI", DCM_UID_CT_IMAGE);
        dcm_write_text(&w, 0x00081155, "UI", *instances);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
}

/* Send a request as it is; the answer's status. */
static uint16_t
request(struct dimse_assoc *assoc, struct dimse_command rq, const struct buf *data)
{
    struct dimse_command rsp;
    struct err err = {0};

    rq.context = 1;
    rq.message_id = 5;
    rq.has_data = data != NULL;
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    if (data != NULL)
        assert_int_equal(dimse_send_data(assoc, 1, data->bytes, data->n, true, &err), 0);
    if (dimse_next_command(assoc, &rsp, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rsp.field, rq.field | 0x8000);
    assert_int_equal(rsp.responded_id, 5);
    return rsp.status;
}

static const struct dimse_command good = {.field = DIMSE_N_ACTION_RQ,
                                          .sop_class = COMMIT_CLASS,
                                          .sop_instance = COMMIT_INSTANCE,
                                          .action_type_id = 1};

static uint16_t
ask(struct dimse_assoc *assoc, const char *transaction, const char *const *instances)
{
    struct buf data;
    uint16_t status;

    buf_init(&data, 1 << 20);
    write_request(&data, transaction, instances);
    status = request(assoc, good, &data);
    buf_fini(&data);
    return status;
}

static uint64_t
put(const char *sop_instance)
{
    struct serve_image image = {.study = STUDY, .series = "1.2.7.1", .sop_instance = sop_instance};

    return serve_world_put(&world, &image);
}

/* The report of this transaction comes on this association; answer it. */
static inline void
expect_report(struct dimse_assoc *assoc)
{
    struct dimse_command rq;
    struct err err = {0};

    if (dimse_next_command(assoc, &rq, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(take_report(assoc, &rq, DIMSE_SUCCESS, &err), 0);
}

static inline bool
is_in_report(uint32_t tag, const char *value)
{
    char bytes[80];
    size_t n = strlen(value);

    le32_write((uint8_t *)bytes, tag << 16 | tag >> 16);
    le32_write((uint8_t *)bytes + 4, (uint32_t)(n + (n & 1)));
    memcpy(bytes + 8, value, n + 1);
    return memmem(told.data.bytes, told.data.n, bytes, 8 + n) != NULL;
}

/* Failure Reason with this value, so many times. */
static inline size_t
reasons(uint16_t value)
{
    uint8_t bytes[] = {8, 0, 0x97, 0x11, 2, 0, 0, 0, (uint8_t)value, (uint8_t)(value >> 8)};
    const uint8_t *at = told.data.bytes, *stop = at + told.data.n;
    size_t n = 0;

    while ((at = memmem(at, (size_t)(stop - at), bytes, sizeof bytes)) != NULL) {
        n++;
        at += sizeof bytes;
    }
    return n;
}

static size_t
files_in_commit(void)
{
    char *path = mem_printf("%s/serve/commit", world.dir);
    DIR *d = opendir(path);
    size_t n = 0;

    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    free(path);
    return n;
}

/* Until no more transactions than these are left in the folder. */
static void
wait_for_files(size_t n)
{
    struct gate g;

    gate_init(&g);
    gate_lock(&g);
    for (int i = 0; files_in_commit() > n && i < 400; i++)
        (void)gate_wait_ms(&g, 50); /* another process's folder would be watched the same way */
    gate_unlock(&g);
    gate_fini(&g);
    assert_int_equal(files_in_commit(), n);
}

static inline void
wait_for_end(void)
{
    wait_for_files(0);
}

#endif
