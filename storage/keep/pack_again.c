/* pack_again.c - all that a catalog needs of a pack, read from the pack alone
 * (docs/formats/index.md, pack.md). */
#include "storage/keep/pack.h"

#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/http/json.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCAL_BYTES = 30, NAME_AT = 8, HEX = 64, NUMBER_TEXT = 20 };
static const uint8_t local_magic[] = {'P', 'K', 3, 4};

struct row_fact {
    const char *name; /* in the index */
    size_t at, size;  /* in struct dcm_facts */
};

#define FACT(name, field)                                                                          \
    {                                                                                              \
        name, offsetof(struct dcm_facts, field), sizeof(((struct dcm_facts *)NULL)->field)         \
    }
static const struct row_fact of_study[] = {
    FACT("patient_id", patient_id),
    FACT("issuer", issuer),
    FACT("patient_name", patient_name),
    FACT("birth_date", birth_date),
    FACT("sex", sex),
    FACT("age", age),
    FACT("study_date", study_date),
    FACT("study_time", study_time),
    FACT("accession", accession),
    FACT("study_id", study_id),
    FACT("description", study_description),
    FACT("referring", referring),
    FACT("institution", institution),
};
static const struct row_fact of_series[] = {
    FACT("modality", modality),       FACT("description", series_description),
    FACT("body_part", body_part),     FACT("series_date", series_date),
    FACT("series_time", series_time), FACT("station", station),
    FACT("institution", institution),
};
#undef FACT

static int
read_facts(const struct json *o, const struct row_fact *facts, size_t n, struct dcm_facts *out,
           struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *value;

        if (json_text(o, facts[i].name, facts[i].size - 1, &value, err) < 0)
            return -1;
        text_copy((char *)out + facts[i].at, facts[i].size, value);
    }
    return 0;
}

/* A text, or null: NULL. */
static int
text_or_null(const struct json *o, const char *key, const char **out, struct err *err)
{
    *out = NULL;
    return json_is_null(json_find(o, key)) ? 0 : json_text(o, key, LIMIT_INDEX_BYTES, out, err);
}

static int
read_member(const struct json *o, struct pack_member *m, struct err *err)
{
    const char *layout;

    if (json_text(o, "received_syntax", LINK_UID_SIZE - 1, &m->received_syntax, err) < 0 ||
        json_text(o, "sop_class", LINK_UID_SIZE - 1, &m->sop_class, err) < 0 ||
        json_text(o, "sop_instance", LINK_UID_SIZE - 1, &m->sop_instance, err) < 0 ||
        json_text(o, "transfer_syntax", LINK_UID_SIZE - 1, &m->transfer_syntax, err) < 0 ||
        json_text(o, "way", KEEP_CODE_SIZE, &m->way, err) < 0 ||
        json_text(o, "by", KEEP_NAME_SIZE, &m->device, err) < 0 ||
        text_or_null(o, "quarantine", &m->why, err) < 0 ||
        text_or_null(o, "layout", &layout, err) < 0 ||
        json_hex(o, "file", m->object, 32, err) < 0 ||
        json_hex(o, "pixels", m->pixels, 32, err) < 0 ||
        json_hex(o, "dataset", m->dataset, 32, err) < 0 ||
        json_hex(o, "received", m->received, 32, err) < 0 ||
        json_u64(o, "at", INT64_MAX, &m->at, err) < 0 ||
        json_u64(o, "size", LIMIT_OBJECT_BYTES, &m->size, err) < 0)
        return -1;
    if (layout == NULL)
        return 0;
    uint8_t *bytes;

    if (base64_decode(layout, strlen(layout), LIMIT_INDEX_BYTES, &bytes, &m->layout_n) < 0)
        return err_set(err, ERR_REJECT, "layout: no base64");
    m->layout = bytes;
    return 0;
}

static int
read_members(struct pack_again *p, struct err *err)
{
    const struct json *root = json_root(p->doc), *list, *study, *series;
    const char *number;

    study = json_find(root, "study");
    series = json_find(root, "series");
    if (json_text(root, "tenant", KEEP_CODE_SIZE - 1, &p->tenant, err) < 0 ||
        json_i64(root, "revision", &p->revision, err) < 0 ||
        json_truth(root, "quarantine", &p->is_quarantine, err) < 0 ||
        json_text(study, "study_uid", LINK_UID_SIZE - 1, &p->study, err) < 0 ||
        json_text(series, "series_uid", LINK_UID_SIZE - 1, &p->series, err) < 0 ||
        json_text(series, "number", NUMBER_TEXT, &number, err) < 0 ||
        json_list(root, "instances", LIMIT_MANIFEST_INSTANCES, &list, err) < 0)
        return -1;
    p->study_facts = mem_new(sizeof *p->study_facts);
    p->series_facts = mem_new(sizeof *p->series_facts);
    p->series_facts->series_number = strtoll(number, NULL, 10);
    if (read_facts(study, of_study, ARRAY_LEN(of_study), p->study_facts, err) < 0 ||
        read_facts(series, of_series, ARRAY_LEN(of_series), p->series_facts, err) < 0)
        return -1;
    p->members = mem_new((json_length(list) + 1) * sizeof *p->members);
    for (; p->count < json_length(list); p->count++)
        if (read_member(json_at(list, p->count), &p->members[p->count], err) < 0) {
            p->count++; /* it may have its layout */
            return err_context(err, "instance %zu", p->count - 1);
        }
    return 0;
}

/* The next member of the archive at *at, if it is a recipe. */
static int
read_recipe(struct pack_again *p, uint64_t *at, bool *out_is_one, struct err *err)
{
    uint8_t head[LOCAL_BYTES], object[32], *bytes;
    char name[NAME_AT + HEX + 1] = "";
    size_t name_n, n;

    *out_is_one = false;
    if (durable_read_at(p->fd, head, sizeof head, *at, err) < 0)
        return -1;
    if (memcmp(head, local_magic, sizeof local_magic) != 0)
        return err_set(err, ERR_CONFLICT, "no member where one begins");
    name_n = le16_read(head + 26);
    n = le32_read(head + 18);
    if (name_n < sizeof name - 1)
        return 0;
    if (durable_read_at(p->fd, name, sizeof name - 1, *at + LOCAL_BYTES, err) < 0)
        return -1;
    if (strncmp(name, "recipes/", NAME_AT) != 0)
        return 0;
    if (n > LIMIT_RECIPE_BYTES || hex_decode(name + NAME_AT, object, 32) < 0)
        return err_set(err, ERR_CONFLICT, "a recipe that is none");
    *at += LOCAL_BYTES + name_n + le16_read(head + 28);
    bytes = mem_new(n + 1);
    if (durable_read_at(p->fd, bytes, n, *at, err) < 0) {
        free(bytes);
        return -1;
    }
    *at += n;
    *out_is_one = true;
    for (size_t i = 0; i < p->count; i++)
        if (memcmp(p->members[i].object, object, 32) == 0 && p->members[i].recipe == NULL) {
            p->members[i].recipe = bytes;
            p->members[i].recipe_n = n;
            return 0;
        }
    free(bytes);
    return err_set(err, ERR_CONFLICT, "a recipe of no instance");
}

/* They stand behind the instances. */
static int
read_recipes(struct pack_again *p, struct err *err)
{
    const struct json *list = json_find(json_root(p->doc), "instances");
    bool is_one = true;
    uint64_t at = 0;

    for (size_t i = 0; i < p->count; i++)
        at =
            p->members[i].at + p->members[i].size > at ? p->members[i].at + p->members[i].size : at;
    while (is_one)
        if (read_recipe(p, &at, &is_one, err) < 0)
            return -1;
    for (size_t i = 0; i < p->count; i++)
        if (p->members[i].recipe == NULL && !json_is_null(json_find(json_at(list, i), "recipe")))
            return err_set(err, ERR_CONFLICT, "the recipe of instance %zu is not there", i);
    return 0;
}

int
pack_read_again(const char *path, const uint8_t sha256[32], struct pack_again *out, struct err *err)
{
    struct pack_again p = {.fd = -1};
    uint8_t *bytes = NULL;
    struct stat st;
    size_t n;
    int rc = -1;

    if (pack_verify(path, sha256, 0, err) < 0)
        return -1;
    p.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (p.fd < 0 || fstat(p.fd, &st) < 0) {
        err_sys(err, ERR_RETRY, "open %s", path);
        goto out;
    }
    p.size = (uint64_t)st.st_size;
    if (pack_index_bytes(p.fd, p.size, &bytes, &n, err) < 0 ||
        json_parse(bytes, n, &p.doc, err) < 0 || read_members(&p, err) < 0 ||
        read_recipes(&p, err) < 0)
        goto out;
    *out = p;
    p = (struct pack_again){.fd = -1};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "read %s", path);
    free(bytes);
    pack_again_fini(&p);
    return rc;
}

void
pack_again_fini(struct pack_again *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free((void *)(uintptr_t)p->members[i].layout); /* made here */
        free((void *)(uintptr_t)p->members[i].recipe);
    }
    free(p->members);
    free(p->study_facts);
    free(p->series_facts);
    json_free(&p->doc);
    if (p->fd >= 0)
        close(p->fd);
    *p = (struct pack_again){.fd = -1};
}
