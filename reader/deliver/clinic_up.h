/* clinic_up.h - what the files that do a desk's messages share. */
#ifndef RADPOST_READER_DELIVER_CLINIC_UP_H
#define RADPOST_READER_DELIVER_CLINIC_UP_H

#include "reader/deliver/clinic.h"

enum { ACTOR_BYTES = 80 };

/* One message being done. */
struct doing {
    struct deliver *d;
    struct pg_conn *conn;
    const struct clinic_sender *sender;
    const struct clinic_up *up;
    int64_t now_us;
    const char *word; /* what came of it */
};

/* "desk:DEVICE" */
void clinic_actor(const struct doing *w, char out[ACTOR_BYTES]);
/* clinic_said.c: what the desk says about a study, whether or not it is a registration's. */
int clinic_do_doubt(struct doing *w, struct err *err) MUST_CHECK;
int clinic_do_study_urgent(struct doing *w, struct err *err) MUST_CHECK;
int clinic_do_absent(struct doing *w, struct err *err) MUST_CHECK;

#endif
