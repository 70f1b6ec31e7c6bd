/* queue_door.h - what a person does to entries (hold, release, requeue, discard), and a unix socket
 * in the spool's folder by which `radpost queue` asks the running gateway for it. A request is one
 * line, "WORD ID" (discard: "WORD ID REASON"); the answer is one line, "KIND TEXT", KIND the number
 * of an err_kind, 0 = done. Only the socket's owner and root are heard. */
#ifndef RADPOST_SPOOL_QUEUE_DOOR_H
#define RADPOST_SPOOL_QUEUE_DOOR_H

#include "gateway/spool/spool.h"

#define QUEUE_LINE_BYTES 512

/* word: "hold", "release" (from quarantine or a discard, or what is kept back), "requeue",
 *         "discard"
 * reason  of a discard, a word of reject_reasons.def; NULL for the others
 * errors  ERR_REJECT no such word or reason, else as the spool's functions */
int queue_act(struct spool *sp, const char *word, uint64_t id, const char *reason,
              struct err *err) MUST_CHECK;

struct queue_door;
int queue_door_open(struct spool *sp, const char *dir, struct queue_door **out_door,
                    struct err *err) MUST_CHECK;
void queue_door_close(struct queue_door **door);
/* The other end.
 * out_is_running  set in every case: a gateway listens there
 * errors          what it answered; ERR_RETRY none is running */
int queue_door_ask(const char *dir, const char *word, uint64_t id, const char *reason,
                   bool *out_is_running, struct err *err) MUST_CHECK;

#endif
