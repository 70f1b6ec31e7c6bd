/* study_api.c - the desk's routes about one study: how urgent it is, what of it will not come. */
#include "gateway/accept/accept.h"
#include "gateway/desk/absences.h"
#include "gateway/desk/api.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/mpps.h"
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

/* A large image is here only when its last byte is. */
static bool
is_connected(struct accept *accept, const char *ae)
{
    struct accept_device *devices = NULL;
    bool is = false;
    size_t n = 0;

    accept_list_devices(accept, &devices, &n);
    for (size_t i = 0; i < n; i++)
        is = is || (strcmp(devices[i].ae, ae) == 0 && devices[i].open > 0);
    free(devices);
    return is;
}

static const struct api_fault absent_changed = {"missing", "absent_changed",
                                                "other images are missing by now"};

/* Why it cannot be said: more of it may be on its way just now; NULL: nothing says so. */
static int
find_coming(const struct api *api, const char *uid, uint64_t shown, const struct api_fault **out,
            struct err *err)
{
    static const struct api_fault arriving = {
        "study", "absent_arriving", "its device is connected just now: it may be sending"};
    static const struct api_fault asked = {"study", "absent_asked",
                                           "the device waits to hear that they are kept"};
    static const struct api_fault examining = {"study", "absent_examining",
                                               "the device says that the examination goes on"};
    struct spool_study study;
    uint32_t expected, missing;
    bool is;

    *out = NULL;
    if (!uid_is_valid(uid, true) || spool_study(api->options->spool, uid, &study, err) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such study");
    if (is_examined(api, &study, &is, err) < 0 ||
        mpps_expected(api->book, uid, &expected, &missing, err) < 0)
        return -1;
    if (api->options->serve != NULL && serve_expected(api->options->serve, uid) > 0)
        *out = &asked;
    else if (study.open_associations > 0 || is_connected(api->options->accept, study.calling_ae))
        *out = &arriving;
    else if (is)
        *out = &examining;
    else if (missing == 0 || missing != shown)
        *out = &absent_changed;
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

/* Noted, then kept, before the answer. */
static int
say_absent(struct http_request *req, struct http_response *res, const char *reason,
           const char *words, uint64_t missing, struct err *err)
{
    const char *study = http_param(req, "study");
    const struct api *api = http_user(req);
    const struct api_fault *fault;

    if (find_coming(api, study, missing, &fault, err) < 0 ||
        (fault == NULL && note_absent(req, study, reason, missing, err) < 0))
        return -1;
    if (fault == NULL &&
        book_absent(api->book, study, (uint32_t)missing, reason, words, api_who(req), err) < 0) {
        if (err->kind != ERR_CONFLICT)
            return -1;
        fault = &absent_changed;
    }
    if (fault != NULL)
        api_answer_fault(req, res, 409, fault);
    else
        http_answer_empty(res, 204);
    return 0;
}

/* {reason, words, missing}: missing as the page showed it. */
static int
post_absent(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "absent", "a reason of the list is due"};
    char reason[ABSENCE_WORD_BYTES], words[CLINIC_REASON_SIZE];
    struct json_doc *doc = NULL;
    uint64_t missing;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_u64(json_root(doc), "missing", UINT32_MAX, &missing, err) < 0)
        goto out;
    rc = 0;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) ||
        !api_take_text(json_root(doc), "words", words, sizeof words) ||
        !absence_is_reason(reason) || (strcmp(reason, ABSENCE_OTHER) == 0 && words[0] == '\0'))
        api_answer_fault(req, res, 400, &due);
    else
        rc = say_absent(req, res, reason, words, missing, err);
out:
    json_free(&doc);
    return rc;
}

static int
post_awaited(struct http_request *req, struct http_response *res, struct err *err)
{
    const char *study = http_param(req, "study");
    const struct api *api = http_user(req);

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_NOT_FOUND, "no such study");
    if (note_absent(req, study, "none", 0, err) < 0 || book_awaited(api->book, study, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

const struct http_route study_routes[] = {
    DESK_POST("/desk/v1/studies/{study}/urgency", DESK_WORK, post_urgency),
    DESK_POST("/desk/v1/studies/{study}/absent", DESK_WORK, post_absent),
    DESK_POST("/desk/v1/studies/{study}/awaited", DESK_WORK, post_awaited),
};
const size_t study_route_count = ARRAY_LEN(study_routes);
