/* calls.h - calls of doctors to this clinic: critical findings, which somebody here hears and reads
 * back, and requests to make images again. A call that came is durable here with the cursor; its
 * answer is durable with the message up, in one transaction. What sounds at the desk is every call
 * that nobody has heard; what stays red is every call without an answer.
 * Patient data: never logged. Threads: any. */
#ifndef RADPOST_DESK_CALLS_H
#define RADPOST_DESK_CALLS_H

#include "gateway/desk/book.h"

struct desk_call {
    char call[CLINIC_ID_SIZE];
    bool is_critical; /* else a repeat */
    bool is_on_preview;
    int64_t read;
    char study[CLINIC_UID_SIZE], registration[CLINIC_REGISTRATION_SIZE];
    char patient[CLINIC_NAME_SIZE], modality[17];
    char words[CLINIC_REASON_SIZE], author[CLINIC_NAME_SIZE], hospital[CLINIC_NAME_SIZE];
    int64_t at_us, received_at_us, heard_at_us; /* heard 0: nobody yet */
    char heard_by[CLINIC_NAME_SIZE];
    char outcome[CLINIC_WORD_SIZE]; /* "" none; "read_back" "will_repeat" "cannot_repeat" */
    char answer[CLINIC_REASON_SIZE], answered_by[CLINIC_NAME_SIZE];
    int64_t answered_at_us;
};

/* Those without an answer first, then the newest; free(*out). */
int calls_list(struct book *book, size_t limit, struct desk_call **out, size_t *out_n,
               struct err *err) MUST_CHECK;
/* Somebody is at the desk and has heard it: it sounds no more. Again: changes nothing. login: of an
 * account, whose name is kept; or a program's name.
 * errors  ERR_NOT_FOUND */
int calls_heard(struct book *book, const char *call, const char *login, struct err *err) MUST_CHECK;
/* A critical finding is read back in words; a repeat is promised or refused, with the reason.
 * errors  ERR_NOT_FOUND; ERR_REJECT an outcome of the other kind, no words;
 *         ERR_CONFLICT it has an answer */
int calls_answer(struct book *book, const char *call, const char *outcome, const char *words,
                 const char *login, struct err *err) MUST_CHECK;
/* In a turn (book_mail.c): a CRITICAL or REPEAT that was not taken before; one that was answered
 * already, at another desk or before this file was begun, neither sounds nor stays red. */
int calls_take(struct book *book, const struct clinic_down *m, struct err *err) MUST_CHECK;
/* In a turn: an ANSWERED. What was said here stands. */
int calls_answered(struct book *book, const struct clinic_down *m, struct err *err) MUST_CHECK;

#endif
