/* orders_fit.h - what a source says of an order, made fit for the book. Pure functions. */
#ifndef RADPOST_DESK_ORDERS_FIT_H
#define RADPOST_DESK_ORDERS_FIT_H

#include "gateway/desk/orders.h"

/* Numbers and days that a HIS has wrong are left out: the examination does not wait for them, and
 * the desk shows what is missing. */
void order_tidy(struct order *o);
/* errors  ERR_REJECT what devices or the centre could not be told */
int order_check(const struct order *o, struct err *err) MUST_CHECK;
/* Into capitals, as DICOM has them. False: a department in words, and "" then. */
bool order_modality_mend(char *modality);
/* A day as systems write one, "20261122", "2026-11-22", "2026/11/22", "2026.11.22", whatever time
 * stands behind it, as YYYYMMDD. False: no day, and out stays. */
bool order_day_read(const char *text, char out[9]);
/* A time: a day, and perhaps blanks or T, hours, minutes, seconds, parted by : or not at all;
 * fractions are passed over. Here, or with Z, +08, +0800, +08:00 there; a day alone begins here.
 * "20261122083000+0800" (HL7), "2026-11-22T08:30:00.372996+08:00", "2026-11-22 08:30:00+08" (SQL).
 * Years 2000 to 2100. False: no time, and *out_us stays. */
bool order_time_read(const char *text, int64_t *out_us);
/* Other systems mark an order urgent and do not say why: then who marked it is what the reader is
 * told, in both languages, as it is kept for whoever reads it. */
void order_give_reason(struct order *o);

#endif
