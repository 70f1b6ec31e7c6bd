/* door.h - the reader's front door: sign-in and user administration, the staff pages, and the
 * images of a study for whoever may see it.
 *
 * Pages: "/", "/worklist", "/reads/{read}" ... are one page (staff.html) that finds its way itself.
 * Images: /dicomweb/ and /preview/ are the archive's, handed through as they come, after the right
 * to the study is checked; nothing of them is kept. Who looked is in the audit trail.
 * Threads: any. */
#ifndef RADPOST_READER_DOOR_DOOR_H
#define RADPOST_READER_DOOR_DOOR_H

#include "proto/base/embed.h"
#include "proto/http/server.h"
#include "proto/pg/pg.h"
#include "proto/trust/audit.h"
#include "reader/people/people.h"

struct archive;
struct door;

struct door_options {
    struct pg *pg;
    struct audit *audit;
    struct people *people;
    struct archive *archive;      /* NULL: no images (tests) */
    const struct embedded *pages; /* ended by a row without a path; live as long as the door */
};

struct door *door_new(const struct door_options *options);
/* After the listeners; waits for what still reads from the archive: archive_abort() before. */
void door_free(struct door **door);

/* Routes of the staff listener. */
struct http_table door_staff_table(struct door *door);
/* The patient's pages: "/" and "/v/{token}" (patient.html). */
struct http_table door_patient_table(struct door *door);
/* GET /assets/{name} of the built pages, for the patient listener too. */
struct http_table door_assets_table(struct door *door);
/* A built page by its file name ("staff.html", "patient.html").
 * errors  ERR_NOT_FOUND the pages were not built */
int door_answer_page(struct door *door, struct http_response *res, const char *name,
                     struct err *err) MUST_CHECK;

#endif
