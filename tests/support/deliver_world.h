/* deliver_world.h - report_world and the clinic's half of deliver on top, its courier driven by
 * hand; the patient's half is a fake that counts. For tests of reader/deliver. The test's main()
 * must begin with compose_signer_main_if_asked(). */
#ifndef RADPOST_TESTS_DELIVER_WORLD_H
#define RADPOST_TESTS_DELIVER_WORLD_H

#include "reader/deliver/clinic.h"
#include "tests/support/report_world.h"

#define STUDY "1.2.840.99.1"
#define OTHER "1.2.840.99.2"
#define REG "261122K7M001"
#define REG_TWO "261122K7M002"

extern struct report_world w;
extern struct deliver d; /* without its thread */

/* cmocka's setup and teardown; a cluster for the whole program. */
int deliver_world_open(void **state);
int deliver_world_close(void **state);
void deliver_world_end(void);

/* The courier, until there is nothing to tell. */
void tell_all(void);
int64_t count(const char *sql);
/* A clinic's messages in order, but those of one word: "report1 amended2 withdrawn2 ". */
const char *told(const char *tenant, const char *but);
/* The last message of a kind; the test fails if there is none. */
struct clinic_down last_of(const char *tenant, enum clinic_down_kind kind);

/* A message of a desk. */
struct clinic_up up(enum clinic_up_kind kind, const char *registration);
/* Of STUDY, by its nurse. */
struct clinic_up up_of_study(enum clinic_up_kind kind, uint32_t revision, const char *reason);
/* Have it done: "done sent", "refused conflict". apply() is T1's device g1. */
const char *apply_as(const char *tenant, const char *device, const struct clinic_up *m);
const char *apply(const struct clinic_up *m);
const char *apply_new(enum clinic_up_kind kind, const char *registration);
const char *attach(const char *registration, const char *study);
/* T1's read of a study. */
struct read_row read_of(const char *study);

#endif
