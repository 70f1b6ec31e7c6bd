/* reader.h - the running service as main.c and service.c share it: configuration, and the stages in
 * the order they begin. Nothing else includes this. */
#ifndef RADPOST_READER_READER_H
#define RADPOST_READER_READER_H

#include "proto/base/log.h"
#include "proto/link/enrol.h"
#include "reader/reader_config.h"

#include <limits.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "reader/reader_events.def"
#undef LOG_EVENT

struct reader {
    struct reader_config config;
    char identity_dir[PATH_MAX], outbox_dir[PATH_MAX];
    char storage_url[512], patient_url[512];
    struct enrol_identity identity;
    bool is_enrolled;
    struct audit *audit;
    struct pg *pg;
    struct archive *archive;
    struct people *people;
    struct assign *assign;
    struct compose *compose;
    struct patient *patient_door;
    struct deliver *deliver;
    struct door *door;
    struct http_server *staff, *patient, *link;
    struct archive_renewal *renewal;
};

/* stores.c: what lasts */
/* A folder of its own, or one below data_dir. */
void reader_place(const struct reader *r, const char *own, const char *name, char out[PATH_MAX]);
/* Check the configuration, make the folders. */
int reader_make_folders(struct reader *r, struct err *err) MUST_CHECK;
int reader_start_identity(struct reader *r, struct err *err) MUST_CHECK;
void reader_stop_identity(struct reader *r);
int reader_start_database(struct reader *r, struct err *err) MUST_CHECK;
void reader_stop_database(struct reader *r);

/* service.c: the stages */
int reader_start(struct reader *r, struct err *err) MUST_CHECK;
void reader_stop(struct reader *r);

/* listeners.c: staff, patients, gateways */
int reader_start_staff(struct reader *r, struct err *err) MUST_CHECK;
int reader_start_patient(struct reader *r, struct err *err) MUST_CHECK;
int reader_start_link(struct reader *r, struct err *err) MUST_CHECK;
void reader_stop_listeners(struct reader *r);

#endif
