/* settle_lost.h - what the spool knows of a study's images while a person says which of them will
 * not come: who sent them, and which are lost at the centre and gone here (spool_set_lost()).
 *
 *     the book says that they will not come > the spool: for good
 *
 * A kill or a failure in between is made good by the next look (arrivals.c). Threads: any. */
#ifndef RADPOST_DESK_SETTLE_LOST_H
#define RADPOST_DESK_SETTLE_LOST_H

#include "gateway/desk/absences.h"
#include "gateway/spool/spool.h"

struct accept;

struct study_image {
    uint64_t id;
    char instance[65], ae[17];
    bool is_lost, is_gone;
};
/* Without what is kept aside, thrown away or a duplicate; free(*out). */
void study_images(struct spool *spool, const char *study, struct study_image **out, size_t *out_n);
/* Is any device that sent some of them connected? A large image is here only with its last byte. */
bool study_images_are_coming(struct accept *accept, const struct study_image *images, size_t n);
/* As book_absent() and book_awaited() want them, where any is lost, or lost for good; free(). NULL
 * and 0: none is. */
struct book_image *study_images_known(const struct study_image *images, size_t n, size_t *out_n);
/* Those that are lost are so for good, or no more. */
int study_images_settle(struct spool *spool, const struct study_image *images, size_t n,
                        bool is_gone, struct err *err) MUST_CHECK;
/* What the book says will not come, and the spool does not know yet. */
int study_images_finish(struct spool *spool, struct book *book, struct err *err) MUST_CHECK;

#endif
