/* audit.h - who did what to which study: an append-only file of entries in a hash chain.
 *
 * 1. audit_append() returns 0 only when the entry is durable, with everything before it.
 * 2. Each entry's hash covers the one before it; each batch ends with a signature; the file HEAD
 *    holds the signed end of the chain. An entry that is edited, dropped, moved or added, and a
 *    tail cut off, is found by audit_verify() with nothing but the folder.
 * 3. A day's last hash is signed once more into heads/DATE.head, to be handed to a supervisor: the
 *    holder of the key itself cannot rewrite what lies before a head that left the house.
 * 4. Fields hold UIDs, ids of ours, words and numbers; a patient only as a keyed hash.
 *
 * One thread writes; all entries that wait go in one batch with two syncs, so a hundred retrievals
 * at once wait no longer than one. A write that fails (a full disk) costs its batch; a sync that
 * fails ends the log until the service starts again. On disk: docs/formats/audit.md. Threads: any
 * may append. */
#ifndef RADPOST_TRUST_AUDIT_H
#define RADPOST_TRUST_AUDIT_H

#include "proto/base/err.h"
#include "proto/trust/digest.h"

struct audit;

enum audit_event {
#define AUDIT_EVENT(name, sentence) name,
#include "proto/trust/audit_events.def"
#undef AUDIT_EVENT
};

enum audit_field_type {
    AUDIT_FIELD_END,
    AUDIT_FIELD_UID,
    AUDIT_FIELD_WORD,
    AUDIT_FIELD_NUMBER,
    AUDIT_FIELD_HEX,
    AUDIT_FIELD_PATIENT
};

struct audit_field {
    enum audit_field_type type;
    const char *key; /* lower case letters and '_', a constant of the program */
    const char *text, *more;
    const void *bytes;
    uint64_t number;
};

/* A UID. What is none is written as "invalid". */
#define A_UID(k, uid) ((struct audit_field){AUDIT_FIELD_UID, k, uid, 0, 0, 0})
/* A tenant, device, AE title, state or address: up to 64 printable ASCII characters, the rest
 * becomes '?'. Never a name, a description or free text. */
#define A_WORD(k, word) ((struct audit_field){AUDIT_FIELD_WORD, k, word, 0, 0, 0})
#define A_NUMBER(k, n) ((struct audit_field){AUDIT_FIELD_NUMBER, k, 0, 0, 0, (uint64_t)(n)})
/* A digest; n up to 32. */
#define A_HEX(k, p, n) ((struct audit_field){AUDIT_FIELD_HEX, k, 0, 0, p, (uint64_t)(n)})
/* A patient, by issuer (may be "") and id: 16 bytes of a hash keyed with a secret of this folder.
 */
#define A_PATIENT(k, issuer, id) ((struct audit_field){AUDIT_FIELD_PATIENT, k, issuer, id, 0, 0})

/* Open or make the audit log in dir for a service ("storage"). The last day's file is checked; a
 * torn end that a crash left (never acknowledged) moves to corrupt/ and is noted as an entry. A
 * chain that is not whole is set aside in corrupt/ as it is, told in the log and noted as the first
 * entry of a new one: care goes on, and audit_verify() tells of it until somebody has looked. So is
 * one of which a key is gone or rotten; its place takes a new one.
 * errors  ERR_CONFLICT another process has it open; those of durable.h */
int audit_open(const char *dir, const char *service, struct audit **out_audit,
               struct err *err) MUST_CHECK;
void audit_close(struct audit **audit);
/* Blocks for a sync or two. errors: ERR_FULL, ERR_RETRY the entry is not kept: what was to be
 * recorded should not be done. */
int audit_append_fields(struct audit *audit, enum audit_event event,
                        const struct audit_field *fields, struct err *err) MUST_CHECK;
/* Can an entry name this person as a word? Letters, digits, '.', '_', '-', '@', at most 64. */
bool audit_is_login(const char *by);
/* audit_append(audit, &err, AUDIT_RETRIEVED, A_UID("study", uid), A_WORD("by", ae)) */
#define audit_append(audit, err, event, ...)                                                       \
    audit_append_fields(                                                                           \
        audit, event,                                                                              \
        (const struct audit_field[]){__VA_ARGS__ __VA_OPT__(, ){AUDIT_FIELD_END, 0, 0, 0, 0, 0}},  \
        err)

/* The same without waiting until it is durable: for what others can tell of after a crash just now.
 * errors: it was not taken; that it could not be written afterwards is logged. */
int audit_note_fields(struct audit *audit, enum audit_event event, const struct audit_field *fields,
                      struct err *err) MUST_CHECK;
#define audit_note(audit, err, event, ...)                                                         \
    audit_note_fields(                                                                             \
        audit, event,                                                                              \
        (const struct audit_field[]){__VA_ARGS__ __VA_OPT__(, ){AUDIT_FIELD_END, 0, 0, 0, 0, 0}},  \
        err)

/* The entries of a day ("2026-11-21", UTC), in order, as JSON objects: docs/formats/audit.md. Read
 * as they stand, while others append; whether they are whole is audit_verify()'s to say.
 * on_entry  -1 ends it without an error
 * errors    ERR_NOT_FOUND nothing was written that day */
typedef int (*audit_on_entry)(void *user, const char *json, size_t n);
int audit_day(const struct audit *audit, const char *date, audit_on_entry on_entry, void *user,
              struct err *err) MUST_CHECK;
/* The sentence of an event's name, NULL for one that is not known. */
const char *audit_sentence(const char *event);

struct audit_verdict {
    uint64_t entries;         /* good ones */
    uint64_t bad_entry;       /* number of the first bad one, 0 = none */
    char bad_place[64];       /* file and line */
    char first[32], last[32]; /* time of the first and last good entry */
    uint8_t head[DIGEST_BYTES];
    uint8_t signer[DIGEST_BYTES]; /* fingerprint of the key that signed */
};

/* Does a chain that was set aside still lie there? Cheap: for a lamp.
 * errors  ERR_CONFLICT it does, and where; ERR_RETRY the folder cannot be read */
int audit_check_aside(const char *dir, struct err *err) MUST_CHECK;
/* Check the folder from the first entry to HEAD, without the service (which may be running).
 * signer, head  NULL, or what a supervisor noted before: key fingerprint, a heads/DATE.head file
 * errors        ERR_CONFLICT the first bad entry is named in out and in the text */
int audit_verify(const char *dir, const uint8_t *signer, const char *head_file,
                 struct audit_verdict *out, struct err *err) MUST_CHECK;

/* radpost audit verify DIR [--signer HEX] [--head FILE] | audit show DIR [--study UID]. Exit code.
 */
int audit_cli(int argc, char **argv);

#endif
