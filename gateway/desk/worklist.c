/* worklist.c - C-FIND of the Modality Worklist. */
#include "gateway/desk/worklist.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/orders.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/dimse_identifier.h"
#include "proto/dicom/write.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

#define MODALITY_WORKLIST "1.2.840.10008.5.1.4.31"
enum {
    TAG_CHARACTER_SET = 0x00080005,
    UNABLE_TO_PROCESS = 0xC001,
    NESTED = 3,
    PREGNANCY_UNKNOWN = 4,
    BATCH = 256, /* orders in memory at once */
    TOLD = 64
};

struct worklist {
    struct book *book;
    struct gate gate;
    struct {
        char ae[17];
        uint32_t tag;
    } told[TOLD]; /* gate: whose unreadable keys the log has; the oldest gives way */
    size_t told_n;
};

enum dcm_shows
worklist_shows(const char *charset, const struct worklist_query *query)
{
    enum dcm_shows shows;

    if (dcm_shows_of(charset, &shows))
        return shows;
    return query->has_declared ? query->declared : DCM_SHOWS_PINYIN;
}

/* ---- one answer ---- */

struct answer {
    struct dcm_writer *w;
    const struct order *order;
    const struct worklist_query *query;
    const struct worklist_asker *asker;
};

/* Line ends have no place in most texts. */
static void
one_line(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n' || *text == '\r')
            *text = ' ';
}

static void
write_value(const struct answer *a, const struct worklist_key *key)
{
    char value[CLINIC_TEXT_SIZE];
    struct buf bytes;

    worklist_value(a->order, a->query, a->asker, key->value, value, sizeof value);
    if (strcmp(key->vr, "US") == 0) {
        dcm_write_u16(a->w, key->tag, PREGNANCY_UNKNOWN);
        return;
    }
    if (strcmp(key->vr, "LT") != 0)
        one_line(value);
    buf_init(&bytes, 4 * CLINIC_TEXT_SIZE);
    if (key->value == WL_NAME)
        dcm_encode_name(a->asker->shows, value, a->order->pinyin, &bytes);
    else if (strcmp(key->vr, "PN") == 0)
        dcm_encode_name(a->asker->shows, value, NULL, &bytes);
    else if (dcm_vr_has_charset(key->vr))
        dcm_encode_text(a->asker->shows, key->vr, value, &bytes);
    else
        buf_add_text(&bytes, value);
    dcm_write_bytes(a->w, key->tag, key->vr, bytes.bytes, bytes.n);
    buf_fini(&bytes);
}

/* The rows that stand in this sequence; level: 0, 1, 2 by the table, no deeper. */
static void
write_level(const struct answer *a, uint32_t sequence, uint32_t inner, int level)
{
    CHECK(level < NESTED);
    for (size_t i = 0; i < worklist_key_count; i++) {
        const struct worklist_key *key = &worklist_keys[i];
        bool has_item = key->value == WL_SEQUENCE ||
                        (key->value == WL_CODE_SEQUENCE && a->order->code[0] != '\0');

        if (key->sequence != sequence || key->inner != inner || !worklist_query_asks(a->query, key))
            continue;
        if (strcmp(key->vr, "SQ") != 0) {
            write_value(a, key);
            continue;
        }
        dcm_write_sequence_begin(a->w, key->tag);
        if (has_item) {
            dcm_write_item_begin(a->w);
            write_level(a, sequence != 0 ? sequence : key->tag, sequence != 0 ? key->tag : 0,
                        level + 1);
            dcm_write_item_end(a->w);
        }
        dcm_write_sequence_end(a->w);
    }
}

void
worklist_write(struct dcm_writer *w, const struct order *order, const struct worklist_query *query,
               const struct worklist_asker *asker)
{
    const struct answer a = {w, order, query, asker};
    const char *charset = dcm_shows_charset(asker->shows);

    if (charset[0] != '\0')
        dcm_write_text(w, TAG_CHARACTER_SET, "CS", charset);
    write_level(&a, 0, 0, 0);
}

int
worklist_find(struct book *book, const struct worklist_query *query,
              const struct worklist_asker *asker, struct dimse_answers *out, bool *out_is_cut,
              struct err *err)
{
    struct order_span span = {.is_open = true, .limit = BATCH};
    int64_t now_us = clock_wall_us();
    struct order *orders = NULL;
    bool is_room = true, is_cut = false;
    size_t n = BATCH;

    worklist_window(query, now_us, &span.from_us, &span.to_us);
    while (n == BATCH && is_room && !is_cut) { /* all of the window, however many are open */
        if (order_list(book, &span, &orders, &n, err) < 0)
            return -1;
        for (size_t i = 0; i < n && is_room && !is_cut; i++) {
            struct dcm_writer w;

            span.from_us = orders[i].scheduled_at_us;
            span.after = orders[i].number;
            if (!worklist_matches(&orders[i], query, asker, now_us))
                continue;
            is_cut = out->count == LIMIT_QUERY_RESULTS;
            if (is_cut)
                continue;
            dimse_answers_begin(out, &w);
            worklist_write(&w, &orders[i], query, asker);
            is_room = dimse_answers_end(out);
        }
        free(orders);
    }
    *out_is_cut = is_cut || !is_room;
    return is_room ? 0 : err_set(err, ERR_FULL, "too many matches");
}

/* ---- the service ---- */

static int
say(struct accept_call *call, uint16_t status, const char *comment, struct err *err)
{
    struct dimse_command rsp = dimse_answer(call->request, status);

    (void)text_copy(rsp.comment, sizeof rsp.comment, comment);
    return dimse_send_command(call->assoc, &rsp, err);
}

/* How the device's own texts are to be read: by its row, where the row says. */
static const char *
profile_of(const struct accept_device *device)
{
    enum dcm_shows shows;

    return dcm_shows_of(device->charset, &shows) ? dcm_shows_profile(shows) : "";
}

static int
answer(struct worklist *wl, struct accept_call *call, const struct worklist_query *query,
       struct err *err)
{
    const struct accept_device *device = call->device;
    struct worklist_asker asker = {.ae = device->ae,
                                   .modality = device->modality,
                                   .shows = worklist_shows(device->charset, query)};
    struct dimse_answers answers;
    bool is_cut = false, is_cancelled = false;
    struct err why = {0};
    uint64_t sent = 0;
    int rc;

    dimse_answers_init(&answers, dimse_coding(call->assoc, call->request->context));
    if (worklist_find(wl->book, query, &asker, &answers, &is_cut, &why) < 0) {
        LOG(call->log, DESK_WORKLIST_FAILED, F_ERR(&why));
        rc = say(call, why.kind == ERR_FULL ? DIMSE_OUT_OF_RESOURCES : UNABLE_TO_PROCESS,
                 why.kind == ERR_FULL ? "Too many matches; ask more closely." : "", err);
        goto out;
    }
    rc = dimse_answers_send(call->assoc, call->request, &answers,
                            query->is_partly ? DIMSE_PENDING_PARTLY : DIMSE_PENDING, &sent,
                            &is_cancelled, err);
    if (rc == 0)
        rc = say(call,
                 is_cancelled ? DIMSE_CANCELLED
                 : is_cut     ? DIMSE_OUT_OF_RESOURCES
                              : DIMSE_SUCCESS,
                 is_cut && !is_cancelled ? "Too many matches; ask more closely." : "", err);
    LOG(call->log, DESK_WORKLIST_TOLD, F_NUMBER("orders", sent));
out:
    dimse_answers_fini(&answers);
    return rc;
}

/* A console asks every minute, and the log says it once. */
static void
note_unread(struct worklist *wl, const struct accept_call *call, uint32_t tag)
{
    bool is_known = false;

    if (tag == 0)
        return;
    gate_lock(&wl->gate);
    for (size_t i = 0; i < TOLD && !is_known; i++)
        is_known = wl->told[i].tag == tag && strcmp(wl->told[i].ae, call->device->ae) == 0;
    if (!is_known) {
        wl->told[wl->told_n % TOLD].tag = tag;
        (void)text_copy(wl->told[wl->told_n % TOLD].ae, sizeof wl->told[0].ae, call->device->ae);
        wl->told_n++;
    }
    gate_unlock(&wl->gate);
    if (!is_known)
        LOG(call->log, DESK_WORKLIST_UNREAD, F_NUMBER("tag", tag));
}

static int
find(struct worklist *wl, struct accept_call *call, struct err *err)
{
    struct worklist_query *query = mem_new(sizeof *query);
    struct err why = {0};
    struct buf bytes;
    int rc = 0;

    buf_init(&bytes, LIMIT_IDENTIFIER_BYTES);
    if (!call->request->has_data)
        err_set(&why, ERR_REJECT, "request without an identifier");
    else if ((rc = dimse_collect_data(call->assoc, &bytes, err)) < 0 && buf_is_over(&bytes))
        rc = err_set(&why, ERR_REJECT, "identifier too long") * 0;
    if (rc < 0)
        goto out;
    if (why.kind == ERR_NONE &&
        worklist_query_read(bytes.bytes, bytes.n, dimse_coding(call->assoc, call->request->context),
                            profile_of(call->device), query, &why) == 0) {
        note_unread(wl, call, query->unread);
        rc = answer(wl, call, query, err);
        worklist_query_fini(query);
    } else {
        LOG(call->log, DESK_WORKLIST_FAILED, F_ERR(&why));
        rc = say(call, DIMSE_CLASS_DIFFERS, "The identifier cannot be read.", err);
    }
out:
    buf_fini(&bytes);
    free(query);
    return rc;
}

static int
handle(struct accept_call *call, struct err *err)
{
    if (call->request->field == DIMSE_C_FIND_RQ)
        return find(call->user, call, err);
    if (call->request->has_data && dimse_skip_data(call->assoc, err) < 0)
        return -1;
    if (call->request->field == DIMSE_C_CANCEL_RQ)
        return 0; /* of something answered already: PS3.7 9.3.2.3 */
    if (call->request->field & 0x8000)
        return err_set(err, ERR_REJECT, "a response without a request");
    return say(call, DIMSE_UNRECOGNIZED_OPERATION, "", err);
}

void
worklist_start(struct book *book, struct accept *accept, struct worklist **out_worklist)
{
    static const char *const classes[] = {MODALITY_WORKLIST, NULL};
    struct worklist *wl = mem_new(sizeof *wl);
    const struct accept_service service = {.abstract_syntaxes = classes,
                                           .offer = DIMSE_PLAIN_SYNTAX,
                                           .right = ACCEPT_MAY_WORKLIST,
                                           .handle = handle,
                                           .user = wl};

    wl->book = book;
    gate_init(&wl->gate);
    accept_add_service(accept, &service);
    *out_worklist = wl;
}

void
worklist_stop(struct worklist **worklist)
{
    struct worklist *old = TAKE(*worklist);

    if (old == NULL)
        return;
    gate_fini(&old->gate);
    free(old);
}
