/* archive_own.h - what the files of this stage share. */
#ifndef RADPOST_READER_ARCHIVE_ARCHIVE_OWN_H
#define RADPOST_READER_ARCHIVE_ARCHIVE_OWN_H

#include "proto/http/client.h"
#include "proto/http/json.h"
#include "reader/archive/archive.h"
#include "reader/archive/pool.h"

enum { ARCHIVE_DEVICES = 1024, ARCHIVE_CALL_MS = 30000, ARCHIVE_PATH = 640 };

/* A device's answer, remembered. */
struct archive_device {
    uint8_t key[32];
    int64_t until_ms; /* 0: free */
    bool is_valid;
};

struct archive {
    struct pool *calls, *polls;
    struct gate gate; /* of devices */
    struct archive_device devices[ARCHIVE_DEVICES];
};

/* One call over a borrowed connection; any status. reply needs http_reply_fini() when 0.
 * tenant  goes into Radpost-Tenant; NULL: none */
int archive_call(struct archive *a, const char *tenant, struct http_call *call,
                 struct http_reply *reply, struct err *err) MUST_CHECK;
/* GET of JSON: 2xx parsed; 204 gives NULL. errors  as archive.h */
int archive_get_json(struct archive *a, const char *tenant, const char *path, size_t limit,
                     struct json_doc **out, struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND: what is no UID is no study either */
int archive_check_uid(const char *uid, struct err *err) MUST_CHECK;

#endif
