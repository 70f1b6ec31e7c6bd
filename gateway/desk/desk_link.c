/* desk_link.c - the desk's line to the reader. */
#include "gateway/desk/desk_link.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/desk_talk.h"
#include "gateway/desk/his_book.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/link/clinic.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { WAIT_S = 25, LOOK_MS = 1000, PDF_BYTES = 32 << 20, CLEAN_MS = 3600000 };
static const int64_t keep_us = INT64_C(30) * 86400 * 1000000;

struct desk_link {
    struct desk_talk talk; /* the first talker up, the second down */
    pthread_t up_thread, down_thread;
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};
static const char *const line_words[] = {"unknown", "trying", "up", "down", "refused"};

const char *
desk_line_word(enum desk_line line)
{
    CHECK((size_t)line < ARRAY_LEN(line_words));
    return line_words[line];
}

/* ---- up ---- */

static bool
has_receipt(const struct clinic_receipts *receipts, const char *id)
{
    for (size_t i = 0; i < receipts->count; i++)
        if (strcmp(receipts->receipts[i].id, id) == 0)
            return true;
    return false;
}

static int
settle(struct book *book, const struct clinic_ups *ups, const struct clinic_receipts *receipts,
       struct err *err)
{
    size_t refused = 0;

    if (book_settle(book, receipts, err) < 0)
        return -1;
    for (size_t i = 0; i < ups->count && !receipts->is_told_lost; i++)
        if (!has_receipt(receipts, ups->messages[i].id) &&
            book_postpone(book, ups->messages[i].id, err) < 0)
            return -1;
    for (size_t i = 0; i < receipts->count; i++)
        refused += receipts->receipts[i].outcome == CLINIC_REFUSED;
    LOG(&ctx, DESK_TOLD, F_NUMBER("messages", ups->count), F_NUMBER("receipts", receipts->count));
    if (refused > 0)
        LOG(&ctx, DESK_REFUSED, F_NUMBER("messages", refused));
    return 0;
}

static int
tell(struct desk_talker *t, const struct clinic_ups *ups, const char *told, struct err *err)
{
    struct clinic_receipts receipts = {.count = 0};
    struct http_reply reply = {0};
    struct buf body;
    char path[96];
    int rc = -1;

    buf_init(&body, CLINIC_BODY_BYTES);
    clinic_ups_encode(ups, &body);
    snprintf(path, sizeof path, CLINIC_PATH_UP "?told=%s", told);
    if (desk_talk_post(t, path, &body, &reply, err) < 0)
        goto out;
    if (clinic_receipts_decode(reply.body.bytes, reply.body.n, &receipts, err) == 0)
        rc = settle(t->talk->book, ups, &receipts, err);
    http_reply_fini(&reply);
out:
    clinic_receipts_free(&receipts);
    buf_fini(&body);
    return rc;
}

/* The reader does not understand the batch: one by one, and the one that is refused so is done
 * with. */
static int
tell_one_by_one(struct desk_talker *t, const struct clinic_ups *ups, const char *told,
                struct err *err)
{
    for (size_t i = 0; i < ups->count; i++) {
        struct clinic_ups one = {&ups->messages[i], 1};

        if (tell(t, &one, told, err) == 0)
            continue;
        if (err->kind != ERR_REJECT)
            return -1;
        LOG(&ctx, DESK_REFUSED, F_NUMBER("messages", 1), F_ERR(err));
        if (book_refuse(t->talk->book, one.messages->id, err) < 0)
            return -1;
    }
    return 0;
}

static int
tell_due(struct desk_talker *t, struct err *err)
{
    struct clinic_ups ups = {.count = 0};
    char told[CLINIC_ID_SIZE];
    int rc = 0;

    if (book_told(t->talk->book, told, err) < 0 || book_due(t->talk->book, &ups, err) < 0)
        return -1;
    if (ups.count > 0) {
        rc = tell(t, &ups, told, err);
        if (rc < 0 && err->kind == ERR_REJECT)
            rc = tell_one_by_one(t, &ups, told, err);
    }
    clinic_ups_free(&ups);
    return rc;
}

/* ---- reports and receipts ---- */

/* What is due of a report: its PDF, or (kind not "") a document for the clinic's own systems. */
struct wanted {
    int64_t read;
    struct book_source from;
    uint32_t version;
    char kind[HIS_KIND_SIZE];
};

/* By its number the reader may mean another study's read by now, and its message is on the way. An
 * older reader does not say. */
static int
read_head(const struct http_reply *reply, const struct book_source *from,
          uint8_t out[CLINIC_HASH_BYTES], struct err *err)
{
    char study[CLINIC_UID_SIZE], hex[2 * CLINIC_HASH_BYTES + 1];

    if (http_reply_find(reply, CLINIC_STUDY_HEADER, study, sizeof study) &&
        strcmp(study, from->study) != 0)
        return err_set(err, ERR_CONFLICT, "the reader's read is another study's by now");
    if (!http_reply_find(reply, CLINIC_DIGEST_HEADER, hex, sizeof hex) ||
        hex_decode(hex, out, CLINIC_HASH_BYTES) < 0)
        return err_set(err, ERR_REJECT, "the reader told no digest of the report");
    return 0;
}

static int
take_file(struct book *book, const struct http_reply *reply, const struct wanted *f,
          struct err *err)
{
    const struct buf *body = &reply->body;
    uint8_t sha256[CLINIC_HASH_BYTES];

    if (read_head(reply, &f->from, sha256, err) < 0)
        return -1;
    if (f->kind[0] != '\0')
        return his_document_put(book, f->read, f->version, f->kind, body->bytes, body->n, sha256,
                                err);
    if (book_pdf_put(book, f->read, f->version, body->bytes, body->n, sha256, err) < 0)
        return -1;
    LOG(&ctx, DESK_REPORT_HERE, F_NUMBER("read", f->read), F_NUMBER("version", f->version),
        F_BYTES(body->n));
    return 0;
}

static int
note_failed(struct book *book, const struct wanted *f, const struct err *why, struct err *err)
{
    if (f->kind[0] == '\0') {
        LOG(&ctx, DESK_REPORT_FAILED, F_NUMBER("read", f->read), F_NUMBER("version", f->version),
            F_ERR(why));
        return book_pdf_failed(book, f->read, f->version, err);
    }
    LOG(&ctx, DESK_DOCUMENT_FAILED, F_NUMBER("read", f->read), F_NUMBER("version", f->version),
        F_WORD("kind", f->kind), F_ERR(why));
    return his_document_failed(book, f->read, f->version, f->kind, err);
}

/* Its own trouble postpones it and nothing else. */
static int
fetch(struct desk_talker *t, struct wanted *f, struct err *err)
{
    struct http_reply reply = {0};
    struct http_call call = {.method = "GET",
                             .accept = f->kind[0] != '\0' ? "*/*" : "application/pdf",
                             .answer_limit = PDF_BYTES,
                             .total_ms = DESK_TALK_MS};
    struct err why;
    char path[128];
    int rc;

    if (book_read_source(t->talk->book, f->read, &f->from, err) < 0)
        return -1;
    snprintf(path, sizeof path, CLINIC_PATH_REPORTS "/%" PRId64 "/%" PRIu32 "%s%s", f->from.number,
             f->version, f->kind[0] != '\0' ? "/" : "", f->kind);
    call.path = path;
    rc = desk_talk_call(t, &call, &reply, err);
    if (rc == 0) {
        rc = take_file(t->talk->book, &reply, f, err);
        http_reply_fini(&reply);
    }
    if (rc == 0 || !t->is_answered)
        return rc; /* a line that broke is no fault of this report */
    why = *err;
    if (note_failed(t->talk->book, f, &why, err) < 0)
        return -1;
    *err = why;
    return why.kind == ERR_DENIED ? -1 : 0;
}

/* One of each; *out_did says whether one was due. */
static int
fetch_due(struct desk_talker *t, bool *out_did, struct err *err)
{
    struct book *book = t->talk->book;
    struct wanted pdf = {.kind = ""}, document;
    bool is_due = false;

    if (book_pdf_due(book, out_did, &pdf.read, &pdf.version, err) < 0 ||
        (*out_did && fetch(t, &pdf, err) < 0) ||
        his_document_due(book, &is_due, &document.read, &document.version, document.kind, err) < 0)
        return -1;
    *out_did = *out_did || is_due;
    return is_due ? fetch(t, &document, err) : 0;
}

static int
give_receipts(struct desk_talker *t, struct err *err)
{
    struct clinic_ids ids = {.count = 0};
    struct http_reply reply = {0};
    struct buf body;
    int rc = -1;

    if (book_receipts_due(t->talk->book, &ids, err) < 0)
        return -1;
    buf_init(&body, CLINIC_BODY_BYTES);
    if (ids.count == 0) {
        rc = 0;
        goto out;
    }
    clinic_ids_encode(&ids, &body);
    if (desk_talk_post(t, CLINIC_PATH_RECEIPTS, &body, &reply, err) < 0)
        goto out;
    http_reply_fini(&reply);
    rc = book_receipted(t->talk->book, &ids, err);
out:
    buf_fini(&body);
    clinic_ids_free(&ids);
    return rc;
}

static int
up_step(struct desk_talker *t, bool *out_did, struct err *err)
{
    if (tell_due(t, err) < 0 || fetch_due(t, out_did, err) < 0)
        return -1;
    return give_receipts(t, err);
}

static void *
up_run(void *arg)
{
    struct desk_talker *t = arg;
    struct book *book = t->talk->book;
    int64_t clean_ms = clock_mono_ms();
    struct err err;

    while (!desk_talk_is_over(t->talk)) {
        uint64_t seen = book_change(book);
        bool did = false;

        if (up_step(t, &did, &err) < 0) {
            desk_talk_failed(t, &err);
            continue;
        }
        t->backoff_ms = t->talk->backoff_ms;
        if (clock_mono_ms() - clean_ms > CLEAN_MS) {
            clean_ms = clock_mono_ms();
            if (book_clean(book, clock_wall_us() - keep_us, &err) < 0)
                LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
        }
        if (!did)
            (void)book_wait(book, seen, LOOK_MS);
    }
    return NULL;
}

/* ---- down ---- */

static int
listen(struct desk_talker *t, struct err *err)
{
    struct http_call call = {.method = "GET",
                             .accept = "application/json",
                             .answer_limit = CLINIC_BODY_BYTES,
                             .total_ms = (WAIT_S + 30) * 1000};
    struct clinic_downs downs = {.count = 0};
    struct http_reply reply = {0};
    char path[256 + PART_WORDS_BYTES], at[CLINIC_ID_SIZE], told[CLINIC_ID_SIZE];
    char parts[PART_WORDS_BYTES] = "";
    const struct desk_talk *talk = t->talk;
    uint64_t after;
    int rc;

    if (book_cursor(talk->book, &after, at, err) < 0 || book_told(talk->book, told, err) < 0)
        return -1;
    if (talk->parts != NULL)
        talk->parts(talk->parts_user, parts);
    snprintf(path, sizeof path, "%s?after=%" PRIu64 "&at=%s&told=%s&wait_s=%d&box=%s%s%s",
             CLINIC_PATH_DOWN, after, at, told, WAIT_S, talk->box,
             talk->parts != NULL ? "&parts=" : "", parts);
    call.path = path;
    if (desk_talk_call(t, &call, &reply, err) < 0)
        return -1;
    rc = clinic_downs_decode(reply.body.bytes, reply.body.n, &downs, err);
    http_reply_fini(&reply);
    if (rc == 0)
        rc = book_take(t->talk->book, &downs, err);
    if (rc == 0 && downs.passed_over > 0)
        LOG(&ctx, DESK_PASSED_OVER, F_NUMBER("messages", downs.passed_over));
    if (rc == 0 && downs.count > 0)
        LOG(&ctx, DESK_TOOK, F_NUMBER("messages", downs.count), F_NUMBER("next", downs.next));
    clinic_downs_free(&downs);
    return rc;
}

static void *
down_run(void *arg)
{
    struct desk_talker *t = arg;
    struct err err;

    while (!desk_talk_is_over(t->talk)) {
        if (listen(t, &err) < 0)
            desk_talk_failed(t, &err);
        else
            t->backoff_ms = t->talk->backoff_ms;
    }
    return NULL;
}

/* ---- start and stop ---- */

void
desk_link_start(const struct desk_link_options *options, struct desk_link **out_link)
{
    struct desk_link *link = mem_new(sizeof *link);

    desk_talk_init(&link->talk, options);
    link->up_thread = thread_start("desk-up", up_run, &link->talk.talkers[0]);
    link->down_thread = thread_start("desk-down", down_run, &link->talk.talkers[1]);
    *out_link = link;
}

void
desk_link_stop(struct desk_link **link)
{
    struct desk_link *old = TAKE(*link);

    if (old == NULL)
        return;
    desk_talk_end(&old->talk);
    book_changed(old->talk.book); /* who waits for its news is to end */
    thread_join(old->up_thread);
    thread_join(old->down_thread);
    desk_talk_fini(&old->talk);
    free(old);
}

void
desk_link_status(struct desk_link *link, struct desk_link_status *out)
{
    desk_talk_status(&link->talk, out);
}
