/* folder.c - see folder.h. */
#include "proto/base/folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
folder_next(DIR *folder, const struct dirent **out, struct err *err)
{
    const struct dirent *e;

    do {
        errno = 0;
        e = readdir(folder);
    } while (e != NULL && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    if (e == NULL && errno != 0)
        return err_sys(err, ERR_RETRY, "read a folder's names");
    *out = e;
    return 0;
}

int
folder_vet_owner(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(err, ERR_NOT_FOUND, "%s", path);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_DENIED, "run this as the user that owns %s, the service's", path);
    return 0;
}
