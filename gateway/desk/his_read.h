/* his_read.h - one order of a HIS's message as the book's: which field is which member is a table
 * in his_read.c, in words docs/hl7.md. What a HIS has wrong is left out or mended; a number that is
 * longer than its place is refused, since half of one is another. Pure functions. */
#ifndef RADPOST_DESK_HIS_READ_H
#define RADPOST_DESK_HIS_READ_H

#include "gateway/desk/orders.h"
#include "proto/hl7/hl7.h"

#define HIS_SOURCE "hl7" /* order.source */

/* The segments of one order: from its ORC to before the next, or to before another OBR of the same
 * ORC, which is an order of its own, by its OBR-2. What stands before the first ORC is of all
 * orders, what stands before an ORC's first OBR of all of its orders; what another order says is of
 * that one. */
struct his_group {
    const struct hl7_message *m;
    size_t first; /* the message's first ORC */
    size_t from, end;
    size_t orc, shared_end; /* of a further OBR: its ORC to before the first OBR; else 0 */
};

/* A field of it, or of the patient and the visit before it; "" when it is not there. Returns out.
 */
const char *his_get(const struct his_group *g, const char *segment, unsigned field,
                    unsigned component, char *out, size_t size);
/* The source's number: ORC-2 or OBR-2, of a further OBR OBR-2 alone; "" none. Returns out. */
const char *his_number(const struct his_group *g, char *out, size_t size);
/* All but when it is due. errors  ERR_REJECT a field that is too long */
int his_order_read(const struct his_group *g, struct order *out, struct err *err) MUST_CHECK;
/* When it is due: now only where nothing is said, never where it cannot be read.
 * errors  ERR_REJECT a time that is none; its field is named */
int his_schedule_read(const struct his_group *g, struct order *out, struct err *err) MUST_CHECK;

#endif
