/* desk_link.h - the desk's line to the reader: messages up, messages and reports down.
 * Mutual TLS with the gateway's identity; the reader's address is an option or what enrolment told
 * ("reader_url"). One thread tells what waits, fetches PDFs and gives receipts; one listens for
 * what comes. While the line is down each tries again with growing waits; what the desk does in the
 * meantime waits in the book. A new certificate or a new address is taken up by itself.
 * Threads: status from any; start and stop from the owner. */
#ifndef RADPOST_DESK_DESK_LINK_H
#define RADPOST_DESK_DESK_LINK_H

#include "gateway/desk/parts_lamp.h"
#include "proto/base/err.h"

struct book;
struct desk_link;

struct desk_link_options {
    const char *link_dir; /* identity of the enrolment */
    const char *url;      /* "" or NULL: what enrolment told */
    const char *lines;    /* table of the lines, whose proxies are used; NULL: straight out */
    struct book *book;    /* outlives the line */
    int64_t backoff_ms, backoff_max_ms;
    /* What of the box does not run, told with each call for news (parts_words()); NULL: not told.
     * By the line's own thread. */
    void (*parts)(void *user, char out[PART_WORDS_BYTES]);
    void *parts_user;
};

void desk_link_start(const struct desk_link_options *options, struct desk_link **out_link);
void desk_link_stop(struct desk_link **link);

enum desk_line {
    DESK_LINE_UNKNOWN, /* not enrolled, or no address is known */
    DESK_LINE_TRYING,  /* not reached yet since the start */
    DESK_LINE_UP,
    DESK_LINE_DOWN,
    DESK_LINE_REFUSED, /* a certificate is not accepted */
};

struct desk_link_status {
    enum desk_line line;
    int64_t since_us, last_contact_us;
    char reader[256]; /* its address */
    char trouble[200];
};

void desk_link_status(struct desk_link *link, struct desk_link_status *out);
const char *desk_line_word(enum desk_line line); /* "unknown" "trying" "up" "down" "refused" */

#endif
