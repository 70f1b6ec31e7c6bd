/* reconcile.h - once a day, and whenever the centre's catalog may be another one, what was handed
 * over is compared with what the centre has (docs/link-protocol.md, "Reconciliation"). What is not
 * the same is repaired where one of the two sides can: sent again, noted as sealed, told again.
 * What neither has any more is told loudly, at both ends. Part of the uplink: parts.h.
 *
 *     pings, receipts > due > gather claims > days > studies > objects > repair > tell, remember
 *
 * 1. Nothing is called lost that is not gone here and was not asked for by name there. What is has
 * a durable mark in the spool before it is told, is asked for by name each time until it is found,
 *    and is called safe by nobody meanwhile.
 * 2. A repair is a durable arrow of the spool; a kill anywhere costs a comparison, which is due
 *    until one has come to its end and the centre knows how it ended. So is one that was asked for.
 */
#ifndef RADPOST_UPLINK_RECONCILE_H
#define RADPOST_UPLINK_RECONCILE_H

#include "proto/link/reconcile.h"

struct talk;
struct uplink;

/* Guarded by the uplink's gate. */
struct reconciler {
    struct link_reconciled last; /* at_us 0: none yet */
    uint64_t catalog;            /* as the centre's last ping told; 0: it does not tell */
    int64_t wanted_us; /* the centre wants one that began after this moment of its clock */
    bool is_asked;     /* by a person */
    bool was_asked;    /* the one under way: asked for still when it fails */
    /* the cursor was lost so often; due until one that began after that has come to its end */
    unsigned lost_cursors, lost_before;
    bool is_kept_due;
    bool is_running;
    int64_t start_ms;      /* it is due, and begins then; 0: not due */
    int64_t not_before_ms; /* the one before did not come to an end, or found something */
    bool is_follow_up;     /* it found something: is it repaired now? */
    uint64_t told_different, repaired; /* of those that did not come to their end */
    unsigned failures;
    int64_t wish_after_ms; /* the centre's wish is not obeyed before */
};

/* Read what is remembered of the last one. */
void reconcile_begin(struct uplink *up);
void reconcile_end(struct uplink *up);
/* Now and then: does somebody ask for one? The wish outlives a kill until one that began after it
 * has come to its end. */
void reconcile_look(struct uplink *up);
void *reconcile_run(void *up);
/* The centre does not know the receipt our cursor stands at: it was set back. Its newest one is
 * last. Durable before it returns; what was missed is found by comparing. */
int reconcile_cursor_lost(struct uplink *up, uint64_t last, struct err *err) MUST_CHECK;
/* Gate held: what a ping told. */
void reconcile_heard(struct uplink *up, const struct link_ping *ping);

/* --- reconcile_pass.c */
/* One comparison from beginning to end, repairs included; out is to be freed.
 * errors  of the line, or of the spool at what is lost; what was repaired stays, and is counted in
 * out in this case too */
int reconcile_pass(struct uplink *up, struct talk *t, struct link_reconciled *out,
                   struct err *err) MUST_CHECK;

#endif
