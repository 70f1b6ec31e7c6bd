/* media.c - sticks and discs: folders that appear below media_dir. Nothing on them is changed.
 * With a DICOMDIR only DICOM is taken (the rest is a viewer's own), and what the DICOMDIR names
 * must be there (PS3.10 8.5, PS3.3 F.3.2.2); without one, every file of a kind we know. */
#include "gateway/import/import_own.h"

#include "gateway/spool/spool.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/walk.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEDIA_MAX = 32, COUNT_MAX = 10000, DICOMDIR_BYTES = 64 << 20 };
#define TAG_FILE_ID 0x00041500u

struct reading {
    struct import *im;
    struct import_taken *taken;
    bool is_dicom_only;
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

static bool
find_dicomdir(const char *root, char out[PATH_MAX])
{
    static const char *const names[] = {"DICOMDIR", "dicomdir"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(out, PATH_MAX, "%s/%s", root, names[i]);
        if (access(out, R_OK) == 0)
            return true;
    }
    return false;
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

/* ---- DICOMDIR: is all of it there ---- */

/* Referenced File ID: components parted by \, each of at most 8 signs. Discs may show them in
 * small letters. */
static bool
is_there(const char *root, const uint8_t *value, size_t n)
{
    char path[PATH_MAX];
    size_t at = (size_t)snprintf(path, sizeof path - 200, "%s/", root);

    if (n == 0 || n > 120)
        return true; /* not a name we could look for */
    for (int small = 0; small < 2; small++) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
            char c = (char)value[i];

            if (c == '/' || (c == '.' && i + 1 < n && value[i + 1] == '.'))
                return true; /* leads elsewhere: not looked for */
            if (c != ' ' && c != '\0')
                path[at + k++] = c == '\\' ? '/' : small ? (char)tolower((unsigned char)c) : c;
        }
        path[at + k] = '\0';
        if (k == 0 || access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static uint32_t
count_missing(const char *root, const uint8_t *bytes, size_t n)
{
    struct dcm_part10 part10;
    struct dcm_element e;
    struct dcm_walk walk;
    uint32_t missing = 0;
    struct err err;

    if (dcm_part10_parse(bytes, n, &part10, &err) < 0 || part10.syntax->is_deflated)
        return 0;
    dcm_walk_init(&walk, bytes + part10.dataset_at, n - part10.dataset_at, part10.syntax->coding,
                  DCM_WALK_WHOLE);
    while (dcm_walk_next(&walk, &e, &err) == 0 && e.event != DCM_END)
        if (e.event == DCM_ELEMENT && e.tag == TAG_FILE_ID &&
            !is_there(root, bytes + part10.dataset_at + e.value_at, e.value_n))
            missing++;
    return missing;
}

/* ---- reading it ---- */

static bool
take_one(void *user, int fd, const char *relative)
{
    struct reading *r = user;
    struct taken_file file;
    uint8_t begin[1100];
    ssize_t n = pread(fd, begin, sizeof begin, 0);
    enum wrap_kind kind = wrap_sniff(begin, n > 0 ? (size_t)n : 0);

    if (kind == WRAP_UNKNOWN || kind == WRAP_DICOMDIR || (r->is_dicom_only && kind != WRAP_DICOM))
        return true;
    if (take_file(r->im, fd, relative, true, true, &file, r->err) < 0) {
        if (r->err->kind == ERR_REJECT) { /* too large: the others go on */
            r->taken->unusable++;
            return true;
        }
        r->rc = -1;
        return false;
    }
    r->taken->taken += file.outcome == TAKE_DONE;
    r->taken->sent += file.outcome == TAKE_SENT;
    r->taken->known += file.outcome == TAKE_KNOWN;
    r->taken->unusable += file.outcome == TAKE_UNUSABLE;
    return true;
}

int
import_media(struct import *im, const char *name, struct import_taken *out, struct err *err)
{
    struct import_taken taken = {0};
    struct reading r = {.im = im, .taken = &taken, .err = err};
    char root[PATH_MAX], dicomdir[PATH_MAX];
    uint8_t *bytes = NULL;
    uint64_t association;
    struct stat st;
    size_t n;

    if (im->media_dir[0] == '\0' || name[0] == '.' || name[0] == '\0' ||
        strchr(name, '/') != NULL || strlen(name) >= sizeof((struct import_media *)0)->name)
        return err_set(err, ERR_NOT_FOUND, "no such stick or disc");
    snprintf(root, sizeof root, "%s/%s", im->media_dir, name);
    if (lstat(root, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_NOT_FOUND, "no such stick or disc");
    if (find_dicomdir(root, dicomdir)) {
        r.is_dicom_only = true;
        if (durable_get_file(dicomdir, DICOMDIR_BYTES, &bytes, &n, err) < 0)
            return err_context(err, "read the disc's directory");
        taken.missing = count_missing(root, bytes, n);
        free(bytes);
    }
    association = spool_association_begin(im->options.spool);
    walk_files(root, take_one, &r);
    spool_association_end(im->options.spool, association);
    if (r.rc < 0)
        return err_context(err, "read a stick or disc");
    LOG(&import_ctx, IMPORT_MEDIA_DONE, F_NUMBER("taken", taken.taken),
        F_NUMBER("sent", taken.sent), F_NUMBER("known", taken.known),
        F_NUMBER("unusable", taken.unusable), F_NUMBER("missing", taken.missing));
    *out = taken;
    return 0;
}
