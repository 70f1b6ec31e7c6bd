/* versions.c - was the folder written by a newer program than this one? To replay what is only half
 * understood and to write a journal of it anew would lose what was added since: an image that a
 * person threw away would be sent. Looking needs no more than the same major version. What cannot
 * be read here is for recover.c to judge. */
#include "gateway/spool/internal.h"

#include "proto/base/folder.h"
#include "proto/base/zip.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Journals and segments begin alike, in every version: magic, u16 major at 8, u16 minor at 10, CRC
 * of the first 48 bytes at 48. */
enum { HEAD_BYTES = 52 };

struct family {
    const char *folder, *suffix, *what;
    const char *magic;
    unsigned major, minor; /* what this program knows */
};

static const struct family journals = {"journal",       ".jnl",        "journal",
                                       "RPJNL\r\n\x1a", JOURNAL_MAJOR, JOURNAL_MINOR};
/* Old segments are read and never written again: a later minor version loses nothing. */
static const struct family segments = {"segments",      ".seg",        "segment",
                                       "RPSEG\r\n\x1a", SEGMENT_MAJOR, UINT16_MAX};

static bool
read_version(const char *path, const struct family *f, unsigned *out_major, unsigned *out_minor)
{
    uint8_t head[HEAD_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? pread(fd, head, sizeof head, 0) : -1;

    if (fd >= 0)
        close(fd);
    if (n != sizeof head || memcmp(head, f->magic, 8) != 0 ||
        le32_read(head + 48) != zip_crc32(0, head, 48))
        return false;
    *out_major = le16_read(head + 8);
    *out_minor = le16_read(head + 10);
    return true;
}

static int
check_file(const char *path, const struct family *f, bool is_read_only, struct err *err)
{
    unsigned major, minor;

    if (!read_version(path, f, &major, &minor) || major < f->major ||
        (major == f->major && (minor <= f->minor || is_read_only)))
        return 0;
    return err_set(err, ERR_REJECT,
                   "a newer program wrote it (%s version %u.%u, this one knows %u.%u): start that "
                   "one; nothing was changed",
                   f->what, major, minor, f->major, f->minor == UINT16_MAX ? 0 : f->minor);
}

static bool
has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);

    return n > k && strcmp(name + n - k, suffix) == 0;
}

/* Every file of it, or the newest alone. */
static int
check_folder(const char *dir, const struct family *f, bool is_newest_only, bool is_read_only,
             struct err *err)
{
    char path[PATH_MAX], newest[NAME_MAX + 1] = "";
    const struct dirent *d;
    DIR *folder;
    int rc = 0;

    snprintf(path, sizeof path, "%s/%s", dir, f->folder);
    folder = opendir(path);
    if (folder == NULL)
        return 0; /* not there yet, or for recover.c to tell */
    while (rc == 0 && (rc = folder_next(folder, &d, err)) == 0 && d != NULL) {
        if (!has_suffix(d->d_name, f->suffix))
            continue;
        if (strcmp(d->d_name, newest) > 0)
            snprintf(newest, sizeof newest, "%s", d->d_name);
        snprintf(path, sizeof path, "%s/%s/%s", dir, f->folder, d->d_name);
        if (!is_newest_only)
            rc = check_file(path, f, is_read_only, err);
    }
    closedir(folder);
    snprintf(path, sizeof path, "%s/%s/%s", dir, f->folder, newest);
    return rc == 0 && is_newest_only ? check_file(path, f, is_read_only, err) : rc;
}

int
versions_check(const char *dir, bool is_read_only, struct err *err)
{
    if (check_folder(dir, &journals, false, is_read_only, err) < 0)
        return -1;
    return check_folder(dir, &segments, true, is_read_only, err);
}
