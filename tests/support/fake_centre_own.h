/* fake_centre_own.h - what the files of the fake centre share. */
#ifndef RADPOST_TESTS_FAKE_CENTRE_OWN_H
#define RADPOST_TESTS_FAKE_CENTRE_OWN_H

#include "proto/base/thread.h"
#include "proto/http/server.h"
#include "tests/support/fake_centre.h"
#include "tests/support/fake_enrol.h"

enum { CHAINS = 65536 };

struct fake_centre {
    char dir[256], url[64], port_text[8];
    uint16_t port;
    struct ca *ca;
    struct enrol_server enrol;
    const char *addresses[3];
    struct http_table tables[2];
    struct http_server *server;
    struct gate gate;
    struct fake_object *objects;
    size_t n, room, receipts_n;
    size_t chains[CHAINS]; /* by digest: index + 1 of the first */
    struct fake_wishes wishes;
    struct fake_counts counts;
    struct link_receipt *receipts;
};

/* A failure of its own stops the test. */
void fake_centre_must(int rc, const struct err *err);
/* What it answers on the link; user: the centre. */
struct http_table fake_centre_link(struct fake_centre *c);

#endif
