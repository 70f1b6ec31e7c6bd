/* table.c - the device table in force, and its file.
 * The file is looked at for each association and read again when it changed, so that a line added
 * by hand works at the device's next attempt. */
#include "gateway/accept/accept_parts.h"

#include "gateway/accept/seen.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/accept/accept_events.def"
#undef LOG_EVENT

enum { DEVICES_BYTES = 1024 * 1024, LINE_BYTES = 4096, MINUTE_US = 60 * 1000 * 1000 };

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* What devices have done is kept over a new reading of the file. */
static void
carry_counts(const struct devices *from, struct devices *to)
{
    for (size_t i = 0; i < to->n; i++) {
        struct accept_device *d = &to->rows[i];
        const struct accept_device *old = devices_at(from, d->ae, d->address);
        if (!old)
            continue;
        d->last_seen_us = old->last_seen_us;
        d->last_store_us = old->last_store_us;
        d->stored = old->stored;
        d->open = old->open;
        memcpy(d->last_address, old->last_address, sizeof d->last_address);
        memcpy(d->last_certificate, old->last_certificate, sizeof d->last_certificate);
    }
}

/* Would this caller be let in by the table in force? */
static bool
is_admitted_now(const struct accept_refused *row, const void *user)
{
    const struct accept *a = user;
    struct dimse_peer peer = {.port = 0};

    text_copy(peer.calling, sizeof peer.calling, row->calling);
    text_copy(peer.called, sizeof peer.called, row->called);
    text_copy(peer.address, sizeof peer.address, row->address);
    text_copy(peer.fingerprint, sizeof peer.fingerprint, row->certificate_sha256);
    return devices_match(&a->devices, &peer, a->called).device != NULL;
}

int
table_read(struct accept *a, struct err *err)
{
    struct devices devices = {NULL, 0};
    struct stat now = {.st_ino = 0};
    uint8_t *text = NULL;
    size_t n = 0;
    int rc = 0;

    if (stat(a->devices_path, &now) < 0) {
        now = (struct stat){.st_ino = 0};
        if (errno != ENOENT)
            rc = err_sys(err, ERR_RETRY, DEVICES_FILE);
    }
    if (rc == 0 && !a->is_table_unread && is_same_file(&now, &a->devices_seen))
        return 0;
    a->devices_seen = now;
    if (rc == 0 && now.st_ino != 0)
        rc = durable_get_file(a->devices_path, DEVICES_BYTES, &text, &n, err);
    a->is_table_unread = rc < 0;
    if (rc < 0)
        goto out;
    rc = devices_parse_good((const char *)text, n, &a->devices, &devices, err);
    if (rc < 0)
        err_context(err, DEVICES_FILE);
    carry_counts(&a->devices, &devices);
    devices_fini(&a->devices);
    a->devices = devices;
    if (refused_forget(&a->refused, is_admitted_now, a) > 0)
        table_keep_refused(a);
    atomic_fetch_add(&a->table_version, 1);
    atomic_store(&a->is_release_due, true);
    LOG(&accept_ctx, ACCEPT_DEVICES_READ, F_NUMBER("devices", devices.n));
out:
    if (rc < 0 && strcmp(a->table_trouble, err->text) != 0)
        LOG(&accept_ctx, ACCEPT_DEVICES_BAD, F_ERR(err));
    text_copy(a->table_trouble, sizeof a->table_trouble, rc < 0 ? err->text : "");
    free(text);
    return rc;
}

void
table_refresh(struct accept *a)
{
    struct err err = {0};

    if (table_read(a, &err) < 0)
        err_clear(&err); /* it is in the log, and on the desk's page */
}

void
table_keep_refused(struct accept *a)
{
    struct err err = {0};

    if (refused_write(a->options.dir, &a->refused, clock_wall_us(), &err) < 0)
        LOG(&accept_ctx, ACCEPT_REFUSED_NOT_KEPT, F_ERR(&err));
}

void
table_keep_seen(struct accept *a, bool is_asked)
{
    int64_t now_us = clock_wall_us(), since_us = now_us - atomic_load(&a->seen_kept_us);
    struct err err = {0};
    struct buf text;

    if (!is_asked && since_us >= 0 && since_us < MINUTE_US)
        return;
    atomic_store(&a->seen_kept_us, now_us);
    buf_init(&text, SEEN_BYTES);
    gate_lock(&a->seen_gate);
    gate_lock(&a->gate);
    seen_format(&a->devices, &text);
    gate_unlock(&a->gate);
    if (seen_write(a->options.dir, &text, &err) < 0)
        LOG(&accept_ctx, ACCEPT_SEEN_NOT_KEPT, F_ERR(&err));
    gate_unlock(&a->seen_gate);
    buf_fini(&text);
}

void
accept_list_devices(struct accept *a, struct accept_device **out_devices, size_t *out_n)
{
    gate_lock(&a->gate);
    table_refresh(a);
    size_t n = a->devices.n;
    struct accept_device *rows = mem_new((n + 1) * sizeof *rows);
    if (n > 0)
        memcpy(rows, a->devices.rows, n * sizeof *rows);
    gate_unlock(&a->gate);
    *out_devices = rows;
    *out_n = n;
}

void
accept_table_trouble(struct accept *a, char out[ACCEPT_TROUBLE_BYTES])
{
    gate_lock(&a->gate);
    table_refresh(a);
    text_copy(out, ACCEPT_TROUBLE_BYTES, a->table_trouble);
    gate_unlock(&a->gate);
}

int
accept_check_devices(const char *dir, struct err *err)
{
    char *path = mem_printf("%s/%s", dir, DEVICES_FILE);
    struct devices devices = {NULL, 0};
    uint8_t *text = NULL;
    size_t n = 0;
    int rc = durable_get_file(path, DEVICES_BYTES, &text, &n, err);

    if (rc == 0)
        rc = devices_parse((const char *)text, n, &devices, err);
    else if (err->kind == ERR_NOT_FOUND) {
        err_clear(err);
        rc = 0;
    }
    if (rc < 0)
        err_context(err, DEVICES_FILE);
    devices_fini(&devices);
    free(text);
    free(path);
    return rc;
}

void
accept_list_refused(struct accept *a, struct accept_refused **out_refused, size_t *out_n)
{
    size_t n = 0;

    gate_lock(&a->gate);
    struct accept_refused *rows = mem_new((a->refused.n + 1) * sizeof *rows);
    for (size_t i = 0; i < a->refused.n; i++)
        if (a->refused.rows[i].why != ACCEPT_STRANGER)
            rows[n++] = a->refused.rows[i];
    gate_unlock(&a->gate);
    *out_refused = rows;
    *out_n = n;
}

struct caller {
    const char *calling, *address;
    bool has_left; /* images in quarantine: its strangers' rows hold them there (window.c, 2) */
};

static bool
is_caller(const struct accept_refused *row, const void *user)
{
    const struct caller *c = user;

    return strcmp(row->calling, c->calling) == 0 && strcmp(row->address, c->address) == 0 &&
           !(c->has_left && row->why == ACCEPT_STRANGER);
}

int
accept_forget_refused(struct accept *a, const char *calling, const char *address, struct err *err)
{
    struct caller caller = {calling, address, false};
    struct accept_stranger *left = NULL;
    size_t n = 0;
    int rc = 0;

    accept_list_strangers(a, &left, &n); /* before the gate: it takes it, and the spool's */
    for (size_t i = 0; i < n; i++)
        caller.has_left =
            caller.has_left || (left[i].instances > 0 && strcmp(left[i].calling, calling) == 0 &&
                                strcmp(left[i].address, address) == 0);
    free(left);
    gate_lock(&a->gate);
    if (refused_forget(&a->refused, is_caller, &caller) == 0)
        rc = caller.has_left ? err_set(err, ERR_CONFLICT, "its images wait in quarantine")
                             : err_set(err, ERR_NOT_FOUND, "no such caller");
    else
        rc = refused_write(a->options.dir, &a->refused, clock_wall_us(), err);
    gate_unlock(&a->gate);
    return rc;
}

bool
accept_find_device(struct accept *a, const char *ae, const char *address,
                   struct accept_device *out_device)
{
    const struct accept_device *found = NULL;

    gate_lock(&a->gate);
    table_refresh(a);
    for (size_t i = 0; i < a->devices.n; i++) {
        const struct accept_device *d = &a->devices.rows[i];
        if (strcmp(d->ae, ae) != 0)
            continue;
        if (!address ? !found || (found->host[0] == '\0' && d->host[0] != '\0')
                     : strcmp(d->address, address) == 0 || (!found && strcmp(d->address, "*") == 0))
            found = d;
    }
    if (found)
        *out_device = *found;
    gate_unlock(&a->gate);
    return found != NULL;
}

/* Locked. The file as it is, comments too, with one line changed, added (line) or gone (NULL). */
static int
edit_file(struct accept *a, const char *ae, const char *address, const struct buf *line,
          struct err *err)
{
    struct devices whole = {NULL, 0};
    struct buf text;
    uint8_t *old = NULL;
    size_t n = 0;
    int rc = -1;

    buf_init(&text, DEVICES_BYTES);
    if (a->devices_seen.st_ino != 0 &&
        durable_get_file(a->devices_path, DEVICES_BYTES, &old, &n, err) < 0)
        goto out;
    if (!devices_edit((const char *)old, n, ae, address, line ? (const char *)line->bytes : NULL,
                      line ? line->n : 0, &text)) {
        if (!line) {
            err_set(err, ERR_NOT_FOUND, "no such device");
            goto out;
        }
        if (n > 0 && old[n - 1] != '\n')
            buf_add_text(&text, "\n");
        buf_add(&text, line->bytes, line->n);
    }
    if (buf_is_over(&text)) {
        err_set(err, ERR_REJECT, "%s is full", DEVICES_FILE);
        goto out;
    }
    if (devices_parse((const char *)text.bytes, text.n, &whole, err) < 0) {
        err_context(err, "%s has a mistake already", DEVICES_FILE);
        goto out;
    }
    devices_fini(&whole);
    if (durable_put_file(a->options.dir, DEVICES_FILE, text.bytes, text.n, err) == 0)
        rc = table_read(a, err);
out:
    free(old);
    buf_fini(&text);
    return rc;
}

int
accept_put_device(struct accept *a, const struct accept_device *device, struct err *err)
{
    struct accept_device d = *device;
    struct buf line;
    int rc = -1;

    buf_init(&line, LINE_BYTES);
    gate_lock(&a->gate);
    if (devices_normalize(&d, err) < 0 || table_read(a, err) < 0)
        goto out;
    if (a->devices.n == DEVICES_MAX && !devices_at(&a->devices, d.ae, d.address)) {
        err_set(err, ERR_REJECT, "more than %d devices", DEVICES_MAX);
        goto out;
    }
    devices_format(&d, &line);
    if (edit_file(a, d.ae, d.address, &line, err) < 0)
        goto out;
    rc = 0;
out:
    gate_unlock(&a->gate);
    buf_fini(&line);
    if (rc == 0)
        window_release(a);
    return rc;
}

int
accept_remove_device(struct accept *a, const char *ae, const char *address, struct err *err)
{
    int rc;

    gate_lock(&a->gate);
    rc = table_read(a, err);
    if (rc == 0)
        rc = edit_file(a, ae, address, NULL, err);
    gate_unlock(&a->gate);
    return rc;
}

void
accept_list_unsent(struct accept *a, struct accept_unsent **out_unsent, size_t *out_n,
                   uint64_t *out_more)
{
    unsent_copy(a->unsent, out_unsent, out_n, out_more);
}

int
accept_forget_unsent(struct accept *a, const char *ae, const char *sop_instance, struct err *err)
{
    return unsent_forget(a->unsent, ae, sop_instance, err);
}
