/* perform.c - see perform.h. */
#include "proto/http/perform.h"

#include "proto/base/clock.h"

enum { LOOK_MS = 1000 }; /* how often a call that is silent is looked at */

static void
look_at_stall(const struct perform *p, bool is_silent)
{
    enum stall_word word = stall_look(p->stall, *p->fd, is_silent, clock_mono_ms());

    if (word != STALL_NONE)
        p->on_stall(p->user, word);
}

/* Until there is something to do for the call, or for a while. */
static CURLMcode
wait_more(const struct perform *p)
{
    struct curl_waitfd knocks[STALL_KNOCKS] = {0};
    unsigned n = 0;
    int ready = 0;
    CURLMcode rc;

    if (p->on_stall == NULL)
        return curl_multi_poll(p->multi, NULL, 0, LOOK_MS, NULL);
    for (size_t i = 0; i < STALL_KNOCKS; i++)
        if (p->stall->knocks[i] >= 0)
            knocks[n++] =
                (struct curl_waitfd){.fd = p->stall->knocks[i], .events = CURL_WAIT_POLLOUT};
    rc = curl_multi_poll(p->multi, knocks, n, STALL_EVERY_MS, &ready);
    for (unsigned i = 0; i < n; i++)
        ready -= knocks[i].revents != 0;
    look_at_stall(p, ready <= 0);
    return rc;
}

CURLcode
http_perform(const struct perform *p)
{
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    CURLMcode rc = curl_multi_add_handle(p->multi, p->curl);
    int running = 1, left;
    CURLMsg *said;

    while (rc == CURLM_OK && running > 0 && !*p->is_aborted) {
        rc = curl_multi_perform(p->multi, &running);
        if (rc == CURLM_OK && running > 0)
            rc = wait_more(p);
    }
    if (p->on_stall != NULL)
        look_at_stall(p, false);
    said = curl_multi_info_read(p->multi, &left);
    if (said != NULL)
        code = said->data.result;
    else if (rc != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    (void)curl_multi_remove_handle(p->multi, p->curl);
    return code;
}
