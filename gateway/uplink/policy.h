/* policy.h - what the centre wants of this gateway, told with its pings: a quiet time, caps by the
 * hour, an upgrade. The clinic's own cap stays the highest there is. The last policy that could be
 * read is remembered over a restart. Part of the uplink: parts.h. */
#ifndef RADPOST_UPLINK_POLICY_H
#define RADPOST_UPLINK_POLICY_H

#include "proto/link/link.h"

struct uplink;

/* Read what is remembered. */
void policy_begin(struct uplink *up);
/* What a ping told; without the gate. One that breaks a rule changes nothing and is told once. */
void policy_heard(struct uplink *up, const struct link_ping *ping);
/* Gate held. */
int64_t policy_quiet_ms(const struct uplink *up);
/* Gate held: a line's cap now. own: the clinic's; 0 = none, for both. */
uint64_t policy_rate(const struct uplink *up, uint64_t own);

#endif
