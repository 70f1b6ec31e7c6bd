/* import.c - the inbox: begin, end, list, throw away, take out again. */
#include "gateway/import/import.h"

#include "gateway/import/import_own.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const words[IMPORT_STATES] = {
#define STATE(name, word, sentence) [name] = word,
#include "gateway/import/import_states.def"
#undef STATE
};

static const struct {
    enum import_state from;
    enum import_event event;
    enum import_state to;
} rows[] = {
#define ROW(from, event, to) {from, event, to},
#include "gateway/import/import_states.def"
#undef ROW
};

const char *
import_state_word(enum import_state state)
{
    return words[state];
}

bool
import_next(enum import_state from, enum import_event event, enum import_state *out_to)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].from == from && rows[i].event == event) {
            *out_to = rows[i].to;
            return true;
        }
    return false;
}

/* ---- begin and end ---- */

static void
take_options(struct import *im, const struct import_options *o)
{
    im->options = *o;
    text_copy(im->dir, sizeof im->dir, o->dir);
    im->is_drop_ours = o->drop_dir == NULL || o->drop_dir[0] == '\0';
    if (!im->is_drop_ours)
        text_copy(im->drop_dir, sizeof im->drop_dir, o->drop_dir);
    else
        snprintf(im->drop_dir, sizeof im->drop_dir, "%.3700s/drop", o->dir);
    text_copy(im->media_dir, sizeof im->media_dir, o->media_dir != NULL ? o->media_dir : "");
    im->options.dir = im->dir;
    im->options.drop_dir = im->drop_dir;
    im->options.media_dir = im->media_dir;
    im->options.rescan_ms = o->rescan_ms > 0 ? o->rescan_ms : 30000;
    im->options.settle_ms = o->settle_ms > 0 ? o->settle_ms : 5000;
    im->options.partial_ms = o->partial_ms > 0 ? o->partial_ms : 600000;
    im->options.keep_ms = o->keep_ms > 0 ? o->keep_ms : INT64_C(365) * 86400 * 1000;
    im->options.max_bytes = o->max_bytes > 0 ? o->max_bytes : UINT64_C(2) << 30;
}

static int
make_folders(struct import *im, struct err *err)
{
    static const char *const below[] = {"tmp", "files", "items", "corrupt"};
    char path[PATH_MAX];

    if (durable_mkdir(im->dir, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        snprintf(path, sizeof path, "%s/%s", im->dir, below[i]);
        if (durable_mkdir(path, err) < 0)
            return -1;
    }
    return 0;
}

int
import_make_drop(struct import *im, struct err *err)
{
    struct stat st;

    if (stat(im->drop_dir, &st) == 0 && S_ISDIR(st.st_mode))
        return 0; /* somebody else's, perhaps: left as it is */
    return durable_mkdir(im->drop_dir, err) < 0 ? err_context(err, "the import folder") : 0;
}

int
import_start(const struct import_options *options, struct import **out_import, struct err *err)
{
    struct import *im = mem_new(sizeof *im);

    gate_init(&im->work);
    gate_init(&im->gate);
    im->change = 1;
    take_options(im, options);
    if (make_folders(im, err) < 0 || items_load(im, err) < 0 || watch_start(im, err) < 0) {
        import_stop(&im);
        return err_context(err, "import");
    }
    LOG(&import_ctx, IMPORT_WATCHING, F_NUMBER("items", im->count));
    *out_import = im;
    return 0;
}

void
import_stop(struct import **import)
{
    struct import *im = TAKE(*import);

    if (im == NULL)
        return;
    watch_stop(im);
    for (size_t i = 0; i < im->count; i++)
        free(im->items[i]);
    free(im->items);
    gate_fini(&im->gate);
    gate_fini(&im->work);
    free(im);
}

void
import_rescan(struct import *import)
{
    watch_scan(import);
}

uint64_t
import_wait(struct import *im, uint64_t seen, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;
    uint64_t now;

    gate_lock(&im->gate);
    while (im->change == seen && clock_mono_ms() < until_ms)
        (void)gate_wait_ms(&im->gate, until_ms - clock_mono_ms());
    now = im->change;
    gate_unlock(&im->gate);
    return now;
}

void
import_left_now(struct import *im, struct import_left *out)
{
    gate_lock(&im->gate);
    *out = im->left;
    gate_unlock(&im->gate);
}

void
import_drop_trouble(struct import *im, char out[IMPORT_TROUBLE_BYTES])
{
    gate_lock(&im->gate);
    text_copy(out, IMPORT_TROUBLE_BYTES, im->drop_trouble);
    gate_unlock(&im->gate);
}

/* ---- looking ---- */

/* What waits for a person first, whatever came or was decided since. */
static int
rank(const struct import_item *item)
{
    static const enum import_state due[] = {IMPORT_WAITING, IMPORT_BINDING, IMPORT_UNUSABLE};

    for (size_t i = 0; i < ARRAY_LEN(due); i++)
        if (item->state == due[i])
            return (int)i;
    return (int)ARRAY_LEN(due);
}

static int
open_first(const void *a, const void *b)
{
    const struct import_item *x = a, *y = b;

    if (rank(x) != rank(y))
        return rank(x) - rank(y);
    if (x->taken_at_us != y->taken_at_us)
        return x->taken_at_us < y->taken_at_us ? 1 : -1;
    return strcmp(x->id, y->id);
}

void
import_list(struct import *im, unsigned states, struct import_item **out_items, size_t *out_n)
{
    struct import_item *list;
    size_t n = 0;

    gate_lock(&im->gate);
    list = mem_new((im->count + 1) * sizeof *list);
    for (size_t i = 0; i < im->count; i++)
        if (states == 0 || (1u << im->items[i]->state & states))
            list[n++] = *im->items[i];
    gate_unlock(&im->gate);
    qsort(list, n, sizeof *list, open_first);
    *out_items = list;
    *out_n = n;
}

int
import_find(struct import *im, const char *id, struct import_item *out, struct err *err)
{
    return items_get(im, id, out) ? 0 : err_set(err, ERR_NOT_FOUND, "no such file");
}

int
import_source(struct import *im, const char *id, int *out_fd, uint64_t *out_size, struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    char path[PATH_MAX], file[80];
    int rc = -1, fd;

    if (import_find(im, id, item, err) < 0)
        goto out;
    item_file(item, file);
    snprintf(path, sizeof path, "%s/%s", im->dir, file);
    fd = item->has_source ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) {
        (void)err_set(err, ERR_NOT_FOUND, "its file is not kept any more");
        goto out;
    }
    *out_fd = fd;
    *out_size = item->size;
    rc = 0;
out:
    free(item);
    return rc;
}

/* ---- deciding ---- */

/* One arrow of a person's, with who and why. */
static int
step(struct import *im, const char *id, enum import_event event, const char *by, const char *reason,
     struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    int rc = -1;

    gate_lock(&im->work);
    if (import_find(im, id, item, err) < 0)
        goto out;
    if (event == IMPORT_SAW_REOPEN && !item->has_source) {
        (void)err_set(err, ERR_NOT_FOUND, "its file is not kept any more");
        goto out;
    }
    if (!import_next(item->state, event, &item->state)) {
        (void)err_set(err, ERR_CONFLICT, "it is %s", import_state_word(item->state));
        goto out;
    }
    if (event == IMPORT_SAW_REOPEN && item->why[0] != '\0' && item->made_at[0] == '\0')
        item->state = IMPORT_UNUSABLE; /* it was when it was thrown away */
    text_copy(item->by, sizeof item->by, by);
    text_copy(item->reason, sizeof item->reason, reason);
    item->since_age_ms = 0;
    item->changed_at_us = clock_wall_us();
    rc = items_save(im, item, err);
out:
    gate_unlock(&im->work);
    free(item);
    return rc;
}

int
import_discard(struct import *im, const char *id, const char *reason, const char *by,
               struct err *err)
{
    char(*ids)[IMPORT_ID_SIZE] = NULL;
    int rc = 0;
    size_t n;

    if (reason[strspn(reason, " \t\r\n")] == '\0')
        return err_set(err, ERR_REJECT, "a reason is due");
    n = items_members(im, id, 1u << IMPORT_WAITING | 1u << IMPORT_UNUSABLE, &ids);
    if (n == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such file");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = step(im, ids[i], IMPORT_SAW_DISCARD, by, reason, err);
    if (rc == 0)
        LOG(&import_ctx, IMPORT_THROWN, F_NUMBER("files", n));
    free(ids);
    return rc;
}

int
import_reopen(struct import *im, const char *id, const char *by, struct err *err)
{
    return step(im, id, IMPORT_SAW_REOPEN, by, "", err);
}
