/* report.h - the desk's state as JSON, in one place for the page and for programs.
 *     {change, now_us, lamps: {devices, line, disk, clock, certificate ...: {word, colour, ...}},
 *      devices: [...], refused: [...], studies: [...], longest: n, older: n, set_aside: n,
 *      registrations: [...], reports: [...], reader: {...}}            docs/desk.md
 * set_aside counts every quarantined instance, also those whose study could not be read.
 * Threads: any. */
#ifndef RADPOST_DESK_REPORT_H
#define RADPOST_DESK_REPORT_H

#include "gateway/desk/desk.h"
#include "proto/base/buf.h"

struct book;
struct desk_link;
struct desk_troubles;
struct orders_sources;

struct report_sources {
    const struct desk_options *options;
    struct book *book;             /* NULL (tests): no patients, no reports */
    struct desk_link *link;        /* may be NULL */
    struct orders_sources *orders; /* NULL: none are fetched */
    unsigned rights;               /* of who asks: without DESK_WORK nothing of a patient */
    const char *fingerprint;       /* of the page's own certificate; NULL or "": none */
    const char *stale;             /* whose certificate's new files cannot be used: "dicom", "hl7",
                                      "page"; NULL: nobody's */
    const struct desk_troubles *troubles; /* parts that do not run; NULL: all do */
    bool is_everything;                   /* every study the spool has, at most 5000 */
};

/* change: the number to ask again with. Which studies: report_studies.h. */
int report_write(const struct report_sources *sources, uint64_t change, struct buf *out,
                 struct err *err) MUST_CHECK;

#endif
