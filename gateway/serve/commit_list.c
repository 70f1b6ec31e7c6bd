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

static void
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
}

void
commits_add(struct serve *s, struct commit *c)
{
    for (size_t i = 0; i < s->held_n; i++)
        if (strcmp(s->held[i]->c->ae, c->ae) == 0 &&
            strcmp(s->held[i]->c->transaction, c->transaction) == 0)
            s->held[i]->is_replaced = true;
    append(s, c);
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
    h->c->state = COMMIT_GIVEN_UP;
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

/* What cannot be read goes aside, and never stops the start. */
static int
read_one(struct serve *s, const char *folder, const char *name, struct err *err)
{
    char *path = mem_printf("%s/%s", folder, name), *aside = NULL;
    struct err why = {0};
    struct commit *c = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = 0;

    if (durable_get_file(path, COMMIT_FILE_BYTES, &bytes, &n, err) < 0) {
        rc = -1;
    } else if (commit_read(bytes, n, &c, &why) == 0) {
        append(s, c);
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

/* In the order of their numbers, which is that of their names. */
static int
read_folder(struct serve *s, const char *folder, struct err *err)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, is_file, by_name), rc = 0;

    if (n < 0)
        return err_sys(err, ERR_RETRY, "read commit/");
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = read_one(s, folder, names[i]->d_name, err);
        free(names[i]);
    }
    free(names);
    return rc;
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
