/* door_own.h - what the files of reader/door share. */
#ifndef RADPOST_READER_DOOR_DOOR_OWN_H
#define RADPOST_READER_DOOR_DOOR_OWN_H

#include "reader/door/door.h"

#include "proto/base/log.h"

struct door {
    struct door_options options;
    struct log_ctx log;
};

/* pages.c */
int door_get_page(struct http_request *req, struct http_response *res, struct err *err);

#endif
