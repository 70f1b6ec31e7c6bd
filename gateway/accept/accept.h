/* accept.h - the clinic's DICOM door: who may come in, C-ECHO and C-STORE into the spool, and the
 * other services that stages of the gateway put beside them on the same associations.
 *
 *     accept_open > accept_listen > accept_add_service... > ... > accept_shut > accept_stop
 *
 * C-STORE is answered 0000H only after spool_commit() returned 0; A700H when there is no room,
 * A900H and C000H when no instance can be told, 0124H when the device may not send this.
 * Device table DIR/devices.conf, one device a line, read again whenever it changes:
 *     # AE title   address or *   name for people   settings
 *     CT_ROOM1     192.168.1.20   CT 室             charset=GB18030 pdu=16KiB
 * Callers that are not in it are refused and listed in DIR/refused.tsv for the desk; while the
 * installation window is open they are let in as strangers, whose instances are quarantined until
 * somebody enrols them. Instances that were refused stand in DIR/unsent.log until they arrive.
 * All: docs/formats/devices.md. What devices are told: docs/conformance-dimse.md.
 * Open associations are told to the spool (spool_association_begin), whose quiet timers wait.
 * Threads: any, but accept_add_service(), accept_try_again() and those that begin and end: their
 * owner's. */
#ifndef RADPOST_GATEWAY_ACCEPT_H
#define RADPOST_GATEWAY_ACCEPT_H

#include "proto/base/err.h"
#include "proto/dicom/dimse.h"

struct accept;
struct log_ctx;
struct spool;

struct accept_options {
    const char *dir;     /* devices.conf, refused.tsv ...; made if it is not there */
    const char *address; /* numeric; NULL = every IPv4 address */
    uint16_t port;       /* 0 = one that is free */
    const char *called;  /* our AE title; NULL = any */
    size_t max_associations;
    struct dimse_deadlines deadlines;
    /* Storage classes outside the standard's root that are taken: UIDs parted by blanks or commas,
     * a UID that ends in "." for all below it, or "any". NULL, "" = none. */
    const char *private_classes;
    uint64_t window_quota_bytes; /* what strangers may leave in quarantine; 0 = 20 GiB */
    /* DICOM over TLS (PS3.15 B, BCP 195); a certificate of the device's own is always asked for. */
    bool has_tls;
    uint16_t tls_port;           /* 0 = one that is free */
    const char *tls_certificate; /* PEM, chain; NULL or "" = one of our own making in DIR/tls */
    const char *tls_key;         /* PEM */
    const char *tls_ca; /* PEM: devices' certificates must be by it; NULL or "" = pins alone */
};

/* What a device may ask for; the words of may= in devices.conf. */
enum accept_right {
    ACCEPT_MAY_STORE = 1,
    ACCEPT_MAY_WORKLIST = 2,
    ACCEPT_MAY_MPPS = 4,
    ACCEPT_MAY_COMMIT = 8,
    ACCEPT_MAY_QUERY = 16 /* C-FIND, C-MOVE, C-GET of what is local: only where it is written */
};
#define ACCEPT_MAY_BY_DEFAULT                                                                      \
    (ACCEPT_MAY_STORE | ACCEPT_MAY_WORKLIST | ACCEPT_MAY_MPPS | ACCEPT_MAY_COMMIT)

enum accept_security { ACCEPT_PLAIN, ACCEPT_TLS };

/* A row of devices.conf; empty texts and zeros are "not set". Its key is (ae, address). */
struct accept_device {
    char ae[17];
    char address[46];              /* where it comes from; "*" = any */
    char name[97];                 /* UTF-8 */
    char called[17];               /* the title it calls instead of ours; "" = ours */
    char certificate_sha256[65];   /* hex; it must come over TLS with this one; "" = plain */
    enum accept_security security; /* TLS where a certificate is pinned; ignored when put */
    uint32_t may;                  /* of enum accept_right; 0 when put = ACCEPT_MAY_BY_DEFAULT */
    char classes[512]; /* the only storage classes it may send, UIDs with commas; "" = any */
    char host[64];     /* where it listens: a target of C-MOVE; "" = none */
    uint16_t port;
    char modality[17];  /* its worklist's: "CT", "DX+CR"; "" = any */
    char charset[20];   /* "" auto, ISO_IR 192, GB18030, GBK-AS-IR100, ISO_IR 58, PINYIN */
    uint32_t pdu_bytes; /* 16384..131072; 0 = the most */
    char commit_ae[17]; /* answers to commitment on a new association to this; "" = the open one */
    char commit_host[64];
    uint16_t commit_port;
    /* what it did; kept over restarts, ignored when put */
    int64_t last_seen_us;  /* last association; 0 = never */
    int64_t last_store_us; /* last durable instance; 0 = none */
    uint64_t stored;       /* durable instances */
    char last_address[46];
    char last_certificate[65]; /* it showed over TLS, pinned or not: to be pinned by a click */
    uint32_t open;             /* associations now */
};

enum accept_refusal { /* why a caller was turned away; words of refused.tsv */
                      ACCEPT_CALLER_UNKNOWN,      /* no such title, or from another address */
                      ACCEPT_CALLED_WRONG,        /* enrolled, but it called another title */
                      ACCEPT_TLS_WANTED,          /* a certificate is pinned, it came without TLS */
                      ACCEPT_CERTIFICATE_DIFFERS, /* another one than is pinned */
                      ACCEPT_STRANGER,            /* let in through the window (refused.h) */
                      /* nobody by title: the TLS handshake from there failed */
                      ACCEPT_TLS_NO_CERTIFICATE,
                      ACCEPT_TLS_NOT_NOW,    /* it has ended, or has not begun, by our clock */
                      ACCEPT_TLS_NOT_TRUSTED /* not by dicom_tls_ca */
};

struct accept_refused {
    char calling[17];
    char called[17];
    char address[46];
    char certificate_sha256[65]; /* "" = it came without TLS */
    enum accept_refusal why;
    bool is_called_wrong; /* why == ACCEPT_CALLED_WRONG */
    int64_t first_us, last_us;
    uint64_t count;
};

/* Read the folder. Nothing listens yet.
 * errors  of its lists; of devices.conf never: accept_table_trouble() */
int accept_open(const struct accept_options *options, struct spool *spool,
                struct accept **out_accept, struct err *err) MUST_CHECK;
/* Open the ports. That the one over TLS cannot be opened (a certificate is missing, ..) costs that
 * one alone: accept_try_again(). errors  ERR_FATAL the plain port is in use */
int accept_listen(struct accept *accept, struct err *err) MUST_CHECK;
/* Between accept_listen() and accept_shut(): open what could not be opened. true: all is open. */
bool accept_try_again(struct accept *accept);
#define ACCEPT_TROUBLE_BYTES 320
/* Why the port over TLS is not open although it is to be; "": nothing is wrong. */
void accept_tls_trouble(struct accept *accept, char out[ACCEPT_TROUBLE_BYTES]);
/* Close the door, finish what is being written, join: no service is called after this. What
 * services work on may go then; the rest of the functions still answer. */
void accept_shut(struct accept *accept);
/* The same, and free. Also after a failed accept_listen(). */
void accept_stop(struct accept **accept);
uint16_t accept_port(const struct accept *accept);
uint16_t accept_tls_port(const struct accept *accept); /* 0 = no TLS */
/* SHA-256 of our TLS certificate in hex, for the device's installer to compare; "" = no TLS. */
void accept_tls_fingerprint(const struct accept *accept, char out[65]);
/* The certificate's files were changed and cannot be used: what they said before is shown on, and
 * after a new start the port stays shut until they can. */
bool accept_tls_is_stale(const struct accept *accept);
size_t accept_associations(struct accept *accept);

/* --- services beside storage, on the same associations --- */

struct accept_call {
    struct dimse_assoc *assoc;
    const struct dimse_command *request; /* NULL in accept_post_fn */
    const struct accept_device *device;  /* as it was when the association began; stays valid */
    const struct log_ctx *log;
    uint64_t association; /* for accept_assoc_post() */
    void *user;           /* of the service; NULL in accept_post_fn */
};

struct accept_service {
    const char *const *abstract_syntaxes; /* NULL-ended */
    enum dimse_offer offer;
    uint32_t right;    /* of enum accept_right that the device must have, else 0124H; 0 = none */
    bool peer_scp_too; /* also where the peer takes the server's part by role selection */
    /* A request on a context of these classes, or an answer to a request that accept_assoc_post()'s
     * function sent there. Reads or skips its data set, sends every answer. Fails only when the
     * association is over. NULL: the classes are only agreed to (C-GET's storage classes with
     * peer_scp_too); what comes on them is served as if this were not here.
     * Requests of devices without the right, and of strangers, never get here: 0124H. */
    int (*handle)(struct accept_call *call, struct err *err);
    /* May be NULL. The association is over: what waits for its answer will get none. */
    void (*association_end)(uint64_t association, void *user);
    void *user;
};

/* Copied (the texts of abstract_syntaxes too). A class belongs to one. Added after accept_listen()
 * it is there for associations that begin later. */
void accept_add_service(struct accept *accept, const struct accept_service *service);

/* Run something in the thread of an open association while it is between messages (waking it if it
 * waits for its peer). It is called exactly once if this returns true: with the call, or with
 * call NULL when the association ended before. false: there is no such association (any more).
 * run sends its request and returns; the peer may send requests of its own meanwhile, and its
 * answer comes to the service's handle(). A failure of run ends the association. */
typedef int (*accept_post_fn)(struct accept_call *call, void *user, struct err *err);
bool accept_assoc_post(struct accept *accept, uint64_t association, accept_post_fn run,
                       void *user) MUST_CHECK;

/* --- devices --- */

/* What is wrong with devices.conf: its line, why; "": nothing. Of that line what it said before
 * holds, after a start nothing; the others count, and the table cannot be edited from here. */
void accept_table_trouble(struct accept *accept, char out[ACCEPT_TROUBLE_BYTES]);
/* Can all of DIR/devices.conf be read, or is there none? For whoever types it.
 * errors  ERR_REJECT with the line, others where the file cannot be read */
int accept_check_devices(const char *dir, struct err *err) MUST_CHECK;
/* Copies, the caller's (free). */
void accept_list_devices(struct accept *accept, struct accept_device **out_devices, size_t *out_n);
void accept_list_refused(struct accept *accept, struct accept_refused **out_refused, size_t *out_n);
/* Forget a caller (refused or stranger) that nobody wants to enrol. A stranger whose images wait in
 * quarantine is not forgotten: its row is what tells them from those of a device that is enrolled
 * by its title and address later. errors  ERR_NOT_FOUND; ERR_CONFLICT its images wait */
int accept_forget_refused(struct accept *accept, const char *calling, const char *address,
                          struct err *err) MUST_CHECK;
/* Write a device into devices.conf (durable), in the place of the row with this title and address
 * if there is one; forget its refusals, release what it sent as a stranger.
 * errors  ERR_REJECT which column, and why */
int accept_put_device(struct accept *accept, const struct accept_device *device,
                      struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND */
int accept_remove_device(struct accept *accept, const char *ae, const char *address,
                         struct err *err) MUST_CHECK;
/* Where its row says that reports on commitment go when it holds no association open; false: it
 * names no address. out_host is the row's. */
bool accept_reports_to(const struct accept_device *device, const char **out_host,
                       uint16_t *out_port);
/* The row for a title and the address it comes from; address NULL: any row of that title, one
 * with a host before others (C-MOVE's targets). false: none. */
bool accept_find_device(struct accept *accept, const char *ae, const char *address,
                        struct accept_device *out_device);

/* --- the installation window --- */

#define ACCEPT_WINDOW_MS (30 * 60 * 1000)

struct accept_window {
    int64_t left_ms;      /* 0 = closed */
    uint64_t instances;   /* of strangers, in quarantine now */
    uint64_t bytes;       /* of them */
    uint64_t quota_bytes; /* past it strangers are answered A700H */
};

struct accept_stranger {
    char calling[17];
    char called[17];
    char address[46];
    char certificate_sha256[65]; /* "" = plain */
    int64_t first_us, last_us;
    uint64_t instances; /* in quarantine now */
    uint64_t bytes;
};

/* Let unknown callers in as strangers for so long (ACCEPT_WINDOW_MS; at most a day). A restart
 * closes it. */
void accept_window_open(struct accept *accept, int64_t ms);
void accept_window_close(struct accept *accept);
void accept_window_state(struct accept *accept, struct accept_window *out);
/* Who came through it and is not enrolled; the caller's (free). */
void accept_list_strangers(struct accept *accept, struct accept_stranger **out_strangers,
                           size_t *out_n);

/* --- "send these again": instances that were answered with a failure --- */

struct accept_unsent {
    char ae[17];
    char address[46];
    char sop_class[65];
    char sop_instance[65]; /* "" = none could be told */
    uint16_t status;
    char why[80]; /* of ours, no patient data */
    int64_t first_us, last_us;
    uint64_t count;
};

/* Oldest first; the caller's (free). A row goes by itself when its instance arrives.
 * out_more  rows that had to give way; so many more are missing */
void accept_list_unsent(struct accept *accept, struct accept_unsent **out_unsent, size_t *out_n,
                        uint64_t *out_more);
/* A person says that this need not be sent. errors  ERR_NOT_FOUND, ERR_RETRY */
int accept_forget_unsent(struct accept *accept, const char *ae, const char *sop_instance,
                         struct err *err) MUST_CHECK;

/* --- classes of images (or what may be such) that were offered here and are not taken --- */

struct accept_unoffered {
    char ae[17];
    char address[46];
    char sop_class[65];
    int64_t last_us;
    uint64_t count; /* of associations */
};

/* Since this start (what is taken changes with a start only), at most 200: then the one offered
 * longest ago gives way. The caller's (free). */
void accept_list_unoffered(struct accept *accept, struct accept_unoffered **out_rows,
                           size_t *out_n);

#endif
