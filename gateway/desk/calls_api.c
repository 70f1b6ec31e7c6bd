/* calls_api.c - what the centre says to the technician as JSON: calls of doctors, heard and
 * answered, and notices. */
#include "gateway/desk/api.h"
#include "gateway/desk/calls.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { CALLS_SHOWN = 100, NOTICES_SHOWN = 20 };

int calls_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

static void
write_call(struct jsonw *w, const struct desk_call *c)
{
    jsonw_object(w, NULL);
    jsonw_text(w, "call", c->call);
    jsonw_text(w, "kind", c->is_critical ? "critical" : "repeat");
    jsonw_bool(w, "is_on_preview", c->is_on_preview);
    jsonw_int(w, "read", c->read);
    jsonw_text(w, "study", c->study);
    jsonw_text(w, "registration", c->registration);
    jsonw_text(w, "patient", c->patient);
    jsonw_text(w, "modality", c->modality);
    jsonw_text(w, "words", c->words);
    jsonw_text(w, "author", c->author);
    jsonw_text(w, "hospital", c->hospital);
    jsonw_int(w, "at_us", c->at_us);
    jsonw_int(w, "received_us", c->received_at_us);
    jsonw_int(w, "heard_us", c->heard_at_us);
    jsonw_text(w, "heard_by", c->heard_by);
    jsonw_text(w, "outcome", c->outcome);
    jsonw_text(w, "answer", c->answer);
    jsonw_text(w, "answered_by", c->answered_by);
    jsonw_int(w, "answered_us", c->answered_at_us);
    jsonw_end(w);
}

static int
write_notices(struct book *book, struct jsonw *w, struct err *err)
{
    struct book_notice *notices = NULL;
    size_t n = 0;

    if (book_notices(book, NOTICES_SHOWN, &notices, &n, err) < 0)
        return -1;
    jsonw_array(w, "notices");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "id", notices[i].id);
        jsonw_int(w, "at_us", notices[i].at_us);
        jsonw_text(w, "registration", notices[i].registration);
        jsonw_text(w, "words", notices[i].words);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(notices);
    return 0;
}

/* "notices": the newest. "calls": those without an answer first. "sounding": how many critical ones
 * nobody has heard. */
int
calls_report(struct book *book, struct jsonw *w, struct err *err)
{
    struct desk_call *calls = NULL;
    size_t n = 0, sounding = 0;

    if (write_notices(book, w, err) < 0 || calls_list(book, CALLS_SHOWN, &calls, &n, err) < 0)
        return -1;
    jsonw_array(w, "calls");
    for (size_t i = 0; i < n; i++) {
        write_call(w, &calls[i]);
        sounding += calls[i].is_critical && calls[i].heard_at_us == 0;
    }
    jsonw_end(w);
    jsonw_uint(w, "sounding", sounding);
    free(calls);
    return 0;
}

static int
post_heard(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);

    if (calls_heard(api->book, http_param(req, "call"), http_caller(req)->device, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

static int
post_answer(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault too_long = {"words", "length", "the answer is too long"};
    static const struct api_fault wrong = {"words", "due", "an answer in words is due"};
    const struct api *api = http_user(req);
    char outcome[CLINIC_WORD_SIZE], words[CLINIC_REASON_SIZE];
    struct json_doc *doc = NULL;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    if (!api_take_text(json_root(doc), "outcome", outcome, sizeof outcome) ||
        !api_take_text(json_root(doc), "words", words, sizeof words)) {
        api_answer_fault(req, res, 400, &too_long);
        rc = 0;
        goto out;
    }
    rc = calls_answer(api->book, http_param(req, "call"), outcome, words, http_caller(req)->device,
                      err);
    if (rc == 0) {
        http_answer_empty(res, 204);
    } else if (err->kind == ERR_REJECT) {
        err_clear(err);
        api_answer_fault(req, res, 400, &wrong);
        rc = 0;
    }
out:
    json_free(&doc);
    return rc;
}

extern const struct http_route calls_routes[];
extern const size_t calls_route_count;
const struct http_route calls_routes[] = {
    DESK_POST("/desk/v1/calls/{call}/heard", DESK_WORK, post_heard),
    DESK_POST("/desk/v1/calls/{call}/answer", DESK_WORK, post_answer),
};
const size_t calls_route_count = ARRAY_LEN(calls_routes);
