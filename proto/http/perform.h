/* perform.h - one call of libcurl's to its end, as curl_easy_perform(), which looks once a second
 * only whether it is to end; and its connection is looked at. */
#ifndef RADPOST_HTTP_PERFORM_H
#define RADPOST_HTTP_PERFORM_H

#include "proto/http/client.h"

#include <curl/curl.h>

struct perform {
    CURL *curl;
    CURLM *multi; /* of this one alone: its wait can be ended from any thread */
    const _Atomic bool *is_aborted;
    struct stall *stall;
    const int *fd;          /* of the connection now, -1: none */
    http_stall_fn on_stall; /* NULL: it is not looked at */
    void *user;
};

CURLcode http_perform(const struct perform *p);

#endif
