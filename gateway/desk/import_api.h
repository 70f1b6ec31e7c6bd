/* import_api.h - the inbox of files at the desk: list, look, say whose, throw away.
 * Routes and their JSON: docs/formats/import.md. Threads: any. */
#ifndef RADPOST_DESK_IMPORT_API_H
#define RADPOST_DESK_IMPORT_API_H

#include "gateway/desk/api.h"
#include "gateway/import/import.h"

extern const struct http_route import_api_routes[];
extern const size_t import_api_route_count;

/* "imports": {"waiting", "binding", "unusable"} of the state; nothing of a patient. NULL: nothing.
 */
void import_api_counts(struct import *import, struct jsonw *w);

#endif
