/* wrap.c - what a file is, and the one instance it becomes. */
#include "proto/dicom/wrap.h"

#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/wrap_parts.h"
#include "proto/trust/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_DICOMDIR "1.2.840.10008.1.3.10"

static const struct {
    const char *word, *media;
} kinds[WRAP_KINDS] = {
    [WRAP_UNKNOWN] = {"unknown", "application/octet-stream"},
    [WRAP_DICOM] = {"dicom", "application/dicom"},
    [WRAP_DICOMDIR] = {"dicomdir", "application/dicom"},
    [WRAP_PDF] = {"pdf", "application/pdf"},
    [WRAP_JPEG] = {"jpeg", "image/jpeg"},
    [WRAP_PNG] = {"png", "image/png"},
    [WRAP_MP4] = {"mp4", "video/mp4"},
    [WRAP_AVI] = {"avi", "video/x-msvideo"},
    [WRAP_AECG] = {"aecg", "application/octet-stream"},
    [WRAP_SCP] = {"scp_ecg", "application/octet-stream"},
};

const char *
wrap_kind_word(enum wrap_kind kind)
{
    return kinds[kind].word;
}

const char *
wrap_kind_media(enum wrap_kind kind)
{
    return kinds[kind].media;
}

bool
wrap_kind_read(const char *word, enum wrap_kind *out)
{
    for (int i = 0; i < WRAP_KINDS; i++)
        if (strcmp(kinds[i].word, word) == 0) {
            *out = (enum wrap_kind)i;
            return true;
        }
    return false;
}

/* ---- what is it ---- */

static bool
begins(const uint8_t *bytes, size_t n, size_t at, const char *with, size_t k)
{
    return n >= at + k && memcmp(bytes + at, with, k) == 0;
}

/* An XML declaration or AnnotatedECG itself, behind a byte order mark perhaps; UTF-16 too. */
static bool
is_xml(const uint8_t *bytes, size_t n)
{
    size_t at = begins(bytes, n, 0, "\xEF\xBB\xBF", 3) ? 3 : 0;

    if (begins(bytes, n, 0, "\xFF\xFE<\0", 4) || begins(bytes, n, 0, "\xFE\xFF\0<", 4))
        return true;
    while (at < n && isspace(bytes[at]))
        at++;
    return begins(bytes, n, at, "<?xml", 5) || begins(bytes, n, at, "<AnnotatedECG", 13) ||
           begins(bytes, n, at, "<!--", 4);
}

enum wrap_kind
wrap_sniff(const uint8_t *bytes, size_t n)
{
    if (begins(bytes, n, 128, "DICM", 4))
        return WRAP_DICOM;
    if (begins(bytes, n, 0, "\xFF\xD8\xFF", 3))
        return WRAP_JPEG;
    if (begins(bytes, n, 0, "\x89PNG\r\n\x1A\n", 8))
        return WRAP_PNG;
    if (begins(bytes, n, 4, "ftyp", 4) || begins(bytes, n, 4, "moov", 4))
        return WRAP_MP4;
    if (begins(bytes, n, 0, "RIFF", 4) && begins(bytes, n, 8, "AVI ", 4))
        return WRAP_AVI;
    if (begins(bytes, n, 16, "SCPECG", 6))
        return WRAP_SCP;
    for (size_t i = 0; i < 1024 && i + 5 <= n; i++)
        if (memcmp(bytes + i, "%PDF-", 5) == 0)
            return WRAP_PDF;
    return is_xml(bytes, n) ? WRAP_AECG : WRAP_UNKNOWN;
}

/* ---- is it whole, what does it say ---- */

/* Every element lies inside the file. */
static int
walk_whole(const uint8_t *dataset, size_t n, enum dcm_coding coding, struct err *err)
{
    struct dcm_element e;
    struct dcm_walk walk;

    dcm_walk_init(&walk, dataset, n, coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0) {
            err->kind = ERR_RETRY; /* what is cut off and what is broken look alike */
            return -1;
        }
    } while (e.event != DCM_END);
    return 0;
}

static bool
is_image(const struct dcm_facts *facts)
{
    const struct dcm_sop_class *c = dcm_sop_class_find(facts->sop_class);

    return c != NULL ? c->is_image : facts->rows > 0;
}

/* The end of any element may be the end of a data set; of an image it is not before its pixels. */
static int
look_dicom(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    struct dcm_facts *facts;
    struct dcm_part10 part10;
    int rc = -1;

    if (dcm_part10_parse(bytes, n, &part10, err) < 0)
        return -1;
    if (strcmp(part10.sop_class, CLASS_DICOMDIR) == 0) {
        out->kind = WRAP_DICOMDIR;
        return 0;
    }
    text_copy(out->sop_class, sizeof out->sop_class, part10.sop_class);
    text_copy(out->sop_instance, sizeof out->sop_instance, part10.sop_instance);
    text_copy(out->transfer_syntax, sizeof out->transfer_syntax, part10.transfer_syntax);
    if (part10.syntax->is_deflated) /* not inflated here: it waits, nobody's, and goes as it is */
        return 0;
    if (walk_whole(bytes + part10.dataset_at, n - part10.dataset_at, part10.syntax->coding, err) <
        0)
        return -1;
    facts = mem_new(sizeof *facts);
    if (dcm_facts_read(bytes, n, false, facts, err) < 0)
        goto out;
    if (!facts->has_pixels && is_image(facts)) {
        (void)err_set(err, ERR_RETRY, "DICOM: ends early, before the pixels");
        goto out;
    }
    text_copy(out->said_name, sizeof out->said_name, facts->patient_name);
    text_copy(out->said_id, sizeof out->said_id, facts->patient_id);
    text_copy(out->said_birth, sizeof out->said_birth, facts->birth_date);
    text_copy(out->said_sex, sizeof out->said_sex, facts->sex);
    text_copy(out->modality, sizeof out->modality, facts->modality);
    text_copy(out->study_uid, sizeof out->study_uid, facts->study_uid);
    text_copy(out->series_uid, sizeof out->series_uid, facts->series_uid);
    out->is_uid_made = facts->is_study_made || facts->is_series_made;
    text_copy(out->sop_class, sizeof out->sop_class, facts->sop_class);
    text_copy(out->sop_instance, sizeof out->sop_instance, facts->sop_instance);
    rc = 0;
out:
    free(facts);
    return rc;
}

static int
look_ecg(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    const char *sop_class;
    struct ecg *e = NULL;

    if (wrap_ecg_read(out->kind, bytes, n, &e, err) < 0)
        return -1;
    if (wrap_ecg_class(e, &sop_class, err) < 0) {
        ecg_free(&e);
        return -1;
    }
    text_copy(out->said_name, sizeof out->said_name, e->name);
    text_copy(out->said_id, sizeof out->said_id, e->id);
    text_copy(out->said_birth, sizeof out->said_birth, e->birth);
    text_copy(out->said_sex, sizeof out->said_sex, e->sex);
    text_copy(out->said_at, sizeof out->said_at, e->at);
    snprintf(out->device, sizeof out->device, "%.60s%s%.30s", e->maker,
             e->maker[0] != '\0' && e->model[0] != '\0' ? " " : "", e->model);
    while (!text_is_utf8(out->device, strlen(out->device)))
        out->device[strlen(out->device) - 1] = '\0';
    memcpy(out->modality, "ECG", 4);
    out->channels = e->groups[0].channel_count;
    out->seconds = (uint32_t)(e->groups[0].sample_count / e->groups[0].hertz + 0.5);
    ecg_free(&e);
    return 0;
}

static int
look_jpeg(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    struct wrap_jpeg j;

    if (wrap_jpeg_read(bytes, n, &j, err) < 0)
        return -1;
    out->cols = j.orientation >= 5 ? j.rows : j.cols; /* as it is seen */
    out->rows = j.orientation >= 5 ? j.cols : j.rows;
    out->frames = 1;
    return 0;
}

static int
look_png(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    struct png p;

    if (png_read(bytes, n, &p, err) < 0)
        return -1;
    out->cols = p.cols;
    out->rows = p.rows;
    out->frames = 1;
    return 0;
}

static int
look_video(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    struct wrap_video v;

    if (wrap_video_read(bytes, n, &v, err) < 0)
        return -1;
    out->cols = v.cols;
    out->rows = v.rows;
    out->frames = v.frames;
    out->seconds = (uint32_t)(v.frames * v.frame_ms / 1000 + 0.5);
    return 0;
}

static int
look_avi(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    struct wrap_avi avi;

    if (wrap_avi_read(bytes, n, &avi, err) < 0)
        return -1;
    out->cols = avi.cols;
    out->rows = avi.rows;
    out->frames = avi.frames;
    out->seconds = (uint32_t)(avi.frames * avi.frame_ms / 1000 + 0.5);
    wrap_avi_fini(&avi);
    return 0;
}

int
wrap_look(const uint8_t *bytes, size_t n, struct wrap_facts *out, struct err *err)
{
    struct wrap_facts facts = {.kind = wrap_sniff(bytes, n)};
    int rc = 0;

    switch (facts.kind) {
    case WRAP_DICOM:
        rc = look_dicom(bytes, n, &facts, err);
        break;
    case WRAP_PDF:
        rc = wrap_pdf_read(bytes, n, err);
        break;
    case WRAP_JPEG:
        rc = look_jpeg(bytes, n, &facts, err);
        break;
    case WRAP_MP4:
        rc = look_video(bytes, n, &facts, err);
        break;
    case WRAP_AECG:
    case WRAP_SCP:
        rc = look_ecg(bytes, n, &facts, err);
        break;
    case WRAP_PNG:
        rc = look_png(bytes, n, &facts, err);
        break;
    case WRAP_AVI:
        rc = look_avi(bytes, n, &facts, err);
        break;
    default:
        rc = n < 1024 ? err_set(err, ERR_RETRY, "too short to tell what it is")
                      : err_set(err, ERR_REJECT, "a file of no kind that is taken here");
    }
    if (rc == 0)
        *out = facts;
    return rc;
}

/* ---- what it becomes ---- */

int
wrap_plan_make(const struct wrap_identity *identity, const struct wrap_source *source,
               struct wrap_plan *out, struct err *err)
{
    enum wrap_kind kind = wrap_sniff(source->bytes, source->n);
    struct wrap_set *s = mem_new(sizeof *s);
    int rc;

    memset(out, 0, sizeof *out);
    buf_init(&out->head, (size_t)512 << 20);
    buf_init(&out->tail, 4096);
    wrap_set_init(s, (size_t)512 << 20);
    switch (kind) {
    case WRAP_PDF:
        rc = wrap_pdf_plan(identity, source, out, s, err);
        break;
    case WRAP_JPEG:
        rc = wrap_jpeg_plan(identity, source, out, s, err);
        break;
    case WRAP_MP4:
        rc = wrap_video_plan(identity, source, out, s, err);
        break;
    case WRAP_PNG:
        rc = wrap_png_plan(identity, source, out, s, err);
        break;
    case WRAP_AVI:
        rc = wrap_avi_plan(identity, source, out, s, err);
        break;
    case WRAP_AECG:
    case WRAP_SCP:
        rc = wrap_ecg_plan(identity, source, kind, out, s, err);
        break;
    default:
        rc = err_set(err, ERR_REJECT, "%s cannot be wrapped", wrap_kind_word(kind));
    }
    if (rc == 0 && (buf_is_over(&out->head) || buf_is_over(&s->bytes)))
        rc = err_set(err, ERR_REJECT, "%s: longer than can be wrapped", wrap_kind_word(kind));
    wrap_set_fini(s);
    free(s);
    if (rc < 0)
        wrap_plan_fini(out);
    return rc;
}

void
wrap_plan_fini(struct wrap_plan *plan)
{
    buf_fini(&plan->head);
    buf_fini(&plan->tail);
    if (plan->film != NULL)
        wrap_avi_fini(plan->film);
    free(TAKE(plan->film));
}

int
wrap_plan_write(const struct wrap_plan *plan, const struct wrap_source *source, wrap_sink_fn sink,
                void *user, struct err *err)
{
    if (sink(user, plan->head.bytes, plan->head.n, err) < 0)
        return -1;
    if (plan->needs == WRAP_NEEDS_PIXELS) {
        if (source->n != plan->pixels_n)
            return err_set(err, ERR_REJECT, "the decoder gave pixels of another size");
        if (sink(user, source->bytes, source->n, err) < 0)
            return -1;
    }
    if (plan->has_body && sink(user, source->bytes, source->n, err) < 0)
        return -1;
    if (plan->film != NULL && wrap_avi_write(plan->film, source->bytes, sink, user, err) < 0)
        return -1;
    return plan->tail.n > 0 ? sink(user, plan->tail.bytes, plan->tail.n, err) : 0;
}

/* ---- UIDs ---- */

void
wrap_uid(const char *what, const char *first, const char *second, char out[65])
{
    const char *words[] = {what, first, second};
    struct digest *d = digest_new();
    uint8_t hash[DIGEST_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        digest_add(d, words[i], strlen(words[i]) + 1);
    digest_take(d, hash);
    digest_free(&d);
    digest_uid(hash, out);
}

void
wrap_instance_uid(const char *study_uid, const uint8_t sha256[32], char out[65])
{
    char hex[DIGEST_HEX_BYTES];

    digest_text(sha256, hex);
    wrap_uid("radpost import instance", study_uid, hex, out);
}
