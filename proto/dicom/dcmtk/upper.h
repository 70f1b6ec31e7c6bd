/* upper.h - DCMTK's DICOM upper layer (ASC/DUL) in C: associations and PDVs, no messages.
 * The transport is ours: it reads a whole PDU under its deadline and looks at it before DCMTK
 * does, writes a PDU in one piece, sets TCP_NODELAY and re-arms TCP_QUICKACK before each read
 * (stock senders leave Nagle's rule on and would wait 40 ms for each of our acknowledgements).
 * Threads: an association belongs to one thread, but upper_shut() may come from any. */
#ifndef RADPOST_DICOM_DCMTK_UPPER_H
#define RADPOST_DICOM_DCMTK_UPPER_H

#include "proto/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct upper_assoc;

struct upper_limits {
    int64_t associate_ms; /* requestor: to connect, and again for the answer */
    int64_t pdu_ms;
    int64_t idle_ms;
    uint32_t pdu_bytes;
};

struct upper_identity { /* what we call ourselves to peers */
    const char *implementation_uid;
    const char *implementation_version;
};

enum upper_end { /* why no PDV came */
                 UPPER_OPEN,
                 UPPER_RELEASED, /* the peer asked for release and was answered */
                 UPPER_ABORTED,  /* by the peer */
                 UPPER_CLOSED,   /* the connection went away */
                 UPPER_LATE,     /* deadline */
                 UPPER_BROKEN    /* what came is no DICOM; the peer was told A-ABORT */
};

struct upper_pdv {
    uint8_t context;
    bool is_command;
    bool is_last;
    const uint8_t *bytes; /* valid until the next call */
    size_t n;
};

struct upper_answer {
    uint8_t context;
    const char *transfer_syntax; /* NULL = refused */
    uint8_t refusal;  /* PS3.8 table 9-18: 1 user, 3 abstract syntax, 4 transfer syntaxes */
    bool peer_is_scp; /* confirm the proposed role */
    bool is_scp_only;
};

/* Become the acceptor on a connected socket whose A-ASSOCIATE-RQ (pdu) has been read already.
 * The socket is taken over in every case. errors ERR_REJECT (peer told A-ABORT), ERR_RETRY */
int upper_receive(int fd, const uint8_t *pdu, size_t n, const struct upper_limits *limits,
                  struct upper_assoc **out_assoc, struct err *err) MUST_CHECK;
int upper_accept(struct upper_assoc *assoc, const struct upper_identity *identity,
                 const struct upper_answer *answers, size_t count, struct err *err) MUST_CHECK;
/* A-ASSOCIATE-RJ by the service user; reason as in PS3.8 table 9-21. */
void upper_reject(struct upper_assoc *assoc, bool is_transient, uint8_t reason);

struct upper_proposal {
    uint8_t context;
    const char *abstract_syntax;
    const char *const *transfer_syntaxes;
    size_t transfer_syntax_count;
    bool we_are_scp;
};

struct upper_agreed {
    uint8_t context;
    char transfer_syntax[65];
};

/* Make a connected socket another, over which the peer is spoken to plainly (TLS); the first is
 * taken over in every case. */
struct upper_secure {
    int (*wrap)(void *user, int fd, int *out_fd, struct err *err);
    void *user;
};

struct upper_call {
    const char *host;
    uint16_t port;
    const char *calling, *called;
    const struct upper_identity *identity;
    const struct upper_limits *limits;
    const struct upper_secure *secure; /* NULL: plain */
    const struct upper_proposal *proposals;
    size_t count;
};
/* Ask for an association; out_agreed has room for as many as proposed.
 * errors  ERR_RETRY not reachable, refused for the moment; ERR_DENIED refused; ERR_REJECT */
int upper_request(const struct upper_call *request, struct upper_assoc **out_assoc,
                  struct upper_agreed *out_agreed, size_t *out_agreed_count,
                  struct err *err) MUST_CHECK;

/* The next PDV. idle_ms: how long its PDU may be awaited.
 * On failure *out_end says why; err's text says more. */
int upper_next_pdv(struct upper_assoc *assoc, int64_t idle_ms, struct upper_pdv *out_pdv,
                   enum upper_end *out_end, struct err *err) MUST_CHECK;
/* Has anything come that upper_next_pdv() would not wait for? */
bool upper_has_input(struct upper_assoc *assoc);
/* Wait for that, or until upper_wake() was called (since *out_is_woken was last true). On failure
 * as upper_next_pdv(). */
int upper_wait(struct upper_assoc *assoc, int64_t idle_ms, bool *out_is_woken,
               enum upper_end *out_end, struct err *err) MUST_CHECK;
void upper_wake(struct upper_assoc *assoc); /* from any thread */
int upper_send_pdv(struct upper_assoc *assoc, const struct upper_pdv *pdv,
                   struct err *err) MUST_CHECK;
int upper_release(struct upper_assoc *assoc, struct err *err) MUST_CHECK;
/* A-ABORT, if the connection still stands. by_provider: the protocol was broken. */
void upper_abort(struct upper_assoc *assoc, bool by_provider);
/* From any thread: reads and writes end now. */
void upper_shut(struct upper_assoc *assoc);
void upper_free(struct upper_assoc **assoc);

#ifdef __cplusplus
}
#endif
#endif
