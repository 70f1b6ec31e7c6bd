/* orders.h - what is to be examined: orders from the desk, the clinic's HIS and others, for the
 * devices' worklists.
 *
 * 1. Every order has a registration and shares the patient's row with it: what is corrected at the
 *    desk is what the devices see, and the reader is told of both alike.
 * 2. A registration at the desk makes its order in the same transaction.
 * 3. An order of (source, placer) exists once, however often it is put.
 * 4. States change by orders_states.def only; a step that a device reports twice changes nothing.
 *
 * Patient data: never logged. Threads: any. On disk: docs/formats/desk.md. In words:
 * docs/orders.md. */
#ifndef RADPOST_DESK_ORDERS_H
#define RADPOST_DESK_ORDERS_H

#include "gateway/desk/book.h"

enum order_state {
#define STATE(name, word, meaning) name,
#include "gateway/desk/orders_states.def"
    ORDER_STATES
};
enum order_event {
#define EVENT(name) name,
#include "gateway/desk/orders_states.def"
    ORDER_EVENTS
};

const char *order_state_word(enum order_state state); /* "scheduled" ... */
/* False: the table does not list the pair. */
bool order_next(enum order_state from, enum order_event event, enum order_state *out_to);

enum { ORDER_LO_SIZE = 64 * 4 + 1, ORDER_SH_SIZE = 17, ORDER_PLACER_SIZE = 65 };

/* Text is UTF-8; "" = not known. Names of people as they are written: 王小东; in Latin letters
 * "Wang^XiaoDong" or "Wang XiaoDong". */
struct order {
    int64_t number;                 /* the book's; 0 in order_put() */
    enum order_state state;         /* the book's */
    char source[17];                /* "desk" "hl7" "http" "folder" "command" "centre" "import" */
    char placer[ORDER_PLACER_SIZE]; /* the source's own number of it */
    char registration[CLINIC_REGISTRATION_SIZE]; /* the book's */
    char accession[ORDER_SH_SIZE];               /* ASCII; "": the registration's number */
    char patient_id[65]; /* ASCII; "": the citizen number, else the registration's number */
    char name[CLINIC_NAME_SIZE];
    char pinyin[CLINIC_NAME_SIZE]; /* "Wang^XiaoDong"; "": made from name */
    char citizen_id[19];           /* what is no citizen number is left out */
    char sex[2], birth[9], phone[CLINIC_PHONE_SIZE];
    uint32_t weight_g, height_mm;     /* 0 not known */
    char modality[17];                /* "": any */
    char station[17];                 /* AE title of the one device that may see it; "": any */
    int64_t scheduled_at_us;          /* 0: now */
    char procedure_id[ORDER_SH_SIZE]; /* requested procedure; "": made from number */
    char description[ORDER_LO_SIZE];  /* of the procedure, as people read it */
    char code[ORDER_SH_SIZE], code_scheme[ORDER_SH_SIZE], code_meaning[ORDER_LO_SIZE];
    char study[CLINIC_UID_SIZE]; /* "": made by the book */
    char referring[CLINIC_NAME_SIZE], department[ORDER_LO_SIZE];
    bool is_urgent;
    char reason[CLINIC_REASON_SIZE]; /* of the urgency */
    char complaint[CLINIC_TEXT_SIZE], history[CLINIC_TEXT_SIZE];
    int64_t made_at_us, changed_at_us; /* the book's */
    char attached[CLINIC_UID_SIZE];    /* the book's: the study that came; "" none yet */
    int64_t arrived_at_us;             /* the book's: when its images did; 0 not yet */
    bool is_lowered;                   /* the book's: urgent until a person took it back */
};

/* Make the order, or bring the one of this source and placer number up to date (an unchanged one
 * costs nothing; what has begun keeps its UIDs and its state; a cancelled one is scheduled again;
 * of one that is done only who its patient is may be put right).
 * Its registration is made or corrected with it, and the reader told.
 * errors  ERR_REJECT what field is due or too long (no patient data in it); ERR_CONFLICT it is done
 *         already; ERR_FULL, ERR_RETRY */
int order_put(struct book *book, const struct order *order, struct err *err) MUST_CHECK;
/* The source gave its number to somebody else: a mended name, or a mended number, alone is nobody
 * else. Refused, but in the place of an order that was taken back and has no images: then it is an
 * order of its own. */
bool order_is_other_person(const struct order *known, const struct order *told);
/* errors  ERR_NOT_FOUND; ERR_CONFLICT it has begun or is done */
int order_cancel(struct book *book, const char *source, const char *placer,
                 struct err *err) MUST_CHECK;
/* By whichever is not "": the source's number, the registration, the accession number, the study.
 * The newest of several. errors ERR_NOT_FOUND */
int order_find_placer(struct book *book, const char *source, const char *placer, struct order *out,
                      struct err *err) MUST_CHECK;
int order_find(struct book *book, const char *registration, struct order *out,
               struct err *err) MUST_CHECK;
int order_find_accession(struct book *book, const char *accession, struct order *out,
                         struct err *err) MUST_CHECK;
int order_find_study(struct book *book, const char *study, struct order *out,
                     struct err *err) MUST_CHECK;
struct order_span {
    int64_t from_us, to_us; /* scheduled between these times (UTC), in that order */
    bool is_open;           /* those only that wait for a device or are with one */
    int64_t after;          /* 0; to go on after a row, from_us is its time and this its number */
    size_t limit;
};
/* free(*out). */
int order_list(struct book *book, const struct order_span *span, struct order **out, size_t *out_n,
               struct err *err) MUST_CHECK;
/* For people: those of this day (from day_us to next_us) first, the latest first; then those of the
 * days to come, then those of days before, the latest first. skip: of that order; at most limit.
 * text: "", or what is in the name, its pinyin or a number (the patient's, the citizen's, the
 * accession, the registration's, the source's own), ASCII letters in either case. *out_total: with
 * those that were skipped and those behind. free(*out). */
struct order_search {
    const char *text;
    int64_t from_us, to_us, day_us, next_us;
    size_t skip, limit;
};
int order_search(struct book *book, const struct order_search *search, struct order **out,
                 size_t *out_n, size_t *out_total, struct err *err) MUST_CHECK;
/* A person or a device says how it stands. errors ERR_NOT_FOUND, ERR_CONFLICT no such arrow */
int order_step(struct book *book, int64_t number, enum order_event event,
               struct err *err) MUST_CHECK;

/* The id of its scheduled procedure step, as devices repeat it. */
void order_step_id(const struct order *order, char out[ORDER_SH_SIZE]);

#endif
