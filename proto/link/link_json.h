/* link_json.h - what the decoders of the link's bodies share. Hostile bytes; errors name a member,
 * never its content. Pure functions. */
#ifndef RADPOST_LINK_JSON_H
#define RADPOST_LINK_JSON_H

#include "proto/http/json.h"
#include "proto/link/link.h"

/* Leading zeros in a component are let through: devices write them. errors  ERR_REJECT */
int link_read_uid(const struct json *o, const char *key, char out[LINK_UID_SIZE],
                  struct err *err) MUST_CHECK;
/* Parse at most max_bytes and find the member that is a list of at most max; *out_doc may be set
 * on failure, too: the caller frees it. errors  ERR_REJECT */
int link_open_list(const uint8_t *bytes, size_t n, uint64_t max_bytes, const char *key, size_t max,
                   struct json_doc **out_doc, const struct json **out_list,
                   struct err *err) MUST_CHECK;

#endif
