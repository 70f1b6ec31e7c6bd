/* his_told.h - under which order, and with which words about the patient, a report was told to a
 * target: its withdrawal goes there, whatever became of the order since, and whoever the study was
 * attached to. Kept before the first byte leaves, as a try is (his_book.h). On disk:
 * docs/formats/desk.md. Patient data: never logged. Threads: any. */
#ifndef RADPOST_DESK_HIS_TOLD_H
#define RADPOST_DESK_HIS_TOLD_H

#include "gateway/desk/his_report.h"

/* This report, by this delivery; a withdrawal is not kept. */
int his_told_put(struct book *book, const struct his_delivery *d, const struct his_report *r,
                 struct err *err) MUST_CHECK;
/* Of a withdrawal: the order as the version was told, else the newest version that was; as it is
 * where none is known. */
int his_told_get(struct book *book, const struct his_delivery *d, struct his_report *io,
                 struct err *err) MUST_CHECK;

#endif
