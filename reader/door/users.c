/* users.c - administrators and the accounts of their organisation and of those below it. */
#include "reader/door/door_own.h"

#include "proto/base/clock.h"

#include <string.h>

/* What is not below the administrator's organisation is not there.
 * errors  ERR_NOT_FOUND */
static int
check_org(struct pg_conn *conn, const struct person *actor, const char *org, struct err *err)
{
    bool is_within = strcmp(org, actor->org) == 0;

    if (!is_within && assign_org_is_within(conn, org, actor->org, &is_within, err) < 0)
        return -1;
    return is_within ? 0 : err_set(err, ERR_NOT_FOUND, "an organisation of one's own");
}

/* ---- the list ---- */

struct listing {
    struct pg_conn *conn;
    struct door *door;
    const struct person *actor;
    struct jsonw w;
};

static int
write_row(void *user, const struct people_row *row, struct err *err)
{
    struct listing *l = user;
    struct err foreign = {0};

    if (check_org(l->conn, l->actor, row->person.org, &foreign) < 0) {
        if (foreign.kind == ERR_NOT_FOUND)
            return 0;
        *err = foreign;
        return -1;
    }
    jsonw_object(&l->w, NULL);
    if (door_write_user_in(l->conn, &l->w, &row->person, err) < 0)
        return -1;
    jsonw_bool(&l->w, "is_disabled", row->person.is_disabled);
    jsonw_bool(&l->w, "can_sign_in", row->can_sign_in);
    jsonw_time(&l->w, "signed_in_at", row->signed_in_us);
    jsonw_end(&l->w);
    return 0;
}

int
door_get_users(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct listing l = {.door = door};
    struct person actor;
    struct buf b;
    int rc = -1;

    buf_init(&b, DOOR_ANSWER_BYTES);
    jsonw_init(&l.w, &b);
    jsonw_object(&l.w, NULL);
    jsonw_array(&l.w, "users");
    l.actor = &actor;
    if (pg_get(door->options.pg, &l.conn, err) < 0 ||
        people_of_caller(l.conn, http_caller(req), &actor, err) < 0 ||
        people_list(l.conn, NULL, write_row, &l, err) < 0)
        goto out;
    jsonw_end(&l.w);
    jsonw_end(&l.w);
    door_answer(res, 200, &b);
    rc = 0;
out:
    pg_put(&l.conn);
    buf_fini(&b);
    return rc;
}

/* ---- changes ---- */

/* The caller, and that the account named in the path is theirs to change. */
static int
settle(struct http_request *req, struct person *out_actor, struct err *err)
{
    struct door *door = http_user(req);
    struct pg_conn *conn = NULL;
    struct person subject;
    int rc = -1;

    if (pg_get(door->options.pg, &conn, err) < 0)
        return -1;
    if (people_of_caller(conn, http_caller(req), out_actor, err) == 0 &&
        people_find(conn, http_param(req, "login"), &subject, err) == 0 &&
        check_org(conn, out_actor, subject.org, err) == 0)
        rc = 0;
    pg_put(&conn);
    return rc;
}

static int
read_roles(const struct json *body, unsigned *out, struct err *err)
{
    const struct json *list;
    unsigned roles = 0;

    if (json_list(body, "roles", ROLE_COUNT, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_length(list); i++) {
        const char *word = json_as_text(json_at(list, i));
        unsigned role = word != NULL ? people_role_of(word) : 0;

        if (role == 0)
            return err_set(err, ERR_REJECT, "roles: there is no such role");
        roles |= role;
    }
    *out = roles;
    return 0;
}

static void
answer_code(struct http_response *res, int status, const char *login, const char *code)
{
    struct buf b;
    struct jsonw w;
    char at[40];

    clock_text(clock_wall_us() + PEOPLE_CODE_S * 1000000LL, at);
    buf_init(&b, DOOR_JSON_BYTES);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "login", login);
    jsonw_text(&w, "code", code);
    jsonw_text(&w, "ends_at", at);
    jsonw_end(&w);
    door_answer(res, status, &b);
}

/* Who makes it, and for whom: of the caller's own organisation unless another is named. */
static int
settle_new(struct http_request *req, struct person *out_actor, struct people_new *account,
           struct err *err)
{
    struct door *door = http_user(req);
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(door->options.pg, &conn, err) < 0)
        return -1;
    if (people_of_caller(conn, http_caller(req), out_actor, err) < 0)
        goto out;
    if (account->org == NULL)
        account->org = out_actor->org;
    rc = check_org(conn, out_actor, account->org, err);
out:
    pg_put(&conn);
    return rc;
}

int
door_post_users(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct json_doc *doc = NULL;
    struct people_new account = {0};
    struct person actor;
    char code[PEOPLE_CODE_TEXT];
    int rc = -1;

    if (door_read_json(req, &doc, err) < 0 ||
        json_text(json_root(doc), "login", PEOPLE_LOGIN - 1, &account.login, err) < 0 ||
        json_text(json_root(doc), "name", PEOPLE_NAME - 1, &account.name, err) < 0 ||
        door_text(json_root(doc), "organisation", PEOPLE_ORG - 1, &account.org, err) < 0 ||
        read_roles(json_root(doc), &account.roles, err) < 0 ||
        settle_new(req, &actor, &account, err) < 0 ||
        people_invite(door->options.people, &actor, &account, code, err) < 0)
        goto out;
    answer_code(res, 201, account.login, code);
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

static int
set_disabled(struct http_request *req, struct http_response *res, bool is_disabled, struct err *err)
{
    struct door *door = http_user(req);
    struct person actor;

    if (settle(req, &actor, err) < 0 ||
        people_disable(door->options.people, &actor, http_param(req, "login"), is_disabled, err) <
            0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

int
door_post_user_disable(struct http_request *req, struct http_response *res, struct err *err)
{
    return set_disabled(req, res, true, err);
}

int
door_post_user_enable(struct http_request *req, struct http_response *res, struct err *err)
{
    return set_disabled(req, res, false, err);
}

int
door_post_user_roles(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct json_doc *doc = NULL;
    struct person actor;
    unsigned roles;
    int rc = -1;

    if (settle(req, &actor, err) < 0 || door_read_json(req, &doc, err) < 0 ||
        read_roles(json_root(doc), &roles, err) < 0 ||
        people_set_roles(door->options.people, &actor, http_param(req, "login"), roles, err) < 0)
        goto out;
    http_answer_empty(res, 204);
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

int
door_post_user_reset(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct person actor;
    char code[PEOPLE_CODE_TEXT];

    if (settle(req, &actor, err) < 0 ||
        people_reset(door->options.people, &actor, http_param(req, "login"), code, err) < 0)
        return -1;
    answer_code(res, 200, http_param(req, "login"), code);
    return 0;
}
