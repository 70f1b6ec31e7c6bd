/* session.c - who is signed in. */
#include "reader/people/people_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/token.h"

#include <stdlib.h>
#include <string.h>

struct people *
people_new(const struct people_options *options)
{
    struct people *p = mem_new(sizeof *p);

    p->options = *options;
    return p;
}

void
people_free(struct people **people)
{
    free(*people);
    *people = NULL;
}

/* Sessions are found by the hash of what the cookie holds, and moved on by being used. */
int
people_authorise(void *people, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct people *p = people;
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    uint8_t sha256[DIGEST_BYTES];
    int64_t now_us = clock_wall_us();
    int rc = -1;

    if (caller->kind != HTTP_STAFF || bearer == NULL)
        return err_set(err, ERR_DENIED, "no session");
    if (token_digest(bearer, sha256, err) < 0 || pg_get(p->options.pg, &conn, err) < 0)
        return -1;
    if (pg_run(conn, "session_use",
               PG_ARGS(PG_BYTES(sha256, sizeof sha256), PG_INT(now_us),
                       PG_INT(now_us - p->options.session_idle_ms * 1000),
                       PG_BOOL(p->options.is_demo)),
               &rows, err) < 0)
        goto out;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_DENIED, "no such session, or it has ended");
        goto out;
    }
    text_copy(caller->device, sizeof caller->device, pg_text(rows, 0, 0));
    text_copy(caller->tenant, sizeof caller->tenant, pg_text(rows, 0, 1));
    caller->rights = people_rights((unsigned)pg_int(rows, 0, 2));
    text_copy(caller->csrf, sizeof caller->csrf, pg_text(rows, 0, 3));
    rc = 0;
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
}
