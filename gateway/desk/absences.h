/* absences.h - images that devices announced and that will not come: somebody at the desk says so,
 * with a reason and a name. It is said of what is missing just then: what is announced later is
 * awaited, and what arrives after all, or is announced again, is awaited no less than before. Kept
 * here with the message that tells the reader (book.h, 1), also of each change.
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
};

/* All that is missing of the study will not come.
 * missing  how many the person was shown, those of which it was said before too
 * login    of an account
 * errors   ERR_REJECT the reason; ERR_CONFLICT as many are not missing (any more) */
int book_absent(struct book *book, const char *study, uint32_t missing, const char *reason,
                const char *words, const char *login, struct err *err) MUST_CHECK;
/* They may come, after all. errors  ERR_NOT_FOUND nobody said that any would not */
int book_awaited(struct book *book, const char *study, struct err *err) MUST_CHECK;
/* Where any will not come, by study; free(*out). */
int book_absences(struct book *book, struct book_absence **out, size_t *out_n,
                  struct err *err) MUST_CHECK;
/* In a turn in which images were announced, or came: the reader is told what changed by it. */
int absences_tell(struct book *book, struct err *err) MUST_CHECK;

#endif
