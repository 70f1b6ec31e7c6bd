/* absences.h - images that devices announced, or that are lost, and that will not come: somebody at
 * the desk says so, with a reason and a name. It is said of what is missing just then: what is
 * announced later is awaited, and what arrives after all, or is announced again, is awaited no less
 * than before. Kept here with the message that tells the reader (book.h, 1), also of each change.
 * Patient data: words; never logged. Threads: any. */
#ifndef RADPOST_DESK_ABSENCES_H
#define RADPOST_DESK_ABSENCES_H

#include "gateway/desk/book.h"
#include "proto/model/absences.h"

struct book_absence {
    char study[CLINIC_UID_SIZE];
    uint32_t images; /* that will not come */
    char reason[ABSENCE_WORD_BYTES], words[CLINIC_REASON_SIZE], by[CLINIC_NAME_SIZE];
    int64_t at_us;
    int64_t turn; /* of what is missing: another one when others are */
};

/* An image of the study that the spool knows, where some of them are lost at the centre and gone
 * here: those are missing, too, and all of them were made. */
struct book_image {
    char instance[65];
    bool is_lost;
};

/* What a person says. */
struct book_saying {
    const char *study, *reason, *words;
    const char *login; /* of an account */
    uint32_t missing;  /* how many they were shown, those of which it was said before too */
    int64_t turn;      /* of what was missing then; < 0: their page does not tell */
    int64_t lost_mark; /* spool_study's now, which the page adds to it */
    const struct book_image *images;
    size_t images_n; /* 0: none of the study is lost */
};
/* All that is missing of the study will not come.
 * errors   ERR_REJECT the reason; ERR_CONFLICT others are missing by now */
int book_absent(struct book *book, const struct book_saying *saying, struct err *err) MUST_CHECK;
/* They may come, after all; what is lost is no longer missed by this.
 * errors  ERR_NOT_FOUND nobody said that any would not */
int book_awaited(struct book *book, const char *study, const struct book_image *images, size_t n,
                 struct err *err) MUST_CHECK;
/* Was it said of this one? */
int book_is_absent(struct book *book, const char *study, const char *instance, bool *out_is,
                   struct err *err) MUST_CHECK;
/* Where any will not come, by study; free(*out). */
int book_absences(struct book *book, struct book_absence **out, size_t *out_n,
                  struct err *err) MUST_CHECK;
/* In a turn in which images were announced, or came: the reader is told what changed by it. */
int absences_tell(struct book *book, struct err *err) MUST_CHECK;

#endif
