/* commit_list.c - the transactions in memory and in commit/, a file each. */
#include "gateway/serve/parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

/* Beside its instances a transaction takes as much memory as five. Of what was given up, which is
 * kept for people to see, a device may have a quarter as much. All devices have two shares. */
enum { OWN_WEIGHT = 5, WEIGHT_MOST = 1000000, GIVEN_UP_SHARE = 4, ALL_SHARES = 2 };
/* Of one device's transactions of the very same instances. It asks anew because it heard nothing,
 * and hardly remembers those before its last few. */
enum { EQUAL_MOST = 8 };

static void
name_of(uint64_t number, char out[40])
{
    snprintf(out, 40, "commit/%016" PRIx64 ".txn", number);
}

int
commits_write(struct serve *s, const struct commit *c, struct err *err)
{
    char name[40];
    struct buf bytes;
    int rc = -1;

    name_of(c->number, name);
    buf_init(&bytes, COMMIT_FILE_BYTES);
    commit_write(c, &bytes);
    if (buf_is_over(&bytes))
        err_set(err, ERR_FULL, "transaction is too long");
    else
        rc = durable_put_file(s->dir, name, bytes.bytes, bytes.n, err);
    buf_fini(&bytes);
    return rc < 0 ? err_context(err, "commitment transaction %" PRIu64, c->number) : 0;
}

struct asker *
commits_asker(struct serve *s, const char *ae, const char *address)
{
    struct asker *a;

    for (size_t i = 0; i < s->askers_n; i++)
        if (strcmp(s->askers[i]->ae, ae) == 0 && strcmp(s->askers[i]->address, address) == 0)
            return s->askers[i];
    a = mem_new(sizeof *a);
    text_copy(a->ae, sizeof a->ae, ae);
    text_copy(a->address, sizeof a->address, address);
    s->askers = mem_grow(s->askers, (s->askers_n + 1) * sizeof(struct asker *));
    return s->askers[s->askers_n++] = a;
}

static uint64_t
weight_of(const struct commit *c)
{
    return c->n + OWN_WEIGHT;
}

static uint64_t
weight_most(const struct serve *s)
{
    return s->options.weight_most != 0 ? s->options.weight_most : WEIGHT_MOST;
}

static uint64_t *
place_of(struct weight *w, const struct commit *c)
{
    return c->state == COMMIT_GIVEN_UP ? &w->given_up : &w->open;
}

bool
commits_take_share(struct serve *s, const struct commit *c)
{
    uint64_t *own = place_of(&commits_asker(s, c->ae, c->address)->weight, c);
    uint64_t *all = place_of(&s->weight, c), n = weight_of(c);
    uint64_t most = weight_most(s) / (c->state == COMMIT_GIVEN_UP ? GIVEN_UP_SHARE : 1);

    if (*own + n > most || *all + n > ALL_SHARES * most)
        return false;
    *own += n;
    *all += n;
    return true;
}

void
commits_give_share(struct serve *s, const struct commit *c)
{
    uint64_t n = weight_of(c);

    *place_of(&commits_asker(s, c->ae, c->address)->weight, c) -= n;
    *place_of(&s->weight, c) -= n;
    s->freed += n;
}

bool
commits_are_heavy(const struct serve *s, const struct asker *a)
{
    uint64_t most = weight_most(s) / GIVEN_UP_SHARE;

    return a->weight.given_up > most || s->weight.given_up > ALL_SHARES * most;
}

/* Its weight is counted. */
static struct held *
append(struct serve *s, struct commit *c)
{
    struct held *h = mem_new(sizeof *h);

    h->c = c;
    h->asker = commits_asker(s, c->ae, c->address);
    h->counted_ms = h->saved_ms = h->next_ms = clock_mono_ms();
    s->held = mem_grow(s->held, (s->held_n + 1) * sizeof(struct held *));
    s->held[s->held_n++] = h;
    if (c->state == COMMIT_GIVEN_UP)
        h->asker->given_up_n++;
    else
        h->asker->open_n++;
    if (c->number >= s->next_number)
        s->next_number = c->number + 1;
    return h;
}

/* Lists are in order, each instance once. */
static bool
is_same_list(const struct commit *a, const struct commit *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->refs[i].sop_instance, b->refs[i].sop_instance) != 0 ||
            strcmp(a->refs[i].sop_class, b->refs[i].sop_class) != 0)
            return false;
    return true;
}

/* Locked. Of the grace period, until now. */
static uint64_t
waited_ms(const struct held *h)
{
    int64_t now_ms = clock_mono_ms();

    return h->c->grace_used_ms +
           (h->missing > 0 && now_ms > h->counted_ms ? (uint64_t)(now_ms - h->counted_ms) : 0);
}

/* What is missing has been waited for since it was asked for first. */
void
commits_add(struct serve *s, struct commit *c)
{
    const struct asker *asker = commits_asker(s, c->ae, c->address);
    uint64_t missing = 0;
    size_t equal = 1;

    for (size_t i = s->held_n; i-- > 0;) { /* the newest first */
        struct held *h = s->held[i];
        bool is_equal = h->asker == asker && !h->is_dropped && h->c->state != COMMIT_GIVEN_UP &&
                        is_same_list(h->c, c);

        if (is_equal && h->c->state == COMMIT_OPEN && waited_ms(h) > c->grace_used_ms)
            c->grace_used_ms = waited_ms(h);
        if (is_equal && h->c->state == COMMIT_OPEN && h->missing > 0)
            missing = h->missing;
        if (strcmp(h->c->ae, c->ae) == 0 && strcmp(h->c->transaction, c->transaction) == 0)
            h->is_replaced = true;
        else if (is_equal && h->association == 0 && ++equal > EQUAL_MOST)
            h->is_replaced = true;
    }
    append(s, c)->missing = missing;
}

void
commits_save(struct serve *s, struct held *h)
{
    struct err err = {0};

    h->saved_ms = clock_mono_ms();
    if (commits_write(s, h->c, &err) < 0)
        LOG(&serve_ctx, SERVE_COMMIT_NOT_SAVED, F_NUMBER("transaction", h->c->number), F_ERR(&err));
}

void
commits_give_up(struct serve *s, struct held *h)
{
    gate_lock(&s->gate);
    commits_give_share(s, h->c);
    h->c->state = COMMIT_GIVEN_UP;
    h->asker->weight.given_up += weight_of(h->c); /* too much: the oldest goes */
    s->weight.given_up += weight_of(h->c);
    h->asker->open_n--;
    h->asker->given_up_n++;
    s->has_news = true; /* an older one may have to go */
    gate_unlock(&s->gate);
    commits_save(s, h);
}

void
commits_remove(struct serve *s, struct held *h)
{
    struct err err = {0};
    char name[40];

    name_of(h->c->number, name);
    if (durable_remove(s->dir, name, &err) < 0)
        LOG(&serve_ctx, SERVE_COMMIT_NOT_SAVED, F_NUMBER("transaction", h->c->number), F_ERR(&err));
    gate_lock(&s->gate);
    commits_give_share(s, h->c);
    h->is_dropped = true;
    if (h->c->state == COMMIT_GIVEN_UP)
        h->asker->given_up_n--;
    else
        h->asker->open_n--;
    if (h->association != 0)
        h->asker->is_being_told = false;
    gate_unlock(&s->gate);
}

struct held *
commits_find(struct serve *s, uint64_t number)
{
    for (size_t i = 0; i < s->held_n; i++)
        if (s->held[i]->c->number == number)
            return s->held[i];
    return NULL;
}

/* Locked. Of two of one device with one UID, the one that was asked for first is over. */
static void
replace_either(struct held *a, struct held *b)
{
    if (a != b && strcmp(a->c->ae, b->c->ae) == 0 &&
        strcmp(a->c->transaction, b->c->transaction) == 0)
        *(a->c->number < b->c->number ? &a->is_replaced : &b->is_replaced) = true;
}

/* Own it, if it fits; late: the thread runs, and others may have come. */
static bool
add_read(struct serve *s, struct commit *c, bool is_late)
{
    bool fits;

    gate_lock(&s->gate);
    fits = commits_take_share(s, c);
    if (fits) {
        struct held *h = append(s, c);

        for (size_t i = 0; i < s->held_n && is_late; i++)
            replace_either(s->held[i], h);
        s->has_news = true;
    }
    gate_unlock(&s->gate);
    return fits;
}

/* What cannot be read goes aside, and never stops the start. */
static int
read_one(struct serve *s, const char *name, bool is_late, bool *out_fits, struct err *err)
{
    char *path = mem_printf("%s/commit/%s", s->dir, name), *aside = NULL;
    struct err why = {0};
    struct commit *c = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = 0;

    *out_fits = true;
    if (durable_get_file(path, COMMIT_FILE_BYTES, &bytes, &n, &why) < 0 && why.kind != ERR_REJECT) {
        *err = why;
        rc = -1;
    } else if (why.kind == ERR_NONE && commit_read(bytes, n, &c, &why) == 0) {
        *out_fits = add_read(s, c, is_late);
        if (!*out_fits)
            commit_free(&c);
    } else if (why.kind == ERR_CONFLICT) {
        LOG(&serve_ctx, SERVE_COMMIT_NEWER, F_WORD("file", name), F_ERR(&why));
    } else {
        LOG(&serve_ctx, SERVE_COMMIT_UNREADABLE, F_WORD("file", name), F_ERR(&why));
        aside = mem_printf("%s/corrupt/%s", s->dir, name);
        if (rename(path, aside) < 0)
            rc = err_sys(err, ERR_RETRY, "move %s to corrupt/", name);
    }
    free(bytes);
    free(aside);
    free(path);
    return rc;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_file(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* A file that stays one for now: its number is taken. */
static void
leave(struct serve *s, const char *name)
{
    uint64_t number = strtoull(name, NULL, 16);

    if (number >= s->next_number)
        s->next_number = number + 1;
    s->unread = mem_grow(s->unread, (s->unread_n + 1) * sizeof *s->unread);
    s->unread[s->unread_n++] = mem_text(name);
}

/* In the order of their numbers, which is that of their names. */
static int
read_folder(struct serve *s, const char *folder, struct err *err)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, is_file, by_name), rc = 0;
    bool fits;

    if (n < 0)
        return err_sys(err, ERR_RETRY, "read commit/");
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = read_one(s, names[i]->d_name, false, &fits, err);
        if (rc == 0 && !fits)
            leave(s, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (s->unread_n > 0)
        LOG(&serve_ctx, SERVE_COMMIT_LATER, F_NUMBER("files", s->unread_n));
    return rc;
}

/* Each look reads all of them, so it waits until there is some room. Nothing is left out while less
 * is in memory than one share, so as much is freed in the end. */
void
commits_read_more(struct serve *s)
{
    struct err err = {0};
    size_t left = 0;
    bool is_time, fits;

    gate_lock(&s->gate);
    is_time = s->unread_n > 0 && !s->is_stopping && s->freed >= weight_most(s) / 8;
    s->freed = is_time ? 0 : s->freed;
    gate_unlock(&s->gate);
    for (size_t i = 0; i < s->unread_n && is_time; i++) {
        char *name = s->unread[i];

        if (read_one(s, name, true, &fits, &err) == 0 && fits)
            free(name);
        else
            s->unread[left++] = name;
    }
    if (!is_time)
        return;
    s->unread_n = left;
    if (left > 0)
        LOG(&serve_ctx, SERVE_COMMIT_LATER, F_NUMBER("files", left), F_ERR(&err));
}

static int
by_asked(const void *a, const void *b)
{
    const struct commit *x = (*(struct held *const *)a)->c, *y = (*(struct held *const *)b)->c;
    int order = strcmp(x->ae, y->ae);

    if (order == 0)
        order = strcmp(x->transaction, y->transaction);
    return order != 0 ? order : x->number < y->number ? -1 : 1;
}

/* There may be a hundred thousand: sorted, the older of two with one name stands before the other.
 */
static void
replace_older(struct serve *s)
{
    struct held **sorted = mem_new((s->held_n + 1) * sizeof(struct held *));

    for (size_t i = 0; i < s->held_n; i++)
        sorted[i] = s->held[i];
    qsort(sorted, s->held_n, sizeof(struct held *), by_asked);
    for (size_t i = 1; i < s->held_n; i++)
        if (strcmp(sorted[i - 1]->c->ae, sorted[i]->c->ae) == 0 &&
            strcmp(sorted[i - 1]->c->transaction, sorted[i]->c->transaction) == 0)
            sorted[i - 1]->is_replaced = true;
    free(sorted);
}

int
commits_open(struct serve *s, struct err *err)
{
    static const char *const folders[] = {"", "/tmp", "/commit", "/corrupt"};
    char *folder = NULL;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(folders) && rc == 0; i++) {
        char *path = mem_printf("%s%s", s->dir, folders[i]);
        rc = durable_mkdir(path, err);
        free(path);
    }
    s->next_number = 1;
    folder = mem_printf("%s/commit", s->dir);
    if (rc == 0)
        rc = read_folder(s, folder, err);
    replace_older(s);
    free(folder);
    return rc < 0 ? err_context(err, "commitment transactions") : 0;
}

void
commits_close(struct serve *s)
{
    for (size_t i = 0; i < s->unread_n; i++)
        free(s->unread[i]);
    free(s->unread);
    s->unread = NULL;
    s->unread_n = 0;
    for (size_t i = 0; i < s->held_n; i++) {
        commit_free(&s->held[i]->c);
        free(s->held[i]);
    }
    free(s->held);
    s->held = NULL;
    s->held_n = 0;
    for (size_t i = 0; i < s->askers_n; i++)
        free(s->askers[i]);
    free(s->askers);
    s->askers = NULL;
    s->askers_n = 0;
}
