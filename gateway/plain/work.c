/* work.c - the threads of a way, and the bytes they send. */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/codec/codec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASKED_AT_ONCE = 512, PAUSED_WAIT_MS = 5000 };

int
plain_open_bytes(struct way *way, uint64_t id, const char *stored, const char *syntax, int *out_fd,
                 uint64_t *out_at, uint64_t *out_end, struct err *err)
{
    const struct plain_options *o = &way->plain->o;
    struct codec_source source = {.fd = -1};
    struct spool_bytes bytes;
    int rc;

    if (spool_source_received(o->spool, id, &bytes, err) < 0)
        return -1;
    if (strcmp(stored, syntax) == 0) {
        *out_fd = bytes.fd;
        *out_at = bytes.offset;
        *out_end = bytes.offset + bytes.size;
        return 0;
    }
    source = (struct codec_source){.fd = bytes.fd, .offset = bytes.offset, .size = bytes.size};
    *out_at = 0;
    rc = codec_transcode(o->pool, &source, syntax, out_fd, out_end, err);
    close(bytes.fd);
    return rc;
}

bool
plain_may_go(struct way *way, const struct item *item)
{
    struct spool_entry *entry = NULL;
    struct err err = {0};
    bool may = false;

    if (spool_load(way->plain->o.spool, item->id, &entry, &err) == 0)
        may = !entry->is_paused && entry->has_bytes && entry->state != INSTANCE_RECEIVED &&
              (INSTANCE_BIT(entry->state) & INSTANCE_UNLISTED) == 0;
    if (!may) {
        gate_lock(&way->gate);
        if (entry != NULL && entry->state == INSTANCE_DISCARDED) {
            queue_forget(way->queue, item->id); /* no mark: it may be taken back */
        } else if (entry != NULL && (entry->state == INSTANCE_DUPLICATE || !entry->has_bytes)) {
            way_mark(way, item, MARK_LEFT);
            queue_set(way->queue, item->id, ITEM_LEFT, clock_wall_us());
        } else if (entry == NULL && err.kind == ERR_NOT_FOUND) {
            queue_forget(way->queue, item->id);
        } else {
            queue_set(way->queue, item->id, ITEM_WAITING, clock_wall_us());
            queue_put_off(way->queue, item->id, clock_mono_ms() + PAUSED_WAIT_MS);
        }
        gate_unlock(&way->gate);
    }
    spool_entry_free(&entry);
    return may;
}

void *
plain_send_run(void *arg)
{
    struct talk *t = arg;

    while (way_await_work(t->way, false)) {
        if (t->way->conf->kind == TARGET_DICOM)
            store_some(t);
        else
            stow_some(t);
        way_sync(t->way);
    }
    return NULL;
}

void *
plain_ask_run(void *arg)
{
    struct talk *t = arg;
    struct item *items = mem_new(ASKED_AT_ONCE * sizeof *items);
    bool *is_found = mem_new(ASKED_AT_ONCE * sizeof *is_found);

    while (way_await_work(t->way, true)) {
        size_t n;

        gate_lock(&t->way->gate);
        n = queue_due_asks(t->way->queue, clock_mono_ms(), items, ASKED_AT_ONCE);
        gate_unlock(&t->way->gate);
        memset(is_found, 0, ASKED_AT_ONCE * sizeof *is_found);
        if (t->way->conf->kind == TARGET_DICOM)
            find_some(t, items, is_found, n);
        else
            qido_some(t, items, is_found, n);
    }
    free(is_found);
    free(items);
    return NULL;
}
