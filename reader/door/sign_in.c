/* sign_in.c - login, logout, who am I, one's own password, and one-time codes. */
#include "reader/door/door_own.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WRONG "Login or password is not right."
#define WRONG_TOTP "A one-time password is due, or the one given is not right."
#define TOO_MANY "Too many wrong tries: please wait."

/* What the caller gives, as far as it may be anything at all: a login that cannot be one is as
 * unknown as any other. */
static int
read_proof(struct http_request *req, const struct json *body, const char *user_key,
           struct people_proof *out, char address[64], struct err *err)
{
    if (door_text(body, user_key, 255, &out->login, err) < 0 ||
        json_text(body, "password", 1024, &out->password, err) < 0 ||
        door_text(body, "totp", 31, &out->totp, err) < 0)
        return -1;
    if (out->totp != NULL && out->totp[0] == '\0')
        out->totp = NULL;
    http_address(req, address);
    out->address = address;
    return 0;
}

static void
answer_refusal(struct http_response *res, const struct people_refusal *refusal)
{
    char wait[24];
    struct buf b;
    struct jsonw w;

    if (refusal->wait_s > 0) {
        snprintf(wait, sizeof wait, "%lld", (long long)refusal->wait_s);
        http_answer_header(res, "Retry-After", wait);
        http_answer_refusal(res, 429, TOO_MANY);
        return;
    }
    buf_init(&b, DOOR_JSON_BYTES);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "error", refusal->needs_totp ? WRONG_TOTP : WRONG);
    jsonw_bool(&w, "needs_totp", refusal->needs_totp);
    jsonw_end(&w);
    door_answer(res, 401, &b);
}

/* TLS ends here, or at a proxy before us that does not say it was spoken to in the clear. */
static bool
is_over_tls(struct http_request *req)
{
    const char *proto = http_header(req, "X-Forwarded-Proto");

    if (strncmp(http_origin(req), "https:", 6) == 0)
        return true;
    return http_header(req, "X-Forwarded-For") != NULL &&
           (proto == NULL || strcasecmp(proto, "http") != 0);
}

/* Same site only, and not for scripts; over TLS for TLS only. */
static void
set_cookie(struct http_request *req, struct http_response *res, const char *value)
{
    char text[256];

    snprintf(text, sizeof text, "rp_session=%s; Path=/; HttpOnly; SameSite=Strict%s%s", value,
             is_over_tls(req) ? "; Secure" : "", value[0] == '\0' ? "; Max-Age=0" : "");
    http_answer_header(res, "Set-Cookie", text);
}

static int
answer_me(struct door *door, struct http_response *res, const struct person *person,
          const char *csrf, struct err *err)
{
    struct buf b;
    struct jsonw w;
    int rc;

    buf_init(&b, DOOR_JSON_BYTES);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_object(&w, "user");
    rc = door_write_user(door, &w, person, err);
    jsonw_end(&w);
    jsonw_text(&w, "csrf", csrf);
    jsonw_end(&w);
    if (rc == 0)
        door_answer(res, 200, &b);
    buf_fini(&b);
    return rc;
}

int
door_post_login(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct json_doc *doc = NULL;
    struct people_proof proof = {0};
    struct people_session session;
    struct people_refusal refusal = {0};
    char address[64];
    int rc = -1;

    if (door_read_json(req, &doc, err) < 0 ||
        read_proof(req, json_root(doc), "user", &proof, address, err) < 0)
        goto out;
    if (proof.login == NULL)
        proof.login = "";
    rc = people_sign_in(door->options.people, &proof, &session, &refusal, err);
    if (rc == 0) {
        set_cookie(req, res, session.cookie);
        rc = answer_me(door, res, &session.person, session.csrf, err);
    } else if (err->kind == ERR_DENIED || refusal.wait_s > 0) {
        answer_refusal(res, &refusal);
        rc = 0;
    }
out:
    json_free(&doc);
    return rc;
}

int
door_post_logout(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);

    if (people_sign_out(door->options.people, http_session(req), http_caller(req), err) < 0)
        return -1;
    set_cookie(req, res, "");
    http_answer_empty(res, 204);
    return 0;
}

int
door_get_me(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct person person;

    if (door_caller(req, &person, err) < 0)
        return -1;
    return answer_me(door, res, &person, http_caller(req)->csrf, err);
}

int
door_post_password(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct json_doc *doc = NULL;
    struct people_proof old = {.login = http_caller(req)->device};
    struct people_refusal refusal = {0};
    const char *new_one;
    char address[64];
    int rc = -1;

    http_address(req, address);
    old.address = address;
    if (door_read_json(req, &doc, err) < 0 ||
        json_text(json_root(doc), "old", 1024, &old.password, err) < 0 ||
        json_text(json_root(doc), "new", 1024, &new_one, err) < 0)
        goto out;
    rc = people_change_password(door->options.people, &old, new_one, &refusal, err);
    if (rc == 0) {
        set_cookie(req, res, "");
        http_answer_empty(res, 204);
    } else if (refusal.wait_s > 0) {
        answer_refusal(res, &refusal);
        rc = 0;
    }
out:
    json_free(&doc);
    return rc;
}

/* ---- one-time codes ---- */

static void
answer_secret(struct http_response *res, const struct people_secret *secret)
{
    struct buf b;
    struct jsonw w;

    buf_init(&b, DOOR_JSON_BYTES);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "login", secret->login);
    jsonw_text(&w, "totp_secret", secret->totp);
    jsonw_text(&w, "otpauth", secret->otpauth);
    jsonw_end(&w);
    door_answer(res, 201, &b);
}

static int
enrol(struct http_request *req, struct http_response *res, bool is_first, struct err *err)
{
    struct door *door = http_user(req);
    struct json_doc *doc = NULL;
    struct people_proof proof = {0};
    struct people_secret secret;
    struct people_refusal refusal = {0};
    const char *code, *name = NULL;
    char address[64];
    int rc = -1;

    if (door_read_json(req, &doc, err) < 0 ||
        json_text(json_root(doc), "code", 64, &code, err) < 0 ||
        read_proof(req, json_root(doc), "login", &proof, address, err) < 0 ||
        (is_first && json_text(json_root(doc), "name", PEOPLE_NAME - 1, &name, err) < 0))
        goto out;
    if (is_first == (proof.login == NULL)) {
        err_set(err, ERR_REJECT, is_first ? "login: a login is due" : "login: the code says whose");
        goto out;
    }
    rc = people_enrol(door->options.people, code, &proof, name, &secret, &refusal, err);
    if (rc == 0)
        answer_secret(res, &secret);
    else if (refusal.wait_s > 0) {
        answer_refusal(res, &refusal);
        rc = 0;
    }
out:
    json_free(&doc);
    return rc;
}

int
door_post_first_admin(struct http_request *req, struct http_response *res, struct err *err)
{
    return enrol(req, res, true, err);
}

int
door_post_invitation(struct http_request *req, struct http_response *res, struct err *err)
{
    return enrol(req, res, false, err);
}
