/* unsent.c - the list of refused instances, and its log.
 * A line "+" adds or repeats a row, a line "-" takes it off; the file is written anew when it is
 * opened and when lines that no longer count are in the majority. */
#include "gateway/accept/unsent.h"

#include "proto/base/buf.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELDS_ADD = 10, FIELDS_GONE = 3, LINE_BYTES = 512, SPARE_LINES = 1000 };
#define FILE_BYTES ((size_t)(UNSENT_MAX * 2 + SPARE_LINES) * LINE_BYTES)

struct unsent {
    struct gate gate; /* guards all below */
    char *dir;
    struct accept_unsent *rows;
    uint64_t *hashes; /* of rows' sop_instance: arrivals are looked up at full speed */
    size_t n, room;
    size_t lines; /* in the file */
    uint64_t more;
    int fd; /* -1: the file is behind, write it anew */
};

/* FNV-1a */
static uint64_t
hash_of(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static void
make_fit(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20)
            *text = ' ';
}

/* The row of this device (NULL: of any) and instance from i on; n if there is none. */
static size_t
find_from(const struct unsent *u, size_t i, const char *ae, const char *sop_instance)
{
    uint64_t hash = hash_of(sop_instance);

    for (; i < u->n; i++)
        if (u->hashes[i] == hash && strcmp(u->rows[i].sop_instance, sop_instance) == 0 &&
            (!ae || strcmp(u->rows[i].ae, ae) == 0))
            break;
    return i;
}

static void
take_off(struct unsent *u, size_t i)
{
    u->n--;
    memmove(&u->rows[i], &u->rows[i + 1], (u->n - i) * sizeof u->rows[0]);
    memmove(&u->hashes[i], &u->hashes[i + 1], (u->n - i) * sizeof u->hashes[0]);
}

static bool
take_all_off(struct unsent *u, const char *ae, const char *sop_instance)
{
    size_t n = u->n;

    for (size_t i = 0; (i = find_from(u, i, ae, sop_instance)) < u->n;)
        take_off(u, i);
    if (u->n == 0)
        u->more = 0;
    return u->n < n;
}

/* true: a row that was not there. */
static bool
put_row(struct unsent *u, const struct accept_unsent *row)
{
    size_t i = find_from(u, 0, row->ae, row->sop_instance);
    bool is_new = i == u->n;

    if (!is_new) {
        struct accept_unsent *old = &u->rows[i];
        uint64_t count = old->count + row->count;
        int64_t first_us = old->first_us;
        *old = *row;
        old->first_us = first_us;
        old->count = count;
        return false;
    }
    if (u->n == UNSENT_MAX) {
        take_off(u, 0);
        u->more++;
    }
    if (u->n == u->room) {
        u->room = u->room ? 2 * u->room : 64;
        u->rows = mem_grow(u->rows, u->room * sizeof u->rows[0]);
        u->hashes = mem_grow(u->hashes, u->room * sizeof u->hashes[0]);
    }
    u->hashes[u->n] = hash_of(row->sop_instance);
    u->rows[u->n++] = *row;
    return true;
}

static size_t
split(char *line, char *fields[], size_t max)
{
    size_t n = 0;

    for (char *at = line; at && n < max; n++) {
        fields[n] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
        if (at && n == max - 1)
            return 0;
    }
    return n;
}

static bool
read_line(struct unsent *u, char *line)
{
    char *f[FIELDS_ADD] = {NULL};
    size_t n = split(line, f, FIELDS_ADD);
    struct accept_unsent row = {.count = 0};
    uint64_t first, last, status;

    if (n == FIELDS_GONE && strcmp(f[0], "-") == 0) {
        take_all_off(u, f[1][0] != '\0' ? f[1] : NULL, f[2]);
        return true;
    }
    if (n == FIELDS_GONE - 1 && strcmp(f[0], "more") == 0)
        return text_to_u64(f[1], UINT64_MAX, &u->more) == 0;
    if (n != FIELDS_ADD || strcmp(f[0], "+") != 0 || text_to_u64(f[1], INT64_MAX, &first) < 0 ||
        text_to_u64(f[2], INT64_MAX, &last) < 0 || text_to_u64(f[3], UINT64_MAX, &row.count) < 0 ||
        text_to_u64(f[4], UINT16_MAX, &status) < 0 || !text_copy(row.ae, sizeof row.ae, f[5]) ||
        !text_copy(row.address, sizeof row.address, f[6]) ||
        !text_copy(row.sop_class, sizeof row.sop_class, f[7]) ||
        !text_copy(row.sop_instance, sizeof row.sop_instance, f[8]) ||
        !text_copy(row.why, sizeof row.why, f[9]))
        return false;
    row.first_us = (int64_t)first;
    row.last_us = (int64_t)last;
    row.status = (uint16_t)status;
    put_row(u, &row);
    return true;
}

static void
write_row(const struct accept_unsent *row, struct buf *out)
{
    buf_add_printf(out, "+\t%lld\t%lld\t%llu\t%u\t%s\t%s\t%s\t%s\t%s\n", (long long)row->first_us,
                   (long long)row->last_us, (unsigned long long)row->count, row->status, row->ae,
                   row->address, row->sop_class, row->sop_instance, row->why);
}

/* The file anew: only what counts. */
static int
write_whole(struct unsent *u, struct err *err)
{
    char *path = mem_printf("%s/%s", u->dir, UNSENT_FILE);
    struct buf text;
    int rc = -1;

    buf_init(&text, FILE_BYTES);
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    if (u->more > 0)
        buf_add_printf(&text, "more\t%llu\n", (unsigned long long)u->more);
    for (size_t i = 0; i < u->n; i++)
        write_row(&u->rows[i], &text);
    if (durable_put_file(u->dir, UNSENT_FILE, text.bytes, text.n, err) < 0)
        goto out;
    u->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (u->fd < 0) {
        err_sys(err, ERR_RETRY, "open %s", UNSENT_FILE);
        goto out;
    }
    u->lines = u->n;
    rc = 0;
out:
    buf_fini(&text);
    free(path);
    return rc;
}

static int
append(struct unsent *u, const struct buf *line, struct err *err)
{
    if (u->fd < 0 || u->lines > 2 * u->n + SPARE_LINES)
        return write_whole(u, err);
    u->lines++;
    if (durable_write(u->fd, line->bytes, line->n, err) == 0 && durable_sync(u->fd, err) == 0)
        return 0;
    close(u->fd); /* a failed sync is never tried again on the same file */
    u->fd = -1;
    return -1;
}

int
unsent_open(const char *dir, struct unsent **out_list, size_t *out_bad, struct err *err)
{
    struct unsent *u = mem_new(sizeof *u);
    char *path = mem_printf("%s/%s", dir, UNSENT_FILE);
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = -1;

    gate_init(&u->gate);
    u->fd = -1;
    u->dir = mem_text(dir);
    *out_bad = 0;
    if (durable_get_file(path, FILE_BYTES, &bytes, &n, err) < 0 && err->kind != ERR_NOT_FOUND)
        goto out;
    err_clear(err);
    for (char *at = (char *)bytes; at && *at != '\0';) {
        char *end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        if (!end || !read_line(u, at)) /* without its end: torn */
            (*out_bad)++;
        at = end;
    }
    if (write_whole(u, err) < 0) /* a full disk: the next row tries again, and tells */
        err_clear(err);
    *out_list = TAKE(u);
    rc = 0;
out:
    unsent_close(&u);
    free(bytes);
    free(path);
    return rc;
}

void
unsent_close(struct unsent **list)
{
    struct unsent *u = *list;

    if (!u)
        return;
    *list = NULL;
    if (u->fd >= 0)
        close(u->fd);
    gate_fini(&u->gate);
    free(u->hashes);
    free(u->rows);
    free(u->dir);
    free(u);
}

int
unsent_add(struct unsent *u, const struct accept_unsent *row, struct err *err)
{
    struct accept_unsent fit = *row;
    struct buf line;
    int rc = 0;

    fit.count = 1;
    make_fit(fit.ae);
    make_fit(fit.address);
    make_fit(fit.sop_class);
    make_fit(fit.sop_instance);
    make_fit(fit.why);
    buf_init(&line, LINE_BYTES);
    write_row(&fit, &line);
    gate_lock(&u->gate);
    /* one that is sent over and over again costs no sync each time */
    if (put_row(u, &fit) || u->fd < 0)
        rc = append(u, &line, err);
    gate_unlock(&u->gate);
    buf_fini(&line);
    return rc;
}

static int
gone(struct unsent *u, const char *ae, const char *sop_instance, bool *out_was_there,
     struct err *err)
{
    struct buf line;
    int rc = 0;

    gate_lock(&u->gate);
    *out_was_there = u->n > 0 && take_all_off(u, ae, sop_instance);
    if (*out_was_there) {
        buf_init(&line, LINE_BYTES);
        buf_add_printf(&line, "-\t%s\t%s\n", ae ? ae : "", sop_instance);
        rc = append(u, &line, err);
        buf_fini(&line);
    }
    gate_unlock(&u->gate);
    return rc;
}

int
unsent_arrived(struct unsent *u, const char *sop_instance, struct err *err)
{
    bool was_there;

    if (sop_instance[0] == '\0') /* rows without one are of others */
        return 0;
    return gone(u, NULL, sop_instance, &was_there, err);
}

int
unsent_forget(struct unsent *u, const char *ae, const char *sop_instance, struct err *err)
{
    bool was_there;

    if (gone(u, ae, sop_instance, &was_there, err) < 0)
        return -1;
    return was_there ? 0 : err_set(err, ERR_NOT_FOUND, "no such instance on the list");
}

void
unsent_copy(struct unsent *u, struct accept_unsent **out_rows, size_t *out_n, uint64_t *out_more)
{
    gate_lock(&u->gate);
    struct accept_unsent *rows = mem_new((u->n + 1) * sizeof *rows);
    if (u->n > 0)
        memcpy(rows, u->rows, u->n * sizeof *rows);
    *out_rows = rows;
    *out_n = u->n;
    *out_more = u->more;
    gate_unlock(&u->gate);
}
