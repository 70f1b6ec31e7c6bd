/* pool.h - kept connections to the archive, borrowed for a call each.
 * Threads: any; a borrowed client is its borrower's. */
#ifndef RADPOST_READER_ARCHIVE_POOL_H
#define RADPOST_READER_ARCHIVE_POOL_H

#include "proto/base/thread.h"
#include "proto/http/client.h"

struct pool;

struct pool_options {
    const char *url, *ca_file, *certificate, *key; /* as http_client_options; copied */
    unsigned limit;                                /* at once */
    int64_t stall_ms;
};

struct pool *pool_new(const struct pool_options *options);
/* After every borrower has returned. */
void pool_free(struct pool **pool);
/* Waits for one that is free. errors  ERR_RETRY aborted; those of http_client_new() */
int pool_borrow(struct pool *pool, struct http_client **out, struct err *err) MUST_CHECK;
/* is_good false: the connection is not used again. */
void pool_return(struct pool *pool, struct http_client **client, bool is_good);
/* Running calls end soon, later ones at once. */
void pool_abort(struct pool *pool);
/* What was connected before is not used again. */
void pool_renew(struct pool *pool);

#endif
