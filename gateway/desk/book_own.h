/* book_own.h - what the book's files share. */
#ifndef RADPOST_DESK_BOOK_OWN_H
#define RADPOST_DESK_BOOK_OWN_H

#include "gateway/desk/book.h"
#include "gateway/desk/db.h"
#include "proto/base/thread.h"
#include "proto/model/who.h"

struct book {
    struct db *db;
    char *dir, *clinic_phone;
    struct gate gate;
    uint64_t change;         /* gate */
    pthread_mutex_t urgency; /* urgency_step(): taken before any other lock */
    pthread_mutex_t aside;   /* what is put aside is asked about, thrown away or taken back by one
                                at a time, from the look at it to its end: taken first, too */
    char tag[5];             /* in a turn: the letters of the numbers given now; "": not drawn */
    char boot[64];           /* which start of the machine this is */
    bool is_clock_seen;      /* gate: book_clock_look() */
    int64_t clock_offset_ms; /* gate */
    int64_t clock_centre_ms; /* gate */
};

/* Something a page may show has changed. */
void book_changed(struct book *book);
/* In a turn: a value that lasts; "" when it was never set. */
int setting_get(struct book *book, const char *key, char *out, size_t size,
                struct err *err) MUST_CHECK;
int setting_set(struct book *book, const char *key, const char *value, struct err *err) MUST_CHECK;
/* The revision after one that is known (0: none) of what the reader is told about a study: it grows
 * also when this file was lost and begun anew, so it is never under the seconds of the clock. */
uint32_t book_revision_after(uint32_t known);
/* book_clock.c. In a turn, before anything is dated: what the clock's last setting made wrong. */
int clock_follow(struct book *book, struct err *err) MUST_CHECK;
void clock_name_boot(struct book *book);
/* In a turn: queue a message. up->id is drawn. */
int outbox_add(struct book *book, struct clinic_up *up, struct err *err) MUST_CHECK;
/* A row of registration_get and its like. */
void registration_read(const struct db_rows *rows, size_t i, struct book_registration *r);
/* In a turn. errors  ERR_NOT_FOUND */
int registration_get(struct book *book, const char *registration, struct book_registration *out,
                     struct err *err) MUST_CHECK;
/* In a turn: number and times are given, the message queued. */
int registration_add(struct book *book, struct book_registration *r, struct err *err) MUST_CHECK;
int registration_change(struct book *book, const struct book_registration *r,
                        struct err *err) MUST_CHECK;
/* In a turn: what book_urgent() does. */
int registration_say_urgent(struct book *book, const struct book_registration *r, bool is_urgent,
                            const char *reason, struct audit *audit, const char *by,
                            struct err *err) MUST_CHECK;
/* In a turn, orders.c: the order that a registration at the desk makes; its name's pinyin. */
int order_of_registration(struct book *book, const struct book_registration *r,
                          struct err *err) MUST_CHECK;
/* In a turn: the order a device's step is of, 0 none: by the study it was told, else by the
 * accession number and the step's id, else by the accession number alone. */
int order_of_step(struct book *book, const char *study, const char *accession, const char *step_id,
                  int64_t *out_number, struct err *err) MUST_CHECK;
/* In a turn: as far as the table allows; what it does not list changes nothing. */
int order_try_step(struct book *book, int64_t number, unsigned event, struct err *err) MUST_CHECK;
int order_follow_name(struct book *book, const struct book_registration *r,
                      struct err *err) MUST_CHECK;
/* In a turn: order_put() or order_cancel() of its source and placer; errors as theirs. */
struct order;
int order_take(struct book *book, const struct order *order, bool is_cancelled,
               struct err *err) MUST_CHECK;
/* In a turn: the name that people know of who has this login; the login where nobody has it. */
int book_name_of(struct book *book, const char *login, char out[CLINIC_NAME_SIZE],
                 struct err *err) MUST_CHECK;
/* book_match.c. What images, or a report of them, say of their patient. */
struct book_said {
    const char *patient_id, *accession; /* as they stand in the images */
    struct who who;
};
/* Who was registered or ordered: of a number that they bear. */
struct book_owner {
    const char *registration, *citizen_id, *patient_id, *pinyin;
    struct who who;
};
/* They are of somebody else: what they say contradicts the owner, or their Patient ID is not the
 * owner's and is a citizen's, or stands beside a name that is not the owner's. *out_is_open: not
 * so, but the Patient ID is none of the owner's: it may be somebody's that only the book knows. */
bool book_is_anothers(const struct book_said *said, const struct book_owner *owner,
                      bool *out_is_open);
/* In a turn: the same, what only the book knows included. */
int book_contradicts(struct book *book, const struct book_said *said,
                     const struct book_owner *owner, bool *out, struct err *err) MUST_CHECK;
/* In a turn: attach, with its message. */
int registration_attach(struct book *book, const struct book_registration *r, const char *study,
                        const char *by, struct err *err) MUST_CHECK;

#endif
