/* shown.h - a server with one page over TLS: which certificate it shows to who connects, and what
 * the log says meanwhile. One at a time. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_SHOWN_H
#define RADPOST_TESTS_SUPPORT_SHOWN_H

struct http_server;

/* These files, by their paths; the log is read from now on. */
struct http_server *shown_open(const char *certificate, const char *key);
void shown_close(void);
/* As a browser or a gateway comes that trusts this authority and nobody else: 0, or -1 it went. */
int shown_come_in(const char *authority);
/* The next line of the log about this event. */
const char *shown_wait_for(const char *event);

#endif
