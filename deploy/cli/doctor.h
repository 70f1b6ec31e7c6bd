/* doctor.h - what the doctor looks at, by whose machine it is. Each looks from outside and leaves
 * nothing changed. */
#ifndef RADPOST_DEPLOY_DOCTOR_H
#define RADPOST_DEPLOY_DOCTOR_H

#include "deploy/cli/findings.h"
#include "gateway/gateway_config.h"
#include "reader/reader_config.h"
#include "storage/storage_config.h"

enum {
    DOCTOR_LATE_DAYS = 3, /* since gateway and centre were compared */
    DOCTOR_SOON_DAYS = 30 /* till a certificate ends */
};

/* Of either service: a small write is made and taken back. */
void doctor_examine_database(struct findings *f, const char *conninfo);
void doctor_examine_gateway(struct findings *f, const struct gateway_config *c);
void doctor_examine_archive(struct findings *f, const struct storage_config *c);
void doctor_examine_reader(struct findings *f, const struct reader_config *c);

#endif
