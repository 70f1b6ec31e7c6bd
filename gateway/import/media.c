/* media.c - sticks and discs: folders that appear below media_dir. Nothing on them is changed.
 * With a DICOMDIR only DICOM is taken (the rest is a viewer's own), and what the DICOMDIR names
 * must come of it (PS3.10 8.5, PS3.3 F.3.2.2); without one, every file of a kind we know. What is
 * scratched, broken off or pulled out costs itself: it is counted, and the rest goes on. */
#include "gateway/import/dicomdir.h"
#include "gateway/import/import_own.h"

#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEDIA_MAX = 32, COUNT_MAX = 10000, DICOMDIR_BYTES = 64 << 20 };

struct reading {
    struct import *im;
    struct import_taken *taken;
    bool is_dicom_only;
    struct dicomdir dicomdir;
    int rc;
    struct err *err;
};

/* ---- what is there ---- */

static bool
count_file(void *user, int fd, const char *relative)
{
    (void)fd;
    (void)relative;
    return ++*(uint32_t *)user < COUNT_MAX;
}

/* As it is mounted its name may be in any case. */
static bool
find_dicomdir(const char *root, char out[PATH_MAX])
{
    DIR *d = opendir(root);
    struct dirent *e;
    bool is_there = false;

    while (d != NULL && !is_there && (e = readdir(d)) != NULL) {
        if (strcasecmp(e->d_name, "DICOMDIR") != 0)
            continue;
        snprintf(out, PATH_MAX, "%s/%s", root, e->d_name);
        is_there = access(out, R_OK) == 0;
    }
    if (d != NULL)
        closedir(d);
    return is_there;
}

void
import_list_media(struct import *im, struct import_media **out, size_t *out_n)
{
    struct import_media *list = mem_new(MEDIA_MAX * sizeof *list);
    DIR *d = im->media_dir[0] != '\0' ? opendir(im->media_dir) : NULL;
    struct dirent *e;
    size_t n = 0;

    while (d != NULL && n < MEDIA_MAX && (e = readdir(d)) != NULL) {
        struct import_media *m = &list[n];
        char path[PATH_MAX], dicomdir[PATH_MAX];
        struct stat st;

        if (e->d_name[0] == '.' || !text_copy(m->name, sizeof m->name, e->d_name) ||
            !text_is_utf8(m->name, strlen(m->name)) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            continue;
        snprintf(path, sizeof path, "%s/%s", im->media_dir, m->name);
        m->has_dicomdir = find_dicomdir(path, dicomdir);
        m->files = 0;
        walk_files(path, count_file, &m->files);
        if (m->files > 0)
            n++;
    }
    if (d != NULL)
        closedir(d);
    *out = list;
    *out_n = n;
}

/* ---- reading it ---- */

/* What the DICOMDIR names is counted at the end, whatever became of it. */
static void
note_unreadable(struct reading *r)
{
    if (!r->is_dicom_only)
        r->taken->unusable++;
}

static void
note_taken(struct reading *r, const struct taken_file *file, const char *relative)
{
    struct dicomdir_file *named = dicomdir_find(&r->dicomdir, relative);

    r->taken->taken += file->outcome == TAKE_DONE;
    r->taken->sent += file->outcome == TAKE_SENT && !file->was_there;
    r->taken->known +=
        file->outcome == TAKE_KNOWN || (file->outcome == TAKE_SENT && file->was_there);
    r->taken->unusable += file->outcome == TAKE_UNUSABLE;
    if (file->outcome == TAKE_NOT_WHOLE) /* it changed, or ended, while it was read */
        note_unreadable(r);
    else if (named != NULL) { /* half of it in the inbox is not the image that is named */
        named->has_come = file->outcome != TAKE_UNUSABLE && !file->is_cut;
        named->was_sent = file->outcome == TAKE_SENT;
    }
}

static ssize_t
read_begin(int fd, uint8_t *bytes, size_t n)
{
    ssize_t k;

    do
        k = fd < 0 ? -1 : pread(fd, bytes, n, 0);
    while (k < 0 && fd >= 0 && errno == EINTR);
    return k;
}

static bool
take_one(void *user, int fd, const char *relative)
{
    struct reading *r = user;
    struct taken_file file;
    uint8_t begin[1100];
    ssize_t n = read_begin(fd, begin, sizeof begin);
    enum wrap_kind kind;

    if (n < 0) {
        note_unreadable(r);
        return true;
    }
    kind = wrap_sniff(begin, (size_t)n);
    if (kind == WRAP_UNKNOWN || kind == WRAP_DICOMDIR || (r->is_dicom_only && kind != WRAP_DICOM))
        return true;
    if (take_file(r->im, fd, relative, true, true, &file, r->err) == 0) {
        note_taken(r, &file, relative);
    } else if (file.is_unreadable) {
        note_unreadable(r);
    } else if (r->err->kind == ERR_REJECT) { /* too large: the others go on */
        r->taken->unusable++;
    } else {
        r->rc = -1;
        return false;
    }
    return true;
}

/* ---- what did not come ---- */

static int
by_study(const void *a, const void *b)
{
    const struct import_absent *x = a, *y = b;
    int order = strcmp(x->study, y->study);

    return order != 0 ? order : strcmp(x->instance, y->instance);
}

/* Did another file of its study go its way? */
static bool
is_of_sent(const struct dicomdir *d, const char *study)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->files[i].was_sent && strcmp(d->files[i].study, study) == 0)
            return true;
    return false;
}

static void
count_absent(const struct dicomdir *d, struct import_taken *taken)
{
    char known[65] = "";
    bool is_known_sent = false;

    for (size_t i = 0; i < d->n; i++)
        taken->missing += !d->files[i].has_come;
    taken->absent = mem_new((taken->missing + 1) * sizeof *taken->absent);
    for (size_t i = 0; i < d->n; i++) {
        const struct dicomdir_file *f = &d->files[i];
        struct import_absent *a = &taken->absent[taken->absent_n];

        if (f->has_come || f->study[0] == '\0' || f->instance[0] == '\0')
            continue;
        if (strcmp(known, f->study) != 0) {
            memcpy(known, f->study, sizeof known);
            is_known_sent = is_of_sent(d, f->study);
        }
        if (!is_known_sent)
            continue;
        memcpy(a->study, f->study, sizeof a->study);
        memcpy(a->instance, f->instance, sizeof a->instance);
        taken->absent_n++;
    }
    qsort(taken->absent, taken->absent_n, sizeof *taken->absent, by_study);
}

void
import_taken_fini(struct import_taken *taken)
{
    free(taken->absent);
    *taken = (struct import_taken){.absent = NULL};
}

/* Of a directory that cannot be read it is only known that there is one. */
static void
read_dicomdir(const char *path, struct reading *r)
{
    uint8_t *bytes = NULL;
    struct err why;
    size_t n;

    r->is_dicom_only = true;
    if (durable_get_file(path, DICOMDIR_BYTES, &bytes, &n, &why) < 0 ||
        dicomdir_read(bytes, n, &r->dicomdir, &why) < 0) {
        r->taken->is_unchecked = true;
        LOG(&import_ctx, IMPORT_NO_DIRECTORY, F_ERR(&why));
    }
    free(bytes);
}

int
import_media(struct import *im, const char *name, struct import_taken *out, struct err *err)
{
    struct import_taken taken = {0};
    struct reading r = {.im = im, .taken = &taken, .err = err};
    char root[PATH_MAX], dicomdir[PATH_MAX];
    uint64_t association;
    struct stat st;

    if (im->media_dir[0] == '\0' || name[0] == '.' || name[0] == '\0' ||
        strchr(name, '/') != NULL || strlen(name) >= sizeof((struct import_media *)0)->name)
        return err_set(err, ERR_NOT_FOUND, "no such stick or disc");
    snprintf(root, sizeof root, "%s/%s", im->media_dir, name);
    if (lstat(root, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_NOT_FOUND, "no such stick or disc");
    if (find_dicomdir(root, dicomdir))
        read_dicomdir(dicomdir, &r);
    association = spool_association_begin(im->options.spool);
    walk_files(root, take_one, &r);
    spool_association_end(im->options.spool, association);
    if (r.rc == 0)
        count_absent(&r.dicomdir, &taken);
    dicomdir_fini(&r.dicomdir);
    if (r.rc < 0)
        return err_context(err, "read a stick or disc");
    LOG(&import_ctx, IMPORT_MEDIA_DONE, F_NUMBER("taken", taken.taken),
        F_NUMBER("sent", taken.sent), F_NUMBER("known", taken.known),
        F_NUMBER("unusable", taken.unusable), F_NUMBER("missing", taken.missing));
    *out = taken;
    return 0;
}
