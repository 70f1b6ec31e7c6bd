/* archive_reader.h - a study of three images in an archive_world, and what a reader hears of it.
 * cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_ARCHIVE_READER_H
#define RADPOST_TESTS_SUPPORT_ARCHIVE_READER_H

#include "reader/archive/archive.h"
#include "tests/support/archive_world.h"

/* Study 1.2.3 of clinic-a, and a report of it. */
extern const struct keep_sender study_gate;
extern const struct slice study_slices[3];
extern const struct slice study_report;

/* The first two images, closed. */
void study_put(struct archive_world *w);

struct heard {
    char text[2048]; /* a line an event; the test's to empty */
    struct archive_cursor at;
    bool is_lost;
};

/* What came since: archive_events() and its errors. */
int hear_more(struct archive *archive, struct heard *h, unsigned wait_s, struct err *err);

#endif
