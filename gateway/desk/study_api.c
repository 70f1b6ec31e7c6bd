/* study_api.c - the desk's routes about one study: how urgent it is, what of it will not come. */
#include "gateway/accept/accept.h"
#include "gateway/desk/absences.h"
#include "gateway/desk/api.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/settle_lost.h"
#include "gateway/desk/urgency.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/audit.h"

#include <stdlib.h>
#include <string.h>

static int
note_urgency(struct audit *audit, const char *study, bool is_stat, const char *who, struct err *err)
{
    if (audit == NULL)
        return 0;
    return audit_append(audit, err, AUDIT_URGENCY_CHANGED, A_UID("study", study),
                        A_WORD("urgency", is_stat ? "stat" : "routine"), A_WORD("by", who));
}

/* Noted, kept, and told to the line before the answer. */
static int
change_urgency(const struct http_request *req, const char *study, bool is_stat, const char *reason,
               struct err *err)
{
    const struct api *api = http_user(req);

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_NOT_FOUND, "no such study");
    if (note_urgency(api->audit, study, is_stat, api_who(req), err) < 0 ||
        book_study_urgency(api->book, study, is_stat, reason, api_who(req), err) < 0)
        return -1;
    return urgency_step(api->book, api->options->uplink, err);
}

/* {urgency: "stat" | "routine", reason} */
static int
post_urgency(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "reason", "a reason is due, at most 200 signs"};
    char reason[CLINIC_REASON_SIZE];
    struct json_doc *doc = NULL;
    const char *urgency;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_text(json_root(doc), "urgency", 16, &urgency, err) < 0)
        goto out;
    if (strcmp(urgency, "stat") != 0 && strcmp(urgency, "routine") != 0) {
        err_set(err, ERR_REJECT, "urgency: stat or routine");
        goto out;
    }
    rc = 0;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) || reason[0] == '\0')
        api_answer_fault(req, res, 400, &due);
    else if ((rc = change_urgency(req, http_param(req, "study"), strcmp(urgency, "stat") == 0,
                                  reason, err)) == 0)
        http_answer_empty(res, 204);
out:
    json_free(&doc);
    return rc;
}

/* ---- what will not come ---- */

static const int64_t day_us = INT64_C(86400000000);

/* A step that a device never ended does not hold its study for ever. */
static int
is_examined(const struct api *api, const struct spool_study *study, bool *out_is, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct mpps_study *steps = NULL;
    size_t n = 0;

    *out_is = false;
    if (now_us - study->last_arrival_us > day_us)
        return 0;
    if (mpps_studies(api->book, now_us - 14 * day_us, &steps, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(steps[i].study, study->study_uid) == 0 && steps[i].state == MPPS_IN_PROGRESS)
            *out_is = true;
    free(steps);
    return 0;
}

static const struct api_fault absent_changed = {"missing", "absent_changed",
                                                "other images are missing by now"};

/* Why it cannot be said: more of it may be on its way just now; NULL: nothing says so. */
static int
find_coming(const struct api *api, const char *uid, const struct study_image *images, size_t n,
            int64_t *out_lost_mark, const struct api_fault **out, struct err *err)
{
    static const struct api_fault arriving = {
        "study", "absent_arriving", "its device is connected just now: it may be sending"};
    static const struct api_fault asked = {"study", "absent_asked",
                                           "the device waits to hear that they are kept"};
    static const struct api_fault examining = {"study", "absent_examining",
                                               "the device says that the examination goes on"};
    struct spool_study study;
    bool is;

    *out = NULL;
    *out_lost_mark = 0;
    if (!uid_is_valid(uid, true) || spool_study(api->options->spool, uid, &study, err) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such study");
    *out_lost_mark = (int64_t)study.lost_mark;
    if (is_examined(api, &study, &is, err) < 0)
        return -1;
    if (api->options->serve != NULL && serve_expected(api->options->serve, uid) > 0)
        *out = &asked;
    else if (study.open_associations > 0 ||
             study_images_are_coming(api->options->accept, images, n))
        *out = &arriving;
    else if (is)
        *out = &examining;
    return 0;
}

static int
note_absent(const struct http_request *req, const char *study, const char *reason, uint64_t images,
            struct err *err)
{
    const struct api *api = http_user(req);

    if (api->audit == NULL)
        return 0;
    return audit_append(api->audit, err, AUDIT_IMAGES_ABSENT, A_UID("study", study),
                        A_WORD("reason", reason), A_NUMBER("images", images),
                        A_WORD("by", api_who(req)));
}

/* Noted, then kept, then the spool: before the answer. */
static int
keep_absent(struct http_request *req, const struct book_saying *saying,
            const struct study_image *images, size_t n, struct err *err)
{
    const struct api *api = http_user(req);

    return note_absent(req, saying->study, saying->reason, saying->missing, err) < 0 ||
                   book_absent(api->book, saying, err) < 0
               ? -1
               : study_images_settle(api->options->spool, images, n, true, err);
}

static int
say_absent(struct http_request *req, struct http_response *res, struct book_saying *saying,
           struct err *err)
{
    const struct api *api = http_user(req);
    const struct api_fault *fault = NULL;
    struct study_image *images = NULL;
    struct book_image *known = NULL;
    size_t n = 0;
    int rc = -1;

    saying->study = http_param(req, "study");
    saying->login = api_who(req);
    study_images(api->options->spool, saying->study, &images, &n);
    if (find_coming(api, saying->study, images, n, &saying->lost_mark, &fault, err) < 0)
        goto out;
    saying->images = known = study_images_known(images, n, &saying->images_n);
    if (fault == NULL && keep_absent(req, saying, images, n, err) < 0) {
        if (err->kind != ERR_CONFLICT)
            goto out;
        fault = &absent_changed;
    }
    if (fault != NULL)
        api_answer_fault(req, res, 409, fault);
    else
        http_answer_empty(res, 204);
    rc = 0;
out:
    free(known);
    free(images);
    return rc;
}

/* {reason, words, missing, turn}: missing, missing_turn as the page showed them. */
static int
post_absent(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "absent", "a reason of the list is due"};
    char reason[ABSENCE_WORD_BYTES], words[CLINIC_REASON_SIZE];
    struct book_saying saying = {.reason = reason, .words = words};
    struct json_doc *doc = NULL;
    uint64_t missing;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_u64(json_root(doc), "missing", UINT32_MAX, &missing, err) < 0)
        goto out;
    saying.missing = (uint32_t)missing;
    saying.turn = json_as_int(json_find(json_root(doc), "turn"), -1);
    rc = 0;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) ||
        !api_take_text(json_root(doc), "words", words, sizeof words) ||
        !absence_is_reason(reason) || (strcmp(reason, ABSENCE_OTHER) == 0 && words[0] == '\0'))
        api_answer_fault(req, res, 400, &due);
    else
        rc = say_absent(req, res, &saying, err);
out:
    json_free(&doc);
    return rc;
}

static int
post_awaited(struct http_request *req, struct http_response *res, struct err *err)
{
    const char *study = http_param(req, "study");
    const struct api *api = http_user(req);
    struct study_image *images = NULL;
    struct book_image *known;
    size_t n = 0, known_n;
    int rc;

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_NOT_FOUND, "no such study");
    study_images(api->options->spool, study, &images, &n);
    known = study_images_known(images, n, &known_n);
    rc = note_absent(req, study, "none", 0, err) < 0 ||
                 book_awaited(api->book, study, known, known_n, err) < 0
             ? -1
             : study_images_settle(api->options->spool, images, n, false, err);
    if (rc == 0)
        http_answer_empty(res, 204);
    free(known);
    free(images);
    return rc;
}

const struct http_route study_routes[] = {
    DESK_POST("/desk/v1/studies/{study}/urgency", DESK_WORK, post_urgency),
    DESK_POST("/desk/v1/studies/{study}/absent", DESK_WORK, post_absent),
    DESK_POST("/desk/v1/studies/{study}/awaited", DESK_WORK, post_awaited),
};
const size_t study_route_count = ARRAY_LEN(study_routes);
