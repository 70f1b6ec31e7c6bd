/* traffic.h - how much came, by clinic and hour, and how fast each study comes just now. The hours
 * are kept in the catalog, written every ten seconds: what a crash forgets is a few seconds of a
 * statistic. Threads: any. */
#ifndef RADPOST_STORAGE_KEEP_TRAFFIC_H
#define RADPOST_STORAGE_KEEP_TRAFFIC_H

#include "proto/base/base.h"

struct err;
struct keep;
struct traffic;

struct traffic *traffic_new(void);
void traffic_free(struct traffic **traffic);
/* Bytes of a study came over the link. */
void traffic_note(struct traffic *traffic, const char *tenant, const char *study, uint64_t bytes);
/* An instance is held. */
void traffic_object(struct traffic *traffic, const char *tenant);
/* Bytes a second of a study, over the last few seconds; 0: nothing came lately. */
uint64_t traffic_rate(struct traffic *traffic, const char *tenant, const char *study);
/* Write what is due into the catalog; all of it at the end. */
int traffic_write(struct keep *k, bool is_end, struct err *err) MUST_CHECK;

#endif
