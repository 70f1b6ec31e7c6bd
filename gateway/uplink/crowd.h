/* crowd.h - how many connections carry a line's images at once. One that keeps its rate under
 * random loss (BBR) is nearly enough; where each loss halves the rate (CUBIC), more of them gain.
 * It is found by trying: while there is always more to send than leaves, one more is let in for a
 * spell; it stays if the line then carries more, else it goes and the next try waits longer. Pure
 * functions of the time they are given. Threads: the owner's lock. */
#ifndef RADPOST_UPLINK_CROWD_H
#define RADPOST_UPLINK_CROWD_H

#include "proto/base/base.h"

enum { CROWD_FIRST = 2 };

struct crowd {
    unsigned n, most;
    int64_t spell_ms; /* the present spell began; 0: none */
    uint64_t spell_bytes;
    double rate; /* bytes a second of the last whole spell without the one on trial */
    bool is_trial;
    unsigned failed;
    int64_t next_ms; /* no trial before */
};

/* May one more send? streaming: as many do; still: of these stand still, TCP waits with them. Over
 * a line that answers they do not count; into a cut nothing more goes. */
bool crowd_has_place(const struct crowd *c, unsigned streaming, unsigned still, bool is_answering);

void crowd_init(struct crowd *c, unsigned most);
/* Now and then while something is sent. sent_bytes: all that ever left. is_full: since the last
 * look every connection that may had something to send, and no cap held it back. */
void crowd_look(struct crowd *c, uint64_t sent_bytes, bool is_full, int64_t now_ms);

#endif
