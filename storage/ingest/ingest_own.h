/* ingest_own.h - what the files of this stage share. */
#ifndef RADPOST_STORAGE_INGEST_INGEST_OWN_H
#define RADPOST_STORAGE_INGEST_INGEST_OWN_H

#include "proto/base/log.h"
#include "proto/link/enrol.h"
#include "storage/ingest/ingest.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/ingest/ingest_events.def"
#undef LOG_EVENT

struct ingest {
    struct ingest_options options;
    char *spool_dir;
    struct enrol_server enrol;
};

extern const struct log_ctx ingest_log;

#endif
