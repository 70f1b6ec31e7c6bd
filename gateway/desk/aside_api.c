/* aside_api.c - the desk's routes about images that were put aside: whose one says it is, throw it
 * away, take it back. */
#include "gateway/desk/api.h"
#include "gateway/desk/aside.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/doubts_look.h"

#include "gateway/spool/spool.h"
#include "proto/base/text.h"
#include "proto/model/rejects.h"

#include <stdlib.h>
#include <string.h>

extern const struct http_route aside_routes[];
extern const size_t aside_route_count;

enum { JSON_BYTES = 16 << 10 };

static const struct api *
api_of(const struct http_request *req)
{
    return http_user(req);
}

/* The entry of the path, when it is in that state. */
static int
load(const struct http_request *req, enum instance_state state, struct spool_entry **out,
     struct err *err)
{
    struct spool_entry *e = NULL;
    uint64_t id;

    if (text_to_u64(http_param(req, "entry"), INT64_MAX, &id) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such image");
    if (spool_look(api_of(req)->options->spool, id, &e, err) < 0)
        return -1;
    if (e->state != state) {
        err_set(err, ERR_CONFLICT, "it is %s by now", instance_state_word(e->state));
        spool_entry_free(&e);
        return -1;
    }
    *out = e;
    return 0;
}

/* Whose it says it is. What cannot be read says nothing. */
static int
get_aside(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct desk_options *o = api_of(req)->options;
    struct book_study said = {.arrived_at_us = 0};
    struct spool_entry *e = NULL;
    struct err why = {0};
    struct buf json;
    struct jsonw w;
    int rc;

    if (load(req, INSTANCE_QUARANTINED, &e, err) < 0)
        return -1;
    rc = look_facts(o->spool, o->accept, e->id, &said, &why);
    if (rc < 0 && why.kind == ERR_RETRY) {
        *err = why;
        spool_entry_free(&e);
        return -1;
    }
    buf_init(&json, JSON_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "entry", e->id);
    jsonw_bool(&w, "is_readable", rc == 0);
    jsonw_text(&w, "patient_id", said.patient_id);
    jsonw_text(&w, "name", said.name);
    jsonw_text(&w, "sex", said.sex);
    jsonw_text(&w, "birth", said.birth);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    spool_entry_free(&e);
    return 0;
}

/* Both its names are still needed for the answer. */
static int
check_not_asked(struct book *book, uint64_t id, struct err *err)
{
    struct db_rows *rows = NULL;
    bool is_asked = false;
    int rc = db_ask(book->db, "aside_asked", DB_NO_ARGS, &rows, err);

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++)
        is_asked = is_asked || ((uint64_t)db_int(rows, i, 0) == id && db_int(rows, i, 1) != 0);
    db_rows_free(&rows);
    if (is_asked)
        return err_set(err, ERR_CONFLICT, "first say whose it is: A or B");
    return rc;
}

/* In its turn. Its duplicates go with it; of one that comes later the watch tells. */
static int
discard(const struct http_request *req, const char *reason, struct err *err)
{
    const struct api *api = api_of(req);
    struct spool_entry *e = NULL;
    int rc = -1;

    if (load(req, INSTANCE_QUARANTINED, &e, err) == 0 &&
        check_not_asked(api->book, e->id, err) == 0 &&
        spool_discard(api->options->spool, e->id, reason, api_who(req), err) == 0)
        rc = aside_note_discards(api->options->spool, api->book, api->audit, e->meta.sop_instance,
                                 err);
    spool_entry_free(&e);
    return rc;
}

/* Of two people at once the second finds it done. */
static int
in_turn(const struct http_request *req,
        int (*act)(const struct http_request *, const char *, struct err *), const char *reason,
        struct err *err)
{
    pthread_mutex_t *turn = &api_of(req)->book->aside;
    int rc;

    pthread_mutex_lock(turn);
    rc = act(req, reason, err);
    pthread_mutex_unlock(turn);
    return rc;
}

/* {reason}: done, and in the audit log. */
static int
post_discard(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault due = {"reason", "reason", "one of the list of reasons is due"};
    char reason[REJECT_WORD_BYTES];
    struct json_doc *doc = NULL;
    int rc = 0;

    if (api_read_body(req, &doc, err) < 0)
        return -1;
    if (!api_take_text(json_root(doc), "reason", reason, sizeof reason) ||
        !reject_is_reason(reason))
        api_answer_fault(req, res, 400, &due);
    else if (in_turn(req, discard, reason, err) == 0)
        http_answer_empty(res, 204);
    else
        rc = -1;
    json_free(&doc);
    return rc;
}

static int
restore(const struct http_request *req, const char *reason, struct err *err)
{
    const struct api *api = api_of(req);
    struct spool_entry *e = NULL;
    int rc;

    (void)reason;
    rc = load(req, INSTANCE_DISCARDED, &e, err);
    if (rc == 0)
        rc = aside_restore(api->options->spool, api->book, api->audit, e, api_who(req), err);
    spool_entry_free(&e);
    return rc;
}

static int
post_restore(struct http_request *req, struct http_response *res, struct err *err)
{
    if (in_turn(req, restore, NULL, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

const struct http_route aside_routes[] = {
    DESK_GET("/desk/v1/aside/{entry}", DESK_WORK, get_aside),
    DESK_POST("/desk/v1/aside/{entry}/discard", DESK_DISCARD, post_discard),
    DESK_POST("/desk/v1/aside/{entry}/restore", DESK_DISCARD, post_restore),
};
const size_t aside_route_count = ARRAY_LEN(aside_routes);
