/* notes.h - what the desk notes beside its patients: images that were rejected, with the reason and
 * who said so; and which reports were printed. Threads: any. */
#ifndef RADPOST_DESK_NOTES_H
#define RADPOST_DESK_NOTES_H

#include "gateway/desk/api.h"
#include "proto/link/clinic.h"

extern const struct http_route notes_routes[];
extern const size_t notes_route_count;

/* images of a study (made on the device and not good enough) for a reason; words may be "".
 * errors  ERR_REJECT no such reason */
int notes_reject(struct book *book, const char *study, const char *reason, unsigned images,
                 const char *words, const char *by, struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND no such report */
int notes_printed(struct book *book, int64_t read, uint32_t version, const char *by,
                  struct err *err) MUST_CHECK;
/* It was opened and did not come out of the printer: it waits to be printed again.
 * errors  ERR_NOT_FOUND it was not opened */
int notes_unprinted(struct book *book, int64_t read, uint32_t version, struct err *err) MUST_CHECK;
/* Sections of the state: "rejects" (of a month), "reject_counts", "printed". */
int notes_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

#endif
