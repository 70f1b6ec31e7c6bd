/* orders_lamp.h - the lamp of what comes from the HIS: orders that are fetched (orders_sources.h),
 * and messages over HL7 that were not done (his_refused.h). Nothing of a patient. Threads: any. */
#ifndef RADPOST_DESK_ORDERS_LAMP_H
#define RADPOST_DESK_ORDERS_LAMP_H

#include "gateway/desk/orders_sources.h"
#include "proto/base/jsonw.h"

/* book may be NULL (tests). *out_is_lit false: nothing is fetched, and nothing was refused that
 * nobody has seen. */
int orders_lamp_read(struct orders_sources *sources, struct book *book, struct orders_status *out,
                     bool *out_is_lit, struct err *err) MUST_CHECK;
void orders_lamp_write(struct jsonw *w, const struct orders_status *status, int64_t now_us);

#endif
