/* orders_own.h - what the files of the desk's orders share. Nobody else's business: the doors are
 * orders.h and orders_json.h. */
#ifndef RADPOST_DESK_ORDERS_OWN_H
#define RADPOST_DESK_ORDERS_OWN_H

#include "gateway/desk/db.h"
#include "gateway/desk/orders.h"

/* ---- orders.c: in a turn of the book ---- */
/* The one row that a query gives, as it stands in the file. errors  ERR_NOT_FOUND */
int order_get_row(struct book *book, const char *query, const struct db_arg *args, size_t n,
                  struct order *out, struct err *err) MUST_CHECK;

/* ---- orders_put.c: in a turn of the book ---- */
/* As order_put(). *out_is_changed: there was something new in it. */
int order_put_one(struct book *book, const struct order *order, bool *out_is_changed,
                  struct err *err) MUST_CHECK;

/* ---- orders_member.c ---- */
/* An order while its members are read. */
struct orders_reading {
    struct order order;
    bool is_cancelled;
    struct err flaw; /* the first member that could not be read, and is left out */
};

/* A member nobody here knows is let through. What is wrong and not due does not keep the patient
 * from the worklist: it is left out, and said in flaw. errors  ERR_REJECT, name first */
int orders_member_set(struct orders_reading *r, const char *name, const char *text,
                      struct err *err) MUST_CHECK;
/* The member's name that a text begins with; "": none. */
const char *orders_member_at(const char *text);

#endif
