/* services.c - the services beside storage, and what they post to open associations.
 * Invariant: a post that was taken runs exactly once, with the call or without one. A service that
 * is added while associations are open is there for those that begin later. */
#include "gateway/accept/accept_parts.h"

#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static size_t
count_texts(const char *const *texts)
{
    size_t n = 0;

    while (texts[n])
        n++;
    return n;
}

void
accept_add_service(struct accept *a, const struct accept_service *service)
{
    struct accept_service *copy = mem_new(sizeof *copy);
    size_t n = count_texts(service->abstract_syntaxes);
    char **texts = mem_new((n + 1) * sizeof *texts);

    CHECK(atomic_load(&a->service_count) < SERVICES_MOST);
    for (size_t i = 0; i < n; i++)
        texts[i] = mem_text(service->abstract_syntaxes[i]);
    *copy = *service;
    copy->abstract_syntaxes = (const char *const *)texts;
    a->services[atomic_load(&a->service_count)] = copy;
    atomic_fetch_add(&a->service_count, 1); /* from here on it is found */
}

void
services_fini(struct accept *a)
{
    for (size_t i = 0; i < atomic_load(&a->service_count); i++) {
        char **texts = (char **)(uintptr_t)a->services[i]->abstract_syntaxes;
        for (size_t k = 0; texts[k]; k++)
            free(texts[k]);
        free(texts);
        free(a->services[i]);
    }
}

const struct accept_service *
service_of(const struct accept *a, const char *abstract_syntax)
{
    for (size_t i = 0; i < atomic_load(&a->service_count); i++)
        for (const char *const *at = a->services[i]->abstract_syntaxes; *at; at++)
            if (strcmp(*at, abstract_syntax) == 0)
                return a->services[i];
    return NULL;
}

void
live_begin(struct accept *a, struct live *l)
{
    gate_lock(&a->gate);
    l->next = a->live;
    a->live = l;
    gate_unlock(&a->gate);
}

static struct post *
take_post(struct accept *a, struct live *l)
{
    gate_lock(&a->gate);
    struct post *p = l->posts;
    if (p)
        l->posts = p->next;
    gate_unlock(&a->gate);
    return p;
}

void
live_end(struct accept *a, struct live *l)
{
    struct err gone = {0};
    struct post *p;

    gate_lock(&a->gate);
    for (struct live **at = &a->live; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    gate_unlock(&a->gate);
    while ((p = take_post(a, l)) != NULL) {
        (void)p->run(NULL, p->user, &gone);
        free(p);
    }
    for (size_t i = 0; i < atomic_load(&a->service_count); i++)
        if (a->services[i]->association_end)
            a->services[i]->association_end(l->number, a->services[i]->user);
}

int
live_run_posts(struct accept *a, struct live *l, const struct log_ctx *ctx, struct err *err)
{
    struct accept_call call = {
        .assoc = l->assoc, .device = &l->device, .log = ctx, .association = l->number};
    struct post *p;
    int rc = 0;

    while (rc == 0 && (p = take_post(a, l)) != NULL) {
        rc = p->run(&call, p->user, err);
        free(p);
    }
    return rc;
}

bool
accept_assoc_post(struct accept *a, uint64_t association, accept_post_fn run, void *user)
{
    struct live *l;

    gate_lock(&a->gate);
    for (l = a->live; l && l->number != association; l = l->next)
        ;
    if (l) {
        struct post *p = mem_new(sizeof *p), **at = &l->posts;
        *p = (struct post){.run = run, .user = user};
        while (*at)
            at = &(*at)->next;
        *at = p;
        dimse_wake(l->assoc);
    }
    gate_unlock(&a->gate);
    return l != NULL;
}
