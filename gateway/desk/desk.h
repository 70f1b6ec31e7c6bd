/* desk.h - the clinic's desk: lamps, today's studies, who was refused; registering patients, their
 * slips and phones; reports that come back from the reader; accounts and devices.
 * Routes: GET / and /assets (the page, embedded), GET /desk/v1/state (JSON, long poll), and those
 * of docs/desk.md. What must last is in a small file of its own (book.h); images never depend on
 * it. Callers are signed in (accounts.h); programs on this machine may read what holds nothing of a
 * patient by the token in dir/token. Beyond this machine it is served over TLS only (place.h).
 * Threads: start and stop from the owner; requests have threads of their own. */
#ifndef RADPOST_GATEWAY_DESK_H
#define RADPOST_GATEWAY_DESK_H

#include "gateway/desk/his_settings.h"
#include "proto/base/err.h"
#include "proto/model/slip.h"

struct accept;
struct desk;
struct import;
struct plain;
struct serve;
struct spool;
struct uplink;

struct desk_options {
    const char *address; /* numeric; beyond loopback is_tls is due */
    uint16_t port;       /* 0 = one that is free */
    bool is_tls;
    const char *certificate, *key; /* PEM files of the clinic's; NULL or "": the desk's own */
    const char *hosts;         /* "a,b": names it is reached by, see http/server.h; NULL: none */
    int64_t keep_discarded_ms; /* as the spool's; 0: 30 days */
    int64_t session_ms;        /* absolute end of a session; 0: 12 h */
    struct spool *spool;       /* all three outlive the desk */
    struct accept *accept;
    struct serve *serve;   /* may be NULL (tests) */
    struct import *import; /* may be NULL (tests) */
    struct uplink *uplink;
    struct plain *plain;        /* targets beside the centre; may be NULL (tests) */
    const char *dir;            /* of the desk's own state; made */
    const char *link_dir;       /* the gateway's identity */
    const char *lines_path;     /* table of the lines (uplink.h); NULL: none */
    const char *reader_url;     /* "" or NULL: what enrolment told */
    const char *clinic_name;    /* "" or NULL: the organisation's code; printed on slips */
    const char *clinic_phone;   /* "" or NULL: none; told to doctors with each registration */
    const char *orders_folder;  /* "" or NULL: none (orders_sources.h) */
    const char *orders_command; /* "" or NULL: none */
    int64_t orders_every_ms;
    bool has_hl7_in; /* his_in.h */
    const char *hl7_address, *hl7_peers, *hl7_charset, *hl7_facility;
    uint16_t hl7_port;
    int64_t hl7_idle_ms;
    const char *hl7_tls_ca, *hl7_tls_certificate, *hl7_tls_key;
    const struct his_settings *his; /* NULL: reports go nowhere else in the clinic (his_out.h) */
    int64_t his_retry_ms, his_retry_max_ms;
    int64_t backoff_ms, backoff_max_ms; /* of the line to the reader; 0: half a second, 15 s */
    /* What is the matter with parts that are not the desk's, for its lamp (parts_lamp.h); NULL or
     * "": nothing. */
    const char *conf_trouble, *import_trouble, *commit_trouble;
};

/* Page and HL7 port are opened if they can be: desk_try_again(). What is wrong with an option of
 * theirs, or of those who hand over reports, costs that part alone and is told by the lamp and the
 * log.
 * errors  of its own folder: those of book_open() and audit_open() */
int desk_start(const struct desk_options *options, struct desk **out_desk,
               struct err *err) MUST_CHECK;
/* Open what could not be opened (an address or a certificate that is not there yet). true: all is
 * open. By the thread that started it. */
bool desk_try_again(struct desk *desk);
/* Worklist and MPPS, at the DICOM door. accept_shut() goes before desk_stop(). */
void desk_offer_services(struct desk *desk);
void desk_stop(struct desk **desk);
uint16_t desk_port(const struct desk *desk);     /* 0: its page is not served */
uint16_t desk_hl7_port(const struct desk *desk); /* 0: it takes no HL7 */
/* A one-time code for an administrator's account (accounts.h), whether the desk runs or not. Makes
 * the desk's file if there is none.
 * errors  those of book_open() */
int desk_account_code(const char *dir, char out_code[SLIP_TEXT_BYTES], struct err *err) MUST_CHECK;
/* SHA-256 of the certificate the desk under dir made itself, "AB:CD:...".
 * errors  ERR_NOT_FOUND there is none; ERR_REJECT */
int desk_fingerprint(const char *dir, char out[96], struct err *err) MUST_CHECK;

#endif
