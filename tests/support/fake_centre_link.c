/* fake_centre_link.c - it says what docs/link-protocol.md says. */
#include "tests/support/fake_centre_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIPTS_AT_ONCE = 1000 };

static size_t
chain_of(const uint8_t *object)
{
    return (size_t)(object[0] | object[1] << 8);
}

static struct fake_object *
find(struct fake_centre *c, const uint8_t *object)
{
    for (size_t at = c->chains[chain_of(object)]; at != 0; at = c->objects[at - 1].next)
        if (memcmp(c->objects[at - 1].offer.object, object, LINK_HASH_BYTES) == 0)
            return &c->objects[at - 1];
    return NULL;
}

static bool
has_range(const struct fake_object *o, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (!o->have[i])
            return false;
    return true;
}

static bool
has_look(const struct fake_object *o)
{
    struct range *look = NULL;
    size_t n = 0;
    bool is_whole = true;

    if (o->layout == NULL)
        return false;
    layout_first_look(o->layout, &look, &n);
    for (size_t i = 0; i < n; i++)
        is_whole = is_whole && has_range(o, look[i].from, look[i].to);
    free(look);
    return n > 0 && is_whole;
}

/* Busy on demand; the gate is held. */
static bool
is_busy(struct fake_centre *c, struct http_response *res)
{
    if (c->wishes.busy_calls == 0)
        return false;
    c->wishes.busy_calls--;
    http_answer_header(res, "Retry-After", "1");
    http_answer_refusal(res, 503, "busy on demand");
    return true;
}

static void
say(const struct fake_object *o, enum link_state state, struct link_object_state *out)
{
    size_t room = 0;

    memset(out, 0, sizeof *out);
    memcpy(out->object, o->offer.object, LINK_HASH_BYTES);
    out->state = state;
    for (uint64_t i = 0; i < o->offer.size; i++) {
        if (!o->have[i])
            continue;
        if (out->have_n > 0 && out->have[out->have_n - 1].to == i) {
            out->have[out->have_n - 1].to = i + 1;
            continue;
        }
        if (out->have_n == room)
            out->have = mem_grow(out->have, (room = 2 * room + 8) * sizeof *out->have);
        out->have[out->have_n++] = (struct range){i, i + 1};
    }
}

static void
answer(struct http_response *res, struct link_answer *a)
{
    struct buf body;

    buf_init(&body, LIMIT_LINK_JSON_BYTES);
    link_answer_encode(a, &body);
    http_answer_buf(res, 200, "application/json", &body);
    buf_fini(&body);
}

static struct fake_object *
add(struct fake_centre *c, const struct link_offer_object *o)
{
    size_t *chain = &c->chains[chain_of(o->object)];
    struct fake_object *new;
    struct err err = {0};

    if (c->n == c->room)
        c->objects = mem_grow(c->objects, (c->room = 2 * c->room + 64) * sizeof *c->objects);
    new = &c->objects[c->n++];
    *new = (struct fake_object){.next = *chain, .offer = *o};
    *chain = c->n;
    new->offer.recipe = new->offer.layout = NULL;
    new->bytes = mem_new((size_t)o->size);
    new->have = mem_new((size_t)o->size);
    new->state = LINK_WANTED;
    if (o->layout != NULL)
        fake_centre_must(layout_read(o->layout, o->layout_n, &new->layout, &err), &err);
    return new;
}

static bool
is_refusing(const struct fake_centre *c)
{
    return c->wishes.refused_times == 0 || c->counts.refused < c->wishes.refused_times;
}

static int
refuse(struct fake_centre *c, struct http_response *res)
{
    int status = c->wishes.refused_status != 0 ? c->wishes.refused_status : 400;

    c->counts.refused++;
    if (c->wishes.is_refused_by_another)
        http_answer_bytes(res, status, "text/html", "<h1>no</h1>", 11);
    else
        http_answer_refusal(res, status, "refused on demand");
    return 0;
}

static void
make_foreign(struct link_answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        memset(a->objects[i].object, 0xee, LINK_HASH_BYTES);
}

/* Locked. */
static void
note_stat(struct fake_centre *c, struct http_request *req)
{
    const char *studies = http_header(req, LINK_HEADER_STAT);

    if (studies == NULL)
        return;
    c->counts.stat_calls++;
    snprintf(c->counts.stat_studies, sizeof c->counts.stat_studies, "%s", studies);
}

static int
on_offer(struct http_request *req, struct http_response *res, struct err *err)
{
    struct fake_centre *c = http_user(req);
    struct link_offer offer;
    struct link_answer a = {0};
    size_t n;
    const uint8_t *body = http_body(req, &n);
    bool is_slow;

    if (link_offer_decode(body, n, &offer, err) < 0)
        return -1;
    gate_lock(&c->gate);
    is_slow = c->counts.offers++ == 0;
    note_stat(c, req);
    c->counts.offered += (unsigned)offer.count;
    while (is_slow && c->wishes.is_slow_with_first_offer && !http_is_gone(req))
        gate_wait_ms(&c->gate, 100);
    if (is_busy(c, res))
        goto out;
    for (size_t i = 0; i < offer.count; i++)
        if (c->wishes.refused_sop != NULL && is_refusing(c) &&
            strcmp(offer.objects[i].sop_instance, c->wishes.refused_sop) == 0) {
            (void)refuse(c, res);
            goto out;
        }
    a.objects = mem_new(offer.count * sizeof *a.objects);
    for (size_t i = 0; i < offer.count && !c->wishes.is_mute; i++) {
        struct fake_object *o = find(c, offer.objects[i].object);
        enum link_state state;

        if (o == NULL && c->wishes.is_full)
            continue;
        if (o == NULL)
            o = add(c, &offer.objects[i]);
        state = o->state;
        if (c->wishes.are_all_duplicates)
            state = LINK_DUPLICATE;
        else if (c->wishes.are_all_conflicts && state != LINK_HELD)
            state = LINK_CONFLICT;
        say(o, state, &a.objects[a.count++]);
    }
    if (c->wishes.is_foreign)
        make_foreign(&a);
    if (a.count > 0 || c->wishes.is_mute)
        answer(res, &a);
    else
        (void)refuse(c, res);
    link_answer_free(&a);
out:
    gate_unlock(&c->gate);
    link_offer_free(&offer);
    return 0;
}

/* Rest bytes while a look of the same study is missing at the centre. */
static void
note_order(struct fake_centre *c, const struct fake_object *o, const struct link_piece *piece)
{
    struct range *look = NULL;
    size_t n = 0;
    bool is_look = false;

    if (o->layout == NULL)
        return;
    layout_first_look(o->layout, &look, &n);
    for (size_t i = 0; i < n; i++)
        is_look = is_look || (piece->offset >= look[i].from && piece->offset < look[i].to);
    free(look);
    if (is_look)
        return;
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->objects[i].offer.study, o->offer.study) == 0 &&
            c->objects[i].layout != NULL && !has_look(&c->objects[i]))
            c->counts.looked_first_failures++;
}

struct taking {
    struct fake_centre *c;
    struct fake_object **touched;
    size_t n;
    bool is_refused;
};

static int
on_piece(void *user, const struct link_piece *piece, struct err *err)
{
    struct taking *t = user;
    struct fake_object *o = find(t->c, piece->object);
    bool is_new = true;

    if (o == NULL || piece->offset + piece->n > o->offer.size)
        return err_set(err, ERR_REJECT, "a piece of nothing offered");
    t->is_refused = t->c->wishes.refused_bundle_sop != NULL && is_refusing(t->c) &&
                    strcmp(o->offer.sop_instance, t->c->wishes.refused_bundle_sop) == 0;
    if (t->is_refused)
        return err_set(err, ERR_REJECT, "refused on demand");
    note_order(t->c, o, piece);
    memcpy(o->bytes + piece->offset, piece->bytes, piece->n);
    memset(o->have + piece->offset, 1, piece->n);
    o->arrived += piece->n;
    t->c->counts.bytes += piece->n;
    for (size_t i = 0; i < t->n; i++)
        is_new = is_new && t->touched[i] != o;
    if (is_new) {
        t->touched = mem_grow(t->touched, (t->n + 1) * sizeof(struct fake_object *));
        t->touched[t->n++] = o;
    }
    return 0;
}

static void
seal(struct fake_centre *c, struct fake_object *o)
{
    struct link_receipt *r;

    if (c->wishes.is_never_sealing || o->state == LINK_SEALED)
        return;
    c->receipts = mem_grow(c->receipts, (c->receipts_n + 1) * sizeof *c->receipts);
    r = &c->receipts[c->receipts_n];
    *r = (struct link_receipt){.state = LINK_SEALED, .copies = 2, .at_us = clock_wall_us()};
    r->seq = ++c->receipts_n;
    memcpy(r->object, o->offer.object, LINK_HASH_BYTES);
    memcpy(r->sop_instance, o->offer.sop_instance, sizeof r->sop_instance);
    memcpy(r->study, o->offer.study, sizeof r->study);
    o->state = LINK_SEALED;
}

static enum link_state
state_after(struct fake_centre *c, struct fake_object *o)
{
    uint8_t now[DIGEST_BYTES];

    if (has_range(o, 0, o->offer.size)) {
        digest_bytes(o->bytes, (size_t)o->offer.size, now);
        if (memcmp(now, o->offer.object, sizeof now) != 0 ||
            (c->wishes.is_bad_once && !o->is_answered_oddly)) {
            o->is_answered_oddly = true;
            memset(o->have, 0, (size_t)o->offer.size);
            o->state = LINK_WANTED;
            return LINK_BAD;
        }
        if (c->wishes.are_all_put_aside)
            return o->state = LINK_QUARANTINED;
        return o->state = o->state == LINK_SEALED ? LINK_SEALED : LINK_HELD;
    }
    return o->state = has_look(o) ? LINK_LOOKED : LINK_PARTIAL;
}

static int
on_bundle(struct http_request *req, struct http_response *res, struct err *err)
{
    struct fake_centre *c = http_user(req);
    struct link_bundle_reader reader;
    struct taking t = {.c = c};
    struct link_answer a = {0};
    const uint8_t *body;
    size_t n;
    int rc = 0;

    body = http_body(req, &n);
    link_bundle_reader_init(&reader);
    gate_lock(&c->gate);
    c->counts.bundles++;
    note_stat(c, req);
    if (is_busy(c, res) || (c->wishes.is_out_of_room && refuse(c, res) == 0))
        goto out;
    if (c->wishes.drop_bundle_every > 0 && c->counts.bundles % c->wishes.drop_bundle_every == 0) {
        http_answer_refusal(res, 503, "dropped on demand");
        goto out;
    }
    if (c->wishes.junk_answers > 0 && c->wishes.junk_answers-- > 0) {
        http_answer_bytes(res, 200, "application/json", "{\"objects\":7}", 13);
        goto out;
    }
    if (c->wishes.foreign_answers > 0 && c->wishes.foreign_answers-- > 0) {
        a.objects = mem_new(sizeof *a.objects);
        say(&c->objects[0], LINK_PARTIAL, &a.objects[a.count++]);
        make_foreign(&a);
        answer(res, &a);
        link_answer_free(&a);
        goto out;
    }
    rc = link_bundle_reader_feed(&reader, body, n, on_piece, &t, err);
    if (rc == 0 && !link_bundle_reader_is_whole(&reader))
        rc = err_set(err, ERR_REJECT, "cut off");
    if (t.is_refused)
        rc = refuse(c, res);
    if (rc < 0 || t.is_refused)
        goto out;
    a.objects = mem_new((t.n + 1) * sizeof *a.objects);
    for (size_t i = 0; i < t.n; i++)
        say(t.touched[i], state_after(c, t.touched[i]), &a.objects[a.count++]);
    if (c->wishes.lose_answer_every > 0 && c->counts.bundles % c->wishes.lose_answer_every == 0)
        http_answer_refusal(res, 502, "kept, but its answer is lost on demand");
    else
        answer(res, &a);
    link_answer_free(&a);
    gate_wake(&c->gate);
out:
    gate_unlock(&c->gate);
    link_bundle_reader_fini(&reader);
    free(t.touched);
    return rc;
}

static int
on_manifest(struct http_request *req, struct http_response *res, struct err *err)
{
    struct fake_centre *c = http_user(req);
    struct link_manifest m;
    size_t n;
    const uint8_t *body = http_body(req, &n);

    if (link_manifest_decode(body, n, &m, err) < 0)
        return -1;
    gate_lock(&c->gate);
    c->counts.manifests_waiting++;
    while (c->wishes.is_slow_with_manifests && !http_is_gone(req))
        gate_wait_ms(&c->gate, 100);
    c->counts.manifests_waiting--;
    if (c->wishes.refused_list != NULL && strcmp(m.study, c->wishes.refused_list) == 0) {
        c->counts.lists_refused++;
        (void)refuse(c, res);
    } else if (!is_busy(c, res)) {
        c->counts.manifests++;
        c->counts.last_revision = m.revision;
        c->counts.last_manifest_count = m.count;
        for (size_t i = 0; i < m.count; i++) {
            struct fake_object *o = find(c, m.instances[i].object);

            if (o != NULL)
                o->is_listed = true;
        }
        http_answer_bytes(res, 200, "application/json", "{\"revision\":1}", 14);
        gate_wake(&c->gate);
    }
    gate_unlock(&c->gate);
    link_manifest_free(&m);
    return 0;
}

static int
on_receipts(struct http_request *req, struct http_response *res, struct err *err)
{
    struct fake_centre *c = http_user(req);
    struct link_receipts r = {0};
    uint64_t after = 0;
    struct buf body;

    if (text_to_u64(http_query(req, "after"), UINT64_MAX, &after) < 0)
        return err_set(err, ERR_REJECT, "after");
    gate_lock(&c->gate);
    c->counts.receipt_polls++;
    for (int i = 0; i < 20; i++) {
        for (size_t k = 0; k < c->n; k++)
            if (c->objects[k].state == LINK_HELD && c->objects[k].is_listed)
                seal(c, &c->objects[k]);
        if (c->receipts_n > after || http_is_gone(req))
            break;
        gate_wait_ms(&c->gate, 100);
    }
    after = after < c->receipts_n ? after : c->receipts_n;
    r.count = c->receipts_n - after < RECEIPTS_AT_ONCE ? c->receipts_n - after : RECEIPTS_AT_ONCE;
    r.receipts = c->receipts == NULL ? NULL : c->receipts + after;
    r.next = after + r.count;
    buf_init(&body, LIMIT_LINK_JSON_BYTES);
    link_receipts_encode(&r, &body);
    http_answer_buf(res, 200, "application/json", &body);
    buf_fini(&body);
    gate_unlock(&c->gate);
    return 0;
}

static int
on_ping(struct http_request *req, struct http_response *res, struct err *err)
{
    struct fake_centre *c = http_user(req);
    struct link_ping ping = {.now_us = clock_wall_us() + 5000000};
    struct buf body;
    size_t probe_n;

    (void)err, (void)http_body(req, &probe_n);
    gate_lock(&c->gate);
    c->counts.pings++, c->counts.probe_bytes += probe_n;
    gate_unlock(&c->gate);
    buf_init(&body, 4096);
    link_ping_encode(&ping, &body);
    http_answer_buf(res, 200, "application/json", &body);
    buf_fini(&body);
    return 0;
}

static const struct http_route routes[] = {
    {"POST", LINK_PATH_OFFER, HTTP_GATEWAY, 0, 33554432, on_offer, 0, 0, 0, 0},
    {"POST", LINK_PATH_BUNDLE, HTTP_GATEWAY, 0, 67108864, on_bundle, 0, 0, 0, 0},
    {"POST", LINK_PATH_MANIFEST, HTTP_GATEWAY, 0, 33554432, on_manifest, 0, 0, 0, 0},
    {"GET", LINK_PATH_RECEIPTS, HTTP_GATEWAY, 0, 0, on_receipts, 0, 0, 0, HTTP_QUIET},
    {"GET", LINK_PATH_PING, HTTP_GATEWAY, 0, 0, on_ping, 0, 0, 0, HTTP_QUIET},
    {"POST", LINK_PATH_PING, HTTP_GATEWAY, 0, 1 << 20, on_ping, 0, 0, 0, HTTP_QUIET},
};

struct http_table
fake_centre_link(struct fake_centre *c)
{
    return (struct http_table){routes, ARRAY_LEN(routes), c};
}
