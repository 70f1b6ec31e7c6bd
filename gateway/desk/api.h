/* api.h - what the desk's parts share of their routes (parts.def), and the routes about patients
 * and reports (docs/desk.md): register, slip, phone, attach, urgent; reports, their PDFs, confirm.
 * Refusals a person can act on carry "field" and "word" beside "error". Threads: any. */
#ifndef RADPOST_DESK_API_H
#define RADPOST_DESK_API_H

#include "gateway/desk/rights.h"
#include "proto/base/jsonw.h"
#include "proto/http/json.h"
#include "proto/http/server.h"
#include "proto/link/clinic.h"

struct audit;
struct book;
struct desk_link;
struct desk_options;
struct his_out;

/* What the handlers of every part work on: http_user(). All outlive the server. */
struct api {
    struct book *book;
    struct desk_link *link;
    const struct desk_options *options; /* spool, accept, uplink ... */
    struct his_out *his;                /* NULL: nothing is handed over */
    struct audit *audit;                /* NULL: none (tests) */
};

#define DESK_COOKIE "rp_desk"

/* A row of a part's table (parts.def). right: enum desk_right. Callers are signed in, and who
 * changes something says the session's own word (http/server.h, 5); programs of this machine may
 * read, by the token of desk.h, what needs DESK_SEE only. */
#define DESK_GET(path, right, function)                                                            \
    {                                                                                              \
        .method = "GET", .pattern = path, .callers = HTTP_STAFF | HTTP_TOKEN, .rights = right,     \
        .handle = function, .flags = HTTP_NO_STORE                                                 \
    }
#define DESK_POST(path, right, function)                                                           \
    {                                                                                              \
        .method = "POST", .pattern = path, .callers = HTTP_STAFF, .rights = right,                 \
        .body_limit = DESK_BODY_BYTES, .handle = function, .flags = HTTP_NO_STORE                  \
    }
enum { DESK_BODY_BYTES = 64 << 10 };

/* What is wrong with what was typed, for the page: answered as 400 {error, field, word, id}. */
struct api_fault {
    const char *field, *word, *sentence;
};
void api_answer_fault(const struct http_request *req, struct http_response *res, int status,
                      const struct api_fault *fault);
/* The body of a POST, an object; an empty one reads as {}. out_doc is the caller's (json_free). */
int api_read_body(const struct http_request *req, struct json_doc **out_doc,
                  struct err *err) MUST_CHECK;
/* Text as typed: no blanks around, line ends as \n, no other control characters; "" when it is not
 * there. False: longer than its field. */
bool api_take_text(const struct json *o, const char *key, char *out, size_t size);

/* Who is signed in: a login. */
const char *api_who(const struct http_request *req);
/* The UID under "study" of a body. errors ERR_REJECT */
int api_read_study(const struct http_request *req, char out_study[CLINIC_UID_SIZE],
                   struct err *err) MUST_CHECK;
/* Answers 409 when nothing of the study is here but what was put aside as another's (doubts.h). */
int api_refuse_aside(const struct http_request *req, struct http_response *res, const char *study,
                     bool *out_is_refused, struct err *err) MUST_CHECK;

/* Sections of the state: "reader"; and for who may know of patients "registrations" and
 * how many there are in all ("registrations_n"), "reports". */
int api_write_state(struct book *book, struct desk_link *link, unsigned rights, struct jsonw *w,
                    struct err *err) MUST_CHECK;

#endif
