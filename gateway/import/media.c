/* media.c - sticks and discs: folders that appear below media_dir. Nothing on them is changed.
 * From the folder of a DICOMDIR on only DICOM is taken (the rest is a viewer's own), and what the
 * DICOMDIR names must come of it (PS3.10 8.5, PS3.3 F.3.2.2); elsewhere, every file of a kind we
 * know. It lies at the root, or where somebody copied a disc into a folder: each has its own. What
 * is scratched, broken off or pulled out costs itself: it is counted, and the rest goes on. */
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
enum { DIRECTORIES_MAX = 16, DIRECTORY_DEPTH = 2, FOLDERS_MAX = 1000, BASE_SIZE = 600 };

/* Where a DICOMDIR is; none lies below the folder of another. */
struct directory {
    char base[BASE_SIZE]; /* "", or "FOLDER/": what it names is below */
    char name[NAME_MAX + 1];
    struct dicomdir list; /* none where it cannot be read */
};

struct directories {
    struct directory all[DIRECTORIES_MAX];
    size_t n;
    unsigned folders; /* that were looked into */
};

struct reading {
    struct import *im;
    struct import_taken *taken;
    struct directories *directories;
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

/* As it is mounted: in any case, perhaps with what ISO 9660 adds ("DICOMDIR.;1"). */
static bool
is_directory_name(const char *name)
{
    static const char *const ends[] = {"", ".", ";1", ".;1"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (strncasecmp(name, "DICOMDIR", 8) == 0 && strcmp(name + 8, ends[i]) == 0)
            return true;
    return false;
}

static bool
add_directory(struct directories *found, DIR *d, const char *base)
{
    struct directory *here = &found->all[found->n];
    struct dirent *e;
    struct stat st;

    while ((e = readdir(d)) != NULL) {
        if (!is_directory_name(e->d_name) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        text_copy(here->base, sizeof here->base, base);
        text_copy(here->name, sizeof here->name, e->d_name);
        found->n++;
        return true;
    }
    rewinddir(d);
    return false;
}

/* In this folder, else in those below, at most DIRECTORY_DEPTH of them down; no link is followed.
 * fd is consumed. */
static void
find_directories(struct directories *found, int fd, const char *base, int depth)
{
    DIR *d = fdopendir(fd);
    struct dirent *e;

    if (d == NULL) {
        close(fd);
        return;
    }
    if (!add_directory(found, d, base))
        while (depth < DIRECTORY_DEPTH && found->n < DIRECTORIES_MAX &&
               found->folders < FOLDERS_MAX && (e = readdir(d)) != NULL) {
            char below[BASE_SIZE];
            int folder;

            if (e->d_name[0] == '.' ||
                snprintf(below, sizeof below, "%s%s/", base, e->d_name) >= (int)sizeof below)
                continue;
            folder = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (folder < 0) /* a file */
                continue;
            found->folders++;
            find_directories(found, folder, below, depth + 1);
        }
    closedir(d);
}

static struct directories *
directories_of(const char *root)
{
    struct directories *found = mem_new(sizeof *found);
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        find_directories(found, fd, "", 0);
    return found;
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
        struct directories *found;
        char path[PATH_MAX];
        struct stat st;

        if (e->d_name[0] == '.' || !text_copy(m->name, sizeof m->name, e->d_name) ||
            !text_is_utf8(m->name, strlen(m->name)) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            continue;
        snprintf(path, sizeof path, "%s/%s", im->media_dir, m->name);
        found = directories_of(path);
        m->has_dicomdir = found->n > 0;
        free(found);
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

/* The one that the file is below; NULL: none. */
static struct directory *
directory_of(const struct reading *r, const char *relative)
{
    for (size_t i = 0; i < r->directories->n; i++) {
        struct directory *d = &r->directories->all[i];

        if (strncmp(relative, d->base, strlen(d->base)) == 0)
            return d;
    }
    return NULL;
}

/* What a DICOMDIR names is counted at the end, whatever became of it. */
static void
note_unreadable(struct reading *r, const char *relative)
{
    if (directory_of(r, relative) == NULL)
        r->taken->unusable++;
}

/* Half of it in the inbox is not the image that is named. */
static void
mark(struct dicomdir_file *named, const struct taken_file *file)
{
    named->has_come |= file->outcome != TAKE_UNUSABLE && !file->is_cut;
    named->was_sent |= file->outcome == TAKE_SENT;
}

/* By the image, wherever it lies: who copies a disc may rename files, and move the DICOMDIR. By its
 * name where no directory knows the image. */
static void
note_named(struct reading *r, const struct taken_file *file, const char *relative)
{
    struct directory *d = directory_of(r, relative);
    struct dicomdir_file *const *of_it, *named;
    bool is_known = false;

    for (size_t i = 0; file->instance[0] != '\0' && i < r->directories->n; i++) {
        size_t n = dicomdir_find_instance(&r->directories->all[i].list, file->instance, &of_it);

        for (size_t k = 0; k < n; k++)
            mark(of_it[k], file);
        is_known |= n > 0;
    }
    named = d != NULL && !is_known ? dicomdir_find(&d->list, relative + strlen(d->base)) : NULL;
    if (named != NULL)
        mark(named, file);
}

static void
note_taken(struct reading *r, const struct taken_file *file, const char *relative)
{
    r->taken->taken += file->outcome == TAKE_DONE;
    r->taken->sent += file->outcome == TAKE_SENT && !file->was_there;
    r->taken->known +=
        file->outcome == TAKE_KNOWN || (file->outcome == TAKE_SENT && file->was_there);
    r->taken->unusable += file->outcome == TAKE_UNUSABLE;
    if (file->outcome == TAKE_NOT_WHOLE) /* it changed, or ended, while it was read */
        note_unreadable(r, relative);
    else
        note_named(r, file, relative);
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
        note_unreadable(r, relative);
        return true;
    }
    kind = wrap_sniff(begin, (size_t)n);
    if (kind == WRAP_UNKNOWN || kind == WRAP_DICOMDIR ||
        (kind != WRAP_DICOM && directory_of(r, relative) != NULL))
        return true;
    if (take_file(r->im, fd, relative, true, true, &file, r->err) == 0) {
        note_taken(r, &file, relative);
    } else if (file.is_unreadable) {
        note_unreadable(r, relative);
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
add_absent(const struct dicomdir *d, struct import_taken *taken)
{
    char known[65] = "";
    bool is_known_sent = false;

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
}

static void
count_absent(const struct directories *found, struct import_taken *taken)
{
    for (size_t i = 0; i < found->n; i++)
        for (size_t k = 0; k < found->all[i].list.n; k++)
            taken->missing += !found->all[i].list.files[k].has_come;
    taken->absent = mem_new((taken->missing + 1) * sizeof *taken->absent);
    for (size_t i = 0; i < found->n; i++)
        add_absent(&found->all[i].list, taken);
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
read_dicomdir(const char *root, struct directory *d, struct import_taken *taken)
{
    char path[PATH_MAX];
    uint8_t *bytes = NULL;
    struct err why;
    size_t n;

    snprintf(path, sizeof path, "%s/%s%s", root, d->base, d->name);
    if (durable_get_file(path, DICOMDIR_BYTES, &bytes, &n, &why) < 0 ||
        dicomdir_read(bytes, n, &d->list, &why) < 0) {
        taken->is_unchecked = true;
        LOG(&import_ctx, IMPORT_NO_DIRECTORY, F_ERR(&why));
    }
    free(bytes);
}

static void
free_directories(struct directories **found)
{
    struct directories *old = TAKE(*found);

    for (size_t i = 0; i < old->n; i++)
        dicomdir_fini(&old->all[i].list);
    free(old);
}

int
import_media(struct import *im, const char *name, struct import_taken *out, struct err *err)
{
    struct import_taken taken = {0};
    struct reading r = {.im = im, .taken = &taken, .err = err};
    char root[PATH_MAX];
    uint64_t association;
    struct stat st;

    if (im->media_dir[0] == '\0' || name[0] == '.' || name[0] == '\0' ||
        strchr(name, '/') != NULL || strlen(name) >= sizeof((struct import_media *)0)->name)
        return err_set(err, ERR_NOT_FOUND, "no such stick or disc");
    snprintf(root, sizeof root, "%s/%s", im->media_dir, name);
    if (lstat(root, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_NOT_FOUND, "no such stick or disc");
    r.directories = directories_of(root);
    for (size_t i = 0; i < r.directories->n; i++)
        read_dicomdir(root, &r.directories->all[i], &taken);
    association = spool_association_begin(im->options.spool);
    walk_files(root, take_one, &r);
    spool_association_end(im->options.spool, association);
    if (r.rc == 0)
        count_absent(r.directories, &taken);
    free_directories(&r.directories);
    if (r.rc < 0)
        return err_context(err, "read a stick or disc");
    LOG(&import_ctx, IMPORT_MEDIA_DONE, F_NUMBER("taken", taken.taken),
        F_NUMBER("sent", taken.sent), F_NUMBER("known", taken.known),
        F_NUMBER("unusable", taken.unusable), F_NUMBER("missing", taken.missing));
    *out = taken;
    return 0;
}
