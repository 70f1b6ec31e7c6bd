/* his_orders.h - a HIS's HL7 orders into the book: ORM^O01, OMG^O19, OMI^O23. Which field means
 * what: docs/hl7.md. Orders are those of the source "hl7", by placer number (orders.h, 3); what a
 * message asks is done, and durable, before it is answered AA; a message told again is answered AA
 * and changes nothing. Patient data: never logged, never in an answer. Threads: any. */
#ifndef RADPOST_DESK_HIS_ORDERS_H
#define RADPOST_DESK_HIS_ORDERS_H

#include "proto/hl7/hl7.h"

struct book;

struct his_verdict {
    const char *code;  /* "AA" "AE" "AR" */
    const char *error; /* of table 0357; NULL: none */
    const char *place; /* ERR-2, or NULL */
    unsigned orders;   /* done */
    bool is_old;       /* done before */
    bool is_order;     /* not done, and somebody may be missing in the worklists for it */
    char placer[65];   /* of the order that was not done; "" not known */
};

/* -1 with err where the verdict is not AA. The bytes are the message's, for knowing it again. */
int his_take(struct book *book, const struct hl7_message *m, const void *bytes, size_t n,
             struct his_verdict *out, struct err *err) MUST_CHECK;

#endif
