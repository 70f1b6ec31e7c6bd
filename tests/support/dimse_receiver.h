/* dimse_receiver.h - a storage peer on loopback that keeps what came last in memory.
 * It takes C-ECHO and C-STORE of every standard class, refuses the caller STRANGER and the called
 * title WRONG, and counts. One at a time. */
#ifndef RADPOST_TESTS_DIMSE_RECEIVER_H
#define RADPOST_TESTS_DIMSE_RECEIVER_H

#include "proto/base/thread.h"
#include "proto/dicom/dimse.h"

struct dimse_receiver {
    struct dimse_listener *listener;
    struct gate gate;
    unsigned serving, stored, echoes, ended, lost;
    unsigned notes[5];
    char syntax[65];
    char instance[65];
    struct buf last;
};

extern struct dimse_receiver dimse_receiver;

void dimse_receiver_start(size_t max_associations, struct dimse_deadlines deadlines);
void dimse_receiver_stop(void);
/* Until a counter of it has reached a value; the test fails after 30 s. */
void dimse_receiver_wait(unsigned *counter, unsigned value);
const char *dimse_receiver_port(void); /* as text */

#endif
