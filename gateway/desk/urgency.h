/* urgency.h - which studies are emergencies (STAT): said at the desk, with a reason and a name,
 * following from an urgent registration when its images arrive, or raised by a doctor at the
 * reader. Only the clinic takes it back, of a study or of a registration and all its studies, those
 * that come later, too: what somebody at the desk said of a study says more than its registration.
 * Durable here, with the message that tells the reader, before a page is answered
 * (book.h, 1); handed to the uplink after that, and again after a restart until it has it.
 * Patient data: reasons; never logged. Threads: any. */
#ifndef RADPOST_DESK_URGENCY_H
#define RADPOST_DESK_URGENCY_H

#include "gateway/desk/book.h"

struct uplink;

struct book_urgency {
    char study[CLINIC_UID_SIZE];
    bool is_stat;
    char reason[CLINIC_REASON_SIZE], by[CLINIC_NAME_SIZE];
    char side[17]; /* "desk" "registration" "reader" */
    int64_t at_us;
};

/* Somebody at the desk says so. login: of an account, or a program's name.
 * errors  ERR_REJECT a reason is due, or study is no UID */
int book_study_urgency(struct book *book, const char *study, bool is_stat, const char *reason,
                       const char *login, struct err *err) MUST_CHECK;
/* In a turn: a registration was made urgent by this person, or is no more; its studies follow at
 * once. */
int urgency_of_registration(struct book *book, const char *registration, bool is_stat,
                            const char *reason, const char *login, struct err *err) MUST_CHECK;
/* In a turn: who said so, for the studies that come later; is_anew: although somebody had. */
int urgency_note_by(struct book *book, const char *registration, const char *login, bool is_anew,
                    struct err *err) MUST_CHECK;
/* In a turn: a doctor raised it. One that is STAT already keeps its reason. */
int urgency_take(struct book *book, const struct clinic_down *m, struct err *err) MUST_CHECK;
/* Studies that came for urgent registrations become STAT, and it is told of those whose
 * registration is urgent no more that they are not; what the uplink has not been told is told
 * (uplink may be NULL: tests), the newest word last, whoever else takes this step at the same time.
 * blocks  while another thread's step lasts: the uplink syncs its file for each word */
int urgency_step(struct book *book, struct uplink *uplink, struct err *err) MUST_CHECK;
/* What was said since then, by study; free(*out). */
int book_urgencies(struct book *book, int64_t since_us, struct book_urgency **out, size_t *out_n,
                   struct err *err) MUST_CHECK;

#endif
