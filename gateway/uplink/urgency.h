/* urgency.h - how soon which study is wanted, who said so and why: a small table that lasts.
 * On disk: docs/formats/urgency.md, written whole at each change. Pure but for load and save.
 * Threads: the owner's lock. */
#ifndef RADPOST_UPLINK_URGENCY_H
#define RADPOST_UPLINK_URGENCY_H

#include "gateway/uplink/uplink.h"

#include "proto/base/buf.h"

enum { URGENCY_ROWS = 1000, URGENCY_FILE_BYTES = 1 << 20 };

struct urgency {
    struct uplink_urgent *rows; /* oldest word first */
    size_t n;
};

void urgency_fini(struct urgency *u);
/* NULL: nobody said anything. */
const struct uplink_urgent *urgency_find(const struct urgency *u, const char *study);
/* A copy of `from` with this word in it; the oldest of what is routine goes when there are too
 * many, else the oldest.
 * errors  ERR_REJECT the study's number, no reason or no name; ERR_DENIED the centre's reader
 *         would lower it. Texts are cut and made one line. */
int urgency_with(const struct urgency *from, const struct uplink_urgent *said, struct urgency *out,
                 struct err *err) MUST_CHECK;

void urgency_write(const struct urgency *u, struct buf *out);
/* errors  ERR_REJECT it is none of ours, or broken */
int urgency_read(const uint8_t *bytes, size_t n, struct urgency *out, struct err *err) MUST_CHECK;
/* Not there: empty. What cannot be read goes to dir/corrupt, beside what is there.
 * out_was_corrupt  it did; the table is empty then
 * errors           it can neither be read nor put aside: saving would write over it */
int urgency_load(const char *dir, struct urgency *out, bool *out_was_corrupt,
                 struct err *err) MUST_CHECK;
int urgency_save(const char *dir, const struct urgency *u, struct err *err) MUST_CHECK;

#endif
