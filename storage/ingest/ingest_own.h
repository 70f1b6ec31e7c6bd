/* ingest_own.h - what the files of this stage share. */
#ifndef RADPOST_STORAGE_INGEST_INGEST_OWN_H
#define RADPOST_STORAGE_INGEST_INGEST_OWN_H

#include "proto/base/log.h"
#include "proto/link/enrol.h"
#include "storage/ingest/ingest.h"
#include "storage/ingest/told.h"
#include "storage/keep/keep.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/ingest/ingest_events.def"
#undef LOG_EVENT

struct ingest {
    struct ingest_options options;
    char *spool_dir;
    struct enrol_server enrol;
    struct told *told;
};

extern const struct log_ctx ingest_log;

static inline struct ingest *
ingest_of(const struct http_request *req)
{
    return http_user(req);
}

static inline struct keep_sender
sender_of(const struct http_request *req)
{
    const struct http_caller *caller = http_caller(req);

    return (struct keep_sender){caller->tenant, caller->device, http_peer(req)};
}

/* ---- reconcile_routes.c ---- */
int post_reconcile_days(struct http_request *req, struct http_response *res, struct err *err);
int post_reconcile_studies(struct http_request *req, struct http_response *res, struct err *err);
int post_reconcile_objects(struct http_request *req, struct http_response *res, struct err *err);
int post_reconciled(struct http_request *req, struct http_response *res, struct err *err);

#endif
