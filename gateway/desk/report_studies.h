/* report_studies.h - the studies of the desk's state (report.h): those of today (local time) and
 * those not yet safe. Emergencies on their way first, then the newest. Of more than 200 (5000 where
 * everything is asked for) the last 50 are those that wait longest, the longest first ("longest"
 * says how many), and those in between are counted in "older". Threads: any. */
#ifndef RADPOST_DESK_REPORT_STUDIES_H
#define RADPOST_DESK_REPORT_STUDIES_H

#include "proto/base/err.h"
#include "proto/base/jsonw.h"

struct report_sources;
struct report_studies;

/* *out: report_studies_free().
 * errors  those of the book */
int report_studies_read(const struct report_sources *from, int64_t now_us,
                        struct report_studies **out, struct err *err) MUST_CHECK;
/* "studies", "longest", "older", "set_aside". */
void report_studies_write(const struct report_studies *studies, struct jsonw *w);
void report_studies_free(struct report_studies **studies);

#endif
