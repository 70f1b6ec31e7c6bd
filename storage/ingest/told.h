/* told.h - what pings tell gateways beside the time: which catalog this is, what the operator wants
 * of them, whether they are to compare again. Read from PostgreSQL every few seconds by whoever
 * comes first, so that a thousand gateways that ping every five seconds cost three queries; while
 * PostgreSQL is away, and where a policy cannot be read, the last answer stays. Threads: any. */
#ifndef RADPOST_STORAGE_INGEST_TOLD_H
#define RADPOST_STORAGE_INGEST_TOLD_H

#include "proto/link/link.h"

struct audit;
struct keep;
struct told;

/* keep and audit (may be NULL: tests) must outlive it */
struct told *told_new(struct keep *keep, struct audit *audit);
void told_free(struct told **told);
/* Fills all but the time. The clinic's own policy counts instead of the one for all. */
void told_fill(struct told *told, const char *tenant, struct link_ping *out);

#endif
