/* items.c - sidecars: one small text a file, docs/formats/import.md. */
#include "gateway/import/import_own.h"

#include "proto/base/durable.h"
#include "proto/base/folder.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "radpost-import 1."
enum { SIDECAR_BYTES = 32 << 10 };

enum field_type { F_TEXT, F_U32, F_U64, F_I64, F_TRUTH, F_STATE, F_KIND, F_SHA256 };

#define AT(member) offsetof(struct import_item, member), sizeof(((struct import_item *)0)->member)
static const struct field {
    const char *key;
    enum field_type type;
    size_t offset, size;
} fields[] = {
    {"id", F_TEXT, AT(id)},
    {"group", F_TEXT, AT(group)},
    {"state", F_STATE, AT(state)},
    {"kind", F_KIND, AT(facts.kind)},
    {"size", F_U64, AT(size)},
    {"sha256", F_SHA256, AT(sha256)},
    {"name", F_TEXT, AT(name)},
    {"file_at_us", F_I64, AT(file_at_us)},
    {"taken_at_us", F_I64, AT(taken_at_us)},
    {"changed_at_us", F_I64, AT(changed_at_us)},
    {"again", F_U32, AT(again)},
    {"why", F_TEXT, AT(why)},
    {"has_source", F_TRUTH, AT(has_source)},
    {"said_name", F_TEXT, AT(facts.said_name)},
    {"said_id", F_TEXT, AT(facts.said_id)},
    {"said_birth", F_TEXT, AT(facts.said_birth)},
    {"said_sex", F_TEXT, AT(facts.said_sex)},
    {"said_at", F_TEXT, AT(facts.said_at)},
    {"device", F_TEXT, AT(facts.device)},
    {"modality", F_TEXT, AT(facts.modality)},
    {"study_uid", F_TEXT, AT(facts.study_uid)},
    {"series_uid", F_TEXT, AT(facts.series_uid)},
    {"said_sop_class", F_TEXT, AT(facts.sop_class)},
    {"said_sop_instance", F_TEXT, AT(facts.sop_instance)},
    {"transfer_syntax", F_TEXT, AT(facts.transfer_syntax)},
    {"cols", F_U32, AT(facts.cols)},
    {"rows", F_U32, AT(facts.rows)},
    {"frames", F_U32, AT(facts.frames)},
    {"channels", F_U32, AT(facts.channels)},
    {"seconds", F_U32, AT(facts.seconds)},
    {"by", F_TEXT, AT(by)},
    {"reason", F_TEXT, AT(reason)},
    {"to_patient_id", F_TEXT, AT(identity.patient_id)},
    {"to_patient_name", F_TEXT, AT(identity.patient_name)},
    {"to_birth", F_TEXT, AT(identity.birth)},
    {"to_sex", F_TEXT, AT(identity.sex)},
    {"to_accession", F_TEXT, AT(identity.accession)},
    {"to_study_uid", F_TEXT, AT(identity.study_uid)},
    {"to_study_id", F_TEXT, AT(identity.study_id)},
    {"to_study_date", F_TEXT, AT(identity.study_date)},
    {"to_study_time", F_TEXT, AT(identity.study_time)},
    {"to_study_description", F_TEXT, AT(identity.study_description)},
    {"to_referring", F_TEXT, AT(identity.referring)},
    {"to_institution", F_TEXT, AT(identity.institution)},
    {"to_modality", F_TEXT, AT(identity.modality)},
    {"number", F_U32, AT(number)},
    {"made_at", F_TEXT, AT(made_at)},
    {"sop_instance", F_TEXT, AT(sop_instance)},
    {"entry", F_U64, AT(entry)},
    {"sealed_at_us", F_I64, AT(sealed_at_us)},
    {"since_age_ms", F_U64, AT(since_age_ms)},
};

/* ---- writing ---- */

static void
write_text(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F || *p == '%')
            buf_add_printf(out, "%%%02X", (unsigned char)*p);
        else
            buf_add_u8(out, (uint8_t)*p);
}

static void
write_field(struct buf *out, const struct field *f, const struct import_item *item)
{
    const char *at = (const char *)item + f->offset;
    char hex[DIGEST_HEX_BYTES];
    uint64_t u = 0;
    int64_t i = 0;
    uint32_t w = 0;

    switch (f->type) {
    case F_TEXT:
        write_text(out, at);
        break;
    case F_U32:
        memcpy(&w, at, sizeof w);
        buf_add_printf(out, "%" PRIu32, w);
        break;
    case F_U64:
        memcpy(&u, at, sizeof u);
        buf_add_printf(out, "%" PRIu64, u);
        break;
    case F_I64:
        memcpy(&i, at, sizeof i);
        buf_add_printf(out, "%" PRIi64, i);
        break;
    case F_TRUTH:
        buf_add_text(out, item->has_source ? "1" : "0");
        break;
    case F_STATE:
        buf_add_text(out, import_state_word(item->state));
        break;
    case F_KIND:
        buf_add_text(out, wrap_kind_word(item->facts.kind));
        break;
    case F_SHA256:
        digest_text(item->sha256, hex);
        buf_add_text(out, hex);
    }
}

void
item_write(const struct import_item *item, struct buf *out)
{
    uint8_t sha256[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];

    buf_add_text(out, MAGIC "0\n");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        buf_add_printf(out, "%s=", fields[i].key);
        write_field(out, &fields[i], item);
        buf_add_u8(out, '\n');
    }
    digest_bytes(out->bytes, out->n, sha256);
    digest_text(sha256, hex);
    buf_add_printf(out, "end=%s\n", hex);
}

/* ---- reading ---- */

static int
read_text(const char *value, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = value; *p != '\0'; p++) {
        uint8_t byte = (uint8_t)*p;

        if (*p == '%') {
            char two[3] = {p[1], p[1] != '\0' ? p[2] : '\0', '\0'};

            if (hex_decode(two, &byte, 1) < 0 || byte == 0)
                return -1;
            p += 2;
        }
        if (n + 1 >= size)
            return -1;
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    return text_is_utf8(out, n) ? 0 : -1;
}

static int
read_number(const char *value, uint64_t max, uint64_t *out)
{
    return text_to_u64(value, max, out);
}

static int
read_field(const struct field *f, const char *value, struct import_item *item)
{
    char *at = (char *)item + f->offset;
    uint64_t v = 0;
    uint32_t w;

    switch (f->type) {
    case F_TEXT:
        return read_text(value, at, f->size);
    case F_U32:
        if (read_number(value, UINT32_MAX, &v) < 0)
            return -1;
        w = (uint32_t)v;
        memcpy(at, &w, sizeof w);
        return 0;
    case F_U64:
    case F_I64: /* moments: never before 1970 */
        if (read_number(value, INT64_MAX, &v) < 0)
            return -1;
        memcpy(at, &v, sizeof v);
        return 0;
    case F_TRUTH:
        item->has_source = strcmp(value, "1") == 0;
        return 0;
    case F_STATE:
        for (int i = 0; i < IMPORT_STATES; i++)
            if (strcmp(value, import_state_word((enum import_state)i)) == 0) {
                item->state = (enum import_state)i;
                return 0;
            }
        return -1;
    case F_KIND:
        return wrap_kind_read(value, &item->facts.kind) ? 0 : -1;
    case F_SHA256:
        return hex_decode(value, item->sha256, DIGEST_BYTES);
    }
    return -1;
}

static int
read_line(char *line, struct import_item *out, struct err *err)
{
    char *value = strchr(line, '=');

    if (value == NULL)
        return err_set(err, ERR_REJECT, "sidecar: a line without =");
    *value++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(fields[i].key, line) == 0 && read_field(&fields[i], value, out) < 0)
            return err_set(err, ERR_REJECT, "sidecar: %s", fields[i].key);
    return 0; /* a key of a later version is let through */
}

/* The last line is the digest of all before it. */
static int
check_end(const char *text, size_t n, size_t *out_body, struct err *err)
{
    static const size_t end_n = 4 + 64 + 1;
    uint8_t told[DIGEST_BYTES], is[DIGEST_BYTES];
    char hex[65];

    if (n < end_n || memcmp(text + n - end_n, "end=", 4) != 0 || text[n - 1] != '\n')
        return err_set(err, ERR_REJECT, "sidecar: ends early");
    memcpy(hex, text + n - 65, 64);
    hex[64] = '\0';
    digest_bytes(text, n - end_n, is);
    if (hex_decode(hex, told, sizeof told) < 0 || memcmp(told, is, sizeof is) != 0)
        return err_set(err, ERR_REJECT, "sidecar: its checksum disagrees");
    *out_body = n - end_n;
    return 0;
}

int
item_read(const uint8_t *bytes, size_t n, struct import_item *out, struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    char *text = mem_new(n + 1), *line, *next;
    char expected[IMPORT_ID_SIZE];
    size_t body;
    int rc = -1;

    memcpy(text, bytes, n);
    if (n < sizeof MAGIC - 1 || memcmp(text, MAGIC, sizeof MAGIC - 1) != 0) {
        (void)err_set(err, ERR_REJECT, "sidecar: of another version, or none");
        goto out;
    }
    if (check_end(text, n, &body, err) < 0)
        goto out;
    text[body] = '\0';
    for (line = strchr(text, '\n'); line != NULL && *++line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next = '\0';
        if (read_line(line, item, err) < 0)
            goto out;
    }
    hex_encode(item->sha256, 16, expected);
    if (strcmp(item->id, expected) != 0) {
        (void)err_set(err, ERR_REJECT, "sidecar: id and digest disagree");
        goto out;
    }
    *out = *item;
    rc = 0;
out:
    free(text);
    free(item);
    return rc;
}

/* ---- the list ---- */

void
item_file(const struct import_item *item, char out[80])
{
    char hex[DIGEST_HEX_BYTES];

    digest_text(item->sha256, hex);
    snprintf(out, 80, "files/%s", hex);
}

static size_t
index_of(const struct import *im, const char *id)
{
    size_t i = 0;

    while (i < im->count && strcmp(im->items[i]->id, id) != 0)
        i++;
    return i;
}

bool
items_get(struct import *im, const char *id, struct import_item *out)
{
    size_t i;
    bool is_there;

    gate_lock(&im->gate);
    i = index_of(im, id);
    is_there = i < im->count;
    if (is_there)
        *out = *im->items[i];
    gate_unlock(&im->gate);
    return is_there;
}

size_t
items_members(struct import *im, const char *id, unsigned states, char (**out)[IMPORT_ID_SIZE])
{
    char(*ids)[IMPORT_ID_SIZE];
    size_t n = 0;

    gate_lock(&im->gate);
    ids = mem_new((im->count + 1) * sizeof *ids);
    for (size_t i = 0; i < im->count; i++) {
        const struct import_item *item = im->items[i];

        if (strcmp(item->id, id) == 0 ||
            (strcmp(item->group, id) == 0 && (1u << item->state & states)))
            memcpy(ids[n++], item->id, sizeof ids[0]);
    }
    gate_unlock(&im->gate);
    *out = ids;
    return n;
}

static void
put(struct import *im, const struct import_item *item)
{
    size_t i;

    gate_lock(&im->gate);
    i = index_of(im, item->id);
    if (i == im->count) {
        if (im->count == im->room) {
            im->room = im->room == 0 ? 64 : 2 * im->room;
            im->items = mem_grow(im->items, im->room * sizeof *im->items);
        }
        im->items[im->count++] = mem_new(sizeof *item);
    }
    *im->items[i] = *item;
    im->change++;
    gate_wake(&im->gate);
    gate_unlock(&im->gate);
}

int
items_save(struct import *im, const struct import_item *item, struct err *err)
{
    char to[64];
    struct buf b;
    int rc;

    buf_init(&b, SIDECAR_BYTES);
    item_write(item, &b);
    CHECK(!buf_is_over(&b));
    snprintf(to, sizeof to, "items/%s.item", item->id);
    rc = durable_put_file(im->dir, to, b.bytes, b.n, err);
    if (rc == 0)
        put(im, item);
    buf_fini(&b);
    return rc;
}

int
items_forget(struct import *im, const char *id, struct err *err)
{
    char name[80];
    size_t i;

    snprintf(name, sizeof name, "items/%s.item", id);
    if (durable_remove(im->dir, name, err) < 0)
        return -1;
    gate_lock(&im->gate);
    i = index_of(im, id);
    if (i < im->count) {
        free(im->items[i]);
        im->items[i] = im->items[--im->count];
        im->change++;
        gate_wake(&im->gate);
    }
    gate_unlock(&im->gate);
    return 0;
}

/* ---- start ---- */

static void
set_aside(struct import *im, const char *name, const struct err *why)
{
    char from[PATH_MAX], to[PATH_MAX];

    LOG(&import_ctx, IMPORT_SIDECAR_BAD, F_ERR(why));
    snprintf(from, sizeof from, "%s/items/%s", im->dir, name);
    snprintf(to, sizeof to, "%s/corrupt/%s", im->dir, name);
    if (rename(from, to) < 0) {
        struct err err;

        (void)err_sys(&err, ERR_RETRY, "set a sidecar aside");
        LOG(&import_ctx, IMPORT_SIDECAR_BAD, F_ERR(&err));
    }
}

static void
load_one(struct import *im, const char *name)
{
    struct import_item *item = mem_new(sizeof *item);
    char path[PATH_MAX], file[80];
    uint8_t *bytes = NULL;
    struct err err;
    size_t n;

    snprintf(path, sizeof path, "%s/items/%s", im->dir, name);
    if (durable_get_file(path, SIDECAR_BYTES, &bytes, &n, &err) < 0 ||
        item_read(bytes, n, item, &err) < 0) {
        set_aside(im, name, &err);
        goto out;
    }
    item_file(item, file);
    snprintf(path, sizeof path, "%s/%s", im->dir, file);
    if (item->has_source && access(path, F_OK) < 0 && errno == ENOENT) {
        item->has_source = false;
        if (item->state == IMPORT_WAITING || item->state == IMPORT_BINDING) {
            item->state = IMPORT_UNUSABLE;
            text_copy(item->why, sizeof item->why, "its file is gone");
            LOG(&import_ctx, IMPORT_SOURCE_LOST);
        }
    }
    put(im, item);
out:
    free(bytes);
    free(item);
}

/* A file that no sidecar names: a crash came between the two, or the sidecar was damaged. It waits
 * (again); nothing is thrown away. */
static void
adopt_orphan(struct import *im, const char *name)
{
    char id[IMPORT_ID_SIZE];
    struct err err;
    size_t i;

    if (strlen(name) != 64)
        return;
    text_copy(id, sizeof id, name);
    i = index_of(im, id);
    if (i < im->count && im->items[i]->has_source)
        return;
    if (i < im->count) { /* its time had come when the crash did */
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/files/%s", im->dir, name);
        unlink(path);
        return;
    }
    if (take_orphan(im, name, &err) < 0)
        LOG(&import_ctx, IMPORT_NOT_TAKEN, F_ERR(&err));
}

static int
each_name(struct import *im, const char *folder, void (*visit)(struct import *, const char *),
          struct err *err)
{
    char path[PATH_MAX];
    const struct dirent *e;
    DIR *d;
    int rc;

    snprintf(path, sizeof path, "%s/%s", im->dir, folder);
    d = opendir(path);
    if (d == NULL)
        return err_sys(err, ERR_RETRY, "open %s", path);
    while ((rc = folder_next(d, &e, err)) == 0 && e != NULL)
        if (e->d_name[0] != '.')
            visit(im, e->d_name);
    closedir(d);
    return rc;
}

static void
remove_tmp(struct import *im, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/tmp/%s", im->dir, name);
    unlink(path);
}

int
items_load(struct import *im, struct err *err)
{
    if (each_name(im, "tmp", remove_tmp, err) < 0 || each_name(im, "items", load_one, err) < 0)
        return -1;
    return each_name(im, "files", adopt_orphan, err);
}
