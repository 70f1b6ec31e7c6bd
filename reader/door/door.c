/* door.c - the staff routes that are nobody else's, as a table; what their handlers share. */
#include "reader/door/door_own.h"

#include "proto/base/text.h"
#include "proto/http/url.h"

#include <stdlib.h>
#include <string.h>

#define PAGE(where)                                                                                \
    {                                                                                              \
        .method = "GET", .pattern = where, .callers = HTTP_ANYONE, .handle = door_get_page,        \
        .flags = HTTP_PAGE | HTTP_NO_STORE | HTTP_QUIET                                            \
    }

/* Before anybody is signed in. */
#define OPEN(where, what)                                                                          \
    {                                                                                              \
        .method = "POST", .pattern = where, .callers = HTTP_ANYONE, .body_limit = DOOR_JSON_BYTES, \
        .handle = what, .flags = HTTP_NO_STORE                                                     \
    }

#define STAFF(verb, where, right, limit, what)                                                     \
    {                                                                                              \
        .method = verb, .pattern = where, .callers = HTTP_STAFF, .rights = right,                  \
        .body_limit = limit, .handle = what, .flags = HTTP_NO_STORE                                \
    }

#define BODY DOOR_JSON_BYTES

/* The archive's addresses, as they are there: storage/serve/serve.c. */
#define IMAGES(where)                                                                              \
    {                                                                                              \
        .method = "GET", .pattern = where, .callers = HTTP_STAFF, .rights = MAY_SEE_IMAGES,        \
        .handle = door_get_images, .flags = HTTP_QUIET                                             \
    }
#define ST "/dicomweb/studies/{study}"
#define SE ST "/series/{series}"
#define IN SE "/instances/{instance}"

static const struct http_route routes[] = {
    PAGE("/"),
    PAGE("/worklist"),
    PAGE("/reads/{read}"),
    OPEN("/api/v1/login", door_post_login),
    OPEN("/api/v1/first-admin", door_post_first_admin),
    OPEN("/api/v1/invitation", door_post_invitation),
    STAFF("POST", "/api/v1/logout", MAY_BE_SIGNED_IN, BODY, door_post_logout),
    STAFF("GET", "/api/v1/me", MAY_BE_SIGNED_IN, 0, door_get_me),
    STAFF("POST", "/api/v1/password", MAY_BE_SIGNED_IN, BODY, door_post_password),
    STAFF("GET", "/api/v1/users", MAY_MANAGE_USERS, 0, door_get_users),
    STAFF("POST", "/api/v1/users", MAY_MANAGE_USERS, BODY, door_post_users),
    STAFF("POST", "/api/v1/users/{login}/disable", MAY_MANAGE_USERS, BODY, door_post_user_disable),
    STAFF("POST", "/api/v1/users/{login}/enable", MAY_MANAGE_USERS, BODY, door_post_user_enable),
    STAFF("POST", "/api/v1/users/{login}/roles", MAY_MANAGE_USERS, BODY, door_post_user_roles),
    STAFF("POST", "/api/v1/users/{login}/reset", MAY_MANAGE_USERS, BODY, door_post_user_reset),
    STAFF("GET", "/api/v1/audit", MAY_SEE_AUDIT, 0, door_get_audit),
    STAFF("GET", "/api/v1/studies/{study}/standing", MAY_SEE_READS, 0, door_get_standing),
    IMAGES(ST),
    IMAGES(SE),
    IMAGES(IN),
    IMAGES(ST "/series"),
    IMAGES(ST "/instances"),
    IMAGES(SE "/instances"),
    IMAGES(ST "/metadata"),
    IMAGES(SE "/metadata"),
    IMAGES(IN "/metadata"),
    IMAGES(IN "/bulkdata/{element}"),
    IMAGES(IN "/frames/{frames}"),
    IMAGES(IN "/rendered"),
    IMAGES(IN "/frames/{frames}/rendered"),
    IMAGES(ST "/thumbnail"),
    IMAGES(SE "/thumbnail"),
    IMAGES(IN "/thumbnail"),
    IMAGES(IN "/frames/{frames}/thumbnail"),
    IMAGES("/preview/studies/{study}"),
    IMAGES("/preview/studies/{study}/instances/{instance}/frames/{frames}"),
};

struct door *
door_new(const struct door_options *options)
{
    struct door *door = mem_new(sizeof *door);

    door->options = *options;
    door->log.stage = "reader/door";
    gate_init(&door->gate);
    return door;
}

void
door_free(struct door **door)
{
    struct door *d = TAKE(*door);

    if (d == NULL)
        return;
    gate_lock(&d->gate);
    while (d->pipes > 0)
        gate_wait(&d->gate);
    gate_unlock(&d->gate);
    gate_fini(&d->gate);
    free(d);
}

struct http_table
door_staff_table(struct door *door)
{
    return (struct http_table){routes, ARRAY_LEN(routes), door};
}

/* ---- what handlers share ---- */

int
door_read_json(struct http_request *req, struct json_doc **out_doc, struct err *err)
{
    const char *header = http_header(req, "Content-Type");
    char type[64];
    struct json_doc *doc = NULL;
    const uint8_t *body;
    size_t n;

    if (header == NULL || !url_header_value(header, type, sizeof type) ||
        strcmp(type, "application/json") != 0)
        return err_set(err, ERR_REJECT, "the body is not sent as application/json");
    body = http_body(req, &n);
    if (json_parse(body, n, &doc, err) < 0)
        return -1;
    if (!json_is_object(json_root(doc))) {
        json_free(&doc);
        return err_set(err, ERR_REJECT, "the body is no JSON object");
    }
    *out_doc = doc;
    return 0;
}

int
door_text(const struct json *o, const char *key, size_t max, const char **out, struct err *err)
{
    if (json_is_null(json_find(o, key))) {
        *out = NULL;
        return 0;
    }
    return json_text(o, key, max, out, err);
}

int
door_caller(struct http_request *req, struct person *out, struct err *err)
{
    struct door *door = http_user(req);
    struct pg_conn *conn = NULL;
    int rc;

    if (pg_get(door->options.pg, &conn, err) < 0)
        return -1;
    rc = people_of_caller(conn, http_caller(req), out, err);
    pg_put(&conn);
    return rc;
}

int
door_write_user_in(struct pg_conn *conn, struct jsonw *w, const struct person *person,
                   struct err *err)
{
    char org[ASSIGN_TEXT];

    /* an organisation may have left the tree since: its code is shown then */
    if (assign_org_name(conn, person->org, org, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -1;
        err_clear(err);
        text_copy(org, sizeof org, person->org);
    }
    jsonw_text(w, "login", person->login);
    jsonw_text(w, "name", person->name);
    jsonw_text(w, "organisation", person->org);
    jsonw_text(w, "organisation_name", org);
    jsonw_array(w, "roles");
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (person->roles & 1u << i)
            jsonw_text(w, NULL, people_role_word(1u << i));
    jsonw_end(w);
    jsonw_bool(w, "is_demo", person->is_demo);
    return 0;
}

int
door_write_user(struct door *door, struct jsonw *w, const struct person *person, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc;

    if (pg_get(door->options.pg, &conn, err) < 0)
        return -1;
    rc = door_write_user_in(conn, w, person, err);
    pg_put(&conn);
    return rc;
}

void
door_answer(struct http_response *res, int status, struct buf *out)
{
    http_answer_buf(res, status, "application/json", out);
    buf_fini(out);
}
