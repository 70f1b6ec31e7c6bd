/* desk_visitor.h - somebody signed in at a desk under test. */
#ifndef RADPOST_TESTS_DESK_VISITOR_H
#define RADPOST_TESTS_DESK_VISITOR_H

#include "gateway/desk/rights.h"

struct desk_visitor {
    char cookie[80], csrf[96];
    const char *headers[3]; /* for http_call.headers: who it is, and the page's own word */
};

/* An account of these roles (enum desk_role mask) and a session of it, straight into the desk's
 * file under desk_dir (desk_options.dir), beside the desk that runs: no password is worked on. */
void desk_visit(const char *desk_dir, unsigned roles, struct desk_visitor *out);

#endif
