/* connect_proxy.h - a small HTTP proxy on loopback that knows CONNECT and nothing else, as a
 * hospital's does; it wants user and password where it is told so.
 * Threads: start and stop from the test; the count from any. */
#ifndef RADPOST_TESTS_CONNECT_PROXY_H
#define RADPOST_TESTS_CONNECT_PROXY_H

struct connect_proxy;

/* user: "name:password" it asks for (basic); NULL: nobody is asked */
struct connect_proxy *connect_proxy_start(const char *user);
void connect_proxy_stop(struct connect_proxy **proxy);
const char *connect_proxy_url(const struct connect_proxy *proxy);
/* Ways opened through it since the start. */
unsigned connect_proxy_count(struct connect_proxy *proxy);

#endif
