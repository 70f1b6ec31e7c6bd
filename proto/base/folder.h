/* folder.h - the names in a folder, told apart from a disk that does not give them. Threads: a
 * folder belongs to one at a time. */
#ifndef RADPOST_BASE_FOLDER_H
#define RADPOST_BASE_FOLDER_H

#include "proto/base/err.h"

#include <dirent.h>

/* The next entry; "." and ".." are none. *out NULL: there are no more. It is the folder's, until
 * the next call. readdir() alone answers a sick disk as it answers the end: what is listed by it
 * would pass for all there is.
 * errors  ERR_RETRY */
int folder_next(DIR *folder, const struct dirent **out, struct err *err) MUST_CHECK;

/* For commands that write where a service does: a file of somebody else's could not be read by the
 * service any more.
 * errors  ERR_NOT_FOUND; ERR_DENIED the folder is another user's */
int folder_vet_owner(const char *path, struct err *err) MUST_CHECK;

#endif
