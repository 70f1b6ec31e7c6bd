/* link.c - the link's JSON: offers, answers, manifests, receipts, ping. */
#include "proto/link/link.h"

#include "proto/link/link_json.h"

#include "proto/base/jsonw.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[LINK_STATES] = {
    [LINK_WANTED] = "wanted",     [LINK_PARTIAL] = "partial",
    [LINK_LOOKED] = "looked",     [LINK_HELD] = "held",
    [LINK_SEALED] = "sealed",     [LINK_DUPLICATE] = "duplicate",
    [LINK_CONFLICT] = "conflict", [LINK_QUARANTINED] = "quarantined",
    [LINK_BAD] = "bad",
};

const char *
link_state_name(enum link_state state)
{
    CHECK(state < LINK_STATES);
    return state_names[state];
}

static int
read_state(const struct json *o, enum link_state *out, struct err *err)
{
    const char *name;

    if (json_text(o, "state", 32, &name, err) < 0)
        return -1;
    for (int i = 0; i < LINK_STATES; i++)
        if (strcmp(state_names[i], name) == 0) {
            *out = (enum link_state)i;
            return 0;
        }
    return err_set(err, ERR_REJECT, "state: an unknown one");
}

static void
write_base64(struct jsonw *w, const char *key, const uint8_t *bytes, size_t n)
{
    char *text;

    if (bytes == NULL) {
        jsonw_null(w, key);
        return;
    }
    text = base64_encode(bytes, n, NULL);
    jsonw_text(w, key, text);
    free(text);
}

void
link_offer_encode(const struct link_offer *offer, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "objects");
    for (size_t i = 0; i < offer->count; i++) {
        const struct link_offer_object *o = &offer->objects[i];

        jsonw_object(&w, NULL);
        jsonw_hex(&w, "object", o->object, LINK_HASH_BYTES);
        jsonw_uint(&w, "size", o->size);
        jsonw_text(&w, "sop_instance", o->sop_instance);
        jsonw_text(&w, "sop_class", o->sop_class);
        jsonw_text(&w, "study", o->study);
        jsonw_text(&w, "series", o->series);
        jsonw_text(&w, "transfer_syntax", o->transfer_syntax);
        jsonw_text(&w, "received_syntax", o->received_syntax);
        jsonw_hex(&w, "pixels", o->pixels, LINK_HASH_BYTES);
        jsonw_hex(&w, "dataset", o->dataset, LINK_HASH_BYTES);
        jsonw_hex(&w, "received", o->received, LINK_HASH_BYTES);
        write_base64(&w, "recipe", o->recipe, o->recipe_n);
        write_base64(&w, "layout", o->layout, o->layout_n);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

static int
read_offer_object(const struct json *o, struct link_offer_object *out, struct err *err)
{
    if (json_hex(o, "object", out->object, LINK_HASH_BYTES, err) < 0 ||
        json_u64(o, "size", LIMIT_OBJECT_BYTES, &out->size, err) < 0 ||
        link_read_uid(o, "sop_instance", out->sop_instance, err) < 0 ||
        link_read_uid(o, "sop_class", out->sop_class, err) < 0 ||
        link_read_uid(o, "study", out->study, err) < 0 ||
        link_read_uid(o, "series", out->series, err) < 0 ||
        link_read_uid(o, "transfer_syntax", out->transfer_syntax, err) < 0 ||
        link_read_uid(o, "received_syntax", out->received_syntax, err) < 0 ||
        json_hex(o, "pixels", out->pixels, LINK_HASH_BYTES, err) < 0 ||
        json_hex(o, "dataset", out->dataset, LINK_HASH_BYTES, err) < 0 ||
        json_hex(o, "received", out->received, LINK_HASH_BYTES, err) < 0 ||
        json_base64(o, "recipe", LIMIT_RECIPE_BYTES, &out->recipe, &out->recipe_n, err) < 0 ||
        json_base64(o, "layout", LIMIT_LAYOUT_BYTES, &out->layout, &out->layout_n, err) < 0)
        return -1;
    if (out->size == 0)
        return err_set(err, ERR_REJECT, "size: an empty file");
    return 0;
}

int
link_offer_decode(const uint8_t *bytes, size_t n, struct link_offer *out, struct err *err)
{
    struct link_offer offer = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_LINK_JSON_BYTES, "objects", LIMIT_OFFER_OBJECTS, &doc, &list,
                       err) < 0)
        goto out;
    offer.objects = mem_new((json_length(list) + 1) * sizeof *offer.objects);
    for (size_t i = 0; i < json_length(list); i++) {
        offer.count = i + 1;
        if (read_offer_object(json_at(list, i), &offer.objects[i], err) < 0) {
            err_context(err, "object %zu", i);
            goto out;
        }
    }
    *out = offer;
    offer = (struct link_offer){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "offer");
    link_offer_free(&offer);
    json_free(&doc);
    return rc;
}

void
link_offer_free(struct link_offer *offer)
{
    for (size_t i = 0; i < offer->count; i++) {
        free(offer->objects[i].recipe);
        free(offer->objects[i].layout);
    }
    free(offer->objects);
    *offer = (struct link_offer){0};
}

void
link_answer_encode(const struct link_answer *answer, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "objects");
    for (size_t i = 0; i < answer->count; i++) {
        const struct link_object_state *o = &answer->objects[i];

        jsonw_object(&w, NULL);
        jsonw_hex(&w, "object", o->object, LINK_HASH_BYTES);
        jsonw_text(&w, "state", link_state_name(o->state));
        jsonw_array(&w, "have");
        for (size_t j = 0; j < o->have_n; j++) {
            jsonw_array(&w, NULL);
            jsonw_uint(&w, NULL, o->have[j].from);
            jsonw_uint(&w, NULL, o->have[j].to);
            jsonw_end(&w);
        }
        jsonw_end(&w);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

static int
read_have(const struct json *o, struct link_object_state *out, struct err *err)
{
    const struct json *list;
    uint64_t before = 0;

    if (json_list(o, "have", LIMIT_LANDING_RANGES, &list, err) < 0)
        return -1;
    out->have = mem_new((json_length(list) + 1) * sizeof *out->have);
    for (size_t i = 0; i < json_length(list); i++) {
        const struct json *pair = json_at(list, i);
        int64_t from = json_as_int(json_at(pair, 0), -1);
        int64_t to = json_as_int(json_at(pair, 1), -1);

        if (json_length(pair) != 2 || from < 0 || to <= from || (uint64_t)to > LIMIT_OBJECT_BYTES ||
            (i > 0 && (uint64_t)from <= before))
            return err_set(err, ERR_REJECT, "have: ranges out of order");
        out->have[i] = (struct range){(uint64_t)from, (uint64_t)to};
        before = (uint64_t)to;
        out->have_n = i + 1;
    }
    return 0;
}

int
link_answer_decode(const uint8_t *bytes, size_t n, struct link_answer *out, struct err *err)
{
    struct link_answer answer = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_LINK_JSON_BYTES, "objects", LIMIT_BUNDLE_OBJECTS, &doc,
                       &list, err) < 0)
        goto out;
    answer.objects = mem_new((json_length(list) + 1) * sizeof *answer.objects);
    for (size_t i = 0; i < json_length(list); i++) {
        struct link_object_state *o = &answer.objects[i];
        const struct json *from = json_at(list, i);

        answer.count = i + 1;
        if (json_hex(from, "object", o->object, LINK_HASH_BYTES, err) < 0 ||
            read_state(from, &o->state, err) < 0 || read_have(from, o, err) < 0)
            goto out;
    }
    *out = answer;
    answer = (struct link_answer){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "answer");
    link_answer_free(&answer);
    json_free(&doc);
    return rc;
}

const struct link_object_state *
link_answer_find(const struct link_answer *answer, const uint8_t object[LINK_HASH_BYTES])
{
    for (size_t i = 0; i < answer->count; i++)
        if (memcmp(answer->objects[i].object, object, LINK_HASH_BYTES) == 0)
            return &answer->objects[i];
    return NULL;
}

void
link_answer_free(struct link_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        free(answer->objects[i].have);
    free(answer->objects);
    *answer = (struct link_answer){0};
}

static void
write_left(struct jsonw *w, const struct link_manifest *manifest)
{
    jsonw_array(w, "left");
    for (size_t i = 0; i < manifest->left_n; i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "sop_instance", manifest->left[i].sop_instance);
        jsonw_hex(w, "object", manifest->left[i].object, LINK_HASH_BYTES);
        jsonw_end(w);
    }
    jsonw_end(w);
}

void
link_manifest_encode(const struct link_manifest *manifest, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "study", manifest->study);
    jsonw_uint(&w, "revision", manifest->revision);
    jsonw_int(&w, "closed_at_us", manifest->closed_at_us);
    if (manifest->announced > 0)
        jsonw_uint(&w, "announced", manifest->announced);
    jsonw_array(&w, "instances");
    for (size_t i = 0; i < manifest->count; i++) {
        const struct link_manifest_instance *m = &manifest->instances[i];

        jsonw_object(&w, NULL);
        jsonw_text(&w, "sop_instance", m->sop_instance);
        jsonw_hex(&w, "object", m->object, LINK_HASH_BYTES);
        jsonw_hex(&w, "pixels", m->pixels, LINK_HASH_BYTES);
        jsonw_hex(&w, "dataset", m->dataset, LINK_HASH_BYTES);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    if (manifest->names_left)
        write_left(&w, manifest);
    jsonw_end(&w);
}

static int
read_manifest(const struct json *root, const struct json *list, struct link_manifest *out,
              struct err *err)
{
    uint64_t revision, announced = 0;

    if (link_read_uid(root, "study", out->study, err) < 0 ||
        json_u64(root, "revision", INT32_MAX, &revision, err) < 0 ||
        (json_find(root, "announced") != NULL &&
         json_u64(root, "announced", INT32_MAX, &announced, err) < 0) ||
        json_i64(root, "closed_at_us", &out->closed_at_us, err) < 0)
        return -1;
    if (revision == 0)
        return err_set(err, ERR_REJECT, "revision: begins at 1");
    out->revision = (uint32_t)revision;
    out->announced = (uint32_t)announced;
    out->instances = mem_new((json_length(list) + 1) * sizeof *out->instances);
    for (size_t i = 0; i < json_length(list); i++) {
        struct link_manifest_instance *m = &out->instances[i];
        const struct json *o = json_at(list, i);

        if (link_read_uid(o, "sop_instance", m->sop_instance, err) < 0 ||
            json_hex(o, "object", m->object, LINK_HASH_BYTES, err) < 0 ||
            json_hex(o, "pixels", m->pixels, LINK_HASH_BYTES, err) < 0 ||
            json_hex(o, "dataset", m->dataset, LINK_HASH_BYTES, err) < 0)
            return err_context(err, "instance %zu", i);
        out->count = i + 1;
    }
    return 0;
}

static int
read_left(const struct json *root, struct link_manifest *out, struct err *err)
{
    const struct json *list;

    if (json_find(root, "left") == NULL)
        return 0;
    if (json_list(root, "left", LIMIT_MANIFEST_INSTANCES, &list, err) < 0)
        return -1;
    out->names_left = true;
    out->left = mem_new((json_length(list) + 1) * sizeof *out->left);
    for (size_t i = 0; i < json_length(list); i++) {
        const struct json *o = json_at(list, i);

        if (link_read_uid(o, "sop_instance", out->left[i].sop_instance, err) < 0 ||
            json_hex(o, "object", out->left[i].object, LINK_HASH_BYTES, err) < 0)
            return err_context(err, "left %zu", i);
        out->left_n = i + 1;
    }
    return 0;
}

int
link_manifest_decode(const uint8_t *bytes, size_t n, struct link_manifest *out, struct err *err)
{
    struct link_manifest manifest = {.count = 0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_LINK_JSON_BYTES, "instances", LIMIT_MANIFEST_INSTANCES, &doc,
                       &list, err) < 0 ||
        read_manifest(json_root(doc), list, &manifest, err) < 0 ||
        read_left(json_root(doc), &manifest, err) < 0)
        goto out;
    *out = manifest;
    manifest.instances = NULL;
    manifest.left = NULL;
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "manifest");
    link_manifest_free(&manifest);
    json_free(&doc);
    return rc;
}

void
link_manifest_free(struct link_manifest *manifest)
{
    free(manifest->instances);
    free(manifest->left);
    *manifest = (struct link_manifest){.count = 0};
}

void
link_receipts_encode(const struct link_receipts *receipts, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "next", receipts->next);
    if (receipts->is_cursor_lost)
        jsonw_bool(&w, "is_cursor_lost", true);
    jsonw_array(&w, "receipts");
    for (size_t i = 0; i < receipts->count; i++) {
        const struct link_receipt *r = &receipts->receipts[i];

        jsonw_object(&w, NULL);
        jsonw_uint(&w, "seq", r->seq);
        jsonw_hex(&w, "object", r->object, LINK_HASH_BYTES);
        jsonw_text(&w, "sop_instance", r->sop_instance);
        jsonw_text(&w, "study", r->study);
        jsonw_text(&w, "state", link_state_name(r->state));
        jsonw_hex(&w, "pack", r->pack, LINK_HASH_BYTES);
        jsonw_uint(&w, "copies", r->copies);
        jsonw_int(&w, "at_us", r->at_us);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

static int
read_receipt(const struct json *o, struct link_receipt *r, struct err *err)
{
    uint64_t copies;

    if (json_u64(o, "seq", INT64_MAX, &r->seq, err) < 0 ||
        json_hex(o, "object", r->object, LINK_HASH_BYTES, err) < 0 ||
        link_read_uid(o, "sop_instance", r->sop_instance, err) < 0 ||
        link_read_uid(o, "study", r->study, err) < 0 || read_state(o, &r->state, err) < 0 ||
        json_hex(o, "pack", r->pack, LINK_HASH_BYTES, err) < 0 ||
        json_u64(o, "copies", 1000, &copies, err) < 0 || json_i64(o, "at_us", &r->at_us, err) < 0)
        return -1;
    r->copies = (uint32_t)copies;
    return 0;
}

int
link_receipts_decode(const uint8_t *bytes, size_t n, struct link_receipts *out, struct err *err)
{
    struct link_receipts receipts = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_LINK_JSON_BYTES, "receipts", LIMIT_RECEIPTS, &doc, &list,
                       err) < 0 ||
        json_u64(json_root(doc), "next", INT64_MAX, &receipts.next, err) < 0 ||
        (json_find(json_root(doc), "is_cursor_lost") != NULL &&
         json_truth(json_root(doc), "is_cursor_lost", &receipts.is_cursor_lost, err) < 0))
        goto out;
    receipts.receipts = mem_new((json_length(list) + 1) * sizeof *receipts.receipts);
    receipts.count = json_length(list);
    for (size_t i = 0; i < receipts.count; i++)
        if (read_receipt(json_at(list, i), &receipts.receipts[i], err) < 0)
            goto out;
    *out = receipts;
    receipts.receipts = NULL;
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "receipts");
    link_receipts_free(&receipts);
    json_free(&doc);
    return rc;
}

void
link_receipts_free(struct link_receipts *receipts)
{
    free(receipts->receipts);
    *receipts = (struct link_receipts){0};
}

void
link_ping_encode(const struct link_ping *ping, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "now_us", ping->now_us);
    if (ping->catalog != 0)
        jsonw_uint(&w, "catalog", ping->catalog);
    if (ping->reconcile_us != 0)
        jsonw_int(&w, "reconcile_us", ping->reconcile_us);
    link_policy_write(&w, "policy", &ping->policy);
    jsonw_end(&w);
}

int
link_ping_decode(const uint8_t *bytes, size_t n, struct link_ping *out, struct err *err)
{
    struct json_doc *doc = NULL;
    struct link_ping ping = {0};
    struct err trouble = {0};
    int rc = -1;

    if (n > LIMIT_HTTP_JSON_BYTES) {
        err_set(err, ERR_REJECT, "too long");
        goto out;
    }
    if (json_parse(bytes, n, &doc, err) < 0 ||
        json_i64(json_root(doc), "now_us", &ping.now_us, err) < 0 ||
        (json_find(json_root(doc), "catalog") != NULL &&
         json_u64(json_root(doc), "catalog", INT64_MAX, &ping.catalog, err) < 0) ||
        (json_find(json_root(doc), "reconcile_us") != NULL &&
         json_i64(json_root(doc), "reconcile_us", &ping.reconcile_us, err) < 0))
        goto out;
    if (link_policy_read(json_find(json_root(doc), "policy"), &ping.policy, &trouble) < 0)
        text_copy(ping.policy_trouble, sizeof ping.policy_trouble, trouble.text);
    *out = ping;
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "ping");
    json_free(&doc);
    return rc;
}
