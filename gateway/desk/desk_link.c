/* desk_link.c - the desk's line to the reader. */
#include "gateway/desk/desk_link.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/his_book.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/http/client.h"
#include "proto/link/clinic.h"
#include "proto/link/enrol.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { CONNECT_MS = 8000, CALL_MS = 60000, WAIT_S = 25, LOOK_MS = 1000, UNKNOWN_MS = 2000 };
enum { PDF_BYTES = 32 << 20, CLEAN_MS = 3600000 };
static const int64_t keep_us = INT64_C(30) * 86400 * 1000000;

/* One thread's connection, and how long it waits after trouble. */
struct talker {
    struct desk_link *link;
    struct http_client *client; /* gate */
    uint64_t stamp;             /* of the identity it was made with */
    int64_t backoff_ms;
    bool is_answered; /* the last call was, whatever the answer */
    unsigned turn;    /* which line of the table its client goes by */
};

struct desk_link {
    struct desk_link_options o;
    char *link_dir, *url, *lines;
    struct gate gate;
    bool is_stopping; /* gate, as all below */
    struct desk_link_status status;
    struct talker up, down;
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

static bool
is_stopping(struct desk_link *link)
{
    bool is;

    gate_lock(&link->gate);
    is = link->is_stopping;
    gate_unlock(&link->gate);
    return is;
}

static void
rest(struct desk_link *link, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;

    gate_lock(&link->gate);
    while (!link->is_stopping && clock_mono_ms() < until_ms)
        (void)gate_wait_ms(&link->gate, until_ms - clock_mono_ms());
    gate_unlock(&link->gate);
}

/* ---- how the line is ---- */

static void
set_line(struct desk_link *link, enum desk_line line, const struct err *why)
{
    bool is_new;

    gate_lock(&link->gate);
    is_new = link->status.line != line && !link->is_stopping;
    if (link->status.line != line)
        link->status.since_us = clock_wall_us();
    link->status.line = line;
    if (line == DESK_LINE_UP)
        link->status.last_contact_us = clock_wall_us();
    text_copy(link->status.trouble, sizeof link->status.trouble, why != NULL ? why->text : "");
    gate_unlock(&link->gate);
    if (!is_new)
        return;
    if (line == DESK_LINE_UP)
        LOG(&ctx, DESK_READER_UP);
    else if (line == DESK_LINE_UNKNOWN)
        LOG(&ctx, DESK_READER_UNKNOWN);
    else
        LOG(&ctx, DESK_READER_DOWN, F_ERR(why));
}

/* The call failed, or the book did: wait, longer each time. What the line said is in its status. */
static void
failed(struct talker *t, const struct err *err)
{
    struct desk_link *link = t->link;

    if (err->kind == ERR_RETRY) { /* perhaps by another line, or another proxy of the table */
        t->turn++;
        t->stamp = 0;
    }
    if (err->kind == ERR_FATAL && !is_stopping(link))
        LOG(&ctx, DESK_STATE_FAILED, F_ERR(err));
    rest(link, t->backoff_ms);
    t->backoff_ms =
        t->backoff_ms * 2 > link->o.backoff_max_ms ? link->o.backoff_max_ms : t->backoff_ms * 2;
}

/* ---- the identity ---- */

static int
client_make(struct desk_link *link, unsigned turn, struct http_client **out, struct err *err)
{
    struct enrol_identity identity;
    struct uplink_way way;
    char url[256];
    int rc = -1;

    if (uplink_way(link->lines, turn, &way, err) < 0 ||
        enrol_load(link->link_dir, &identity, err) < 0)
        return -1;
    if (link->url[0] != '\0')
        text_copy(url, sizeof url, link->url);
    else if (!enrol_address(&identity, "reader_url", url, sizeof url))
        url[0] = '\0';
    if (url[0] == '\0') {
        err_set(err, ERR_NOT_FOUND, "the centre told no address of a reader");
    } else {
        struct http_client_options options = {.base_url = url,
                                              .ca_file = identity.ca,
                                              .certificate = identity.certificate,
                                              .key = identity.key,
                                              .proxy = way.proxy[0] != '\0' ? way.proxy : NULL,
                                              .proxy_user =
                                                  way.proxy_user[0] != '\0' ? way.proxy_user : NULL,
                                              .source = way.source[0] != '\0' ? way.source : NULL,
                                              .connect_ms = CONNECT_MS};

        rc = http_client_new(&options, out, err);
    }
    gate_lock(&link->gate);
    text_copy(link->status.reader, sizeof link->status.reader, url);
    gate_unlock(&link->gate);
    enrol_identity_fini(&identity);
    return rc;
}

/* A client with the certificate in use.
 * errors  ERR_NOT_FOUND not enrolled, or no address */
static int
talker_ready(struct talker *t, struct err *err)
{
    struct desk_link *link = t->link;
    uint64_t stamp = enrol_stamp(link->link_dir);
    struct http_client *old, *client = NULL;

    if (t->client != NULL && stamp == t->stamp)
        return 0;
    if (stamp == 0)
        return err_set(err, ERR_NOT_FOUND, "not enrolled yet");
    if (client_make(link, t->turn, &client, err) < 0)
        return -1;
    gate_lock(&link->gate);
    old = t->client;
    t->client = client;
    t->stamp = stamp;
    if (link->is_stopping)
        http_client_abort(client);
    gate_unlock(&link->gate);
    http_client_free(&old);
    return 0;
}

/* A call and what it says of the line. Refusals of this one message are no fault of the line.
 * errors  as http_reply_check() and http_client_call() */
static int
talk(struct talker *t, const struct http_call *call, struct http_reply *out, struct err *err)
{
    t->is_answered = false;
    if (talker_ready(t, err) < 0) {
        set_line(t->link, err->kind == ERR_NOT_FOUND ? DESK_LINE_UNKNOWN : DESK_LINE_DOWN, err);
        if (err->kind == ERR_NOT_FOUND)
            rest(t->link, UNKNOWN_MS);
        return err_set(err, ERR_RETRY, "no line to a reader");
    }
    if (http_client_call(t->client, call, out, err) < 0) {
        if (!is_stopping(t->link))
            set_line(t->link, err->kind == ERR_DENIED ? DESK_LINE_REFUSED : DESK_LINE_DOWN, err);
        return -1;
    }
    t->is_answered = true;
    if (http_reply_check(out, err) == 0) {
        set_line(t->link, DESK_LINE_UP, NULL);
        return 0;
    }
    http_reply_fini(out);
    if (err->kind == ERR_DENIED)
        set_line(t->link, DESK_LINE_REFUSED, err);
    else if (err->kind == ERR_RETRY || err->kind == ERR_FULL)
        set_line(t->link, DESK_LINE_DOWN, err);
    else
        set_line(t->link, DESK_LINE_UP, NULL);
    return -1;
}

static int
talk_post(struct talker *t, const char *path, const struct buf *body, struct http_reply *out,
          struct err *err)
{
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .accept = "application/json",
                             .body = body->bytes,
                             .body_n = body->n,
                             .total_ms = CALL_MS};

    return talk(t, &call, out, err);
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
settle(struct desk_link *link, const struct clinic_ups *ups, const struct clinic_receipts *receipts,
       struct err *err)
{
    size_t refused = 0;

    if (book_settle(link->o.book, receipts, err) < 0)
        return -1;
    for (size_t i = 0; i < ups->count && !receipts->is_told_lost; i++)
        if (!has_receipt(receipts, ups->messages[i].id) &&
            book_postpone(link->o.book, ups->messages[i].id, err) < 0)
            return -1;
    for (size_t i = 0; i < receipts->count; i++)
        refused += receipts->receipts[i].outcome == CLINIC_REFUSED;
    LOG(&ctx, DESK_TOLD, F_NUMBER("messages", ups->count), F_NUMBER("receipts", receipts->count));
    if (refused > 0)
        LOG(&ctx, DESK_REFUSED, F_NUMBER("messages", refused));
    return 0;
}

static int
tell(struct talker *t, const struct clinic_ups *ups, const char *told, struct err *err)
{
    struct clinic_receipts receipts = {.count = 0};
    struct http_reply reply = {0};
    struct buf body;
    char path[96];
    int rc = -1;

    buf_init(&body, CLINIC_BODY_BYTES);
    clinic_ups_encode(ups, &body);
    snprintf(path, sizeof path, CLINIC_PATH_UP "?told=%s", told);
    if (talk_post(t, path, &body, &reply, err) < 0)
        goto out;
    if (clinic_receipts_decode(reply.body.bytes, reply.body.n, &receipts, err) == 0)
        rc = settle(t->link, ups, &receipts, err);
    http_reply_fini(&reply);
out:
    clinic_receipts_free(&receipts);
    buf_fini(&body);
    return rc;
}

/* The reader does not understand the batch: one by one, and the one that is refused so is done
 * with. */
static int
tell_one_by_one(struct talker *t, const struct clinic_ups *ups, const char *told, struct err *err)
{
    for (size_t i = 0; i < ups->count; i++) {
        struct clinic_ups one = {&ups->messages[i], 1};

        if (tell(t, &one, told, err) == 0)
            continue;
        if (err->kind != ERR_REJECT)
            return -1;
        LOG(&ctx, DESK_REFUSED, F_NUMBER("messages", 1), F_ERR(err));
        if (book_refuse(t->link->o.book, one.messages->id, err) < 0)
            return -1;
    }
    return 0;
}

static int
tell_due(struct talker *t, struct err *err)
{
    struct clinic_ups ups = {.count = 0};
    char told[CLINIC_ID_SIZE];
    int rc = 0;

    if (book_told(t->link->o.book, told, err) < 0 || book_due(t->link->o.book, &ups, err) < 0)
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
take_file(struct desk_link *link, const struct http_reply *reply, const struct wanted *f,
          struct err *err)
{
    const struct buf *body = &reply->body;
    uint8_t sha256[CLINIC_HASH_BYTES];

    if (read_head(reply, &f->from, sha256, err) < 0)
        return -1;
    if (f->kind[0] != '\0')
        return his_document_put(link->o.book, f->read, f->version, f->kind, body->bytes, body->n,
                                sha256, err);
    if (book_pdf_put(link->o.book, f->read, f->version, body->bytes, body->n, sha256, err) < 0)
        return -1;
    LOG(&ctx, DESK_REPORT_HERE, F_NUMBER("read", f->read), F_NUMBER("version", f->version),
        F_BYTES(body->n));
    return 0;
}

static int
note_failed(struct desk_link *link, const struct wanted *f, const struct err *why, struct err *err)
{
    if (f->kind[0] == '\0') {
        LOG(&ctx, DESK_REPORT_FAILED, F_NUMBER("read", f->read), F_NUMBER("version", f->version),
            F_ERR(why));
        return book_pdf_failed(link->o.book, f->read, f->version, err);
    }
    LOG(&ctx, DESK_DOCUMENT_FAILED, F_NUMBER("read", f->read), F_NUMBER("version", f->version),
        F_WORD("kind", f->kind), F_ERR(why));
    return his_document_failed(link->o.book, f->read, f->version, f->kind, err);
}

/* Its own trouble postpones it and nothing else. */
static int
fetch(struct talker *t, struct wanted *f, struct err *err)
{
    struct http_reply reply = {0};
    struct http_call call = {.method = "GET",
                             .accept = f->kind[0] != '\0' ? "*/*" : "application/pdf",
                             .answer_limit = PDF_BYTES,
                             .total_ms = CALL_MS};
    struct err why;
    char path[128];
    int rc;

    if (book_read_source(t->link->o.book, f->read, &f->from, err) < 0)
        return -1;
    snprintf(path, sizeof path, CLINIC_PATH_REPORTS "/%" PRId64 "/%" PRIu32 "%s%s", f->from.number,
             f->version, f->kind[0] != '\0' ? "/" : "", f->kind);
    call.path = path;
    rc = talk(t, &call, &reply, err);
    if (rc == 0) {
        rc = take_file(t->link, &reply, f, err);
        http_reply_fini(&reply);
    }
    if (rc == 0 || !t->is_answered)
        return rc; /* a line that broke is no fault of this report */
    why = *err;
    if (note_failed(t->link, f, &why, err) < 0)
        return -1;
    *err = why;
    return why.kind == ERR_DENIED ? -1 : 0;
}

/* One of each; *out_did says whether one was due. */
static int
fetch_due(struct talker *t, bool *out_did, struct err *err)
{
    struct book *book = t->link->o.book;
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
give_receipts(struct talker *t, struct err *err)
{
    struct clinic_ids ids = {.count = 0};
    struct http_reply reply = {0};
    struct buf body;
    int rc = -1;

    if (book_receipts_due(t->link->o.book, &ids, err) < 0)
        return -1;
    buf_init(&body, CLINIC_BODY_BYTES);
    if (ids.count == 0) {
        rc = 0;
        goto out;
    }
    clinic_ids_encode(&ids, &body);
    if (talk_post(t, CLINIC_PATH_RECEIPTS, &body, &reply, err) < 0)
        goto out;
    http_reply_fini(&reply);
    rc = book_receipted(t->link->o.book, &ids, err);
out:
    buf_fini(&body);
    clinic_ids_free(&ids);
    return rc;
}

static int
up_step(struct talker *t, bool *out_did, struct err *err)
{
    if (tell_due(t, err) < 0 || fetch_due(t, out_did, err) < 0)
        return -1;
    return give_receipts(t, err);
}

static void *
up_run(void *arg)
{
    struct talker *t = arg;
    struct book *book = t->link->o.book;
    int64_t clean_ms = clock_mono_ms();
    struct err err;

    while (!is_stopping(t->link)) {
        uint64_t seen = book_change(book);
        bool did = false;

        if (up_step(t, &did, &err) < 0) {
            failed(t, &err);
            continue;
        }
        t->backoff_ms = t->link->o.backoff_ms;
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
listen(struct talker *t, struct err *err)
{
    struct http_call call = {.method = "GET",
                             .accept = "application/json",
                             .answer_limit = CLINIC_BODY_BYTES,
                             .total_ms = (WAIT_S + 30) * 1000};
    struct clinic_downs downs = {.count = 0};
    struct http_reply reply = {0};
    char path[192], at[CLINIC_ID_SIZE], told[CLINIC_ID_SIZE];
    uint64_t after;
    int rc;

    if (book_cursor(t->link->o.book, &after, at, err) < 0 ||
        book_told(t->link->o.book, told, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s?after=%" PRIu64 "&at=%s&told=%s&wait_s=%d", CLINIC_PATH_DOWN,
             after, at, told, WAIT_S);
    call.path = path;
    if (talk(t, &call, &reply, err) < 0)
        return -1;
    rc = clinic_downs_decode(reply.body.bytes, reply.body.n, &downs, err);
    http_reply_fini(&reply);
    if (rc == 0)
        rc = book_take(t->link->o.book, &downs, err);
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
    struct talker *t = arg;
    struct err err;

    while (!is_stopping(t->link)) {
        if (listen(t, &err) < 0)
            failed(t, &err);
        else
            t->backoff_ms = t->link->o.backoff_ms;
    }
    return NULL;
}

/* ---- start and stop ---- */

void
desk_link_start(const struct desk_link_options *options, struct desk_link **out_link)
{
    struct desk_link *link = mem_new(sizeof *link);

    link->o = *options;
    link->link_dir = mem_text(options->link_dir);
    link->url = mem_text(options->url != NULL ? options->url : "");
    link->lines = mem_text(options->lines != NULL ? options->lines : "");
    gate_init(&link->gate);
    link->status.line = DESK_LINE_TRYING;
    link->status.since_us = clock_wall_us();
    link->up = (struct talker){.link = link, .backoff_ms = options->backoff_ms};
    link->down = (struct talker){.link = link, .backoff_ms = options->backoff_ms};
    link->up_thread = thread_start("desk-up", up_run, &link->up);
    link->down_thread = thread_start("desk-down", down_run, &link->down);
    *out_link = link;
}

void
desk_link_stop(struct desk_link **link)
{
    struct desk_link *old = TAKE(*link);

    if (old == NULL)
        return;
    gate_lock(&old->gate);
    old->is_stopping = true;
    if (old->up.client != NULL)
        http_client_abort(old->up.client);
    if (old->down.client != NULL)
        http_client_abort(old->down.client);
    gate_wake(&old->gate);
    gate_unlock(&old->gate);
    book_changed(old->o.book); /* who waits for its news is to end */
    thread_join(old->up_thread);
    thread_join(old->down_thread);
    http_client_free(&old->up.client);
    http_client_free(&old->down.client);
    gate_fini(&old->gate);
    free(old->url);
    free(old->lines);
    free(old->link_dir);
    free(old);
}

void
desk_link_status(struct desk_link *link, struct desk_link_status *out)
{
    gate_lock(&link->gate);
    *out = link->status;
    gate_unlock(&link->gate);
}
