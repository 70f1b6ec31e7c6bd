/* study_api.c - the desk's routes about one study: how urgent it is. */
#include "gateway/desk/api.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/urgency.h"
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

const struct http_route study_routes[] = {
    DESK_POST("/desk/v1/studies/{study}/urgency", DESK_WORK, post_urgency),
};
const size_t study_route_count = ARRAY_LEN(study_routes);
