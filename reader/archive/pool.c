/* pool.c - kept connections to the archive, borrowed for a call each. */
#include "reader/archive/pool.h"

#include <stdlib.h>

struct member {
    struct member *next;
    struct http_client *client;
    uint64_t generation; /* of the certificate */
};

struct pool {
    char *url, *ca_file, *certificate, *key;
    unsigned limit;
    int64_t stall_ms;
    struct gate gate; /* all below */
    struct member *idle, *busy;
    unsigned count; /* idle, busy and being made */
    uint64_t generation;
    bool is_aborted;
};

static char *
copy(const char *text)
{
    return text != NULL ? mem_text(text) : NULL;
}

struct pool *
pool_new(const struct pool_options *options)
{
    struct pool *p = mem_new(sizeof *p);

    p->url = copy(options->url);
    p->ca_file = copy(options->ca_file);
    p->certificate = copy(options->certificate);
    p->key = copy(options->key);
    p->limit = options->limit;
    p->stall_ms = options->stall_ms;
    gate_init(&p->gate);
    return p;
}

static void
member_free(struct member *m)
{
    if (m == NULL)
        return;
    http_client_free(&m->client);
    free(m);
}

void
pool_free(struct pool **pool)
{
    struct pool *p = TAKE(*pool);

    if (p == NULL)
        return;
    CHECK(p->busy == NULL);
    while (p->idle != NULL) {
        struct member *m = p->idle;

        p->idle = m->next;
        member_free(m);
    }
    gate_fini(&p->gate);
    free(p->url);
    free(p->ca_file);
    free(p->certificate);
    free(p->key);
    free(p);
}

/* An idle one of the present certificate, or NULL; older ones on the way are given to out_old. */
static struct member *
take_idle(struct pool *p, struct member **out_old)
{
    while (p->idle != NULL) {
        struct member *m = p->idle;

        p->idle = m->next;
        if (m->generation == p->generation)
            return m;
        m->next = *out_old;
        *out_old = m;
        p->count--;
    }
    return NULL;
}

static int
make(struct pool *p, struct member *m, struct err *err)
{
    struct http_client_options options = {.base_url = p->url,
                                          .ca_file = p->ca_file,
                                          .certificate = p->certificate,
                                          .key = p->key,
                                          .stall_ms = p->stall_ms};

    return http_client_new(&options, &m->client, err);
}

static void
settle(struct pool *p, struct member *m)
{
    m->next = p->busy;
    p->busy = m;
}

/* Not locked: the new client's place is counted already. */
static int
borrow_new(struct pool *p, uint64_t generation, struct http_client **out, struct err *err)
{
    struct member *m = mem_new(sizeof *m);
    int rc = make(p, m, err);

    m->generation = generation;
    gate_lock(&p->gate);
    if (rc == 0 && p->is_aborted)
        rc = err_set(err, ERR_RETRY, "stopped");
    if (rc == 0) {
        settle(p, m);
        *out = m->client;
    } else {
        p->count--;
        gate_wake(&p->gate);
    }
    gate_unlock(&p->gate);
    if (rc < 0)
        member_free(m);
    return rc;
}

int
pool_borrow(struct pool *p, struct http_client **out, struct err *err)
{
    struct member *m = NULL, *old = NULL;
    uint64_t generation;
    bool is_aborted;

    gate_lock(&p->gate);
    for (;;) {
        is_aborted = p->is_aborted;
        m = is_aborted ? NULL : take_idle(p, &old);
        if (is_aborted || m != NULL || p->count < p->limit)
            break;
        gate_wait(&p->gate);
    }
    generation = p->generation;
    if (m != NULL) {
        settle(p, m);
        *out = m->client;
    } else if (!is_aborted) {
        p->count++;
    }
    gate_unlock(&p->gate);
    while (old != NULL) {
        struct member *next = old->next;

        member_free(old);
        old = next;
    }
    if (is_aborted)
        return err_set(err, ERR_RETRY, "stopped");
    return m != NULL ? 0 : borrow_new(p, generation, out, err);
}

void
pool_return(struct pool *p, struct http_client **client, bool is_good)
{
    struct member **at = &p->busy, *m;

    gate_lock(&p->gate);
    while (*at != NULL && (*at)->client != *client)
        at = &(*at)->next;
    m = *at;
    CHECK(m != NULL);
    *at = m->next;
    *client = NULL;
    if (is_good && m->generation == p->generation && !p->is_aborted) {
        m->next = p->idle;
        p->idle = m;
        m = NULL;
    } else {
        p->count--;
    }
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    member_free(m);
}

void
pool_abort(struct pool *p)
{
    gate_lock(&p->gate);
    p->is_aborted = true;
    for (struct member *m = p->busy; m != NULL; m = m->next)
        http_client_abort(m->client);
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
}

void
pool_renew(struct pool *p)
{
    gate_lock(&p->gate);
    p->generation++;
    gate_unlock(&p->gate);
}
