/* his_out.h - the workers that hand returned reports to the clinic's own systems: a thread a
 * target, each with waits of its own, so that one that is down holds up no other. After trouble a
 * target rests, longer each time (retry_ms to retry_max_ms), and the report that met it goes behind
 * the others; there is no last try. Threads: its own. */
#ifndef RADPOST_DESK_HIS_OUT_H
#define RADPOST_DESK_HIS_OUT_H

#include "gateway/desk/his_send.h"

struct his_out;

struct his_out_options {
    struct book *book; /* outlives it */
    struct his_settings settings;
    int64_t retry_ms, retry_max_ms;
};

/* Without a target *out is NULL. errors  ERR_REJECT an option; those of the book */
int his_out_start(const struct his_out_options *options, struct his_out **out,
                  struct err *err) MUST_CHECK;
void his_out_stop(struct his_out **out);
/* A person has something sent again: nobody rests any longer. out may be NULL. */
void his_out_wake(struct his_out *out);

/* What was held for HIS_ANOTHER_PATIENT, and is so no more, is due again: the study, the order or
 * the registration was put right. For the thread and for tests, after his_book_owe().
 * errors  the book's */
int his_out_mend(struct book *book, enum his_target target, struct err *err) MUST_CHECK;
/* One delivery of a target, for the thread and for tests. *out_did: one was due. wait_ms: until it
 * is tried again, should it fail; *out_is_down: the target's line is in trouble.
 * errors  the book's */
int his_out_step(const struct his_targets *t, struct book *book, enum his_target target,
                 int64_t wait_ms, bool *out_did, bool *out_is_down, struct err *err) MUST_CHECK;

#endif
