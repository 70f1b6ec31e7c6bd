/* deliver.h - what leaves the reader: states and reports to the clinics' desks, and news to
 * patients (patient.h). Clinics speak the link's second half: docs/link-protocol.md, "Clinic".
 *
 *     a read's log > courier > messages for the clinic (durable, numbered) > desk > receipts
 *                            > patient_notify()
 *     desk > registrations, studies they belong to, slips, phones, urgency > assign, patient
 *
 * 1. Each line of the log makes its messages once: they and the courier's cursor are one
 *    transaction. A line that cannot be told is kept aside, reported and tried again; it holds up
 *    nothing else.
 * 2. A clinic's messages are numbered under a lock held to the commit: whoever asks for what comes
 *    after n never misses one.
 * 3. A message from a desk is done once, however often it is told: its receipt and what it changed
 *    are one transaction.
 * 4. Tenant and device are the certificate's; a device that was revoked at the archive is refused
 *    here within seconds. What is another clinic's is not found.
 * Threads: any; start, stop and free from the owner. */
#ifndef RADPOST_READER_DELIVER_DELIVER_H
#define RADPOST_READER_DELIVER_DELIVER_H

#include "proto/http/server.h"
#include "reader/deliver/patient.h"

struct assign;
struct audit;
struct compose;
struct deliver;

struct deliver_options {
    struct pg *pg;
    struct archive *archive; /* NULL: devices are not checked (tests) */
    struct assign *assign;   /* NULL: the log is looked at each second */
    struct compose *compose;
    struct patient *patient;
    struct audit *audit;     /* NULL: none */
    const char *patient_url; /* public base of the patient page, told to desks for their slips */
};

/* Starts the courier; the database being away only makes it wait.
 * errors  ERR_REJECT options */
int deliver_start(const struct deliver_options *options, struct deliver **out_deliver,
                  struct err *err) MUST_CHECK;
/* The courier ends and waiting desks are answered; before http_server_stop(). Then deliver_free().
 */
void deliver_stop(struct deliver *d);
void deliver_free(struct deliver **d);

/* Staff routes: a doctor's calls to the clinic and orders at it (user: struct deliver *). */
struct http_table deliver_staff_table(struct deliver *d);
/* Routes of the link listener below /link/v1/clinic, and its authorise(): gateways that are not
 * revoked (user: struct deliver *). */
struct http_table deliver_link_table(struct deliver *d);
int deliver_link_authorise(void *user, const char *bearer, struct http_caller *caller,
                           struct err *err) MUST_CHECK;

#endif
