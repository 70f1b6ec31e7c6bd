/* orders_json.h - orders as other programs write them: JSON (one object, an array, or an object a
 * line) or a table (TSV: a line of names, then a line an order). Members: docs/orders.md. UTF-8, or
 * GB18030 where it is not. Hostile bytes; errors name a member, never its content.
 * Pure functions over the caller's function. */
#ifndef RADPOST_DESK_ORDERS_JSON_H
#define RADPOST_DESK_ORDERS_JSON_H

#include "gateway/desk/orders.h"
#include "proto/base/jsonw.h"

enum { ORDERS_AT_ONCE = 10000, ORDERS_BYTES = 16 << 20 };

/* What to do with each. Its failure ends the reading only for ERR_RETRY, ERR_FULL and ERR_FATAL. */
typedef int (*orders_each_fn)(void *user, const struct order *order, bool is_cancelled,
                              struct err *err);

struct orders_tally {
    unsigned taken, refused;
    unsigned flagged; /* of those taken: came with a member that could not be read; without it */
    struct err first; /* why the first was refused, or else flagged, with its place */
    size_t place;     /* that one in the list, from 1; 0: there is none */
    char member[24];  /* that it is about, a word of docs/orders.md; "": none of them */
};

/* source: who wrote it ("http" "folder" "command").
 * errors  ERR_REJECT no orders can be made out; those of each() that end the reading */
int orders_read(const uint8_t *bytes, size_t n, const char *source, orders_each_fn each, void *user,
                struct orders_tally *out, struct err *err) MUST_CHECK;
/* The same, put into the book or cancelled there. Done already is taken. */
int orders_take(struct book *book, const uint8_t *bytes, size_t n, const char *source,
                struct orders_tally *out, struct err *err) MUST_CHECK;
void orders_write(struct jsonw *w, const struct order *order);

#endif
