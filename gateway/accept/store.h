/* store.h - one C-STORE into the spool. */
#ifndef RADPOST_ACCEPT_STORE_H
#define RADPOST_ACCEPT_STORE_H

#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"

#include <stdatomic.h>

/* Under which terms an instance is taken. */
struct store_terms {
    uint64_t spool_association;
    const char *quarantine; /* word of quarantine.def; "" = none */
    _Atomic uint64_t *room; /* NULL, or bytes that are left for such instances: past it
                               A700H. What is kept is taken off */
};

/* Of the room, an instance takes at least so much: small ones cost entries. */
#define STORE_ROOM_LEAST (256u * 1024)

struct store_result {
    uint16_t status;       /* what was answered */
    uint64_t entry;        /* of the spool, if that is 0000H */
    struct err why;        /* else */
    char sop_instance[65]; /* the command's, or where that has none the data set's; "" = neither */
};

/* Take the data set of a C-STORE-RQ, make it durable, answer.
 * errors  only of the association: it is over then */
int store_instance(struct dimse_assoc *assoc, struct spool *spool, const struct store_terms *terms,
                   const struct dimse_command *request, struct store_result *out,
                   struct err *err) MUST_CHECK;

#endif
