/* audit_verify.c - check the whole folder, with nothing but the folder. */
#include "proto/trust/audit_parts.h"

#include "proto/base/folder.h"
#include "proto/trust/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Is a service writing just now? Then what lies behind the last seal is on its way. */
static bool
is_being_written(const char *dir)
{
    char path[AUDIT_PATH_BYTES];
    int fd;
    bool is_locked;

    snprintf(path, sizeof path, "%s/lock", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    is_locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_locked;
}

int
audit_check_aside(const char *dir, struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    const struct dirent *entry;
    int rc = 0;
    DIR *d;

    snprintf(path, sizeof path, "%s/corrupt", dir);
    d = opendir(path);
    while (d != NULL && rc == 0 && (rc = folder_next(d, &entry, err)) == 0 && entry != NULL)
        if (strncmp(entry->d_name, "chain-", 6) == 0)
            rc = err_set(err, ERR_CONFLICT, "a broken chain was set aside: see corrupt/%s",
                         entry->d_name);
    if (d != NULL)
        closedir(d);
    return rc;
}

static int
compare_places(const void *a, const void *b)
{
    const struct audit_place *x = a, *y = b;

    return x->n < y->n ? -1 : x->n > y->n;
}

/* Every signed end of a day, and the one the supervisor holds. */
static int
read_marks(const char *dir, EVP_PKEY *key, const char *head_file, struct audit_place **out,
           size_t *out_count, struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    const struct dirent *entry;
    DIR *d;
    struct audit_place *marks = mem_new(sizeof *marks);
    size_t count = 0;
    int rc = 0;

    if (head_file != NULL)
        rc = audit_day_read(head_file, key, &marks[count++], err);
    snprintf(path, sizeof path, "%s/heads", dir);
    d = opendir(path);
    while (d != NULL && rc == 0 && (rc = folder_next(d, &entry, err)) == 0 && entry != NULL) {
        size_t n = strlen(entry->d_name);

        if (n < 5 || strcmp(entry->d_name + n - 5, ".head") != 0)
            continue;
        marks = mem_grow(marks, (count + 1) * sizeof *marks);
        snprintf(path, sizeof path, "%s/heads/%.64s", dir, entry->d_name);
        rc = audit_day_read(path, key, &marks[count++], err);
    }
    if (d != NULL)
        closedir(d);
    if (rc < 0) {
        free(marks);
        return -1;
    }
    qsort(marks, count, sizeof *marks, compare_places);
    *out = marks;
    *out_count = count;
    return 0;
}

/* The walk went through all files: does it end as it should? */
static int
check_end(const struct audit_walk *w, bool is_live, struct err *err)
{
    if (w->at.n < w->wanted.n || !w->has_met_wanted)
        return err_set(err, ERR_CONFLICT, "entries %" PRIu64 " to %" PRIu64 " are gone",
                       w->at.n + 1, w->wanted.n);
    if (w->marks_met < w->mark_count)
        return err_set(err, ERR_CONFLICT, "a signed head names entry %" PRIu64 ", which is gone",
                       w->marks[w->marks_met].n);
    if (w->sealed.n != w->at.n && !is_live)
        return err_set(err, ERR_CONFLICT,
                       "entry %" PRIu64 " was never signed: added, or left by a crash (then the "
                       "service sets it aside when it starts)",
                       w->sealed.n + 1);
    return 0;
}

static int
walk_all(struct audit_walk *w, const char *dir, bool is_live, struct err *err)
{
    char **names = NULL;
    size_t count = 0;
    int rc = 0;

    if (audit_files(dir, &names, &count, err) < 0)
        return -1;
    if (w->wanted.n == 0)
        w->has_met_wanted = true;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = audit_walk_file(w, dir, names[i], err);
        if (rc < 0 && is_live && i == count - 1 && w->has_met_wanted && w->sealed.n >= w->wanted.n)
            rc = 0; /* its last batch is being written */
        if (rc < 0)
            err_context(err, "%s, entry %" PRIu64, w->place, w->at.n + 1);
    }
    audit_files_free(&names, count);
    if (rc == 0 && (rc = check_end(w, is_live, err)) < 0 && w->sealed.n >= w->wanted.n)
        w->at = w->sealed;
    return rc;
}

int
audit_verify(const char *dir, const uint8_t *signer, const char *head_file,
             struct audit_verdict *out, struct err *err)
{
    struct audit_walk w = {0};
    struct audit_place *marks = NULL;
    bool is_live = is_being_written(dir);
    int rc = -1;

    *out = (struct audit_verdict){0};
    if (audit_key_public(dir, &w.key, err) < 0)
        goto out;
    x509_key_digest(w.key, out->signer);
    if (signer != NULL && memcmp(signer, out->signer, DIGEST_BYTES) != 0) {
        err_set(err, ERR_CONFLICT, "the log is signed by another key");
        goto out;
    }
    /* HEAD first: what it names is durable by then. */
    if (audit_head_read(dir, w.key, &w.wanted, NULL, err) < 0 ||
        read_marks(dir, w.key, head_file, &marks, &w.mark_count, err) < 0)
        goto out;
    w.marks = marks;
    rc = walk_all(&w, dir, is_live, err);
    if (rc < 0 && err->kind == ERR_CONFLICT) {
        out->bad_entry = w.at.n + 1;
        memcpy(out->bad_place, w.place, sizeof out->bad_place);
    }
    out->entries = w.at.n;
    memcpy(out->first, w.first, sizeof out->first);
    memcpy(out->last, w.last, sizeof out->last);
    memcpy(out->head, w.at.hash, DIGEST_BYTES);
    if (rc == 0)
        rc = audit_check_aside(dir, err);
out:
    EVP_PKEY_free(w.key);
    free(marks);
    return rc;
}
