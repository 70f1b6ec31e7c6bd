/* pack_write.c - a series' instances as one immutable file: writing. */
#include "storage/keep/pack.h"

#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"
#include "proto/trust/digest.h"
#include "storage/keep/zip_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_BYTES = 1024 * 1024, MEMBER_NAME_SIZE = 96 };

static const char readme[] =
    "This is a Radpost pack: the DICOM files of one series, as they are archived.\n"
    "It is a plain ZIP without compression; any unzip opens it.\n"
    "dicom/HEX.dcm      a DICOM Part 10 file; HEX is its SHA-256\n"
    "recipes/HEX.rcp    how to restore the bytes that were received from that file\n"
    "manifest.json      what was packed, when, from whom\n"
    "index.json         where each file lies in this pack, and what a catalog needs to know of it\n"
    "SHA256SUMS         unpack, then: sha256sum -c SHA256SUMS\n"
    "The name of the pack is its own SHA-256.\n";

struct writing {
    const struct pack_plan *plan;
    const char *landing, *landing_copy;
    struct zip_out z;
    struct buf sums;
    uint8_t *step; /* STEP_BYTES */
};

/* ---- one instance ---- */

/* SHA-256 and CRC of a landing file in one pass; false: not those bytes. One that fits a step is in
 * it afterwards. */
static int
check_source(const struct writing *w, int fd, const struct pack_member *m, uint32_t *out_crc,
             bool *out_is_good, struct err *err)
{
    uint8_t *step = w->step, found[32];
    struct digest *d = digest_new();
    uint32_t crc = 0;
    int rc = 0;

    for (uint64_t at = 0; at < m->size && rc == 0;) {
        size_t n = m->size - at < STEP_BYTES ? (size_t)(m->size - at) : STEP_BYTES;

        rc = durable_read_at(fd, step, n, at, err);
        if (rc == 0) {
            digest_add(d, step, n);
            crc = zip_crc32(crc, step, n);
        }
        at += n;
    }
    digest_take(d, found);
    digest_free(&d);
    *out_crc = crc;
    *out_is_good = rc == 0 && memcmp(found, m->object, 32) == 0;
    return rc;
}

/* The first landing copy that still has its hash. */
static int
open_source(const struct writing *w, const struct pack_member *m, int *out_fd, uint32_t *out_crc,
            struct err *err)
{
    const char *dirs[2] = {w->landing, m->has_copy ? w->landing_copy : NULL};

    for (size_t i = 0; i < ARRAY_LEN(dirs) && dirs[i] != NULL; i++) {
        struct err of_this; /* the other copy may be good */
        char path[PATH_MAX];
        bool is_good;
        int fd;

        snprintf(path, sizeof path, "%s/%s", dirs[i], m->landing);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (check_source(w, fd, m, out_crc, &is_good, &of_this) == 0 && is_good) {
            *out_fd = fd;
            return 0;
        }
        close(fd);
    }
    return err_set(err, ERR_CONFLICT, "no landing file of instance %s has its hash",
                   m->sop_instance);
}

/* The pack gets what was verified, or nothing: the very bytes in memory, or copied and hashed once
 * more. */
static int
copy_source(struct writing *w, const struct pack_member *m, int fd, struct err *err)
{
    uint8_t *step = w->step, found[32];
    struct digest *d;
    int rc = 0;

    if (m->size <= STEP_BYTES)
        return zip_out_write(&w->z, step, (size_t)m->size, err);
    d = digest_new();

    for (uint64_t at = 0; at < m->size && rc == 0;) {
        size_t n = m->size - at < STEP_BYTES ? (size_t)(m->size - at) : STEP_BYTES;

        rc = durable_read_at(fd, step, n, at, err);
        if (rc == 0) {
            digest_add(d, step, n);
            rc = zip_out_write(&w->z, step, n, err);
        }
        at += n;
    }
    digest_take(d, found);
    digest_free(&d);
    if (rc == 0 && memcmp(found, m->object, 32) != 0)
        rc = err_set(err, ERR_CONFLICT, "a landing file changed while it was packed");
    return rc;
}

static void
member_name(const uint8_t object[32], const char *folder, const char *ending,
            char out[MEMBER_NAME_SIZE])
{
    char hex[65];

    hex_encode(object, 32, hex);
    snprintf(out, MEMBER_NAME_SIZE, "%s/%s.%s", folder, hex, ending);
}

static void
note_sum(struct writing *w, const uint8_t sha256[32], const char *name)
{
    char hex[65];

    hex_encode(sha256, 32, hex);
    buf_add_printf(&w->sums, "%s  %s\n", hex, name);
}

static int
add_instance(struct writing *w, struct pack_member *m, struct err *err)
{
    char name[MEMBER_NAME_SIZE];
    uint32_t crc;
    int fd = -1, rc = -1;

    if (open_source(w, m, &fd, &crc, err) < 0)
        return -1;
    member_name(m->object, "dicom", "dcm", name);
    if (zip_out_begin(&w->z, name, m->size, crc, &m->at, err) == 0 &&
        copy_source(w, m, fd, err) == 0) {
        note_sum(w, m->object, name);
        rc = 0;
    }
    close(fd);
    return rc;
}

/* A small member, with its line in SHA256SUMS. */
static int
add_bytes(struct writing *w, const char *name, const void *bytes, size_t n, struct err *err)
{
    uint8_t sha256[32];
    uint64_t at;

    digest_bytes(bytes, n, sha256);
    note_sum(w, sha256, name);
    return zip_out_add(&w->z, name, bytes, n, &at, err);
}

/* ---- the two documents ---- */

static void
write_facts(struct jsonw *j, const char *key, const struct pack_fact *facts, size_t n)
{
    jsonw_object(j, key);
    for (size_t i = 0; i < n; i++)
        jsonw_text(j, facts[i].name, facts[i].value);
    jsonw_end(j);
}

static void
write_head(struct jsonw *j, const char *format, const struct pack_plan *p)
{
    jsonw_object(j, NULL);
    jsonw_text(j, "format", format);
    jsonw_text(j, "tenant", p->tenant);
    jsonw_int(j, "revision", p->revision);
    jsonw_int(j, "closed_at_us", p->stamp_us);
    jsonw_bool(j, "quarantine", p->is_quarantine);
}

static void
manifest_make(const struct pack_plan *p, struct buf *out)
{
    struct jsonw j;

    jsonw_init(&j, out);
    write_head(&j, "radpost-pack-manifest 1.0", p);
    write_facts(&j, "study", p->study, p->study_n);
    write_facts(&j, "series", p->series, p->series_n);
    jsonw_array(&j, "instances");
    for (size_t i = 0; i < p->count; i++) {
        const struct pack_member *m = &p->members[i];

        jsonw_object(&j, NULL);
        jsonw_text(&j, "sop_instance", m->sop_instance);
        jsonw_hex(&j, "file", m->object, 32);
        jsonw_hex(&j, "pixels", m->pixels, 32);
        jsonw_hex(&j, "dataset", m->dataset, 32);
        jsonw_hex(&j, "received", m->received, 32);
        jsonw_text(&j, "way", m->way);
        jsonw_text(&j, "by", m->device);
        jsonw_int(&j, "arrived_at_us", m->arrived_at_us);
        if (m->why[0] != '\0')
            jsonw_text(&j, "quarantine", m->why);
        jsonw_end(&j);
    }
    jsonw_end(&j);
    jsonw_end(&j);
}

static void
index_entry(struct jsonw *j, const struct pack_member *m)
{
    char name[MEMBER_NAME_SIZE];

    jsonw_object(j, NULL);
    jsonw_hex(j, "file", m->object, 32);
    jsonw_uint(j, "at", m->at);
    jsonw_uint(j, "size", m->size);
    jsonw_text(j, "sop_class", m->sop_class);
    jsonw_text(j, "sop_instance", m->sop_instance);
    jsonw_text(j, "transfer_syntax", m->transfer_syntax);
    jsonw_text(j, "received_syntax", m->received_syntax);
    jsonw_hex(j, "pixels", m->pixels, 32);
    jsonw_hex(j, "dataset", m->dataset, 32);
    jsonw_hex(j, "received", m->received, 32);
    member_name(m->object, "recipes", "rcp", name);
    jsonw_text(j, "recipe", m->recipe != NULL ? name : NULL);
    if (m->layout != NULL) {
        char *text = base64_encode(m->layout, m->layout_n, NULL);

        jsonw_text(j, "layout", text);
        free(text);
    } else {
        jsonw_null(j, "layout");
    }
    jsonw_int(j, "number", m->number);
    jsonw_int(j, "rows", m->rows);
    jsonw_int(j, "columns", m->columns);
    jsonw_int(j, "frames", m->frames);
    jsonw_int(j, "bits_allocated", m->bits_allocated);
    jsonw_bool(j, "has_pixels", m->has_pixels);
    jsonw_text(j, "content_date", m->content_date);
    jsonw_text(j, "content_time", m->content_time);
    jsonw_text(j, "way", m->way);
    jsonw_text(j, "by", m->device);
    jsonw_text(j, "quarantine", m->why[0] != '\0' ? m->why : NULL);
    jsonw_int(j, "arrived_at_us", m->arrived_at_us);
    jsonw_end(j);
}

static void
index_make(const struct pack_plan *p, struct buf *out)
{
    struct jsonw j;

    jsonw_init(&j, out);
    write_head(&j, "radpost-pack-index 1.0", p);
    write_facts(&j, "study", p->study, p->study_n);
    write_facts(&j, "series", p->series, p->series_n);
    jsonw_array(&j, "instances");
    for (size_t i = 0; i < p->count; i++)
        index_entry(&j, &p->members[i]);
    jsonw_end(&j);
    jsonw_end(&j);
}

/* docs/formats/pack.md "End": in the ZIP's comment, so it is the last thing in the file. */
static void
end_make(uint64_t index_at, const struct buf *index, struct buf *out)
{
    uint8_t sha256[32];

    digest_bytes(index->bytes, index->n, sha256);
    buf_add(out, "RADPOSTX", 8);
    buf_add_le16(out, 1);
    buf_add_le16(out, 0);
    buf_add_le64(out, index_at);
    buf_add_le64(out, index->n);
    buf_add(out, sha256, 32);
    buf_add_le32(out, zip_crc32(0, out->bytes, out->n));
}

/* ---- all of it ---- */

static int
add_documents(struct writing *w, uint8_t out_sha256[32], struct err *err)
{
    struct buf manifest, index, end;
    uint64_t at;
    int rc = -1;

    buf_init(&manifest, LIMIT_INDEX_BYTES);
    buf_init(&index, LIMIT_INDEX_BYTES);
    buf_init(&end, PACK_END_BYTES);
    manifest_make(w->plan, &manifest);
    index_make(w->plan, &index);
    if (buf_is_over(&manifest) || buf_is_over(&index)) {
        err_set(err, ERR_FATAL, "the series is too large for one index");
        goto out;
    }
    if (add_bytes(w, "manifest.json", manifest.bytes, manifest.n, err) < 0 ||
        add_bytes(w, "README.txt", readme, sizeof readme - 1, err) < 0 ||
        zip_out_add(&w->z, "SHA256SUMS", w->sums.bytes, w->sums.n, &at, err) < 0 ||
        zip_out_add(&w->z, "index.json", index.bytes, index.n, &at, err) < 0)
        goto out;
    end_make(at, &index, &end);
    rc = zip_out_end(&w->z, end.bytes, end.n, out_sha256, err);
out:
    buf_fini(&manifest);
    buf_fini(&index);
    buf_fini(&end);
    return rc;
}

static int
write_all(struct writing *w, uint8_t out_sha256[32], struct err *err)
{
    const struct pack_plan *p = w->plan;

    for (size_t i = 0; i < p->count; i++)
        if (add_instance(w, &p->members[i], err) < 0)
            return -1;
    for (size_t i = 0; i < p->count; i++) {
        const struct pack_member *m = &p->members[i];
        char name[MEMBER_NAME_SIZE];

        member_name(m->object, "recipes", "rcp", name);
        if (m->recipe != NULL && add_bytes(w, name, m->recipe, m->recipe_n, err) < 0)
            return -1;
    }
    return add_documents(w, out_sha256, err);
}

static void
name_made(struct pack_made *made, const char *tenant)
{
    char hex[65];

    hex_encode(made->sha256, 32, hex);
    snprintf(made->path, sizeof made->path, "packs/%s/%.2s/%s.zip", tenant, hex, hex);
}

void
pack_drop(const char *const stores[KEEP_COPIES], struct pack_draft *draft)
{
    for (int i = 0; i < KEEP_COPIES; i++) {
        char path[PATH_MAX];

        if (draft->fds[i] < 0)
            continue;
        close(draft->fds[i]);
        draft->fds[i] = -1;
        snprintf(path, sizeof path, "%s/tmp/%s", stores[i], draft->tmp);
        unlink(path);
    }
}

int
pack_write(const struct pack_plan *plan, const char *landing, const char *landing_copy,
           const char *const stores[KEEP_COPIES], struct pack_draft *out, struct err *err)
{
    static _Atomic unsigned serial;
    struct writing w = {.plan = plan, .landing = landing, .landing_copy = landing_copy};
    struct pack_draft d = {.fds = {-1, -1}};
    int rc = -1;

    snprintf(d.tmp, sizeof d.tmp, "pack-%d-%u", (int)getpid(), serial++);
    for (int i = 0; i < KEEP_COPIES; i++)
        if (durable_create(stores[i], d.tmp, &d.fds[i], err) < 0)
            goto out;
    w.step = mem_new(STEP_BYTES);
    zip_out_init(&w.z, d.fds, plan->stamp_us);
    buf_init(&w.sums, LIMIT_INDEX_BYTES);
    rc = write_all(&w, d.made.sha256, err);
    d.made.size = w.z.at;
    zip_out_fini(&w.z);
    buf_fini(&w.sums);
    free(w.step);
    if (rc == 0) {
        name_made(&d.made, plan->tenant);
        for (int i = 0; i < KEEP_COPIES; i++)
            durable_hint(d.fds[i], 0, d.made.size); /* others are written before it is synced */
        *out = d;
    }
out:
    if (rc < 0) {
        pack_drop(stores, &d);
        err_context(err, "write pack");
    }
    return rc;
}

void
pack_publish(struct pack_draft *const *drafts, size_t n, const char *const stores[KEEP_COPIES],
             void (*on_step)(const char *step), struct err *out_why)
{
    struct durable_new *files = mem_new((n + 1) * sizeof *files);
    size_t *whose = mem_new((n + 1) * sizeof *whose);

    for (size_t i = 0; i < n; i++)
        out_why[i] = (struct err){.kind = ERR_NONE};
    for (int store = 0; store < KEEP_COPIES; store++) {
        size_t count = 0;

        for (size_t i = 0; i < n; i++)
            if (out_why[i].kind == ERR_NONE) {
                whose[count] = i;
                files[count++] = (struct durable_new){drafts[i]->fds[store],
                                                      drafts[i]->tmp,
                                                      drafts[i]->made.path,
                                                      {.kind = ERR_NONE}};
                drafts[i]->fds[store] = -1;
            }
        durable_publish_all(stores[store], files, count);
        for (size_t i = 0; i < count; i++)
            if (files[i].err.kind != ERR_NONE) {
                out_why[whose[i]] = files[i].err;
                err_context(&out_why[whose[i]], "store %d", store + 1);
            }
        if (on_step != NULL)
            on_step(store == 0 ? "first copy published" : "all copies published");
    }
    for (size_t i = 0; i < n; i++)
        pack_drop(stores, drafts[i]);
    free(files);
    free(whose);
}
