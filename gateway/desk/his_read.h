/* his_read.h - one order of a HIS's message as the book's: which field is which member is a table
 * in his_read.c, in words docs/hl7.md. What a HIS has wrong is left out or mended; a number that is
 * longer than its place is refused, since half of one is another. Pure functions. */
#ifndef RADPOST_DESK_HIS_READ_H
#define RADPOST_DESK_HIS_READ_H

#include "gateway/desk/orders.h"
#include "proto/hl7/hl7.h"

#define HIS_SOURCE "hl7" /* order.source */

/* The segments of one order: from its ORC to before the next. What stands before the first ORC is
 * of all orders; what another order says is of that one. */
struct his_group {
    const struct hl7_message *m;
    size_t first; /* the message's first ORC */
    size_t from, end;
};

/* A field of it, or of the patient and the visit before it; "" when it is not there. Returns out.
 */
const char *his_get(const struct his_group *g, const char *segment, unsigned field,
                    unsigned component, char *out, size_t size);
/* errors  ERR_REJECT a field that is too long */
int his_order_read(const struct his_group *g, struct order *out, struct err *err) MUST_CHECK;
/* "20261122083000+0800", "202611220830", "20261122": here where it does not say. False: no time. */
bool his_time_read(const char *text, int64_t *out_us);

#endif
