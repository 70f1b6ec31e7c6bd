/* door_own.h - what the files of reader/door share. */
#ifndef RADPOST_READER_DOOR_DOOR_OWN_H
#define RADPOST_READER_DOOR_DOOR_OWN_H

#include "reader/door/door.h"

#include "proto/base/jsonw.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/http/json.h"
#include "reader/archive/archive.h"
#include "reader/assign/assign.h"

enum { DOOR_JSON_BYTES = 16384, DOOR_ANSWER_BYTES = 4 << 20 };

struct door {
    struct door_options options;
    struct log_ctx log;
    struct gate gate; /* covers pipes */
    unsigned pipes;   /* of images.c that somebody holds */
};

/* door.c: what handlers share. */
/* The body as a JSON object, sent as one: a form of another site cannot say that it is.
 * errors  ERR_REJECT */
int door_read_json(struct http_request *req, struct json_doc **out_doc, struct err *err) MUST_CHECK;
/* A member that may be missing; NULL then. errors: ERR_REJECT no text, or too long */
int door_text(const struct json *o, const char *key, size_t max, const char **out,
              struct err *err) MUST_CHECK;
/* Who calls. errors: ERR_DENIED */
int door_caller(struct http_request *req, struct person *out, struct err *err) MUST_CHECK;
/* The members login, name, organisation, organisation_name, roles, is_demo. */
int door_write_user(struct door *door, struct jsonw *w, const struct person *person,
                    struct err *err) MUST_CHECK;
int door_write_user_in(struct pg_conn *conn, struct jsonw *w, const struct person *person,
                       struct err *err) MUST_CHECK;
/* Answer what out holds, and empty it. */
void door_answer(struct http_response *res, int status, struct buf *out);

/* pages.c */
int door_get_page(struct http_request *req, struct http_response *res, struct err *err);

/* sign_in.c */
int door_post_login(struct http_request *req, struct http_response *res, struct err *err);
int door_post_logout(struct http_request *req, struct http_response *res, struct err *err);
int door_get_me(struct http_request *req, struct http_response *res, struct err *err);
int door_post_password(struct http_request *req, struct http_response *res, struct err *err);
int door_post_first_admin(struct http_request *req, struct http_response *res, struct err *err);
int door_post_invitation(struct http_request *req, struct http_response *res, struct err *err);

/* users.c */
int door_get_users(struct http_request *req, struct http_response *res, struct err *err);
int door_post_users(struct http_request *req, struct http_response *res, struct err *err);
int door_post_user_disable(struct http_request *req, struct http_response *res, struct err *err);
int door_post_user_enable(struct http_request *req, struct http_response *res, struct err *err);
int door_post_user_roles(struct http_request *req, struct http_response *res, struct err *err);
int door_post_user_reset(struct http_request *req, struct http_response *res, struct err *err);

/* audit.c */
int door_get_audit(struct http_request *req, struct http_response *res, struct err *err);

/* images.c */
int door_get_images(struct http_request *req, struct http_response *res, struct err *err);
int door_get_standing(struct http_request *req, struct http_response *res, struct err *err);

#endif
