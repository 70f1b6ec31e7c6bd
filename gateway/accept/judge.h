/* judge.h - is an instance what its C-STORE command says? Pure.
 * Refused is only what has no usable UID or contradicts its command. Of the data set no more than
 * the first elements are looked at for that, and what they do not tell is no reason to refuse: a
 * failure stops the queue of many a device, and what is odd can be judged later, on the disk.
 * DICOM: PS3.4 B.2.3. */
#ifndef RADPOST_ACCEPT_JUDGE_H
#define RADPOST_ACCEPT_JUDGE_H

#include "gateway/spool/spool.h"

enum { JUDGE_BYTES = 8192 }; /* of a data set are enough: its UIDs stand in the first few hundred */

/* The status: 0000H, or C000H / A900H with why.
 * abstract_syntax  of the presentation context
 * head             the first JUDGE_BYTES of the data set or more; all of it when it is shorter
 * meta             class and instance as the command says them; completed by the data set, and the
 *                  class by the presentation context, where the command leaves them out */
uint16_t judge_instance(const char *abstract_syntax, const uint8_t *head, size_t n,
                        struct spool_meta *meta, struct err *why);

#endif
