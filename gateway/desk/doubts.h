/* doubts.h - whose images: what is odd about a study, questions of "A or B?", exams that came as
 * several studies. All of it is durable here, with the message that tells the reader, before a page
 * is answered (book.h, 1). Bits: proto/model/doubts.def. Patient data: never logged. Threads: any.
 */
#ifndef RADPOST_DESK_DOUBTS_H
#define RADPOST_DESK_DOUBTS_H

#include "gateway/desk/book.h"

struct spool;
struct spool_study;

/* Something odd was found: told to the reader if it is new. */
int book_doubt_put(struct book *book, const char *study, uint32_t bits, struct err *err) MUST_CHECK;
/* The same of images that say another person than the study's first: identity is who, by the digest
 * in hexadecimal. One more person than was known is a new question, whatever was confirmed. */
int book_doubt_reused(struct book *book, const char *study, uint32_t bits, const char *identity,
                      struct err *err) MUST_CHECK;
/* Somebody at the desk looked: it is as it is, which does not say whose it is.
 * shown   the bits they saw; 0: the study needs nobody of those registered, and is asked about no
 * more, until it was somebody's and is nobody's again. Says nothing of what is odd about it
 * others  of how many other people the study was to their knowledge; UINT64_MAX: they were not told
 * errors  ERR_NOT_FOUND nothing is odd, or it is somebody's; ERR_CONFLICT something else is odd by
 * now, or "A or B?" is to be answered first; ERR_REJECT a reason is due */
int book_doubt_confirm(struct book *book, const char *study, uint32_t shown, uint64_t others,
                       const char *by, const char *reason, struct err *err) MUST_CHECK;
/* In a turn: the study was attached, so a missing number says nothing any more. */
int doubts_attached(struct book *book, const char *study, struct err *err) MUST_CHECK;
/* In a turn: its registration went to another study, it is nobody's again. */
int doubts_detached(struct book *book, const char *study, struct err *err) MUST_CHECK;

/* In a turn: a study that is nobody's bears one person's number and says another (is), or does so
 * no more. io_is_news: it is another person or says another thing than was known, so that nobody
 * has confirmed this; true after, too, when the reader was told. */
int doubts_anothers(struct book *book, const char *study, bool is, bool *io_is_news,
                    struct err *err) MUST_CHECK;

/* The same image came for somebody else: entry was put aside. One question for all images of one
 * pair of studies and one second person; an answer given covers those that come later. */
struct book_exam { /* as the images say; "" */
    char date[17], time[17], number[65], description[257];
};
struct book_correction {
    const char *study, *other_study;
    const char *identity;            /* of the second, in hexadecimal */
    struct book_study first, second; /* arrived_at_us: of the image of each */
    struct book_exam first_exam, second_exam;
    uint64_t entry;
};
int book_correction_put(struct book *book, const struct book_correction *c,
                        struct err *err) MUST_CHECK;
/* is_second: the second is right, the images at the centre name the wrong person: the reader is
 * told who it is, and the study goes to that person's registration ("" none). Else the first is.
 * Stored bytes never change. The last answer counts, of those that were given in the knowledge of
 * the one before: seen is the answer that by saw ("" none, "first", "second"; NULL: whatever).
 * errors  ERR_NOT_FOUND no such question or registration; ERR_CONFLICT it is another answer by now,
 * with who gave it */
int book_correction_answer(struct book *book, int64_t n, bool is_second, const char *registration,
                           const char *seen, const char *by, struct err *err) MUST_CHECK;

/* One exam came as several: this study is the registration's, too (its first, if it has none).
 * errors  ERR_NOT_FOUND */
int book_join(struct book *book, const char *registration, const char *study,
              struct err *err) MUST_CHECK;

/* Is an "A or B?" open on the study, on either side of it? What the book cannot say counts as open,
 * and is logged. */
bool book_is_asked(struct book *book, const char *study);

/* Is nothing of the study here but what was put aside as another's, answered or not? Then it is no
 * exam, and nobody's. */
int book_study_is_aside(struct book *book, struct spool *spool, const char *study, bool *out,
                        struct err *err) MUST_CHECK;

/* Questions as they bear on "safe to delete". */
struct book_question {
    char study[CLINIC_UID_SIZE], other_study[CLINIC_UID_SIZE];
    bool is_open;
    uint64_t instances; /* of other_study, put aside just now; counted of what is answered */
};
/* To be asked after the studies were: what was thrown away in between is counted as aside, never
 * another image in its place. */
int book_questions(struct book *book, struct spool *spool, struct book_question **out,
                   size_t *out_n, struct err *err) MUST_CHECK;
/* As book_study_is_aside(), of a study as the spool counts it. */
bool doubts_study_is_aside(const struct book_question *questions, size_t n,
                           const struct spool_study *study);
/* The study without what was put aside and answered; *out_is_open: nothing of it is safe. */
void doubts_settle_study(const struct book_question *questions, size_t n, struct spool_study *study,
                         bool *out_is_open);

#endif
