/* mpps.h - devices tell how an examination goes: Modality Performed Procedure Step (PS3.4 F.7,
 * 1.2.840.10008.3.1.2.3.3, N-CREATE and N-SET).
 *
 *     N-CREATE (IN PROGRESS) > N-SET... > N-SET (COMPLETED or DISCONTINUED), then no more
 *
 * 1. What is answered 0000H is durable, with what follows from it: the order's state, the instances
 *    that are expected of the study, the dose; one transaction.
 * 2. A final step changes no more: 0110H with error id A710H. A UID is created once: 0111H. One
 * that nobody created: 0112H. Without what the standard asks for: 0106H, 0120H, 0121H.
 * 3. A step whose order nobody knows is kept all the same. So is one whose patient contradicts the
 *    order's: a console may still hold the last patient's entry, and that order stands as it was.
 * 4. A step that is broken off takes its order away only where none of its others runs or is done;
 *    one begun with the wrong worklist entry (110514) puts it back. What it lists is awaited all
 *    the same, for the device made it: only a person says that it will not come.
 *
 * Patient data: never logged. Threads: any. */
#ifndef RADPOST_DESK_MPPS_H
#define RADPOST_DESK_MPPS_H

#include "gateway/desk/book.h"
#include "gateway/desk/mpps_read.h"

struct accept;
struct mpps;

/* Associations that begin later are offered it. */
void mpps_start(struct book *book, struct accept *accept, struct mpps **out_mpps);
/* After the door is closed. */
void mpps_stop(struct mpps **mpps);

/* One message. The status to answer; why says more when it is not 0000H. body: the data set as
 * DICOM JSON, kept as it was said. error_id as in dimse_command.h. */
uint16_t mpps_create(struct book *book, const char *uid, const char *device,
                     const struct mpps_said *said, const char *body, struct err *why);
uint16_t mpps_set(struct book *book, const char *uid, const struct mpps_said *said,
                  const char *body, uint16_t *out_error_id, struct err *why);

/* How the steps of a study stand, and what they say is to come. */
struct mpps_study {
    char study[CLINIC_UID_SIZE];
    enum mpps_state state; /* IN PROGRESS while any is, else COMPLETED if any is */
    uint32_t expected;     /* instances that devices say they made; 0: nobody said */
    uint32_t missing;      /* of them, not here; those that will not come, too */
    int64_t turn;          /* of mpps_missing() only: another one when others are missing */
};
/* Studies with a step, or with instances expected, since then; free(*out). */
int mpps_studies(struct book *book, int64_t since_us, struct mpps_study **out, size_t *out_n,
                 struct err *err) MUST_CHECK;
/* Every study of which something announced has not come and may come still (absences.h), however
 * long ago it was announced (a clock may jump), by UID; `missing` and `turn` are of what may come,
 * `state` is not set. free(*out). */
int mpps_missing(struct book *book, struct mpps_study **out, size_t *out_n,
                 struct err *err) MUST_CHECK;
/* Of one study; expected 0 where nothing is known. */
int mpps_expected(struct book *book, const char *study, uint32_t *out_expected,
                  uint32_t *out_missing, struct err *err) MUST_CHECK;
/* Devices say (commitment: transaction, MPPS: step) that these are of the study. In a transaction
 * of its own. */
int mpps_expect(struct book *book, const char *study, const char *by, const char (*instances)[65],
                size_t n, struct err *err) MUST_CHECK;

/* What came of what was announced. However much there is, each turn of the book is short: of a
 * batch; the spool is asked between turns. */
/* These arrived, or were let go on; *out_arrived: how many were missing. */
int mpps_arrived(struct book *book, const char (*instances)[65], size_t n, unsigned *out_arrived,
                 struct err *err) MUST_CHECK;
/* is_here() is asked about each that was announced since the last call; what is here is noted. */
int mpps_settle(struct book *book, bool (*is_here)(void *user, const char *instance), void *user,
                unsigned *out_arrived, struct err *err) MUST_CHECK;
/* The same about a batch of all that are missing. walk: zeroed at first; is_done: it has seen all
 */
struct mpps_walk {
    char study[CLINIC_UID_SIZE];
    char instance[65];
    bool is_done;
};
int mpps_settle_again(struct book *book, struct mpps_walk *walk,
                      bool (*is_here)(void *user, const char *instance), void *user,
                      unsigned *out_arrived, struct err *err) MUST_CHECK;
/* In which study each is that a step lists and that came: steps name what the worklist gave, a
 * console may make its own, and a step may be of several. What is missing moves with its series; of
 * a series of which nothing came, it is missing in every study that has an image of the step.
 * where  false: none of it is here; else *out_study, "" while nobody has looked into it */
typedef bool (*mpps_where_fn)(void *user, const char *instance, char out_study[CLINIC_UID_SIZE]);
int mpps_place(struct book *book, mpps_where_fn where, void *user, struct err *err) MUST_CHECK;
/* In a turn: the step lists these; what is missing of it stands where it belongs. */
int mpps_images_note(struct book *book, const char *uid, const struct mpps_said *said,
                     struct err *err) MUST_CHECK;
int mpps_images_spread(struct book *book, const char *uid, struct err *err) MUST_CHECK;

/* A batch of what was announced of studies that the spool has not known for MPPS_KEEP_MS of its
 * life (nothing of them can be called safe) is forgotten.
 * now_ms  spool_lived_ms()
 * is_known  about a study; true also where that cannot be told now */
#define MPPS_KEEP_MS (INT64_C(90) * 86400 * 1000)
int mpps_forget(struct book *book, bool (*is_known)(void *user, const char *study), void *user,
                int64_t now_ms, struct err *err) MUST_CHECK;

/* Radiation dose of a study: the best source there is (a dose report, else the step, else the
 * images), of its kinds the sum or the largest. source "" = none known. Of dose reports that hold
 * one another (totals of the study so far; one made again) the one that holds the others counts. */
struct dose_study {
    char study[CLINIC_UID_SIZE];
    char source[17]; /* "rdsr" "mpps" "image" */
    struct dose dose;
};
int dose_put(struct book *book, const char *study, const char *source, const char *uid,
             const struct dose *dose, struct err *err) MUST_CHECK;
int dose_put_report(struct book *book, const char *study, const char *uid,
                    const struct dose_report *report, struct err *err) MUST_CHECK;
/* In a turn. */
int dose_add_rows(struct book *book, const char *study, const char *source, const char *uid,
                  const struct dose *dose, struct err *err) MUST_CHECK;
int dose_get(struct book *book, const char *study, struct dose_study *out,
             struct err *err) MUST_CHECK;
/* Noted since then; free(*out). */
int dose_studies(struct book *book, int64_t since_us, struct dose_study **out, size_t *out_n,
                 struct err *err) MUST_CHECK;

#endif
