/* patient_world.h - the patient's door on loopback with an outbox to read texts from, and short
 * words for what patients and clinics do at it. One at a time in a test program. */
#ifndef RADPOST_TESTS_PATIENT_WORLD_H
#define RADPOST_TESTS_PATIENT_WORLD_H

#include "proto/model/slip.h"
#include "proto/pg/pg.h"
#include "reader/deliver/patient.h"

struct archive;
struct compose;

extern struct patient_world {
    struct pg *pg;
    struct patient *door;
} patient_world;

struct patient_answer {
    int status;
    char body[65536];
    size_t n;         /* of the body as it came */
    char cookie[160]; /* Set-Cookie as it came, "" */
};

/* compose, archive: may be NULL. */
void patient_world_open(struct pg *pg, struct compose *compose, struct archive *archive);
void patient_world_close(void);

/* A transaction, and its end: the door's post is woken. */
struct pg_conn *patient_world_begin(void);
void patient_world_commit(struct pg_conn *conn);
/* A slip of clinic T1 for a registration; its code as printed. */
void patient_world_print_slip(const char *registration, const char *phone, bool is_verified,
                              char code[SLIP_TEXT_BYTES]);

/* One call; address (X-Forwarded-For), cookie and csrf may be NULL. */
struct patient_answer patient_world_call(const char *method, const char *path, const char *body,
                                         const char *address, const char *cookie, const char *csrf);
/* A text member of the answer's object; the test fails if there is none. */
void patient_world_field(const struct patient_answer *a, const char *key, char *out, size_t size);
struct patient_answer patient_world_open_with(const char *code, const char *address,
                                              char challenge[33]);
struct patient_answer patient_world_enter_with(const char *challenge, const char *otp,
                                               const char *address);
/* Wait for a text to this phone; it is gone from the outbox then. False: none came. */
bool patient_world_read_text(const char *phone, char *out_text, size_t size, int wait_ms);
void patient_world_read_otp(const char *phone, char otp[7]);
/* Slip and one-time code, to a session. */
void patient_world_come_in(const char *code, const char *phone, char cookie[65]);

#endif
