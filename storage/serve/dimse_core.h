/* dimse_core.h - what the files of the DIMSE door share: who asks, and the requests.
 * Nobody else's business; the door is dimse_serve.h. */
#ifndef RADPOST_STORAGE_SERVE_DIMSE_CORE_H
#define RADPOST_STORAGE_SERVE_DIMSE_CORE_H

#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/trust/audit.h"
#include "proto/trust/token.h"
#include "storage/keep/keep.h"
#include "storage/serve/dimse_identifier.h"
#include "storage/serve/dimse_serve.h"

struct dimse_serve {
    struct dimse_serve_options options;
    char ae[17];
    char *scratch;
    struct dimse_listener *listener;
};

/* One association being served. */
struct dimse_talk {
    struct dimse_serve *s;
    struct dimse_assoc *assoc;
    struct keep_ae caller; /* as of the request at hand */
    struct log_ctx log;
    uint64_t stored, found, sent;
};

/* Each takes one request with its data set, and answers it. errors: of the association only. */
int dimse_serve_store(struct dimse_talk *t, const struct dimse_command *rq,
                      struct err *err) MUST_CHECK;
int dimse_serve_find(struct dimse_talk *t, const struct dimse_command *rq,
                     struct err *err) MUST_CHECK;
int dimse_serve_retrieve(struct dimse_talk *t, const struct dimse_command *rq,
                         struct err *err) MUST_CHECK;

/* Answer with a status and a comment (public words; NULL = none). */
int dimse_say(struct dimse_talk *t, const struct dimse_command *rq, uint16_t status,
              const char *comment, struct err *err) MUST_CHECK;
void dimse_log_failed(const struct dimse_talk *t, const struct dimse_command *rq,
                      const struct err *why);
/* Log what went wrong inside and answer with its kind's status and sentence. */
int dimse_say_error(struct dimse_talk *t, const struct dimse_command *rq, const struct err *why,
                    struct err *err) MUST_CHECK;
/* Read the identifier that follows. out_status 0: it is there (fini it); else what to answer. */
int dimse_take_identifier(struct dimse_talk *t, const struct dimse_command *rq,
                          struct dimse_identifier *out, uint16_t *out_status, struct err *why,
                          struct err *err) MUST_CHECK;

/* ---- sub-operations: one instance to a peer (dimse_send.c) ---- */

enum dimse_sent { DIMSE_SENT, DIMSE_SENT_WARNING, DIMSE_SENT_FAILED };

struct dimse_sub {
    struct dimse_assoc *to;
    uint16_t message_id;
    char originator[17]; /* C-MOVE: who asked; "" for C-GET */
    uint16_t originator_id;
    uint16_t cancel_id; /* C-GET: a C-CANCEL for this message may come in between; 0 = none may */
    bool is_cancelled;  /* it came */
};

/* Is there an agreed context for this instance, stored or decoded? */
bool dimse_can_send(const struct dimse_assoc *to, const char *sop_class, const char *syntax);
/* out_sent says how it went; an instance that cannot be read or decoded is DIMSE_SENT_FAILED.
 * errors  of the association to the receiver: it is over */
int dimse_send_instance(struct dimse_talk *t, struct dimse_sub *sub, const struct keep_place *place,
                        enum dimse_sent *out_sent, struct err *err) MUST_CHECK;

#endif
