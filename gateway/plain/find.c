/* find.c - what a DICOM target has, asked by C-FIND at the IMAGE level of its Study Root
 * (PS3.4 C.6.2.1): a whole series at once, then one by one what such an answer left out (archives
 * cut long ones short). */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_identifier.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"

#include <stdlib.h>
#include <string.h>

#define FIND_CLASS "1.2.840.10008.5.1.4.1.2.2.1"

enum { FEW = 4, SINGLY_MOST = 64, ANSWERS_MOST = 1000000, KEYS_BYTES = 1024 };

/* A question under way: answers are looked up among these items, which are by SOP instance. */
struct question {
    struct dimse_assoc *assoc;
    uint8_t context;
    uint16_t message_id;
    const struct item *items;
    bool *is_found;
    size_t n;
};

static void
note_found(struct question *q, const char *sop_instance)
{
    size_t low = 0, high = q->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(q->items[mid].sop_instance, sop_instance) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < q->n && strcmp(q->items[low].sop_instance, sop_instance) == 0; low++)
        q->is_found[low] = true;
}

/* Its SOP Instance UID; what cannot be read says nothing. */
static void
read_answer(struct question *q, const uint8_t *bytes, size_t n, enum dcm_coding coding)
{
    struct dcm_walk walk;
    struct dcm_element e;
    struct err err = {0};
    char uid[65];

    dcm_walk_init(&walk, bytes, n, coding, DCM_WALK_WHOLE);
    while (dcm_walk_next(&walk, &e, &err) == 0 && e.event != DCM_END) {
        size_t uid_n = e.value_n;

        if (e.event != DCM_ELEMENT || e.depth != 0 || e.tag != TAG_SOP_INSTANCE)
            continue;
        while (uid_n > 0 &&
               (bytes[e.value_at + uid_n - 1] == 0 || bytes[e.value_at + uid_n - 1] == ' '))
            uid_n--;
        if (uid_n == 0 || uid_n >= sizeof uid)
            return;
        memcpy(uid, bytes + e.value_at, uid_n);
        uid[uid_n] = '\0';
        note_found(q, uid);
        return;
    }
}

static int
send_question(struct question *q, const char *sop_instance, enum dcm_coding coding, struct err *err)
{
    struct dimse_command rq = {.context = q->context,
                               .field = DIMSE_C_FIND_RQ,
                               .message_id = ++q->message_id,
                               .has_data = true,
                               .sop_class = FIND_CLASS};
    struct dcm_writer w;
    struct buf keys;
    int rc;

    buf_init(&keys, KEYS_BYTES);
    dcm_write_init(&w, &keys, coding);
    dcm_write_text(&w, TAG_SOP_INSTANCE, "UI", sop_instance);
    dcm_write_text(&w, TAG_RETRIEVE_LEVEL, "CS", "IMAGE");
    dcm_write_text(&w, TAG_STUDY_UID, "UI", q->items[0].study);
    dcm_write_text(&w, TAG_SERIES_UID, "UI", q->items[0].series);
    rc = dimse_send_command(q->assoc, &rq, err);
    if (rc == 0)
        rc = dimse_send_data(q->assoc, q->context, keys.bytes, keys.n, true, err);
    buf_fini(&keys);
    return rc;
}

/* sop_instance "": all of the series. errors: of the association, or the peer cannot say. */
static int
ask(struct question *q, const char *sop_instance, struct err *err)
{
    enum dcm_coding coding = dimse_coding(q->assoc, q->context);
    struct dimse_command rsp;
    size_t answers = 0;

    if (send_question(q, sop_instance, coding, err) < 0)
        return -1;
    do {
        struct buf data;
        int rc = 0;

        if (dimse_next_command(q->assoc, &rsp, err) < 0)
            return -1;
        if (rsp.field != DIMSE_C_FIND_RSP || rsp.responded_id != q->message_id ||
            ++answers > ANSWERS_MOST)
            return err_set(err, ERR_REJECT, "something else than the answer to a C-FIND");
        buf_init(&data, LIMIT_IDENTIFIER_BYTES);
        if (rsp.has_data)
            rc = dimse_collect_data(q->assoc, &data, err);
        if (rc == 0)
            read_answer(q, data.bytes, data.n, coding);
        buf_fini(&data);
        if (rc < 0)
            return -1;
    } while (rsp.status == DIMSE_PENDING || rsp.status == 0xFF01);
    if (rsp.status != DIMSE_SUCCESS)
        return err_set(err, ERR_RETRY, "the target answers a query with %04XH", rsp.status);
    return 0;
}

static int
ask_series(struct question *q, struct err *err)
{
    if (q->n > FEW && ask(q, "", err) < 0)
        return -1;
    for (size_t i = 0, singly = 0; i < q->n && singly < SINGLY_MOST; i++)
        if (!q->is_found[i]) {
            if (ask(q, q->items[i].sop_instance, err) < 0)
                return -1;
            singly++;
        }
    return 0;
}

static void
no_query(struct way *way)
{
    struct err err = {0};

    err_set(&err, ERR_REJECT, "the target offers no query (C-FIND, Study Root)");
    way_line_failed(way, true, LINE_UNABLE, &err);
    settle_unasked(way);
}

void
find_some(struct talk *t, const struct item *items, bool *is_found, size_t n)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    static const struct dimse_proposal proposal = {FIND_CLASS, plain, ARRAY_LEN(plain), false};
    const struct target *conf = t->way->conf;
    const struct dimse_context *context;
    struct question q = {.message_id = 0};
    struct err err = {0};
    int rc;

    rc = plain_associate(t, conf->query.port != 0 ? &conf->query : &conf->entity, &proposal, 1,
                         &q.assoc, &err);
    context = rc == 0 ? dimse_context_for(q.assoc, FIND_CLASS, NULL) : NULL;
    if (rc == 0 && context == NULL) {
        no_query(t->way);
        plain_hang_up(t, &q.assoc, true);
        return;
    }
    q.context = rc == 0 ? context->id : 0;
    for (size_t at = 0; at < n && rc == 0; at += q.n) {
        q.items = items + at;
        q.is_found = is_found + at;
        q.n = queue_series_length(items + at, n - at);
        rc = ask_series(&q, &err);
        if (rc == 0)
            settle_asked(t->way, q.items, q.is_found, q.n);
    }
    if (rc < 0)
        way_line_failed(t->way, true, LINE_DOWN, &err);
    else
        way_line_up(t->way, true);
    plain_hang_up(t, &q.assoc, rc == 0);
}
