/* targets.h - the text of targets.conf: archives and other receivers beside, or in the place of,
 * our centre. One target a line: NAME, dicom or stow, where it is, settings key=value.
 * docs/formats/targets.md. Threads: a table belongs to its owner; the functions keep no state. */
#ifndef RADPOST_PLAIN_TARGETS_H
#define RADPOST_PLAIN_TARGETS_H

#include "proto/base/err.h"

enum {
    TARGETS_MAX = 8,
    TARGET_ROWS_MAX = 16, /* with lines that are wrong */
    TARGET_NAME_BYTES = 33,
    TARGET_CONNECTIONS_MAX = 4,
    TARGETS_FILE_BYTES = 65536
};

enum target_kind { TARGET_DICOM, TARGET_STOW };

/* An application entity: AE@host:port. */
struct target_entity {
    char ae[17];
    char host[256];
    uint16_t port; /* 0: not set */
};

struct target {
    char name[TARGET_NAME_BYTES]; /* small letters, digits, '-': names its files, too */
    enum target_kind kind;
    struct target_entity entity; /* dicom */
    struct target_entity query;  /* where it answers C-FIND; port 0: the same */
    char as[17];                 /* our AE title towards it; "": ours */
    bool is_tls;                 /* dicom */
    char pin[65];                /* dicom: its certificate, whoever signed it; "" none */
    char url[512];               /* stow: the service's root, no slash at the end */
    char token[512];             /* file of the bearer token; "" none */
    char ca[512];                /* PEM files: who signed the peer's certificate, */
    char certificate[512];       /* and what we show it */
    char key[512];
    bool is_archive;      /* instead of the centre */
    bool is_unverified;   /* nobody is asked whether it is there: an answer is enough */
    char devices[512];    /* AE titles with commas; "" all */
    char modalities[256]; /* with commas; "" all */
    unsigned connections; /* 1..TARGET_CONNECTIONS_MAX */
    uint64_t rate_bytes;  /* a second; 0 no limit */
    char wrong[200];      /* what is wrong with its line; "": nothing */
};

struct targets {
    struct target *rows;
    size_t n;
};

/* The text of a whole file.
 * errors ERR_REJECT with the line's number */
int targets_parse(const char *text, size_t n, struct targets *out, struct err *err) MUST_CHECK;
/* No such file: no targets. -1: there is a mistake, and the first is told. out is set in any case:
 * a line with a mistake stands there as a target that is wrong, to which nothing can go. Of it the
 * name ("line_N" where there is none), the devices and modalities count as far as they can be read
 * (else: all), and that it is instead of the centre, however that is written. A file that cannot be
 * read or has bytes of zero is one such target of everything, instead of the centre.
 * errors as targets_parse(), and those of durable_get_file() */
int targets_read(const char *path, struct targets *out, struct err *err) MUST_CHECK;
void targets_fini(struct targets *targets);

/* Does it take what this device sent, of this modality ("" not known)? */
bool target_takes(const struct target *target, const char *device, const char *modality);
/* The first one that takes it instead of the centre; NULL: the centre is its archive. */
const struct target *targets_archive(const struct targets *targets, const char *device,
                                     const char *modality);

#endif
