/* api_write.h - registrations, reports and the reader's line as JSON; see docs/desk.md. */
#ifndef RADPOST_DESK_API_WRITE_H
#define RADPOST_DESK_API_WRITE_H

#include "gateway/desk/book.h"
#include "proto/base/jsonw.h"

/* is_whole: with citizen number and history, which the list of the state leaves out. */
void api_write_registration(struct jsonw *w, const struct book_registration *r, bool is_whole);
/* "reports" and how many there are, wait for confirmation, or to be printed. */
int api_write_reports(struct book *book, size_t skip, size_t limit, struct jsonw *w,
                      struct err *err) MUST_CHECK;
/* "unmatched": why it is attached to nobody (unmatched.def); not there where nothing is known. */
void api_write_unmatched(struct jsonw *w, const char *word, const char *near);

#endif
