/* fake_archive.h - an archive of memory, linked in the place of storage/keep and of the codec's
 * workers (both have tests of their own), for tests of what is served. Included by one test. */
#ifndef RADPOST_TESTS_FAKE_ARCHIVE_H
#define RADPOST_TESTS_FAKE_ARCHIVE_H

#include "proto/base/durable.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "proto/trust/audit.h"
#include "storage/keep/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FAKE_MOST = 16 };

struct fake_object {
    const char *tenant, *study, *series, *instance, *syntax;
    struct buf bytes; /* the Part 10 file */
    struct layout *layout;
    struct range have[2];
    size_t have_n;
    uint32_t frames;
    bool is_preview, has_pixels;
};

static struct {
    struct fake_object objects[FAKE_MOST];
    size_t count;
    uint64_t events; /* all of tenant A */
    int transcoded;
    bool is_away; /* PostgreSQL does not answer */
    bool is_deaf; /* the audit log takes nothing */
    char noted[8][64];
    int notes;
} fake;

static struct fake_object *
fake_add(const char *tenant, const char *study, const char *instance, const char *syntax)
{
    struct fake_object *o = &fake.objects[fake.count++];
    struct err err;

    *o = (struct fake_object){tenant, study, "1.2.8", instance, syntax, .frames = 1};
    buf_init(&o->bytes, 1 << 20);
    if (part10_head(&o->bytes, "1.2.840.10008.5.1.4.1.1.7", instance, syntax, NULL, &err) < 0)
        abort();
    memset(o->bytes.bytes, 'M', 4); /* a preamble with something in it */
    return o;
}

/* A small image: native pixels, or fragments when fragments is not NULL. */
static void
fake_image(struct fake_object *o, uint16_t side, uint16_t bits, const char *frames,
           const uint8_t *pixels, size_t n, const char *const *fragments)
{
    static const uint8_t item[] = {0xFE, 0xFF, 0x00, 0xE0}, end[] = {0xFE, 0xFF, 0xDD, 0xE0};
    static const uint8_t open[] = {0xE0, 0x7F, 0x10, 0, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
    struct dcm_writer w;

    dcm_write_init(&w, &o->bytes, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080016, NULL, "1.2.840.10008.5.1.4.1.1.7");
    dcm_write_text(&w, 0x00080018, NULL, o->instance);
    dcm_write_text(&w, 0x0020000D, NULL, o->study);
    dcm_write_text(&w, 0x0020000E, NULL, o->series);
    dcm_write_u16(&w, 0x00280002, 1);
    dcm_write_text(&w, 0x00280004, NULL, "MONOCHROME2");
    dcm_write_text(&w, 0x00280008, NULL, frames);
    dcm_write_u16(&w, 0x00280010, side);
    dcm_write_u16(&w, 0x00280011, side);
    dcm_write_u16(&w, 0x00280100, bits);
    dcm_write_u16(&w, 0x00280101, bits);
    dcm_write_u16(&w, 0x00280102, (uint16_t)(bits - 1));
    dcm_write_u16(&w, 0x00280103, 0);
    o->has_pixels = true;
    o->frames = (uint32_t)strtoul(frames, NULL, 10);
    if (fragments == NULL) {
        dcm_write_bytes(&w, 0x7FE00010, bits > 8 ? "OW" : "OB", pixels, n);
        return;
    }
    buf_add(&o->bytes, open, sizeof open);
    for (size_t i = 0; fragments[i] != NULL; i++) {
        buf_add(&o->bytes, item, sizeof item);
        buf_add_le32(&o->bytes, (uint32_t)strlen(fragments[i]));
        buf_add_text(&o->bytes, fragments[i]);
    }
    buf_add(&o->bytes, end, sizeof end);
    buf_add_le32(&o->bytes, 0);
}

static int
fake_fd(const void *bytes, size_t n, size_t before)
{
    int fd = memfd_create("fake", MFD_CLOEXEC);

    if (fd < 0 || pwrite(fd, bytes, n, (off_t)before) != (ssize_t)n)
        abort();
    return fd;
}

static bool
fake_is(const struct fake_object *o, const char *tenant, const char *study, const char *series,
        const char *instance)
{
    return strcmp(o->tenant, tenant) == 0 && strcmp(o->study, study) == 0 &&
           (series == NULL || strcmp(o->series, series) == 0) &&
           (instance == NULL || strcmp(o->instance, instance) == 0);
}

/* ---- in the place of storage/keep ---- */

int
keep_instances(struct keep *k, const char *tenant, const char *study, const char *series,
               const char *sop_instance, keep_on_place on_place, void *user, struct err *err)
{
    size_t whole = 0, coming = 0;

    (void)k;
    if (fake.is_away)
        return err_set(err, ERR_RETRY, "the catalog is away");
    for (size_t i = 0; i < fake.count; i++) {
        const struct fake_object *o = &fake.objects[i];
        struct keep_place place = {.offset = 5000, .size = o->bytes.n, .frames = o->frames};

        if (!fake_is(o, tenant, study, series, sop_instance))
            continue;
        if (o->is_preview) {
            coming++;
            continue;
        }
        whole++;
        snprintf(place.study, sizeof place.study, "%s", o->study);
        snprintf(place.series, sizeof place.series, "%s", o->series);
        snprintf(place.sop_instance, sizeof place.sop_instance, "%s", o->instance);
        snprintf(place.transfer_syntax, sizeof place.transfer_syntax, "%s", o->syntax);
        place.has_pixels = o->has_pixels;
        place.object[0] = (uint8_t)i;
        if (on_place(user, &place, err) < 0)
            return -1;
    }
    if (whole == 0)
        return coming > 0 ? err_set(err, ERR_RETRY, "still on its way")
                          : err_set(err, ERR_NOT_FOUND, "nothing of that name");
    return 0;
}

struct keep_place *
keep_place_copy(const struct keep_place *place)
{
    struct keep_place *copy = mem_new(sizeof *copy);

    *copy = *place;
    return copy;
}

void
keep_place_free(struct keep_place **place)
{
    free(TAKE(*place));
}

int
keep_open_place(struct keep *k, const struct keep_place *place, int *out_fd, struct err *err)
{
    const struct fake_object *o = &fake.objects[place->object[0]];

    (void)k;
    (void)err;
    *out_fd = fake_fd(o->bytes.bytes, o->bytes.n, 5000);
    return 0;
}

int
keep_open_stream(struct keep *k, const struct keep_place *place, int *out_fd,
                 struct keep_proof **out_proof, struct err *err)
{
    *out_proof = NULL;
    return keep_open_place(k, place, out_fd, err);
}

int
keep_proof_see(struct keep_proof *proof, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)proof, (void)bytes, (void)n, (void)err;
    abort();
}

void
keep_proof_free(struct keep_proof **proof)
{
    if (*proof != NULL)
        abort();
}

int
keep_find(struct keep *k, const struct keep_query *query, keep_on_row on_row, void *user,
          struct err *err)
{
    (void)k;
    if (fake.is_away)
        return err_set(err, ERR_RETRY, "the catalog is away");
    for (size_t i = query->offset; i < fake.count && i < query->offset + query->limit; i++) {
        struct dcm_facts facts = {.series_number = 1};
        struct keep_row row = {.facts = &facts, .modalities = ""};

        if (strcmp(fake.objects[i].tenant, query->tenant) != 0)
            continue;
        snprintf(facts.study_uid, sizeof facts.study_uid, "%s", fake.objects[i].study);
        if (on_row(user, &row) != 0)
            break;
    }
    return 0;
}

int
keep_standing_get(struct keep *k, const char *tenant, const char *study, struct keep_standing *out,
                  struct err *err)
{
    struct keep_standing s = {.revision = 1, .expected = 30};

    (void)k;
    for (size_t i = 0; i < fake.count; i++)
        if (fake_is(&fake.objects[i], tenant, study, NULL, NULL)) {
            s.offered++;
            s.whole += !fake.objects[i].is_preview;
        }
    s.missing = s.expected - s.whole;
    *out = s;
    return s.offered > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "no such study");
}

int
keep_gone_put(struct keep *k, const char *tenant, const char *study, const struct keep_gone *said,
              struct err *err)
{
    struct keep_standing standing;

    if (keep_standing_get(k, tenant, study, &standing, err) < 0)
        return -1;
    return standing.missing == said->images
               ? 0
               : err_set(err, ERR_CONFLICT, "other images are missing");
}

int
keep_list_get(struct keep *k, const char *tenant, const char *study, uint32_t revision,
              struct keep_list *out, struct err *err)
{
    (void)k;
    *out = (struct keep_list){.revision = 1, .instances = mem_new(sizeof *out->instances * 9)};
    for (size_t i = 0; i < fake.count && out->count < 9; i++)
        if (fake_is(&fake.objects[i], tenant, study, NULL, NULL)) {
            snprintf(out->instances[out->count].sop_instance, LINK_UID_SIZE, "%s",
                     fake.objects[i].instance);
            out->instances[out->count++].is_whole = !fake.objects[i].is_preview;
        }
    return out->count > 0 && revision < 2 ? 0 : err_set(err, ERR_NOT_FOUND, "nothing closed");
}

void
keep_list_fini(struct keep_list *list)
{
    free(list->instances);
    list->instances = NULL;
}

int
keep_coming_get(struct keep *k, const char *tenant, const char *study, struct keep_coming *out,
                struct err *err)
{
    (void)k;
    (void)tenant;
    (void)study;
    (void)err;
    *out = (struct keep_coming){NULL, 0};
    return 0;
}

void
keep_coming_fini(struct keep_coming *coming)
{
    free(coming->facts);
}

int
keep_previews(struct keep *k, const char *tenant, const char *study, const char *sop_instance,
              keep_on_preview on_preview, void *user, struct err *err)
{
    (void)k;
    for (size_t i = 0; i < fake.count; i++) {
        struct fake_object *o = &fake.objects[i];
        struct keep_preview p = {.size = o->bytes.n, .is_looked = true, .have = o->have};
        struct buf layout;
        int rc;

        if (!o->is_preview || !fake_is(o, tenant, study, NULL, sop_instance))
            continue;
        snprintf(p.study, sizeof p.study, "%s", o->study);
        snprintf(p.series, sizeof p.series, "%s", o->series);
        snprintf(p.sop_instance, sizeof p.sop_instance, "%s", o->instance);
        p.have_n = o->have_n;
        buf_init(&layout, 1 << 16);
        layout_write(o->layout, &layout);
        p.layout = layout.bytes;
        p.layout_n = layout.n;
        rc = on_preview(user, &p, err);
        buf_fini(&layout);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int
keep_open_preview(struct keep *k, const struct keep_preview *preview, int *out_fd, struct err *err)
{
    (void)k;
    (void)err;
    for (size_t i = 0; i < fake.count; i++)
        if (strcmp(fake.objects[i].instance, preview->sop_instance) == 0)
            *out_fd = fake_fd(fake.objects[i].bytes.bytes, fake.objects[i].bytes.n, 0);
    return 0;
}

int
keep_events(struct keep *k, const char *tenant, uint64_t after, uint64_t limit,
            keep_on_event on_event, void *user, struct err *err)
{
    (void)k;
    (void)err;
    for (uint64_t seq = after + 1; seq <= fake.events && limit > 0; seq++, limit--) {
        struct keep_event e = {seq, "A", "study.held", "1.2.3", 1000000, "{\"whole\":1}"};

        if (tenant == NULL || strcmp(tenant, "A") == 0)
            on_event(user, &e);
    }
    return 0;
}

int
keep_event_is_known(struct keep *k, const char *tenant, uint64_t seq, int64_t at_us,
                    bool *out_is_known, uint64_t *out_next, struct err *err)
{
    (void)k;
    (void)tenant;
    (void)err;
    *out_is_known = seq <= fake.events && at_us == 1000000;
    *out_next = 0;
    return 0;
}

void
keep_events_wait(struct keep *k, const char *tenant, uint64_t after, int64_t wait_ms)
{
    (void)k;
    (void)tenant;
    (void)wait_ms;
    fake.events = after + 1;
}

/* Tokens: a letter for the tenant, then what it may do. */
int
keep_token_find(struct keep *k, const char *text, struct keep_token *out, struct err *err)
{
    (void)k;
    if (text[0] != 'A' && text[0] != 'B')
        return err_set(err, ERR_DENIED, "unknown token");
    *out = (struct keep_token){.tenant = {text[0]}, .name = "test"};
    out->rights = (strchr(text, 'q') ? RIGHT_QUERY : 0) | (strchr(text, 'r') ? RIGHT_RETRIEVE : 0) |
                  (strchr(text, 'p') ? RIGHT_PREVIEW : 0) |
                  (strchr(text, '*') ? RIGHT_ALL_TENANTS : 0);
    return 0;
}

int
keep_certificate_check(struct keep *k, const char *serial_hex, const char *tenant,
                       const char *device, struct err *err)
{
    (void)k;
    (void)tenant;
    (void)device;
    return strcmp(serial_hex, "0A") == 0 ? 0 : err_set(err, ERR_DENIED, "revoked");
}

/* ---- in the place of the audit log ---- */

int
audit_append_fields(struct audit *audit, enum audit_event event, const struct audit_field *fields,
                    struct err *err)
{
    char *out = fake.noted[fake.notes % 8];

    (void)audit;
    if (fake.is_deaf)
        return err_set(err, ERR_RETRY, "the audit log takes nothing");
    snprintf(out, 64, "%d", (int)event);
    for (; fields->type != AUDIT_FIELD_END; fields++)
        if (fields->type == AUDIT_FIELD_UID || strcmp(fields->key, "what") == 0)
            snprintf(out + strlen(out), 64 - strlen(out), " %s=%s", fields->key, fields->text);
    fake.notes++;
    return 0;
}

/* ---- in the place of the codec's workers ---- */

int
codec_transcode(struct codec_pool *pool, const struct codec_source *source, const char *to,
                int *out_fd, uint64_t *out_size, struct err *err)
{
    char head[4096] = {0};
    struct buf made;
    int rc;

    (void)pool;
    if (pread(source->fd, head, sizeof head, (off_t)source->offset) < 0 ||
        memmem(head, sizeof head, "1.2.840.10008.1.2.4.100", 23) != NULL)
        return err_set(err, ERR_NOT_FOUND, "no decoder");
    fake.transcoded++;
    buf_init(&made, 4096);
    rc = part10_head(&made, "1.2.840.10008.5.1.4.1.1.7", "1.2", to, NULL, err);
    if (rc == 0)
        memset(made.bytes, 'T', 128);
    *out_size = made.n;
    *out_fd = rc < 0 ? -1 : fake_fd(made.bytes, made.n, 0);
    buf_fini(&made);
    return rc;
}

int
codec_frame(struct codec_pool *pool, const struct codec_source *source, uint32_t frame,
            uint8_t max_layers, const struct layout *layout, struct codec_image *out,
            struct err *err)
{
    (void)pool;
    (void)source;
    (void)layout;
    (void)err;
    *out = (struct codec_image){.cols = 64,
                                .rows = 64,
                                .samples = 1,
                                .bits_allocated = 8,
                                .bits_stored = 8,
                                .high_bit = 7,
                                .photometric = "MONOCHROME2",
                                .layers = max_layers,
                                .rescale_slope = 1,
                                .pixels_n = 64 * 64};
    out->pixels = mem_new(out->pixels_n);
    memset(out->pixels, (int)frame, out->pixels_n);
    return 0;
}

void
codec_image_fini(struct codec_image *image)
{
    free(image->pixels);
    image->pixels = NULL;
}

int
codec_cut_codestream(const uint8_t *bytes, size_t n, uint8_t layers, struct buf *out,
                     struct err *err)
{
    (void)err;
    buf_add_printf(out, "cut to %u: ", layers);
    buf_add(out, bytes, n);
    return 0;
}

#endif
