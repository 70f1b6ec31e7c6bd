/* audit_walk.c - read the chain back, entry by entry, and stop at the first that is not right. */
#include "proto/trust/audit_parts.h"

#include "proto/base/durable.h"
#include "proto/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 14 /* "2026-11-21.log" */
#define READ_BYTES 65536
#define TIME_BYTES 27 /* "2026-11-21T10:02:03.123456Z" */

/* Lines of a file, whole ones only. */
struct lines {
    int fd;
    char bytes[READ_BYTES];
    size_t begin, end;
    uint64_t offset; /* in the file, of begin */
    unsigned line;
};

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
is_log_name(const char *name)
{
    return strlen(name) == NAME_BYTES && strcmp(name + 10, ".log") == 0 &&
           strspn(name, "0123456789-") == 10;
}

int
audit_files(const char *dir, char ***out_names, size_t *out_count, struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    DIR *d;
    const struct dirent *entry;
    char **names = NULL;
    size_t count = 0;
    int rc;

    snprintf(path, sizeof path, "%s/log", dir);
    d = opendir(path);
    if (d == NULL)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_RETRY, "open %s", path);
    while ((rc = folder_next(d, &entry, err)) == 0 && entry != NULL)
        if (is_log_name(entry->d_name)) {
            names = mem_grow(names, (count + 1) * sizeof *names);
            names[count++] = mem_text(entry->d_name);
        }
    closedir(d);
    if (rc < 0) {
        audit_files_free(&names, count);
        return err_context(err, "%s", path);
    }
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    *out_names = names;
    *out_count = count;
    return 0;
}

void
audit_files_free(char ***names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((*names)[i]);
    free(TAKE(*names));
}

/* 1: *out is a line of *out_n bytes without its end; 0: the file ends; -1 and ERR_CONFLICT: it ends
 * within a line, or the line is too long; ERR_RETRY: it cannot be read. */
static int
next_line(struct lines *l, char **out, size_t *out_n, struct err *err)
{
    for (;;) {
        char *end = memchr(l->bytes + l->begin, '\n', l->end - l->begin);
        ssize_t k;

        if (end != NULL) {
            *out = l->bytes + l->begin;
            *out_n = (size_t)(end - *out);
            *end = '\0';
            l->begin += *out_n + 1;
            l->offset += *out_n + 1;
            l->line++;
            return *out_n < AUDIT_LINE_BYTES ? 1 : err_set(err, ERR_CONFLICT, "a line is too long");
        }
        if (l->end - l->begin >= AUDIT_LINE_BYTES)
            return err_set(err, ERR_CONFLICT, "a line is too long");
        memmove(l->bytes, l->bytes + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
        k = read(l->fd, l->bytes + l->end, sizeof l->bytes - l->end);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(err, ERR_RETRY, "read");
        if (k == 0)
            return l->end == 0 ? 0 : err_set(err, ERR_CONFLICT, "the file ends within a line");
        l->end += (size_t)k;
    }
}

static bool
begins_with(const char **p, const char *words)
{
    size_t n = strlen(words);

    if (strncmp(*p, words, n) != 0)
        return false;
    *p += n;
    return true;
}

/* The hash holds: what is in the entry is what was written. Its number must follow, a seal must be
 * signed. */
static int
read_entry(struct audit_walk *w, const char *json, const struct audit_place *now, struct err *err)
{
    char prefix[48], time[TIME_BYTES + 1], signature[AUDIT_SIGNATURE_TEXT];
    const char *p = json;

    snprintf(prefix, sizeof prefix, "{\"n\":%" PRIu64 ",\"at\":\"", now->n);
    if (!begins_with(&p, prefix) || strlen(p) < TIME_BYTES)
        return err_set(err, ERR_CONFLICT, "it is not number %" PRIu64, now->n);
    snprintf(time, sizeof time, "%.*s", TIME_BYTES, p);
    p += TIME_BYTES;
    if (!begins_with(&p, "\",\"event\":\""))
        return err_set(err, ERR_CONFLICT, "it has no time and event");
    if (begins_with(&p, "AUDIT_SEALED\",\"signature\":\"")) {
        snprintf(signature, sizeof signature, "%.*s", (int)strcspn(p, "\""), p);
        if (!audit_is_signed(w->key, "seal", NULL, &w->at, signature)) {
            w->at = w->sealed; /* which of its batch was rewritten cannot be told */
            return err_set(err, ERR_CONFLICT, "the entries up to %" PRIu64 " were rewritten",
                           now->n);
        }
        w->sealed = *now;
    }
    if (w->first[0] == '\0')
        memcpy(w->first, time, sizeof time);
    memcpy(w->last, time, sizeof time);
    return 0;
}

/* Signed ends that were noted elsewhere: the chain must go through them. */
static int
meet_marks(struct audit_walk *w, struct err *err)
{
    if (w->at.n == w->wanted.n) {
        if (memcmp(w->at.hash, w->wanted.hash, DIGEST_BYTES) != 0)
            return err_set(err, ERR_CONFLICT, "it is not the one that HEAD signs");
        w->has_met_wanted = true;
    }
    for (; w->marks_met < w->mark_count && w->marks[w->marks_met].n <= w->at.n; w->marks_met++)
        if (w->marks[w->marks_met].n == w->at.n &&
            memcmp(w->at.hash, w->marks[w->marks_met].hash, DIGEST_BYTES) != 0)
            return err_set(err, ERR_CONFLICT, "it is not the one that a day's head signs");
    return 0;
}

static int
read_line(struct audit_walk *w, const char *line, size_t n, struct err *err)
{
    struct audit_place now = {.n = w->at.n + 1};
    const char *json = line + DIGEST_HEX_BYTES;
    char hex[DIGEST_HEX_BYTES];

    if (n < DIGEST_HEX_BYTES || line[DIGEST_HEX_BYTES - 1] != ' ' || strlen(line) != n)
        return err_set(err, ERR_CONFLICT, "it is no entry");
    audit_hash(w->at.hash, json, n - DIGEST_HEX_BYTES, now.hash);
    digest_text(now.hash, hex);
    if (memcmp(hex, line, DIGEST_HEX_BYTES - 1) != 0)
        return err_set(err, ERR_CONFLICT, "its hash does not follow from what comes before");
    if (read_entry(w, json, &now, err) < 0)
        return -1;
    w->at = now;
    if (meet_marks(w, err) < 0)
        return -1;
    return w->on_entry == NULL || w->on_entry(w->user, json, n - DIGEST_HEX_BYTES) == 0
               ? 0
               : err_set(err, ERR_RETRY, "stopped");
}

static int
read_header(struct audit_walk *w, struct lines *l, struct err *err)
{
    char wanted[160], *line;
    size_t n;
    int rc = next_line(l, &line, &n, err);

    if (rc < 0)
        return -1;
    audit_file_header(&w->at, wanted);
    wanted[strlen(wanted) - 1] = '\0';
    if (rc == 0 || strcmp(line, wanted) != 0)
        return err_set(err, ERR_CONFLICT, "its first line does not follow from the file before");
    w->sealed_end = l->offset;
    return 0;
}

static int
read_lines(struct audit_walk *w, struct lines *l, struct err *err)
{
    char *line;
    size_t n;
    int rc;

    if (read_header(w, l, err) < 0)
        return -1;
    while ((rc = next_line(l, &line, &n, err)) == 1) {
        if (read_line(w, line, n, err) < 0)
            return -1;
        if (w->sealed.n == w->at.n)
            w->sealed_end = l->offset;
    }
    return rc;
}

int
audit_walk_file(struct audit_walk *w, const char *dir, const char *name, struct err *err)
{
    char path[AUDIT_PATH_BYTES];
    struct lines *l = mem_new(sizeof *l);
    int rc = -1;

    snprintf(path, sizeof path, "%s/log/%s", dir, name);
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0)
        err_sys(err, ERR_RETRY, "open %s", path);
    else
        rc = read_lines(w, l, err);
    snprintf(w->place, sizeof w->place, "%s line %u", name, l->line + (rc < 0 && l->line == 0));
    if (l->fd >= 0)
        close(l->fd);
    free(l);
    return rc;
}

int
audit_day(const struct audit *audit, const char *date, audit_on_entry on_entry, void *user,
          struct err *err)
{
    char path[AUDIT_PATH_BYTES], *line;
    struct lines *l;
    size_t n;
    int rc, end = 0;

    if (strlen(date) != AUDIT_DATE_BYTES - 1 || strspn(date, "0123456789-") != strlen(date))
        return err_set(err, ERR_REJECT, "a day is written 2026-11-21");
    snprintf(path, sizeof path, "%s/log/%s.log", audit->dir, date);
    l = mem_new(sizeof *l);
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0)
        rc = err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_RETRY, "open the day's entries");
    else
        rc = next_line(l, &line, &n, err); /* the header */
    while (rc == 1 && end == 0 && (rc = next_line(l, &line, &n, err)) == 1)
        if (n > DIGEST_HEX_BYTES)
            end = on_entry(user, line + DIGEST_HEX_BYTES, n - DIGEST_HEX_BYTES);
    if (rc < 0 && err->kind == ERR_CONFLICT)
        rc = 0; /* a line that is being written just now */
    if (l->fd >= 0)
        close(l->fd);
    free(l);
    return rc < 0 ? -1 : 0;
}
