/* plain_peer.h - an archive of nobody's on loopback: keeps the UIDs that came by C-STORE, answers
 * C-FIND at the IMAGE level, and behaves badly where the test says so. One at a time. */
#ifndef RADPOST_TESTS_SUPPORT_PLAIN_PEER_H
#define RADPOST_TESTS_SUPPORT_PLAIN_PEER_H

#include "proto/base/thread.h"
#include "proto/dicom/dimse.h"

struct plain_peer {
    struct dimse_listener *listener;
    struct gate gate;   /* guards all below */
    char uids[512][65]; /* in the order they came, each once */
    char syntaxes[512][65];
    char studies[512][65]; /* what their data sets say; a query finds them by nothing else */
    size_t n;
    unsigned stores, finds, associations; /* requests seen */
    unsigned store_associations;          /* that brought instances */
    unsigned repeats;                     /* stores of what was there already */
    /* bad behaviour */
    bool takes_implicit_only;
    bool has_no_query;
    bool finds_nothing;
    bool is_closed;        /* refuses every association */
    unsigned full;         /* so many stores are answered A700H */
    char refused[65];      /* this instance is answered .. */
    uint16_t refusal;      /* .. so */
    const char *comment;   /* the Error Comment of what it does not take; NULL none */
    unsigned break_after;  /* the n-th store from now is kept, then the line breaks; 0 never */
    unsigned break_before; /* the n-th is not kept */
};

extern struct plain_peer plain_peer;

void plain_peer_start(uint16_t port); /* 0: any */
void plain_peer_stop(void);           /* what it keeps stays until the next reset */
void plain_peer_reset(void);
uint16_t plain_peer_port(void);
/* Until it keeps so many; the test fails after 30 s. */
void plain_peer_await(size_t n);

#endif
