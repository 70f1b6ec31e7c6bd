/* log.h - the spool's log events. */
#ifndef RADPOST_SPOOL_LOG_H
#define RADPOST_SPOOL_LOG_H

#include "proto/base/log.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/spool/spool_events.def"
#undef LOG_EVENT

#endif
