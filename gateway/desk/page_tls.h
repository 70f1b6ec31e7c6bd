/* page_tls.h - the certificate of the desk's page while it is served: a file that was renewed is
 * shown from the next look on (once a minute), and one that cannot be used changes nothing.
 * Threads: any. */
#ifndef RADPOST_DESK_PAGE_TLS_H
#define RADPOST_DESK_PAGE_TLS_H

#include "proto/http/server.h"

struct page_tls;

/* Before the server answers anybody, so that every answer may ask it.
 * certificate  the path of its file
 * fingerprint  of what it says, as place_fingerprint() has it */
struct page_tls *page_tls_new(const char *certificate, const char fingerprint[96]);
/* Look once a minute, until page_tls_end(). Once.
 * server  lives until then, and serves over TLS; nobody else renews it */
void page_tls_begin(struct page_tls *page, struct http_server *server);
/* Look no more; what is shown is told on. Before the server stops; fine for NULL, or not begun. */
void page_tls_end(struct page_tls *page);
/* After page_tls_end(), and when nobody asks it any more: the server is stopped. */
void page_tls_free(struct page_tls **page);
/* Look now, in the caller's thread. */
void page_tls_look(struct page_tls *page);
/* Of the certificate that is shown. */
void page_tls_fingerprint(struct page_tls *page, char out[96]);
/* The files say what cannot be used: after a new start nobody is served until they do. */
bool page_tls_is_stale(struct page_tls *page);

#endif
