/* queue.c - two rows by id: what is open, and what is over. */
#include "gateway/plain/queue.h"

#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

struct over {
    uint64_t id;
    int64_t at_us;
    uint8_t tag[MARK_TAG_BYTES];
    enum item_state state;
};

struct queue {
    struct item **open; /* by id */
    size_t open_n, open_room;
    struct over *over; /* by id */
    size_t over_n, over_room;
};

struct queue *
queue_new(void)
{
    return mem_new(sizeof(struct queue));
}

void
queue_free(struct queue **queue)
{
    struct queue *q = TAKE(*queue);

    if (q == NULL)
        return;
    for (size_t i = 0; i < q->open_n; i++)
        free(q->open[i]);
    free(q->open);
    free(q->over);
    free(q);
}

/* ---- places ---- */

/* The first place whose id is not less; ids grow, so it is mostly the end. */
static size_t
open_place(const struct queue *q, uint64_t id)
{
    size_t low = 0, high = q->open_n;

    if (high > 0 && q->open[high - 1]->id < id)
        return high;
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (q->open[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t
over_place(const struct queue *q, uint64_t id)
{
    size_t low = 0, high = q->over_n;

    if (high > 0 && q->over[high - 1].id < id)
        return high;
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (q->over[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct over *
over_find(const struct queue *q, uint64_t id)
{
    size_t at = over_place(q, id);

    return at < q->over_n && q->over[at].id == id ? &q->over[at] : NULL;
}

struct item *
queue_open(struct queue *q, uint64_t id)
{
    size_t at = open_place(q, id);

    return at < q->open_n && q->open[at]->id == id ? q->open[at] : NULL;
}

static void
open_drop(struct queue *q, uint64_t id)
{
    size_t at = open_place(q, id);

    if (at == q->open_n || q->open[at]->id != id)
        return;
    free(q->open[at]);
    q->open_n--;
    memmove(q->open + at, q->open + at + 1, (q->open_n - at) * sizeof(struct item *));
}

static void
over_drop(struct queue *q, uint64_t id)
{
    size_t at = over_place(q, id);

    if (at == q->over_n || q->over[at].id != id)
        return;
    q->over_n--;
    memmove(q->over + at, q->over + at + 1, (q->over_n - at) * sizeof *q->over);
}

static void
over_add(struct queue *q, const struct over *over)
{
    size_t at = over_place(q, over->id);

    if (at < q->over_n && q->over[at].id == over->id) {
        q->over[at] = *over;
        return;
    }
    if (q->over_n == q->over_room) {
        q->over_room = q->over_room == 0 ? 256 : 2 * q->over_room;
        q->over = mem_grow(q->over, q->over_room * sizeof *q->over);
    }
    memmove(q->over + at + 1, q->over + at, (q->over_n - at) * sizeof *q->over);
    q->over[at] = *over;
    q->over_n++;
}

static struct item *
open_add(struct queue *q, uint64_t id)
{
    size_t at = open_place(q, id);

    if (at < q->open_n && q->open[at]->id == id)
        return q->open[at];
    if (q->open_n == q->open_room) {
        q->open_room = q->open_room == 0 ? 64 : 2 * q->open_room;
        q->open = mem_grow(q->open, q->open_room * sizeof(struct item *));
    }
    memmove(q->open + at + 1, q->open + at, (q->open_n - at) * sizeof(struct item *));
    q->open_n++;
    return q->open[at] = mem_new(sizeof(struct item));
}

static bool
is_over(enum item_state state)
{
    return state == ITEM_FOUND || state == ITEM_LEFT;
}

/* ---- changes ---- */

bool
queue_knows(const struct queue *q, uint64_t id, enum item_state *out)
{
    size_t at = open_place(q, id);
    const struct over *over;

    if (at < q->open_n && q->open[at]->id == id) {
        if (out != NULL)
            *out = q->open[at]->state;
        return true;
    }
    over = over_find(q, id);
    if (over != NULL && out != NULL)
        *out = over->state;
    return over != NULL;
}

bool
queue_is_over_of(const struct queue *q, uint64_t id, const uint8_t tag[MARK_TAG_BYTES])
{
    const struct over *over = over_find(q, id);

    return over != NULL && memcmp(over->tag, tag, MARK_TAG_BYTES) == 0;
}

static void
end_item(struct queue *q, const struct item *item)
{
    struct over over = {.id = item->id, .at_us = item->at_us, .state = item->state};

    memcpy(over.tag, item->tag, sizeof over.tag);
    over_add(q, &over);
    open_drop(q, over.id);
}

void
queue_put(struct queue *q, const struct item *item)
{
    if (is_over(item->state)) {
        end_item(q, item);
        return;
    }
    over_drop(q, item->id);
    *open_add(q, item->id) = *item;
}

void
queue_forget(struct queue *q, uint64_t id)
{
    open_drop(q, id);
    over_drop(q, id);
}

void
queue_replay(struct queue *q, const struct mark *mark)
{
    static const enum item_state states[MARK_KINDS] = {
        [MARK_TRIED] = ITEM_DOUBTFUL,  [MARK_ACCEPTED] = ITEM_ACCEPTED, [MARK_FOUND] = ITEM_FOUND,
        [MARK_REFUSED] = ITEM_REFUSED, [MARK_AGAIN] = ITEM_WAITING,     [MARK_LEFT] = ITEM_LEFT,
    };
    struct item item = {
        .id = mark->id, .state = states[mark->kind], .at_us = mark->at_us, .status = mark->status};

    memcpy(item.tag, mark->tag, sizeof item.tag);
    text_copy(item.why, sizeof item.why, mark->why);
    item.may_be_there = mark->kind == MARK_TRIED;
    queue_put(q, &item);
}

void
queue_set(struct queue *q, uint64_t id, enum item_state state, int64_t now_us)
{
    struct item *item = queue_open(q, id);

    if (item == NULL)
        return;
    if (item->state != state) {
        item->asks = 0;
        item->waited_ms = item->not_before_ms = 0;
    }
    item->state = state;
    item->at_us = now_us;
    if (is_over(state))
        end_item(q, item);
}

void
queue_put_off(struct queue *q, uint64_t id, int64_t not_before_ms)
{
    struct item *item = queue_open(q, id);

    if (item != NULL)
        item->not_before_ms = not_before_ms;
}

/* ---- what is next ---- */

/* A replayed item is nothing but its mark until its entry has been looked at. */
static bool
may_send(const struct item *item, int64_t now_ms)
{
    return item->state == ITEM_WAITING && item->sop_instance[0] != '\0' &&
           item->not_before_ms <= now_ms;
}

static bool
may_ask(const struct item *item, int64_t now_ms)
{
    return (item->state == ITEM_ACCEPTED || item->state == ITEM_DOUBTFUL) &&
           item->sop_instance[0] != '\0' && item->not_before_ms <= now_ms;
}

static bool
goes_before(const struct item *a, const struct item *b)
{
    if (a->urgency != b->urgency)
        return a->urgency > b->urgency;
    return a->due != b->due ? a->due < b->due : a->id < b->id;
}

static int
by_order(const void *a, const void *b)
{
    const struct item *const *x = a, *const *y = b;

    return goes_before(*x, *y) ? -1 : goes_before(*y, *x) ? 1 : 0;
}

static int
by_series(const void *a, const void *b)
{
    const struct item *const *x = a, *const *y = b;
    int c = strcmp((*x)->study, (*y)->study);

    if (c == 0)
        c = strcmp((*x)->series, (*y)->series);
    return c != 0 ? c : strcmp((*x)->sop_instance, (*y)->sop_instance);
}

bool
queue_take(struct queue *q, int64_t now_ms, struct item *out)
{
    struct item *first = NULL;

    for (size_t i = 0; i < q->open_n; i++)
        if (may_send(q->open[i], now_ms) && (first == NULL || goes_before(q->open[i], first)))
            first = q->open[i];
    if (first == NULL)
        return false;
    first->state = ITEM_SENDING;
    *out = *first;
    return true;
}

static size_t
collect(struct queue *q, bool (*may)(const struct item *, int64_t), int64_t now_ms,
        int (*order)(const void *, const void *), struct item *out, size_t most)
{
    struct item **found = mem_new((q->open_n + 1) * sizeof(struct item *));
    size_t n = 0;

    for (size_t i = 0; i < q->open_n; i++)
        if (may(q->open[i], now_ms))
            found[n++] = q->open[i];
    qsort(found, n, sizeof(struct item *), order);
    n = n < most ? n : most;
    for (size_t i = 0; i < n; i++)
        out[i] = *found[i];
    free(found);
    return n;
}

size_t
queue_peek(struct queue *q, int64_t now_ms, struct item *out, size_t most)
{
    return collect(q, may_send, now_ms, by_order, out, most);
}

size_t
queue_due_asks(struct queue *q, int64_t now_ms, struct item *out, size_t most)
{
    return collect(q, may_ask, now_ms, by_series, out, most);
}

/* A study's instances mostly follow one another. */
size_t
queue_studies(const struct queue *q, char (*out)[65], size_t most)
{
    size_t n = 0;

    for (size_t i = 0; i < q->open_n && n < most; i++) {
        const struct item *item = q->open[i];
        bool is_new = item->state == ITEM_WAITING && item->study[0] != '\0';

        for (size_t k = n; is_new && k > 0 && k + 8 > n; k--)
            is_new = strcmp(out[k - 1], item->study) != 0;
        if (is_new)
            text_copy(out[n++], sizeof out[0], item->study);
    }
    return n;
}

void
queue_urge(struct queue *q, const char *study, uint32_t urgency)
{
    for (size_t i = 0; i < q->open_n; i++)
        if (strcmp(q->open[i]->study, study) == 0)
            q->open[i]->urgency = urgency;
}

size_t
queue_series_length(const struct item *items, size_t n)
{
    size_t to = 0;

    while (to < n && strcmp(items[to].study, items[0].study) == 0 &&
           strcmp(items[to].series, items[0].series) == 0)
        to++;
    return to;
}

int64_t
queue_next_ms(const struct queue *q, bool is_asks)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < q->open_n; i++)
        if ((is_asks ? may_ask : may_send)(q->open[i], INT64_MAX) &&
            q->open[i]->not_before_ms < next)
            next = q->open[i]->not_before_ms;
    return next;
}

/* ---- lists ---- */

void
queue_counts(const struct queue *q, struct queue_counts *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < q->open_n; i++) {
        enum item_state state = q->open[i]->state;

        out->of[state]++;
        if (state == ITEM_WAITING || state == ITEM_SENDING || state == ITEM_DOUBTFUL)
            out->waiting_bytes += q->open[i]->size;
    }
    for (size_t i = 0; i < q->over_n; i++)
        out->of[q->over[i].state]++;
}

size_t
queue_refused(const struct queue *q, struct item *out, size_t most)
{
    size_t n = 0;

    for (size_t i = 0; i < q->open_n && n < most; i++)
        if (q->open[i]->state == ITEM_REFUSED)
            out[n++] = *q->open[i];
    return n;
}

void
queue_prune(struct queue *q, const uint64_t *ids, size_t n)
{
    size_t kept = 0, at = 0;

    for (size_t i = 0; i < q->over_n; i++) {
        while (at < n && ids[at] < q->over[i].id)
            at++;
        if (at < n && ids[at] == q->over[i].id)
            q->over[kept++] = q->over[i];
    }
    q->over_n = kept;
    kept = at = 0;
    for (size_t i = 0; i < q->open_n; i++) {
        while (at < n && ids[at] < q->open[i]->id)
            at++;
        if (at < n && ids[at] == q->open[i]->id)
            q->open[kept++] = q->open[i];
        else
            free(q->open[i]);
    }
    q->open_n = kept;
}

bool
queue_mark_at(const struct queue *q, size_t i, struct mark *out)
{
    static const enum mark_kind kinds[ITEM_STATES] = {
        [ITEM_WAITING] = MARK_AGAIN,   [ITEM_SENDING] = MARK_TRIED,
        [ITEM_DOUBTFUL] = MARK_TRIED,  [ITEM_ACCEPTED] = MARK_ACCEPTED,
        [ITEM_REFUSED] = MARK_REFUSED, [ITEM_FOUND] = MARK_FOUND,
        [ITEM_LEFT] = MARK_LEFT,
    };

    memset(out, 0, sizeof *out);
    if (i < q->over_n) {
        const struct over *over = &q->over[i];

        *out = (struct mark){.kind = kinds[over->state], .id = over->id, .at_us = over->at_us};
        memcpy(out->tag, over->tag, sizeof out->tag);
        return true;
    }
    i -= q->over_n;
    if (i >= q->open_n)
        return false;
    *out = (struct mark){.kind = kinds[q->open[i]->state],
                         .id = q->open[i]->id,
                         .at_us = q->open[i]->at_us,
                         .status = q->open[i]->status};
    if (q->open[i]->state == ITEM_WAITING && q->open[i]->may_be_there)
        out->kind = MARK_TRIED; /* asked for once more before it goes */
    memcpy(out->tag, q->open[i]->tag, sizeof out->tag);
    text_copy(out->why, sizeof out->why, q->open[i]->why);
    return true;
}
