/* his_api.c - deliveries to the clinic's own systems as JSON, and having one sent again. */
#include "gateway/desk/api.h"
#include "gateway/desk/his_book.h"
#include "gateway/desk/his_out.h"
#include "gateway/desk/his_refused.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LISTED = 100 };

int his_api_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;
int his_count_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;
int his_refused_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;
int his_placers_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

static void
write_delivery(struct jsonw *w, const struct his_delivery *d)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "delivery", d->n);
    jsonw_text(w, "target", his_target_word(d->target));
    jsonw_int(w, "read", d->read);
    jsonw_uint(w, "version", d->version);
    jsonw_bool(w, "is_withdrawal", d->is_withdrawal);
    jsonw_bool(w, "is_overtaken", d->is_overtaken);
    jsonw_text(w, "state", his_state_word(d->state));
    jsonw_uint(w, "tries", d->tries);
    jsonw_uint(w, "round", d->round);
    jsonw_int(w, "made_us", d->made_at_us);
    jsonw_int(w, "next_us", d->next_at_us);
    jsonw_int(w, "done_us", d->done_at_us);
    jsonw_text(w, "trouble", d->trouble);
    jsonw_text(w, "receipt", d->receipt);
    jsonw_text(w, "again_by", d->again_by);
    jsonw_text(w, "patient", d->patient);
    jsonw_text(w, "registration", d->registration);
    jsonw_text(w, "modality", d->modality);
    jsonw_end(w);
}

/* "deliveries": those refused first, then those that wait. */
int
his_api_report(struct book *book, struct jsonw *w, struct err *err)
{
    struct his_delivery *list = NULL;
    size_t n = 0;

    if (his_book_list(book, LISTED, &list, &n, err) < 0)
        return -1;
    jsonw_array(w, "deliveries");
    for (size_t i = 0; i < n; i++)
        write_delivery(w, &list[i]);
    jsonw_end(w);
    free(list);
    return 0;
}

/* "handover": each target's numbers, and what troubles it; nothing of a patient. */
int
his_count_report(struct book *book, struct jsonw *w, struct err *err)
{
    struct his_count counts[HIS_TARGETS];

    if (his_book_counts(book, counts, err) < 0)
        return -1;
    jsonw_array(w, "handover");
    for (size_t t = 0; t < HIS_TARGETS; t++) {
        if (!counts[t].is_there)
            continue;
        jsonw_object(w, NULL);
        jsonw_text(w, "target", his_target_word((enum his_target)t));
        jsonw_uint(w, "waiting", counts[t].waiting);
        jsonw_uint(w, "refused", counts[t].refused);
        jsonw_text(w, "trouble", counts[t].trouble);
        jsonw_end(w);
    }
    jsonw_end(w);
    return 0;
}

/* "hl7_refused": what was not done and why, without the order's number. */
int
his_refused_report(struct book *book, struct jsonw *w, struct err *err)
{
    struct his_refused *list = NULL;
    size_t n = 0;

    if (his_refused_list(book, &list, &n, err) < 0)
        return -1;
    jsonw_array(w, "hl7_refused");
    for (size_t i = 0; i < n; i++) {
        const struct his_refused *r = &list[i];

        jsonw_object(w, NULL);
        jsonw_int(w, "n", r->n);
        jsonw_text(w, "peer", r->peer);
        jsonw_text(w, "answer", r->answer);
        jsonw_text(w, "error", r->error);
        jsonw_text(w, "place", r->place);
        jsonw_text(w, "why", r->why);
        jsonw_bool(w, "is_order", r->is_order);
        jsonw_bool(w, "is_seen", r->is_seen);
        jsonw_int(w, "first_us", r->first_us);
        jsonw_int(w, "at_us", r->at_us);
        jsonw_uint(w, "times", r->times);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(list);
    return 0;
}

/* "hl7_placers": whose they are, by n. */
int
his_placers_report(struct book *book, struct jsonw *w, struct err *err)
{
    struct his_refused *list = NULL;
    size_t n = 0;

    if (his_refused_list(book, &list, &n, err) < 0)
        return -1;
    jsonw_array(w, "hl7_placers");
    for (size_t i = 0; i < n; i++) {
        if (list[i].placer[0] == '\0')
            continue;
        jsonw_object(w, NULL);
        jsonw_int(w, "n", list[i].n);
        jsonw_text(w, "placer", list[i].placer);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(list);
    return 0;
}

/* {until_us}: of the last one that the page showed; what came since stands on. */
static int
post_refused_seen(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    struct json_doc *doc = NULL;
    uint64_t until_us = 0;
    int rc = -1;

    if (api_read_body(req, &doc, err) == 0 &&
        json_u64(json_root(doc), "until_us", INT64_MAX, &until_us, err) == 0 &&
        his_refused_seen(api->book, (int64_t)until_us, err) == 0)
        rc = 0;
    if (rc == 0)
        http_answer_empty(res, 204);
    json_free(&doc);
    return rc;
}

static int
post_again(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    uint64_t n;

    if (text_to_u64(http_param(req, "delivery"), INT64_MAX, &n) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such delivery");
    if (his_book_step(api->book, (int64_t)n, HIS_SAW_AGAIN, http_caller(req)->device, 0, err) < 0)
        return -1;
    his_out_wake(api->his);
    http_answer_empty(res, 204);
    return 0;
}

extern const struct http_route his_api_routes[];
extern const size_t his_api_route_count;
const struct http_route his_api_routes[] = {
    DESK_POST("/desk/v1/deliveries/{delivery}/again", DESK_WORK, post_again),
    DESK_POST("/desk/v1/hl7/refused/seen", DESK_WORK, post_refused_seen),
};
const size_t his_api_route_count = ARRAY_LEN(his_api_routes);
