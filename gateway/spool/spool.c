/* spool.c - the spool opened and closed, and what it shows of its entries. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWARM_MS = 20 };

/* ---- open and close ---- */

static int
make_folders(const char *dir, struct err *err)
{
    static const char *const folders[] = {"tmp", "segments", "journal", "corrupt"};
    char path[PATH_MAX];

    if (durable_mkdir(dir, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        if (durable_mkdir(path, err) < 0)
            return -1;
    }
    return 0;
}

static int
take_lock(struct spool *sp, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/lock", sp->dir);
    sp->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sp->lock_fd < 0)
        return err_sys(err, ERR_RETRY, "open %s", path);
    if (flock(sp->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_sys(err, errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_RETRY,
                       "the spool is open elsewhere");
    return 0;
}

/* Drafts that never became anything: nobody was told of them. */
static void
empty_tmp(struct spool *sp)
{
    char path[PATH_MAX];
    struct dirent *d;
    DIR *dir;

    snprintf(path, sizeof path, "%s/tmp", sp->dir);
    dir = opendir(path);
    if (dir == NULL)
        return;
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/tmp/%s", sp->dir, d->d_name);
        if (unlink(path) < 0)
            LOG(&sp->log, SPOOL_NOT_REMOVED, F_WORD("file", d->d_name));
    }
    closedir(dir);
}

static struct spool *
new_spool(const char *dir, const struct spool_options *options)
{
    struct spool *sp = mem_new(sizeof *sp);

    sp->dir = mem_text(dir);
    sp->options = *options;
    sp->lock_fd = -1;
    sp->active_fd = -1;
    sp->ready.fd = -1;
    sp->received_ms = clock_mono_ms();
    sp->log = (struct log_ctx){.stage = "gateway/spool"};
    sp->next_segment = 1;
    sp->next_draft = 1;
    sp->change = 1;
    sp->queue_end = &sp->queue;
    gate_init(&sp->gate);
    CHECK(pthread_mutex_init(&sp->listing, NULL) == 0);
    bell_init(&sp->due);
    bell_init(&sp->news);
    bell_init(&sp->closing);
    ledger_init(&sp->ledger);
    return sp;
}

/* The writer's part of opening. */
static void
begin_writing(struct spool *sp)
{
    struct err err = {0};

    if (keeper_renew(sp, &err) < 0) {
        sp->is_journal_sick = true;
        LOG(&sp->log, SPOOL_JOURNAL_SICK, F_ERR(&err));
    }
    committer_start(sp);
    if (sp->options.has_queue_door && queue_door_open(sp, sp->dir, &sp->door, &err) < 0)
        LOG(&sp->log, SPOOL_NO_QUEUE_DOOR, F_ERR(&err));
}

int
spool_open(const char *dir, const struct spool_options *options, struct spool **out_spool,
           struct err *err)
{
    struct spool *sp = new_spool(dir, options);
    int64_t began = clock_mono_ms();
    int rc = -1;

    if (versions_check(dir, options->is_read_only, err) < 0)
        goto out;
    if (!options->is_read_only) {
        if (make_folders(dir, err) < 0 || take_lock(sp, err) < 0)
            goto out;
        empty_tmp(sp);
    }
    if (recover(sp, err) < 0)
        goto out;
    age_begin(sp);
    room_measure(sp);
    if (!options->is_read_only) {
        begin_writing(sp);
        LOG(&sp->log, SPOOL_OPENED, F_NUMBER("entries", sp->ledger.n),
            F_NUMBER("segments", sp->segments_n), F_MS("took", clock_mono_ms() - began));
    }
    *out_spool = TAKE(sp);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "spool %s", dir);
    spool_close(&sp);
    return rc;
}

void
spool_close(struct spool **spool)
{
    struct spool *sp = *spool;

    if (sp == NULL)
        return;
    queue_door_close(&sp->door);
    committer_stop(sp);
    for (size_t i = 0; i < sp->associations_n; i++)
        free(sp->associations[i].studies);
    free(sp->associations);
    draft_drop_spares(sp);
    free(sp->segments);
    ledger_fini(&sp->ledger);
    bell_fini(&sp->closing);
    bell_fini(&sp->news);
    bell_fini(&sp->due);
    pthread_mutex_destroy(&sp->listing);
    gate_fini(&sp->gate);
    if (sp->lock_fd >= 0)
        close(sp->lock_fd);
    free(sp->dir);
    free(sp);
    *spool = NULL;
}

/* ---- segments of ours ---- */

void
segment_path(const struct spool *sp, uint64_t number, char *out, size_t out_size)
{
    snprintf(out, out_size, "%s/segments/%016" PRIx64 ".seg", sp->dir, number);
}

static size_t
segment_index(const struct spool *sp, uint64_t number)
{
    size_t i = sp->segments_n;

    while (i > 0 && sp->segments[i - 1].number >= number)
        i--;
    return i;
}

struct segment *
segment_find(struct spool *sp, uint64_t number)
{
    size_t from = 0, to = sp->segments_n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (sp->segments[middle].number < number)
            from = middle + 1;
        else
            to = middle;
    }
    return from < sp->segments_n && sp->segments[from].number == number ? &sp->segments[from]
                                                                        : NULL;
}

struct segment *
segment_add(struct spool *sp, uint64_t number)
{
    size_t i = segment_index(sp, number);

    if (i < sp->segments_n && sp->segments[i].number == number)
        return &sp->segments[i];
    sp->segments = mem_grow(sp->segments, (sp->segments_n + 1) * sizeof *sp->segments);
    memmove(sp->segments + i + 1, sp->segments + i, (sp->segments_n - i) * sizeof *sp->segments);
    sp->segments_n++;
    sp->segments[i] = (struct segment){.number = number, .cut = SPOOL_UNCUT};
    return &sp->segments[i];
}

void
segment_forget(struct spool *sp, uint64_t number)
{
    size_t i = segment_index(sp, number);

    if (i == sp->segments_n || sp->segments[i].number != number)
        return;
    memmove(sp->segments + i, sp->segments + i + 1,
            (sp->segments_n - i - 1) * sizeof *sp->segments);
    sp->segments_n--;
}

/* ---- entries shown ---- */

static void
copy_meta(const struct record *r, struct spool_meta *out)
{
    text_copy(out->sop_class, sizeof out->sop_class, r->sop_class);
    text_copy(out->sop_instance, sizeof out->sop_instance, r->sop_instance);
    text_copy(out->transfer_syntax, sizeof out->transfer_syntax, r->transfer_syntax);
    text_copy(out->calling_ae, sizeof out->calling_ae, r->calling_ae);
    text_copy(out->called_ae, sizeof out->called_ae, r->called_ae);
    text_copy(out->peer, sizeof out->peer, r->peer);
    text_copy(out->quarantine, sizeof out->quarantine, r->quarantine);
    out->received_at_us = r->at_us[INSTANCE_RECEIVED];
}

static void
copy_facts(const struct record *r, struct spool_inspection *out)
{
    text_copy(out->study_uid, sizeof out->study_uid, r->study_uid);
    text_copy(out->series_uid, sizeof out->series_uid, r->series_uid);
    text_copy(out->modality, sizeof out->modality, r->modality);
    text_copy(out->study_date, sizeof out->study_date, r->study_date);
    text_copy(out->study_time, sizeof out->study_time, r->study_time);
    text_copy(out->body_part, sizeof out->body_part, r->body_part);
    text_copy(out->station, sizeof out->station, r->station);
    out->frames = r->frames;
    memcpy(out->pixels_sha256, r->pixels_sha256, 32);
    memcpy(out->dataset_sha256, r->dataset_sha256, 32);
    out->doubts = r->doubts;
    memcpy(out->identity_sha256, r->identity_sha256, 32);
    memcpy(out->rest_sha256, r->rest_sha256, 32);
}

static bool
record_is_coded(const struct record *r)
{
    return r->coded.object_size != 0;
}

static struct spool_entry *
copy_entry(const struct record *r)
{
    const struct place *object = record_is_coded(r) ? &r->coded : &r->received;
    struct spool_entry *e = mem_new(sizeof *e);

    e->id = r->id;
    e->state = r->state;
    copy_meta(r, &e->meta);
    e->is_inspected = r->is_inspected;
    copy_facts(r, &e->facts);
    e->size = r->received.object_size;
    memcpy(e->received_sha256, r->received.sha256, 32);
    e->is_coded = record_is_coded(r);
    e->has_bytes = object->segment != 0;
    e->is_paused = r->is_paused;
    e->object_size = object->object_size;
    memcpy(e->object_sha256, object->sha256, 32);
    e->revision = record_is_on_list(r) ? r->revision : 0;
    e->has_left_list = r->left > 0 && r->left >= r->revision && record_is_off(r);
    e->twin_of = r->twin_of;
    e->receipt_seq = r->receipt_seq;
    memcpy(e->state_at_us, r->at_us, sizeof e->state_at_us);
    text_copy(e->why_not_coded, sizeof e->why_not_coded, r->why_not_coded);
    text_copy(e->discard_reason, sizeof e->discard_reason, r->discard_reason);
    text_copy(e->discarded_by, sizeof e->discarded_by, r->discarded_by);
    e->is_wanted = r->is_wanted;
    e->is_lost = r->is_lost;
    e->is_gone = r->is_gone;
    text_copy(e->last_error, sizeof e->last_error, r->last_error);
    return e;
}

/* A copy of an entry's record. */
static int
get_record(struct spool *sp, uint64_t id, struct record *out, struct err *err)
{
    struct entry *e;

    gate_lock(&sp->gate);
    e = ledger_find(&sp->ledger, id);
    if (e != NULL)
        *out = e->r;
    gate_unlock(&sp->gate);
    if (e == NULL)
        return err_set(err, ERR_NOT_FOUND, "entry %" PRIu64 ": there is none", id);
    return 0;
}

static int
open_place(struct spool *sp, const struct place *p, int *out_fd, struct err *err)
{
    char path[PATH_MAX];

    if (p->segment == 0)
        return err_set(err, ERR_NOT_FOUND, "the bytes are no longer here");
    segment_path(sp, p->segment, path, sizeof path);
    *out_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*out_fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_RETRY, "open segment %" PRIx64,
                       p->segment);
    return 0;
}

/* Recipe and layout lie behind the coded file. */
static int
read_coding(struct spool *sp, const struct place *p, struct spool_entry *e, struct err *err)
{
    uint64_t at = p->offset + SEGMENT_RECORD_HEADER + p->object_size;
    int fd = -1, rc;

    if (p->recipe_n > JOURNAL_BODY_BYTES || p->layout_n > JOURNAL_BODY_BYTES)
        return err_set(err, ERR_REJECT, "recipe or layout past its limit");
    if (open_place(sp, p, &fd, err) < 0)
        return -1;
    e->recipe_n = p->recipe_n;
    e->layout_n = p->layout_n;
    e->recipe = mem_new(p->recipe_n);
    e->layout = mem_new(p->layout_n);
    rc = durable_read_at(fd, e->recipe, p->recipe_n, at, err);
    if (rc == 0)
        rc = durable_read_at(fd, e->layout, p->layout_n, at + p->recipe_n, err);
    close(fd);
    return rc;
}

int
spool_load(struct spool *sp, uint64_t id, struct spool_entry **out_entry, struct err *err)
{
    struct spool_entry *e;
    struct record r;

    if (get_record(sp, id, &r, err) < 0)
        return -1;
    e = copy_entry(&r);
    if (e->is_coded && e->has_bytes && read_coding(sp, &r.coded, e, err) < 0) {
        spool_entry_free(&e);
        return err_context(err, "entry %" PRIu64, id);
    }
    *out_entry = e;
    return 0;
}

int
spool_look(struct spool *sp, uint64_t id, struct spool_entry **out_entry, struct err *err)
{
    struct record r;

    if (get_record(sp, id, &r, err) < 0)
        return -1;
    *out_entry = copy_entry(&r);
    return 0;
}

void
spool_entry_free(struct spool_entry **entry)
{
    if (*entry == NULL)
        return;
    free((*entry)->recipe);
    free((*entry)->layout);
    free(*entry);
    *entry = NULL;
}

static bool
is_quarantined_for(const struct record *r, const char *word)
{
    return r->state == INSTANCE_QUARANTINED &&
           strcmp(quarantine_word(quarantine_of(r->last_error)), word) == 0;
}

static bool
matches(const struct entry *e, const struct spool_filter *f)
{
    if (f->states != 0 && (f->states & INSTANCE_BIT(e->r.state)) == 0)
        return false;
    if (e->r.id <= f->after_id)
        return false;
    if (f->study_uid != NULL && strcmp(e->r.study_uid, f->study_uid) != 0)
        return false;
    if (f->only_paused && !e->r.is_paused)
        return false;
    if (f->quarantine != NULL && !is_quarantined_for(&e->r, f->quarantine))
        return false;
    return f->sop_instance == NULL || strcmp(e->r.sop_instance, f->sop_instance) == 0;
}

static int
by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct id_list {
    uint64_t *ids;
    size_t n, room;
};

static void
add_id(struct id_list *list, uint64_t id)
{
    if (list->n == list->room) {
        list->room = list->room * 2 + 64;
        list->ids = mem_grow(list->ids, list->room * sizeof *list->ids);
    }
    list->ids[list->n++] = id;
}

/* How many entries are in the states asked for; locked. */
static uint64_t
count_states(const struct ledger *l, uint32_t states)
{
    uint64_t n = 0;

    for (int s = 0; s < INSTANCE_STATES; s++)
        if (states == 0 || (states & INSTANCE_BIT(s)) != 0)
            n += l->counts[s];
    return n;
}

/* What waits is young and little beside what is done: a few are looked for from the end. Locked. */
static void
list_all(const struct ledger *l, const struct spool_filter *filter, struct id_list *list)
{
    uint64_t left = filter->only_paused && l->paused == 0 ? 0 : count_states(l, filter->states);
    bool is_from_end = left < l->n / 4 || left == 0;

    for (size_t k = 0; k < l->n && left > 0; k++) {
        const struct entry *e = l->entries[is_from_end ? l->n - 1 - k : k];

        if (filter->states == 0 || (filter->states & INSTANCE_BIT(e->r.state)) != 0)
            left--;
        if (matches(e, filter))
            add_id(list, e->r.id);
        if (!is_from_end && filter->limit != 0 && list->n == filter->limit)
            break;
    }
}

void
spool_list(struct spool *sp, const struct spool_filter *filter, uint64_t **out_ids, size_t *out_n)
{
    struct id_list list = {0};

    gate_lock(&sp->gate);
    if (filter->sop_instance == NULL)
        list_all(&sp->ledger, filter, &list);
    else /* few: follow the chain */
        for (struct entry *e = ledger_instance(&sp->ledger, filter->sop_instance); e != NULL;
             e = e->next_twin)
            if (matches(e, filter))
                add_id(&list, e->r.id);
    gate_unlock(&sp->gate);
    if (list.n > 0)
        qsort(list.ids, list.n, sizeof *list.ids, by_id);
    *out_ids = list.ids;
    *out_n = filter->limit != 0 && list.n > filter->limit ? filter->limit : list.n;
}

void
spool_counts(struct spool *sp, uint64_t out_counts[INSTANCE_STATES])
{
    gate_lock(&sp->gate);
    memcpy(out_counts, sp->ledger.counts, sizeof sp->ledger.counts);
    gate_unlock(&sp->gate);
}

uint64_t
spool_last_id(struct spool *sp)
{
    uint64_t next;

    gate_lock(&sp->gate);
    next = sp->ledger.next_id;
    gate_unlock(&sp->gate);
    return next - 1;
}

static int
open_source(struct spool *sp, uint64_t id, bool is_object, struct spool_bytes *out, struct err *err)
{
    const struct place *p;
    struct record r;

    if (get_record(sp, id, &r, err) < 0)
        return -1;
    p = is_object && record_is_coded(&r) ? &r.coded : &r.received;
    if (open_place(sp, p, &out->fd, err) < 0)
        return err_context(err, "entry %" PRIu64, id);
    out->offset = p->offset + SEGMENT_RECORD_HEADER;
    out->size = p->object_size;
    return 0;
}

int
spool_source_received(struct spool *sp, uint64_t id, struct spool_bytes *out, struct err *err)
{
    return open_source(sp, id, false, out, err);
}

int
spool_source_object(struct spool *sp, uint64_t id, struct spool_bytes *out, struct err *err)
{
    return open_source(sp, id, true, out, err);
}

/* ---- change ---- */

void
spool_changed(struct spool *sp)
{
    sp->change++;
    if (sp->has_listeners)
        bell_ring(&sp->news);
    sp->has_listeners = false;
}

void
spool_wake(struct spool *sp)
{
    gate_lock(&sp->gate);
    spool_changed(sp);
    gate_unlock(&sp->gate);
}

static void
await_swarm(struct spool *sp)
{
    int64_t until = clock_mono_ms() + SWARM_MS, left;

    while (!sp->is_closing && (left = until - clock_mono_ms()) > 0)
        if (!bell_wait_ms(&sp->closing, &sp->gate, left))
            return; /* the time of the clock may stand still in tests */
}

uint64_t
spool_wait(struct spool *sp, uint64_t since, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms;
    uint64_t change;

    gate_lock(&sp->gate);
    while (sp->change <= since && !sp->is_closing) {
        int64_t left = until - clock_mono_ms();

        if (left <= 0)
            break;
        sp->has_listeners = true;
        bell_wait_ms(&sp->news, &sp->gate, left);
    }
    /* Changes come in swarms while a study arrives: hear of the swarm, not of each. */
    if (wait_ms > 0 && sp->change > since)
        await_swarm(sp);
    change = sp->change;
    gate_unlock(&sp->gate);
    return change;
}
