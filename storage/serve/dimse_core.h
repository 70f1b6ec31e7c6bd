/* dimse_core.h - what the files of the DIMSE door share: who asks, and the requests.
 * Nobody else's business; the door is dimse_serve.h. */
#ifndef RADPOST_STORAGE_SERVE_DIMSE_CORE_H
#define RADPOST_STORAGE_SERVE_DIMSE_CORE_H

#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/dicom/dimse_identifier.h"
#include "proto/trust/audit.h"
#include "proto/trust/token.h"
#include "storage/keep/keep.h"
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

#endif
