/* address.h - network addresses as text: numeric, in the one spelling of the system, and IPv4 as
 * IPv4 also where a listener of both families ("::") sees it as ::ffff:a.b.c.d. Lists of peers name
 * them so. Pure functions. */
#ifndef RADPOST_BASE_ADDRESS_H
#define RADPOST_BASE_ADDRESS_H

#include "proto/base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ADDRESS_BYTES = 46 };

struct sockaddr;

/* Of a peer; "" and 0 where it is neither IPv4 nor IPv6. */
void address_of(const struct sockaddr *peer, char out[ADDRESS_BYTES], uint16_t *out_port);
/* As a person wrote it; false (and out untouched): it is not numeric. */
bool address_normal(const char *text, char out[ADDRESS_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
