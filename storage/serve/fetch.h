/* fetch.h - the instances of a study, series or UID, one after the other, without holding them.
 * Only names are held; place and bytes of each are looked up when its turn comes.
 * Threads: a fetch belongs to its reader. */
#ifndef RADPOST_STORAGE_SERVE_FETCH_H
#define RADPOST_STORAGE_SERVE_FETCH_H

#include "storage/serve/serve_core.h"

struct fetch;

/* Settle what is meant, and note it in the audit log.
 * errors  as keep_instances, and of the audit log */
int fetch_new(struct serve *s, struct http_request *req, const struct serve_target *target,
              enum serve_way way, struct fetch **out, struct err *err) MUST_CHECK;
void fetch_free(struct fetch **fetch);
size_t fetch_count(const struct fetch *fetch);
/* Some instances of it are still on their way: what is here is not all. */
bool fetch_is_partial(const struct fetch *fetch);
/* The transfer syntax all of them are stored in, "" if they differ. */
const char *fetch_syntax(const struct fetch *fetch);
/* The next place, the caller's: 1 there is one, 0 the end, -1 failed. */
int fetch_next(struct fetch *fetch, struct keep_place **out, struct err *err) MUST_CHECK;

#endif
