/* devices_api.h - the desk's routes for whoever installs and services devices: enrol by one click,
 * change, remove; the installation window; what has to be sent again. No patient data. Threads:
 * any. */
#ifndef RADPOST_DESK_DEVICES_API_H
#define RADPOST_DESK_DEVICES_API_H

#include "gateway/desk/api.h"

struct accept;

extern const struct http_route devices_routes[];
extern const size_t devices_route_count;

/* Sections of the state: "devices", "refused", "strangers", "window", "unsent", "unsent_more",
 * "unoffered". */
void devices_write(struct accept *accept, struct jsonw *w);

#endif
