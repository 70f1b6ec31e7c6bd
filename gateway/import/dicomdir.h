/* dicomdir.h - which files a disc says it has, and of which images they are: the basic directory of
 * PS3.3 F.3. Names are told as they would be found: components parted by '/', in capitals, without
 * what ISO 9660 adds (";1", a dot at the end). Untrusted bytes; nothing is followed. Pure. */
#ifndef RADPOST_IMPORT_DICOMDIR_H
#define RADPOST_IMPORT_DICOMDIR_H

#include "proto/base/err.h"

enum { DICOMDIR_NAME_SIZE = 160, DICOMDIR_FILES_MAX = 100000 };

struct dicomdir_file {
    char name[DICOMDIR_NAME_SIZE];
    char study[65],
        instance[65];        /* ""; the directory does not say, or not in a way that is valid */
    bool has_come, was_sent; /* the caller's; false at first */
};

struct dicomdir {
    struct dicomdir_file *files; /* by name; each once */
    size_t n;
    struct dicomdir_file **by_instance; /* those that say which they are */
    size_t by_instance_n;
};

/* bytes: all of the file DICOMDIR.
 * errors  ERR_REJECT it cannot be read; out is empty then */
int dicomdir_read(const uint8_t *bytes, size_t n, struct dicomdir *out, struct err *err) MUST_CHECK;
void dicomdir_fini(struct dicomdir *d);
/* By the name it has below the disc's folder; NULL: the directory does not name it. */
struct dicomdir_file *dicomdir_find(const struct dicomdir *d, const char *relative);
/* Every file that is said to be of the image; 0: none. *out is d's own. */
size_t dicomdir_find_instance(const struct dicomdir *d, const char *instance,
                              struct dicomdir_file *const **out);

#endif
