/* api.h - the desk's routes about patients and reports (docs/desk.md): register, slip, phone,
 * attach, urgent; reports, their PDFs, confirm. Every POST needs the header X-Radpost-Desk, which a
 * page of another origin cannot set. Refusals a person can act on carry "field" and "word" beside
 * "error". Threads: any. */
#ifndef RADPOST_DESK_API_H
#define RADPOST_DESK_API_H

#include "proto/base/jsonw.h"
#include "proto/http/server.h"

struct book;
struct desk_link;

struct api {
    struct book *book; /* outlives the server */
};

/* user is the struct api. */
extern const struct http_route api_routes[];
extern const size_t api_route_count;

/* ERR_DENIED unless the header is there. */
int api_check_post(const struct http_request *req, struct err *err) MUST_CHECK;

/* Sections of the state: "registrations", "reports", "reader"; and of one study what is known about
 * whose it is. */
int api_write_state(struct book *book, struct desk_link *link, struct jsonw *w,
                    struct err *err) MUST_CHECK;

#endif
