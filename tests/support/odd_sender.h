/* odd_sender.h - what some senders put around a data set: elements of group 0002 before it, a few
 * zeros behind it. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_ODD_SENDER_H
#define RADPOST_TESTS_SUPPORT_ODD_SENDER_H

#include "proto/base/buf.h"

struct odd_sender {
    const char *name, *stray; /* bytes before the data set */
    size_t stray_n, zeros;    /* behind it */
};

enum { ODD_SENDERS = 7 };
/* The first is not odd. */
extern const struct odd_sender odd_senders[ODD_SENDERS];

/* Of the bytes at dataset_at on, which are a data set to their end, what the sender sends. */
void odd_sender_sends(const struct odd_sender *sender, struct buf *file, size_t dataset_at);

#endif
