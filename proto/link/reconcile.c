/* reconcile.c - what is compared between gateway and centre: digests and JSON. */
#include "proto/link/reconcile.h"

#include "proto/link/link_json.h"

#include "proto/base/jsonw.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>

static const int64_t day_us = INT64_C(86400000000);
enum { DAY_MOST = 3000000 }; /* the year 10183 */

/* ---- digests ---- */

int64_t
link_day_of(int64_t wall_us)
{
    return wall_us <= 0 ? 0 : wall_us / day_us;
}

static int
by_object(const void *a, const void *b)
{
    const struct link_claim *x = a, *y = b;

    return memcmp(x->object, y->object, sizeof x->object);
}

void
link_study_reckon(struct link_claim *claims, size_t n, struct link_study *out)
{
    struct digest *d = digest_new();

    if (n > 0)
        qsort(claims, n, sizeof *claims, by_object);
    out->objects = n;
    out->sealed = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t letter = (uint8_t)claims[i].letter;

        out->sealed += claims[i].letter == LINK_CLAIM_SEALED;
        digest_add(d, claims[i].object, LINK_HASH_BYTES);
        digest_add(d, &letter, 1);
    }
    digest_take(d, out->sha256);
    digest_free(&d);
}

static int
by_day(const void *a, const void *b)
{
    const struct link_study *x = a, *y = b;

    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return strcmp(x->study, y->study);
}

static void
add_study(struct digest *d, const struct link_study *s)
{
    uint8_t revision[4];

    le32_write(revision, s->revision);
    digest_add(d, s->study, strlen(s->study) + 1);
    digest_add(d, revision, sizeof revision);
    digest_add(d, s->sha256, sizeof s->sha256);
}

void
link_days_reckon(struct link_study *studies, size_t n, struct link_days *out)
{
    *out = (struct link_days){mem_new((n + 1) * sizeof *out->days), 0};
    if (n > 0)
        qsort(studies, n, sizeof *studies, by_day);
    for (size_t i = 0; i < n;) {
        struct link_day *day = &out->days[out->count++];
        struct digest *d = digest_new();

        day->day = studies[i].day;
        for (; i < n && studies[i].day == day->day; i++) {
            day->studies++;
            day->objects += studies[i].objects;
            day->sealed += studies[i].sealed;
            add_study(d, &studies[i]);
        }
        digest_take(d, day->sha256);
        digest_free(&d);
    }
}

bool
link_study_is_same(const struct link_study *a, const struct link_study *b)
{
    return a->revision == b->revision && a->objects == b->objects && a->sealed == b->sealed &&
           memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}

bool
link_day_is_same(const struct link_day *a, const struct link_day *b)
{
    return a->day == b->day && a->studies == b->studies && a->objects == b->objects &&
           a->sealed == b->sealed && memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}

/* ---- JSON ---- */

static void
write_counts(struct jsonw *w, uint64_t objects, uint64_t sealed, const uint8_t *sha256)
{
    jsonw_uint(w, "objects", objects);
    jsonw_uint(w, "sealed", sealed);
    jsonw_hex(w, "sha256", sha256, LINK_HASH_BYTES);
}

static int
read_counts(const struct json *o, uint64_t *objects, uint64_t *sealed, uint8_t *sha256,
            struct err *err)
{
    if (json_u64(o, "objects", INT64_MAX, objects, err) < 0 ||
        json_u64(o, "sealed", INT64_MAX, sealed, err) < 0)
        return -1;
    return json_hex(o, "sha256", sha256, LINK_HASH_BYTES, err);
}

static int
read_day(const struct json *o, int64_t *out, struct err *err)
{
    uint64_t day;

    if (json_u64(o, "day", DAY_MOST, &day, err) < 0)
        return -1;
    *out = (int64_t)day;
    return 0;
}

void
link_days_encode(const struct link_days *days, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "days");
    for (size_t i = 0; i < days->count; i++) {
        const struct link_day *d = &days->days[i];

        jsonw_object(&w, NULL);
        jsonw_int(&w, "day", d->day);
        jsonw_uint(&w, "studies", d->studies);
        write_counts(&w, d->objects, d->sealed, d->sha256);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

int
link_days_decode(const uint8_t *bytes, size_t n, struct link_days *out, struct err *err)
{
    struct link_days days = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_HTTP_JSON_BYTES, "days", LIMIT_RECONCILE_DAYS, &doc, &list,
                       err) < 0)
        goto out;
    days.count = json_length(list);
    days.days = mem_new((days.count + 1) * sizeof *days.days);
    for (size_t i = 0; i < days.count; i++) {
        struct link_day *d = &days.days[i];
        const struct json *o = json_at(list, i);

        if (read_day(o, &d->day, err) < 0 ||
            json_u64(o, "studies", INT64_MAX, &d->studies, err) < 0 ||
            read_counts(o, &d->objects, &d->sealed, d->sha256, err) < 0)
            goto out;
    }
    *out = days;
    days = (struct link_days){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "days");
    link_days_free(&days);
    json_free(&doc);
    return rc;
}

void
link_days_free(struct link_days *days)
{
    free(days->days);
    *days = (struct link_days){0};
}

void
link_studies_encode(const struct link_studies *studies, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "studies");
    for (size_t i = 0; i < studies->count; i++) {
        const struct link_study *s = &studies->studies[i];

        jsonw_object(&w, NULL);
        jsonw_text(&w, "study", s->study);
        jsonw_int(&w, "day", s->day);
        jsonw_uint(&w, "revision", s->revision);
        write_counts(&w, s->objects, s->sealed, s->sha256);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

int
link_studies_decode(const uint8_t *bytes, size_t n, struct link_studies *out, struct err *err)
{
    struct link_studies studies = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    uint64_t revision;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_HTTP_JSON_BYTES, "studies", LIMIT_RECONCILE_STUDIES, &doc,
                       &list, err) < 0)
        goto out;
    studies.count = json_length(list);
    studies.studies = mem_new((studies.count + 1) * sizeof *studies.studies);
    for (size_t i = 0; i < studies.count; i++) {
        struct link_study *s = &studies.studies[i];
        const struct json *o = json_at(list, i);

        if (link_read_uid(o, "study", s->study, err) < 0 || read_day(o, &s->day, err) < 0 ||
            json_u64(o, "revision", INT32_MAX, &revision, err) < 0 ||
            read_counts(o, &s->objects, &s->sealed, s->sha256, err) < 0)
            goto out;
        s->revision = (uint32_t)revision;
    }
    *out = studies;
    studies = (struct link_studies){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "studies");
    link_studies_free(&studies);
    json_free(&doc);
    return rc;
}

void
link_studies_free(struct link_studies *studies)
{
    free(studies->studies);
    *studies = (struct link_studies){0};
}

void
link_objects_encode(const struct link_objects *objects, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "objects");
    for (size_t i = 0; i < objects->count; i++)
        jsonw_hex(&w, NULL, objects->objects[i], LINK_HASH_BYTES);
    jsonw_end(&w);
    jsonw_end(&w);
}

int
link_objects_decode(const uint8_t *bytes, size_t n, struct link_objects *out, struct err *err)
{
    struct link_objects objects = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_HTTP_JSON_BYTES, "objects", LIMIT_RECONCILE_OBJECTS, &doc,
                       &list, err) < 0)
        goto out;
    objects.count = json_length(list);
    objects.objects = mem_new((objects.count + 1) * sizeof *objects.objects);
    for (size_t i = 0; i < objects.count; i++) {
        const char *hex = json_as_text(json_at(list, i));

        if (hex == NULL || hex_decode(hex, objects.objects[i], LINK_HASH_BYTES) < 0) {
            err_set(err, ERR_REJECT, "object %zu: 64 hexadecimal digits are due", i);
            goto out;
        }
    }
    *out = objects;
    objects = (struct link_objects){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "objects");
    link_objects_free(&objects);
    json_free(&doc);
    return rc;
}

void
link_objects_free(struct link_objects *objects)
{
    free(objects->objects);
    *objects = (struct link_objects){0};
}

void
link_reconciled_encode(const struct link_reconciled *done, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "at_us", done->at_us);
    jsonw_uint(&w, "catalog", done->catalog);
    jsonw_uint(&w, "days", done->days);
    jsonw_uint(&w, "studies", done->studies);
    jsonw_uint(&w, "objects", done->objects);
    jsonw_uint(&w, "different", done->different);
    jsonw_uint(&w, "repaired", done->repaired);
    jsonw_uint(&w, "lost", done->lost);
    jsonw_array(&w, "list");
    for (size_t i = 0; i < done->count; i++) {
        jsonw_object(&w, NULL);
        jsonw_hex(&w, "object", done->list[i].object, LINK_HASH_BYTES);
        jsonw_text(&w, "sop_instance", done->list[i].sop_instance);
        jsonw_text(&w, "study", done->list[i].study);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

static int
read_reconciled(const struct json *o, struct link_reconciled *out, struct err *err)
{
    if (json_i64(o, "at_us", &out->at_us, err) < 0 ||
        json_u64(o, "catalog", INT64_MAX, &out->catalog, err) < 0 ||
        json_u64(o, "days", INT64_MAX, &out->days, err) < 0 ||
        json_u64(o, "studies", INT64_MAX, &out->studies, err) < 0 ||
        json_u64(o, "objects", INT64_MAX, &out->objects, err) < 0 ||
        json_u64(o, "different", INT64_MAX, &out->different, err) < 0 ||
        json_u64(o, "repaired", INT64_MAX, &out->repaired, err) < 0)
        return -1;
    return json_u64(o, "lost", INT64_MAX, &out->lost, err);
}

int
link_reconciled_decode(const uint8_t *bytes, size_t n, struct link_reconciled *out, struct err *err)
{
    struct link_reconciled done = {0};
    struct json_doc *doc = NULL;
    const struct json *list;
    int rc = -1;

    if (link_open_list(bytes, n, LIMIT_HTTP_JSON_BYTES, "list", LIMIT_RECONCILE_LOST, &doc, &list,
                       err) < 0 ||
        read_reconciled(json_root(doc), &done, err) < 0)
        goto out;
    done.count = json_length(list);
    done.list = mem_new((done.count + 1) * sizeof *done.list);
    for (size_t i = 0; i < done.count; i++) {
        const struct json *o = json_at(list, i);

        if (json_hex(o, "object", done.list[i].object, LINK_HASH_BYTES, err) < 0 ||
            link_read_uid(o, "sop_instance", done.list[i].sop_instance, err) < 0 ||
            link_read_uid(o, "study", done.list[i].study, err) < 0)
            goto out;
    }
    *out = done;
    done = (struct link_reconciled){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "reconciled");
    link_reconciled_free(&done);
    json_free(&doc);
    return rc;
}

void
link_reconciled_free(struct link_reconciled *done)
{
    free(done->list);
    *done = (struct link_reconciled){0};
}
