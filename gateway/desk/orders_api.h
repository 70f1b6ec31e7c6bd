/* orders_api.h - orders at the desk's page and from programs. Programs show the token in
 * DIR/orders.token (0600; made at the first start; whoever may read the folder hands it out; a new
 * line in it counts at once). Threads: any. */
#ifndef RADPOST_DESK_ORDERS_API_H
#define RADPOST_DESK_ORDERS_API_H

#include "gateway/desk/book.h"
#include "proto/base/jsonw.h"
#include "proto/http/server.h"

/* errors  ERR_RETRY, ERR_FULL */
int orders_make_token(const char *dir, struct err *err) MUST_CHECK;

/* For parts.def. */
extern const struct http_route orders_routes[];
extern const size_t orders_route_count;
int orders_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

#endif
