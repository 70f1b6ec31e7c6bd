/* page_tls.h - the certificate of the desk's page while it is served: a file that was renewed is
 * shown from the next look on (once a minute), and one that cannot be used changes nothing.
 * Threads: any. */
#ifndef RADPOST_DESK_PAGE_TLS_H
#define RADPOST_DESK_PAGE_TLS_H

#include "proto/http/server.h"

struct page_tls;

/* server       outlives it, and serves over TLS; nobody else renews it
 * certificate  the path of its file
 * fingerprint  of what it says, as place_fingerprint() has it */
struct page_tls *page_tls_start(struct http_server *server, const char *certificate,
                                const char fingerprint[96]);
void page_tls_stop(struct page_tls **page);
/* Look now, in the caller's thread. */
void page_tls_look(struct page_tls *page);
/* Of the certificate that is shown. */
void page_tls_fingerprint(struct page_tls *page, char out[96]);
/* The files say what cannot be used: a new start would fail. */
bool page_tls_is_stale(struct page_tls *page);

#endif
