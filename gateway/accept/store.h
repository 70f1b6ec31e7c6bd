/* store.h - one C-STORE into the spool. */
#ifndef RADPOST_ACCEPT_STORE_H
#define RADPOST_ACCEPT_STORE_H

#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"

/* Take the data set of a C-STORE-RQ, make it durable, answer.
 * out_status  what was answered; why (fresh) says more when it is not 0000H
 * errors      only of the association: it is over then */
int store_instance(struct dimse_assoc *assoc, struct spool *spool, uint64_t spool_association,
                   const struct dimse_command *request, uint16_t *out_status, uint64_t *out_entry,
                   struct err *why, struct err *err) MUST_CHECK;

#endif
