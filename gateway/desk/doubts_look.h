/* doubts_look.h - reads from the spool what is odd about arriving images and the questions "A or
 * B?", into the book. Driven by look.c's thread; memory only: after a restart all is looked at
 * again, and the book knows what is no news. Threads: one. */
#ifndef RADPOST_DESK_DOUBTS_LOOK_H
#define RADPOST_DESK_DOUBTS_LOOK_H

#include "gateway/desk/book.h"

struct accept;
struct dcm_facts;
struct doubts_look;
struct spool;
struct spool_study;

/* accept may be NULL (tests): no device's row is asked how texts are read. */
struct doubts_look *doubts_look_new(struct spool *spool, struct accept *accept, struct book *book);
void doubts_look_free(struct doubts_look **look);
/* As after a restart: entries that were done with may be under way again. */
void doubts_look_again(struct doubts_look *look);
/* Everything that is inspected by now.
 * errors  those of the book: call again */
int doubts_look_step(struct doubts_look *look, struct err *err) MUST_CHECK;

/* What an entry says of its patient and order, its texts read as its device's row says.
 * errors  ERR_NOT_FOUND its bytes are gone; ERR_REJECT it cannot be read; ERR_RETRY */
int look_facts(struct spool *spool, struct accept *accept, uint64_t entry, struct book_study *out,
               struct err *err) MUST_CHECK;
/* The same, as it stands there. */
int look_all_facts(struct spool *spool, struct accept *accept, uint64_t entry,
                   struct dcm_facts *out, struct err *err) MUST_CHECK;

/* Is all that is here of the study put aside as another's images, or about to be? Then it is no
 * exam of anybody's. */
bool look_is_anothers(struct spool *spool, const struct spool_study *study);

/* Which of these studies are parts of one exam: bits of proto/model/doubts.def, one a study. */
struct doubts_arrived {
    const char *ae, *modality, *patient_id, *name;
    int64_t arrived_at_us;
    uint64_t images;
};
void doubts_of_arrivals(const struct doubts_arrived *studies, size_t n, uint32_t *out_bits);

#endif
