/* dimse.h - DICOM associations and messages (PS3.7, PS3.8) for acceptors and requestors.
 *
 * A listener gathers each connection's A-ASSOCIATE-RQ without a thread of its own, so silent peers
 * cost a few bytes; a whole request gets a thread, in which the owner's serve() runs the messages:
 *     dimse_next_command > (dimse_read_data until is_last) > dimse_send_command > ...
 * until the command is DIMSE_END (the peer released; answered already) or a call fails. Data sets
 * pass through as bytes: no syntax is parsed here, so every transfer syntax works.
 *
 * Any failure of a call on an association ends that association: the peer was told by A-ABORT where
 * that was possible, and further calls fail too. Deadlines: LIMIT_MS_ASSOCIATE until the request is
 * whole, LIMIT_MS_PDU for one PDU, for a whole command and between the parts of a data set, of
 * which at least LIMIT_TRICKLE_BYTES come in each LIMIT_MS_IDLE; LIMIT_MS_IDLE between messages.
 * Threads: an association belongs to one thread; listener functions may be called from any.
 * DICOM: PS3.8 9 (upper layer), PS3.7 9 (DIMSE-C), PS3.7 E (command dictionary). */
#ifndef RADPOST_DICOM_DIMSE_H
#define RADPOST_DICOM_DIMSE_H

#include "proto/base/buf.h"
#include "proto/dicom/dimse_command.h"

struct dimse_listener;
struct dimse_assoc;

#define DIMSE_CONTEXTS 128

struct dimse_peer {
    char calling[17]; /* AE titles without outer spaces, made printable */
    char called[17];
    char address[46]; /* numeric */
    uint16_t port;
    char implementation_uid[65];
    char implementation_version[17];
    char
        fingerprint[65]; /* SHA-256 of its TLS certificate, as dimse_listener_take() was told; "" */
};

struct dimse_context {
    uint8_t id;
    bool peer_is_scp; /* the peer takes the server's part (C-STORE to a C-GET requestor) */
    char abstract_syntax[65];
    char transfer_syntax[65]; /* the one agreed on; refused contexts are not listed */
};

enum dimse_admission {
    DIMSE_ADMITTED,
    DIMSE_CALLING_UNKNOWN,
    DIMSE_CALLED_UNKNOWN,
    DIMSE_NOT_NOW /* transient: it cannot be told at the moment */
};
enum dimse_offer {
    DIMSE_NOT_OFFERED,
    DIMSE_ANY_SYNTAX,   /* storage: every transfer syntax, the best one of those proposed */
    DIMSE_THEIR_SYNTAX, /* C-GET: the same, but a lossy one that the peer puts first is taken: what
                           was lossy when it came can go back only as it came */
    DIMSE_PLAIN_SYNTAX  /* explicit or implicit little endian only: queries, verification */
};
enum dimse_note { /* what a listener did about a connection without serving it */
                  DIMSE_NOTE_REFUSED,   /* by admit() */
                  DIMSE_NOTE_FULL,      /* too many associations: A-ASSOCIATE-RJ 2,3,2 */
                  DIMSE_NOTE_SILENT,    /* no whole request within its deadline, or pushed out */
                  DIMSE_NOTE_MALFORMED, /* not an association request one can answer */
                  DIMSE_NOTE_GAVE_WAY   /* an association, silent, of a peer with more than its
                                           share: another peer needed the place */
};

struct dimse_deadlines { /* 0 = the limit of limits.def */
    int64_t associate_ms;
    int64_t pdu_ms;
    int64_t idle_ms;
};

struct dimse_listener_options {
    const char *address; /* numeric; NULL = every IPv4 address */
    uint16_t port;       /* 0 = one that is free: dimse_listener_port() */
    /* 0 = LIMIT_ASSOCIATIONS. When all are taken, a peer (address and calling title) that holds
     * fewer than another gets the place of that one's longest silent association, if it holds more
     * than its share: never in the middle of an object that moves */
    size_t max_associations;
    struct dimse_deadlines deadlines;
    /* Who may come; called in the association's thread. */
    enum dimse_admission (*admit)(const struct dimse_peer *peer, void *user);
    /* Largest PDU this peer may send; called before admit(). NULL or 0: LIMIT_PDU_BYTES, which is
     * also the most; LIMIT_PDU_BYTES_LEAST the least. */
    uint32_t (*pdu_bytes)(const struct dimse_peer *peer, void *user);
    /* What may be asked for; peer_is_scp: proposed with the server's role for the peer. Where that
     * is not offered and the peer proposed both roles, it is asked again without. */
    enum dimse_offer (*offers)(const char *abstract_syntax, bool peer_is_scp, void *user);
    /* May be NULL. A class that the peer would ask for as client was refused. Before serve(). */
    void (*not_offered)(const struct dimse_peer *peer, const char *abstract_syntax, void *user);
    /* The association, established. It is released or aborted and freed after serve() returns. */
    void (*serve)(struct dimse_assoc *assoc, void *user);
    /* May be NULL. err is NULL where there is nothing more to say. */
    void (*note)(enum dimse_note note, const struct dimse_peer *peer, const struct err *err,
                 void *user);
    void *user;
};

/* Listen and serve in threads of its own. The options' texts are copied.
 * errors  ERR_FATAL address in use or not ours */
int dimse_listen(const struct dimse_listener_options *options, struct dimse_listener **out_listener,
                 struct err *err) MUST_CHECK;
uint16_t dimse_listener_port(const struct dimse_listener *listener);
size_t dimse_listener_associations(struct dimse_listener *listener);
/* Serve a connection that came another way (behind TLS, ended by its owner) as if it had come to
 * the port. From any thread; the stream socket is taken over and closed by the listener. address
 * the peer's, numeric fingerprint  SHA-256 of its certificate in hex, NULL = none */
void dimse_listener_take(struct dimse_listener *listener, int fd, const char *address,
                         uint16_t port, const char *fingerprint);
/* Close the port, end every association (what is being written is finished), join all threads. */
void dimse_listener_free(struct dimse_listener **listener);

const struct dimse_peer *dimse_peer(const struct dimse_assoc *assoc);
uint64_t dimse_number(const struct dimse_assoc *assoc); /* for logs: unique in this process */
size_t dimse_contexts(const struct dimse_assoc *assoc, const struct dimse_context **out_contexts);
const struct dimse_context *dimse_context(const struct dimse_assoc *assoc, uint8_t id);
/* An agreed context for this class in this syntax (NULL: any) where the peer is the server;
 * NULL if there is none. */
const struct dimse_context *dimse_context_for(const struct dimse_assoc *assoc,
                                              const char *abstract_syntax,
                                              const char *transfer_syntax);

/* Wait between two messages until the peer has said something or dimse_wake() was called; what the
 * peer said is for dimse_next_command(), which then need not wait for it to begin.
 * out_is_woken  dimse_wake() was called since the last time this was true
 * errors        as dimse_next_command() */
int dimse_wait(struct dimse_assoc *assoc, bool *out_is_woken, struct err *err) MUST_CHECK;
/* From any thread while the association lives: dimse_wait() returns, now or when it is next called.
 * No other call notices. */
void dimse_wake(struct dimse_assoc *assoc);

/* Wait for the next command. If its has_data is set, its data set must be read (or skipped) next.
 * errors  ERR_RETRY deadline passed or connection lost, ERR_REJECT protocol broken (aborted) */
int dimse_next_command(struct dimse_assoc *assoc, struct dimse_command *out_command,
                       struct err *err) MUST_CHECK;
/* The next bytes of the data set; valid until the next call on this association. */
int dimse_read_data(struct dimse_assoc *assoc, const uint8_t **out_bytes, size_t *out_n,
                    bool *out_is_last, struct err *err) MUST_CHECK;
/* The whole data set, added to a buf with its own limit: past it ERR_REJECT, all read. */
int dimse_collect_data(struct dimse_assoc *assoc, struct buf *data, struct err *err) MUST_CHECK;
int dimse_skip_data(struct dimse_assoc *assoc, struct err *err) MUST_CHECK;
/* Has the peer sent C-CANCEL for this message? Does not wait. Any other message is ERR_REJECT. */
int dimse_poll_cancel(struct dimse_assoc *assoc, uint16_t message_id, bool *out_is_cancelled,
                      struct err *err) MUST_CHECK;

int dimse_send_command(struct dimse_assoc *assoc, const struct dimse_command *command,
                       struct err *err) MUST_CHECK;
/* Parts of a data set in order; the call with is_last ends it (n may be 0). */
int dimse_send_data(struct dimse_assoc *assoc, uint8_t context, const void *bytes, size_t n,
                    bool is_last, struct err *err) MUST_CHECK;

struct dimse_proposal {
    const char *abstract_syntax;
    const char *const *transfer_syntaxes;
    size_t transfer_syntax_count;
    bool we_are_scp; /* ask for the server's role (C-STORE to us, who ask by C-GET) */
};

struct dimse_connect_options {
    const char *host;
    uint16_t port;
    const char *calling;
    const char *called;
    struct dimse_deadlines deadlines;
    /* Over TLS: make the connected socket another, plain one; fd is taken over in every case. NULL:
     * as it is. */
    int (*secure)(void *user, int fd, int *out_fd, struct err *err);
    void *secure_user;
};

/* Ask for an association; at most DIMSE_CONTEXTS proposals (ids 1, 3, 5 ... in their order).
 * errors  ERR_RETRY not reachable or refused for the moment, ERR_DENIED refused for good,
 *         ERR_REJECT an answer that cannot be understood
 * blocks  for LIMIT_MS_ASSOCIATE at most, twice (connect, answer) */
int dimse_connect(const struct dimse_connect_options *options,
                  const struct dimse_proposal *proposals, size_t proposal_count,
                  struct dimse_assoc **out_assoc, struct err *err) MUST_CHECK;
/* Requestors: end in good order, and free. */
int dimse_release(struct dimse_assoc **assoc, struct err *err) MUST_CHECK;
/* From any thread while the association lives: what waits on it fails now, and so does all after.
 */
void dimse_shut(struct dimse_assoc *assoc);
/* Tell the peer A-ABORT if it can still hear, and free. */
void dimse_abort(struct dimse_assoc **assoc);

#endif
