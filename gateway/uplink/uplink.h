/* uplink.h - from the spool to the centre: inspect, code, prove, offer, send, and believe receipts.
 * Each received instance is inspected and, where it may be, coded in layers (worker children);
 * then the first looks of all waiting studies go first, the rest after, oldest due first, over
 * several connections at once. Whatever is in doubt after a cut, a timeout or a restart of either
 * side is offered again, and the centre's answer says which bytes it has. Nothing here is kept in
 * memory alone: a kill costs what was in flight.
 * What the two sides say to each other: docs/link-protocol.md.
 * Threads: status from any; start and stop from the owner. Accept never waits for any of this. */
#ifndef RADPOST_GATEWAY_UPLINK_H
#define RADPOST_GATEWAY_UPLINK_H

#include "proto/base/err.h"

struct link_policy;
struct spool;
struct spool_entry;
struct codec_pool;
struct uplink;

/* Does another archive keep it instead of the centre? Then it is neither coded nor offered, and no
 * list tells the centre of it. Called from any thread; the same answer each time. */
typedef bool (*uplink_elsewhere_fn)(void *user, const struct spool_entry *entry);

/* How images are coded (docs/decisions/coding.md). */
enum uplink_coding {
    UPLINK_CODING_CHOOSE, /* by line and content */
    UPLINK_CODING_LAYERS, /* always with a first look */
    UPLINK_CODING_FAST,   /* JPEG-LS wherever it can be */
    UPLINK_CODING_OFF     /* everything goes as it was received */
};

struct uplink_options {
    const char *dir;        /* what the uplink itself keeps; NULL: nothing (a restart forgets) */
    const char *link_dir;   /* key, certificate and addresses of the enrolment */
    const char *url;        /* NULL or "": the address that enrolment wrote down */
    const char *lines_path; /* lines.conf, docs/formats/lines.md; NULL, or not there: one line */
    unsigned connections;   /* 1..16; a line's of the table without its own */
    unsigned stat_percent;  /* of the line that STAT may take of others; 0: 90 */
    unsigned coders;        /* threads that feed the codec pool */
    enum uplink_coding coding;
    uint64_t rate_bytes;    /* a second; 0 = no limit; a line's of the table without its own */
    uint64_t bundle_bytes;  /* largest body of one request */
    int64_t backoff_ms;     /* first wait */
    int64_t backoff_max_ms; /* longest wait */
    int64_t stall_ms;
    int64_t quiet_ms;     /* of a study before its manifest closes */
    int64_t look_hold_ms; /* the rest of a study waits so long for the first looks of its others */
    int64_t recheck_ms;   /* held but not sealed after so long: asked again */
    int64_t reconcile_ms; /* what was handed over is compared with the centre so often; 0: a day */
    int64_t line_back_ms; /* a better line answers for so long before it takes over again */
    uplink_elsewhere_fn elsewhere; /* NULL: the centre keeps everything */
    void *elsewhere_user;
};

/* Does not need the line, nor an enrolment: it waits for both.
 * pool, spool  outlive the uplink
 * errors       ERR_REJECT options; of the table of lines never: is_table_wrong of the status */
int uplink_start(const struct uplink_options *options, struct spool *spool, struct codec_pool *pool,
                 struct uplink **out_uplink, struct err *err) MUST_CHECK;
/* Ends calls under way and joins; what they carried is offered again next time. */
void uplink_stop(struct uplink **uplink);

/* How a device writes its texts (charset of devices.conf): asked at each inspection, from any
 * thread; out stays "" where the device has no such setting. fn NULL: nobody is asked any more, and
 * no call is under way when it returns. */
typedef void (*uplink_profile_fn)(void *user, const char *ae, const char *address, char out[20]);
void uplink_set_profile(struct uplink *up, uplink_profile_fn fn, void *user);

/* The technician's button: close the study's manifest now (as soon as no association is open). */
int uplink_close_study(struct uplink *up, const char *study_uid, struct err *err) MUST_CHECK;

/* ---- how soon a study is wanted ---- */

enum uplink_urgency { UPLINK_ROUTINE, UPLINK_URGENT, UPLINK_STAT };
enum uplink_by { UPLINK_BY_CLINIC, UPLINK_BY_READER };

/* Who said what of a study last. No patient data, but a reason is medical: not for the log. */
struct uplink_urgent {
    char study[65];
    enum uplink_urgency urgency;
    enum uplink_by by;
    int64_t at_us;
    char who[97];
    char reason[257];
};

/* The clinic's word: higher or lower. Durable before it returns, in force with the next chunk on
 * the line (STAT overtakes all, urgent goes first among equals). A study need not have come yet.
 * reason, who  one line each, not empty
 * errors       ERR_REJECT words or number, ERR_RETRY ERR_FULL disk */
int uplink_set_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency,
                       const char *reason, const char *who, struct err *err) MUST_CHECK;
/* A reader's word: may only raise it; the same again is success and changes nothing.
 * errors  ERR_DENIED it would lower it */
int uplink_raise_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency,
                         const char *reason, const char *who, struct err *err) MUST_CHECK;
/* Routine and empty words where nobody said anything. */
void uplink_urgency(struct uplink *up, const char *study, struct uplink_urgent *out);
const char *uplink_urgency_word(enum uplink_urgency urgency); /* "routine", "urgent", "stat" */

/* ---- how far a study is ---- */

struct uplink_progress {
    char study[65];
    uint64_t objects; /* here, without what is aside or a duplicate */
    uint64_t looked;  /* whose first look is at the centre, held and sealed ones too */
    uint64_t held;    /* whole there, sealed ones too */
    uint64_t sealed;
    uint64_t bytes_all;   /* of the files that go */
    bool is_estimate;     /* some are not coded yet: bytes_all is a guess from the others */
    uint64_t bytes_there; /* of them at the centre, pieces of unfinished ones too */
    uint64_t bytes_per_s; /* of the line now, for all studies */
    int64_t seconds_left; /* until all is held; -1: unknown (no line, or nothing moves yet) */
    enum uplink_urgency urgency;
    char line[33]; /* that carries it; "": none works */
};

/* False: no instance of it is here. */
bool uplink_progress(struct uplink *up, const char *study, struct uplink_progress *out);
/* All studies of which something is not held yet, soonest on the line first. */
typedef void (*uplink_progress_fn)(void *user, const struct uplink_progress *progress);
void uplink_each_progress(struct uplink *up, uplink_progress_fn fn, void *user);

/* The last comparison with the centre. */
struct uplink_reconciled {
    int64_t at_us;      /* when it began; 0: there was none yet */
    bool is_running;    /* another one */
    uint64_t objects;   /* compared */
    uint64_t different; /* of them, and of lists */
    uint64_t repaired;  /* of those */
    uint64_t lost;      /* of those: missing there, and no longer here */
};

/* Compare with the centre now, not only once a day. */
void uplink_reconcile(struct uplink *up);
/* The same from another process: dir as in the options of the gateway that runs there. */
int uplink_ask_reconcile(const char *dir, struct err *err) MUST_CHECK;
/* How its last one ended. errors  ERR_NOT_FOUND there was none */
int uplink_last_reconciled(const char *dir, struct uplink_reconciled *out,
                           struct err *err) MUST_CHECK;

/* What the centre wanted of this gateway last, for the doctor. errors  ERR_NOT_FOUND nothing yet */
int uplink_policy_load(const char *dir, struct link_policy *out, struct err *err) MUST_CHECK;

/* The way by which what is not the uplink (enrolment, the desk's courier) reaches the centre: that
 * of a line of the table, the n-th by rank, round and round. Texts are "" where there is none. Of a
 * table with a mistake its lines that have none count, as after a start.
 * lines_path as in the options. errors  ERR_REJECT the file with the proxy's password */
struct uplink_way {
    char url[256]; /* of the archive, by this line; "": as enrolled */
    char proxy[256], proxy_user[256], source[64];
};
int uplink_way(const char *lines_path, unsigned n, struct uplink_way *out,
               struct err *err) MUST_CHECK;
/* Can all of the table be read, or is there none? For whoever types it.
 * errors  ERR_REJECT "FILE:LINE: what is wrong", others where the file cannot be read */
int uplink_check_lines(const char *lines_path, struct err *err) MUST_CHECK;

enum uplink_line {
    UPLINK_NOT_ENROLLED,
    UPLINK_TRYING,  /* not reached yet since the start */
    UPLINK_UP,      /* the last call was answered */
    UPLINK_DOWN,    /* the last call failed: no line, no centre, or it is busy */
    UPLINK_REFUSED, /* a certificate is not accepted, ours or theirs: retrying will not help */
};

enum { UPLINK_LINES_MAX = 4 };

/* One of the ways to the centre. */
struct uplink_line_status {
    char name[33];
    unsigned rank;   /* the least that works carries the images */
    bool is_serving; /* images go by it now; else it stands by or is down */
    enum uplink_line line;
    bool is_choked; /* it answers, but images do not come through: others carry them, if any can */
    int64_t since_us;
    int64_t last_contact_us;
    uint64_t bytes_per_s;
    uint64_t sent_bytes;
    uint64_t rate_bytes; /* that it may carry now; 0 = no limit */
    char trouble[200];
};

/* For the desk. What is said of the line is said of the best of them. */
struct uplink_status {
    enum uplink_line line;
    int64_t line_since_us;   /* in this state since */
    int64_t last_contact_us; /* last answer of the centre; 0 = none since the start */
    uint64_t bytes_per_s;    /* sent, mean of the last seconds */
    uint64_t sent_bytes;     /* of bodies, since the start */
    char centre[256];        /* its address; empty: not enrolled */
    char tenant[65];
    char device[65];
    int certificate_days;        /* left; INT_MIN: unknown */
    int64_t certificate_from_us; /* when it was issued, by the centre's clock; 0: unknown */
    bool is_clock_past_all;      /* by our clock the centre's certificate has ended, and ours: not
                                  * reached by it */
    bool has_clock_offset;
    int64_t clock_offset_ms; /* centre's clock minus ours */
    int64_t centre_boot_ms;  /* what the centre's clock said when this machine came up, however ours
                              * is set since; 0: not known */
    uint64_t uncoded;        /* instances still to be inspected or coded */
    uint64_t waiting_looks;  /* instances whose first look is not at the centre */
    uint64_t waiting_objects;
    uint64_t waiting_bytes;
    uint64_t conflicts;     /* since the start: UIDs taken by other content at the centre */
    uint64_t proofs_failed; /* codings that were not the image, which went as it came, and that
                             * nobody has seen (uplink_proofs_seen); also of before the start */
    struct uplink_reconciled reconciled;
    char upgrade_version[33]; /* the centre asks for it; "": nothing */
    char upgrade_text[601], upgrade_url[257];
    bool is_version_too_old; /* older than the centre wants any gateway to be */
    bool is_centre_full;     /* it answers, and has no room for images: they wait here */
    int64_t full_since_us;   /* that; 0: it is not */
    char trouble[200];       /* why the line is down or refused, or that; empty: nothing */
    bool is_proxy_denied;    /* down, and a proxy does not take user and password, or wants them */
    struct uplink_line_status lines[UPLINK_LINES_MAX]; /* as the table names them */
    size_t lines_n;
    bool is_table_wrong; /* a mistake in the table: what it said before it is in force, or at the
                          * start its lines that have none, or the one line of the options */
};

/* Who knows how many instances of a study devices have announced that are not here: *out_missing;
 * false where nobody said. Told to the centre with each list, and again when it grows. NULL: nobody
 * knows (any more); returns when no call runs. */
typedef bool (*uplink_missing_fn)(void *user, const char *study, uint32_t *out_missing);
void uplink_ask_missing(struct uplink *up, uplink_missing_fn ask, void *user);
/* What is known about that has changed. */
void uplink_missing_changed(struct uplink *up);
/* Of a study whose number was used for several people: does the entry say whose the study is? What
 * was inspected first does, and all that agrees with it; nothing that is put aside. */
bool uplink_is_firsts(const struct spool_entry *entry);
void uplink_status(struct uplink *up, struct uplink_status *out);
/* A person has seen the alarm of so many failed proofs. Durable.
 * errors  ERR_RETRY ERR_FULL disk */
int uplink_proofs_seen(struct uplink *up, uint64_t count, struct err *err) MUST_CHECK;
const char *uplink_line_word(enum uplink_line line);

#endif
