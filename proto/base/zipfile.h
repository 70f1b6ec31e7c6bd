/* zipfile.h - small ZIP files in memory (APPNOTE 6.3: no ZIP64, no encryption, names in UTF-8).
 * Written: stored, no clock, so the same files give the same bytes. Read: stored or deflated, each
 * member checked by its CRC; what any unzip would read differently is refused. Pure functions. */
#ifndef RADPOST_BASE_ZIPFILE_H
#define RADPOST_BASE_ZIPFILE_H

#include "proto/base/buf.h"

#define ZIPFILE_MEMBERS 64
#define ZIPFILE_NAME_BYTES 200

/* Writing: init, add..., end. out's limit says whether all of it fitted. */
struct zipfile {
    struct buf *out;
    struct buf directory;
    size_t start; /* of the file in out */
    unsigned count;
};

void zipfile_init(struct zipfile *z, struct buf *out);
/* At most ZIPFILE_MEMBERS members of less than 4 GiB in all: a bug otherwise. */
void zipfile_add(struct zipfile *z, const char *name, const void *bytes, size_t n);
void zipfile_end(struct zipfile *z);

/* Bytes that begin as a ZIP file does? */
bool zipfile_is(const void *bytes, size_t n);
/* One member's bytes, whole and checked, appended to out (its limit is the bomb's end). A name in a
 * folder counts by its last part ("evidence/report.json" is "report.json").
 * errors  ERR_NOT_FOUND no such member; ERR_REJECT damaged, twice, encrypted, or out's limit */
int zipfile_get(const void *bytes, size_t n, const char *name, struct buf *out,
                struct err *err) MUST_CHECK;

#endif
