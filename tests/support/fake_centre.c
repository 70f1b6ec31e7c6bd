/* fake_centre.c - see fake_centre.h. */
#include "tests/support/fake_centre_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>

void
fake_centre_must(int rc, const struct err *err)
{
    if (rc < 0)
        fprintf(stderr, "fake centre: %s\n", err->text), abort();
}

void
fake_centre_heal(struct fake_centre *c)
{
    char certificate[300], key[300], ca[300];
    struct http_options o = {.address = "127.0.0.1",
                             .port = c->port,
                             .certificate = certificate,
                             .key = key,
                             .client_ca = ca,
                             .name = "fake-centre",
                             .tables = c->tables,
                             .table_count = 2};
    struct err err = {0};

    snprintf(certificate, sizeof certificate, "%s/server.pem", c->dir);
    snprintf(key, sizeof key, "%s/server.key", c->dir);
    snprintf(ca, sizeof ca, "%s/ca.pem", c->dir);
    fake_centre_must(http_server_start(&o, &c->server, &err), &err);
    c->port = http_server_port(c->server);
}

void
fake_centre_cut(struct fake_centre *c)
{
    http_server_stop(&c->server);
}

struct fake_centre *
fake_centre_start(const char *dir, const char *link_dir)
{
    struct fake_centre *c = mem_new(sizeof *c);
    struct enrol_identity identity;
    char code[CODE_TEXT_BYTES];
    uint8_t pin[DIGEST_BYTES], unused[DIGEST_BYTES];
    struct err err = {0};

    text_copy(c->dir, sizeof c->dir, dir);
    gate_init(&c->gate);
    fake_centre_must(ca_create(dir, "fake", &err), &err);
    fake_centre_must(ca_open(dir, &c->ca, &err), &err);
    fake_centre_must(ca_make_server(c->ca, dir, "127.0.0.1", 30, &err), &err);
    fake_enrol_init(&c->enrol, c->ca, c->addresses);
    c->tables[0] = enrol_table(&c->enrol);
    c->tables[1] = fake_centre_link(c);
    fake_centre_heal(c);
    snprintf(c->url, sizeof c->url, "https://127.0.0.1:%u", c->port);
    c->addresses[0] = "link_url", c->addresses[1] = c->url;
    ca_fingerprint(c->ca, pin);
    code_new(pin, code, unused);
    fake_centre_must(enrol_new(link_dir, c->url, code, &identity, &err), &err);
    enrol_identity_fini(&identity);
    return c;
}

void
fake_centre_stop(struct fake_centre **centre)
{
    struct fake_centre *c = TAKE(*centre);

    http_server_stop(&c->server);
    ca_close(&c->ca);
    for (size_t i = 0; i < c->n; i++) {
        free(c->objects[i].bytes);
        free(c->objects[i].have);
        layout_free(&c->objects[i].layout);
    }
    free(c->objects);
    free(c->receipts);
    gate_fini(&c->gate);
    free(c);
}

const char *
fake_centre_url(struct fake_centre *c)
{
    return c->url;
}

void
fake_centre_lock(struct fake_centre *c)
{
    gate_lock(&c->gate);
}

void
fake_centre_unlock(struct fake_centre *c)
{
    gate_unlock(&c->gate);
}

struct fake_wishes *
fake_centre_wishes(struct fake_centre *c)
{
    return &c->wishes;
}

struct fake_counts *
fake_centre_counts(struct fake_centre *c)
{
    return &c->counts;
}

size_t
fake_centre_objects(struct fake_centre *c, struct fake_object **out)
{
    *out = c->objects;
    return c->n;
}

bool
fake_centre_wait(struct fake_centre *c, enum link_state state, size_t count, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms, now;
    size_t n;

    gate_lock(&c->gate);
    for (n = 0; (now = clock_mono_ms()) < until; n = 0) {
        for (size_t i = 0; i < c->n; i++)
            n += c->objects[i].state >= state && c->objects[i].state <= LINK_SEALED ? 1 : 0;
        if (n >= count)
            break;
        gate_wait_ms(&c->gate, until - now);
    }
    gate_unlock(&c->gate);
    return n >= count;
}
