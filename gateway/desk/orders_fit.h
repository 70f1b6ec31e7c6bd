/* orders_fit.h - what a source says of an order, made fit for the book. Pure functions. */
#ifndef RADPOST_DESK_ORDERS_FIT_H
#define RADPOST_DESK_ORDERS_FIT_H

#include "gateway/desk/orders.h"

/* Numbers and days that a HIS has wrong are left out: the examination does not wait for them, and
 * the desk shows what is missing. */
void order_tidy(struct order *o);
/* errors  ERR_REJECT what devices or the centre could not be told */
int order_check(const struct order *o, struct err *err) MUST_CHECK;
/* Other systems mark an order urgent and do not say why: then who marked it is what the reader is
 * told, in both languages, as it is kept for whoever reads it. */
void order_give_reason(struct order *o);

#endif
