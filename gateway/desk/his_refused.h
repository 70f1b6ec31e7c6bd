/* his_refused.h - messages of the HIS that were answered AE or AR, or could not be read: kept for
 * people at the desk, since nobody in the clinic reads the HIS's log. What is wrong with one stands
 * once, and counts. An order that is taken after all is no longer there. Nothing of a patient but
 * the order's number, which goes to who may know of patients. On disk: docs/formats/desk.md.
 * Threads: any. */
#ifndef RADPOST_DESK_HIS_REFUSED_H
#define RADPOST_DESK_HIS_REFUSED_H

#include "proto/base/err.h"

struct book;

struct his_refused {
    int64_t n, first_us, at_us; /* at_us: the last time */
    uint64_t times;
    char peer[46], answer[3]; /* "AE" "AR"; "": nothing could be answered */
    char error[8], place[24]; /* of table 0357, ERR-2; "" none */
    char why[320];            /* as it was answered, for operators */
    char placer[65];          /* the order that was not done; "" not known */
    bool is_order;            /* somebody may be missing in the worklists */
    bool is_seen;
};

int his_refused_put(struct book *book, const struct his_refused *r, struct err *err) MUST_CHECK;
/* The order of this number was taken. */
int his_refused_settle(struct book *book, const char *placer, struct err *err) MUST_CHECK;
/* Somebody has seen what was refused up to this time. */
int his_refused_seen(struct book *book, int64_t until_us, struct err *err) MUST_CHECK;
/* What nobody has seen before what was; the newest first, at most 50; free(*out). */
int his_refused_list(struct book *book, struct his_refused **out, size_t *out_n,
                     struct err *err) MUST_CHECK;
/* What nobody has seen: orders, and other messages. */
int his_refused_counts(struct book *book, uint64_t *out_orders, uint64_t *out_others,
                       struct err *err) MUST_CHECK;

#endif
